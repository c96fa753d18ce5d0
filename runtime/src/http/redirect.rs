//! The next hop of a redirect, by reqwest's rules, and what it must not carry to another host.
//!
//! `tower_http`'s `FollowRedirect` has the right hook, but it works on `http::Request`, which costs
//! a URL parse per hop, and only reqwest itself can construct its "too many redirects" error.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, LOCATION, PROXY_AUTHORIZATION,
    TRANSFER_ENCODING, WWW_AUTHENTICATE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version};
use http_body::Body as _;
use reqwest::{Body, Request, Response};
use url::Url;

use crate::wire::header;

pub(super) static AGENT_KEY: HeaderName = HeaderName::from_static(header::AGENT_KEY);
pub(super) static SESSION_TOKEN: HeaderName = HeaderName::from_static(header::SESSION_TOKEN);

/// What a request loses on its way to another host; the list is reqwest's.
static CREDENTIALS: [HeaderName; 5] =
    [AUTHORIZATION, COOKIE, HeaderName::from_static("cookie2"), PROXY_AUTHORIZATION, WWW_AUTHENTICATE];
static SECRETS: [HeaderName; 2] =
    [HeaderName::from_static(header::AGENT_KEY), HeaderName::from_static(header::SESSION_TOKEN)];

/// Headers that describe a body, and are dropped with it.
static BODY_HEADERS: [HeaderName; 4] = [CONTENT_TYPE, CONTENT_LENGTH, CONTENT_ENCODING, TRANSFER_ENCODING];

/// How to withhold a header.
#[derive(Clone, Copy)]
pub(super) enum Withhold {
    /// Remove it.
    Remove,
    /// Send it empty, because the HTTP client may add its own default if it is missing.
    Blank,
}

impl Withhold {
    fn apply(self, headers: &mut HeaderMap, names: &[HeaderName]) {
        for name in names {
            match self {
                Self::Remove => drop(headers.remove(name)),
                Self::Blank => drop(headers.insert(name, HeaderValue::from_static(""))),
            }
        }
    }
}

/// Withholds this library's secrets, even if the caller set them.
pub(super) fn withhold_secrets(headers: &mut HeaderMap, withhold: Withhold) {
    withhold.apply(headers, &SECRETS);
}

/// Withholds everything that must not reach another host: credentials, and every OTAS header,
/// including those that this library does not set, such as a user token.
fn withhold_from_other_host(headers: &mut HeaderMap, withhold: Withhold) {
    let own: Vec<_> = headers.keys().filter(|name| is_own(name)).cloned().collect();
    Withhold::Remove.apply(headers, &own);
    withhold.apply(headers, &CREDENTIALS);
    withhold.apply(headers, &SECRETS);
}

/// Whether the caller set an OTAS header.
pub(super) fn has_own(headers: &HeaderMap) -> bool {
    headers.keys().any(is_own)
}

fn is_own(name: &HeaderName) -> bool {
    name.as_str().starts_with(header::PREFIX)
}

/// What is needed to re-send a request to a redirect target: everything but the URL. Headers are
/// kept as a list because cloning a `HeaderMap` is several times slower and a redirect is rare.
pub(super) struct Replay {
    method: Method,
    version: Version,
    timeout: Option<Duration>,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: ReplayBody,
}

enum ReplayBody {
    Empty,
    Bytes(Bytes),
    /// Cannot be sent again.
    Stream,
}

impl Replay {
    pub(super) fn capture(request: &mut Request) -> Self {
        Self {
            method: request.method().clone(),
            version: request.version(),
            timeout: request.timeout().copied(),
            headers: request.headers().iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
            body: request.body_mut().as_mut().map_or(ReplayBody::Empty, ReplayBody::capture),
        }
    }

