//! Compares delivery with a hand-written loop that sends the same POSTs at the same concurrency.
//!
//! `cargo bench -p otas-tests --bench delivery` sends events to a loopback Brain, by the library and
//! by the loop in alternating order, and prints events per second, the CPU time per event of the
//! sending thread, and the ratio of each: above 1, the library is the faster one.
//!
//! `-- memory` (takes minutes) compares a million calls while Brain is down with calls while it is up:
//! CPU time and elapsed time per call, for which a ratio above 1 means that the outage slows callers
//! down, and the growth of resident memory.
//!
//! If the clock is too noisy, count instructions: `valgrind --tool=callgrind --separate-threads=yes
//! BENCH count`, with the path of the built bench for BENCH, reports the library's delivery thread
//! and the thread of the loop separately. Linux only.

use otas::{http, reqwest};

mod memory;
mod rate;
mod upstream;

use upstream::{BODY, upstream};

fn main() {
    let has_argument = |name| std::env::args().any(|argument| argument == name);
    if has_argument("serve") {
        memory::serve();
    } else if has_argument("memory") {
        memory::compare();
    } else if has_argument("count") {
        rate::count();
    } else {
        rate::compare();
    }
}

async fn call(url: &str) -> reqwest::Result<()> {
    let response = http::post(url).body(&BODY[..]).header("content-type", "text/plain").send().await?;
    response.bytes().await.map(drop)
}

/// The CPU time that a thread has used so far, in microseconds.
fn cpu(task: &str) -> f64 {
    let schedstat = std::fs::read_to_string(format!("/proc/{task}/schedstat")).unwrap();
    schedstat.split_whitespace().next().unwrap().parse::<f64>().unwrap() / 1e3
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
