//! A local OTAS to develop against: UASAM and Brain in one process, with a project and an agent ready to use.

use std::net::SocketAddr;
use std::process::ExitCode;

use otas::testing::Server;

const HELP: &str = "\
A local OTAS: UASAM and Brain in one process. Nothing is kept after it ends.

usage: dev_server [--uasam ADDR] [--brain ADDR] [--jwt-secret SECRET] [--project-domain URL]

  --uasam ADDR           where UASAM listens (127.0.0.1:8000)
  --brain ADDR           where Brain listens (127.0.0.1:8002)
  --jwt-secret SECRET    what tokens are signed with (some-jwt-secret)
  --project-domain URL   the base URL of your own backend (http://localhost:9000)
  --help                 this text";

struct Options {
    uasam: SocketAddr,
    brain: SocketAddr,
    jwt_secret: String,
    project_domain: String,
}

/// `Ok(None)` asks for the help text; an error is a sentence.
fn options(mut arguments: impl Iterator<Item = String>) -> Result<Option<Options>, String> {
    let mut options = Options {
        uasam: SocketAddr::from(([127, 0, 0, 1], 8000)),
        brain: SocketAddr::from(([127, 0, 0, 1], 8002)),
        jwt_secret: "some-jwt-secret".to_owned(),
        project_domain: "http://localhost:9000".to_owned(),
    };
    while let Some(name) = arguments.next() {
        if name == "--help" || name == "-h" {
            return Ok(None);
        }
        if !["--uasam", "--brain", "--jwt-secret", "--project-domain"].contains(&name.as_str()) {
            return Err(format!("unknown argument {name}"));
        }
        let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
        let addr = || value.parse().map_err(|_| format!("{name} needs an address like 127.0.0.1:8000, not {value}"));
        match name.as_str() {
            "--uasam" => options.uasam = addr()?,
            "--brain" => options.brain = addr()?,
            "--jwt-secret" => options.jwt_secret = value,
            _ => options.project_domain = value,
        }
    }
    Ok(Some(options))
}

/// A line that a shell takes as it is meant.
fn export(name: &str, value: &str) {
    println!("export {name}='{}'", value.replace('\'', r"'\''"));
}

fn introduce(otas: &Server) {
    println!("A local OTAS is running, with a project and an agent of its own. Nothing is kept after it ends.");
    println!();
    println!("To use it, run these lines in the terminal of your agent:");
    println!();
    export("OTAS_UASAM_URL", &otas.uasam_url());
    export("OTAS_BRAIN_URL", &otas.brain_url());
    export("OTAS_AGENT_KEY", &otas.agent_key());
    export("OTAS_PROJECT_ID", &otas.project_id());
    export("OTAS_PROJECT_DOMAIN", otas.project_domain());
    export("OTAS_USER_TOKEN", otas.user_token());
    println!();
    println!(
        "The agent key opens sessions and logs calls; the user token reads them back. Requests to the project domain"
    );
    println!("are your own backend's; all others are logged. To see the sessions of the agent:");
    println!();
    println!("curl -H \"X-OTAS-USER-TOKEN: $OTAS_USER_TOKEN\" -H \"X-OTAS-PROJECT-ID: $OTAS_PROJECT_ID\" \\");
    println!("  \"$OTAS_UASAM_URL/api/agent/v1/sessions/list/?agent_id={}\"", otas.agent_id());
    println!();
    println!("Ctrl-C ends it.");
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let options = match options(std::env::args().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => {
            println!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(sentence) => {
            eprintln!("dev_server: {sentence}; --help tells which arguments there are");
            return ExitCode::from(2);
        }
    };
    let server = Server::builder()
        .uasam_addr(options.uasam)
        .brain_addr(options.brain)
        .jwt_secret(options.jwt_secret)
        .project_domain(options.project_domain)
        .keep_requests(false);
    let otas = match server.start().await {
        Ok(otas) => otas,
        Err(error) => {
            eprintln!("dev_server: {error}; --uasam and --brain choose other addresses");
            return ExitCode::FAILURE;
        }
    };
    introduce(&otas);
    match tokio::signal::ctrl_c().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("dev_server: cannot wait for Ctrl-C: {error}");
            ExitCode::FAILURE
        }
    }
}
