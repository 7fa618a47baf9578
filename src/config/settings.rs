//! The table of all settings: what each one accepts.
//!
//! Checks, error messages, `check-config` and the test of the example file all read this table.

use std::fmt;
use std::net::SocketAddr;

use ::config::ValueKind;
use serde_json::Value;
use tracing_subscriber::EnvFilter;

use super::Config;
use super::document_id::IdPattern;
use super::origins::Origins;
use super::proxies::Proxies;
use super::public_url::PublicUrl;
use super::secret::Secret;

const KIB: i64 = 1024;
const MIB: i64 = 1024 * KIB;
const GIB: i64 = 1024 * MIB;
const TIB: i64 = 1024 * GIB;

/// The highest rate that can be set, which is as good as none.
const RATE_MAX: i64 = 1_000_000_000;

/// Texts are bounded so that a mistake cannot put a whole file into every log line.
const TEXT_BYTES_MAX: usize = 1024;

/// One setting: its dotted key, and what values it takes.
#[derive(Debug)]
pub struct Setting {
    /// The key in the file, e.g. `limits.connections`.
    pub key: &'static str,
    expects: Expects,
}

/// What values a setting takes. Displays as the phrase that follows "expected".
#[derive(Debug)]
pub(super) enum Expects {
    Address,
    Boolean,
    IdPattern,
    Integer { min: i64, max: i64 },
    LogFilter,
    OneOf(&'static [&'static str]),
    Origins,
    Proxies,
    PublicUrl,
    Secret,
    Text,
}

use Expects::{Address, Boolean, Integer, LogFilter, OneOf, Text};

const fn setting(key: &'static str, expects: Expects) -> Setting {
    Setting { key, expects }
}

const fn integer(key: &'static str, min: i64, max: i64) -> Setting {
    setting(key, Integer { min, max })
}

/// All settings, in the order of the example file.
pub const SETTINGS: &[Setting] = &[
    setting("listen", Address),
    setting("public_url", Expects::PublicUrl),
    setting("data", Text),
    integer("cores", 1, 1_024),
    setting("greeting", OneOf(&["on-connect", "on-join"])),
    setting("durability", OneOf(&["strict", "fast"])),
    integer("drain_notice_seconds", 0, 600),
    integer("drain_seconds", 0, 600),
    setting("compression", Boolean),
    setting("auth.key", Expects::Secret),
    setting("auth.key_file", Text),
    setting("auth.public_key_file", Text),
    setting("auth.jwks_file", Text),
    setting("auth.signing_key_file", Text),
    setting("auth.audience", Text),
    setting("auth.issuer", Text),
    integer("auth.leeway_seconds", 0, 300),
    integer("auth.access_token_seconds", 1, 86_400),
    integer("auth.logins_max", 1, 1_000_000),
    setting("documents.id_pattern", Expects::IdPattern),
    setting("documents.create_on_open", Boolean),
    integer("documents.base_versions", 1, 1_000_000),
    integer("documents.idle_evict_seconds", 1, 86_400),
    integer("documents.snapshot_every_versions", 1, 1_000_000),
    integer("documents.history_bytes", 64 * KIB, GIB),
    integer("documents.loaded_documents_max", 1, 10_000_000),
    integer("documents.auto_save_seconds", 0, 86_400),
    setting("limits.mode", OneOf(&["enforce", "observe"])),
    integer("limits.connections", 1, 1_000_000),
    integer("limits.user_connections", 0, 1_000_000),
    integer("limits.user_silence_seconds", 1, 3_600),
    integer("limits.document_editors", 1, 100_000),
    integer("limits.messages_per_minute", 0, RATE_MAX),
    integer("limits.burst_per_second", 0, RATE_MAX),
    integer("limits.large_message_bytes", 1, 64 * MIB),
    integer("limits.large_messages_per_second", 0, RATE_MAX),
    integer("limits.refusals_per_minute", 0, 1_000_000),
    integer("limits.requests_per_minute", 0, RATE_MAX),
    integer("limits.message_bytes", KIB, 64 * MIB),
    integer("limits.section_bytes", KIB, 256 * MIB),
    integer("limits.document_bytes", KIB, 256 * MIB),
    integer("limits.sections", 1, 10_000),
    integer("limits.batch_changes", 1, 100_000),
    integer("limits.outbound_queue_bytes", 64 * KIB, GIB),
    integer("limits.outbound_total_bytes", MIB, TIB),
    integer("limits.unfinished_message_bytes", KIB, 16 * GIB),
    integer("heartbeat.interval_seconds", 1, 3_600),
    integer("heartbeat.silence_seconds", 2, 7_200),
    integer("presence.idle_seconds", 1, 86_400),
    integer("presence.expire_seconds", 1, 86_400),
    integer("http.header_timeout_seconds", 1, 300),
    integer("http.progress_bytes", 1, MIB),
    integer("http.progress_seconds", 1, 300),
    integer("http.header_bytes", 8 * KIB, MIB),
    integer("http.body_bytes", KIB, 64 * MIB),
    integer("http.answers_bytes", MIB, 64 * GIB),
    integer("http.keep_alive_seconds", 1, 3_600),
    integer("http.streams", 1, 10_000),
    setting("http.allowed_origins", Expects::Origins),
    setting("http.trusted_proxies", Expects::Proxies),
    setting("http.client_address_header", OneOf(&["x-forwarded-for", "forwarded"])),
    setting("tls.certificate", Text),
    setting("tls.key", Text),
    integer("translation.threads", 1, 64),
    integer("translation.entries", 1, 1 << 24),
    integer("translation.terms", 1, 1_000_000),
    setting("translation.approved_only", Boolean),
    integer("translation.import_bytes", MIB, TIB),
    integer("storage.wal_bytes", MIB, 64 * GIB),
    integer("storage.block_cache_bytes", MIB, TIB),
    integer("storage.write_buffer_bytes", MIB, 4 * GIB),
    integer("storage.commit_queue_batches", 1, 1_048_576),
    setting("log.format", OneOf(&["text", "json"])),
    setting("log.filter", LogFilter),
];

