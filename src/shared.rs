//! What all threads of the server see. Nothing here is locked on the way of a message.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use arc_swap::ArcSwap;
use crossbeam::utils::CachePadded;
use jddb_core::ids::DocumentId;
use jddb_core::translation::ProjectId;
use jddb_storage::{SnapshotRequests, Store};

use crate::auth::{AuthError, Authority, RecentTokens, Shown, Token};
use crate::clock;
use crate::config::Config;
use crate::cores::{CoreMessage, Inbox};
use crate::logins::Logins;
use crate::metrics::CoreMetrics;
use crate::occupancy::Occupancy;
use crate::request_rates::RequestRates;
use crate::tls::Tls;
use crate::translations::Translations;
use crate::unfinished::Unfinished;
use crate::visits::Visits;

/// Shards that documents are hashed to, and that are dealt out to the cores. More than any machine has cores.
const SHARDS: u32 = 4096;

/// What all threads of the server see.
#[derive(Debug)]
pub struct Shared {
    /// The settings at the start. What is read again while the server runs reaches each core by its inbox.
    pub config: Config,
    /// What connections are encrypted with; `None` if they are not.
    pub tls: Option<Tls>,
    /// Who checks tokens: another one after the keys were read again. Looking at it takes no lock.
    pub authority: ArcSwap<Authority>,
    /// Which refresh tokens are good, and what was revoked. Looking at that takes no lock either.
    pub logins: Logins,
    /// The translation memory.
    pub translations: Translations,
    /// The documents on disk.
    pub store: Arc<Store>,
    /// Where to ask for snapshots.
    pub snapshots: SnapshotRequests,
    /// One inbox a core.
    pub inboxes: Vec<Inbox>,
    /// What each core counts.
    pub metrics: Vec<CachePadded<CoreMetrics>>,
    /// WebSocket connections open or being opened, over all cores.
    pub occupancy: Arc<Occupancy>,
    /// HTTP requests of the last minute, over all cores.
    pub request_rates: Arc<RequestRates>,
    /// What is held of unfinished messages and bodies, over all connections.
    pub unfinished: Unfinished,
    /// In which document each user is by HTTP.
    pub visits: Visits,
    /// Messages are sent back as they came: the server is there for a conformance suite.
    pub echoes: bool,
    /// The server is about to stop: it serves as ever, and says that it is not ready.
    pub leaving: AtomicBool,
    /// The server is stopping.
    pub draining: AtomicBool,
    /// Cores that still accept requests, or have some in flight.
    pub fronts: AtomicUsize,
}

/// The core, of so many, that a name leads to.
pub(crate) fn core_of_name(name: &str, cores: usize) -> usize {
    (crc32fast::hash(name.as_bytes()) % SHARDS) as usize % cores
}

impl Shared {
    /// The core that owns a document.
    #[must_use]
    pub fn core_of(&self, document_id: &DocumentId) -> usize {
        core_of_name(document_id.as_str(), self.inboxes.len())
    }

    /// The core on which all meet who translate in a project.
    #[must_use]
    pub fn core_of_project(&self, project: &ProjectId) -> usize {
        core_of_name(project.as_str(), self.inboxes.len())
    }

    /// The core that takes a connection of this name, where no document says which.
    #[must_use]
    pub fn core_for(&self, connection_id: &str) -> usize {
        crc32fast::hash(connection_id.as_bytes()) as usize % self.inboxes.len()
    }

    /// What a token is, and whose, if it is good now.
    ///
    /// # Errors
    /// It is not: see [`Authority::read`]; or it was revoked.
    pub fn read_token(&self, token: &Token) -> Result<Shown, AuthError> {
        let shown = self.authority.load().read(token, clock::now_unix_seconds())?;
        self.logins.check(&shown.identity().pass)?;
        Ok(shown)
    }

    /// The same of a token that may have been found good before.
    ///
    /// # Errors
    /// The same.
    pub(crate) fn read_recent_token(&self, recent: &RecentTokens, token: &Token) -> Result<Shown, AuthError> {
        let shown = recent.read(&self.authority.load(), token, clock::now_unix_seconds())?;
        self.logins.check(&shown.identity().pass)?;
        Ok(shown)
    }

    /// Asks the core that owns `document_id`.
    ///
    /// # Errors
    /// The core has too much to do; the message comes back.
    pub fn send(&self, document_id: &DocumentId, message: CoreMessage) -> Result<(), CoreMessage> {
        self.inboxes[self.core_of(document_id)].send(message)
    }

    /// Tells every core something. For other threads than theirs: a full inbox is waited for.
    pub fn tell_cores(&self, message: impl Fn() -> CoreMessage) {
        for inbox in &self.inboxes {
            let mut message = message();
            // It empties: its core is running.
            while let Err(refused) = inbox.send(message) {
                message = refused;
                std::thread::yield_now();
            }
        }
    }

    /// Whether the server stops, now or in a moment: others should be asked.
    #[must_use]
    pub fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::Acquire) || self.draining.load(Ordering::Acquire)
    }
}
