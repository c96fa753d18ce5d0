//! `SessionLayer`: a response body belongs to the session of the handler that returned it.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Json, State};
use axum::response::sse::{Event, Sse};
use axum::routing::get;
use futures_util::future::join_all;
use futures_util::stream::{Stream, StreamExt, iter};
use otas::reqwest;
use otas::tower::SessionLayer;
use otas::{Client, Session, SessionExt, SessionId, http, otas_session};
use otas_local::{Fault, Server};
use serde_json::{Value, json};
use tower::{Layer, Service, service_fn};

use crate::support::{Frames, Upstream, disabled, otas_around, read_to_end, start_otas};

fn current_id() -> Option<String> {
    Session::current().map(|session| session.id().to_string())
}

/// Serves `app` on a loopback port, and returns its base URL.
async fn serve(app: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    url
}

async fn get_text(url: String) -> String {
    reqwest::get(url).await.unwrap().text().await.unwrap()
}

/// Three server-sent events, each with the id of the session that is current when it is produced.
fn ids() -> impl Stream<Item = Result<Event, Infallible>> + Send + 'static {
    iter(0..3).then(async |_| {
        tokio::task::yield_now().await;
        Ok(Event::default().data(current_id().unwrap_or("none".into())))
    })
}

#[otas_session(client = client, meta = { "handler": "sse" })]
async fn sse(State(client): State<Client>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    Sse::new(ids())
}

#[otas_session(client = client)]
async fn carried(State(client): State<Client>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    Sse::new(ids().in_current_session())
}

#[otas_session(client = client)]
async fn echo(State(client): State<Client>, Json(body): Json<Value>) -> Json<Value> {
    Json(json!({ "body": body, "session": current_id() }))
}

async fn plain() -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    Sse::new(ids())
}

fn app(client: &Client) -> Router {
    Router::new()
        .route("/sse", get(sse))
        .route("/carried", get(carried))
        .route("/json", axum::routing::post(echo))
        .route("/plain", get(plain))
        .with_state(client.clone())
}

/// The response to three events with the same id.
fn three_times(id: &str) -> String {
    format!("data: {id}\n\n").repeat(3)
}

#[tokio::test]
async fn a_streamed_body_keeps_its_session_only_with_the_layer() {
    let (otas, client) = start_otas().await;
    let plain = serve(app(&client)).await;
    let layered = serve(app(&client).layer(SessionLayer::new())).await;

    assert_eq!(get_text(format!("{plain}/sse")).await, three_times("none"));
    assert_eq!(get_text(format!("{layered}/sse")).await, three_times(&otas.sessions()[1].id));
}

#[tokio::test]
async fn a_stream_that_carries_its_session_works_with_or_without_the_layer() {
    let (otas, client) = start_otas().await;
    let plain = serve(app(&client)).await;
    let layered = serve(app(&client).layer(SessionLayer::new())).await;

    assert_eq!(get_text(format!("{plain}/carried")).await, three_times(&otas.sessions()[0].id));
    assert_eq!(get_text(format!("{layered}/carried")).await, three_times(&otas.sessions()[1].id));
}

#[tokio::test]
async fn the_layer_preserves_the_content_length_of_sized_responses() {
    let (otas, client) = start_otas().await;
    let url = serve(app(&client).layer(SessionLayer::new())).await;

    let response = reqwest::Client::new().post(format!("{url}/json")).json(&json!([1])).send().await.unwrap();

    let length = response.headers()["content-length"].to_str().unwrap().to_owned();
    assert!(!response.headers().contains_key("transfer-encoding"));
    let body = response.text().await.unwrap();
    assert_eq!(length, body.len().to_string());
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body, json!({ "body": [1], "session": otas.sessions()[0].id }));
}

#[tokio::test]
async fn the_layer_leaves_unannotated_handlers_alone() {
    let (otas, client) = start_otas().await;
    let url = serve(app(&client).layer(SessionLayer::new())).await;

    assert_eq!(get_text(format!("{url}/plain")).await, three_times("none"));
    assert_eq!(otas.sessions().len(), 0);
}

#[tokio::test]
async fn concurrent_streams_each_keep_their_own_session() {
    let (otas, client) = start_otas().await;
    let url = serve(app(&client).layer(SessionLayer::new())).await;

    let mut bodies = join_all((0..50).map(|_| get_text(format!("{url}/sse")))).await;

    let mut expected: Vec<String> = otas.sessions().iter().map(|session| three_times(&session.id)).collect();
    bodies.sort();
    expected.sort();
    assert_eq!(bodies, expected);
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

    assert_eq!(get_text(url).await, "hellohello");

    assert!(client.flush(Duration::from_secs(10)).await.is_ok());
    let events = otas.events(&otas.sessions()[0].id);
    assert_eq!(events.iter().map(|event| event.path.as_str()).collect::<Vec<_>>(), ["/chunk", "/chunk"]);
    assert_eq!(client.stats().sessionless_requests, 0);
}

