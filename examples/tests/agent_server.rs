//! How `agent_server` shuts down: it finishes requests and jobs, then delivers events or reports those it could not.
#![cfg(unix)]

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use axum::Router;
use otas::reqwest;
use otas_local::{Fault, Server};
use serde_json::json;

/// The example in its own process, which is killed when the test ends.
struct Agent {
    process: Child,
    output: BufReader<ChildStdout>,
    url: String,
}

impl Agent {
    fn start(otas: &Server, service: &str, shutdown_timeout: u32) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_agent_server"));
        command.args(["--addr", "127.0.0.1:0", "--shutdown-timeout", &shutdown_timeout.to_string()]);
        command.args(["--backend", service, "--model", &service.replace("127.0.0.1", "localhost")]);
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("OTAS_")) {
            command.env_remove(name);
        }
        command.envs([
            ("OTAS_AGENT_KEY", otas.agent_key()),
            ("OTAS_PROJECT_DOMAIN", service.to_owned()),
            ("OTAS_UASAM_URL", otas.uasam_url()),
            ("OTAS_BRAIN_URL", otas.brain_url()),
        ]);
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("listening on ").expect(&line).to_owned();
        Self { process, output, url }
    }

    async fn ask(&self, number: u64) -> reqwest::Result<reqwest::Response> {
        let question = json!({ "number": number, "text": "" });
        reqwest::Client::new().post(format!("{}/ask", self.url)).json(&question).send().await?.error_for_status()
    }

    fn send(&self, signal: &str) {
        assert!(Command::new("kill").args([signal, &self.process.id().to_string()]).status().unwrap().success());
    }

    /// Waits for the process to exit, and returns what it printed since it started to listen.
    async fn output(mut self) -> String {
        tokio::task::spawn_blocking(move || {
            let (mut text, mut warnings) = (String::new(), String::new());
            self.output.read_to_string(&mut text).unwrap();
            self.process.stderr.take().unwrap().read_to_string(&mut warnings).unwrap();
            assert!(self.process.wait().unwrap().success(), "{text}{warnings}");
            text
        })
        .await
        .unwrap()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Starts a service that responds after a delay, and returns the URL that is inside the domain. The
/// same URL with `localhost` is outside.
async fn service(delay: Duration) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let respond = move || async move {
        tokio::time::sleep(delay).await;
        "hello"
    };
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(respond)).await.unwrap() });
    url
}

/// An agent that has responded to twenty requests.
async fn agent_after_twenty_requests(otas: &Server, shutdown_timeout: u32) -> Agent {
    let service = service(Duration::ZERO).await;
    let agent = Agent::start(otas, &service, shutdown_timeout);
    for number in 0..20 {
        agent.ask(number).await.unwrap();
    }
    agent
}

#[tokio::test]
async fn sigterm_delivers_every_queued_event() {
    let otas = Server::start().await.unwrap();
    otas.brain().fail_randomly(1.0, Fault::Late(Duration::from_millis(100)), 1);
    let agent = agent_after_twenty_requests(&otas, 30).await;
    agent.send("-TERM");
    let output = agent.output().await;
    assert!(output.ends_with("stopped: 20 recorded, 20 delivered, 0 dropped, 0 pending\n"), "{output}");
    assert_eq!(otas.event_count(), 20);
}

#[tokio::test]
async fn ctrl_c_reports_exactly_the_events_not_delivered_in_time() {
    let otas = Server::start().await.unwrap();
    otas.brain().stop().unwrap();
    let agent = agent_after_twenty_requests(&otas, 1).await;
    let started = Instant::now();
    agent.send("-INT"); // Ctrl-C
    let output = agent.output().await;
    let stats = "stopped: 20 recorded, 0 delivered, 20 dropped (shutdown 20), 0 pending\n";
    assert!(output.contains(&format!("{stats}20 events were not delivered in time")), "{output}");
    assert!(started.elapsed() < Duration::from_secs(15));
    assert_eq!(otas.event_count(), 0);
}

#[tokio::test]
async fn running_requests_and_jobs_are_finished_before_exit() {
    let otas = Server::start().await.unwrap();
    let service = service(Duration::from_millis(700)).await;
    let agent = Agent::start(&otas, &service, 30);
    let job = json!({ "number": 1, "text": "" });
    reqwest::Client::new().post(format!("{}/jobs", agent.url)).json(&job).send().await.unwrap();
    let (response, ()) = tokio::join!(agent.ask(2), async {
        while otas.sessions().len() < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        agent.send("-TERM");
    });
    assert_eq!(response.unwrap().status(), 200);
    let output = agent.output().await;
    assert!(output.contains("2 recorded, 2 delivered"), "{output}");
    assert!(otas.sessions().iter().all(|session| otas.events(&session.id).len() == 1));
}
