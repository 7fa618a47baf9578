//! What other tools write as TBX.

use jddb_core::ids::UnixMillis;
use jddb_core::translation::{ImportedTerm, Language, ProjectId, Scope, TermContent, TermDraft};
use jddb_exchange::terms::{Format, TermDefaults};

use super::{Read, english, incumbent, names, pair, read_with, term};

/// A file of these concepts, of which the first is on line 5.
pub(crate) fn file(concepts: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<?xml-model href=\"a.rng\"?><tbx style=\"dca\" type=\"TBX-Basic\" \
         xml:lang=\"en\" xmlns=\"urn:iso:std:iso:30042:ed-2\">\n<tbxHeader><fileDesc><sourceDesc><p>a</p></sourceDesc>\
         </fileDesc></tbxHeader>\n<text><body>\n{concepts}\n</body><back><refObjectSec/></back></text></tbx>\n"
    )
}

pub(crate) fn section(language: &str, terms: &[(&str, &str)]) -> String {
    let terms = terms.iter().map(|(term, status)| {
        let status = match *status {
            "" => String::new(),
            status => format!("<termNote type=\"administrativeStatus\">{status}</termNote>"),
        };
        format!("<termSec><term>{term}</term>{status}</termSec>")
    });
    format!("<langSec xml:lang=\"{language}\">{}</langSec>", terms.collect::<String>())
}

pub(crate) fn concept(sections: &[String]) -> String {
    format!("<conceptEntry>{}</conceptEntry>", sections.concat())
}

