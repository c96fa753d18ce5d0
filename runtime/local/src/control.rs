//! The controls of one local server: its faults, its port, its clock.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::faults::Fault;
use super::listen::{Command, Commands};
use super::records::Service;
use super::state::{ServiceState, State, lock};

/// The controls of one of the two servers; given by [`Server::uasam`](super::Server::uasam) and [`Server::brain`](super::Server::brain).
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// use otas::testing::{Fault, Server};
///
/// let otas = Server::start().await?;
/// otas.brain().fail_next(1, Fault::ResetAfterEffect); // the next event is stored, but its sender never learns
/// otas.brain().fail_share(0.3, Fault::Status(503), 7); // and of those after it, three in ten are refused
/// otas.uasam().go_down()?; // connections are refused
/// otas.uasam().come_back()?; // on the same port
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

    /// The address that the server listens on; the same while it is down.
    pub fn addr(&self) -> SocketAddr {
        self.service().addr
    }

    /// The server's base URL, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr())
    }

    /// The next `count` requests to this server meet `fault`, after those that earlier calls have spoken for.
    pub fn fail_next(&self, count: usize, fault: Fault) {
        lock(&self.service().script).add_next(count, fault);
    }

    /// Each request meets `fault` with the probability `share` (0 to 1), until [`heal`](Self::heal).
    ///
    /// Equal seeds give equal choices for the first, second, third ... request. Requests that [`fail_next`](Self::fail_next) has
    /// spoken for are not drawn. Several shares may be set; the one that was set first and hits is taken.
    pub fn fail_share(&self, share: f64, fault: Fault, seed: u64) {
        lock(&self.service().script).add_share(share, fault, seed);
    }

    /// Forgets all faults that were asked for. The port and the clock stay as they are.
    pub fn heal(&self) {
        lock(&self.service().script).clear();
    }

    /// Ends all connections and refuses new ones; the port stays reserved. On return it is so.
    ///
    /// While UASAM is down, Brain refuses every key (401 `invalid_or_expired_agent_key`) and every reader (503), as the real one does.
    ///
    /// # Errors
    ///
    /// The port could not be reserved: another program may take it before [`come_back`](Self::come_back). The server is down all the same.
    pub fn go_down(&self) -> io::Result<()> {
        self.service().down.store(true, Ordering::SeqCst);
        self.tell(Command::Down)
    }

    /// Accepts connections again, on the same port. On return it is so; without effect where the server is not down.
    ///
    /// # Errors
    ///
    /// The port cannot be listened on any more.
    pub fn come_back(&self) -> io::Result<()> {
        self.tell(Command::Up)
    }

    /// Whether [`go_down`](Self::go_down) was called last.
    pub fn is_down(&self) -> bool {
        self.service().down.load(Ordering::SeqCst)
    }

    /// Lets this server's clock run ahead of the true time by `by`; zero sets it right.
    ///
    /// With UASAM's clock ahead, Brain refuses a fresh token until the difference has passed. With Brain's ahead, it refuses tokens
    /// that soon expire, and stamps events with its own time.
    pub fn clock_ahead(&self, by: Duration) {
        self.service().clock.set_ahead(by);
    }

    fn tell(&self, command: fn(std::sync::mpsc::Sender<io::Result<()>>) -> Command) -> io::Result<()> {
        let gone = || io::Error::other("the local OTAS has stopped");
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
            .field("down", &self.is_down())
            .field("script", &script)
            .finish()
    }
}
