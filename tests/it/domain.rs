//! The domain rule, on any URL that can be made up.

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

fn base() -> impl Strategy<Value = (String, String, Option<u16>, String)> {
    let path = prop_oneof![Just(String::new()), "/[a-c]{1,2}", "/[a-c]{1,2}/[a-c]"];
    (prop_oneof![Just("http".to_owned()), Just("https".to_owned())], host(), proptest::option::of(80_u16..90), path)
}

fn text((scheme, host, port, path): &(String, String, Option<u16>, String)) -> String {
    format!("{scheme}://{host}{}{path}", port.map(|port| format!(":{port}")).unwrap_or_default())
}

fn url(text: &str) -> Url {
    text.parse().unwrap()
}

proptest! {
    #[test]
    fn a_url_is_inside_iff_its_origin_and_leading_segments_match(rule in base(), given in base()) {
        let (domain, url) = (text(&rule).parse::<ProjectDomain>().unwrap(), url(&text(&given)));
        let effective = |(scheme, _, port, _): &(String, String, Option<u16>, String)| {
            port.unwrap_or(if scheme == "http" { 80 } else { 443 })
        };
        let same_path = rule.3.is_empty() || given.3 == rule.3 || given.3.starts_with(&format!("{}/", rule.3));
        let expected = rule.0 == given.0 && rule.1 == given.1 && effective(&rule) == effective(&given) && same_path;
        prop_assert_eq!(domain.contains(&url), expected, "{} in {}", url, domain);
    }

    #[test]
    fn any_path_or_query_below_the_base_is_inside(rule in base(), rest in "(/[a-z0-9%]{0,5}){0,4}", query in "[a-z=&?/:@]{0,12}") {
        let domain = text(&rule).parse::<ProjectDomain>().unwrap();
        let rest = rest.replace('%', "%41");
        let inside = url(&format!("{}{rest}?{query}", text(&rule)));
        prop_assert!(domain.contains(&inside), "{} in {}", inside, domain);
    }

    #[test]
    fn user_info_subdomains_and_suffixes_never_bring_a_host_inside(rule in base(), evil in "[a-z]{1,5}") {
        let domain = text(&rule).parse::<ProjectDomain>().unwrap();
        let (scheme, host, port, path) = &rule;
        let port = port.map(|port| format!(":{port}")).unwrap_or_default();
        for foreign in [
            format!("{scheme}://{}@{evil}.test{port}{path}", host.trim_matches(['[', ']']).replace(':', "%3A")),
            format!("{scheme}://{evil}.test{port}{path}?{scheme}://{host}"),
            format!("{scheme}://{evil}.test{port}{path}#{host}"),
            format!("{scheme}://{evil}.test{port}/{scheme}://{host}{path}"),
        ] {
            prop_assert!(!domain.contains(&url(&foreign)), "{} in {}", foreign, domain);
        }
        if host.ends_with("example") {
            for foreign in [format!("{scheme}://{evil}.{host}{port}{path}"), format!("{scheme}://{evil}{host}{port}{path}"), format!("{scheme}://{host}.{evil}{port}{path}")] {
                prop_assert!(!domain.contains(&url(&foreign)), "{} in {}", foreign, domain);
            }
        }
    }

    #[test]
    fn no_domain_or_url_causes_a_panic(domain in "\\PC{0,40}", given in "\\PC{0,40}") {
        if let (Ok(domain), Ok(url)) = (domain.parse::<ProjectDomain>(), given.parse::<Url>()) {
            domain.contains(&url);
        }
    }
}
