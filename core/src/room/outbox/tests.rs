//! What waits for a connection: in order, as far as it is durable, and of what newer ones make up for the newest alone.

use proptest::prelude::*;

use super::*;

const STATE: Class = Class::State { version: Version(1) };

fn outbox(frames: &[(&'static str, Gate)]) -> Outbox {
    let mut outbox = Outbox::default();
    frames.iter().for_each(|&(text, gate)| {
        outbox.push(Bytes::from_static(text.as_bytes()), gate, Class::Answer);
    });
    outbox
}

fn sendable(outbox: &Outbox, durable: u64) -> String {
    outbox.sendable(durable).map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect()
}

#[test]
fn nothing_overtakes_a_closed_gate() {
    let outbox = outbox(&[("a", 0), ("b", 2), ("c", 0)]);
    assert_eq!(sendable(&outbox, 1), "a");
    assert_eq!(sendable(&outbox, 2), "abc");
}

#[test]
fn parts_of_frames_are_sent() {
    let mut outbox = outbox(&[("abc", 0), ("def", 0)]);
    outbox.sent(4, 9);
    assert_eq!((sendable(&outbox, 0).as_str(), outbox.bytes()), ("ef", 2 + FRAME_COST_BYTES));
    outbox.sent(2, 9);
    assert_eq!((outbox.is_empty(), outbox.bytes()), (true, 0));
}

#[test]
fn a_frame_begun_is_finished_whatever_is_discarded() {
    let mut outbox = outbox(&[("abc", 0), ("def", 1)]);
    outbox.push(Bytes::from_static(b"state"), 1, STATE);
    outbox.sent(1, 9);
    outbox.discard();
    assert_eq!((sendable(&outbox, 9).as_str(), outbox.bytes()), ("bc", 2 + FRAME_COST_BYTES));
    assert_eq!(outbox.states(), (0, 0));
    outbox.sent(2, 9);
    outbox.push(Bytes::from_static(b"new"), 0, Class::Answer);
    outbox.discard();
    assert!(outbox.is_empty(), "the frame begun was finished before");
}

#[test]
fn a_frame_that_was_offered_and_not_taken_may_have_begun() {
    let mut outbox = outbox(&[("abc", 0)]);
    outbox.push(Bytes::from_static(b"1"), 0, cursor(1));
    outbox.push(Bytes::from_static(b"state"), 1, STATE);
    outbox.sent(3, 0);
    outbox.push(Bytes::from_static(b"2"), 0, cursor(1));
    assert_eq!(sendable(&outbox, 9), "1state2", "it is not replaced by a newer one");
    outbox.discard();
    assert_eq!(sendable(&outbox, 9), "1");
    outbox.sent(1, 0);
    outbox.push(Bytes::from_static(b"new"), 1, Class::Answer);
    outbox.sent(0, 0);
    outbox.discard();
    assert!(outbox.is_empty(), "what waits for the disk was not offered");
}

#[test]
fn what_is_behind_a_closed_gate_is_discarded_with_it() {
    let mut outbox = outbox(&[("a", 0), ("b", 1), ("c", 2), ("d", 0)]);
    outbox.discard_undurable(1);
    assert_eq!((sendable(&outbox, 9).as_str(), outbox.bytes()), ("ab", 2 + 2 * FRAME_COST_BYTES));
}

#[test]
fn nothing_follows_a_close() {
    let mut outbox = outbox(&[("abc", 0)]);
    outbox.push_close(Bytes::from_static(b"close"));
    outbox.push(Bytes::from_static(b"late"), 0, Class::Answer);
    outbox.push(Bytes::from_static(b"later"), 0, STATE);
    assert_eq!(sendable(&outbox, 0), "abcclose");
}

#[test]
fn only_what_waits_for_the_reader_is_behind() {
    let mut outbox = outbox(&[("abc", 0), ("def", 1), ("ghi", 1)]);
    assert!(!outbox.is_behind(), "it was not offered yet");
    outbox.sent(1, 0);
    assert!(outbox.is_behind());
    outbox.sent(2, 0);
    assert!(!outbox.is_behind(), "the rest waits for the disk");
    outbox.sent(3, 1);
    assert!(outbox.is_behind());
    outbox.sent(3, 1);
    assert!(!outbox.is_behind());
}

fn change(version: u64, continues: bool) -> Class {
    Class::Change { version: Version(version), continues }
}

fn discard_replaceable(outbox: &mut Outbox) -> (String, Lag) {
    let mut lag = Lag::default();
    outbox.discard_replaceable(&mut lag);
    (sendable(outbox, 0), lag)
}

#[test]
fn what_a_state_makes_up_for_is_discarded_but_for_a_version_that_has_begun() {
    let frames = [("4", change(4, false)), ("4b", change(4, true)), ("ack", Class::Answer), ("5", change(5, false))];
    let cases = [(None, "ack"), (Some(0), "44back"), (Some(1), "4back"), (Some(2), "back"), (Some(3), "ack")];
    for (sent, expected) in cases {
        let mut outbox = Outbox::default();
        frames.iter().for_each(|(text, class)| {
            outbox.push(Bytes::from_static(text.as_bytes()), 0, *class);
        });
        sent.into_iter().for_each(|written| outbox.sent(written, 0));
        let (left, lag) = discard_replaceable(&mut outbox);
        assert_eq!(left, expected, "after {sent:?} bytes");
        let first = if sent.is_none() { 4 } else { 5 };
        assert!(lag.has_missed(Version(first)) && !lag.has_missed(Version(first - 1)), "after {sent:?} bytes");
    }
}

#[test]
fn a_list_that_waits_makes_up_for_what_came_before_it() {
    let mut outbox = Outbox::default();
    for (text, class) in
        [("3", change(3, false)), ("list", Class::State { version: Version(5) }), ("7", change(7, false))]
    {
        outbox.push(Bytes::from_static(text.as_bytes()), 0, class);
    }
    let (left, lag) = discard_replaceable(&mut outbox);
    assert_eq!(left, "list");
    let missed: Vec<u64> = (0..9).filter(|version| lag.has_missed(Version(*version))).collect();
    assert_eq!(missed, [3, 4, 7, 8]);
}

fn cursor(number: u64) -> Class {
    Class::Pointer(PointerKey::Cursor(number))
}

#[test]
fn only_the_newest_cursor_waits_for_who_is_behind() {
    let mut outbox = outbox(&[("ab", 0)]);
    outbox.sent(1, 0);
    let push = |outbox: &mut Outbox, text: &'static str, number| {
        outbox.push(Bytes::from_static(text.as_bytes()), 0, cursor(number))
    };
    assert_eq!([push(&mut outbox, "1", 1), push(&mut outbox, "2", 2), push(&mut outbox, "3", 1)], [0, 0, 1]);
    assert_eq!(sendable(&outbox, 0), "b23");
    assert_eq!([push(&mut outbox, "4", 1), push(&mut outbox, "5", 2)], [1, 1]);
    assert_eq!(sendable(&outbox, 0), "b45");
    outbox.sent(1, 0);
    assert_eq!(push(&mut outbox, "6", 1), 0, "some of it may have left");
    assert_eq!(push(&mut outbox, "7", 2), 1);
    assert_eq!(sendable(&outbox, 0), "467");
    outbox.sent(3, 0);
    assert_eq!((outbox.is_empty(), outbox.bytes()), (true, 0));
    assert_eq!(push(&mut outbox, "8", 1), 0, "nothing of the kind waits");
}

#[test]
fn of_who_came_and_went_nothing_is_remembered() {
    let mut outbox = outbox(&[("ab", 0)]);
    outbox.sent(1, 0);
    let presence = |comes: bool| Class::Presence { key: PointerKey::Person(1), comes, goes: !comes };
    outbox.push(Bytes::from_static(b"joined"), 0, presence(true));
    outbox.push(Bytes::from_static(b"left"), 0, presence(false));
    assert_eq!(sendable(&outbox, 0), "b");
    // What comes where their word would have been is not theirs.
    outbox.push(Bytes::from_static(b"ack"), 0, Class::Answer);
    outbox.push(Bytes::from_static(b"again"), 0, presence(true));
    assert_eq!(sendable(&outbox, 0), "backagain");
}

#[test]
fn what_is_vacant_is_cleared_away() {
    let mut outbox = outbox(&[("ab", 0)]);
    outbox.sent(1, 0);
    for number in 0..10_000 {
        outbox.push(Bytes::from_static(b"c"), 0, cursor(number % 3));
        assert!(outbox.frames.len() < 150, "{} frames", outbox.frames.len());
    }
    assert_eq!(sendable(&outbox, 0), "bccc");
    assert!(outbox.bytes() < 150 * FRAME_COST_BYTES);
}

#[test]
fn what_waited_before_a_reader_fell_behind_is_replaced_too() {
    let mut outbox = outbox(&[("ab", 0)]);
    let push = |outbox: &mut Outbox, text: &'static str, gate| {
        outbox.push(Bytes::from_static(text.as_bytes()), gate, Class::Suggestion)
    };
    assert_eq!((push(&mut outbox, "1", 0), push(&mut outbox, "2", 0)), (0, 0), "nobody knows yet that it is behind");
    outbox.sent(1, 0);
    assert_eq!(push(&mut outbox, "3", 1), 2);
    assert_eq!(push(&mut outbox, "4", 2), 1);
    assert_eq!((sendable(&outbox, 1).as_str(), sendable(&outbox, 2).as_str()), ("b", "b4"));
    let (left, _) = discard_replaceable(&mut outbox);
    assert_eq!((left.as_str(), sendable(&outbox, 2).as_str()), ("b", "b4"), "no state makes up for it");
}

