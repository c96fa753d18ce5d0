//! The session token, in a type that cannot be printed by accident, and its claims.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderValue;
use serde::Deserialize;

/// The id of a session, as OTAS shows it.
///
/// It is not a secret: it may be printed, logged and passed to other processes (which open sessions
/// of their own).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(Arc<str>);

impl SessionId {
    /// Returns the id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for SessionId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl From<&str> for SessionId {
    /// Keeps the text as it is; ids are compared by their text.
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl FromStr for SessionId {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(text.into())
    }
}

/// A session token, which is a secret.
///
/// It cannot be printed, compared or serialized. The functions in [`http`](crate::http) add it to
/// requests; if you cannot use them, call [`expose_secret`](Self::expose_secret).
#[derive(Clone)]
pub struct Token(HeaderValue);

impl Token {
    /// Returns the JWT, for the header `X-OTAS-AGENT-SESSION-TOKEN`.
    ///
    /// Send it only within the project domain.
    pub fn expose_secret(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token([redacted])")
    }
}

/// The session that a call belongs to; shared by all calls under one token.
pub(crate) struct SessionCredentials {
    pub(crate) session_id: SessionId,
    /// Brain requires it with each event.
    pub(crate) token: HeaderValue,
}

impl fmt::Debug for SessionCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionCredentials").field("session_id", &self.session_id).finish_non_exhaustive()
    }
}

/// One token of a session, and its claims.
#[derive(Clone, Debug)]
pub(crate) struct Grant {
    pub(crate) credentials: Arc<SessionCredentials>,
    pub(crate) agent_id: Arc<str>,
    pub(crate) expires_at: SystemTime,
    pub(crate) lifetime: Duration,
}

#[derive(Deserialize)]
struct Claims {
    agent_session_id: String,
    agent_id: String,
    iat: f64,
    exp: f64,
}

impl Grant {
    pub(crate) fn session_id(&self) -> SessionId {
        self.credentials.session_id.clone()
    }

    pub(crate) fn token(&self) -> Token {
        Token(self.credentials.token.clone())
    }

    /// Decodes a JWT, without verifying it; `None` if it is not a session token.
    pub(crate) fn decode(jwt: &str) -> Option<Self> {
        let mut parts = jwt.split('.');
        let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        let payload = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
        let claims: Claims = serde_json::from_slice(&payload).ok()?;
        if claims.agent_session_id.is_empty() || claims.exp <= claims.iat {
            return None;
        }
        let mut header = HeaderValue::from_str(jwt).ok()?;
        header.set_sensitive(true);
        Some(Self {
            credentials: Arc::new(SessionCredentials {
                session_id: claims.agent_session_id.as_str().into(),
                token: header,
            }),
            agent_id: claims.agent_id.into(),
            expires_at: SystemTime::UNIX_EPOCH.checked_add(Duration::try_from_secs_f64(claims.exp).ok()?)?,
            lifetime: Duration::try_from_secs_f64(claims.exp - claims.iat).ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jwt(payload: &str) -> String {
        format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(payload))
    }

    const GOOD: &str = r#"{"agent_session_id":"3f2c","agent_id":"9a","iat":1000,"exp":2000}"#;

    #[test]
    fn a_token_names_its_session_agent_and_lifetime() {
        let grant = Grant::decode(&jwt(GOOD)).unwrap();
        assert_eq!((grant.session_id().as_str(), &*grant.agent_id), ("3f2c", "9a"));
        assert_eq!(grant.expires_at, SystemTime::UNIX_EPOCH + Duration::from_secs(2000));
        assert_eq!(grant.lifetime, Duration::from_secs(1000));
        assert_eq!(grant.token().expose_secret(), jwt(GOOD));
    }

    #[test]
    fn an_invalid_token_is_rejected_without_a_panic() {
        for text in [
            "",
            "..",
            "a.b",
            "a.b.c",
            "a.b.c.d",
            &jwt("{}"),
            &jwt("[]"),
            &jwt("\u{0}"),
            &jwt(&GOOD.replace("2000", "1e400")),
        ] {
            assert!(Grant::decode(text).is_none(), "{text}");
        }
        assert!(Grant::decode(&jwt(&GOOD.replace("2000", "999"))).is_none(), "expired when issued");
        assert!(Grant::decode(&jwt(&GOOD.replace("2000", "1e300"))).is_none(), "out of range");
        assert!(Grant::decode(&format!("{}\u{7f}", jwt(GOOD))).is_none(), "not a header value");
    }

    #[test]
    fn debug_shows_no_token() {
        let grant = Grant::decode(&jwt(GOOD)).unwrap();
        assert!(!format!("{grant:?}").contains(&jwt(GOOD)));
    }
}
