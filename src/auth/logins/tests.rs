//! The table of logins, held against a naive model of all that was ever asked.

use super::*;

const EXP: u64 = 1_000_000;
const MAX: usize = 4;

fn pass(login: u8, user: u8, issued_at: u64) -> Pass {
    Pass { login: Fingerprint([login; 16]), user: named(user), issued_at }
}

/// A user's name is never a login's.
fn named(user: u8) -> Fingerprint {
    Fingerprint([100 + user; 16])
}

fn rotation(login: u8, generation: u32) -> Rotation {
    Rotation { pass: pass(login, 50, 100), generation, exp: EXP, logins_max: MAX }
}

fn login(login: u8) -> Revocation {
    Revocation::Login { login: Fingerprint([login; 16]), exp: EXP, logins_max: MAX }
}

fn user(user: u8) -> Revocation {
    Revocation::User { user: named(user), users_max: MAX }
}

fn refused(error: AuthError) -> Result<(), LoginRefusal> {
    Err(LoginRefusal::Token(error))
}

#[test]
fn each_generation_is_good_once_and_reuse_ends_the_family() {
    let mut table = LoginTable::default();
    for generation in 0..5 {
        assert_eq!(table.rotate(&rotation(1, generation)), Ok(()));
    }
    assert_eq!(table.rotate(&rotation(2, 0)), Ok(()));
    assert!(!table.take_revoked_changed());
    assert_eq!(table.rotate(&rotation(1, 4)), refused(AuthError::Reused));
    assert!(table.take_revoked_changed());
    for generation in 0..7 {
        assert_eq!(table.rotate(&rotation(1, generation)), refused(AuthError::Revoked));
    }
    assert!(table.revoked().refuses(&pass(1, 9, 0)), "an access token of the family");
    assert_eq!(table.rotate(&rotation(2, 1)), Ok(()), "another family");
}

#[test]
fn a_generation_that_nobody_was_given_is_no_good() {
    let mut table = LoginTable::default();
    assert_eq!(table.rotate(&rotation(1, 1)), refused(AuthError::UnknownFamily));
    assert_eq!(table.take_changes(), [], "a family that is not known costs nothing");
    assert_eq!(table.rotate(&rotation(1, 0)), Ok(()));
    assert_eq!(table.rotate(&rotation(1, 2)), refused(AuthError::Reused));
    assert_eq!(table.rotate(&rotation(1, 1)), refused(AuthError::Revoked));
}

#[test]
fn a_user_is_revoked_up_to_a_moment() {
    let mut table = LoginTable::default();
    table.revoke(user(7), 500).unwrap();
    for (issued_at, expected) in [(0, true), (499, true), (500, true), (501, false)] {
        assert_eq!(table.revoked().refuses(&pass(1, 7, issued_at)), expected, "{issued_at}");
    }
    assert!(!table.revoked().refuses(&pass(1, 8, 100)), "another user");
    let of_old = Rotation { pass: pass(1, 7, 500), ..rotation(1, 0) };
    assert_eq!(table.rotate(&of_old), refused(AuthError::Revoked));
    // A clock that goes back takes nothing back.
    table.revoke(user(7), 400).unwrap();
    assert!(table.revoked().refuses(&pass(1, 7, 450)));
}

#[test]
fn at_the_bound_nothing_that_is_good_is_forgotten() {
    let mut table = LoginTable::default();
    for family in 0..4 {
        table.rotate(&rotation(family, 0)).unwrap();
    }
    assert_eq!(table.rotate(&rotation(9, 0)), Err(LoginRefusal::Full));
    for family in 0..4 {
        table.rotate(&rotation(family, 1)).unwrap();
    }
    // What there is can always be revoked, which makes no room before it has expired.
    table.revoke(login(0), 1).unwrap();
    assert_eq!(table.rotate(&rotation(1, 0)), refused(AuthError::Reused));
    assert_eq!(table.rotate(&rotation(9, 0)), Err(LoginRefusal::Full));
    for single in 10..14 {
        table.revoke(login(single), 1).unwrap();
    }
    assert_eq!(table.revoke(login(14), 1), Err(LoginRefusal::Full));
    assert_eq!(table.revoke(login(13), 1), Ok(()), "it is revoked already");
    for who in 0..4 {
        table.revoke(user(who), 1).unwrap();
    }
    assert_eq!(table.revoke(user(4), 1), Err(LoginRefusal::Full));
    assert_eq!(table.revoke(user(3), 2), Ok(()));

    table.sweep(EXP + KEPT_SECONDS);
    assert_eq!(table.rotate(&rotation(9, 0)), Err(LoginRefusal::Full), "they may still be shown");
    table.take_changes();
    table.sweep(EXP + KEPT_SECONDS + 1);
    assert!(table.take_changes().iter().all(|(_, entry)| entry.is_none()));
    assert_eq!(table.rotate(&rotation(9, 0)), Ok(()));
    assert!(table.revoked().refuses(&pass(99, 3, 2)), "a user stays revoked");
}

