//! The settings of a local OTAS, with which it starts.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::listen;
use crate::server::Server;
use crate::state::Settings;

impl Server {
    /// Starts both services on free ports.
    ///
    /// # Errors
    ///
    /// No port is free, or the thread cannot be started.
    pub async fn start() -> io::Result<Self> {
        Self::builder().start().await
    }

    /// Returns a builder, for settings other than the defaults.
    pub fn builder() -> Builder {
        let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Builder {
            uasam: any_port,
            brain: any_port,
            project_domain: String::new(),
            settings: Settings {
                jwt_secret: "some-jwt-secret".to_owned(),
                token_lifetime: Duration::from_secs(30 * 24 * 3600),
                kept_requests: 10_000,
                cost: (Duration::ZERO, 1),
            },
        }
    }
}

/// Builds a [`Server`].
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// use std::time::Duration;
///
/// let otas = otas_local::Server::builder()
///     .token_lifetime(Duration::from_secs(2))
///     .project_domain("http://127.0.0.1:9000")
///     .start()
///     .await?;
/// # drop(otas); Ok(()) }
/// ```
#[must_use = "nothing runs before `start`"]
pub struct Builder {
    uasam: SocketAddr,
    brain: SocketAddr,
    project_domain: String,
    settings: Settings,
}

impl Builder {
    /// Sets the address that UASAM listens on. Default: a free port on 127.0.0.1.
    pub fn uasam_addr(mut self, addr: impl Into<SocketAddr>) -> Self {
        self.uasam = addr.into();
        self
    }

    /// Sets the address that Brain listens on. Default: a free port on 127.0.0.1.
    pub fn brain_addr(mut self, addr: impl Into<SocketAddr>) -> Self {
        self.brain = addr.into();
        self
    }

    /// Sets the secret that signs tokens.
    ///
    /// Default: `some-jwt-secret`, as with the real servers.
    pub fn jwt_secret(mut self, secret: impl Into<String>) -> Self {
        self.settings.jwt_secret = secret.into();
        self
    }

    /// Sets how long a session token is valid, rounded down to whole seconds.
    ///
    /// Default: 30 days.
    pub fn token_lifetime(mut self, lifetime: Duration) -> Self {
        self.settings.token_lifetime = lifetime;
        self
    }

    /// Sets the project domain: the base URL of the operator's own backend.
    ///
    /// Default: empty; no URL is within it.
    pub fn project_domain(mut self, domain: impl Into<String>) -> Self {
        self.project_domain = domain.into();
        self
    }

    /// Makes the services as slow as real ones. Default: no added delay.
    ///
    /// A real server computes a password hash for every key that it checks, which takes about
    /// 180 ms. With this setting, each request that comes with an agent key or an SDK key (above all,
    /// those that create a session or log a call) occupies one of `workers` for `per_request`.
    /// Requests to both services share the workers, and are served in order of arrival. There is
    /// always at least one worker.
    ///
    /// ```
    /// # use std::time::Duration;
    /// // A machine with two cores: eleven requests a second.
    /// let builder = otas_local::Server::builder().cost(Duration::from_millis(180), 2);
    /// # let _ = builder;
    /// ```
    pub fn cost(mut self, per_request: Duration, workers: usize) -> Self {
        self.settings.cost = (per_request, workers);
        self
    }

    /// Sets how many recent requests [`Server::requests`] returns. Default: 10,000.
    ///
    /// Fewer are kept if their bodies take more than 64 MiB. With 0, none are kept.
    pub fn keep_requests(mut self, limit: usize) -> Self {
        self.settings.kept_requests = limit;
        self
    }

    /// Starts both services, with a user, a project, and an agent whose key works.
    ///
    /// # Errors
    ///
    /// An address cannot be listened on (it is in use, or does not belong to this machine), or the
    /// thread cannot be started.
    pub async fn start(self) -> io::Result<Server> {
        let started = listen::start(self.settings, self.uasam, self.brain).await?;
        Ok(Server::new(started, self.project_domain))
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("uasam", &self.uasam)
            .field("brain", &self.brain)
            .field("project_domain", &self.project_domain)
            .field("token_lifetime", &self.settings.token_lifetime)
            .field("keep_requests", &self.settings.kept_requests)
            .field("cost", &self.settings.cost)
            .finish_non_exhaustive()
    }
}
