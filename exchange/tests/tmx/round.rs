//! What was written is read again as it was.

use jddb_core::ids::UnixMillis;
use jddb_core::translation::{
    Context, Entry, EntryId, Language, LanguagePair, Markup, ProjectId, Rating, Ratings, Scope, Status,
};
use jddb_exchange::tmx::TmxWriter;
use proptest::prelude::*;

use super::read;

/// Every corner: what XML escapes, what it cannot hold, and what looks like our own tags.
fn text() -> impl Strategy<Value = Box<str>> {
    let part = prop_oneof![
        4 => any::<char>().prop_map(String::from),
        4 => "[a-z é«»’\u{A0}]{1,4}",
        2 => prop::sample::select(vec!["<", ">", "&", "\"", "'", "]]>", "&amp;", "<seg>", "</seg>", "<ph type=\"x-cp-0007\"/>"])
            .prop_map(str::to_owned),
        1 => prop::sample::select(vec!['\0', '\u{7}', '\u{B}', '\t', '\n', '\r', '\u{1F}', '\u{7F}', '\u{85}', '\u{FFFE}', '\u{FFFF}', '\u{10FFFF}', '\u{301}', '\u{2028}'])
            .prop_map(String::from),
    ];
    prop::collection::vec(part, 0..8).prop_map(|parts| format!("a{}", parts.concat()).into())
}

/// A text that is kept outside of segments: of what XML cannot hold another character would stand there.
fn around() -> impl Strategy<Value = Option<Box<str>>> {
    prop::option::of(text().prop_map(|text| {
        let text: String = text.chars().filter(|character| jddb_exchange::xml::is_character(*character)).collect();
        text.into()
    }))
}

fn name() -> impl Strategy<Value = Box<str>> {
    "[a-z é<&\"'>]{0,6}".prop_map(|name| format!("n{name}").into())
}

fn ratings() -> impl Strategy<Value = Ratings> {
    (0..1_000_000_u32, prop::collection::vec((name(), 1..=5_u64), 0..4), 1..=5_u32).prop_map(
        |(others, raters, mean)| {
            let last: Vec<(Box<str>, Rating)> =
                raters.into_iter().map(|(who, stars)| (who, Rating::new(stars).unwrap())).collect();
            let counted: u32 = last.iter().map(|(_, rating)| u32::from(rating.stars())).sum();
            Ratings { count: others + u32::try_from(last.len()).unwrap(), sum: others * mean + counted, last }
        },
    )
}

fn entry() -> impl Strategy<Value = Entry> {
    let project = prop::option::of("[a-z0-9][a-z0-9_.-]{0,5}".prop_map(|name| ProjectId::new(&name).unwrap()));
    let status = prop::sample::select(vec![Status::Accepted, Status::Pending, Status::Rejected]);
    let moment = || (0..4_102_444_800_000_u64).prop_map(UnixMillis);
    let people = prop::collection::hash_set(name(), 0..5);
    (
        (text(), text(), any::<bool>(), project),
        (prop::option::of(name()), prop::option::of(name()), prop::option::of(name()), around(), around()),
        (status, any::<bool>(), ratings(), any::<u32>()),
        (moment(), moment(), moment(), people),
    )
        .prop_map(|(texts, context, judged, history)| {
            let (source_text, translated_text, is_english, project) = texts;
            let (document_id, document_type, section, previous, next) = context;
            let (status, reviewed, ratings, usage_count) = judged;
            let (created_at, changed_at, last_used_at, contributors) = history;
            let pair = [Language::ENGLISH, Language::FRENCH];
            let [source, target] = if is_english { pair } else { [pair[1], pair[0]] };
            Entry {
                id: EntryId(7),
                scope: project.map_or(Scope::Shared, Scope::Project),
                pair: LanguagePair::new(source, target).unwrap(),
                source_text,
                translated_text,
                markup: None,
                context: Context { document_id, document_type, section, domain: None, previous, next }.into(),
                status,
                reviewed,
                ratings,
                usage_count,
                created_at,
                changed_at,
                last_used_at,
                contributors: contributors.into_iter().collect(),
            }
        })
}

