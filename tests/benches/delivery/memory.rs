//! A million calls while Brain is down, by turns with calls while it is up: resident memory, and what the callers pay.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use otas::{Client, Config, Session};
use otas_local::Server;

use crate::{call, cpu, median, upstream};

const ROUNDS: usize = 20;
/// In one round, while Brain is down: a million in all.
const DOWN: usize = 1_000_000 / ROUNDS;
/// And while it is up, in bursts that the queue has room for: fewer, since Brain keeps what it is told.
const UP: usize = 10;
const BURST: usize = 600;
/// Calls under way at the same time.
const CALLERS: usize = 8;
const LONG: Duration = Duration::from_secs(120);

/// The other process: a service outside the domain, and a local OTAS that goes down and comes back as it is told.
pub(crate) fn serve() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let builder = Server::builder().project_domain("https://inside.example").keep_requests(0);
        let otas = builder.start().await.unwrap();
        println!("{} {} {} {}", upstream().await, otas.uasam_url(), otas.brain_url(), otas.agent_key());
        let orders = tokio::task::spawn_blocking(move || {
            for order in std::io::stdin().lines() {
                match order.unwrap().as_str() {
                    "down" => otas.brain().stop().unwrap(),
                    _ => otas.brain().restart().unwrap(),
                }
                println!("done");
            }
        });
        orders.await.unwrap();
    });
}

/// The other process, from this side.
struct Servers {
    process: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Servers {
    fn start() -> (Self, Vec<String>) {
        let program = std::env::current_exe().unwrap();
        let mut process =
            Command::new(program).arg("serve").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let orders = process.stdin.take().unwrap();
        let answers = BufReader::new(process.stdout.take().unwrap());
        let mut servers = Self { process, orders, answers };
        let told = servers.line().split_whitespace().map(str::to_owned).collect();
        (servers, told)
    }

    fn order(&mut self, order: &str) {
        writeln!(self.orders, "{order}").unwrap();
        self.line();
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        line
    }

    fn end(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// What a call took in one stretch.
struct Cost {
    /// Of the caller's thread, in microseconds.
    cpu: f64,
    wall: f64,
    /// The largest resident memory, in KiB.
    most: u64,
}

pub(crate) fn compare() {
    let (mut servers, told) = Servers::start();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let client = Client::new(config(&told)).unwrap();
    let session = runtime.block_on(client.open(serde_json::json!({}))).unwrap();
    let calls = |count| runtime.block_on(calls(&session, &told[0], count));
    let flush = || assert!(runtime.block_on(client.flush(LONG)).is_ok());
    calls(BURST / 10);
    flush();
    let before = resident();
    println!("{:>6} {:>24} {:>24} {:>12}", "round", "Brain up", "Brain down", "memory, KiB");
    let (mut up, mut down) = (Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        up.push(Cost::mean((0..UP).map(|_| {
            flush();
            calls(BURST)
        })));
        flush();
        servers.order("down");
        down.push(calls(DOWN));
        servers.order("up");
        flush();
        let grown = down[round - 1].most as i64 - before as i64;
        println!("{round:>6} {:>24} {:>24} {grown:>+12}", up[round - 1], down[round - 1]);
    }
    servers.end();
    report(&up, &down, before);
    let stats = client.stats();
    assert!(stats.dropped.total() >= 1_000_000 - 1_100 * ROUNDS as u64, "Brain was down: {stats}");
    println!("{stats}");
}

fn report(up: &[Cost], down: &[Cost], before: u64) {
    let of = |costs: &[Cost]| (median(costs.iter().map(|cost| cost.cpu)), median(costs.iter().map(|cost| cost.wall)));
    let (up, slow) = (of(up), of(down));
    let most = down.iter().map(|cost| cost.most).max().unwrap_or(0);
    println!(
        "a call with Brain down, beside one with Brain up: {:.3} of its CPU time, {:.3} of its time",
        slow.0 / up.0,
        slow.1 / up.1
    );
    println!("resident memory grew by {:.1} MiB at the most", most.saturating_sub(before) as f64 / 1024.0);
}

fn config(told: &[String]) -> Config {
    let variables = [
        ("OTAS_PROJECT_DOMAIN", "https://inside.example".to_owned()),
        ("OTAS_UASAM_URL", told[1].clone()),
        ("OTAS_BRAIN_URL", told[2].clone()),
        ("OTAS_AGENT_KEY", told[3].clone()),
    ];
    Config::from_vars(variables).unwrap()
}

async fn calls(session: &Session, url: &str, count: usize) -> Cost {
    let (before, began) = (cpu("thread-self"), Instant::now());
    let callers = (0..CALLERS).map(|_| {
        session.scope(async {
            let mut most = 0;
            for n in 0..count / CALLERS {
                call(url).await.unwrap();
                if n % 1_000 == 0 {
                    most = most.max(resident());
                }
            }
            most
        })
    });
    let most = join_all(callers).await.into_iter().max().unwrap_or(0).max(resident());
    let each = |total: f64| total / count as f64;
    Cost { cpu: each(cpu("thread-self") - before), wall: each(began.elapsed().as_secs_f64() * 1e6), most }
}

/// Resident memory of this process, in KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim_end_matches(" kB").trim().parse().unwrap()
}

impl Cost {
    fn mean(costs: impl Iterator<Item = Self>) -> Self {
        let costs: Vec<_> = costs.collect();
        let mean = |of: fn(&Self) -> f64| costs.iter().map(of).sum::<f64>() / costs.len() as f64;
        let most = costs.iter().map(|cost| cost.most).max().unwrap_or(0);
        Self { cpu: mean(|cost| cost.cpu), wall: mean(|cost| cost.wall), most }
    }
}

impl std::fmt::Display for Cost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&format!("{:.1} us CPU, {:.1} us", self.cpu, self.wall))
    }
}
