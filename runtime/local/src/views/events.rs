//! Brain's views: log an event, by an agent or by a backend, and list a session's events.

use serde_json::{Value, json};

use super::columns::{self, Origin};
use super::django::{self, Outcome, only};
use super::http::{Response, Request};
use super::json::Json;
use super::state::State;
use super::{jwt, python, uasam};
use crate::wire::header;

const SDK_KEY: &str = "x-otas-sdk-key";
const DEFAULT_LIMIT: i128 = 200;
const LARGEST_LIMIT: i128 = 500;

/// What a session token says.
pub(crate) struct Bearer {
    pub(crate) session_id: String,
    pub(crate) agent_id: String,
}

pub(crate) fn log_of_agent(state: &State, request: &Request) -> Outcome {
    only("POST", request)?;
    if request.header(header::AGENT_KEY).is_none() {
        return Err(Response::refusal(401, "missing_agent_key"));
    }
    // Brain asks UASAM, and takes its silence for a refusal
    let agent = if state.uasam_is_down() { None } else { uasam::agent(state, request).ok() };
    let (agent, _) = agent.ok_or_else(|| Response::refusal(401, "invalid_or_expired_agent_key"))?;
    let bearer = bearer(state, request)?;
    if bearer.agent_id != agent.id.to_string() {
        return Err(Response::refusal(403, "session_agent_mismatch"));
    }
    let origin =
        Origin { project_id: agent.project.to_string(), agent_id: bearer.agent_id, session_id: bearer.session_id };
    let id = store(state, request, origin)?;
    Ok(Response::json(201, json!({"status": 1, "status_description": "event_captured", "response": {"event_id": id}})))
}

pub(crate) fn log_of_backend(state: &State, request: &Request) -> Outcome {
    only("POST", request)?;
    let key = request.header(SDK_KEY).ok_or_else(|| Response::refusal(401, "missing_sdk_key"))?;
    let project = if state.uasam_is_down() { None } else { state.store().sdk_keys.get(&key).copied() };
    let project = project.ok_or_else(|| Response::refusal(401, "invalid_sdk_key"))?;
    let bearer = bearer(state, request)?;
    let origin = Origin { project_id: project.to_string(), agent_id: bearer.agent_id, session_id: bearer.session_id };
    store(state, request, origin)?;
    Ok(Response::json(201, json!({"status": 1, "status_description": "event_captured", "response": {}})))
}

/// Checks the body and stores the event; its id.
fn store(state: &State, request: &Request, origin: Origin) -> Result<String, Response> {
    let body = django::body_or(400, "invalid_json", request)?;
    let missing = columns::missing(request, &body)?;
    if !missing.is_empty() {
        let answer = json!({"status": 0, "status_description": "missing_required_fields", "missing_fields": missing});
        return Err(Response::json(400, answer));
    }
    let mut store = state.store();
    let time = store.moment(state.brain.clock.now());
    let session = origin.session_id.clone();
    let event = columns::event(origin, &body, time).map_err(|_| Response::refusal(500, "event_capture_failed"))?;
    let id = event.id.to_string();
    store.events.entry(session).or_default().push(event);
    Ok(id)
}

fn bearer(state: &State, request: &Request) -> Result<Bearer, Response> {
    let token =
        request.header(header::SESSION_TOKEN).ok_or_else(|| Response::refusal(401, "missing_agent_session_token"))?;
    bearer_of_token(state, &token).ok_or_else(|| Response::refusal(401, "invalid_or_expired_token"))
}

/// The session and the agent of a token that Brain accepts at this moment.
pub(crate) fn bearer_of_token(state: &State, token: &str) -> Option<Bearer> {
    let claims = jwt::decode(token, &state.settings.jwt_secret, state.brain.clock.now())?;
    let claim = |name: &str| match claims.get(name)? {
        Value::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
        Value::Number(number) => Some(number.to_string()).filter(|text| text != "0"),
        _ => None,
    };
    Some(Bearer { session_id: claim("agent_session_id")?, agent_id: claim("agent_id")? })
}

pub(crate) fn list_events(state: &State, request: &Request) -> Outcome {
    let (agent, project) = audited_agent(state, request)?;
    only("GET", request)?;
    let session = request.query("session_id").filter(|id| !id.is_empty());
    let session = session.ok_or_else(|| Response::refusal(400, "session_id is required"))?;
    if python::uuid(&session).is_none() {
        return Err(Response::refusal(400, "session_id must be a valid UUID"));
    }
    let limit = match request.query("limit") {
        None => DEFAULT_LIMIT,
        Some(text) => python::int_of_text(&text).ok_or_else(|| Response::refusal(400, "limit must be an integer"))?,
    };
    let limit = usize::try_from(limit.clamp(1, LARGEST_LIMIT)).unwrap_or(1);
    let store = state.store();
    let of_agent = |row: &Json| row.get("agent_id") == Some(&agent) && row.get("project_id") == Some(&project);
    let events = store.events.get(&session).into_iter().flatten().filter(|event| of_agent(&event.row));
    let mut events: Vec<_> = events.collect();
    events.sort_by_key(|event| (event.time, event.id));
    let events: Vec<Json> = events.into_iter().take(limit).map(|event| event.row.clone()).collect();
    let answer = Json::object([
        ("status", Json::Int("1".to_owned())),
        ("status_description", "session_events_listed".into()),
        ("agent_id", agent),
        ("project_id", project),
        ("session_id", session.into()),
        ("count", Json::Int(events.len().to_string())),
        ("events", Json::List(events)),
    ]);
    Ok(Response::json(200, answer))
}

/// The ids of the agent and the project that a person may audit. UASAM decides, and Brain passes its refusal on.
fn audited_agent(state: &State, request: &Request) -> Result<(Json, Json), Response> {
    for (name, status, word) in [
        (header::USER_TOKEN, 401, "missing_user_token"),
        (header::AGENT_ID, 400, "missing_agent_id"),
        (header::PROJECT_ID, 400, "missing_project_id"),
    ] {
        request.header(name).ok_or_else(|| Response::refusal(status, word))?;
    }
    if state.uasam_is_down() {
        return Err(Response::refusal(503, "auth_service_error"));
    }
    let (_, project) = uasam::user_and_project(state, request)?;
    let id = request.header(header::AGENT_ID).and_then(|id| python::uuid(&id));
    let id = id.ok_or_else(|| Response::refusal(500, "server_error"))?;
    let store = state.store();
    let agent = store.agents.get(&id).filter(|agent| agent.project == project.id);
    let agent = agent.ok_or_else(|| Response::refusal(404, "agent_not_found"))?;
    Ok((agent.id.to_string().into(), project.id.to_string().into()))
}
