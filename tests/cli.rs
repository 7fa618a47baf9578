//! The command line as scripts use it: what is printed where, and the exit codes.

use std::path::Path;
use std::process::{Command, Output};

use jddb_realtime::auth::{Authority, Identity, Scope, Shown, Token};
use jddb_realtime::clock;
use jddb_realtime::config::{Config, Secret};

const KEY: &str = "0123456789abcdef0123456789abcdef";

/// Runs the program in `directory` with no settings but `environment`.
fn run_with(directory: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jddb-realtime"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("JDDB_") {
            command.env_remove(name);
        }
    }
    command
        .current_dir(directory)
        .args(arguments)
        .envs(environment.iter().copied())
        .output()
        .expect("the program starts")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("output is UTF-8")
}

/// Runs the program in an empty directory and checks its exit code; returns stdout and stderr.
fn run(arguments: &[&str], code: i32) -> (String, String) {
    let directory = tempfile::tempdir().expect("a directory");
    let output = run_with(directory.path(), arguments, &[]);
    let (stdout, stderr) = (text(&output.stdout).to_owned(), text(&output.stderr).to_owned());
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {stdout}{stderr}");
    (stdout, stderr)
}

fn check_refused(arguments: &[&str], expected: &str) {
    let (stdout, stderr) = run(arguments, 2);
    assert_eq!(stdout, "", "{arguments:?}");
    assert!(stderr.contains(expected), "{arguments:?}: {stderr}");
}

fn identity(config: &Config, output: &Output) -> Identity {
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let token = text(&output.stdout).strip_suffix('\n').expect("one line");
    let authority = Authority::open(config).expect("a key");
    authority.verify(&Token::new(token).expect("a token"), clock::now_unix_seconds()).expect("a valid token")
}

#[test]
fn version_and_help() {
    let (version, _) = run(&["version"], 0);
    assert_eq!(version, format!("jddb-realtime {}\n", env!("CARGO_PKG_VERSION")));
    assert_eq!(run(&["--version"], 0).0, version);
    let (help, _) = run(&["--help"], 0);
    for word in
        ["serve", "token", "check-config", "JDDB_LIMITS__CONNECTIONS", "JDDB_CONFIG", "Exit codes", "--greeting"]
    {
        assert!(help.contains(word), "{word}");
    }
    for command in ["serve", "token", "memory", "check-config", "version"] {
        assert!(run(&[command, "--help"], 0).0.contains("Usage: jddb-realtime"));
    }
}

#[test]
fn a_wrong_command_line_exits_with_2() {
    check_refused(&["--lisen", "127.0.0.1:0"], "--lisen");
    check_refused(&["srve"], "srve");
    check_refused(&["serve", "--greeting", "never"], "on-connect");
    check_refused(&["--durability", "never"], "strict");
    check_refused(&["serve", "--listen", "8000"], "listen: expected an IP address");
    check_refused(&["--listen", "localhost:8000"], "flag --listen");
    check_refused(&["--cores", "0"], "cores: expected a whole number from 1 to 1024");
    check_refused(&["--listen", "0.0.0.0:8000"], "auth.key");
    check_refused(&["serve", "--config", "none.toml"], "none.toml: cannot read");
    check_refused(&["token", "--scope", "document:read"], "--sub");
    check_refused(&["token", "--sub", "u"], "--scope");
    check_refused(&["version", "extra"], "extra");
}

#[test]
fn token_uses_and_makes_the_data_directorys_key() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("d");
    let config = Config { data: data.clone(), ..Config::default() };
    let scopes = "document:read document:write";
    let arguments = ["token", "--data", data.to_str().unwrap(), "--sub", "alice", "--scope", scopes];
    let before = clock::now_unix_seconds();
    let first = identity(&config, &run_with(directory.path(), &arguments, &[]));
    assert_eq!((first.user_id.as_str(), first.scopes.to_string().as_str()), ("alice", scopes));
    assert!((before + 3600 + 30..before + 3600 + 60).contains(&first.expires_at));
    assert!(first.documents.is_none());

    let more = [
        "--document",
        "jd_*",
        "--document",
        "x",
        "--name",
        "Alice",
        "--limits",
        r#"{"connections": 7}"#,
        "--expires-in",
        "5",
    ];
    let second = identity(&config, &run_with(directory.path(), &[&arguments[..], &more].concat(), &[]));
    assert_eq!(second.display_name.as_deref(), Some("Alice"));
    assert_eq!(second.limits.connections, Some(7));
    assert!(second.allows(Scope::DocumentWrite, "jd_1").is_ok() && second.covers("x") && !second.covers("y"));
    assert!(second.expires_at < before + 60);
}

#[test]
fn logs_go_to_stderr_and_warn_of_a_key_that_others_may_read() {
    use std::os::unix::fs::PermissionsExt as _;

    let directory = tempfile::tempdir().unwrap();
    let arguments = ["token", "--sub", "u", "--scope", "document:read"];
    let first = run_with(directory.path(), &arguments, &[("JDDB_LOG__FORMAT", "json")]);
    let line: serde_json::Value = serde_json::from_slice(&first.stderr).unwrap();
    assert_eq!((&line["level"], &line["message"]), (&"INFO".into(), &"made a new signing key".into()));
    assert_eq!(text(&first.stdout).lines().count(), 1);

    let key = directory.path().join("data/signing.key");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o640)).unwrap();
    let warned = run_with(directory.path(), &arguments, &[]);
    assert!(text(&warned.stderr).contains("chmod 600"), "{}", text(&warned.stderr));
    let quiet = run_with(directory.path(), &arguments, &[("JDDB_LOG__FILTER", "error")]);
    assert_eq!(text(&quiet.stderr), "");
}

