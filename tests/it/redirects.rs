//! Redirects across the border of the project's domain: the token goes with the URL, never with the chain.

use std::time::Duration;

use otas::reqwest::header::{HeaderMap, HeaderName};
use otas::reqwest::{Method, StatusCode};
use otas::{Client, Config, Session, http};

use crate::support::{Received, Upstream, otas_around, redirect};

const STATUSES: [u16; 5] = [301, 302, 303, 307, 308];

async fn session(client: &Client) -> Session {
    client.open(serde_json::json!({})).await.unwrap()
}

/// Sends a request in a session of its own, and gives what reached the upstream.
async fn run(method: Method, path: impl Fn(&Upstream) -> String) -> (Vec<Received>, String) {
    let upstream = Upstream::start().await;
    let (_otas, client) = otas_around(&upstream).await;
    let session = session(&client).await;
    let response = session.scope(async { http::request(method, path(&upstream)).body("payload").await.unwrap() }).await;
    assert_eq!(response.status(), 200);
    (upstream.received(), session.token().unwrap().expose_secret().to_owned())
}

#[tokio::test]
async fn a_redirect_out_of_the_domain_drops_the_token() {
    for status in STATUSES {
        let (received, token) =
            run(Method::POST, |upstream| upstream.inside(&redirect(status, &upstream.outside("/end")))).await;
        assert_eq!(received.len(), 2);
        assert_eq!(received[0].token(), Some(token.as_str()), "{status}");
        assert_eq!(received[1].token(), None, "{status}");
    }
}

#[tokio::test]
async fn a_redirect_within_the_domain_keeps_the_token() {
    for status in STATUSES {
        let (received, token) = run(Method::POST, |upstream| upstream.inside(&redirect(status, "/end"))).await;
        assert!(
            received.len() == 2 && received.iter().all(|request| request.token() == Some(token.as_str())),
            "{status}"
        );
    }
}

#[tokio::test]
async fn methods_and_bodies_are_redirected_as_in_reqwest() {
    for status in STATUSES {
        for method in [Method::POST, Method::PUT, Method::GET, Method::HEAD] {
            let (ours, _) = run(method.clone(), |upstream| upstream.inside(&redirect(status, "/end"))).await;
            let upstream = Upstream::start().await;
            let request =
                otas::reqwest::Client::new().request(method.clone(), upstream.inside(&redirect(status, "/end")));
            request.body("payload").send().await.unwrap();
            let told = |received: Vec<Received>| {
                let end = received.into_iter().nth(1).unwrap();
                (end.method.clone(), end.uri.clone(), end.body.clone(), end.header("content-length").map(str::to_owned))
            };
            assert_eq!(told(ours), told(upstream.received()), "{method} {status}");
        }
    }
}

#[tokio::test]
async fn after_a_hop_outside_only_reads_get_the_token_back() {
    let there_and_back = |status| {
        move |upstream: &Upstream| {
            let back = upstream.outside(&redirect(status, &upstream.inside("/end")));
            upstream.inside(&redirect(status, &back))
        }
    };
    let (read, token) = run(Method::GET, there_and_back(302)).await;
    assert_eq!(
        read.iter().map(|request| request.token() == Some(token.as_str())).collect::<Vec<_>>(),
        [true, false, true]
    );
    let (written, token) = run(Method::POST, there_and_back(307)).await;
    assert_eq!(written.last().unwrap().method, Method::POST);
    assert_eq!(
        written.iter().map(|request| request.token() == Some(token.as_str())).collect::<Vec<_>>(),
        [true, false, false]
    );
    let (turned, token) = run(Method::POST, there_and_back(303)).await;
    assert_eq!(turned.last().unwrap().method, Method::GET);
    assert_eq!(turned.last().unwrap().token(), Some(token.as_str()));
}

