//! UASAM's views for projects: create one, and a key for the backend of one.

use serde_json::json;
use uuid::Uuid;

use super::clock::iso_time;
use super::django::{self, Outcome, only};
use super::http::{Response, Request};
use super::json::Json;
use super::state::State;
use super::uasam::{user_and_project, user_of_token};
use super::store::{Project, Store, random_text};
use super::{postgres, python};
use crate::wire::header;

pub(crate) fn create_project(state: &State, request: &Request) -> Outcome {
    let token = request.header(header::USER_TOKEN).ok_or_else(|| Response::refusal(400, "missing_token"))?;
    let user = user_of_token(state, &token).ok_or_else(|| Response::refusal(401, "invalid_token"))?;
    only("POST", request)?;
    let body = django::body_or(400, "invalid_json", request)?;
    let failed = |status: u16, errors: Vec<String>| {
        Response::json(status, json!({"status": 0, "status_description": "project_creation_failed", "errors": errors}))
    };
    let (name, description) = project_texts(&body).map_err(|errors| failed(400, errors))?;
    let domain = body.get("project_domain").cloned().unwrap_or_else(|| "".into());
    let columns = [
        postgres::varchar(&name.clone().into(), 255),
        postgres::varchar(&description.clone().into(), 300),
        postgres::varchar(&domain, 200),
    ];
    for column in columns {
        column.map_err(|words| failed(500, vec![words]))?;
    }
    let project = Project { id: Uuid::new_v4(), owner: user.id };
    let fields =
        json!({"id": project.id.to_string(), "name": name, "description": description, "domain": domain.to_value()});
    state.store().projects.insert(project.id, project);
    Ok(Response::json(
        201,
        json!({"status": 1, "status_description": "project_created", "response_body": {"project": fields}}),
    ))
}

/// Name and description, or the sentences about what is wrong with them.
fn project_texts(body: &Json) -> Result<(String, String), Vec<String>> {
    let Json::Object(_) = body else { return Err(vec!["invalid_json".to_owned()]) };
    let mut errors = Vec::new();
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
    errors.extend(name.as_ref().err().map(|words| (*words).to_owned()));
    errors.extend(description.as_ref().err().map(|words| (*words).to_owned()));
    match (name, description) {
        (Ok(name), Ok(description)) => Ok((name, description)),
        _ => Err(errors),
    }
}

pub(crate) fn create_sdk_key(state: &State, request: &Request) -> Outcome {
    let (_, project) = user_and_project(state, request)?;
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
    let days = days.map_err(|words| {
        Response::json(400, json!({"status": 0, "status_description": "sdk_key_creation_failed", "errors": [words]}))
    })?;
    let now = state.uasam.clock.now();
    let life = std::time::Duration::from_secs(86_400) * u32::try_from(days).unwrap_or(1);
    let key = new_sdk_key(&mut state.store(), project.id);
    let response = json!({
        "id": Uuid::new_v4().to_string(),
        "prefix": key.split('_').nth(1),
        "api_key": key,
        "project_id": project.id.to_string(),
        "name": null,
        "created_at": iso_time(now),
        "expires_at": iso_time(now + life),
        "active": true,
    });
    Ok(Response::json(
        201,
        json!({"status": 1, "status_description": "backend_sdk_key_created", "response_body": response}),
    ))
}

pub(crate) fn new_sdk_key(store: &mut Store, project: Uuid) -> String {
    let key = format!("otas_{}_{}", random_text(8), random_text(32));
    store.sdk_keys.insert(key.clone(), project);
    key
}
