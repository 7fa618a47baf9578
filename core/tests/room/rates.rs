//! Members who speak too often: exactly what is too often, what they are told, and what still gets through.

use jddb_core::limits::{GrantedLimits, LimitMode, RateLimits, RefusalCounts};
use serde_json::{Value, json};

use crate::support::{House, Plan, brief, guest, insert, message};

const DEFAULTS: RateLimits = RateLimits {
    messages_per_minute: 100,
    burst_per_second: 10,
    large_message_bytes: 10_240,
    large_messages_per_second: 1,
    refusals_per_minute: 20,
};

fn limited(rates: RateLimits) -> House {
    let mut plan = Plan::default();
    plan.limits.rates = rates;
    House::with(plan)
}

fn named(kind: &str, payload: Value, correlation_id: &str) -> String {
    json!({"type": kind, "payload": payload, "metadata": {"client_id": "c", "correlation_id": correlation_id}})
        .to_string()
}

fn named_insert(content: &str, correlation_id: &str) -> String {
    named("document.change", json!({"operation": "insert", "position": 0, "content": content}), correlation_id)
}

/// What an error says, and which message it is about.
fn check_error(error: &Value, expected: Value, correlation_id: Option<&str>) {
    assert_eq!(error["type"], "system.error");
    assert_eq!(error["payload"], expected);
    assert_eq!(error["metadata"]["correlation_id"].as_str(), correlation_id);
}

#[test]
fn the_eleventh_of_a_second_is_refused_and_nothing_else_is_lost() {
    let mut house = limited(DEFAULTS);
    let ada = house.settle(guest("ada"));
    for index in 0..12 {
        house.say(ada, named_insert("x", &format!("m{index}")));
    }
    house.sync();
    let read = house.read(ada);
    let told = |current: &str| {
        json!({
            "error_code": "RATE_LIMIT_EXCEEDED", "message": "Rate limit exceeded", "retry_after": 1,
            "severity": "warning", "limit_type": "burst_rate", "current_rate": current,
            "allowed_rate": "10 messages/second",
        })
    };
    check_error(&read[10], told("11 messages/second"), Some("m10"));
    check_error(&read[11], told("12 messages/second"), Some("m11"));
    assert!(read[..10].iter().all(|message| message["type"] == "document.ack"));
    assert_eq!((read.len(), house.version()), (12, 10));
    house.now = house.now.plus(1_000);
    house.say(ada, named_insert("x", "m10"));
    house.check(ada, &["ack m10 v11"]);
    assert_eq!(house.room.take_refusals(), RefusalCounts { burst_rate: 2, ..RefusalCounts::default() });
    assert!(house.room.take_refusals().is_zero());
}

#[test]
fn the_hundred_and_first_of_a_minute_is_refused_as_the_reference_shows() {
    let mut house = limited(DEFAULTS);
    let ada = house.settle(guest("ada"));
    for _ in 0..100 {
        house.say(ada, message("cursor.position", json!({"position": 0})));
        house.now = house.now.plus(200);
    }
    house.read(ada);
    for _ in 0..4 {
        house.say(ada, insert(0, "x"));
        house.now = house.now.plus(100);
    }
    // A heartbeat and a join count in the burst alone.
    house.say(ada, message("system.heartbeat", json!({})));
    house.say(ada, message("document.join", json!({})));
    house.say(ada, insert(0, "x"));
    house.sync();
    let read = house.read(ada);
    let kinds: Vec<String> = read.iter().map(brief).collect();
    assert_eq!(kinds[4..], ["heartbeat", "state v0", "error RATE_LIMIT_EXCEEDED"]);
    let told = json!({
        "error_code": "RATE_LIMIT_EXCEEDED", "message": "Rate limit exceeded", "retry_after": 40,
        "severity": "warning", "limit_type": "message_rate", "current_rate": "105 messages/minute",
        "allowed_rate": "100 messages/minute",
    });
    check_error(&read[6], told, None);
}

#[test]
fn heartbeats_are_bound_by_the_burst() {
    let mut house = limited(DEFAULTS);
    let ada = house.settle(guest("ada"));
    for _ in 0..11 {
        house.say(ada, message("system.heartbeat", json!({})));
    }
    let read = house.read(ada);
    assert_eq!((brief(&read[9]), brief(&read[10])), ("heartbeat".to_owned(), "error RATE_LIMIT_EXCEEDED".to_owned()));
}

