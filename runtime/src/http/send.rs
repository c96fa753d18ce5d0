//! Sends one request of the user: each hop with the token or without it, as its own URL demands.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderValue, Method};
use reqwest::{Request, Response};

use crate::client::Client;
use crate::client::pool::{self, Sender};
use crate::domain::ProjectDomain;
use crate::http::capture::Stretch;
use crate::http::client::Way;
use crate::http::redirect;
use crate::http::spare::Spare;
use crate::session::Session;
use crate::token::Grant;
use crate::warn;

/// Where no configuration tells another.
const REDIRECTS: usize = 10;

/// Sends the request and follows its redirects.
#[expect(
    clippy::manual_async_fn,
    reason = "an async fn would hold the request twice, and large futures are dear to allocate"
)]
pub(crate) fn send(way: Way, mut request: Request) -> impl Future<Output = reqwest::Result<Response>> + Send {
    async move {
        let sender = pool::sender(way.client())?;
        let settings = way.client().map(Client::settings);
        let most = settings.map_or(REDIRECTS, |settings| settings.max_redirects);
        let limit = request.timeout().copied().or(settings.and_then(|settings| settings.request_timeout));
        let deadline = limit.and_then(|limit| Instant::now().checked_add(limit));
        let mut border = Border::new(&way, &mut request, limit).await;
        let mut hops = 0;
        loop {
            let spare = (hops < most).then(|| Spare::of(&mut request));
            border.cross(&mut request, &sender);
            if let Some(deadline) = deadline {
                *request.timeout_mut() = Some(deadline.saturating_duration_since(Instant::now()));
            }
            let sent = sender.client.execute(request);
            let sent = if hops == most && most > 0 { redirect::last_hop(sent).await } else { sent.await };
            let answer = border.came(sent)?;
            match spare.and_then(|spare| spare.follow(&answer, &sender.adds)) {
                Some(next) => request = next,
                None => return Ok(border.watch(answer)),
            }
            hops += 1;
        }
    }
}

/// The border of the project's domain: which side the chain is on, and what is told of its stretches outside.
struct Border<'a> {
    client: Option<&'a Client>,
    session: Option<&'a Session>,
    /// What the session was granted when the request was made: the chain keeps it.
    grant: Option<Arc<Grant>>,
    /// The caller set headers of OTAS by hand.
    own_headers: bool,
    /// The token among them.
    by_hand: Option<HeaderValue>,
    been_outside: bool,
    stretch: Option<Stretch>,
}

impl<'a> Border<'a> {
    async fn new(way: &'a Way, request: &mut Request, limit: Option<Duration>) -> Self {
        let (client, session) = (way.client(), way.session());
        let own_headers = redirect::has_own(request.headers());
        let by_hand = own_headers.then(|| request.headers_mut().remove(&redirect::SESSION_TOKEN)).flatten();
        let grant = match session {
            Some(session) => grant_of(session, limit).await,
            None => None,
        };
        if let (None, Some(client)) = (session, client.filter(|client| !client.is_disabled())) {
            client.sent_outside_sessions();
        }
        Self { client, session, grant, own_headers, by_hand, been_outside: false, stretch: None }
    }

    /// Readies the request of one hop for the side that its URL is on.
    fn cross(&mut self, request: &mut Request, sender: &Sender) {
        let holds = |domain: fn(&Client) -> &ProjectDomain| {
            self.client.is_some_and(|client| domain(client).contains(request.url()))
        };
        let inside = holds(|client| &client.settings().domain);
        let is_otas = (!inside || self.own_headers) && holds(Client::servers);
        self.been_outside |= !inside;
        self.dress(request, sender, inside, is_otas);
        if inside || is_otas {
            if let Some(stretch) = self.stretch.take() {
                stretch.complete();
            }
        } else if let Some(stretch) = &mut self.stretch {
            stretch.goes_on(request);
        } else if let (Some(session), Some(grant)) = (self.session, &self.grant) {
            self.stretch = Some(Stretch::begin(session, grant.credentials.clone(), request));
        }
    }

    /// Gives the request the token, or takes every secret of ours out of it.
    fn dress(&self, request: &mut Request, sender: &Sender, inside: bool, is_otas: bool) {
        let headers = request.headers_mut();
        // Without either, as nearly always, there is none to be found.
        if self.own_headers || !sender.adds.is_empty() {
            let key = headers.get(&redirect::AGENT_KEY).filter(|_| is_otas).cloned();
            redirect::withhold_secrets(headers, &sender.adds);
            if let Some(key) = key {
                headers.insert(&redirect::AGENT_KEY, key);
            }
        }
        let safe = !self.been_outside || matches!(*request.method(), Method::GET | Method::HEAD);
        let token = self.by_hand.as_ref().or(self.grant.as_ref().map(|grant| &grant.credentials.token));
        if let Some(token) = token.filter(|_| inside && safe) {
            request.headers_mut().insert(&redirect::SESSION_TOKEN, token.clone());
        }
    }

    /// What came of one hop.
    fn came(&mut self, sent: reqwest::Result<Response>) -> reqwest::Result<Response> {
        match (&sent, &mut self.stretch) {
            (Ok(answer), Some(stretch)) => stretch.answered(answer),
            (Err(error), stretch) => {
                if let Some(stretch) = stretch.take() {
                    stretch.failed(error);
                }
            }
            (Ok(_), None) => {}
        }
        sent
    }

    /// The last answer of the chain.
    fn watch(&mut self, answer: Response) -> Response {
        match self.stretch.take() {
            Some(stretch) => stretch.watch(answer),
            None => answer,
        }
    }
}

/// The token to use. An expired one is waited for, in half of the time that the request has: the other half is for its answer.
async fn grant_of(session: &Session, limit: Option<Duration>) -> Option<Arc<Grant>> {
    let patience = limit.map_or(session.client().settings().open_timeout, |limit| limit / 2);
    match session.grant_to_use(patience).await {
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
    fn the_future_of_a_request_is_no_large_object_to_an_allocator() {
        let request = Request::new(Method::GET, "http://a.example/".parse().unwrap());

        let sent = send(Way::Plain, request);

        assert!(size_of_val(&sent) <= 1024, "{} bytes", size_of_val(&sent));
    }
}
