//! What concerns a whole process: the default client, the end of a program, the one line on stderr. Each in a process of its own: this very
//! test binary, asked to run one `program`.

use std::process::{Command, Output};

use otas::{Config, Session, http, otas_session};
use otas_local::Server;

use crate::support::Upstream;

/// Runs a program in a process of its own, with these variables and no other of OTAS.
fn run(program: &str, variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", &format!("process::{program}"), "--nocapture", "--include-ignored"])
        .env("OTAS_TEST_PROGRAM", "1");
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("OTAS_") && name != "OTAS_TEST_PROGRAM") {
        command.env_remove(name);
    }
    let output = command.envs(variables.iter().copied()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    output
}

/// Whether this process is one that [`run`] has started.
fn asked() -> bool {
    std::env::var_os("OTAS_TEST_PROGRAM").is_some()
}

fn variables(otas: &Server) -> Vec<(&'static str, String)> {
    vec![
        ("OTAS_AGENT_KEY", otas.agent_key()),
        ("OTAS_PROJECT_DOMAIN", otas.project_domain().to_owned()),
        ("OTAS_UASAM_URL", otas.uasam_url()),
        ("OTAS_BRAIN_URL", otas.brain_url()),
    ]
}

fn lines(output: &Output) -> Vec<String> {
    let text = String::from_utf8_lossy(&output.stderr);
    text.lines().filter(|line| line.starts_with("otas: ")).map(str::to_owned).collect()
}

async fn with_site() -> (Upstream, Server, Vec<(&'static str, String)>) {
    let site = Upstream::start().await;
    let otas = Server::builder().project_domain(site.inside("")).start().await.unwrap();
    let mut variables = variables(&otas);
    variables.push(("TEST_URL", site.outside("/")));
    (site, otas, variables)
}

async fn run_with(program: &'static str, variables: Vec<(&'static str, String)>) -> Output {
    let run = move || {
        let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        run(program, &variables)
    };
    tokio::task::spawn_blocking(run).await.unwrap()
}

async fn call_outside() {
    http::get(std::env::var("TEST_URL").unwrap()).await.unwrap();
}

mod annotated {
    #[otas::otas_session(meta = { "task_name": "main" })]
    #[tokio::main(flavor = "current_thread")]
    pub async fn main() {
        super::call_outside().await;
    }
}

#[test]
fn program_annotated_main() {
    if asked() {
        annotated::main();
    }
}

#[tokio::test]
async fn an_annotated_main_delivers_before_it_returns() {
    let (_site, otas, variables) = with_site().await;
    run_with("program_annotated_main", variables).await;
    let session = otas.sessions().remove(0);
    assert_eq!(session.meta["task_name"], "main");
    assert_eq!(otas.events(&session.id).len(), 1);
}

#[otas_session]
async fn session_and_call() -> Option<otas::SessionId> {
    call_outside().await;
    Session::current().map(|session| session.id())
}

#[test]
fn program_guard() {
    if asked() {
        let _guard = otas::init(otas::Client::from_env().unwrap()).unwrap();
        assert!(otas::init(otas::Client::from_env().unwrap()).unwrap_err().to_string().contains("once"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        assert!(runtime.block_on(session_and_call()).is_some());
        drop(runtime);
    }
}

#[tokio::test]
async fn the_guard_delivers_when_dropped_after_the_runtime() {
    let (_site, otas, variables) = with_site().await;
    run_with("program_guard", variables).await;
    assert_eq!(otas.events(&otas.sessions().remove(0).id).len(), 1);
}

#[test]
fn program_no_settings() {
    if asked() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        for _ in 0..3 {
            assert!(runtime.block_on(session_and_call()).is_none());
        }
        runtime.block_on(call_outside());
    }
}

#[tokio::test]
async fn an_unconfigured_process_runs_normally_and_prints_one_warning() {
    let (site, _otas, variables) = with_site().await;
    let output =
        run_with("program_no_settings", variables.into_iter().filter(|(name, _)| *name == "TEST_URL").collect()).await;
    assert_eq!(site.received().len(), 4);
    let lines = lines(&output);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("OTAS_AGENT_KEY"), "{lines:?}");
}

#[test]
fn program_threads() {
    if asked() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        assert!(runtime.block_on(session_and_call()).is_none());
        let names = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
        let names: Vec<_> = names.filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok()).collect();
        assert!(names.iter().all(|name| !name.starts_with("otas")), "{names:?}");
    }
}

#[tokio::test]
async fn when_disabled_no_thread_starts_and_otas_receives_nothing() {
    let (site, otas, mut variables) = with_site().await;
    variables.push(("OTAS_DISABLED", "true".to_owned()));
    let output = run_with("program_threads", variables).await;
    assert_eq!((site.received().len(), otas.requests().len()), (1, 0));
    assert_eq!(lines(&output), Vec::<String>::new());
}

/// The default client of this process, for the tests below that share it.
async fn shared() -> &'static Server {
    static SHARED: tokio::sync::OnceCell<Server> = tokio::sync::OnceCell::const_new();
    SHARED
        .get_or_init(|| async {
            crate::support::capture_warnings();
            let otas = Server::start().await.unwrap();
            std::mem::forget(otas::init(otas::Client::new(Config::from_vars(otas.env()).unwrap()).unwrap()).unwrap());
            otas
        })
        .await
}

async fn opens_a_session_of_the_default_client() {
    let otas = shared().await;
    let id = run_by_default().await;
    assert!(otas.sessions().iter().any(|session| session.id == id));
}

#[otas_session]
async fn run_by_default() -> String {
    Session::current().unwrap().id().to_string()
}

#[tokio::test]
async fn the_default_client_serves_one_runtime() {
    opens_a_session_of_the_default_client().await;
}

#[tokio::test]
async fn the_default_client_serves_another_runtime() {
    opens_a_session_of_the_default_client().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_default_client_serves_a_multi_thread_runtime() {
    opens_a_session_of_the_default_client().await;
}
