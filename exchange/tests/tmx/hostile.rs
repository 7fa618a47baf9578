//! Files that are none, or break off, or want to be too much.

use jddb_exchange::ReadError;
use jddb_exchange::tmx::VARIANTS_MAX;

use super::{file, read, unit};

fn check(file: &str, line: u64, reason: &str) {
    match read(file.as_bytes()) {
        Err(ReadError::Malformed { line: found, element, reason: found_reason }) => {
            let all = format!("<{element}> {found_reason}");
            assert!(all.contains(reason), "{file}: {all}, expected {reason}");
            assert_eq!(found, line, "{file}: {all}");
        }
        other => panic!("{file}: {other:?}"),
    }
}

/// A file whose sixth line is that one, where the first unit begins.
fn check_unit(units: &str, reason: &str) {
    check(&file(units), 6, reason);
}

#[test]
fn what_is_wrong_is_told_with_its_line_and_element() {
    check("<xliff/>", 1, "<xliff> this is another kind of file: expected <tmx>");
    check("<tmx/>", 1, "expected <header> and <body>");
    check("<tmx>\n<header/><boody/></tmx>", 2, "<boody> expected <header> and <body>");
    check_unit("<unit/>", "<unit> not expected between units: expected <tu>");
    check_unit("text", "<body> text between units");
    check_unit("<tu>text</tu>", "<tu> text: expected <tuv>");
    check_unit("<tu><tuv><seg>a</seg></tuv></tu>", "<tuv> no xml:lang");
    check_unit("<tu><tuv xml:lang=\"en\"/></tu>", "without a text: expected <seg>");
    check_unit("<tu><tuv xml:lang=\"en\"><seg/><seg/></tuv></tu>", "<seg> more than one");
    check_unit("<tu><tuv xml:lang=\"en\">a</tuv></tu>", "<tuv> text: expected <seg>");
    check_unit(&unit("a<b>c</b>", "x"), "<b> no tag of a text: expected bpt, ept");
    check_unit("<tu><prop>a</prop></tu>", "<prop> no type");
    check_unit("<tu><prop type=\"a\"><b/></prop></tu>", "<b> an element in <prop>");
    for (attribute, value) in [
        ("usagecount", "often"),
        ("usagecount", "-1"),
        ("creationdate", "yesterday"),
        ("changedate", "20241301T000000Z"),
        ("lastusagedate", ""),
    ] {
        check_unit(&format!("<tu {attribute}=\"{value}\"/>"), &format!("<tu> {attribute} is {value:?}: expected"));
    }
    for (name, value) in [
        ("x-status", "good"),
        ("x-reviewed", "1"),
        ("x-rating", "6"),
        ("x-rating-count", "few"),
        ("x-rating-by", "9 ann"),
    ] {
        check_unit(
            &format!("<tu><prop type=\"{name}\">{value}</prop></tu>"),
            &format!("{name} is {value:?}: expected"),
        );
    }
    check(&file(&format!("{}\n{}", unit("a", "b"), unit("a", "&b;"))), 7, "<seg> the entity &b;");
    check(&file("").replace("</body>", "</body><b/>"), 7, "<b> not expected after <body>");
    check(&file("").replace("</body>", "</body>\nb"), 8, "<tmx> text after <body>");
    check(
        &file(&format!("<tu>{}</tu>", "<tuv lang='fr'><seg>a</seg></tuv>".repeat(VARIANTS_MAX + 1))),
        6,
        "<tuv> more than",
    );
}

#[test]
fn a_file_that_breaks_off_anywhere_is_refused() {
    let whole = file(&format!("{}\n{}", unit("a <ph x=\"1\">&lt;</ph>", "b"), unit("é", "&#233;")));
    let end = whole.trim_end().len();
    for length in 0..end {
        let broken = read(&whole.as_bytes()[..length]);
        assert!(matches!(broken, Err(ReadError::Malformed { .. })), "{length} of {end} bytes: {broken:?}");
    }
    assert_eq!(read(&whole.as_bytes()[..end]).unwrap().0.len(), 2);
}

#[test]
fn what_is_of_no_use_is_not_held() {
    // Each is within its bounds, and all of them together are not kept.
    let properties = "<prop type=\"x-context-pre\">a</prop>".repeat(20_000);
    let people = "<prop type=\"x-contributor\">a</prop>".repeat(1_000);
    let long = format!("<prop type=\"x-section\">{}</prop>", "&amp;".repeat(100_000));
    let units = unit("a", "b").replace("<tu>", &format!("<tu>{properties}{people}{long}"));
    let (imported, _) = read(file(&units).as_bytes()).unwrap();
    let one = &imported[0];
    assert_eq!((one.context.previous.as_deref(), one.context.section.as_deref()), (Some("a"), None));
    assert_eq!(one.contributors, ["a".into()] as [Box<str>; 1]);
}
