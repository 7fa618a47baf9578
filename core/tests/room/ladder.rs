//! The ladder for slow readers: the newest cursors only, one state instead of a backlog, the end.

use std::time::Duration;

use jddb_core::protocol::outbound::Limits;
use jddb_core::room::{Durability, LadderCounts, MemberKey};
use serde_json::{Value, json};

use crate::support::{House, LIMITS, Plan, brief, change, guest, insert, message, named_insert};

const BOUND: usize = 4_000;
/// The first change of a flood, which was offered to who takes nothing.
const BEGUN: &str = "insert 0some text v1";

/// A small bound, large messages, and no saves in between.
fn plan() -> Plan {
    let limits = Limits { message_bytes: 1 << 20, ..LIMITS };
    Plan { outbound_bytes_max: BOUND, auto_save: Duration::ZERO, limits, ..Plan::default() }
}

/// Ada, who edits; somebody slow; and Ben, who keeps up.
struct Team {
    house: House,
    ada: MemberKey,
    slow: MemberKey,
    ben: MemberKey,
}

impl Team {
    fn new(mut house: House) -> Self {
        let (ada, slow, ben) = (house.settle(guest("ada")), house.settle(guest("slow")), house.settle(guest("ben")));
        house.read_all();
        house.read(ada);
        house.read(slow);
        Self { house, ada, slow, ben }
    }

    fn small() -> Self {
        Self::new(House::with(plan()))
    }

    /// A document of so many bytes.
    fn of_size(bytes: usize) -> Self {
        let team = Self::new(House::with(plan()).filled(&[("body", &"x".repeat(bytes))]));
        assert_eq!(team.house.sections()[0].1.len(), bytes);
        team
    }

    /// Ada changes something so many times, each in a turn of its own; Ben reads that, and Slow does not.
    fn flood(&mut self, changes: usize) {
        for _ in 0..changes {
            self.house.say(self.ada, insert(0, "some text"));
            self.house.block_all();
            assert_eq!(self.house.read(self.ben).len(), 1);
            self.house.read(self.ada);
        }
    }

    /// A turn: Ada and Ben read, and Slow does not.
    fn turn(&mut self) {
        self.house.block_all();
        self.house.read(self.ada);
        self.house.read(self.ben);
    }

    fn counts(&mut self) -> LadderCounts {
        self.house.room.take_ladder_counts()
    }

    /// Somebody takes the frame whose turn it was when nothing was taken: it counts as begun, whatever came after it.
    fn take_begun(&mut self, key: MemberKey) {
        let durable = self.house.room.durable_records();
        let begun = self.house.room.member(key).unwrap().outbox().sendable(durable).next().unwrap().len();
        self.house.room.sent(key, begun);
    }

    fn queued(&self) -> usize {
        self.house.room.member(self.slow).unwrap().outbox().bytes()
    }
}

/// A message with a name, for what names messages.
fn named(kind: &str, payload: Value, name: &str) -> String {
    json!({"type": kind, "payload": payload, "metadata": {"client_id": "s", "correlation_id": name}}).to_string()
}

fn based_insert(base: u64, name: &str) -> String {
    named(
        "document.change",
        json!({"operation": "insert", "position": 0, "content": "mine", "section": "body", "base_version": base}),
        name,
    )
}

#[test]
fn a_backlog_becomes_one_state_and_then_changes_come_again() {
    let mut team = Team::small();
    team.flood(40);
    assert!(team.queued() < BOUND, "{} bytes are queued", team.queued());
    team.house.check(team.slow, &[BEGUN, "sync v40 full"]);
    team.flood(1);
    team.house.check(team.slow, &["insert 0some text v41"]);
    assert_eq!(team.counts(), LadderCounts { replaced: 1, states: 1, ..LadderCounts::default() });
}

#[test]
fn a_frame_that_is_begun_is_finished_first() {
    let mut team = Team::small();
    team.house.say(team.ada, insert(0, "first"));
    team.house.sync();
    team.house.read(team.ben);
    assert!(team.house.read_some(team.slow, 10).is_empty());
    team.flood(40);
    team.house.check(team.slow, &["insert 0first v1", "sync v41 full"]);
}

#[test]
fn a_version_of_which_a_part_has_left_is_finished_first() {
    for begun in [0, 10] {
        let mut team = Team::of_size(100);
        let deletes = [10, 20, 30].map(|position| json!({"operation": "delete", "position": position, "length": 2}));
        team.house.say(team.ada, change(json!({"changes": deletes})));
        team.house.sync();
        team.house.read(team.ben);
        let durable = team.house.room.durable_records();
        let first = team.house.room.member(team.slow).unwrap().outbox().sendable(durable).next().unwrap().len();
        assert_eq!(team.house.read_some(team.slow, first + begun).len(), 1);
        team.flood(40);
        team.house.check(team.slow, &["delete 20-2 v2 2/3", "delete 10-2 v2 3/3", "sync v42 full"]);
    }
}

