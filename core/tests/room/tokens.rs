//! Tokens that run out: warnings and closes at their time, and new tokens on open connections.

use jddb_core::ids::UnixMillis;
use jddb_core::limits::{GrantedLimits, RateLimits};
use jddb_core::protocol::outbound::Limits;
use jddb_core::protocol::{ErrorCode, InboundError};
use jddb_core::room::{Expiry, MemberKey, Renewal, TranslationRights};
use serde_json::{Value, json};

use crate::support::{House, Plan, START, guest, insert, message};

const NOW: u64 = START.0 / 1_000;

/// A token that expires so many seconds after the start, and is accepted five seconds longer.
fn expiring_in(seconds: u64) -> Expiry {
    Expiry::new(NOW + seconds, NOW + seconds + 5)
}

fn renewal(user_id: &str, seconds: u64, edits: bool) -> Renewal {
    Renewal {
        user_id: user_id.into(),
        expires_at: UnixMillis((NOW + seconds) * 1_000),
        expiry: expiring_in(seconds),
        edits,
        is_admin: false,
        translates: TranslationRights::default(),
        granted: GrantedLimits::default(),
    }
}

fn refresh(token: &str) -> String {
    message("auth.refresh", json!({ "token": token }))
}

/// Says `auth.refresh`, has it judged so, and reads what is answered.
fn renewed(house: &mut House, key: MemberKey, judged: Result<Renewal, InboundError>) -> Vec<Value> {
    house.say(key, refresh("a.b.c"));
    let requests = house.room.take_renewals();
    assert_eq!(requests.len(), 1);
    assert_eq!(&*requests[0].token.0, "a.b.c");
    house.room.renew(house.now, key, &requests[0], judged);
    house.read(key)
}

/// Lets a second pass, and reads what that brings.
fn second(house: &mut House, key: MemberKey) -> Vec<Value> {
    house.wait(1_000);
    house.read(key)
}

fn codes(messages: &[Value]) -> Vec<&str> {
    messages.iter().map(|message| message["payload"]["error_code"].as_str().unwrap_or("none")).collect()
}

#[test]
fn a_connection_is_warned_once_and_closed_when_its_token_is_accepted_no_more() {
    let mut house = House::new();
    let ada = house.settle(guest("ada").until(expiring_in(70)));
    let ben = house.settle(guest("ben"));
    house.read(ada);
    let mut told = Vec::new();
    for passed in 1..=80 {
        for message in second(&mut house, ada) {
            if message["type"] == "system.error" {
                let payload = &message["payload"];
                told.push((passed, payload["error_code"].clone(), payload["severity"].clone()));
            }
        }
    }
    let expected = [(10, json!("TOKEN_EXPIRING"), json!("warning")), (75, json!("UNAUTHENTICATED"), json!("critical"))];
    assert_eq!(told, expected);
    assert!(!house.room.is_heard(ada));
    assert!(house.room.is_heard(ben), "whose token does not expire");
}

#[test]
fn a_short_token_is_warned_of_at_once_and_a_clock_that_leaps_closes() {
    let mut house = House::new();
    let ada = house.settle(guest("ada").until(expiring_in(3)));
    assert_eq!(codes(&second(&mut house, ada)), ["TOKEN_EXPIRING"]);
    let ben = house.settle(guest("ben").until(expiring_in(100)));
    house.read(ada);
    house.wait(1_000_000);
    for key in [ada, ben] {
        assert!(codes(&house.read(key)).contains(&"UNAUTHENTICATED"));
        assert!(!house.room.is_heard(key));
    }
}

#[test]
fn a_new_token_extends_and_is_warned_of_again() {
    let mut house = House::new();
    let ada = house.settle(guest("ada").until(expiring_in(10)));
    second(&mut house, ada);
    let answer = renewed(&mut house, ada, Ok(renewal("ada", 100, true)));
    assert_eq!(answer.len(), 1, "{answer:?}");
    assert_eq!(answer[0]["type"], "auth.refreshed");
    let expires_at = UnixMillis((NOW + 100) * 1_000).to_string();
    assert_eq!(answer[0]["payload"], json!({"expires_at": expires_at, "can_edit": true}));
    let told: Vec<usize> = (2..=106).filter(|_| !second(&mut house, ada).is_empty()).collect();
    assert_eq!(told, [40, 105], "{told:?}");
}

