//! What is told of a call outside the domain: one event for each uninterrupted stretch outside, without holding anything up.

use std::error::Error as _;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use http::{Extensions, Method};
use reqwest::{Body, Request, Response, ResponseBuilderExt};
use url::Url;

use crate::event::{CapturedBody, End, HeaderBlock, RawCall, is_textual};
use crate::http::tee::{self, SentBody};
use crate::session::Session;
use crate::token::SessionCredentials;

/// Starts with the first request outside, and ends when the chain comes back inside, when the answer's body ends, or when it is dropped:
/// however it ends, it records one call. In a box, as it is large, and moves into the body of the answer.
pub(crate) struct Stretch(Option<Box<Open>>);

/// What is known of a call that has not ended.
struct Open {
    session: Session,
    origin: Arc<SessionCredentials>,
    sequence: u64,
    began: Instant,
    started_at: SystemTime,
    limit: usize,
    method: Method,
    url: Url,
    hops: u32,
    request: Sent,
    /// What came back, once it did.
    answer: Option<Came>,
}

/// The request, as the last hop sent it.
struct Sent {
    headers: HeaderBlock,
    body: SentBody,
}

struct Came {
    status: u16,
    headers: HeaderBlock,
    first_byte: Instant,
    body: CapturedBody,
    /// How many bytes of the body are kept.
    limit: usize,
}

impl Stretch {
    /// The first request of a stretch, about to be sent. A body that is a stream is counted as it goes.
    pub(crate) fn begin(session: &Session, origin: Arc<SessionCredentials>, request: &mut Request) -> Self {
        let client = session.client();
        let world = client.world();
        let limit = client.settings().body_limit;
        let body = tee::request(request, limit);
        Self(Some(Box::new(Open {
            session: session.clone(),
            origin,
            sequence: session.next_call(),
            began: world.now(),
            started_at: world.wall(),
            limit,
            method: request.method().clone(),
            url: request.url().clone(),
            hops: 0,
            request: Sent { headers: HeaderBlock::copy(request.headers()), body },
            answer: None,
        })))
    }

    /// Another request of the same stretch: a redirect from outside to outside.
    pub(crate) fn goes_on(&mut self, request: &Request) {
        let Some(open) = &mut self.0 else { return };
        open.hops += 1;
        open.method = request.method().clone();
        open.url = request.url().clone();
        open.request.headers = HeaderBlock::copy(request.headers());
        if request.body().is_none() {
            open.request.body = SentBody::default(); // a redirect that drops the body
        }
        open.answer = None;
    }

    /// An answer's head has come.
    pub(crate) fn answered(&mut self, answer: &Response) {
        let Some(open) = &mut self.0 else { return };
        let limit = if is_textual(answer.headers()) { open.limit } else { 0 };
        open.answer = Some(Came {
            status: answer.status().as_u16(),
            headers: HeaderBlock::copy(answer.headers()),
            first_byte: open.session.client().world().now(),
            body: CapturedBody::default(),
            limit,
        });
    }

    /// The next bytes of the answer's body.
    pub(crate) fn read(&mut self, data: &[u8]) {
        if let Some(answer) = self.0.as_mut().and_then(|open| open.answer.as_mut()) {
            answer.body.extend(data, answer.limit);
        }
    }

    /// The last answer, as it was but for its body, which is counted as the caller reads it.
    pub(crate) fn watch(self, answer: Response) -> Response {
        if answer_has_ended(&answer) {
            self.complete();
            return answer;
        }
        let url = answer.url().clone();
        let (parts, body) = http::Response::<Body>::from(answer).into_parts();
        let mut rebuilt = http::Response::new(tee::answer(body, self));
        *rebuilt.status_mut() = parts.status;
        *rebuilt.version_mut() = parts.version;
        *rebuilt.headers_mut() = parts.headers;
        *rebuilt.extensions_mut() = with_url(parts.extensions, url);
        rebuilt.into()
    }

    /// The answer has been read to its end, or nobody reads it, as that of a redirect.
    pub(crate) fn complete(mut self) {
        self.end(End::Complete, None);
    }

    /// No answer came, or its body broke.
    pub(crate) fn failed(mut self, error: &reqwest::Error) {
        self.end(End::Failed, Some(told(error)));
    }

    fn end(&mut self, end: End, error: Option<String>) {
        let Some(open) = self.0.take() else { return };
        // In a fork, the call is the other process's.
        if let Ok(process) = open.session.check_process() {
            let session = open.session.clone();
            session.client().record(open.call(end, error), process);
        }
    }
}

impl Open {
    fn call(self, end: End, error: Option<String>) -> RawCall {
        let now = self.session.client().world().now();
        let first_byte = self.answer.as_ref().map(|answer| answer.first_byte.saturating_duration_since(self.began));
        let (status, response_headers, response_body) = match self.answer {
            Some(answer) => (answer.status, answer.headers, answer.body),
            None => (0, HeaderBlock::default(), CapturedBody::default()),
        };
        RawCall {
            origin: self.origin,
            sequence: self.sequence,
            method: self.method,
            url: self.url,
            request_headers: self.request.headers,
            request_body: self.request.body.take(),
            status,
            response_headers,
            response_body,
            started_at: self.started_at,
            latency: now.saturating_duration_since(self.began),
            first_byte,
            hops: self.hops,
            error,
            end,
        }
    }
}

impl Drop for Stretch {
    fn drop(&mut self) {
        match &self.0 {
            None => {}
            Some(open) if open.answer.is_some() => self.end(End::Dropped, None),
            Some(_) => {
                self.end(End::Cancelled, Some("cancelled: the future was dropped before an answer came".to_owned()));
            }
        }
    }
}

/// reqwest keeps the URL in an extension of its own, which only a builder can make.
fn with_url(extensions: Extensions, url: Url) -> Extensions {
    let mut made = http::Response::builder();
    if let Some(all) = made.extensions_mut() {
        *all = extensions;
    }
    made.url(url).body(()).map(|made| made.into_parts().0.extensions).unwrap_or_default()
}

fn answer_has_ended(answer: &Response) -> bool {
    answer.content_length() == Some(0)
}

/// What went wrong, without the URL, which may hold secrets.
fn told(error: &reqwest::Error) -> String {
    let mut text = match () {
        () if error.is_timeout() => "timed out",
        () if error.is_connect() => "no connection",
        () if error.is_redirect() => "redirects",
        () if error.is_builder() => "not a request that can be sent",
        () if error.is_decode() => "the answer could not be decoded",
        () if error.is_body() => "the body broke off",
        () => "the request failed",
    }
    .to_owned();
    let mut cause = error.source();
    while let Some(error) = cause {
        // A reqwest error within a body's error shows its URL.
        if !error.is::<reqwest::Error>() {
            text.push_str(": ");
            text.push_str(&error.to_string());
        }
        cause = error.source();
    }
    text
}
