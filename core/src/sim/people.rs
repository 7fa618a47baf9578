//! Who is here, counted the slow way: from the connections there are, and from what came on each of them when.

use std::collections::BTreeMap;

use super::checked::{Checked, ensure, there};
use crate::ids::UnixMillis;
use crate::room::{MemberKey, Presence, Room, Status};

/// After so long without activity a user is idle.
pub(super) const IDLE_AFTER_MS: u64 = 60_000;
/// So long a presence by HTTP lasts.
pub(super) const VISIT_MS: u64 = 30_000;

/// One connection.
#[derive(Clone, Debug)]
struct Connection {
    key: MemberKey,
    user_id: String,
    active_at: UnixMillis,
}

/// What all connections of the other users have to be told, in this order.
#[derive(Clone, Debug)]
struct Told {
    user_id: String,
    status: &'static str,
}

/// A connection that is told, and how much of it it has been: all of it in this order, as long as it reads all that it can
/// be sent; and then the newest of each user, at least.
#[derive(Clone, Debug)]
struct Listener {
    key: MemberKey,
    user_id: String,
    heard: usize,
    from: usize,
    /// What it has heard last of each user.
    newest: BTreeMap<String, usize>,
    is_slow: bool,
}

/// The connections, what has to be told of the users behind them, and who has heard how much of it.
#[derive(Debug, Default)]
pub(super) struct People {
    connections: Vec<Connection>,
    idle: Vec<String>,
    told: Vec<Told>,
    listeners: Vec<Listener>,
}

impl People {
    fn is_here(&self, user_id: &str) -> bool {
        self.connections.iter().any(|connection| connection.user_id == user_id)
    }

    fn tell(&mut self, user_id: &str, status: &'static str) {
        self.told.push(Told { user_id: user_id.to_owned(), status });
    }

    /// A connection has come; it is told of the others at once, or when it asks for that.
    pub(super) fn come(&mut self, now: UnixMillis, key: MemberKey, user_id: &str, listens: bool) {
        let is_first = !self.is_here(user_id);
        self.connections.push(Connection { key, user_id: user_id.to_owned(), active_at: now });
        if listens {
            self.listens(key);
        }
        if is_first {
            self.tell(user_id, "joined");
        } else {
            self.wake(user_id);
        }
    }

    /// From here on the connection is told of the others.
    pub(super) fn listens(&mut self, key: MemberKey) {
        let connection = self.connections.iter().find(|connection| connection.key == key);
        if let Some(Connection { user_id, .. }) = connection
            && self.listeners.iter().all(|listener| listener.key != key)
        {
            let (user_id, from) = (user_id.clone(), self.told.len());
            self.listeners.push(Listener { key, user_id, heard: from, from, newest: BTreeMap::new(), is_slow: false });
        }
    }

    /// A connection has gone.
    pub(super) fn go(&mut self, key: MemberKey) {
        self.listeners.retain(|listener| listener.key != key);
        let Some(at) = self.connections.iter().position(|connection| connection.key == key) else { return };
        let gone = self.connections.remove(at);
        if !self.is_here(&gone.user_id) {
            self.idle.retain(|idle| *idle != gone.user_id);
            self.tell(&gone.user_id, "left");
        } else if let Some(other) = self.connections.iter_mut().find(|other| other.user_id == gone.user_id) {
            // What the user did on it was done all the same.
            other.active_at = other.active_at.max(gone.active_at);
        }
    }

    /// A user has done something by way of a connection.
    pub(super) fn act(&mut self, now: UnixMillis, key: MemberKey) {
        let Some(connection) = self.connections.iter_mut().find(|connection| connection.key == key) else { return };
        connection.active_at = now;
        let user_id = connection.user_id.clone();
        self.wake(&user_id);
    }

    fn wake(&mut self, user_id: &str) {
        if let Some(at) = self.idle.iter().position(|idle| idle == user_id) {
            self.idle.remove(at);
            self.tell(user_id, "active");
        }
    }