proptest! {
    /// Of suggestions, answers, changes and cursors, whatever the reader takes and the disk does: all answers come in their
    /// order, of the suggestions no newer one is left out for an older one, the newest always comes, and who is behind
    /// leaves one waiting.
    #[test]
    fn the_newest_suggestion_comes_and_waits_alone(steps in prop::collection::vec((0..7_u8, 0..40_usize), 0..200)) {
        let (mut outbox, mut durable, mut made) = (Outbox::default(), 0, 0);
        let (mut pushed, mut taken, mut left_out) = (Vec::new(), Vec::new(), 0);
        for (number, (kind, size)) in steps.into_iter().enumerate() {
            let class = match kind {
                0 | 1 => Class::Suggestion,
                2 => Class::Answer,
                3 => change(number as u64, false),
                4 => cursor(size as u64 % 3),
                5 => {
                    durable += u64::from(durable < made);
                    take(&mut outbox, size, durable, &mut taken);
                    continue;
                }
                _ => {
                    let waiting = |outbox: &Outbox| {
                        outbox.frames.iter().filter(|frame| frame.class != Class::Vacant).count() as u64
                    };
                    let before = waiting(&outbox);
                    outbox.discard_replaceable(&mut Lag::default());
                    left_out += before - waiting(&outbox);
                    continue;
                }
            };
            made += size as u64 % 2;
            let name = match class {
                Class::Suggestion => 's',
                Class::Answer => 'a',
                _ => 'x',
            };
            let text = format!("<{name}{number}{}>", "-".repeat(size));
            left_out += outbox.push(Bytes::from(text.clone()), made, class);
            pushed.push(text);
            if name == 's' {
                let waiting = outbox.frames.iter().skip(usize::from(outbox.begun));
                let waiting = waiting.filter(|frame| matches!(frame.class, Class::Suggestion)).count();
                prop_assert!(waiting == 1 || !outbox.behind, "{} wait", waiting);
            }
        }
        take(&mut outbox, usize::MAX, made, &mut taken);
        prop_assert_eq!((outbox.is_empty(), outbox.bytes()), (true, 0));
        let taken = String::from_utf8(taken).unwrap();
        let taken: Vec<&str> = taken.split_inclusive('>').collect();
        let of = |kind: &str, all: &[&str]| -> Vec<String> {
            all.iter().filter(|text| text.starts_with(kind)).map(|text| (*text).to_owned()).collect()
        };
        let pushed: Vec<&str> = pushed.iter().map(String::as_str).collect();
        prop_assert_eq!(of("<a", &taken), of("<a", &pushed));
        let (come, made) = (of("<s", &taken), of("<s", &pushed));
        prop_assert_eq!(come.last(), made.last());
        prop_assert_eq!(taken.len() as u64, pushed.len() as u64 - left_out, "all that is left out is counted");
        let mut rest = made.iter();
        prop_assert!(come.iter().all(|one| rest.any(|other| one == other)), "out of order: {:?}", come);
    }
}

/// The socket takes so many bytes of what may leave.
fn take(outbox: &mut Outbox, bytes: usize, durable: u64, taken: &mut Vec<u8>) {
    let offered: Vec<u8> = outbox.sendable(durable).flatten().copied().collect();
    let written = bytes.min(offered.len());
    taken.extend_from_slice(&offered[..written]);
    outbox.sent(written, durable);
}

#[test]
fn states_are_outside_the_bound() {
    let mut outbox = Outbox::default();
    outbox.push(Bytes::from_static(b"state"), 0, STATE);
    assert_eq!((outbox.bytes(), outbox.states()), (0, (1, 5)));
    outbox.sent(2, 9);
    assert_eq!((outbox.bytes(), outbox.states()), (0, (1, 3)));
    outbox.sent(3, 9);
    assert_eq!((outbox.is_empty(), outbox.states()), (true, (0, 0)));
}
