//! What is known of a login, or of a user's logins.

use rkyv::{Archive, Serialize};

use super::Damage;
use crate::logins::LoginEntry;

/// The kinds of [`LoginEntry`]. They are on disk: never change one.
const FAMILY: u8 = 1;
const REVOKED: u8 = 2;
const USER: u8 = 3;

/// A [`LoginEntry`]; whose it is is the key.
#[derive(Archive, Serialize)]
pub(crate) struct LoginRecord {
    /// Unix seconds; what they say depends on the kind.
    at: u64,
    /// 0 where it is no family.
    generation: u32,
    kind: u8,
}

impl LoginRecord {
    pub(crate) const fn new(entry: LoginEntry) -> Self {
        match entry {
            LoginEntry::Family { generation, ends_at } => Self { at: ends_at, generation, kind: FAMILY },
            LoginEntry::Revoked { ends_at } => Self { at: ends_at, generation: 0, kind: REVOKED },
            LoginEntry::User { revoked_at } => Self { at: revoked_at, generation: 0, kind: USER },
        }
    }
}

impl ArchivedLoginRecord {
    /// The entry.
    pub(crate) fn to_entry(&self) -> Result<LoginEntry, Damage> {
        let at = self.at.to_native();
        match self.kind {
            FAMILY => Ok(LoginEntry::Family { generation: self.generation.to_native(), ends_at: at }),
            REVOKED => Ok(LoginEntry::Revoked { ends_at: at }),
            USER => Ok(LoginEntry::User { revoked_at: at }),
            other => Err(Damage::Content(format!("kind {other}, which never was written"))),
        }
    }
}
