//! Sends encoded events to Brain and classifies its responses.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::{HeaderValue, StatusCode, header};
use once_cell::sync::OnceCell;
use reqwest::{Client, RequestBuilder, Response};
use url::Url;

use super::encoder::Key;
use super::queue::Envelope;
use super::retry::Outcome;
use crate::error::Result;
use crate::server::{endpoint, plain_http, read_body};
use crate::wire;

/// Brain's own responses are shorter.
const MAX_RESPONSE_BYTES: usize = 16 * 1024;
/// How long to wait for a response body; by then, the status is known.
const BODY_TIMEOUT: Duration = Duration::from_secs(2);
/// The longest `Retry-After` that is respected; longer ones are shortened to this.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(60);

pub(crate) type SendFuture = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// Where events are sent.
pub(crate) trait Exporter: Send + Sync + 'static {
    fn send(&self, envelope: Envelope) -> SendFuture;
}

pub(crate) struct BrainExporter {
    /// Built for the first event, on the worker's thread: building takes milliseconds, and a
    /// client belongs to one runtime.
    http: OnceCell<Client>,
    connect_timeout: Duration,
    url: Url,
    timeout: Duration,
    key: Arc<dyn Key>,
}

impl BrainExporter {
    /// `response_timeout` starts once Brain is connected. A path in `base` is kept.
    pub(crate) fn new(base: &Url, connect_timeout: Duration, response_timeout: Duration, key: Arc<dyn Key>) -> Self {
        let url = endpoint(base, wire::path::LOG_EVENT);
        let timeout = connect_timeout.saturating_add(response_timeout);
        Self { http: OnceCell::new(), connect_timeout, url, timeout, key }
    }

    fn request(&self, envelope: Envelope, key: HeaderValue) -> Result<RequestBuilder> {
        let http = self.http.get_or_try_init(|| plain_http(&self.url, self.connect_timeout))?;
        Ok(http
            .post(self.url.clone())
            .header(wire::header::AGENT_KEY, sensitive(key))
            .header(wire::header::SESSION_TOKEN, sensitive(envelope.session.token.clone()))
            .header(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .timeout(self.timeout)
            .body(envelope.event.bytes().clone()))
    }
}

impl Exporter for BrainExporter {
    fn send(&self, envelope: Envelope) -> SendFuture {
        let used_key = self.key.current();
        let request = self.request(envelope, used_key.clone());
        let key = self.key.clone();
        Box::pin(async move {
            let Ok(request) = request else { return Outcome::Unsendable };
            match request.send().await {
                Ok(response) => outcome_of(response, key, used_key).await,
                Err(error) if error.is_builder() => Outcome::Unsendable,
                Err(error) if error.is_connect() => Outcome::NotSent,
                Err(_) => Outcome::NoResponse,
            }
        })
    }
}

async fn outcome_of(response: Response, key: Arc<dyn Key>, used_key: HeaderValue) -> Outcome {
    let status = response.status();
    let retry_after = response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
    let retry_after = retry_after.and_then(|value| parse_retry_after(value, SystemTime::now()));
    // Read even if the body does not matter, so that the connection can be reused.
    let body = tokio::time::timeout(BODY_TIMEOUT, read_body(response, MAX_RESPONSE_BYTES)).await;
    let body = body.ok().and_then(|read| read.ok().flatten()).unwrap_or_default();
    match status {
        StatusCode::CREATED => Outcome::Stored,
        StatusCode::UNAUTHORIZED => match wire::error_code(&body).as_deref() {
            Some(wire::code::TOKEN_REJECTED | wire::code::TOKEN_MISSING) => Outcome::TokenRejected,
            _ => Outcome::KeyRejected { changed: has_changed(key, used_key).await },
        },
        status => Outcome::Status { code: status.as_u16(), retry_after },
    }
}

/// Whether the key is no longer the one that was used. Reading it again may block, so that is done
/// on another thread.
async fn has_changed(key: Arc<dyn Key>, used: HeaderValue) -> bool {
    key.current() != used || tokio::task::spawn_blocking(move || key.reread()).await.unwrap_or(false)
}

/// Parses `Retry-After`, which is a number of seconds or a date. A date in the past means no wait.
fn parse_retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    let wait = if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        Duration::from_secs(value.parse().unwrap_or(u64::MAX))
    } else {
        httpdate::parse_http_date(value).ok()?.duration_since(now).unwrap_or_default()
    };
    Some(wait.min(MAX_RETRY_AFTER))
}

fn sensitive(mut value: HeaderValue) -> HeaderValue {
    value.set_sensitive(true);
    value
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date_and_at_most_a_minute() {
        let now = UNIX_EPOCH + Duration::from_secs(784_111_777);
        assert_eq!(parse_retry_after(" 7 ", now), Some(Duration::from_secs(7)));
        assert_eq!(parse_retry_after("86400", now), Some(MAX_RETRY_AFTER));
        assert_eq!(parse_retry_after("99999999999999999999999999", now), Some(MAX_RETRY_AFTER));
        assert_eq!(parse_retry_after("Sun, 06 Nov 1994 08:49:47 GMT", now), Some(Duration::from_secs(10)));
        assert_eq!(parse_retry_after("Sun, 06 Nov 1994 08:49:27 GMT", now), Some(Duration::ZERO));
        assert_eq!(parse_retry_after("soon", now), None);
        assert_eq!(parse_retry_after("-1", now), None);
        assert_eq!(parse_retry_after("", now), None);
    }
}
