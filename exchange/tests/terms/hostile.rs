//! Files of terms that are none, or break off, or want to be too much.

use jddb_core::ids::UnixMillis;
use jddb_core::translation::{TermDraft, TermId};
use jddb_exchange::ReadError;
use jddb_exchange::terms::{COLUMNS_MAX, CONCEPT_TERMS_MAX, Format, ROW_BYTES_MAX, TermDefaults, TermsWriter};
use proptest::prelude::*;

use super::tbx::{concept, file, section};
use super::{Read, english, incumbent, read_with, term};

fn read(file: &[u8], format: Format) -> Result<Read, ReadError> {
    read_with(file, format, TermDefaults { pair: Some(english()), ..TermDefaults::default() })
}

fn check_bytes(bytes: &[u8], format: Format, line: u64, expected: &str) {
    let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(300)]);
    match read(bytes, format) {
        Err(ReadError::Malformed { line: found, element, reason }) => {
            let all = format!("<{element}> {reason}");
            assert!(all.contains(expected), "{shown:?}: {all}, expected {expected}");
            assert_eq!(found, line, "{shown:?}: {all}");
        }
        other => panic!("{shown:?}: {other:?}"),
    }
}

fn csv(text: &str, line: u64, expected: &str) {
    check_bytes(text.as_bytes(), Format::Csv, line, expected);
}

#[test]
fn what_is_wrong_with_a_row_is_told_with_its_line() {
    csv("", 1, "it is empty");
    csv("\n\n", 1, "there is nothing");
    csv("word,translation\n", 1, "no column term in the first row (word, translation)");
    csv("term\n", 1, "no column translation");
    csv("term,translation,Term\n", 1, "the column term is there twice");
    csv("term,translation,mandatory\na,b,\nc,d,perhaps\n", 3, "mandatory is \"perhaps\": expected true or false");
    csv("term,translation,case_sensitive\r\n\r\n\"a\r\nb\",b,\r\nc,d,2\r\n", 5, "case_sensitive is \"2\"");
    csv(
        "term,translation,source_language\n\n\na,b,english\n",
        4,
        "source_language is \"english\": expected a language",
    );
    csv("term,translation,created_at\na,b,yesterday\n", 2, "created_at is \"yesterday\": expected a moment");
    csv("term,translation\na,b\nc,d,e\n", 3, "\"e\" after the last of 2 columns");
    csv("term,translation\na,b\n\"c,d\ne,f\n", 3, "a quote begins that does not end");
    csv("term,translation,domain\na,b,\nc,d", 3, "the file breaks off in column 2 of 3");
    csv(&format!("term,translation\na,b\n\"{}", "x".repeat(2 * ROW_BYTES_MAX)), 3, "a row of more than");
    csv(&"x".repeat(2 * ROW_BYTES_MAX), 1, "more than is read at once");
    csv(&format!("{}term,translation\n", "x,".repeat(COLUMNS_MAX)), 1, "more than 64 columns");
    check_bytes(b"term,translation\na,b\n\xE9t\xE9,b\n", Format::Csv, 3, "no UTF-8");
    check_bytes(b"PK\x03\x04", Format::Csv, 1, "zip");
    let no_languages = read_with(b"term,translation\na,b\n", Format::Csv, TermDefaults::default());
    assert!(no_languages.unwrap_err().to_string().contains("line 2: no source_language: expected"));
}

fn tbx(concepts: &str, expected: &str) {
    check_bytes(file(concepts).as_bytes(), Format::Tbx, 5, expected);
}

#[test]
fn what_is_wrong_with_a_concept_is_told_with_its_line_and_element() {
    check_bytes(b"<tmx/>", Format::Tbx, 1, "<tmx> this is another kind of file: expected <tbx> or <martif>");
    check_bytes(b"<tbx/>", Format::Tbx, 1, "expected <text> with <body>");
    check_bytes(b"<tbx>\n<boody/></tbx>", Format::Tbx, 2, "<boody> expected <text> with <body>");
    tbx("<entry/>", "<entry> not expected between concepts");
    tbx("text", "<body> text between concepts");
    tbx("<conceptEntry>text</conceptEntry>", "<conceptEntry> text: expected elements");
    tbx("<conceptEntry><conceptEntry/></conceptEntry>", "<conceptEntry> a concept within another");
    tbx("<conceptEntry><langSec/></conceptEntry>", "<langSec> no xml:lang");
    tbx("<conceptEntry><langSec xml:lang=\"en\"><langSec xml:lang=\"fr\"/></langSec></conceptEntry>", "within another");
    tbx("<conceptEntry><termSec/></conceptEntry>", "<termSec> not expected here");
    tbx("<conceptEntry><term>a</term></conceptEntry>", "a <term> that is in no <termSec>");
    let term = "<langSec xml:lang=\"en\"><termSec><term>a</term>";
    tbx(&format!("<conceptEntry>{term}<term>b</term></termSec></langSec></conceptEntry>"), "a second <term>");
    tbx(&format!("<conceptEntry>{term}<termSec/></termSec></langSec></conceptEntry>"), "<termSec> not expected here");
    tbx(
        "<conceptEntry><transacGrp><date>soon</date></transacGrp></conceptEntry>",
        "date is \"soon\": expected a moment",
    );
    tbx("<conceptEntry><termNote type=\"administrativeStatus\">a</termNote></conceptEntry>", "is in no <termSec>");
    let many = vec![("a", ""); CONCEPT_TERMS_MAX];
    tbx(&concept(&[section("en", &many)]), "more than 128 terms and languages in one concept");
    tbx(&concept(&vec![section("en", &[]); CONCEPT_TERMS_MAX + 1]), "more than 128 terms");
    check_bytes(file("").replace("<back>", "<b/><back>").as_bytes(), Format::Tbx, 6, "<b> not expected after <body>");
}

