//! What is known of a document beside its texts.

use jddb_core::document::{Entry, Lock, Properties};
use jddb_core::ids::{UnixMillis, Version};
use rkyv::with::{InlineAsBox, Map};
use rkyv::{Archive, Serialize};

use super::Damage;

/// An [`Entry`] and the epoch that wrote it; its document is the key.
#[derive(Archive, Serialize)]
pub(crate) struct EntryRecord<'a> {
    epoch: u32,
    exists: bool,
    origin: u64,
    properties: Vec<PropertyRecord<'a>>,
    lock: Option<LockRecord<'a>>,
}

#[derive(Archive, Serialize)]
struct PropertyRecord<'a> {
    #[rkyv(with = InlineAsBox)]
    name: &'a str,
    #[rkyv(with = InlineAsBox)]
    value: &'a str,
}

#[derive(Archive, Serialize)]
struct LockRecord<'a> {
    since: u64,
    expires_at: Option<u64>,
    #[rkyv(with = InlineAsBox)]
    holder: &'a str,
    #[rkyv(with = Map<InlineAsBox>)]
    reason: Option<&'a str>,
}

impl<'a> EntryRecord<'a> {
    pub(crate) fn new(entry: &'a Entry, epoch: u32) -> Self {
        let lock = entry.lock.as_ref().map(|lock| LockRecord {
            since: lock.since.0,
            expires_at: lock.expires_at.map(|at| at.0),
            holder: &lock.holder,
            reason: lock.reason.as_deref(),
        });
        let properties = entry.properties.iter().map(|(name, value)| PropertyRecord { name, value }).collect();
        Self { epoch, exists: entry.exists, origin: entry.origin.0, properties, lock }
    }
}

impl ArchivedEntryRecord<'_> {
    /// The epoch that wrote it.
    pub(crate) fn epoch(&self) -> u32 {
        self.epoch.to_native()
    }

    /// Whether the document exists.
    pub(crate) fn exists(&self) -> bool {
        self.exists
    }

    pub(crate) fn to_entry(&self) -> Result<Entry, Damage> {
        let mut properties = Properties::default();
        for property in self.properties.iter() {
            let set = properties.set(&property.name, &property.value);
            set.map_err(|error| Damage::Content(format!("property {}: {error}", &*property.name)))?;
        }
        let lock = self.lock.as_ref().map(|lock| Lock {
            holder: (*lock.holder).into(),
            reason: lock.reason.as_ref().map(|reason| (**reason).into()),
            since: UnixMillis(lock.since.to_native()),
            expires_at: lock.expires_at.as_ref().map(|at| UnixMillis(at.to_native())),
        });
        Ok(Entry { exists: self.exists, origin: Version(self.origin.to_native()), properties, lock })
    }
}
