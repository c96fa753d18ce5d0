//! Agent keys that change while a program runs: sessions continue, and a key that stops working is
//! reported once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::join_all;
use otas::{Client, Clock, Config, ConfigBuilder, Session, otas_session};
use otas_local::{ReceivedRequest, Server};
use serde_json::json;

use crate::support::{TempFile, Upstream, capture_warnings, fetch, warnings_with};

/// The configuration for a local OTAS, except for the key.
fn without_key(otas: &Server) -> ConfigBuilder {
    capture_warnings();
    Config::builder().project_domain(otas.project_domain()).uasam_url(otas.uasam_url()).brain_url(otas.brain_url())
}

fn with_file(otas: &Server) -> (TempFile, Client) {
    let file = TempFile::with(&otas.agent_key());
    let client = Client::new(without_key(otas).agent_key_file(file.path()).build().unwrap()).unwrap();
    (file, client)
}

/// A client with a key provider, the key that it provides next, and the number of its calls.
fn with_provider(otas: &Server) -> (Client, Arc<Mutex<Option<String>>>, Arc<AtomicUsize>) {
    let (key, calls) = (Arc::new(Mutex::new(Some(otas.agent_key()))), Arc::new(AtomicUsize::new(0)));
    let (provided, counter) = (key.clone(), calls.clone());
    let config = without_key(otas).agent_key_provider(move || {
        counter.fetch_add(1, Ordering::Relaxed);
        provided.lock().unwrap().clone().ok_or_else(|| "the vault is closed".into())
    });
    (Client::new(config.build().unwrap()).unwrap(), key, calls)
}

/// The agent keys that a server received, in order.
fn keys(requests: &[ReceivedRequest]) -> Vec<String> {
    requests.iter().filter_map(|request| request.header("x-otas-agent-key")).map(str::to_owned).collect()
}

#[tokio::test]
async fn a_key_replaced_in_its_file_is_used_before_the_old_one_is_rejected() {
    let otas = Server::start().await.unwrap();
    let (file, client) = with_file(&otas);
    client.open(json!({})).await.unwrap();

    let (old, new) = (otas.agent_key(), otas.rotate_key());
    file.write(&format!("{new}\n"));
    client.open(json!({})).await.unwrap();

    assert_eq!(keys(&otas.requests()), [old, new], "no third request, since no key was rejected");
}

#[tokio::test]
async fn a_provider_is_called_again_only_when_its_key_is_rejected() {
    let otas = Server::start().await.unwrap();
    let (client, key, calls) = with_provider(&otas);
    client.open(json!({})).await.unwrap();
    client.open(json!({})).await.unwrap();
    assert_eq!(calls.load(Ordering::Relaxed), 1);

    *key.lock().unwrap() = Some(otas.rotate_key());
    client.open(json!({})).await.unwrap();
    client.open(json!({})).await.unwrap();
    assert_eq!((calls.load(Ordering::Relaxed), otas.sessions().len(), otas.requests().len()), (2, 4, 5));
}

#[tokio::test]
async fn concurrently_rejected_calls_all_continue_with_the_new_key() {
    let otas = Server::start().await.unwrap();
    let (client, key, _) = with_provider(&otas);
    *key.lock().unwrap() = Some(otas.rotate_key());

    for opened in join_all((0..40).map(|_| client.open(json!({})))).await {
        opened.unwrap();
    }

    assert_eq!(otas.sessions().len(), 40);
}

#[tokio::test]
async fn a_session_survives_key_rotation_and_renews_with_the_new_key() {
    let upstream = Upstream::start().await;
    let otas = Server::builder().project_domain(upstream.inside("")).start().await.unwrap();
    let (client, key, _) = with_provider(&otas);
    let session = client.open(json!({})).await.unwrap();

    *key.lock().unwrap() = Some(otas.rotate_key());
    session.scope(fetch(upstream.outside("/"))).await;

    assert!(client.flush(Duration::from_secs(30)).await.is_ok());
    assert_eq!((otas.events(session.id().as_str()).len(), client.stats().dropped.total()), (1, 0));
    let first = session.id();
    assert_ne!(session.renew().await.unwrap(), first);
    assert_eq!(keys(&otas.requests()).pop(), Some(otas.agent_key()));
}

#[tokio::test]
async fn the_last_key_stays_in_use_while_its_source_provides_none() {
    let otas = Server::start().await.unwrap();
    let (file, by_file) = with_file(&otas);
    for text in ["", "no key", "agent_\u{e4}"] {
        file.write(text);
        by_file.open(json!({})).await.unwrap();
    }
    file.remove();
    by_file.open(json!({})).await.unwrap();

    let (by_provider, key, _) = with_provider(&otas);
    by_provider.open(json!({})).await.unwrap();
    *key.lock().unwrap() = None;
    otas.revoke_key();
    assert_eq!(by_provider.open(json!({})).await.unwrap_err().status(), Some(401));
    *key.lock().unwrap() = Some(otas.rotate_key());
    by_provider.open(json!({})).await.unwrap();
}

#[tokio::test]
async fn a_panicking_provider_leaves_the_original_rejection() {
    let otas = Server::start().await.unwrap();
    let (old, calls) = (otas.agent_key(), AtomicUsize::new(0));
    let config = without_key(&otas).agent_key_provider(move || {
        assert_eq!(calls.fetch_add(1, Ordering::Relaxed), 0, "on purpose");
        Ok(old.clone())
    });
    let client = Client::new(config.build().unwrap()).unwrap();
    client.open(json!({})).await.unwrap();

    otas.revoke_key();

    assert_eq!(client.open(json!({})).await.unwrap_err().status(), Some(401));
}

#[tokio::test]
async fn a_key_that_stops_working_is_reported_once_with_a_remedy() {
    #[otas_session(client = client)]
    async fn call(client: &Client) -> bool {
        Session::current().is_some()
    }
    let otas = Server::start().await.unwrap();
    let (file, _) = with_file(&otas);
    let clock = Clock::new();
    let config = without_key(&otas).agent_key_file(file.path()).clock(&clock);
    let client = Client::new(config.build().unwrap()).unwrap();
    let warnings = || warnings_with(file.name());
    let session = client.open(json!({})).await.unwrap();
    assert_eq!(warnings(), [""; 0]);

    otas.revoke_key();
    for _ in 0..5 {
        assert!(!call(&client).await);
    }
    session.renew().await.unwrap_err();
    let first = warnings();
    assert_eq!(first.len(), 1, "{first:?}");
    assert!(first[0].contains("put a new key into") && first[0].contains("without a restart"), "{first:?}");
    assert_eq!(client.stats().sessionless_calls, 5, "each call is counted anyway");

    file.write(&otas.rotate_key());
    assert!(call(&client).await);
    otas.revoke_key();
    assert!(!call(&client).await);
    assert_eq!(warnings().len(), 2, "the new key had worked before it stopped");
}
