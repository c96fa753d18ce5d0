//! How `agent_server` ends: what runs is finished, what is queued is delivered by the deadline or told as left over.
#![cfg(unix)]

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use axum::Router;
use otas::reqwest;
use otas_local::{Fault, Server};
use serde_json::json;

/// The example as a process of its own. It is ended with the test.
struct Agent {
    process: Child,
    output: BufReader<ChildStdout>,
    url: String,
}

impl Agent {
    fn start(otas: &Server, service: &str, deadline: u32) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_agent_server"));
        command.args(["--addr", "127.0.0.1:0", "--deadline", &deadline.to_string()]);
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
        let mut first = String::new();
        output.read_line(&mut first).unwrap();
        let url = first.trim().strip_prefix("listening on ").expect(&first).to_owned();
        Self { process, output, url }
    }

    async fn ask(&self, number: u64) -> reqwest::Result<reqwest::Response> {
        let question = json!({ "number": number, "text": "" });
        reqwest::Client::new().post(format!("{}/ask", self.url)).json(&question).send().await?.error_for_status()
    }

    fn send(&self, signal: &str) {
        assert!(Command::new("kill").args([signal, &self.process.id().to_string()]).status().unwrap().success());
    }

    /// What it says after the signal, once it has ended.
    async fn end(mut self) -> String {
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

/// Answers everything after a while; its address counts as inside, its name as outside.
async fn service(wait: Duration) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answer = move || async move {
        tokio::time::sleep(wait).await;
        "hello"
    };
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await.unwrap() });
    url
}

async fn asked_twenty(otas: &Server, deadline: u32) -> Agent {
    let service = service(Duration::ZERO).await;
    let agent = Agent::start(otas, &service, deadline);
    for number in 0..20 {
        agent.ask(number).await.unwrap();
    }
    agent
}

#[tokio::test]
async fn on_sigterm_everything_queued_is_delivered_before_the_deadline() {
    let otas = Server::start().await.unwrap();
    otas.brain().fail_randomly(1.0, Fault::Late(Duration::from_millis(100)), 1);
    let agent = asked_twenty(&otas, 30).await;
    agent.send("-TERM");
    let said = agent.end().await;
    assert!(said.contains("20 recorded, 20 delivered, 0 dropped, 0 pending; 0 undelivered"), "{said}");
    assert_eq!(otas.event_count(), 20);
}

#[tokio::test]
async fn what_cannot_be_delivered_by_the_deadline_is_counted_as_left_and_nothing_else() {
    let otas = Server::start().await.unwrap();
    otas.brain().stop().unwrap();
    let agent = asked_twenty(&otas, 1).await;
    let began = Instant::now();
    agent.send("-INT"); // Ctrl-C
    let said = agent.end().await;
    assert!(said.contains("20 recorded, 0 delivered, 20 dropped (shutdown 20), 0 pending; 20 undelivered"), "{said}");
    assert!(began.elapsed() < Duration::from_secs(15));
    assert_eq!(otas.event_count(), 0);
}

#[tokio::test]
async fn requests_and_jobs_that_run_are_finished_first() {
    let otas = Server::start().await.unwrap();
    let service = service(Duration::from_millis(700)).await;
    let agent = Agent::start(&otas, &service, 30);
    let job = json!({ "number": 1, "text": "" });
    reqwest::Client::new().post(format!("{}/jobs", agent.url)).json(&job).send().await.unwrap();
    let (answer, ()) = tokio::join!(agent.ask(2), async {
        while otas.sessions().len() < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        agent.send("-TERM");
    });
    assert_eq!(answer.unwrap().status(), 200);
    let said = agent.end().await;
    assert!(said.contains("2 recorded, 2 delivered"), "{said}");
    assert!(otas.sessions().iter().all(|session| otas.events(&session.id).len() == 1));
}
