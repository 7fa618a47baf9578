//! The settings of the server: what they are, their defaults, and how they are read.
//!
//! Three sources, each stronger than the one before: a TOML file, environment variables (`JDDB_…`), command line flags.
//! Reading order: the structs below are the settings; `settings` has the range of each; `load` merges the sources and
//! reports every mistake at once; `secret`, `document_id`, `origins`, `proxies` and `public_url` are the settings with
//! a type of their own.
//!
//! Those of `[auth]` and `[limits]` and `log.filter` may change while the server runs; see [`Setting::is_live`]. So may what
//! is in the files of `[tls]`.
//!
//! Byte sizes are plain numbers of bytes, times are whole seconds; the unit is the last word of the name.

mod document_id;
mod error;
mod load;
mod origins;
mod proxies;
mod public_url;
mod secret;
mod settings;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use jddb_core::limits::{LimitMode, RateLimits};
use serde::{Deserialize, Serialize};

pub use document_id::{IdPattern, IdPatternError};
pub use error::{ConfigErrors, Problem};
pub use load::{Loaded, Sources, load};
pub use origins::{OriginError, Origins};
pub use proxies::{Proxies, ProxyError};
pub use public_url::{PublicUrl, PublicUrlError};
pub use secret::{Secret, SecretError};
pub use settings::{SETTINGS, Setting, changed, env_name};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// Every setting of the server. [`Config::default`] has the documented defaults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Address and port to listen on, 127.0.0.1:8000 by default. Anything but a loopback address needs a configured key.
    pub listen: SocketAddr,
    /// The address of the server as clients know it, such as `wss://api.example.org`; `None` takes that of the request.
    pub public_url: Option<PublicUrl>,
    /// Directory of the database and of `signing.key`; created if missing. A relative path starts at the working directory.
    pub data: PathBuf,
    /// Number of cores to use, 1 to 1,024; `None` takes what the machine or its cgroup grants.
    pub cores: Option<usize>,
    /// When a connection gets the document and others' changes.
    pub greeting: Greeting,
    /// Whether others may see a change before it is on disk.
    pub durability: Durability,
    /// Seconds from `/readyz` saying no to the moment at which the server stops taking requests, 0 to 600.
    pub drain_notice_seconds: u64,
    /// Seconds a shutdown may take to finish what is under way, 0 to 600.
    pub drain_seconds: u64,
    /// Whether messages are compressed (RFC 7692) with clients that offer it.
    pub compression: bool,
    /// Who may connect.
    pub auth: Auth,
    /// How documents are named, kept in memory and kept on disk.
    pub documents: Documents,
    /// What one client, document or server may use at most.
    pub limits: Limits,
    /// How dead WebSocket peers are found.
    pub heartbeat: Heartbeat,
    /// What is told of the people in documents.
    pub presence: Presence,
    /// Bounds of HTTP requests.
    pub http: Http,
    /// Whether connections are encrypted, and with what.
    pub tls: Tls,
    /// How translations are looked up.
    pub translation: Translation,
    /// Memory and disk figures of the database.
    pub storage: Storage,
    /// What is logged, and how.
    pub log: Log,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8000)),
            public_url: None,
            data: PathBuf::from("./data"),
            cores: None,
            greeting: Greeting::OnConnect,
            durability: Durability::Strict,
            drain_notice_seconds: 1,
            drain_seconds: 10,
            compression: true,
            auth: Auth::default(),
            documents: Documents::default(),
            limits: Limits::default(),
            heartbeat: Heartbeat::default(),
            presence: Presence::default(),
            http: Http::default(),
            tls: Tls::default(),
            translation: Translation::default(),
            storage: Storage::default(),
            log: Log::default(),
        }
    }
}

/// How translations are looked up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Translation {
    /// Threads that look up, beside the cores, 1 to 64.
    pub threads: usize,
    /// The most entries of the translation memory, 1 to 16,777,216. Each takes about a kilobyte of memory, if it is a
    /// sentence, and two where the sentences around it and the like are known.
    pub entries: usize,
    /// The most terms of the glossary, their variants counted too, 1 to 1,000,000. Each takes about a kilobyte of memory.
    pub terms: usize,
    /// Whether only what is accepted is suggested, and nothing that should be reviewed first.
    pub approved_only: bool,
    /// The largest file that is imported over HTTP, in bytes.
    pub import_bytes: u64,
}

