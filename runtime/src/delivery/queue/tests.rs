//! What the queue accepts, sheds, drops and counts.

use super::*;
use crate::delivery::tests::{call, heavy_call};

fn take_all(queue: &Queue) -> Vec<(Ticket, Box<RawCall>)> {
    let mut events = VecDeque::new();
    queue.take(&mut events, false);
    let raw = events.into_iter().map(|event| match event.payload {
        Payload::Raw(call) => (event.ticket, call),
        Payload::Encoded(_) => panic!("the queue does not encode"),
    });
    raw.collect()
}

fn is_balanced(stats: Stats) -> bool {
    stats.recorded == stats.delivered + stats.dropped.total() + stats.pending
}

#[test]
fn a_full_queue_drops_the_newest_event() {
    let queue = Queue::new();

    for sequence in 0..MAX_EVENTS + 5 {
        let _ = queue.record(call("s", sequence), Instant::now());
    }

    let stats = queue.stats();
    assert_eq!((stats.pending, stats.dropped.queue_overflow), (MAX_EVENTS, 5));
    assert!(is_balanced(stats));
    assert_eq!(take_all(&queue).last().unwrap().1.sequence, MAX_EVENTS - 1);
}

#[test]
fn a_queue_three_quarters_full_sheds_bodies() {
    let queue = Queue::new();

    for sequence in 0..MAX_EVENTS {
        let _ = queue.record(heavy_call("s", sequence, 100), Instant::now());
    }

    let shed: Vec<_> = take_all(&queue).iter().map(|(_, call)| call.response_body.shed).collect();
    assert!(shed[..768].iter().all(|shed| !shed) && shed[768..].iter().all(|shed| *shed));
}

#[test]
fn the_queue_is_bounded_by_memory_too() {
    let queue = Queue::new();

    for sequence in 0..1_000 {
        let _ = queue.record(heavy_call("s", sequence, 100 * 1024), Instant::now());
    }

    let stats = queue.stats();
    assert!(stats.bytes <= MAX_BYTES);
    assert!(take_all(&queue).iter().any(|(_, call)| call.response_body.shed));
    assert!(is_balanced(stats));
}

#[test]
fn an_event_that_fits_only_without_its_bodies_is_kept_without_them() {
    let queue = Queue::new();
    let long = |sequence| RawCall { error: Some(" ".repeat(20 * 1024)), ..call("s", sequence) };
    let mut sequence = 0;
    while queue.stats().bytes < MAX_BYTES - 64 * 1024 {
        let _ = queue.record(long(sequence), Instant::now());
        sequence += 1;
    }

    let _ = queue.record(heavy_call("s", sequence, 100 * 1024), Instant::now());

    assert_eq!((queue.stats().dropped.total(), queue.stats().pending), (0, sequence + 1));
    assert!(take_all(&queue).last().is_some_and(|(_, call)| call.response_body.shed));
    assert!(queue.stats().bytes <= MAX_BYTES);
}

#[test]
fn a_closed_queue_drops_events_because_of_the_shutdown() {
    let queue = Queue::new();
    let _ = queue.record(call("s", 0), Instant::now());
    queue.close();

    let _ = queue.record(call("s", 1), Instant::now());

    let stats = queue.stats();
    assert_eq!((stats.dropped.shutdown, stats.pending), (1, 1));
    queue.discard();
    assert_eq!((queue.stats().dropped.shutdown, queue.stats().pending, queue.stats().bytes), (2, 0, 0));
}

#[test]
fn a_watch_waits_for_earlier_events_only() {
    let queue = Queue::new();
    let _ = queue.record(call("s", 0), Instant::now());
    let _ = queue.record(call("s", 1), Instant::now());
    let mut watch = queue.watch().unwrap();
    let remaining = watch.remaining();
    let _ = queue.record(call("s", 2), Instant::now());
    let events = take_all(&queue);

    queue.delivered(events[2].0);
    queue.delivered(events[0].0);
    assert!(watch.done.try_recv().is_err());
    assert_eq!(remaining(), 1);
    queue.dropped(events[1].0, Reason::Rejected);

    assert!(watch.done.try_recv().is_ok());
    assert!(remaining() == 0 && queue.watch().is_none());
}

#[test]
fn only_the_first_event_starts_the_worker() {
    let queue = Queue::new();
    assert_eq!(queue.record(call("s", 0), Instant::now()), Recorded::StartWorker);
    assert_eq!(queue.record(call("s", 1), Instant::now()), Recorded::Nothing);
}

#[test]
fn a_queued_event_is_small_enough_to_move_under_the_lock() {
    assert!(size_of::<Queued>() <= 80, "{} bytes", size_of::<Queued>());
}
