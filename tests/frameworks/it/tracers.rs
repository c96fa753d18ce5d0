//! tracing and fastrace.

use otas::otas_session;

use crate::support;

#[otas_session(meta = { n })]
#[tracing::instrument]
async fn above_tracing(n: u8) -> String {
    assert_eq!(n, 1);
    support::session_id()
}

#[tracing::instrument(err, ret)]
#[otas_session(meta = { n })]
async fn below_tracing(n: u8) -> Result<String, String> {
    assert_eq!(n, 1);
    Ok(support::session_id())
}

#[otas_session(meta = { n })]
#[fastrace::trace]
async fn above_fastrace(n: u8) -> String {
    assert_eq!(n, 1);
    support::session_id()
}

#[fastrace::trace]
#[otas_session(meta = { n })]
async fn below_fastrace(n: u8) -> String {
    assert_eq!(n, 1);
    support::session_id()
}

#[async_trait::async_trait]
trait Traced {
    async fn run(&self) -> String;
}

#[async_trait::async_trait]
impl Traced for u8 {
    #[otas_session]
    #[tracing::instrument]
    async fn run(&self) -> String {
        support::session_id()
    }
}

#[tokio::test]
async fn the_body_sees_its_session_above_and_below_a_tracer() {
    support::start();

    assert!(support::was_opened(&above_tracing(1).await));
    assert!(support::was_opened(&below_tracing(1).await.expect("ok")));
    assert!(support::was_opened(&above_fastrace(1).await));
    assert!(support::was_opened(&below_fastrace(1).await));
    assert!(support::was_opened(&1u8.run().await));
}
