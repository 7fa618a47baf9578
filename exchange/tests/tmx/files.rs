//! What other tools write.

use jddb_core::ids::UnixMillis;
use jddb_core::translation::{Imported, ProjectId, RATERS_MAX, Rating, Scope, Status, TEXT_CHARS_MAX};
use jddb_exchange::tmx::{Defaults, SkipReason};

use super::{file, read, read_with, unit};

fn moment(text: &str) -> Option<UnixMillis> {
    let millis = text.parse::<jiff::Timestamp>().unwrap().as_millisecond();
    Some(UnixMillis(u64::try_from(millis).unwrap()))
}

#[test]
fn what_is_said_of_a_unit_is_kept() {
    let units = r#"<tu tuid="7" usagecount="15" creationdate="20240301T120000Z" creationid="ann" changedate="2024-03-02T00:00:00Z"
        changeid="BOB" lastusagedate="20250921T124530Z"><note>n</note><prop type="x-document">jd_1</prop>
        <prop type="x-context-pre">&lt;seg&gt;Before&lt;/seg&gt;</prop><prop type="x-context-post">After</prop>
        <prop type="domain">hr</prop><prop type="x-status">accepted</prop><prop type="x-rating">4.5</prop>
        <prop type="x-rating-count">2</prop><prop type="x-anything">&#233;</prop><prop type="x-project">hr_2</prop>
        <tuv xml:lang="EN-US" creationid="x"><seg>The <hi>incumbent</hi></seg></tuv>
        <tuv lang="fr_CA" usagecount="16"><prop type="x-section">body</prop><seg>Le titulaire</seg></tuv></tu>"#;
    let (imported, skipped) = read(file(units).as_bytes()).unwrap();
    assert_eq!((imported.len(), skipped.len()), (1, 0));
    let one = &imported[0];
    assert_eq!((&*one.source_text, &*one.translated_text), ("The incumbent", "Le titulaire"));
    // What is said of the translation counts first, then what is of the text, then what is of both.
    assert_eq!((one.usage_count, &one.contributors), (16, &vec!["x".into(), "BOB".into()]));
    assert_eq!(one.created_at, moment("2024-03-01T12:00:00Z"));
    assert_eq!(one.changed_at, moment("2024-03-02T00:00:00Z"));
    assert_eq!(one.last_used_at, moment("2025-09-21T12:45:30Z"));
    let context = &one.context;
    assert_eq!((context.document_id.as_deref(), context.section.as_deref()), (Some("jd_1"), Some("body")));
    assert_eq!((context.previous.as_deref(), context.next.as_deref()), (Some("Before"), Some("After")));
    assert_eq!((context.domain.as_deref(), one.status), (Some("hr"), Some(Status::Accepted)));
    assert_eq!((one.ratings.count, one.ratings.sum), (2, 9));
    assert_eq!(one.scope, Scope::Project(ProjectId::new("hr_2").unwrap()));
    assert_eq!(one.markup.as_ref().unwrap().source.as_deref(), Some("The <hi>incumbent</hi>"));
    let defaults = Defaults { project: Some(ProjectId::new("other").unwrap()), reviewed: true };
    let (imported, _) = read_with(file(units).as_bytes(), &defaults).unwrap();
    assert_eq!((imported[0].scope.project(), imported[0].reviewed), (defaults.project.as_ref(), true));
}

