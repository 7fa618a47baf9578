//! The WebSocket suite Autobahn against the server's own connections, as far as it is quick.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;

/// The exit code of `scripts/conformance` where there is no suite to run.
const NO_SUITE: i32 = 77;

/// Runs the quick part of the suite, with more arguments.
fn check(test: &str, more: &[&str]) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/conformance");
    let mut command = Command::new(script);
    command.arg("quick").args(more).env("JDDB_SERVER", env!("CARGO_BIN_EXE_jddb-realtime"));
    let output = command.output().expect("the script starts");
    let [told, trouble] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    if output.status.code() == Some(NO_SUITE) {
        // Not `eprintln!`, which the test runner keeps to itself for tests that pass.
        let _ = writeln!(std::io::stderr(), "SKIPPED: {test}: {told}{trouble}");
        return;
    }
    assert!(output.status.success(), "{told}{trouble}");
}

#[test]
fn autobahns_quick_cases() {
    check("autobahns_quick_cases", &[]);
}

#[test]
fn autobahns_quick_cases_over_tls() {
    check("autobahns_quick_cases_over_tls", &["tls"]);
}
