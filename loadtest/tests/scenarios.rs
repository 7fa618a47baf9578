//! The scenarios against the real server, in a small form: the server is right where they look, and they can look.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// The server's binary, which is built beside the generator's; `None`, and a line that says so, where it is not.
fn server(test: &str) -> Option<PathBuf> {
    let server = Path::new(env!("CARGO_BIN_EXE_jddb-loadtest")).with_file_name("jddb-realtime");
    if server.exists() {
        return Some(server);
    }
    // Not `eprintln!`, which the test runner keeps to itself for tests that pass.
    let _ = writeln!(std::io::stderr(), "SKIPPED: {test}: no {}; build the whole workspace", server.display());
    None
}

/// Runs a scenario.
fn output(scenario: &str, options: &[&str]) -> Option<Output> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jddb-loadtest"));
    command.arg(scenario).arg("--server-bin").arg(server(scenario)?).arg("--json").args(options);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("JDDB_") {
            command.env_remove(name);
        }
    }
    Some(command.output().expect("the generator starts"))
}

/// Runs a scenario, which has to succeed; its report.
fn run(scenario: &str, options: &[&str]) -> Option<Value> {
    let output = output(scenario, options)?;
    let (told, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{scenario} {options:?}: {told}{errors}");
    Some(serde_json::from_slice(&output.stdout).expect("a report is JSON"))
}

#[test]
fn hostile_connections_cost_little_and_are_closed_with_their_codes() {
    let Some(report) =
        run("hostile", &["--connections", "40", "--mebibytes", "48", "--bomb-mebibytes", "64", "--hold", "15"])
    else {
        return;
    };
    let attacks = report["attacks"].as_array().expect("a list");
    let closed = |name: &str, code: &str| {
        let attack = attacks.iter().find(|attack| attack["attack"] == name).expect("every attack is there");
        attack["closed"][code].as_u64().unwrap_or(0)
    };
    assert_eq!(closed("announced too large", "1009"), 40, "{report}");
    assert_eq!(closed("empty fragments", "1002"), 40, "{report}");
    assert!(closed("fragments without end", "1009") > 0, "{report}");
    assert!(closed("messages but for their end", "1013") > 0, "{report}");
    assert!(closed("no UTF-8", "1007") > 0, "{report}");
    assert_eq!(closed("decompression bombs", "1009"), 40, "{report}");
    assert!(closed("decompression bombs in fragments, all at once", "1009") > 0, "{report}");
}

#[test]
fn mutants_harm_nobody() {
    let Some(report) = run("mutants", &["--mutants", "20000"]) else { return };
    assert!(report["mutants"].as_u64() >= Some(20_000), "{report}");
    assert!(report["versions"].as_u64() > Some(100), "some are whole enough to be changes: {report}");
    assert!(report["closed"]["4000"].is_u64() || report["closed"]["1007"].is_u64(), "{report}");
}

#[test]
fn readers_that_take_nothing_or_little_come_down_the_ladder() {
    let crowd =
        ["--connections", "24", "--slow", "4", "--documents", "2", "--changes", "160", "--change-bytes", "9000"];
    let times = ["--undisturbed-seconds", "1", "--slow-seconds", "13", "--pace", "never,laggard"];
    let Some(report) = run("slow", &[&crowd[..], &times].concat()) else { return };
    let rounds = report["rounds"].as_array().expect("a list");
    assert_eq!(rounds[0]["fate"]["given_up"], 4, "{report}");
    assert_eq!(rounds[0]["ladder"]["closed"], 4, "{report}");
    assert_eq!(rounds[1]["fate"]["caught_up"], 4, "{report}");
    assert!(rounds[1]["ladder"]["states"].as_u64() > Some(0), "{report}");
}

#[test]
fn every_change_over_http_is_a_version_and_both_servers_are_measured() {
    let few = ["--connections", "4", "--documents", "2", "--rounds", "2", "--seconds", "1", "--cores", "2"];
    let Some(report) = run("http", &few) else { return };
    for request in report["requests"].as_array().expect("a list") {
        for server in ["server", "bare"] {
            assert!(request[server]["latency"]["count"].as_u64() > Some(0), "{server}: {report}");
        }
        assert_eq!(request["ratios"].as_array().map(Vec::len), Some(2), "{report}");
    }
}

#[test]
fn certificates_keys_and_settings_change_under_editors() {
    let few = ["--documents", "3", "--editors", "4", "--rate", "600", "--seconds", "4", "--every", "0"];
    let Some(report) = run("reload", &few) else { return };
    let count = |figure: &str| report[figure].as_u64().expect("a number");
    assert_eq!((count("equal_copies"), count("versions")), (12, report["counts"]["acked"].as_u64().expect("a number")));
    assert!(count("versions") >= 400, "{report}");
    // One of each kind of mistake.
    assert!(count("mistakes") >= 5 && count("keys_removed") >= 5, "{report}");
}

#[test]
fn translators_find_what_is_in_a_memory_and_it_is_noticed_where_they_do_not() {
    let data = tempfile::tempdir().expect("a directory");
    let data = data.path().to_str().expect("UTF-8");
    let few = ["--data", data, "--connections", "8", "--rate", "200", "--warmup", "0", "--seconds", "2"];
    let memory = ["--entries", "3000", "--seed", "5"];
    let Some(report) = run("translate", &[&few[..], &memory].concat()) else { return };
    assert_eq!(report["filled"]["created"], 3_000, "{report}");
    for told in report["kinds"].as_array().expect("a list") {
        let count = |figure: &str| told[figure].as_u64().expect("a number");
        assert!(count("answered") > 20 && count("answered") + count("superseded") == count("sent"), "{report}");
        let found = if told["kind"] == "new" { 0..=0 } else { count("answered") * 9 / 10..=count("answered") };
        assert!(found.contains(&count("found")), "{report}");
    }
    // What is there already need not be imported.
    let again = run("translate", &[&few[..], &memory, &["--filled", "--exact", "0"]].concat()).expect("a server");
    assert_eq!((&again["filled"], &again["kinds"][0]["sent"]), (&Value::Null, &Value::from(0)), "{again}");
    // Of another seed nothing is.
    let wrong = output("translate", &[&few[..], &["--entries", "3000", "--seed", "6", "--filled"]].concat());
    let wrong = wrong.expect("a server");
    let said = String::from_utf8_lossy(&wrong.stdout);
    assert_eq!(wrong.status.code(), Some(1), "{said}");
    assert!(said.contains("no suggestion for a text that is in the memory"), "{said}");
}

#[test]
fn editors_are_measured_with_look_ups_and_without() {
    let memory =
        ["--entries", "500", "--connections", "4", "--rate", "100", "--exact", "1", "--fuzzy", "0", "--new", "0"];
    let editors = ["--editors", "2x3", "--typing-rate", "600", "--rounds", "2", "--warmup", "0", "--seconds", "1"];
    let Some(report) = run("translate", &[&memory[..], &editors].concat()) else { return };
    let editing = &report["editing"];
    for phases in ["without", "with"] {
        // 60 changes a second, to the two others each, in two rounds.
        let delivered = editing[phases]["count"].as_u64().expect("a number");
        assert!((200..=260).contains(&delivered), "{report}");
    }
    assert_eq!(editing["ratios"].as_array().map(Vec::len), Some(2), "{report}");
    let sent = report["kinds"][0]["sent"].as_u64().expect("a number");
    assert!((190..=210).contains(&sent), "in half of the phases: {report}");
}
