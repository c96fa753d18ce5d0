//! Runs the compiler directly on single files, against the library this test was built with.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// The toolchain the expected texts belong to: other versions word messages differently and have
/// other lints.
const TOOLCHAIN: &str = "rustc 1.95.0";

/// Whether the expectations apply to the installed toolchain. Prints why if they do not.
pub fn is_pinned() -> bool {
    let version = Command::new("rustc").arg("--version").output();
    let version = version.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let pinned = version.starts_with(TOOLCHAIN);
    if !pinned {
        println!("skipped: the expectations are for {TOOLCHAIN}, this is {version}");
    }
    pinned
}

/// The compiler for a file named relative to the workspace, which messages then show as its path.
pub fn compiler(tool: &str, file: &Path, arguments: &[&str]) -> Command {
    let mut command = with_libraries(tool, libraries());
    command.args(arguments).arg(file);
    command
}

fn with_libraries(tool: &str, [otas, tokio]: &[PathBuf; 2]) -> Command {
    let mut command = Command::new(tool);
    command.current_dir(workspace()).arg("--check-cfg=cfg(otas)");
    command.arg(format!("-Ldependency={}", deps().display()));
    command.arg("--extern").arg(format!("otas={}", otas.display()));
    command.arg("--extern").arg(format!("tokio={}", tokio.display()));
    command
}

/// `otas` and `tokio` as this test was built with. Cargo does not say which of several builds these
/// are: the newest that work together, since a build of `tokio` for another package may lack a feature.
fn libraries() -> &'static [PathBuf; 2] {
    static LIBRARIES: OnceLock<[PathBuf; 2]> = OnceLock::new();
    LIBRARIES.get_or_init(|| {
        let (otas, tokio) = (builds("otas"), builds("tokio"));
        let mut pairs = otas.iter().flat_map(|otas| tokio.iter().map(|tokio| [otas.clone(), tokio.clone()]));
        pairs.find(fit_together).expect("otas and tokio have been built")
    })
}

fn fit_together(libraries: &[PathBuf; 2]) -> bool {
    let probe = "#[otas::otas_session] #[tokio::main] async fn main() {}";
    let arguments = ["--crate-name=probe", "--edition=2024", "--emit=metadata", "-o", &output("probe"), "-"];
    let mut command = with_libraries("rustc", libraries);
    let mut run = command.args(arguments).stdin(Stdio::piped()).stderr(Stdio::null()).spawn().expect("rustc");
    run.stdin.take().expect("piped").write_all(probe.as_bytes()).expect("rustc reads the probe");
    run.wait().expect("rustc").success()
}

/// Every build of a library, newest first.
fn builds(library: &str) -> Vec<PathBuf> {
    let prefix = format!("lib{library}-");
    let files = std::fs::read_dir(deps()).expect("the build directory").filter_map(|entry| Some(entry.ok()?.path()));
    let mut builds: Vec<_> = files
        .filter(|path| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            name.starts_with(&prefix) && name.ends_with(".rlib")
        })
        .collect();
    builds.sort_by_key(|path| std::cmp::Reverse(path.metadata().and_then(|data| data.modified()).ok()));
    builds
}

fn deps() -> PathBuf {
    std::env::current_exe().expect("the path of this test").parent().expect("a directory").to_owned()
}

pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ is in the workspace")
}

/// A path for the compiler's output; runs at the same time need different names.
pub fn output(name: &str) -> String {
    format!("{}/{name}", env!("CARGO_TARGET_TMPDIR"))
}
