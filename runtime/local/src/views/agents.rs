//! UASAM's endpoints for agents: create one, verify its key, and replace its key.

use std::time::Duration;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::auth;
use crate::clock::iso_time;
use crate::django::{self, Outcome, only};
use crate::http::{Request, Response};
use crate::state::State;
use crate::store::{Agent, Key};
use crate::values::json::Json;
use crate::values::python;

pub(crate) fn create_agent(state: &State, request: &Request) -> Outcome {
    let (user, project) = auth::user_and_project(state, request)?;
    only("POST", request)?;
    let body = django::object(request, django::body_or(400, "agent_creation_failed", request)?)?;
    let failed = || Response::refusal(400, "agent_creation_failed");
    let text = |name: &str| match body.get(name) {
        None => Ok(String::new()),
        Some(Json::Text(text)) if text.text.contains('\0') || text.lone_surrogate => Err(failed()),
        Some(Json::Text(text)) => Ok(text.text.clone()),
        Some(_) => Err(failed()),
    };
    let (name, provider) = (text("agent_name")?, text("agent_provider")?);
    if name.is_empty() || provider.is_empty() {
        return Err(failed());
    }
    let description = text("agent_description")?.trim().to_owned();
    let (name, provider) = (name.trim().to_owned(), provider.trim().to_owned());
    let agent = Agent { id: Uuid::new_v4(), project: project.id, name, provider };
    let now = state.uasam.clock.now();
    let mut store = state.store();
    store.agents.insert(agent.id, agent.clone());
    let (full_key, key) = store.issue_key(agent.id, now, false);
    let agent_fields = json!({
        "id": agent.id.to_string(),
        "name": agent.name,
        "description": description,
        "provider": agent.provider,
        "project_id": project.id.to_string(),
        "created_by": user.id.to_string(),
        "created_at": iso_time(now),
    });
    let mut key_fields = key_fields(&full_key, &key, now);
    key_fields["agent_id"] = agent.id.to_string().into();
    let response = json!({"agent": agent_fields, "agent_key": key_fields});
    Ok(Response::json(201, json!({"status": 1, "status_description": "agent_created", "response": response})))
}

/// A key as it is shown, this once.
fn key_fields(full_key: &str, key: &Key, now: Duration) -> Value {
    json!({
        "id": key.id.to_string(),
        "prefix": key.prefix,
        "api_key": full_key,
        "created_at": iso_time(now),
        "expires_at": iso_time(key.expires),
        "active": true,
    })
}

pub(crate) fn create_key(state: &State, request: &Request) -> Outcome {
    let (_, project) = auth::user_and_project(state, request)?;
    only("POST", request)?;
    let body = django::object(request, django::body_or(400, "invalid_json", request)?)?;
    let id =
        body.get("agent_id").filter(|id| id.truthy()).ok_or_else(|| Response::refusal(400, "agent_id_required"))?;
    let id = id.as_text().and_then(|id| python::uuid(&id.text));
    let mut store = state.store();
    let agent =
        id.and_then(|id| store.agents.get(&id)).filter(|agent| agent.project == project.id).map(|agent| agent.id);
    let agent = agent.ok_or_else(|| Response::refusal(404, "agent_not_found_or_invalid_id"))?;
    let now = state.uasam.clock.now();
    let (full_key, key) = store.issue_key(agent, now, false);
    let response = json!({"agent_id": agent.to_string(), "agent_key": key_fields(&full_key, &key, now)});
    Ok(Response::json(201, json!({"status": 1, "status_description": "agent_key_created", "response": response})))
}

pub(crate) fn verify_key(state: &State, request: &Request) -> Outcome {
    let (agent, _) = auth::agent(state, request)?;
    only("POST", request)?;
    let response = json!({
        "project_id": agent.project.to_string(),
        "agent": {"id": agent.id.to_string(), "name": agent.name, "provider": agent.provider},
    });
    Ok(Response::json(200, json!({"status": 1, "status_description": "authenticated", "response": response})))
}
