//! The HTTP client for use in place of reqwest's, and which session its requests belong to.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use reqwest::{Request, Response};

use super::send::{self, Target};
use crate::client::Sender;
use crate::context::{Scope, global};
use crate::session::Session;

/// Sends requests that belong to a session: the current one, or the one it is
/// [bound to](Self::bound_to).
///
/// Cheap to create and to clone. [`execute`](Self::execute) takes and returns genuine reqwest
/// types, so a closure is enough to plug it into an SDK that lets you supply the transport:
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
    /// The current one, sent by its client; else by the default client of the task or process.
    Ambient,
    /// The current one if this client opened it; sent by this client.
    Client(crate::client::Client),
    /// This one, wherever the request is sent.
    Session(Session),
}

/// A request in flight.
pub(super) type ResponseFuture = Pin<Box<dyn Future<Output = reqwest::Result<Response>> + Send>>;

impl crate::client::Client {
    /// An HTTP client with this client's domain and settings.
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

    /// A client whose requests belong to `session` wherever they are sent: for SDKs that send from
    /// tasks of their own.
    pub fn bound_to(session: &Session) -> Self {
        Self(Binding::Session(session.clone()))
    }

    /// Sends a request: with the token within the project's domain, unmodified outside, following
    /// redirects.
    ///
    /// The session is the one that is current when this is called, not when the future is first
    /// polled. Needs a tokio runtime with I/O and timers, as reqwest does.
    ///
    /// # Errors
    ///
    /// Those of [`reqwest::Client::execute`]; OTAS adds none.
    pub fn execute(&self, request: Request) -> impl Future<Output = reqwest::Result<Response>> + Send + use<> {
        self.execute_boxed(request)
    }

    /// [`execute`](Self::execute), boxed once.
    pub(super) fn execute_boxed(&self, request: Request) -> ResponseFuture {
        Box::pin(send::send(self.target(), request))
    }

    /// The reqwest client that would send on this runtime now; builds the requests.
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
