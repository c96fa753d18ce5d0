//! What a fault does to a request and its connection.

use std::io;
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::django;
use crate::fault::Fault;
use crate::http::{Connection, Request, Response};
use crate::received::Service;
use crate::router::{CREATE_SESSION, respond};
use crate::state::State;

/// What a client receives in place of a JSON Web Token.
const BAD_TOKEN: &str = "rubbish.rubbish.rubbish";

/// Applies the fault; returns whether the connection can be used again.
pub(crate) async fn inject(
    fault: Fault,
    connection: &mut Connection,
    request: &Request,
    state: &State,
    service: Service,
) -> io::Result<bool> {
    let effect = || respond(state, service, request);
    let response = match fault {
        Fault::Status(status) => Response::refusal(status, "injected_fault"),
        Fault::RetryAfter { status, seconds } => {
            Response::refusal(status, "injected_fault").with_header("Retry-After", seconds.to_string())
        }
        Fault::Refusal(status, description) => Response::refusal(status, description),
        Fault::Html(status) => django::html_page(request, status, "InjectedFault", "A test asked for this page."),
        Fault::Redirect(url) => Response::new(307, "text/html; charset=utf-8", "").with_header("Location", url),
        Fault::BadToken if request.path() == CREATE_SESSION => with_bad_token(effect().await),
        Fault::BadToken => effect().await,
        Fault::Late(delay) => {
            let response = effect().await;
            if !client_waits(connection, delay).await {
                return Ok(false);
            }
            response
        }
        Fault::Reset => return reset(connection).map(|()| false),
        Fault::ResetAfterEffect => {
            effect().await;
            return reset(connection).map(|()| false);
        }
        Fault::Stall(time) => {
            client_waits(connection, time).await;
            return Ok(false);
        }
        Fault::Drip(pause) => {
            for byte in effect().await.bytes(request) {
                tokio::time::sleep(pause).await;
                connection.stream.write_all(&[byte]).await?;
            }
            return Ok(false);
        }
        Fault::Truncated => {
            let response = effect().await;
            let bytes = response.bytes(request);
            let kept = bytes.len() - response.body.len().div_ceil(2).min(bytes.len());
            connection.stream.write_all(&bytes[..kept]).await?;
            return Ok(false);
        }
        Fault::Huge(size) => return huge(connection, size).await.map(|()| false),
        Fault::NotHttp => {
            connection.stream.write_all(b"220 this is not HTTP\r\n").await?;
            return Ok(false);
        }
    };
    connection.stream.write_all(&response.bytes(request)).await?;
    Ok(true)
}

/// Makes dropping the connection a reset instead of an orderly close.
fn reset(connection: &Connection) -> io::Result<()> {
    #[allow(
        deprecated,
        reason = "the successor, set_zero_linger, needs a newer tokio than this crate asks for; zero never blocks"
    )]
    connection.stream.set_linger(Some(Duration::ZERO))
}

/// Waits until the time is up or the client is gone; returns whether the client is still there.
async fn client_waits(connection: &mut Connection, time: Duration) -> bool {
    let gone = async {
        let mut byte = [0];
        while matches!(connection.stream.read(&mut byte).await, Ok(1..)) {}
    };
    tokio::time::timeout(time, gone).await.is_err()
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

fn with_bad_token(response: Response) -> Response {
    if response.status != 200 {
        return response;
    }
    let response = json!({"Header_value": "X-OTAS-AGENT-SESSION-TOKEN", "jwt_token": BAD_TOKEN});
    Response::json(200, json!({"status": 1, "status_description": "agent_session_created", "response": response}))
}
