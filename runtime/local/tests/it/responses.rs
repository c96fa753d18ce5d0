//! Responses beyond the recorded ones: how bodies, fields, methods and paths are treated.

use otas_local::Server;
use serde_json::json;

use crate::support::{Response, exchange, list, log, log_body, open, parse, request, send, token};

const CREATE: &str = "/api/agent/v1/session/create/";
const LARGEST: usize = 2_621_440;

async fn server() -> Server {
    Server::start().await.unwrap()
}

/// Sends exactly this body to the endpoint that opens a session.
fn create(otas: &Server, body: &[u8]) -> Response {
    let key = otas.agent_key();
    send(&otas.uasam(), "POST", CREATE, &[("X-OTAS-AGENT-KEY", &key)], Some(body)).unwrap()
}

fn is_page(response: &Response, status: u16) -> bool {
    response.status == status && response.header("content-type") == Some("text/html; charset=utf-8")
}

#[tokio::test]
async fn session_bodies_are_parsed_as_python_parses_them() {
    let otas = server().await;
    let digits = "9".repeat(4301);
    let deep = "[".repeat(2000);
    for (body, status) in [
        (&b""[..], 200),
        (b"{\"meta\": {}, \"meta\": [1]}", 200),
        (b"\xef\xbb\xbf{\"meta\": 1}", 200),
        (b"{\"meta\": \"z\xc3\xbcrich\"}", 200),
        (b"{\"meta\": 123456789012345678901234567890}", 200),
        (b"{\"meta\": {\"k\": 1e300}}", 200),
        (b"{\"other\": NaN}", 200),
        (b"{\"meta\": {\"k\": NaN}}", 500),
        (b"{\"meta\": [-Infinity]}", 500),
        (b"{\"meta\": {\"\\u0000\": 1}}", 500),
        (b"{\"meta\": \"\\ud800\"}", 500),
        (b"{\"meta\": \"\\ud83d\\ude80\"}", 200),
        (b"{\"meta\": {},}", 400),
        (b"{'meta': 1}", 400),
        (b"{\"meta\": 1} x", 400),
        (b"{\"meta\": \"a\nb\"}", 400),
    ] {
        let response = create(&otas, body);
        let description = match status {
            200 => "agent_session_created",
            400 => "invalid_json",
            _ => "server_error: ",
        };
        assert_eq!(response.status, status, "{}: {}", String::from_utf8_lossy(body), response.text());
        assert!(response.description().starts_with(description), "{}", response.text());
    }
    for body in [b"[]".as_slice(), b"\"x\"", b"7", b"null", b"true", b"\"\xff\"", digits.as_bytes(), deep.as_bytes()] {
        assert!(is_page(&create(&otas, body), 500), "{:?}", &body[..body.len().min(20)]);
    }
}

