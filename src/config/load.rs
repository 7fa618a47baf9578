//! Reads the settings from their sources and reports every mistake at once.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use ::config::{ConfigError, File, FileFormat, Map, Source, Value, ValueKind};

use super::error::{ConfigErrors, Problem};
use super::settings::{self, ENV_PREFIX, Setting};
use super::{Config, env_name};

/// Names with our prefix that are no settings: the file itself, and what tests use.
const RESERVED: [&str; 2] = ["JDDB_CONFIG", "JDDB_SHARED"];
const RESERVED_PREFIX: &str = "JDDB_TEST_";

/// Where settings come from, weakest first.
#[derive(Debug, Default)]
pub struct Sources {
    /// The TOML file.
    pub file: Option<PathBuf>,
    /// Environment variables; those not beginning with `JDDB_` are passed over.
    pub environment: Vec<(OsString, OsString)>,
    /// Flags as given: the key of a setting that has a flag of the same name, and the flag's text.
    pub flags: Vec<(&'static str, String)>,
}

/// Settings in force.
#[derive(Debug)]
pub struct Loaded {
    /// The settings.
    pub config: Config,
    origins: BTreeMap<String, String>,
}

impl Loaded {
    /// Where a setting's value comes from, e.g. `flag --listen`; `None` for a default.
    #[must_use]
    pub fn origin(&self, key: &str) -> Option<&str> {
        self.origins.get(key).map(String::as_str)
    }
}

/// Merges the sources over the defaults and checks the result.
///
/// # Errors
/// With every mistake that can be found: an unreadable file, unknown names, wrong types, values out of range; and if
/// there is none of these, settings that contradict one another.
pub fn load(sources: &Sources) -> Result<Loaded, ConfigErrors> {
    let mut problems = Vec::new();
    let file = sources.file.as_deref();
    let file_text = file.map_or_else(String::new, |path| read_file(path, &mut problems));
    let values = Values::default().with_environment(&sources.environment, &mut problems).with_flags(&sources.flags);
    let merged = merge(&file_text, values).map_err(|error| file_problem(file, &error));
    let merged = merged.unwrap_or_else(|problem| {
        problems.push(problem);
        ::config::Config::default()
    });

    let mut check = Check { file, problems, origins: BTreeMap::new() };
    if let ValueKind::Table(table) = &merged.cache.kind {
        check.table("", table);
    }
    ConfigErrors::unless_empty(check.problems)?;
    let config = deserialize(merged)?;
    ConfigErrors::unless_empty(contradictions(&config))?;
    Ok(Loaded { config, origins: check.origins })
}

fn read_file(path: &Path, problems: &mut Vec<Problem>) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| {
        problems.push(Problem {
            key: path.display().to_string(),
            message: format!(
                "cannot read the configuration file: {error}; check the path given by --config or JDDB_CONFIG"
            ),
            origin: None,
        });
        String::new()
    })
}

fn merge(file_text: &str, values: Values) -> Result<::config::Config, ConfigError> {
    ::config::Config::builder().add_source(File::from_str(file_text, FileFormat::Toml)).add_source(values).build()
}

/// The table has checked every value, so this fails only where it and the structs disagree.
fn deserialize(merged: ::config::Config) -> Result<Config, ConfigErrors> {
    merged.try_deserialize().map_err(|error| {
        ConfigErrors::from(Problem { key: "configuration".to_owned(), message: error.to_string(), origin: None })
    })
}

fn file_problem(file: Option<&Path>, error: &ConfigError) -> Problem {
    let text = match error {
        ConfigError::FileParse { cause, .. } => cause.to_string(),
        other => other.to_string(),
    };
    // The parser quotes the line in question, which may hold a key: only its position and its reason are shown.
    let quoted =
        |line: &&str| line.trim_start().trim_start_matches(|c: char| c.is_ascii_digit()).trim_start().starts_with('|');
    let kept: Vec<&str> = text.lines().filter(|line| !quoted(line)).collect();
    Problem {
        key: file.map_or_else(|| "configuration".to_owned(), |path| path.display().to_string()),
        message: kept.join(": "),
        origin: None,
    }
}

/// Values of single settings, from the environment and from flags; later ones replace earlier ones.
#[derive(Clone, Debug, Default)]
struct Values(Map<String, Value>);

impl Values {
    fn with_environment(mut self, variables: &[(OsString, OsString)], problems: &mut Vec<Problem>) -> Self {
        for (name, value) in variables {
            let Some(name) = name.to_str().filter(|name| is_ours(name)) else {
                continue;
            };
            match variable(name, value) {
                Ok((setting, text)) => self.insert(setting, text, format!("environment variable {name}")),
                Err(message) => {
                    problems.push(Problem { key: name.to_owned(), message, origin: Some("the environment".to_owned()) })
                }
            }
        }
        self
    }

