//! UASAM's endpoints for projects: create one, and issue and check keys for its backend.

use std::time::Duration;

use serde_json::json;
use uuid::Uuid;

use crate::auth;
use crate::clock::iso_time;
use crate::django::{self, Outcome, only};
use crate::http::{Request, Response};
use crate::state::State;
use crate::store::Project;
use crate::values::json::Json;
use crate::values::{postgres, python};

pub(crate) fn create_project(state: &State, request: &Request) -> Outcome {
    let token = request.header(auth::USER_TOKEN).ok_or_else(|| Response::refusal(400, "missing_token"))?;
    let user = auth::user(state, &token).ok_or_else(|| Response::refusal(401, "invalid_token"))?;
    only("POST", request)?;
    let body = django::body_or(400, "invalid_json", request)?;
    let failed = |status: u16, errors: Vec<String>| {
        Response::json(status, json!({"status": 0, "status_description": "project_creation_failed", "errors": errors}))
    };
    let (name, description) = name_and_description(&body).map_err(|errors| failed(400, errors))?;
    let domain = body.get("project_domain").cloned().unwrap_or_else(|| "".into());
    let columns = [
        postgres::varchar(&name.clone().into(), 255),
        postgres::varchar(&description.clone().into(), 300),
        postgres::varchar(&domain, 200),
    ];
    for column in columns {
        column.map_err(|error| failed(500, vec![error]))?;
    }
    let id = Uuid::new_v4();
    let fields = json!({"id": id.to_string(), "name": name, "description": description, "domain": domain.to_value()});
    state.store().projects.insert(id, Project { id, owner: user.id, name, description });
    Ok(Response::json(
        201,
        json!({"status": 1, "status_description": "project_created", "response_body": {"project": fields}}),
    ))
}

/// Name and description, or a message for each that is invalid.
fn name_and_description(body: &Json) -> Result<(String, String), Vec<String>> {
    let Json::Object(_) = body else { return Err(vec!["invalid_json".to_owned()]) };
    let name = match body.get("project_name") {
        None | Some(Json::Null) => Err("project_name is required"),
        Some(Json::Text(text)) if text.text.trim().is_empty() => Err("project_name is required"),
        Some(Json::Text(text)) if text.text.trim().chars().count() > 255 => Err("project_name too long (max 255)"),
        Some(Json::Text(text)) => Ok(text.text.trim().to_owned()),
        Some(_) => Err("project_name must be a string"),
    };
    let description = match body.get("project_description") {
        None | Some(Json::Null) => Ok(String::new()),
        Some(Json::Text(text)) if text.text.chars().count() > 300 => Err("project_description max 300 characters"),
        Some(Json::Text(text)) => Ok(text.text.trim().to_owned()),
        Some(_) => Err("project_description must be a string"),
    };
    match (name, description) {
        (Ok(name), Ok(description)) => Ok((name, description)),
        (name, description) => Err(name.err().into_iter().chain(description.err()).map(str::to_owned).collect()),
    }
}

pub(crate) fn create_sdk_key(state: &State, request: &Request) -> Outcome {
    let (_, project) = auth::user_and_project(state, request)?;
    only("POST", request)?;
    let body = django::body_or(400, "sdk_key_creation_failed", request)?;
    let days = match (&body, body.get("validity")) {
        (Json::Object(_), None | Some(Json::Null)) => Err("validity is required"),
        (Json::Object(_), Some(value @ (Json::Int(_) | Json::Bool(_)))) => match python::int(value) {
            Some(days @ 1..=300) => Ok(days),
            _ => Err("validity must be between 1 and 300 days"),
        },
        (Json::Object(_), Some(_)) => Err("validity must be an integer"),
        _ => Err("invalid_json"),
    };
    let days = days.map_err(|error| {
        Response::json(400, json!({"status": 0, "status_description": "sdk_key_creation_failed", "errors": [error]}))
    })?;
    let now = state.uasam.clock.now();
    let expires = now + Duration::from_secs(86_400) * u32::try_from(days).unwrap_or(1);
    let (key, prefix) = state.store().issue_sdk_key(project.id, expires);
    let response = json!({
        "id": Uuid::new_v4().to_string(),
        "prefix": prefix,
        "api_key": key,
        "project_id": project.id.to_string(),
        "name": null,
        "created_at": iso_time(now),
        "expires_at": iso_time(expires),
        "active": true,
    });
    Ok(Response::json(
        201,
        json!({"status": 1, "status_description": "backend_sdk_key_created", "response_body": response}),
    ))
}

/// The one view whose rejections have no `status`.
pub(crate) fn authenticate_sdk_key(state: &State, request: &Request) -> Outcome {
    only("POST", request)?;
    let refusal = |status: u16, error: &str| Response::json(status, json!({"error": error}));
    let key = request.header(auth::SDK_KEY).ok_or_else(|| refusal(401, "SDK Key missing"))?;
    if key.matches('_').count() < 2 {
        return Err(refusal(403, "Invalid Key Format"));
    }
    let store = state.store();
    let project = store.project_of_sdk_key(&key, state.uasam.clock.now());
    let project = project.ok_or_else(|| refusal(403, "Invalid SDK Key"))?;
    let fields = json!({"id": project.id.to_string(), "name": project.name, "description": project.description});
    Ok(Response::json(
        200,
        json!({"status": 1, "status_description": "authenticated", "response": {"project": fields}}),
    ))
}
