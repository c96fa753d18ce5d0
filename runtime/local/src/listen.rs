//! The servers' own thread: two ports, their connections, and the commands that open and close them.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::thread;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use super::http::Connection;
use super::records::Service;
use super::state::{Settings, State, lock};

/// Connections that may wait to be accepted: a thousand sessions opened at once must not meet a full queue.
const BACKLOG: u32 = 4096;

/// JSON may nest as deep as Python reads it, and the reader is recursive.
const STACK: usize = 64 * 1024 * 1024;

pub(crate) enum Command {
    /// Refuse connections and end those that exist.
    Down(std::sync::mpsc::Sender<io::Result<()>>),
    /// Accept connections again, on the same port.
    Up(std::sync::mpsc::Sender<io::Result<()>>),
    Stop,
}

pub(crate) type Commands = mpsc::UnboundedSender<Command>;

pub(crate) struct Started {
    pub(crate) state: Arc<State>,
    pub(crate) uasam: Commands,
    pub(crate) brain: Commands,
    pub(crate) thread: thread::JoinHandle<()>,
}

/// Starts the thread; returns once both ports accept connections.
pub(crate) async fn start(settings: Settings, uasam: SocketAddr, brain: SocketAddr) -> io::Result<Started> {
    let (uasam_commands, uasam_inbox) = mpsc::unbounded_channel();
    let (brain_commands, brain_inbox) = mpsc::unbounded_channel();
    let (ready, started) = oneshot::channel();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let thread = thread::Builder::new().name("otas-testing".to_owned()).stack_size(STACK).spawn(move || {
        runtime.block_on(async move {
            let bound = open(uasam).and_then(|uasam| Ok((uasam, open(brain)?)));
            let bound = bound.and_then(|(uasam, brain)| Ok((uasam.local_addr()?, brain.local_addr()?, uasam, brain)));
            let (uasam_addr, brain_addr, uasam, brain) = match bound {
                Ok(bound) => bound,
                Err(error) => return drop(ready.send(Err(error))),
            };
            let state = Arc::new(State::new(settings, uasam_addr, brain_addr));
            let mut servers = JoinSet::new();
            servers.spawn(run(Service::Brain, state.clone(), brain, brain_inbox));
            servers.spawn(run(Service::Uasam, state.clone(), uasam, uasam_inbox));
            let _ = ready.send(Ok(state));
            while servers.join_next().await.is_some() {}
        });
    })?;
    let state = started.await.map_err(|_| io::Error::other("the thread of the local OTAS ended"))??;
    Ok(Started { state, uasam: uasam_commands, brain: brain_commands, thread })
}

/// A port: open, or closed but kept from other programs.
enum Door {
    Open(TcpListener),
    Kept(TcpSocket),
    Lost,
}

fn keep(addr: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if addr.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    if cfg!(unix) {
        socket.set_reuseaddr(true)?;
    }
    socket.bind(addr)?;
    Ok(socket)
}

fn open(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket =
        keep(addr).map_err(|error| io::Error::new(error.kind(), format!("cannot listen on {addr}: {error}")))?;
    socket.listen(BACKLOG).map_err(|error| io::Error::new(error.kind(), format!("cannot listen on {addr}: {error}")))
}

enum Happened {
    Arrived(io::Result<TcpStream>),
    Told(Option<Command>),
}

async fn run(service: Service, state: Arc<State>, listener: TcpListener, mut inbox: mpsc::UnboundedReceiver<Command>) {
    let addr = state.service(service).addr;
    let mut door = Door::Open(listener);
    let mut connections = JoinSet::new();
    loop {
        match happens(&door, &mut inbox, &mut connections).await {
            Happened::Arrived(Ok(stream)) => {
                connections.spawn(serve(stream, service, state.clone()));
            }
            Happened::Arrived(Err(_)) => tokio::time::sleep(Duration::from_millis(10)).await, // out of descriptors, say
            Happened::Told(Some(Command::Down(done))) => {
                drop(door);
                connections.shutdown().await;
                let kept = keep(addr);
                let outcome =
                    kept.as_ref().map(|_| ()).map_err(|error| io::Error::new(error.kind(), error.to_string()));
                door = kept.map_or(Door::Lost, Door::Kept);
                let _ = done.send(outcome);
            }
            Happened::Told(Some(Command::Up(done))) => {
                let opened = match door {
                    Door::Open(listener) => Ok(listener),
                    Door::Kept(socket) => socket.listen(BACKLOG),
                    Door::Lost => open(addr),
                };
                let (outcome, next) = match opened {
                    Ok(listener) => (Ok(()), Door::Open(listener)),
                    Err(error) => (Err(error), Door::Lost),
                };
                door = next;
                state.service(service).down.store(outcome.is_err(), Ordering::SeqCst);
                let _ = done.send(outcome);
            }
            Happened::Told(Some(Command::Stop) | None) => return,
        }
    }
}

async fn happens(door: &Door, inbox: &mut mpsc::UnboundedReceiver<Command>, connections: &mut JoinSet<()>) -> Happened {
    poll_fn(|context| {
        while let Poll::Ready(Some(_)) = connections.poll_join_next(context) {}
        if let Poll::Ready(command) = inbox.poll_recv(context) {
            return Poll::Ready(Happened::Told(command));
        }
        match door {
            Door::Open(listener) => {
                listener.poll_accept(context).map(|accepted| Happened::Arrived(accepted.map(|(stream, _)| stream)))
            }
            Door::Kept(_) | Door::Lost => Poll::Pending,
        }
    })
    .await
}

/// Answers one connection's requests until it ends.
async fn serve(stream: TcpStream, service: Service, state: Arc<State>) {
    let _ = stream.set_nodelay(true);
    let mut connection = Connection::new(stream);
    while let Ok(Some((request, go_on))) = connection.read().await {
        state.remember(service, &request);
        let fault = lock(&state.service(service).script).draw();
        let usable = match fault {
            None => connection.stream.write_all(&state.answer(service, &request).bytes(&request)).await.map(|()| true),
            Some(fault) => fault.happen(&mut connection, &request, &state, service).await,
        };
        if !go_on || !usable.unwrap_or(false) {
            break;
        }
    }
}
