//! The bytes of records.
//!
//! A value is: format (1 byte), CRC-32 (4 bytes, little endian) over the key, the format and the body,
//! then the body, an rkyv archive. The archives have no alignment and little-endian numbers, so that
//! they are read in place from RocksDB's memory on every machine. The frame stays the same in all
//! formats: a record of a newer one is told from a damaged one. Version numbers are in the key only.

mod change;
mod entry;
mod login;
mod plan;
mod save;
mod session;
mod snapshot;
mod term;
mod translation;

use rkyv::Portable;
use rkyv::api::high::{HighSerializer, HighValidator};
use rkyv::bytecheck::CheckBytes;
use rkyv::rancor::{self, Panic, ResultExt};
use rkyv::ser::allocator::ArenaHandle;

use crate::family::Family;

pub(crate) use change::{ArchivedChangeRecord, ChangeRecord};
pub(crate) use entry::{ArchivedEntryRecord, EntryRecord};
pub(crate) use login::{ArchivedLoginRecord, LoginRecord};
pub(crate) use plan::{ArchivedPlanRecord, PlanRecord};
pub(crate) use save::{ArchivedSaveRecord, SaveRecord};
pub(crate) use session::{ArchivedSessionRecord, SessionRecord};
pub(crate) use snapshot::{ArchivedSnapshotRecord, SnapshotRecord};
pub(crate) use term::{ArchivedTermRecord, TermRecord};
pub(crate) use translation::{ArchivedTranslationRecord, TranslationRecord};

/// The format that is written. Older ones that are still read would be listed beside it.
pub(crate) const FORMAT: u8 = 1;

/// Bytes before the body: format and checksum.
const HEADER_BYTES: usize = 5;

/// A record ready to be written, or records to be erased. It is made on the document's core and only copied after that.
#[derive(Clone, PartialEq, Eq)]
pub struct EncodedRecord {
    pub(crate) family: Family,
    pub(crate) key: Vec<u8>,
    pub(crate) write: Write,
}

/// What is done at a key.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Write {
    /// It has this value.
    Put(Vec<u8>),
    /// It is erased.
    Erase,
    /// It is erased, with all keys up to this one, which stays.
    EraseUpTo(Vec<u8>),
}

impl EncodedRecord {
    /// What removes the record of that key.
    pub(crate) const fn removal(family: Family, key: Vec<u8>) -> Self {
        Self { family, key, write: Write::Erase }
    }

    /// Key and value together, in bytes.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        let written = match &self.write {
            Write::Put(bytes) | Write::EraseUpTo(bytes) => bytes.len(),
            Write::Erase => 0,
        };
        self.key.len() + written
    }
}

impl std::fmt::Debug for EncodedRecord {
    /// Without the content, which is the users'.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EncodedRecord")
            .field("family", &self.family)
            .field("bytes", &self.bytes())
            .finish_non_exhaustive()
    }
}

/// What is wrong with a record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Damage {
    #[error("record of {0} bytes is too short to have a header")]
    TooShort(usize),
    #[error("checksum is {computed:08x}, expected {stored:08x}")]
    Checksum { stored: u32, computed: u32 },
    #[error("format {found} is newer than {supported}")]
    NewerFormat { found: u8, supported: u8 },
    #[error("structure is invalid: {0}")]
    Structure(String),
    #[error("{0}")]
    Content(String),
}

/// A value of a newly written record.
pub(crate) fn encode(
    key: &[u8],
    record: &impl for<'a> rkyv::Serialize<HighSerializer<Vec<u8>, ArenaHandle<'a>, Panic>>,
) -> Vec<u8> {
    // It panics only where memory does not suffice, as every other allocation does.
    let value = rkyv::api::high::to_bytes_in(record, header()).always_ok();
    seal(key, value)
}

/// A value with a body that is no archive.
pub(crate) fn encode_plain(key: &[u8], body: &[u8]) -> Vec<u8> {
    let mut value = header();
    value.extend_from_slice(body);
    seal(key, value)
}

/// Reads an archive in place.
pub(crate) fn access<'a, T>(key: &[u8], value: &'a [u8]) -> Result<&'a T, Damage>
where
    T: Portable + for<'b> CheckBytes<HighValidator<'b, rancor::Error>>,
{
    let body = open(key, value)?;
    rkyv::access::<T, rancor::Error>(body).map_err(|error| Damage::Structure(error.to_string()))
}

/// The body of a value whose checksum is right and whose format is known.
pub(crate) fn open<'a>(key: &[u8], value: &'a [u8]) -> Result<&'a [u8], Damage> {
    let Some((header, body)) = value.split_first_chunk::<HEADER_BYTES>() else {
        return Err(Damage::TooShort(value.len()));
    };
    let [format, stored @ ..] = *header;
    let stored = u32::from_le_bytes(stored);
    let computed = checksum(key, format, body);
    if stored != computed {
        return Err(Damage::Checksum { stored, computed });
    }
    match format {
        FORMAT => Ok(body),
        0 => Err(Damage::Content("format is 0, which never was written".to_owned())),
        found => Err(Damage::NewerFormat { found, supported: FORMAT }),
    }
}

fn header() -> Vec<u8> {
    [&[FORMAT][..], &[0; HEADER_BYTES - 1]].concat()
}

/// Puts the checksum into a value that starts with [`header`].
fn seal(key: &[u8], mut value: Vec<u8>) -> Vec<u8> {
    let checksum = checksum(key, value[0], &value[HEADER_BYTES..]);
    value[1..HEADER_BYTES].copy_from_slice(&checksum.to_le_bytes());
    value
}

fn checksum(key: &[u8], format: u8, body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(key);
    hasher.update(&[format]);
    hasher.update(body);
    hasher.finalize()
}

#[cfg(test)]
mod tests;
