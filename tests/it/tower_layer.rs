//! The server layer: a response body belongs to the session of the handler that made it.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Json, State};
use axum::response::sse::{Event, Sse};
use axum::routing::get;
use futures_util::stream::{Stream, StreamExt, iter};
use otas::reqwest;
use otas::tower::SessionLayer;
use otas::{Client, Config, Session, SessionExt, SessionId, http, otas_session};
use otas_local::{Fault, Server};
use serde_json::{Value, json};
use tower::{Layer, Service, service_fn};

use crate::propagation::{Frames, read};
use crate::support::{Upstream, otas_around};

fn current() -> Option<String> {
    Session::current().map(|session| session.id().to_string())
}

/// Serves on a loopback port; the base URL.
async fn serve(app: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    url
}

async fn text(url: String) -> String {
    reqwest::get(url).await.unwrap().text().await.unwrap()
}

/// Three server-sent events, each with what is current when it is made.
fn words() -> impl Stream<Item = Result<Event, Infallible>> + Send + 'static {
    iter(0..3).then(async |_| {
        tokio::task::yield_now().await;
        Ok(Event::default().data(current().unwrap_or("none".into())))
    })
}

#[otas_session(client = client, meta = { "handler": "sse" })]
async fn sse(State(client): State<Client>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    Sse::new(words())
}

#[otas_session(client = client)]
async fn explicit(State(client): State<Client>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    Sse::new(words().in_current_session())
}

#[otas_session(client = client)]
async fn sent(State(client): State<Client>, Json(sent): Json<Value>) -> Json<Value> {
    Json(json!({ "sent": sent, "session": current() }))
}

async fn plain() -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    Sse::new(words())
}

fn app(client: &Client) -> Router {
    Router::new()
        .route("/sse", get(sse))
        .route("/explicit", get(explicit))
        .route("/json", axum::routing::post(sent))
        .route("/plain", get(plain))
        .with_state(client.clone())
}

fn three(id: &str) -> String {
    format!("data: {id}\n\n").repeat(3)
}

async fn otas() -> (Server, Client) {
    crate::support::capture_warnings();
    let otas = Server::start().await.unwrap();
    let client = Client::new(Config::from_vars(otas.env()).unwrap()).unwrap();
    (otas, client)
}

#[tokio::test]
async fn a_streamed_body_keeps_its_session_only_with_the_layer() {
    let (otas, client) = otas().await;
    let bare = serve(app(&client)).await;
    let layered = serve(app(&client).layer(SessionLayer::new())).await;
    assert_eq!(text(format!("{bare}/sse")).await, three("none"));
    assert_eq!(text(format!("{layered}/sse")).await, three(&otas.sessions()[1].id));
}

#[tokio::test]
async fn a_stream_that_carries_its_session_works_with_or_without_the_layer() {
    let (otas, client) = otas().await;
    let bare = serve(app(&client)).await;
    let layered = serve(app(&client).layer(SessionLayer::new())).await;
    assert_eq!(text(format!("{bare}/explicit")).await, three(&otas.sessions()[0].id));
    assert_eq!(text(format!("{layered}/explicit")).await, three(&otas.sessions()[1].id));
}

#[tokio::test]
async fn the_layer_preserves_the_content_length_of_sized_responses() {
    let (otas, client) = otas().await;
    let url = serve(app(&client).layer(SessionLayer::new())).await;
    let response = reqwest::Client::new().post(format!("{url}/json")).json(&json!([1])).send().await.unwrap();
    let length = response.headers()["content-length"].to_str().unwrap().to_owned();
    assert!(!response.headers().contains_key("transfer-encoding"));
    let body = response.text().await.unwrap();
    assert_eq!(length, body.len().to_string());
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body, json!({ "sent": [1], "session": otas.sessions()[0].id }));
}

#[tokio::test]
async fn the_layer_leaves_unannotated_handlers_alone() {
    let (otas, client) = otas().await;
    let url = serve(app(&client).layer(SessionLayer::new())).await;
    assert_eq!(text(format!("{url}/plain")).await, three("none"));
    assert_eq!(otas.sessions().len(), 0);
}

#[tokio::test]
async fn concurrent_streams_each_keep_their_own_session() {
    let (otas, client) = otas().await;
    let url = serve(app(&client).layer(SessionLayer::new())).await;
    let responses = futures_util::future::join_all((0..50).map(|_| text(format!("{url}/sse")))).await;
    let mut responses: Vec<String> = responses;
    let mut expected: Vec<String> = otas.sessions().iter().map(|session| three(&session.id)).collect();
    responses.sort();
    expected.sort();
    assert_eq!(responses, expected);
}

