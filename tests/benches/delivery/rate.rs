//! Events a second, and CPU time of the thread that sends them: by the library, and by hand.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use otas::{Client, Config, Session, reqwest};
use otas_local::{ReceivedRequest, Server};

use crate::{call, cpu, median, upstream};

const ROUNDS: usize = 30;
const SESSIONS: usize = 2;
const CALLS: usize = 600;
const LONG: Duration = Duration::from_secs(120);

/// What one side took.
struct Cost {
    /// Events a second.
    rate: f64,
    /// Of the thread that sends, in microseconds an event.
    cpu: f64,
}

/// Both sides, by turns in who is first.
pub(crate) fn compare() {
    let set = Set::up();
    println!("{:>6} {:>22} {:>22} {:>6} {:>10}", "round", "ours", "by hand", "ratio", "ratio, CPU");
    let mut ratios = Vec::new();
    for round in 1..=ROUNDS {
        let early = (round % 2 == 0).then(|| set.by_hand());
        let ours = set.ours();
        let by_hand = early.unwrap_or_else(|| set.by_hand());
        let ratio = (ours.rate / by_hand.rate, by_hand.cpu / ours.cpu);
        println!("{round:>6} {ours:>22} {by_hand:>22} {:>6.2} {:>10.2}", ratio.0, ratio.1);
        ratios.push(ratio);
    }
    let (rate, cpu) = (median(ratios.iter().map(|ratio| ratio.0)), median(ratios.iter().map(|ratio| ratio.1)));
    println!("median ratio {rate:.2}, by CPU time {cpu:.2}");
}

/// One round, to be run under a tool that counts.
pub(crate) fn count() {
    Set::up().by_hand();
}

/// What both sides need.
struct Set {
    runtime: tokio::runtime::Runtime,
    otas: Server,
    client: Client,
    sessions: Vec<Session>,
    url: String,
    /// What the library has sent once.
    posts: Vec<ReceivedRequest>,
}

impl Set {
    fn up() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let builder = Server::builder().project_domain("https://inside.example");
        let otas = runtime.block_on(builder.start()).unwrap();
        let client = Client::new(Config::from_vars(otas.env()).unwrap()).unwrap();
        let open = |_| runtime.block_on(client.open(serde_json::json!({}))).unwrap();
        let sessions: Vec<_> = (0..SESSIONS).map(open).collect();
        let url = runtime.block_on(upstream());
        // The thread that delivers starts with the first event.
        runtime.block_on(call_in(&sessions[0], &url, 1));
        assert!(runtime.block_on(client.flush(LONG)).is_ok());
        otas.clear_requests();
        let mut set = Self { runtime, otas, client, sessions, url, posts: Vec::new() };
        set.fill();
        set.otas.brain().restart().unwrap();
        assert!(set.runtime.block_on(set.client.flush(LONG)).is_ok());
        let requests = set.otas.requests().into_iter();
        set.posts = requests.filter(|request| request.path.contains("/log/agent/")).collect();
        assert_eq!(set.posts.len(), CALLS);
        set
    }

    /// Fills the queue while Brain is down: what is measured is delivery alone.
    fn fill(&self) {
        self.otas.brain().stop().unwrap();
        for session in &self.sessions {
            self.runtime.block_on(call_in(session, &self.url, CALLS / SESSIONS));
        }
        assert_eq!(self.client.stats().pending as usize, CALLS);
    }

    fn ours(&self) -> Cost {
        self.fill();
        self.otas.clear_requests();
        self.otas.brain().restart().unwrap();
        let thread = delivery_thread();
        let (began, before) = (Instant::now(), cpu(&thread));
        assert!(self.runtime.block_on(self.client.flush(LONG)).is_ok());
        let cost = Cost::since(began, before, &thread);
        assert_eq!(self.client.stats().dropped.total(), 0);
        cost
    }

    /// On a thread of its own with a runtime of its own, as the library's delivery is.
    fn by_hand(&self) -> Cost {
        self.otas.clear_requests();
        let (posts, brain) = (self.posts.clone(), self.otas.brain_url());
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(by_hand(posts, brain))
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
    let is_it = |name: String| name.trim() == "otas-delivery";
    let found = tasks.find(|task| std::fs::read_to_string(task.path().join("comm")).is_ok_and(is_it));
    format!("self/task/{}", found.unwrap().file_name().to_string_lossy())
}

/// As many loops as delivery serves sessions; each builds and sends one request after the other, and looks at its answer.
async fn by_hand(posts: Vec<ReceivedRequest>, brain: String) -> Cost {
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
