//! Other attributes on the function, and macros that generate it.

use otas::otas_session;
use serde_json::json;

use crate::support::{Otas, in_session, run};

/// Documented above the attribute.
#[must_use]
#[inline]
#[otas_session]
#[cold]
#[doc = "Documented below the attribute."]
pub async fn with_attributes() -> bool {
    in_session()
}

#[otas_session]
#[deprecated = "an example"]
async fn deprecated() -> bool {
    in_session()
}

#[cfg_attr(all(), otas_session(meta = { "from": "cfg_attr" }))]
async fn in_cfg_attr() -> bool {
    in_session()
}

#[otas_session(meta = { "order": 1 })]
#[otas_session(meta = { "order": 2 })]
async fn twice() -> bool {
    in_session()
}

#[otas_session(
    on_error = continue,
    meta = { "a": 1, },
)]
pub(crate) async fn in_any_order_with_a_trailing_comma() -> bool {
    in_session()
}

#[otas_session()]
async fn with_empty_parentheses() -> bool {
    in_session()
}

#[tokio::test]
async fn other_attributes_are_preserved() {
    run(async {
        assert!(with_attributes().await);
        #[allow(deprecated)]
        let called = deprecated().await;
        assert!(called);
        assert!(in_cfg_attr().await);
        assert!(in_any_order_with_a_trailing_comma().await);
        assert!(with_empty_parentheses().await);
    })
    .await;
}

#[tokio::test]
async fn the_attribute_applied_twice_opens_the_lower_session_first() {
    let otas = Otas::start().await.unwrap();

    assert!(otas.client.scope(twice()).await);

    assert_eq!(otas.metas(), [json!({ "order": 2 }), json!({ "order": 1 })]);
}

macro_rules! function {
    ($vis:vis $name:ident, $arg:pat => $type:ty, $result:ty, $value:expr, $key:literal, $body:block) => {
        #[otas_session(meta = { $key: $value, "list": [$value] })]
        $vis async fn $name($arg: $type) -> $result $body
    };
}

function!(pub(crate) public, (x, _) => (u8, u8), Option<u8>, 1 + 2, "sum", { in_session().then_some(x) });
function!(private, _ => u8, bool, (7,), "tuple", { in_session() });

macro_rules! annotate {
    ($item:item) => {
        #[otas_session(meta = { "from": "item" })]
        $item
    };
}

annotate! {
    async fn whole_item(x: u8) -> bool {
        x == 1 && in_session()
    }
}

macro_rules! method {
    ($self:ident, $body:expr) => {
        #[otas_session(meta = { "n": $self.0 })]
        async fn method(&$self) -> u8 {
            $body
        }
    };
}

struct Wrapped(u8);

impl Wrapped {
    method!(self, self.0 + u8::from(in_session()));
}

macro_rules! handled {
    ($handler:expr, $client:ident, $path:path) => {
        #[otas_session(on_error = $handler, client = $client, crate = ::otas)]
        async fn handled($client: &otas::Client) -> $path {
            String::from("ran")
        }
    };
}

handled!(|error| error.to_string(), client, String);

#[tokio::test]
async fn macros_can_generate_functions_and_attribute_arguments() {
    let otas = Otas::start().await.unwrap();
    otas.client
        .scope(async {
            assert_eq!(public((1, 2)).await, Some(1));
            assert!(private(1).await);
            assert!(whole_item(1).await);
            assert_eq!(Wrapped(1).method().await, 2);
            assert_eq!(handled(&otas.client).await, "ran");
        })
        .await;

    let expected = [
        json!({ "sum": 3, "list": [3] }),
        json!({ "tuple": [7], "list": [[7]] }),
        json!({ "from": "item" }),
        json!({ "n": 1 }),
        json!({}),
    ];
    assert_eq!(otas.metas(), expected);
}

#[otas_session]
async fn main() -> u8 {
    5 + u8::from(in_session())
}

#[tokio::test]
async fn a_function_named_main_keeps_its_return_value() {
    assert_eq!(run(main()).await, 6);
}
