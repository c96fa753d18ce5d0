//! Redirects into and out of the project domain: each hop gets the token only if its own URL may.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::iter;
use http_body::Frame;
use http_body_util::StreamBody;
use otas::reqwest::header::{HeaderMap, HeaderName};
use otas::reqwest::{Body, Method, StatusCode};
use otas::{Client, Session, http};

use crate::support::{Received, Upstream, client_with, otas_around, otas_around_with, redirect};

const STATUSES: [u16; 5] = [301, 302, 303, 307, 308];

async fn session(client: &Client) -> Session {
    client.open(serde_json::json!({})).await.unwrap()
}

/// Sends a request in a session, and returns what the upstream received and the session's token.
async fn send(method: Method, url: impl Fn(&Upstream) -> String) -> (Vec<Received>, String) {
    let upstream = Upstream::start().await;
    let (_otas, client) = otas_around(&upstream).await;
    let session = session(&client).await;
    let url = url(&upstream);
    let response = session.scope(async { http::request(method, url).body("payload").await.unwrap() }).await;
    assert_eq!(response.status(), 200);
    (upstream.received(), session.token().unwrap().expose_secret().to_owned())
}

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    pairs.iter().map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap())).collect()
}

#[tokio::test]
async fn a_redirect_out_of_the_domain_drops_the_token() {
    for status in STATUSES {
        let (received, token) =
            send(Method::POST, |upstream| upstream.inside(&redirect(status, &upstream.outside("/end")))).await;

        assert_eq!(received.len(), 2);
        assert_eq!(received[0].token(), Some(token.as_str()), "{status}");
        assert_eq!(received[1].token(), None, "{status}");
    }
}

#[tokio::test]
async fn a_redirect_within_the_domain_keeps_the_token() {
    for status in STATUSES {
        let (received, token) = send(Method::POST, |upstream| upstream.inside(&redirect(status, "/end"))).await;

        let has_token = |request: &Received| request.token() == Some(token.as_str());
        assert!(received.len() == 2 && received.iter().all(has_token), "{status}");
    }
}

#[tokio::test]
async fn methods_and_bodies_are_redirected_as_in_reqwest() {
    let second = |received: Vec<Received>| {
        let second = received.into_iter().nth(1).unwrap();
        let length = second.header("content-length").map(str::to_owned);
        (second.method, second.uri, second.body, length)
    };
    for status in STATUSES {
        for method in [Method::POST, Method::PUT, Method::GET, Method::HEAD] {
            let (received, _) = send(method.clone(), |upstream| upstream.inside(&redirect(status, "/end"))).await;
            let plain = Upstream::start().await;
            let request = otas::reqwest::Client::new().request(method.clone(), plain.inside(&redirect(status, "/end")));
            request.body("payload").send().await.unwrap();

            assert_eq!(second(received), second(plain.received()), "{method} {status}");
        }
    }
}

#[tokio::test]
async fn after_a_hop_outside_only_reads_get_the_token_back() {
    async fn there_and_back(method: Method, status: u16) -> (Method, Vec<bool>) {
        let (received, token) = send(method, |upstream| {
            let back = upstream.outside(&redirect(status, &upstream.inside("/end")));
            upstream.inside(&redirect(status, &back))
        })
        .await;
        let tokens = received.iter().map(|request| request.token() == Some(token.as_str())).collect();
        (received.last().unwrap().method.clone(), tokens)
    }

    assert_eq!(there_and_back(Method::GET, 302).await, (Method::GET, vec![true, false, true]));
    assert_eq!(there_and_back(Method::POST, 307).await, (Method::POST, vec![true, false, false]));
    assert_eq!(there_and_back(Method::POST, 303).await, (Method::GET, vec![true, false, true]));
}

#[tokio::test]
async fn an_outside_server_cannot_trigger_a_write_with_the_token() {
    let (received, _) = send(Method::POST, |upstream| upstream.outside(&redirect(307, &upstream.inside("/end")))).await;
    assert_eq!((received[0].token(), received[1].token()), (None, None));
}

