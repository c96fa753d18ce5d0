//! Decides whether a URL is within the project domain, as a pure function of the two.

use std::fmt;
use std::str::FromStr;

use url::{Host, Url};

use crate::error::{Error, Kind, Result};

/// The remedy of most mistakes.
const WRITE: &str = "write base URLs like `https://api.example.com`";

/// The base URLs whose requests carry the session token.
///
/// Written as comma-separated text. A URL is within one of them if and only if
///
/// * the scheme is the same (`http` is not `https`),
/// * the host is the same after normalization by the URL parser (no suffix matching, and
///   `localhost` is not `127.0.0.1`),
/// * the effective port is the same (`https://a` is `https://a:443`),
/// * the path begins with the base's path, in whole segments (`/api` covers `/api/x`, but not
///   `/apix`).
///
/// `https://*.example.com` covers every subdomain of `example.com`, but not `example.com` itself.
/// The empty text covers nothing, and is the [`Default`].
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use otas::ProjectDomain;
///
/// let domain: ProjectDomain = "https://api.example.com, https://*.internal.example.com/v2".parse()?;
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
    /// Everything below any of these URLs.
    pub(crate) fn below<'a>(bases: impl IntoIterator<Item = &'a Url>) -> Self {
        Self(bases.into_iter().filter_map(|url| Base::new(String::new(), url, false, "").ok()).collect())
    }

    /// Parses base URLs; `setting` is named in errors.
    pub(crate) fn parse(text: &str, setting: &str) -> Result<Self> {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        parts.map(|part| Base::parse(part, setting)).collect::<Result<_>>().map(Self)
    }

    /// Returns true if `url` is within the domain.
    pub fn contains(&self, url: &Url) -> bool {
        self.0.iter().any(|base| base.contains(url))
    }

    /// Returns true if the domain has no base URL and so covers nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromStr for ProjectDomain {
    type Err = Error;

    /// Parses comma-separated base URLs.
    ///
    /// # Errors
    ///
    /// [`is_config`](Error::is_config): a part is not a base URL. It is a bare host (the text
    /// suggests the URL), has a scheme other than `http` and `https`, a user name, a password, a
    /// query or a fragment, or a `*` anywhere but in front of a domain name.
    fn from_str(text: &str) -> Result<Self> {
        Self::parse(text, "project domain")
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
    fn parse(text: &str, setting: &str) -> Result<Self> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(match text.trim_start_matches('/') {
                host if looks_like_host(host) => {
                    let remedy = format!("write `https://{host}` (or `http://{host}`)");
                    Error::config(setting, format_args!("`{host}` is not a base URL"), remedy)
                }
                _ => Error::config(setting, "it is not a base URL", WRITE),
            });
        };
        let (wild, plain) = match rest.strip_prefix("*.") {
            Some(rest) => (true, format!("{scheme}://{rest}")),
            None => (false, text.to_owned()),
        };
        let url = Url::parse(&plain)
            .map_err(|cause| Error::with_source(Kind::config(setting, "it is not a URL", WRITE), cause))?;
        Self::check(&url, setting)?;
        Self::new(text.to_owned(), &url, wild, setting)
    }

    fn new(text: String, url: &Url, wild: bool, setting: &str) -> Result<Self> {
        let (Some(host), Some(port)) = (url.host(), url.port_or_known_default()) else {
            return Err(Error::config(setting, "a URL has no host", WRITE));
        };
        Ok(Self {
            text,
            scheme: url.scheme().to_owned(),
            host: HostRule::new(wild, host.to_owned(), setting)?,
            port,
            segments: url.path().trim_end_matches('/').split('/').skip(1).map(str::to_owned).collect(),
        })
    }

    /// Rejects what a base URL must not have. Does not quote it, because it may contain a password.
    fn check(url: &Url, setting: &str) -> Result<()> {
        let (problem, remedy) = if !matches!(url.scheme(), "http" | "https") {
            ("a URL has a scheme that is neither `http` nor `https`", WRITE)
        } else if !url.username().is_empty() || url.password().is_some() {
            ("a URL has a user name or password", "remove it")
        } else if url.query().is_some() || url.fragment().is_some() {
            ("a URL has a query or fragment", "remove it")
        } else {
            return Ok(());
        };
        Err(Error::config(setting, problem, remedy))
    }

    fn contains(&self, url: &Url) -> bool {
        url.port_or_known_default() == Some(self.port)
            && url.scheme() == self.scheme
            && self.host.matches(url)
            && self.contains_path(url)
    }

    fn contains_path(&self, url: &Url) -> bool {
        if self.segments.is_empty() {
            return true;
        }
        let mut given = segments(url);
        self.segments.iter().all(|segment| given.next() == Some(segment)) && !may_climb(url.path())
    }
}

