//! How often everybody asks over HTTP, over all cores: a user's requests arrive at any of them.
//!
//! Callers are spread over shards, each behind a lock of its own, which is held for a look-up. Whoever has not asked for a
//! minute is forgotten within another one.
//!
//! The number of callers that are remembered is bounded, those with a token and those without apart: so nobody who comes
//! from many addresses takes anything from users. Where a shard is full it forgets nobody. Newcomers share one count there
//! instead, until there is room again: a flood from many addresses neither clears the flooders' own counts, nor resets
//! those of others, nor is it let through.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hash};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use jddb_core::limits::{LimitMode, Requests, Standing};
use parking_lot::Mutex;

use crate::config::Limits;

/// Far more than cores, so that they rarely meet.
const SHARDS: usize = 64;
/// Users that are remembered, each with 150 bytes and with up to 16 for each of their requests of the last minute.
const USERS_MAX: usize = 262_144;
/// Addresses that are remembered.
const ADDRESSES_MAX: usize = 65_536;
/// What is older no longer counts.
const MINUTE: Duration = Duration::from_secs(60);

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub enum Caller<'a> {
    /// A user with a valid token, and what that grants instead of the server's limit.
    User(&'a str, Option<u32>),
    /// Somebody without one.
    Address(IpAddr),
}

/// What is said to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// How its caller stands after it.
    pub standing: Standing,
    /// It is one too many.
    pub exceeds: bool,
    /// It is to be refused: it is one too many, and limits are not only observed.
    pub refuses: bool,
}

/// The requests of everybody within the last minute.
#[derive(Debug)]
pub struct RequestRates {
    per_minute: AtomicU32,
    enforces: AtomicBool,
    users: Table<String>,
    addresses: Table<IpAddr>,
}

impl RequestRates {
    /// Nobody has asked yet.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        let rates = Self {
            per_minute: AtomicU32::new(0),
            enforces: AtomicBool::new(true),
            users: Table::new(USERS_MAX),
            addresses: Table::new(ADDRESSES_MAX),
        };
        rates.configure(limits);
        rates
    }

    /// Other limits from now on.
    pub fn configure(&self, limits: &Limits) {
        self.per_minute.store(limits.requests_per_minute, Ordering::Relaxed);
        self.enforces.store(limits.mode == LimitMode::Enforce, Ordering::Relaxed);
    }

    /// Counts a request, at a moment of the clock that never goes back; `None` where nothing is limited.
    pub fn admit(&self, caller: Caller<'_>, now: Duration) -> Option<Verdict> {
        let limit = self.limit(caller)?;
        let admit = |requests: &mut Requests| requests.admit(millis(now), limit);
        let (accepts, standing) = match caller {
            Caller::User(user_id, _) => self.users.with(user_id, now, admit),
            Caller::Address(address) => self.addresses.with(&network(address), now, admit),
        };
        Some(Verdict { standing, exceeds: !accepts, refuses: !accepts && self.enforces.load(Ordering::Relaxed) })
    }

    /// How somebody stands, without another request; `None` where nothing is limited.
    pub fn look(&self, caller: Caller<'_>, now: Duration) -> Option<Standing> {
        let limit = self.limit(caller)?;
        let look = |requests: &mut Requests| requests.look(millis(now), limit);
        let known = match caller {
            Caller::User(user_id, _) => self.users.with_known(user_id, now, look),
            Caller::Address(address) => self.addresses.with_known(&network(address), now, look),
        };
        Some(known.unwrap_or_else(|| Standing::fresh(limit)))
    }

    /// The limit that a caller has, if there is one.
    fn limit(&self, caller: Caller<'_>) -> Option<u32> {
        let own = self.per_minute.load(Ordering::Relaxed);
        let limit = match caller {
            Caller::User(_, granted) => granted.unwrap_or(own),
            Caller::Address(_) => own,
        };
        (limit != 0).then_some(limit)
    }
}

fn millis(now: Duration) -> u64 {
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

/// What is counted of an address: with IPv6 the /64 that a subscriber has, in which addresses are free to choose.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        address @ IpAddr::V4(_) => address,
    }
}

/// Callers by their key.
#[derive(Debug)]
struct Table<K> {
    shards: Box<[Mutex<Shard<K>>]>,
    /// Nobody outside can know which shard a key falls into.
    hasher: RandomState,
}

/// Callers in two generations, of which the older one is dropped as a whole: nothing is looked for.
#[derive(Debug)]
struct Shard<K> {
    /// Who asked since `since`.
    recent: HashMap<K, Requests>,
    /// Who did not, but within the minute before it.
    earlier: HashMap<K, Requests>,
    since: Duration,
    /// All those there is no room for.
    crowd: Requests,
    callers_max: usize,
}

impl<K: Eq + Hash> Table<K> {
    fn new(callers_max: usize) -> Self {
        let shard = || Shard {
            recent: HashMap::new(),
            earlier: HashMap::new(),
            since: Duration::ZERO,
            crowd: Requests::default(),
            callers_max: callers_max / SHARDS,
        };
        Self { shards: (0..SHARDS).map(|_| Mutex::new(shard())).collect(), hasher: RandomState::new() }
    }

    /// Does something with what is remembered of a caller, from now on if nothing is.
    fn with<Q, T>(&self, key: &Q, now: Duration, act: impl FnOnce(&mut Requests) -> T) -> T
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ToOwned<Owned = K> + ?Sized,
    {
        act(self.shard(key).lock().find_or_insert(key, now))
    }

    /// The same, if anything is remembered.
    fn with_known<Q, T>(&self, key: &Q, now: Duration, act: impl FnOnce(&mut Requests) -> T) -> Option<T>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        self.shard(key).lock().find(key, now).map(act)
    }

    fn shard<Q: Hash + ?Sized>(&self, key: &Q) -> &Mutex<Shard<K>> {
        let hash = usize::try_from(self.hasher.hash_one(key) % SHARDS as u64).unwrap_or(0);
        &self.shards[hash]
    }
}

impl<K: Eq + Hash> Shard<K> {
    /// Forgets who has not asked for a minute, sometimes only a minute later.
    fn pass_time(&mut self, now: Duration) {
        let passed = now.saturating_sub(self.since);
        if passed < MINUTE {
            return;
        }
        // The memory goes as well.
        let recent = std::mem::take(&mut self.recent);
        let is_recent = passed < 2 * MINUTE;
        self.earlier = if is_recent { recent } else { HashMap::new() };
        if is_recent {
            self.crowd.slide(millis(now));
        } else {
            self.crowd = Requests::default();
        }
        self.since = now;
    }

    fn find<Q>(&mut self, key: &Q, now: Duration) -> Option<&mut Requests>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        self.pass_time(now);
        if let Some((key, requests)) = self.earlier.remove_entry(key) {
            self.recent.insert(key, requests);
        }
        self.recent.get_mut(key)
    }

    /// The count of a caller, or that of all for whom there is no room.
    fn find_or_insert<Q>(&mut self, key: &Q, now: Duration) -> &mut Requests
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ToOwned<Owned = K> + ?Sized,
    {
        let is_known = self.find(key, now).is_some();
        if !is_known && self.callers() < self.callers_max {
            self.recent.insert(key.to_owned(), Requests::default());
        }
        self.recent.get_mut(key).unwrap_or(&mut self.crowd)
    }

    fn callers(&self) -> usize {
        self.recent.len() + self.earlier.len()
    }
}

#[cfg(test)]
mod tests;