#[tokio::test]
async fn calls_made_while_streaming_belong_to_the_handlers_session() {
    #[otas_session(client = client)]
    async fn relay(State((client, outside)): State<(Client, String)>) -> axum::body::Body {
        axum::body::Body::from_stream(iter(0..2).then(move |_| {
            let url = outside.clone();
            async move { http::get(url).await.unwrap().bytes().await }
        }))
    }
    let upstream = Upstream::start().await;
    let (otas, client) = otas_around(&upstream).await;
    let app = Router::new().route("/", get(relay)).with_state((client.clone(), upstream.outside("/chunk")));
    let url = serve(app.layer(SessionLayer::new())).await;
    assert_eq!(text(url).await, "hellohello");
    assert!(client.flush(std::time::Duration::from_secs(10)).await.is_ok());
    let events = otas.events(&otas.sessions()[0].id);
    assert_eq!(events.iter().map(|event| event.path.as_str()).collect::<Vec<_>>(), ["/chunk", "/chunk"]);
    assert_eq!(client.stats().sessionless_requests, 0);
}

/// Runs a handler under the layer, without a server; what its body saw at each frame.
async fn seen<F: Future<Output = Frames>>(handler: impl FnOnce(Frames) -> F) -> Vec<Option<SessionId>> {
    let body = Frames::new();
    let seen = Arc::clone(&body.seen);
    let mut once = Some((handler, body));
    let mut service = SessionLayer::new().layer(service_fn(move |()| {
        let (handler, body) = once.take().unwrap();
        let response = handler(body);
        async move { Ok::<_, Infallible>(::http::Response::new(response.await)) }
    }));
    let body = service.call(()).await.unwrap().into_body();
    assert_eq!(http_body::Body::size_hint(&body).exact(), Some(4));
    assert_eq!(read(body).await, (4, true), "length and trailers pass through");
    seen.lock().unwrap().clone()
}

/// An annotated step, and the id of its session.
#[otas_session(client = client)]
async fn step(client: &Client) -> Option<SessionId> {
    Session::current().map(|session| session.id())
}

#[tokio::test]
async fn the_body_belongs_to_the_outermost_of_nested_calls() {
    #[otas_session(client = client)]
    async fn outer(client: &Client, id: &Mutex<Option<SessionId>>, body: Frames) -> Frames {
        *id.lock().unwrap() = Session::current().map(|session| session.id());
        assert_ne!(step(client).await, None);
        body
    }
    let (_otas, client) = otas().await;
    let id = Mutex::default();
    let seen = seen(|body| outer(&client, &id, body)).await;
    assert_eq!(seen, vec![id.into_inner().unwrap(); 3]);
    assert!(seen[0].is_some());
}

#[tokio::test]
async fn the_body_belongs_to_a_plain_handlers_only_annotated_call() {
    let (_otas, client) = otas().await;
    let mut id = None;
    let found = seen(async |body| {
        id = step(&client).await;
        body
    })
    .await;
    assert!(id.is_some());
    assert_eq!(found, vec![id; 3]);
    let found = seen(async |body| {
        step(&client).await;
        step(&client).await;
        body
    })
    .await;
    assert_eq!(found, [None, None, None]);
}

#[tokio::test]
async fn the_body_has_no_session_if_its_handler_could_not_open_one() {
    #[otas_session(client = client)]
    async fn outer(client: &Client, otas: &Server, body: Frames) -> Frames {
        otas.uasam().clear_faults();
        assert!(Session::current().is_none() && step(client).await.is_some());
        body
    }
    let (otas, client) = otas().await;
    otas.uasam().fail_next(1, Fault::Status(400));
    assert_eq!(seen(|body| outer(&client, &otas, body)).await, [None, None, None]);
}

#[tokio::test]
async fn a_server_called_within_a_session_responds_within_its_own() {
    let (_otas, client) = otas().await;
    let around = client.open(json!({})).await.unwrap();
    let mut id = None;
    let found = around
        .scope(seen(async |body| {
            id = step(&client).await;
            body
        }))
        .await;
    assert!(id.is_some() && id != Some(around.id()));
    assert_eq!(found, vec![id; 3]);
}

#[tokio::test]
async fn when_disabled_the_layer_does_nothing() {
    let client = crate::support::disabled().unwrap();
    let found = seen(async |body| {
        assert!(step(&client).await.is_none());
        body
    })
    .await;
    assert_eq!(found, [None, None, None]);
}

#[tokio::test]
async fn an_unfinished_body_is_dropped_in_its_session() {
    struct Probe(Arc<Mutex<Vec<Option<String>>>>);
    impl Drop for Probe {
        fn drop(&mut self) {
            self.0.lock().unwrap().push(current());
        }
    }
    #[otas_session(client = client)]
    async fn endless(client: &Client, probe: Probe) -> axum::body::Body {
        axum::body::Body::from_stream(iter(0..).map(move |_| {
            let _ = &probe;
            Ok::<_, Infallible>(Bytes::from_static(b"x"))
        }))
    }
    let (otas, client) = otas().await;
    let dropped = Arc::default();
    let mut once = Some(Probe(Arc::clone(&dropped)));
    let mut service = SessionLayer::new().layer(service_fn(|()| {
        let response = endless(&client, once.take().unwrap());
        async move { Ok::<_, Infallible>(::http::Response::new(response.await)) }
    }));
    drop(service.call(()).await.unwrap());
    assert_eq!(*dropped.lock().unwrap(), [Some(otas.sessions()[0].id.clone())]);
}