#[tokio::test]
async fn credentials_are_stripped_across_hosts_and_kept_within_one() {
    for as_defaults in [false, true] {
        let upstream = Upstream::start().await;
        let credentials = headers(&[("authorization", "Bearer hunter2"), ("cookie", "hunter2"), ("x-mine", "kept")]);
        let defaults = if as_defaults { credentials.clone() } else { HeaderMap::new() };
        let build = move || otas::reqwest::Client::builder().default_headers(defaults.clone());
        let (_otas, client) = otas_around_with(&upstream, |config| config.http_client(build)).await;
        let session = session(&client).await;
        let third = redirect(302, &upstream.outside(&redirect(302, &upstream.inside("/end"))));
        let mut request = client.http().get(upstream.inside(&redirect(302, &third)));
        if !as_defaults {
            request = request.headers(credentials);
        }

        session.scope(request.send()).await.unwrap();

        let received = upstream.received();
        let authorized: Vec<_> = received
            .iter()
            .map(|request| request.header("authorization").is_some_and(|value| value.contains("hunter2")))
            .collect();
        assert_eq!(authorized, [true, true, false, false], "{as_defaults}");
        assert!(received.iter().all(|request| request.header("x-mine") == Some("kept")));
        assert!(received[2..].iter().all(|request| request.header("cookie").is_none_or(str::is_empty)));
    }
}

#[tokio::test]
async fn a_caller_supplied_token_is_kept_inside_and_stripped_outside() {
    let upstream = Upstream::start().await;
    let (otas, client) = otas_around(&upstream).await;
    let session = session(&client).await;
    let request =
        |url: String| http::get(url).header("X-OTAS-AGENT-SESSION-TOKEN", "mine").header("x-otas-agent-key", "k");

    let url = upstream.inside(&redirect(302, &upstream.outside("/")));
    session.scope(async { request(url).await.unwrap() }).await;
    session.scope(async { request(otas.uasam_url()).await.unwrap() }).await;

    let received = upstream.received();
    assert_eq!((received[0].token(), received[1].token()), (Some("mine"), None));
    let key = |request: &Received| request.header("x-otas-agent-key").map(str::to_owned);
    assert!(received.iter().all(|request| key(request).is_none()), "only OTAS receives the agent key");
    assert_eq!(otas.requests().last().unwrap().header("x-otas-agent-key"), Some("k"));
}

#[tokio::test]
async fn default_headers_cannot_carry_secrets_outside() {
    let upstream = Upstream::start().await;
    let secrets = headers(&[("x-otas-agent-session-token", "hunter2"), ("x-otas-agent-key", "hunter2")]);
    let (_otas, client) = otas_around_with(&upstream, |config| config.default_headers(secrets)).await;

    client.scope(async { http::get(upstream.outside("/")).await.unwrap() }).await;

    assert_eq!(upstream.received().len(), 1);
    assert!(!format!("{:?}", upstream.received()).contains("hunter2"));
}

#[tokio::test]
async fn default_headers_lose_their_credentials_on_another_host() {
    let upstream = Upstream::start().await;
    let defaults = headers(&[("authorization", "Bearer hunter2"), ("x-team", "search"), ("accept", "text/plain")]);
    let (_otas, client) = otas_around_with(&upstream, |config| config.default_headers(defaults)).await;

    let url = upstream.inside(&redirect(302, &upstream.outside("/end")));
    client.scope(async { http::get(url).header("accept", "text/html").await.unwrap() }).await;

    let received = upstream.received();
    let sent = |hop: usize, name: &str| received[hop].header(name).map(str::to_owned);
    assert_eq!(sent(0, "authorization").as_deref(), Some("Bearer hunter2"));
    assert_eq!(sent(1, "authorization"), None);
    for hop in 0..2 {
        assert_eq!(sent(hop, "x-team").as_deref(), Some("search"));
        assert_eq!(sent(hop, "accept").as_deref(), Some("text/html"), "the request takes precedence");
    }
}

