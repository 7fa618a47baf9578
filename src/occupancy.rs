//! Who is connected, over all cores: counted when somebody comes and when they go, and never in between.
//!
//! A [`Seat`] is one connection's share of `limits.connections` and of its user's `limits.user_connections`. It is taken
//! before a document's core is asked for anything, travels with the socket, and gives itself back when it is dropped, on
//! whatever way a connection fails to come to be or ends.
//!
//! Users are spread over shards, each behind a lock of its own. The lock is held for a look-up, on no message's way.

use std::cell::Cell;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use jddb_core::limits::ConnectionLimit;
use parking_lot::Mutex;

/// Far more than cores, so that they rarely meet.
const SHARDS: usize = 64;

/// The connections of the whole server. Bounded by `limits.connections`, as are the users that it knows.
#[derive(Debug)]
pub struct Occupancy {
    connections: AtomicUsize,
    shards: [Mutex<Shard>; SHARDS],
}

#[derive(Debug, Default)]
struct Shard {
    /// Users with a connection.
    users: HashMap<Box<str>, User>,
    /// Seats taken here so far.
    seats: u64,
}

#[derive(Debug, Default)]
struct User {
    connections: usize,
    /// Seats of connections that nothing is heard of, the longest silent first: since when, and the seat's number.
    silent: BTreeSet<(Duration, u64)>,
}

/// How many may be connected; 0 for a user's connections is no limit.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionsMax {
    /// In all.
    pub connections: usize,
    /// Of one user.
    pub user_connections: usize,
    /// Whether whoever is beyond that is refused, or only told of.
    pub enforced: bool,
}

/// One connection among the others.
#[derive(Debug)]
pub struct Seat {
    occupancy: Arc<Occupancy>,
    user_id: Box<str>,
    number: u64,
    /// Since when nothing has been heard of the connection, where the others were told so: it may be displaced.
    silent_since: Cell<Option<Duration>>,
}

impl Default for Occupancy {
    fn default() -> Self {
        Self { connections: AtomicUsize::new(0), shards: std::array::from_fn(|_| Mutex::default()) }
    }
}

impl Occupancy {
    /// How many connections there are, open or being opened.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Acquire)
    }

    /// How many users have a connection.
    #[must_use]
    pub fn users(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().users.len()).sum()
    }

    /// A seat for one more connection of a user. At the user's limit that of their longest silent connection is
    /// taken over, if one is silent; see [`Seat::is_displaced`]. Where limits are not enforced the limit that would
    /// have refused it comes with the seat.
    ///
    /// # Errors
    /// The limit that has been reached.
    pub fn take(
        self: &Arc<Self>,
        user_id: &str,
        max: ConnectionsMax,
    ) -> Result<(Seat, Option<ConnectionLimit>), ConnectionLimit> {
        let mut shard = self.shard(user_id).lock();
        let Shard { users, seats } = &mut *shard;
        let (open, has_silent) =
            users.get(user_id).map_or((0, false), |user| (user.connections, !user.silent.is_empty()));
        let user_is_full = max.user_connections != 0 && open >= max.user_connections;
        let mut exceeded = (user_is_full && !has_silent).then_some(ConnectionLimit::UserConnections);
        let more = |count| (count < max.connections).then_some(count + 1);
        match exceeded {
            Some(limit) if max.enforced => return Err(limit),
            Some(_) => {
                self.connections.fetch_add(1, Ordering::AcqRel);
            }
            None if self.connections.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).is_ok() => {}
            None if max.enforced => return Err(ConnectionLimit::Connections),
            None => {
                exceeded = Some(ConnectionLimit::Connections);
                self.connections.fetch_add(1, Ordering::AcqRel);
            }
        }
        let user = users.entry(user_id.into()).or_default();
        let displaces = user_is_full && max.enforced && user.silent.pop_first().is_some();
        user.connections += usize::from(!displaces);
        *seats += 1;
        let seat = Seat {
            occupancy: Arc::clone(self),
            user_id: user_id.into(),
            number: *seats,
            silent_since: Cell::new(None),
        };
        Ok((seat, exceeded))
    }

    fn shard(&self, user_id: &str) -> &Mutex<Shard> {
        &self.shards[crc32fast::hash(user_id.as_bytes()) as usize % SHARDS]
    }
}

impl Seat {
    /// Nothing has been heard of the connection since then: a newer one of its user may have the seat.
    pub fn offer(&self, silent_since: Duration) {
        let mut shard = self.occupancy.shard(&self.user_id).lock();
        if self.silent_since.get().is_none()
            && let Some(user) = shard.users.get_mut(&self.user_id)
        {
            user.silent.insert((silent_since, self.number));
            self.silent_since.set(Some(silent_since));
        }
    }

    /// Whether the seat is on offer, or gone.
    #[must_use]
    pub const fn is_offered(&self) -> bool {
        self.silent_since.get().is_some()
    }

    /// Whether another connection of the user has the seat by now. This one is to be closed.
    #[must_use]
    pub fn is_displaced(&self) -> bool {
        let Some(since) = self.silent_since.get() else { return false };
        let shard = self.occupancy.shard(&self.user_id).lock();
        !shard.users.get(&self.user_id).is_some_and(|user| user.silent.contains(&(since, self.number)))
    }

    /// The connection is heard again: the seat is no longer on offer, unless it is gone.
    pub fn keep(&self) {
        let Some(since) = self.silent_since.get() else { return };
        let mut shard = self.occupancy.shard(&self.user_id).lock();
        let user = shard.users.get_mut(&self.user_id);
        if user.is_some_and(|user| user.silent.remove(&(since, self.number))) {
            self.silent_since.set(None);
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut shard = self.occupancy.shard(&self.user_id).lock();
        self.occupancy.connections.fetch_sub(1, Ordering::AcqRel);
        let Some(user) = shard.users.get_mut(&self.user_id) else { return };
        let is_own = self.silent_since.get().is_none_or(|since| user.silent.remove(&(since, self.number)));
        user.connections -= usize::from(is_own);
        if user.connections == 0 {
            shard.users.remove(&self.user_id);
            if shard.users.is_empty() {
                shard.users = HashMap::new();
            }
        }
    }
}

#[cfg(test)]
mod tests;