/// Runs a handler under the layer, and returns the session that its body saw at each frame.
async fn sessions_of_body<F: Future<Output = Frames>>(handler: impl FnOnce(Frames) -> F) -> Vec<Option<SessionId>> {
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
    assert_eq!(read_to_end(body).await, (4, true), "length and trailers are preserved");
    seen.lock().unwrap().clone()
}

/// An annotated call that returns the id of its session.
#[otas_session(client = client)]
async fn annotated(client: &Client) -> Option<SessionId> {
    Session::current().map(|session| session.id())
}

#[tokio::test]
async fn the_body_belongs_to_the_outermost_of_nested_calls() {
    #[otas_session(client = client)]
    async fn outer(client: &Client, id: &Mutex<Option<SessionId>>, body: Frames) -> Frames {
        *id.lock().unwrap() = Session::current().map(|session| session.id());
        assert_ne!(annotated(client).await, None);
        body
    }
    let (_otas, client) = start_otas().await;
    let id = Mutex::default();

    let sessions = sessions_of_body(|body| outer(&client, &id, body)).await;

    assert_eq!(sessions, vec![id.into_inner().unwrap(); 3]);
    assert!(sessions[0].is_some());
}

#[tokio::test]
async fn the_body_belongs_to_the_only_annotated_call_of_a_plain_handler() {
    let (_otas, client) = start_otas().await;
    let mut id = None;
    let sessions = sessions_of_body(async |body| {
        id = annotated(&client).await;
        body
    })
    .await;
    assert!(id.is_some());
    assert_eq!(sessions, vec![id; 3]);

    let sessions = sessions_of_body(async |body| {
        annotated(&client).await;
        annotated(&client).await;
        body
    })
    .await;

    assert_eq!(sessions, [None, None, None]);
}

#[tokio::test]
async fn the_body_has_no_session_if_its_handler_could_not_open_one() {
    #[otas_session(client = client)]
    async fn outer(client: &Client, otas: &Server, body: Frames) -> Frames {
        otas.uasam().clear_faults();
        assert!(Session::current().is_none() && annotated(client).await.is_some());
        body
    }
    let (otas, client) = start_otas().await;
    otas.uasam().fail_next(1, Fault::Status(400));

    assert_eq!(sessions_of_body(|body| outer(&client, &otas, body)).await, [None, None, None]);
}

#[tokio::test]
async fn a_server_called_within_a_session_responds_within_its_own() {
    let (_otas, client) = start_otas().await;
    let outer = client.open(json!({})).await.unwrap();
    let mut id = None;

    let sessions = outer
        .scope(sessions_of_body(async |body| {
            id = annotated(&client).await;
            body
        }))
        .await;

    assert!(id.is_some() && id != Some(outer.id()));
    assert_eq!(sessions, vec![id; 3]);
}

#[tokio::test]
async fn when_disabled_the_layer_does_nothing() {
    let client = disabled().unwrap();

    let sessions = sessions_of_body(async |body| {
        assert!(annotated(&client).await.is_none());
        body
    })
    .await;

    assert_eq!(sessions, [None, None, None]);
}

#[tokio::test]
async fn an_unfinished_body_is_dropped_in_its_session() {
    struct Probe(Arc<Mutex<Vec<Option<String>>>>);
    impl Drop for Probe {
        fn drop(&mut self) {
            self.0.lock().unwrap().push(current_id());
        }
    }
    #[otas_session(client = client)]
    async fn endless(client: &Client, probe: Probe) -> axum::body::Body {
        axum::body::Body::from_stream(iter(0..).map(move |_| {
            let _ = &probe;
            Ok::<_, Infallible>(Bytes::from_static(b"x"))
        }))
    }
    let (otas, client) = start_otas().await;
    let dropped = Arc::default();
    let mut once = Some(Probe(Arc::clone(&dropped)));
    let mut service = SessionLayer::new().layer(service_fn(|()| {
        let response = endless(&client, once.take().unwrap());
        async move { Ok::<_, Infallible>(::http::Response::new(response.await)) }
    }));

    drop(service.call(()).await.unwrap());

    assert_eq!(*dropped.lock().unwrap(), [Some(otas.sessions()[0].id.clone())]);
}
