//! Delivery: whatever happens to Brain, calls continue, order is kept, and every event is counted.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use otas::stats::Stats;
use otas::{Client, Clock, http};
use otas_local::{Fault, Server};
use serde_json::json;

use crate::support::{TempFile, Upstream, fetch, otas_around, otas_around_with, runtime};

/// Enough for any retry, since each flush ends the pause before the next one.
const TIMEOUT: Duration = Duration::from_secs(60);

fn is_balanced(stats: Stats) -> bool {
    stats.recorded == stats.delivered + stats.dropped.total() + stats.pending
}

/// Flushes until nothing is pending.
async fn flush_all(client: &Client) -> Stats {
    let deadline = Instant::now() + TIMEOUT;
    while client.flush(Duration::from_millis(100)).await.is_err() {
        assert!(Instant::now() < deadline, "{}", client.stats());
        assert!(is_balanced(client.stats()));
    }
    let stats = client.stats();
    assert!(is_balanced(stats) && stats.pending == 0, "{stats}");
    stats
}

/// Runs `sessions` sessions concurrently, each with `calls` sequential calls to the outside.
async fn run_agents(client: &Client, upstream: &Upstream, sessions: usize, calls: usize) {
    let mut running = tokio::task::JoinSet::new();
    for _ in 0..sessions {
        let (client, upstream) = (client.clone(), upstream.clone());
        running.spawn(async move {
            let session = client.open(json!({})).await.unwrap();
            session
                .scope(async {
                    for call in 0..calls {
                        fetch(upstream.outside(&format!("/{call}"))).await;
                    }
                })
                .await;
        });
    }
    while let Some(done) = running.join_next().await {
        done.unwrap();
    }
}