#[tokio::test]
async fn an_outside_server_cannot_trigger_a_write_with_the_token() {
    let (received, _) = run(Method::POST, |upstream| upstream.outside(&redirect(307, &upstream.inside("/end")))).await;
    assert_eq!((received[0].token(), received[1].token()), (None, None));
}

#[tokio::test]
async fn credentials_are_stripped_across_hosts_and_kept_within_one() {
    for default_headers in [false, true] {
        let upstream = Upstream::start().await;
        let (otas, _) = otas_around(&upstream).await;
        let secrets = [("authorization", "Bearer hunter2"), ("cookie", "hunter2"), ("x-mine", "kept")];
        let headers = secrets.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        let headers: otas::reqwest::header::HeaderMap = headers;
        let defaults = if default_headers { headers.clone() } else { Default::default() };
        let config = Config::builder()
            .vars(otas.env())
            .http_client(move || otas::reqwest::Client::builder().default_headers(defaults.clone()));
        let client = Client::new(config.build().unwrap()).unwrap();
        let session = session(&client).await;
        let path = redirect(302, &upstream.outside(&redirect(302, &upstream.inside("/end"))));
        let mut request = client.http().get(upstream.inside(&redirect(302, &path)));
        if !default_headers {
            request = request.headers(headers);
        }
        session.scope(request.send()).await.unwrap();
        let received = upstream.received();
        let sees = |request: &Received| request.header("authorization").is_some_and(|value| value.contains("hunter2"));
        assert_eq!(received.iter().map(sees).collect::<Vec<_>>(), [true, true, false, false], "{default_headers}");
        assert!(received.iter().all(|request| request.header("x-mine") == Some("kept")));
        assert!(received[2..].iter().all(|request| request.header("cookie").is_none_or(str::is_empty)));
    }
}

#[tokio::test]
async fn a_caller_supplied_token_is_kept_inside_and_stripped_outside() {
    let upstream = Upstream::start().await;
    let (otas, client) = otas_around(&upstream).await;
    let session = session(&client).await;
    let send =
        |url: String| http::get(url).header("X-OTAS-AGENT-SESSION-TOKEN", "mine").header("x-otas-agent-key", "k");
    session.scope(async { send(upstream.inside(&redirect(302, &upstream.outside("/")))).await.unwrap() }).await;
    let received = upstream.received();
    assert_eq!((received[0].token(), received[1].token()), (Some("mine"), None));
    assert!(
        received.iter().all(|request| request.header("x-otas-agent-key").is_none()),
        "the agent key is for OTAS alone"
    );
    session.scope(async { send(otas.uasam_url()).await.unwrap() }).await;
    assert_eq!(otas.requests().last().unwrap().header("x-otas-agent-key"), Some("k"));
}

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    pairs.iter().map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap())).collect()
}

#[tokio::test]
async fn default_headers_cannot_carry_secrets_outside() {
    let upstream = Upstream::start().await;
    let (otas, _) = otas_around(&upstream).await;
    let secrets = headers(&[("x-otas-agent-session-token", "hunter2"), ("x-otas-agent-key", "hunter2")]);
    let config = Config::builder().vars(otas.env()).default_headers(secrets).build().unwrap();
    let client = Client::new(config).unwrap();

    client.scope(async { http::get(upstream.outside("/")).await.unwrap() }).await;

    assert_eq!(upstream.received().len(), 1);
    assert!(!format!("{:?}", upstream.received()).contains("hunter2"));
}

