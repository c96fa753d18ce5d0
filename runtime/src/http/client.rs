//! The HTTP client to use in place of reqwest's; it knows which session a request belongs to.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use reqwest::{Request, Response};

use super::send::{self, Target};
use crate::client::Sender;
use crate::context::{Scope, global};
use crate::session::Session;

/// Sends requests in the current session, or in the one it is [bound to](Self::bound_to).
///
/// Cheap to create and to clone. [`execute`](Self::execute) takes and returns reqwest's own types,
/// so a closure is enough to plug it into an SDK that lets you supply the transport:
///
/// ```
/// # use otas::reqwest::{Request, Response, Result};
/// let send = |request: Request| async move { otas::http::client().execute(request).await };
/// # fn check<F: Future<Output = Result<Response>>>(_: impl Fn(Request) -> F) {} check(send);
/// ```
#[derive(Clone)]
pub struct Client(Binding);

/// Which session a request belongs to.
#[derive(Clone)]
enum Binding {
    /// The current one, sent by its client; if there is none, the default client sends the request.
    Ambient,
    /// The current one if this client opened it; sent by this client.
    Client(crate::client::Client),
    /// This one, wherever the request is sent.
    Session(Session),
}

/// A request in flight.
pub(super) type ResponseFuture = Pin<Box<dyn Future<Output = reqwest::Result<Response>> + Send>>;

impl crate::client::Client {
    /// Returns an HTTP client with this client's project domain and settings.
    ///
    /// Its requests belong to the current session if this client opened it.
    pub fn http(&self) -> Client {
        Client(Binding::Client(self.clone()))
    }
}

impl Client {
    pub(super) fn ambient() -> Self {
        Self(Binding::Ambient)
    }

    /// Returns a client whose requests belong to `session`, wherever they are sent.
    ///
    /// Use it for SDKs that send from tasks of their own.
    pub fn bound_to(session: &Session) -> Self {
        Self(Binding::Session(session.clone()))
    }

    /// Sends a request and follows its redirects.
    ///
    /// Within the project domain it carries the session token; outside, it goes out unmodified.
    /// The session is the one that is current when this is called, not when the future is first
    /// polled. Needs a tokio runtime with I/O and timers, as reqwest does.
    ///
    /// # Errors
    ///
    /// Those of [`reqwest::Client::execute`]; OTAS adds none.
    pub fn execute(&self, request: Request) -> impl Future<Output = reqwest::Result<Response>> + Send + use<> {
        self.execute_boxed(request)
    }

    /// [`execute`](Self::execute), but boxed only once.
    pub(super) fn execute_boxed(&self, request: Request) -> ResponseFuture {
        Box::pin(send::send(self.target(), request))
    }

    /// The reqwest client of the current runtime, with which requests are built.
    pub(super) fn sender(&self) -> reqwest::Result<Arc<Sender>> {
        self.target().sender()
    }

    fn target(&self) -> Target {
        match &self.0 {
            Binding::Session(session) => Target::Session(session.clone()),
            Binding::Client(client) => Session::current()
                .filter(|session| session.client().ptr_eq(client))
                .map_or_else(|| Target::Client(client.clone()), Target::Session),
            Binding::Ambient => match Scope::current() {
                Scope::Session(session) => Target::Session(session),
                Scope::Client(client) => Target::Client(client),
                Scope::Empty => global::ambient().map_or(Target::Plain, Target::Client),
            },
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Binding::Ambient => f.write_str("Client(the current session)"),
            Binding::Client(_) => f.write_str("Client(the current session of one client)"),
            Binding::Session(session) => f.debug_tuple("Client").field(session).finish(),
        }
    }
}