#[test]
fn of_texts_with_tags_the_words_are_what_is_looked_for() {
    let check = |segment: &str, words: &str, markup: Option<&str>| {
        let (imported, _) = read(file(&unit(segment, "x")).as_bytes()).unwrap();
        assert_eq!(&*imported[0].source_text, words, "{segment}");
        let found = imported[0].markup.as_ref().and_then(|both| both.source.as_deref());
        assert_eq!(found, markup, "{segment}");
    };
    check("a &lt; b &amp; c", "a < b & c", None);
    check("a <!-- b -->c<![CDATA[<d>]]>", "a c<d>", None);
    let bold = "<bpt i='1' x=\"1\">&lt;b></bpt>Bold<ept i=\"1\">&lt;/b></ept> text";
    let kept = "<bpt i=\"1\" x=\"1\">&lt;b&gt;</bpt>Bold<ept i=\"1\">&lt;/b&gt;</ept> text";
    check(bold, "Bold text", Some(kept));
    check("One<ph type=\"lb\"/>two", "One two", Some("One<ph type=\"lb\"/>two"));
    check("a<it pos=\"begin\">b<sub>c</sub></it>d<ut/>", "ad", Some("a<it pos=\"begin\">b<sub>c</sub></it>d<ut/>"));
    check("<hi type=\"&lt;&quot;\">a<ph>b</ph></hi>", "a", Some("<hi type=\"&lt;&quot;\">a<ph>b</ph></hi>"));
    check("a<ph type=\"x-cp-0007\"/>b", "a\u{7}b", None);
    // In a code there are no words, and only a code stands for a character.
    let code = "a<it><sub>b<ph type=\"lb\"/><ph type=\"x-cp-0007\"/></sub></it>c";
    check(code, "ac", Some(code));
    check("a<hi type=\"x-cp-0007\">b</hi>", "ab", Some("a<hi type=\"x-cp-0007\">b</hi>"));
    // What XML can hold is not written so.
    check("a<ph type=\"x-cp-0041\"/>b", "ab", Some("a<ph type=\"x-cp-0041\"/>b"));
}

#[test]
fn each_known_language_is_a_translation_of_the_one_that_was_translated() {
    let variant = |language: &str, text: &str| format!("<tuv xml:lang=\"{language}\"><seg>{text}</seg></tuv>");
    let read_pairs = |attributes: &str, variants: &[(&str, &str)]| {
        let variants: String = variants.iter().map(|(language, text)| variant(language, text)).collect();
        let (imported, skipped) = read(file(&format!("<tu{attributes}>{variants}</tu>")).as_bytes()).unwrap();
        let pairs: Vec<String> = imported
            .iter()
            .map(|one| format!("{} {} {}", one.pair.source(), one.source_text, one.translated_text))
            .collect();
        (pairs, skipped.into_iter().map(|(reason, _)| reason).collect::<Vec<_>>())
    };
    let check = |attributes: &str, variants: &[(&str, &str)], expected: &[&str]| {
        assert_eq!(
            read_pairs(attributes, variants),
            (expected.iter().map(|&text| text.to_owned()).collect(), Vec::new())
        );
    };
    check("", &[("fr", "b"), ("en", "a"), ("de", "c")], &["en a b"]);
    check("", &[("en-GB", "a"), ("en-US", "b"), ("fr-CA", "c"), ("fr-FR", "d")], &["en b c", "en b d"]);
    check(" srclang=\"FR-CA\"", &[("en", "a"), ("fr", "b")], &["fr b a"]);
    for all in ["*all*", "*ALL*"] {
        check(&format!(" srclang=\"{all}\""), &[("en", "a"), ("fr", "b")], &["en a b", "fr b a"]);
    }
    let skips = |attributes: &str, variants: &[(&str, &str)], expected: SkipReason| {
        assert_eq!(read_pairs(attributes, variants), (Vec::new(), vec![expected]));
    };
    skips("", &[("fr", "b")], SkipReason::NoSource);
    skips(" srclang=\"de\"", &[("en", "a"), ("fr", "b"), ("de", "c")], SkipReason::NoSource);
    skips("", &[("en", "a"), ("de", "b"), ("en-CA", "c")], SkipReason::NoTarget);
    skips("", &[("en", "a"), ("not a language", "b")], SkipReason::NoTarget);
    skips("", &[("en", "a"), ("fr", " \n")], SkipReason::Empty);
    skips("", &[("en", "a"), ("fr", &"é".repeat(TEXT_CHARS_MAX + 1))], SkipReason::TooLong);
    skips("", &[("en", &"a<ph/>".repeat(50_000)), ("fr", "b")], SkipReason::TooLong);
    skips("", &[], SkipReason::NoSource);
    let (_, skipped) = read(
        file(
            "<tu><prop type=\"x-project\">a b</prop><tuv lang=\"en\"><seg>a</seg></tuv>\
        <tuv lang=\"fr\"><seg>b</seg></tuv></tu>",
        )
        .as_bytes(),
    )
    .unwrap();
    assert_eq!(skipped, [(SkipReason::Project, 6)]);
}

