//! Shared fixtures: clients of a local OTAS, HTTP servers to call, and the library's warnings.

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::poll_fn;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, Once};
use std::task::{Context, Poll};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use http_body::{Body, Frame, SizeHint};
use otas::{Client, Config, ConfigBuilder, Result, Session, SessionId};
use otas_local::Server;
use serde_json::Value;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tracing::Level;

/// The header that carries the session token.
pub const TOKEN: &str = "x-otas-agent-session-token";

/// A request that reached an [`Upstream`].
#[derive(Clone, Debug)]
pub struct Received {
    pub method: Method,
    pub uri: Uri,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Received {
    /// The session token, if the request carried one.
    pub fn token(&self) -> Option<&str> {
        self.header(TOKEN)
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// A server on a loopback port that responds with 200 and `hello`, or with the status and location
/// given by a query such as `?status=302&to=URL`.
#[derive(Clone)]
pub struct Upstream {
    port: u16,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Upstream {
    pub async fn start() -> Self {
        capture_warnings();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let upstream = Self { port, received: Arc::default() };
        let router = Router::new().fallback(respond).with_state(upstream.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        upstream
    }

    /// A URL by IP address, which the tests put inside the project domain.
    pub fn inside(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// The same server by host name, which the domain rule treats as a different host.
    pub fn outside(&self, path: &str) -> String {
        format!("http://localhost:{}{path}", self.port)
    }

    pub fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }
}

/// The path of an [`Upstream`] that redirects to `to`.
pub fn redirect(status: u16, to: &str) -> String {
    format!("/redirect?status={status}&to={}", url::form_urlencoded::byte_serialize(to.as_bytes()).collect::<String>())
}

/// Ignored, since a client from an earlier test may still call the port of its former local OTAS.
const LEFTOVER_PATHS: [&str; 2] = ["/api/v1/backend/log/agent/", "/api/agent/v1/session/create/"];

async fn respond(
    State(upstream): State<Upstream>,
    Query(query): Query<HashMap<String, String>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if !LEFTOVER_PATHS.contains(&uri.path()) {
        upstream.received.lock().unwrap().push(Received { method, uri, headers, body });
    }
    let status = query.get("status").map_or(StatusCode::OK, |status| status.parse().unwrap());
    match query.get("to") {
        Some(to) => (status, [("location", to.as_str())], "moved").into_response(),
        None => (status, "hello").into_response(),
    }
}

/// Accepts one connection, reads the head of the request, and hands the stream to `script`.
///
/// Returns a URL by host name, outside the project domain.
pub async fn raw_server<F>(script: impl FnOnce(TcpStream) -> F + Send + 'static) -> String
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://localhost:{}/raw", listener.local_addr().unwrap().port());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        script(stream).await;
    });
    url
}

/// A local OTAS and a client for it.
pub async fn start_otas() -> (Server, Client) {
    start_otas_with(|config| config).await
}

/// A local OTAS and a client for it, with changes to the client's configuration.
pub async fn start_otas_with(change: impl FnOnce(ConfigBuilder) -> ConfigBuilder) -> (Server, Client) {
    capture_warnings();
    let otas = Server::start().await.unwrap();
    let client = client_with(&otas, change);
    (otas, client)
}

/// A local OTAS with `upstream` inside its project domain, and a client for it.
pub async fn otas_around(upstream: &Upstream) -> (Server, Client) {
    otas_around_with(upstream, |config| config).await
}

/// Like [`otas_around`], with changes to the client's configuration.
pub async fn otas_around_with(
    upstream: &Upstream,
    change: impl FnOnce(ConfigBuilder) -> ConfigBuilder,
) -> (Server, Client) {
    let otas = Server::builder().project_domain(upstream.inside("")).start().await.unwrap();
    let client = client_with(&otas, change);
    (otas, client)
}

/// A client for a local OTAS, with changes to its configuration.
pub fn client_with(otas: &Server, change: impl FnOnce(ConfigBuilder) -> ConfigBuilder) -> Client {
    Client::new(change(Config::builder().vars(otas.env())).build().unwrap()).unwrap()
}

/// Sends a GET through the current client, and reads the response to its end.
pub async fn fetch(url: impl Into<String>) -> String {
    otas::http::get(url.into()).await.unwrap().text().await.unwrap()
}

/// A current-thread runtime with timers and I/O.
pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// A body of two data frames and a trailer that records the current session at each poll.
pub struct Frames {
    remaining: u8,
    pub seen: Arc<Mutex<Vec<Option<SessionId>>>>,
}

impl Frames {
    pub fn new() -> Self {
        Self { remaining: 3, seen: Arc::default() }
    }
}

impl Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.seen.lock().unwrap().push(Session::current().map(|session| session.id()));
        self.remaining = self.remaining.saturating_sub(1);
        let trailers = || [(::http::HeaderName::from_static("checksum"), "7".parse().unwrap())].into_iter().collect();
        Poll::Ready(match self.remaining {
            0 => Some(Ok(Frame::trailers(trailers()))),
            _ => Some(Ok(Frame::data(Bytes::from_static(b"ab")))),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.remaining == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(4)
    }
}

/// Reads a body to its end, and returns its length and whether the trailer arrived.
pub async fn read_to_end(body: impl Body<Data = Bytes, Error = Infallible>) -> (usize, bool) {
    let mut body = pin!(body);
    let (mut length, mut has_trailer) = (0, false);
    while !body.is_end_stream() {
        let Some(Ok(frame)) = poll_fn(|cx| body.as_mut().poll_frame(cx)).await else { break };
        length += frame.data_ref().map_or(0, Bytes::len);
        has_trailer |= frame.trailers_ref().is_some_and(|trailers| trailers["checksum"] == "7");
    }
    (length, has_trailer)
}

/// A temporary file, removed when dropped.
pub struct TempFile(PathBuf);

impl TempFile {
    pub fn with(text: &str) -> Self {
        let file = Self(std::env::temp_dir().join(format!("otas-test-{}", uuid::Uuid::new_v4())));
        file.write(text);
        file
    }

    pub fn write(&self, text: &str) {
        std::fs::write(&self.0, text).unwrap();
    }

    pub fn remove(&self) {
        std::fs::remove_file(&self.0).unwrap();
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The path as a setting or an error message spells it.
    pub fn name(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// A local OTAS that records metas, for the tests of the attribute.
pub struct Otas {
    pub client: Client,
    server: Server,
}

impl Otas {
    pub async fn start() -> Result<Self> {
        capture_warnings();
        let server = Server::builder().project_domain("http://127.0.0.1:9").start().await.unwrap();
        Ok(Self { client: Client::new(Config::from_vars(server.env())?)?, server })
    }

    /// The metas of the opened sessions, in order.
    pub fn metas(&self) -> Vec<Value> {
        self.server.sessions().into_iter().map(|session| session.meta).collect()
    }
}

/// A client whose UASAM cannot be reached.
pub fn unreachable() -> Result<Client> {
    capture_warnings();
    let url = "http://127.0.0.1:9";
    let key = format!("agent_abcdefghijk_{}", "s".repeat(43));
    Client::new(Config::builder().agent_key(key).project_domain(url).uasam_url(url).brain_url(url).build()?)
}

/// A disabled client.
pub fn disabled() -> Result<Client> {
    Client::new(Config::from_vars([("OTAS_DISABLED", "1")])?)
}

/// Runs a future in which annotated functions can open sessions.
pub async fn run<F: Future>(future: F) -> F::Output {
    let otas = Otas::start().await.unwrap();
    otas.client.scope(future).await
}

/// Whether a session is current, as the body of each annotated function returns or asserts.
pub fn in_session() -> bool {
    Session::current().is_some()
}

/// The warnings logged by any test so far.
static WARNINGS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Collects the library's warnings and prints them as part of the output of the current test.
///
/// Without a subscriber the first one would go to stderr, which the test harness does not capture.
pub fn capture_warnings() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        tracing_subscriber::fmt().with_max_level(Level::WARN).without_time().with_writer(|| WarningWriter).init();
    });
}

/// The captured warnings that contain `text`.
pub fn warnings_with(text: &str) -> Vec<String> {
    WARNINGS.lock().unwrap().iter().filter(|warning| warning.contains(text)).cloned().collect()
}

struct WarningWriter;

impl Write for WarningWriter {
    fn write(&mut self, warning: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(warning).into_owned();
        print!("{text}");
        WARNINGS.lock().unwrap().push(text);
        Ok(warning.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
