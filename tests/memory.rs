//! How much memory an open session holds: under 1 KiB, its token included, beside what its meta takes. Alone in its process, which is counted.

use std::alloc::System;

use otas::{Client, Config, Session};
use otas_local::Server;
use serde_json::json;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static COUNTED: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const SESSIONS: usize = 1000;

#[test]
fn an_open_session_holds_less_than_a_kibibyte() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (_otas, client, sessions) = runtime.block_on(async {
        let otas = Server::builder().project_domain("https://inside.example").start().await.unwrap();
        let client = Client::new(Config::from_vars(otas.env()).unwrap()).unwrap();
        let mut sessions: Vec<Session> = Vec::with_capacity(SESSIONS);
        for _ in 0..SESSIONS {
            let session = client.open(json!({})).await.unwrap();
            session.token().unwrap(); // used once
            sessions.push(session);
        }
        (otas, client, sessions)
    });
    let token = sessions[0].token().unwrap().expose_secret().len();

    // What is given back when they end is what they held; nothing else runs now.
    let counted = Region::new(COUNTED);
    sessions.into_iter().for_each(drop);
    let freed = counted.change().bytes_deallocated;

    let each = freed / SESSIONS;
    println!("an open session holds {each} bytes, {token} of them its token");
    assert!(each > token, "the token at least was counted: {each} bytes");
    assert!(each < 1024, "{each} bytes");
    assert_eq!(client.stats().sessions, SESSIONS as u64);
}
