//! Runs the engine as a task: gives it the time, and sends what it decides to send.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::task::{AbortHandle, JoinError, JoinSet};

use super::engine::Engine;
use super::exporter::Exporter;
use super::queue::Queue;
use super::retry::Outcome;
use super::scheduler::InFlight;
use crate::clock::Clock;

struct Worker {
    engine: Engine,
    /// One task for each event in flight, so that a panic there ends nothing else.
    tasks: JoinSet<Outcome>,
    in_flight: Vec<(AbortHandle, InFlight)>,
    clock: Clock,
}

type Completion = Result<(tokio::task::Id, Outcome), JoinError>;

/// Delivers until the engine stops. If the task is dropped before, what is left is still counted.
pub(crate) async fn run(queue: Arc<Queue>, engine: Engine, exporter: Arc<dyn Exporter>, clock: Clock) {
    let mut worker = Worker { engine, tasks: JoinSet::new(), in_flight: Vec::new(), clock };
    loop {
        let now = worker.now();
        if !worker.engine.accept(now) {
            return;
        }
        worker.send_ready(&*exporter);
        let completion = match worker.before_unencoded() {
            Some(index) => worker.complete_or_encode(index).await,
            None => worker.wait(&queue).await,
        };
        if let Some(completion) = completion {
            worker.complete(completion);
        }
    }
}

impl Worker {
    /// Reads tokio's clock, which tests pause.
    fn now(&self) -> Instant {
        self.clock.shifted(tokio::time::Instant::now().into_std())
    }

    fn send_ready(&mut self, exporter: &dyn Exporter) {
        loop {
            let now = self.now();
            let Some((in_flight, envelope)) = self.engine.next(now) else { return };
            let task = self.tasks.spawn(exporter.send(envelope));
            self.in_flight.push((task, in_flight));
        }
    }

    /// The index of an event in flight whose session has another one to encode.
    fn before_unencoded(&self) -> Option<usize> {
        self.in_flight.iter().position(|(_, in_flight)| self.engine.should_encode_next(in_flight))
    }

    /// Encodes the event behind the one in flight. The send takes precedence: it is polled first,
    /// and if it completes, nothing is encoded yet.
    async fn complete_or_encode(&mut self, index: usize) -> Option<Completion> {
        tokio::task::yield_now().await;
        let completion = self.tasks.try_join_next_with_id();
        if completion.is_none() {
            self.engine.encode_next(&self.in_flight[index].1);
        }
        completion
    }

    /// Waits for a completion, a wake-up by the queue, or the time that the engine asked for.
    async fn wait(&mut self, queue: &Queue) -> Option<Completion> {
        let mut woken = pin!(queue.woken());
        let wake_at = self.engine.wake_at(self.now()).map(|at| self.clock.unshifted(at));
        let mut sleep = pin!(wake_at.map(|at| tokio::time::sleep_until(at.into())));
        std::future::poll_fn(|context: &mut Context<'_>| {
            if let Poll::Ready(Some(completion)) = self.tasks.poll_join_next_with_id(context) {
                return Poll::Ready(Some(completion));
            }
            let timed_out = sleep.as_mut().as_pin_mut().is_some_and(|sleep| sleep.poll(context).is_ready());
            if timed_out || woken.as_mut().poll(context).is_ready() { Poll::Ready(None) } else { Poll::Pending }
        })
        .await
    }

    fn complete(&mut self, completion: Completion) {
        let (id, outcome) = match completion {
            Ok(completed) => completed,
            // The task panicked; it may have sent the event before that.
            Err(error) => (error.id(), Outcome::NoResponse),
        };
        if let Some(index) = self.in_flight.iter().position(|(task, _)| task.id() == id) {
            let (_, in_flight) = self.in_flight.swap_remove(index);
            let now = self.now();
            self.engine.complete(in_flight, &outcome, now);
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.engine.abandon(self.in_flight.drain(..).map(|(_, in_flight)| in_flight));
    }
}
