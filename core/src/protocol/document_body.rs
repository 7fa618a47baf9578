//! Reading the bodies of what is asked of a whole document: `PUT`, restore and lock.

use super::fields::Fields;
use super::inbound::Parser;
use super::message::InboundError;
use crate::document::{Properties, PropertyError};
use crate::ids::{SectionName, Version};

/// A document as somebody wants it to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentBody {
    /// The sections' texts, in order; at least one.
    pub texts: Vec<(SectionName, Box<str>)>,
    /// `metadata`, where it is given.
    pub properties: Option<Properties>,
}

/// What a lock is to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LockRequest {
    /// Why, as the others are told.
    pub reason: Option<Box<str>>,
    /// After how many seconds it ends by itself, if it does.
    pub expires_in: Option<u64>,
}

/// Reads `{"sections": {…}, "metadata": {…}}`, or the same with `sections` in `content`, as a state has it; what a state says of
/// itself besides is passed over. The bytes are garbled by reading.
///
/// # Errors
/// What is wrong with it.
pub fn read_document_body(
    parser: &mut Parser,
    bytes: &mut [u8],
    sections_max: usize,
) -> Result<DocumentBody, InboundError> {
    parser.on_tape(bytes, |root| {
        let body = Fields::of(root, "")?;
        let content = body.get("content").map(|value| Fields::of(value, "content")).transpose()?;
        let in_content = content.and_then(|content| content.get("sections"));
        let (path, sections) = match (body.get("sections"), in_content) {
            (Some(_), Some(_)) => {
                return Err(InboundError::invalid("content.sections".to_owned(), "sections in one place only"));
            }
            (None, Some(sections)) => ("content.sections", sections),
            (sections, None) => {
                ("sections", body.required("sections", sections, "an object of texts by the names of their sections")?)
            }
        };
        let texts = read_texts(Fields::of_at_most(sections, path, sections_max)?, sections_max)?;
        let metadata = body.get("metadata").map(|value| Fields::of(value, "metadata")).transpose()?;
        Ok(DocumentBody { texts, properties: metadata.map(read_properties).transpose()? })
    })
}

/// Reads `{"version": 42}`.
///
/// # Errors
/// What is wrong with it.
pub fn read_restore_body(parser: &mut Parser, bytes: &mut [u8]) -> Result<Version, InboundError> {
    parser.on_tape(bytes, |root| {
        let body = Fields::of(root, "")?;
        body.required("version", body.unsigned("version")?, "the version that is to be restored").map(Version)
    })
}

/// The longest time a lock may be asked for: thirty days, in seconds.
const LOCK_SECONDS_MAX: u64 = 30 * 24 * 60 * 60;
/// The longest reason for a lock, in bytes.
const LOCK_REASON_BYTES_MAX: usize = 256;

/// Reads `{"reason": "…", "expires_in": 600}`; both may be left out, and so may the whole body.
///
/// # Errors
/// What is wrong with it.
pub fn read_lock_body(parser: &mut Parser, bytes: &mut [u8]) -> Result<LockRequest, InboundError> {
    if bytes.is_empty() {
        return Ok(LockRequest::default());
    }
    parser.on_tape(bytes, |root| {
        let body = Fields::of(root, "")?;
        let reason = body.text("reason")?;
        let is_reason = |text: &str| text.len() <= LOCK_REASON_BYTES_MAX && !text.chars().any(char::is_control);
        if reason.is_some_and(|reason| !is_reason(reason)) {
            let expected = format!("at most {LOCK_REASON_BYTES_MAX} bytes without control characters");
            return Err(InboundError::invalid("reason".to_owned(), expected));
        }
        let expires_in = body.unsigned("expires_in")?;
        if expires_in.is_some_and(|seconds| !(1..=LOCK_SECONDS_MAX).contains(&seconds)) {
            let expected = format!("1 to {LOCK_SECONDS_MAX} seconds");
            return Err(InboundError::invalid("expires_in".to_owned(), expected));
        }
        Ok(LockRequest { reason: reason.map(Into::into), expires_in })
    })
}

fn read_texts(sections: Fields<'_, '_>, sections_max: usize) -> Result<Vec<(SectionName, Box<str>)>, InboundError> {
    let mut texts = Vec::new();
    for (name, _) in sections.iter() {
        let section = SectionName::new(name).map_err(|_| {
            InboundError::invalid(sections.name(name), format!("a name matching {}", SectionName::PATTERN))
        })?;
        let text = sections.required(name, sections.text(name)?, "a string; \"\" empties a section")?;
        texts.push((section, text.into()));
    }
    if texts.is_empty() {
        let expected = format!("1 to {sections_max} sections, like {{\"body\": \"\"}}");
        return Err(InboundError::invalid(sections.path().to_owned(), expected));
    }
    Ok(texts)
}

