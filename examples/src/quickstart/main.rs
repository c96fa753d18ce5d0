//! An agent with a sub-agent, and what OTAS recorded of them: with a local OTAS, or with the servers that the environment names.

mod services;

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use otas::audit::Reader;
use otas::{Client, Config, Session, http, otas_session};
use otas_local::Server;
use serde_json::{Value, json};
use services::Backend;

/// Where the agent finds its services.
struct Services {
    backend: String,
    weather: String,
}

/// Each call has a session of its own, which records what the call was about.
#[otas_session(meta = { "task_name": "trip_report", "customer": customer })]
async fn report(services: &Services, customer: u32) -> Result<Session, Box<dyn Error>> {
    let Services { backend, .. } = services;
    // Within the domain: the library adds the session's token.
    let record: Value = http::get(format!("{backend}/customers/{customer}")).await?.json().await?;
    let city = record["city"].as_str().unwrap_or("nowhere");
    let celsius = forecast(services, city).await?;
    http::post(format!("{backend}/reports")).json(&json!({ "city": city, "celsius": celsius })).await?;
    Session::current().ok_or_else(|| "no session could be opened; the warning above says why".into())
}

/// A sub-agent: called inside the other's session, and recorded in its own.
#[otas_session(meta = { "task_name": "forecast", city })]
async fn forecast(Services { weather, backend }: &Services, city: &str) -> Result<i64, Box<dyn Error>> {
    // Outside the domain: nobody else sees the token, and each call is logged. The key in the first URL is masked in the log.
    let answer = http::get(format!("{weather}/v1/forecast")).query(&[("city", city), ("api_key", "hunter2")]).await?;
    let celsius = answer.json::<Value>().await?["celsius"].as_i64().unwrap_or_default();
    http::get(format!("{weather}/forecast")).await?.bytes().await?; // a redirect
    http::get(format!("{weather}/v1/alerts")).await?.bytes().await?; // a failure of theirs
    let _ = http::get("http://localhost:1/").await; // nobody there
    http::put(format!("{backend}/cache/{city}")).json(&celsius).await?;
    Ok(celsius)
}

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let backend = Backend::start().await?;
    let services = Services { backend: backend.url.clone(), weather: services::start_weather().await? };
    let real = ["OTAS_AGENT_KEY", "OTAS_AGENT_KEY_FILE"].iter().any(|name| std::env::var_os(name).is_some());
    let (config, _local) = if real { (from_environment(&backend)?, None) } else { local(&backend).await? };
    println!("Your domain is {}: requests there carry the session's token.", services.backend);
    println!(
        "Everything else, such as {}, is outside: it never sees the token, and each call is logged.\n",
        services.weather
    );

    let _guard = otas::init(Client::new(config.clone())?)?;
    println!("Running an agent. It asks a sub-agent for help.\n");
    let session = report(&services, 7).await?;

    if let Err(undelivered) = otas::flush(Duration::from_secs(30)).await {
        println!("After 30 seconds: {undelivered}.");
    }
    show(&config, &session, &backend).await
}

/// A local OTAS, with a project and an agent of its own.
async fn local(backend: &Backend) -> Result<(Config, Option<Server>), Box<dyn Error>> {
    let otas = Server::builder().project_domain(&backend.url).start().await?;
    println!(
        "No OTAS_AGENT_KEY is set, so a local OTAS was started: UASAM at {}, Brain at {}.",
        otas.uasam_url(),
        otas.brain_url()
    );
    Ok((Config::from_vars(otas.env())?, Some(otas)))
}

/// The servers that the environment names. The domain is this program's own backend.
fn from_environment(backend: &Backend) -> otas::Result<Config> {
    let domain = [("OTAS_PROJECT_DOMAIN".to_owned(), backend.url.clone())];
    let config = Config::from_vars(std::env::vars().chain(domain))?;
    println!("Using the OTAS of your environment: UASAM at {}, Brain at {}.", config.uasam_url(), config.brain_url());
    Ok(config)
}

/// What OTAS recorded of this run, read back with a user token.
async fn show(config: &Config, session: &Session, backend: &Backend) -> Result<(), Box<dyn Error>> {
    let reader = match Reader::new(config) {
        Ok(reader) => reader,
        Err(error) => {
            println!("Recorded as session {}. It cannot be read back here: {error}.", session.id());
            return Ok(());
        }
    };
    let mut sessions = reader.sessions(&session.agent_id()).await?;
    // Newest first: those of this run end with the agent's own.
    let own = sessions.iter().position(|recorded| recorded.id == session.id()).map_or(sessions.len(), |at| at + 1);
    sessions.truncate(own);
    println!("OTAS recorded {own} sessions:");
    for recorded in sessions.iter().rev() {
        println!("\nsession {}", recorded.id);
        println!("  meta: {}", recorded.meta);
        println!("  reached your backend with its token:");
        for request in backend.requests_of(recorded.id.as_str()) {
            println!("    {request}");
        }
        println!("  calls outside your domain:");
        for line in reader.timeline(&session.agent_id(), &recorded.id).await?.to_string().lines() {
            println!("    {line}");
        }
    }
    Ok(())
}
