//! The load test: many requests at a time, and the proof from OTAS that none got into another's session.

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
use crate::services::{Call, Service};

/// More undelivered events than this, and the next requests wait: the queue holds 1,024 and drops what is beyond.
const PENDING: u64 = 600;

/// The ways to use the server, in turns.
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

    /// How many calls a request makes within the domain, and as many outside.
    fn calls(self) -> usize {
        if let Self::Stream = self { 2 } else { 1 }
    }
}

/// What was found, beside what it must be.
struct Check {
    what: &'static str,
    expected: usize,
    found: usize,
}

/// Runs everything; whether all of it holds.
pub async fn run(requests: usize, concurrency: usize) -> Result<bool, Box<dyn Error>> {
    let (backend, model) = (Service::start().await?, Service::start().await?);
    let otas = Server::builder().project_domain(&backend.url).keep_requests(0).start().await?;
    let client = Client::new(Config::from_vars(otas.env())?)?;
    let (jobs, _all_done) = mpsc::channel(1);
    let url = start(App {
        client: client.clone(),
        http: client.http(),
        backend: backend.url.as_str().into(),
        model: model.url.as_str().into(),
        jobs,
    })
    .await?;
    println!(
        "In this process: a local OTAS, a backend within the project's domain, a model outside it, and the server."
    );
    println!(
        "Sending {requests} requests, {concurrency} at a time: JSON answers, streams, and background jobs in turns.\n"
    );

    let began = Instant::now();
    let answered = drive(&url, &client, requests as u64, concurrency).await;
    // The last jobs may still run: their calls within the domain come last.
    let calls: usize = (1..=requests as u64).map(|number| Kind::of(number).calls()).sum();
    let give_up = Instant::now() + Duration::from_secs(60);
    while backend.calls().len() < calls && Instant::now() < give_up {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let undelivered = client.flush(Duration::from_secs(60)).await.err().map_or(0, |undelivered| undelivered.count());
    let took = began.elapsed().as_secs_f64();
    println!("{:.0} requests a second, {took:.1} s in all; {undelivered} undelivered.\n", requests as f64 / took);

    let mut checks = prove(&otas, requests as u64, &backend.calls(), &model.calls());
    checks.insert(0, Check { what: "requests answered as they should be", expected: requests, found: answered });
    checks.extend(counted(client.stats(), calls));
    Ok(report(&checks))
}

/// The server, on a port of its own.
async fn start(app: App) -> std::io::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move { axum::serve(listener, app::router(app)).await });
    Ok(url)
}

/// Sends all requests; how many were answered as they should be.
async fn drive(url: &str, client: &Client, requests: u64, concurrency: usize) -> usize {
    let http = reqwest::Client::new();
    let answers = stream::iter(1..=requests).map(|number| {
        let http = &http;
        async move {
            while client.stats().pending > PENDING {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            match send(http, url, number).await {
                Ok(good) => good,
                Err(error) => {
                    eprintln!("agent_server: request {number}: {error}");
                    false
                }
            }
        }
    });
    answers.buffer_unordered(concurrency).filter(|good| std::future::ready(*good)).count().await
}

async fn send(http: &reqwest::Client, url: &str, number: u64) -> reqwest::Result<bool> {
    let question = json!({ "number": number, "text": "What is to be done?" });
    let request = match Kind::of(number) {
        Kind::Ask => http.post(format!("{url}/ask")).json(&question),
        Kind::Stream => http.get(format!("{url}/stream/{number}")),
        Kind::Job => http.post(format!("{url}/jobs")).json(&question),
    };
    let answer = request.send().await?.error_for_status()?;
    let of_known_length = answer.content_length().is_some();
    let text = answer.text().await?;
    let said = text.matches(&format!("answers {number}")).count();
    Ok(match Kind::of(number) {
        Kind::Ask => of_known_length && said == 1,
        Kind::Stream => said == 2,
        Kind::Job => text.is_empty(),
    })
}

/// Compares what OTAS and the two services have seen with what was sent.
fn prove(otas: &Server, requests: u64, inside: &[Call], outside: &[Call]) -> Vec<Check> {
    let mut sessions = HashMap::<u64, Vec<String>>::new();
    let recorded = otas.sessions();
    for session in &recorded {
        let number = session.meta["request"].as_u64().unwrap_or_default();
        sessions.entry(number).or_default().push(session.id.clone());
    }
    let (mut alone, mut logged, mut right_token) = (0, 0, 0);
    for number in 1..=requests {
        let Some([id]) = sessions.get(&number).map(Vec::as_slice) else { continue };
        alone += 1;
        let own = format!("/answers/{number}");
        let events = otas.events(id);
        let good = events.iter().filter(|event| event.path == own && event.status_code == 200).count();
        logged += if good == events.len() { good } else { 0 };
    }
    for (number, token) in inside {
        let session = token.as_deref().and_then(|token| otas.session_of(token));
        right_token +=
            usize::from(session.is_some() && session.as_ref() == sessions.get(number).and_then(|of| of.first()));
    }
    let calls: usize = (1..=requests).map(|number| Kind::of(number).calls()).sum();
    let leaked = outside.iter().filter(|(_, token)| token.is_some()).count();
    let check = |what, expected, found| Check { what, expected, found };
    vec![
        check("sessions that OTAS has recorded", requests as usize, recorded.len()),
        check("requests with exactly one session", requests as usize, alone),
        check("calls to the backend", calls, inside.len()),
        check("  of which with the token of their own session", calls, right_token),
        check("calls to the model", calls, outside.len()),
        check("  of which with a token (it must never see one)", 0, leaked),
        check("calls logged in all", calls, otas.event_count()),
        check("  of which in their own session", calls, logged),
    ]
}

/// What the library itself has counted.
fn counted(stats: Stats, calls: usize) -> [Check; 4] {
    let check = |what, expected, found: u64| Check { what, expected, found: found as usize };
    [
        check("calls that the library delivered", calls, stats.delivered),
        check("  and dropped", 0, stats.dropped.total()),
        check("requests that ran without a session", 0, stats.sessionless_calls),
        check("calls sent outside every session", 0, stats.sessionless_requests),
    ]
}

fn report(checks: &[Check]) -> bool {
    println!("{:<50} {:>9} {:>9}", "", "expected", "found");
    for Check { what, expected, found } in checks {
        let mark = if expected == found { "" } else { "  <- wrong" };
        println!("{what:<50} {expected:>9} {found:>9}{mark}");
    }
    let holds = checks.iter().all(|check| check.expected == check.found);
    match holds {
        true => println!("\nEvery request had a session of its own, and every call belongs to the right one."),
        false => println!(
            "\nThis does not hold. Run it again with fewer requests, and look for the first line that is marked."
        ),
    }
    holds
}
