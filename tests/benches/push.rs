//! What it costs the caller when a call outside the domain ends: the event is finished and pushed, within the drop of the answer.
//!
//! `cargo bench -p otas-tests --bench push` drops answers of bare reqwest and of the library, by turns, and tells the time and the
//! allocations of a drop. Brain is down meanwhile, so that nothing else runs.

use std::alloc::System;
use std::time::Instant;

use otas::{Client, Config, http, reqwest};
use otas_local::Server;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use upstream::{BODY, upstream};

#[path = "delivery/upstream.rs"]
mod upstream;

#[global_allocator]
static COUNTED: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const ROUNDS: usize = 31;
const ANSWERS: usize = 100;

/// Of one drop.
struct Cost {
    nanoseconds: f64,
    allocations: f64,
}

fn main() {
    let servers = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let callers = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let otas = servers.block_on(Server::builder().project_domain("https://inside.example").start()).unwrap();
    let url = servers.block_on(upstream());
    let client = Client::new(Config::from_vars(otas.env()).unwrap()).unwrap();
    callers.block_on(compare(&otas, &client, &url));
}

async fn compare(otas: &Server, client: &Client, url: &str) {
    let session = client.open(serde_json::json!({})).await.unwrap();
    let bare = reqwest::Client::builder().no_proxy().build().unwrap();
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        otas.brain().stop().unwrap();
        without.extend(round(async || bare.post(url).body(&BODY[..]).send().await.unwrap()).await);
        with.extend(session.scope(round(async || http::post(url).body(&BODY[..]).send().await.unwrap())).await);
        assert_eq!(client.stats().pending as usize, ANSWERS);
        otas.brain().restart().unwrap();
        assert!(client.flush(std::time::Duration::from_secs(60)).await.is_ok());
    }
    let (without, with) = (median(&without), median(&with));
    println!("a drop of an answer  {:>14} {:>12}", "nanoseconds", "allocations");
    for (name, cost) in [("bare reqwest", &without), ("otas", &with)] {
        println!("{name:<20} {:>14.0} {:>12.2}", cost.nanoseconds, cost.allocations);
    }
    let (time, allocations) = (with.nanoseconds - without.nanoseconds, with.allocations - without.allocations);
    println!("{:<20} {time:>14.0} {allocations:>12.2}", "finish and push");
}

/// Only the drop of each answer is counted.
async fn round(send: impl AsyncFn() -> reqwest::Response) -> Vec<Cost> {
    let mut costs = Vec::with_capacity(ANSWERS);
    for _ in 0..ANSWERS {
        let answer = send().await;
        let counted = Region::new(COUNTED);
        let began = Instant::now();
        drop(answer);
        let nanoseconds = began.elapsed().as_nanos() as f64;
        costs.push(Cost { nanoseconds, allocations: counted.change().allocations as f64 });
    }
    costs
}

fn median(costs: &[Cost]) -> Cost {
    let median = |of: fn(&Cost) -> f64| {
        let mut values: Vec<_> = costs.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    Cost { nanoseconds: median(|cost| cost.nanoseconds), allocations: median(|cost| cost.allocations) }
}