#[test]
fn files_in_16_bits_are_read() {
    let text = file(&unit("é 😀", "ü")).replace("encoding=\"UTF-8\"", "encoding=\"UTF-16\"");
    let marked = format!("\u{FEFF}{text}");
    for bytes in [u16::to_le_bytes, u16::to_be_bytes] {
        let bytes: Vec<u8> = marked.encode_utf16().flat_map(bytes).collect();
        let (imported, _) = read(&bytes).unwrap();
        assert_eq!((&*imported[0].source_text, &*imported[0].translated_text), ("é 😀", "ü"));
    }
}

#[test]
fn what_others_hold_of_the_format_is_read_too() {
    // TMX 1.1 says `lang`; some leave the header's attributes out, or empty bodies.
    let bare = "<tmx version=\"1.1\"><header/><body><tu srclang=\"en\"><tuv lang=\"EN\"><seg>a</seg></tuv>\
                <tuv lang=\"FR\"><seg>b</seg></tuv></tu></body></tmx>";
    assert_eq!(read(bare.as_bytes()).unwrap().0.len(), 1);
    assert_eq!(read(b"<tmx><header srclang='en'/><body/></tmx>").unwrap().0.len(), 0);
    let no_source = "<tmx><header/><body><tu><tuv lang='en'><seg>a</seg></tuv></tu></body></tmx>";
    assert_eq!(read(no_source.as_bytes()).unwrap().1, [(SkipReason::NoSource, 1)]);
}

/// What is imported of a unit with these attributes and properties.
fn imported(attributes: &str, properties: &[(&str, &str)]) -> Imported {
    let property = |(name, value): &(&str, &str)| format!("<prop type=\"{name}\">{value}</prop>");
    let properties: String = properties.iter().map(property).collect();
    let unit = unit("a", "b").replace("<tu>", &format!("<tu {attributes}>{properties}"));
    let (mut imported, skipped) = read(file(&unit).as_bytes()).unwrap();
    assert_eq!((imported.len(), skipped.len()), (1, 0));
    imported.remove(0)
}

#[test]
fn what_is_beyond_what_can_be_counted_is_as_near_as_can_be() {
    let one = imported("usagecount=\"99999999999\" creationdate=\"19500101T000000Z\"", &[]);
    assert_eq!((one.usage_count, one.created_at), (u32::MAX, Some(UnixMillis(0))));
}

#[test]
fn names_are_kept_as_far_as_they_can_be_shown() {
    let one = imported(&format!("creationid=\"a{}\" changeid=\"b&#10;&#9;c\"", "é".repeat(100)), &[]);
    assert_eq!(one.contributors, [format!("a{}", "é".repeat(63)).into(), "bc".into()] as [Box<str>; 2]);
    assert!(imported("creationid=\" &#10;\"", &[]).contributors.is_empty());
    let section = |value: &str| imported("", &[("x-section", value)]).context.section;
    let longest = "x".repeat(256);
    assert_eq!(section(&longest).as_deref(), Some(&*longest));
    for other in ["", &"x".repeat(257), "a\tb", "a\nb"] {
        assert_eq!(section(other), None, "{other:?}");
    }
    let before = |value: &str| imported("", &[("x-context-pre", value)]).context.previous;
    let longest = "é".repeat(TEXT_CHARS_MAX);
    assert_eq!(before(&longest).as_deref(), Some(&*longest));
    for other in [" \n", "<![CDATA[<seg> </seg>]]>", &"x".repeat(TEXT_CHARS_MAX + 1)] {
        assert_eq!(before(other), None, "{other:?}");
    }
    let project = imported("", &[("x-project", " hr\n")]).scope;
    assert_eq!(project, Scope::Project(ProjectId::new("hr").unwrap()));
    // What is too long to be one of ours says nothing, whatever it would say.
    assert_eq!(imported("", &[("x-status", &"x".repeat(40_000))]).status, None);
}