/// The environment variable of a setting: `limits.connections` is `JDDB_LIMITS__CONNECTIONS`.
#[must_use]
pub fn env_name(key: &str) -> String {
    format!("{ENV_PREFIX}{}", key.replace('.', "__").to_uppercase())
}

/// What all our environment variables begin with.
pub(super) const ENV_PREFIX: &str = "JDDB_";

pub(super) fn find(key: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.key == key)
}

/// Whether `key` is a section such as `limits`.
pub(super) fn is_section(key: &str) -> bool {
    let inside = |setting: &Setting| setting.key.strip_prefix(key).is_some_and(|rest| rest.starts_with('.'));
    SETTINGS.iter().any(inside)
}

/// The setting somebody probably meant by `key`, or `None` if nothing is near.
pub(super) fn nearest(key: &str) -> Option<&'static str> {
    let last = |key: &'static str| key.rsplit('.').next().unwrap_or(key);
    let distance = |known: &'static str| {
        let whole = strsim::damerau_levenshtein(key, known);
        let name = strsim::damerau_levenshtein(key, last(known));
        // A right name in the wrong section, or without one, is a near miss too.
        let same_name = key.rsplit('.').next() == Some(last(known));
        whole.min(name).min(if same_name { 1 } else { usize::MAX })
    };
    SETTINGS
        .iter()
        .map(|setting| (distance(setting.key), setting.key))
        .min()
        .filter(|(distance, known)| *distance <= 1 + known.len().min(key.len()) / 6)
        .map(|(_, known)| known)
}

/// The settings that differ, in their order, each with its value before and after as JSON.
#[must_use]
pub fn changed(before: &Config, after: &Config) -> Vec<(&'static Setting, Value, Value)> {
    // Settings are numbers, texts and the like, which JSON can always say.
    let [old, new] = [before, after].map(|config| serde_json::to_value(config).unwrap_or_default());
    let value = |values: &Value, setting: &Setting| {
        values.pointer(&format!("/{}", setting.key.replace('.', "/"))).cloned().unwrap_or_default()
    };
    let both = SETTINGS.iter().map(|setting| (setting, value(&old, setting), value(&new, setting)));
    // A key shows itself to nobody, so that two of them look the same.
    let differs = |(setting, old, new): &(&Setting, Value, Value)| {
        old != new || (setting.key == "auth.key" && before.auth.key != after.auth.key)
    };
    both.filter(differs).collect()
}

impl Setting {
    /// Whether a running server takes it over when it reads its configuration again; others need a restart.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.key.starts_with("auth.") || self.key.starts_with("limits.") || self.key == "log.filter"
    }

    /// What a value must be, as the phrase that follows "expected", e.g. "a whole number from 1 to 1024".
    #[must_use]
    pub fn expected(&self) -> String {
        self.expects.to_string()
    }

    /// The problem with `value`, if there is one. Never repeats a key's text.
    pub(super) fn problem(&self, value: &ValueKind) -> Option<String> {
        let reason = match self.expects.check(value) {
            Ok(()) => return None,
            Err(reason) => reason,
        };
        let found = match self.expects {
            Expects::Secret => String::new(),
            _ => format!(", found {}", Found(value)),
        };
        let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
        Some(format!("expected {}{found}{reason}", self.expects))
    }

    /// The value that `text`, from the environment or a flag, stands for.
    ///
    /// The setting decides the type, so a key of digits stays a text. What cannot be read stays a text too and is then
    /// refused by [`Setting::problem`] with everything else.
    pub(super) fn value_of(&self, text: &str) -> ValueKind {
        let as_text = || ValueKind::String(text.to_owned());
        match self.expects {
            Integer { .. } => text.replace('_', "").parse().map_or_else(|_| as_text(), ValueKind::I64),
            Boolean => text.parse().map_or_else(|_| as_text(), ValueKind::Boolean),
            _ => as_text(),
        }
    }
}

