//! Reading what somebody wants to be told who translates in a document: `translation.subscribe`.

use super::fields::{Fields, Value, elements};
use super::message::InboundError;
use super::translation_body::{is_exhaustive, languages_of, max_suggestions_of, min_confidence_of, project_of};
use crate::ids::{DocumentId, SectionName, Version};
use crate::translation::{Language, ProjectId};

/// The most pairs of sections that may be named.
pub const SECTION_PAIRS_MAX: usize = 64;

/// Somebody translates the document that they are in.
#[derive(Clone, Debug, PartialEq)]
pub struct SubscribeBody {
    /// In which project besides the shared memory.
    pub project_id: Option<ProjectId>,
    /// From which language into which; both have to be there.
    pub languages: [Option<Language>; 2],
    /// The document that theirs is a translation of, where it is not translated within itself.
    pub counterpart: Option<DocumentId>,
    /// Which section is translated in which, where the names of the sections do not say so.
    pub sections: Option<Vec<SectionPair>>,
    /// The version since which they want to know what has become old.
    pub last_known_version: Option<Version>,
    /// The most suggestions for a segment.
    pub max_suggestions: usize,
    /// The confidence below which nothing is suggested, 0 to 1.
    pub min_confidence: f64,
    /// Nothing is to be passed over, however long that takes.
    pub exhaustive: bool,
    /// What a confidence is made of is wanted too.
    pub explain: bool,
}

/// A section, and the one that its translation is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SectionPair {
    /// What is translated.
    pub source: SectionName,
    /// Its translation.
    pub target: SectionName,
}

/// Reads a payload.
pub(super) fn subscribe_of(payload: Fields<'_, '_>) -> Result<SubscribeBody, InboundError> {
    let counterpart = counterpart_of(payload)?;
    let is_across = counterpart.is_some();
    Ok(SubscribeBody {
        project_id: project_of(payload)?,
        languages: languages_of(payload)?,
        counterpart,
        sections: payload.get("sections").map(|value| pairs_of(payload, value, is_across)).transpose()?,
        last_known_version: payload.unsigned("last_known_version")?.map(Version),
        max_suggestions: max_suggestions_of(payload)?,
        min_confidence: min_confidence_of(payload)?,
        exhaustive: is_exhaustive(payload)?,
        explain: payload.boolean("explain")?.unwrap_or(false),
    })
}

fn counterpart_of(payload: Fields<'_, '_>) -> Result<Option<DocumentId>, InboundError> {
    let wrong = |_| InboundError::invalid(payload.name("counterpart"), "the id of another document, or nothing");
    payload.text("counterpart")?.map(|id| DocumentId::new(id).map_err(wrong)).transpose()
}

/// Pairs of sections: of one document, or `is_across` of two, which may have sections of the same name.
fn pairs_of(payload: Fields<'_, '_>, value: Value<'_, '_>, is_across: bool) -> Result<Vec<SectionPair>, InboundError> {
    let wrong = || {
        let expected = format!("an array of 1 to {SECTION_PAIRS_MAX} pairs of sections, or nothing");
        InboundError::invalid(payload.name("sections"), expected)
    };
    let (count, values) = elements(value).ok_or_else(wrong)?;
    if !(1..=SECTION_PAIRS_MAX).contains(&count) {
        return Err(wrong());
    }
    let mut pairs: Vec<SectionPair> = Vec::with_capacity(count);
    for (index, value) in values.enumerate() {
        let path = payload.name(&format!("sections[{index}]"));
        let fields = Fields::of(value, &path)?;
        let pair = SectionPair { source: section_of(fields, "source")?, target: section_of(fields, "target")? };
        let SectionPair { source, target } = &pair;
        let is_source = |name: &SectionName| pairs.iter().any(|other| other.source == *name);
        let is_target = |name: &SectionName| pairs.iter().any(|other| other.target == *name);
        let twice = if is_source(source) || (!is_across && is_target(source)) {
            Some("source")
        } else if is_target(target) || (!is_across && (is_source(target) || source == target)) {
            Some("target")
        } else {
            None
        };
        if let Some(key) = twice {
            return Err(InboundError::invalid(fields.name(key), "a section that is in no pair already"));
        }
        pairs.push(pair);
    }
    Ok(pairs)
}

