//! UASAM's views for agents and auditors: create a session, verify a key, list sessions.

use serde_json::json;
use uuid::Uuid;

use super::clock::iso_time;
use super::django::{self, Outcome, only};
use super::http::{Response, Request};
use super::json::Json;
use super::state::State;
use super::store::{Agent, Project, Session, User};
use super::{jwt, postgres, python};
use crate::wire::header;

pub(crate) fn create_session(state: &State, request: &Request) -> Outcome {
    let (agent, key) = agent(state, request)?;
    only("POST", request)?;
    let body = django::object(request, django::body_or(400, "invalid_json", request)?)?;
    let meta = match body.get("meta") {
        None | Some(Json::Null) => Json::Object(Vec::new()),
        Some(meta) => meta.clone(),
    };
    let meta = postgres::jsonb(&meta).map_err(|words| Response::refusal(500, &format!("server_error: {words}")))?;
    let id = Uuid::new_v4();
    let now = state.uasam.clock.now();
    let mut store = state.store();
    let created = store.moment(now);
    store.sessions.push(Session { id, agent: agent.id, key, created, meta });
    let claims = json!({
        "agent_session_id": id.to_string(),
        "agent_id": agent.id.to_string(),
        "exp": now.saturating_add(state.settings.token_life).as_secs(),
        "iat": now.as_secs(),
    });
    Ok(Response::json(
        200,
        json!({
            "status": 1,
            "status_description": "agent_session_created",
            "response": {
                "Header_value": "X-OTAS-AGENT-SESSION-TOKEN",
                "jwt_token": jwt::encode(&claims, &state.settings.jwt_secret),
            },
        }),
    ))
}

pub(crate) fn verify_key(state: &State, request: &Request) -> Outcome {
    let (agent, _) = agent(state, request)?;
    only("POST", request)?;
    Ok(Response::json(
        200,
        json!({
            "status": 1,
            "status_description": "authenticated",
            "response": {
                "project_id": agent.project.to_string(),
                "agent": {"id": agent.id.to_string(), "name": agent.name, "provider": agent.provider},
            },
        }),
    ))
}

pub(crate) fn list_sessions(state: &State, request: &Request) -> Outcome {
    let (_, project) = user_and_project(state, request)?;
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
    let answer = Json::object([
        ("status", Json::Int("1".into())),
        ("status_description", "agent_sessions_listed".into()),
        ("response", response),
    ]);
    Ok(Response::json(200, answer))
}

/// The agent of the request's key, and the key's id; one refusal for whatever is wrong with it.
pub(crate) fn agent(state: &State, request: &Request) -> Result<(Agent, Uuid), Response> {
    let key = request.header(header::AGENT_KEY).unwrap_or_default();
    state.store().agent_of_key(&key, state.uasam.clock.now()).ok_or_else(|| Response::refusal(401, "invalid_agent_key"))
}

/// The person of a token, and the project that the request names, which must be theirs.
pub(crate) fn user_and_project(state: &State, request: &Request) -> Result<(User, Project), Response> {
    let headers = (request.header(header::USER_TOKEN), request.header(header::PROJECT_ID));
    let (Some(token), Some(project)) = headers else { return Err(Response::refusal(400, "missing_headers")) };
    let user = user_of_token(state, &token).ok_or_else(|| Response::refusal(401, "invalid_token"))?;
    let store = state.store();
    let project =
        python::uuid(&project).and_then(|id| store.projects.get(&id)).filter(|project| project.owner == user.id);
    let project = project.ok_or_else(|| Response::refusal(403, "user_project_mapping_invalid"))?;
    Ok((user, project.clone()))
}

pub(crate) fn user_of_token(state: &State, token: &str) -> Option<User> {
    let claims = jwt::decode(token, &state.settings.jwt_secret, state.uasam.clock.now())?;
    let id = python::uuid(claims.get("user_id")?.as_str()?)?;
    state.store().users.get(&id).cloned()
}
