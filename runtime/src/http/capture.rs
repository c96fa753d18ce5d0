//! Captures a call that leaves the project domain as one event, without delaying it.

use std::error::Error as _;
use std::sync::{Arc, Mutex};
use std::time::{Instant, SystemTime};

use http::{Extensions, Method};
use reqwest::{Body, Request, Response, ResponseBuilderExt};
use url::Url;

use super::tee::{self, Observer};
use crate::event::{CapturedBody, End, HeaderBlock, RawCall, is_textual};
use crate::session::Session;
use crate::sync::lock;
use crate::token::SessionCredentials;

/// One run of consecutive hops outside the domain, from its first request until the chain comes
/// back inside, the response body ends, or either is dropped. Each ending records exactly one call.
///
/// Boxed because it is large and moves into the response body.
pub(super) struct Capture(Option<Box<Pending>>);

/// What is known about a call that has not ended.
struct Pending {
    session: Session,
    credentials: Arc<SessionCredentials>,
    sequence: u64,
    started: Instant,
    started_at: SystemTime,
    body_limit: usize,
    method: Method,
    url: Url,
    hops: u32,
    request: RequestParts,
    response: Option<ResponseParts>,
}

/// The request, as the last hop sent it.
struct RequestParts {
    headers: HeaderBlock,
    body: RequestBody,
}

enum RequestBody {
    Whole(CapturedBody),
    /// Shared with the stream, which may outlive the request.
    Stream(Arc<Mutex<CapturedBody>>),
}

struct ResponseParts {
    status: u16,
    headers: HeaderBlock,
    first_byte: Instant,
    body: CapturedBody,
    body_limit: usize,
}

impl Capture {
    /// Starts with the first request outside, just before it is sent.
    pub(super) fn start(session: &Session, credentials: Arc<SessionCredentials>, request: &mut Request) -> Self {
        let client = session.client();
        let clock = client.clock();
        let body_limit = client.settings().body_limit;
        let body = RequestBody::capture(request, body_limit);
        Self(Some(Box::new(Pending {
            session: session.clone(),
            credentials,
            sequence: session.next_call(),
            started: clock.now(),
            started_at: clock.wall(),
            body_limit,
            method: request.method().clone(),
            url: request.url().clone(),
            hops: 0,
            request: RequestParts { headers: HeaderBlock::copy(request.headers()), body },
            response: None,
        })))
    }

    /// The call continues with another request: a redirect from outside to outside.
    pub(super) fn redirected(&mut self, request: &Request) {
        let Some(pending) = &mut self.0 else { return };
        pending.hops += 1;
        pending.method = request.method().clone();
        pending.url = request.url().clone();
        pending.request.headers = HeaderBlock::copy(request.headers());
        if request.body().is_none() {
            pending.request.body = RequestBody::default(); // a redirect that drops the body
        }
        pending.response = None;
    }

    /// The head of a response has arrived.
    pub(super) fn responded(&mut self, response: &Response) {
        let Some(pending) = &mut self.0 else { return };
        pending.response = Some(ResponseParts {
            status: response.status().as_u16(),
            headers: HeaderBlock::copy(response.headers()),
            first_byte: pending.session.client().clock().now(),
            body: CapturedBody::default(),
            body_limit: if is_textual(response.headers()) { pending.body_limit } else { 0 },
        });
    }

    /// Attaches itself to the final response, which is otherwise unchanged: its body is captured
    /// as the caller reads it.
    pub(super) fn attach(self, response: Response) -> Response {
        if response.content_length() == Some(0) {
            self.complete();
            return response;
        }
        let url = response.url().clone();
        let (parts, body) = http::Response::<Body>::from(response).into_parts();
        let mut rebuilt = http::Response::new(tee::observe(body, self));
        *rebuilt.status_mut() = parts.status;
        *rebuilt.version_mut() = parts.version;
        *rebuilt.headers_mut() = parts.headers;
        *rebuilt.extensions_mut() = with_url(parts.extensions, url);
        rebuilt.into()
    }

    /// The response was read to its end, or is a redirect, whose body is not read.
    pub(super) fn complete(mut self) {
        self.end(End::Complete, None);
    }

    /// No response arrived, or its body failed.
    pub(super) fn fail(mut self, error: &reqwest::Error) {
        self.end(End::Failed, Some(describe(error)));
    }

