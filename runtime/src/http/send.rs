//! Sends one request hop by hop, with the token only on hops within the project domain.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderValue, Method};
use reqwest::{Request, Response};

use super::capture::Capture;
use super::redirect::{self, Replay, Withhold};
use crate::client::{Client, Sender, last_hop, plain_sender};
use crate::config::MAX_REDIRECTS;
use crate::domain::ProjectDomain;
use crate::session::Session;
use crate::token::Grant;
use crate::warn;

/// How a request goes out, decided when it is sent.
pub(super) enum Target {
    /// In a session, through its client.
    Session(Session),
    /// Without a session.
    Client(Client),
    /// There is no valid configuration.
    Plain,
}

impl Target {
    fn client(&self) -> Option<&Client> {
        match self {
            Self::Session(session) => Some(session.client()),
            Self::Client(client) => Some(client),
            Self::Plain => None,
        }
    }

    fn session(&self) -> Option<&Session> {
        match self {
            Self::Session(session) => Some(session),
            Self::Client(_) | Self::Plain => None,
        }
    }

    /// The HTTP client for the current runtime.
    pub(super) fn sender(&self) -> reqwest::Result<Arc<Sender>> {
        self.client().map_or_else(plain_sender, Client::sender)
    }
}

/// Sends the request and follows its redirects.
#[expect(
    clippy::manual_async_fn,
    reason = "an async fn would hold the request twice, and large futures are expensive to allocate"
)]
pub(super) fn send(target: Target, mut request: Request) -> impl Future<Output = reqwest::Result<Response>> + Send {
    async move {
        let sender = target.sender()?;
        let settings = target.client().map(Client::settings);
        let max_hops = settings.map_or(MAX_REDIRECTS, |settings| settings.max_redirects);
        let timeout = request.timeout().copied().or(settings.and_then(|settings| settings.request_timeout));
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        if let Some(settings) = settings {
            add_missing(request.headers_mut(), &settings.default_headers);
        }
        let mut chain = Chain::start(&target, &sender, &mut request, timeout).await;
        let mut hops = 0;
        loop {
            let replay = (hops < max_hops).then(|| Replay::capture(&mut request));
            chain.prepare_hop(&mut request);
            if let Some(deadline) = deadline {
                *request.timeout_mut() = Some(deadline.saturating_duration_since(Instant::now()));
            }
            let sent = sender.client.execute(request);
            let sent = if hops == max_hops && max_hops > 0 { last_hop(sent).await } else { sent.await };
            let response = chain.on_response(sent)?;
            match replay.and_then(|replay| replay.next_request(&response, chain.withhold)) {
                Some(next) => request = next,
                None => return Ok(chain.finish(response)),
            }
            hops += 1;
        }
    }
}

/// Adds default headers as reqwest does: only those the request does not have.
fn add_missing(headers: &mut HeaderMap, defaults: &HeaderMap) {
    for name in defaults.keys() {
        if !headers.contains_key(name) {
            for value in defaults.get_all(name) {
                headers.append(name, value.clone());
            }
        }
    }
}

/// Tracks one redirect chain: whether the current hop is inside the project domain, and the
/// capture of the current run of hops outside it.
struct Chain<'a> {
    client: Option<&'a Client>,
    session: Option<&'a Session>,
    /// The session's grant when the request was made; every hop uses it.
    grant: Option<Arc<Grant>>,
    /// How headers are withheld: a client that the user built may add defaults we cannot see.
    withhold: Withhold,
    /// Whether the caller set an OTAS header.
    has_own_headers: bool,
    /// The session token that the caller set, if any.
    own_token: Option<HeaderValue>,
    was_outside: bool,
    capture: Option<Capture>,
}

impl<'a> Chain<'a> {
    async fn start(target: &'a Target, sender: &Sender, request: &mut Request, timeout: Option<Duration>) -> Self {
        let (client, session) = (target.client(), target.session());
        let has_own_headers = redirect::has_own(request.headers());
        let own_token = has_own_headers.then(|| request.headers_mut().remove(&redirect::SESSION_TOKEN)).flatten();
        let grant = match session {
            Some(session) => fresh_grant(session, timeout).await,
            None => None,
        };
        if let (None, Some(client)) = (session, client.filter(|client| !client.is_disabled())) {
            client.count_sessionless_request();
        }
        let withhold = if sender.has_hidden_headers { Withhold::Blank } else { Withhold::Remove };
        Self { client, session, grant, withhold, has_own_headers, own_token, was_outside: false, capture: None }
    }

    /// Prepares the request of one hop for the side its URL is on.
    fn prepare_hop(&mut self, request: &mut Request) {
        let within = |domain: fn(&Client) -> &ProjectDomain| {
            self.client.is_some_and(|client| domain(client).contains(request.url()))
        };
        let inside = within(|client| &client.settings().domain);
        let to_otas = (!inside || self.has_own_headers) && within(Client::servers);
        self.was_outside |= !inside;
        self.apply_credentials(request, inside, to_otas);
        if inside || to_otas {
            if let Some(capture) = self.capture.take() {
                capture.complete();
            }
        } else if let Some(capture) = &mut self.capture {
            capture.redirected(request);
        } else if let (Some(session), Some(grant)) = (self.session, &self.grant) {
            self.capture = Some(Capture::start(session, grant.credentials.clone(), request));
        }
    }

    /// Adds the token if it may be sent, and removes our secrets that the caller set.
    fn apply_credentials(&self, request: &mut Request, inside: bool, to_otas: bool) {
        let headers = request.headers_mut();
        // Nearly always there are none, and so no secrets to remove.
        if self.has_own_headers {
            let key = headers.get(&redirect::AGENT_KEY).filter(|_| to_otas).cloned();
            redirect::withhold_secrets(headers, self.withhold);
            if let Some(key) = key {
                headers.insert(&redirect::AGENT_KEY, key);
            }
        }
        let safe = !self.was_outside || matches!(*request.method(), Method::GET | Method::HEAD);
        let token = self.own_token.as_ref().or(self.grant.as_ref().map(|grant| &grant.credentials.token));
        if let Some(token) = token.filter(|_| inside && safe) {
            request.headers_mut().insert(&redirect::SESSION_TOKEN, token.clone());
        }
    }

    /// Notes the outcome of one hop.
    fn on_response(&mut self, sent: reqwest::Result<Response>) -> reqwest::Result<Response> {
        match (&sent, &mut self.capture) {
            (Ok(response), Some(capture)) => capture.responded(response),
            (Err(error), capture) => {
                if let Some(capture) = capture.take() {
                    capture.fail(error);
                }
            }
            (Ok(_), None) => {}
        }
        sent
    }

    /// The last response of the chain.
    fn finish(&mut self, response: Response) -> Response {
        match self.capture.take() {
            Some(capture) => capture.attach(response),
            None => response,
        }
    }
}

/// The grant to use. An expired one is renewed first, within half of the request's own timeout, so
/// that the other half is left for the response.
async fn fresh_grant(session: &Session, timeout: Option<Duration>) -> Option<Arc<Grant>> {
    let max_wait = timeout.map_or(session.client().settings().open_timeout, |timeout| timeout / 2);
    match session.fresh_grant(max_wait).await {
        Ok(grant) => Some(grant),
        Err(error) => {
            warn::emit(&format!("a request is sent without a token: {error}"));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_future_of_a_request_is_small() {
        let request = Request::new(Method::GET, "http://a.example/".parse().unwrap());

        let sent = send(Target::Plain, request);

        assert!(size_of_val(&sent) <= 1024, "{} bytes", size_of_val(&sent));
    }
}
