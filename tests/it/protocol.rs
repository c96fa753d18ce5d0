//! The local OTAS, compared with conversations recorded from the real servers.

use std::collections::HashMap;
use std::time::Duration;

use otas::reqwest::{Client, Method, Response, redirect};
use otas_local::Server;
use serde_json::{Map, Value, json};

const CASES: &str = include_str!("../fixtures/cases.json");

/// The values of the placeholders in the cases, by name.
type Placeholders = HashMap<&'static str, String>;

#[tokio::test]
async fn the_local_otas_matches_every_recorded_response() {
    let otas = LocalOtas::of(Server::start().await.unwrap());
    let cases: Vec<Value> = serde_json::from_str(CASES).unwrap();
    let expired = expired_token().await;
    let shared = otas.new_account(&expired).await;
    let mut differences = Vec::new();
    for case in &cases {
        let fresh = case["fresh"].as_bool().unwrap_or(false);
        let fresh = if fresh { Some(otas.new_account(&expired).await) } else { None };
        let got = otas.play(case, fresh.as_ref().unwrap_or(&shared)).await;
        let want = &case["expect"];
        // Of an HTML error page, only the status matters.
        let is_page = want["content_type"] == "text/html" && got["status"] == want["status"];
        if !is_page && got != *want {
            differences.push(format!("{}\n   want {want}\n   got  {got}", case["name"]));
        }
    }
    assert!(differences.is_empty(), "{} of {} differ\n{}", differences.len(), cases.len(), differences.join("\n"));
    assert_eq!(cases.len(), 90);
}

/// A token that is properly signed but expired.
async fn expired_token() -> String {
    let otas = LocalOtas::of(Server::builder().token_lifetime(Duration::ZERO).start().await.unwrap());
    let key = otas.server.agent_key();
    let opened = otas.post("/api/agent/v1/session/create/", &[("X-OTAS-AGENT-KEY", &key)], &json!({"meta": {}})).await;
    text(&opened["response"]["jwt_token"])
}

/// A local OTAS, and a plain HTTP client for it.
struct LocalOtas {
    server: Server,
    http: Client,
}

impl LocalOtas {
    fn of(server: Server) -> Self {
        Self { server, http: Client::builder().redirect(redirect::Policy::none()).build().unwrap() }
    }

    /// Creates a user, a project with an SDK key, and two agents, through the public endpoints.
    async fn new_account(&self, expired: &str) -> Placeholders {
        let random = uuid::Uuid::new_v4;
        let email = format!("{}@example.com", random().simple());
        let user =
            json!({"first_name": "A", "middle_name": "", "last_name": "B", "email": email, "password": "Passw0rd!x"});
        let user = text(&self.post("/api/user/v1/create/", &[], &user).await["response_body"]["jwt_token"]);
        let project =
            json!({"project_name": "p", "project_description": "d", "project_domain": "http://localhost:9000"});
        let project = self.post("/api/project/v1/create/", &[("X-OTAS-USER-TOKEN", &user)], &project).await;
        let project = text(&project["response_body"]["project"]["id"]);
        let owner = [("X-OTAS-USER-TOKEN", user.as_str()), ("X-OTAS-PROJECT-ID", project.as_str())];
        let sdk = self.post("/api/project/v1/sdk/backend/key/create/", &owner, &json!({"validity": 30})).await;
        let sdk = text(&sdk["response_body"]["api_key"]);
        let (key, agent, token) = self.new_agent(&owner).await;
        let (other_key, other_agent, other_token) = self.new_agent(&owner).await;
        HashMap::from([
            ("SESSION_ID", self.server.session_of(&token).unwrap()),
            ("AGENT_KEY", key),
            ("AGENT_ID", agent),
            ("SESSION_TOKEN", token),
            ("OTHER_AGENT_KEY", other_key),
            ("OTHER_AGENT_ID", other_agent),
            ("OTHER_SESSION_TOKEN", other_token),
            ("USER_TOKEN", user),
            ("PROJECT_ID", project),
            ("SDK_KEY", sdk),
            ("RANDOM_UUID", random().to_string()),
            ("EXPIRED_TOKEN", expired.to_owned()),
            // Properly signed, but for no session.
            ("TOKEN_WITHOUT_CLAIMS", self.server.user_token().to_owned()),
        ])
    }

