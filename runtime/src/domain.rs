//! Is a URL within the project's domain? Pure: no network, no clock, no configuration.

use std::fmt;
use std::str::FromStr;

use url::{Host, Url};

use crate::error::{Error, Result};

/// The project's domain: the URLs that get the session's token, as the operator wrote them.
///
/// Written as base URLs, several separated by commas. A URL is within one of them exactly when
///
/// * the scheme is equal (`http` is not `https`),
/// * the host is equal, as the URL parser normalised it: no suffix matching, and `localhost` is not `127.0.0.1`,
/// * the effective port is equal (`https://a` is `https://a:443`),
/// * the path begins with the base's path, by whole segments (`/api` holds `/api/x`, not `/apix`).
///
/// `https://*.example.com` stands for every subdomain of `example.com`, and leaves out `example.com` itself. An empty text is a domain that
/// holds nothing, which is also the [`Default`].
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let domain: otas::Domain = "https://api.example.com, https://*.internal.example.com/v2".parse()?;
///
/// assert!(domain.contains(&"https://api.example.com:443/users?id=7".parse()?));
/// assert!(domain.contains(&"https://eu.internal.example.com/v2/jobs".parse()?));
/// assert!(!domain.contains(&"http://api.example.com/".parse()?));
/// assert!(!domain.contains(&"https://api.example.com.evil.net/".parse()?));
/// assert!(!domain.contains(&"https://internal.example.com/v2/jobs".parse()?));
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProjectDomain(Vec<Base>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Base {
    /// As written, for messages.
    text: String,
    scheme: String,
    host: HostRule,
    port: u16,
    segments: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum HostRule {
    Is(Host<String>),
    /// Holds `.example.com`.
    EndsWith(String),
}

impl ProjectDomain {
    /// What is below any of these URLs.
    pub(crate) fn below<'a>(bases: impl IntoIterator<Item = &'a Url>) -> Self {
        Self(bases.into_iter().filter_map(|url| Base::new(String::new(), url, false).ok()).collect())
    }

    /// Whether `url` is within the domain.
    pub fn contains(&self, url: &Url) -> bool {
        self.0.iter().any(|base| base.contains(url))
    }

    /// Whether the domain holds nothing at all: no text was given.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromStr for ProjectDomain {
    type Err = Error;

    /// Reads base URLs, separated by commas.
    ///
    /// # Errors
    ///
    /// A part that is no base URL: a bare host (the message proposes the URL), another scheme than `http` or `https`, user-info, a query,
    /// a fragment, a `*` elsewhere than in front of a domain's name.
    fn from_str(text: &str) -> Result<Self> {
        text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(Base::parse).collect::<Result<_>>().map(Self)
    }
}

impl fmt::Display for ProjectDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, base) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            f.write_str(&base.text)?;
        }
        Ok(())
    }
}

impl Base {
    fn parse(text: &str) -> Result<Self> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(Error::config(match text.trim_start_matches('/') {
                host if is_shown(host) => {
                    format!("`{host}` is not a base URL; write `https://{host}` (or `http://{host}`)")
                }
                _ => "it holds a text that is not a base URL; write `https://host`".to_owned(),
            }));
        };
        let (wild, plain) = match rest.strip_prefix("*.") {
            Some(rest) => (true, format!("{scheme}://{rest}")),
            None => (false, text.to_owned()),
        };
        let url = Url::parse(&plain).map_err(|cause| {
            let kind =
                crate::error::Kind::Config("the domain holds a text that is not a URL; write `https://host`".into());
            Error::with_source(kind, cause)
        })?;
        Self::check(&url)?;
        Self::new(text.to_owned(), &url, wild)
    }

    fn new(text: String, url: &Url, wild: bool) -> Result<Self> {
        let (Some(host), Some(port)) = (url.host(), url.port_or_known_default()) else {
            return Err(Error::config("a URL of the domain names no host; write `https://host`"));
        };
        Ok(Self {
            text,
            scheme: url.scheme().to_owned(),
            host: HostRule::new(wild, host.to_owned())?,
            port,
            segments: url.path().trim_end_matches('/').split('/').skip(1).map(str::to_owned).collect(),
        })
    }

    /// Refuses what a base URL must not have. The messages do not quote the text: user-info may hold a password.
    fn check(url: &Url) -> Result<()> {
        let wrong = if !matches!(url.scheme(), "http" | "https") {
            "has a scheme that is neither `http` nor `https`"
        } else if !url.username().is_empty() || url.password().is_some() {
            "has a user name or password; leave them out"
        } else if url.query().is_some() || url.fragment().is_some() {
            "has a query or a fragment; end it after the path"
        } else {
            return Ok(());
        };
        Err(Error::config(format!("a URL of the domain {wrong}")))
    }

    fn contains(&self, url: &Url) -> bool {
        url.port_or_known_default() == Some(self.port)
            && url.scheme() == self.scheme
            && self.host.holds(url)
            && self.holds_path(url)
    }

    fn holds_path(&self, url: &Url) -> bool {
        if self.segments.is_empty() {
            return true;
        }
        let mut given = segments(url);
        self.segments.iter().all(|segment| given.next() == Some(segment)) && !climbs(url.path())
    }
}