fn written(entries: &[Entry]) -> Vec<u8> {
    let mut tmx = TmxWriter::new(Vec::new(), UnixMillis(0)).unwrap();
    entries.iter().for_each(|entry| tmx.write(entry).unwrap());
    tmx.finish().unwrap()
}

fn again(entries: &[Entry]) -> Vec<Entry> {
    let (imported, skipped) = read(&written(entries)).unwrap();
    assert_eq!(skipped, []);
    imported.into_iter().map(|one| one.into_entry(EntryId(7), UnixMillis(1))).collect()
}

proptest! {
    #[test]
    fn entries_are_read_as_they_were_written(entries in prop::collection::vec(entry(), 0..4)) {
        prop_assert_eq!(again(&entries), entries);
    }
}

#[test]
fn tags_go_back_to_where_they_came_from() {
    let segment =
        "a<bpt i=\"1\" type=\"x&amp;&quot;&#10;y\">&lt;b&gt;</bpt>é<hi>c<ph type=\"x-cp-0007\"/></hi><ept i=\"1\"/>";
    let (imported, _) = read(super::file(&super::unit(segment, "b")).as_bytes()).unwrap();
    let entry = imported[0].clone().into_entry(EntryId(7), UnixMillis(1));
    assert_eq!(&*entry.source_text, "aéc\u{7}");
    assert_eq!(entry.markup, Some(Box::new(Markup { source: Some(segment.into()), target: None })));
    assert_eq!(again(std::slice::from_ref(&entry)), [entry]);
}

#[test]
fn what_cannot_be_held_outside_of_a_text_is_replaced() {
    let (imported, _) = read(super::file(&super::unit("a", "b")).as_bytes()).unwrap();
    let mut entry = imported[0].clone().into_entry(EntryId(7), UnixMillis(1));
    entry.context = Context { previous: Some("a\u{7}b".into()), ..Context::default() }.into();
    assert_eq!(again(&[entry])[0].context.previous.as_deref(), Some("a\u{FFFD}b"));
}

#[test]
fn what_looks_like_an_element_or_lies_beyond_all_calendars_is_written_and_read() {
    let (imported, _) = read(super::file(&super::unit("a", "b")).as_bytes()).unwrap();
    let mut entry = imported[0].clone().into_entry(EntryId(7), UnixMillis(1));
    let (previous, next) = (Some("<seg>a</seg>".into()), Some("<seg>".into()));
    entry.context = Context { previous, next, ..Context::default() }.into();
    entry.last_used_at = UnixMillis(u64::MAX);
    let read = again(std::slice::from_ref(&entry)).remove(0);
    assert_eq!(read.context, entry.context);
    assert!(read.last_used_at > UnixMillis(253_000_000_000_000), "the last year there is: {:?}", read.last_used_at);
}

/// Where another tool has changed the second of a date and left our property alone, the date holds.
#[test]
fn a_date_that_was_changed_elsewhere_holds() {
    let (imported, _) = read(super::file(&super::unit("a", "b")).as_bytes()).unwrap();
    let entry = imported[0].clone().into_entry(EntryId(7), UnixMillis(1_758_458_730_123));
    let file = String::from_utf8(written(&[entry])).unwrap();
    assert!(file.contains("2025-09-21T12:45:30.123Z"), "{file}");
    let changed =
        file.replace("creationdate=\"20250921T124530Z\" changedate", "creationdate=\"20250921T124531Z\" changedate");
    let (imported, _) = read(changed.as_bytes()).unwrap();
    assert_eq!(imported[0].created_at, Some(UnixMillis(1_758_458_731_000)));
    assert_eq!(imported[0].changed_at, Some(UnixMillis(1_758_458_730_123)));
}
