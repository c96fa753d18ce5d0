//! The borders of a session: another process, a switched-off library, and what a token can be made to show.

use std::fmt::{Debug, Display};
use std::hash::Hash;
use std::marker::PhantomData;
use std::time::Duration;

use otas::{Client, Clock, Config, Session, SessionExt, SessionId, Token, http, otas_session};
use otas_local::Server;
use serde_json::json;

use crate::support::disabled;
use crate::support::{Upstream, otas_around};

/// Asks whether a type has a trait: the constant of the type itself, where its bound holds, goes before that of [`Otherwise`].
struct Has<T>(PhantomData<T>);
trait Otherwise {
    const DISPLAY: bool = false;
    const SERIALIZE: bool = false;
    const EQ: bool = false;
    const ORD: bool = false;
    const HASH: bool = false;
    const TEXT: bool = false;
    const BYTES: bool = false;
    const COPY: bool = false;
}
impl<T> Otherwise for Has<T> {}
impl<T: Display> Has<T> {
    const DISPLAY: bool = true;
}
impl<T: serde::Serialize> Has<T> {
    const SERIALIZE: bool = true;
}
impl<T: PartialEq> Has<T> {
    const EQ: bool = true;
}
impl<T: PartialOrd> Has<T> {
    const ORD: bool = true;
}
impl<T: Hash> Has<T> {
    const HASH: bool = true;
}
impl<T: AsRef<str>> Has<T> {
    const TEXT: bool = true;
}
impl<T: AsRef<[u8]>> Has<T> {
    const BYTES: bool = true;
}
impl<T: Copy> Has<T> {
    const COPY: bool = true;
}

macro_rules! asked {
    ($type:ty) => {{
        type Asked = Has<$type>;
        [Asked::DISPLAY, Asked::SERIALIZE, Asked::EQ, Asked::ORD, Asked::HASH, Asked::TEXT, Asked::BYTES, Asked::COPY]
    }};
}

