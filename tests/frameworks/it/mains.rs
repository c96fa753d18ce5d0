//! The attribute above macros that turn an async function into a synchronous one.

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
    // Only has to compile and run: no body runs before this session opens, so nothing can start the
    // local OTAS first.
    let _ = support::session_id();
}

#[test]
fn an_annotated_main_sees_its_session() {
    support::start();

    assert!(support::was_opened(&tokio_main()));
    assert!(support::was_opened(&main()));
}
