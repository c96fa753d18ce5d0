//! HTTP/1.1 over a raw socket: requests read from a connection, and responses as bytes.
//!
//! Hand-written, because faults need the socket itself: half a body, a reset, a byte at a time.

use std::io;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::values::json::Json;

const MAX_HEAD_BYTES: usize = 256 * 1024;
const MAX_BODY_BYTES: usize = 64 * 1024 * 1024;

#[derive(Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Whether there was a Content-Length. A chunked body is read, but the views do not see it.
    pub(crate) has_length: bool,
}

impl Request {
    /// A header as WSGI passes it on: repeated ones joined by commas; `None` if absent or empty.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let values =
            self.headers.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str());
        Some(values.collect::<Vec<_>>().join(",")).filter(|value| !value.is_empty())
    }

    pub(crate) fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// A query parameter; if it repeats, the last one counts.
    pub(crate) fn query(&self, name: &str) -> Option<String> {
        let (_, query) = self.target.split_once('?')?;
        url::form_urlencoded::parse(query.as_bytes())
            .filter(|(key, _)| key == name)
            .last()
            .map(|(_, value)| value.into_owned())
    }

    /// The body as the views see it.
    pub(crate) fn visible_body(&self) -> &[u8] {
        if self.has_length { &self.body } else { &[] }
    }

    fn wants_close(&self) -> bool {
        self.header("connection").is_some_and(|value| value.to_ascii_lowercase().contains("close"))
    }
}

#[derive(Clone)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) content_type: &'static str,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

impl Response {
    pub(crate) fn json(status: u16, value: impl Into<Json>) -> Self {
        Self::new(status, "application/json", value.into().to_text())
    }

    /// A rejection in the services' own format.
    pub(crate) fn refusal(status: u16, description: &str) -> Self {
        Self::json(status, serde_json::json!({"status": 0, "status_description": description}))
    }

    pub(crate) fn new(status: u16, content_type: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Self { status, content_type, headers: Vec::new(), body: body.into() }
    }

    pub(crate) fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Status line and headers, for a body of `length` bytes.
    pub(crate) fn head(&self, length: u64) -> String {
        let reason = http::StatusCode::from_u16(self.status).ok().and_then(|status| status.canonical_reason());
        let mut head = format!("HTTP/1.1 {} {}\r\n", self.status, reason.unwrap_or("Unknown"));
        head += &format!("Content-Type: {}\r\nContent-Length: {length}\r\n", self.content_type);
        for (name, value) in &self.headers {
            head += &format!("{name}: {}\r\n", value.replace(['\r', '\n'], " "));
        }
        head + "\r\n"
    }

    /// The whole response to `request`; one to HEAD has no body.
    pub(crate) fn bytes(&self, request: &Request) -> Vec<u8> {
        let mut bytes = self.head(self.body.len() as u64).into_bytes();
        if request.method != "HEAD" {
            bytes.extend_from_slice(&self.body);
        }
        bytes
    }
}

/// A connection, and the bytes that were read beyond the last request.
pub(crate) struct Connection {
    pub(crate) stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self { stream, buffer: Vec::new() }
    }

    /// The next request, and whether the connection stays open; `None` if the client has closed it.
    pub(crate) async fn read(&mut self) -> io::Result<Option<(Request, bool)>> {
        let Some(end) = self.fill_until(b"\r\n\r\n", MAX_HEAD_BYTES).await? else { return Ok(None) };
        let head: Vec<u8> = self.buffer.drain(..end).collect();
        let head: String = head.iter().map(|&byte| char::from(byte)).collect(); // headers are Latin-1 to Python
        let mut lines = head.trim_end().split("\r\n");
        let mut words = lines.next().unwrap_or_default().split(' ');
        let (Some(method), Some(target), Some(version)) = (words.next(), words.next(), words.next()) else {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "invalid request line"));
        };
        let headers = lines.filter_map(|line| line.split_once(':'));
        let headers = headers.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned())).collect();
        let mut request = Request {
            method: method.to_ascii_uppercase(),
            target: target.to_owned(),
            headers,
            body: Vec::new(),
            has_length: true,
        };
        if request.header("expect").is_some_and(|value| value.eq_ignore_ascii_case("100-continue")) {
            self.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        if request.header("transfer-encoding").is_some_and(|value| value.to_ascii_lowercase().contains("chunked")) {
            request.has_length = false;
            request.body = self.chunks().await?;
        } else {
            let length = request.header("content-length").and_then(|value| value.parse().ok()).unwrap_or(0);
            request.body = self.take(length).await?;
        }
        // The real servers leave the chunks unread, trip over them, and close the connection.
        let keep_alive = version == "HTTP/1.1" && request.has_length && !request.wants_close();
        Ok(Some((request, keep_alive)))
    }

    /// Reads until `mark` and returns where it ends; `None` if the connection ended first.
    async fn fill_until(&mut self, mark: &[u8], limit: usize) -> io::Result<Option<usize>> {
        let mut searched = 0;
        loop {
            let from = searched - searched.min(mark.len());
            if let Some(at) = self.buffer[from..].windows(mark.len()).position(|window| window == mark) {
                return Ok(Some(from + at + mark.len()));
            }
            searched = self.buffer.len();
            if searched > limit {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "the head is too long"));
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Ok(None);
            }
        }
    }

    async fn take(&mut self, length: usize) -> io::Result<Vec<u8>> {
        if length > MAX_BODY_BYTES {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the body is too long"));
        }
        while self.buffer.len() < length {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(self.buffer.drain(..length).collect())
    }

    async fn chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.fill_until(b"\r\n", MAX_HEAD_BYTES).await?.ok_or(io::ErrorKind::UnexpectedEof)?;
            let line: Vec<u8> = self.buffer.drain(..line).collect();
            let digits: String =
                line.iter().map(|&byte| char::from(byte)).take_while(char::is_ascii_hexdigit).collect();
            let length = usize::from_str_radix(&digits, 16).map_err(|_| io::ErrorKind::InvalidData)?;
            if length == 0 {
                self.trailers().await?;
                return Ok(body);
            }
            if body.len().saturating_add(length) > MAX_BODY_BYTES {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "the body is too long"));
            }
            body.extend(self.take(length).await?);
            self.take(2).await?;
        }
    }

    async fn trailers(&mut self) -> io::Result<()> {
        loop {
            let end = self.fill_until(b"\r\n", MAX_HEAD_BYTES).await?.ok_or(io::ErrorKind::UnexpectedEof)?;
            self.buffer.drain(..end);
            if end == 2 {
                return Ok(());
            }
        }
    }
}
