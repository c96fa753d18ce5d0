//! Secrets: planted wherever a call can hold one, and looked for in everything that reached Brain.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use otas::{Client, Config};
use otas_local::Server;
use serde_json::json;

use crate::support::Upstream;

const MARK: &str = "pl4nt3d-s3cr3t";
const LONG: Duration = Duration::from_secs(30);

async fn otas(site: &Upstream) -> (Server, Client) {
    let otas = Server::builder().project_domain(site.inside("")).start().await.unwrap();
    let config = Config::builder().vars(otas.env()).sensitive_headers("X-Internal, x-team-zone");
    let client = Client::new(config.build().unwrap()).unwrap();
    (otas, client)
}

#[tokio::test]
async fn no_planted_secret_reaches_brain() {
    let site = Upstream::start().await;
    let (otas, client) = otas(&site).await;
    let session = client.open(json!({})).await.unwrap();
    let token = session.token().unwrap().expose_secret().to_owned();
    let key = otas.agent_key();
    let url = site.outside(&format!(
        "/{key}?api_key={MARK}&q=kept&X-Amz-Signature={MARK}&next=https%3A%2F%2Fh%2F%3Ftoken%3D{MARK}"
    ));
    let url = url.replace("http://", &format!("http://user:{MARK}@"));

    session
        .scope(async {
            otas::http::post(&url)
                .bearer_auth(MARK)
                .header("cookie", format!("sid={MARK}"))
                .header("x-internal", MARK)
                .header("X-OTAS-Whatever", MARK)
                .header("referer", format!("https://h.example/?password={MARK}"))
                .json(&json!({
                    "model": "kept", "apiKey": MARK, "max_tokens": 5, "nested": [{ "client_secret": MARK }],
                    "arguments": json!({ "password": MARK }).to_string(), "echo": format!("{token} {key} Bearer {MARK}"),
                }))
                .send()
                .await
                .unwrap()
                .text()
                .await
                .unwrap();
            let _ = otas::http::get(format!("http://u:{MARK}@127.0.0.2:1/?token={MARK}")).send().await.unwrap_err();
        })
        .await;
    assert!(client.flush(LONG).await.is_ok());

    let logged: Vec<_> = otas.requests().into_iter().filter(|request| request.path.contains("/log/agent/")).collect();
    assert_eq!(logged.len(), 2);
    for request in &logged {
        let body = String::from_utf8(request.body.clone()).unwrap();
        for secret in [MARK, &token, &key] {
            assert!(!body.contains(secret), "{body}");
        }
    }
    let body = String::from_utf8(logged[0].body.clone()).unwrap();
    assert!(
        body.contains("q=kept") && body.contains(r#"\"model\":\"kept\""#) && body.contains(r#"\"max_tokens\":5"#),
        "{body}"
    );
    let stats = client.stats();
    assert!(!format!("{client:?} {session:?} {stats:?}").contains(MARK));
}

#[tokio::test]
async fn a_hook_can_remove_a_body_and_runs_on_the_delivery_thread() {
    let site = Upstream::start().await;
    let otas = Server::builder().project_domain(site.inside("")).start().await.unwrap();
    let threads = Arc::new(Mutex::new(Vec::new()));
    let seen = threads.clone();
    let config = Config::builder().vars(otas.env()).on_event(move |mut event| {
        seen.lock().unwrap().push(std::thread::current().name().map(str::to_owned));
        match event.path() {
            "/drop" => None,
            "/panic" => panic!("a hook's own mistake"),
            _ => {
                event.set_property("team", "search");
                event.response_mut().set_body(None);
                Some(event)
            }
        }
    });
    let client = Client::new(config.build().unwrap()).unwrap();
    let session = client.open(json!({})).await.unwrap();
    session
        .scope(async {
            for path in ["/drop", "/panic", "/keep"] {
                otas::http::get(site.outside(path)).send().await.unwrap().text().await.unwrap();
            }
        })
        .await;
    assert!(client.flush(LONG).await.is_ok());

    let events = otas.events(session.id().as_str());

    assert_eq!(events.len(), 1);
    assert_eq!((events[0].path.as_str(), &events[0].custom_properties["team"]), ("/keep", &json!("search")));
    assert!(events[0].row["response_body"].is_null() && events[0].row["response_size_bytes"] == 5);
    let stats = client.stats();
    assert_eq!((stats.dropped.by_hook, stats.dropped.hook_panicked, stats.delivered), (1, 1, 1));
    assert!(
        threads.lock().unwrap().iter().all(|thread| thread.as_deref() == Some("otas-delivery")),
        "on a thread of the library's"
    );
}
