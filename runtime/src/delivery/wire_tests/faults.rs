//! What delivery makes of every fault of Brain and of the network.

use std::time::Duration;

use super::{Harness, LONG};
use crate::delivery::stats::Stats;
use otas_local::{Fault, Server};

#[tokio::test]
async fn after_a_passing_fault_the_event_is_stored_once() {
    let statuses = [408, 429, 500, 502, 503, 504].map(Fault::Status);
    let others = [
        Fault::Html(500),
        Fault::Html(503),
        Fault::RetryAfter { status: 429, seconds: 0 },
        Fault::Reset,
        Fault::NotHttp,
        Fault::Huge(10 << 20),
        Fault::Refusal(401, "invalid_or_expired_token"),
    ];
    for fault in statuses.into_iter().chain(others) {
        let harness = Harness::start().await;
        // A 200, which is not what Brain responds with.
        let refused = matches!(fault, Fault::Huge(_));
        harness.server.brain().fail_next(1, fault.clone());
        for sequence in 1..=3 {
            harness.delivery.record(harness.call(sequence));
        }

        let stats = harness.flush().await;

        let expected: &[u64] = if refused { &[2, 3] } else { &[1, 2, 3] };
        assert_eq!(harness.sequences(), expected, "{fault:?}: {stats}");
        assert_eq!(stats.retried, u64::from(!refused), "{fault:?}");
    }
}

#[tokio::test]
async fn an_event_that_may_have_arrived_is_resent_with_the_same_id() {
    for fault in [Fault::ResetAfterEffect, Fault::Late(LONG)] {
        let server = Server::start().await.unwrap();
        let harness = Harness::with(server, None, Duration::from_millis(600)).await;
        harness.server.brain().fail_next(1, fault.clone());
        harness.delivery.record(harness.call(1));

        let stats = harness.flush().await;

        let events = harness.events();
        assert_eq!((events.len(), stats.delivered, stats.retried), (2, 1, 1), "{fault:?}");
        assert_eq!(events[0].metadata["event_id"], events[1].metadata["event_id"]);
    }
}

#[tokio::test]
async fn a_response_that_breaks_off_after_its_status_counts() {
    for fault in [Fault::Truncated, Fault::Drip(Duration::from_millis(1))] {
        let harness = Harness::start().await;
        harness.server.brain().fail_next(1, fault.clone());
        harness.delivery.record(harness.call(1));
        let stats = harness.flush().await;
        assert_eq!((harness.events().len(), stats.delivered, stats.retried), (1, 1, 0), "{fault:?}");
    }
}

#[tokio::test]
async fn each_permanent_failure_is_counted_under_its_reason() {
    let refused = |stats: Stats| stats.dropped.refused;
    type Counter = fn(Stats) -> u64;
    let rows: [(Fault, usize, Counter); 9] = [
        (Fault::Status(400), 1, refused),
        (Fault::Refusal(403, "session_agent_mismatch"), 1, refused),
        (Fault::Redirect("/nowhere".to_owned()), 1, refused),
        (Fault::Html(404), 1, refused),
        (Fault::Status(500), 2, |stats| stats.dropped.server_error),
        (Fault::Reset, 2, |stats| stats.dropped.no_response),
        (Fault::Refusal(401, "invalid_or_expired_token"), 2, |stats| stats.dropped.token_refused),
        (Fault::Refusal(401, "invalid_or_expired_agent_key"), 1, |stats| stats.dropped.key_refused),
        (Fault::Html(401), 1, |stats| stats.dropped.key_refused),
    ];
    for (fault, times, count) in rows {
        let harness = Harness::start().await;
        harness.server.brain().fail_next(times, fault.clone());
        harness.delivery.record(harness.call(1));

        let stats = harness.flush().await;

        assert_eq!((count(stats), stats.dropped.total(), stats.delivered), (1, 1, 0), "{fault:?}: {stats}");
        assert!(
            harness.server.requests().iter().all(|request| request.path != "/nowhere"),
            "redirects are not followed"
        );
    }
}

#[tokio::test]
async fn a_false_rejection_of_a_key_that_has_worked_passes() {
    let harness = Harness::start().await;
    harness.stored(harness.call(1)).await;
    harness.server.brain().fail_next(3, Fault::Refusal(401, "invalid_or_expired_agent_key"));
    harness.stored(harness.call(2)).await;
    assert_eq!(harness.delivery.stats().retried, 3);
}

#[tokio::test]
async fn events_wait_until_brain_is_back() {
    let harness = Harness::start().await;
    harness.server.brain().stop().unwrap();
    for sequence in 1..=20 {
        harness.delivery.record(harness.call(sequence));
    }
    let undelivered = harness.delivery.flush(Duration::from_millis(50)).await.unwrap_err();
    assert_eq!(undelivered.count(), 20);

    harness.server.brain().restart().unwrap();

    assert_eq!(harness.flush().await.delivered, 20);
    assert!(harness.sequences().is_sorted());
}
