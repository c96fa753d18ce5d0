//! The rules of delivery: order, pauses, expiry, keys, hooks, and the end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::{Harness, call, encoder, id_and_sequence, seconds, sequence, status};
use crate::delivery::engine::BATCH_WINDOW;
use crate::delivery::retry::{MAX_AGE, Outcome, TOKEN_PAUSE};
use crate::delivery::tests::CountingKey;

#[test]
fn a_session_sends_one_event_at_a_time_in_order() {
    let mut harness = Harness::new();
    harness.record("a", 1);
    harness.record("a", 2);

    let (first, envelope) = harness.next().unwrap();
    assert_eq!(sequence(&envelope), 1);
    assert!(harness.next().is_none(), "the second waits for the first");
    harness.complete(first, Outcome::Stored);

    assert_eq!(harness.send(Outcome::Stored), 2);
    assert_eq!((harness.stats().delivered, harness.stats().pending, harness.stats().bytes), (2, 0, 0));
}

#[test]
fn the_number_of_events_in_flight_is_limited() {
    let mut harness = Harness::new();
    for (session, sequence) in [("a", 1), ("b", 2), ("c", 3)] {
        harness.record(session, sequence);
    }

    let (first, _) = harness.next().unwrap();
    let (_second, _) = harness.next().unwrap();
    assert!(harness.next().is_none());
    harness.complete(first, Outcome::Stored);

    let (_, envelope) = harness.next().unwrap();
    assert_eq!(sequence(&envelope), 3);
}

#[test]
fn a_paused_session_delays_no_other() {
    let mut harness = Harness::new();
    harness.record("a", 1);
    harness.record("a", 2);
    harness.record("b", 3);

    assert_eq!(harness.send(Outcome::TokenRejected), 1);
    assert_eq!(harness.send(Outcome::Stored), 3);
    let rejected_at = harness.now;
    harness.advance(BATCH_WINDOW);
    assert!(harness.next().is_none());
    assert_eq!(harness.engine.wake_at(harness.now), Some(rejected_at + TOKEN_PAUSE));
    harness.advance(TOKEN_PAUSE - BATCH_WINDOW);

    assert_eq!(harness.send(Outcome::Stored), 1);
    assert_eq!(harness.send(Outcome::Stored), 2);
    assert_eq!(harness.stats().retried, 1);
}

#[test]
fn an_outage_pauses_all_sessions_and_is_probed_one_event_at_a_time() {
    let mut harness = Harness::new();
    for (session, sequence) in [("a", 1), ("b", 2), ("c", 3)] {
        harness.record(session, sequence);
    }

    assert_eq!(harness.send(Outcome::NotSent), 1);
    assert!(harness.next().is_none(), "all sessions are paused");
    harness.advance(Duration::from_millis(500));
    let (probe, envelope) = harness.next().unwrap();
    assert_eq!(sequence(&envelope), 2);
    assert!(harness.next().is_none(), "one probe at a time");
    harness.complete(probe, status(503));
    assert_eq!(harness.engine.wake_at(harness.now), Some(harness.now + seconds(1)), "the pause has doubled");
    harness.advance(seconds(1));
    assert_eq!(harness.send(Outcome::Stored), 3);

    assert_eq!(std::iter::from_fn(|| harness.next()).count(), 2, "the outage is over");
}

#[test]
fn a_flush_respects_retry_after() {
    let mut harness = Harness::new();
    harness.record("a", 1);
    harness.send(Outcome::Status { code: 429, retry_after: Some(seconds(20)) });
    harness.queue.command(|commands| commands.flush = true);

    harness.advance(seconds(19));
    assert!(harness.next().is_none());
    harness.advance(seconds(1));

    assert_eq!(harness.send(Outcome::Stored), 1);
}

#[test]
fn a_flush_skips_our_own_pauses() {
    let mut harness = Harness::new();
    harness.record("a", 1);
    for _ in 0..6 {
        harness.send(Outcome::NotSent);
        harness.advance(seconds(30));
    }
    harness.send(Outcome::NotSent);
    assert!(harness.next().is_none());

    harness.queue.command(|commands| commands.flush = true);

    assert_eq!(harness.send(Outcome::Stored), 1);
}

#[test]
fn an_event_expires_after_fifteen_minutes() {
    let mut harness = Harness::new();
    harness.record("a", 1);
    harness.send(Outcome::NotSent);
    harness.advance(seconds(60));
    harness.record("b", 2);
    harness.advance(MAX_AGE - seconds(60));

    let sent: Vec<_> = std::iter::from_fn(|| harness.next()).map(|(_, envelope)| sequence(&envelope)).collect();

    assert_eq!(sent, [2]);
    assert_eq!(harness.stats().dropped.expired, 1);
}

#[test]
fn an_event_that_expires_is_counted_under_its_last_failure() {
    let mut harness = Harness::new();
    harness.queue.set_key_worked();
    harness.record("a", 1);
    harness.send(Outcome::KeyRejected { changed: false });
    harness.advance(MAX_AGE);

    assert!(harness.next().is_none());

    assert_eq!(harness.stats().dropped.key_rejected, 1);
}