fn read_as(file: &str, defaults: TermDefaults) -> Read {
    read_with(file.as_bytes(), Format::Tbx, defaults).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn read(file: &str) -> Read {
    read_as(file, TermDefaults::default())
}

/// All that a term has, by its ISO name; notes of sources and of changes are none of it.
const WHOLE: &str = "<conceptEntry id=\"c1\">
    <descripGrp><descrip type=\"definition\">Who holds a\n position</descrip><admin type=\"source\">x</admin><note>no</note></descripGrp>
    <descrip type=\"subjectField\"> government_hr </descrip>
    <transacGrp><transac type=\"transactionType\">modification</transac><date>2025-09-21T12:45:30.123Z</date>
        <transacNote type=\"responsibility\" target=\"p1\">bob</transacNote><note>no</note></transacGrp>
    <transacGrp><transac type=\"transactionType\">origination</transac><transacNote type=\"responsibility\">ann</transacNote>
        <date>2024-03-01</date></transacGrp>
    <note>see <hi>the</hi> act</note><xref type=\"xGraphic\" target=\"a\">b</xref>
    <langSec xml:lang=\"EN-CA\">
        <termSec><term>incumbents</term><termNote type=\"termType\">variant</termNote></termSec>
        <termSec><term>incum<!-- -->bent</term><termNote type=\"partOfSpeech\">noun</termNote>
            <termNoteGrp><termNote type=\"administrativeStatus\">preferredTerm-admn-sts</termNote></termNoteGrp>
            <admin type=\"projectSubset\">hr</admin><note>Case-sensitive</note>
            <descrip type=\"context\">The incumbent reports</descrip></termSec></langSec>
    <langSec xml:lang=\"fr\">
        <termSec><term>occupant</term><termNote type=\"administrativeStatus\">deprecatedTerm-admn-sts</termNote></termSec>
        <termSec><term>personne titulaire</term><termNote type=\"administrativeStatus\">admittedTerm-admn-sts</termNote></termSec>
        <termSec><term>titulaire</term><termNote type=\"administrativeStatus\">preferredTerm-admn-sts</termNote><note>n</note></termSec>
        <termSec><term>tenant</term><termNote type=\"administrativeStatus\">supersededTerm-admn-sts</termNote></termSec></langSec>
    </conceptEntry>";

fn whole() -> ImportedTerm {
    let draft = TermDraft {
        variants: vec!["incumbents"],
        accepted: vec!["personne titulaire"],
        forbidden: vec!["occupant", "tenant"],
        domain: Some("government_hr"),
        mandatory: true,
        case_matters: true,
        note: Some("Who holds a position; see the act"),
        ..incumbent()
    };
    let mut whole = ImportedTerm {
        content: TermContent::new(&draft).unwrap(),
        created_by: Some("ann".into()),
        created_at: Some(UnixMillis(1_709_251_200_000)),
        updated_by: Some("bob".into()),
        updated_at: Some(UnixMillis(1_758_458_730_123)),
        ..term(&draft)
    };
    whole.place.scope = Scope::Project(ProjectId::new("hr").unwrap());
    whole
}

#[test]
fn what_is_said_of_a_concept_is_kept() {
    assert_eq!(read(&file(WHOLE)), (vec![whole()], Vec::new()));
    let project = ProjectId::new("other").unwrap();
    let (terms, _) = read_as(&file(WHOLE), TermDefaults { project: Some(project.clone()), pair: None });
    assert_eq!(terms[0].place.scope, Scope::Project(project), "what is asked for holds");
}

/// The TBX of 2008 has other names, and DCT has elements of its own.
#[test]
fn other_names_of_the_same_are_read_too() {
    let older = [
        ("<tbx style=\"dca\" type=\"TBX-Basic\"", "<martif type=\"TBX-Basic\""),
        ("</tbx>", "</martif>"),
        ("tbxHeader", "martifHeader"),
        ("conceptEntry", "termEntry"),
        ("langSec", "langSet"),
        ("termSec", "tig"),
    ];
    let replaced = |names: &[(&str, &str)]| {
        let all = names.iter().fold(file(WHOLE), |file, (name, other)| file.replace(name, other));
        assert_ne!(all, file(WHOLE));
        all
    };
    assert_eq!(read(&replaced(&older)).0, [whole()]);
    let grouped = [("<termSec>", "<ntig><termGrp>"), ("</termSec>", "</termGrp></ntig>")];
    assert_eq!(read(&replaced(&grouped)).0, [whole()]);
    let mut elements = file(WHOLE);
    for (element, kind) in [
        ("descrip", "definition"),
        ("descrip", "subjectField"),
        ("admin", "projectSubset"),
        ("termNote", "administrativeStatus"),
        ("transac", "transactionType"),
        ("transacNote", "responsibility"),
    ] {
        let begin = format!("<{element} type=\"{kind}\"");
        while let Some(at) = elements.find(&begin) {
            elements.replace_range(at..at + begin.len(), &format!("<min:{kind}"));
            let end = at + elements[at..].find(&format!("</{element}>")).unwrap();
            elements.replace_range(end..end + element.len() + 3, &format!("</min:{kind}>"));
        }
    }
    assert_eq!(read(&elements).0, [whole()]);
    let normative = replaced(&[("administrativeStatus", "normativeAuthorization"), ("-admn-sts", "")]);
    assert_eq!(read(&normative).0, [whole()]);
}

#[test]
fn which_is_the_translation_is_what_the_status_says() {
    let check = |terms: &[(&str, &str)], mandatory: bool, accepted: &[&str], forbidden: &[&str]| {
        let (terms, skipped) = read(&file(&concept(&[section("en", &[("incumbent", "")]), section("fr", terms)])));
        let draft = TermDraft { mandatory, accepted: accepted.to_vec(), forbidden: forbidden.to_vec(), ..incumbent() };
        assert_eq!((terms, skipped), (vec![term(&draft)], Vec::new()));
    };
    let (preferred, admitted, deprecated) =
        ("preferredTerm-admn-sts", "admittedTerm-admn-sts", "deprecatedTerm-admn-sts");
    check(&[("titulaire", "")], false, &[], &[]);
    check(&[("titulaire", preferred)], true, &[], &[]);
    check(&[("titulaire", admitted), ("a", "")], false, &["a"], &[]);
    check(&[("a", ""), ("titulaire", preferred), ("b", preferred)], true, &["b", "a"], &[]);
    check(&[("a", deprecated), ("titulaire", ""), ("b", "supersededTerm-admn-sts")], false, &[], &["a", "b"]);
    check(&[("titulaire", "something else")], false, &[], &[]);
}

#[test]
fn which_languages_are_the_terms_is_asked_or_follows_from_the_order() {
    let [english_section, french, german] =
        [("en-GB", "incumbent"), ("fr", "titulaire"), ("de", "x")].map(|(tag, text)| section(tag, &[(text, "")]));
    let pairs = |sections: &[&String], pair| {
        let sections: Vec<String> = sections.iter().map(|section| (*section).clone()).collect();
        let (terms, skipped) = read_as(&file(&concept(&sections)), TermDefaults { pair, ..TermDefaults::default() });
        let terms: Vec<String> = terms.iter().map(|term| term.content.term().to_owned()).collect();
        (terms, names(&skipped))
    };
    let back = pair(Language::FRENCH, Language::ENGLISH);
    let found = |text: &str| (vec![text.to_owned()], Vec::new());
    let nothing = (Vec::new(), vec![("unsupported_languages", 5)]);
    assert_eq!(pairs(&[&german, &english_section, &french], None), found("incumbent"));
    assert_eq!(pairs(&[&french, &english_section], None), found("titulaire"));
    assert_eq!(pairs(&[&french, &english_section], Some(english())), found("incumbent"));
    assert_eq!(pairs(&[&english_section, &french], Some(back)), found("titulaire"));
    assert_eq!(pairs(&[&english_section, &german], None), nothing);
    assert_eq!(pairs(&[&english_section, &english_section], None), nothing);
    assert_eq!(pairs(&[&french], Some(back)), nothing);
    assert_eq!(pairs(&[], None), nothing);
}

#[test]
fn what_can_be_no_term_is_skipped_with_its_line() {
    let english = section("en", &[("incumbent", "")]);
    let long = "x".repeat(20_000);
    let concepts = [
        concept(&[english.clone(), section("fr", &[("a", "deprecatedTerm-admn-sts")])]),
        concept(&[section("en", &[("", "")]), section("fr", &[("a", "")])]),
        concept(&[english.clone(), section("fr", &[(&long, "")])]),
        concept(&[english.clone(), section("fr", &[("a", ""), ("A", "deprecatedTerm-admn-sts")])]),
        concept(&[
            english.replace("</term>", "</term><admin type=\"projectSubset\">a/b</admin>"),
            section("fr", &[("a", "")]),
        ]),
    ];
    let (terms, skipped) = read(&file(&concepts.join("\n")));
    assert_eq!(terms, []);
    let expected = [
        ("no_translation", 5),
        ("invalid_term", 6),
        ("invalid_translation", 7),
        ("invalid_forbidden_translations", 8),
        ("invalid_project", 9),
    ];
    assert_eq!(names(&skipped), expected);
}

/// A definition may be longer than a note may.
#[test]
fn what_is_more_than_a_note_may_be_is_cut() {
    let sections = [section("en", &[("incumbent", "")]), section("fr", &[("titulaire", "")])].concat();
    for definition in ["é ".repeat(900), "é".repeat(20_000), "\u{85}é&#x7F;".repeat(900)] {
        let all = format!("<conceptEntry><descrip type=\"definition\">{definition}</descrip>{sections}</conceptEntry>");
        let (terms, skipped) = read(&file(&all));
        assert!(skipped.is_empty(), "{skipped:?}");
        let note = terms[0].content.draft().note.unwrap();
        assert!(note.starts_with('é') && note.ends_with('…') && note.chars().count() <= 1_000, "{note}");
    }
}

/// Whatever the order in the file.
#[test]
fn who_made_it_first_and_changed_it_last_is_kept() {
    let did = |kind: &str, who: &str, date: &str| {
        format!(
            "<transacGrp><transac type=\"transactionType\">{kind}</transac>\
             <transacNote type=\"responsibility\">{who}</transacNote>{date}</transacGrp>"
        )
    };
    let sections = [section("en", &[("incumbent", "")]), section("fr", &[("titulaire", "")])].concat();
    let mut history = [
        did("origination", "later", "<date>2021-01-01</date>"),
        did("origination", "first", "<date>2020-01-01</date>"),
        did("origination", "undated", ""),
        did("modification", "before", "<date>2022-01-01</date>"),
        did("modification", "last", "<date>2023-01-01</date>"),
        did("modification", "undated", ""),
        did("importation", "other", "<date>2030-01-01</date>"),
    ];
    for _ in 0..history.len() {
        history.rotate_left(1);
        let (terms, _) = read(&file(&format!("<conceptEntry>{}{sections}</conceptEntry>", history.concat())));
        assert_eq!((terms[0].created_by.as_deref(), terms[0].updated_by.as_deref()), (Some("first"), Some("last")));
    }
}

#[test]
fn so_many_notes_are_looked_at() {
    let sections = [section("en", &[("incumbent", "")]), section("fr", &[("titulaire", "")])].concat();
    let (terms, _) = read(&file(&format!("<conceptEntry>{}{sections}</conceptEntry>", "<note>a</note>".repeat(17))));
    assert_eq!(terms[0].content.draft().note, Some(["a"; 16].join("; ").as_str()));
}
