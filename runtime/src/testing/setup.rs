//! UASAM's views that set a world up: users, projects, agents and their keys.

use serde_json::{Value, json};
use uuid::Uuid;

use super::clock::iso_time;
use super::django::{self, Outcome, only};
use super::http::{Answer, Incoming};
use super::json::{Json, Unreadable};
use super::site::Site;
use super::uasam::{user_and_project, user_of_token};
use super::world::{Agent, KEY_LIFE, Project, User, World, random_text};
use super::{jwt, postgres, python};
use crate::wire::header;

pub(super) fn create_user(site: &Site, request: &Incoming) -> Outcome {
    only("POST", request)?;
    let refusal =
        |words: &str| Answer::json(400, json!({"status": 0, "status_description": words, "response_body": null}));
    let body = match django::body(request) {
        _ if request.visible_body().is_empty() => return Err(refusal("invalid_json")),
        Err(Unreadable::Syntax) => return Err(refusal("invalid_json")),
        Err(Unreadable::Crash(_, message)) => return Err(refusal(&format!("server_error: {message}"))),
        Ok(body) => body,
    };
    let missing =
        ["first_name", "last_name", "email", "password"].into_iter().filter(|field| body.get(field).is_none());
    let missing: Vec<_> = missing.collect();
    if !missing.is_empty() {
        return Err(refusal(&format!("missing_fields: {}", missing.join(", "))));
    }
    let text = |name: &str| match body.get(name) {
        None => Ok(String::new()),
        Some(value) => value
            .as_text()
            .map(|text| text.text.clone())
            .ok_or_else(|| refusal("server_error: the value has no attribute 'strip'")),
    };
    let email = text("email")?.trim().to_lowercase();
    let names = [text("first_name")?, text("middle_name")?, text("last_name")?].map(|name| name.trim().to_owned());
    let password = text("password")?;
    if !email.contains('@') {
        return Err(refusal("invalid_email_format"));
    }
    if password.chars().count() < 6 {
        return Err(refusal("password_too_short"));
    }
    let mut world = site.world();
    if world.users.values().any(|user| user.email == email) {
        return Err(refusal("user_already_exists"));
    }
    if names.iter().chain([&email]).any(|text| text.contains('\0')) {
        return Err(refusal("error: PostgreSQL text fields cannot contain NUL (0x00) bytes"));
    }
    let [first_name, middle_name, last_name] = names;
    let created = site.uasam.clock.now();
    let user = User { id: Uuid::new_v4(), first_name, middle_name, last_name, email, password, created };
    world.users.insert(user.id, user.clone());
    let response = json!({"user": user_fields(&user), "jwt_token": user_token(site, &user)});
    Ok(Answer::json(200, json!({"status": 1, "status_description": "user_created", "response_body": response})))
}

pub(super) fn log_in(site: &Site, request: &Incoming) -> Outcome {
    only("POST", request)?;
    let refusal = || Answer::word(401, "login_failed");
    let body = django::body(request).map_err(|_| refusal())?;
    let text = |name: &str| {
        body.get(name).and_then(Json::as_text).map(|text| text.text.clone()).filter(|text| !text.is_empty())
    };
    let (email, password) = (text("email"), text("Password").or_else(|| text("password")));
    let email = email.ok_or_else(refusal)?.trim().to_lowercase();
    let world = site.world();
    let user = world.users.values().find(|user| user.email == email && Some(&user.password) == password.as_ref());
    let user = user.ok_or_else(refusal)?;
    let response = json!({"user": user_fields(user), "jwt_token": user_token(site, user)});
    Ok(Answer::json(200, json!({"status": 1, "status_description": "login_success", "response": response})))
}

fn user_fields(user: &User) -> Value {
    json!({
        "id": user.id.to_string(),
        "first_name": user.first_name,
        "middle_name": user.middle_name,
        "last_name": user.last_name,
        "email": user.email,
        "created_at": iso_time(user.created),
        "updated_at": iso_time(user.created),
    })
}

/// A person's token; it lives 30 days, whatever the life of a session's is set to.
pub(super) fn user_token(site: &Site, user: &User) -> String {
    let now = site.uasam.clock.now();
    let claims = json!({
        "user_id": user.id.to_string(),
        "email": user.email,
        "exp": (now + KEY_LIFE).as_secs(),
        "iat": now.as_secs(),
    });
    jwt::encode(&claims, &site.settings.jwt_secret)
}

