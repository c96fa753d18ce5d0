//! Brain's views: log an event, by an agent or by a backend, and list a session's events.

use serde_json::{Value, json};

use super::columns::{self, Origin};
use super::django::{self, Outcome, only};
use super::http::{Answer, Incoming};
use super::json::Json;
use super::site::Site;
use super::{jwt, python, uasam};
use crate::wire::header;

const SDK_KEY: &str = "x-otas-sdk-key";
const DEFAULT_LIMIT: i128 = 200;
const LARGEST_LIMIT: i128 = 500;

/// What a session token says.
pub(super) struct Bearer {
    pub(super) session_id: String,
    pub(super) agent_id: String,
}

pub(super) fn log_of_agent(site: &Site, request: &Incoming) -> Outcome {
    only("POST", request)?;
    if request.header(header::AGENT_KEY).is_none() {
        return Err(Answer::word(401, "missing_agent_key"));
    }
    // Brain asks UASAM, and takes its silence for a refusal
    let agent = if site.uasam_is_down() { None } else { uasam::agent(site, request).ok() };
    let (agent, _) = agent.ok_or_else(|| Answer::word(401, "invalid_or_expired_agent_key"))?;
    let bearer = bearer(site, request)?;
    if bearer.agent_id != agent.id.to_string() {
        return Err(Answer::word(403, "session_agent_mismatch"));
    }
    let origin =
        Origin { project_id: agent.project.to_string(), agent_id: bearer.agent_id, session_id: bearer.session_id };
    let id = store(site, request, origin)?;
    Ok(Answer::json(201, json!({"status": 1, "status_description": "event_captured", "response": {"event_id": id}})))
}

pub(super) fn log_of_backend(site: &Site, request: &Incoming) -> Outcome {
    only("POST", request)?;
    let key = request.header(SDK_KEY).ok_or_else(|| Answer::word(401, "missing_sdk_key"))?;
    let project = if site.uasam_is_down() { None } else { site.world().sdk_keys.get(&key).copied() };
    let project = project.ok_or_else(|| Answer::word(401, "invalid_sdk_key"))?;
    let bearer = bearer(site, request)?;
    let origin = Origin { project_id: project.to_string(), agent_id: bearer.agent_id, session_id: bearer.session_id };
    store(site, request, origin)?;
    Ok(Answer::json(201, json!({"status": 1, "status_description": "event_captured", "response": {}})))
}

/// Checks the body and stores the event; its id.
fn store(site: &Site, request: &Incoming, origin: Origin) -> Result<String, Answer> {
    let body = django::body_or(400, "invalid_json", request)?;
    let missing = columns::missing(request, &body)?;
    if !missing.is_empty() {
        let answer = json!({"status": 0, "status_description": "missing_required_fields", "missing_fields": missing});
        return Err(Answer::json(400, answer));
    }
    let mut world = site.world();
    let time = world.moment(site.brain.clock.now());
    let session = origin.session_id.clone();
    let event = columns::event(origin, &body, time).map_err(|_| Answer::word(500, "event_capture_failed"))?;
    let id = event.id.to_string();
    world.events.entry(session).or_default().push(event);
    Ok(id)
}

fn bearer(site: &Site, request: &Incoming) -> Result<Bearer, Answer> {
    let token =
        request.header(header::SESSION_TOKEN).ok_or_else(|| Answer::word(401, "missing_agent_session_token"))?;
    bearer_of_token(site, &token).ok_or_else(|| Answer::word(401, "invalid_or_expired_token"))
}

/// The session and the agent of a token that Brain accepts at this moment.
pub(super) fn bearer_of_token(site: &Site, token: &str) -> Option<Bearer> {
    let claims = jwt::decode(token, &site.settings.jwt_secret, site.brain.clock.now())?;
    let claim = |name: &str| match claims.get(name)? {
        Value::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
        Value::Number(number) => Some(number.to_string()).filter(|text| text != "0"),
        _ => None,
    };
    Some(Bearer { session_id: claim("agent_session_id")?, agent_id: claim("agent_id")? })
}

pub(super) fn list_events(site: &Site, request: &Incoming) -> Outcome {
    let (agent, project) = audited_agent(site, request)?;
    only("GET", request)?;
    let session = request.query("session_id").filter(|id| !id.is_empty());
    let session = session.ok_or_else(|| Answer::word(400, "session_id is required"))?;
    if python::uuid(&session).is_none() {
        return Err(Answer::word(400, "session_id must be a valid UUID"));
    }
    let limit = match request.query("limit") {
        None => DEFAULT_LIMIT,
        Some(text) => python::int_of_text(&text).ok_or_else(|| Answer::word(400, "limit must be an integer"))?,
    };
    let limit = usize::try_from(limit.clamp(1, LARGEST_LIMIT)).unwrap_or(1);
    let world = site.world();
    let of_agent = |row: &Json| row.get("agent_id") == Some(&agent) && row.get("project_id") == Some(&project);
    let events = world.events.get(&session).into_iter().flatten().filter(|event| of_agent(&event.row));
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
    Ok(Answer::json(200, answer))
}

/// The ids of the agent and the project that a person may audit. UASAM decides, and Brain passes its refusal on.
fn audited_agent(site: &Site, request: &Incoming) -> Result<(Json, Json), Answer> {
    for (name, status, word) in [
        (header::USER_TOKEN, 401, "missing_user_token"),
        (header::AGENT_ID, 400, "missing_agent_id"),
        (header::PROJECT_ID, 400, "missing_project_id"),
    ] {
        request.header(name).ok_or_else(|| Answer::word(status, word))?;
    }
    if site.uasam_is_down() {
        return Err(Answer::word(503, "auth_service_error"));
    }
    let (_, project) = uasam::user_and_project(site, request)?;
    let id = request.header(header::AGENT_ID).and_then(|id| python::uuid(&id));
    let id = id.ok_or_else(|| Answer::word(500, "server_error"))?;
    let world = site.world();
    let agent = world.agents.get(&id).filter(|agent| agent.project == project.id);
    let agent = agent.ok_or_else(|| Answer::word(404, "agent_not_found"))?;
    Ok((agent.id.to_string().into(), project.id.to_string().into()))
}