    fn end(&mut self, end: End, error: Option<String>) {
        let Some(pending) = self.0.take() else { return };
        // In a fork, the call belongs to the parent process.
        if let Ok(process_id) = pending.session.check_process() {
            let session = pending.session.clone();
            session.client().record(pending.into_call(end, error), process_id);
        }
    }
}

impl Observer for Capture {
    fn on_data(&mut self, data: &[u8]) {
        if let Some(response) = self.0.as_mut().and_then(|pending| pending.response.as_mut()) {
            response.body.extend(data, response.body_limit);
        }
    }

    fn on_end(self, error: Option<&reqwest::Error>) {
        match error {
            None => self.complete(),
            Some(error) => self.fail(error),
        }
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        match &self.0 {
            None => {}
            Some(pending) if pending.response.is_some() => self.end(End::Dropped, None),
            Some(_) => {
                let error = "cancelled: the future was dropped before a response arrived";
                self.end(End::Cancelled, Some(error.to_owned()));
            }
        }
    }
}

impl Pending {
    fn into_call(self, end: End, error: Option<String>) -> RawCall {
        let since_start = |at: Instant| at.saturating_duration_since(self.started);
        let latency = since_start(self.session.client().clock().now());
        let first_byte = self.response.as_ref().map(|response| since_start(response.first_byte));
        let (status, response_headers, response_body) = match self.response {
            Some(response) => (response.status, response.headers, response.body),
            None => (0, HeaderBlock::default(), CapturedBody::default()),
        };
        RawCall {
            credentials: self.credentials,
            sequence: self.sequence,
            method: self.method,
            url: self.url,
            request_headers: self.request.headers,
            request_body: self.request.body.take(),
            status,
            response_headers,
            response_body,
            started_at: self.started_at,
            latency,
            first_byte,
            hops: self.hops,
            error,
            end,
        }
    }
}

impl Default for RequestBody {
    fn default() -> Self {
        Self::Whole(CapturedBody::default())
    }
}

impl RequestBody {
    /// Copies the beginning of a body held in memory; a stream is captured as it is sent.
    fn capture(request: &mut Request, limit: usize) -> Self {
        let Some(body) = request.body() else { return Self::default() };
        let limit = if is_textual(request.headers()) { limit } else { 0 };
        if let Some(bytes) = body.as_bytes() {
            let mut captured = CapturedBody::default();
            captured.extend(bytes, limit);
            return Self::Whole(captured);
        }
        let captured = Arc::<Mutex<CapturedBody>>::default();
        let body = request.body_mut().take().unwrap_or_default();
        *request.body_mut() = Some(tee::observe(body, StreamedBody { captured: captured.clone(), limit }));
        Self::Stream(captured)
    }

    /// Takes what has been sent so far.
    fn take(self) -> CapturedBody {
        match self {
            Self::Whole(captured) => captured,
            Self::Stream(captured) => std::mem::take(&mut *lock(&captured)),
        }
    }
}

/// Observes a streamed request body.
struct StreamedBody {
    captured: Arc<Mutex<CapturedBody>>,
    limit: usize,
}

impl Observer for StreamedBody {
    fn on_data(&mut self, data: &[u8]) {
        lock(&self.captured).extend(data, self.limit);
    }

    fn on_end(self, _: Option<&reqwest::Error>) {}
}

/// reqwest keeps the URL in an extension of its own, which only its builder can make.
fn with_url(extensions: Extensions, url: Url) -> Extensions {
    let mut builder = http::Response::builder();
    if let Some(all) = builder.extensions_mut() {
        *all = extensions;
    }
    builder.url(url).body(()).map(|response| response.into_parts().0.extensions).unwrap_or_default()
}

/// What went wrong, without the URL, which may contain secrets.
fn describe(error: &reqwest::Error) -> String {
    let summary = if error.is_timeout() {
        "timed out"
    } else if error.is_connect() {
        "no connection"
    } else if error.is_redirect() {
        "redirect not followed"
    } else if error.is_builder() {
        "invalid request"
    } else if error.is_decode() {
        "the response could not be decoded"
    } else if error.is_body() {
        "the body was not transferred in full"
    } else {
        "the request failed"
    };
    let mut text = summary.to_owned();
    let mut cause = error.source();
    while let Some(error) = cause {
        // A reqwest error inside a body error displays its URL.
        if !error.is::<reqwest::Error>() {
            text.push_str(": ");
            text.push_str(&error.to_string());
        }
        cause = error.source();
    }
    text
}
