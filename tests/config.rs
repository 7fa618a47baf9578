//! Settings: their sources, their checks, and the example file.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use jddb_realtime::config::{Config, ConfigErrors, Durability, Greeting, Loaded, SETTINGS, Sources, env_name, load};

const KEY: &str = "0123456789abcdef0123456789abcdef";

/// Settings from the text of a file, variables and flags.
fn load_from(file: &str, environment: &[(&str, &str)], flags: &[(&'static str, &str)]) -> Result<Loaded, ConfigErrors> {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("test.toml");
    fs::write(&path, file).expect("a file");
    load(&Sources {
        file: Some(path),
        environment: environment.iter().map(|(name, value)| (name.into(), value.into())).collect(),
        flags: flags.iter().map(|(key, value)| (*key, (*value).to_owned())).collect(),
    })
}

/// Fails unless the settings are refused with exactly one problem a line of `expected`, each holding all its words
/// (separated by ` & `).
fn check_refused(file: &str, environment: &[(&str, &str)], flags: &[(&'static str, &str)], expected: &[&str]) {
    let errors = load_from(file, environment, flags).expect_err("mistakes are found").to_string();
    let lines: Vec<&str> = errors.lines().collect();
    assert_eq!(lines.len(), expected.len(), "{errors}");
    for (line, words) in lines.iter().zip(expected) {
        for word in words.split(" & ") {
            assert!(line.contains(word), "{line:?} lacks {word:?}");
        }
    }
}

fn check_file(file: &str, expected: &str) {
    check_refused(file, &[], &[], &[&format!("{expected} & test.toml")]);
}

#[test]
fn without_sources_the_defaults_are_in_force() {
    let loaded = load(&Sources::default()).unwrap();
    assert_eq!(loaded.config, Config::default());
    assert_eq!(loaded.origin("listen"), None);
}

#[test]
fn flags_beat_the_environment_which_beats_the_file() {
    let file = "cores = 1\ngreeting = \"on-join\"\n[limits]\nconnections = 5\nsections = 7";
    let environment =
        [("JDDB_CORES", "2"), ("JDDB_LIMITS__CONNECTIONS", "1_000"), ("JDDB_DURABILITY", "fast"), ("PATH", "/bin")];
    let loaded = load_from(file, &environment, &[("cores", "3")]).unwrap();
    let config = &loaded.config;
    assert_eq!(config.cores, Some(3));
    assert_eq!(config.limits.connections, 1_000);
    assert_eq!(config.limits.sections, 7);
    assert_eq!((config.greeting, config.durability), (Greeting::OnJoin, Durability::Fast));
    assert_eq!(config.limits.document_editors, 50);
    assert_eq!(loaded.origin("cores"), Some("flag --cores"));
    assert_eq!(loaded.origin("limits.connections"), Some("environment variable JDDB_LIMITS__CONNECTIONS"));
    assert!(loaded.origin("limits.sections").unwrap().ends_with("test.toml"));
    assert_eq!(loaded.origin("limits.document_editors"), None);
}

#[test]
fn every_setting_can_be_set_by_the_environment() {
    let text = |key: &str, value: &serde_json::Value| match key {
        "cores" => "2".to_owned(),
        "auth.key" => KEY.to_owned(),
        "public_url" => "wss://api.example.org".to_owned(),
        "http.trusted_proxies" => "::1".to_owned(),
        "auth.audience" | "auth.issuer" => "123".to_owned(),
        _ => value.as_str().map_or_else(|| value.to_string(), str::to_owned),
    };
    let mut environment = Vec::new();
    for setting in SETTINGS.iter().filter(|setting| setting.key != "auth.key_file") {
        let value = value_of(&Config::default(), setting.key);
        environment.push((OsString::from(env_name(setting.key)), OsString::from(text(setting.key, &value))));
    }
    let loaded = load(&Sources { environment, ..Sources::default() }).unwrap();
    assert_eq!(loaded.config.limits, Config::default().limits);
    assert_eq!(loaded.config.auth.audience.as_deref(), Some("123"), "a text of digits stays a text");
    assert_eq!(loaded.config.cores, Some(2));
}

#[test]
fn names_for_tests_are_no_settings() {
    let environment = [("JDDB_SHARED", "x"), ("JDDB_TEST_SEED", "1"), ("JDDB_CONFIG", "x.toml"), ("JDDBX", "1")];
    assert_eq!(load_from("", &environment, &[]).unwrap().config, Config::default());
}

#[test]
fn unknown_names_are_refused_with_the_nearest_one() {
    check_file("lisen = \"127.0.0.1:1\"", "lisen: no such setting & did you mean `listen`?");
    check_file("[limits]\nconections = 5", "limits.conections & did you mean `limits.connections`?");
    check_file("connections = 5", "connections & did you mean `limits.connections`?");
    check_file("[limit]\nconnections = 5", "limit: no such setting");
    check_file("[http]\nsections = 5", "http.sections & did you mean `limits.sections`?");
    check_file("zebra = 5", "zebra: no such setting; `jddb-realtime check-config` lists");
    let env = |name: &str, expected: &str| check_refused("", &[(name, "5")], &[], &[expected]);
    env(
        "JDDB_LIMITS_CONNECTIONS",
        "JDDB_LIMITS_CONNECTIONS: & did you mean `JDDB_LIMITS__CONNECTIONS`? & the environment",
    );
    env("JDDB_LISTN", "did you mean `JDDB_LISTEN`?");
    env("JDDB_limits__connections", "did you mean `JDDB_LIMITS__CONNECTIONS`?");
    env("JDDB_", "JDDB_: no such setting");
    env("JDDB_LIMITS", "JDDB_LIMITS: no such setting");
}

#[test]
fn wrong_types_are_refused() {
    check_file(
        "[limits]\nconnections = \"5\"",
        "limits.connections: expected a whole number from 1 to 1000000, found \"5\"",
    );
    check_file("cores = true", "cores: expected a whole number from 1 to 1024, found true");
    check_file("cores = 1.5", "cores: expected a whole number & found 1.5");
    check_file("cores = []", "found a list");
    check_file("listen = 8000", "listen: expected an IP address and port & found 8000");
    check_file("listen = \"localhost:8000\"", "listen: expected an IP address & found \"localhost:8000\"");
    check_file("greeting = \"never\"", "greeting: expected on-connect or on-join, found \"never\"");
    check_file("greeting = { on-join = 1 }", "greeting: expected & found a table");
    check_file("limits = 5", "limits: expected a section: write [limits]");
    check_file("[documents]\ncreate_on_open = 1", "documents.create_on_open: expected true or false, found 1");
    check_file(
        "[documents]\nid_pattern = \"(\"",
        "documents.id_pattern: expected a regular expression & found \"(\": unclosed group",
    );
    check_file("[log]\nfilter = \"inof\"", "log.filter: expected a level");
    check_file("[log]\nfilter = \"info,x=loud\"", "log.filter: expected a level");
    check_file("data = \"\"", "data: expected a text of 1 to 1024 bytes");
    check_refused(
        "",
        &[("JDDB_CORES", "two")],
        &[],
        &["cores: expected a whole number & \"two\" & variable JDDB_CORES"],
    );
    check_refused("", &[("JDDB_CORES", "")], &[], &["cores: expected a whole number"]);
    check_refused("", &[], &[("listen", "8000")], &["listen: & flag --listen"]);
    check_refused("", &[("JDDB_AUTH__AUDIENCE", &"x".repeat(2000))], &[], &["audience & 2000 bytes in all"]);
}

#[test]
fn ranges_include_their_ends() {
    let check = |n: i64, fits: bool| {
        let file = format!("[documents]\nhistory_bytes = {n}");
        assert_eq!(load_from(&file, &[], &[]).is_ok(), fits, "{n}");
    };
    for (n, fits) in
        [(65_535, false), (65_536, true), (1 << 30, true), ((1 << 30) + 1, false), (-1, false), (i64::MAX, false)]
    {
        check(n, fits);
    }
}

#[test]
fn defaults_are_within_their_ranges() {
    let file = toml_of(&Config::default());
    assert_eq!(load_from(&file, &[], &[]).unwrap().config, Config::default());
}

/// A file that sets every setting that has a value.
fn toml_of(config: &Config) -> String {
    let line = |key: &str| {
        let value = value_of(config, key);
        (!value.is_null()).then(|| format!("{key} = {value}\n"))
    };
    SETTINGS.iter().filter_map(|setting| line(setting.key)).collect()
}

fn value_of(config: &Config, key: &str) -> serde_json::Value {
    let values = serde_json::to_value(config).expect("settings are JSON");
    let pointer = format!("/{}", key.replace('.', "/"));
    values.pointer(&pointer).expect("a setting").clone()
}

#[test]
fn all_mistakes_are_reported_together() {
    check_refused(
        "cores = 0\nzebra = 1\n[limits]\nsections = 0\nconnections = \"x\"",
        &[("JDDB_DRAIN_SECONDS", "601"), ("JDDB_NOTHING", "1")],
        &[("listen", "x")],
        &[
            "JDDB_NOTHING",
            "cores & 1 to 1024, found 0",
            "drain_seconds & 0 to 600, found 601",
            "limits.connections",
            "limits.sections",
            "listen",
            "zebra",
        ],
    );
}

#[test]
fn contradictions_are_refused() {
    let check = |file: &str, expected: &str| check_refused(file, &[], &[], &[expected]);
    check(
        "[limits]\nmessage_bytes = 2048\nunfinished_message_bytes = 1024",
        "limits.message_bytes: expected at most & (1024), found 2048",
    );
    check(
        "[limits]\nsection_bytes = 16777217",
        "limits.section_bytes: expected at most limits.document_bytes (16777216)",
    );
    check("[heartbeat]\nsilence_seconds = 30", "heartbeat.silence_seconds: expected more than & (30), found 30");
    check(&format!("[auth]\nkey = \"{KEY}\"\nkey_file = \"k\""), "auth.key_file: auth.key is set as well");
}

#[test]
fn other_machines_need_a_configured_key() {
    for listen in ["0.0.0.0:8000", "[::]:8000", "192.0.2.1:80"] {
        check_refused(
            "",
            &[],
            &[("listen", listen)],
            &[&format!("{listen} & auth.key & JDDB_AUTH__KEY_FILE & openssl rand & 127.0.0.1")],
        );
        assert!(load_from("", &[("JDDB_AUTH__KEY", KEY)], &[("listen", listen)]).is_ok());
        assert!(load_from("", &[("JDDB_AUTH__KEY_FILE", "k")], &[("listen", listen)]).is_ok());
    }
    for listen in ["127.0.0.1:0", "127.9.9.9:80", "[::1]:8000"] {
        assert!(load_from("", &[], &[("listen", listen)]).is_ok());
    }
}

#[test]
fn keys_are_never_shown() {
    let hidden = |errors: &str| assert!(!errors.contains("needle"), "{errors}");
    hidden(&load_from("[auth]\nkey = \"needle\"", &[], &[]).unwrap_err().to_string());
    hidden(&load_from("[auth]\nkey = \"base64:needle?\"", &[], &[]).unwrap_err().to_string());
    hidden(&load_from("[auth]\nkey = [\"needle\"]", &[], &[]).unwrap_err().to_string());
    hidden(&load_from("[auth]\nkey = \"needle", &[], &[]).unwrap_err().to_string());
    hidden(&load_from("", &[("JDDB_AUTH__KEY", "needle")], &[]).unwrap_err().to_string());
    let long = format!("needle{KEY}");
    hidden(&format!("{:?}", load_from("", &[("JDDB_AUTH__KEY", &long)], &[]).unwrap()));
    check_file("[auth]\nkey = \"short\"", "auth.key: expected a key of at least 32 bytes & has 5 bytes");
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let missing = Sources { file: Some(PathBuf::from("/nowhere/x.toml")), ..Sources::default() };
    let errors = load(&missing).unwrap_err().to_string();
    assert!(errors.contains("/nowhere/x.toml: cannot read") && errors.contains("--config"), "{errors}");
    check_file("cores = 1\nlisten = \"a", "at line 2, column");
    check_file("cores = 1\ncores = 2", "duplicate key");
    check_file("cores = 99999999999999999999", "too large");
}

fn example() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tuning/jddb-realtime.toml"))
        .expect("the example file")
}

#[test]
fn the_example_file_has_the_defaults() {
    assert_eq!(load_from(&example(), &[], &[]).unwrap().config, Config::default());
}

#[test]
fn the_example_file_has_every_setting_with_what_it_expects() {
    let example = example();
    let mut section = String::new();
    let mut expected = "";
    let mut seen = BTreeSet::new();
    for line in example.lines() {
        if let Some(text) = line.strip_prefix("# Expected: ") {
            expected = text;
        } else if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = format!("{name}.");
        } else if let Some((name, _)) = line.split_once(" = ").filter(|_| !line.starts_with("# ")) {
            let key = format!("{section}{}", name.trim_start_matches('#'));
            let setting = SETTINGS.iter().find(|setting| setting.key == key).unwrap_or_else(|| panic!("{key}"));
            assert_eq!(expected, setting.expected(), "{key}");
            assert!(seen.insert(key), "{line}");
        }
    }
    assert_eq!(seen, keys_of_table());
}

#[test]
fn the_example_files_optional_settings_are_valid() {
    let uncomment = |line: &str| match line.strip_prefix('#') {
        Some(setting) if !setting.is_empty() && !setting.starts_with(' ') && !setting.starts_with("key_file") => {
            setting.to_owned()
        }
        _ => line.to_owned(),
    };
    let lines: Vec<String> = example().lines().map(uncomment).collect();
    let config = load_from(&lines.join("\n"), &[], &[]).unwrap().config;
    assert_eq!(config.cores, Some(2));
    assert!(config.auth.key.is_some() && config.auth.audience.is_some());
}

#[test]
fn the_table_has_every_setting_of_the_structs() {
    fn leaves(prefix: &str, value: &serde_json::Value, keys: &mut BTreeSet<String>) {
        match value.as_object() {
            Some(section) => section.iter().for_each(|(name, value)| leaves(&format!("{prefix}.{name}"), value, keys)),
            None => drop(keys.insert(prefix.trim_start_matches('.').to_owned())),
        }
    }
    let mut keys = BTreeSet::new();
    leaves("", &serde_json::to_value(Config::default()).unwrap(), &mut keys);
    assert_eq!(keys, keys_of_table());
}

fn keys_of_table() -> BTreeSet<String> {
    SETTINGS.iter().map(|setting| setting.key.to_owned()).collect()
}
