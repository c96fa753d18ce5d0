//! The server itself: one session for each request, wherever its work goes on.
//!
//! Where OTAS cannot be reached, requests are answered all the same: the body of an annotated handler then runs without a session, its calls
//! go out without a token and are not logged, a warning says why, and it is counted (`Client::stats`). The first three requests wait for the
//! connection to fail (3 seconds at the most); after that, opening pauses, and nobody waits. To refuse such requests instead, write
//! `on_error = fail`.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::{Json, Path, State};
use axum::http::StatusCode;
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Router, response};
use futures_util::{Stream, StreamExt, stream};
use otas::tower::SessionLayer;
use otas::{Client, http, otas_session, reqwest};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;

/// What the handlers share. Cheap to clone.
#[derive(Clone)]
pub struct App {
    /// Opens the sessions.
    pub client: Client,
    /// Sends the requests: each belongs to the session that is current.
    pub http: http::Client,
    /// The operator's own service, within the project's domain.
    pub backend: Arc<str>,
    /// Somebody else's.
    pub model: Arc<str>,
    /// Held by each background job until it is done: whoever has the other end knows when all are.
    pub jobs: mpsc::Sender<()>,
}

/// The routes. The layer keeps a handler's session while its response body is sent.
pub fn router(app: App) -> Router {
    Router::new()
        .route("/ask", post(ask))
        .route("/stream/{number}", get(answer_in_pieces))
        .route("/jobs", post(start_job))
        .layer(SessionLayer::new())
        .with_state(app)
}

/// What a caller asks.
#[derive(Deserialize)]
pub struct Question {
    number: u64,
    text: String,
}

/// A JSON answer. The attribute opens the session before the body runs; the meta may use the extractors' values.
#[otas_session(client = app.client, meta = { "task_name": "ask", "request": question.number })]
async fn ask(State(app): State<App>, Json(question): Json<Question>) -> Result<Json<Value>, Failure> {
    let customer = app.customer(question.number).await?; // within the domain: with the token
    let answer = app.model(question.number, &question.text).await?; // outside: logged
    Ok(Json(json!({ "customer": customer, "answer": answer })))
}

/// Server-sent events. The stream is polled when the handler has returned long ago: the layer re-enters the session for it. Without the layer,
/// `stream.in_current_session()` would do the same.
#[otas_session(client = app.client, meta = { "task_name": "stream", "request": number })]
async fn answer_in_pieces(
    State(app): State<App>,
    Path(number): Path<u64>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let pieces = stream::iter(["who is it", "what to say"]).then(move |piece| {
        let app = app.clone();
        async move {
            let said = async { app.customer(number).await.and(app.model(number, piece).await) }.await;
            Ok(Event::default().data(said.unwrap_or_else(|error| error.0.to_string())))
        }
    });
    Sse::new(pieces)
}

/// Answers at once; the work goes on in a task of its own. `otas::spawn` takes the session along, where `tokio::spawn` would lose it.
#[otas_session(client = app.client, meta = { "task_name": "job", "request": question.number })]
async fn start_job(State(app): State<App>, Json(question): Json<Question>) -> StatusCode {
    otas::spawn(async move {
        let _until_done = app.jobs.clone();
        if let Err(Failure(error)) = app.work(question).await {
            eprintln!("agent_server: a job failed: {error}");
        }
    });
    StatusCode::ACCEPTED
}

impl App {
    async fn customer(&self, number: u64) -> Result<String, Failure> {
        let answer = self.http.get(format!("{}/customers/{number}", self.backend)).await?;
        Ok(answer.error_for_status()?.text().await?)
    }

    async fn model(&self, number: u64, prompt: &str) -> Result<String, Failure> {
        let request = self.http.post(format!("{}/answers/{number}", self.model)).json(&json!({ "prompt": prompt }));
        Ok(request.await?.error_for_status()?.text().await?)
    }

    async fn work(&self, question: Question) -> Result<(), Failure> {
        self.model(question.number, &question.text).await?;
        self.customer(question.number).await?;
        Ok(())
    }
}

/// A service that the server depends on has failed.
#[derive(Debug)]
struct Failure(reqwest::Error);

impl From<reqwest::Error> for Failure {
    fn from(error: reqwest::Error) -> Self {
        Self(error.without_url())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (StatusCode::BAD_GATEWAY, response::Json(json!({ "error": self.0.to_string() }))).into_response()
    }
}
