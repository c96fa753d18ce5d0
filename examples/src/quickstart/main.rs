//! Runs an agent with a sub-agent, then prints what OTAS recorded of both.
//!
//! Uses the OTAS named by the environment, or starts a local one if no agent key is set.

mod services;

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use otas::audit::Reader;
use otas::{Client, Config, Session, http, otas_session};
use otas_local::Server;
use serde_json::{Value, json};
use services::Backend;

/// The services the agent calls.
struct Services {
    backend: String,
    weather: String,
}

/// The agent. Every call opens its own session, and `meta` describes what the call is about.
#[otas_session(meta = { "task_name": "trip_report", "customer": customer })]
async fn trip_report(services: &Services, customer: u32) -> Result<Session, Box<dyn Error>> {
    let Services { backend, .. } = services;
    // Your own backend: the request carries the session token.
    let record: Value = http::get(format!("{backend}/customers/{customer}")).await?.json().await?;
    let city = record["city"].as_str().ok_or("the customer has no city")?;
    let celsius = forecast(services, city).await?;
    http::post(format!("{backend}/reports")).json(&json!({ "city": city, "celsius": celsius })).await?;
    Session::current().ok_or_else(|| "no session could be opened; the warning above gives the reason".into())
}

/// The sub-agent. It is called inside the agent's session, and opens its own.
#[otas_session(meta = { "task_name": "forecast", city })]
async fn forecast(Services { weather, backend }: &Services, city: &str) -> Result<i64, Box<dyn Error>> {
    // Another host: no token, and the request is logged, with the API key masked.
    let response = http::get(format!("{weather}/v1/forecast")).query(&[("city", city), ("api_key", "hunter2")]).await?;
    let celsius = response.json::<Value>().await?["celsius"].as_i64().ok_or("the forecast has no temperature")?;
    // Redirects, error responses and failed connections are logged as well.
    http::get(format!("{weather}/forecast")).await?.bytes().await?;
    http::get(format!("{weather}/v1/alerts")).await?.bytes().await?;
    let _ = http::get("http://localhost:1/").await;
    http::put(format!("{backend}/cache/{city}")).json(&celsius).await?;
    Ok(celsius)
}

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("quickstart: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let backend = Backend::start().await?;
    let services = Services { backend: backend.url.clone(), weather: services::start_weather().await? };
    let has_key = ["OTAS_AGENT_KEY", "OTAS_AGENT_KEY_FILE"].iter().any(|name| std::env::var_os(name).is_some());
    let (config, _local) = if has_key { (from_environment(&backend)?, None) } else { local(&backend).await? };
    println!("  UASAM, which opens sessions:       {}", config.uasam_url());
    println!("  Brain, which stores the log:       {}\n", config.brain_url());
    println!("The agent uses two services, both started by this program:");
    println!("  your own backend:                  {}   requests carry the session token", services.backend);
    println!("  a weather service on another host: {}   requests are logged, without a token\n", services.weather);

    let _guard = otas::init(Client::new(config.clone())?)?;
    println!("Running the agent `trip_report`, which calls the sub-agent `forecast`.\n");
    let session = trip_report(&services, 7).await?;

    if let Err(undelivered) = otas::flush(Duration::from_secs(30)).await {
        eprintln!("quickstart: {undelivered}");
    }
    print_recording(&config, &session, &backend).await
}

/// Starts a local OTAS, with a project and an agent.
async fn local(backend: &Backend) -> Result<(Config, Option<Server>), Box<dyn Error>> {
    let otas = Server::builder().project_domain(&backend.url).start().await?;
    println!("OTAS_AGENT_KEY is not set, so this program starts a local OTAS:");
    Ok((Config::from_vars(otas.env())?, Some(otas)))
}

/// Reads the configuration from the environment, with this program's backend as the domain.
fn from_environment(backend: &Backend) -> otas::Result<Config> {
    let domain = [("OTAS_PROJECT_DOMAIN".to_owned(), backend.url.clone())];
    let config = Config::from_vars(std::env::vars().chain(domain))?;
    println!("Using the OTAS that your environment names:");
    Ok(config)
}

/// Reads this run's sessions back with the user token, and prints them.
async fn print_recording(config: &Config, session: &Session, backend: &Backend) -> Result<(), Box<dyn Error>> {
    let reader = match Reader::new(config) {
        Ok(reader) => reader,
        Err(error) => {
            println!("Recorded as session {}, which cannot be read back: {error}.", session.id());
            return Ok(());
        }
    };
    let mut sessions = reader.sessions(&session.agent_id()).await?;
    // The newest comes first, so this run's sessions end with the agent's own.
    let count = sessions.iter().position(|record| record.id == session.id()).map_or(sessions.len(), |at| at + 1);
    sessions.truncate(count);
    println!("OTAS recorded {count} sessions:");
    for record in sessions.iter().rev() {
        println!("\nSession {}", record.id);
        println!("  meta: {}", record.meta);
        println!("  requests to your own backend, with this session's token:");
        print_indented(&backend.requests_of(record.id.as_str()).join("\n"));
        println!("  logged requests to other hosts:");
        let timeline = reader.timeline(&session.agent_id(), &record.id).await?;
        print_indented(&if timeline.entries().is_empty() { "none".to_owned() } else { timeline.to_string() });
    }
    println!("\nTo record your own agent, see \"Use it\" in README.md.");
    Ok(())
}

fn print_indented(text: &str) {
    for line in text.lines() {
        println!("    {line}");
    }
}
