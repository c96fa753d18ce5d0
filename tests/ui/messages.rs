//! One file for each mistake, named after it, next to the message it gets. `BLESS=1` rewrites the
//! messages.

use std::path::Path;

use crate::compiler::{compiler, is_pinned, output, workspace};

/// How wide the margin with the line numbers is made.
const MARGIN: usize = 3;

#[test]
fn each_mistake_gets_one_message_that_says_what_to_write() {
    if !is_pinned() {
        return;
    }
    let folder = Path::new("tests/ui/fail");
    let files = std::fs::read_dir(workspace().join(folder)).unwrap().map(|entry| entry.unwrap().file_name());
    let mistakes: Vec<_> =
        files.map(|name| folder.join(name)).filter(|file| file.extension().unwrap() == "rs").collect();
    assert!(mistakes.len() > 20, "{mistakes:?}");
    let unexpected = mistakes.iter().filter(|file| !gets_its_message(file));
    let unexpected: Vec<_> = unexpected.collect();
    assert!(unexpected.is_empty(), "other messages than expected, printed above: {unexpected:?}");
}

fn gets_its_message(file: &Path) -> bool {
    let out = output("mistake");
    let shown = ["--verbose", "--diagnostic-width=140"];
    let arguments = [&["--crate-type=bin", "--edition=2024", "--emit=metadata", "-o", &out], &shown[..]].concat();
    let mut command = compiler("rustc", file, &arguments);
    // Set by cargo; the compiler then words its hints for users of cargo.
    let run = command.env("CARGO_CRATE_NAME", "mistake").output().unwrap();
    let message = normalized(&String::from_utf8(run.stderr).unwrap());
    let expected = workspace().join(file).with_extension("stderr");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&expected, &message).unwrap();
    }
    let expected = std::fs::read_to_string(&expected).unwrap_or_default();
    let as_expected = !run.status.success() && message == expected;
    if !as_expected {
        println!("{}: {}\n\n{message}\ninstead of\n\n{expected}", file.display(), run.status);
    }
    as_expected
}

/// The text without the compiler's summary, and without what changes whenever the library does:
/// line numbers in files other than the one that is compiled, and the width of the margin.
fn normalized(text: &str) -> String {
    let summaries = ["error: aborting due to", "For more information about", "Some errors have detailed"];
    let messages = text.split("\n\n").filter(|message| !summaries.iter().any(|summary| message.starts_with(summary)));
    let messages: Vec<_> = messages.map(normalized_message).collect();
    format!("{}\n", messages.join("\n\n").trim_end())
}

fn normalized_message(message: &str) -> String {
    let margin = message.lines().find_map(|line| line.find("--> ")).unwrap_or_default();
    let mut in_library = false;
    let line = |line: &str| {
        let split = line.split_at_checked(margin);
        let split = split.filter(|(number, _)| number.bytes().all(|byte| byte == b' ' || byte.is_ascii_digit()));
        let Some((number, rest)) = split else { return line.to_owned() };
        let names_file = rest.starts_with("--> ") || rest.starts_with("::: ");
        if names_file {
            in_library = rest[4..].starts_with("runtime/");
        }
        match rest.split_once(".rs:") {
            Some((file, _)) if names_file && in_library => format!("{:MARGIN$}{file}.rs", ""),
            _ if in_library => format!("{:MARGIN$}{rest}", ""),
            _ => format!("{number:MARGIN$}{rest}"),
        }
    };
    message.lines().map(line).collect::<Vec<_>>().join("\n")
}