    /// Time has passed; how many users have become idle by that.
    pub(super) fn tick(&mut self, now: UnixMillis) -> usize {
        let last = |user_id: &str| {
            let of_user = self.connections.iter().filter(|connection| connection.user_id == user_id);
            of_user.map(|connection| connection.active_at).max()
        };
        let mut fallen: Vec<String> = self.connections.iter().map(|connection| connection.user_id.clone()).collect();
        fallen.sort();
        fallen.dedup();
        fallen.retain(|user_id| {
            let is_silent = last(user_id).is_some_and(|at| now.since(at) >= IDLE_AFTER_MS);
            is_silent && !self.idle.contains(user_id)
        });
        fallen.iter().for_each(|user_id| self.tell(user_id, "idle"));
        let count = fallen.len();
        self.idle.extend(fallen);
        count
    }

    /// A connection is sent a message about somebody: it has to be the next one that it has not been sent, or for one that
    /// was too slow for all a later one about that user.
    pub(super) fn check_told(&mut self, key: MemberKey, user_id: &str, status: &str, is_slow: bool) -> Checked {
        let listener = self.listeners.iter_mut().find(|listener| listener.key == key);
        let listener = there(listener, "whoever is told of others")?;
        listener.is_slow |= is_slow;
        if listener.is_slow {
            let since = listener.newest.get(user_id).map_or(listener.from, |heard| heard + 1);
            let is_it = |told: &Told| (&*told.user_id, told.status) == (user_id, status);
            let next = self.told[since..].iter().position(is_it);
            let next = since + there(next, "the reason for a message about somebody")?;
            listener.newest.insert(user_id.to_owned(), next);
            return Ok(());
        }
        let next = self.told[listener.heard..].iter().position(|told| told.user_id != listener.user_id);
        let next = listener.heard + there(next, "the reason for a message about somebody")?;
        let told = &self.told[next];
        ensure!((&*told.user_id, told.status) == (user_id, status), "{user_id} {status} instead of {told:?}");
        listener.heard = next + 1;
        listener.newest.insert(user_id.to_owned(), next);
        Ok(())
    }

    /// Whether a connection has been told everything, if it is told of others at all; one that was too slow for that, how it
    /// is with each of them in the end.
    pub(super) fn check_all_told(&self, key: MemberKey, is_slow: bool) -> Checked {
        let Some(listener) = self.listeners.iter().find(|listener| listener.key == key) else { return Ok(()) };
        if listener.is_slow || is_slow {
            return self.check_picture(listener);
        }
        let missed = self.told[listener.heard..].iter().find(|told| told.user_id != listener.user_id);
        ensure!(missed.is_none(), "somebody was never told {missed:?}");
        Ok(())
    }

    fn check_picture(&self, listener: &Listener) -> Checked {
        let others = self.told[listener.from..].iter().filter(|told| told.user_id != listener.user_id);
        let last: BTreeMap<&str, &str> = others.map(|told| (&*told.user_id, told.status)).collect();
        for (user_id, status) in last {
            let heard = listener.newest.get(user_id).map(|index| self.told[*index].status);
            let never_seen = heard.is_none() && status == "left";
            ensure!(heard == Some(status) || never_seen, "{user_id} {status}, and what was heard last is {heard:?}");
        }
        Ok(())
    }

    /// Whether the room counts the same people, each as active or idle as they are.
    pub(super) fn check(&self, room: &Room) -> Checked {
        let mut here: Vec<(String, Status)> = Vec::new();
        for Connection { user_id, .. } in &self.connections {
            let status = if self.idle.contains(user_id) { Status::Idle } else { Status::Active };
            here.push((user_id.clone(), status));
        }
        here.sort_by(|(one, _), (other, _)| one.cmp(other));
        here.dedup();
        let Presence { listed, counts } = room.presence();
        let mut listed: Vec<_> = listed.iter().map(|(user, status)| (user.user_id.to_string(), *status)).collect();
        listed.sort_by(|(one, _), (other, _)| one.cmp(other));
        ensure!(listed == here, "the room counts {listed:?}, not {here:?}");
        ensure!(counts.total_editors + counts.total_viewers == here.len(), "{counts:?} of {here:?}");
        Ok(())
    }
}
