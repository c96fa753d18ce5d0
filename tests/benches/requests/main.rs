//! Compares a request through this library with bare reqwest and with `reqwest-tracing`, in one run.
//!
//! `cargo bench -p otas-tests --bench requests` prints the CPU time per request, for a URL inside the
//! project domain and one outside: of the sending thread, and of the whole process, which is the
//! sending thread plus the library's threads. Those encode and deliver the events, each by a request
//! of its own; the row "otas, hook drops" leaves these requests out, because a hook drops each event
//! after it was redacted. The ratios are relative to bare reqwest: 1.05 means 5 % more. All figures
//! are medians over alternating rounds, and the servers run in another process. Linux only.
//!
//! `-- instructions` compares user-space instructions instead, if the clock is too noisy. It needs
//! `valgrind`, and does not see what the kernel does.

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
    let (mut servers, addresses) = start();
    let arguments: Vec<String> = std::env::args().skip_while(|argument| argument != "count").skip(1).collect();
    match arguments.as_slice() {
        [variant, side, requests] => runtime.block_on(count(&addresses, variant, side, requests.parse().unwrap())),
        _ => runtime.block_on(compare(&addresses)),
    }
    servers.kill().unwrap();
    servers.wait().unwrap();
}

/// The server process: a service that responds with 1 KiB, and a local OTAS.
async fn serve() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let otas =
        Server::builder().keep_requests(0).project_domain(format!("http://127.0.0.1:{port}")).start().await.unwrap();
    println!("{port} {} {} {}", otas.uasam_url(), otas.brain_url(), otas.agent_key());
    let respond = || async { ([("content-type", "application/json")], &BODY[..]) };
    axum::serve(listener, axum::Router::new().fallback(respond)).await.unwrap();
}

/// Starts the server process, and returns the words of its first line.
fn start() -> (Child, Vec<String>) {
    let mut child = Command::new(std::env::current_exe().unwrap()).arg("serve").stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (child, line.split_whitespace().map(str::to_owned).collect())
}

/// What both kinds of run use.
struct Setup {
    inside: String,
    outside: String,
    client: Client,
    session: Session,
    /// Opened by a client whose hook drops every event.
    hooked: Session,
    bare: reqwest::Client,
}

impl Setup {
    async fn new(addresses: &[String]) -> Self {
        let config = || {
            let builder =
                Config::builder().agent_key(&addresses[3]).project_domain(format!("http://127.0.0.1:{}", addresses[0]));
            builder.uasam_url(&addresses[1]).brain_url(&addresses[2])
        };
        let client = Client::new(config().build().unwrap()).unwrap();
        let session = client.open(serde_json::json!({})).await.unwrap();
        let hooked = Client::new(config().on_event(|_| None).build().unwrap()).unwrap();
        let hooked = hooked.open(serde_json::json!({})).await.unwrap();
        let url = |host| format!("http://{host}:{}/v1/x", addresses[0]);
        let (inside, outside) = (url("127.0.0.1"), url("localhost"));
        Self { inside, outside, client, session, hooked, bare: reqwest::Client::new() }
    }

    async fn bare(&self, url: &str) {
        let request = self.bare.post(url).header("content-type", "application/json").body(&BODY[..]);
        drain(request.send().await.unwrap()).await;
    }

    async fn otas(&self, url: &str) {
        drain(http::post(url).header("content-type", "application/json").body(&BODY[..]).send().await.unwrap()).await;
    }
}

/// Sends a number of requests of one kind and delivers their events, for [`instructions`].
async fn count(addresses: &[String], variant: &str, side: &str, requests: usize) {
    let setup = Setup::new(addresses).await;
    let url = if side == "inside" { &setup.inside } else { &setup.outside };
    match variant {
        "bare" => {
            for _ in 0..requests {
                setup.bare(url).await;
            }
        }
        _ => {
            let requests = async {
                for _ in 0..requests {
                    setup.otas(url).await;
                }
            };
            setup.session.scope(requests).await;
        }
    }
    assert!(setup.client.flush(MINUTE).await.is_ok());
}

async fn compare(addresses: &[String]) {
    let setup = Setup::new(addresses).await;
    let traced = reqwest_middleware::ClientBuilder::new(setup.bare.clone())
        .with(reqwest_tracing::TracingMiddleware::default())
        .build();
    let traced = async |url: &str| {
        let request = traced.post(url).header("content-type", "application/json").body(&BODY[..]);
        drain(request.send().await.unwrap()).await;
    };
    println!(
        "{:<10} {:<18} {:>14} {:>8} {:>15} {:>8}",
        "us/request", "", "sending thread", "ratio", "whole process", "ratio"
    );
    for (name, url) in [("inside", setup.inside.as_str()), ("outside", setup.outside.as_str())] {
        let mut rows = [(); 4].map(|()| Vec::new());
        for _ in 0..ROUNDS {
            rows[0].push(round(&setup.client, async || setup.bare(url).await).await);
            rows[1].push(round(&setup.client, async || traced(url).await).await);
            rows[2].push(setup.session.scope(round(&setup.client, async || setup.otas(url).await)).await);
            let hooked = setup.hooked.client();
            rows[3].push(setup.hooked.scope(round(hooked, async || setup.otas(url).await)).await);
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
    println!("{}", setup.client.stats());
}

async fn drain(response: reqwest::Response) {
    assert_eq!(response.bytes().await.unwrap().len(), BODY.len());
}

/// Returns the CPU time per request, in microseconds: of this thread, and of the library's threads
/// until every event is delivered.
async fn round(client: &Client, send: impl AsyncFn()) -> (f64, f64) {
    let before = (cpu("/proc/thread-self/schedstat"), library_cpu());
    for _ in 0..REQUESTS {
        send().await;
    }
    let sender = cpu("/proc/thread-self/schedstat") - before.0;
    assert!(client.flush(MINUTE).await.is_ok());
    let micros = |nanos: u64| nanos as f64 / 1e3 / REQUESTS as f64;
    (micros(sender), micros(library_cpu() - before.1))
}

/// The CPU time that a thread has used so far, in nanoseconds.
fn cpu(path: &str) -> u64 {
    std::fs::read_to_string(path).unwrap().split_whitespace().next().unwrap().parse().unwrap()
}

/// The CPU time that the library's threads have used so far, in nanoseconds.
fn library_cpu() -> u64 {
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
