//! Keys of the records that a document has many of: document, 0x00, version.
//!
//! A document id is visible ASCII, so the 0x00 ends it: all keys of a document are neighbours, in the
//! order of their versions, and no other document's key lies between them.

use jddb_core::ids::{DocumentId, Version};

/// Bytes of a version at the end of a key.
const VERSION_BYTES: usize = size_of::<u64>();

/// The key of a document's record of one version.
pub(crate) fn versioned(document: &DocumentId, version: Version) -> Vec<u8> {
    let name = document.as_str().as_bytes();
    let mut key = Vec::with_capacity(name.len() + 1 + VERSION_BYTES);
    key.extend_from_slice(name);
    key.push(0);
    key.extend_from_slice(&version.0.to_be_bytes());
    key
}

/// The key of the plan of a document's session. It begins as no document's name does.
pub(crate) fn plan(document: &DocumentId) -> Vec<u8> {
    [&PLANS_FROM, document.as_str().as_bytes()].concat()
}

/// What the keys of all plans begin with.
pub(crate) const PLANS_FROM: [u8; 1] = [0];
/// The first key after them all.
pub(crate) const PLANS_TO: [u8; 1] = [1];

/// The document whose plan has this key.
pub(crate) fn document_of_plan(key: &[u8]) -> Option<DocumentId> {
    let name = key.strip_prefix(&PLANS_FROM)?;
    DocumentId::new(str::from_utf8(name).ok()?).ok()
}

/// The first key that a document's record could have, and the first one after them all.
pub(crate) fn bounds(document: &DocumentId) -> (Vec<u8>, Vec<u8>) {
    let with_end = |end: u8| [document.as_str().as_bytes(), &[end]].concat();
    (with_end(0), with_end(1))
}

/// The version at the end of a key; `None` if the key is too short to have one.
pub(crate) fn version_of(key: &[u8]) -> Option<Version> {
    key.last_chunk().map(|bytes| Version(u64::from_be_bytes(*bytes)))
}

/// The part of a key that all records of a document share; RocksDB keeps a bloom filter of it.
pub(crate) fn document_part(key: &[u8]) -> &[u8] {
    key.len().checked_sub(VERSION_BYTES).map_or(key, |end| &key[..end])
}

/// Whether a key has a [`document_part`] and a version after it.
pub(crate) fn has_version(key: &[u8]) -> bool {
    key.len() > VERSION_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_a_document_are_neighbours_in_order_of_version() {
        let id = |name| DocumentId::new(name).unwrap();
        let mut keys = Vec::new();
        for name in ["a", "a!", "aa", "ab", "b"] {
            for version in [0, 1, 255, 256, u64::MAX] {
                keys.push(versioned(&id(name), Version(version)));
            }
            let (from, to) = bounds(&id(name));
            for key in &keys[keys.len() - 5..] {
                assert!(from <= *key && *key < to);
                assert_eq!(document_part(key), from);
            }
        }
        assert!(keys.is_sorted());
        assert_eq!(version_of(&keys[3]), Some(Version(256)));
        assert_eq!(version_of(b"short"), None);
    }
}
