//! `tracing`: a span around the body records the session id, and no secret is ever recorded.

use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use otas::{Client, Config, otas_session};
use otas_local::Server;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// A subscriber that records every span and event, and which spans are entered.
#[derive(Clone, Default)]
struct Recorder(Arc<Mutex<Recorded>>);

#[derive(Default)]
struct Recorded {
    text: String,
    entered: Vec<u64>,
    spans: u64,
}

struct Writer<'a>(&'a mut String);

impl Visit for Writer<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.push_str(&format!(" {}={value:?}", field.name()));
    }
}

impl Subscriber for Recorder {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut recorded = self.0.lock().unwrap();
        recorded.spans += 1;
        let (id, name) = (recorded.spans, format!("\nspan {} {}", span.metadata().target(), span.metadata().name()));
        recorded.text.push_str(&name);
        span.record(&mut Writer(&mut recorded.text));
        Id::from_u64(id)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        values.record(&mut Writer(&mut self.0.lock().unwrap().text));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut recorded = self.0.lock().unwrap();
        let within = format!("\nevent {} within {:?}", event.metadata().target(), recorded.entered);
        recorded.text.push_str(&within);
        event.record(&mut Writer(&mut recorded.text));
    }

    fn enter(&self, id: &Id) {
        self.0.lock().unwrap().entered.push(id.into_u64());
    }

    fn exit(&self, _: &Id) {
        self.0.lock().unwrap().entered.pop();
    }
}

#[otas_session]
async fn run() -> otas::Session {
    tracing::info!(target: "mine", "in the body");
    tokio::task::yield_now().await;
    otas::Session::current().unwrap()
}

#[tokio::test]
async fn the_body_runs_in_a_span_that_names_its_session_and_no_secret() {
    let recorder = Recorder::default();
    let _guard = tracing::subscriber::set_default(recorder.clone());
    let otas = Server::start().await.unwrap();
    let client = Client::new(Config::from_vars(otas.env()).unwrap()).unwrap();

    let session = client.scope(run()).await;
    otas.revoke_key();
    assert!(client.open(serde_json::json!({})).await.is_err());

    let recorded = recorder.0.lock().unwrap();
    let span = format!("span otas otas_session session.id={}", session.id());
    let at = recorded.text.find(&span).unwrap_or_else(|| panic!("{}", recorded.text));
    let id = recorded.text[..at + span.len()].matches("\nspan ").count();
    assert!(recorded.text.contains(&format!("event mine within [{id}]")), "{}", recorded.text);
    assert_eq!(recorded.entered, Vec::<u64>::new());
    for secret in [otas.agent_key(), session.token().unwrap().expose_secret().to_owned()] {
        assert!(!recorded.text.contains(&secret));
    }
}