impl Default for Translation {
    fn default() -> Self {
        Self { threads: 1, entries: 2_000_000, terms: 100_000, approved_only: false, import_bytes: 1 << 30 }
    }
}

/// When a connection gets the document's state and others' changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Greeting {
    /// As soon as it is open (the default).
    OnConnect,
    /// After it sent `document.join`.
    OnJoin,
}

/// Whether others may see a change before it is on disk. An acknowledgement always waits for the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Durability {
    /// Nobody sees a change that a power cut could take back (the default).
    Strict,
    /// Changes are relayed before the sync; a power cut may take back what others have already seen.
    Fast,
}

/// The form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// One readable line an event (the default).
    Text,
    /// One JSON object an event.
    Json,
}

/// Who may connect: the keys of the tokens and what their claims must say.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Auth {
    /// The HS256 key shared with the issuer. Excludes `key_file`. Without any key `signing.key` in the data directory is
    /// used.
    pub key: Option<Secret>,
    /// A file with that key, written as in `key`.
    pub key_file: Option<PathBuf>,
    /// A PEM file with public keys of the issuer.
    pub public_key_file: Option<PathBuf>,
    /// A JWKS file (RFC 7517) with keys of the issuer.
    pub jwks_file: Option<PathBuf>,
    /// A PEM file with the private key that this server signs tokens with; it accepts them too.
    pub signing_key_file: Option<PathBuf>,
    /// What a token's `aud` must contain; `None` leaves `aud` unchecked.
    pub audience: Option<String>,
    /// What a token's `iss` must be; `None` leaves `iss` unchecked.
    pub issuer: Option<String>,
    /// Seconds by which the issuer's clock may differ from ours, 0 to 300.
    pub leeway_seconds: u64,
    /// Seconds for which an access token is good that is given for a refresh token, 1 to 86,400.
    pub access_token_seconds: u64,
    /// Logins that are known at one time, families of refresh tokens and those that were revoked, 1 to 1,000,000.
    pub logins_max: usize,
}

impl Default for Auth {
    fn default() -> Self {
        Self {
            key: None,
            key_file: None,
            public_key_file: None,
            jwks_file: None,
            signing_key_file: None,
            audience: None,
            issuer: None,
            leeway_seconds: 30,
            access_token_seconds: 900,
            logins_max: 100_000,
        }
    }
}

impl Auth {
    /// Whether a key is configured, of whatever kind.
    #[must_use]
    pub const fn has_key(&self) -> bool {
        self.key.is_some()
            || self.key_file.is_some()
            || self.public_key_file.is_some()
            || self.jwks_file.is_some()
            || self.signing_key_file.is_some()
    }
}

/// How documents are named, kept in memory and kept on disk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Documents {
    /// The regular expression a whole document id must match; ids have at most 128 bytes whatever it says.
    pub id_pattern: IdPattern,
    /// Whether opening an unknown document with `document:write` creates it.
    pub create_on_open: bool,
    /// How many versions back a change's `base_version` may lie, 1 to 1,000,000.
    pub base_versions: u64,
    /// Seconds after its last member left until a document leaves memory, 1 to 86,400.
    pub idle_evict_seconds: u64,
    /// Versions from one snapshot on disk to the next, 1 to 1,000,000.
    pub snapshot_every_versions: u64,
    /// Bytes of recent changes one document keeps in memory, 64 KiB to 1 GiB.
    pub history_bytes: usize,
    /// Documents in memory at one time, over all cores, 1 to 10,000,000.
    pub loaded_documents_max: usize,
    /// Seconds from one automatic save of a document that changes to the next, 0 to 86,400; 0 for none.
    pub auto_save_seconds: u64,
}

