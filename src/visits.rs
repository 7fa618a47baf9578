//! Where each user is by HTTP, over all cores: they say one document, and are no longer in the one before.
//!
//! The documents' cores keep the visits themselves; this only knows which core has to hear that somebody is elsewhere.
//! Users are spread over shards, each behind a lock of its own, which is held for a look-up, on no message's way.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jddb_core::ids::DocumentId;
use parking_lot::Mutex;

/// Far more than cores, so that they rarely meet.
const SHARDS: usize = 64;
/// The most users of a shard who are in a document by HTTP.
const SHARD_USERS_MAX: usize = 1_024;

/// Where each user is by HTTP.
#[derive(Debug)]
pub struct Visits {
    numbers: AtomicU64,
    shards: [Mutex<HashMap<Box<str>, Visit>>; SHARDS],
    users_max: usize,
}

/// A user's newest visit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visit {
    /// The document.
    pub document_id: DocumentId,
    /// Higher than those of the visits that were begun before it.
    pub number: u64,
    /// When it is over if nothing more is heard of it.
    pub expires_at: Duration,
}

impl Default for Visits {
    fn default() -> Self {
        Self {
            numbers: AtomicU64::new(0),
            shards: std::array::from_fn(|_| Mutex::default()),
            users_max: SHARD_USERS_MAX,
        }
    }
}

impl Visits {
    /// A number for a visit that begins, or is renewed.
    pub fn next_number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The document a user is in by HTTP, as far as is known.
    #[must_use]
    pub fn document_of(&self, user_id: &str) -> Option<DocumentId> {
        self.shard(user_id).lock().get(user_id).map(|visit| visit.document_id.clone())
    }

    /// Whether one more user can be kept, if this one is not yet.
    #[must_use]
    pub fn has_room_for(&self, user_id: &str, now: Duration) -> bool {
        let mut users = self.shard(user_id).lock();
        if users.len() >= self.users_max && !users.contains_key(user_id) {
            users.retain(|_, visit| visit.expires_at > now);
        }
        users.len() < self.users_max || users.contains_key(user_id)
    }

    /// A user is in a document by HTTP. The visit that is over by that: the one before, or this one if it was overtaken.
    pub fn enter(&self, user_id: &str, visit: Visit) -> Option<Visit> {
        let mut users = self.shard(user_id).lock();
        let over = match users.get(user_id) {
            Some(newest) if newest.number > visit.number => return elsewhere(visit, newest),
            Some(before) => elsewhere(before.clone(), &visit),
            None => None,
        };
        users.insert(user_id.into(), visit);
        over
    }

    /// A user is in no document by HTTP, since `number` was given out. The visit that is over by that.
    pub fn leave(&self, user_id: &str, number: u64) -> Option<Visit> {
        let mut users = self.shard(user_id).lock();
        let is_before = users.get(user_id).is_some_and(|visit| visit.number < number);
        if is_before { users.remove(user_id) } else { None }
    }

    fn shard(&self, user_id: &str) -> &Mutex<HashMap<Box<str>, Visit>> {
        &self.shards[crc32fast::hash(user_id.as_bytes()) as usize % SHARDS]
    }
}

fn elsewhere(visit: Visit, newer: &Visit) -> Option<Visit> {
    (visit.document_id != newer.document_id).then_some(visit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn visit(document: &str, number: u64, expires_at: u64) -> Visit {
        let document_id = DocumentId::new(document).unwrap();
        Visit { document_id, number, expires_at: Duration::from_secs(expires_at) }
    }

    #[test]
    fn a_user_is_in_one_document_the_newest() {
        let visits = Visits::default();
        let numbers: Vec<u64> = (0..9).map(|_| visits.next_number()).collect();
        assert!(numbers.is_sorted_by(|before, after| before < after));
        assert_eq!(visits.enter("ann", visit("a", 1, 9)), None);
        assert_eq!(visits.enter("ben", visit("b", 2, 9)), None);
        assert_eq!(visits.enter("ann", visit("a", 3, 9)), None, "the same again");
        assert_eq!(visits.enter("ann", visit("b", 5, 9)), Some(visit("a", 3, 9)));
        assert_eq!(visits.enter("ann", visit("c", 4, 9)), Some(visit("c", 4, 9)), "overtaken on the way");
        assert_eq!(visits.enter("ann", visit("b", 4, 9)), None, "overtaken by the same");
        assert_eq!(visits.leave("ann", 4), None, "overtaken on the way");
        assert_eq!(visits.leave("ann", 6), Some(visit("b", 5, 9)));
        assert_eq!(visits.leave("ann", 7), None);
    }

    #[test]
    fn so_many_users_and_no_more() {
        let visits = Visits { users_max: 1, ..Visits::default() };
        let users: Vec<String> = (0..1_000).map(|number| format!("user_{number}")).collect();
        for user in &users {
            if visits.has_room_for(user, Duration::ZERO) {
                visits.enter(user, visit("a", 1, 5));
            }
        }
        let kept = |visits: &Visits| visits.shards.iter().map(|shard| shard.lock().len()).sum::<usize>();
        assert_eq!(kept(&visits), SHARDS);
        let newcomer = users.iter().find(|user| !visits.has_room_for(user, Duration::from_secs(4))).unwrap();
        assert!(visits.has_room_for(newcomer, Duration::from_secs(5)), "whose visit is over gives way");
        assert!(kept(&visits) < SHARDS);
    }
}
