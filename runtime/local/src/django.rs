//! What Django does around a view: methods, trailing slashes, bodies, and debug pages.

use crate::http::{Request, Response};
use crate::values::json::Json;
use crate::values::reader::Unreadable;

/// A view's result. Both variants are responses, so that `?` returns that of a failed check.
pub(crate) type Outcome = Result<Response, Response>;

/// A larger body is rejected as soon as a view reads it.
const MAX_BODY_BYTES: usize = 2_621_440;
const TOO_BIG: &str = "RequestDataTooBig";
const HTML: &str = "text/html; charset=utf-8";

/// Allows only `method`, OPTIONS, and HEAD if `method` is GET.
pub(crate) fn only(method: &str, request: &Request) -> Result<(), Response> {
    let allow = if method == "GET" { "GET, HEAD, OPTIONS" } else { "POST, OPTIONS" };
    if request.method == method || (method == "GET" && request.method == "HEAD") {
        return Ok(());
    }
    let status = if request.method == "OPTIONS" { 200 } else { 405 };
    Err(Response::new(status, HTML, "").with_header("Allow", allow))
}

/// `json.loads(request.body or "{}")`.
pub(crate) fn body(request: &Request) -> Result<Json, Unreadable> {
    let body = request.visible_body();
    if body.len() > MAX_BODY_BYTES {
        let message = "Request body exceeded settings.DATA_UPLOAD_MAX_MEMORY_SIZE.".to_owned();
        return Err(Unreadable::Crash(TOO_BIG, message));
    }
    if body.is_empty() { Ok(Json::Object(Vec::new())) } else { Json::parse(body) }
}

/// [`body`] in a view that catches only a `JSONDecodeError`.
pub(crate) fn body_or(status: u16, description: &str, request: &Request) -> Result<Json, Response> {
    body(request).map_err(|error| match error {
        Unreadable::Syntax => Response::refusal(status, description),
        Unreadable::Crash(class, message) => crash(request, class, &message),
    })
}

/// The body if it is an object; nothing else has a `get`.
pub(crate) fn object(request: &Request, body: Json) -> Result<Json, Response> {
    match &body {
        Json::Object(_) => Ok(body),
        other => {
            let class = match other {
                Json::List(_) => "list",
                Json::Text(_) => "str",
                Json::Null => "NoneType",
                Json::Bool(_) => "bool",
                Json::Int(_) => "int",
                _ => "float",
            };
            Err(crash(request, "AttributeError", &format!("'{class}' object has no attribute 'get'")))
        }
    }
}

/// The response if no view has this path; `with_slash` says whether one does with a slash appended.
pub(crate) fn no_view(request: &Request, with_slash: bool) -> Response {
    if !with_slash {
        return page(request, 404, "Page not found", "The current path didn't match any of these.");
    }
    if ["POST", "PUT", "PATCH"].contains(&request.method.as_str()) {
        let message = "You called this URL via POST, but the URL doesn't end in a slash and you have APPEND_SLASH set.";
        return crash(request, "RuntimeError", message);
    }
    let (path, rest) = request.target.split_at(request.path().len());
    Response::new(301, HTML, "").with_header("Location", format!("{path}/{rest}"))
}

/// The page of an uncaught exception. As the servers run in debug mode, it shows the request and its
/// secrets.
pub(crate) fn crash(request: &Request, class: &str, message: &str) -> Response {
    page(request, if class == TOO_BIG { 400 } else { 500 }, class, message)
}

/// A debug page, as plain text if the client does not accept HTML.
fn page(request: &Request, status: u16, class: &str, message: &str) -> Response {
    if status == 404 || accepts_html(request) {
        return html_page(request, status, class, message);
    }
    let headers: String = request.headers.iter().map(|(name, value)| format!("{name} = '{value}'\n")).collect();
    let (path, body) = (request.path(), shown_body(request));
    let text = format!("{class} at {path}\n{message}\n\nRequest information:\n{headers}\nbody = b'{body}'\n");
    Response::new(status, "text/plain; charset=utf-8", text)
}

/// A debug page as HTML, with the headers in clear text and the body as a local variable.
pub(crate) fn html_page(request: &Request, status: u16, class: &str, message: &str) -> Response {
    let row =
        |(name, value): &(String, String)| format!("<tr><td>{}</td><td>'{}'</td></tr>\n", escape(name), escape(value));
    let rows: String = request.headers.iter().map(row).collect();
    let html = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head><title>{class} at {path}</title></head>\n<body>\n<h1>{class} at {path}</h1>\n\
         <pre class=\"exception_value\">{}</pre>\n<h2>Local vars</h2>\n<pre>body = b'{}'</pre>\n<h2>Request information</h2>\n\
         <table class=\"req\">\n{rows}</table>\n<p>You're seeing this error because you have <code>DEBUG = True</code> in your \
         Django settings file.</p>\n</body>\n</html>\n",
        escape(message),
        escape(&shown_body(request)),
        path = escape(request.path()),
    );
    Response::new(status, HTML, html)
}

fn shown_body(request: &Request) -> String {
    String::from_utf8_lossy(&request.body[..request.body.len().min(4096)]).into_owned()
}

/// `request.accepts("text/html")`: without the header, everything is accepted.
fn accepts_html(request: &Request) -> bool {
    let accept = request.header("accept").unwrap_or_else(|| "*/*".to_owned());
    accept
        .split(',')
        .map(|kind| kind.split(';').next().unwrap_or_default().trim())
        .any(|kind| matches!(kind.to_ascii_lowercase().as_str(), "*/*" | "text/*" | "text/html"))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('\'', "&#x27;").replace('"', "&quot;")
}
