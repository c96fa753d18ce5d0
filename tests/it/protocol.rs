//! The recorded conversations with the real servers, held against the local ones.

use std::collections::HashMap;
use std::time::Duration;

use otas::testing::Server;
use serde_json::{Map, Value, json};

use crate::testing_client::{Answer, send, token};

const CASES: &str = include_str!("../fixtures/cases.json");

/// The values of the placeholders in the cases.
type World = HashMap<&'static str, String>;

#[tokio::test]
async fn the_local_servers_answer_the_recorded_cases_as_the_real_ones_did() {
    let otas = Server::start().await.expect("a local OTAS");
    let cases: Vec<Value> = serde_json::from_str(CASES).expect("the cases");
    let ended = Server::builder().token_life(Duration::ZERO).start().await.expect("another one");
    let expired = token(&ended); // signed with the same secret, and at its end at once
    let shared = world(&otas, &expired);
    let mut differences = Vec::new();
    for case in &cases {
        let fresh = case["fresh"].as_bool().unwrap_or(false).then(|| world(&otas, &expired));
        let got = answer(&otas, case, fresh.as_ref().unwrap_or(&shared));
        let want = &case["expect"];
        let is_page = want["content_type"] == "text/html" && got["status"] == want["status"]; // its text is nobody's contract
        if !is_page && got != *want {
            differences.push(format!("{}\n   want {want}\n   got  {got}", case["name"]));
        }
    }
    assert!(differences.is_empty(), "{} of {} differ\n{}", differences.len(), cases.len(), differences.join("\n"));
    assert!(cases.len() >= 76);
}

/// A user, a project, and two agents whose keys authenticate, made through the servers' own endpoints.
fn world(otas: &Server, expired: &str) -> World {
    let random = uuid::Uuid::new_v4;
    let email = format!("{}@example.com", random().simple());
    let person =
        json!({"first_name": "A", "middle_name": "", "last_name": "B", "email": email, "password": "Passw0rd!x"});
    let user = text(&post(otas, "/api/user/v1/create/", &[], &person)["response_body"]["jwt_token"]);
    let project = json!({"project_name": "p", "project_description": "d", "project_domain": "http://localhost:9000"});
    let project = post(otas, "/api/project/v1/create/", &[("X-OTAS-USER-TOKEN", &user)], &project);
    let project = text(&project["response_body"]["project"]["id"]);
    let (key, agent, token) = agent(otas, &user, &project);
    let (other_key, other_agent, other_token) = self::agent(otas, &user, &project);
    HashMap::from([
        ("SESSION_ID", otas.session_of(&token).expect("the session")),
        ("AGENT_KEY", key),
        ("AGENT_ID", agent),
        ("SESSION_TOKEN", token),
        ("OTHER_AGENT_KEY", other_key),
        ("OTHER_AGENT_ID", other_agent),
        ("OTHER_SESSION_TOKEN", other_token),
        ("USER_TOKEN", user),
        ("PROJECT_ID", project),
        ("RANDOM_UUID", random().to_string()),
        ("EXPIRED_TOKEN", expired.to_owned()),
        ("TOKEN_WITHOUT_CLAIMS", otas.user_token().to_owned()), // rightly signed, but about no session
    ])
}

/// Key, id and a session's token of a new agent; one in seven keys can never work, and then another agent is made.
fn agent(otas: &Server, user: &str, project: &str) -> (String, String, String) {
    loop {
        let headers = [("X-OTAS-USER-TOKEN", user), ("X-OTAS-PROJECT-ID", project)];
        let fields = json!({"agent_name": "a", "agent_description": "d", "agent_provider": "x"});
        let made = &post(otas, "/api/agent/v1/create/", &headers, &fields)["response"];
        let key = text(&made["agent_key"]["api_key"]);
        let opened = post(otas, "/api/agent/v1/session/create/", &[("X-OTAS-AGENT-KEY", &key)], &json!({"meta": {}}));
        if opened["status"] == 1 {
            return (key, text(&made["agent"]["id"]), text(&opened["response"]["jwt_token"]));
        }
    }
}

fn post(otas: &Server, path: &str, headers: &[(&str, &str)], body: &Value) -> Value {
    send(&otas.uasam(), "POST", path, headers, Some(body.to_string().as_bytes())).expect("an answer").json()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("a text, not {value}")).to_owned()
}

/// Status, content type and masked JSON of the local servers' answer to a case.
fn answer(otas: &Server, case: &Value, world: &World) -> Value {
    for request in case["before"].as_array().into_iter().flatten() {
        play(otas, request, world);
    }
    let answer = play(otas, case, world);
    let content_type =
        answer.header("content-type").unwrap_or_default().split(';').next().unwrap_or_default().to_owned();
    let mut got =
        Map::from_iter([("status".into(), answer.status.into()), ("content_type".into(), content_type.clone().into())]);
    if content_type.contains("json") {
        got.insert("json".into(), mask(&answer.json(), world));
    }
    got.into()
}

fn play(otas: &Server, request: &Value, world: &World) -> Answer {
    let control = if request["service"] == "uasam" { otas.uasam() } else { otas.brain() };
    let headers = request["headers"].as_object().into_iter().flatten();
    let headers: Vec<_> = headers.map(|(name, value)| (name.as_str(), fill(&text(value), world))).collect();
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let body = request["body"].as_str().map(|body| fill(body, world));
    let (method, path) = (text(&request["method"]), fill(&text(&request["path"]), world));
    send(&control, &method, &path, &headers, body.as_ref().map(String::as_bytes)).expect("an answer")
}

/// Fills `${NAME}`, `${a*N}` (the letter a N times) and `${r*N}` (N characters that do not compress).
fn fill(text: &str, world: &World) -> String {
    let mut parts = text.split("${");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once('}').expect("a closing brace");
        match name.split_once('*') {
            Some(("a", count)) => out += &"a".repeat(count.parse().expect("a count")),
            Some(("r", count)) => out += &noise(count.parse().expect("a count")),
            _ => out += world.get(name).unwrap_or_else(|| panic!("no placeholder {name}")),
        }
        out += rest;
    }
    out
}

/// Characters that do not compress, the same each time.
fn noise(count: usize) -> String {
    let mut state: u64 = 0x9E37_79B9_7F4A_7C15;
    let mut letter = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[(state >> 58) as usize])
    };
    (0..count).map(|_| letter()).collect()
}

/// Values that differ from run to run, replaced by what they are.
fn mask(value: &Value, world: &World) -> Value {
    match value {
        Value::Object(fields) => fields.iter().map(|(key, value)| (key.clone(), mask(value, world))).collect(),
        Value::Array(values) => values.iter().map(|value| mask(value, world)).collect(),
        Value::String(text) => match world.iter().find(|(_, known)| *known == text) {
            Some((name, _)) => format!("${{{name}}}").into(),
            None => form(text).unwrap_or(text).into(),
        },
        other => other.clone(),
    }
}

fn form(text: &str) -> Option<&'static str> {
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    let lower_uuid = uuid::Uuid::try_parse(text).is_ok_and(|id| id.hyphenated().to_string() == text);
    Some(match text {
        _ if lower_uuid => "*uuid",
        _ if shape.starts_with("0000-00-00T") => "*time",
        _ if shape == "0000-00-00" => "*date",
        _ if text.starts_with("eyJ") && text.matches('.').count() == 2 => "*jwt",
        _ if text.starts_with("server_error:") => "*server_error",
        _ => return None,
    })
}
