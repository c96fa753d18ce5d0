//! Redirects are ours: what keeps reqwest from following them, and what no request may take to another host.

use std::fmt;
use std::future::Future;

use http::header::{AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue};
use reqwest::redirect::Policy;

use crate::wire::header;

/// What a request loses when it goes to another host; the list is reqwest's.
static CREDENTIALS: [HeaderName; 5] =
    [AUTHORIZATION, COOKIE, HeaderName::from_static("cookie2"), PROXY_AUTHORIZATION, WWW_AUTHENTICATE];
pub(crate) static AGENT_KEY: HeaderName = HeaderName::from_static(header::AGENT_KEY);
pub(crate) static SESSION_TOKEN: HeaderName = HeaderName::from_static(header::SESSION_TOKEN);
static SECRETS: [HeaderName; 2] =
    [HeaderName::from_static(header::AGENT_KEY), HeaderName::from_static(header::SESSION_TOKEN)];

tokio::task_local! {
    /// Set while the last hop that is allowed is on its way: reqwest's own error for one more can only be made by reqwest.
    static LAST_HOP: ();
}

/// Follows nothing; a redirect that comes as the answer to the last hop is an error.
pub(crate) fn policy() -> Policy {
    Policy::custom(
        |attempt| {
            if LAST_HOP.try_with(|()| ()).is_ok() { attempt.error(TooManyRedirects) } else { attempt.stop() }
        },
    )
}

/// Sends as the last hop that is allowed.
pub(crate) async fn last_hop<F: Future>(sent: F) -> F::Output {
    LAST_HOP.scope((), sent).await
}

#[derive(Debug)]
struct TooManyRedirects;

impl fmt::Display for TooManyRedirects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("too many redirects")
    }
}

impl std::error::Error for TooManyRedirects {}

/// Takes out of a request what must not go along to another host.
pub(crate) fn strip(headers: &mut HeaderMap, added: &[HeaderName]) {
    withhold(headers, &CREDENTIALS, added);
    withhold_own(headers);
}

/// Takes headers out of a request. Those that reqwest would add again by itself are left empty instead.
fn withhold(headers: &mut HeaderMap, names: &[HeaderName], added: &[HeaderName]) {
    for name in names {
        if added.contains(name) {
            headers.insert(name, HeaderValue::from_static(""));
        } else {
            headers.remove(name);
        }
    }
}

/// Keeps the library's secrets out of a request, also where they were put in by hand.
pub(crate) fn withhold_secrets(headers: &mut HeaderMap, added: &[HeaderName]) {
    withhold(headers, &SECRETS, added);
}

/// Takes every header of OTAS out of a request: also those that this library does not set, such as a person's token.
fn withhold_own(headers: &mut HeaderMap) {
    let own: Vec<_> = headers.keys().filter(|name| name.as_str().starts_with(header::PREFIX)).cloned().collect();
    for name in own {
        headers.remove(name);
    }
}

/// Whether a header of OTAS was put in by hand.
pub(crate) fn has_own(headers: &HeaderMap) -> bool {
    headers.keys().any(|name| name.as_str().starts_with(header::PREFIX))
}

/// The credentials among a client's default headers, which it adds to every hop that does not have them. Nothing but its `Debug` tells them;
/// where that does not look as expected, all are taken to be there.
pub(crate) fn added_by(client: &reqwest::Client) -> Vec<HeaderName> {
    let shown = format!("{client:?}").to_ascii_lowercase();
    let legible = shown.contains("default_headers: {") && shown.contains("\"accept\"");
    let added = |name: &&HeaderName| !legible || shown.contains(&format!("\"{name}\""));
    CREDENTIALS.iter().chain(&SECRETS).filter(added).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_among_a_clients_default_headers_are_found() {
        let plain = reqwest::Client::builder().build().unwrap();
        assert_eq!(added_by(&plain), Vec::<HeaderName>::new());
        let mut secret = HeaderValue::from_static("hunter2");
        secret.set_sensitive(true);
        let headers = HeaderMap::from_iter([
            (AUTHORIZATION, secret),
            (HeaderName::from_static(header::AGENT_KEY), "k".parse().unwrap()),
        ]);
        let client = reqwest::Client::builder().default_headers(headers).build().unwrap();
        assert_eq!(added_by(&client), [AUTHORIZATION, HeaderName::from_static(header::AGENT_KEY)]);
    }
}
