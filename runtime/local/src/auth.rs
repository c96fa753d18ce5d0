//! Identifies callers: the agent of a key, the session of a token, the user of a login.

use serde_json::Value;
use uuid::Uuid;

use crate::http::{Request, Response};
use crate::jwt;
use crate::state::State;
use crate::store::{Agent, Project, User};
use crate::values::python;

pub(crate) const AGENT_KEY: &str = "X-OTAS-AGENT-KEY";
pub(crate) const SESSION_TOKEN: &str = "X-OTAS-AGENT-SESSION-TOKEN";
pub(crate) const SDK_KEY: &str = "X-OTAS-SDK-KEY";
pub(crate) const USER_TOKEN: &str = "X-OTAS-USER-TOKEN";
pub(crate) const PROJECT_ID: &str = "X-OTAS-PROJECT-ID";
pub(crate) const AGENT_ID: &str = "X-OTAS-AGENT-ID";

/// The agent of the request's key, and the key's id. There is only one rejection.
pub(crate) fn agent(state: &State, request: &Request) -> Result<(Agent, Uuid), Response> {
    let key = request.header(AGENT_KEY).unwrap_or_default();
    let agent = state.store().agent_of_key(&key, state.uasam.clock.now());
    agent.ok_or_else(|| Response::refusal(401, "invalid_agent_key"))
}

/// The session and agent of a session token.
pub(crate) struct Bearer {
    pub(crate) session_id: String,
    pub(crate) agent_id: String,
}

/// The bearer of a token that Brain accepts at this moment.
pub(crate) fn bearer(state: &State, token: &str) -> Option<Bearer> {
    let claims = jwt::decode(token, &state.settings.jwt_secret, state.brain.clock.now())?;
    let claim = |name: &str| match claims.get(name)? {
        Value::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
        Value::Number(number) => Some(number.to_string()).filter(|text| text != "0"),
        _ => None,
    };
    Some(Bearer { session_id: claim("agent_session_id")?, agent_id: claim("agent_id")? })
}

/// The user that a token belongs to.
pub(crate) fn user(state: &State, token: &str) -> Option<User> {
    let claims = jwt::decode(token, &state.settings.jwt_secret, state.uasam.clock.now())?;
    let id = python::uuid(claims.get("user_id")?.as_str()?)?;
    state.store().users.get(&id).cloned()
}

/// The user of the request's token, and the project it names, which must belong to the user.
pub(crate) fn user_and_project(state: &State, request: &Request) -> Result<(User, Project), Response> {
    let headers = (request.header(USER_TOKEN), request.header(PROJECT_ID));
    let (Some(token), Some(project)) = headers else { return Err(Response::refusal(400, "missing_headers")) };
    let user = user(state, &token).ok_or_else(|| Response::refusal(401, "invalid_token"))?;
    let store = state.store();
    let project =
        python::uuid(&project).and_then(|id| store.projects.get(&id)).filter(|project| project.owner == user.id);
    let project = project.ok_or_else(|| Response::refusal(403, "user_project_mapping_invalid"))?;
    Ok((user, project.clone()))
}
