//! Compares delivery with a hand-written loop that sends the same POSTs at the same concurrency.
//!
//! `cargo bench -p otas-tests --bench delivery` sends events to a local Brain, by the library and by
//! the loop in turn, and prints events per second, the CPU time per event of the sending thread, and
//! the ratio of each pair of rounds: above 1, the library is faster than the loop.
//!
//! With `-- memory`, which takes minutes, it makes a million calls while Brain is down, alternating
//! with calls while it is up, and prints the CPU time and elapsed time per call, the ratio of down to
//! up (above 1, an outage slows callers down), and the growth of resident memory. Linux only.
//!
//! To count instructions instead, run the built bench under
//! `valgrind --tool=callgrind --separate-threads=yes BENCH count`: the threads `otas-delivery` and
//! `hand-written` send the same events.

use otas::{http, reqwest};

mod memory;
mod rate;
mod upstream;

use upstream::{BODY, upstream};

fn main() {
    let mode = std::env::args().nth(1);
    match mode.as_deref() {
        Some("serve") => memory::serve(),
        Some("memory") => memory::compare(),
        Some("count") => rate::count(),
        _ => rate::compare(),
    }
}

async fn call(url: &str) -> reqwest::Result<()> {
    let response = http::post(url).body(&BODY[..]).header("content-type", "text/plain").send().await?;
    response.bytes().await.map(drop)
}

/// The CPU time of a thread so far, in microseconds.
fn cpu(task: &str) -> f64 {
    let statistics = std::fs::read_to_string(format!("/proc/{task}/schedstat")).unwrap();
    statistics.split_whitespace().next().unwrap().parse::<f64>().unwrap() / 1e3
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    quartiles(values)[1]
}

/// The first quartile, the median and the third quartile.
fn quartiles(values: impl Iterator<Item = f64>) -> [f64; 3] {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| values[(values.len() - 1) * quarter / 4])
}
