//! The row that Brain stores for an event: required fields, what each may hold, and their order.

use std::time::Duration;

use uuid::Uuid;

use crate::clock::{iso_date, iso_time};
use crate::django;
use crate::http::{Request, Response};
use crate::store::Event;
use crate::values::json::Json;
use crate::values::postgres::{self, Refusal};
use crate::values::python;

const REQUIRED: [&str; 5] = ["project_id", "path", "method", "status_code", "latency_ms"];

/// Where an event comes from. Taken from the key and token, never from the body.
pub(crate) struct Source {
    pub(crate) project_id: String,
    pub(crate) agent_id: String,
    pub(crate) session_id: String,
}

/// The required fields that a body lacks, or the page of an exception if it cannot be searched.
pub(crate) fn missing(request: &Request, body: &Json) -> Result<Vec<&'static str>, Response> {
    let crash = || django::crash(request, "TypeError", "argument is not iterable");
    python::absent(&REQUIRED, body).ok_or_else(crash)
}

/// The row that the database stores at `time`.
pub(crate) fn event(source: Source, body: &Json, time: Duration) -> Result<Event, Refusal> {
    let Json::Object(_) = body else { return Err("indices must be integers or slices, not str".to_owned()) };
    let id = Uuid::new_v4();
    let field = |name: &str| body.get(name).unwrap_or(&Json::Null);
    let text = |name: &str| postgres::text(field(name)).map(nullable);
    let size =
        |name: &str| body.get(name).map_or(Ok(0), postgres::positive_integer).map(|size| Json::Int(size.to_string()));
    let short = |name: &str| postgres::varchar(field(name), 255).map(nullable);
    let json = |name: &str| postgres::jsonb(field(name));
    let path = postgres::required(postgres::text(field("path"))?)?;
    postgres::indexable(&path)?;
    let row = Json::object([
        ("event_id", id.to_string().into()),
        ("event_time", iso_time(time).into()),
        ("event_date", iso_date(time).into()),
        ("project_id", source.project_id.into()),
        ("agent_id", source.agent_id.into()),
        ("agent_session_id", source.session_id.into()),
        ("path", path.into()),
        ("method", postgres::required(postgres::varchar(field("method"), 20)?)?.into()),
        ("status_code", Json::Int(postgres::positive_integer(field("status_code"))?.to_string())),
        ("latency_ms", Json::Float(postgres::double(field("latency_ms"))?)),
        ("request_size_bytes", size("request_size_bytes")?),
        ("response_size_bytes", size("response_size_bytes")?),
        ("request_headers", text("request_headers")?),
        ("request_body", text("request_body")?),
        ("query_params", text("query_params")?),
        ("post_data", text("post_data")?),
        ("response_headers", text("response_headers")?),
        ("response_body", text("response_body")?),
        ("request_content_type", short("request_content_type")?),
        ("response_content_type", short("response_content_type")?),
        ("custom_properties", json("custom_properties")?),
        ("error", text("error")?),
        ("metadata", json("metadata")?),
        ("created_at", iso_time(time).into()),
    ]);
    Ok(Event { id, time, row })
}

fn nullable(text: Option<String>) -> Json {
    text.map_or(Json::Null, Json::from)
}
