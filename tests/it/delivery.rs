//! Delivery as an agent sees it: whatever happens to Brain, the calls go on, the order holds, and everything is counted.

use std::collections::HashMap;
use std::time::Duration;

use otas::Client;
use otas::stats::Stats;
use otas_local::{Fault, Server};
use serde_json::json;

use crate::support::{Upstream, otas_around};

/// Long enough for anything; each flush ends the pauses before further tries.
const LONG: Duration = Duration::from_secs(60);

fn is_balanced(stats: Stats) -> bool {
    stats.recorded == stats.delivered + stats.dropped.total() + stats.pending
}

/// Flushes until nothing is pending.
async fn settle(client: &Client) -> Stats {
    let give_up = std::time::Instant::now() + LONG;
    while client.flush(Duration::from_millis(100)).await.is_err() {
        assert!(std::time::Instant::now() < give_up, "{}", client.stats());
        assert!(is_balanced(client.stats()));
    }
    let stats = client.stats();
    assert!(is_balanced(stats) && stats.pending == 0, "{stats}");
    stats
}

/// So many sessions at once, each with so many calls to the outside, one after the other.
async fn agents(client: &Client, site: &Upstream, sessions: usize, calls: usize) {
    let mut running = tokio::task::JoinSet::new();
    for _ in 0..sessions {
        let (client, site) = (client.clone(), site.clone());
        running.spawn(async move {
            let session = client.open(json!({})).await.unwrap();
            session
                .scope(async {
                    for call in 0..calls {
                        otas::http::get(site.outside(&format!("/{call}"))).send().await.unwrap().bytes().await.unwrap();
                    }
                })
                .await;
        });
    }
    while let Some(done) = running.join_next().await {
        done.unwrap();
    }
}

/// Whether each session's events stand in order, and how often the most frequent one stands there.
fn check_order(otas: &Server) -> usize {
    let mut most = 0;
    for session in otas.sessions() {
        let events = otas.events(&session.id);
        assert!(events.is_sorted_by_key(|event| event.metadata["sequence"].as_u64().unwrap()), "{}", session.id);
        let mut times = HashMap::<String, usize>::new();
        for event in events {
            *times.entry(event.metadata["event_id"].as_str().unwrap().to_owned()).or_default() += 1;
        }
        most = most.max(times.into_values().max().unwrap_or(0));
    }
    most
}

