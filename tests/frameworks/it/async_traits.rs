//! async-trait, which turns methods and default methods into functions that return a boxed future.

use async_trait::async_trait;
use otas::otas_session;

use crate::support;

#[async_trait]
trait Agent {
    async fn run(&self, task: &str, (left, right): (u8, u8)) -> Result<String, std::num::ParseIntError>;

    #[otas_session(meta = { "task": task })]
    async fn default_method(&self, task: &str) -> String {
        tokio::task::yield_now().await;
        format!("{task}{}", support::session_id())
    }
}

struct Summarizer {
    id: u32,
}

#[async_trait]
impl Agent for Summarizer {
    #[otas_session(meta = { "id": self.id, task })]
    async fn run(&self, task: &str, (left, right): (u8, u8)) -> Result<String, std::num::ParseIntError> {
        let n: u8 = task.parse()?;
        if n > 100 {
            return Ok(String::new());
        }
        tokio::task::yield_now().await;
        assert_eq!((self.id, left + right), (7, 3));
        Ok(support::session_id())
    }
}

#[async_trait(?Send)]
trait Local {
    async fn run(self: Box<Self>) -> String;
}

#[async_trait(?Send)]
impl Local for Summarizer {
    #[otas_session(meta = { "id": self.id }, on_error = |error| error.to_string())]
    async fn run(self: Box<Self>) -> String {
        let kept = std::rc::Rc::new(self.id);
        tokio::task::yield_now().await;
        assert_eq!(*kept, 7);
        support::session_id()
    }
}

#[tokio::test]
async fn a_method_sees_its_session() {
    support::start();
    let agent = Summarizer { id: 7 };

    assert!(support::was_opened(&Agent::run(&agent, "5", (1, 2)).await.expect("a number")));
    assert!(agent.default_method("").await.len() > 8);
    assert!(Agent::run(&agent, "x", (1, 2)).await.is_err());
    assert!(support::was_opened(&Local::run(Box::new(agent)).await));
}
