//! How a local OTAS is set up before it starts.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::listen;
use super::server::Server;
use super::state::Settings;

/// Settings of a local OTAS; made by [`Server::builder`].
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// use std::time::Duration;
///
/// let otas = otas::testing::Server::builder()
///     .token_life(Duration::from_secs(2))
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
    pub(crate) fn new() -> Self {
        let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            uasam: any_port,
            brain: any_port,
            project_domain: String::new(),
            settings: Settings {
                jwt_secret: "some-jwt-secret".to_owned(),
                token_life: Duration::from_secs(30 * 24 * 3600),
                keep_requests: true,
            },
        }
    }

    /// Where UASAM listens. Unset: a free port on 127.0.0.1.
    pub fn uasam_addr(mut self, addr: impl Into<SocketAddr>) -> Self {
        self.uasam = addr.into();
        self
    }

    /// Where Brain listens. Unset: a free port on 127.0.0.1.
    pub fn brain_addr(mut self, addr: impl Into<SocketAddr>) -> Self {
        self.brain = addr.into();
        self
    }

    /// The secret that tokens are signed with. Unset: `some-jwt-secret`, the real servers' own default.
    pub fn jwt_secret(mut self, secret: impl Into<String>) -> Self {
        self.settings.jwt_secret = secret.into();
        self
    }

    /// How long a session's token is accepted, in whole seconds (a rest is cut off). Unset: 30 days.
    pub fn token_life(mut self, life: Duration) -> Self {
        self.settings.token_life = life;
        self
    }

    /// The project's domain, as its operator would write it: a base URL. Unset: empty, and no URL is within it.
    pub fn project_domain(mut self, domain: impl Into<String>) -> Self {
        self.project_domain = domain.into();
        self
    }

    /// Whether [`Server::requests`] keeps every request, which grows without bound. Unset: `true`.
    pub fn keep_requests(mut self, keep: bool) -> Self {
        self.settings.keep_requests = keep;
        self
    }

    /// Starts both servers, with a user, a project and an agent whose key works.
    ///
    /// # Errors
    ///
    /// An address cannot be listened on (it is taken, or not this machine's), or the thread cannot be started.
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
            .field("token_life", &self.settings.token_life)
            .field("keep_requests", &self.settings.keep_requests)
            .finish_non_exhaustive()
    }
}
