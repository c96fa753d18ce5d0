//! What delivery costs.
//!
//! `cargo bench -p otas-tests --bench delivery` brings events to a loopback Brain, beside a hand-written loop of the same POSTs at the same
//! concurrency. With `-- memory`, which takes minutes, a million calls are made while Brain is down, by turns with calls while it is up: how
//! much memory they take, and whether the callers become slower. Linux only.
//!
//! Where the clock is too noisy, count instructions: `valgrind --tool=callgrind --separate-threads=yes BENCH count`, where BENCH is the built
//! bench, tells the thread that delivers and the one that posts by hand apart.

use otas::{http, reqwest};

mod memory;
mod rate;
mod upstream;

use upstream::{BODY, upstream};

fn main() {
    let is_told = |word| std::env::args().any(|argument| argument == word);
    match () {
        () if is_told("serve") => memory::serve(),
        () if is_told("memory") => memory::compare(),
        () if is_told("count") => rate::count(),
        () => rate::compare(),
    }
}

async fn call(url: &str) -> reqwest::Result<()> {
    let answer = http::post(url).body(&BODY[..]).header("content-type", "text/plain").send().await?;
    answer.bytes().await.map(drop)
}

/// The CPU time of a thread so far, in microseconds.
fn cpu(task: &str) -> f64 {
    let told = std::fs::read_to_string(format!("/proc/{task}/schedstat")).unwrap();
    told.split_whitespace().next().unwrap().parse::<f64>().unwrap() / 1e3
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