impl Default for Documents {
    fn default() -> Self {
        Self {
            id_pattern: IdPattern::default(),
            create_on_open: true,
            base_versions: 10_000,
            idle_evict_seconds: 60,
            snapshot_every_versions: 1_000,
            history_bytes: 8 * MIB,
            loaded_documents_max: 10_000,
            auto_save_seconds: 30,
        }
    }
}

/// What one client, document or server may use at most.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Whether what is beyond the limits on connections, editors and rates is refused, or counted only.
    pub mode: LimitMode,
    /// Open WebSocket connections of the whole server, 1 to 1,000,000.
    pub connections: usize,
    /// Open WebSocket connections of one user, up to 1,000,000; 0 does not limit them.
    pub user_connections: usize,
    /// Seconds of silence after which a connection gives way to a newer one of a user at that limit, 1 to 3,600.
    pub user_silence_seconds: u64,
    /// Distinct users editing one document, 1 to 100,000.
    pub document_editors: usize,
    /// Messages of one connection accepted in any 60 seconds, up to 1,000,000,000; 0 does not limit them.
    pub messages_per_minute: u32,
    /// Messages of one connection accepted in any second, up to 1,000,000,000; 0 does not limit them.
    pub burst_per_second: u32,
    /// A message above this is a large one, 1 byte to 64 MiB.
    pub large_message_bytes: usize,
    /// Large messages of one connection accepted in any second, up to 1,000,000,000; 0 does not limit them.
    pub large_messages_per_second: u32,
    /// Refused messages within 60 seconds that close a connection, up to 1,000,000; 0 closes none.
    pub refusals_per_minute: u32,
    /// HTTP requests accepted in any 60 seconds of a user, or of an address where there is no valid token, up to
    /// 1,000,000,000; 0 does not limit them.
    pub requests_per_minute: u32,
    /// Bytes of one WebSocket message, 1 KiB to 64 MiB; not above `unfinished_message_bytes`.
    pub message_bytes: usize,
    /// UTF-8 bytes of one section, 1 KiB to 256 MiB; not above `document_bytes`.
    pub section_bytes: usize,
    /// UTF-8 bytes of one document, 1 KiB to 256 MiB.
    pub document_bytes: usize,
    /// Sections of one document, 1 to 10,000.
    pub sections: usize,
    /// Changes in one atomic batch, 1 to 100,000.
    pub batch_changes: usize,
    /// Bytes waiting to be sent on one connection, 64 KiB to 1 GiB.
    pub outbound_queue_bytes: usize,
    /// Bytes waiting to be sent on all connections, 1 MiB to 1 TiB; each core has an equal share.
    pub outbound_total_bytes: usize,
    /// Bytes of all messages received in part, over the whole server, 1 KiB to 16 GiB.
    pub unfinished_message_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            mode: LimitMode::Enforce,
            connections: 10_000,
            user_connections: 10,
            user_silence_seconds: 35,
            document_editors: 50,
            messages_per_minute: 100,
            burst_per_second: 10,
            large_message_bytes: 10 * KIB,
            large_messages_per_second: 1,
            refusals_per_minute: 20,
            requests_per_minute: 1_000,
            message_bytes: MIB,
            section_bytes: 4 * MIB,
            document_bytes: 16 * MIB,
            sections: 64,
            batch_changes: 1_000,
            outbound_queue_bytes: MIB,
            outbound_total_bytes: 256 * MIB,
            unfinished_message_bytes: 16 * MIB,
        }
    }
}

impl Limits {
    /// How often a connection may speak.
    #[must_use]
    pub const fn rates(&self) -> RateLimits {
        RateLimits {
            messages_per_minute: self.messages_per_minute,
            burst_per_second: self.burst_per_second,
            large_message_bytes: self.large_message_bytes,
            large_messages_per_second: self.large_messages_per_second,
            refusals_per_minute: self.refusals_per_minute,
        }
    }
}

/// How dead WebSocket peers are found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Heartbeat {
    /// Seconds between two pings, 1 to 3,600; up to twice as many under load.
    pub interval_seconds: u64,
    /// Seconds of silence after which a peer is dropped, 2 to 7,200; above `interval_seconds`.
    pub silence_seconds: u64,
}

