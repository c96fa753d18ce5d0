//! What Django does before, around and instead of a view: methods, slashes, bodies, and its debug pages.

use super::http::{Response, Request};
use super::json::Json;
use super::json_reader::Unreadable;

/// A view's outcome; `?` leaves it early with the answer that a guard gave.
pub(crate) type Outcome = Result<Response, Response>;

/// A body over this is refused when a view first looks at it.
const LARGEST_BODY: usize = 2_621_440;
const TOO_BIG: &str = "RequestDataTooBig";
const HTML: &str = "text/html; charset=utf-8";

/// The one method of a view besides OPTIONS (and HEAD, where it is GET).
pub(crate) fn only(method: &str, request: &Request) -> Result<(), Response> {
    let allow = if method == "GET" { "GET, HEAD, OPTIONS" } else { "POST, OPTIONS" };
    if request.method == method || (method == "GET" && request.method == "HEAD") {
        return Ok(());
    }
    let status = if request.method == "OPTIONS" { 200 } else { 405 };
    Err(Response::new(status, HTML, "").with_header("Allow", allow))
}

/// `json.loads(request.body)`, an empty body being `{}`.
pub(crate) fn body(request: &Request) -> Result<Json, Unreadable> {
    let body = request.visible_body();
    if body.len() > LARGEST_BODY {
        let message = "Request body exceeded settings.DATA_UPLOAD_MAX_MEMORY_SIZE.".to_owned();
        return Err(Unreadable::Crash(TOO_BIG, message));
    }
    if body.is_empty() { Ok(Json::Object(Vec::new())) } else { Json::parse(body) }
}

/// The same in a view that catches nothing but bad JSON, for which it has a word.
pub(crate) fn body_or(status: u16, word: &str, request: &Request) -> Result<Json, Response> {
    body(request).map_err(|error| match error {
        Unreadable::Syntax => Response::refusal(status, word),
        Unreadable::Crash(class, message) => crash(request, class, &message),
    })
}

/// `body.get`, which nothing but an object has.
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

/// No view has this path: with a slash more, one might.
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

/// The page of an exception that nobody caught. The servers run with debugging on, so it shows the request, secrets and all.
pub(crate) fn crash(request: &Request, class: &str, message: &str) -> Response {
    page(request, if class == TOO_BIG { 400 } else { 500 }, class, message)
}

/// A debug page of any status, as text where the client does not accept HTML.
fn page(request: &Request, status: u16, class: &str, message: &str) -> Response {
    if status == 404 || accepts_html(request) {
        return html_page(request, status, class, message);
    }
    let headers: String = request.headers.iter().map(|(name, value)| format!("{name} = '{value}'\n")).collect();
    let (path, body) = (request.path(), shown_body(request));
    let text = format!("{class} at {path}\n{message}\n\nRequest information:\n{headers}\nbody = b'{body}'\n");
    Response::new(status, "text/plain; charset=utf-8", text)
}

/// The page as HTML: the headers in clear text, and the body as the local variable that it is in the view.
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
