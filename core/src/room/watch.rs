//! Watching over clients' copies: whoever tells a checksum that is not the document's is sent the whole.

use std::time::Duration;

use super::{MemberKey, Room};
use crate::ids::{UnixMillis, Version};

/// A connection is healed at most once in so much of the room's time, whatever it says.
const HEAL_INTERVAL: Duration = Duration::from_secs(10);
/// So many differences are kept until somebody logs them; further ones are counted.
const DIVERGENCES_KEPT_MAX: usize = 64;

/// A client's text was not the server's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Divergence {
    /// Whose client.
    pub user_id: Box<str>,
    /// Which connection.
    pub connection_id: Box<str>,
    /// The version compared.
    pub version: Version,
    /// The checksum of the client's text.
    pub clients_crc32: u32,
    /// The checksum of the document.
    pub crc32: u32,
}

/// What is known of differences.
#[derive(Debug, Default)]
pub(super) struct Watch {
    count: u64,
    unreported: Vec<Divergence>,
}

impl Room {
    /// A client's text at the current version is not the document's. It is sent the document, unless that was
    /// done just before: a client that is wrong each time costs a checksum.
    pub(super) fn heal(&mut self, now: UnixMillis, key: MemberKey, clients_crc32: u32, crc32: u32) {
        self.watch.count += 1;
        let version = self.document.version();
        let at = self.clock.at(now);
        let Some(member) = self.members.get_mut(key) else { return };
        // Where the wall clock had been set forward, and it was later than it is, it is healed once more.
        if member.healed_at.is_some_and(|healed| (healed..healed + HEAL_INTERVAL).contains(&at)) {
            return;
        }
        member.healed_at = Some(at);
        if self.watch.unreported.len() < DIVERGENCES_KEPT_MAX {
            self.watch.unreported.push(Divergence {
                user_id: member.user.user_id.clone(),
                connection_id: member.connection_id.clone(),
                version,
                clients_crc32,
                crc32,
            });
        }
        if self.check_states_queued(key).is_ok() {
            self.send_full_state(now, key);
        }
    }

    /// The differences found since the last call, for the log; those of one connection ten seconds apart at least.
    pub fn take_divergences(&mut self) -> Vec<Divergence> {
        std::mem::take(&mut self.watch.unreported)
    }

    /// How many heartbeats told of a text that is not the document's, since the last call.
    pub const fn take_divergence_count(&mut self) -> u64 {
        std::mem::replace(&mut self.watch.count, 0)
    }
}