#[test]
fn a_family_is_known_as_long_as_the_longest_of_its_tokens() {
    let mut table = LoginTable::default();
    table.rotate(&rotation(1, 0)).unwrap();
    let longer = Rotation { exp: 2 * EXP, ..rotation(1, 0) };
    assert_eq!(table.rotate(&longer), refused(AuthError::Reused));
    table.take_revoked_changed();
    table.sweep(EXP + KEPT_SECONDS + 1);
    assert!(!table.take_revoked_changed());
    assert_eq!(table.rotate(&longer), refused(AuthError::Revoked));
    table.sweep(2 * EXP + KEPT_SECONDS + 1);
    assert!(table.take_revoked_changed(), "who looks at it learns what is forgotten");
    assert_eq!(table.rotate(&longer), Ok(()));
    // Neither a later token of the family that ends earlier, nor its revocation by one, shortens that.
    assert_eq!(table.rotate(&rotation(1, 1)), Ok(()));
    table.sweep(EXP + KEPT_SECONDS + 1);
    assert_eq!(table.rotate(&Rotation { generation: 2, ..longer }), Ok(()));
    table.revoke(login(1), 1).unwrap();
    table.sweep(EXP + KEPT_SECONDS + 1);
    assert_eq!(table.rotate(&longer), refused(AuthError::Revoked));
}

/// Numbers that follow from a seed.
struct Rng(u64);

impl Rng {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// All that was asked so far, looked through anew each time.
#[derive(Default)]
struct Naive {
    rotated: Vec<(u8, u32)>,
    revoked: Vec<u8>,
    users: Vec<(u8, u64)>,
}

impl Naive {
    fn rotate(&mut self, login: u8, user: u8, issued_at: u64, generation: u32) -> Result<(), AuthError> {
        let is_old = self.users.iter().any(|(who, at)| *who == user && issued_at <= *at);
        if self.revoked.contains(&login) || is_old {
            return Err(AuthError::Revoked);
        }
        let used = self.rotated.iter().filter(|(known, _)| *known == login).count();
        let expected = u32::try_from(used).unwrap();
        if generation == expected {
            self.rotated.push((login, generation));
            return Ok(());
        }
        if expected == 0 {
            return Err(AuthError::UnknownFamily);
        }
        self.revoked.push(login);
        Err(AuthError::Reused)
    }
}

#[test]
fn it_decides_as_a_naive_model_does_across_restarts() {
    for seed in 0..2_000 {
        let mut rng = Rng(seed);
        let (mut table, mut naive) = (LoginTable::default(), Naive::default());
        let mut stored = HashMap::new();
        for now in 1..60 {
            let (family, who) = (u8::try_from(rng.below(3)).unwrap(), u8::try_from(rng.below(2)).unwrap());
            match rng.below(12) {
                0 => {
                    table.revoke(login(family), now).unwrap();
                    naive.revoked.push(family);
                }
                1 => {
                    table.revoke(user(who), now).unwrap();
                    naive.users.push((who, now));
                }
                2 => {
                    let known = stored.iter().map(|(key, entry)| (*key, *entry));
                    table = LoginTable::restore(known.collect::<Vec<_>>());
                }
                _ => {
                    let (issued_at, generation) = (rng.below(now + 1), u32::try_from(rng.below(4)).unwrap());
                    let rotation = Rotation { pass: pass(family, who, issued_at), ..rotation(family, generation) };
                    let expected = naive.rotate(family, who, issued_at, generation).map_err(LoginRefusal::Token);
                    assert_eq!(table.rotate(&rotation), expected, "seed {seed}, step {now}: {rotation:?}");
                }
            }
            for (key, entry) in table.take_changes() {
                match entry {
                    Some(entry) => stored.insert(key, entry),
                    None => stored.remove(&key),
                };
            }
        }
    }
}
