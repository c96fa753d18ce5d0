//! Opening a session: one POST on the library's thread, within the limits, and what UASAM's answer means.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::HeaderValue;
use serde_json::{Map, Value};

use crate::client::Client;
use crate::client::connection::Connection;
use crate::config::KeySource;
use crate::error::{Error, Kind, Result};
use crate::server::{AbortOnDropHandle, ServerResponse, endpoint, send};
use crate::session::Session;
use crate::token::Grant;
use crate::wire::{self, UASAM};

/// The real answer has some 400 bytes.
const ANSWER_LIMIT: usize = 64 * 1024;

/// A session that is being opened. Dropping it ends the request.
pub(crate) struct Opening(Started);

enum Started {
    Running(AbortOnDropHandle<Result<Session>>),
    Refused(Option<Error>),
}

impl Opening {
    /// Starts to open a session on the library's thread; while opening pauses, refuses at once.
    pub(crate) fn start(client: &Client, meta: Map<String, Value>) -> Self {
        let started = if client.is_disabled() {
            Err(Error::new(Kind::Disabled))
        } else {
            client.process().and_then(|process| process.pause.turn(client.world()).map(drop).map(|()| process))
        };
        Self(match started {
            Ok(process) => {
                let opening = within_limits(client.clone(), process.clone(), meta);
                Started::Running(AbortOnDropHandle::new(process.link.spawn(opening)))
            }
            Err(error) => Started::Refused(Some(error)),
        })
    }
}

impl Future for Opening {
    type Output = Result<Session>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let ended = || Error::new(Kind::Thread("the library's thread has ended while the session was being opened"));
        match &mut self.0 {
            Started::Running(task) => Pin::new(task).poll(cx).map(|joined| joined.unwrap_or_else(|_| Err(ended()))),
            Started::Refused(error) => Poll::Ready(Err(error.take().unwrap_or_else(ended))),
        }
    }
}

/// Waits for a turn, opens, and tells the pause how it went; in all no longer than the open timeout.
async fn within_limits(client: Client, process: Arc<Connection>, meta: Map<String, Value>) -> Result<Session> {
    let limit = client.settings().open_timeout;
    let client = &client;
    let late = |_| Error::new(Kind::Timeout { server: UASAM, after: limit });
    let deadline = tokio::time::Instant::now() + limit;
    let waited = tokio::time::timeout_at(deadline, process.opens.acquire()).await.map_err(late)?;
    let _place = waited.map_err(|_| Error::new(Kind::Thread("the library's thread has ended")))?;
    let turn = process.pause.turn(client.world())?;
    let granted = tokio::time::timeout_at(deadline, grant(client, &process, &meta)).await.map_err(late);
    let granted = granted.and_then(|granted| granted);
    match &granted {
        Err(error) if error.is_server_failure() => turn.failed(),
        _ => turn.answered(),
    }
    let grant = granted?;
    process.delivery.key_worked();
    client.opened();
    tracing::debug!(target: "otas", { session.id = %grant.session_id() }, "session opened");
    Ok(Session::new(client.clone(), meta, grant))
}

/// Asks for a token; once more where the key was refused and there is another one by now. A file is read before, so that a key that is
/// exchanged in it is in use before the old one is refused.
async fn grant(client: &Client, process: &Connection, meta: &Map<String, Value>) -> Result<Grant> {
    let key = client.settings().key.clone().ok_or_else(|| Error::new(Kind::Disabled))?;
    let body = serde_json::to_vec(&wire::CreateSession { meta })
        .map_err(|cause| Error::with_source(Kind::InvalidMeta("the meta cannot be written as JSON".into()), cause))?;
    if key.is_file() {
        reread(key.clone()).await;
    }
    let used = key.current();
    let mut granted = create(client, process, used.clone(), body.clone()).await;
    if refused(&granted) && changed(&key, &used).await {
        granted = create(client, process, key.current(), body).await;
    }
    match &granted {
        Ok(_) => key.accepted(),
        Err(error) if error.is_key_rejected() => key.rejected(error),
        Err(_) => {}
    }
    granted
}

fn refused(granted: &Result<Grant>) -> bool {
    granted.as_ref().is_err_and(Error::is_key_rejected)
}

/// Whether there is another key than the one that was used. A call that runs beside this one may have read it already.
async fn changed(key: &KeySource, used: &HeaderValue) -> bool {
    if key.can_change() && key.current() == *used {
        reread(key.clone()).await;
    }
    key.current() != *used
}

async fn create(client: &Client, process: &Connection, key: HeaderValue, body: Vec<u8>) -> Result<Grant> {
    let settings = client.settings();
    let request = process
        .uasam
        .post(endpoint(&settings.uasam, wire::path::CREATE_SESSION))
        .header(wire::header::AGENT_KEY, key)
        .header(http::header::CONTENT_TYPE, "application/json")
        .body(body);
    read_grant(&send(UASAM, request, ANSWER_LIMIT, settings.open_timeout).await?)
}

/// Reading a file blocks, so it happens on another thread.
async fn reread(key: KeySource) {
    // A provider that panics leaves the key as it was.
    let _ = tokio::task::spawn_blocking(move || key.reread()).await;
}

/// Reads the token out of UASAM's response to the opening of a session.
fn read_grant(response: &ServerResponse) -> Result<Grant> {
    let created: wire::SessionCreated = response.decode(|status| match status {
        401 => {
            "check the agent key: it is wrong, revoked or expired (a key is valid for 30 days); copy it again from OTAS, \
             or have it issued again"
        }
        500.. => "check the log of UASAM",
        _ => "check that the URL is that of a UASAM with this protocol",
    })?;
    Grant::decode(&created.response.jwt_token).ok_or_else(|| response.unexpected("a token that cannot be decoded"))
}