pub(super) fn create_project(site: &Site, request: &Incoming) -> Outcome {
    let token = request.header(header::USER_TOKEN).ok_or_else(|| Answer::word(400, "missing_token"))?;
    let user = user_of_token(site, &token).ok_or_else(|| Answer::word(401, "invalid_token"))?;
    only("POST", request)?;
    let body = django::body_or(400, "invalid_json", request)?;
    let failed = |status: u16, errors: Vec<String>| {
        Answer::json(status, json!({"status": 0, "status_description": "project_creation_failed", "errors": errors}))
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
    site.world().projects.insert(project.id, project);
    Ok(Answer::json(
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

pub(super) fn create_sdk_key(site: &Site, request: &Incoming) -> Outcome {
    let (_, project) = user_and_project(site, request)?;
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
        Answer::json(400, json!({"status": 0, "status_description": "sdk_key_creation_failed", "errors": [words]}))
    })?;
    let now = site.uasam.clock.now();
    let life = std::time::Duration::from_secs(86_400) * u32::try_from(days).unwrap_or(1);
    let key = new_sdk_key(&mut site.world(), project.id);
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
    Ok(Answer::json(
        201,
        json!({"status": 1, "status_description": "backend_sdk_key_created", "response_body": response}),
    ))
}

pub(super) fn new_sdk_key(world: &mut World, project: Uuid) -> String {
    let key = format!("otas_{}_{}", random_text(8), random_text(32));
    world.sdk_keys.insert(key.clone(), project);
    key
}

pub(super) fn create_agent(site: &Site, request: &Incoming) -> Outcome {
    let (user, project) = user_and_project(site, request)?;
    only("POST", request)?;
    let body = django::object(request, django::body_or(400, "agent_creation_failed", request)?)?;
    let failed = || Answer::word(400, "agent_creation_failed");
    let text = |name: &str, default: &str| match body.get(name) {
        None => Ok(default.to_owned()),
        Some(Json::Text(text)) if text.text.contains('\0') || text.lone_surrogate => Err(failed()),
        Some(Json::Text(text)) => Ok(text.text.clone()),
        Some(_) => Err(failed()),
    };
    let (name, provider) = (text("agent_name", "")?, text("agent_provider", "")?);
    if name.is_empty() || provider.is_empty() {
        return Err(failed());
    }
    let description = text("agent_description", "")?.trim().to_owned();
    let (name, provider) = (name.trim().to_owned(), provider.trim().to_owned());
    let agent = Agent { id: Uuid::new_v4(), project: project.id, name, provider };
    let now = site.uasam.clock.now();
    let mut world = site.world();
    world.agents.insert(agent.id, agent.clone());
    let (full_key, key) = world.issue_key(agent.id, now, false);
    let agent_fields = json!({
        "id": agent.id.to_string(),
        "name": agent.name,
        "description": description,
        "provider": agent.provider,
        "project_id": project.id.to_string(),
        "created_by": user.id.to_string(),
        "created_at": iso_time(now),
    });
    let key_fields = json!({
        "id": key.id.to_string(),
        "prefix": key.prefix,
        "api_key": full_key,
        "agent_id": agent.id.to_string(),
        "created_at": iso_time(now),
        "expires_at": iso_time(key.expires),
        "active": true,
    });
    let response = json!({"agent": agent_fields, "agent_key": key_fields});
    Ok(Answer::json(201, json!({"status": 1, "status_description": "agent_created", "response": response})))
}

pub(super) fn create_key(site: &Site, request: &Incoming) -> Outcome {
    let (_, project) = user_and_project(site, request)?;
    only("POST", request)?;
    let body = django::object(request, django::body_or(400, "invalid_json", request)?)?;
    let id = body.get("agent_id").filter(|id| id.truthy()).ok_or_else(|| Answer::word(400, "agent_id_required"))?;
    let id = id.as_text().and_then(|id| python::uuid(&id.text));
    let mut world = site.world();
    let agent =
        id.and_then(|id| world.agents.get(&id)).filter(|agent| agent.project == project.id).map(|agent| agent.id);
    let agent = agent.ok_or_else(|| Answer::word(404, "agent_not_found_or_invalid_id"))?;
    let now = site.uasam.clock.now();
    let (full_key, key) = world.issue_key(agent, now, false);
    let key_fields = json!({
        "id": key.id.to_string(),
        "prefix": key.prefix,
        "api_key": full_key,
        "created_at": iso_time(now),
        "expires_at": iso_time(key.expires),
        "active": true,
    });
    let response = json!({"agent_id": agent.to_string(), "agent_key": key_fields});
    Ok(Answer::json(201, json!({"status": 1, "status_description": "agent_key_created", "response": response})))
}
