//! From a call to the POST that tells of it: built, redacted, shown to the hook, and written down, all within a net for panics.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use http::HeaderValue;

use super::stats::Reason;
use crate::config::KeySource;
use crate::event::{Build, EncodedEvent, Hook, RawCall};
use crate::redact::Redactor;

/// The agent key, which may change while the process runs.
pub(crate) trait Key: Send + Sync + 'static {
    /// The key as it is known now.
    fn current(&self) -> HeaderValue;
    /// Reads it anew where it can be read, which may block; tells whether it is another one now.
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

/// How events are made.
pub(crate) struct Make {
    /// How many bytes of each body are told; 0 for none.
    pub(crate) body_limit: usize,
    pub(crate) redactor: Redactor,
    pub(crate) hook: Option<Hook>,
    /// Required by the protocol, and ignored.
    pub(crate) project_id: String,
    pub(crate) key: Arc<dyn Key>,
}

/// Keys that were current: a replaced one is no less a secret in an event that is older than the change.
#[derive(Default)]
pub(crate) struct Keys(Vec<HeaderValue>);

/// How many replaced keys are remembered.
const KEYS: usize = 8;

impl Make {
    /// Writes down the event of a call in at most so many bytes, or says why there is none.
    pub(crate) fn post(&self, call: &RawCall, keys: &mut Keys, most: usize) -> Result<EncodedEvent, Reason> {
        keys.remember(self.key.current());
        let known = keys.0.iter().chain([&call.origin.token]).map(HeaderValue::as_bytes);
        let pass = self.redactor.pass(known);
        let build = Build { body_limit: self.body_limit };
        let event = catch_unwind(AssertUnwindSafe(|| build.event(call, &pass))).map_err(|_| Reason::InternalError)?;
        let event = match &self.hook {
            None => event,
            Some(hook) => catch_unwind(AssertUnwindSafe(|| hook(event)))
                .map_err(|_| Reason::HookPanicked)?
                .ok_or(Reason::ByHook)?,
        };
        let post = catch_unwind(AssertUnwindSafe(|| EncodedEvent::of(&event, &self.project_id, &pass, most)));
        post.map_err(|_| Reason::InternalError)?.map_err(|_| Reason::InternalError)
    }
}

impl Keys {
    fn remember(&mut self, key: HeaderValue) {
        if !self.0.contains(&key) {
            self.0.truncate(KEYS - 1);
            self.0.insert(0, key);
        }
    }
}

impl fmt::Debug for Make {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Make").field("body_limit", &self.body_limit).finish_non_exhaustive()
    }
}
