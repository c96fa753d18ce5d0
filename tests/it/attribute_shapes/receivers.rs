//! Receivers, generics, lifetimes and trait methods.

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use otas::otas_session;

use crate::support::{in_session, run};

#[derive(Clone, Default)]
struct Agent {
    name: String,
    calls: u32,
}

impl Agent {
    const LIMIT: u32 = 3;

    #[otas_session(meta = { "name": self.name })]
    async fn by_reference(&self) -> bool {
        in_session() && self.calls == 0
    }

    #[otas_session]
    async fn by_mutable_reference(&mut self) -> bool {
        self.calls += 1;
        in_session()
    }

    #[otas_session(meta = { "calls": self.calls })]
    async fn by_value(self) -> String {
        assert!(in_session());
        self.name
    }

    #[otas_session]
    async fn by_mutable_value(mut self) -> Self {
        self.calls = if in_session() { Self::LIMIT } else { 0 };
        self
    }

    #[otas_session]
    async fn self_as_argument(other: Self) -> u32 {
        let Self { calls, .. } = other;
        calls + u32::from(in_session())
    }

    #[otas_session]
    async fn shared(self: Arc<Self>) -> bool {
        in_session() && self.calls == 0
    }

    #[otas_session]
    async fn boxed(self: Box<Self>) -> bool {
        in_session() && self.calls == 0
    }

    #[otas_session]
    async fn pinned(mut self: Pin<&mut Self>) -> bool {
        self.calls += 1;
        in_session()
    }

    #[otas_session]
    async fn shared_by_reference(self: &Arc<Self>) -> bool {
        in_session() && self.calls == 0
    }

    #[otas_session]
    async fn in_macros(&self) -> String {
        macro_rules! name {
            ($agent:ident) => {
                $agent.name
            };
        }
        assert!(in_session());
        let all = vec![Self::LIMIT];
        format!("{}{}{}", name!(self), self.name, all[0])
    }

    #[otas_session]
    async fn elided(&self) -> &str {
        assert!(in_session());
        &self.name
    }

    #[otas_session]
    async fn elided_mutable(&mut self) -> &mut String {
        assert!(in_session());
        &mut self.name
    }

    #[otas_session]
    async fn elided_in_a_path(&self) -> Named<'_> {
        assert!(in_session());
        Named(&self.name)
    }
}

struct Named<'a>(&'a str);

impl<'a> Named<'a> {
    #[otas_session(meta = { "name": self.0 })]
    async fn longer_than_self(&self) -> &'a str {
        assert!(in_session());
        self.0
    }
}

struct Tuple(u8);

impl Tuple {
    #[otas_session]
    async fn destructured(Self(x): Self) -> u8 {
        x + u8::from(in_session())
    }
}

#[tokio::test]
async fn every_kind_of_receiver_is_supported() {
    let agent = Agent { name: String::from("a"), calls: 0 };
    run(async {
        assert!(agent.by_reference().await);
        assert!(agent.clone().by_mutable_reference().await);
        assert_eq!(agent.clone().by_value().await, "a");
        assert_eq!(agent.clone().by_mutable_value().await.calls, 3);
        assert_eq!(Agent::self_as_argument(agent.clone()).await, 1);
        assert!(Arc::new(agent.clone()).shared().await);
        assert!(Box::new(agent.clone()).boxed().await);
        assert!(Pin::new(&mut agent.clone()).pinned().await);
        assert!(Arc::new(agent.clone()).shared_by_reference().await);
        assert_eq!(Tuple(1).0 + Tuple::destructured(Tuple(1)).await, 3);
    })
    .await;
}

#[tokio::test]
async fn self_inside_macros_refers_to_the_receiver() {
    let agent = Agent { name: String::from("a"), calls: 0 };
    assert_eq!(run(agent.in_macros()).await, "aa3");
}

#[otas_session(meta = { "length": items.len(), "items": items.iter().map(|item| format!("{item:?}")).collect::<Vec<String>>() })]
async fn generic<T: Debug + Clone, const N: usize>(items: [T; N]) -> usize
where
    T: Send,
    [T; N]: Clone,
{
    N + items.to_vec().len() + usize::from(in_session())
}

#[otas_session]
async fn higher_ranked<F: for<'a> Fn(&'a str) -> &'a str>(f: F) -> String {
    assert!(in_session());
    f(" x ").to_string()
}

#[otas_session(meta = { x })]
async fn named_lifetime<'a>(x: &'a str, _y: &str) -> &'a str {
    assert!(in_session());
    x
}

#[otas_session]
async fn elided_lifetime(x: &str) -> &str {
    assert!(in_session());
    x
}

#[tokio::test]
async fn generics_and_lifetimes_are_preserved() {
    let mut agent = Agent::default();
    run(async {
        assert_eq!(generic(["a", "b"].map(String::from)).await, 5);
        assert_eq!(higher_ranked(str::trim).await, "x");
        assert_eq!(named_lifetime("x", "y").await, elided_lifetime("x").await);
        assert_eq!(agent.elided().await, "");
        agent.elided_mutable().await.push('b');
        assert_eq!(agent.elided_in_a_path().await.longer_than_self().await, "b");
    })
    .await;
}

trait Tool {
    type Out;

    fn required(&self, x: &str) -> impl Future<Output = usize> + Send;

    fn out(&self) -> Self::Out;
}

struct Count;

impl Tool for Count {
    type Out = Vec<usize>;

    #[otas_session(meta = { x })]
    async fn required(&self, x: &str) -> usize {
        tokio::task::yield_now().await;
        x.len() + usize::from(in_session())
    }

    fn out(&self) -> Vec<usize> {
        vec![1]
    }
}

#[otas_session]
async fn associated<T: Tool>(tool: T) -> <T as Tool>::Out {
    assert!(in_session());
    tool.out()
}

#[otas_session]
async fn associated_in_a_result<T: Tool>(tool: T) -> Result<Vec<T::Out>, Box<dyn std::error::Error>> {
    assert!(in_session());
    Ok(vec![tool.out()])
}

trait Provided {
    #[allow(async_fn_in_trait)]
    #[otas_session]
    async fn provided(&self) -> bool
    where
        Self: Sized,
    {
        in_session()
    }
}

impl Provided for Count {}

#[tokio::test]
async fn required_and_provided_trait_methods_work() {
    fn send<F: Future + Send>(future: F) -> F {
        future
    }
    run(async {
        assert_eq!(send(Count.required("abc")).await, 4);
        assert_eq!(associated(Count).await, [1]);
        assert!(associated_in_a_result(Count).await.is_ok());
        assert!(Count.provided().await);
    })
    .await;
}

#[tokio::test]
async fn a_generic_call_that_owns_its_arguments_can_be_spawned() {
    #[otas_session]
    async fn owned<T: Send + 'static>(value: T) -> T {
        tokio::task::yield_now().await;
        value
    }

    assert_eq!(tokio::spawn(run(owned(5))).await.unwrap(), 5);
}