impl Expects {
    /// Fails with the reason where there is more to say than what was expected.
    fn check(&self, value: &ValueKind) -> Result<(), Option<String>> {
        match (self, value) {
            (Integer { min, max }, ValueKind::I64(n)) => holds((min..=max).contains(&n)),
            (Boolean, ValueKind::Boolean(_)) => Ok(()),
            (Integer { .. } | Boolean, _) => Err(None),
            (_, ValueKind::String(text)) => self.check_text(text),
            (_, _) => Err(None),
        }
    }

    fn check_text(&self, text: &str) -> Result<(), Option<String>> {
        if let Self::Secret = self {
            return reasoned(Secret::parse(text));
        }
        if text.is_empty() || text.len() > TEXT_BYTES_MAX {
            return Err(None);
        }
        match self {
            Address => holds(text.parse::<SocketAddr>().is_ok()),
            Self::IdPattern => reasoned(IdPattern::new(text)),
            LogFilter if has_stray_word(text) => Err(None),
            LogFilter => reasoned(EnvFilter::try_new(text)),
            OneOf(names) => holds(names.contains(&text)),
            Self::Origins => reasoned(Origins::new(text)),
            Self::Proxies => reasoned(Proxies::new(text)),
            Self::PublicUrl => reasoned(PublicUrl::new(text)),
            Text | Self::Secret => Ok(()),
            Boolean | Integer { .. } => Err(None),
        }
    }
}

fn holds(condition: bool) -> Result<(), Option<String>> {
    if condition { Ok(()) } else { Err(None) }
}

fn reasoned<T, E: fmt::Display>(result: Result<T, E>) -> Result<(), Option<String>> {
    let reason = |error: E| {
        // The regular expression's error draws a picture first; the reason is its last line.
        let text = error.to_string();
        let last = text.lines().last().unwrap_or_default();
        Some(last.trim_start_matches("error: ").to_owned())
    };
    result.map(|_| ()).map_err(reason)
}

/// A word alone that is no level names a target, for the filter's syntax, and silences everything else. That is rarely
/// meant: a mistyped level would turn the logs off.
fn has_stray_word(filter: &str) -> bool {
    let is_level = |word: &str| word.parse::<tracing::level_filters::LevelFilter>().is_ok();
    let stray = |word: &str| !word.contains('=') && !is_level(word.trim());
    !filter.contains('[') && filter.split(',').any(stray)
}

impl fmt::Display for Expects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address => write!(f, "an IP address and port such as 127.0.0.1:8000 or [::1]:8000"),
            Boolean => write!(f, "true or false"),
            Self::IdPattern => write!(f, "a regular expression of at most {TEXT_BYTES_MAX} bytes"),
            Integer { min, max } => write!(f, "a whole number from {min} to {max}"),
            LogFilter => {
                write!(f, "a level (error, warn, info, debug, trace) or a list such as info,jddb_realtime=debug")
            }
            OneOf(names) => write!(f, "{}", names.join(" or ")),
            Self::Origins => write!(f, "* or origins such as https://app.example.org, with spaces in between"),
            Self::Proxies => write!(f, "addresses and networks such as 10.0.0.0/8 or ::1, with spaces in between"),
            Self::PublicUrl => write!(f, "an address such as wss://api.example.org"),
            Self::Secret => write!(f, "a key of at least 32 bytes, as text or as base64:…"),
            Text => write!(f, "a text of 1 to {TEXT_BYTES_MAX} bytes"),
        }
    }
}

/// Shows a value in an error message, shortened.
struct Found<'a>(&'a ValueKind);

impl fmt::Display for Found<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN_CHARS: usize = 64;
        match self.0 {
            ValueKind::String(text) if text.chars().count() <= SHOWN_CHARS => write!(f, "{text:?}"),
            ValueKind::String(text) => {
                let start: String = text.chars().take(SHOWN_CHARS).collect();
                write!(f, "{start:?} and more, {} bytes in all", text.len())
            }
            ValueKind::Table(_) => f.write_str("a table"),
            ValueKind::Array(_) => f.write_str("a list"),
            ValueKind::Nil => f.write_str("nothing"),
            number_or_boolean => write!(f, "{number_or_boolean}"),
        }
    }
}
