//! Runs the compiler directly on single files, against the library this test was built with.

use std::path::{Path, PathBuf};
use std::process::Command;

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
pub fn compiler(tool: &str, file: &Path, libraries: &[&str], arguments: &[&str]) -> Command {
    let deps = std::env::current_exe().expect("the path of this test").parent().expect("a directory").to_owned();
    let mut command = Command::new(tool);
    command.current_dir(workspace()).arg("--check-cfg=cfg(otas)").arg(format!("-Ldependency={}", deps.display()));
    for library in libraries {
        command.arg("--extern").arg(format!("{library}={}", newest(library, &deps).display()));
    }
    command.args(arguments).arg(file);
    command
}

pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ is in the workspace")
}

/// A path for the compiler's output; runs at the same time need different names.
pub fn output(name: &str) -> String {
    format!("{}/{name}", env!("CARGO_TARGET_TMPDIR"))
}

/// The most recent build of a library; cargo does not say which of several this test uses.
fn newest(library: &str, deps: &Path) -> PathBuf {
    let prefix = format!("lib{library}-");
    let files = std::fs::read_dir(deps).expect("the build directory").filter_map(|entry| Some(entry.ok()?.path()));
    let builds = files.filter(|path| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.starts_with(&prefix) && name.ends_with(".rlib")
    });
    let modified = |path: &PathBuf| path.metadata().and_then(|data| data.modified()).ok();
    builds.max_by_key(modified).unwrap_or_else(|| panic!("{library} has been built"))
}
