//! The published crate: every locked dependency supports the declared minimum Rust version.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// Major and minor version of `1.85` or `1.85.0`.
fn rust_version(text: &str) -> (u32, u32) {
    let mut parts = text.split('.').map(|part| part.parse().unwrap());
    (parts.next().unwrap(), parts.next().unwrap_or(0))
}

#[test]
fn no_dependency_requires_a_newer_rust_than_the_crate_declares() {
    let arguments = ["metadata", "--format-version=1", "--locked", "--filter-platform=x86_64-unknown-linux-gnu"];
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
    let output = Command::new(env!("CARGO")).args(arguments).args(["--manifest-path", manifest]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let list = |value: &Value| value.as_array().unwrap().clone();
    let by_id = |values: &Value| -> BTreeMap<String, Value> {
        list(values).into_iter().map(|value| (value["id"].as_str().unwrap().to_owned(), value)).collect()
    };
    let (packages, nodes) = (by_id(&metadata["packages"]), by_id(&metadata["resolve"]["nodes"]));
    let otas = packages.iter().find(|(_, package)| package["name"] == "otas").unwrap();
    let declared = rust_version(otas.1["rust_version"].as_str().unwrap());

    let (mut seen, mut pending) = (BTreeSet::new(), vec![otas.0.clone()]);
    while let Some(id) = pending.pop() {
        if !seen.insert(id.clone()) {
            continue;
        }
        for dependency in list(&nodes[&id]["deps"]) {
            if list(&dependency["dep_kinds"]).iter().any(|kind| kind["kind"] != "dev") {
                pending.push(dependency["pkg"].as_str().unwrap().to_owned());
            }
        }
    }

    let newer: Vec<String> = seen
        .iter()
        .map(|id| &packages[id])
        .filter(|package| package["rust_version"].as_str().is_some_and(|needed| rust_version(needed) > declared))
        .map(|package| format!("{} needs {}", package["name"], package["rust_version"]))
        .collect();
    assert_eq!(newer, Vec::<String>::new());
    assert!(seen.len() > 50, "the dependency graph was walked: {}", seen.len());
}
