//! Requests of everybody: against a list of all there were, from racing threads, and from more callers than there is room
//! for.

use std::collections::HashMap;
use std::sync::atomic::AtomicUsize;
use std::thread;

use super::*;

fn rates(requests_per_minute: u32) -> RequestRates {
    RequestRates::new(&Limits { requests_per_minute, ..Limits::default() })
}

fn address(number: u32) -> IpAddr {
    IpAddr::from((0x0A00_0000 + number).to_be_bytes())
}

fn ms(number: u64) -> Duration {
    Duration::from_millis(number)
}

/// A table with so little room that it is always full.
fn crowded(callers_max: usize) -> RequestRates {
    RequestRates { users: Table::new(callers_max * SHARDS), addresses: Table::new(callers_max * SHARDS), ..rates(5) }
}

fn remembered<K: Eq + Hash>(table: &Table<K>) -> usize {
    table.shards.iter().map(|shard| shard.lock().callers()).sum()
}

/// All that were accepted, by caller and moment.
#[derive(Default)]
struct Model(HashMap<String, Vec<u64>>);

impl Model {
    fn admit(&mut self, caller: &str, now: u64, limit: u32) -> Verdict {
        let accepted = self.0.entry(caller.to_owned()).or_default();
        let counted = |accepted: &[u64], at: u64| accepted.iter().filter(|then| **then + 60_000 > at).count();
        let limit_of = limit as usize;
        let accepts = counted(accepted, now) < limit_of;
        if accepts {
            accepted.push(now);
        }
        let remaining = limit_of.saturating_sub(counted(accepted, now));
        let has_more = |at: &u64| limit_of.saturating_sub(counted(accepted, *at)) > remaining;
        // Something changes only when something leaves.
        let wait = accepted.iter().map(|then| then + 60_000).filter(|at| *at > now).find(has_more);
        let standing = Standing {
            limit,
            remaining: u32::try_from(remaining).unwrap(),
            wait_ms: wait.map_or(0, |at| u32::try_from(at - now).unwrap()),
        };
        Verdict { standing, exceeds: !accepts, refuses: !accepts }
    }
}

/// A small generator (SplitMix64), so that a failure can be repeated from its seed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (word ^ (word >> 31)) % end
    }
}

#[test]
fn every_verdict_is_the_models() {
    let seed = crate::clock::now_unix_ms();
    eprintln!("seed {seed}");
    for run in 0..200 {
        let mut chance = Chance(seed.wrapping_add(run));
        let (rates, mut model) = (rates(5), Model::default());
        let mut now = chance.below(1 << 33);
        for _ in 0..300 {
            let pauses = [0, 0, 1, 700, 9_000, 59_999, 60_000, 60_001, 119_999, 120_000, 3_000_000_000];
            let likely = if chance.below(9) == 0 { pauses.len() } else { 5 };
            now += pauses[usize::try_from(chance.below(likely as u64)).unwrap()];
            let number = chance.below(5);
            let (name, caller, limit) = match number {
                0 => ("ada", Caller::User("ada", None), 5),
                1 => ("ben", Caller::User("ben", Some(9)), 9),
                2 => ("10.0.0.1", Caller::Address(address(1)), 5),
                3 => ("2001:db8::/64", Caller::Address("2001:db8::1".parse().unwrap()), 5),
                _ => ("2001:db8::/64", Caller::Address("2001:db8::ffff:0:0:1".parse().unwrap()), 5),
            };
            let verdict = rates.admit(caller, ms(now));
            assert_eq!(verdict, Some(model.admit(name, now, limit)), "seed {seed} run {run}: {name} at {now}");
        }
    }
}

#[test]
fn users_and_networks_are_told_apart() {
    let rates = rates(1);
    let accepts = |caller| !rates.admit(caller, ms(7)).unwrap().exceeds;
    let ip = |text: &str| Caller::Address(text.parse().unwrap());
    for newcomer in [
        Caller::User("10.0.0.1", None),
        ip("10.0.0.1"),
        ip("10.0.0.2"),
        ip("2001:db8:0:1::1"),
        ip("2001:db8:0:2::1"),
        ip("::1"),
    ] {
        assert!(accepts(newcomer) && !accepts(newcomer), "{newcomer:?}");
    }
    assert!(!accepts(ip("::ffff:10.0.0.1")), "the same address, written otherwise");
    assert!(!accepts(ip("2001:db8:0:1:ffff:ffff:ffff:ffff")), "the same /64");
}

