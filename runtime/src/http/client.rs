//! The HTTP client that people use in place of reqwest's: the same verbs, and `execute`.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use reqwest::{IntoUrl, Method, Request, Response};

use crate::client::Client as Otas;
use crate::client::pool::{self, Sender};
use crate::context::Scope;
use crate::context::global;
use crate::http::request::RequestBuilder;
use crate::http::send;
use crate::session::Session;

/// Sends requests that belong to a session: the current one, or one that it was [bound to](Self::bound_to).
///
/// Cheap to make and to clone. [`execute`](Self::execute) speaks genuine reqwest types, so that one closure plugs the library into SDKs
/// that take a way to send:
///
/// ```
/// # use otas::reqwest::{Request, Response, Result};
/// let send = |request: Request| async move { otas::http::client().execute(request).await };
/// # fn check<F: Future<Output = Result<Response>>>(_: impl Fn(Request) -> F) {} check(send);
/// ```
#[derive(Clone)]
pub struct Client(Whose);

#[derive(Clone)]
enum Whose {
    /// The current session's, else the task's or the process's default.
    Ambient,
    /// That client's, with the current session where it is one of its own.
    Client(Otas),
    /// That session's, wherever the request is sent.
    Session(Session),
}

/// A request under way.
pub(crate) type Sent = Pin<Box<dyn Future<Output = reqwest::Result<Response>> + Send>>;

/// Through what a request goes out, settled at the moment it is sent.
pub(crate) enum Way {
    /// A session, and by it its client.
    Session(Session),
    /// No session.
    Client(Otas),
    /// No valid configuration exists.
    Plain,
}

impl Way {
    pub(crate) fn client(&self) -> Option<&Otas> {
        match self {
            Self::Session(session) => Some(session.client()),
            Self::Client(client) => Some(client),
            Self::Plain => None,
        }
    }

    pub(crate) fn session(&self) -> Option<&Session> {
        match self {
            Self::Session(session) => Some(session),
            Self::Client(_) | Self::Plain => None,
        }
    }
}

impl Client {
    pub(crate) fn ambient() -> Self {
        Self(Whose::Ambient)
    }

    pub(crate) fn of(client: Otas) -> Self {
        Self(Whose::Client(client))
    }

    /// A client whose requests belong to `session` wherever they are sent: for SDKs that send from tasks of their own.
    pub fn bound_to(session: &Session) -> Self {
        Self(Whose::Session(session.clone()))
    }

    /// A request of the given method.
    pub fn request(&self, method: Method, url: impl IntoUrl) -> RequestBuilder {
        RequestBuilder::new(self.clone(), self.sender().map(|sender| sender.client.request(method, url)))
    }

    /// What would send on this runtime now; it lends its vocabulary to the builder.
    pub(crate) fn sender(&self) -> reqwest::Result<Arc<Sender>> {
        pool::sender(self.way().client())
    }

    /// A `GET` request.
    pub fn get(&self, url: impl IntoUrl) -> RequestBuilder {
        self.request(Method::GET, url)
    }

    /// A `POST` request.
    pub fn post(&self, url: impl IntoUrl) -> RequestBuilder {
        self.request(Method::POST, url)
    }

    /// A `PUT` request.
    pub fn put(&self, url: impl IntoUrl) -> RequestBuilder {
        self.request(Method::PUT, url)
    }

    /// A `PATCH` request.
    pub fn patch(&self, url: impl IntoUrl) -> RequestBuilder {
        self.request(Method::PATCH, url)
    }

    /// A `DELETE` request.
    pub fn delete(&self, url: impl IntoUrl) -> RequestBuilder {
        self.request(Method::DELETE, url)
    }

    /// A `HEAD` request.
    pub fn head(&self, url: impl IntoUrl) -> RequestBuilder {
        self.request(Method::HEAD, url)
    }

    /// Sends a request: with the token within the project's domain, untouched outside, following redirects.
    ///
    /// The session is the one that is current when this is called, not when the future is first polled. Needs a tokio runtime with I/O and
    /// timers, as reqwest does.
    ///
    /// # Errors
    ///
    /// reqwest's own: what [`reqwest::Client::execute`] would give. OTAS adds none.
    pub fn execute(&self, request: Request) -> impl Future<Output = reqwest::Result<Response>> + Send + use<> {
        self.boxed(request)
    }

    /// [`execute`](Self::execute), in one box.
    pub(crate) fn boxed(&self, request: Request) -> Sent {
        Box::pin(send::send(self.way(), request))
    }

    fn way(&self) -> Way {
        match &self.0 {
            Whose::Session(session) => Way::Session(session.clone()),
            Whose::Client(client) => {
                let own = |session: &Session| session.client().is(client);
                Session::current().filter(own).map_or_else(|| Way::Client(client.clone()), Way::Session)
            }
            Whose::Ambient => match Scope::current() {
                Scope::Session(session) => Way::Session(session),
                Scope::Client(client) => Way::Client(client),
                Scope::Empty => global::ambient().map_or(Way::Plain, Way::Client),
            },
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Whose::Ambient => f.write_str("Client(the current session)"),
            Whose::Client(_) => f.write_str("Client(the current session of one client)"),
            Whose::Session(session) => f.debug_tuple("Client").field(session).finish(),
        }
    }
}
