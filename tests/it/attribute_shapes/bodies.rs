//! Bodies: statements, items, tail expressions and control flow.

use std::sync::Mutex;

use otas::otas_session;

use crate::support::{in_session, run};

#[otas_session]
async fn early_return(x: Option<u8>) -> Option<u8> {
    assert!(in_session());
    let x = x?;
    if x == 0 {
        return Some(9);
    }
    'outer: loop {
        loop {
            if x > 1 {
                break 'outer;
            }
            return Some(1);
        }
    }
    Some(x)
}

#[otas_session]
async fn question_marks(text: &str) -> Result<u8, Box<dyn std::error::Error>> {
    assert!(in_session());
    let x: u8 = text.parse()?;
    Ok(x)
}

#[tokio::test]
async fn early_returns_question_marks_and_labels_work() {
    run(async {
        assert_eq!(early_return(None).await, None);
        assert_eq!(early_return(Some(0)).await, Some(9));
        assert_eq!(early_return(Some(1)).await, Some(1));
        assert_eq!(early_return(Some(2)).await, Some(2));
        assert!(question_marks("x").await.is_err());
    })
    .await;
}

#[otas_session]
async fn inner_attribute() -> bool {
    #![allow(unused_variables)]
    let unused = 42;
    in_session()
}

#[otas_session]
async fn inner_comment() -> bool {
    //! A doc comment on the function.
    in_session()
}

#[otas_session]
async fn items() -> usize {
    use std::collections::BTreeMap;
    const SIZE: usize = 2;
    struct Inner(usize);
    impl Inner {
        fn get(&self) -> usize {
            self.0
        }
    }
    fn helper() -> BTreeMap<u8, u8> {
        BTreeMap::from([(1, 1)])
    }
    macro_rules! one {
        () => {
            1
        };
    }
    assert!(in_session());
    Inner(SIZE).get() + helper().len() + one!()
}

#[tokio::test]
async fn the_body_may_contain_items_and_inner_attributes() {
    run(async {
        assert!(inner_attribute().await);
        assert!(inner_comment().await);
        assert_eq!(items().await, 4);
    })
    .await;
}

#[otas_session]
async fn tail_temporary(text: &Mutex<String>) -> usize {
    assert!(in_session());
    text.lock().unwrap().len()
}

#[otas_session]
async fn borrowed_tail_temporary(text: &Mutex<String>) -> Option<char> {
    text.lock().unwrap().chars().next()
}

#[otas_session]
async fn guard_in_tail_after_await(text: &Mutex<String>) -> usize {
    tokio::task::yield_now().await;
    text.lock().unwrap().len()
}

#[tokio::test]
async fn temporaries_in_the_tail_expression_keep_their_lifetime() {
    fn send<T: Send>(value: T) -> T {
        value
    }
    let text = Mutex::new(String::from("ab"));
    run(async {
        assert_eq!(tail_temporary(&text).await, 2);
        assert_eq!(borrowed_tail_temporary(&text).await, Some('a'));
        assert_eq!(send(guard_in_tail_after_await(&text)).await, 2);
    })
    .await;
}

#[derive(Clone)]
struct Parts {
    a: String,
    b: String,
}

impl Parts {
    #[otas_session(meta = { "a": self.a })]
    async fn moves_a_field(self) -> String {
        assert!(in_session());
        let a = self.a;
        tokio::task::yield_now().await;
        a
    }
}

#[otas_session]
async fn moves_a_field(Parts { a, .. }: Parts) -> String {
    assert!(in_session());
    a
}

#[tokio::test]
async fn a_field_can_be_moved_out_of_an_argument() {
    let parts = Parts { a: String::from("a"), b: String::from("b") };
    run(async {
        assert_eq!(parts.clone().moves_a_field().await, "a");
        assert_eq!(moves_a_field(parts.clone()).await + &parts.b, "ab");
    })
    .await;
}

#[otas_session]
async fn empty() {}

#[otas_session]
#[allow(clippy::needless_else, clippy::if_same_then_else, redundant_semicolons)]
async fn statements(x: u8) -> bool {
    if x > 1 {
    } else {
    };
    match x {
        0 => false,
        _ => in_session(),
    }
}

#[otas_session]
async fn attribute_on_tail() -> bool {
    assert!(in_session());
    #[allow(unused_parens)]
    (true)
}

#[otas_session]
async fn tuple_tail() -> (u8,) {
    (1,)
}

#[otas_session]
async fn struct_tail() -> Parts {
    Parts { a: String::new(), b: String::new() }
}

#[tokio::test]
async fn every_kind_of_statement_and_tail_expression_works() {
    run(async {
        empty().await;
        assert!(statements(1).await);
        assert!(attribute_on_tail().await);
        assert_eq!(tuple_tail().await, (1,));
        assert_eq!(struct_tail().await.a, "");
    })
    .await;
}

#[otas_session(meta = { n })]
async fn recursive(n: u8) -> u8 {
    if n == 0 { u8::from(in_session()) } else { 1 + Box::pin(recursive(n - 1)).await }
}

#[tokio::test]
async fn an_annotated_function_can_recurse() {
    assert_eq!(run(recursive(3)).await, 4);
}

#[otas_session]
async fn tokio_macros() -> u8 {
    let pinned = std::pin::pin!(async { 1 });
    let chosen = tokio::select! {
        x = pinned => x,
        () = std::future::pending() => 0,
    };
    let (a, b) = tokio::join!(async { u8::from(in_session()) }, async { u8::from(in_session()) });
    let closure = async |x: u8| x + 1;
    let Some(c) = Some(closure(1).await) else { return 0 };
    if let Some(d) = Some(1)
        && c > d
    {
        return chosen + a + b + c + d;
    }
    0
}

#[tokio::test]
async fn select_and_join_in_the_body_see_the_session() {
    assert_eq!(run(tokio_macros()).await, 6);
}

#[otas_session]
async fn without_arguments() -> bool {
    in_session()
}

mod shadowed_by_a_glob {
    use super::*;

    type Foo = bool;

    mod other {
        #[allow(dead_code)]
        pub enum Bar {
            Foo,
        }
    }

    #[otas_session]
    pub async fn glob() -> Foo {
        #[allow(unused_imports)]
        use other::Bar::*;
        in_session()
    }
}

#[tokio::test]
async fn a_glob_import_in_the_body_does_not_shadow_the_return_type() {
    assert!(run(shadowed_by_a_glob::glob()).await);
    assert!(run(without_arguments()).await);
}
