//! What the compiler says of annotated functions: the attribute's own messages, and everything else as without it.

mod messages;
mod same;

/// Other compilers say the same in other words, and have other lints.
const TOOLCHAIN: &str = "rustc 1.95.0";

/// Whether this is the toolchain that the expectations belong to; says so where it is not.
fn on_our_toolchain() -> bool {
    let version = std::process::Command::new("rustc").arg("--version").output();
    let version = version.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let ours = version.starts_with(TOOLCHAIN);
    if !ours {
        println!("skipped: expected of {TOOLCHAIN}, and this is {version}");
    }
    ours
}
