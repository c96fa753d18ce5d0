//! What redaction masks, and what it leaves alone.

use super::*;

const KEY: &str = "agent_0123456789a_0123456789012345678901234567890123456789012";

fn text(text: &str) -> String {
    Redactor::default().for_event([KEY.as_bytes()]).text(text)
}

#[test]
fn secrets_in_json_are_masked_at_any_depth() {
    for (given, expected) in [
        (r#"{"a":{"b":[{"api_key":"s3cr3t"}]}}"#, r#"{"a":{"b":[{"api_key":"[redacted]"}]}}"#),
        (r#"{"Password" : "a\"b\\", "x":1}"#, r#"{"Password" : "[redacted]", "x":1}"#),
        (r#"{"pin":1234,"x":1}"#, r#"{"pin":"[redacted]","x":1}"#),
        (r#"{"secret":{"a":"}","b":[1]},"x":1}"#, r#"{"secret":"[redacted]","x":1}"#),
        (r#"{"tokens":5,"token":null}"#, r#"{"tokens":5,"token":"[redacted]"}"#),
        (r#"{"secrets":["a","b"],"x":1}"#, r#"{"secrets":"[redacted]","x":1}"#),
        ("{\n  \"pass\\u0077ord\":\n    \"s\"\n}", "{\n  \"pass\\u0077ord\":\n    \"[redacted]\"\n}"),
    ] {
        assert_eq!(text(given), expected);
        assert!(serde_json::from_str::<serde_json::Value>(expected).is_ok());
    }
}

#[test]
fn json_within_json_strings_is_masked_and_stays_json() {
    let inner = serde_json::json!({ "api_key": "s3cr3t", "deep": serde_json::json!({ "password": "hunter2" }).to_string(), "q": 1 });
    let outer = serde_json::json!({ "arguments": inner.to_string() }).to_string();

    let masked = text(&outer);

    assert!(!masked.contains("s3cr3t") && !masked.contains("hunter2"), "{masked}");
    let outer: serde_json::Value = serde_json::from_str(&masked).unwrap();
    let inner: serde_json::Value = serde_json::from_str(outer["arguments"].as_str().unwrap()).unwrap();
    assert_eq!(inner["q"], 1);
    let deep: serde_json::Value = serde_json::from_str(inner["deep"].as_str().unwrap()).unwrap();
    assert_eq!(deep["password"], MASK);
}

#[test]
fn a_truncated_secret_is_masked_to_the_end() {
    for (given, expected) in [
        (r#"{"x":1,"api_key":"s3c"#, r#"{"x":1,"api_key":"[redacted]"#),
        (r#"{"secret":{"a":"s3c"#, r#"{"secret":"[redacted]""#),
        (r#"{"args":"{\"password\":\"hun"#, r#"{"args":"{\"password\":\"[redacted]"#),
        ("Authorization: Bearer abc", "Authorization: [redacted]"),
        ("the key agent_0123456789a_01234567", "the key [redacted]"),
    ] {
        assert_eq!(text(given), expected);
    }
}

#[test]
fn json_lines_and_event_streams_are_masked() {
    let given = "event: x\ndata: {\"token\":\"s3cr3t\",\"n\":1}\n\ndata: 5\" pipe {\"client_secret\":\"s3cr3t\"}\n{\"passwd\":\"s3cr3t\"}\n";
    let masked = text(given);
    assert!(!masked.contains("s3cr3t"), "{masked}");
    assert!(masked.contains("\"n\":1") && masked.contains("5\" pipe"));
}

#[test]
fn forms_and_queries_are_masked() {
    for (given, expected) in [
        ("user=a&password=s3cr3t&x=1", "user=a&password=[redacted]&x=1"),
        ("api%5Fkey=s3cr3t&x=1", "api%5Fkey=[redacted]&x=1"),
        ("login[password]=s3cr3t", "login[password]=[redacted]"),
        ("https://u:p@h.example/a?key=s3cr3t&q=1#f", "https://[redacted]@h.example/a?key=[redacted]&q=1#f"),
        ("/cb?code=s3cr3t&ok=1", "/cb?code=[redacted]&ok=1"),
        ("next=https%3A%2F%2Fh%2F%3Ftoken%3Ds3cr3t&x=1", "next=[redacted]&x=1"),
        ("payload=%7B%22password%22%3A%22s3cr3t%22%7D", "payload=[redacted]"),
        ("next=https%3A%2F%2Fh%2F%3Fpage%3D2", "next=https%3A%2F%2Fh%2F%3Fpage%3D2"),
    ] {
        assert_eq!(text(given), expected);
    }
}

#[test]
fn xml_html_and_header_dumps_are_masked() {
    for given in [
        "<a><ns:password x='1'>s3cr3t</ns:password></a>",
        "<input name=\"q\" password=\"s3cr3t\">",
        "<secret><![CDATA[s3cr3t]]></secret>",
        "Cookie: a=1; b=s3cr3t\r\nAccept: x",
        "password: s3cr3t\nother: 1",
        "{'api_key': 's3cr3t'}",
        "<div data-x=\"{&quot;token&quot;:&quot;s3cr3t&quot;}\">",
    ] {
        assert!(!text(given).contains("s3cr3t"), "{}", text(given));
    }
}

#[test]
fn shapes_of_secrets_are_masked_wherever_they_occur() {
    for secret in [
        "sk-ant-api03-abcdefghijklmnop",
        "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
        "AKIAIOSFODNN7EXAMPLE",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
        "xoxb-1234567890-abcdef",
        "AIzaSyA1234567890abcdefghijklmnopqrstuv",
        "123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw",
    ] {
        let masked = text(&format!("see {secret}, please"));
        assert_eq!(masked, "see [redacted], please");
    }
    assert_eq!(text("/bot123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw/getMe"), "/bot[redacted]/getMe");
    assert_eq!(
        text("Basic dXNlcjpwYXNz and basic understanding of it"),
        "Basic [redacted] and basic understanding of it"
    );
    let pem = "a -----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY----- b";
    assert_eq!(text(pem), "a [redacted]-----END RSA PRIVATE KEY----- b");
}

#[test]
fn ordinary_text_is_left_alone() {
    for plain in [
        r#"{"usage":{"prompt_tokens":5,"total_tokens":9},"model":"gpt","messages":[{"role":"user","content":"The bearer of news"}]}"#,
        "a sentence with 'quotes', a time 12:30, an equation a==b and a key: C major",
        "https://h.example/a?page=2&limit=3",
        "ünïcödé “quotes” \\\" \\ {[}]",
        "",
    ] {
        assert_eq!(text(plain), plain);
    }
}

#[test]
fn process_secrets_are_masked_verbatim() {
    assert_eq!(text(&format!("x{KEY}y")), "x[redacted]y");
    assert_eq!(text(&format!("_{KEY}{KEY}_._é")), "_[redacted][redacted]_._é");
    let redactor = Redactor::default();
    let redaction = redactor.for_event([&b"plainsecret"[..], b"short", b""]);
    assert_eq!(redaction.mask_process_secrets("p plainsecret short"), "p [redacted] short");
    for length in 0..KEY.len() {
        let masked = text(&format!("a.b_c z{}", &KEY[..length]));
        assert_eq!(masked.ends_with("z[redacted]"), length >= MIN_SECRET_BYTES, "{masked}");
    }
}

#[test]
fn otas_headers_are_left_out_and_credential_headers_are_masked() {
    let redactor = Redactor::with(["X-Mine", "api_zone"]);
    let redaction = redactor.for_event([]);
    assert_eq!(redaction.header("x-otas-agent-session-token", Some(b"t")), None);
    assert_eq!(redaction.header("X-OTAS-anything", Some(b"t")), None);
    assert_eq!(redaction.header("authorization", Some(b"Bearer x")).as_deref(), Some(MASK));
    assert_eq!(redaction.header("x-mine", Some(b"1")).as_deref(), Some(MASK));
    assert_eq!(redaction.header("accept", Some(b"text/plain")).as_deref(), Some("text/plain"));
    assert_eq!(redaction.header("x-unknown", None).as_deref(), Some(MASK));
    assert_eq!(redaction.header("location", Some(b"/cb?code=s3c&x=1")).as_deref(), Some("/cb?code=[redacted]&x=1"));
    assert_eq!(redaction.text(r#"{"API-Zone":"1"}"#), r#"{"API-Zone":"[redacted]"}"#);
}

#[test]
fn no_text_makes_it_panic() {
    let alphabet = [
        "\"",
        "\\",
        "'",
        "{",
        "}",
        "[",
        "]",
        ":",
        "=",
        "&",
        "<",
        ">",
        "token",
        "password",
        "é",
        "://",
        "@",
        "%22",
        "%",
        "\n",
        " ",
        "sk-",
        "Bearer ",
        "a",
        "1",
        "eyJ",
        "-----BEGIN ",
        "PRIVATE KEY-----",
        "&quot;",
        "\\u00",
        "bot",
        "<![CDATA[",
    ];
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..20_000 {
        let length = random.usize(0..24);
        let given: String = (0..length).map(|_| alphabet[random.usize(0..alphabet.len())]).collect();
        let _ = text(&given);
    }
}

#[test]
fn hostile_text_takes_linear_time() {
    // Each of these takes minutes if a step rescans the rest of the text at every match.
    for pattern in [
        "a=",
        "a=%25",
        "a=%3D",
        "token:",
        "\\",
        "\\\"",
        "\"",
        "\"a\":",
        "<x>",
        "<",
        ">",
        "eyJ ",
        "eyJ.",
        "://@",
        "://",
        "{\"token\":",
        "a-",
        "-",
        "sk-",
        "Bearer ",
        "basic ",
        "-----BEGIN ",
        "-----BEGIN PRIVATE KEY",
        "123456:",
        "bot1",
        "%",
        "&quot;",
        "'token':",
        "=\\",
        "[[",
    ] {
        let _ = text(&pattern.repeat(100 * 1024 / pattern.len()));
    }
}