#[test]
fn what_others_call_otherwise_is_known_too() {
    for name in ["x-subject", "subject", "domain", "x-domain"] {
        assert_eq!(imported("", &[(name, "hr")]).context.domain.as_deref(), Some("hr"), "{name}");
    }
    for name in ["document", "x-filename", "x-document"] {
        assert_eq!(imported("", &[(name, "jd")]).context.document_id.as_deref(), Some("jd"), "{name}");
    }
    let around = imported("", &[("x-context-previous", "one"), ("x-context-next", "two")]).context;
    assert_eq!((around.previous.as_deref(), around.next.as_deref()), (Some("one"), Some("two")));
}

#[test]
fn ratings_are_those_that_are_counted() {
    let ratings = |properties: &[(&str, &str)]| {
        let ratings = imported("", properties).ratings;
        (ratings.count, ratings.sum, ratings.last.len())
    };
    assert_eq!(ratings(&[]), (0, 0, 0));
    assert_eq!(ratings(&[("x-rating", "4.2")]), (1, 4, 0), "a mean that nobody counted is one");
    let [ann, ben] = [("x-rating-by", "5 ann"), ("x-rating-by", "1 ben")];
    assert_eq!(ratings(&[("x-rating", "3"), ("x-rating-count", "2"), ann, ben]), (2, 6, 2));
    assert_eq!(ratings(&[("x-rating", "5"), ("x-rating-count", "1"), ann, ben]), (1, 5, 0), "more than are counted");
    assert_eq!(ratings(&[("x-rating", "4"), ("x-rating-count", "1"), ann]), (1, 4, 0), "more than the sum");
    let within = [("x-rating-by", "2 ann"), ("x-rating-by", "3 ben")];
    assert_eq!(ratings(&[&[("x-rating", "5"), ("x-rating-count", "1")][..], &within].concat()), (1, 5, 0));
    assert_eq!(ratings(&[ann]), (0, 0, 0));
    let raters: Vec<String> = (0..=RATERS_MAX).map(|number| format!("2 user_{number}")).collect();
    let mut many: Vec<(&str, &str)> = vec![("x-rating", "2"), ("x-rating-count", "99")];
    many.extend(raters.iter().map(|rater| ("x-rating-by", rater.as_str())));
    let last = imported("", &many).ratings.last;
    assert_eq!((last.len(), &last[0]), (RATERS_MAX, &("user_0".into(), Rating::new(2).unwrap())));
}

#[test]
fn what_is_said_of_a_text_holds_for_that_text() {
    let units = r#"<tu><prop type="x-reviewed">false</prop><tuv lang="en" usagecount="2" creationid="ann"><seg>a</seg></tuv>
        <tuv lang="fr-CA" usagecount="16" creationid="ben"><prop type="x-section">body</prop><seg>b</seg></tuv>
        <tuv lang="fr-FR" changeid="eve"><seg>c</seg></tuv></tu>"#;
    let defaults = Defaults { project: None, reviewed: true };
    let (imported, _) = read_with(file(units).as_bytes(), &defaults).unwrap();
    let [canadian, french] = imported.as_slice() else { panic!("{imported:?}") };
    assert_eq!((canadian.usage_count, french.usage_count), (16, 2));
    assert_eq!((canadian.context.section.as_deref(), french.context.section.as_deref()), (Some("body"), None));
    assert_eq!(canadian.contributors, ["ben".into()] as [Box<str>; 1]);
    assert_eq!(french.contributors, ["ann".into(), "eve".into()] as [Box<str>; 2]);
    assert!(!canadian.reviewed && !french.reviewed, "who says so is believed");
}
