//! A local OTAS for development, with a project and an agent ready to use.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for the terminal")]

use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;

use lexopt::{Arg, Parser, ValueExt as _};
use otas_local::Server;

const HELP: &str = "\
A local OTAS: UASAM and Brain in one process. Nothing is kept after it exits.

Usage: dev_server [OPTIONS]

Options:
  --uasam ADDR           Address of UASAM [default: 127.0.0.1:8000]
  --brain ADDR           Address of Brain [default: 127.0.0.1:8002]
  --project-domain URL   Base URL of your own backend [default: http://localhost:9000]
  --jwt-secret SECRET    Secret that signs tokens [default: some-jwt-secret]
  -h, --help             Print this help";

struct Options {
    uasam: SocketAddr,
    brain: SocketAddr,
    jwt_secret: String,
    project_domain: String,
}

/// Parses the command line; `None` if it asks for help.
fn options(mut parser: Parser) -> Result<Option<Options>, lexopt::Error> {
    let mut options = Options {
        uasam: SocketAddr::from(([127, 0, 0, 1], 8000)),
        brain: SocketAddr::from(([127, 0, 0, 1], 8002)),
        jwt_secret: "some-jwt-secret".to_owned(),
        project_domain: "http://localhost:9000".to_owned(),
    };
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Long("uasam") => options.uasam = parser.value()?.parse()?,
            Arg::Long("brain") => options.brain = parser.value()?.parse()?,
            Arg::Long("jwt-secret") => options.jwt_secret = parser.value()?.string()?,
            Arg::Long("project-domain") => options.project_domain = parser.value()?.string()?,
            Arg::Short('h') | Arg::Long("help") => return Ok(None),
            other => return Err(other.unexpected()),
        }
    }
    Ok(Some(options))
}

/// Runs the server until Ctrl-C.
async fn run(options: Options) -> io::Result<()> {
    let server = Server::builder()
        .uasam_addr(options.uasam)
        .brain_addr(options.brain)
        .jwt_secret(options.jwt_secret)
        .project_domain(options.project_domain)
        .keep_requests(0);
    let otas = server.start().await?; // stops when it is dropped
    introduce(&otas);
    tokio::signal::ctrl_c().await
}

fn introduce(otas: &Server) {
    println!("A local OTAS is running, with a project and an agent. Nothing is kept after it exits.\n");
    println!("Run these lines in the terminal of your agent:\n");
    for (name, value) in otas.env() {
        println!("export {name}='{}'", value.replace('\'', r"'\''"));
    }
    println!("\nThe agent key opens sessions and logs calls; the user token reads them back. Requests to the");
    println!("project domain go to your own backend; all others are logged. To list the agent's sessions:\n");
    println!("curl -H \"X-OTAS-USER-TOKEN: $OTAS_USER_TOKEN\" -H \"X-OTAS-PROJECT-ID: $OTAS_PROJECT_ID\" \\");
    println!("  \"$OTAS_UASAM_URL/api/agent/v1/sessions/list/?agent_id={}\"", otas.agent_id());
    println!("\nPress Ctrl-C to stop.");
}

fn main() -> ExitCode {
    let options = match options(Parser::from_env()) {
        Ok(Some(options)) => options,
        Ok(None) => {
            println!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("dev_server: {error}; see --help");
            return ExitCode::from(2);
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime.and_then(|runtime| runtime.block_on(run(options))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("dev_server: {error}; --uasam and --brain choose other addresses");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<Option<Options>, lexopt::Error> {
        options(Parser::from_args(args))
    }

    #[test]
    fn options_override_the_defaults() {
        let options = parse(&["--brain=[::1]:7", "--project-domain", "http://me"]).unwrap().unwrap();
        assert_eq!(options.uasam, "127.0.0.1:8000".parse().unwrap());
        assert_eq!((options.brain, options.project_domain.as_str()), ("[::1]:7".parse().unwrap(), "http://me"));
        assert!(parse(&["--uasam", "127.0.0.1:1", "-h"]).unwrap().is_none());
    }

    #[test]
    fn a_wrong_option_is_an_error_that_names_it() {
        for (args, named) in
            [(&["--port", "1"][..], "--port"), (&["--uasam", "8000"], "8000"), (&["--brain"], "--brain")]
        {
            let error = parse(args).err().unwrap().to_string();
            assert!(error.contains(named), "{error}");
        }
    }
}
