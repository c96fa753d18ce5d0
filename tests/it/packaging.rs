//! The crate as people get it: every dependency that it locks works with the oldest Rust that it promises.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// `1.85` and `1.85.0` as numbers.
fn version(text: &str) -> (u32, u32) {
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
    let packages: BTreeMap<String, Value> = list(&metadata["packages"])
        .into_iter()
        .map(|package| (package["id"].as_str().unwrap().to_owned(), package))
        .collect();
    let nodes: BTreeMap<String, Value> = list(&metadata["resolve"]["nodes"])
        .into_iter()
        .map(|node| (node["id"].as_str().unwrap().to_owned(), node))
        .collect();
    let otas = packages.iter().find(|(_, package)| package["name"] == "otas").unwrap();
    let promised = version(otas.1["rust_version"].as_str().unwrap());

    let (mut seen, mut open) = (BTreeSet::new(), vec![otas.0.clone()]);
    while let Some(id) = open.pop() {
        if !seen.insert(id.clone()) {
            continue;
        }
        for dependency in list(&nodes[&id]["deps"]) {
            if list(&dependency["dep_kinds"]).iter().any(|kind| kind["kind"] != "dev") {
                open.push(dependency["pkg"].as_str().unwrap().to_owned());
            }
        }
    }

    let newer = seen
        .iter()
        .map(|id| &packages[id])
        .filter(|package| package["rust_version"].as_str().is_some_and(|needed| version(needed) > promised));
    let newer: Vec<_> = newer.map(|package| format!("{} needs {}", package["name"], package["rust_version"])).collect();
    assert_eq!(newer, Vec::<String>::new());
    assert!(seen.len() > 50, "the graph was followed: {}", seen.len());
}
