//! Calls, keys and encoders for the tests of delivery.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use http::{HeaderValue, Method};
use url::Url;

use super::encoder::{Encoder, Key, RecentKeys};
use crate::event::{CapturedBody, End, HeaderBlock, RawCall};
use crate::redact::Redactor;
use crate::token::SessionCredentials;

pub(crate) const TOKEN: &str = "eyJtoken.of.the-session";
pub(crate) const AGENT_KEY: &str = "agent_0123456789a_0123456789012345678901234567890123456789012";

pub(crate) fn call(session: &str, sequence: u64) -> RawCall {
    heavy_call(session, sequence, 0)
}

/// A call with `bytes` bytes of response body.
pub(crate) fn heavy_call(session: &str, sequence: u64, bytes: usize) -> RawCall {
    RawCall {
        credentials: Arc::new(SessionCredentials {
            session_id: session.into(),
            token: HeaderValue::from_static(TOKEN),
        }),
        sequence,
        method: Method::GET,
        url: Url::parse("https://api.example.com/v1/items?limit=3").unwrap(),
        request_headers: HeaderBlock::default(),
        request_body: CapturedBody::default(),
        status: 200,
        response_headers: HeaderBlock::default(),
        response_body: CapturedBody { prefix: vec![b'a'; bytes], total: bytes as u64, shed: false },
        started_at: UNIX_EPOCH + Duration::from_secs(1_767_323_045),
        latency: Duration::from_millis(12),
        first_byte: Some(Duration::from_millis(7)),
        hops: 0,
        error: None,
        end: End::Complete,
    }
}

pub(crate) struct FixedKey;

impl Key for FixedKey {
    fn current(&self) -> HeaderValue {
        HeaderValue::from_static(AGENT_KEY)
    }

    fn reread(&self) -> bool {
        false
    }
}

/// Counts the events that are encoded: each reads the key once.
pub(crate) struct CountingKey(pub(crate) Arc<AtomicU64>);

impl Key for CountingKey {
    fn current(&self) -> HeaderValue {
        self.0.fetch_add(1, Ordering::Relaxed);
        FixedKey.current()
    }

    fn reread(&self) -> bool {
        false
    }
}

pub(crate) fn encoder() -> Encoder {
    Encoder {
        body_limit: 16 * 1024,
        redactor: Redactor::default(),
        hook: None,
        project_id: String::new(),
        key: Arc::new(FixedKey),
        recent_keys: RecentKeys::default(),
    }
}