fn section_of(fields: Fields<'_, '_>, key: &str) -> Result<SectionName, InboundError> {
    let name = fields.required(key, fields.text(key)?, "the name of a section")?;
    let wrong = || InboundError::invalid(fields.name(key), format!("a name matching {}", SectionName::PATTERN));
    SectionName::new(name).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Parser;

    fn read(text: &str) -> Result<SubscribeBody, String> {
        let read = Parser::default().on_tape(&mut text.as_bytes().to_vec(), |root| subscribe_of(Fields::of(root, "")?));
        read.map_err(|error| error.field.unwrap_or_default())
    }

    #[test]
    fn what_is_wanted_is_read() {
        let body = read(
            r#"{"project_id": "hr", "source_language": "en", "target_language": "fr-CA", "mode": "exhaustive",
            "sections": [{"source": "duties", "target": "fonctions"}], "max_suggestions": 3, "min_confidence": 0.5}"#,
        );
        let body = body.unwrap();
        assert_eq!(body.languages, [Some(Language::ENGLISH), Some(Language::FRENCH)]);
        assert_eq!((body.project_id.unwrap().as_str(), body.max_suggestions, body.min_confidence), ("hr", 3, 0.5));
        let name = |name: &str| SectionName::new(name).unwrap();
        assert_eq!(body.sections, Some(vec![SectionPair { source: name("duties"), target: name("fonctions") }]));
        let least = read(r#"{"sections": null}"#).unwrap();
        assert_eq!((least.languages, least.sections, least.exhaustive), ([None, None], None, false));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let pair = r#"{"source": "a", "target": "b"}"#;
        let many = format!("[{}]", vec![pair; SECTION_PAIRS_MAX + 1].join(", "));
        for (sections, field) in [
            ("7", "sections"),
            ("[]", "sections"),
            (&*many, "sections"),
            ("[7]", "sections[0]"),
            (r#"[{"source": "a"}]"#, "sections[0].target"),
            (r#"[{"source": "a", "target": 1}]"#, "sections[0].target"),
            (r#"[{"source": "1", "target": "b"}]"#, "sections[0].source"),
            (r#"[{"source": "a", "target": "a"}]"#, "sections[0].target"),
            (r#"[{"source": "a", "target": "b"}, {"source": "c", "target": "a"}]"#, "sections[1].target"),
            (r#"[{"source": "a", "target": "b"}, {"source": "a", "target": "c"}]"#, "sections[1].source"),
        ] {
            assert_eq!(read(&format!(r#"{{"sections": {sections}}}"#)), Err(field.to_owned()), "{sections}");
        }
        for (text, field) in [
            (r#"{"counterpart": 7}"#, "counterpart"),
            (r#"{"counterpart": ""}"#, "counterpart"),
            (r#"{"counterpart": "a/b"}"#, "counterpart"),
            (r#"{"project_id": "a b"}"#, "project_id"),
            (r#"{"source_language": 1}"#, "source_language"),
            (r#"{"min_confidence": 2}"#, "min_confidence"),
            (r#"{"max_suggestions": 0}"#, "max_suggestions"),
            (r#"{"mode": "slow"}"#, "mode"),
        ] {
            assert_eq!(read(text), Err(field.to_owned()), "{text}");
        }
    }

    /// Across two documents each has sections of its own, which may be called alike.
    #[test]
    fn sections_of_two_documents_may_have_the_same_name() {
        let across = |pairs: &str| read(&format!(r#"{{"counterpart": "jd-1-en", "sections": [{pairs}]}}"#));
        let [same, crossed] = [r#"{"source": "a", "target": "a"}"#, r#"{"source": "b", "target": "c"}"#];
        let body = across(&format!("{same}, {crossed}")).unwrap();
        assert_eq!(body.counterpart.unwrap().as_str(), "jd-1-en");
        assert_eq!(body.sections.unwrap().len(), 2);
        assert!(across(r#"{"source": "a", "target": "b"}, {"source": "b", "target": "a"}"#).is_ok());
        let twice = |pair: &str| across(&format!("{same}, {pair}")).unwrap_err();
        assert_eq!(twice(r#"{"source": "a", "target": "b"}"#), "sections[1].source");
        assert_eq!(twice(r#"{"source": "b", "target": "a"}"#), "sections[1].target");
    }
}
