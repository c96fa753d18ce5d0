//! Delivery to the local servers over real sockets.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use otas_local::{ReceivedEvent, Server};
use url::Url;

use super::encoder::{Encoder, Key};
use super::exporter::BrainExporter;
use super::tests::{call, encoder};
use super::{Delivery, MAX_IN_FLIGHT, Stats, Threads};
use crate::event::{CapturedBody, HeaderBlock, Hook, RawCall};
use crate::server::{self, BackgroundRuntime};
use crate::token::{Grant, SessionCredentials};
use crate::wire;

mod brain;
mod lifetime;

const LONG: Duration = Duration::from_secs(60);

/// A local server, one session, and a delivery without pauses.
struct Harness {
    server: Server,
    credentials: Arc<SessionCredentials>,
    delivery: Delivery,
}

impl Harness {
    async fn start() -> Self {
        Self::with_hook(None).await
    }

    async fn with_hook(hook: Option<Hook>) -> Self {
        let server = Server::builder().project_domain("https://inside.example").start().await.unwrap();
        Self::with(server, hook, Duration::from_secs(5)).await
    }

    async fn with(server: Server, hook: Option<Hook>, timeout: Duration) -> Self {
        let credentials = open_session(&server).await;
        let delivery = delivery(&server, hook, timeout, on_one_thread());
        Self { server, credentials, delivery }
    }

    fn call(&self, sequence: u64) -> RawCall {
        self.call_in(self.credentials.session_id.as_str(), sequence)
    }

    fn call_in(&self, session: &str, sequence: u64) -> RawCall {
        let token = self.credentials.token.clone();
        let credentials = Arc::new(SessionCredentials { session_id: session.into(), token });
        RawCall { credentials, ..call("", sequence) }
    }

    fn events(&self) -> Vec<ReceivedEvent> {
        self.server.events(self.credentials.session_id.as_str())
    }

    fn sequences(&self) -> Vec<u64> {
        self.events().iter().map(|event| event.metadata["sequence"].as_u64().unwrap()).collect()
    }

    /// Flushes, and returns the counters.
    async fn flush(&self) -> Stats {
        let flushed = self.delivery.flush(LONG).await;
        let stats = self.delivery.stats();
        assert!(flushed.is_ok(), "{stats}");
        assert_eq!(stats.recorded, stats.delivered + stats.dropped.total());
        stats
    }

    /// Delivers one call and returns the event that Brain stored.
    async fn stored(&self, call: RawCall) -> ReceivedEvent {
        self.delivery.record(call);
        let stats = self.flush().await;
        assert_eq!(stats.dropped.total(), 0, "{stats}");
        self.events().pop().expect("the event is stored")
    }
}

async fn open_session(server: &Server) -> Arc<SessionCredentials> {
    let base: Url = server.uasam_url().parse().unwrap();
    let request = server::plain_http(&base, LONG)
        .unwrap()
        .post(server::endpoint(&base, wire::path::CREATE_SESSION))
        .header(wire::header::AGENT_KEY, server.agent_key())
        .json(&wire::CreateSession { meta: &serde_json::Map::new() });
    let response = server::send("UASAM", request, 64 * 1024, LONG).await.unwrap();
    let created: wire::SessionCreated = response.decode(|_| "").unwrap();
    Grant::decode(&created.response.jwt_token).unwrap().credentials
}

fn delivery(server: &Server, hook: Option<Hook>, timeout: Duration, threads: Threads) -> Delivery {
    let base: Url = server.brain_url().parse().unwrap();
    let key: Arc<dyn Key> = Arc::new(ServerKey(server.clone()));
    let exporter = BrainExporter::new(&base, timeout, timeout, key.clone());
    let encoder = Encoder { body_limit: 100 * 1024, hook, key, ..encoder() };
    Delivery::new(encoder, Arc::new(exporter), MAX_IN_FLIGHT, || 0.0, threads)
}

fn on_one_thread() -> Threads {
    let runtime = BackgroundRuntime::start("otas").unwrap();
    threads(move |task| drop(runtime.spawn(task)))
}

/// Runs both the worker and the timers by `spawn`.
fn threads(spawn: impl Fn(Pin<Box<dyn Future<Output = ()> + Send>>) + Send + Sync + 'static) -> Threads {
    let spawn = Arc::new(spawn);
    let timers = spawn.clone();
    Threads { worker: Box::new(move |task| spawn(task)), timers: Box::new(move |task| timers(task)) }
}

/// The agent key that the server currently accepts.
struct ServerKey(Server);

impl Key for ServerKey {
    fn current(&self) -> HeaderValue {
        self.0.agent_key().parse().unwrap()
    }

    fn reread(&self) -> bool {
        false
    }
}

fn text_body(text: impl Into<Vec<u8>>) -> CapturedBody {
    let prefix = text.into();
    CapturedBody { total: prefix.len() as u64, prefix, shed: false }
}

fn headers<const N: usize>(lines: [(&'static str, &str); N]) -> HeaderBlock {
    let lines = lines.map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()));
    HeaderBlock::copy(&HeaderMap::from_iter(lines))
}
