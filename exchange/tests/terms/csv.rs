//! What spreadsheets and people write as CSV.

use jddb_core::ids::UnixMillis;
use jddb_core::translation::{ImportedTerm, ProjectId, Scope, TermContent, TermDraft, TermPlace};
use jddb_exchange::terms::{Format, TermDefaults, TermsReader, TermsWriter};

use super::{Read, english, incumbent, names, read_with, term};

/// As from English where a row names no languages.
fn read(file: &[u8]) -> Read {
    let defaults = TermDefaults { pair: Some(english()), ..TermDefaults::default() };
    read_with(file, Format::Csv, defaults)
        .unwrap_or_else(|error| panic!("{:?}: {error}", String::from_utf8_lossy(file)))
}

#[test]
fn what_spreadsheets_write_is_read() {
    let expected = term(&TermDraft { mandatory: true, ..incumbent() });
    let utf_16 = |bytes: fn(u16) -> [u8; 2]| {
        let text = "\u{FEFF}term\ttranslation\tmandatory\r\nincumbent\ttitulaire\tyes\r\n";
        text.encode_utf16().flat_map(bytes).collect::<Vec<u8>>()
    };
    for file in [
        &b"term,translation,mandatory\r\nincumbent,titulaire,TRUE\r\n"[..],
        b"\xEF\xBB\xBFTerm;Translation;Mandatory;other\nincumbent;titulaire;1;x",
        b"mandatory\ttranslation\tterm\nyes\ttitulaire\tincumbent\n\n",
        b"term,translation,mandatory,domain\n\"incumbent\",\"titulaire\",yes\n",
        b"term,translation,mandatory,Case Sensitive\n incumbent , titulaire ,Yes,,,\n,,,,\n\r\n",
        &utf_16(u16::to_le_bytes),
        &utf_16(u16::to_be_bytes),
    ] {
        assert_eq!(read(file), (vec![expected.clone()], Vec::new()), "{:?}", String::from_utf8_lossy(file));
    }
}

#[test]
fn each_column_is_what_it_is_called() {
    let file = "term_id,project_id,source_language,target_language,term,translation,domain,mandatory,case_sensitive,variants,\
                accepted_translations,forbidden_translations,note,created_by,created_at,updated_by,updated_at\n\
                term_7,hr,fr-CA,en,titulaire,incumbent,law,no,true,a|b\\|c|d\\\\,e, f ||g,\"see\n\"\"h\"\"\",ann,2024-03-01,\
                bob,2025-09-21T12:45:30.123Z\n";
    let draft = TermDraft {
        term: "titulaire",
        variants: vec!["a", "b|c", "d\\"],
        translation: "incumbent",
        accepted: vec!["e"],
        forbidden: vec!["f", "g"],
        domain: Some("law"),
        mandatory: false,
        case_matters: true,
        note: Some("see \"h\""),
    };
    let pair = super::pair(english().target(), english().source());
    let expected = ImportedTerm {
        place: TermPlace { scope: Scope::Project(ProjectId::new("hr").unwrap()), pair },
        content: TermContent::new(&draft).unwrap(),
        created_by: Some("ann".into()),
        created_at: Some(UnixMillis(1_709_251_200_000)),
        updated_by: Some("bob".into()),
        updated_at: Some(UnixMillis(1_758_458_730_123)),
    };
    assert_eq!(read(file.as_bytes()), (vec![expected], Vec::new()));
    let project = ProjectId::new("other").unwrap();
    let defaults = TermDefaults { project: Some(project.clone()), pair: None };
    let (terms, _) = read_with(file.as_bytes(), Format::Csv, defaults).unwrap();
    assert_eq!(terms[0].place.scope, Scope::Project(project), "what is asked for holds");
}

#[test]
fn what_can_be_no_term_is_skipped_with_its_line() {
    let long = "x".repeat(201);
    let rows = [
        "term,translation,variants,accepted_translations,forbidden_translations,domain,note,source_language,project_id",
        "a,b,,,,,,,",
        "",
        "-,b,,,,,,,",
        "\"a\nb\",,,,,,,,",
        &format!("a,{long},,,,,,,"),
        &format!("a,b,{},,,,,,", "v|".repeat(17)),
        &format!("a,b,,{long},,,,,"),
        "a,b,,,B,,,,",
        &format!("a,b,,,,{long}{long},,,"),
        &format!("a,b,,,,,{},,", long.repeat(5)),
        "a,b,,,,,,de,",
        "a,b,,,,,,fr,",
        "a,b,,,,,,,a/b",
    ];
    let (terms, skipped) = read(rows.join("\n").as_bytes());
    assert_eq!(terms.len(), 1);
    let expected = [
        ("invalid_term", 4),
        ("invalid_translation", 5),
        ("invalid_translation", 7),
        ("invalid_variants", 8),
        ("invalid_accepted_translations", 9),
        ("invalid_forbidden_translations", 10),
        ("invalid_domain", 11),
        ("invalid_note", 12),
        ("unsupported_languages", 13),
        ("unsupported_languages", 14),
        ("invalid_project", 15),
    ];
    assert_eq!(names(&skipped), expected);
    assert!(skipped[0].0.to_string().starts_with("term: expected 1 to 200 characters"), "{}", skipped[0].0);
}

#[test]
fn columns_that_say_nothing_to_us_are_told() {
    let file = "term,translation,Docs,,mandatroy\na,b,1,,yes\n";
    let defaults = TermDefaults { pair: Some(english()), ..TermDefaults::default() };
    let reader = TermsReader::new(file.as_bytes(), Format::Csv, defaults).unwrap();
    assert_eq!(reader.unknown_columns(), ["docs", "mandatroy"]);
}

/// A spreadsheet runs what it takes for a formula, whoever wrote it.
#[test]
fn no_field_is_a_formula_and_each_is_read_as_it_was() {
    let texts = ["=1+1", "+a", "-ment", "@SUM(a)", "'=a", "''-b", "'tis", "＝1", "a=b"];
    let mut writer = TermsWriter::new(Vec::new(), Format::Csv).unwrap();
    for (number, text) in texts.iter().enumerate() {
        let number = u64::try_from(number).unwrap();
        let content = TermDraft { variants: vec![text, "=b"], note: Some(text), term: text, ..incumbent() };
        let id = jddb_core::translation::TermId(number);
        writer.write(&term(&content).into_term(id, "=ann", UnixMillis(number))).unwrap();
    }
    let file = writer.finish().unwrap();
    let written = String::from_utf8(file.clone()).unwrap();
    for formula in ["\"=", "\"+", "\"-", "\"@", "\"＝"] {
        assert!(!written.contains(formula), "{formula} in {written}");
    }
    assert!(written.contains("\"'-ment\"") && written.contains("\"'tis\""), "{written}");
    let (terms, skipped) = read(&file);
    assert!(skipped.is_empty(), "{skipped:?}");
    for (text, term) in texts.iter().zip(terms) {
        let draft = term.content.draft();
        assert_eq!((draft.term, draft.note, &draft.variants[..]), (*text, Some(*text), &[*text, "=b"][..]));
        assert_eq!(term.created_by.as_deref(), Some("=ann"));
    }
}