    /// The key, id and session token of a new agent.
    ///
    /// Retries until the key works, since one generated key in seven never does.
    async fn new_agent(&self, owner: &[(&str, &str)]) -> (String, String, String) {
        loop {
            let fields = json!({"agent_name": "a", "agent_description": "d", "agent_provider": "x"});
            let created = &self.post("/api/agent/v1/create/", owner, &fields).await["response"];
            let key = text(&created["agent_key"]["api_key"]);
            let headers = [("X-OTAS-AGENT-KEY", key.as_str())];
            let opened = self.post("/api/agent/v1/session/create/", &headers, &json!({"meta": {}})).await;
            if opened["status"] == 1 {
                return (key, text(&created["agent"]["id"]), text(&opened["response"]["jwt_token"]));
            }
        }
    }

    async fn post(&self, path: &str, headers: &[(&str, &str)], body: &Value) -> Value {
        let mut request = self.http.post(self.server.uasam_url() + path).body(body.to_string());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.unwrap().json().await.unwrap()
    }

    /// The status, content type and masked JSON of the response to a case.
    async fn play(&self, case: &Value, placeholders: &Placeholders) -> Value {
        for request in case["before"].as_array().into_iter().flatten() {
            self.send(request, placeholders).await;
        }
        let response = self.send(case, placeholders).await;
        let content_type = response.headers()["content-type"].to_str().unwrap();
        let content_type = content_type.split(';').next().unwrap_or_default().to_owned();
        let status = response.status().as_u16();
        let mut got = Map::from_iter([
            ("status".to_owned(), status.into()),
            ("content_type".to_owned(), content_type.clone().into()),
        ]);
        if content_type.contains("json") {
            got.insert("json".to_owned(), mask(&response.json().await.unwrap(), placeholders));
        }
        got.into()
    }

    async fn send(&self, request: &Value, placeholders: &Placeholders) -> Response {
        let service = if request["service"] == "uasam" { self.server.uasam() } else { self.server.brain() };
        let url = service.url() + &fill(&text(&request["path"]), placeholders);
        let method = Method::from_bytes(text(&request["method"]).as_bytes()).unwrap();
        let mut sent = self.http.request(method, url);
        for (name, value) in request["headers"].as_object().into_iter().flatten() {
            sent = sent.header(name, fill(&text(value), placeholders));
        }
        if let Some(body) = request["body"].as_str() {
            sent = sent.body(fill(body, placeholders));
        }
        sent.send().await.unwrap()
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("expected a string, got {value}")).to_owned()
}

/// Replaces `${NAME}`, `${a*N}` (the letter a, N times) and `${r*N}` (N incompressible characters).
fn fill(text: &str, placeholders: &Placeholders) -> String {
    let mut parts = text.split("${");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once('}').unwrap();
        match name.split_once('*') {
            Some(("a", count)) => out += &"a".repeat(count.parse().unwrap()),
            Some(("r", count)) => out += &noise(count.parse().unwrap()),
            _ => out += placeholders.get(name).unwrap_or_else(|| panic!("unknown placeholder {name}")),
        }
        out += rest;
    }
    out
}

/// Incompressible characters, the same on every run.
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

/// Replaces values that differ between runs by their placeholder or kind.
fn mask(value: &Value, placeholders: &Placeholders) -> Value {
    match value {
        Value::Object(fields) => fields.iter().map(|(key, value)| (key.clone(), mask(value, placeholders))).collect(),
        Value::Array(values) => values.iter().map(|value| mask(value, placeholders)).collect(),
        Value::String(text) => match placeholders.iter().find(|(_, known)| *known == text) {
            Some((name, _)) => format!("${{{name}}}").into(),
            None => kind(text).unwrap_or(text).into(),
        },
        other => other.clone(),
    }
}

fn kind(text: &str) -> Option<&'static str> {
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