#[test]
fn tokens_and_sessions_cannot_be_shown_compared_copied_or_serialized() {
    assert_eq!(asked!(Token), [false; 8]);
    assert_eq!(asked!(Session), [false; 8]);
    // What the question is worth: others are told as what they are.
    assert_eq!(asked!(&'static str), [true; 8]);
    assert_eq!(asked!(SessionId), [true, false, true, true, true, true, false, false]);
}

#[tokio::test]
async fn debug_output_shows_session_ids_but_never_tokens() {
    fn shown(value: &impl Debug) -> String {
        format!("{value:?} {value:#?}")
    }
    crate::support::capture_warnings();
    let otas = Server::start().await.unwrap();
    let client = Client::new(Config::from_vars(otas.env()).unwrap()).unwrap();
    let session = client.open(json!({ "private": "meta" })).await.unwrap();
    let token = session.token().unwrap();
    let bound = http::Client::bound_to(&session);
    let carried = std::future::ready(1).with_session(&session);
    let all = [shown(&session), shown(&token), shown(&client), shown(&bound), shown(&carried)].join(" ");
    assert!(all.contains(session.id().as_str()) && all.contains("redacted"));
    assert!(!all.contains("eyJ") && !all.contains(token.expose_secret()) && !all.contains(&otas.agent_key()), "{all}");
}

#[tokio::test]
async fn a_forked_session_yields_no_token_and_the_child_opens_its_own() {
    #[otas_session(meta = { "parent": parent.as_str() })]
    async fn child(parent: SessionId) -> Option<SessionId> {
        Session::current().filter(|own| own.token().is_ok() && own.id() != parent).map(|own| own.id())
    }
    let site = Upstream::start().await;
    let otas = Server::builder().project_domain(site.inside("")).start().await.unwrap();
    let clock = Clock::new();
    let client = Client::new(Config::builder().vars(otas.env()).clock(&clock).build().unwrap()).unwrap();
    let session = client.open(json!({})).await.unwrap();
    clock.set_process_id(std::process::id() + 1);

    let error = session.token().unwrap_err();
    assert!(error.is_forked() && error.to_string().contains("open a session in this one"), "{error}");
    session
        .scope(async {
            http::get(site.inside("/")).await.unwrap();
            http::get(site.outside("/")).await.unwrap();
        })
        .await;
    assert!(site.received().iter().all(|hit| hit.token().is_none()), "requests go out, without the token");
    assert!(client.flush(Duration::from_secs(10)).await.is_ok());
    assert_eq!(otas.event_count(), 0, "nothing is told in the name of the parent's session");

    let own = session.scope(child(session.id())).await.unwrap();
    let record = otas.sessions().into_iter().find(|record| record.id == own.as_str()).unwrap();
    assert_eq!(record.meta["parent"], session.id().as_str());
}

#[tokio::test]
async fn when_disabled_requests_are_sent_plainly_and_nothing_is_counted() {
    let site = Upstream::start().await;
    let client = disabled().unwrap();
    client
        .scope(async {
            assert!(Session::current().is_none());
            assert_eq!(http::get(site.inside("/")).await.unwrap().text().await.unwrap(), "hello");
            assert_eq!(http::get(site.outside("/")).await.unwrap().text().await.unwrap(), "hello");
            let spawned = otas::spawn(async { Session::current().is_none() }.in_current_session());
            assert!(spawned.await.unwrap());
        })
        .await;
    assert!(site.received().iter().all(|hit| hit.token().is_none()));
    assert_eq!(client.stats(), otas::stats::Stats::default());
    assert!(client.open(json!({})).await.unwrap_err().is_disabled());
    assert!(client.flush(Duration::ZERO).await.is_ok() && client.shutdown(Duration::ZERO).await.is_ok());
}

#[tokio::test]
async fn when_disabled_an_annotated_call_masks_the_surrounding_session() {
    #[otas_session(client = client)]
    async fn off(client: &Client) -> (bool, bool) {
        #[otas_session]
        async fn inner() -> bool {
            Session::current().is_none()
        }
        (Session::current().is_none(), inner().await)
    }
    let site = Upstream::start().await;
    let (otas, client) = otas_around(&site).await;
    let session = client.open(json!({})).await.unwrap();
    assert_eq!(session.scope(off(&disabled().unwrap())).await, (true, true));
    assert_eq!(otas.sessions().len(), 1);
}

/// In a process of its own, which knows the threads that it has started.
#[test]
fn program_switched_off() {
    if std::env::var_os("OTAS_TEST_PROGRAM").is_none() {
        return;
    }
    #[otas_session(meta = { "evaluated": never() })]
    async fn call() -> bool {
        Session::current().is_none()
    }
    fn never() -> u8 {
        panic!("the meta is not evaluated")
    }
    let client = Client::from_env().unwrap();
    let guard = otas::init(client.clone()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        assert!(call().await && client.is_disabled());
        assert!(client.open(json!({})).await.unwrap_err().is_disabled());
        assert!(otas::flush(Duration::from_secs(1)).await.is_ok());
        assert!(otas::shutdown(Duration::from_secs(1)).await.is_ok());
    });
    drop(guard);
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let names: Vec<_> = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok()).collect();
    assert!(names.iter().all(|name| !name.starts_with("otas")), "{names:?}");
}

#[test]
fn when_disabled_not_even_shutdown_starts_a_thread() {
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "servers::program_switched_off", "--nocapture"])
        .env("OTAS_TEST_PROGRAM", "1")
        .env("OTAS_DISABLED", "true")
        .env("OTAS_AGENT_KEY", format!("agent_abcdefghijk_{}", "s".repeat(43)))
        .env("OTAS_UASAM_URL", "http://127.0.0.1:9")
        .env("OTAS_PROJECT_DOMAIN", "http://127.0.0.1:9")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}
