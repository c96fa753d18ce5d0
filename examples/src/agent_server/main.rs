//! An agent behind an HTTP server: one session for each request, ended without losing what is not delivered yet.

mod app;
mod load;
mod services;

use std::error::Error;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use app::App;
use otas::{Client, Config};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};

const HELP: &str = "\
An agent behind an HTTP server, with one OTAS session for each request.

usage: agent_server [--addr ADDR] [--backend URL] [--model URL] [--deadline SECONDS]
       agent_server load [--requests N] [--concurrency N]

The first form serves until Ctrl-C or SIGTERM. The OTAS_* variables say where OTAS is; `cargo run --bin dev_server` starts a local one
and prints them.

  --addr ADDR            where to listen (127.0.0.1:3000)
  --backend URL          a service within the project's domain (http://localhost:9000)
  --model URL            a service outside (http://localhost:9001)
  --deadline SECONDS     how long the end waits for requests, and again for undelivered events (10)

The second form needs nothing: it starts a local OTAS, both services and the server in this process, sends requests to it, and proves
from what OTAS recorded that each had one session, and each call belongs to the right one.

  --requests N           how many requests are sent (1000)
  --concurrency N        how many at a time (200)
  --help                 this text";

struct Options {
    load: bool,
    addr: SocketAddr,
    backend: String,
    model: String,
    deadline: Duration,
    requests: usize,
    concurrency: usize,
}

/// `Ok(None)` asks for the help text; an error is a sentence.
fn options(arguments: impl Iterator<Item = String>) -> Result<Option<Options>, String> {
    let mut arguments = arguments.peekable();
    let mut options = Options {
        load: arguments.next_if(|first| first == "load").is_some(),
        addr: SocketAddr::from(([127, 0, 0, 1], 3000)),
        backend: "http://localhost:9000".to_owned(),
        model: "http://localhost:9001".to_owned(),
        deadline: Duration::from_secs(10),
        requests: 1000,
        concurrency: 200,
    };
    while let Some(name) = arguments.next() {
        if name == "--help" || name == "-h" {
            return Ok(None);
        }
        let mut value = || arguments.next().ok_or_else(|| format!("{name} needs a value"));
        let number = |value: String| {
            let number = value.parse::<usize>().ok().filter(|number| (1..=1_000_000).contains(number));
            number.ok_or_else(|| format!("{name} needs a number from 1 to 1000000, not {value}"))
        };
        match (options.load, name.as_str()) {
            (true, "--requests") => options.requests = number(value()?)?,
            (true, "--concurrency") => options.concurrency = number(value()?)?,
            (false, "--deadline") => options.deadline = Duration::from_secs(number(value()?)? as u64),
            (false, "--backend") => options.backend = value()?,
            (false, "--model") => options.model = value()?,
            (false, "--addr") => {
                let value = value()?;
                let wrong = |_| format!("--addr needs an address like 127.0.0.1:3000, not {value}");
                options.addr = value.parse().map_err(wrong)?;
            }
            _ => return Err(format!("unknown argument {name}")),
        }
    }
    Ok(Some(options))
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = match options(std::env::args().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => {
            println!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(sentence) => {
            eprintln!("agent_server: {sentence}; --help tells which arguments there are");
            return ExitCode::from(2);
        }
    };
    let ended = match options.load {
        true => load::run(options.requests, options.concurrency).await,
        false => serve(options).await.map(|()| true),
    };
    match ended {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("agent_server: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Serves until it is told to stop; then takes no further request, finishes those that run and their jobs, and delivers what is queued.
async fn serve(options: Options) -> Result<(), Box<dyn Error>> {
    // A mistake in the settings ends the program here, before the first request. That OTAS cannot be reached does not: see `app`.
    let client = Client::new(Config::from_env()?)?;
    let listener = TcpListener::bind(options.addr).await?;
    println!("listening on http://{}", listener.local_addr()?);
    let (jobs, mut all_done) = mpsc::channel(1);
    let app = App {
        client: client.clone(),
        http: client.http(),
        backend: options.backend.into(),
        model: options.model.into(),
        jobs,
    };
    let (tell, mut told) = watch::channel(false);
    let graceful = async move {
        asked_to_stop().await;
        println!("stopping: no further request is taken, those that run are finished");
        let _ = tell.send(true);
    };
    let work = async {
        axum::serve(listener, app::router(app)).with_graceful_shutdown(graceful).await?;
        // The channel closes when the last job has let go of its end.
        while all_done.recv().await.is_some() {}
        Ok::<_, std::io::Error>(())
    };
    let too_late = async {
        let _ = told.wait_for(|told| *told).await;
        tokio::time::sleep(options.deadline).await;
    };
    tokio::select! {
        ended = work => ended?,
        () = too_late => println!("some requests or jobs took longer than {:?}, and are given up", options.deadline),
    }
    // Last, so that nothing comes after it.
    let undelivered = client.shutdown(options.deadline).await.err().map_or(0, |undelivered| undelivered.count());
    println!("stopped: {}; {undelivered} undelivered at the deadline", client.stats());
    Ok(())
}

/// Ctrl-C, or what a container's host sends before it ends a program by force.
async fn asked_to_stop() {
    let ctrl_c = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    let terminated = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => drop(signal.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let terminated = std::future::pending::<()>();
    tokio::select! {
        () = ctrl_c => {}
        () = terminated => {}
    }
}