#[test]
fn other_limits_hold_at_once_and_none_is_none() {
    let rates = rates(2);
    let ada = Caller::User("ada", None);
    let admit = |rates: &RequestRates| rates.admit(ada, ms(1_000));
    (0..2).for_each(|_| assert!(!admit(&rates).unwrap().exceeds));
    assert!(admit(&rates).unwrap().refuses);
    rates.configure(&Limits { requests_per_minute: 2, mode: LimitMode::Observe, ..Limits::default() });
    let observed = admit(&rates).unwrap();
    assert!(observed.exceeds && !observed.refuses);
    rates.configure(&Limits { requests_per_minute: 3, ..Limits::default() });
    assert!(!admit(&rates).unwrap().exceeds);
    rates.configure(&Limits { requests_per_minute: 1, ..Limits::default() });
    let lowered = rates.admit(ada, ms(1_001)).unwrap();
    assert_eq!(lowered.standing, Standing { limit: 1, remaining: 0, wait_ms: 59_999 });
    rates.configure(&Limits { requests_per_minute: 0, ..Limits::default() });
    assert_eq!(admit(&rates), None);
    assert_eq!(rates.look(ada, ms(1_000)), None);
    assert!(rates.admit(Caller::User("ben", Some(1)), ms(0)).is_some(), "a token's own limit stays");
}

#[test]
fn racing_threads_never_get_more_than_there_is() {
    let rates = rates(1_000);
    let accepted = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for request in 0..1_000 {
                    let verdict = rates.admit(Caller::User("ada", None), ms(request)).unwrap();
                    accepted.fetch_add(usize::from(!verdict.exceeds), Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(accepted.into_inner(), 1_000);
}

#[test]
fn so_many_are_remembered_and_no_more_and_nobody_is_pushed_out() {
    let rates = crowded(4);
    let known = Caller::Address(address(0));
    (0..5).for_each(|_| assert!(!rates.admit(known, ms(0)).unwrap().exceeds));
    let mut accepted = 0;
    for number in 1..100_000 {
        // Each from an address of its own, over half a minute.
        let at = ms(u64::from(number) * 30_000 / 100_000);
        accepted += usize::from(!rates.admit(Caller::Address(address(number)), at).unwrap().exceeds);
        assert!(remembered(&rates.addresses) <= 4 * SHARDS);
    }
    // Whoever has room once, and the crowd of each shard five times.
    assert_eq!(accepted, 4 * SHARDS - 1 + 5 * SHARDS);
    assert!(rates.admit(known, ms(59_999)).unwrap().exceeds, "a flood does not clear a count");
    assert!(!rates.admit(known, ms(60_000)).unwrap().exceeds, "nor take anything from somebody known");
    assert!(!rates.admit(Caller::User("ada", None), ms(30_000)).unwrap().exceeds, "nor from users");
}

#[test]
fn who_is_silent_is_forgotten_and_makes_room() {
    let rates = crowded(4);
    for number in 0..10_000 {
        rates.admit(Caller::Address(address(number)), ms(0));
    }
    assert_eq!(remembered(&rates.addresses), 4 * SHARDS);
    // Some ask again before the second minute is over, and are kept for that.
    let (kept, at) = (address(0), ms(61_000));
    for number in 0..10_000 {
        rates.admit(Caller::Address(address(number)), at);
    }
    rates.look(Caller::Address(kept), ms(121_000));
    for number in 20_000..30_000 {
        rates.admit(Caller::Address(address(number)), ms(200_000));
    }
    assert_eq!(remembered(&rates.addresses), 4 * SHARDS);
    let standing = rates.look(Caller::Address(address(5)), ms(200_000)).unwrap();
    assert_eq!(standing, Standing::fresh(5), "of others nothing is left");
    let crowds = rates.addresses.shards.iter().map(|shard| shard.lock().crowd.look(200_000, 5).remaining);
    assert!(crowds.into_iter().all(|remaining| remaining == 0), "those there was no room for fill the crowds again");
}

#[test]
fn looking_counts_nothing_and_remembers_nobody() {
    let rates = rates(5);
    let ada = Caller::User("ada", None);
    assert_eq!(rates.look(ada, ms(0)), Some(Standing::fresh(5)));
    assert_eq!(remembered(&rates.users), 0);
    rates.admit(ada, ms(0));
    for _ in 0..10 {
        assert_eq!(rates.look(ada, ms(1)).unwrap(), Standing { limit: 5, remaining: 4, wait_ms: 59_999 });
    }
}