/// Asserts that the events of each session are in order, and returns the highest number of times
/// that any event was stored.
fn max_copies(otas: &Server) -> usize {
    let mut copies = HashMap::<String, usize>::new();
    for session in otas.sessions() {
        let events = otas.events(&session.id);
        assert!(events.is_sorted_by_key(|event| event.metadata["sequence"].as_u64().unwrap()), "{}", session.id);
        for event in events {
            *copies.entry(event.metadata["event_id"].as_str().unwrap().to_owned()).or_default() += 1;
        }
    }
    copies.into_values().max().unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn random_faults_keep_counts_balanced_order_intact_and_repeats_few() {
    for seed in 0..6_u64 {
        let upstream = Upstream::start().await;
        let (otas, client) = otas_around(&upstream).await;
        let brain = otas.brain();
        let lost_responses = seed % 2 == 1;
        let faults = [
            Fault::Status(503),
            Fault::Status(429),
            Fault::Html(500),
            Fault::Reset,
            Fault::Refusal(401, "invalid_or_expired_agent_key"),
            Fault::Html(502),
            Fault::NotHttp,
            Fault::Status(400),
            Fault::RetryAfter { status: 503, seconds: 0 },
        ];
        for (n, fault) in faults.into_iter().enumerate() {
            brain.fail_randomly(0.04, fault, seed * 100 + n as u64);
        }
        if lost_responses {
            brain.fail_randomly(0.1, Fault::ResetAfterEffect, seed);
        }

        run_agents(&client, &upstream, 4, 15).await;
        let stats = flush_all(&client).await;

        assert_eq!(stats.recorded, 60);
        let copies = max_copies(&otas);
        assert!(copies <= if lost_responses { 2 } else { 1 }, "seed {seed}: {copies}");
        assert!(otas.event_count() as u64 >= stats.delivered, "{stats}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_delivered_once_brain_comes_back() {
    let upstream = Upstream::start().await;
    let (otas, client) = otas_around(&upstream).await;
    run_agents(&client, &upstream, 2, 5).await;
    flush_all(&client).await;

    otas.brain().stop().unwrap();
    run_agents(&client, &upstream, 3, 10).await;
    assert_eq!(client.flush(Duration::from_millis(50)).await.unwrap_err().count(), 30);
    otas.brain().restart().unwrap();

    let stats = flush_all(&client).await;

    assert_eq!((stats.delivered, otas.event_count()), (40, 40));
    assert_eq!(max_copies(&otas), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_delivered_once_uasam_comes_back() {
    let upstream = Upstream::start().await;
    let (otas, client) = otas_around(&upstream).await;
    let session = client.open(json!({})).await.unwrap();
    session.scope(fetch(upstream.outside("/1"))).await;
    flush_all(&client).await;

    otas.uasam().stop().unwrap();
    session.scope(fetch(upstream.outside("/2"))).await;
    assert_eq!(client.flush(Duration::from_millis(100)).await.unwrap_err().count(), 1);
    otas.uasam().restart().unwrap();

    assert_eq!(flush_all(&client).await.delivered, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn delivery_picks_up_a_key_replaced_in_its_file() {
    let upstream = Upstream::start().await;
    let otas = Server::builder().project_domain(upstream.inside("")).start().await.unwrap();
    let file = TempFile::with(&otas.agent_key());
    let config = otas::Config::builder().agent_key_file(file.path()).uasam_url(otas.uasam_url());
    let config = config.brain_url(otas.brain_url()).project_domain(upstream.inside(""));
    let client = Client::new(config.build().unwrap()).unwrap();
    let session = client.open(json!({})).await.unwrap();
    let old = otas.agent_key();
    let new = otas.rotate_key();
    file.write(&new);

    session.scope(fetch(upstream.outside("/"))).await;
    let stats = flush_all(&client).await;

    assert_ne!(old, new);
    assert_eq!((stats.delivered, stats.retried, stats.dropped.total()), (1, 1, 0), "{stats}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_rejected_because_of_clock_skew_is_retried_once() {
    let upstream = Upstream::start().await;
    let (otas, client) = otas_around(&upstream).await;
    otas.brain().fail_next(1, Fault::Refusal(401, "invalid_or_expired_token"));

    run_agents(&client, &upstream, 1, 2).await;
    let stats = flush_all(&client).await;

    assert_eq!((stats.delivered, stats.retried), (2, 1));
}

#[test]
fn events_outlive_the_runtime_that_recorded_them() {
    let first = runtime();
    let (otas, client) = first.block_on(async {
        let upstream = Upstream::start().await;
        let (otas, client) = otas_around(&upstream).await;
        run_agents(&client, &upstream, 1, 3).await;
        (otas, client)
    });
    drop(first);

    let stats = runtime().block_on(flush_all(&client));

    assert_eq!((stats.delivered, otas.event_count()), (3, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn dropping_the_client_still_delivers_its_events() {
    let upstream = Upstream::start().await;
    let (otas, client) = otas_around(&upstream).await;
    run_agents(&client, &upstream, 2, 3).await;

    drop(client);

    let deadline = Instant::now() + TIMEOUT;
    while otas.event_count() < 6 {
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stalled_brain_delays_no_call() {
    let upstream = Upstream::start().await;
    let (otas, client) = otas_around(&upstream).await;
    otas.brain().fail_randomly(1.0, Fault::Stall(TIMEOUT), 1);

    tokio::time::timeout(Duration::from_secs(20), run_agents(&client, &upstream, 4, 10)).await.unwrap();

    assert_eq!(client.stats().pending, 40);
    let undelivered = client.shutdown(Duration::from_millis(10)).await.unwrap_err();
    let stats = client.stats();
    assert_eq!((undelivered.count(), stats.pending, stats.dropped.shutdown), (40, 0, 40));
    assert!(is_balanced(stats));
}

#[tokio::test]
async fn flush_reports_the_events_still_undelivered_at_its_deadline() {
    let upstream = Upstream::start().await;
    let (otas, client) = otas_around(&upstream).await;
    let session = client.open(json!({})).await.unwrap();
    otas.brain().stop().unwrap();
    session.scope(fetch(upstream.outside("/"))).await;

    let started = Instant::now();
    assert_eq!(client.flush(Duration::from_millis(200)).await.unwrap_err().count(), 1);
    assert!(started.elapsed() < Duration::from_secs(5));

    otas.brain().restart().unwrap();
    assert!(client.flush(Duration::from_secs(30)).await.is_ok());
    assert_eq!(client.stats().delivered, 1);
}

#[tokio::test]
async fn calls_after_shutdown_succeed_and_their_events_count_as_dropped() {
    let upstream = Upstream::start().await;
    let (_otas, client) = otas_around(&upstream).await;
    let session = client.open(json!({})).await.unwrap();
    assert!(client.shutdown(Duration::from_secs(1)).await.is_ok());

    let body = session.scope(fetch(upstream.outside("/"))).await;

    assert_eq!((body.as_str(), client.stats().dropped.shutdown), ("hello", 1));
}

#[tokio::test]
async fn an_event_undelivered_for_fifteen_minutes_expires() {
    let upstream = Upstream::start().await;
    let clock = Clock::new();
    let (otas, client) = otas_around_with(&upstream, |config| config.clock(&clock)).await;
    let session = client.open(json!({})).await.unwrap();
    otas.brain().stop().unwrap();
    session.scope(fetch(upstream.outside("/"))).await;
    assert_eq!(client.flush(Duration::from_millis(300)).await.unwrap_err().count(), 1);

    clock.advance(Duration::from_secs(16 * 60));

    assert!(client.flush(Duration::from_secs(10)).await.is_ok());
    assert_eq!((client.stats().dropped.expired, client.stats().pending), (1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_concurrent_sessions_each_record_their_own_call() {
    #[otas::otas_session(meta = { "n": n })]
    async fn run(url: &str, n: usize) -> String {
        http::get(url).query(&[("n", n)]).await.unwrap().text().await.unwrap();
        otas::Session::current().unwrap().id().to_string()
    }
    let upstream = Upstream::start().await;
    let (otas, client) = otas_around(&upstream).await;
    let mut runs = tokio::task::JoinSet::new();
    for n in 0..1_000 {
        let (client, url) = (client.clone(), upstream.outside("/"));
        runs.spawn(async move { (n, client.scope(run(&url, n)).await) });
    }

    let runs = runs.join_all().await;
    assert!(client.flush(Duration::from_secs(60)).await.is_ok());

    assert_eq!((otas.sessions().len(), client.stats().delivered), (1_000, 1_000));
    for (n, id) in runs {
        let queries: Vec<_> = otas.events(&id).into_iter().map(|event| event.row["query_params"].clone()).collect();
        assert_eq!(queries, [json!(format!("n={n}"))]);
    }
}
