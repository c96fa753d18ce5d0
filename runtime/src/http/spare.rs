//! The next hop of a redirect, by reqwest's rules: made from what was kept of the request that was answered.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, LOCATION, TRANSFER_ENCODING};
use http::{HeaderName, HeaderValue, Method, StatusCode, Version};
use http_body::Body as _;
use reqwest::{Body, Request, Response};
use url::Url;

use crate::http::redirect;

/// What tells of a body, and is dropped with it.
static OF_A_BODY: [HeaderName; 4] = [CONTENT_TYPE, CONTENT_LENGTH, CONTENT_ENCODING, TRANSFER_ENCODING];

/// What is kept of a request in case that its answer is a redirect: all but the URL, which the answer tells. Lines, as a clone of the whole
/// costs several times as much, and hardly any is ever sent.
pub(crate) struct Spare {
    method: Method,
    version: Version,
    timeout: Option<Duration>,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Kept,
}

enum Kept {
    Nothing,
    Bytes(Bytes),
    /// It cannot be sent again.
    Stream,
}

impl Spare {
    pub(crate) fn of(request: &mut Request) -> Self {
        Self {
            method: request.method().clone(),
            version: request.version(),
            timeout: request.timeout().copied(),
            headers: request.headers().iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
            body: request.body_mut().as_mut().map_or(Kept::Nothing, Kept::of),
        }
    }

    /// The request that the answer asks for; `None` where it is no redirect, or one that cannot be followed.
    pub(crate) fn follow(mut self, answer: &Response, added: &[HeaderName]) -> Option<Request> {
        let keeps_body = match answer.status() {
            StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND => self.method != Method::POST,
            StatusCode::SEE_OTHER => false,
            StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT => true,
            _ => return None,
        };
        if keeps_body && matches!(self.body, Kept::Stream) {
            return None;
        }
        let location = std::str::from_utf8(answer.headers().get(LOCATION)?.as_bytes()).ok()?;
        let mut next = answer.url().join(location).ok()?;
        next.set_fragment(None);
        if !keeps_body {
            self.drop_body();
        }
        let leaves = leaves_host(answer.url(), &next);
        let mut request = self.request_to(next);
        if leaves {
            redirect::strip(request.headers_mut(), added);
        }
        Some(request)
    }

    fn drop_body(&mut self) {
        if self.method != Method::HEAD {
            self.method = Method::GET;
        }
        self.body = Kept::Nothing;
        self.headers.retain(|(name, _)| !OF_A_BODY.contains(name));
    }

    fn request_to(self, url: Url) -> Request {
        let mut request = Request::new(self.method, url);
        *request.version_mut() = self.version;
        if let Some(timeout) = self.timeout {
            *request.timeout_mut() = Some(timeout);
        }
        for (name, value) in self.headers {
            request.headers_mut().append(name, value);
        }
        if let Kept::Bytes(bytes) = self.body {
            *request.body_mut() = Some(bytes.into());
        }
        request
    }
}

impl Kept {
    /// Shares the bytes of a body that is no stream. Only as a frame does reqwest hand them out unspent; it makes one of all of them.
    fn of(body: &mut Body) -> Self {
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
    fn a_body_is_kept_without_a_copy_and_is_still_sent_whole() {
        let bytes = Bytes::from(vec![b'x'; 100_000]);
        let mut request = Request::new(Method::POST, url("http://a.example/"));
        *request.body_mut() = Some(bytes.clone().into());

        let again = Spare::of(&mut request).request_to(url("http://b.example/"));

        for body in [request.body(), again.body()] {
            let sent = body.and_then(Body::as_bytes).unwrap();
            assert_eq!((sent.as_ptr(), sent.len()), (bytes.as_ptr(), bytes.len()));
        }
    }

    #[test]
    fn a_request_is_kept_as_it_was_but_for_its_url() {
        let mut request = Request::new(Method::PUT, url("http://a.example/"));
        for (name, value) in [("x-twice", "1"), ("accept", "text/plain"), ("x-twice", "2")] {
            request.headers_mut().append(name, HeaderValue::from_static(value));
        }
        *request.version_mut() = Version::HTTP_10;
        *request.timeout_mut() = Some(Duration::from_secs(7));
        *request.body_mut() = Some("".into());

        let again = Spare::of(&mut request).request_to(url("http://b.example/x"));

        assert_eq!((again.method(), again.url().as_str()), (&Method::PUT, "http://b.example/x"));
        assert_eq!((again.headers(), again.version()), (request.headers(), Version::HTTP_10));
        assert_eq!(again.timeout(), Some(&Duration::from_secs(7)));
        assert_eq!(again.body().and_then(Body::as_bytes), Some(&b""[..]));
    }
}
