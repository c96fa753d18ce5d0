//! A blocking HTTP client that sends any bytes and shows any response unchanged.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use otas_local::{Control, Server};
use serde_json::Value;

/// A response, as far as it arrived.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Response {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(':'));
        lines.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The `status_description`, which identifies the outcome.
    pub(crate) fn description(&self) -> String {
        self.json()["status_description"].as_str().unwrap_or_default().to_owned()
    }
}

/// Sends bytes on a new connection and reads until it is closed.
pub(crate) fn exchange(addr: SocketAddr, request: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(addr)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(request)?;
    let mut response = Vec::new();
    stream.read_to_end(&mut response).map(|_| response)
}

pub(crate) fn request(method: &str, path: &str, headers: &[(&str, &str)], body: Option<&[u8]>) -> Vec<u8> {
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    if let Some(body) = body {
        head += &format!("Content-Length: {}\r\n", body.len());
    }
    [head.as_bytes(), b"\r\n", body.unwrap_or_default()].concat()
}

pub(crate) fn parse(bytes: &[u8]) -> io::Result<Response> {
    let text = String::from_utf8_lossy(bytes);
    let end = text.find("\r\n\r\n").ok_or(io::ErrorKind::InvalidData)?;
    let head = text[..end].to_owned();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or(io::ErrorKind::InvalidData)?;
    Ok(Response { status, head, body: bytes[end + 4..].to_vec() })
}

pub(crate) fn send(
    control: &Control,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<&[u8]>,
) -> io::Result<Response> {
    parse(&exchange(control.addr(), &request(method, path, headers, body))?)
}

/// Opens a session as the handle's agent.
pub(crate) fn open(otas: &Server, meta: &str) -> io::Result<Response> {
    let body = format!("{{\"meta\": {meta}}}");
    let key = otas.agent_key();
    send(&otas.uasam(), "POST", "/api/agent/v1/session/create/", &[("X-OTAS-AGENT-KEY", &key)], Some(body.as_bytes()))
}

/// The token of a new session.
pub(crate) fn token(otas: &Server) -> String {
    let response = open(otas, "{}").unwrap();
    response.json()["response"]["jwt_token"].as_str().unwrap().to_owned()
}

/// Logs an event with these additional fields, written as JSON.
pub(crate) fn log(otas: &Server, token: &str, fields: &str) -> io::Result<Response> {
    let body = format!(
        r#"{{"project_id": "", "path": "/p", "method": "GET", "status_code": 200, "latency_ms": 1.5{fields}}}"#
    );
    log_body(otas, token, body.as_bytes())
}

pub(crate) fn log_body(otas: &Server, token: &str, body: &[u8]) -> io::Result<Response> {
    let key = otas.agent_key();
    let headers = [("X-OTAS-AGENT-KEY", key.as_str()), ("X-OTAS-AGENT-SESSION-TOKEN", token)];
    send(&otas.brain(), "POST", "/api/v1/backend/log/agent/", &headers, Some(body))
}

/// Lists a session's events as the project's owner.
pub(crate) fn list(otas: &Server, query: &str) -> io::Result<Response> {
    let (agent, project) = (otas.agent_id(), otas.project_id());
    let headers = [
        ("X-OTAS-USER-TOKEN", otas.user_token()),
        ("X-OTAS-AGENT-ID", agent.as_str()),
        ("X-OTAS-PROJECT-ID", project.as_str()),
    ];
    send(&otas.brain(), "GET", &format!("/api/v1/agent/session/events/?{query}"), &headers, None)
}