#[tokio::test(flavor = "multi_thread")]
async fn random_mixtures_of_faults_end_balanced_in_order_and_without_needless_repeats() {
    for seed in 0..6_u64 {
        let site = Upstream::start().await;
        let (otas, client) = otas_around(&site).await;
        let brain = otas.brain();
        let repeats = seed % 2 == 1;
        for (n, fault) in [
            Fault::Status(503),
            Fault::Status(429),
            Fault::Html(500),
            Fault::Reset,
            Fault::Refusal(401, "invalid_or_expired_agent_key"),
            Fault::Html(502),
            Fault::NotHttp,
            Fault::Status(400),
            Fault::RetryAfter { status: 503, seconds: 0 },
        ]
        .into_iter()
        .enumerate()
        {
            brain.fail_randomly(0.04, fault, seed * 100 + n as u64);
        }
        if repeats {
            brain.fail_randomly(0.1, Fault::ResetAfterEffect, seed);
        }

        agents(&client, &site, 4, 15).await;
        let stats = settle(&client).await;

        assert_eq!(stats.recorded, 60);
        let most = check_order(&otas);
        assert!(most <= if repeats { 2 } else { 1 }, "seed {seed}: {most}");
        assert!(otas.event_count() as u64 >= stats.delivered, "{stats}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn brain_may_go_down_and_come_back() {
    let site = Upstream::start().await;
    let (otas, client) = otas_around(&site).await;
    agents(&client, &site, 2, 5).await;
    settle(&client).await;
    otas.brain().stop().unwrap();
    agents(&client, &site, 3, 10).await;
    assert_eq!(client.flush(Duration::from_millis(50)).await.unwrap_err().count(), 30);
    otas.brain().restart().unwrap();

    let stats = settle(&client).await;

    assert_eq!((stats.delivered, otas.event_count()), (40, 40));
    assert_eq!(check_order(&otas), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_uasam_that_is_down_passes() {
    let site = Upstream::start().await;
    let (otas, client) = otas_around(&site).await;
    let session = client.open(json!({})).await.unwrap();
    session.scope(async { otas::http::get(site.outside("/1")).send().await.unwrap().bytes().await.unwrap() }).await;
    settle(&client).await;
    otas.uasam().stop().unwrap();
    session.scope(async { otas::http::get(site.outside("/2")).send().await.unwrap().bytes().await.unwrap() }).await;
    assert_eq!(client.flush(Duration::from_millis(100)).await.unwrap_err().count(), 1);
    otas.uasam().restart().unwrap();
    assert_eq!(settle(&client).await.delivered, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_replaced_in_its_file_is_picked_up_and_sessions_go_on() {
    let site = Upstream::start().await;
    let otas = Server::builder().project_domain(site.inside("")).start().await.unwrap();
    let file = std::env::temp_dir().join(format!("otas-key-{}", uuid::Uuid::new_v4()));
    std::fs::write(&file, otas.agent_key()).unwrap();
    let config = otas::Config::builder().agent_key_file(&file).uasam_url(otas.uasam_url()).brain_url(otas.brain_url());
    let client = Client::new(config.project_domain(site.inside("")).build().unwrap()).unwrap();
    let session = client.open(json!({})).await.unwrap();
    let old = otas.agent_key();
    let new = otas.rotate_key();
    std::fs::write(&file, &new).unwrap();

    session.scope(async { otas::http::get(site.outside("/")).send().await.unwrap().bytes().await.unwrap() }).await;
    let stats = settle(&client).await;

    std::fs::remove_file(&file).unwrap();
    assert_ne!(old, new);
    assert_eq!((stats.delivered, stats.retried, stats.dropped.total()), (1, 1, 0), "{stats}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_from_a_clock_that_runs_ahead_is_tried_once_more() {
    let site = Upstream::start().await;
    let (otas, client) = otas_around(&site).await;
    otas.brain().fail_next(1, Fault::Refusal(401, "invalid_or_expired_token"));
    agents(&client, &site, 1, 2).await;
    let stats = settle(&client).await;
    assert_eq!((stats.delivered, stats.retried), (2, 1));
}

#[test]
fn events_outlive_the_runtime_that_made_them() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let server = runtime();
    let (otas, client, site) = server.block_on(async {
        let site = Upstream::start().await;
        let (otas, client) = otas_around(&site).await;
        (otas, client, site)
    });
    // The site answers on this runtime, so the agent runs beside it.
    server.block_on(agents(&client, &site, 1, 3));
    drop(server);

    let stats = runtime().block_on(settle(&client));

    assert_eq!((stats.delivered, otas.event_count()), (3, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_is_dropped_still_delivers() {
    let site = Upstream::start().await;
    let (otas, client) = otas_around(&site).await;
    agents(&client, &site, 2, 3).await;

    drop(client);

    let give_up = std::time::Instant::now() + LONG;
    while otas.event_count() < 6 {
        assert!(std::time::Instant::now() < give_up);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_brain_holds_up_no_call() {
    let site = Upstream::start().await;
    let (otas, client) = otas_around(&site).await;
    otas.brain().fail_randomly(1.0, Fault::Stall(LONG), 1);
    tokio::time::timeout(Duration::from_secs(20), agents(&client, &site, 4, 10)).await.unwrap();
    assert_eq!(client.stats().pending, 40);
    let left = client.shutdown(Duration::from_millis(10)).await;
    let stats = client.stats();
    assert_eq!((left.unwrap_err().count(), stats.pending, stats.dropped.shutdown), (40, 0, 40));
    assert!(is_balanced(stats));
}
