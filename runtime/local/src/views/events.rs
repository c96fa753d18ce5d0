//! Brain's endpoints: log an event as an agent or as a backend, and list a session's events.

use serde_json::json;

use super::event_row::{self, Source};
use crate::auth::{self, Bearer};
use crate::django::{self, Outcome, only};
use crate::http::{Request, Response};
use crate::state::State;
use crate::values::json::Json;
use crate::values::python;

const DEFAULT_LIMIT: i128 = 200;
const MAX_LIMIT: i128 = 500;

pub(crate) fn log_of_agent(state: &State, request: &Request) -> Outcome {
    only("POST", request)?;
    if request.header(auth::AGENT_KEY).is_none() {
        return Err(Response::refusal(401, "missing_agent_key"));
    }
    // Brain asks UASAM, and treats no response as a rejection.
    let agent = if state.uasam_is_stopped() { None } else { auth::agent(state, request).ok() };
    let (agent, _) = agent.ok_or_else(|| Response::refusal(401, "invalid_or_expired_agent_key"))?;
    let bearer = bearer(state, request)?;
    if bearer.agent_id != agent.id.to_string() {
        return Err(Response::refusal(403, "session_agent_mismatch"));
    }
    let source =
        Source { project_id: agent.project.to_string(), agent_id: bearer.agent_id, session_id: bearer.session_id };
    let id = store(state, request, source)?;
    Ok(Response::json(201, json!({"status": 1, "status_description": "event_captured", "response": {"event_id": id}})))
}

pub(crate) fn log_of_backend(state: &State, request: &Request) -> Outcome {
    only("POST", request)?;
    let key = request.header(auth::SDK_KEY).ok_or_else(|| Response::refusal(401, "missing_sdk_key"))?;
    let now = state.uasam.clock.now();
    let project = match state.uasam_is_stopped() {
        true => None,
        false => state.store().project_of_sdk_key(&key, now).map(|project| project.id),
    };
    let project = project.ok_or_else(|| Response::refusal(401, "invalid_sdk_key"))?;
    let bearer = bearer(state, request)?;
    let source = Source { project_id: project.to_string(), agent_id: bearer.agent_id, session_id: bearer.session_id };
    store(state, request, source)?;
    Ok(Response::json(201, json!({"status": 1, "status_description": "event_captured", "response": {}})))
}

/// Checks the body and stores the event; returns its id.
fn store(state: &State, request: &Request, source: Source) -> Result<String, Response> {
    let body = django::body_or(400, "invalid_json", request)?;
    let missing = event_row::missing(request, &body)?;
    if !missing.is_empty() {
        let refusal = json!({"status": 0, "status_description": "missing_required_fields", "missing_fields": missing});
        return Err(Response::json(400, refusal));
    }
    let mut store = state.store();
    let time = store.next_timestamp(state.brain.clock.now());
    let session = source.session_id.clone();
    let event = event_row::event(source, &body, time).map_err(|_| Response::refusal(500, "event_capture_failed"))?;
    let id = event.id.to_string();
    store.events.entry(session).or_default().push(event);
    Ok(id)
}

fn bearer(state: &State, request: &Request) -> Result<Bearer, Response> {
    let token =
        request.header(auth::SESSION_TOKEN).ok_or_else(|| Response::refusal(401, "missing_agent_session_token"))?;
    auth::bearer(state, &token).ok_or_else(|| Response::refusal(401, "invalid_or_expired_token"))
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
    let limit = usize::try_from(limit.clamp(1, MAX_LIMIT)).unwrap_or(1);
    let store = state.store();
    let of_agent = |row: &Json| row.get("agent_id") == Some(&agent) && row.get("project_id") == Some(&project);
    let events = store.events.get(&session).into_iter().flatten().filter(|event| of_agent(&event.row));
    let mut events: Vec<_> = events.collect();
    events.sort_by_key(|event| (event.time, event.id));
    let events: Vec<Json> = events.into_iter().take(limit).map(|event| event.row.clone()).collect();
    let listed = Json::object([
        ("status", Json::Int("1".to_owned())),
        ("status_description", "session_events_listed".into()),
        ("agent_id", agent),
        ("project_id", project),
        ("session_id", session.into()),
        ("count", Json::Int(events.len().to_string())),
        ("events", Json::List(events)),
    ]);
    Ok(Response::json(200, listed))
}

/// The ids of the agent and project that the user may audit.
///
/// UASAM decides, and Brain passes its rejection on.
fn audited_agent(state: &State, request: &Request) -> Result<(Json, Json), Response> {
    for (name, status, description) in [
        (auth::USER_TOKEN, 401, "missing_user_token"),
        (auth::AGENT_ID, 400, "missing_agent_id"),
        (auth::PROJECT_ID, 400, "missing_project_id"),
    ] {
        request.header(name).ok_or_else(|| Response::refusal(status, description))?;
    }
    if state.uasam_is_stopped() {
        return Err(Response::refusal(503, "auth_service_error"));
    }
    let (_, project) = auth::user_and_project(state, request)?;
    let id = request.header(auth::AGENT_ID).and_then(|id| python::uuid(&id));
    let id = id.ok_or_else(|| Response::refusal(500, "server_error"))?;
    let store = state.store();
    let agent = store.agents.get(&id).filter(|agent| agent.project == project.id);
    let agent = agent.ok_or_else(|| Response::refusal(404, "agent_not_found"))?;
    Ok((agent.id.to_string().into(), project.id.to_string().into()))
}