impl HostRule {
    fn new(wild: bool, host: Host<String>) -> Result<Self> {
        match host {
            Host::Domain(name) if name.contains('*') => Err(Error::config(
                "a URL of the domain has a `*` inside; write `https://*.example.com` for all subdomains",
            )),
            Host::Domain(name) if wild && !name.contains('.') && name != "localhost" => Err(Error::config(format!(
                "`*.{name}` would send the token to everybody under `{name}`; name your own domain, as in `https://*.example.{name}`"
            ))),
            Host::Domain(name) if wild => Ok(Self::EndsWith(format!(".{name}"))),
            _ if wild => Err(Error::config("a URL of the domain has a `*` before an address; subdomains need a name")),
            host => Ok(Self::Is(host)),
        }
    }

    fn holds(&self, url: &Url) -> bool {
        match (self, url.host()) {
            (Self::Is(Host::Domain(rule)), Some(Host::Domain(host))) => rule == host,
            (Self::Is(Host::Ipv4(rule)), Some(Host::Ipv4(host))) => *rule == host,
            (Self::Is(Host::Ipv6(rule)), Some(Host::Ipv6(host))) => *rule == host,
            (Self::EndsWith(rule), Some(Host::Domain(host))) => {
                host.len() > rule.len() && host.ends_with(rule.as_str())
            }
            _ => false,
        }
    }
}

/// Whether a text looks like a host, with a port and a path perhaps, so that a message may show it: a key or a password that was put in by
/// mistake does not.
fn is_shown(text: &str) -> bool {
    let host = text.split(['/', ':']).next().unwrap_or_default();
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '*' | ':' | '/' | '[' | ']');
    let usual = host == "localhost" || host == "*" || host.contains('.') && !host.starts_with("eyJ");
    usual && text.len() <= 253 && text.chars().all(plain)
}

fn segments(url: &Url) -> impl Iterator<Item = &str> {
    url.path_segments().into_iter().flatten()
}