#[tokio::test]
async fn default_headers_lose_their_credentials_on_another_host() {
    let upstream = Upstream::start().await;
    let (otas, _) = otas_around(&upstream).await;
    let defaults = headers(&[("authorization", "Bearer hunter2"), ("x-team", "search"), ("accept", "text/plain")]);
    let config = Config::builder().vars(otas.env()).default_headers(defaults).build().unwrap();
    let client = Client::new(config).unwrap();

    let url = upstream.inside(&redirect(302, &upstream.outside("/end")));
    client.scope(async { http::get(url).header("accept", "text/html").await.unwrap() }).await;

    let received = upstream.received();
    let sent = |at: usize, name: &str| received[at].header(name).map(str::to_owned);
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
    let (otas, _) = otas_around(&upstream).await;
    let build = || otas::reqwest::Client::builder().default_headers(headers(&[("authorization", "Bearer hunter2")]));
    let client = Client::new(Config::builder().vars(otas.env()).http_client(build).build().unwrap()).unwrap();

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
    let looped = upstream.inside("/loop?status=302&to=");
    let error = client.scope(async { http::get(&looped).await.unwrap_err() }).await;
    assert!(error.is_redirect(), "{error:?}");
    assert_eq!(upstream.received().len(), 11, "the first request and ten redirects, as in reqwest");
    let bare = otas::reqwest::get(&looped).await.unwrap_err();
    assert_eq!((error.to_string(), upstream.received().len()), (bare.to_string(), 22));
    for (most, received) in [(0, 1), (3, 4)] {
        let client = Client::new(Config::builder().vars(otas.env()).max_redirects(most).build().unwrap()).unwrap();
        let before = upstream.received().len();
        let response = client.scope(async { http::get(&looped).await }).await;
        assert_eq!(upstream.received().len() - before, received);
        assert_eq!(response.map(|response| response.status()).ok(), (most == 0).then_some(StatusCode::FOUND));
    }
}

#[tokio::test]
async fn a_streamed_body_is_not_replayed_and_the_redirect_is_returned() {
    let upstream = Upstream::start().await;
    let (_otas, client) = otas_around(&upstream).await;
    let send = |status: u16| {
        let body = otas::reqwest::Body::wrap(http_body_util::StreamBody::new(Once(Some("chunk"))));
        let url = upstream.inside(&redirect(status, "/end"));
        client.scope(async move { http::post(url).body(body).await.unwrap() })
    };
    assert_eq!(send(307).await.status(), 307);
    assert_eq!(send(302).await.status(), 200, "a redirect that drops the body can be followed");
    assert!(
        upstream
            .received()
            .iter()
            .filter(|request| request.uri.path() == "/redirect")
            .all(|request| &request.body[..] == b"chunk")
    );
}

/// A stream of one chunk, of unknown length.
struct Once(Option<&'static str>);

impl futures_core::Stream for Once {
    type Item = Result<http_body::Frame<bytes::Bytes>, std::convert::Infallible>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        std::task::Poll::Ready(self.0.take().map(|chunk| Ok(http_body::Frame::data(chunk.into()))))
    }
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
    let upstream = Upstream::start().await;
    let (otas, client) = otas_around(&upstream).await;
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stuck = format!("http://{}/", silent.local_addr().unwrap());
    let url = upstream.inside(&redirect(302, &stuck));
    let error = client.scope(async { http::get(&url).timeout(Duration::from_millis(200)).await.unwrap_err() }).await;
    assert!(error.is_timeout(), "{error:?}");
    let hurried =
        Client::new(Config::builder().vars(otas.env()).request_timeout(Duration::from_millis(200)).build().unwrap())
            .unwrap();
    let error = hurried.scope(async { http::get(&url).await.unwrap_err() }).await;
    assert!(error.is_timeout(), "{error:?}");
}

#[tokio::test]
async fn no_otas_header_follows_a_redirect_to_another_host() {
    let upstream = Upstream::start().await;
    let (_otas, client) = otas_around(&upstream).await;
    let url = upstream.inside(&redirect(302, &upstream.outside("/")));
    client.scope(async { http::get(url).header("x-otas-user-token", "hunter2").await.unwrap() }).await;
    let received = upstream.received();
    assert_eq!(
        (received[0].header("x-otas-user-token"), received[1].header("x-otas-user-token")),
        (Some("hunter2"), None)
    );
}
