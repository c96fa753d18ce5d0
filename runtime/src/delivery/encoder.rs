//! Turns a captured call into the request body for Brain: build, redact, run the hook, encode.
//!
//! Panics are caught and counted.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use http::HeaderValue;

use super::stats::Reason;
use crate::config::KeySource;
use crate::event::{EncodedEvent, Event, Hook, RawCall};
use crate::redact::Redactor;

/// The agent key, which may be replaced while the process runs.
pub(crate) trait Key: Send + Sync + 'static {
    fn current(&self) -> HeaderValue;
    /// Reads the key again if it comes from a file, which may block. Returns whether it changed.
    fn reread(&self) -> bool;
}

impl Key for KeySource {
    fn current(&self) -> HeaderValue {
        self.current()
    }

    fn reread(&self) -> bool {
        self.reread()
    }
}

pub(crate) struct Encoder {
    /// How many bytes of each body an event includes; 0 for none.
    pub(crate) body_limit: usize,
    pub(crate) redactor: Redactor,
    pub(crate) hook: Option<Hook>,
    /// Brain ignores it, but its protocol requires one.
    pub(crate) project_id: String,
    pub(crate) key: Arc<dyn Key>,
    pub(crate) recent_keys: RecentKeys,
}

impl Encoder {
    /// Encodes the event of a call in at most `max_bytes`.
    pub(crate) fn encode(&mut self, call: &RawCall, max_bytes: usize) -> Result<EncodedEvent, Reason> {
        self.recent_keys.add(self.key.current());
        let secrets = self.recent_keys.0.iter().chain([&call.credentials.token]).map(HeaderValue::as_bytes);
        let redaction = self.redactor.for_event(secrets);
        let event = catch(|| Event::from_call(call, self.body_limit, &redaction), Reason::InternalError)?;
        let event = match &self.hook {
            None => event,
            Some(hook) => catch(|| hook(event), Reason::HookPanicked)?.ok_or(Reason::ByHook)?,
        };
        catch(|| EncodedEvent::new(&event, &self.project_id, &redaction, max_bytes), Reason::InternalError)?
            .map_err(|_| Reason::InternalError)
    }
}

fn catch<T>(run: impl FnOnce() -> T, on_panic: Reason) -> Result<T, Reason> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|_| on_panic)
}

/// The keys that were in use recently. A call that was captured before a key was replaced may
/// contain the old one, which is still a secret.
#[derive(Default)]
pub(crate) struct RecentKeys(Vec<HeaderValue>);

const MAX_RECENT_KEYS: usize = 8;

impl RecentKeys {
    fn add(&mut self, key: HeaderValue) {
        if !self.0.contains(&key) {
            self.0.truncate(MAX_RECENT_KEYS - 1);
            self.0.insert(0, key);
        }
    }
}

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoder").field("body_limit", &self.body_limit).finish_non_exhaustive()
    }
}
