//! Sends one request of the user: each hop with the token or without it, as its own URL demands.

use std::time::Instant;

use http::{HeaderName, HeaderValue, Method};
use reqwest::{Request, Response};
use url::Url;

use crate::client::Client;
use crate::domain::Domain;
use crate::http::client::Way;
use crate::http::pool::{self, Sender};
use crate::http::redirect::{self, Spare};
use crate::notice;
use crate::session::Session;
use crate::wire::header;

/// Where no configuration tells another.
const REDIRECTS: usize = 10;

/// Sends the request and follows its redirects.
pub(crate) async fn send(way: Way, mut request: Request) -> reqwest::Result<Response> {
    let sender = pool::sender(way.client.as_ref())?;
    let settings = way.client.as_ref().map(Client::settings);
    let most = settings.map_or(REDIRECTS, |settings| settings.redirects);
    let limit = request.timeout().copied().or(settings.and_then(|settings| settings.request_timeout));
    let deadline = limit.and_then(|limit| Instant::now().checked_add(limit));
    let mut border = Border::new(&way, &mut request).await;
    let mut hops = 0;
    loop {
        let spare = if hops < most { Spare::of(&mut request) } else { None };
        border.dress(&mut request, &sender);
        if let Some(deadline) = deadline {
            *request.timeout_mut() = Some(deadline.saturating_duration_since(Instant::now()));
        }
        let sent = sender.client.execute(request);
        let answer = if hops == most && most > 0 { redirect::last_hop(sent).await? } else { sent.await? };
        match spare.and_then(|spare| spare.follow(&answer, &sender.adds)) {
            Some(next) => request = next,
            None => return Ok(answer),
        }
        hops += 1;
    }
}

/// The border of the project's domain, and which side the chain has seen.
struct Border<'a> {
    client: Option<&'a Client>,
    domain: Option<&'a Domain>,
    /// The session's token, or one that the caller set by hand.
    token: Option<HeaderValue>,
    been_outside: bool,
}

impl<'a> Border<'a> {
    async fn new(way: &'a Way, request: &mut Request) -> Self {
        let client = way.client.as_ref();
        let by_hand = request.headers_mut().remove(header::SESSION_TOKEN);
        if way.session.is_none() {
            if let Some(client) = client.filter(|client| !client.is_disabled()) {
                client.sent_outside_sessions();
            }
        }
        let granted = match &way.session {
            Some(session) => token_of(session).await,
            None => None,
        };
        let token = by_hand.or(granted);
        Self { client, domain: client.map(|client| &client.settings().domain), token, been_outside: false }
    }

    /// Gives the request of one hop the token, or takes every secret of ours out of it.
    fn dress(&mut self, request: &mut Request, sender: &Sender) {
        let inside = self.domain.is_some_and(|domain| domain.contains(request.url()));
        let safe = !self.been_outside || matches!(*request.method(), Method::GET | Method::HEAD);
        self.been_outside |= !inside;
        let key = request.headers().get(header::AGENT_KEY).cloned().filter(|_| self.is_otas(request.url()));
        redirect::withhold_secrets(request.headers_mut(), &sender.adds);
        if let Some(key) = key {
            request.headers_mut().insert(HeaderName::from_static(header::AGENT_KEY), key);
        }
        if let Some(token) = self.token.as_ref().filter(|_| inside && safe) {
            request.headers_mut().insert(HeaderName::from_static(header::SESSION_TOKEN), token.clone());
        }
    }

    /// Whether the URL is one of UASAM or Brain, where the agent key may go.
    fn is_otas(&self, url: &Url) -> bool {
        let at = |base: &Url| url.origin() == base.origin();
        self.client.is_some_and(|client| at(&client.settings().uasam) || at(&client.settings().brain))
    }
}

async fn token_of(session: &Session) -> Option<HeaderValue> {
    match session.grant_to_use().await {
        Ok(grant) => Some(grant.token.header().clone()),
        Err(error) => {
            notice::warn(&format!("a request is sent without a token: {error}"));
            None
        }
    }
}
