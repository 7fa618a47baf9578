//! What was written is read again as it was.

use jddb_core::ids::UnixMillis;
use jddb_core::translation::{
    ImportedTerm, Language, LanguagePair, ProjectId, Scope, Term, TermContent, TermDraft, TermId, TermPlace,
};
use jddb_exchange::terms::{Format, TermDefaults, TermsWriter};
use proptest::prelude::*;

use super::read_with;
use super::tbx::{concept, file, section};

/// Every corner: what CSV, lists, formulas and XML write otherwise, close together.
fn text() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        4 => "[a-zé '’]{1,3}",
        4 => prop::sample::select(vec!["\"", "|", "\\", ",", ";", "=", "'", "-", "+", "@", "<", "&", "]]>", "&amp;", "＝"]).prop_map(str::to_owned),
        1 => any::<char>().prop_filter("no text", |c| !c.is_control() && !matches!(c, '\u{FFFE}' | '\u{FFFF}')).prop_map(String::from),
    ];
    (prop::collection::vec(part, 0..5), 0..3_usize).prop_map(|(parts, at)| {
        // A letter has to be somewhere, and not always first.
        let mut parts = parts;
        parts.insert(at.min(parts.len()), "x".to_owned());
        parts.concat()
    })
}

fn texts() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(text(), 0..3)
}

type Facts = (Option<String>, Option<String>, bool, bool, Option<String>, bool);

fn facts() -> impl Strategy<Value = Facts> {
    let some = || prop::option::of(text());
    (some(), some(), any::<bool>(), any::<bool>(), prop::option::of("[a-z0-9][a-z0-9_.-]{0,5}"), any::<bool>())
}

fn moments() -> impl Strategy<Value = [UnixMillis; 2]> {
    [0..4_102_444_800_000_u64, 0..4_102_444_800_000_u64].prop_map(|[a, b]| [UnixMillis(a.min(b)), UnixMillis(a.max(b))])
}

fn term() -> impl Strategy<Value = Term> {
    let wordings = (text(), texts(), text(), texts(), prop::collection::vec("[a-z]{4,6}", 0..3));
    (wordings, facts(), moments(), [text(), text()]).prop_filter_map("forbidden and accepted", build)
}

type Wordings = (String, Vec<String>, String, Vec<String>, Vec<String>);

fn build((wordings, facts, moments, people): (Wordings, Facts, [UnixMillis; 2], [String; 2])) -> Option<Term> {
    fn all(texts: &[String]) -> Vec<&str> {
        texts.iter().map(String::as_str).collect()
    }
    let (term, variants, translation, accepted, forbidden) = &wordings;
    let (domain, note, mandatory, case_matters, project, is_english) = facts;
    let draft = TermDraft {
        term,
        variants: all(variants),
        translation,
        accepted: all(accepted),
        forbidden: all(forbidden),
        domain: domain.as_deref(),
        mandatory,
        case_matters,
        note: note.as_deref(),
    };
    let pair = if is_english { [Language::ENGLISH, Language::FRENCH] } else { [Language::FRENCH, Language::ENGLISH] };
    let scope = project.map_or(Scope::Shared, |name| Scope::Project(ProjectId::new(&name).unwrap()));
    // People are without white space at the ends.
    let [created_by, updated_by] = people.map(|name| name.trim().into());
    Some(Term {
        id: TermId(7),
        place: TermPlace { scope, pair: LanguagePair::new(pair[0], pair[1])? },
        content: TermContent::new(&draft).ok()?,
        created_by,
        created_at: moments[0],
        updated_by,
        updated_at: moments[1],
    })
}

fn written<'a>(terms: impl IntoIterator<Item = &'a Term>, format: Format) -> Vec<u8> {
    let mut writer = TermsWriter::new(Vec::new(), format).unwrap();
    terms.into_iter().for_each(|term| writer.write(term).unwrap());
    writer.finish().unwrap()
}

fn again(file: &[u8], format: Format) -> Vec<Term> {
    let (terms, skipped) = read_with(file, format, TermDefaults::default()).unwrap();
    assert_eq!(skipped, []);
    let into_term = |term: ImportedTerm| term.into_term(TermId(7), "nobody", UnixMillis(1));
    terms.into_iter().map(into_term).collect()
}

proptest! {
    #[test]
    fn terms_are_read_as_they_were_written(terms in prop::collection::vec(term(), 0..4)) {
        for format in [Format::Csv, Format::Tbx] {
            let file = written(&terms, format);
            let read = again(&file, format);
            prop_assert_eq!(&read, &terms, "{}", String::from_utf8_lossy(&file));
            prop_assert_eq!(written(&read, format), file);
        }
    }

    /// What was made of a file of another tool is the same after it was written by us, in either format.
    #[test]
    fn what_others_wrote_is_the_same_when_we_have_written_it(
        terms in prop::collection::vec(("[a-c]{1,2}", prop::sample::select(vec!["en", "fr", "EN-US", "de"]), prop::sample::select(vec![
            "", "preferredTerm-admn-sts", "admittedTerm-admn-sts", "deprecatedTerm-admn-sts", "supersededTerm-admn-sts", "other",
        ])), 0..8),
        said in prop::collection::vec(prop::sample::select(vec![
            "<note>a</note>", "<note> </note>", "<descrip type=\"definition\">b <hi>c</hi></descrip>", "<descrip type=\"subjectField\">law</descrip>",
            "<transacGrp><transac type=\"transactionType\">origination</transac><date>2020-01-01</date></transacGrp>",
            "<transacGrp><transac type=\"transactionType\">modification</transac><date>2021-01-01</date><transacNote type=\"responsibility\">eve</transacNote></transacGrp>",
        ]), 0..5),
    ) {
        let sections: Vec<String> = terms.iter().map(|(text, language, status)| section(language, &[(text, status)])).collect();
        let all = file(&concept(&[said.concat(), sections.concat()]));
        let (first, _) = read_with(all.as_bytes(), Format::Tbx, TermDefaults::default()).unwrap();
        let first: Vec<Term> = first.into_iter().map(|term| term.into_term(TermId(7), "nobody", UnixMillis(1))).collect();
        for format in [Format::Tbx, Format::Csv] {
            prop_assert_eq!(&again(&written(&first, format), format), &first, "{}", all);
        }
    }
}