#[test]
fn what_answers_the_reader_comes_before_the_state() {
    let mut team = Team::small();
    team.flood(5);
    team.house.say(team.slow, named_insert("c1", 0, "own"));
    team.house.say(team.slow, insert(1_000_000, "\u{1}").replace("insert", "explode"));
    team.turn();
    team.flood(40);
    team.house.check(team.slow, &[BEGUN, "ack c1 v6", "error VALIDATION_ERROR", "sync v46 full"]);
}

#[test]
fn all_who_get_the_state_of_a_version_share_its_bytes() {
    let mut team = Team::small();
    let slow = [team.slow, team.house.settle(guest("slow too"))];
    team.flood(40);
    let states = slow.map(|key| {
        team.take_begun(key);
        assert!(team.house.room.catch_up(team.house.now, key));
        let outbox = team.house.room.member(key).unwrap().outbox();
        outbox.sendable(team.house.room.durable_records()).next().unwrap().as_ptr()
    });
    assert_eq!(states[0], states[1]);
    slow.iter().for_each(|key| team.house.check_now(*key, &["sync v40 full"]));
}

#[test]
fn a_state_is_kept_while_somebody_lags_and_no_longer() {
    for leaves in [false, true] {
        let mut team = Team::small();
        team.flood(40);
        team.take_begun(team.slow);
        assert!(team.house.room.catch_up(team.house.now, team.slow));
        let outbox = team.house.room.member(team.slow).unwrap().outbox();
        let state = outbox.sendable(team.house.room.durable_records()).next().unwrap().clone();
        team.house.wait(1_000);
        if leaves {
            team.house.leave(team.slow);
        } else {
            team.house.check_now(team.slow, &["sync v40 full"]);
        }
        assert!(!state.is_unique(), "the next who lags gets the same");
        team.house.wait(1_000);
        assert!(state.is_unique(), "the room keeps it for nobody");
    }
}

#[test]
fn only_the_newest_version_is_remembered_while_a_state_drains() {
    let mut team = Team::of_size(20_000);
    team.flood(40);
    team.take_begun(team.slow);
    assert!(team.house.read_some(team.slow, 100).is_empty());
    team.flood(200);
    assert!(team.queued() == 0, "{} bytes are queued beside the state", team.queued());
    team.house.check(team.slow, &["sync v41 full", "sync v241 full"]);
    team.flood(1);
    team.house.check(team.slow, &["insert 0some text v242"]);
}

#[test]
fn whoever_is_quick_enough_for_the_state_gets_changes_after_it() {
    let mut team = Team::small();
    team.flood(39);
    // The state of a version that is not durable yet waits for the disk, and the next change behind it.
    team.house.say(team.ada, insert(0, "some text"));
    assert_eq!(team.house.read(team.slow).iter().map(brief).collect::<Vec<_>>(), [BEGUN]);
    team.house.say(team.ada, insert(0, "more"));
    team.house.check(team.slow, &["sync v40 full", "insert 0more v41"]);
    assert_eq!(team.counts().states, 1);
}

#[test]
fn a_base_that_was_never_shown_is_refused() {
    let mut team = Team::small();
    team.flood(5);
    team.house.say(team.slow, based_insert(0, "c1"));
    team.turn();
    team.flood(40);
    let read = team.house.read_some(team.slow, 500);
    assert_eq!(read.iter().map(brief).collect::<Vec<_>>(), [BEGUN, "ack c1 v6"]);
    // Version 6 is its own, but what it knows of its text is version 1.
    team.house.say(team.slow, based_insert(6, "c2"));
    assert_eq!(team.house.version(), 46);
    // What was taken before is acknowledged again, whatever its base is by now.
    team.house.say(team.slow, based_insert(6, "c1"));
    let rest = team.house.read(team.slow);
    let kinds: Vec<String> = rest.iter().map(brief).collect();
    assert_eq!(kinds, ["sync v46 full", "error VERSION_UNKNOWN", "ack c1 v6"]);
    assert_eq!(rest[1]["payload"]["details"]["field"], "payload.base_version");
    team.house.say(team.slow, based_insert(46, "c3"));
    team.house.check(team.slow, &["ack c3 v47"]);
    team.house.say(team.slow, based_insert(45, "c4"));
    team.house.check(team.slow, &["error VERSION_UNKNOWN"]);
}

#[test]
fn a_list_that_is_asked_for_makes_up_for_what_was_left_out() {
    let mut team = Team::small();
    team.flood(5);
    team.house.say(team.slow, based_insert(0, "c1"));
    team.turn();
    team.flood(40);
    team.house.say(team.slow, named("sync.request", json!({"last_known_version": 0, "full": false}), "s1"));
    let versions: Vec<String> = (1..=46).map(|version: u64| version.to_string()).collect();
    team.house.check(team.slow, &[BEGUN, "ack c1 v6", &format!("sync v46 [{}]", versions.join(" "))]);
    team.flood(1);
    team.house.check(team.slow, &["insert 0some text v47"]);
}

fn cursor(house: &mut House, key: MemberKey, position: u64) {
    house.say(key, message("cursor.position", json!({"position": position, "section": "body"})));
}