#[test]
fn a_replaced_key_is_used_immediately() {
    let mut harness = Harness::new();
    harness.record("a", 1);
    harness.send(Outcome::KeyRejected { changed: true });
    assert_eq!(harness.send(Outcome::Stored), 1);
}

#[test]
fn a_rejected_key_is_retried_only_if_it_has_worked() {
    let mut harness = Harness::new();
    harness.record("a", 1);
    harness.record("a", 2);
    assert_eq!(harness.send(Outcome::KeyRejected { changed: false }), 1);
    assert_eq!(harness.send(Outcome::Stored), 2);
    assert_eq!(harness.stats().dropped.key_rejected, 1);
    harness.record("a", 3);
    harness.send(Outcome::KeyRejected { changed: false });
    assert_eq!(harness.stats().pending, 1, "the key has worked by now");
}

#[test]
fn a_hook_may_edit_drop_or_panic() {
    let mut encoder = encoder();
    encoder.hook = Some(Arc::new(|mut event| match event.sequence() {
        1 => None,
        2 => panic!("a bug in the hook"),
        _ => {
            event.set_property("team", "search");
            Some(event)
        }
    }));
    let mut harness = Harness::with(encoder, 2);
    for sequence in 1..=3 {
        harness.record("a", sequence);
    }

    assert_eq!(harness.send(Outcome::Stored), 3);

    let dropped = harness.stats().dropped;
    assert_eq!((dropped.by_hook, dropped.hook_panicked, harness.stats().delivered), (1, 1, 1));
}

#[test]
fn the_next_event_is_encoded_while_one_is_in_flight() {
    let encoded = Arc::new(AtomicU64::new(0));
    let mut encoder = encoder();
    encoder.key = Arc::new(CountingKey(encoded.clone()));
    let encoded = || encoded.load(Ordering::Relaxed);
    let mut harness = Harness::with(encoder, 1);
    for (session, sequence) in [("a", 1), ("b", 9), ("a", 2), ("a", 3)] {
        harness.record(session, sequence);
    }
    let (in_flight, _) = harness.next().unwrap();
    assert_eq!(encoded(), 1);

    assert!(harness.engine.should_encode_next(&in_flight));
    harness.engine.encode_next(&in_flight);
    assert_eq!(encoded(), 2);
    assert!(!harness.engine.should_encode_next(&in_flight), "one is enough");
    harness.complete(in_flight, Outcome::Stored);

    let sent: Vec<_> = (0..3).map(|_| harness.send(Outcome::Stored)).collect();
    assert_eq!(sent, [9, 2, 3]);
    assert_eq!((encoded(), harness.stats().pending, harness.stats().bytes), (4, 0, 0));
}

#[test]
fn with_a_hook_no_event_is_encoded_before_its_turn() {
    let mut encoder = encoder();
    encoder.hook = Some(Arc::new(Some));
    let mut harness = Harness::with(encoder, 1);
    harness.record("a", 1);
    harness.record("a", 2);

    let (in_flight, _) = harness.next().unwrap();

    assert!(!harness.engine.should_encode_next(&in_flight));
}

#[test]
fn a_retry_keeps_the_event_id() {
    let mut harness = Harness::new();
    harness.record("a", 1);
    let (in_flight, first) = harness.next().unwrap();
    harness.complete(in_flight, Outcome::NoResponse);
    harness.advance(seconds(1));
    let (_, second) = harness.next().unwrap();
    assert_eq!(id_and_sequence(&first), id_and_sequence(&second));
}

#[test]
fn what_remains_when_delivery_ends_is_counted() {
    let mut harness = Harness::new();
    for (session, sequence) in [("a", 1), ("a", 2), ("b", 3)] {
        harness.record(session, sequence);
    }
    let (in_flight, _) = harness.next().unwrap();
    harness.record("c", 4);
    harness.queue.command(|commands| commands.abort = true);
    assert!(!harness.engine.accept(harness.now));

    harness.engine.abandon([in_flight].into_iter());
    drop(harness.engine);
    let _ = harness.queue.record(call("d", 5), harness.now);

    let stats = harness.queue.stats();
    assert_eq!((stats.dropped.shutdown, stats.pending, stats.bytes), (5, 0, 0));
}

#[test]
fn draining_ends_with_the_last_event_or_after_five_seconds() {
    let mut harness = Harness::new();
    harness.record("a", 1);
    harness.queue.close();
    harness.queue.command(|commands| commands.drain = true);

    assert!(harness.engine.accept(harness.now));
    harness.send(Outcome::NotSent);
    harness.advance(seconds(5));

    assert!(!harness.engine.accept(harness.now));
    let mut done = Harness::new();
    done.queue.command(|commands| commands.drain = true);
    assert!(!done.engine.accept(done.now));
}

#[test]
fn the_worker_sleeps_until_the_end_of_a_pause() {
    let mut harness = Harness::new();
    harness.record("a", 1);
    harness.send(Outcome::NotSent);
    assert!(harness.next().is_none());
    assert_eq!(harness.engine.wake_at(harness.now), Some(harness.now + Duration::from_millis(500)));
    // If the pause ends just before the worker sleeps, the engine asks to be called again.
    harness.advance(Duration::from_millis(500));
    assert_eq!(harness.engine.wake_at(harness.now), Some(harness.now));
}
