//! Agent keys that change while a program runs: sessions go on, and a key that stops working is told once.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::join_all;
use otas::{Client, Clock, Config, ConfigBuilder, http};
use otas_local::{ReceivedRequest, Server};
use serde_json::json;

use crate::support::{Upstream, capture_warnings, warnings_with};

/// A file of one test's own.
struct KeyFile(PathBuf);

impl KeyFile {
    fn holding(key: &str) -> Self {
        let file = Self(std::env::temp_dir().join(format!("otas-key-{}", uuid::Uuid::new_v4())));
        file.put(key);
        file
    }

    fn put(&self, text: &str) {
        std::fs::write(&self.0, text).unwrap();
    }
}

impl Drop for KeyFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn without_key(otas: &Server) -> ConfigBuilder {
    capture_warnings();
    Config::builder().project_domain(otas.project_domain()).uasam_url(otas.uasam_url()).brain_url(otas.brain_url())
}

fn with_file(otas: &Server) -> (KeyFile, Client) {
    let file = KeyFile::holding(&otas.agent_key());
    let client = Client::new(without_key(otas).agent_key_file(&file.0).build().unwrap()).unwrap();
    (file, client)
}

/// A client whose key is asked for, how often it was, and where to put the next one.
fn with_provider(otas: &Server) -> (Arc<Mutex<Option<String>>>, Arc<AtomicUsize>, Client) {
    let (key, asked) = (Arc::new(Mutex::new(Some(otas.agent_key()))), Arc::new(AtomicUsize::new(0)));
    let (give, count) = (key.clone(), asked.clone());
    let config = without_key(otas).agent_key_provider(move || {
        count.fetch_add(1, Ordering::Relaxed);
        give.lock().unwrap().clone().ok_or_else(|| "the vault is closed".into())
    });
    (key, asked, Client::new(config.build().unwrap()).unwrap())
}

fn keys(requests: &[ReceivedRequest]) -> Vec<String> {
    requests.iter().filter_map(|request| request.header("x-otas-agent-key")).map(str::to_owned).collect()
}

#[tokio::test]
async fn a_key_replaced_in_its_file_is_used_before_the_old_one_is_rejected() {
    let otas = Server::start().await.unwrap();
    let (file, client) = with_file(&otas);
    client.open(json!({})).await.unwrap();
    let (old, new) = (otas.agent_key(), otas.rotate_key());
    file.put(&format!("{new}\n"));
    client.open(json!({})).await.unwrap();
    assert_eq!(keys(&otas.requests()), [old, new], "and no third request: nothing was refused");
}

#[tokio::test]
async fn a_provider_is_called_again_only_when_its_key_is_rejected() {
    let otas = Server::start().await.unwrap();
    let (key, asked, client) = with_provider(&otas);
    client.open(json!({})).await.unwrap();
    client.open(json!({})).await.unwrap();
    assert_eq!(asked.load(Ordering::Relaxed), 1);
    *key.lock().unwrap() = Some(otas.rotate_key());
    client.open(json!({})).await.unwrap();
    client.open(json!({})).await.unwrap();
    assert_eq!((asked.load(Ordering::Relaxed), otas.sessions().len(), otas.requests().len()), (2, 4, 5));
}

#[tokio::test]
async fn concurrently_rejected_calls_all_continue_with_the_new_key() {
    let otas = Server::start().await.unwrap();
    let (key, _, client) = with_provider(&otas);
    *key.lock().unwrap() = Some(otas.rotate_key());
    for opened in join_all((0..40).map(|_| client.open(json!({})))).await {
        opened.unwrap();
    }
    assert_eq!(otas.sessions().len(), 40);
}

#[tokio::test]
async fn a_session_survives_key_rotation_and_renews_with_the_new_key() {
    let site = Upstream::start().await;
    let otas = Server::builder().project_domain(site.inside("")).start().await.unwrap();
    let (key, _, client) = with_provider(&otas);
    let session = client.open(json!({})).await.unwrap();
    *key.lock().unwrap() = Some(otas.rotate_key());
    session.scope(async { http::get(site.outside("/")).await.unwrap().text().await.unwrap() }).await;
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
        file.put(text);
        by_file.open(json!({})).await.unwrap();
    }
    std::fs::remove_file(&file.0).unwrap();
    by_file.open(json!({})).await.unwrap();

    let (key, _, by_provider) = with_provider(&otas);
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
    #[otas::otas_session(client = client)]
    async fn call(client: &Client) -> bool {
        otas::Session::current().is_some()
    }
    let otas = Server::start().await.unwrap();
    let (file, _) = with_file(&otas);
    let clock = Clock::new();
    let config = without_key(&otas).agent_key_file(&file.0).clock(&clock);
    let client = Client::new(config.build().unwrap()).unwrap();
    let path = file.0.display().to_string();
    let told = || warnings_with(&path);
    let session = client.open(json!({})).await.unwrap();
    assert_eq!(told(), [""; 0]);

    otas.revoke_key();
    for _ in 0..5 {
        assert!(!call(&client).await);
    }
    session.renew().await.unwrap_err();
    let first = told();
    assert_eq!(first.len(), 1, "{first:?}");
    assert!(first[0].contains("put a new key into") && first[0].contains("without a restart"), "{first:?}");
    assert_eq!(client.stats().sessionless_calls, 5, "each is counted all the same");

    file.put(&otas.rotate_key());
    assert!(call(&client).await);
    otas.revoke_key();
    assert!(!call(&client).await);
    assert_eq!(told().len(), 2, "a key that had worked again has stopped again");
}
