//! What a text takes in memory: little more than its units do, and nothing while there are none.

use jddb_core::text::Text;

use super::heap_bytes;

/// Asserts that there are at most so many thousandths of a byte for each unit.
fn check(name: &str, units: usize, thousandths_max: usize, make: impl FnOnce() -> Text) {
    let bytes = heap_bytes(make);
    println!("{name}: {bytes} bytes for {units} units, {:.3} each", bytes as f64 / units as f64);
    assert!(bytes * 1_000 <= units * thousandths_max, "{name} takes {bytes} bytes");
}

fn edit(text: &mut Text, position: usize, deleted: usize, inserted: &str) {
    text.splice(position, deleted, inserted, &mut String::new());
}

const UNITS: usize = 100_000;

#[test]
fn nothing_for_no_text() {
    assert_eq!(heap_bytes(Text::default), 0);
    assert_eq!(heap_bytes(|| Text::from("")), 0);
}

#[test]
fn loaded() {
    let ascii = "the fox ".repeat(UNITS / 8);
    check("loaded", UNITS, 1_050, || Text::from(ascii.as_str()));
    let latin1 = "thé fox ".repeat(UNITS / 8);
    check("loaded, Latin-1", UNITS, 1_050, || Text::from(latin1.as_str()));
    let wide = "the f€x ".repeat(UNITS / 8);
    check("loaded, two bytes a unit", UNITS, 2_100, || Text::from(wide.as_str()));
}

#[test]
fn a_short_text() {
    check("short", 200, 2_000, || Text::from("x".repeat(200).as_str()));
}

#[test]
fn typed() {
    let type_at = |place: fn(usize) -> usize| {
        let mut text = Text::default();
        (0..UNITS).for_each(|count| edit(&mut text, place(count), 0, "x"));
        text
    };
    check("typed on", UNITS, 1_300, || type_at(|count| count));
    check("typed backwards", UNITS, 1_300, || type_at(|_| 0));
    check("typed into the middle", UNITS, 1_300, || type_at(|count| count / 2));
    check("typed all over", UNITS, 1_300, || type_at(|count| count * 7_919 % (count + 1)));
}

/// At the end of a real session.
#[test]
fn replayed() {
    for trace in super::support::read(&["automerge-paper", "seph-blog1"]) {
        let replay = || {
            let mut text = Text::from(trace.start.as_str());
            let patches = trace.patches.iter();
            patches.for_each(|patch| edit(&mut text, patch.position, patch.deleted, &patch.inserted));
            assert!(text.to_string() == trace.end);
            text
        };
        // In the second one there was an arrow once: from then on it has two bytes a unit.
        let mut typed = trace.patches.iter().flat_map(|patch| patch.inserted.chars());
        let thousandths_max = if typed.all(|character| character < '\u{100}') { 1_300 } else { 2_600 };
        check(trace.name, trace.end.chars().count(), thousandths_max, replay);
    }
}

#[test]
fn deleted() {
    let halved = |step: usize| {
        let mut text = Text::from("x".repeat(2 * UNITS).as_str());
        (0..UNITS / step).for_each(|count| edit(&mut text, count * step, step, ""));
        text
    };
    // A leaf gives memory back when less than three quarters of it are in use.
    check("every second unit deleted", UNITS, 1_400, || halved(1));
    check("every second hundred deleted", UNITS, 1_400, || halved(100));
    check("every second stretch of 5,000 deleted", UNITS, 1_300, || halved(5_000));
    assert_eq!(heap_bytes(|| Text::from("x")), heap_bytes(|| Text::from("y")));
}
