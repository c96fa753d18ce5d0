//! Opening a session: one POST to UASAM on the library's thread, within its limits.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use http::HeaderValue;
use serde_json::{Map, Value};

use crate::client::{Client, Connection};
use crate::config::KeySource;
use crate::error::{Error, Kind, Result};
use crate::server::{self, AbortOnDropHandle, ServerResponse, endpoint};
use crate::token::Grant;
use crate::wire;

/// A real response has some 400 bytes.
const MAX_RESPONSE_BYTES: usize = 64 * 1024;

/// A grant, and when and for which process it was received.
pub(super) struct Granted {
    pub(super) grant: Grant,
    pub(super) received: Instant,
    pub(super) process_id: u32,
}

/// The request that opens a session. Dropping it cancels the request.
pub(super) struct OpenFuture(State);

enum State {
    InFlight(AbortOnDropHandle<Result<Granted>>),
    /// Not even sent; the error is taken by the first poll.
    Rejected(Option<Error>),
}

impl OpenFuture {
    /// Sends the request, or fails fast while the circuit is open.
    pub(super) fn start(client: &Client, meta: Arc<Map<String, Value>>) -> Self {
        let connection = if client.is_disabled() { Err(Error::new(Kind::Disabled)) } else { client.connection() };
        let allowed = connection.and_then(|connection| {
            connection.breaker.acquire(client.clock()).map(drop)?;
            Ok(connection)
        });
        Self(match allowed {
            Ok(connection) => {
                let opened = open_within_limits(client.clone(), connection.clone(), meta);
                State::InFlight(AbortOnDropHandle::new(connection.runtime.spawn(opened)))
            }
            Err(error) => State::Rejected(Some(error)),
        })
    }
}

impl Future for OpenFuture {
    type Output = Result<Granted>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            State::InFlight(task) => {
                Pin::new(task).poll(cx).map(|joined| joined.unwrap_or_else(|_| Err(thread_ended())))
            }
            State::Rejected(error) => Poll::Ready(Err(error.take().unwrap_or_else(thread_ended))),
        }
    }
}

fn thread_ended() -> Error {
    Error::new(Kind::Thread("the library's thread ended while the session was being opened; create another client"))
}

/// Waits for a permit, opens, and reports the outcome to the circuit breaker, all within the open
/// timeout.
async fn open_within_limits(
    client: Client,
    connection: Arc<Connection>,
    meta: Arc<Map<String, Value>>,
) -> Result<Granted> {
    let timeout = client.settings().open_timeout;
    let timed_out = |_| Error::new(Kind::Timeout { server: wire::UASAM, after: timeout });
    let deadline = tokio::time::Instant::now() + timeout;
    let acquired = tokio::time::timeout_at(deadline, connection.open_permits.acquire()).await.map_err(timed_out)?;
    let _slot = acquired.map_err(|_| thread_ended())?;
    let permit = connection.breaker.acquire(client.clock())?;
    let opened = tokio::time::timeout_at(deadline, open(&client, &connection, &meta)).await;
    let opened = opened.map_err(timed_out).and_then(|opened| opened);
    match &opened {
        Err(error) if error.is_server_failure() => permit.fail(),
        _ => permit.succeed(),
    }
    let grant = opened?;
    connection.delivery.key_worked();
    client.count_session();
    tracing::debug!(target: "otas", { session.id = %grant.session_id() }, "session opened");
    Ok(Granted { grant, received: client.clock().now(), process_id: connection.process_id })
}

/// Opens a session with the current key, and tries again if the key was rejected and has been
/// replaced. A key file is read first, so that a rotated key is picked up before the old one is
/// rejected.
async fn open(client: &Client, connection: &Connection, meta: &Map<String, Value>) -> Result<Grant> {
    let key = client.settings().key.clone().ok_or_else(|| Error::new(Kind::Disabled))?;
    let body = serde_json::to_vec(&wire::CreateSession { meta })
        .map_err(|cause| Error::with_source(Kind::InvalidMeta("the meta cannot be written as JSON".into()), cause))?;
    if key.is_file() {
        reread(key.clone()).await;
    }
    let used = key.current();
    let mut opened = post(client, connection, used.clone(), body.clone()).await;
    if is_rejected(&opened) && has_changed(&key, &used).await {
        opened = post(client, connection, key.current(), body).await;
    }
    match &opened {
        Ok(_) => key.accepted(),
        Err(error) if error.is_key_rejected() => key.rejected(error),
        Err(_) => {}
    }
    opened
}

fn is_rejected(opened: &Result<Grant>) -> bool {
    opened.as_ref().is_err_and(Error::is_key_rejected)
}

/// Whether there is a key other than the one used. A concurrent call may have read it already.
async fn has_changed(key: &KeySource, used: &HeaderValue) -> bool {
    if key.can_change() && key.current() == *used {
        reread(key.clone()).await;
    }
    key.current() != *used
}

/// Reads the key again; on the blocking pool, since reading a file blocks.
async fn reread(key: KeySource) {
    // A provider that panics leaves the key as it was.
    let _ = tokio::task::spawn_blocking(move || key.reread()).await;
}

async fn post(client: &Client, connection: &Connection, key: HeaderValue, body: Vec<u8>) -> Result<Grant> {
    let settings = client.settings();
    let request = connection
        .uasam
        .post(endpoint(&settings.uasam, wire::path::CREATE_SESSION))
        .header(wire::header::AGENT_KEY, key)
        .header(http::header::CONTENT_TYPE, "application/json")
        .body(body);
    read_grant(&server::send(wire::UASAM, request, MAX_RESPONSE_BYTES, settings.open_timeout).await?)
}

fn read_grant(response: &ServerResponse) -> Result<Grant> {
    let created: wire::SessionCreated = response.decode(|status| match status {
        401 => {
            "check the agent key: it is wrong, revoked or expired (a key is valid for 30 days); copy it again from OTAS, or have it reissued"
        }
        500.. => "see UASAM's log",
        _ => "check that the URL points to a UASAM server of the same version",
    })?;
    Grant::decode(&created.response.jwt_token).ok_or_else(|| response.unexpected("a token that cannot be decoded"))
}
