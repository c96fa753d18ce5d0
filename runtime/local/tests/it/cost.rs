//! The time that requests cost, if a test asks for it.

use std::time::{Duration, Instant};

use otas_local::Server;

use crate::support::{list, log, open, token};

/// How long it takes to open `count` sessions at the same time.
fn opening(otas: &Server, count: usize) -> Duration {
    let start = Instant::now();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..count).map(|_| scope.spawn(|| open(otas, "{}").unwrap().status)).collect();
        assert!(threads.into_iter().all(|thread| thread.join().unwrap() == 200));
    });
    start.elapsed()
}

#[tokio::test]
async fn each_session_and_each_log_call_occupies_a_worker() {
    const COST: Duration = Duration::from_millis(40);
    let otas = Server::builder().cost(COST, 2).start().await.unwrap();
    // two workers need three rounds for six sessions; a slow machine only adds to that
    assert!(opening(&otas, 6) >= COST * 3);
    let start = Instant::now();
    let token = token(&otas);
    assert_eq!(log(&otas, &token, "").unwrap().status, 201);
    assert!(start.elapsed() >= COST * 2);
    assert_eq!((otas.sessions().len(), otas.event_count()), (7, 1));
}

#[tokio::test]
async fn reading_back_does_not_wait_for_a_worker() {
    let otas = Server::builder().cost(Duration::from_secs(3600), 1).start().await.unwrap();
    let unknown = "00000000-0000-4000-8000-000000000000";
    assert_eq!(list(&otas, &format!("session_id={unknown}")).unwrap().status, 200);
}
