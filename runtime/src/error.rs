//! The one error of this crate: opaque, cheap to clone, with its cause and its remedy in the text.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// What every fallible function of this crate returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a session could not be opened, a configuration not be used, or a record not be read.
///
/// The text says what happened and what to do; [`source`](std::error::Error::source) keeps the cause. No message holds the agent key, a
/// token, or the text of an HTML answer.
///
/// Ask the predicates instead of matching a kind:
///
/// ```
/// let error = otas::Config::from_vars([("OTAS_AGENT_KEY", "not a key")]).unwrap_err();
/// assert!(error.is_config());
/// assert!(error.to_string().starts_with("OTAS_AGENT_KEY"));
/// ```
#[derive(Clone)]
pub struct Error(Arc<Inner>);

struct Inner {
    kind: Kind,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

#[derive(Debug)]
pub(crate) enum Kind {
    /// A setting is missing or wrong: the whole sentence, naming the variable, field or line.
    Config(String),
    /// `OTAS_DISABLED` is set.
    Disabled,
    /// A server did not answer in time.
    Timeout { server: &'static str, after: Duration },
    /// No connection to a server, or it broke.
    Unreachable { server: &'static str },
    /// A server rejected the request: its status and its error code, never the text of a page.
    Rejected { server: &'static str, status: u16, code: Option<String>, remedy: &'static str },
    /// A server answered something that is not the protocol.
    UnexpectedResponse { server: &'static str, status: u16, what: &'static str },
    /// Opening pauses after repeated failures.
    BackingOff { failures: u32, retry_in: Duration },
    /// The meta cannot be sent.
    InvalidMeta(String),
    /// The session belongs to another process.
    Forked,
    /// The library's thread could not be started, or has ended.
    Thread(&'static str),
}

impl Error {
    pub(crate) fn new(kind: Kind) -> Self {
        Self(Arc::new(Inner { kind, source: None }))
    }

    pub(crate) fn config(sentence: impl Into<String>) -> Self {
        Self::new(Kind::Config(sentence.into()))
    }

    pub(crate) fn meta(sentence: impl Into<String>) -> Self {
        Self::new(Kind::InvalidMeta(sentence.into()))
    }

    pub(crate) fn with_source(kind: Kind, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(Arc::new(Inner { kind, source: Some(source.into()) }))
    }

    pub(crate) fn kind(&self) -> &Kind {
        &self.0.kind
    }

    /// A setting is missing or wrong; the text names the variable, field or line.
    pub fn is_config(&self) -> bool {
        matches!(self.kind(), Kind::Config(_))
    }

    /// OTAS is switched off (`OTAS_DISABLED`).
    pub fn is_disabled(&self) -> bool {
        matches!(self.kind(), Kind::Disabled)
    }

    /// A server did not answer in time.
    pub fn is_timeout(&self) -> bool {
        matches!(self.kind(), Kind::Timeout { .. })
    }

    /// A server could not be reached, or the connection broke; timeouts are told by [`is_timeout`](Self::is_timeout).
    pub fn is_unreachable(&self) -> bool {
        matches!(self.kind(), Kind::Unreachable { .. })
    }

    /// A server refused the request in its own words: the agent key, the user token, or the request.
    pub fn is_rejected(&self) -> bool {
        matches!(self.kind(), Kind::Rejected { .. })
    }

    /// A server answered something else than OTAS would: an HTML page, a redirect, half a JSON document, a token that cannot be decoded.
    pub fn is_unexpected_response(&self) -> bool {
        matches!(self.kind(), Kind::UnexpectedResponse { .. })
    }

    /// Opening pauses because the server failed several times in a row.
    pub fn is_backing_off(&self) -> bool {
        matches!(self.kind(), Kind::BackingOff { .. })
    }

    /// The meta is no JSON object, or too large.
    pub fn is_invalid_meta(&self) -> bool {
        matches!(self.kind(), Kind::InvalidMeta(_))
    }

    /// The session was opened by another process: this one is its fork, and must open its own.
    pub fn is_forked(&self) -> bool {
        matches!(self.kind(), Kind::Forked)
    }

    /// The agent key was refused.
    pub(crate) fn is_key_refusal(&self) -> bool {
        matches!(self.kind(), Kind::Rejected { status: 401, .. })
    }

    /// The server could not do its work, as against refusing: several of these in a row make opening pause.
    pub(crate) fn is_failure_of_server(&self) -> bool {
        self.is_timeout() || self.is_unreachable() || self.status().is_some_and(|status| status >= 500)
    }

    /// The text with those of its causes, for the one line of a warning.
    pub(crate) fn with_causes(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }

    /// The HTTP status of the answer, where there was one.
    pub fn status(&self) -> Option<u16> {
        match self.kind() {
            Kind::Rejected { status, .. } | Kind::UnexpectedResponse { status, .. } => Some(*status),
            _ => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind() {
            Kind::Config(sentence) | Kind::InvalidMeta(sentence) => f.write_str(sentence),
            Kind::Disabled => f.write_str("OTAS is switched off by OTAS_DISABLED; unset it to open sessions"),
            Kind::Timeout { server, after } => {
                write!(f, "{server} did not answer within {after:?}; check its URL and that it runs")
            }
            Kind::Unreachable { server } => write!(f, "{server} cannot be reached; check its URL and that it runs"),
            Kind::Rejected { server, status, code, remedy } => {
                write!(f, "{server} refused the request with status {status}")?;
                if let Some(code) = code {
                    write!(f, " ({code})")?;
                }
                write!(f, "; {remedy}")
            }
            Kind::UnexpectedResponse { server, status, what } => {
                write!(f, "{server} answered with status {status} and {what}; check that its URL names an OTAS server")
            }
            Kind::BackingOff { failures, retry_in } => write!(
                f,
                "opening sessions pauses for {retry_in:.1?} after {failures} failures in a row; the first warning says why"
            ),
            Kind::Forked => f.write_str("this session was opened by another process; open a session in this one"),
            Kind::Thread(what) => f.write_str(what),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_tuple("Error");
        out.field(self.kind());
        if let Some(source) = &self.0.source {
            out.field(source);
        }
        out.finish()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn std::error::Error + 'static))
    }
}
