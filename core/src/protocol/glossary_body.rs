//! Reading a term that is added to the glossary or changed: `POST /api/translation/glossary` and `PUT …/{term_id}`.

use simd_json::Node;

use super::fields::{Fields, elements};
use super::inbound::Parser;
use super::message::InboundError;
use super::translation_body::{languages_of, project_of, required_text};
use crate::translation::{Language, ProjectId, TERM_VARIANTS_MAX, TermContent, TermDraft};

/// A term that somebody hands in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TermBody {
    /// Whose it is to be, if not everybody's.
    pub project_id: Option<ProjectId>,
    /// The languages of the term and its translation; what is left out is known from elsewhere, or missing.
    pub languages: [Option<Language>; 2],
    /// What it is.
    pub content: TermContent,
}

/// Reads a term. The bytes are garbled by reading.
///
/// # Errors
/// What is wrong with it.
pub fn read_term_body(parser: &mut Parser, bytes: &mut [u8]) -> Result<TermBody, InboundError> {
    parser.on_tape(bytes, |root| term_of(Fields::of(root, "")?))
}

/// The term that an object's fields are.
pub(super) fn term_of(body: Fields<'_, '_>) -> Result<TermBody, InboundError> {
    let draft = TermDraft {
        term: required_text(body, "term")?,
        variants: texts(body, "variants")?,
        translation: required_text(body, "translation")?,
        accepted: texts(body, "accepted_translations")?,
        forbidden: texts(body, "forbidden_translations")?,
        domain: body.text("domain")?,
        mandatory: body.boolean("mandatory")?.unwrap_or(false),
        case_matters: body.boolean("case_sensitive")?.unwrap_or(false),
        note: body.text("note")?,
    };
    let content = TermContent::new(&draft);
    Ok(TermBody {
        project_id: project_of(body)?,
        languages: languages_of(body)?,
        content: content.map_err(|error| InboundError::invalid(body.name(error.field), error.expected))?,
    })
}

fn texts<'i>(body: Fields<'_, 'i>, key: &str) -> Result<Vec<&'i str>, InboundError> {
    let wrong = || InboundError::invalid(body.name(key), format!("a list of at most {TERM_VARIANTS_MAX} texts"));
    let Some(value) = body.get(key) else { return Ok(Vec::new()) };
    let (count, values) = elements(value).ok_or_else(wrong)?;
    if count > TERM_VARIANTS_MAX {
        return Err(wrong());
    }
    let text = |value: &[Node<'i>]| match value {
        [Node::String(text)] => Ok(*text),
        _ => Err(wrong()),
    };
    values.map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERM: &str = r#"{
        "term": "incumbent", "translation": "titulaire", "source_language": "en", "target_language": "fr-CA",
        "mandatory": true, "domain": "government_hr", "case_sensitive": true, "note": "As in the act",
        "variants": ["incumbency"], "accepted_translations": ["personne titulaire"],
        "forbidden_translations": ["occupant"], "project_id": "hr", "other": 1
    }"#;

    fn read(text: &str) -> Result<TermBody, String> {
        let read = read_term_body(&mut Parser::default(), &mut text.as_bytes().to_vec());
        read.map_err(|error| error.field.unwrap_or_default())
    }

    #[test]
    fn a_term_is_read() {
        let body = read(TERM).unwrap();
        assert_eq!(body.project_id.unwrap().as_str(), "hr");
        assert_eq!(body.languages, [Some(Language::ENGLISH), Some(Language::FRENCH)]);
        let expected = TermDraft {
            term: "incumbent",
            variants: vec!["incumbency"],
            translation: "titulaire",
            accepted: vec!["personne titulaire"],
            forbidden: vec!["occupant"],
            domain: Some("government_hr"),
            mandatory: true,
            case_matters: true,
            note: Some("As in the act"),
        };
        assert_eq!(body.content.draft(), expected);
        let least = read(r#"{"term": "a", "translation": "b", "variants": null, "domain": null}"#).unwrap();
        assert_eq!((least.project_id, least.languages), (None, [None, None]));
        assert_eq!(least.content.draft(), TermDraft { term: "a", translation: "b", ..TermDraft::default() });
    }

    #[test]
    fn what_is_wrong_is_named() {
        let long = format!("\"{}\"", "é".repeat(201));
        let many = format!("[{}]", ["\"a\""; 17].join(","));
        for (key, values) in [
            ("term", ["null", "7", r#""""#, r#""-""#, &long].as_slice()),
            ("translation", &["null", "[]", r#"" ""#, &long]),
            ("variants", &[r#""a""#, "[1]", r#"[""]"#, r#"["a", null]"#, r#"[["a"]]"#, "{}", &many]),
            ("accepted_translations", &["1", "[true]", r#"["-"]"#, &many]),
            ("forbidden_translations", &["1", "[{}]", r#"["Titulaire"]"#, &many]),
            ("domain", &["1", r#""""#, r#""a\u0000""#]),
            ("note", &["[]", r#""""#]),
            ("mandatory", &["1", r#""yes""#]),
            ("case_sensitive", &["0"]),
            ("project_id", &[r#""a/b""#]),
            ("source_language", &[r#""english""#, "1"]),
        ] {
            for value in values {
                let mut object: serde_json::Value = serde_json::from_str(TERM).unwrap();
                object[key] = serde_json::from_str(value).unwrap();
                assert_eq!(read(&object.to_string()), Err(key.to_owned()), "{key}: {value}");
            }
        }
        assert_eq!(read("[]"), Err(String::new()));
    }
}
