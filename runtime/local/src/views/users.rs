//! UASAM's endpoints for users: sign up and log in.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::clock::iso_time;
use crate::django::{self, Outcome, only};
use crate::http::{Request, Response};
use crate::jwt;
use crate::state::State;
use crate::store::{KEY_LIFETIME, User};
use crate::values::json::{Json, Text};
use crate::values::reader::Unreadable;
use crate::values::{postgres, python};

pub(crate) fn create_user(state: &State, request: &Request) -> Outcome {
    only("POST", request)?;
    let user = new_user(state, request).map_err(|error| {
        Response::json(400, json!({"status": 0, "status_description": error, "response_body": null}))
    })?;
    let response = json!({"user": user_fields(&user), "jwt_token": user_token(state, &user)});
    Ok(Response::json(200, json!({"status": 1, "status_description": "user_created", "response_body": response})))
}

/// Checks and stores a user. This view catches every exception, and returns its message.
fn new_user(state: &State, request: &Request) -> Result<User, String> {
    let body = match django::body(request) {
        _ if request.visible_body().is_empty() => return Err("invalid_json".to_owned()),
        Err(Unreadable::Syntax) => return Err("invalid_json".to_owned()),
        Err(Unreadable::Crash(_, message)) => return Err(format!("server_error: {message}")),
        Ok(body) => body,
    };
    let missing = python::absent(&["first_name", "last_name", "email", "password"], &body);
    let missing = missing.ok_or("server_error: argument is not iterable")?;
    if !missing.is_empty() {
        return Err(format!("missing_fields: {}", missing.join(", ")));
    }
    let stripped = |name: &str| match (&body, body.get(name)) {
        (Json::Object(_), None) => Ok(Text::default()),
        (_, Some(Json::Text(text))) => Ok(Text { text: text.text.trim().to_owned(), ..*text }),
        _ => Err("server_error: the value has no such attribute".to_owned()),
    };
    let [first_name, middle_name, last_name] =
        [stripped("first_name")?, stripped("middle_name")?, stripped("last_name")?];
    let email = stripped("email")?.text.to_lowercase();
    if !email.contains('@') {
        return Err("invalid_email_format".to_owned());
    }
    let password = match body.get("password") {
        Some(Json::Text(text)) if text.text.chars().count() >= 6 => text.text.clone(),
        Some(Json::Text(_) | Json::List(_) | Json::Object(_)) => return Err("password_too_short".to_owned()),
        _ => return Err("server_error: the value has no len()".to_owned()),
    };
    let mut store = state.store();
    if store.users.values().any(|user| user.email == email) {
        return Err("user_already_exists".to_owned());
    }
    let column = |text: Text| {
        postgres::text(&Json::Text(text)).map(Option::unwrap_or_default).map_err(|error| format!("error: {error}"))
    };
    let (first_name, middle_name, last_name) = (column(first_name)?, column(middle_name)?, column(last_name)?);
    let (email, created) = (column(email.into())?, state.uasam.clock.now());
    let user = User { id: Uuid::new_v4(), first_name, middle_name, last_name, email, password, created };
    store.users.insert(user.id, user.clone());
    Ok(user)
}

pub(crate) fn log_in(state: &State, request: &Request) -> Outcome {
    only("POST", request)?;
    let refusal = || Response::refusal(401, "login_failed");
    let body = django::body(request).map_err(|_| refusal())?;
    let text = |name: &str| {
        body.get(name).and_then(Json::as_text).map(|text| text.text.clone()).filter(|text| !text.is_empty())
    };
    let (email, password) = (text("email"), text("Password").or_else(|| text("password")));
    let email = email.ok_or_else(refusal)?.trim().to_lowercase();
    let store = state.store();
    let user = store.users.values().find(|user| user.email == email && Some(&user.password) == password.as_ref());
    let user = user.ok_or_else(refusal)?;
    let response = json!({"user": user_fields(user), "jwt_token": user_token(state, user)});
    Ok(Response::json(200, json!({"status": 1, "status_description": "login_success", "response": response})))
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

/// A user's token, valid for 30 days whatever the lifetime of session tokens is set to.
pub(crate) fn user_token(state: &State, user: &User) -> String {
    let now = state.uasam.clock.now();
    let claims = json!({
        "user_id": user.id.to_string(),
        "email": user.email,
        "exp": (now + KEY_LIFETIME).as_secs(),
        "iat": now.as_secs(),
    });
    jwt::encode(&claims, &state.settings.jwt_secret)
}