#[tokio::test]
async fn a_rejected_meta_is_echoed() {
    let otas = server().await;
    let response = open(&otas, r#"{"secret": "of the user", "nul": "\u0000"}"#).unwrap();
    assert!(response.description().contains("of the user"));
}

#[tokio::test]
async fn a_body_may_have_2621440_bytes_and_not_one_more() {
    let otas = server().await;
    let token = token(&otas);
    let body = |size: usize| {
        let frame = r#"{"project_id":"","path":"/","method":"G","status_code":1,"latency_ms":1,"error":""}"#;
        frame.replace(r#""error":"""#, &format!(r#""error":"{}""#, "a".repeat(size - frame.len())))
    };
    assert_eq!(log_body(&otas, &token, body(LARGEST).as_bytes()).unwrap().status, 201);
    assert!(is_page(&log_body(&otas, &token, body(LARGEST + 1).as_bytes()).unwrap(), 400));
    assert!(is_page(&create(&otas, &vec![b' '; LARGEST + 1]), 400));
    let response = send(&otas.uasam(), "POST", CREATE, &[], Some(&vec![b' '; LARGEST + 1])).unwrap();
    assert_eq!(
        (response.status, response.description().as_str()),
        (401, "invalid_agent_key"),
        "the key is checked first"
    );
}

#[tokio::test]
async fn a_chunked_body_is_lost() {
    let otas = server().await;
    let (key, token) = (otas.agent_key(), token(&otas));
    let chunked = |path: &str, token: &str, chunks: &str| {
        let head =
            format!("POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-OTAS-AGENT-KEY: {key}\r\n{token}");
        format!("{head}Transfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n")
    };
    let bytes = chunked(CREATE, "", "c\r\n{\"meta\":{\"a\"\r\n5;x=y\r\n:1}} \r\n");
    let response = parse(&exchange(otas.uasam().addr(), bytes.as_bytes()).unwrap()).unwrap();
    assert_eq!(response.status, 200);
    assert_eq!(otas.sessions()[1].meta, json!({}));
    let kept_alive = bytes.replace("Connection: close\r\n", ""); // the connection is closed anyway
    assert!(exchange(otas.uasam().addr(), kept_alive.as_bytes()).is_ok());
    assert!(otas.requests().last().is_some_and(|request| request.body == b"{\"meta\":{\"a\":1}} "));
    let bytes =
        chunked("/api/v1/backend/log/agent/", &format!("X-OTAS-AGENT-SESSION-TOKEN: {token}\r\n"), "2\r\n{}\r\n");
    let response = parse(&exchange(otas.brain().addr(), bytes.as_bytes()).unwrap()).unwrap();
    assert_eq!((response.status, response.description().as_str()), (400, "missing_required_fields"));
}

#[tokio::test]
async fn event_fields_are_coerced_or_rejected_as_by_the_real_brain() {
    let otas = server().await;
    let token = token(&otas);
    let at = |length: usize| "ä".repeat(length);
    for (fields, stored) in [
        (r#""status_code": "200""#.to_owned(), true),
        (r#""status_code": 200.9"#.to_owned(), true),
        (r#""status_code": true"#.to_owned(), true),
        (r#""status_code": "200.0""#.to_owned(), false),
        (r#""status_code": null"#.to_owned(), false),
        (r#""status_code": []"#.to_owned(), false),
        (r#""status_code": 2147483648"#.to_owned(), false),
        (r#""latency_ms": " 1e3 ""#.to_owned(), true),
        (r#""latency_ms": null"#.to_owned(), false),
        (r#""latency_ms": {}"#.to_owned(), false),
        (r#""request_size_bytes": null"#.to_owned(), false),
        (r#""request_size_bytes": "12""#.to_owned(), true),
        (r#""path": null"#.to_owned(), false),
        (r#""path": 5"#.to_owned(), true),
        (r#""method": null"#.to_owned(), false),
        (format!(r#""method": "{}""#, at(20)), true),
        (format!(r#""method": "{}""#, at(21)), false),
        (format!(r#""method": "GET{}""#, " ".repeat(40)), true),
        (format!(r#""response_content_type": "{}""#, at(255)), true),
        (format!(r#""response_content_type": "{}""#, at(256)), false),
        (format!(r#""path": "/{}""#, "a".repeat(2691)), true),
        (format!(r#""path": "/{}""#, "a".repeat(2692)), false),
        (r#""error": null"#.to_owned(), true),
        (r#""error": "\u0000""#.to_owned(), false),
        (r#""error": {"k": "\u0000"}"#.to_owned(), true),
        (r#""metadata": null"#.to_owned(), true),
        (r#""metadata": {"k": "\u0000"}"#.to_owned(), false),
        (r#""custom_properties": [1e400]"#.to_owned(), false),
        (r#""custom_properties": "\udc00""#.to_owned(), false),
        (r#""query_params": "\udc00""#.to_owned(), false),
    ] {
        let response = log(&otas, &token, &format!(", {fields}")).unwrap(); // the last of several equal keys wins
        let expected = if stored { (201, "event_captured") } else { (500, "event_capture_failed") };
        let shown = &fields[..fields.char_indices().nth(60).map_or(fields.len(), |(at, _)| at)];
        assert_eq!((response.status, response.description().as_str()), expected, "{shown}");
    }
}

#[tokio::test]
async fn values_are_returned_as_the_columns_store_them() {
    let otas = server().await;
    let token = token(&otas);
    let fields = r#", "status_code": "404", "latency_ms": "7", "request_headers": {"a": [null, true, 1.0]}, "error": 5,
        "metadata": {"bb": 1e20, "a": 1.50}, "custom_properties": "text", "method": "GET                     ""#;
    log(&otas, &token, fields).unwrap();
    let session = otas.session_of(&token).unwrap();
    let event = list(&otas, &format!("session_id={session}")).unwrap().json()["events"][0].clone();
    assert_eq!(event["status_code"], 404);
    assert_eq!(event["latency_ms"], json!(7.0));
    assert_eq!(event["request_headers"], "{'a': [None, True, 1.0]}");
    assert_eq!(event["error"], "5");
    assert_eq!(event["method"].as_str().map(str::len), Some(20));
    assert_eq!((&event["metadata"]["a"], event["metadata"]["bb"].as_f64()), (&json!(1.5), Some(1e20)));
    assert_eq!(event["custom_properties"], "text");
    assert_eq!(event["query_params"], json!(null));
}

#[tokio::test]
async fn a_latency_that_is_not_finite_breaks_every_read_of_the_session() {
    let otas = server().await;
    for latency in ["NaN", "-Infinity", "1e999", "\"nan\""] {
        let token = token(&otas);
        let response = log(&otas, &token, &format!(r#", "latency_ms": {latency}"#)).unwrap();
        assert_eq!(response.status, 201, "{latency}");
        let session = otas.session_of(&token).unwrap();
        let response = list(&otas, &format!("session_id={session}")).unwrap();
        assert_eq!(response.status, 200);
        assert!(serde_json::from_slice::<serde_json::Value>(&response.body).is_err(), "{}", response.text());
        assert!(!otas.events(&session)[0].latency_ms.is_finite());
    }
}

#[tokio::test]
async fn a_log_body_that_is_not_an_object_is_searched_as_by_python() {
    let otas = server().await;
    let token = token(&otas);
    for (body, status, description) in [
        (r#"["project_id"]"#, 400, "missing_required_fields"),
        (r#"["project_id", "path", "method", "status_code", "latency_ms"]"#, 500, "event_capture_failed"),
        (r#""project_id path method status_code latency_ms""#, 500, "event_capture_failed"),
        (r#""x""#, 400, "missing_required_fields"),
        ("", 400, "missing_required_fields"),
        ("{", 400, "invalid_json"),
    ] {
        let response = log_body(&otas, &token, body.as_bytes()).unwrap();
        assert_eq!((response.status, response.description().as_str()), (status, description), "{body}");
    }
    for body in ["5", "null", "true", "1.5"] {
        assert!(is_page(&log_body(&otas, &token, body.as_bytes()).unwrap(), 500), "{body}");
    }
}

#[tokio::test]
async fn limits_are_parsed_as_python_parses_integers() {
    let otas = server().await;
    let token = token(&otas);
    for _ in 0..3 {
        log(&otas, &token, "").unwrap();
    }
    let session = otas.session_of(&token).unwrap();
    for (limit, count) in
        [("&limit=2", 2), ("&limit=%2B2", 2), ("&limit=-5", 1), ("&limit=+2+", 2), ("&limit=1&limit=3", 3), ("", 3)]
    {
        let response = list(&otas, &format!("session_id={session}{limit}")).unwrap().json();
        assert_eq!(response["count"], count, "{limit}");
    }
    for limit in ["", "x", "1.5", "1e2", "0x1"] {
        let response = list(&otas, &format!("session_id={session}&limit={limit}")).unwrap();
        assert_eq!((response.status, response.description().as_str()), (400, "limit must be an integer"), "{limit}");
    }
    let upper = session.to_uppercase();
    let response = list(&otas, &format!("session_id={upper}")).unwrap().json();
    assert_eq!((&response["count"], &response["session_id"]), (&0.into(), &upper.into()), "ids are compared as text");
}

#[tokio::test]
async fn brain_returns_the_earliest_500_events_and_no_more() {
    let otas = server().await;
    let token = token(&otas);
    for number in 0..502 {
        log(&otas, &token, &format!(r#", "path": "/{number}""#)).unwrap();
    }
    let session = otas.session_of(&token).unwrap();
    for (limit, count) in [("", 200), ("&limit=501", 500)] {
        let response = list(&otas, &format!("session_id={session}{limit}")).unwrap().json();
        let paths: Vec<_> = response["events"].as_array().into_iter().flatten().map(|event| &event["path"]).collect();
        assert_eq!((paths.len(), &response["count"]), (count, &count.into()));
        assert!(paths.iter().enumerate().all(|(number, path)| **path == format!("/{number}")));
    }
    assert_eq!(otas.events(&session).len(), 502, "tests see all of them");
}

#[tokio::test]
async fn methods_and_slashes_are_treated_as_django_treats_them() {
    let otas = server().await;
    let key = otas.agent_key();
    let good = [("X-OTAS-AGENT-KEY", key.as_str())];
    let uasam =
        |method: &str, path: &str, headers: &[(&str, &str)]| send(&otas.uasam(), method, path, headers, None).unwrap();
    assert_eq!(uasam("GET", CREATE, &[]).description(), "invalid_agent_key", "the key is checked before the method");
    let refused = uasam("PUT", CREATE, &good);
    assert_eq!((refused.status, refused.header("allow")), (405, Some("POST, OPTIONS")));
    assert_eq!(uasam("OPTIONS", CREATE, &good).status, 200);
    let moved = uasam("GET", "/api/agent/v1/sessions/list?agent_id=x", &[]);
    assert_eq!((moved.status, moved.header("location")), (301, Some("/api/agent/v1/sessions/list/?agent_id=x")));
    let page = uasam("POST", "/api/agent/v1/session/create", &good);
    assert!(is_page(&page, 500) && page.text().contains(&key), "the page shows the key");
    let page = uasam("POST", "/api/agent/v1/session/create", &[good[0], ("Accept", "application/json")]);
    assert_eq!(
        page.header("content-type"),
        Some("text/plain; charset=utf-8"),
        "no HTML for a client that does not accept it"
    );
    assert!(is_page(&uasam("POST", "/api/agent/v1/nothing/", &[]), 404));
    assert!(is_page(&send(&otas.brain(), "POST", CREATE, &good, None).unwrap(), 404), "UASAM's, not Brain's");
}

#[tokio::test]
async fn one_connection_serves_many_requests() {
    let otas = server().await;
    let key = otas.agent_key();
    let headers = [("X-OTAS-AGENT-KEY", key.as_str()), ("Expect", "100-continue")];
    let last = String::from_utf8(request("POST", CREATE, &headers, Some(b"{}"))).unwrap();
    let first = last.replace("Connection: close\r\n", "");
    let bytes = exchange(otas.uasam().addr(), format!("{first}{first}{last}").as_bytes()).unwrap();
    let text = String::from_utf8_lossy(&bytes);
    assert_eq!((text.matches("HTTP/1.1 100 ").count(), text.matches("HTTP/1.1 200 ").count()), (3, 3));
    assert_eq!(otas.sessions().len(), 3);
}

#[tokio::test]
async fn json_may_be_nested_as_deep_as_python_allows() {
    let otas = server().await;
    let token = token(&otas);
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(open(&otas, &nested(954)).unwrap().status, 200);
    assert_eq!(open(&otas, &nested(955)).unwrap().status, 500);
    assert_eq!(log(&otas, &token, &format!(r#", "metadata": {}"#, nested(950))).unwrap().status, 201);
    assert!(is_page(&create(&otas, "[".repeat(100_000).as_bytes()), 500));
    let session = otas.session_of(&token).unwrap();
    assert!(otas.sessions()[1].meta.is_array() && otas.events(&session)[0].metadata.is_array());
}

#[tokio::test]
async fn no_bytes_stop_the_services() {
    let otas = server().await;
    let mut state: u64 = 42;
    let mut random = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let good = request(
        "POST",
        CREATE,
        &[("X-OTAS-AGENT-KEY", &otas.agent_key())],
        Some(br#"{"meta": {"a": [1, "\ud83d\ude80"]}}"#),
    );
    for _ in 0..300 {
        let mut bytes = good.clone();
        for _ in 0..=random(4) {
            let at = usize::try_from(random(bytes.len() as u64)).unwrap();
            match random(3) {
                0 => bytes[at] = u8::try_from(random(256)).unwrap(),
                1 => bytes.truncate(at.max(1)),
                _ => bytes.insert(at, u8::try_from(random(256)).unwrap()),
            }
        }
        let mut stream = std::net::TcpStream::connect(otas.uasam().addr()).unwrap();
        let _ = std::io::Write::write_all(&mut stream, &bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let _ = std::io::Read::read_to_end(&mut stream, &mut Vec::new());
    }
    assert_eq!(open(&otas, "{}").unwrap().status, 200);
}
