//! Delivery as a task on its own thread: a clock, and a destination, for the engine.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::task::{AbortHandle, JoinSet};

use super::engine::{Engine, Flight, Parcel};
use super::queue::Queue;
use super::verdict::Outcome;
use crate::clock::Clock;

/// How the sending of a parcel ends.
pub(crate) type Landing = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// Where events go.
pub(crate) trait Destination: Send + Sync + 'static {
    /// Sends one event; it never fails, it tells.
    fn send(&self, parcel: Parcel) -> Landing;
}

/// The events under way, each in a task of its own, so that a panic there ends nothing else.
struct Air {
    engine: Engine,
    tasks: JoinSet<Outcome>,
    flights: Vec<(AbortHandle, Flight)>,
    clock: Clock,
}

/// Delivers until it is told to stop. Whatever happens to the task, what is left is counted as dropped.
pub(crate) async fn run(queue: Arc<Queue>, engine: Engine, destination: Arc<dyn Destination>, clock: Clock) {
    let mut air = Air { engine, tasks: JoinSet::new(), flights: Vec::new(), clock };
    loop {
        let now = air.now();
        if !air.engine.take_in(now) {
            return;
        }
        loop {
            let now = air.now();
            let Some((flight, parcel)) = air.engine.next(now) else { break };
            let handle = air.tasks.spawn(destination.send(parcel));
            air.flights.push((handle, flight));
        }
        let landed = match air.flight_before_work() {
            Some(at) => air.work(at).await,
            None => air.event(&queue).await,
        };
        if let Some(landed) = landed {
            air.landed(landed);
        }
    }
}

/// The clock of tokio, which tests pause.
fn tokio_now() -> Instant {
    tokio::time::Instant::now().into_std()
}

type Landed = Result<(tokio::task::Id, Outcome), tokio::task::JoinError>;

impl Air {
    fn now(&self) -> Instant {
        self.clock.shifted(tokio_now())
    }

    /// An event under way whose session has another that is not made yet.
    fn flight_before_work(&self) -> Option<usize> {
        self.flights.iter().position(|(_, flight)| self.engine.has_to_make_after(flight))
    }

    /// Makes that other event, unless something lands: what is under way goes first, and may have left by the time this one is made.
    async fn work(&mut self, at: usize) -> Option<Landed> {
        tokio::task::yield_now().await;
        let landed = self.tasks.try_join_next_with_id();
        if landed.is_none() {
            self.engine.make_after(&self.flights[at].1);
        }
        landed
    }

    /// Waits for a landing, for news, or for the time.
    async fn event(&mut self, queue: &Queue) -> Option<Landed> {
        let mut woken = pin!(queue.woken());
        let wake_at =
            self.engine.wake_at(self.now()).map(|at| tokio::time::Instant::from_std(self.clock.unshifted(at)));
        let mut sleep = pin!(wake_at.map(tokio::time::sleep_until));
        std::future::poll_fn(|context: &mut Context<'_>| {
            if let Poll::Ready(Some(landed)) = self.tasks.poll_join_next_with_id(context) {
                return Poll::Ready(Some(landed));
            }
            let over = sleep.as_mut().as_pin_mut().is_some_and(|sleep| sleep.poll(context).is_ready());
            if over || woken.as_mut().poll(context).is_ready() { Poll::Ready(None) } else { Poll::Pending }
        })
        .await
    }

    fn landed(&mut self, landed: Landed) {
        let (id, outcome) = match landed {
            Ok(landed) => landed,
            // It panicked: whether it had been sent is not known.
            Err(error) => (error.id(), Outcome::Unanswered),
        };
        if let Some(at) = self.flights.iter().position(|(handle, _)| handle.id() == id) {
            let (_, flight) = self.flights.swap_remove(at);
            let now = self.now();
            self.engine.landed(flight, &outcome, now);
        }
    }
}

impl Drop for Air {
    fn drop(&mut self) {
        self.engine.give_up(self.flights.drain(..).map(|(_, flight)| flight));
    }
}
