//! Secrets: never delivered to Brain, and never printed, compared or copied by accident.

use std::fmt::{Debug, Display};
use std::hash::Hash;
use std::marker::PhantomData;
use std::time::Duration;

use otas::{Session, SessionExt, SessionId, Token, http};
use serde_json::json;

use crate::support::{Upstream, otas_around_with, start_otas};

const SECRET: &str = "pl4nt3d-s3cr3t";

#[tokio::test]
async fn no_planted_secret_reaches_brain() {
    let upstream = Upstream::start().await;
    let (otas, client) =
        otas_around_with(&upstream, |config| config.sensitive_headers("X-Internal, x-team-zone")).await;
    let session = client.open(json!({})).await.unwrap();
    let token = session.token().unwrap().expose_secret().to_owned();
    let key = otas.agent_key();
    let url = upstream.outside(&format!(
        "/{key}?api_key={SECRET}&q=kept&X-Amz-Signature={SECRET}&next=https%3A%2F%2Fh%2F%3Ftoken%3D{SECRET}"
    ));
    let url = url.replace("http://", &format!("http://user:{SECRET}@"));

    session
        .scope(async {
            http::post(&url)
                .bearer_auth(SECRET)
                .header("cookie", format!("sid={SECRET}"))
                .header("x-internal", SECRET)
                .header("X-OTAS-Whatever", SECRET)
                .header("referer", format!("https://h.example/?password={SECRET}"))
                .json(&json!({
                    "model": "kept", "apiKey": SECRET, "max_tokens": 5, "nested": [{ "client_secret": SECRET }],
                    "arguments": json!({ "password": SECRET }).to_string(), "echo": format!("{token} {key} Bearer {SECRET}"),
                }))
                .send()
                .await
                .unwrap()
                .text()
                .await
                .unwrap();
            let _ = http::get(format!("http://u:{SECRET}@127.0.0.2:1/?token={SECRET}")).send().await.unwrap_err();
        })
        .await;
    assert!(client.flush(Duration::from_secs(30)).await.is_ok());

    let logged: Vec<_> = otas.requests().into_iter().filter(|request| request.path.contains("/log/agent/")).collect();
    assert_eq!(logged.len(), 2);
    for request in &logged {
        let body = String::from_utf8(request.body.clone()).unwrap();
        for secret in [SECRET, &token, &key] {
            assert!(!body.contains(secret), "{body}");
        }
    }
    let body = String::from_utf8(logged[0].body.clone()).unwrap();
    for harmless in ["q=kept", r#"\"model\":\"kept\""#, r#"\"max_tokens\":5"#] {
        assert!(body.contains(harmless), "{body}");
    }
    let stats = client.stats();
    assert!(!format!("{client:?} {session:?} {stats:?}").contains(SECRET));
}

/// Tests whether `T` implements a trait.
///
/// An inherent constant, available if its bound holds, takes precedence over that of [`Fallback`].
struct Implements<T>(PhantomData<T>);

trait Fallback {
    const DISPLAY: bool = false;
    const SERIALIZE: bool = false;
    const EQ: bool = false;
    const ORD: bool = false;
    const HASH: bool = false;
    const TEXT: bool = false;
    const BYTES: bool = false;
    const COPY: bool = false;
}

impl<T> Fallback for Implements<T> {}

impl<T: Display> Implements<T> {
    const DISPLAY: bool = true;
}

impl<T: serde::Serialize> Implements<T> {
    const SERIALIZE: bool = true;
}

impl<T: PartialEq> Implements<T> {
    const EQ: bool = true;
}

impl<T: PartialOrd> Implements<T> {
    const ORD: bool = true;
}

impl<T: Hash> Implements<T> {
    const HASH: bool = true;
}

impl<T: AsRef<str>> Implements<T> {
    const TEXT: bool = true;
}

impl<T: AsRef<[u8]>> Implements<T> {
    const BYTES: bool = true;
}

impl<T: Copy> Implements<T> {
    const COPY: bool = true;
}

macro_rules! implemented {
    ($type:ty) => {{
        type Type = Implements<$type>;
        [Type::DISPLAY, Type::SERIALIZE, Type::EQ, Type::ORD, Type::HASH, Type::TEXT, Type::BYTES, Type::COPY]
    }};
}

#[test]
fn tokens_and_sessions_cannot_be_shown_compared_copied_or_serialized() {
    assert_eq!(implemented!(Token), [false; 8]);
    assert_eq!(implemented!(Session), [false; 8]);
    // The check itself works: other types are classified correctly.
    assert_eq!(implemented!(&'static str), [true; 8]);
    assert_eq!(implemented!(SessionId), [true, false, true, true, true, true, false, false]);
}

#[tokio::test]
async fn debug_output_shows_session_ids_but_never_tokens() {
    fn debug(value: &impl Debug) -> String {
        format!("{value:?} {value:#?}")
    }
    let (otas, client) = start_otas().await;
    let session = client.open(json!({ "private": "meta" })).await.unwrap();
    let token = session.token().unwrap();
    let bound = http::Client::bound_to(&session);
    let carried = std::future::ready(1).with_session(&session);

    let output = [debug(&session), debug(&token), debug(&client), debug(&bound), debug(&carried)].join(" ");

    assert!(output.contains(session.id().as_str()) && output.contains("redacted"));
    assert!(
        !output.contains("eyJ") && !output.contains(token.expose_secret()) && !output.contains(&otas.agent_key()),
        "{output}"
    );
}
