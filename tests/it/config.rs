//! Configuration: every mistake is found when the client is built, and named with what to do.

use std::io::Write;

use otas::{Client, Config};

const KEY: &str = "agent_abcdefghijk_0123456789012345678901234567890123456789abc";

/// The error of a set of variables, on top of a good key and domain.
fn refusal(variables: &[(&str, &str)]) -> String {
    let good = [("OTAS_AGENT_KEY", KEY), ("OTAS_PROJECT_DOMAIN", "https://api.example.com")];
    let error = Config::from_vars(good.iter().chain(variables).copied()).unwrap_err();
    assert!(error.is_config());
    let shown = format!("{error} {error:?}");
    assert!(!shown.contains("hunter2") && !shown.contains(KEY), "{shown}");
    error.to_string()
}

#[test]
fn each_error_names_its_variable() {
    let mistakes = [
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
    for (variable, value, word) in mistakes {
        let message = refusal(&[(variable, value)]);
        assert!(message.contains(variable) && message.contains(word), "{variable}={value}: {message}");
    }
}

#[test]
fn setting_both_a_key_and_a_key_file_is_an_error_that_names_both() {
    let message = refusal(&[("OTAS_AGENT_KEY_FILE", "/nowhere/key")]);
    assert!(message.contains("OTAS_AGENT_KEY ") && message.contains("OTAS_AGENT_KEY_FILE"), "{message}");
}

#[test]
fn a_missing_key_is_reported_with_all_three_remedies() {
    let message = Config::from_vars::<&str, &str>([]).unwrap_err().to_string();
    for word in ["OTAS_AGENT_KEY", "OTAS_AGENT_KEY_FILE", "OTAS_DISABLED=true"] {
        assert!(message.contains(word), "{message}");
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
    let wrong =
        [("OTAS_AGENT_KEY", "x"), ("OTAS_PROJECT_DOMAIN", "y"), ("OTAS_BRAIN_URL", "z"), ("OTAS_DISABLED", "on")];
    let config = Config::from_vars(wrong).unwrap();
    assert!(config.is_disabled() && Client::new(config).unwrap().is_disabled());
}

#[test]
fn builder_errors_name_the_field() {
    let refusal = |builder: otas::ConfigBuilder| builder.build().unwrap_err().to_string();
    let good = || Config::builder().agent_key(KEY);
    assert!(refusal(Config::builder().agent_key("x")).contains("`agent_key`"));
    assert!(refusal(good().agent_key(KEY)).contains("`agent_key`: it is set twice"));
    assert!(refusal(good().agent_key_file("/nowhere")).contains("`agent_key_file`"));
    assert!(refusal(good().project_domain("x")).contains("`project_domain`"));
    assert!(refusal(good().open_timeout(std::time::Duration::ZERO)).contains("`open_timeout`"));
    assert!(refusal(good().body_limit(200_000)).contains("`body_limit`"));
    assert!(
        refusal(Config::builder().agent_key_provider(|| Err("vault is sealed".into())))
            .contains("`agent_key_provider`")
    );
}

#[test]
fn a_key_file_may_end_in_a_newline_and_a_missing_one_is_named() {
    let path = std::env::temp_dir().join(format!("otas-key-{}", std::process::id()));
    std::fs::File::create(&path).unwrap().write_all(format!("{KEY}\n").as_bytes()).unwrap();
    Config::from_vars([("OTAS_AGENT_KEY_FILE", path.to_str().unwrap())]).unwrap();
    std::fs::remove_file(&path).unwrap();
    let error = Config::from_vars([("OTAS_AGENT_KEY_FILE", path.to_str().unwrap())]).unwrap_err();
    assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    assert!(std::error::Error::source(&error).is_some());
}

#[tokio::test]
async fn an_agent_manifest_is_a_complete_configuration() {
    let otas = otas_local::Server::builder().project_domain("https://api.example.com").start().await.unwrap();
    let path = std::env::temp_dir().join(format!("OtasAgentManifest-{}.md", std::process::id()));
    std::fs::write(&path, otas.manifest()).unwrap();
    let config = Config::from_manifest(&path).unwrap();
    assert!(config.domain().contains(&"https://api.example.com/x".parse().unwrap()));
    assert!(!format!("{config:?}").contains(&otas.agent_key()));
    std::fs::write(&path, otas.manifest().replace(&otas.agent_key(), "nonsense")).unwrap();
    let error = Config::from_manifest(&path).unwrap_err();
    assert!(error.to_string().contains("line "), "{error}");
    std::fs::remove_file(&path).unwrap();
    assert!(Config::from_manifest(&path).unwrap_err().to_string().contains("cannot be read"));
}

#[test]
fn when_disabled_no_key_file_is_read_and_auditing_is_refused() {
    let off = [
        ("OTAS_DISABLED", "true"),
        ("OTAS_AGENT_KEY_FILE", "/nowhere"),
        ("OTAS_USER_TOKEN", "t"),
        ("OTAS_PROJECT_ID", "p"),
    ];
    let config = Config::from_vars(off).unwrap();
    assert!(otas::audit::Reader::new(&config).unwrap_err().is_disabled());
}
