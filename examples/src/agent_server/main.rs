//! An agent behind an HTTP server: one session per request, and a shutdown that delivers queued events.

mod app;
mod load;
mod services;

use std::error::Error;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use app::App;
use lexopt::{Arg, Parser, ValueExt as _};
use otas::{Client, Config};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};

const HELP: &str = "\
An agent behind an HTTP server, with one OTAS session per request.

Usage: agent_server [OPTIONS]
       agent_server load [LOAD OPTIONS]

Serves until Ctrl-C or SIGTERM. The OTAS_* variables configure the library; `cargo run -p otas-local` starts a
local OTAS and prints them.

Options:
  --addr ADDR                  Address to listen on [default: 127.0.0.1:3000]
  --backend URL                Base URL of your own backend [default: http://localhost:9000]
  --model URL                  Base URL of the model, outside the domain [default: http://localhost:9001]
  --shutdown-timeout SECONDS   Time to finish requests and jobs, and again to deliver events [default: 10]
  -h, --help                   Print this help

`load` is a load test that needs no setup. It starts a local OTAS, the backend, the model and the server in this
process, sends requests, and verifies that OTAS recorded each request and its calls in the right session.

Load options:
  --requests N                 Number of requests [default: 1000]
  --concurrency N              Number of concurrent requests [default: 200]";

struct Options {
    load: bool,
    addr: SocketAddr,
    backend: String,
    model: String,
    shutdown_timeout: Duration,
    requests: usize,
    concurrency: usize,
}

/// The options of the command line; `None` if it asks for help.
fn options(mut parser: Parser) -> Result<Option<Options>, lexopt::Error> {
    let mut options = Options {
        load: false,
        addr: SocketAddr::from(([127, 0, 0, 1], 3000)),
        backend: "http://localhost:9000".to_owned(),
        model: "http://localhost:9001".to_owned(),
        shutdown_timeout: Duration::from_secs(10),
        requests: 1000,
        concurrency: 200,
    };
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Value(word) if word == "load" => options.load = true,
            Arg::Long("requests") if options.load => options.requests = count(&mut parser)?,
            Arg::Long("concurrency") if options.load => options.concurrency = count(&mut parser)?,
            Arg::Long("shutdown-timeout") if !options.load => {
                options.shutdown_timeout = Duration::from_secs(count(&mut parser)? as u64)
            }
            Arg::Long("backend") if !options.load => options.backend = parser.value()?.string()?,
            Arg::Long("model") if !options.load => options.model = parser.value()?.string()?,
            Arg::Long("addr") if !options.load => options.addr = parser.value()?.parse()?,
            Arg::Short('h') | Arg::Long("help") => return Ok(None),
            other => return Err(other.unexpected()),
        }
    }
    Ok(Some(options))
}

/// A number from 1 to 1,000,000.
fn count(parser: &mut Parser) -> Result<usize, lexopt::Error> {
    parser.value()?.parse_with(|text| match text.parse() {
        Ok(number @ 1..=1_000_000) => Ok(number),
        _ => Err("expected a number from 1 to 1000000"),
    })
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = match options(Parser::from_env()) {
        Ok(Some(options)) => options,
        Ok(None) => {
            println!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("agent_server: {error}; see --help");
            return ExitCode::from(2);
        }
    };
    let outcome = if options.load {
        load::run(options.requests, options.concurrency).await
    } else {
        serve(options).await.map(|()| true)
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("agent_server: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Serves until a shutdown is requested. Then stops accepting requests, finishes running requests and
/// jobs, and delivers queued events, each for at most the shutdown timeout.
async fn serve(options: Options) -> Result<(), Box<dyn Error>> {
    // An invalid setting ends the program here, before the first request. An unreachable OTAS does
    // not: see `app`.
    let client = Client::new(Config::from_env()?)?;
    let listener = TcpListener::bind(options.addr).await?;
    println!("listening on http://{}", listener.local_addr()?);
    let (jobs, mut jobs_done) = mpsc::channel(1);
    let app = App {
        client: client.clone(),
        http: client.http(),
        backend: options.backend.into(),
        model: options.model.into(),
        jobs,
    };
    let (stop, mut stopping) = watch::channel(false);
    let signal = async move {
        shutdown_signal().await;
        println!("shutting down: finishing running requests and jobs");
        let _ = stop.send(true);
    };
    let work = async {
        axum::serve(listener, app::router(app)).with_graceful_shutdown(signal).await?;
        // Closes when the last job has dropped its sender.
        while jobs_done.recv().await.is_some() {}
        Ok::<_, std::io::Error>(())
    };
    let timeout = async {
        let _ = stopping.wait_for(|stopping| *stopping).await;
        tokio::time::sleep(options.shutdown_timeout).await;
    };
    tokio::select! {
        result = work => result?,
        () = timeout => println!("cancelled requests and jobs still running after {:?}", options.shutdown_timeout),
    }
    // Last, because later events would be dropped.
    let delivered = client.shutdown(options.shutdown_timeout).await;
    println!("stopped: {}", client.stats());
    if let Err(undelivered) = delivered {
        println!("{undelivered}");
    }
    Ok(())
}

/// Waits for Ctrl-C or SIGTERM, which container hosts send before they kill a process.
async fn shutdown_signal() {
    let ctrl_c = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    let sigterm = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => drop(signal.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let sigterm = std::future::pending::<()>();
    tokio::select! {
        () = ctrl_c => {}
        () = sigterm => {}
    }
}
