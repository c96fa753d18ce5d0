//! What the attribute does around a body: it opens, masks and restores sessions, and passes on
//! failures.

use std::cell::Cell;
use std::sync::Arc;

use otas::{Client, Session, otas_session};
use serde_json::{Value, json};

use crate::support::{Otas, disabled, unreachable};

type Test = Result<(), otas::Error>;

/// The meta of the current session.
fn meta() -> Option<Value> {
    Session::current().map(|session| Value::Object(session.meta().clone()))
}

#[otas_session]
async fn without_arguments() -> Option<Value> {
    meta()
}

#[tokio::test]
async fn meta_defaults_to_an_empty_object() -> Test {
    let otas = Otas::start().await?;

    let seen = otas.client.scope(without_arguments()).await;

    assert_eq!(seen, Some(json!({})));
    assert_eq!(otas.metas(), [json!({})]);
    Ok(())
}

#[tokio::test]
async fn each_call_opens_its_own_session() -> Test {
    let otas = Otas::start().await?;
    #[otas_session]
    async fn id() -> Option<String> {
        tokio::task::yield_now().await;
        Some(Session::current()?.id().to_string())
    }

    let ids = otas.client.scope(async { tokio::join!(id(), id(), id()) }).await;

    assert!(ids.0.is_some() && ids.0 != ids.1 && ids.1 != ids.2 && ids.0 != ids.2, "{ids:?}");
    Ok(())
}

#[tokio::test]
async fn a_nested_call_gets_its_own_session_and_then_restores_the_outer_one() -> Test {
    let otas = Otas::start().await?;
    #[otas_session(meta = { "level": level })]
    async fn nested(level: u8) -> Vec<Value> {
        let mut seen: Vec<Value> = meta().into_iter().collect();
        if level < 2 {
            seen.extend(Box::pin(nested(level + 1)).await);
            seen.extend(meta());
        }
        seen
    }

    let seen = otas.client.scope(nested(0)).await;

    let levels: Vec<_> = seen.iter().map(|meta| meta["level"].as_u64()).collect();
    assert_eq!(levels, [0, 1, 2, 1, 0].map(Some));
    Ok(())
}

#[tokio::test]
async fn a_call_that_fails_to_open_a_session_masks_the_outer_one() -> Test {
    let otas = Otas::start().await?;
    let unreachable = unreachable()?;
    #[otas_session(client = unreachable)]
    async fn inner(unreachable: &Client) -> bool {
        Session::current().is_none()
    }
    #[otas_session]
    async fn outer(unreachable: &Client) -> (bool, bool) {
        (inner(unreachable).await, Session::current().is_some())
    }

    let seen = otas.client.scope(outer(&unreachable)).await;

    assert_eq!(seen, (true, true));
    Ok(())
}

#[tokio::test]
async fn on_error_fail_returns_the_error_without_running_the_body() -> Test {
    let ran = Cell::new(false);
    #[otas_session(client = client, on_error = fail)]
    async fn body(client: &Client, ran: &Cell<bool>) -> Result<u8, otas::Error> {
        ran.set(true);
        Ok(1)
    }

    let failed = body(&unreachable()?, &ran).await;

    assert!(failed.is_err_and(|error| error.is_unreachable()));
    assert!(!ran.get());
    Ok(())
}

#[tokio::test]
async fn on_error_fail_converts_into_the_error_type_of_the_function() -> Test {
    type Fallible<T> = Result<T, Box<dyn std::error::Error>>;
    #[otas_session(client = &client, on_error = fail)]
    async fn body(client: Client) -> Fallible<impl Iterator<Item = u8>> {
        Ok(0..3)
    }

    let failed = body(unreachable()?).await;

    assert!(failed.err().is_some_and(|error| error.downcast_ref::<otas::Error>().is_some()));
    Ok(())
}

#[tokio::test]
async fn an_error_handler_provides_the_return_value() -> Test {
    fn text(error: otas::Error) -> String {
        error.to_string()
    }
    #[otas_session(client = client, on_error = text)]
    async fn by_path(client: &Client) -> String {
        String::from("ran")
    }
    #[otas_session(client = client, on_error = |error| Err(error.to_string().len()))]
    async fn by_closure(client: &Client) -> Result<(), usize> {
        Ok(())
    }

    let (unreachable, disabled) = (unreachable()?, disabled()?);

    assert!(by_path(&unreachable).await.contains("UASAM"));
    assert!(by_closure(&unreachable).await.is_err_and(|length| length > 0));
    assert_eq!(by_path(&disabled).await, "ran");
    Ok(())
}

#[tokio::test]
async fn arguments_live_until_the_error_handler_has_returned() -> Test {
    #[otas_session(client = client, on_error = |_| Arc::strong_count(&seen))]
    async fn body(client: &Client, seen: Arc<()>, unused: Arc<()>) -> usize {
        drop(unused);
        0
    }
    let shared = Arc::new(());

    // The variable and both arguments.
    assert_eq!(body(&unreachable()?, shared.clone(), shared.clone()).await, 3);
    assert_eq!(Arc::strong_count(&shared), 1);
    Ok(())
}

#[tokio::test]
async fn when_disabled_the_body_runs_and_meta_is_not_evaluated() -> Test {
    fn evaluated() -> u8 {
        panic!("the meta was evaluated")
    }
    #[otas_session(client = client, meta = { "a": evaluated() }, on_error = fail)]
    async fn named(client: &Client) -> Result<bool, otas::Error> {
        Ok(Session::current().is_none())
    }
    #[otas_session(meta = { "a": evaluated() }, on_error = fail)]
    async fn surrounding() -> Result<bool, otas::Error> {
        Ok(Session::current().is_none())
    }
    #[otas_session(meta = { evaluated(): 1 }, on_error = fail)]
    async fn keyed() -> Result<bool, otas::Error> {
        Ok(Session::current().is_none())
    }
    let disabled = disabled()?;

    assert!(named(&disabled).await?);
    assert!(disabled.scope(surrounding()).await?);
    assert!(disabled.scope(keyed()).await?);
    Ok(())
}

#[tokio::test]
async fn a_meta_that_is_not_an_object_is_replaced_by_an_error_message() -> Test {
    let otas = Otas::start().await?;
    #[otas_session(meta = [1, 2].len())]
    async fn body() -> Option<Value> {
        meta()
    }

    let seen = otas.client.scope(body()).await.unwrap_or_default();

    assert!(seen["otas.meta_error"].as_str().is_some_and(|text| text.contains("a number")), "{seen}");
    Ok(())
}

#[tokio::test]
async fn on_error_fail_rejects_a_meta_that_is_not_an_object() -> Test {
    let otas = Otas::start().await?;
    #[otas_session(meta = "text".to_string(), on_error = fail)]
    async fn body() -> Result<(), otas::Error> {
        Ok(())
    }

    let failed = otas.client.scope(body()).await;

    assert!(failed.is_err_and(|error| error.is_invalid_meta()));
    assert!(otas.metas().is_empty());
    Ok(())
}
