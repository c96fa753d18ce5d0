//! A million calls while Brain is down, alternating with calls while it is up: resident memory, and
//! the cost of a call.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use otas::{Client, Config, Session};
use otas_local::Server;

use crate::{call, cpu, median, upstream};

const ROUNDS: usize = 20;
/// Calls per round while Brain is down, a million over all rounds.
const CALLS_DOWN: usize = 1_000_000 / ROUNDS;
/// Calls per round while Brain is up are fewer, because the local Brain keeps every event in memory.
/// They come in bursts that fit into the queue.
const BURSTS_UP: usize = 10;
const BURST: usize = 600;
/// Concurrent calls.
const CALLERS: usize = 8;
const TIMEOUT: Duration = Duration::from_secs(120);

/// The server process: a service outside the domain, and a local OTAS whose Brain stops and restarts
/// on command.
pub(crate) fn serve() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let builder = Server::builder().project_domain("https://inside.example").keep_requests(0);
        let otas = builder.start().await.unwrap();
        println!("{} {} {} {}", upstream().await, otas.uasam_url(), otas.brain_url(), otas.agent_key());
        let commands = tokio::task::spawn_blocking(move || {
            for command in std::io::stdin().lines() {
                match command.unwrap().as_str() {
                    "down" => otas.brain().stop().unwrap(),
                    _ => otas.brain().restart().unwrap(),
                }
                println!("done");
            }
        });
        commands.await.unwrap();
    });
}

/// Handle to the server process.
struct Servers {
    process: Child,
    commands: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Servers {
    /// Starts the process, and returns the words of its first line.
    fn start() -> (Self, Vec<String>) {
        let program = std::env::current_exe().unwrap();
        let mut process =
            Command::new(program).arg("serve").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let commands = process.stdin.take().unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        let mut servers = Self { process, commands, output };
        let addresses = servers.read_line().split_whitespace().map(str::to_owned).collect();
        (servers, addresses)
    }

    fn command(&mut self, command: &str) {
        writeln!(self.commands, "{command}").unwrap();
        self.read_line();
    }

    fn read_line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line
    }

    fn stop(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// The cost of one call, averaged over a number of calls.
struct Cost {
    /// CPU time of the caller's thread, in microseconds.
    cpu: f64,
    /// Elapsed time, in microseconds.
    wall: f64,
    /// The peak resident memory, in KiB.
    peak: u64,
}

pub(crate) fn compare() {
    let (mut servers, addresses) = Servers::start();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let client = Client::new(config(&addresses)).unwrap();
    let session = runtime.block_on(client.open(serde_json::json!({}))).unwrap();
    let calls = |count| runtime.block_on(calls(&session, &addresses[0], count));
    let flush = || assert!(runtime.block_on(client.flush(TIMEOUT)).is_ok());
    calls(BURST / 10);
    flush();
    let before = resident();
    println!("{:>6} {:>30} {:>30} {:>12}", "round", "per call, Brain up", "per call, Brain down", "memory, KiB");
    let (mut up, mut down) = (Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        up.push(Cost::mean((0..BURSTS_UP).map(|_| {
            flush();
            calls(BURST)
        })));
        flush();
        servers.command("down");
        down.push(calls(CALLS_DOWN));
        servers.command("up");
        flush();
        let growth = down[round - 1].peak as i64 - before as i64;
        println!("{round:>6} {:>30} {:>30} {growth:>+12}", up[round - 1], down[round - 1]);
    }
    servers.stop();
    report(&up, &down, before);
    let stats = client.stats();
    assert!(stats.dropped.total() >= 1_000_000 - 1_100 * ROUNDS as u64, "Brain was down: {stats}");
    println!("{stats}");
}

fn report(up: &[Cost], down: &[Cost], before: u64) {
    let medians =
        |costs: &[Cost]| (median(costs.iter().map(|cost| cost.cpu)), median(costs.iter().map(|cost| cost.wall)));
    let (up_medians, down_medians) = (medians(up), medians(down));
    let peak = down.iter().map(|cost| cost.peak).max().unwrap_or(0);
    println!(
        "Brain down relative to Brain up, median per call: CPU time {:.3}, elapsed time {:.3}",
        down_medians.0 / up_medians.0,
        down_medians.1 / up_medians.1
    );
    println!("resident memory grew by at most {:.1} MiB", peak.saturating_sub(before) as f64 / 1024.0);
}

fn config(addresses: &[String]) -> Config {
    let variables = [
        ("OTAS_PROJECT_DOMAIN", "https://inside.example".to_owned()),
        ("OTAS_UASAM_URL", addresses[1].clone()),
        ("OTAS_BRAIN_URL", addresses[2].clone()),
        ("OTAS_AGENT_KEY", addresses[3].clone()),
    ];
    Config::from_vars(variables).unwrap()
}

async fn calls(session: &Session, url: &str, count: usize) -> Cost {
    let (before, started) = (cpu("thread-self"), Instant::now());
    let callers = (0..CALLERS).map(|_| {
        session.scope(async {
            let mut peak = 0;
            for n in 0..count / CALLERS {
                call(url).await.unwrap();
                if n % 1_000 == 0 {
                    peak = peak.max(resident());
                }
            }
            peak
        })
    });
    let peak = join_all(callers).await.into_iter().max().unwrap_or(0).max(resident());
    let per_call = |total: f64| total / count as f64;
    Cost { cpu: per_call(cpu("thread-self") - before), wall: per_call(started.elapsed().as_secs_f64() * 1e6), peak }
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
        let mean = |field: fn(&Self) -> f64| costs.iter().map(field).sum::<f64>() / costs.len() as f64;
        let peak = costs.iter().map(|cost| cost.peak).max().unwrap_or(0);
        Self { cpu: mean(|cost| cost.cpu), wall: mean(|cost| cost.wall), peak }
    }
}

impl std::fmt::Display for Cost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&format!("{:.1} us CPU, {:.1} us elapsed", self.cpu, self.wall))
    }
}
