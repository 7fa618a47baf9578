//! Documents on disk: a journal of changes and snapshots in RocksDB, with group commit.
//!
//! A change is durable once the [`Committer`] has published its sequence: then it is in a write-ahead
//! log that was synced, and neither a crash nor a power cut takes it back. After a failed write or sync
//! nothing is ever committed again until the next start, since nobody knows what the disk has kept.
//!
//! It is not a general key-value store, it keeps no document in memory (the caches are RocksDB's, and
//! bounded by [`StoreOptions`]), it applies no change (`jddb-core` does), and it is no asynchronous
//! interface: reads block on the disk, so they belong on a thread that may block.
//!
//! The parts, in reading order:
//!
//! 1. [`DataDirectory`]: one server per directory.
//! 2. `record`: what the bytes of each kind of record are, and how damage is found.
//! 3. [`StoreOptions`] and the column families: how RocksDB is set up, and why.
//! 4. [`Store`]: opening, epochs, encoding; `load`: reading a document back; `catalogue`: which there are;
//!    `history`: what was done to one; `logins`: what is known of tokens;
//!    `translations`, `glossary`: the translation memory, and its terms.
//! 5. [`Committer`]: one thread that makes what all cores submit durable.
//! 6. [`Snapshotter`]: one thread that shortens what the next load has to read.

#![deny(unsafe_code)]

mod catalogue;
mod clock;
mod commit;
mod directory;
mod error;
mod family;
mod glossary;
mod history;
mod key;
mod load;
mod logins;
mod meta;
mod options;
mod record;
mod snapshotter;
mod store;
mod translations;

pub use catalogue::{Listed, Listing};
pub use commit::{
    CommitBatch, CommitFigures, CommitHandle, CommitStatistics, Committer, GROUP_BYTES_MAX, RefusalReason, Refused,
    Waker,
};
pub use directory::{DataDirectory, LockError};
pub use error::{LoadError, OpenError, WriteError};
pub use family::Family;
pub use history::{VersionEntry, Versions};
pub use load::Loaded;
pub use logins::{LoginEntry, LoginKey};
pub use options::{Durability, StoreOptions};
pub use record::EncodedRecord;
pub use snapshotter::{SnapshotMaker, SnapshotRequests, Snapshotter};
pub use store::Store;
