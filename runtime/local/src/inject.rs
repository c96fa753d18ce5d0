//! The faults that a test can ask for: what a server does to a request instead of answering it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::django;
use super::http::{Response, Connection, Request};
use super::records::Service;
use super::state::State;

/// What happens to a request; asked for with [`Control::fail_next`](super::Control::fail_next) and its siblings.
///
/// A fault either comes *before* the request has any effect (no session is created, no event stored) or *after*; each says which.
/// The request is always read, and is among [`Server::requests`](super::Server::requests).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Fault {
    /// A JSON answer with this status. No effect.
    Status(u16),
    /// The same with a `Retry-After` header of so many seconds. No effect.
    RetryAfter {
        /// The HTTP status, such as 429 or 503.
        status: u16,
        /// The header's value.
        seconds: u64,
    },
    /// A refusal in the servers' own shape: this status, and this word as `status_description`. No effect.
    ///
    /// `Refusal(401, "invalid_or_expired_agent_key")` is what Brain says whenever UASAM is slow.
    Refusal(u16, &'static str),
    /// Django's debug page with this status. It shows the request's headers, key and token included, in clear text. No effect.
    Html(u16),
    /// The connection is reset instead of an answer. No effect.
    Reset,
    /// The request takes effect, then the connection is reset: a client that tries again does it twice.
    ResetAfterEffect,
    /// No answer for so long, then the connection ends; sooner where the client gives up. No effect.
    Stall(Duration),
    /// The request takes effect at once, and the true answer follows so much later.
    Late(Duration),
    /// The request takes effect, and the true answer comes byte by byte, with this pause before each.
    Drip(Duration),
    /// The request takes effect, and the connection ends after half of the true answer's body.
    HalfAnswer,
    /// A status 200 with a JSON body of so many bytes, which a client should not read to its end. No effect.
    Huge(u64),
    /// A 307 to this URL; a client that follows it gives away its key and its token. No effect.
    Redirect(String),
    /// A session is created, but the token in the answer is rubbish between two dots. Other requests are answered as usual.
    BadToken,
    /// Bytes that are no HTTP, then the end of the connection. No effect.
    NotHttp,
}

/// What a client gets instead of a JSON Web Token.
const RUBBISH: &str = "rubbish.rubbish.rubbish";

impl Fault {
    /// Does it; whether the connection can be used again.
    pub(crate) async fn happen(
        self,
        connection: &mut Connection,
        request: &Request,
        state: &Arc<State>,
        service: Service,
    ) -> io::Result<bool> {
        let answer = match self {
            Fault::Status(status) => Response::refusal(status, "injected_fault"),
            Fault::RetryAfter { status, seconds } => {
                Response::refusal(status, "injected_fault").with_header("Retry-After", seconds.to_string())
            }
            Fault::Refusal(status, word) => Response::refusal(status, word),
            Fault::Html(status) => django::html_page(request, status, "InjectedFault", "A test asked for this page."),
            Fault::Redirect(url) => Response::new(307, "text/html; charset=utf-8", "").with_header("Location", url),
            Fault::BadToken if request.path() == crate::wire::path::CREATE_SESSION => {
                bad_token(state.answer(service, request))
            }
            Fault::BadToken => state.answer(service, request),
            Fault::Late(wait) => {
                let answer = state.answer(service, request);
                if !client_waits(connection, wait).await {
                    return Ok(false);
                }
                answer
            }
            other => return other.without_answer(connection, request, state, service).await.map(|()| false),
        };
        connection.stream.write_all(&answer.bytes(request)).await?;
        Ok(true)
    }

    /// The faults after which the connection ends.
    async fn without_answer(
        self,
        connection: &mut Connection,
        request: &Request,
        state: &Arc<State>,
        service: Service,
    ) -> io::Result<()> {
        match self {
            Fault::Reset => reset(connection),
            Fault::ResetAfterEffect => {
                state.answer(service, request);
                reset(connection)
            }
            Fault::Stall(wait) => {
                client_waits(connection, wait).await;
                Ok(())
            }
            Fault::Drip(pause) => {
                for byte in state.answer(service, request).bytes(request) {
                    tokio::time::sleep(pause).await;
                    connection.stream.write_all(&[byte]).await?;
                }
                Ok(())
            }
            Fault::HalfAnswer => {
                let answer = state.answer(service, request);
                let bytes = answer.bytes(request);
                connection
                    .stream
                    .write_all(&bytes[..bytes.len() - answer.body.len().div_ceil(2).min(bytes.len())])
                    .await
            }
            Fault::Huge(size) => huge(connection, size).await,
            Fault::NotHttp => connection.stream.write_all(b"220 this is no HTTP\r\n").await,
            _ => Ok(()),
        }
    }
}

/// Sends a reset instead of an orderly end when the connection is dropped, which is what its caller does next.
fn reset(connection: &Connection) -> io::Result<()> {
    #[allow(
        deprecated,
        reason = "the successor, set_zero_linger, needs a newer tokio than this crate asks for; zero never blocks"
    )]
    connection.stream.set_linger(Some(Duration::ZERO))
}

/// Whether the client is still there after so long; returns as soon as it is not.
async fn client_waits(connection: &mut Connection, wait: Duration) -> bool {
    let gone = async {
        let mut byte = [0];
        while matches!(connection.stream.read(&mut byte).await, Ok(1..)) {}
    };
    tokio::time::timeout(wait, gone).await.is_err()
}

async fn huge(connection: &mut Connection, size: u64) -> io::Result<()> {
    const START: &str = r#"{"status": 1, "status_description": "#;
    let head = Response::json(200, serde_json::Value::Null).head(size.max(START.len() as u64 + 2));
    connection.stream.write_all(format!("{head}{START}\"").as_bytes()).await?;
    let mut left = size.saturating_sub(START.len() as u64 + 2);
    let block = [b'a'; 65_536];
    while left > 0 {
        let part = usize::try_from(left).unwrap_or(block.len()).min(block.len());
        connection.stream.write_all(&block[..part]).await?;
        left -= part as u64;
    }
    connection.stream.write_all(b"\"").await
}

fn bad_token(answer: Response) -> Response {
    if answer.status != 200 {
        return answer;
    }
    let response = json!({"Header_value": "X-OTAS-AGENT-SESSION-TOKEN", "jwt_token": RUBBISH});
    Response::json(200, json!({"status": 1, "status_description": "agent_session_created", "response": response}))
}