#[test]
fn one_large_message_a_second_counts_by_bytes() {
    let mut house = limited(DEFAULTS);
    let ada = house.settle(guest("ada"));
    let sized = |bytes: usize, name: &str| {
        let empty = named_insert("", name).len();
        named_insert(&"x".repeat(bytes - empty), name)
    };
    assert_eq!(sized(10_240, "a").len(), 10_240);
    house.say(ada, sized(10_240, "a"));
    house.say(ada, sized(10_240, "b"));
    house.say(ada, sized(10_241, "c"));
    house.say(ada, sized(10_241, "d"));
    house.say(ada, sized(1_000, "e"));
    house.sync();
    let read = house.read(ada);
    let told = json!({
        "error_code": "RATE_LIMIT_EXCEEDED", "message": "Rate limit exceeded", "retry_after": 1,
        "severity": "warning", "limit_type": "large_message", "current_rate": "2 large messages/second",
        "allowed_rate": "1 large messages/second",
    });
    check_error(&read[3], told, Some("d"));
    assert_eq!((read.len(), house.version()), (5, 4));
    assert_eq!(house.room.take_refusals().large_message, 1);
}

#[test]
fn an_array_is_large_once_and_counts_by_its_envelopes() {
    let mut house = limited(DEFAULTS);
    let ada = house.settle(guest("ada"));
    let envelopes = |names: &[&str]| {
        let each = names.iter().map(|name| named_insert(&"x".repeat(6_000), name));
        format!("[{}]", each.collect::<Vec<_>>().join(","))
    };
    house.say(ada, envelopes(&["a", "b", "c"]));
    house.say(ada, envelopes(&["d", "e"]));
    house.sync();
    let read = house.read(ada);
    let kinds: Vec<String> = read.iter().map(brief).collect();
    assert_eq!(kinds, ["ack a v1", "ack b v2", "ack c v3", "error RATE_LIMIT_EXCEEDED", "error RATE_LIMIT_EXCEEDED"]);
    assert_eq!(
        (&read[3]["metadata"]["correlation_id"], &read[4]["metadata"]["correlation_id"]),
        (&json!("d"), &json!("e"))
    );
    house.now = house.now.plus(1_000);
    let many: Vec<String> = (0..12).map(|index| named_insert("x", &format!("n{index}"))).collect();
    house.say(ada, format!("[{}]", many.join(",")));
    house.sync();
    let read = house.read(ada);
    assert_eq!(read.iter().filter(|message| message["type"] == "document.ack").count(), 10);
    assert_eq!(read[11]["metadata"]["correlation_id"], "n11");
}

#[test]
fn a_batch_counts_one_for_ten_begun() {
    let mut house = limited(DEFAULTS);
    let ada = house.settle(guest("ada"));
    let batch = |count: usize, name: &str| {
        let changes = vec![json!({"operation": "insert", "position": 0, "content": "x"}); count];
        named("document.change", json!({"changes": changes}), name)
    };
    // 1 + 2 + 7 of the ten.
    house.say(ada, batch(10, "a"));
    house.say(ada, batch(11, "b"));
    house.say(ada, batch(70, "c"));
    house.say(ada, batch(1, "d"));
    house.sync();
    let read = house.read(ada);
    assert_eq!(house.version(), 3);
    assert_eq!(
        (&read[3]["payload"]["limit_type"], &read[3]["payload"]["current_rate"]),
        (&json!("burst_rate"), &json!("11 messages/second"))
    );
    // The largest there may be is as much as a second holds, and a minute.
    house.now = house.now.plus(60_000);
    house.say(ada, batch(1_000, "e"));
    house.say(ada, batch(1, "f"));
    house.sync();
    let read = house.read(ada);
    assert_eq!((brief(&read[0]), &read[1]["payload"]["limit_type"]), ("ack e v4".to_owned(), &json!("message_rate")));
}

