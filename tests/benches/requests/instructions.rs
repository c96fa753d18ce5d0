//! The comparison in instructions, counted by callgrind.
//!
//! Each figure is the difference between a run with many requests and a run with few, so that startup
//! and shutdown cancel out.

use std::path::Path;
use std::process::{Command, Stdio};

const FEW: usize = 100;
const MANY: usize = 1_100;
/// Each figure is the median over this many pairs of runs, because the position of the heap alone
/// changes it by about 1 %.
const PAIRS: usize = 3;

/// Prints the table.
pub fn compare() {
    println!(
        "{:<12} {:<6} {:>14} {:>8} {:>15} {:>8}",
        "instructions", "", "sending thread", "ratio", "whole process", "ratio"
    );
    for side in ["inside", "outside"] {
        let bare = per_request("bare", side);
        for (variant, (sender, whole)) in [("bare", bare), ("otas", per_request("otas", side))] {
            print!("{side:<12} {variant:<6} {sender:>14.0} {:>8.3} ", sender / bare.0);
            println!("{whole:>15.0} {:>8.3}", whole / bare.1);
        }
    }
}

/// The instructions per request: of the sending thread, and of all threads.
fn per_request(variant: &str, side: &str) -> (f64, f64) {
    let slope = |few: u64, many: u64| (many as f64 - few as f64) / (MANY - FEW) as f64;
    let pairs: Vec<_> = std::iter::repeat_with(|| [FEW, MANY].map(|requests| run(variant, side, requests)))
        .take(PAIRS)
        .map(|[few, many]| (slope(few.0, many.0), slope(few.1, many.1)))
        .collect();
    (super::median(pairs.iter().map(|(sender, _)| *sender)), super::median(pairs.iter().map(|(_, whole)| *whole)))
}

/// Runs this program under callgrind, and returns the instructions of the sending thread and of all
/// threads.
fn run(variant: &str, side: &str, requests: usize) -> (u64, u64) {
    let directory = std::env::temp_dir().join(format!("otas-requests-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let status = Command::new("valgrind")
        .args(["--tool=callgrind", "--separate-threads=yes"])
        .arg(format!("--callgrind-out-file={}", directory.join("out").display()))
        .arg(std::env::current_exe().unwrap())
        .args(["count", variant, side, &requests.to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .expect("valgrind is needed");
    assert!(status.success());
    let threads = std::fs::read_dir(&directory).unwrap().flatten().map(|file| total(&file.path()));
    let whole = threads.sum();
    let sender = total(&directory.join("out-01"));
    std::fs::remove_dir_all(&directory).unwrap();
    (sender, whole)
}

/// The total of one thread's output file; 0 for the file that belongs to no thread.
fn total(file: &Path) -> u64 {
    let text = String::from_utf8_lossy(&std::fs::read(file).unwrap()).into_owned();
    let total = text.lines().find_map(|line| line.strip_prefix("totals: "));
    total.map_or(0, |total| total.trim().parse().unwrap())
}
