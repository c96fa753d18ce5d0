//! The lifecycle of an annotated future: where it is dropped, what a panic leaves behind, and which
//! auto traits it has.

use std::cell::{Cell, RefCell};
use std::future::{Future, pending, poll_fn, ready};
use std::panic::{AssertUnwindSafe, UnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use otas::{Session, otas_session};

use crate::support::Otas;

type Test = Result<(), otas::Error>;

/// Records, when dropped, whether a session is current.
struct Probe(Arc<Mutex<Vec<bool>>>);

impl Drop for Probe {
    fn drop(&mut self) {
        self.0.lock().unwrap().push(Session::current().is_some());
    }
}

/// Polls `future` until its body has started.
async fn poll_until_started<F: Future>(mut future: Pin<&mut F>, started: &Mutex<bool>) {
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(_) => Poll::Ready(()),
        Poll::Pending if *started.lock().unwrap() => Poll::Ready(()),
        Poll::Pending => Poll::Pending,
    })
    .await;
}

#[otas_session]
async fn hold(probe: Probe, started: Arc<Mutex<bool>>) {
    let _probe = probe;
    *started.lock().unwrap() = true;
    pending::<()>().await;
}

#[tokio::test]
async fn a_cancelled_body_is_dropped_inside_its_session() -> Test {
    let otas = Otas::start().await?;
    let seen = Arc::default();
    let started = Arc::default();

    otas.client
        .scope(async {
            let mut call = Box::pin(hold(Probe(Arc::clone(&seen)), Arc::clone(&started)));
            poll_until_started(call.as_mut(), &started).await;
            drop(call);
            assert!(Session::current().is_none());
        })
        .await;

    assert_eq!(*seen.lock().unwrap(), [true]);
    Ok(())
}

#[tokio::test]
async fn a_body_that_outlives_its_thread_is_dropped_without_panicking() -> Test {
    type Held = RefCell<Option<Pin<Box<dyn Future<Output = ()>>>>>;
    thread_local! { static HELD: Held = const { RefCell::new(None) }; }
    let otas = Otas::start().await?;
    let seen: Arc<Mutex<Vec<bool>>> = Arc::default();
    let thread = {
        let (client, seen) = (otas.client.clone(), Arc::clone(&seen));
        std::thread::spawn(move || {
            // Initialized before any session, so its destructor runs after those of the library.
            HELD.with(|held| *held.borrow_mut() = None);
            let started = Arc::default();
            let mut call = Box::pin(hold(Probe(seen), Arc::clone(&started)));
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(client.scope(poll_until_started(call.as_mut(), &started)));
            HELD.with(|held| *held.borrow_mut() = Some(call));
        })
    };

    let joined = tokio::task::spawn_blocking(|| thread.join()).await.unwrap();

    assert!(joined.is_ok());
    assert_eq!(seen.lock().unwrap().len(), 1);
    Ok(())
}

#[tokio::test]
async fn a_panic_restores_the_outer_session() -> Test {
    let otas = Otas::start().await?;
    #[otas_session(meta = { "inner": true })]
    async fn panics() {
        tokio::task::yield_now().await;
        panic!("on purpose");
    }
    #[otas_session]
    async fn outer() -> (bool, bool) {
        let id = Session::current().map(|session| session.id());
        let mut call = Box::pin(panics());
        let caught = poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| call.as_mut().poll(cx))) {
            Ok(poll) => poll.map(|()| false),
            Err(_) => Poll::Ready(true),
        })
        .await;
        (caught, id.is_some() && id == Session::current().map(|session| session.id()))
    }

    assert_eq!(otas.client.scope(outer()).await, (true, true));
    assert!(Session::current().is_none());
    Ok(())
}

#[tokio::test]
async fn a_spawned_task_does_not_inherit_the_session() -> Test {
    let otas = Otas::start().await?;
    #[otas_session]
    async fn body() -> bool {
        tokio::spawn(async { Session::current().is_none() }).await.unwrap_or_default()
    }

    assert!(otas.client.scope(body()).await);
    Ok(())
}

/// Not `Sync`, so a reference held across an await would make the future not `Send`.
#[derive(serde::Serialize)]
struct NotSync(Cell<u8>);

#[otas_session(meta = { "cell": value.0, "text": format_args!("{:?}", value.0).to_string(), value })]
async fn not_sync_in_meta(value: NotSync) -> u8 {
    value.0.get()
}

#[otas_session(meta = { "count": Rc::new(5).as_ref() })]
async fn rc_in_meta_only() {
    tokio::task::yield_now().await;
}

#[otas_session]
async fn generic<T: Send>(value: T) -> T {
    tokio::task::yield_now().await;
    value
}

#[otas_session]
async fn not_send(value: Rc<u8>) -> u8 {
    tokio::task::yield_now().await;
    *value
}

#[test]
fn the_future_is_send_if_the_body_is() {
    fn send(_: impl Send) {}
    fn any(_: impl Future) {}

    send(not_sync_in_meta(NotSync(1.into())));
    send(rc_in_meta_only());
    send(generic(String::new()));
    any(not_send(Rc::new(1)));
}

#[test]
fn the_future_is_static_and_unwind_safe_if_the_body_is() {
    fn check(_: impl UnwindSafe + 'static) {}
    #[otas_session(meta = { "length": text.len() })]
    async fn body(text: String) -> String {
        ready(()).await;
        text
    }

    check(body(String::new()));
}