#[tokio::test]
async fn a_custom_client_cannot_add_its_credentials_on_another_host() {
    let upstream = Upstream::start().await;
    let build = || otas::reqwest::Client::builder().default_headers(headers(&[("authorization", "Bearer hunter2")]));
    let (_otas, client) = otas_around_with(&upstream, |config| config.http_client(build)).await;

    let url = upstream.inside(&redirect(302, &upstream.outside("/end")));
    client.scope(async { http::get(url).await.unwrap() }).await;

    let received = upstream.received();
    assert_eq!(received[0].header("authorization"), Some("Bearer hunter2"));
    assert_eq!(received[1].header("authorization"), Some(""));
}

#[tokio::test]
async fn a_redirect_loop_fails_as_in_reqwest() {
    let upstream = Upstream::start().await;
    let (otas, client) = otas_around(&upstream).await;
    let url = upstream.inside("/loop?status=302&to=");

    let error = client.scope(async { http::get(&url).await.unwrap_err() }).await;
    assert!(error.is_redirect(), "{error:?}");
    assert_eq!(upstream.received().len(), 11, "the first request and ten redirects, as in reqwest");
    let plain = otas::reqwest::get(&url).await.unwrap_err();
    assert_eq!((error.to_string(), upstream.received().len()), (plain.to_string(), 22));

    for (max, requests) in [(0, 1), (3, 4)] {
        let client = client_with(&otas, |config| config.max_redirects(max));
        let before = upstream.received().len();
        let response = client.scope(async { http::get(&url).await }).await;
        assert_eq!(upstream.received().len() - before, requests);
        assert_eq!(response.map(|response| response.status()).ok(), (max == 0).then_some(StatusCode::FOUND));
    }
}

#[tokio::test]
async fn a_streamed_body_is_not_replayed_and_the_redirect_is_returned() {
    let upstream = Upstream::start().await;
    let (_otas, client) = otas_around(&upstream).await;
    let send = |status: u16| {
        let chunk = Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"chunk")));
        let body = Body::wrap(StreamBody::new(iter([chunk])));
        let url = upstream.inside(&redirect(status, "/end"));
        client.scope(async move { http::post(url).body(body).await.unwrap() })
    };

    assert_eq!(send(307).await.status(), 307);
    assert_eq!(send(302).await.status(), 200, "a redirect that drops the body can be followed");

    let received = upstream.received();
    let mut redirected = received.iter().filter(|request| request.uri.path() == "/redirect");
    assert!(redirected.all(|request| &request.body[..] == b"chunk"));
}

#[tokio::test]
async fn a_redirect_to_an_unsupported_scheme_fails_as_in_reqwest() {
    let upstream = Upstream::start().await;
    let (_otas, client) = otas_around(&upstream).await;
    let url = upstream.inside(&redirect(302, "ftp://localhost/"));

    let error = client.scope(async { http::get(&url).await.unwrap_err() }).await;

    assert!(error.is_builder() && otas::reqwest::get(&url).await.unwrap_err().is_builder(), "{error:?}");
}

#[tokio::test]
async fn one_timeout_covers_the_whole_redirect_chain() {
    const TIMEOUT: Duration = Duration::from_millis(200);
    let upstream = Upstream::start().await;
    let (otas, client) = otas_around(&upstream).await;
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = upstream.inside(&redirect(302, &format!("http://{}/", silent.local_addr().unwrap())));

    let error = client.scope(async { http::get(&url).timeout(TIMEOUT).await.unwrap_err() }).await;
    assert!(error.is_timeout(), "{error:?}");

    let client = client_with(&otas, |config| config.request_timeout(TIMEOUT));
    let error = client.scope(async { http::get(&url).await.unwrap_err() }).await;
    assert!(error.is_timeout(), "{error:?}");
}

#[tokio::test]
async fn no_otas_header_follows_a_redirect_to_another_host() {
    let upstream = Upstream::start().await;
    let (_otas, client) = otas_around(&upstream).await;
    let url = upstream.inside(&redirect(302, &upstream.outside("/")));

    client.scope(async { http::get(url).header("x-otas-user-token", "hunter2").await.unwrap() }).await;

    let received = upstream.received();
    assert_eq!(received[0].header("x-otas-user-token"), Some("hunter2"));
    assert_eq!(received[1].header("x-otas-user-token"), None);
}
