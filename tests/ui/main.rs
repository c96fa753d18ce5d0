//! The texts that the attribute shows for mistakes, compared on the one toolchain that their wording belongs to.

/// Other compilers say the same in other words.
const TOOLCHAIN: &str = "rustc 1.95.0";

#[test]
fn each_mistake_gets_one_message_that_says_what_to_write() {
    let version = std::process::Command::new("rustc").arg("--version").output();
    let version = version.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    if !version.starts_with(TOOLCHAIN) {
        println!("skipped: the texts are those of {TOOLCHAIN}, and this is {version}");
        return;
    }
    trybuild::TestCases::new().compile_fail("ui/fail/*.rs");
}
