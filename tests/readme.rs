//! The README's first session, typed as it is printed.

#[expect(dead_code, reason = "each test uses its own part of what they share")]
mod support;

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use support::home::Home;

/// The address in the README's examples; the test's server has a port of its own.
const ADDRESS_IN_README: &str = "127.0.0.1:8000";

fn readme() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    std::fs::read_to_string(path).expect("README.md is there")
}

/// The fenced blocks of a language, in order.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let opening = format!("```{language}\n");
    let block = |rest: &str| rest.split("\n```").next().map(str::to_owned);
    text.split(&opening).skip(1).filter_map(block).collect()
}

/// Runs a shell command of the README against the server, and returns what it prints.
fn typed(command: &str, port: u16, token: &str) -> String {
    let command = command
        .replace("TOKEN=…   # as printed", &format!("TOKEN={token}"))
        .replace(ADDRESS_IN_README, &format!("127.0.0.1:{port}"));
    let output = Command::new("sh").args(["-c", &command]).env("TOKEN", token).output().expect("a shell");
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A JSON answer without what differs from run to run.
fn timeless(text: &str) -> serde_json::Value {
    let mut value: serde_json::Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    if let Some(time) = value.pointer_mut("/metadata/last_modified") {
        *time = serde_json::Value::Null;
    }
    value
}

#[test]
fn blocks_are_found() {
    assert_eq!(blocks("a\n```sh\nx\ny\n```\n```json\n{}\n```\n```sh\nz\n```\n", "sh"), ["x\ny", "z"]);
}

#[tokio::test]
async fn the_first_session_goes_as_printed() {
    if Command::new("curl").arg("--version").output().is_err() {
        return support::skipped("readme", "there is no curl; install it");
    }
    let home = Home::new();
    let server = home.start().ready().await;
    let token = home.token("demo");
    let readme = readme();
    let commands = blocks(&readme, "sh").into_iter().filter(|block| block.contains("curl"));
    let (streams, commands): (Vec<String>, Vec<String>) = commands.partition(|block| block.contains("curl -N"));
    let answers = blocks(&readme, "json");
    assert_eq!((commands.len(), answers.len()), (2, 2), "the README's first session has two calls");
    for (command, answer) in commands.iter().zip(&answers) {
        assert_eq!(timeless(&typed(command, server.port(), &token)), timeless(answer), "{command}");
    }
    followed(&streams[0], &readme, server.port(), &token);
    two_people(&readme, server.port(), &token, &home);
}

/// A stream begins as the README says, up to what it leaves out.
fn followed(command: &str, readme: &str, port: u16, token: &str) {
    let command = format!("exec {}", command.replace(ADDRESS_IN_README, &format!("127.0.0.1:{port}")));
    let mut shell = Command::new("sh");
    shell.args(["-c", &command]).env("TOKEN", token).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut curl = shell.spawn().expect("a shell");
    let output = BufReader::new(curl.stdout.take().expect("its output"));
    let expected = blocks(readme, "text").into_iter().find(|block| block.starts_with("retry: ")).expect("a stream");
    let lines: Vec<String> = output.lines().take(expected.lines().count()).map_while(Result::ok).collect();
    let _ = curl.kill();
    let _ = curl.wait();
    assert!(lines[0].starts_with("retry: "), "{lines:?}");
    for (line, expected) in lines.iter().zip(expected.lines()).skip(1) {
        let is_cut = expected.ends_with('…');
        let expected = expected.trim_end_matches('…');
        assert!(if is_cut { line.starts_with(expected) } else { line == expected }, "{line}\n{expected}");
    }
    assert_eq!(lines.len(), expected.lines().count(), "{lines:?}");
}

/// The Python program prints what the README says it prints.
fn two_people(readme: &str, port: u16, token: &str, home: &Home) {
    let Some(python) = std::env::var_os("JDDB_TEST_PYTHON").map(PathBuf::from).filter(|path| path.exists()) else {
        return support::skipped("readme", "JDDB_TEST_PYTHON names no Python with websockets; `make test` makes one");
    };
    let program = blocks(readme, "python").remove(0).replace(ADDRESS_IN_README, &format!("127.0.0.1:{port}"));
    let path = home.path("session.py");
    std::fs::write(&path, program).expect("the program is written");
    let output = Command::new(python).arg(path).arg(token).output().expect("Python starts");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let expected = blocks(readme, "text").into_iter().find(|block| block.starts_with("ann has")).expect("its output");
    assert_eq!(printed.trim_end(), expected, "{}", String::from_utf8_lossy(&output.stderr));
}