#[test]
fn what_is_no_good_changes_nothing() {
    let mut house = House::new();
    let ada = house.settle(guest("ada").until(expiring_in(10)));
    second(&mut house, ada);
    let others = renewed(&mut house, ada, Ok(renewal("mallory", 1_000, true)));
    assert_eq!(codes(&others), ["FORBIDDEN"]);
    assert_eq!(others[0]["payload"]["details"]["field"], "payload.token");
    let expired =
        InboundError { code: ErrorCode::Unauthenticated, ..InboundError::invalid("payload.token".to_owned(), "") };
    for _ in 0..20 {
        assert_eq!(codes(&renewed(&mut house, ada, Err(expired.clone()))), ["UNAUTHENTICATED"]);
    }
    house.wait(20_000);
    assert!(!house.room.is_heard(ada), "the old token has expired");
}

#[test]
fn who_may_no_longer_edit_is_a_viewer_from_then_on() {
    let mut house = House::new();
    let ada = house.settle(guest("ada").until(expiring_in(1_000)));
    let ben = house.settle(guest("ben"));
    let again = house.settle(guest("ada"));
    house.read(ada);
    assert_eq!(house.room.presence_counts().total_editors, 2);
    let answer = renewed(&mut house, ada, Ok(renewal("ada", 1_000, false)));
    assert_eq!(answer[0]["payload"]["can_edit"], false);
    assert_eq!(house.room.presence_counts().total_editors, 2, "she edits on her other connection");
    house.say(ada, insert(0, "x"));
    assert_eq!(codes(&house.read(ada)), ["FORBIDDEN"]);
    renewed(&mut house, again, Ok(renewal("ada", 1_000, false)));
    let counts = house.room.presence_counts();
    assert_eq!((counts.total_editors, counts.total_viewers), (1, 1));
    // More scopes do not make an editor of a viewer: it never asked to be one.
    let answer = renewed(&mut house, ada, Ok(renewal("ada", 1_000, true)));
    assert_eq!(answer[0]["payload"]["can_edit"], false);
    for key in [ada, again, ben] {
        house.leave(key);
    }
    let counts = house.room.presence_counts();
    assert_eq!((counts.total_editors, counts.total_viewers), (0, 0));
}

#[test]
fn refreshing_counts_in_the_burst_only() {
    let rates = RateLimits { messages_per_minute: 5, burst_per_second: 3, ..RateLimits::OFF };
    let limits = Limits { rates, ..Plan::default().limits };
    let mut house = House::with(Plan { limits, ..Plan::default() });
    let ada = house.settle(guest("ada"));
    house.wait(61_000);
    for _ in 0..10 {
        house.wait(1_000);
        (0..4).for_each(|_| house.say(ada, refresh("x")));
        assert_eq!(house.room.take_renewals().len(), 3, "the fourth is one too many");
        assert_eq!(codes(&house.read(ada)), ["RATE_LIMIT_EXCEEDED"]);
    }
    house.wait(1_000);
    house.say(ada, insert(0, "x"));
    assert_eq!(codes(&house.read(ada)), Vec::<&str>::new(), "the minute has room for all of its messages");
}

#[test]
fn a_token_that_is_revoked_closes_its_connection_once() {
    let mut house = House::new();
    let (ada, ben) = (house.settle(guest("ada")), house.settle(guest("ben")));
    house.read(ada);
    house.room.revoke(house.now, ada);
    house.room.revoke(house.now, ada);
    let told = house.read(ada);
    assert_eq!(codes(&told), ["UNAUTHENTICATED", "none"]);
    assert_eq!(told[0]["payload"]["severity"], "critical");
    assert_eq!((&told[1]["type"], &told[1]["code"]), (&json!("close"), &json!(1008)));
    assert!(!house.room.is_heard(ada) && house.room.is_heard(ben));
    house.say(ada, insert(0, "x"));
    assert_eq!(house.room.document().version().0, 0, "it is no longer heard");
    // Whoever is gone is told nothing.
    house.room.leave(house.now, ada);
    house.room.revoke(house.now, ada);
}
