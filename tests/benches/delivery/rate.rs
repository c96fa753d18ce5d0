//! Events per second and CPU time per event: the library against a hand-written loop.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use otas::{Client, Config, Session, reqwest};
use otas_local::{ReceivedRequest, Server};

use crate::{call, cpu, median, upstream};

const ROUNDS: usize = 30;
const SESSIONS: usize = 2;
const CALLS: usize = 600;
const TIMEOUT: Duration = Duration::from_secs(120);

/// The cost of delivering all events once.
struct Cost {
    /// Events per second.
    rate: f64,
    /// CPU time of the sending thread, in microseconds per event.
    cpu: f64,
}

/// Runs both sides, and swaps their order in every round.
pub(crate) fn compare() {
    let setup = Setup::new();
    println!("{:>6} {:>22} {:>22} {:>12} {:>12}", "round", "otas", "manual loop", "ratio, rate", "ratio, CPU");
    let mut ratios = Vec::new();
    for round in 1..=ROUNDS {
        let early = (round % 2 == 0).then(|| setup.run_manual());
        let otas = setup.run_otas();
        let manual = early.unwrap_or_else(|| setup.run_manual());
        let ratio = (otas.rate / manual.rate, manual.cpu / otas.cpu);
        println!("{round:>6} {otas:>22} {manual:>22} {:>12.2} {:>12.2}", ratio.0, ratio.1);
        ratios.push(ratio);
    }
    let (rate, cpu) = (median(ratios.iter().map(|ratio| ratio.0)), median(ratios.iter().map(|ratio| ratio.1)));
    println!("median ratio (above 1: otas is faster): rate {rate:.2}, CPU time {cpu:.2}");
}

/// Runs both sides once, under a tool that counts instructions.
pub(crate) fn count() {
    // The library delivers its events during the setup.
    Setup::new().run_manual();
}

/// What both sides use.
struct Setup {
    runtime: tokio::runtime::Runtime,
    otas: Server,
    client: Client,
    sessions: Vec<Session>,
    url: String,
    /// The requests that the library sent for one round of events, for the loop to repeat.
    posts: Vec<ReceivedRequest>,
}

impl Setup {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let builder = Server::builder().project_domain("https://inside.example");
        let otas = runtime.block_on(builder.start()).unwrap();
        let client = Client::new(Config::from_vars(otas.env()).unwrap()).unwrap();
        let open = |_| runtime.block_on(client.open(serde_json::json!({}))).unwrap();
        let sessions: Vec<_> = (0..SESSIONS).map(open).collect();
        let url = runtime.block_on(upstream());
        // The delivery thread starts with the first event.
        runtime.block_on(call_in(&sessions[0], &url, 1));
        assert!(runtime.block_on(client.flush(TIMEOUT)).is_ok());
        otas.clear_requests();
        let mut setup = Self { runtime, otas, client, sessions, url, posts: Vec::new() };
        setup.fill();
        setup.otas.brain().restart().unwrap();
        assert!(setup.runtime.block_on(setup.client.flush(TIMEOUT)).is_ok());
        let requests = setup.otas.requests().into_iter();
        setup.posts = requests.filter(|request| request.path.contains("/log/agent/")).collect();
        assert_eq!(setup.posts.len(), CALLS);
        setup
    }

    /// Fills the queue while Brain is down, so that only delivery is measured.
    fn fill(&self) {
        self.otas.brain().stop().unwrap();
        for session in &self.sessions {
            self.runtime.block_on(call_in(session, &self.url, CALLS / SESSIONS));
        }
        assert_eq!(self.client.stats().pending as usize, CALLS);
    }

    fn run_otas(&self) -> Cost {
        self.fill();
        self.otas.clear_requests();
        self.otas.brain().restart().unwrap();
        let thread = delivery_thread();
        let (started, before) = (Instant::now(), cpu(&thread));
        assert!(self.runtime.block_on(self.client.flush(TIMEOUT)).is_ok());
        let cost = Cost::since(started, before, &thread);
        assert_eq!(self.client.stats().dropped.total(), 0);
        cost
    }

    /// Runs the loop on its own thread and runtime, as the library runs delivery.
    fn run_manual(&self) -> Cost {
        self.otas.clear_requests();
        let (posts, brain) = (self.posts.clone(), self.otas.brain_url());
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(send_all(posts, brain))
        });
        thread.join().unwrap()
    }
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

fn delivery_thread() -> String {
    let mut tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let is_delivery = |name: String| name.trim() == "otas-delivery";
    let found = tasks.find(|task| std::fs::read_to_string(task.path().join("comm")).is_ok_and(is_delivery));
    format!("self/task/{}", found.unwrap().file_name().to_string_lossy())
}

/// The manual loop: one task per session, each of which builds one request after the other, sends it,
/// and checks the response.
async fn send_all(posts: Vec<ReceivedRequest>, brain: String) -> Cost {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let posts = Arc::new(Mutex::new(posts.into_iter()));
    let (started, before) = (Instant::now(), cpu("thread-self"));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..SESSIONS {
        let (http, posts, brain) = (http.clone(), posts.clone(), brain.clone());
        tasks.spawn(async move {
            loop {
                let Some(post) = posts.lock().unwrap().next() else { return };
                let event: serde_json::Value = serde_json::from_slice(&post.body).unwrap();
                let header = |name| post.header(name).unwrap().to_owned();
                let request = http
                    .post(format!("{brain}{}", post.path))
                    .header("x-otas-agent-key", header("x-otas-agent-key"))
                    .header("x-otas-agent-session-token", header("x-otas-agent-session-token"))
                    .json(&event);
                let response = request.send().await.unwrap();
                assert_eq!(response.status(), 201);
                response.bytes().await.unwrap();
            }
        });
    }
    while let Some(result) = tasks.join_next().await {
        result.unwrap();
    }
    Cost::since(started, before, "thread-self")
}

impl Cost {
    fn since(started: Instant, before: f64, thread: &str) -> Self {
        let events = CALLS as f64;
        Self { rate: events / started.elapsed().as_secs_f64(), cpu: (cpu(thread) - before) / events }
    }
}

impl std::fmt::Display for Cost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&format!("{:.0}/s, {:.0} us CPU", self.rate, self.cpu))
    }
}
