//! The thread that both services run on: their ports, their connections, and the commands to them.

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

use crate::http::Connection;
use crate::inject::inject;
use crate::received::Service;
use crate::router::respond;
use crate::state::{Settings, State, lock};

/// Connections that may wait to be accepted, for tests that open a thousand sessions at once.
const BACKLOG: u32 = 4096;

/// JSON may be nested as deeply as Python reads it, and our reader is recursive.
const STACK_BYTES: usize = 64 * 1024 * 1024;

pub(crate) enum Command {
    /// Refuse connections and close the existing ones.
    Close(std::sync::mpsc::Sender<io::Result<()>>),
    /// Accept connections again, on the same port.
    Open(std::sync::mpsc::Sender<io::Result<()>>),
    End,
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
    let thread = thread::Builder::new().name("otas-local".to_owned()).stack_size(STACK_BYTES).spawn(move || {
        runtime.block_on(async move {
            let bound = listen(uasam).and_then(|uasam| Ok((uasam, listen(brain)?)));
            let bound = bound.and_then(|(uasam, brain)| Ok((uasam.local_addr()?, brain.local_addr()?, uasam, brain)));
            let (uasam_addr, brain_addr, uasam, brain) = match bound {
                Ok(bound) => bound,
                Err(error) => return drop(ready.send(Err(error))),
            };
            let state = Arc::new(State::new(settings, uasam_addr, brain_addr));
            let mut services = JoinSet::new();
            services.spawn(run(Service::Brain, state.clone(), brain, brain_inbox));
            services.spawn(run(Service::Uasam, state.clone(), uasam, uasam_inbox));
            let _ = ready.send(Ok(state));
            while services.join_next().await.is_some() {}
        });
    })?;
    let state = started.await.map_err(|_| io::Error::other("the local OTAS thread ended unexpectedly"))??;
    Ok(Started { state, uasam: uasam_commands, brain: brain_commands, thread })
}

enum Port {
    Listening(TcpListener),
    /// Closed, but kept from other programs.
    Reserved(TcpSocket),
    Lost,
}

fn reserve(addr: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if addr.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    if cfg!(unix) {
        socket.set_reuseaddr(true)?;
    }
    socket.bind(addr)?;
    Ok(socket)
}

fn listen(addr: SocketAddr) -> io::Result<TcpListener> {
    let listener = reserve(addr).and_then(|socket| socket.listen(BACKLOG));
    listener.map_err(|error| io::Error::new(error.kind(), format!("cannot listen on {addr}: {error}")))
}

enum Happened {
    Accepted(io::Result<TcpStream>),
    Commanded(Option<Command>),
}

async fn run(service: Service, state: Arc<State>, listener: TcpListener, mut inbox: mpsc::UnboundedReceiver<Command>) {
    let addr = state.service(service).addr;
    let mut port = Port::Listening(listener);
    let mut connections = JoinSet::new();
    loop {
        match next(&port, &mut inbox, &mut connections).await {
            Happened::Accepted(Ok(stream)) => {
                connections.spawn(serve(stream, service, state.clone()));
            }
            // Out of file descriptors, for instance.
            Happened::Accepted(Err(_)) => tokio::time::sleep(Duration::from_millis(10)).await,
            Happened::Commanded(Some(Command::Close(done))) => {
                drop(port);
                connections.shutdown().await;
                let (outcome, next) = match reserve(addr) {
                    Ok(socket) => (Ok(()), Port::Reserved(socket)),
                    Err(error) => (Err(error), Port::Lost),
                };
                port = next;
                let _ = done.send(outcome);
            }
            Happened::Commanded(Some(Command::Open(done))) => {
                let listener = match port {
                    Port::Listening(listener) => Ok(listener),
                    Port::Reserved(socket) => socket.listen(BACKLOG),
                    Port::Lost => listen(addr),
                };
                let (outcome, next) = match listener {
                    Ok(listener) => (Ok(()), Port::Listening(listener)),
                    Err(error) => (Err(error), Port::Lost),
                };
                port = next;
                state.service(service).stopped.store(outcome.is_err(), Ordering::SeqCst);
                let _ = done.send(outcome);
            }
            Happened::Commanded(Some(Command::End) | None) => return,
        }
    }
}

async fn next(port: &Port, inbox: &mut mpsc::UnboundedReceiver<Command>, connections: &mut JoinSet<()>) -> Happened {
    poll_fn(|context| {
        while let Poll::Ready(Some(_)) = connections.poll_join_next(context) {}
        if let Poll::Ready(command) = inbox.poll_recv(context) {
            return Poll::Ready(Happened::Commanded(command));
        }
        match port {
            Port::Listening(listener) => {
                listener.poll_accept(context).map(|accepted| Happened::Accepted(accepted.map(|(stream, _)| stream)))
            }
            Port::Reserved(_) | Port::Lost => Poll::Pending,
        }
    })
    .await
}

/// Serves a connection's requests until it ends.
async fn serve(stream: TcpStream, service: Service, state: Arc<State>) {
    let _ = stream.set_nodelay(true);
    let mut connection = Connection::new(stream);
    while let Ok(Some((request, keep_alive))) = connection.read().await {
        state.keep_request(service, &request);
        let fault = lock(&state.service(service).script).draw();
        let usable = match fault {
            Some(fault) => inject(fault, &mut connection, &request, &state, service).await,
            None => {
                let response = respond(&state, service, &request).await;
                connection.stream.write_all(&response.bytes(&request)).await.map(|()| true)
            }
        };
        if !keep_alive || !usable.unwrap_or(false) {
            break;
        }
    }
}
