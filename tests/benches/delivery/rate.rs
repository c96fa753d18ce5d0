//! Events a second, and CPU time of the thread that sends them: by the library, and by hand.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use otas::testing::{RequestRecord, Server};
use otas::{Client, Session, reqwest};

use crate::{call, cpu, median, site};

const ROUNDS: usize = 25;
const SESSIONS: usize = 2;
const CALLS: usize = 600;
const LONG: Duration = Duration::from_secs(120);

/// What one side took.
pub(crate) struct Cost {
    /// Events a second.
    rate: f64,
    /// Of the thread that sends, in microseconds an event.
    cpu: f64,
}

pub(crate) fn compare() {
    println!("{:>6} {:>22} {:>22} {:>6} {:>10}", "round", "ours", "by hand", "ratio", "ratio, CPU");
    let mut ratios = Vec::new();
    for round in 1..=ROUNDS {
        let (ours, by_hand) = self::round();
        let ratio = (ours.rate / by_hand.rate, by_hand.cpu / ours.cpu);
        println!("{round:>6} {ours:>22} {by_hand:>22} {:>6.2} {:>10.2}", ratio.0, ratio.1);
        ratios.push(ratio);
    }
    let (rate, cpu) = (median(ratios.iter().map(|ratio| ratio.0)), median(ratios.iter().map(|ratio| ratio.1)));
    println!("median ratio {rate:.2}, by CPU time {cpu:.2}");
}

/// The library, then the same POSTs by hand.
pub(crate) fn round() -> (Cost, Cost) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let otas = Server::builder().project_domain("https://inside.example").start().await.unwrap();
        let ours = ours(&otas).await;
        let posts = otas.requests().into_iter().filter(|request| request.path.contains("/log/agent/")).collect();
        let brain = otas.brain_url();
        // On a thread of its own with a runtime of its own, as the library's delivery is.
        let by_hand = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(by_hand(posts, brain))
        });
        (ours, tokio::task::spawn_blocking(|| by_hand.join().unwrap()).await.unwrap())
    })
}

async fn sessions(otas: &Server) -> (Client, Vec<Session>) {
    let client = Client::new(otas.config().unwrap()).unwrap();
    let mut sessions = Vec::new();
    for _ in 0..SESSIONS {
        sessions.push(client.open(serde_json::json!({})).await.unwrap());
    }
    (client, sessions)
}

/// Fills the queue while Brain is down: what is measured is delivery alone.
async fn ours(otas: &Server) -> Cost {
    let (client, sessions) = sessions(otas).await;
    let url = site().await;
    call_in(&sessions[0], &url, 10).await;
    assert!(client.flush(LONG).await.is_empty());
    otas.clear_requests();
    otas.brain().go_down().unwrap();
    for session in &sessions {
        call_in(session, &url, CALLS / SESSIONS).await;
    }
    assert_eq!(client.stats().pending as usize, CALLS);
    otas.brain().come_back().unwrap();

    let thread = delivery_thread();
    let (began, before) = (Instant::now(), cpu(&thread));
    assert!(client.flush(LONG).await.is_empty());
    let cost = Cost::since(began, before, &thread);
    assert_eq!(client.stats().delivered as usize, CALLS + 10);
    cost
}

async fn call_in(session: &Session, url: &str, calls: usize) {
    session
        .scope(async {
            for _ in 0..calls {
                call(url).await.unwrap();
            }
        })
        .await;
}

/// The newest thread that delivers: those of earlier rounds may be about to end.
fn delivery_thread() -> String {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let ids = tasks.filter(|task| {
        std::fs::read_to_string(task.path().join("comm")).is_ok_and(|name| name.trim() == "otas-delivery")
    });
    let newest = ids.filter_map(|task| task.file_name().to_str()?.parse::<u32>().ok()).max().unwrap();
    format!("self/task/{newest}")
}

/// As many loops as delivery serves sessions; each builds and sends one request after the other, and looks at its answer.
async fn by_hand(posts: Vec<RequestRecord>, brain: String) -> Cost {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let posts = Arc::new(Mutex::new(posts.into_iter()));
    let (began, before) = (Instant::now(), cpu("thread-self"));
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
    Cost::since(began, before, "thread-self")
}

impl Cost {
    fn since(began: Instant, before: f64, thread: &str) -> Self {
        let events = CALLS as f64;
        Self { rate: events / began.elapsed().as_secs_f64(), cpu: (cpu(thread) - before) / events }
    }
}

impl std::fmt::Display for Cost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&format!("{:.0} ev/s, {:.0} us", self.rate, self.cpu))
    }
}
