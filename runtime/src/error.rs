//! The error type of this crate: opaque, cheap to clone, with a remedy in its text.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The result of every fallible function of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a session could not be opened, a configuration used, or a record read.
///
/// The text states what happened and what to do about it. [`source`](std::error::Error::source) keeps
/// the cause, and `{error:#}` appends it. No message contains the agent key, a token, or the text
/// of an HTML page.
///
/// More kinds may be added, so test for a kind with its predicate:
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
    /// The whole message, made by [`Kind::config`] or [`Kind::missing`].
    Config(String),
    Disabled,
    Timeout {
        server: &'static str,
        after: Duration,
    },
    Unreachable {
        server: &'static str,
    },
    /// Holds the server's error code, never the text of its response.
    Rejected {
        server: &'static str,
        status: u16,
        code: Option<String>,
        remedy: &'static str,
    },
    UnexpectedResponse {
        server: &'static str,
        status: u16,
        what: &'static str,
    },
    BackingOff {
        failures: u32,
        retry_in: Duration,
    },
    InvalidMeta(String),
    Forked,
    /// The library's thread could not be started, or has ended.
    Thread(&'static str),
}

impl Kind {
    /// An invalid setting, given by the name to search for: a variable, a field or a line.
    pub(crate) fn config(setting: impl fmt::Display, problem: impl fmt::Display, remedy: impl fmt::Display) -> Self {
        Self::Config(format!("{setting}: {problem}; {remedy}"))
    }
}

impl Error {
    pub(crate) fn new(kind: Kind) -> Self {
        Self(Arc::new(Inner { kind, source: None }))
    }

    pub(crate) fn with_source(kind: Kind, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(Arc::new(Inner { kind, source: Some(source.into()) }))
    }

    /// An invalid setting; see [`Kind::config`].
    pub(crate) fn config(setting: impl fmt::Display, problem: impl fmt::Display, remedy: impl fmt::Display) -> Self {
        Self::new(Kind::config(setting, problem, remedy))
    }

    /// A required setting that is not set.
    pub(crate) fn missing(what: &str, remedy: &str) -> Self {
        Self::new(Kind::Config(format!("no {what} is set; {remedy}")))
    }

    pub(crate) fn meta(sentence: impl Into<String>) -> Self {
        Self::new(Kind::InvalidMeta(sentence.into()))
    }

    pub(crate) fn kind(&self) -> &Kind {
        &self.0.kind
    }

    /// Returns true if a setting is missing or invalid.
    ///
    /// The text names the variable, field or line.
    pub fn is_config(&self) -> bool {
        matches!(self.kind(), Kind::Config(_))
    }

    /// Returns true if OTAS is disabled (`OTAS_DISABLED`).
    pub fn is_disabled(&self) -> bool {
        matches!(self.kind(), Kind::Disabled)
    }

    /// Returns true if a server did not respond in time.
    pub fn is_timeout(&self) -> bool {
        matches!(self.kind(), Kind::Timeout { .. })
    }

    /// Returns true if the connection to a server could not be made in time, or broke.
    ///
    /// A server that accepts the connection but does not respond in time is
    /// [`is_timeout`](Self::is_timeout).
    pub fn is_unreachable(&self) -> bool {
        matches!(self.kind(), Kind::Unreachable { .. })
    }

    /// Returns true if OTAS rejected the agent key, the user token or the request.
    pub fn is_rejected(&self) -> bool {
        matches!(self.kind(), Kind::Rejected { .. })
    }

    /// Returns true if the response is not one that an OTAS server sends.
    ///
    /// It is, for example, an HTML page, a redirect, truncated JSON, or a token that cannot be
    /// decoded.
    pub fn is_unexpected_response(&self) -> bool {
        matches!(self.kind(), Kind::UnexpectedResponse { .. })
    }

    /// Returns true if no request was made because the previous ones failed.
    pub fn is_backing_off(&self) -> bool {
        matches!(self.kind(), Kind::BackingOff { .. })
    }

    /// Returns true if the meta cannot be sent.
    ///
    /// It is not a JSON object, is over 1 MiB, or its `Serialize` implementation failed.
    pub fn is_invalid_meta(&self) -> bool {
        matches!(self.kind(), Kind::InvalidMeta(_))
    }

    /// Returns true if the session was opened by another process.
    ///
    /// The current process is a fork of that one and must open a session of its own.
    pub fn is_forked(&self) -> bool {
        matches!(self.kind(), Kind::Forked)
    }

    /// Returns the HTTP status of the response, if there was one.
    pub fn status(&self) -> Option<u16> {
        match self.kind() {
            Kind::Rejected { status, .. } | Kind::UnexpectedResponse { status, .. } => Some(*status),
            _ => None,
        }
    }

    pub(crate) fn is_key_rejected(&self) -> bool {
        matches!(self.kind(), Kind::Rejected { status: 401, .. })
    }

    /// Whether the server failed, rather than rejecting the request.
    ///
    /// Several of these in a row open the circuit breaker.
    pub(crate) fn is_server_failure(&self) -> bool {
        self.is_timeout() || self.is_unreachable() || self.status().is_some_and(|status| status >= 500)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind())?;
        if f.alternate() {
            let mut cause = std::error::Error::source(self);
            while let Some(error) = cause {
                write!(f, ": {error}")?;
                cause = error.source();
            }
        }
        Ok(())
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(text) | Self::InvalidMeta(text) => f.write_str(text),
            Self::Disabled => f.write_str("OTAS is disabled by OTAS_DISABLED; unset it to open sessions"),
            Self::Timeout { server, after } => {
                write!(f, "{server} did not respond within {after:?}; check its URL and that it is running")
            }
            Self::Unreachable { server } => {
                write!(f, "{server} cannot be reached; check its URL and that it is running")
            }
            Self::Rejected { server, status, code, remedy } => {
                write!(f, "{server} rejected the request with status {status}")?;
                if let Some(code) = code {
                    write!(f, " ({code})")?;
                }
                write!(f, "; {remedy}")
            }
            Self::UnexpectedResponse { server, status, what } => {
                write!(f, "{server} responded with status {status} and {what}; check that its URL is correct")
            }
            Self::BackingOff { failures, retry_in } => write!(
                f,
                "no session is opened for another {retry_in:.1?} after {failures} failures in a row; see the first \
                 warning for the cause"
            ),
            Self::Forked => f.write_str("this session was opened by another process; open a session in this one"),
            Self::Thread(text) => f.write_str(text),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_alternate_form_includes_the_causes() {
        let cause = std::io::Error::new(std::io::ErrorKind::PermissionDenied, Error::missing("cause", "look deeper"));
        let error = Error::with_source(Kind::config("OTAS_X", "unreadable", "check it"), cause);
        assert_eq!(error.to_string(), "OTAS_X: unreadable; check it");
        assert_eq!(format!("{error:#}"), "OTAS_X: unreadable; check it: no cause is set; look deeper");
    }
}