impl HostRule {
    fn new(wild: bool, host: Host<String>, setting: &str) -> Result<Self> {
        let wrong = |problem: &str, remedy: &str| Err(Error::config(setting, problem, remedy));
        match host {
            Host::Domain(name) if name.contains('*') => {
                wrong("a host has a `*` inside", "write `https://*.example.com` for all subdomains")
            }
            Host::Domain(name) if wild && !name.contains('.') && name != "localhost" => wrong(
                &format!("`*.{name}` would send the token to everyone under `{name}`"),
                &format!("name your own domain, as in `https://*.example.{name}`"),
            ),
            Host::Domain(name) if wild => Ok(Self::EndsWith(format!(".{name}"))),
            _ if wild => wrong("there is a `*` before an IP address", "use a `*` only before a domain name"),
            host => Ok(Self::Is(host)),
        }
    }

    fn matches(&self, url: &Url) -> bool {
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

/// Whether a message may show the text: it is not a misplaced key or password.
///
/// A host may have a port and a path.
fn looks_like_host(text: &str) -> bool {
    let host = text.split(['/', ':']).next().unwrap_or_default();
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '*' | ':' | '/' | '[' | ']');
    let usual = host == "localhost" || host == "*" || host.contains('.') && !host.starts_with("eyJ");
    usual && text.len() <= 253 && text.chars().all(plain)
}

fn segments(url: &Url) -> impl Iterator<Item = &str> {
    url.path_segments().into_iter().flatten()
}

/// Whether a server might read the path as leading out of its directory.
///
/// Some decode it once more (`/api/..%2fadmin`), others ignore what follows a `;`
/// (`/api/..;/admin`). The URL parser has resolved every other form of `..`.
fn may_climb(path: &str) -> bool {
    let path = path.to_ascii_lowercase();
    let decoded = path.replace("%2f", "/").replace("%5c", "/").replace("%2e", ".").replace("%3b", ";");
    decoded.split('/').any(|segment| segment.split(';').next() == Some(".."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(domain: &str, url: &str) -> bool {
        domain.parse::<ProjectDomain>().unwrap().contains(&url.parse().unwrap())
    }

    fn rejection(domain: &str) -> String {
        domain.parse::<ProjectDomain>().unwrap_err().to_string()
    }

    #[test]
    fn scheme_host_and_effective_port_must_be_equal() {
        assert!(contains("https://a.example", "https://a.example:443/x"));
        assert!(contains("https://A.EXAMPLE:443", "https://a.example/x"));
        assert!(!contains("https://a.example", "http://a.example/x"));
        assert!(!contains("https://a.example", "https://a.example:444/x"));
        assert!(!contains("http://localhost:9000", "http://127.0.0.1:9000/"));
        assert!(!contains("https://a.example", "https://a.example.evil.net/"));
        assert!(!contains("https://a.example", "https://nota.example/"));
        assert!(!contains("https://a.example", "https://a.example@evil.net/"));
        assert!(!contains("https://a.example", "https://a.example./"));
        assert!(contains("http://[::1]:9000", "http://[0:0::1]:9000/x"));
        assert!(contains("http://127.0.0.1:9000", "http://0x7f.1:9000/x"));
        assert!(contains("https://bücher.example", "https://xn--bcher-kva.example/"));
        assert!(!contains("https://a.example", "blob:https://a.example/x"));
        assert!(!contains("https://a.example", "data:text/plain,https://a.example"));
    }

    #[test]
    fn a_wildcard_covers_every_subdomain_but_not_the_apex() {
        assert!(contains("https://*.example.com", "https://a.example.com/"));
        assert!(contains("https://*.example.com", "https://a.b.example.com/"));
        assert!(!contains("https://*.example.com", "https://example.com/"));
        assert!(!contains("https://*.example.com", "https://badexample.com/"));
        assert!(!contains("https://*.example.com", "https://a.example.com.evil.net/"));
        assert!(!contains("https://*.example.com", "http://a.example.com/"));
        assert!(contains("http://*.localhost:9000", "http://a.localhost:9000/"));
    }

    #[test]
    fn a_path_limits_the_domain_to_whole_segments() {
        assert!(contains("https://a.example/api", "https://a.example/api"));
        assert!(contains("https://a.example/api/", "https://a.example/api"));
        assert!(contains("https://a.example/api", "https://a.example/x/../api/y?z"));
        assert!(contains("https://a.example/api", "https://a.example/api/group%2Fproject"));
        assert!(!contains("https://a.example/api", "https://a.example/apix"));
        assert!(!contains("https://a.example/api", "https://a.example/api/../admin"));
        assert!(!contains("https://a.example/api", "https://a.example/api/%2e%2e/admin"));
        assert!(!contains("https://a.example/api", "https://a.example/api/..%2fadmin"));
        assert!(!contains("https://a.example/api", "https://a.example/api/..%5Cadmin"));
        assert!(!contains("https://a.example/api", "https://a.example/api/..;/admin"));
        assert!(!contains("https://a.example/api", "https://a.example/api/..%3bx=1/admin"));
        assert!(!contains("https://a.example/api", "https://a.example//api"));
        assert!(!contains("https://a.example/api//v1", "https://a.example/api/v1"));
        assert!(contains("https://a.example/api//v1/", "https://a.example/api//v1/x"));
    }

    #[test]
    fn base_urls_are_separated_by_commas_and_none_covers_nothing() {
        assert!(contains("https://a.example , http://b.example:8080,", "http://b.example:8080/"));
        assert!("".parse::<ProjectDomain>().unwrap().is_empty());
        assert!(!contains(" , ", "https://a.example/"));
        assert_eq!(
            "https://a.example, https://*.b.example/x".parse::<ProjectDomain>().unwrap().to_string(),
            "https://a.example,https://*.b.example/x"
        );
    }

    #[test]
    fn a_bare_host_is_an_error_that_suggests_the_url() {
        assert_eq!(
            rejection("api.example.com"),
            "project domain: `api.example.com` is not a base URL; write `https://api.example.com` (or `http://api.example.com`)"
        );
        assert!(rejection("localhost:9000").contains("`https://localhost:9000`"));
        assert!(rejection("//a.example").contains("`https://a.example`"));
        assert!(rejection("*").contains("not a base URL"));
    }

    #[test]
    fn a_misplaced_secret_is_not_shown() {
        let key = "agent_abcdefghijk_0123456789012345678901234567890123456789abc";
        for secret in [key, "u:hunter2@api.example.com", "eyJhbGciOi.eyJhZ2VudF9.c2ln", "hunter2"] {
            let message = rejection(secret);
            assert!(
                message.contains("not a base URL") && !message.contains(secret) && !message.contains("hunter2"),
                "{message}"
            );
        }
    }

    #[test]
    fn an_invalid_url_is_rejected_without_quoting_a_password() {
        assert!(rejection("ftp://a.example").contains("scheme"));
        let message = rejection("https://u:hunter2@a.example");
        assert!(message.contains("user name") && !message.contains("hunter2"));
        assert!(rejection("https://a.example/?q").contains("query"));
        assert!(rejection("https://a.*.example").contains("`*`"));
        assert!(rejection("https://*.com").contains("everyone"));
        assert!(rejection("https://*.10.0.0.1").contains("address"));
        assert!(rejection("https://").contains("not a URL"));
        assert!(rejection("https://a b").contains("not a URL"));
    }
}
