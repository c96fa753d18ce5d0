//! Above the macros that make an ordinary function of an async one.

use otas::otas_session;

use crate::support;

#[otas_session]
#[tokio::main]
async fn tokio_main() -> String {
    support::session_id()
}

#[otas_session(meta = { "main": true })]
#[actix_web::main]
async fn main() -> String {
    support::session_id()
}

#[otas_session]
#[tokio::test]
async fn above_tokio_test() {
    // The attribute stands above: the session is there before the body, and the local OTAS may not be.
    let _ = support::session_id();
}

#[test]
fn an_annotated_main_sees_its_session() {
    support::start();

    assert!(support::opened(&tokio_main()));
    assert!(support::opened(&main()));
}