/// Whether a server that decodes the path once more, or cuts off what stands after a `;`, would leave the directory: `/api/..%2fadmin`,
/// `/api/..;/admin`. The URL parser has resolved every other form of `..`.
fn climbs(path: &str) -> bool {
    let path = path.to_ascii_lowercase();
    let decoded = path.replace("%2f", "/").replace("%5c", "/").replace("%2e", ".").replace("%3b", ";");
    decoded.split('/').any(|segment| segment.split(';').next() == Some(".."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(domain: &str, url: &str) -> bool {
        domain.parse::<ProjectDomain>().unwrap().contains(&url.parse().unwrap())
    }

    fn refusal(domain: &str) -> String {
        domain.parse::<ProjectDomain>().unwrap_err().to_string()
    }

    #[test]
    fn scheme_host_and_effective_port_must_be_equal() {
        assert!(holds("https://a.example", "https://a.example:443/x"));
        assert!(holds("https://A.EXAMPLE:443", "https://a.example/x"));
        assert!(!holds("https://a.example", "http://a.example/x"));
        assert!(!holds("https://a.example", "https://a.example:444/x"));
        assert!(!holds("http://localhost:9000", "http://127.0.0.1:9000/"));
        assert!(!holds("https://a.example", "https://a.example.evil.net/"));
        assert!(!holds("https://a.example", "https://nota.example/"));
        assert!(!holds("https://a.example", "https://a.example@evil.net/"));
        assert!(!holds("https://a.example", "https://a.example./"));
        assert!(holds("http://[::1]:9000", "http://[0:0::1]:9000/x"));
        assert!(holds("http://127.0.0.1:9000", "http://0x7f.1:9000/x"));
        assert!(holds("https://bücher.example", "https://xn--bcher-kva.example/"));
        assert!(!holds("https://a.example", "blob:https://a.example/x"));
        assert!(!holds("https://a.example", "data:text/plain,https://a.example"));
    }

    #[test]
    fn a_wildcard_holds_every_subdomain_and_not_the_apex() {
        assert!(holds("https://*.example.com", "https://a.example.com/"));
        assert!(holds("https://*.example.com", "https://a.b.example.com/"));
        assert!(!holds("https://*.example.com", "https://example.com/"));
        assert!(!holds("https://*.example.com", "https://badexample.com/"));
        assert!(!holds("https://*.example.com", "https://a.example.com.evil.net/"));
        assert!(!holds("https://*.example.com", "http://a.example.com/"));
        assert!(holds("http://*.localhost:9000", "http://a.localhost:9000/"));
    }

    #[test]
    fn a_path_bounds_the_domain_by_whole_segments_after_normalisation() {
        assert!(holds("https://a.example/api", "https://a.example/api"));
        assert!(holds("https://a.example/api/", "https://a.example/api"));
        assert!(holds("https://a.example/api", "https://a.example/x/../api/y?z"));
        assert!(holds("https://a.example/api", "https://a.example/api/group%2Fproject"));
        assert!(!holds("https://a.example/api", "https://a.example/apix"));
        assert!(!holds("https://a.example/api", "https://a.example/api/../admin"));
        assert!(!holds("https://a.example/api", "https://a.example/api/%2e%2e/admin"));
        assert!(!holds("https://a.example/api", "https://a.example/api/..%2fadmin"));
        assert!(!holds("https://a.example/api", "https://a.example/api/..%5Cadmin"));
        assert!(!holds("https://a.example/api", "https://a.example/api/..;/admin"));
        assert!(!holds("https://a.example/api", "https://a.example/api/..%3bx=1/admin"));
        assert!(!holds("https://a.example/api", "https://a.example//api"));
        assert!(!holds("https://a.example/api//v1", "https://a.example/api/v1"));
        assert!(holds("https://a.example/api//v1/", "https://a.example/api//v1/x"));
    }

    #[test]
    fn several_domains_are_separated_by_commas_and_none_holds_nothing() {
        assert!(holds("https://a.example , http://b.example:8080,", "http://b.example:8080/"));
        assert!("".parse::<ProjectDomain>().unwrap().is_empty());
        assert!(!holds(" , ", "https://a.example/"));
        assert_eq!(
            "https://a.example, https://*.b.example/x".parse::<ProjectDomain>().unwrap().to_string(),
            "https://a.example,https://*.b.example/x"
        );
    }

    #[test]
    fn a_bare_host_is_an_error_that_proposes_the_url() {
        assert_eq!(
            refusal("api.example.com"),
            "`api.example.com` is not a base URL; write `https://api.example.com` (or `http://api.example.com`)"
        );
        assert!(refusal("localhost:9000").contains("`https://localhost:9000`"));
        assert!(refusal("//a.example").contains("`https://a.example`"));
        assert!(refusal("*").contains("not a base URL"));
    }

    #[test]
    fn a_secret_that_was_put_in_by_mistake_is_not_shown() {
        let key = "agent_abcdefghijk_0123456789012345678901234567890123456789abc";
        for secret in [key, "u:hunter2@api.example.com", "eyJhbGciOi.eyJhZ2VudF9.c2ln", "hunter2"] {
            let message = refusal(secret);
            assert!(
                message.contains("not a base URL") && !message.contains(secret) && !message.contains("hunter2"),
                "{message}"
            );
        }
    }

    #[test]
    fn what_is_no_base_url_is_refused_without_quoting_a_password() {
        assert!(refusal("ftp://a.example").contains("scheme"));
        let message = refusal("https://u:hunter2@a.example");
        assert!(message.contains("user name") && !message.contains("hunter2"));
        assert!(refusal("https://a.example/?q").contains("query"));
        assert!(refusal("https://a.*.example").contains("`*`"));
        assert!(refusal("https://*.com").contains("everybody"));
        assert!(refusal("https://*.10.0.0.1").contains("address"));
        assert!(refusal("https://").contains("not a URL"));
        assert!(refusal("https://a b").contains("not a URL"));
    }
}
