//! Brain, the one destination: sends a parcel, and tells its answers apart.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::{HeaderValue, StatusCode, header};
use once_cell::sync::OnceCell;
use url::Url;

use super::encoder::Key;
use super::engine::Parcel;
use super::schedule::retry_after;
use super::verdict::Outcome;
use super::worker::{Destination, Landing};
use crate::server::{endpoint, plain_http};
use crate::wire;

/// No answer that is read is longer, in bytes.
const ANSWER: usize = 16 * 1024;
/// The rest of an answer is waited for this long; its status is known by then.
const REST: Duration = Duration::from_secs(2);

/// Where events are stored.
pub(crate) struct Brain {
    /// Built by the first event, on the thread that it serves: building takes milliseconds, and a client belongs to one runtime.
    http: OnceCell<reqwest::Client>,
    connect_timeout: Duration,
    url: Url,
    timeout: Duration,
    key: Arc<dyn Key>,
}

impl Brain {
    /// `answer` is how long Brain may take once it is connected; a path in `base` is kept.
    pub(crate) fn new(base: &Url, connect_timeout: Duration, answer: Duration, key: Arc<dyn Key>) -> Self {
        let url = endpoint(base, wire::path::LOG_EVENT);
        Self { http: OnceCell::new(), connect_timeout, url, timeout: connect_timeout.saturating_add(answer), key }
    }

    fn request(&self, parcel: Parcel, key: HeaderValue) -> crate::Result<reqwest::RequestBuilder> {
        let http = self.http.get_or_try_init(|| plain_http(&self.url, self.connect_timeout))?;
        Ok(http
            .post(self.url.clone())
            .header(wire::header::AGENT_KEY, sensitive(key))
            .header(wire::header::SESSION_TOKEN, sensitive(parcel.token))
            .header(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .timeout(self.timeout)
            .body(parcel.post.bytes().clone()))
    }
}

impl Destination for Brain {
    fn send(&self, parcel: Parcel) -> Landing {
        let used = self.key.current();
        let request = self.request(parcel, used.clone());
        let key = self.key.clone();
        Box::pin(async move {
            let Ok(request) = request else { return Outcome::Unsendable };
            let answer = match request.send().await {
                Ok(answer) => answer,
                Err(error) => return unsent(&error),
            };
            let status = answer.status();
            let wait = answer.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
            let retry_after = wait.and_then(|value| retry_after(value, SystemTime::now()));
            // Read even where nothing is looked up in it, so that the connection can be used again.
            let body = tokio::time::timeout(REST, body(answer)).await.unwrap_or_default();
            match status {
                StatusCode::CREATED => Outcome::Stored,
                StatusCode::UNAUTHORIZED => match wire::error_code(&body).as_deref() {
                    Some(wire::code::TOKEN_REJECTED | wire::code::TOKEN_MISSING) => Outcome::TokenRefused,
                    _ => Outcome::KeyRefused { changed: changed(key, used).await },
                },
                status => Outcome::Answered { status: status.as_u16(), retry_after },
            }
        })
    }
}

/// No answer came. Whether the event may have arrived is what counts.
fn unsent(error: &reqwest::Error) -> Outcome {
    match () {
        () if error.is_builder() => Outcome::Unsendable,
        () if error.is_connect() => Outcome::NotSent,
        () => Outcome::Unanswered,
    }
}

/// The answer's body, as far as it came; nothing of one that is longer than any of Brain's.
async fn body(mut answer: reqwest::Response) -> Vec<u8> {
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = answer.chunk().await {
        if body.len() + chunk.len() > ANSWER {
            return Vec::new();
        }
        body.extend_from_slice(&chunk);
    }
    body
}

/// Whether there is another key by now than the one that was refused. Reading a file blocks, so it happens on another thread.
async fn changed(key: Arc<dyn Key>, used: HeaderValue) -> bool {
    key.current() != used || tokio::task::spawn_blocking(move || key.reread()).await.unwrap_or(false)
}

fn sensitive(mut value: HeaderValue) -> HeaderValue {
    value.set_sensitive(true);
    value
}
