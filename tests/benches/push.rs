//! Compares the end of a captured request with the end of a plain reqwest request: what finishing the
//! event and pushing it into the queue costs the caller.
//!
//! `cargo bench -p otas-tests --bench push` drops responses of bare reqwest and of the library in
//! alternating rounds, and prints the median time and allocations of one drop. The last line is the
//! difference, which is the cost of the event. Brain is down, so that delivery does not run meanwhile.

use std::alloc::System;
use std::time::Instant;

use otas::{Client, Config, http, reqwest};
use otas_local::Server;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use upstream::{BODY, upstream};

#[path = "delivery/upstream.rs"]
mod upstream;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const ROUNDS: usize = 31;
const RESPONSES: usize = 100;

/// The cost of one drop.
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
        assert_eq!(client.stats().pending as usize, RESPONSES);
        otas.brain().restart().unwrap();
        assert!(client.flush(std::time::Duration::from_secs(60)).await.is_ok());
    }
    let (without, with) = (median(&without), median(&with));
    println!("{:<20} {:>14} {:>12}", "dropping a response", "nanoseconds", "allocations");
    for (name, cost) in [("bare reqwest", &without), ("otas", &with)] {
        println!("{name:<20} {:>14.0} {:>12.2}", cost.nanoseconds, cost.allocations);
    }
    let (time, allocations) = (with.nanoseconds - without.nanoseconds, with.allocations - without.allocations);
    println!("{:<20} {time:>14.0} {allocations:>12.2}", "difference");
}

/// Measures only the drop of each response.
async fn round(send: impl AsyncFn() -> reqwest::Response) -> Vec<Cost> {
    let mut costs = Vec::with_capacity(RESPONSES);
    for _ in 0..RESPONSES {
        let response = send().await;
        let region = Region::new(ALLOCATOR);
        let started = Instant::now();
        drop(response);
        let nanoseconds = started.elapsed().as_nanos() as f64;
        costs.push(Cost { nanoseconds, allocations: region.change().allocations as f64 });
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
