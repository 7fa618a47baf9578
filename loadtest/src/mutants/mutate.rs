//! Messages and frames, damaged by chance from a seed.

use serde_json::json;

use crate::raw::{TEXT, frame};
use crate::schedule::mix;

/// Damages done to one message, at most.
const DAMAGES_MAX: usize = 4;
/// Bytes taken away or repeated at once, at most.
const RANGE_BYTES_MAX: usize = 48;
/// The bytes of a frame that are its head, and some behind it: where frames are damaged.
const HEAD_BYTES: usize = 16;
/// What is put where it does not belong.
const STRANGERS: [&[u8]; 24] = [
    b"null",
    b"-1",
    b"1e999",
    b"0.5",
    b"18446744073709551615",
    b"18446744073709551616",
    b"9007199254740993",
    b"true",
    b"\"",
    b"\\",
    b"{",
    b"}",
    b"[[[[[[[[",
    b"]",
    b",",
    b":",
    b"\\u0000",
    b"\\ud83d",
    b"\xf0\x9f\x98\x80",
    b"\xff",
    b"\0",
    b"\"base_version\":1,",
    b"\"position\":4294967295,",
    b"{\"type\":\"system.heartbeat\",\"payload\":{}},",
];

/// Random numbers from a seed.
#[derive(Debug, Clone)]
pub(super) struct Chance(u64);

impl Chance {
    /// Of the stream `number` of a seed.
    pub(super) fn new(seed: u64, number: u64) -> Self {
        Self(mix(seed) ^ mix(number << 32))
    }

    /// A number below `end`, which is not 0.
    pub(super) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(1);
        let end = u64::try_from(end).unwrap_or(u64::MAX);
        usize::try_from(mix(self.0) % end).unwrap_or(0)
    }

    fn one_of<'t, T: ?Sized>(&mut self, list: &[&'t T]) -> &'t T {
        list[self.below(list.len())]
    }
}

/// Messages of every kind that clients send, as they should be.
#[derive(Debug)]
pub(super) struct Templates(Vec<Vec<u8>>);

impl Templates {
    pub(super) fn new() -> Self {
        let change = |payload: serde_json::Value| {
            let metadata = json!({"user_id": "u", "client_id": "mutant", "correlation_id": "m-1", "version": 1});
            json!({"type": "document.change", "payload": payload, "metadata": metadata})
        };
        let payload = |kind: &str, payload: serde_json::Value| json!({"type": kind, "payload": payload});
        let messages = [
            change(json!({"operation": "insert", "position": 3, "content": "héllo 😀", "section": "body"})),
            change(json!({"operation": "insert", "position": 0, "content": "x", "base_version": 1})),
            change(json!({"operation": "delete", "position": 1, "length": 9})),
            change(json!({"operation": "delete", "position": 2, "length": 5, "section": "body", "base_version": 3})),
            change(json!({"operation": "replace", "position": 1, "length": 7, "content": "abc"})),
            change(json!({"changes": [
                {"operation": "insert", "position": 1, "content": "a", "section": "body"},
                {"operation": "delete", "position": 0, "length": 1, "section": "body"},
                {"operation": "replace", "position": 2, "length": 2, "content": "é", "section": "second"},
            ], "conflict_resolution": "operational_transform"})),
            payload("cursor.position", json!({"position": 4, "section": "body", "base_version": 1})),
            payload("selection.change", json!({"start": 1, "end": 3, "section": "body"})),
            payload("document.join", json!({"document_id": "mutant"})),
            payload("document.save", json!({"save_type": "manual"})),
            payload("sync.request", json!({"last_known_version": 1, "sections": ["body"], "full": false})),
            payload("system.heartbeat", json!({"client_time": "2025-09-21T12:45:30.123Z"})),
            payload("auth.refresh", json!({"token": "a.b.c"})),
            json!([payload("system.heartbeat", json!({})), payload("cursor.position", json!({"position": 0}))]),
        ];
        Self(messages.iter().map(|message| message.to_string().into_bytes()).collect())
    }

    fn any(&self, chance: &mut Chance) -> &[u8] {
        &self.0[chance.below(self.0.len())]
    }

    /// A damaged message, in a frame that is whole.
    pub(super) fn message(&self, chance: &mut Chance) -> Vec<u8> {
        let mut bytes = self.any(chance).to_vec();
        for _ in 0..=chance.below(DAMAGES_MAX) {
            self.damage(&mut bytes, chance);
        }
        frame(TEXT, &bytes)
    }

    /// A damaged frame; what it says of its length and its end may be anything.
    pub(super) fn frame(&self, chance: &mut Chance) -> Vec<u8> {
        let mut bytes = frame(TEXT, self.any(chance));
        for _ in 0..=chance.below(DAMAGES_MAX) {
            let at = chance.below(HEAD_BYTES.min(bytes.len()));
            bytes[at] = u8::try_from(chance.below(256)).unwrap_or(0);
        }
        bytes
    }

    fn damage(&self, bytes: &mut Vec<u8>, chance: &mut Chance) {
        let at = chance.below(bytes.len() + 1);
        let end = bytes.len().min(at + 1 + chance.below(RANGE_BYTES_MAX));
        match chance.below(8) {
            0 if at < bytes.len() => bytes[at] ^= 1 << chance.below(8),
            1 if at < bytes.len() => bytes[at] = b' ' + u8::try_from(chance.below(95)).unwrap_or(0),
            2 => drop(bytes.drain(at..end)),
            3 => {
                let repeated = bytes[at..end].to_vec();
                bytes.splice(at..at, repeated);
            }
            4 => {
                let other = self.any(chance);
                let from = chance.below(other.len());
                let to = other.len().min(from + RANGE_BYTES_MAX);
                bytes.splice(at..end, other[from..to].iter().copied());
            }
            5 => bytes.truncate(at),
            6 => extreme_number(bytes, at, chance),
            _ => drop(bytes.splice(at..at, chance.one_of(&STRANGERS).iter().copied())),
        }
    }
}

/// Puts a number that means trouble in the place of the next one.
fn extreme_number(bytes: &mut Vec<u8>, from: usize, chance: &mut Chance) {
    const EXTREMES: [&[u8]; 8] =
        [b"-1", b"0", b"4294967295", b"4294967296", b"9007199254740993", b"18446744073709551615", b"1e308", b"1.5"];
    let Some(start) = bytes[from..].iter().position(u8::is_ascii_digit).map(|at| from + at) else { return };
    let length = bytes[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    bytes.splice(start..start + length, chance.one_of(&EXTREMES).iter().copied());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_its_mutants_and_another_has_others() {
        let templates = Templates::new();
        let mutants = |seed, number| {
            let mut chance = Chance::new(seed, number);
            (0..200).map(|_| (templates.message(&mut chance), templates.frame(&mut chance))).collect::<Vec<_>>()
        };
        assert_eq!(mutants(1, 2), mutants(1, 2));
        assert_ne!(mutants(1, 2), mutants(2, 1));
        assert_ne!(mutants(1, 2), mutants(1, 3));
    }

    #[test]
    fn some_stay_whole_and_most_do_not() {
        let templates = Templates::new();
        let mut chance = Chance::new(7, 0);
        let is_json = |frame: &[u8]| {
            let mut rests = (0..16).filter_map(|head| frame.get(head..));
            rests.any(|rest| serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(rest).is_ok())
        };
        let whole = (0..2_000).filter(|_| is_json(&templates.message(&mut chance))).count();
        assert!((200..1_500).contains(&whole), "{whole} of 2,000 are JSON");
    }
}
