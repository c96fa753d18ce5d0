//! Threads and lifetimes: shutdown, dropped clients, panics, and the work that overlaps a send.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::{Harness, LONG, delivery, on_one_thread, threads};
use crate::delivery::Delivery;
use crate::delivery::exporter::{Exporter, SendFuture};
use crate::delivery::queue::Envelope;
use crate::delivery::tests::{CountingKey, call, encoder};
use crate::server::BackgroundRuntime;
use otas_local::Fault;

#[tokio::test]
async fn shutdown_delivers_then_drops_later_events() {
    let harness = Harness::start().await;
    harness.delivery.record(harness.call(1));
    assert_eq!(harness.delivery.shutdown(LONG).await, Ok(()));
    harness.delivery.record(harness.call(2));
    let stats = harness.delivery.stats();
    assert_eq!((stats.delivered, stats.dropped.shutdown, stats.pending), (1, 1, 0));
    assert_eq!(harness.delivery.shutdown(LONG).await, Ok(()), "twice is fine");
}

#[tokio::test]
async fn shutdown_drops_events_at_its_timeout() {
    let harness = Harness::start().await;
    harness.server.brain().fail_randomly(1.0, Fault::Stall(LONG), 1);
    for sequence in 1..=3 {
        harness.delivery.record(harness.call(sequence));
    }
    let undelivered = harness.delivery.shutdown(Duration::from_millis(50)).await.unwrap_err();
    let stats = harness.delivery.stats();
    assert_eq!((undelivered.count(), stats.dropped.shutdown, stats.pending, stats.bytes), (3, 3, 0, 0));
}

#[test]
fn callers_need_neither_a_runtime_nor_timers() {
    let bare = || tokio::runtime::Builder::new_current_thread().build().unwrap();
    let full = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let harness = full.block_on(Harness::start());
    harness.delivery.record(harness.call(1));
    bare().block_on(harness.flush());
    std::thread::scope(|scope| scope.spawn(|| harness.delivery.record(harness.call(2))).join().unwrap());
    let stats = bare().block_on(harness.flush());
    assert_eq!(stats.delivered, 2);
}

#[tokio::test]
async fn events_of_a_dropped_client_are_still_delivered() {
    let mut harness = Harness::start().await;
    let runtime = Arc::new(BackgroundRuntime::start("otas").unwrap());
    drop(delivery(&harness.server, None, LONG, on_one_thread()));
    let spawner = runtime.clone();
    harness.delivery = delivery(&harness.server, None, LONG, threads(move |task| drop(spawner.spawn(task))));
    harness.delivery.record(harness.call(1));
    let queue = harness.delivery.queue.clone();
    let watch = queue.watch();

    drop(harness.delivery);

    if let Some(watch) = watch {
        watch.done().await;
    }
    assert_eq!(queue.stats().delivered, 1);
    drop(runtime);
}

#[tokio::test]
async fn events_are_counted_even_if_the_thread_ends() {
    let mut harness = Harness::start().await;
    harness.server.brain().fail_randomly(1.0, Fault::Stall(LONG), 1);
    let runtime = Arc::new(Mutex::new(Some(BackgroundRuntime::start("otas").unwrap())));
    let spawner = runtime.clone();
    harness.delivery.threads = threads(move |task| {
        if let Some(runtime) = &*spawner.lock().unwrap() {
            runtime.spawn(task);
        }
    });
    harness.delivery.record(harness.call(1));
    harness.delivery.record(harness.call(2));
    let watch = harness.delivery.queue.watch().unwrap();

    drop(runtime.lock().unwrap().take());

    watch.done().await;
    harness.delivery.record(harness.call(3));
    let stats = harness.delivery.stats();
    assert_eq!((stats.dropped.shutdown, stats.pending), (3, 0));
    assert_eq!(harness.delivery.flush(LONG).await, Ok(()));
}

/// Never gets a response.
struct SilentExporter;

impl Exporter for SilentExporter {
    fn send(&self, _: Envelope) -> SendFuture {
        Box::pin(std::future::pending())
    }
}

#[tokio::test]
async fn an_event_is_encoded_while_the_previous_one_awaits_its_response() {
    let encoded = Arc::new(AtomicU64::new(0));
    let mut encoder = encoder();
    encoder.key = Arc::new(CountingKey(encoded.clone()));
    let runtime = BackgroundRuntime::start("otas").unwrap();
    // Both events are recorded before the worker begins.
    let recorded = Arc::new(tokio::sync::Notify::new());
    let begin = recorded.clone();
    let spawn = move |task: Pin<Box<dyn Future<Output = ()> + Send>>| {
        let begin = begin.clone();
        drop(runtime.spawn(async move {
            begin.notified().await;
            task.await
        }));
    };
    let delivery = Delivery::new(encoder, Arc::new(SilentExporter), 1, || 0.0, threads(spawn));
    delivery.record(call("a", 1));
    delivery.record(call("a", 2));
    recorded.notify_one();

    let both = async {
        while encoded.load(Ordering::Relaxed) < 2 {
            tokio::task::yield_now().await;
        }
    };

    assert!(tokio::time::timeout(LONG, both).await.is_ok());
}

struct PanickingExporter;

impl Exporter for PanickingExporter {
    fn send(&self, _: Envelope) -> SendFuture {
        Box::pin(async { panic!("a bug in the exporter") })
    }
}

#[tokio::test]
async fn a_panic_while_sending_is_counted() {
    let delivery = Delivery::new(encoder(), Arc::new(PanickingExporter), 1, || 0.0, on_one_thread());
    delivery.record(call("a", 1));
    assert_eq!(delivery.flush(LONG).await, Ok(()));
    assert_eq!(delivery.stats().dropped.no_response, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_sessions_are_each_delivered_in_order() {
    let harness = Harness::start().await;
    let sessions: Vec<_> = (0..100).map(|n| format!("s{n}")).collect();
    for sequence in 0..10 {
        for session in &sessions {
            let mut call = harness.call_in(session, sequence);
            call.url.set_path(session);
            harness.delivery.record(call);
        }
    }

    assert_eq!(harness.flush().await.delivered, 1_000);

    let events = harness.events();
    for session in &sessions {
        let own = events.iter().filter(|event| event.path[1..] == **session);
        assert!(own.map(|event| event.metadata["sequence"].as_u64().unwrap()).eq(0..10));
    }
}
