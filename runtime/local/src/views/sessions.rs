//! UASAM's endpoints for sessions: create one, and list those of an agent.

use serde_json::json;
use uuid::Uuid;

use crate::auth;
use crate::clock::iso_time;
use crate::django::{self, Outcome, only};
use crate::http::{Request, Response};
use crate::jwt;
use crate::state::State;
use crate::store::Session;
use crate::values::json::Json;
use crate::values::{postgres, python};

pub(crate) fn create_session(state: &State, request: &Request) -> Outcome {
    let (agent, key) = auth::agent(state, request)?;
    only("POST", request)?;
    let body = django::object(request, django::body_or(400, "invalid_json", request)?)?;
    let meta = match body.get("meta") {
        None | Some(Json::Null) => Json::Object(Vec::new()),
        Some(meta) => meta.clone(),
    };
    let meta = postgres::jsonb(&meta).map_err(|error| Response::refusal(500, &format!("server_error: {error}")))?;
    let id = Uuid::new_v4();
    let now = state.uasam.clock.now();
    let mut store = state.store();
    let created = store.next_timestamp(now);
    store.sessions.push(Session { id, agent: agent.id, key, created, meta });
    let claims = json!({
        "agent_session_id": id.to_string(),
        "agent_id": agent.id.to_string(),
        "exp": now.saturating_add(state.settings.token_lifetime).as_secs(),
        "iat": now.as_secs(),
    });
    let response = json!({
        "Header_value": auth::SESSION_TOKEN,
        "jwt_token": jwt::encode(&claims, &state.settings.jwt_secret),
    });
    Ok(Response::json(200, json!({"status": 1, "status_description": "agent_session_created", "response": response})))
}

pub(crate) fn list_sessions(state: &State, request: &Request) -> Outcome {
    let (_, project) = auth::user_and_project(state, request)?;
    only("GET", request)?;
    let id = request.query("agent_id").filter(|id| !id.is_empty());
    let id = id.ok_or_else(|| Response::refusal(400, "agent_id_required"))?;
    let store = state.store();
    let agent = python::uuid(&id).and_then(|id| store.agents.get(&id)).filter(|agent| agent.project == project.id);
    let agent = agent.ok_or_else(|| Response::refusal(403, "agent_not_found_or_no_access"))?;
    let sessions = store.sessions.iter().rev().filter(|session| session.agent == agent.id).map(|session| {
        Json::object([
            ("id", session.id.to_string().into()),
            ("agent_key_id", session.key.to_string().into()),
            ("created_at", iso_time(session.created).into()),
            ("meta", session.meta.clone()),
        ])
    });
    let response =
        Json::object([("agent_id", agent.id.to_string().into()), ("sessions", Json::List(sessions.collect()))]);
    let listed = Json::object([
        ("status", Json::Int("1".into())),
        ("status_description", "agent_sessions_listed".into()),
        ("response", response),
    ]);
    Ok(Response::json(200, listed))
}
