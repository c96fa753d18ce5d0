//! Behaviour of a whole process: the default client, delivery at exit, and the line on stderr.
//!
//! A test that needs a process to itself runs this test binary again, with only that test selected.
//! In the child process it runs its program instead.

use std::process::{Command, Output};
use std::time::Duration;

use otas::{Client, Config, Session, SessionId, http, otas_session};
use otas_local::Server;
use serde_json::json;

use crate::support::{Upstream, capture_warnings, runtime};

type Variables = Vec<(&'static str, String)>;

/// Set in child processes.
const CHILD: &str = "OTAS_TEST_CHILD";

fn is_child() -> bool {
    std::env::var_os(CHILD).is_some()
}

/// Runs the given test of this file in a child process, with no variables of OTAS but these.
fn run_child(test: &str, variables: Variables) -> Output {
    let mut command = Command::new(std::env::current_exe().unwrap());
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("OTAS_")) {
        command.env_remove(name);
    }
    let output = command
        .args(["--exact", &format!("process::{test}"), "--nocapture"])
        .envs(variables)
        .env(CHILD, "1")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"), "{output:?}");
    output
}

/// The warnings that a process printed on stderr.
fn warnings(output: &Output) -> Vec<String> {
    let text = String::from_utf8_lossy(&output.stderr);
    text.lines().filter(|line| line.starts_with("otas: ")).map(str::to_owned).collect()
}

/// The servers of a test, on a runtime of their own, and the variables for a child that uses them.
struct Servers {
    upstream: Upstream,
    otas: Server,
    _runtime: tokio::runtime::Runtime,
}

impl Servers {
    fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (upstream, otas) = runtime.block_on(async {
            let upstream = Upstream::start().await;
            let otas = Server::builder().project_domain(upstream.inside("")).start().await.unwrap();
            (upstream, otas)
        });
        Self { upstream, otas, _runtime: runtime }
    }

    fn variables(&self) -> Variables {
        let mut variables = self.otas.env();
        variables.push(("TEST_URL", self.upstream.outside("/")));
        variables
    }
}

async fn call_outside() {
    http::get(std::env::var("TEST_URL").unwrap()).await.unwrap();
}

#[otas_session]
async fn session_and_call() -> Option<SessionId> {
    call_outside().await;
    Session::current().map(|session| session.id())
}

fn assert_no_thread_of_otas() {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let names: Vec<_> = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok()).collect();
    assert!(names.iter().all(|name| !name.starts_with("otas")), "{names:?}");
}

#[test]
fn an_annotated_main_delivers_before_it_returns() {
    mod program {
        #[otas::otas_session(meta = { "task_name": "main" })]
        #[tokio::main(flavor = "current_thread")]
        pub async fn main() {
            super::call_outside().await;
        }
    }
    if is_child() {
        return program::main();
    }
    let servers = Servers::start();

    run_child("an_annotated_main_delivers_before_it_returns", servers.variables());

    let session = servers.otas.sessions().remove(0);
    assert_eq!(session.meta["task_name"], "main");
    assert_eq!(servers.otas.events(&session.id).len(), 1);
}

#[test]
fn the_guard_delivers_when_dropped_after_the_runtime() {
    if is_child() {
        let _guard = otas::init(Client::from_env().unwrap()).unwrap();
        assert!(otas::init(Client::from_env().unwrap()).unwrap_err().to_string().contains("once"));
        let runtime = runtime();
        assert!(runtime.block_on(session_and_call()).is_some());
        drop(runtime);
        return;
    }
    let servers = Servers::start();

    run_child("the_guard_delivers_when_dropped_after_the_runtime", servers.variables());

    assert_eq!(servers.otas.events(&servers.otas.sessions().remove(0).id).len(), 1);
}

#[test]
fn an_unconfigured_process_runs_normally_and_prints_one_warning() {
    if is_child() {
        let runtime = runtime();
        for _ in 0..3 {
            assert!(runtime.block_on(session_and_call()).is_none());
        }
        return runtime.block_on(call_outside());
    }
    let servers = Servers::start();
    let variables = vec![("TEST_URL", servers.upstream.outside("/"))];

    let output = run_child("an_unconfigured_process_runs_normally_and_prints_one_warning", variables);

    assert_eq!(servers.upstream.received().len(), 4);
    let warnings = warnings(&output);
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("OTAS_AGENT_KEY"), "{warnings:?}");
}

#[test]
fn when_disabled_no_thread_starts_and_otas_receives_nothing() {
    if is_child() {
        assert!(runtime().block_on(session_and_call()).is_none());
        return assert_no_thread_of_otas();
    }
    let servers = Servers::start();
    let mut variables = servers.variables();
    variables.push(("OTAS_DISABLED", "true".to_owned()));

    let output = run_child("when_disabled_no_thread_starts_and_otas_receives_nothing", variables);

    assert_eq!((servers.upstream.received().len(), servers.otas.requests().len()), (1, 0));
    assert_eq!(warnings(&output), Vec::<String>::new());
}

#[test]
fn when_disabled_not_even_shutdown_starts_a_thread() {
    #[otas_session(meta = { "evaluated": evaluated() })]
    async fn call() -> bool {
        Session::current().is_none()
    }
    fn evaluated() -> u8 {
        panic!("the meta was evaluated")
    }
    if is_child() {
        let client = Client::from_env().unwrap();
        let guard = otas::init(client.clone()).unwrap();
        // A runtime without timers, which none of these calls may need.
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            assert!(call().await && client.is_disabled());
            assert!(client.open(json!({})).await.unwrap_err().is_disabled());
            assert!(otas::flush(Duration::from_secs(1)).await.is_ok());
            assert!(otas::shutdown(Duration::from_secs(1)).await.is_ok());
        });
        drop(guard);
        return assert_no_thread_of_otas();
    }
    let variables = vec![
        ("OTAS_DISABLED", "true".to_owned()),
        ("OTAS_AGENT_KEY", format!("agent_abcdefghijk_{}", "s".repeat(43))),
        ("OTAS_UASAM_URL", "http://127.0.0.1:9".to_owned()),
        ("OTAS_PROJECT_DOMAIN", "http://127.0.0.1:9".to_owned()),
    ];

    run_child("when_disabled_not_even_shutdown_starts_a_thread", variables);
}

/// Opens a session through the default client, which the tests below share.
async fn open_by_default() {
    #[otas_session]
    async fn id() -> String {
        Session::current().unwrap().id().to_string()
    }
    static OTAS: tokio::sync::OnceCell<Server> = tokio::sync::OnceCell::const_new();
    let start = || async {
        capture_warnings();
        let otas = Server::start().await.unwrap();
        let client = Client::new(Config::from_vars(otas.env()).unwrap()).unwrap();
        std::mem::forget(otas::init(client).unwrap());
        otas
    };
    let otas = OTAS.get_or_init(start).await;

    let id = id().await;

    assert!(otas.sessions().iter().any(|session| session.id == id));
}

#[tokio::test]
async fn the_default_client_serves_one_runtime() {
    open_by_default().await;
}

#[tokio::test]
async fn the_default_client_serves_another_runtime() {
    open_by_default().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_default_client_serves_a_multi_thread_runtime() {
    open_by_default().await;
}
