//! Bodies on their way: their bytes are counted as they go by, and held up nowhere.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use reqwest::{Body, Request};

use crate::event::{CapturedBody, is_textual};
use crate::http::capture::Stretch;
use crate::sync::lock;

/// What a request's body was.
pub(crate) enum SentBody {
    Whole(CapturedBody),
    /// Shared with the stream, which may outlive the request.
    Stream(Arc<Mutex<CapturedBody>>),
}

impl Default for SentBody {
    fn default() -> Self {
        Self::Whole(CapturedBody::default())
    }
}

impl SentBody {
    /// What has gone by so far.
    pub(crate) fn take(self) -> CapturedBody {
        match self {
            Self::Whole(captured) => captured,
            Self::Stream(captured) => std::mem::take(&mut *lock(&captured)),
        }
    }
}

/// Takes the bytes of a body that is there, and follows one that is a stream.
pub(crate) fn request(request: &mut Request, limit: usize) -> SentBody {
    let Some(body) = request.body() else { return SentBody::default() };
    let limit = if is_textual(request.headers()) { limit } else { 0 };
    if let Some(bytes) = body.as_bytes() {
        let mut captured = CapturedBody::default();
        captured.extend(bytes, limit);
        return SentBody::Whole(captured);
    }
    let captured = Arc::<Mutex<CapturedBody>>::default();
    let body = request.body_mut().take().unwrap_or_default();
    *request.body_mut() = Some(Body::wrap(RequestTee { body, captured: captured.clone(), limit }));
    SentBody::Stream(captured)
}

/// The body of an answer, told to its stretch as the caller reads it.
pub(crate) fn answer(body: Body, stretch: Stretch) -> Body {
    Body::wrap(AnswerTee { body, stretch: Some(stretch) })
}

/// A streamed body of a request, counted as it is sent.
struct RequestTee {
    body: Body,
    captured: Arc<Mutex<CapturedBody>>,
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
                lock(&self.captured).extend(data, self.limit);
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
    /// None once the body has ended.
    stretch: Option<Stretch>,
}

impl AnswerTee {
    fn complete(&mut self) {
        if let Some(stretch) = self.stretch.take() {
            stretch.complete();
        }
    }
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
            Poll::Ready(None) => self.complete(),
            Poll::Ready(Some(Err(error))) => {
                if let Some(stretch) = self.stretch.take() {
                    stretch.failed(error);
                }
            }
            Poll::Ready(Some(Ok(frame))) => {
                if let (Some(data), Some(stretch)) = (frame.data_ref(), &mut self.stretch) {
                    stretch.read(data);
                }
                if self.body.is_end_stream() {
                    self.complete();
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
