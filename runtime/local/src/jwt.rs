//! JSON Web Tokens signed with HS256, as PyJWT encodes and verifies them.

use std::time::Duration;

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use hmac::{Hmac, Mac as _};
use serde_json::Value;
use sha2::Sha256;

const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

pub(crate) fn encode(claims: &Value, secret: &str) -> String {
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(HEADER), URL_SAFE_NO_PAD.encode(claims.to_string()));
    let signature = mac(signed.as_bytes(), secret).map(|mac| mac.finalize().into_bytes().to_vec()).unwrap_or_default();
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// The claims; `None` if the token is forged, malformed, expired, or from the future.
pub(crate) fn decode(token: &str, secret: &str, now: Duration) -> Option<Value> {
    let (signed, signature) = token.rsplit_once('.')?;
    let (header, claims) = signed.split_once('.')?;
    let header: Value = serde_json::from_slice(&LENIENT.decode(header).ok()?).ok()?;
    if header.get("alg")?.as_str()? != "HS256" {
        return None;
    }
    mac(signed.as_bytes(), secret)?.verify_slice(&LENIENT.decode(signature).ok()?).ok()?;
    let claims: Value = serde_json::from_slice(&LENIENT.decode(claims).ok()?).ok()?;
    let timely = claims.is_object()
        && in_time(&claims, "exp", |expiry| expiry > now.as_secs_f64())?
        && in_time(&claims, "iat", |issued| issued <= now.as_secs_f64())?
        && in_time(&claims, "nbf", |from| from <= now.as_secs_f64())?;
    timely.then_some(claims)
}

/// Whether a time claim holds, as an absent one does; `None` if it is not a number.
fn in_time(claims: &Value, name: &str, holds: impl Fn(f64) -> bool) -> Option<bool> {
    match claims.get(name) {
        None => Some(true),
        Some(Value::String(text)) => Some(holds(text.trim().parse().ok()?)),
        Some(value) => Some(holds(value.as_f64()?.trunc())),
    }
}

fn mac(signed: &[u8], secret: &str) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::new_from_slice(secret.as_bytes()).ok()?;
    mac.update(signed);
    Some(mac)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_millis(1_000_500);

    #[test]
    fn a_token_is_accepted_with_the_same_secret_only() {
        let claims = serde_json::json!({"agent_id": "a", "exp": 2000, "iat": 1000});
        let token = encode(&claims, "s");
        assert_eq!(decode(&token, "s", NOW), Some(claims));
        assert_eq!(decode(&token, "t", NOW), None);
        assert_eq!(decode(&format!("{token}x"), "s", NOW), None);
        for rubbish in ["", "abc", "a.b.c", "..", "eyJ9.eyJ9.eyJ9"] {
            assert_eq!(decode(rubbish, "s", NOW), None, "{rubbish}");
        }
    }

    #[test]
    fn a_token_is_rejected_once_expired_and_before_it_was_issued() {
        for (claims, good) in [
            (serde_json::json!({"exp": 1000}), false),
            (serde_json::json!({"exp": 1001}), true),
            (serde_json::json!({"iat": 1001}), false),
            (serde_json::json!({"iat": 1000}), true),
            (serde_json::json!({"exp": "soon"}), false),
        ] {
            assert_eq!(decode(&encode(&claims, "s"), "s", NOW).is_some(), good, "{claims}");
        }
    }
}
