//! The attribute at work.
use otas::{Client, Mode, Session, otas_session};
use serde_json::json;

struct S {
    id: u32,
}
impl S {
    #[otas_session(meta = { "id": self.id, "n": name.len(), name, "nested": { "a": [1, null, -2, {"b": true}], (name): 1.5 } })]
    async fn call(&self, name: String) -> serde_json::Value {
        drop(name);
        tokio::task::yield_now().await;
        serde_json::Value::Object(Session::current().unwrap().meta().clone())
    }
}

#[otas_session]
async fn plain() -> serde_json::Value {
    serde_json::Value::Object(Session::current().unwrap().meta().clone())
}

#[otas_session(client = client, meta = { "a": 1, }, on_error = fail)]
async fn failing(client: &Client) -> Result<u8, otas::Error> {
    Ok(1)
}

#[otas_session(client = client, on_error = |e| e.to_string())]
async fn handled(client: &Client) -> String {
    String::from("fine")
}

#[otas_session(client = Client::stand_in(Mode::Fails))]
async fn masked() -> bool {
    Session::current().is_none()
}

#[otas_session]
async fn outer() -> bool {
    masked().await
}

#[tokio::test]
async fn it_works() {
    assert_eq!(plain().await, json!({}));
    assert_eq!(
        S { id: 7 }.call("x".into()).await,
        json!({"id": 7, "n": 1, "name": "x", "nested": {"a": [1, null, -2, {"b": true}], "x": 1.5}})
    );
    let bad = Client::stand_in(Mode::Fails);
    assert!(failing(&bad).await.is_err());
    assert_eq!(failing(&Client::stand_in(Mode::Opens)).await.unwrap(), 1);
    assert_eq!(failing(&Client::stand_in(Mode::Disabled)).await.unwrap(), 1);
    assert!(handled(&bad).await.contains("UASAM"));
    assert!(outer().await);
}