#[test]
fn what_is_malformed_counts_too_and_ten_in_a_row_are_still_enough() {
    let mut house = limited(DEFAULTS);
    let ada = house.settle(guest("ada"));
    for _ in 0..5 {
        house.say(ada, message("system.heartbeat", json!({})));
    }
    for _ in 0..10 {
        house.say(ada, r#"{"type": "nonsense", "payload": {}, "metadata": {"correlation_id": "n"}}"#);
    }
    let read = house.read(ada);
    let kinds: Vec<String> = read[5..].iter().map(brief).collect();
    assert_eq!(kinds[..5], ["error UNKNOWN_MESSAGE_TYPE"; 5]);
    assert_eq!(kinds[5..10], ["error RATE_LIMIT_EXCEEDED"; 5]);
    assert_eq!(kinds[10], "close 4000");
    assert_eq!(read[10]["metadata"]["correlation_id"], "n");
    assert_eq!(read[14]["payload"]["severity"], "critical");
    assert_eq!(read[15]["reason"], "too many malformed messages in a row");
}

#[test]
fn the_twentieth_refusal_within_a_minute_closes_with_4000() {
    let mut house = limited(DEFAULTS);
    let (ada, ben) = (house.settle(guest("ada")), house.settle(guest("ben")));
    house.read(ada);
    for index in 0..40 {
        house.say(ada, named_insert("x", &format!("m{index}")));
    }
    house.sync();
    let read = house.read(ada);
    let kinds: Vec<String> = read.iter().map(brief).collect();
    assert_eq!(kinds[10..30], ["error RATE_LIMIT_EXCEEDED"; 20]);
    assert_eq!(kinds[30..], ["close 4000"]);
    assert!(read[10..29].iter().all(|error| error["payload"]["severity"] == "warning"));
    assert_eq!(read[29]["payload"]["severity"], "critical");
    assert_eq!(read[30]["reason"], "too many messages beyond the rate limits: wait, then reconnect");
    assert_eq!(house.version(), 10);
    let counted = RefusalCounts { burst_rate: 20, closed: 1, ..RefusalCounts::default() };
    assert_eq!(house.room.take_refusals(), counted);
    assert_eq!(house.read(ben).len(), 10, "the others miss nothing");
}

#[test]
fn nineteen_refusals_a_minute_close_nobody() {
    let mut house = limited(DEFAULTS);
    let ada = house.settle(guest("ada"));
    for _ in 0..3 {
        for _ in 0..29 {
            house.say(ada, message("system.heartbeat", json!({})));
        }
        house.now = house.now.plus(60_000);
    }
    assert!(house.room.is_heard(ada));
}

#[test]
fn one_members_messages_are_no_others() {
    let mut house = limited(DEFAULTS);
    let (ada, ben) = (house.settle(guest("ada")), house.settle(guest("ada")));
    for key in [ada, ben] {
        for _ in 0..10 {
            house.say(key, insert(0, "x"));
        }
    }
    assert_eq!(house.version(), 20);
}

#[test]
fn observing_counts_and_refuses_nothing() {
    let mut plan = Plan::default();
    plan.limits.rates = DEFAULTS;
    plan.limits.mode = LimitMode::Observe;
    plan.limits.document_editors = 1;
    let mut house = House::with(plan);
    let ada = house.settle(guest("ada"));
    house.settle(guest("ben"));
    house.read(ada);
    for _ in 0..40 {
        house.say(ada, insert(0, "x"));
    }
    house.check(ada, &[]);
    assert_eq!(house.version(), 40);
    let counted = RefusalCounts { burst_rate: 30, document_editors: 1, closed: 1, ..RefusalCounts::default() };
    assert_eq!(house.room.take_refusals(), counted);
}

#[test]
fn a_token_may_grant_more_or_less() {
    let granted =
        GrantedLimits { user_connections: Some(7), messages_per_minute: Some(12), burst_per_second: Some(11) };
    let mut house = limited(DEFAULTS);
    let ada = house.join(guest("ada").granted(granted));
    house.sync();
    let limits = house.read(ada)[0]["payload"]["limits"].clone();
    let shown = ["user_connections", "messages_per_minute", "burst_per_second", "large_messages_per_second"];
    assert_eq!(shown.map(|name| limits[name].as_u64().unwrap()), [7, 12, 11, 1]);
    assert_eq!(limits["mode"], "enforce");
    for _ in 0..12 {
        house.say(ada, insert(0, "x"));
    }
    house.now = house.now.plus(1_000);
    house.say(ada, insert(0, "x"));
    house.say(ada, insert(0, "x"));
    house.sync();
    let limits: Vec<Value> = house.read(ada).iter().map(|error| error["payload"]["limit_type"].clone()).collect();
    assert_eq!(limits, ["burst_rate", "message_rate"]);
}

#[test]
fn other_limits_are_in_force_at_once() {
    let mut house = limited(DEFAULTS);
    let ada = house.settle(guest("ada"));
    let set = |house: &mut House, burst_per_second: u32, sections: usize| {
        let mut plan = Plan::default();
        plan.limits.rates = RateLimits { burst_per_second, ..DEFAULTS };
        plan.document.sections_max = sections;
        house.configure(plan);
    };
    for _ in 0..3 {
        house.say(ada, insert(0, "x"));
    }
    set(&mut house, 3, 64);
    house.say(ada, insert(0, "x"));
    set(&mut house, 4, 1);
    house.say(ada, insert(0, "x"));
    house.now = house.now.plus(1_000);
    let second = json!({"operation": "insert", "position": 0, "content": "x", "section": "second"});
    house.say(ada, crate::support::change(second));
    house.say(ada, message("document.join", json!({})));
    house.sync();
    let read = house.read(ada);
    let kinds: Vec<String> = read.iter().map(brief).collect();
    assert_eq!(kinds, ["error RATE_LIMIT_EXCEEDED", "error DOCUMENT_TOO_LARGE", "state v4"]);
    assert_eq!(read[2]["payload"]["limits"]["burst_per_second"], 4);
}

#[test]
fn a_displaced_member_is_told_why() {
    let mut house = House::new();
    let ada = house.settle(guest("ada"));
    house.room.displace(house.now, ada);
    let read = house.read(ada);
    assert_eq!(
        (brief(&read[1]), &read[0]["payload"]["limit_type"]),
        ("close 4000".to_owned(), &json!("user_connections"))
    );
    assert_eq!(read[0]["payload"]["severity"], "critical");
}