    /// The request that the response redirects to; `None` if it is not a redirect, or one that
    /// cannot be followed.
    pub(super) fn next_request(mut self, response: &Response, withhold: Withhold) -> Option<Request> {
        let keeps_body = match response.status() {
            StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND => self.method != Method::POST,
            StatusCode::SEE_OTHER => false,
            StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT => true,
            _ => return None,
        };
        if keeps_body && matches!(self.body, ReplayBody::Stream) {
            return None;
        }
        let location = std::str::from_utf8(response.headers().get(LOCATION)?.as_bytes()).ok()?;
        let mut target = response.url().join(location).ok()?;
        target.set_fragment(None);
        if !keeps_body {
            self.drop_body();
        }
        let leaves = leaves_host(response.url(), &target);
        let mut request = self.into_request(target);
        if leaves {
            withhold_from_other_host(request.headers_mut(), withhold);
        }
        Some(request)
    }

    fn drop_body(&mut self) {
        if self.method != Method::HEAD {
            self.method = Method::GET;
        }
        self.body = ReplayBody::Empty;
        self.headers.retain(|(name, _)| !BODY_HEADERS.contains(name));
    }

    fn into_request(self, url: Url) -> Request {
        let mut request = Request::new(self.method, url);
        *request.version_mut() = self.version;
        if let Some(timeout) = self.timeout {
            *request.timeout_mut() = Some(timeout);
        }
        for (name, value) in self.headers {
            request.headers_mut().append(name, value);
        }
        if let ReplayBody::Bytes(bytes) = self.body {
            *request.body_mut() = Some(bytes.into());
        }
        request
    }
}

impl ReplayBody {
    /// Shares the bytes of a body held in memory. reqwest hands them out without a copy only as a
    /// frame, and puts all of them into a single one.
    fn capture(body: &mut Body) -> Self {
        match body.as_bytes() {
            None => return Self::Stream,
            Some([]) => return Self::Bytes(Bytes::new()),
            Some(_) => {}
        }
        match Pin::new(&mut *body).poll_frame(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Some(Ok(frame))) => {
                let bytes = frame.into_data().unwrap_or_default();
                *body = bytes.clone().into();
                Self::Bytes(bytes)
            }
            _ => Self::Stream,
        }
    }
}

fn leaves_host(from: &Url, to: &Url) -> bool {
    from.host_str() != to.host_str()
        || from.port_or_known_default() != to.port_or_known_default()
        || from.scheme() != to.scheme()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    #[test]
    fn a_body_is_kept_without_a_copy_and_still_sent_whole() {
        let bytes = Bytes::from(vec![b'x'; 100_000]);
        let mut request = Request::new(Method::POST, url("http://a.example/"));
        *request.body_mut() = Some(bytes.clone().into());

        let again = Replay::capture(&mut request).into_request(url("http://b.example/"));

        for body in [request.body(), again.body()] {
            let sent = body.and_then(Body::as_bytes).unwrap();
            assert_eq!((sent.as_ptr(), sent.len()), (bytes.as_ptr(), bytes.len()));
        }
    }

    #[test]
    fn a_replay_keeps_everything_but_the_url() {
        let mut request = Request::new(Method::PUT, url("http://a.example/"));
        for (name, value) in [("x-twice", "1"), ("accept", "text/plain"), ("x-twice", "2")] {
            request.headers_mut().append(name, HeaderValue::from_static(value));
        }
        *request.version_mut() = Version::HTTP_10;
        *request.timeout_mut() = Some(Duration::from_secs(7));
        *request.body_mut() = Some("".into());

        let again = Replay::capture(&mut request).into_request(url("http://b.example/x"));

        assert_eq!((again.method(), again.url().as_str()), (&Method::PUT, "http://b.example/x"));
        assert_eq!((again.headers(), again.version()), (request.headers(), Version::HTTP_10));
        assert_eq!(again.timeout(), Some(&Duration::from_secs(7)));
        assert_eq!(again.body().and_then(Body::as_bytes), Some(&b""[..]));
    }
}