fn read_properties(metadata: Fields<'_, '_>) -> Result<Properties, InboundError> {
    let mut properties = Properties::default();
    for (name, _) in metadata.iter().filter(|(name, _)| !Properties::OF_THE_SERVER.contains(name)) {
        // Null is as good as nothing, under a name that there can be.
        let set =
            metadata.text(name)?.map_or_else(|| Properties::check_name(name), |value| properties.set(name, value));
        set.map_err(|error| {
            let field = match error {
                PropertyError::TooMany => metadata.path().to_owned(),
                PropertyError::Invalid(_) => metadata.name(name),
            };
            InboundError::invalid(field, error.to_string())
        })?;
    }
    Ok(properties)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<DocumentBody, (Option<String>, Option<String>)> {
        let mut bytes = text.as_bytes().to_vec();
        let read = read_document_body(&mut Parser::default(), &mut bytes, 3);
        read.map_err(|error| (error.field, error.expected))
    }

    fn check(text: &str, texts: &[(&str, &str)], properties: &[(&str, &str)]) {
        let body = read(text).unwrap();
        let found: Vec<(&str, &str)> = body.texts.iter().map(|(name, text)| (name.as_str(), &**text)).collect();
        assert_eq!(found, texts, "{text}");
        assert_eq!(body.properties.iter().flat_map(Properties::iter).collect::<Vec<_>>(), properties, "{text}");
    }

    fn check_refused(text: &str, field: &str) {
        let (named, expected) = read(text).unwrap_err();
        assert_eq!((named.as_deref(), expected.is_some()), (Some(field), true), "{text}");
    }

    #[test]
    fn a_state_can_be_put_back() {
        let state = r#"{"document_id":"a","version":42,"content":{"sections":{"b":"x","a":""}},"metadata":{
            "last_modified":"2025-09-21T12:45:30Z","last_modified_by":"u","word_count":1,"language":"en",
            "translation_status":null,"title":"T"},"active_editors":[]}"#;
        check(state, &[("b", "x"), ("a", "")], &[("language", "en"), ("title", "T")]);
        check(r#"{"sections":{"a":"x"}}"#, &[("a", "x")], &[]);
    }

    #[test]
    fn the_other_bodies_are_small() {
        let restore = |text: &str| {
            let read = read_restore_body(&mut Parser::default(), &mut text.as_bytes().to_vec());
            read.map_err(|error| error.field.unwrap_or_default())
        };
        assert_eq!(restore(r#"{"version":42}"#), Ok(Version(42)));
        for bad in ["{}", r#"{"version":-1}"#, r#"{"version":"42"}"#, r#"{"version":1.5}"#] {
            assert_eq!(restore(bad), Err("version".to_owned()), "{bad}");
        }
        let lock = |text: &str| {
            let read = read_lock_body(&mut Parser::default(), &mut text.as_bytes().to_vec());
            read.map_err(|error| error.field.unwrap_or_default())
        };
        assert_eq!((lock(""), lock("{}")), (Ok(LockRequest::default()), Ok(LockRequest::default())));
        let whole = LockRequest { reason: Some("review".into()), expires_in: Some(600) };
        assert_eq!(lock(r#"{"reason":"review","expires_in":600}"#), Ok(whole));
        for seconds in ["0", "-1", "2592001", "1.5", "\"1\""] {
            assert_eq!(lock(&format!(r#"{{"expires_in":{seconds}}}"#)), Err("expires_in".to_owned()), "{seconds}");
        }
        assert_eq!(lock(&format!(r#"{{"reason":"{}"}}"#, "x".repeat(257))), Err("reason".to_owned()));
        assert_eq!(lock(r#"{"reason":"a\u0000"}"#), Err("reason".to_owned()));
        assert_eq!(lock("[]"), Err(String::new()));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, field) in [
            ("{}", "sections"),
            (r#"{"sections":[]}"#, "sections"),
            (r#"{"sections":{}}"#, "sections"),
            (r#"{"content":"x"}"#, "content"),
            (r#"{"content":{"sections":5}}"#, "content.sections"),
            (r#"{"sections":{"a":""},"content":{"sections":{"a":""}}}"#, "content.sections"),
            (r#"{"sections":{"1a":""}}"#, "sections.1a"),
            (r#"{"sections":{"a":5}}"#, "sections.a"),
            (r#"{"sections":{"a":null}}"#, "sections.a"),
            (r#"{"sections":{"a":"","a":""}}"#, "sections.a"),
            (r#"{"sections":{"a":"","b":"","c":"","d":""}}"#, "sections"),
            (r#"{"sections":{"a":""},"metadata":[]}"#, "metadata"),
            (r#"{"sections":{"a":""},"metadata":{"title":5}}"#, "metadata.title"),
            (r#"{"sections":{"a":""},"metadata":{"title":""}}"#, "metadata.title"),
            (r#"{"sections":{"a":""},"metadata":{"Title":"x"}}"#, "metadata.Title"),
            (r#"{"sections":{"a":""},"metadata":{"Title":null}}"#, "metadata.Title"),
            (r#"{"sections":{"a":""},"metadata":{"language":"english please"}}"#, "metadata.language"),
            (r#"{"sections":{"a":""},"metadata":{"title":"x","title":"y"}}"#, "metadata.title"),
        ] {
            check_refused(text, field);
        }
        let many: Vec<String> = (0..16).map(|number| format!("\"p{number}\":\"x\"")).collect();
        for (last, field) in [
            (r#""one_more":"x""#, "metadata"),
            (r#""Title":"x""#, "metadata.Title"),
            ("\"title\":\"\"", "metadata.title"),
            (r#""language":"english please""#, "metadata.language"),
        ] {
            let text = format!(r#"{{"sections":{{"a":""}},"metadata":{{{},{last}}}}}"#, many.join(","));
            check_refused(&text, field);
        }
    }
}
