//! What delivery costs: events brought to a loopback Brain, beside a hand-written loop of the same POSTs at the same concurrency; and the
//! memory that a million calls take while Brain is down.
//!
//! `cargo bench -p otas-tests --bench delivery`, or with `-- memory` for the second, which takes minutes; Linux only.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use otas::testing::{RequestRecord, Server};
use otas::{Client, Session, http, reqwest};

const ROUNDS: usize = 9;
const SESSIONS: usize = 2;
const CALLS: usize = 400;
const MILLION: usize = 1_000_000;
const LONG: Duration = Duration::from_secs(120);
const BODY: [u8; 1024] = [b'x'; 1024];

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    if std::env::args().any(|argument| argument == "memory") {
        return runtime.block_on(memory());
    }
    let mut ratios = Vec::new();
    println!("{:>6} {:>14} {:>14} {:>6}", "round", "ours", "by hand", "ratio");
    for round in 1..=ROUNDS {
        let (ours, by_hand) = runtime.block_on(compare());
        ratios.push(ours / by_hand);
        println!("{round:>6} {ours:>10.0} ev/s {by_hand:>10.0} ev/s {:>6.2}", ours / by_hand);
    }
    ratios.sort_by(f64::total_cmp);
    println!("median ratio {:.2}", ratios[ROUNDS / 2]);
}

/// A service outside the domain that answers 1 KiB of text; its URL.
async fn site() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://127.0.0.1:{}/v1/items?limit=3", listener.local_addr().unwrap().port());
    let answer = || async { ([("content-type", "text/plain")], &BODY[..]) };
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await.unwrap() });
    url
}

async fn sessions(otas: &Server) -> (Client, Vec<Session>) {
    let client = Client::new(otas.config().unwrap()).unwrap();
    let mut sessions = Vec::new();
    for _ in 0..SESSIONS {
        sessions.push(client.open(serde_json::json!({})).await.unwrap());
    }
    (client, sessions)
}

async fn call(url: &str) {
    http::post(url).body(&BODY[..]).header("content-type", "text/plain").send().await.unwrap().bytes().await.unwrap();
}

/// Events a second, by the library and by hand.
async fn compare() -> (f64, f64) {
    let otas = Server::builder().project_domain("https://inside.example").start().await.unwrap();
    let (client, sessions) = sessions(&otas).await;
    let url = site().await;
    otas.brain().go_down().unwrap();
    for session in &sessions {
        session
            .scope(async {
                for _ in 0..CALLS {
                    call(&url).await
                }
            })
            .await;
    }
    assert_eq!(client.stats().pending as usize, SESSIONS * CALLS);
    otas.brain().come_back().unwrap();

    let began = Instant::now();
    assert!(client.flush(LONG).await.is_empty());
    let ours = rate(began);
    assert_eq!(otas.event_count(), SESSIONS * CALLS);

    let posts: Vec<_> = otas.requests().into_iter().filter(|request| request.path.contains("/log/agent/")).collect();
    let brain = otas.brain_url();
    // On a thread of its own with a runtime of its own, as the library's delivery is.
    let by_hand = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(by_hand(posts, brain))
    });
    (ours, tokio::task::spawn_blocking(|| by_hand.join().unwrap()).await.unwrap())
}

/// As many loops as delivery serves sessions; each builds and sends one request after the other, and looks at its answer.
async fn by_hand(posts: Vec<RequestRecord>, brain: String) -> f64 {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let posts = Arc::new(Mutex::new(posts.into_iter()));
    let began = Instant::now();
    let mut loops = tokio::task::JoinSet::new();
    for _ in 0..SESSIONS {
        let (http, posts, brain) = (http.clone(), posts.clone(), brain.clone());
        loops.spawn(async move {
            loop {
                let Some(post) = posts.lock().unwrap().next() else { return };
                let event: serde_json::Value = serde_json::from_slice(&post.body).unwrap();
                let header = |name| post.header(name).unwrap().to_owned();
                let request = http
                    .post(format!("{brain}{}", post.path))
                    .header("x-otas-agent-key", header("x-otas-agent-key"))
                    .header("x-otas-agent-session-token", header("x-otas-agent-session-token"))
                    .json(&event);
                let answer = request.send().await.unwrap();
                assert_eq!(answer.status(), 201);
                answer.bytes().await.unwrap();
            }
        });
    }
    while let Some(ended) = loops.join_next().await {
        ended.unwrap();
    }
    rate(began)
}

fn rate(began: Instant) -> f64 {
    (SESSIONS * CALLS) as f64 / began.elapsed().as_secs_f64()
}

/// A million calls while Brain is down: how much memory they take, and whether they become slower.
async fn memory() {
    let otas = Server::builder().project_domain("https://inside.example").keep_requests(false).start().await.unwrap();
    let (client, sessions) = sessions(&otas).await;
    let url = site().await;
    sessions[0]
        .scope(async {
            for _ in 0..2_000 {
                call(&url).await
            }
        })
        .await;
    assert!(client.flush(LONG).await.is_empty());
    for (name, down) in [("Brain up", false), ("Brain down", true)] {
        if down {
            otas.brain().go_down().unwrap();
        }
        let (before, began, calls) = (resident(), Instant::now(), if down { MILLION } else { MILLION / 20 });
        let mut most = before;
        sessions[0]
            .scope(async {
                for n in 0..calls {
                    call(&url).await;
                    if n % 1_000 == 0 {
                        most = most.max(resident());
                    }
                }
            })
            .await;
        let each = began.elapsed() / calls as u32;
        println!("{name}: {each:.1?} a call, resident memory grew by {} KiB at most", most.saturating_sub(before));
    }
    println!("{}", client.stats());
}

/// Resident memory of this process, in KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim_end_matches(" kB").trim().parse().unwrap()
}