    fn with_flags(mut self, flags: &[(&'static str, String)]) -> Self {
        for (key, text) in flags {
            if let Some(setting) = settings::find(key) {
                self.insert(setting, text, format!("flag --{key}"));
            }
        }
        self
    }

    fn insert(&mut self, setting: &Setting, text: &str, origin: String) {
        let value = Value::new(Some(&origin), setting.value_of(text));
        self.0.insert(setting.key.to_owned(), value);
    }
}

impl Source for Values {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ConfigError> {
        Ok(self.0.clone())
    }
}

fn is_ours(name: &str) -> bool {
    name.starts_with(ENV_PREFIX) && !name.starts_with(RESERVED_PREFIX) && !RESERVED.contains(&name)
}

/// The setting and the text of one variable, or what is wrong with it.
fn variable<'v>(name: &str, value: &'v OsString) -> Result<(&'static Setting, &'v str), String> {
    let key = name[ENV_PREFIX.len()..].replace("__", ".").to_lowercase();
    let setting = settings::find(&key)
        .filter(|setting| env_name(setting.key) == name)
        .ok_or_else(|| unknown(settings::nearest(&key).map(env_name)))?;
    let text = value.to_str().ok_or("the value is not UTF-8; give it as UTF-8")?;
    Ok((setting, text))
}

fn unknown(near: Option<String>) -> String {
    let near = near.map(|name| format!("did you mean `{name}`? ")).unwrap_or_default();
    format!("no such setting; {near}`jddb-realtime check-config` lists all of them")
}

/// Walks the merged values and compares each with the table of settings.
struct Check<'a> {
    file: Option<&'a Path>,
    problems: Vec<Problem>,
    origins: BTreeMap<String, String>,
}

impl Check<'_> {
    fn table(&mut self, prefix: &str, table: &Map<String, Value>) {
        // The map has no order; mistakes are reported in the same order every time.
        let sorted: BTreeMap<&String, &Value> = table.iter().collect();
        for (name, value) in sorted {
            self.value(format!("{prefix}{name}"), value);
        }
    }

    fn value(&mut self, key: String, value: &Value) {
        if let Some(setting) = settings::find(&key) {
            let problem = setting.problem(&value.kind);
            self.origins.insert(key.clone(), self.origin(value));
            self.report(key, value, problem);
        } else if !settings::is_section(&key) {
            let near = settings::nearest(&key).map(str::to_owned);
            self.report(key, value, Some(unknown(near)));
        } else if let ValueKind::Table(table) = &value.kind {
            self.table(&format!("{key}."), table);
        } else {
            let problem = format!("expected a section: write [{key}] and its settings below it");
            self.report(key, value, Some(problem));
        }
    }

    fn report(&mut self, key: String, value: &Value, message: Option<String>) {
        let origin = Some(self.origin(value));
        self.problems.extend(message.map(|message| Problem { key, message, origin }));
    }

    /// Values of the file are those without an origin of their own.
    fn origin(&self, value: &Value) -> String {
        let file = || self.file.map_or_else(String::new, |path| path.display().to_string());
        value.origin().map_or_else(file, str::to_owned)
    }
}

/// Settings that are each valid and cannot stand together.
fn contradictions(config: &Config) -> Vec<Problem> {
    let Config { auth, limits, heartbeat, listen, tls, .. } = config;
    let rules = [
        (
            listen.ip().is_loopback() || auth.has_key(),
            "listen",
            format!(
                "{listen} can be reached from other machines, which needs a key of your own: set auth.key, auth.key_file \
                 (JDDB_AUTH__KEY, JDDB_AUTH__KEY_FILE) or another of the keys in [auth], made with: echo \"base64:$(openssl rand -base64 32)\"; or listen on 127.0.0.1"
            ),
        ),
        (
            auth.key.is_none() || auth.key_file.is_none(),
            "auth.key_file",
            "auth.key is set as well; remove one of the two".to_owned(),
        ),
        (
            tls.certificate.is_none() || tls.key.is_some(),
            "tls.key",
            "tls.certificate is set and needs its private key: name the PEM file that holds it".to_owned(),
        ),
        (
            tls.key.is_none() || tls.certificate.is_some(),
            "tls.certificate",
            "tls.key is set and needs its certificate: name the PEM file that holds it".to_owned(),
        ),
        (
            limits.message_bytes <= limits.unfinished_message_bytes,
            "limits.message_bytes",
            format!(
                "expected at most limits.unfinished_message_bytes ({}), found {}",
                limits.unfinished_message_bytes, limits.message_bytes
            ),
        ),
        (
            limits.section_bytes <= limits.document_bytes,
            "limits.section_bytes",
            format!(
                "expected at most limits.document_bytes ({}), found {}",
                limits.document_bytes, limits.section_bytes
            ),
        ),
        (
            heartbeat.silence_seconds > heartbeat.interval_seconds,
            "heartbeat.silence_seconds",
            format!(
                "expected more than heartbeat.interval_seconds ({}), found {}",
                heartbeat.interval_seconds, heartbeat.silence_seconds
            ),
        ),
    ];
    let broken = rules.into_iter().filter(|(holds, _, _)| !holds);
    broken.map(|(_, key, message)| Problem { key: key.to_owned(), message, origin: None }).collect()
}