impl Default for Heartbeat {
    fn default() -> Self {
        Self { interval_seconds: 30, silence_seconds: 75 }
    }
}

/// What is told of the people in documents.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Presence {
    /// Seconds without activity after which a user is idle, 1 to 86,400.
    pub idle_seconds: u64,
    /// Seconds after the last update until a presence by HTTP is over, 1 to 86,400.
    pub expire_seconds: u64,
}

impl Default for Presence {
    fn default() -> Self {
        Self { idle_seconds: 60, expire_seconds: 30 }
    }
}

/// In which header proxies say where a request comes from. The other one is passed over: a proxy that does not write it
/// lets its clients write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClientAddressHeader {
    /// `X-Forwarded-For`: addresses with commas in between (the default).
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

/// Bounds of HTTP requests.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Http {
    /// Seconds a client may take to send a request's head, 1 to 300.
    pub header_timeout_seconds: u64,
    /// Bytes of a body, or its rest, that a client has to send or take in `progress_seconds`, 1 to 1 MiB; of a large WebSocket
    /// message too, while others wait because of `unfinished_message_bytes`.
    pub progress_bytes: usize,
    /// Seconds in which `progress_bytes` have to be moved, 1 to 300.
    pub progress_seconds: u64,
    /// Bytes of a request's head, 8 KiB to 1 MiB.
    pub header_bytes: usize,
    /// Bytes of a request's body, 1 KiB to 64 MiB.
    pub body_bytes: usize,
    /// Bytes of answers that wait for their clients, over the whole server, 1 MiB to 64 GiB.
    pub answers_bytes: usize,
    /// Seconds an idle connection is kept for another request, 1 to 3,600.
    pub keep_alive_seconds: u64,
    /// Requests under way at once on one connection of HTTP/2, 1 to 10,000.
    pub streams: u32,
    /// Whose web pages may use the server; all by default.
    pub allowed_origins: Origins,
    /// The proxies whose word is taken for where a request comes from; none by default.
    pub trusted_proxies: Option<Proxies>,
    /// The header in which they say so.
    pub client_address_header: ClientAddressHeader,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            header_timeout_seconds: 10,
            progress_bytes: 16 * KIB,
            progress_seconds: 10,
            header_bytes: 16 * KIB,
            body_bytes: MIB,
            answers_bytes: 64 * MIB,
            keep_alive_seconds: 75,
            streams: 100,
            allowed_origins: Origins::default(),
            trusted_proxies: None,
            client_address_header: ClientAddressHeader::XForwardedFor,
        }
    }
}

/// The certificate. With it all connections are encrypted; without it none are.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tls {
    /// A PEM file with the certificate, and those that lead from it to its issuer. Needs `key`.
    pub certificate: Option<PathBuf>,
    /// A PEM file with the certificate's private key. Needs `certificate`.
    pub key: Option<PathBuf>,
}

/// Memory and disk figures of the database.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Storage {
    /// Bytes of write-ahead log on disk before the oldest is flushed, 1 MiB to 64 GiB.
    pub wal_bytes: usize,
    /// Bytes of the cache of blocks read from disk, 1 MiB to 1 TiB.
    pub block_cache_bytes: usize,
    /// Bytes of recent writes kept in memory before they are flushed, 1 MiB to 4 GiB.
    pub write_buffer_bytes: usize,
    /// Batches of changes that may wait for the commit thread, 1 to 1,048,576.
    pub commit_queue_batches: usize,
}

impl Default for Storage {
    fn default() -> Self {
        Self {
            wal_bytes: 256 * MIB,
            block_cache_bytes: 64 * MIB,
            write_buffer_bytes: 32 * MIB,
            commit_queue_batches: 1_024,
        }
    }
}

/// What is logged, and how. Logs go to stderr.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// The form of a line.
    pub format: LogFormat,
    /// What is logged: a level, or a list such as `info,jddb_realtime=debug` (the syntax of `RUST_LOG`).
    pub filter: String,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Text, filter: "info".to_owned() }
    }
}