#[test]
fn token_uses_a_configured_key() {
    let directory = tempfile::tempdir().unwrap();
    let mut config = Config::default();
    config.auth.key = Some(Secret::parse(KEY).unwrap());
    let arguments = ["token", "--sub", "u", "--scope", "document:read"];
    identity(&config, &run_with(directory.path(), &arguments, &[("JDDB_AUTH__KEY", KEY)]));

    std::fs::write(directory.path().join("c.toml"), format!("[auth]\nkey = \"{KEY}\"\naudience = \"a\"")).unwrap();
    config.auth.audience = Some("a".to_owned());
    identity(&config, &run_with(directory.path(), &[&arguments[..], &["--config", "c.toml"]].concat(), &[]));
    identity(&config, &run_with(directory.path(), &arguments, &[("JDDB_CONFIG", "c.toml")]));
    assert!(!directory.path().join("data").exists(), "no key is made where one is configured");
}

#[test]
fn token_makes_the_first_refresh_token_of_a_new_family() {
    let directory = tempfile::tempdir().unwrap();
    let arguments = ["token", "--sub", "u", "--scope", "document:read", "--refresh"];
    let tokens = [(); 2].map(|()| {
        let output = run_with(directory.path(), &arguments, &[]);
        Token::new(text(&output.stdout).trim()).expect("a token")
    });
    let config = Config { data: directory.path().join("data"), ..Config::default() };
    let authority = Authority::open(&config).unwrap();
    let now = clock::now_unix_seconds();
    let [one, two] =
        tokens.map(|token| authority.read(&token, now).and_then(Shown::for_refresh).expect("a refresh token"));
    assert_eq!((one.generation, &*one.identity.user_id), (0, "u"));
    assert!((2_591_000..=2_592_000).contains(&(one.identity.exp - now)), "thirty days");
    assert_ne!(one.identity.pass.login, two.identity.pass.login);
}

#[test]
fn token_refuses_what_the_server_would() {
    let refused = |more: &[&str], expected: &str| {
        check_refused(&[&["token", "--sub", "u", "--scope", "document:read"][..], more].concat(), expected);
    };
    check_refused(&["token", "--sub", "u", "--scope", "document:reed"], "\"document:reed\": unknown scope");
    check_refused(&["token", "--sub", "u", "--scope", " "], "at least one scope");
    check_refused(&["token", "--sub", &"u".repeat(129), "--scope", "document:read"], "`sub` claim is not valid");
    refused(&["--limits", "{"], "--limits: expected a JSON object");
    refused(&["--limits", "5"], "--limits: expected a JSON object");
    refused(&["--limits", r#"{"conections": 1}"#], "conections");
    refused(&["--limits", r#"{"connections": 0}"#], "`limits` claim is not valid");
    refused(&["--document", ""], "--document");
    refused(&["--expires-in", "0"], "0 is not in 1..=");
    refused(&["--name", "a\nb"], "`name` claim is not valid");
}

#[test]
fn token_fails_with_1_where_the_key_cannot_be_used() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("data")).unwrap();
    std::fs::write(directory.path().join("data/signing.key"), "base64:half").unwrap();
    let output = run_with(directory.path(), &["token", "--sub", "u", "--scope", "document:read"], &[]);
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(1), &b""[..]));
    assert!(text(&output.stderr).contains("signing.key holds no key"), "{}", text(&output.stderr));
}

#[test]
fn check_config_prints_what_is_in_force_and_hides_the_key() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("c.toml"), format!("[auth]\nkey = \"{KEY}\"")).unwrap();
    let output = run_with(directory.path(), &["check-config", "--config", "c.toml"], &[("JDDB_LIMITS__SECTIONS", "9")]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let lines: Vec<Vec<&str>> =
        text(&output.stdout).lines().map(|line| line.splitn(2, " # ").map(str::trim).collect()).collect();
    for line in [
        ["limits.sections = 9", "environment variable JDDB_LIMITS__SECTIONS"],
        ["auth.key = \"[redacted]\"", "c.toml"],
        ["listen = \"127.0.0.1:8000\"", "default"],
    ] {
        assert!(lines.iter().any(|printed| printed[..] == line), "{line:?} in {lines:?}");
    }
    assert!(!text(&output.stdout).contains(KEY));
}

#[test]
fn check_config_names_every_error() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("c.toml"), "cores = 0\nlisen = 1").unwrap();
    let output = run_with(directory.path(), &["check-config", "--config", "c.toml"], &[("JDDB_DATA", "")]);
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(2), &b""[..]));
    for word in ["error: cores:", "error: data:", "error: lisen:"] {
        assert!(text(&output.stderr).contains(word), "{}", text(&output.stderr));
    }
}
