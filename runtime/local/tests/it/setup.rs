//! The endpoints that set a world up, and those of the people who audit it.

use otas_local::Server;
use serde_json::{Value, json};

use crate::support::{Answer, send, token};

async fn server() -> Server {
    Server::start().await.expect("a local OTAS")
}

fn post(otas: &Server, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
    send(&otas.uasam(), "POST", path, headers, Some(body.to_string().as_bytes())).expect("an answer")
}

/// The headers of the server's own operator.
fn operator(otas: &Server) -> [(&'static str, String); 2] {
    [("X-OTAS-USER-TOKEN", otas.user_token().to_owned()), ("X-OTAS-PROJECT-ID", otas.project_id())]
}

fn borrowed<'a>(headers: &'a [(&'static str, String)]) -> Vec<(&'static str, &'a str)> {
    headers.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

#[tokio::test]
async fn users_are_checked_as_uasam_checks_them() {
    let otas = server().await;
    let person = json!({"first_name": "A", "last_name": "B", "email": " New@Example.com ", "password": "123456"});
    let with = |field: &str, value: Value| {
        let mut person = person.clone();
        person[field] = value;
        person
    };
    for (body, word) in [
        (json!({"email": "a@b", "password": "123456"}), "missing_fields: first_name, last_name"),
        (with("email", json!("nobody")), "invalid_email_format"),
        (with("password", json!("12345")), "password_too_short"),
    ] {
        let answer = post(&otas, "/api/user/v1/create/", &[], &body);
        assert_eq!((answer.status, answer.word().as_str()), (400, word));
        assert_eq!(answer.json()["response_body"], Value::Null);
    }
    let made = post(&otas, "/api/user/v1/create/", &[], &person).json();
    assert_eq!(made["response_body"]["user"]["email"], "new@example.com");
    assert_eq!(post(&otas, "/api/user/v1/create/", &[], &person).word(), "user_already_exists");
    let log_in = |password: &str| {
        post(&otas, "/api/user/v1/login/", &[], &json!({"email": "NEW@example.com", "password": password}))
    };
    assert_eq!(log_in("123456").json()["response"]["user"]["id"], made["response_body"]["user"]["id"]);
    assert_eq!((log_in("1234567").status, log_in("").word().as_str()), (401, "login_failed"));
}

#[tokio::test]
async fn the_servers_own_operator_can_log_in() {
    let otas = server().await;
    let answer = post(
        &otas,
        "/api/user/v1/login/",
        &[],
        &json!({"email": "operator@example.com", "password": "local-password"}),
    );
    assert_eq!((answer.status, answer.word().as_str()), (200, "login_success"));
}

#[tokio::test]
async fn a_new_key_revokes_the_one_before() {
    let otas = server().await;
    let (old, headers) = (otas.agent_key(), operator(&otas));
    let path = "/api/agent/v1/agents/key/create/";
    let answer = post(&otas, path, &borrowed(&headers), &json!({"agent_id": otas.agent_id()}));
    assert_eq!((answer.status, answer.word().as_str()), (201, "agent_key_created"));
    let verify = |key: &str| post(&otas, "/api/agent/v1/auth/verify/", &[("X-OTAS-AGENT-KEY", key)], &json!({}));
    assert_eq!(verify(&old).word(), "invalid_agent_key");
    assert_eq!(verify(&otas.rotate_key()).json()["response"]["agent"]["id"], otas.agent_id());
    for (body, status, word) in [
        (json!({}), 400, "agent_id_required"),
        (json!({"agent_id": "zzz"}), 404, "agent_not_found_or_invalid_id"),
        (json!({"agent_id": uuid::Uuid::new_v4().to_string()}), 404, "agent_not_found_or_invalid_id"),
    ] {
        let answer = post(&otas, path, &borrowed(&headers), &body);
        assert_eq!((answer.status, answer.word().as_str()), (status, word));
    }
}

#[tokio::test]
async fn one_key_in_seven_is_dead_on_arrival_but_never_the_servers_own() {
    let otas = server().await;
    let headers = operator(&otas);
    let body = json!({"agent_name": "a", "agent_provider": "x"});
    let mut dead = 0;
    for _ in 0..300 {
        let made = post(&otas, "/api/agent/v1/create/", &borrowed(&headers), &body).json();
        let key = made["response"]["agent_key"]["api_key"].as_str().expect("a key").to_owned();
        assert_eq!(key.len(), 61);
        let answer = post(&otas, "/api/agent/v1/auth/verify/", &[("X-OTAS-AGENT-KEY", &key)], &json!({}));
        let expected = if key[6..17].contains('_') { 401 } else { 200 };
        assert_eq!(answer.status, expected, "{key}");
        dead += usize::from(answer.status == 401);
        assert!(!otas.rotate_key()[6..17].contains('_'));
    }
    assert!((15..90).contains(&dead), "{dead} of 300");
}

#[tokio::test]
async fn an_auditor_is_refused_step_by_step() {
    let otas = server().await;
    let brain = |headers: &[(&str, &str)]| {
        send(&otas.brain(), "GET", "/api/v1/agent/session/events/", headers, None).expect("an answer")
    };
    let (user, agent, project) = (otas.user_token(), otas.agent_id(), otas.project_id());
    let stranger = uuid::Uuid::new_v4().to_string();
    let upper = agent.to_uppercase();
    for (token, agent, project, status, word) in [
        ("", "", "", 401, "missing_user_token"),
        (user, "", "", 400, "missing_agent_id"),
        (user, agent.as_str(), "", 400, "missing_project_id"),
        ("x", agent.as_str(), project.as_str(), 401, "invalid_token"),
        (user, agent.as_str(), stranger.as_str(), 403, "user_project_mapping_invalid"),
        (user, stranger.as_str(), project.as_str(), 404, "agent_not_found"),
        (user, "zzz", project.as_str(), 500, "server_error"),
        (user, upper.as_str(), project.as_str(), 400, "session_id is required"),
    ] {
        let headers = [("X-OTAS-USER-TOKEN", token), ("X-OTAS-AGENT-ID", agent), ("X-OTAS-PROJECT-ID", project)];
        let answer = brain(&headers);
        assert_eq!((answer.status, answer.word().as_str()), (status, word));
    }
}

#[tokio::test]
async fn a_backend_logs_with_its_own_key() {
    let otas = server().await;
    let token = token(&otas);
    let body = json!({"project_id": "", "path": "/in", "method": "GET", "status_code": 200, "latency_ms": 1});
    let log = |key: &str, token: &str| {
        let headers = [("X-OTAS-SDK-KEY", key), ("X-OTAS-AGENT-SESSION-TOKEN", token)];
        send(&otas.brain(), "POST", "/api/v1/backend/log/sdk/", &headers, Some(body.to_string().as_bytes()))
            .expect("an answer")
    };
    assert_eq!(log("", &token).word(), "missing_sdk_key");
    assert_eq!(log("otas_a_b", &token).word(), "invalid_sdk_key");
    assert_eq!(log(otas.sdk_key(), "").word(), "missing_agent_session_token");
    let answer = log(otas.sdk_key(), &token);
    assert_eq!((answer.status, answer.json()["response"].clone()), (201, json!({})));
    let session = otas.session_of(&token).expect("a session");
    assert_eq!(otas.events(&session)[0].path, "/in");
    let headers = operator(&otas);
    let made =
        post(&otas, "/api/project/v1/sdk/backend/key/create/", &borrowed(&headers), &json!({"validity": 30})).json();
    assert_eq!(log(made["response_body"]["api_key"].as_str().expect("a key"), &token).status, 201);
}
