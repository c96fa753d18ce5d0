//! Measures the memory of an open session, which must be under 1 KiB including its token.
//!
//! The only test of its binary, because the allocations of the whole process are counted.

use std::alloc::System;

use otas::{Client, Config, Session};
use otas_local::Server;
use serde_json::json;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const SESSIONS: usize = 1000;

#[test]
fn an_open_session_takes_less_than_a_kibibyte() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (_otas, client, sessions) = runtime.block_on(async {
        let otas = Server::builder().project_domain("https://inside.example").start().await.unwrap();
        let client = Client::new(Config::from_vars(otas.env()).unwrap()).unwrap();
        let mut sessions: Vec<Session> = Vec::with_capacity(SESSIONS);
        for _ in 0..SESSIONS {
            let session = client.open(json!({})).await.unwrap();
            session.token().unwrap(); // the first use may allocate
            sessions.push(session);
        }
        (otas, client, sessions)
    });
    let token = sessions[0].token().unwrap().expose_secret().len();

    // Dropping the sessions frees what they held, and nothing else runs meanwhile.
    let region = Region::new(ALLOCATOR);
    sessions.into_iter().for_each(drop);
    let freed = region.change().bytes_deallocated;

    let per_session = freed / SESSIONS;
    println!("an open session takes {per_session} bytes, {token} of them for its token");
    assert!(per_session > token, "the token alone takes more than {per_session} bytes");
    assert!(per_session < 1024, "{per_session} bytes");
    assert_eq!(client.stats().sessions, SESSIONS as u64);
}
