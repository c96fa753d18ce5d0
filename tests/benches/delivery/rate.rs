//! Events per second, and CPU time of the sending thread: the library and a hand-written loop.
//!
//! Every thread runs on one core. Two threads that wake each other for every event, here the sender
//! and the local Brain, are several times faster or slower depending on whether the scheduler has put
//! them on the same core; left to it, a side changes speed from one round to the next.

use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use otas::{Client, Config, Session, reqwest};
use otas_local::{ReceivedRequest, Server};

use crate::{call, cpu, quartiles, upstream};

const WARM_UP: usize = 5;
const ROUNDS: usize = 100;
const SESSIONS: usize = 2;
/// Events of one side in one round. Rounds are short, so that whatever else the machine does affects
/// both sides of a pair.
const EVENTS: usize = 200;
const LONG: Duration = Duration::from_secs(120);

/// The cost of one side in one round.
struct Cost {
    /// Events per second.
    rate: f64,
    /// CPU time of the sending thread per event, in microseconds.
    cpu: f64,
}

/// Compares the two sides round by round; they take turns at going first.
pub(crate) fn compare() {
    let bench = Bench::start();
    let rounds: Vec<_> = (0..WARM_UP + ROUNDS)
        .map(|round| {
            let early = (round % 2 == 0).then(|| bench.hand_written());
            let library = bench.library();
            (library, early.unwrap_or_else(|| bench.hand_written()))
        })
        .skip(WARM_UP)
        .collect();
    println!("{:<28} {:>10} {:>10} {:>10}", "", "quartile", "median", "quartile");
    let print = |name: &str, digits: usize, of: &dyn Fn(&(Cost, Cost)) -> f64| {
        let [low, median, high] = quartiles(rounds.iter().map(of));
        println!("{name:<28} {low:>10.digits$} {median:>10.digits$} {high:>10.digits$}");
    };
    print("library, events/s", 0, &|(library, _)| library.rate);
    print("hand-written, events/s", 0, &|(_, hand_written)| hand_written.rate);
    print("ratio of each pair", 2, &|(library, hand_written)| library.rate / hand_written.rate);
    print("library, us of CPU", 1, &|(library, _)| library.cpu);
    print("hand-written, us of CPU", 1, &|(_, hand_written)| hand_written.cpu);
    print("ratio of each pair", 2, &|(library, hand_written)| hand_written.cpu / library.cpu);
}

/// One round, to be run under a tool that counts instructions.
pub(crate) fn count() {
    Bench::start().hand_written();
}

struct Bench {
    runtime: tokio::runtime::Runtime,
    otas: Server,
    client: Client,
    sessions: Vec<Session>,
    url: String,
    hand_written: HandWritten,
}

impl Bench {
    fn start() -> Self {
        let core = core_affinity::get_core_ids().and_then(|cores| cores.into_iter().last());
        assert!(core.is_some_and(core_affinity::set_for_current), "threads cannot be kept on one core");
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let builder = Server::builder().project_domain("https://inside.example");
        let otas = runtime.block_on(builder.start()).unwrap();
        let client = Client::new(Config::from_vars(otas.env()).unwrap()).unwrap();
        let open = |_| runtime.block_on(client.open(serde_json::json!({}))).unwrap();
        let sessions: Vec<_> = (0..SESSIONS).map(open).collect();
        let url = runtime.block_on(upstream());
        // The delivery thread starts with the first event.
        runtime.block_on(call_in(&sessions[0], &url, 1));
        assert!(runtime.block_on(client.flush(LONG)).is_ok());
        let hand_written = HandWritten::start(otas.brain_url());
        let mut bench = Self { runtime, otas, client, sessions, url, hand_written };
        bench.library();
        let requests = bench.otas.requests().into_iter();
        bench.hand_written.posts = requests.filter(|request| request.path.contains("/log/agent/")).collect();
        assert_eq!(bench.hand_written.posts.len(), EVENTS);
        bench
    }

    /// Fills the queue while Brain is down, so that only delivery is measured.
    fn library(&self) -> Cost {
        self.otas.brain().stop().unwrap();
        for session in &self.sessions {
            self.runtime.block_on(call_in(session, &self.url, EVENTS / SESSIONS));
        }
        assert_eq!(self.client.stats().pending as usize, EVENTS);
        self.otas.clear_requests();
        self.otas.brain().restart().unwrap();
        let thread = thread("otas-delivery");
        let start = Start::of(&thread);
        assert!(self.runtime.block_on(self.client.flush(LONG)).is_ok());
        let cost = start.cost();
        assert_eq!(self.client.stats().dropped.total(), 0);
        cost
    }

    fn hand_written(&self) -> Cost {
        self.otas.clear_requests();
        self.hand_written.send()
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

/// The hand-written side: a thread with a runtime of its own, like the library's delivery.
struct HandWritten {
    rounds: tokio::sync::mpsc::UnboundedSender<Vec<ReceivedRequest>>,
    costs: mpsc::Receiver<Cost>,
    /// The requests that the library sent in one round.
    posts: Vec<ReceivedRequest>,
}

impl HandWritten {
    fn start(brain: String) -> Self {
        let (rounds, mut next) = tokio::sync::mpsc::unbounded_channel();
        let (report, costs) = mpsc::channel();
        let work = async move {
            while let Some(posts) = next.recv().await {
                // A new one for each round: the library's connections are closed before each, too.
                let http = reqwest::Client::builder().no_proxy().build().unwrap();
                let start = Start::of("thread-self");
                send_all(&http, posts, &brain).await;
                report.send(start.cost()).unwrap();
            }
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        std::thread::Builder::new().name("hand-written".to_owned()).spawn(move || runtime.block_on(work)).unwrap();
        Self { rounds, costs, posts: Vec::new() }
    }

    fn send(&self) -> Cost {
        self.rounds.send(self.posts.clone()).unwrap();
        self.costs.recv().unwrap()
    }
}

/// As many loops as the library delivers sessions at a time. Each builds a request, sends it, and
/// reads the response before the next.
async fn send_all(http: &reqwest::Client, posts: Vec<ReceivedRequest>, brain: &str) {
    let posts = Arc::new(Mutex::new(posts.into_iter()));
    let mut loops = tokio::task::JoinSet::new();
    for _ in 0..SESSIONS {
        let (http, posts, brain) = (http.clone(), posts.clone(), brain.to_owned());
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
                let response = request.send().await.unwrap();
                assert_eq!(response.status(), 201);
                response.bytes().await.unwrap();
            }
        });
    }
    while let Some(ended) = loops.join_next().await {
        ended.unwrap();
    }
}

/// A thread of this process, for [`cpu`].
fn thread(name: &str) -> String {
    let mut tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let task =
        tasks.find(|task| std::fs::read_to_string(task.path().join("comm")).is_ok_and(|comm| comm.trim() == name));
    format!("self/task/{}", task.unwrap().file_name().to_string_lossy())
}

/// The beginning of a round.
struct Start<'a> {
    thread: &'a str,
    cpu: f64,
    time: Instant,
}

impl<'a> Start<'a> {
    fn of(thread: &'a str) -> Self {
        Self { thread, cpu: cpu(thread), time: Instant::now() }
    }

    fn cost(self) -> Cost {
        let (seconds, events) = (self.time.elapsed().as_secs_f64(), EVENTS as f64);
        Cost { rate: events / seconds, cpu: (cpu(self.thread) - self.cpu) / events }
    }
}
