//! Routes each path to its view, and knows which views cost a real server time.

use percent_encoding::percent_decode_str;

use crate::django::{self, Outcome};
use crate::http::{Request, Response};
use crate::received::Service;
use crate::state::State;
use crate::views::{agents, events, projects, sessions, users};

/// The path whose response [`Fault::BadToken`](crate::Fault::BadToken) spoils.
pub(crate) const CREATE_SESSION: &str = "/api/agent/v1/session/create/";

/// Returns the response that the real service would give. The request has then taken effect.
pub(crate) async fn respond(state: &State, service: Service, request: &Request) -> Response {
    let path = decoded(request.path());
    match view(service, &path) {
        Some((view, cost)) => {
            if let Cost::KeyCheck = cost {
                state.workers.work().await;
            }
            view(state, request).unwrap_or_else(|response| response)
        }
        None => django::no_view(request, view(service, &format!("{path}/")).is_some()),
    }
}

type View = fn(&State, &Request) -> Outcome;

enum Cost {
    /// The real server computes a PBKDF2 hash to check an agent key or an SDK key.
    KeyCheck,
    Free,
}

fn view(service: Service, path: &str) -> Option<(View, Cost)> {
    let view: (View, Cost) = match (service, path) {
        (Service::Uasam, "/api/user/v1/create/") => (users::create_user, Cost::Free),
        (Service::Uasam, "/api/user/v1/login/") => (users::log_in, Cost::Free),
        (Service::Uasam, "/api/project/v1/create/") => (projects::create_project, Cost::Free),
        (Service::Uasam, "/api/project/v1/sdk/backend/key/create/") => (projects::create_sdk_key, Cost::Free),
        (Service::Uasam, "/api/project/v1/sdk/backend/key/authenticate/") => {
            (projects::authenticate_sdk_key, Cost::KeyCheck)
        }
        (Service::Uasam, "/api/agent/v1/create/") => (agents::create_agent, Cost::Free),
        (Service::Uasam, "/api/agent/v1/agents/key/create/") => (agents::create_key, Cost::Free),
        (Service::Uasam, "/api/agent/v1/auth/verify/") => (agents::verify_key, Cost::KeyCheck),
        (Service::Uasam, CREATE_SESSION) => (sessions::create_session, Cost::KeyCheck),
        (Service::Uasam, "/api/agent/v1/sessions/list/") => (sessions::list_sessions, Cost::Free),
        (Service::Brain, "/api/v1/backend/log/agent/") => (events::log_of_agent, Cost::KeyCheck),
        (Service::Brain, "/api/v1/backend/log/sdk/") => (events::log_of_backend, Cost::KeyCheck),
        (Service::Brain, "/api/v1/agent/session/events/") => (events::list_events, Cost::Free),
        _ => return None,
    };
    Some(view)
}

/// The path as Python's server passes it on: percent-decoded, with a single slash at its start.
fn decoded(path: &str) -> String {
    let path = percent_decode_str(path).decode_utf8_lossy();
    if path.starts_with("//") { format!("/{}", path.trim_start_matches('/')) } else { path.into_owned() }
}

#[cfg(test)]
mod tests {
    use super::decoded;

    #[test]
    fn paths_are_decoded_before_a_view_is_looked_up() {
        for (text, expected) in [
            ("/a%2Fb%61", "/a/ba"),
            ("///a//b", "/a//b"),
            ("/%", "/%"),
            ("/%4", "/%4"),
            ("/%zz", "/%zz"),
            ("/a+b", "/a+b"),
        ] {
            assert_eq!(decoded(text), expected);
        }
    }
}
