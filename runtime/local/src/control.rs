//! The controls of one service: its faults, its port, its clock.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::fault::Fault;
use crate::listen::{Command, Commands};
use crate::received::Service;
use crate::state::{ServiceState, State, lock};

/// Controls one of the two services; returned by [`Server::uasam`](crate::Server::uasam) and
/// [`Server::brain`](crate::Server::brain).
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// use otas_local::{Fault, Server};
///
/// let otas = Server::start().await?;
/// // The next event is stored, but its sender gets no response.
/// otas.brain().fail_next(1, Fault::ResetAfterEffect);
/// // Of the events after that, three in ten are rejected.
/// otas.brain().fail_randomly(0.3, Fault::Status(503), 7);
/// // Connections to UASAM are refused for a while.
/// otas.uasam().stop()?;
/// otas.uasam().restart()?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Control {
    service: Service,
    state: Arc<State>,
    commands: Commands,
}

impl Control {
    pub(crate) fn new(service: Service, state: Arc<State>, commands: Commands) -> Self {
        Self { service, state, commands }
    }

    fn service(&self) -> &ServiceState {
        self.state.service(self.service)
    }

    /// Returns the address that the service listens on, also across restarts.
    pub fn addr(&self) -> SocketAddr {
        self.service().addr
    }

    /// Returns the service's base URL, without a trailing slash.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr())
    }

    /// Makes the next `count` requests meet `fault`.
    ///
    /// Requests that are already claimed by earlier calls come first.
    pub fn fail_next(&self, count: usize, fault: Fault) {
        lock(&self.service().script).add_next(count, fault);
    }

    /// Makes each request meet `fault` with this `probability` (0 to 1).
    ///
    /// This lasts until [`clear_faults`](Self::clear_faults). The same seed gives the same choices
    /// for the first, second, third ... request. Requests claimed by [`fail_next`](Self::fail_next)
    /// do not take part. Several random faults can be active; if more than one hits, the one added
    /// first is taken.
    pub fn fail_randomly(&self, probability: f64, fault: Fault, seed: u64) {
        lock(&self.service().script).add_random(probability, fault, seed);
    }

    /// Cancels all faults. The port and the clock stay as they are.
    pub fn clear_faults(&self) {
        lock(&self.service().script).clear();
    }

    /// Closes all connections and refuses new ones. The port stays reserved.
    ///
    /// While UASAM is stopped, Brain rejects every key (401 `invalid_or_expired_agent_key`) and
    /// every reader (503), as the real one does.
    ///
    /// # Errors
    ///
    /// The port could not be reserved, and another program may take it before
    /// [`restart`](Self::restart). The service is stopped anyway.
    pub fn stop(&self) -> io::Result<()> {
        self.service().stopped.store(true, Ordering::SeqCst);
        self.command(Command::Close)
    }

    /// Accepts connections again, on the same port.
    ///
    /// Does nothing if the service is not stopped.
    ///
    /// # Errors
    ///
    /// The port can no longer be listened on.
    pub fn restart(&self) -> io::Result<()> {
        self.command(Command::Open)
    }

    /// Returns true if the service is [stopped](Self::stop).
    pub fn is_stopped(&self) -> bool {
        self.service().stopped.load(Ordering::SeqCst)
    }

    /// Moves this service's clock forward by `by`.
    ///
    /// If UASAM's clock is ahead, Brain rejects a fresh token until the difference has passed. If
    /// Brain's is ahead, it rejects tokens that are about to expire, and timestamps events
    /// accordingly.
    pub fn advance_clock(&self, by: Duration) {
        self.service().clock.advance(by);
    }

    fn command(&self, command: fn(std::sync::mpsc::Sender<io::Result<()>>) -> Command) -> io::Result<()> {
        let gone = || io::Error::other("the local OTAS has been dropped");
        let (done, outcome) = std::sync::mpsc::channel();
        self.commands.send(command(done)).map_err(|_| gone())?;
        outcome.recv().map_err(|_| gone())?
    }
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let script = lock(&self.service().script);
        f.debug_struct("Control")
            .field("service", &self.service)
            .field("addr", &self.addr())
            .field("stopped", &self.is_stopped())
            .field("script", &script)
            .finish()
    }
}
