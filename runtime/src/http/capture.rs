//! What is told of a call outside the domain: one event for each uninterrupted stretch outside, without holding anything up.

use std::error::Error as _;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Instant, SystemTime};

use bytes::Bytes;
use http::Method;
use http_body::{Frame, SizeHint};
use reqwest::{Body, Request, Response, ResponseBuilderExt};
use url::Url;

use crate::event::{Call, Captured, End, Headers, keeps_text};
use crate::session::Session;
use crate::token::Origin;

/// Starts with the first request outside, and ends when the chain comes back inside, when the answer's body ends, or when it is dropped:
/// however it ends, it records one call.
pub(crate) struct Stretch {
    session: Session,
    origin: Arc<Origin>,
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
    recorded: bool,
}

/// The request, as the last hop sent it.
struct Sent {
    headers: Headers,
    body: Arc<Mutex<Captured>>,
}

struct Came {
    status: u16,
    headers: Headers,
    first_byte: Instant,
    body: Captured,
    /// How many bytes of the body are kept.
    limit: usize,
}

impl Stretch {
    /// The first request of a stretch, about to be sent. A body that is a stream is counted as it goes.
    pub(crate) fn begin(session: &Session, origin: Arc<Origin>, request: &mut Request) -> Self {
        let client = session.client();
        let world = client.world();
        let limit = client.settings().body_limit;
        let body = tee_request(request, limit);
        Self {
            session: session.clone(),
            origin,
            sequence: session.next_call(),
            began: world.now(),
            started_at: world.wall(),
            limit,
            method: request.method().clone(),
            url: request.url().clone(),
            hops: 0,
            request: Sent { headers: Headers::copy(request.headers()), body },
            answer: None,
            recorded: false,
        }
    }

    /// Another request of the same stretch: a redirect from outside to outside.
    pub(crate) fn goes_on(&mut self, request: &Request) {
        self.hops += 1;
        self.method = request.method().clone();
        self.url = request.url().clone();
        self.request.headers = Headers::copy(request.headers());
        if request.body().is_none() {
            self.request.body = Arc::default(); // a redirect that drops the body
        }
        self.answer = None;
    }

    /// An answer's head has come.
    pub(crate) fn answered(&mut self, answer: &Response) {
        let limit = if keeps_text(answer.headers()) { self.limit } else { 0 };
        self.answer = Some(Came {
            status: answer.status().as_u16(),
            headers: Headers::copy(answer.headers()),
            first_byte: self.session.client().world().now(),
            body: Captured::default(),
            limit,
        });
    }

    /// No answer came.
    pub(crate) fn failed(mut self, error: &reqwest::Error) {
        self.record(End::Failed, Some(told(error)));
    }

    /// The chain came back inside by a redirect, whose body nobody reads.
    pub(crate) fn came_back(mut self) {
        self.record(End::Complete, None);
    }

    /// The answer, as it was but for its body, which is counted as the caller reads it.
    pub(crate) fn watch(mut self, answer: Response) -> Response {
        if answer_has_ended(&answer) {
            self.record(End::Complete, None);
            return answer;
        }
        let url = answer.url().clone();
        let (parts, body) = http::Response::<Body>::from(answer).into_parts();
        let mut rebuilt = http::Response::new(Body::wrap(AnswerTee { body, stretch: self }));
        *rebuilt.status_mut() = parts.status;
        *rebuilt.version_mut() = parts.version;
        *rebuilt.headers_mut() = parts.headers;
        // reqwest keeps the URL in an extension of its own, which only a builder can make.
        *rebuilt.extensions_mut() =
            http::Response::builder().url(url).body(()).map(|made| made.into_parts().0.extensions).unwrap_or_default();
        rebuilt.extensions_mut().extend(parts.extensions);
        rebuilt.into()
    }

    fn record(&mut self, end: End, error: Option<String>) {
        if std::mem::replace(&mut self.recorded, true) || self.session.check_process().is_err() {
            return; // in a fork: the call is the other process's
        }
        let now = self.session.client().world().now();
        let answer = self.answer.take();
        let first_byte = answer.as_ref().map(|answer| answer.first_byte.saturating_duration_since(self.began));
        let (status, response_headers, response_body) = match answer {
            Some(answer) => (answer.status, answer.headers, answer.body),
            None => (0, Headers::default(), Captured::default()),
        };
        let request_body = std::mem::take(&mut *self.request.body.lock().unwrap_or_else(PoisonError::into_inner));
        self.session.client().record(Call {
            origin: self.origin.clone(),
            sequence: self.sequence,
            method: self.method.clone(),
            url: self.url.clone(),
            request_headers: std::mem::take(&mut self.request.headers),
            request_body,
            status,
            response_headers,
            response_body,
            started_at: self.started_at,
            latency: now.saturating_duration_since(self.began),
            first_byte,
            hops: self.hops,
            attempt: 1,
            error,
            end,
        });
    }
}

impl Drop for Stretch {
    fn drop(&mut self) {
        if self.answer.is_some() {
            self.record(End::Dropped, None);
        } else {
            self.record(End::Cancelled, Some("cancelled: the future was dropped before an answer came".to_owned()));
        }
    }
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

/// Takes the bytes of a body that is there, and follows one that is a stream.
fn tee_request(request: &mut Request, limit: usize) -> Arc<Mutex<Captured>> {
    let limit = if keeps_text(request.headers()) { limit } else { 0 };
    let captured = Arc::<Mutex<Captured>>::default();
    match request.body().map(Body::as_bytes) {
        None => {}
        Some(Some(bytes)) => captured.lock().unwrap_or_else(PoisonError::into_inner).extend(bytes, limit),
        Some(None) => {
            let body = request.body_mut().take().unwrap_or_default();
            *request.body_mut() = Some(Body::wrap(RequestTee { body, captured: captured.clone(), limit }));
        }
    }
    captured
}

/// A streamed body of a request, counted as it is sent.
struct RequestTee {
    body: Body,
    captured: Arc<Mutex<Captured>>,
    limit: usize,
}

impl http_body::Body for RequestTee {
    type Data = Bytes;
    type Error = reqwest::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, reqwest::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            if let Some(data) = frame.data_ref() {
                self.captured.lock().unwrap_or_else(PoisonError::into_inner).extend(data, self.limit);
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The body of an answer, counted as the caller reads it. Dropping it early is a normal end: many a client of an event stream does.
struct AnswerTee {
    body: Body,
    stretch: Stretch,
}

impl http_body::Body for AnswerTee {
    type Data = Bytes;
    type Error = reqwest::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, reqwest::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        match &polled {
            Poll::Pending => {}
            Poll::Ready(None) => self.stretch.record(End::Complete, None),
            Poll::Ready(Some(Err(error))) => self.stretch.record(End::Failed, Some(told(error))),
            Poll::Ready(Some(Ok(frame))) => {
                if let (Some(data), Some(answer)) = (frame.data_ref(), &mut self.stretch.answer) {
                    answer.body.extend(data, answer.limit);
                }
                if self.body.is_end_stream() {
                    self.stretch.record(End::Complete, None);
                }
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
