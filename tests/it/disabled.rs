//! `OTAS_DISABLED`: bodies run, requests are sent plainly, and nothing else happens.

use std::cell::Cell;
use std::time::Duration;

use otas::stats::Stats;
use otas::{Client, Config, Session, SessionExt, otas_session};
use serde_json::json;

use crate::support::{Upstream, disabled, fetch, otas_around};

#[tokio::test]
async fn when_disabled_nothing_is_sent_or_evaluated() {
    #[otas_session(meta = { "x": count(evaluated) }, client = client)]
    async fn run(client: &Client, evaluated: &Cell<u32>) -> bool {
        Session::current().is_none()
    }
    fn count(evaluated: &Cell<u32>) -> u32 {
        evaluated.set(evaluated.get() + 1);
        0
    }
    let config = Config::from_vars([("OTAS_DISABLED", "Yes"), ("OTAS_AGENT_KEY", "wrong")]).unwrap();
    let client = Client::new(config).unwrap();
    let evaluated = Cell::new(0);

    assert!(run(&client, &evaluated).await);

    assert_eq!(evaluated.get(), 0);
    assert!(client.open(json!({})).await.unwrap_err().is_disabled());
}

#[tokio::test]
async fn when_disabled_requests_are_sent_plainly_and_nothing_is_counted() {
    let upstream = Upstream::start().await;
    let client = disabled().unwrap();

    client
        .scope(async {
            assert!(Session::current().is_none());
            assert_eq!(fetch(upstream.inside("/")).await, "hello");
            assert_eq!(fetch(upstream.outside("/")).await, "hello");
            let spawned = otas::spawn(async { Session::current().is_none() }.in_current_session());
            assert!(spawned.await.unwrap());
        })
        .await;

    assert!(upstream.received().iter().all(|request| request.token().is_none()));
    assert_eq!(client.stats(), Stats::default());
    assert!(client.open(json!({})).await.unwrap_err().is_disabled());
    assert!(client.flush(Duration::ZERO).await.is_ok() && client.shutdown(Duration::ZERO).await.is_ok());
}

#[tokio::test]
async fn when_disabled_an_annotated_call_masks_the_surrounding_session() {
    #[otas_session(client = client)]
    async fn masked(client: &Client) -> (bool, bool) {
        #[otas_session]
        async fn inner() -> bool {
            Session::current().is_none()
        }
        (Session::current().is_none(), inner().await)
    }
    let upstream = Upstream::start().await;
    let (otas, client) = otas_around(&upstream).await;
    let session = client.open(json!({})).await.unwrap();

    assert_eq!(session.scope(masked(&disabled().unwrap())).await, (true, true));

    assert_eq!(otas.sessions().len(), 1);
}
