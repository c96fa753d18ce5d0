//! Compiles each case with and without the attribute (`--cfg otas`) and compares what the compiler
//! reports: lints, errors, positions, coverage regions.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::compiler::{compiler, is_pinned, output};

#[path = "../../ui/compiler.rs"]
mod compiler;

/// Position, level, and the code of the lint or error.
type Diagnostic = (String, String, String);

fn compile(tool: &str, case: &str, arguments: &[&str]) -> Command {
    let file = Path::new("tests/research/diagnostics/cases").join(case);
    compiler(tool, &file, &[&["--crate-type=lib"], arguments].concat())
}

fn diagnostics(tool: &str, case: &str, annotated: bool) -> Vec<Diagnostic> {
    let out = output(&format!("{tool}-{case}-{annotated}"));
    let cfg: &[&str] = if annotated { &["--cfg=otas"] } else { &[] };
    let arguments = [&["--edition=2024", "--emit=metadata", "--error-format=json", "-o", &out], cfg].concat();
    let run = compile(tool, case, &arguments).output().expect("a compiler");
    let text = String::from_utf8_lossy(&run.stderr);
    let mut all: Vec<_> = text.lines().filter_map(|line| diagnostic(&serde_json::from_str(line).ok()?)).collect();
    assert!(!all.is_empty(), "{tool} reported nothing for {case}: {text}");
    all.sort();
    all
}

fn diagnostic(json: &Value) -> Option<Diagnostic> {
    let primary = json["spans"].as_array()?.iter().find(|span| span["is_primary"] == true)?;
    let part = |name: &str| primary[name].as_u64().unwrap_or_default();
    let (line, column) = (part("line_start"), part("column_start"));
    let position = format!("{line:3}:{column}-{}:{}", part("line_end"), part("column_end"));
    Some((position, json["level"].as_str()?.into(), json["code"]["code"].as_str().unwrap_or_default().into()))
}

/// The diagnostics that only one of the two versions gets.
fn differences(tool: &str, case: &str) -> Vec<String> {
    let mut gained = diagnostics(tool, case, true);
    let mut differences = Vec::new();
    for (position, level, code) in diagnostics(tool, case, false) {
        match gained.iter().position(|(p, l, c)| (p, l, c) == (&position, &level, &code)) {
            Some(index) => drop(gained.remove(index)),
            None => differences.push(format!("lost {code} {position}")),
        }
    }
    differences.extend(gained.into_iter().map(|(position, _, code)| format!("gained {code} {position}")));
    differences
}

fn has_clippy() -> bool {
    let found = Command::new("clippy-driver").arg("--version").output().is_ok_and(|output| output.status.success());
    if !found {
        println!("skipped: clippy is not installed");
    }
    found
}

#[test]
fn rustc_and_clippy_report_the_same_lints() {
    if is_pinned() && has_clippy() {
        // The annotated function does await something, so its `async` is not unused.
        let expected = ["lost clippy::unused_async  95:1-95:42"];
        assert_eq!(differences("clippy-driver", "lints.rs"), expected);
    }
}

#[test]
fn type_errors_keep_their_code_and_position() {
    if is_pinned() {
        assert!(differences("rustc", "type_errors.rs").is_empty());
    }
}

#[test]
fn borrow_errors_keep_their_code_and_position() {
    if is_pinned() {
        assert!(differences("rustc", "borrow_errors.rs").is_empty());
    }
}

#[test]
fn unresolved_names_keep_their_code_and_position() {
    if is_pinned() {
        assert!(differences("rustc", "resolve_errors.rs").is_empty());
    }
}

#[test]
fn futures_that_are_not_send_or_recurse_keep_code_and_position() {
    if is_pinned() {
        assert!(differences("rustc", "send_errors.rs").is_empty());
        assert!(differences("rustc", "recursion_errors.rs").is_empty());
    }
}

#[test]
fn only_the_known_errors_differ_inside_an_async_block() {
    if is_pinned() {
        let expected = [
            "lost E0384   6:5-6:10", // assignment to an argument that is not `mut`: the body captures it
            "lost E0308  11:5-11:6", // `-> !` that ends with a value: reported for the whole function
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
        let run = compile("rustc", "coverage.rs", &arguments).output().expect("a compiler");
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
        let mir = std::fs::read_to_string(out).expect("the compiled code");
        let spans = mir.lines().filter(|line| line.trim_start().starts_with("coverage "));
        let mut spans: Vec<String> = spans.filter_map(|line| Some(line.split_once("=> ")?.1.to_owned())).collect();
        spans.sort();
        spans.dedup();
        spans
    };
    if is_pinned() {
        let plain = regions(false);
        assert!(plain.len() > 12, "{plain:?}");
        assert_eq!(regions(true), plain);
    }
}

#[test]
fn the_expansion_compiles_in_every_edition() {
    for edition in ["--edition=2018", "--edition=2021", "--edition=2024"] {
        let out = output(&format!("editions{edition}"));
        let run =
            compile("rustc", "editions.rs", &[edition, "--emit=metadata", "-o", &out]).output().expect("a compiler");
        assert!(run.status.success(), "{edition}: {}", String::from_utf8_lossy(&run.stderr));
    }
}

#[test]
fn syntax_unknown_to_the_attribute_is_left_alone() {
    let out = output("unknown_syntax");
    let mut command = compile("rustc", "unknown_syntax.rs", &["--edition=2024", "--emit=metadata", "-o", &out]);
    let run = command.env("RUSTC_BOOTSTRAP", "1").output().expect("a compiler");
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
}
