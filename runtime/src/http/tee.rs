//! A pass-through body that lets an observer see the bytes.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use reqwest::Body;

/// Watches a body pass. Dropped without a call to [`on_end`](Self::on_end) if the body is dropped
/// early, which is normal: many clients of event streams do that.
pub(super) trait Observer: Send + Sync + Unpin + 'static {
    /// The next bytes.
    fn on_data(&mut self, data: &[u8]);

    /// The body has ended, or failed.
    fn on_end(self, error: Option<&reqwest::Error>);
}

/// Wraps a body. Every frame passes through as it arrives; nothing is held back.
pub(super) fn observe(body: Body, observer: impl Observer) -> Body {
    Body::wrap(Tee { body, observer: Some(observer) })
}

struct Tee<O> {
    body: Body,
    /// `None` once the body has ended.
    observer: Option<O>,
}

impl<O: Observer> Tee<O> {
    fn end(&mut self, error: Option<&reqwest::Error>) {
        if let Some(observer) = self.observer.take() {
            observer.on_end(error);
        }
    }
}

impl<O: Observer> http_body::Body for Tee<O> {
    type Data = Bytes;
    type Error = reqwest::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, reqwest::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        match &polled {
            Poll::Pending => {}
            Poll::Ready(None) => self.end(None),
            Poll::Ready(Some(Err(error))) => self.end(Some(error)),
            Poll::Ready(Some(Ok(frame))) => {
                if let (Some(data), Some(observer)) = (frame.data_ref(), &mut self.observer) {
                    observer.on_data(data);
                }
                if self.body.is_end_stream() {
                    self.end(None);
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
