//! The `on_event` hook: edits or drops events, and never delays or breaks the agent.

use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use otas::event::Event;
use serde_json::json;

use crate::support::{Upstream, fetch, otas_around_with};

#[tokio::test]
async fn a_hook_can_edit_or_drop_events_and_a_panic_drops_the_event() {
    let upstream = Upstream::start().await;
    let hook = |mut event: Event| match event.path() {
        "/drop" => None,
        "/panic" => panic!("in the hook"),
        _ => {
            event.set_property("team", "search");
            Some(event)
        }
    };
    let (otas, client) = otas_around_with(&upstream, |config| config.on_event(hook)).await;
    let session = client.open(json!({})).await.unwrap();

    for path in ["/drop", "/panic", "/keep"] {
        session.scope(fetch(upstream.outside(path))).await;
    }
    assert!(client.flush(Duration::from_secs(10)).await.is_ok());

    let events = otas.events(session.id().as_str());
    assert_eq!((events.len(), &events[0].custom_properties["team"]), (1, &json!("search")));
    let stats = client.stats();
    assert_eq!((stats.recorded, stats.delivered, stats.dropped.by_hook, stats.dropped.hook_panicked), (3, 1, 1, 1));
}

#[tokio::test]
async fn a_hook_can_remove_a_body_and_runs_on_the_delivery_thread() {
    let upstream = Upstream::start().await;
    let threads = Arc::new(Mutex::new(Vec::new()));
    let seen = threads.clone();
    let hook = move |mut event: Event| {
        seen.lock().unwrap().push(std::thread::current().name().map(str::to_owned));
        match event.path() {
            "/drop" => None,
            "/panic" => panic!("in the hook"),
            _ => {
                event.set_property("team", "search");
                event.response_mut().set_body(None);
                Some(event)
            }
        }
    };
    let (otas, client) = otas_around_with(&upstream, |config| config.on_event(hook)).await;
    let session = client.open(json!({})).await.unwrap();

    session
        .scope(async {
            for path in ["/drop", "/panic", "/keep"] {
                fetch(upstream.outside(path)).await;
            }
        })
        .await;
    assert!(client.flush(Duration::from_secs(30)).await.is_ok());

    let events = otas.events(session.id().as_str());
    assert_eq!(events.len(), 1);
    assert_eq!((events[0].path.as_str(), &events[0].custom_properties["team"]), ("/keep", &json!("search")));
    assert!(events[0].row["response_body"].is_null() && events[0].row["response_size_bytes"] == 5);
    let stats = client.stats();
    assert_eq!((stats.dropped.by_hook, stats.dropped.hook_panicked, stats.delivered), (1, 1, 1));
    let threads = threads.lock().unwrap();
    assert!(threads.iter().all(|thread| thread.as_deref() == Some("otas-delivery")), "{threads:?}");
}

#[tokio::test]
async fn a_blocking_hook_delays_neither_sessions_nor_flush_deadlines() {
    let upstream = Upstream::start().await;
    let (release, released) = mpsc::channel::<()>();
    let released = Mutex::new(released);
    let hook = move |event: Event| {
        let _ = released.lock().unwrap().recv();
        Some(event)
    };
    let (_otas, client) = otas_around_with(&upstream, |config| config.on_event(hook)).await;
    let session = client.open(json!({})).await.unwrap();

    session.scope(fetch(upstream.outside("/"))).await;

    assert_eq!(client.flush(Duration::from_millis(200)).await.unwrap_err().count(), 1);
    client.open(json!({})).await.unwrap();
    drop(release);
    assert!(client.flush(Duration::from_secs(10)).await.is_ok());
}