#[test]
fn whoever_is_behind_gets_the_newest_of_each_cursor() {
    let mut team = Team::of_size(100);
    team.flood(1);
    for position in 0..10 {
        cursor(&mut team.house, team.ada, position);
        cursor(&mut team.house, team.ben, position + 50);
        let selection = json!({"start": position, "end": 60, "section": "body"});
        team.house.say(team.ada, message("selection.change", selection));
        team.turn();
    }
    assert_eq!(team.counts(), LadderCounts { conflated: 27, ..LadderCounts::default() });
    team.house.check(team.slow, &["insert 0some text v2", "cursor 9 v2", "cursor 59 v2", "selection 9-60 v2"]);
    // Whoever keeps up gets them all.
    for position in 0..3 {
        cursor(&mut team.house, team.ada, position);
    }
    team.house.check(team.slow, &["cursor 0 v2", "cursor 1 v2", "cursor 2 v2"]);
}

#[test]
fn cursors_never_fill_a_queue() {
    let mut team = Team::new(House::holding(&[("body", &"x".repeat(100))]));
    team.flood(1);
    let before = team.queued();
    for position in 0..1_000 {
        cursor(&mut team.house, team.ada, position % 100);
        cursor(&mut team.house, team.ben, position % 100);
        team.turn();
    }
    // Two cursors, and what is left of the ones before until it is cleared away.
    assert!(team.queued() < before + 12_000, "{} bytes are queued", team.queued());
    assert!(team.counts().conflated > 1_500);
}

#[test]
fn who_makes_no_progress_is_closed_and_who_does_is_not() {
    let mut team = Team::of_size(200_000);
    team.flood(40);
    team.house.wait(1_000);
    // More than 64 KiB in ten seconds is enough, twice.
    for _ in 0..2 {
        assert!(team.house.read_some(team.slow, 80_000).iter().all(|message| message["type"] != "close"));
        team.house.block_all();
        team.house.wait(10_000);
        assert_eq!(team.counts().closed, 0);
    }
    team.house.read_some(team.slow, 10_000);
    team.house.wait(9_999);
    assert_eq!(team.counts().closed, 0);
    team.house.wait(1);
    assert_eq!(team.counts().closed, 1);
    // The state is on the wire, so it is finished.
    team.house.check(team.slow, &["sync v41 full", "close 1013"]);
}

#[test]
fn who_has_taken_the_rest_is_not_closed() {
    let mut team = Team::of_size(1_000);
    team.flood(40);
    for _ in 0..5 {
        team.house.read(team.slow);
        team.flood(40);
        team.house.wait(10_000);
    }
    let LadderCounts { replaced, closed, .. } = team.counts();
    assert_eq!((replaced, closed), (6, 0));
    // Nothing was read since.
    team.house.wait(10_000);
    team.house.wait(10_000);
    assert_eq!(team.counts().closed, 1);
    team.house.check(team.slow, &["insert 0some text v202", "close 1013"]);
}

#[test]
fn a_disk_that_stands_still_closes_nobody() {
    let mut team = Team::small();
    team.flood(40);
    team.house.say(team.ada, insert(0, "some text"));
    assert_eq!(team.house.read(team.slow).iter().map(brief).collect::<Vec<_>>(), [BEGUN]);
    for _ in 0..5 {
        team.house.wait(20_000);
    }
    // Who is idle is no matter of versions, and is told whoever lags.
    team.house.check(team.slow, &["sync v41 full", "ada idle", "ben idle"]);
}

#[test]
fn when_all_together_is_too_much_the_worst_take_a_step_down() {
    let mut team = Team::new(House::with(Plan { durability: Durability::Fast, ..Plan::default() }));
    team.flood(10);
    let later = team.house.settle(guest("later"));
    team.flood(5);
    let before = team.house.room.queued_bytes();
    let freed = team.house.room.relieve(1);
    assert!(freed > 0 && team.house.room.queued_bytes() == before - freed);
    assert_eq!(team.counts().replaced, 1);
    let left = team.house.room.member(team.slow).unwrap().outbox();
    assert_eq!(left.sendable(0).count(), 1, "what was offered, of which some may have left");
    // The next one down is the other one, and then both of them leave.
    team.house.room.relieve(1);
    assert_eq!(team.counts(), LadderCounts { replaced: 1, ..LadderCounts::default() });
    team.house.room.relieve(1);
    assert_eq!(team.counts().closed, 2);
    for key in [team.slow, later] {
        team.house.check(key, &["insert 0some text v11", "close 1013"]);
    }
    assert_eq!(team.house.room.queued_bytes(), 0);
}

#[test]
fn whoever_keeps_up_is_left_alone_when_all_together_is_too_much() {
    let mut team = Team::small();
    team.house.say(team.ada, insert(0, "x"));
    team.house.turn();
    assert_eq!(team.house.room.relieve(usize::MAX), 0);
    assert!(team.house.room.queued_bytes() > 0);
    team.house.leave(team.slow);
    team.house.leave(team.ben);
    team.house.check(team.ada, &["slow left", "ben left"]);
    assert_eq!(team.house.room.queued_bytes(), 0);
}
