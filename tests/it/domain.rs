//! The project domain rule, tested on generated URLs.

use otas::ProjectDomain;
use proptest::prelude::*;
use url::Url;

fn host() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{1,3}\\.example",
        "[a-z]{1,3}\\.[a-z]{1,2}\\.example",
        Just("localhost".to_owned()),
        Just("127.0.0.1".to_owned()),
        Just("[::1]".to_owned()),
    ]
}

/// Scheme, host, port and path of a URL.
type Base = (String, String, Option<u16>, String);

fn base() -> impl Strategy<Value = Base> {
    let path = prop_oneof![Just(String::new()), "/[a-c]{1,2}", "/[a-c]{1,2}/[a-c]"];
    (prop_oneof![Just("http".to_owned()), Just("https".to_owned())], host(), proptest::option::of(80_u16..90), path)
}

fn text((scheme, host, port, path): &Base) -> String {
    format!("{scheme}://{host}{}{path}", port.map(|port| format!(":{port}")).unwrap_or_default())
}

fn url(text: &str) -> Url {
    text.parse().unwrap()
}

proptest! {
    #[test]
    fn a_url_is_inside_iff_its_origin_and_leading_segments_match(rule in base(), given in base()) {
        let effective_port =
            |(scheme, _, port, _): &Base| port.unwrap_or(if scheme == "http" { 80 } else { 443 });
        let (domain, url) = (text(&rule).parse::<ProjectDomain>().unwrap(), url(&text(&given)));

        let same_path = rule.3.is_empty() || given.3 == rule.3 || given.3.starts_with(&format!("{}/", rule.3));
        let same_port = effective_port(&rule) == effective_port(&given);
        let expected = rule.0 == given.0 && rule.1 == given.1 && same_port && same_path;
        prop_assert_eq!(domain.contains(&url), expected, "{} in {}", url, domain);
    }

    #[test]
    fn any_path_or_query_below_the_base_is_inside(
        rule in base(),
        rest in "(/[a-z0-9%]{0,5}){0,4}",
        query in "[a-z=&?/:@]{0,12}",
    ) {
        let domain = text(&rule).parse::<ProjectDomain>().unwrap();
        let rest = rest.replace('%', "%41");

        let url = url(&format!("{}{rest}?{query}", text(&rule)));

        prop_assert!(domain.contains(&url), "{} in {}", url, domain);
    }

    #[test]
    fn user_info_subdomains_and_suffixes_never_bring_a_host_inside(rule in base(), other in "[a-z]{1,5}") {
        let domain = text(&rule).parse::<ProjectDomain>().unwrap();
        let (scheme, host, port, path) = &rule;
        let port = port.map(|port| format!(":{port}")).unwrap_or_default();

        let mut outside = vec![
            format!("{scheme}://{}@{other}.test{port}{path}", host.trim_matches(['[', ']']).replace(':', "%3A")),
            format!("{scheme}://{other}.test{port}{path}?{scheme}://{host}"),
            format!("{scheme}://{other}.test{port}{path}#{host}"),
            format!("{scheme}://{other}.test{port}/{scheme}://{host}{path}"),
        ];
        if host.ends_with("example") {
            outside.push(format!("{scheme}://{other}.{host}{port}{path}"));
            outside.push(format!("{scheme}://{other}{host}{port}{path}"));
            outside.push(format!("{scheme}://{host}.{other}{port}{path}"));
        }

        for outside in outside {
            prop_assert!(!domain.contains(&url(&outside)), "{} in {}", outside, domain);
        }
    }

    #[test]
    fn no_domain_or_url_causes_a_panic(domain in "\\PC{0,40}", given in "\\PC{0,40}") {
        if let (Ok(domain), Ok(url)) = (domain.parse::<ProjectDomain>(), given.parse::<Url>()) {
            domain.contains(&url);
        }
    }
}
