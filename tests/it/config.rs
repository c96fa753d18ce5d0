//! Configuration: every invalid setting is reported when it is read, by name and with a remedy.

use std::error::Error;
use std::time::Duration;

use otas::audit::Reader;
use otas::{Client, Config, ConfigBuilder};
use otas_local::Server;

use crate::support::TempFile;

const KEY: &str = "agent_abcdefghijk_0123456789012345678901234567890123456789abc";

/// The error caused by `variables`, in addition to a valid key and domain.
fn error_from(variables: &[(&str, &str)]) -> String {
    let valid = [("OTAS_AGENT_KEY", KEY), ("OTAS_PROJECT_DOMAIN", "https://api.example.com")];
    let error = Config::from_vars(valid.iter().chain(variables).copied()).unwrap_err();
    assert!(error.is_config());
    let output = format!("{error} {error:?}");
    assert!(!output.contains("hunter2") && !output.contains(KEY), "{output}");
    error.to_string()
}

#[test]
fn each_error_names_its_variable() {
    let cases = [
        ("OTAS_AGENT_KEY", "hunter2", "does not begin with `agent_`"),
        ("OTAS_AGENT_KEY", "agent_hunter2 x", "characters that no HTTP header can carry"),
        ("OTAS_AGENT_KEY", "agent_abcde_ghijk_0123456789012345678901234567890123456789abc", "never work"),
        ("OTAS_PROJECT_DOMAIN", "api.example.com", "https://api.example.com"),
        ("OTAS_PROJECT_DOMAIN", "https://ok.example,ftp://api.example.com", "scheme"),
        ("OTAS_UASAM_URL", "localhost:8000", "scheme"),
        ("OTAS_UASAM_URL", "https://user:hunter2@otas.example", "user name"),
        ("OTAS_BRAIN_URL", "https://", "not a URL"),
        ("OTAS_BRAIN_URL", "ws://brain.example", "scheme"),
        ("OTAS_DISABLED", "maybe", "true, 1, yes, on"),
        ("OTAS_SENSITIVE_HEADERS", "x-fine, not a name", "`not a name`"),
        ("OTAS_USER_TOKEN", "hunter2\u{7f}", "copy it again"),
    ];
    for (variable, value, reason) in cases {
        let message = error_from(&[(variable, value)]);
        assert!(message.contains(variable) && message.contains(reason), "{variable}={value}: {message}");
    }
}

#[test]
fn setting_both_a_key_and_a_key_file_is_an_error_that_names_both() {
    let message = error_from(&[("OTAS_AGENT_KEY_FILE", "/nowhere/key")]);
    assert!(message.contains("OTAS_AGENT_KEY ") && message.contains("OTAS_AGENT_KEY_FILE"), "{message}");
}

#[test]
fn a_missing_key_is_reported_with_all_three_remedies() {
    let message = Config::from_vars::<&str, &str>([]).unwrap_err().to_string();
    for remedy in ["OTAS_AGENT_KEY", "OTAS_AGENT_KEY_FILE", "OTAS_DISABLED=true"] {
        assert!(message.contains(remedy), "{message}");
    }
}

#[test]
fn an_empty_variable_counts_as_unset() {
    let config =
        Config::from_vars([("OTAS_AGENT_KEY", KEY), ("OTAS_UASAM_URL", " "), ("OTAS_PROJECT_DOMAIN", "")]).unwrap();
    assert_eq!(config.uasam_url().as_str(), "http://localhost:8000/");
    assert_eq!(config.brain_url().as_str(), "http://localhost:8002/");
    assert!(config.domain().is_empty());
}

#[test]
fn when_disabled_no_other_variable_is_validated() {
    let invalid =
        [("OTAS_AGENT_KEY", "x"), ("OTAS_PROJECT_DOMAIN", "y"), ("OTAS_BRAIN_URL", "z"), ("OTAS_DISABLED", "on")];
    let config = Config::from_vars(invalid).unwrap();
    assert!(config.is_disabled() && Client::new(config).unwrap().is_disabled());
}

#[test]
fn builder_errors_name_the_field() {
    let error = |builder: ConfigBuilder| builder.build().unwrap_err().to_string();
    let valid = || Config::builder().agent_key(KEY);
    let sealed = Config::builder().agent_key_provider(|| Err("vault is sealed".into()));

    assert!(error(Config::builder().agent_key("x")).contains("`agent_key`"));
    assert!(error(valid().agent_key(KEY)).contains("`agent_key`: it is set twice"));
    assert!(error(valid().agent_key_file("/nowhere")).contains("`agent_key_file`"));
    assert!(error(valid().project_domain("x")).contains("`project_domain`"));
    assert!(error(valid().open_timeout(Duration::ZERO)).contains("`open_timeout`"));
    assert!(error(valid().body_limit(200_000)).contains("`body_limit`"));
    assert!(error(sealed).contains("`agent_key_provider`"));
}

#[test]
fn a_key_file_may_end_in_a_newline_and_a_missing_one_is_named() {
    let file = TempFile::with(&format!("{KEY}\n"));
    let load = || Config::from_vars([("OTAS_AGENT_KEY_FILE", file.name())]);

    load().unwrap();
    file.remove();
    let error = load().unwrap_err();

    assert!(error.to_string().contains(file.name()), "{error}");
    assert!(error.source().is_some());
}

#[tokio::test]
async fn an_agent_manifest_is_a_complete_configuration() {
    let otas = Server::builder().project_domain("https://api.example.com").start().await.unwrap();
    let file = TempFile::with(&otas.manifest());

    let config = Config::from_manifest(file.path()).unwrap();
    assert!(config.domain().contains(&"https://api.example.com/x".parse().unwrap()));
    assert!(!format!("{config:?}").contains(&otas.agent_key()));

    file.write(&otas.manifest().replace(&otas.agent_key(), "nonsense"));
    let error = Config::from_manifest(file.path()).unwrap_err();
    assert!(error.to_string().contains("line "), "{error}");

    file.remove();
    assert!(Config::from_manifest(file.path()).unwrap_err().to_string().contains("cannot be read"));
}

#[test]
fn when_disabled_no_key_file_is_read_and_auditing_is_refused() {
    let variables = [
        ("OTAS_DISABLED", "true"),
        ("OTAS_AGENT_KEY_FILE", "/nowhere"),
        ("OTAS_USER_TOKEN", "t"),
        ("OTAS_PROJECT_ID", "p"),
    ];

    let config = Config::from_vars(variables).unwrap();

    assert!(Reader::new(&config).unwrap_err().is_disabled());
}
