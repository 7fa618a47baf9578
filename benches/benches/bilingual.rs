//! A document in two languages: what it costs that somebody is told of the segment at their cursor and of what becomes old, beside
//! the same document with nobody who is.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use jddb_benches::Editors;
use jddb_core::ids::PositionEncoding;

const MEMBERS: usize = 50;
const PARAGRAPHS: usize = 100;
/// Inside of a word in the middle.
const CHANGE: &str = r#"{"type":"document.change","payload":{"operation":"insert","position":30000,"content":"x","section":"duties_en"}}"#;
const SUBSCRIBE: &str = r#"{"type":"translation.subscribe","payload":{"source_language":"en","target_language":"fr"}}"#;

/// Paragraphs of ten sentences of 63 characters, about 63,000 in all, as they stand in JSON.
fn text(sentence: &str) -> String {
    format!("{}\\n", format!("{sentence:-<61}. ").repeat(10)).repeat(PARAGRAPHS)
}

fn change(operation: &str, section: &str, length: usize, text: &str) -> String {
    format!(
        r#"{{"type":"document.change","payload":{{"operation":"{operation}","position":0,"length":{length},"content":"{text}","section":"{section}"}}}}"#
    )
}

/// A document of twice 64 KiB, of whose editors the last ones are told of translations.
fn editors(subscribers: usize) -> Editors {
    let mut editors = Editors::new(MEMBERS, &[PositionEncoding::Utf16]);
    for (section, sentence) in
        [("duties_en", "Manages a team of analysts"), ("duties_fr", "Gère une équipe d'analystes")]
    {
        editors.turn(&change("insert", section, 0, &text(sentence)));
    }
    for member in MEMBERS - subscribers..MEMBERS {
        editors.turn_of(member, SUBSCRIBE);
    }
    assert_eq!(editors.are_told_of_translations(), subscribers > 0);
    editors
}

fn bench(c: &mut Criterion, name: &str, subscribers: usize, rounds: usize, messages: &[String]) {
    c.benchmark_group("bilingual").bench_function(format!("{name}/subscribers={subscribers}"), |b| {
        b.iter_batched_ref(
            || editors(subscribers),
            |editors| {
                for message in messages.iter().cycle().take(rounds) {
                    black_box(editors.turn(message));
                }
            },
            BatchSize::LargeInput,
        );
    });
}

fn turns(c: &mut Criterion) {
    let rewritten = |sentence: &str| change("replace", "duties_en", 631 * PARAGRAPHS, &text(sentence));
    let rewrites = [rewritten("Leads the work of all analysts"), rewritten("Answers for a team of analysts")];
    for subscribers in [0, 1, MEMBERS] {
        bench(c, "1000_changes", subscribers, 1_000, &[CHANGE.to_owned()]);
        bench(c, "10_rewritten_sections", subscribers, 10, &rewrites);
    }
}

criterion_group! {
    name = bilingual;
    config = Criterion::default().sample_size(20);
    targets = turns
}
criterion_main!(bilingual);
