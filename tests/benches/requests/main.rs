//! What a request costs: bare reqwest, reqwest with `reqwest-tracing`, and this library, side by side in one run.
//!
//! `cargo bench -p otas-tests --bench requests`. The servers run in a process of their own. Told is the CPU time of the thread that sends, and
//! that of the whole process, which is the thread that sends and the library's own threads: those write and deliver the events, each by a
//! request of its own. What is left without these requests shows where a hook drops each event once it is made and redacted. Medians over
//! rounds that take turns; Linux only.
//!
//! `cargo bench -p otas-tests --bench requests -- instructions` tells the same in instructions of user space, for where the clock is too
//! noisy; it needs `valgrind`, and sees nothing of what the kernel does.

mod instructions;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use otas::{Client, Config, Session, http, reqwest};
use otas_local::Server;

const ROUNDS: usize = 15;
const REQUESTS: usize = 400;
const MINUTE: Duration = Duration::from_secs(60);
const BODY: [u8; 1024] = [b'x'; 1024];

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    if std::env::args().any(|argument| argument == "serve") {
        return runtime.block_on(serve());
    }
    if std::env::args().any(|argument| argument == "instructions") {
        return instructions::compare();
    }
    let (mut servers, told) = start();
    let arguments: Vec<String> = std::env::args().skip_while(|argument| argument != "count").skip(1).collect();
    match arguments.as_slice() {
        [variant, side, requests] => runtime.block_on(count(&told, variant, side, requests.parse().unwrap())),
        _ => runtime.block_on(compare(&told)),
    }
    servers.kill().unwrap();
    servers.wait().unwrap();
}

/// The other process: a service that answers 1 KiB, and a local OTAS.
async fn serve() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let otas =
        Server::builder().keep_requests(0).project_domain(format!("http://127.0.0.1:{port}")).start().await.unwrap();
    println!("{port} {} {} {}", otas.uasam_url(), otas.brain_url(), otas.agent_key());
    let answer = || async { ([("content-type", "application/json")], &BODY[..]) };
    axum::serve(listener, axum::Router::new().fallback(answer)).await.unwrap();
}

fn start() -> (Child, Vec<String>) {
    let mut child = Command::new(std::env::current_exe().unwrap()).arg("serve").stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (child, line.split_whitespace().map(str::to_owned).collect())
}

/// What both kinds of run need.
struct Set {
    inside: String,
    outside: String,
    client: Client,
    session: Session,
    /// Of a client whose hook drops every event.
    undelivered: Session,
    bare: reqwest::Client,
}

impl Set {
    async fn up(told: &[String]) -> Self {
        let config = || {
            let builder = Config::builder().agent_key(&told[3]).project_domain(format!("http://127.0.0.1:{}", told[0]));
            builder.uasam_url(&told[1]).brain_url(&told[2])
        };
        let client = Client::new(config().build().unwrap()).unwrap();
        let session = client.open(serde_json::json!({})).await.unwrap();
        let undelivered = Client::new(config().on_event(|_| None).build().unwrap()).unwrap();
        let undelivered = undelivered.open(serde_json::json!({})).await.unwrap();
        let url = |host| format!("http://{host}:{}/v1/x", told[0]);
        let (inside, outside) = (url("127.0.0.1"), url("localhost"));
        Self { inside, outside, client, session, undelivered, bare: reqwest::Client::new() }
    }

    async fn bare(&self, url: &str) {
        let request = self.bare.post(url).header("content-type", "application/json").body(&BODY[..]);
        drain(request.send().await.unwrap()).await;
    }

    async fn ours(&self, url: &str) {
        drain(http::post(url).header("content-type", "application/json").body(&BODY[..]).send().await.unwrap()).await;
    }
}

/// Nothing but so many requests of one kind and what comes of them, for [`instructions`].
async fn count(told: &[String], variant: &str, side: &str, requests: usize) {
    let set = Set::up(told).await;
    let url = if side == "inside" { &set.inside } else { &set.outside };
    match variant {
        "bare" => {
            for _ in 0..requests {
                set.bare(url).await;
            }
        }
        _ => {
            let ours = async {
                for _ in 0..requests {
                    set.ours(url).await;
                }
            };
            set.session.scope(ours).await;
        }
    }
    assert!(set.client.flush(MINUTE).await.is_ok());
}

async fn compare(told: &[String]) {
    let set = Set::up(told).await;
    let traced = reqwest_middleware::ClientBuilder::new(set.bare.clone())
        .with(reqwest_tracing::TracingMiddleware::default())
        .build();
    let traced = async |url: &str| {
        let request = traced.post(url).header("content-type", "application/json").body(&BODY[..]);
        drain(request.send().await.unwrap()).await;
    };
    println!(
        "{:<10} {:<18} {:>14} {:>8} {:>15} {:>8}",
        "us a request", "", "sending thread", "ratio", "whole process", "ratio"
    );
    for (name, url) in [("inside", set.inside.as_str()), ("outside", set.outside.as_str())] {
        let mut rows = [(); 4].map(|()| Vec::new());
        for _ in 0..ROUNDS {
            rows[0].push(round(&set.client, async || set.bare(url).await).await);
            rows[1].push(round(&set.client, async || traced(url).await).await);
            rows[2].push(set.session.scope(round(&set.client, async || set.ours(url).await)).await);
            let undelivered = set.undelivered.client();
            rows[3].push(set.undelivered.scope(round(undelivered, async || set.ours(url).await)).await);
        }
        let medians = |row: &Vec<(f64, f64)>| {
            (median(row.iter().map(|(sender, _)| *sender)), median(row.iter().map(|(_, library)| *library)))
        };
        let (bare, _) = medians(&rows[0]);
        for (variant, row) in ["bare reqwest", "reqwest-tracing", "otas", "otas, hook drops"].iter().zip(&rows) {
            let (sender, library) = medians(row);
            let whole = sender + library;
            print!("{name:<10} {variant:<18} {sender:>14.1} {:>8.3} ", sender / bare);
            println!("{whole:>15.1} {:>8.3}", whole / bare);
        }
    }
    println!("{}", set.client.stats());
}

async fn drain(answer: reqwest::Response) {
    assert_eq!(answer.bytes().await.unwrap().len(), BODY.len());
}

/// CPU time for one request, in microseconds: of this thread, and of the library's until every event is delivered.
async fn round(client: &Client, send: impl AsyncFn()) -> (f64, f64) {
    let before = (cpu("/proc/thread-self/schedstat"), library());
    for _ in 0..REQUESTS {
        send().await;
    }
    let sender = cpu("/proc/thread-self/schedstat") - before.0;
    assert!(client.flush(MINUTE).await.is_ok());
    let micros = |nanos: u64| nanos as f64 / 1e3 / REQUESTS as f64;
    (micros(sender), micros(library() - before.1))
}

fn cpu(path: &str) -> u64 {
    std::fs::read_to_string(path).unwrap().split_whitespace().next().unwrap().parse().unwrap()
}

/// The CPU time of the library's threads so far.
fn library() -> u64 {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten().map(|task| task.path());
    let own = |task: &std::path::PathBuf| {
        std::fs::read_to_string(task.join("comm")).is_ok_and(|name| name.starts_with("otas"))
    };
    tasks.filter(own).map(|task| cpu(task.join("schedstat").to_str().unwrap())).sum()
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
