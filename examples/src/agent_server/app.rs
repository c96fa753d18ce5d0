//! The routes: one session per request, also for streamed responses and background jobs.
//!
//! If OTAS cannot be reached, the server keeps serving. The body of an annotated handler then runs
//! without a session: its requests to your own backend carry no token, its requests to other hosts
//! are not logged, a warning gives the reason, and `Client::stats` counts the call.
//!
//! Opening a session fails at once if the connection is refused, and after 10 seconds if nothing
//! responds; the handler waits for that long. After three failures in a row, the library stops
//! trying for 1 to 30 seconds, and handlers start without waiting.
//!
//! To reject such requests instead, write `#[otas_session(on_error = fail)]`.

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
    /// Sends the requests, each in the current session.
    pub http: http::Client,
    /// Base URL of your own backend, inside the project domain.
    pub backend: Arc<str>,
    /// Base URL of a language model, outside the project domain.
    pub model: Arc<str>,
    /// Each background job holds a clone until it is done, so the channel closes after the last one.
    pub jobs: mpsc::Sender<()>,
}

/// Builds the router. The layer keeps the handler's session current while the response body is sent.
pub fn router(app: App) -> Router {
    Router::new()
        .route("/ask", post(ask))
        .route("/stream/{number}", get(stream_replies))
        .route("/jobs", post(start_job))
        .layer(SessionLayer::new())
        .with_state(app)
}

/// The body of a request to `/ask` or `/jobs`.
#[derive(Deserialize)]
pub struct Question {
    number: u64,
    text: String,
}

/// A JSON response. The session is opened before the body runs, and `meta` can use the extracted values.
#[otas_session(client = app.client, meta = { "task_name": "ask", "request": question.number })]
async fn ask(State(app): State<App>, Json(question): Json<Question>) -> Result<Json<Value>, Failure> {
    let customer = app.customer(question.number).await?; // inside the domain: with the token
    let reply = app.complete(question.number, &question.text).await?; // outside: logged
    Ok(Json(json!({ "customer": customer, "reply": reply })))
}

/// Server-sent events. The stream is polled after the handler has returned, so the layer re-enters
/// the session for it. Without the layer, `replies.in_current_session()` does the same.
#[otas_session(client = app.client, meta = { "task_name": "stream", "request": number })]
async fn stream_replies(
    State(app): State<App>,
    Path(number): Path<u64>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let replies = stream::iter(["summarize the request", "draft a reply"]).then(move |prompt| {
        let app = app.clone();
        async move {
            let reply = async { app.customer(number).await.and(app.complete(number, prompt).await) }.await;
            Ok(Event::default().data(reply.unwrap_or_else(|error| error.0.to_string())))
        }
    });
    Sse::new(replies)
}

/// Responds at once; the work continues in a task. `otas::spawn` attaches the session to the task,
/// which `tokio::spawn` would not do.
#[otas_session(client = app.client, meta = { "task_name": "job", "request": question.number })]
async fn start_job(State(app): State<App>, Json(question): Json<Question>) -> StatusCode {
    otas::spawn(async move {
        let _until_done = app.jobs.clone();
        if let Err(Failure(error)) = app.run_job(question).await {
            eprintln!("agent_server: a job failed: {error}");
        }
    });
    StatusCode::ACCEPTED
}

impl App {
    async fn customer(&self, number: u64) -> Result<String, Failure> {
        let response = self.http.get(format!("{}/customers/{number}", self.backend)).await?;
        Ok(response.error_for_status()?.text().await?)
    }

    async fn complete(&self, number: u64, prompt: &str) -> Result<String, Failure> {
        let request = self.http.post(format!("{}/completions/{number}", self.model)).json(&json!({ "prompt": prompt }));
        Ok(request.await?.error_for_status()?.text().await?)
    }

    async fn run_job(&self, question: Question) -> Result<(), Failure> {
        self.complete(question.number, &question.text).await?;
        self.customer(question.number).await?;
        Ok(())
    }
}

/// A request to the backend or to the model failed.
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
