//! The load test: sends many concurrent requests, then verifies that OTAS recorded each in its own session.

use std::collections::HashMap;
use std::error::Error;
use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use otas::stats::Stats;
use otas::{Client, Config, reqwest};
use otas_local::Server;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::app::{self, App};
use crate::services::{ReceivedCall, Service};

/// Requests wait while more events than this are pending, because the queue holds 1,024 and drops
/// what exceeds them.
const MAX_PENDING: u64 = 600;

/// The kinds of requests, sent in turn.
#[derive(Clone, Copy)]
enum Kind {
    Ask,
    Stream,
    Job,
}

impl Kind {
    fn of(number: u64) -> Self {
        [Self::Ask, Self::Stream, Self::Job][(number % 3) as usize]
    }

    /// The number of calls a request causes to the backend, and also to the model.
    fn calls(self) -> usize {
        if let Self::Stream = self { 2 } else { 1 }
    }
}

/// One line of the result.
struct Check {
    label: &'static str,
    expected: usize,
    actual: usize,
}

/// Runs the load test, and returns whether every check passed.
pub async fn run(requests: usize, concurrency: usize) -> Result<bool, Box<dyn Error>> {
    let (backend, model) = (Service::start().await?, Service::start().await?);
    let otas = Server::builder().project_domain(&backend.url).keep_requests(0).start().await?;
    let client = Client::new(Config::from_vars(otas.env())?)?;
    let (jobs, _jobs_done) = mpsc::channel(1);
    let url = start(App {
        client: client.clone(),
        http: client.http(),
        backend: backend.url.as_str().into(),
        model: model.url.as_str().into(),
        jobs,
    })
    .await?;
    println!("Started in this process: the server, its backend, its model, and a local OTAS.");
    println!("Sending {requests} requests, {concurrency} at a time: JSON responses, streams and background jobs.\n");

    let started = Instant::now();
    let correct = send_all(&url, &client, requests as u64, concurrency).await;
    // Jobs may still be running. The call to the backend is the last thing they do.
    let calls: usize = (1..=requests as u64).map(|number| Kind::of(number).calls()).sum();
    let give_up = Instant::now() + Duration::from_secs(60);
    while backend.calls().len() < calls && Instant::now() < give_up {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let flushed = client.flush(Duration::from_secs(60)).await;
    let seconds = started.elapsed().as_secs_f64();
    println!("Finished after {seconds:.1} s, {:.0} requests per second.", requests as f64 / seconds);
    if let Err(undelivered) = flushed {
        println!("{undelivered}");
    }
    println!();

    let mut checks = vec![Check { label: "correct responses", expected: requests, actual: correct }];
    checks.extend(verify(&otas, requests as u64, &backend.calls(), &model.calls()));
    checks.extend(verify_stats(client.stats(), calls));
    Ok(report(&checks))
}

/// Starts the server on a free port, and returns its URL.
async fn start(app: App) -> std::io::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move { axum::serve(listener, app::router(app)).await });
    Ok(url)
}

/// Sends all requests, and returns the number of correct responses.
async fn send_all(url: &str, client: &Client, requests: u64, concurrency: usize) -> usize {
    let http = reqwest::Client::new();
    let responses = stream::iter(1..=requests).map(|number| {
        let http = &http;
        async move {
            while client.stats().pending > MAX_PENDING {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            match send(http, url, number).await {
                Ok(is_correct) => is_correct,
                Err(error) => {
                    eprintln!("agent_server: request {number}: {error}");
                    false
                }
            }
        }
    });
    responses.buffer_unordered(concurrency).filter(|is_correct| std::future::ready(*is_correct)).count().await
}

/// Sends one request, and returns whether the response is correct.
async fn send(http: &reqwest::Client, url: &str, number: u64) -> reqwest::Result<bool> {
    let question = json!({ "number": number, "text": "What needs to be done?" });
    let request = match Kind::of(number) {
        Kind::Ask => http.post(format!("{url}/ask")).json(&question),
        Kind::Stream => http.get(format!("{url}/stream/{number}")),
        Kind::Job => http.post(format!("{url}/jobs")).json(&question),
    };
    let response = request.send().await?.error_for_status()?;
    let has_known_length = response.content_length().is_some();
    let text = response.text().await?;
    let replies = text.matches(&format!("completions {number}")).count();
    Ok(match Kind::of(number) {
        Kind::Ask => has_known_length && replies == 1,
        Kind::Stream => replies == 2,
        Kind::Job => text.is_empty(),
    })
}

/// Compares what OTAS, the backend and the model received with what was sent.
fn verify(otas: &Server, requests: u64, to_backend: &[ReceivedCall], to_model: &[ReceivedCall]) -> Vec<Check> {
    let recorded = otas.sessions();
    let mut sessions = HashMap::<u64, Vec<String>>::new();
    for session in &recorded {
        let number = session.meta["request"].as_u64().unwrap_or_default();
        sessions.entry(number).or_default().push(session.id.clone());
    }
    let (mut with_one_session, mut in_own_session) = (0, 0);
    for number in 1..=requests {
        let Some([id]) = sessions.get(&number).map(Vec::as_slice) else { continue };
        with_one_session += 1;
        let own_path = format!("/completions/{number}");
        let events = otas.events(id);
        if events.iter().all(|event| event.path == own_path && event.status_code == 200) {
            in_own_session += events.len();
        }
    }
    let has_own_token = |call: &&ReceivedCall| {
        let session = call.token.as_deref().and_then(|token| otas.session_of(token));
        session.is_some() && session.as_ref() == sessions.get(&call.number).and_then(|ids| ids.first())
    };
    let own_tokens = to_backend.iter().filter(has_own_token).count();
    let leaked_tokens = to_model.iter().filter(|call| call.token.is_some()).count();

    let calls: usize = (1..=requests).map(|number| Kind::of(number).calls()).sum();
    let check = |label, expected, actual| Check { label, expected, actual };
    vec![
        check("sessions recorded by OTAS", requests as usize, recorded.len()),
        check("requests with exactly one session", requests as usize, with_one_session),
        check("calls to the backend", calls, to_backend.len()),
        check("  with the token of their own session", calls, own_tokens),
        check("calls to the model", calls, to_model.len()),
        check("  with a token, which must not leave the domain", 0, leaked_tokens),
        check("calls logged by Brain", calls, otas.event_count()),
        check("  in their own session", calls, in_own_session),
    ]
}

/// Compares the library's own counters with what was sent.
fn verify_stats(stats: Stats, calls: usize) -> [Check; 4] {
    let check = |label, expected, actual: u64| Check { label, expected, actual: actual as usize };
    [
        check("events delivered by the library", calls, stats.delivered),
        check("  dropped", 0, stats.dropped.total()),
        check("handlers that ran without a session", 0, stats.sessionless_calls),
        check("requests sent outside any session", 0, stats.sessionless_requests),
    ]
}

/// Prints the checks, and returns whether all of them passed.
fn report(checks: &[Check]) -> bool {
    println!("{:<50} {:>9} {:>9}", "", "expected", "actual");
    for Check { label, expected, actual } in checks {
        let mark = if expected == actual { "" } else { "  <- wrong" };
        println!("{label:<50} {expected:>9} {actual:>9}{mark}");
    }
    let passed = checks.iter().all(|check| check.expected == check.actual);
    if passed {
        println!("\nPassed: every request had its own session, and every call belongs to the right one.");
    } else {
        println!("\nFailed. Run it again with fewer requests, and start with the first line marked as wrong.");
    }
    passed
}
