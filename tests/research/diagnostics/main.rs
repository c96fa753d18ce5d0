//! Compiles functions plain and annotated (`--cfg otas`), and compares what the compiler says: lints, errors, positions, coverage.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// What a compiler said: the position, the level, and the lint or error.
type Said = (String, String, String);

/// A compiler that finds the library which this test was built with.
fn compiler(tool: &str, file: &str, arguments: &[&str]) -> Command {
    let deps = std::env::current_exe().expect("a test").parent().expect("in deps").to_owned();
    let mut command = Command::new(tool);
    command
        .args(["--crate-type=lib", "--check-cfg=cfg(otas)", "--extern"])
        .arg(format!("otas={}", library(&deps).display()))
        .arg(format!("-Ldependency={}", deps.display()))
        .args(arguments)
        .arg(Path::new("ui/same").join(file));
    command
}

/// The library as it was built last.
fn library(deps: &Path) -> PathBuf {
    let built = |path: &PathBuf| path.metadata().and_then(|data| data.modified()).ok();
    let all = std::fs::read_dir(deps).expect("deps").filter_map(|entry| Some(entry.ok()?.path()));
    let ours = all.filter(|path| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.starts_with("libotas-") && name.ends_with(".rlib")
    });
    ours.max_by_key(built).expect("the library")
}

/// A place of its own for what a run writes.
fn output(name: &str) -> String {
    format!("{}/{name}", env!("CARGO_TARGET_TMPDIR"))
}

fn said(tool: &str, file: &str, annotated: bool) -> Vec<Said> {
    let out = output(&format!("{tool}-{file}-{annotated}"));
    let cfg: &[&str] = if annotated { &["--cfg=otas"] } else { &[] };
    let arguments = [&["--edition=2024", "--emit=metadata", "--error-format=json", "-o", &out], cfg].concat();
    let run = compiler(tool, file, &arguments).output().expect("a compiler");
    let text = String::from_utf8_lossy(&run.stderr);
    let mut all: Vec<Said> = text.lines().filter_map(|line| diagnostic(&serde_json::from_str(line).ok()?)).collect();
    assert!(!all.is_empty(), "{tool} said nothing of {file}: {text}");
    all.sort();
    all
}

fn diagnostic(json: &Value) -> Option<Said> {
    let primary = json["spans"].as_array()?.iter().find(|span| span["is_primary"] == true)?;
    let part = |name: &str| primary[name].as_u64().unwrap_or_default();
    let (line, column) = (part("line_start"), part("column_start"));
    let position = format!("{line:3}:{column}-{}:{}", part("line_end"), part("column_end"));
    Some((position, json["level"].as_str()?.into(), json["code"]["code"].as_str().unwrap_or_default().into()))
}

/// What only one of the two said.
fn differences(tool: &str, file: &str) -> Vec<String> {
    let plain = said(tool, file, false);
    let mut annotated = said(tool, file, true);
    let mut lost = Vec::new();
    for one in plain {
        match annotated.iter().position(|other| *other == one) {
            Some(at) => drop(annotated.remove(at)),
            None => lost.push(format!("lost {} {}", one.2, one.0)),
        }
    }
    lost.extend(annotated.into_iter().map(|one| format!("gained {} {}", one.2, one.0)));
    lost
}

fn has_clippy() -> bool {
    let found = Command::new("clippy-driver").arg("--version").output().is_ok_and(|output| output.status.success());
    if !found {
        println!("skipped: clippy is not installed");
    }
    found
}

#[test]
fn every_lint_of_rustc_and_clippy_is_the_same() {
    if super::on_our_toolchain() && has_clippy() {
        // With the attribute the function does await something, and `async` cannot be left out.
        let expected = ["lost clippy::unused_async  95:1-95:42"];
        assert_eq!(differences("clippy-driver", "lints.rs"), expected);
    }
}

#[test]
fn an_error_of_type_has_the_same_code_and_place() {
    if super::on_our_toolchain() {
        assert!(differences("rustc", "type_errors.rs").is_empty());
    }
}

#[test]
fn an_error_of_borrowing_has_the_same_code_and_place() {
    if super::on_our_toolchain() {
        assert!(differences("rustc", "borrow_errors.rs").is_empty());
    }
}

#[test]
fn a_name_that_is_not_there_is_reported_at_the_same_place() {
    if super::on_our_toolchain() {
        assert!(differences("rustc", "resolve_errors.rs").is_empty());
    }
}

#[test]
fn a_future_that_is_not_send_and_one_that_never_ends_are_reported_at_the_same_place() {
    if super::on_our_toolchain() {
        assert!(differences("rustc", "send_errors.rs").is_empty());
        assert!(differences("rustc", "recursion_errors.rs").is_empty());
    }
}

#[test]
fn what_differs_inside_an_async_block_is_known() {
    if super::on_our_toolchain() {
        let expected = [
            "lost E0384   6:5-6:10", // assigned to an argument that is not `mut`: the body captures it
            "lost E0308  11:5-11:6", // `-> !` that ends in a value: said of the whole function
            "gained E0594   6:5-6:10",
            "gained E0308   9:18-9:36",
        ];
        assert_eq!(differences("rustc", "known_differences.rs"), expected);
    }
}

#[test]
fn every_region_of_the_body_keeps_its_coverage() {
    let regions = |annotated: bool| {
        let out = output(&format!("coverage-{annotated}.mir"));
        let cfg: &[&str] = if annotated { &["--cfg=otas"] } else { &[] };
        let arguments = [&["--edition=2024", "--emit=mir", "-Cinstrument-coverage", "-o", &out], cfg].concat();
        let run = compiler("rustc", "coverage.rs", &arguments).output().expect("a compiler");
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
        let mir = std::fs::read_to_string(out).expect("the code");
        let spans = mir.lines().filter(|line| line.trim_start().starts_with("coverage "));
        let mut spans: Vec<String> = spans.filter_map(|line| Some(line.split_once("=> ")?.1.to_owned())).collect();
        spans.sort();
        spans.dedup();
        spans
    };
    if super::on_our_toolchain() {
        let plain = regions(false);
        assert!(plain.len() > 12, "{plain:?}");
        assert_eq!(regions(true), plain);
    }
}

#[test]
fn every_edition_takes_the_expansion() {
    for edition in ["--edition=2018", "--edition=2021", "--edition=2024"] {
        let out = output(&format!("editions{edition}"));
        let mut command = compiler("rustc", "editions.rs", &[edition, "--emit=metadata", "-o", &out]);
        let run = command.output().expect("a compiler");
        assert!(run.status.success(), "{edition}: {}", String::from_utf8_lossy(&run.stderr));
    }
}

#[test]
fn syntax_that_no_parser_of_ours_knows_is_left_alone() {
    let out = output("unknown_syntax");
    let mut command = compiler("rustc", "unknown_syntax.rs", &["--edition=2024", "--emit=metadata", "-o", &out]);
    let run = command.env("RUSTC_BOOTSTRAP", "1").output().expect("a compiler");
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
}