/// Entities, depth and size are refused where XML is read.
#[test]
fn no_bomb_goes_off() {
    let bomb = "<!DOCTYPE tbx [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;\">]><tbx>&b;</tbx>";
    check_bytes(bomb.as_bytes(), Format::Tbx, 1, "refused");
    tbx("<conceptEntry><note>&a;</note></conceptEntry>", "the entity &a;");
    tbx(&format!("<conceptEntry>{}", "<descripGrp>".repeat(100)), "elements within one another");
    tbx(&format!("<conceptEntry><note>{}", "x".repeat(300 << 10)), "a text or a comment of more than");
    // Each is within its bounds, and all of them together are not kept.
    let notes = format!("<note>{}</note>", "&amp;".repeat(10_000)).repeat(100);
    let sections = [section("en", &[("incumbent", "")]), section("fr", &[("titulaire", "")])].concat();
    let all = file(&format!("<conceptEntry>{notes}{sections}</conceptEntry>"));
    let (terms, _) = read(all.as_bytes(), Format::Tbx).unwrap();
    assert_eq!(terms[0].content.draft().note.map(|note| note.chars().count()), Some(1_000));
}

#[test]
fn a_tbx_file_that_breaks_off_anywhere_is_refused() {
    let whole = file(&concept(&[section("en", &[("a", "")]), section("fr", &[("é", "preferredTerm-admn-sts")])]));
    let end = whole.trim_end().len();
    for length in 0..end {
        let broken = read(&whole.as_bytes()[..length], Format::Tbx);
        assert!(matches!(broken, Err(ReadError::Malformed { .. })), "{length} of {end} bytes: {broken:?}");
    }
    assert_eq!(read(whole.as_bytes(), Format::Tbx).unwrap().0.len(), 1);
}

/// Only between rows nothing tells that more were to come, and after the last comma of one nothing but the last date is missing:
/// some spreadsheets write neither a newline at the end nor quotes around nothing. What is read then is what was whole.
#[test]
fn a_csv_file_of_ours_that_breaks_off_within_a_row_is_refused() {
    let mut writer = TermsWriter::new(Vec::new(), Format::Csv).unwrap();
    for (number, text) in ["a", "é \"b\"", "c"].into_iter().enumerate() {
        let draft = TermDraft { term: text, note: Some("n, m"), ..incumbent() };
        let id = TermId(u64::try_from(number).unwrap());
        writer.write(&term(&draft).into_term(id, "ann", UnixMillis(0))).unwrap();
    }
    let whole = writer.finish().unwrap();
    let (all, _) = read(&whole, Format::Csv).unwrap();
    let mut accepted = Vec::new();
    for length in 0..whole.len() {
        match read(&whole[..length], Format::Csv) {
            Ok((mut terms, skipped)) => {
                if let (true, Some(last)) = (whole[..length].ends_with(b","), terms.last_mut()) {
                    assert_eq!(last.updated_at.replace(UnixMillis(0)), None);
                }
                assert!(all.starts_with(&terms) && skipped.is_empty(), "{length}: {terms:?}");
                accepted.push(length);
            }
            Err(ReadError::Malformed { .. }) => {}
            Err(ReadError::Io(error)) => panic!("{length}: {error}"),
        }
    }
    // After the last quote of the first row and of each but the last, with the carriage return and the newline or not; the
    // last has them too.
    let text = String::from_utf8(whole).unwrap();
    let mut expected: Vec<usize> = text.match_indices("\"\r\n").flat_map(|(at, _)| [at + 1, at + 2, at + 3]).collect();
    expected.pop();
    expected.extend(text.match_indices("\"1970-01-01T00:00:00.000Z\"\r\n").map(|(at, _)| at));
    expected.sort_unstable();
    // Of the names of columns some may be missing; no term is read then.
    let is_of_rows = |length: &&usize| **length >= expected[0];
    assert_eq!(accepted.iter().filter(is_of_rows).copied().collect::<Vec<_>>(), expected);
}

proptest! {
    #[test]
    fn nothing_panics(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        rows in "[a,;\"\n\r\t|\\\\'=]{0,60}",
        concept in prop::collection::vec(prop::sample::select(vec![
            "<langSec xml:lang=\"en\">", "<langSec xml:lang=\"fr\">", "</langSec>", "<termSec>", "</termSec>", "<term>", "</term>",
            "a", "<note>", "</note>", "<transacGrp>", "</transacGrp>", "<date>", "</date>", "<descrip type=\"definition\">", "</descrip>",
        ]), 0..20),
    ) {
        for format in [Format::Csv, Format::Tbx] {
            drop(read(&bytes, format));
        }
        drop(read(format!("term,translation,variants\n{rows}").as_bytes(), Format::Csv));
        drop(read(file(&format!("<conceptEntry>{}</conceptEntry>", concept.concat())).as_bytes(), Format::Tbx));
    }
}
