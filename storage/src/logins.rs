//! What is known of logins: which refresh token of each family is good, and what was revoked.
//!
//! The server keeps all of it in memory, and asks for it once, at its start.

use rocksdb::ReadOptions;

use crate::error::LoadError;
use crate::family::Family;
use crate::record::{self, ArchivedLoginRecord, EncodedRecord, LoginRecord, Write};
use crate::store::Store;

/// What names a login or a user without telling who it is.
pub type LoginKey = [u8; 16];

/// What is known of a login, or of all logins of a user. Times are Unix seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginEntry {
    /// A family of refresh tokens.
    Family {
        /// The generation that is good.
        generation: u32,
        /// When the last of its tokens expires.
        ends_at: u64,
    },
    /// A login that was revoked.
    Revoked {
        /// When the last of its tokens expires.
        ends_at: u64,
    },
    /// A user, of whom everything was revoked that was given out by then.
    User {
        /// When.
        revoked_at: u64,
    },
}

impl Store {
    /// The record of a login or of a user, to be committed. It replaces the one before.
    #[must_use]
    pub fn encode_login(&self, key: LoginKey, entry: LoginEntry) -> EncodedRecord {
        let value = record::encode(&key, &LoginRecord::new(entry));
        EncodedRecord { family: Family::Logins, key: key.to_vec(), write: Write::Put(value) }
    }

    /// What removes the record of a login, to be committed.
    #[must_use]
    pub fn encode_login_end(&self, key: LoginKey) -> EncodedRecord {
        EncodedRecord::removal(Family::Logins, key.to_vec())
    }

    /// All that is known of logins.
    ///
    /// # Errors
    /// A record is damaged or of a newer server, or the disk fails: then it is not known what was revoked.
    pub fn load_logins(&self) -> Result<Vec<(LoginKey, LoginEntry)>, LoadError> {
        let unreadable = |reason: String| LoadError::Logins { reason };
        let mut rows = self.db().raw_iterator_cf_opt(self.family(Family::Logins), ReadOptions::default());
        let mut logins = Vec::new();
        rows.seek_to_first();
        while let Some((key, value)) = rows.item() {
            let named = LoginKey::try_from(key);
            let named = named.map_err(|_| unreadable(format!("a key of {} bytes, expected 16", key.len())))?;
            let entry = record::access::<ArchivedLoginRecord>(key, value).and_then(ArchivedLoginRecord::to_entry);
            logins.push((named, entry.map_err(|damage| unreadable(damage.to_string()))?));
            rows.next();
        }
        rows.status().map_err(|error| unreadable(error.into_string()))?;
        Ok(logins)
    }
}
