//! Reading the body of `POST /api/sessions`.

use simd_json::Node;

use super::fields::{Fields, elements};
use super::inbound::Parser;
use super::message::InboundError;
use crate::document::SessionSettings;

/// The one type of session there is.
pub const SESSION_TYPE: &str = "collaborative_edit";
/// The most participants a session is planned for.
pub const PARTICIPANTS_MAX: usize = 200;
/// The longest user id, in bytes.
const USER_ID_BYTES_MAX: usize = 128;
/// The longest time from one automatic save to the next, in seconds.
const AUTO_SAVE_SECONDS_MAX: u32 = 86_400;
/// The highest `max_participants`.
const MAX_PARTICIPANTS_MAX: u32 = 10_000;

/// A session that somebody wants to begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionBody {
    /// The document.
    pub document_id: Box<str>,
    /// Who takes part, each once.
    pub participants: Vec<Box<str>>,
    /// How it is held.
    pub settings: SessionSettings,
}

/// Reads it. The bytes are garbled by reading.
///
/// # Errors
/// What is wrong with it.
pub fn read_session_body(parser: &mut Parser, bytes: &mut [u8]) -> Result<SessionBody, InboundError> {
    parser.on_tape(bytes, |root| {
        let body = Fields::of(root, "")?;
        let document_id = body.required("document_id", body.text("document_id")?, "the id of a document")?;
        let kind = body.required("session_type", body.text("session_type")?, SESSION_TYPE)?;
        if kind != SESSION_TYPE {
            return Err(InboundError::invalid("session_type".to_owned(), SESSION_TYPE));
        }
        let participants = participants_of(body)?;
        let settings = settings_of(body)?;
        let max = settings.participants_max.map_or(usize::MAX, |max| max as usize);
        if participants.len() > max {
            let expected = format!("at most {max} user ids, which is settings.max_participants");
            return Err(InboundError::invalid("participants".to_owned(), expected));
        }
        Ok(SessionBody { document_id: document_id.into(), participants, settings })
    })
}

fn participants_of(body: Fields<'_, '_>) -> Result<Vec<Box<str>>, InboundError> {
    let Some(value) = body.get("participants") else { return Ok(Vec::new()) };
    let wrong = |field: String| {
        let expected = format!(
            "1 to {PARTICIPANTS_MAX} different user ids, each of 1 to {USER_ID_BYTES_MAX} bytes without control characters"
        );
        InboundError::invalid(field, expected)
    };
    let (count, values) = elements(value).ok_or_else(|| wrong("participants".to_owned()))?;
    if !(1..=PARTICIPANTS_MAX).contains(&count) {
        return Err(wrong("participants".to_owned()));
    }
    let mut participants: Vec<Box<str>> = Vec::with_capacity(count);
    for (index, value) in values.enumerate() {
        let fits = |id: &str| (1..=USER_ID_BYTES_MAX).contains(&id.len()) && !id.chars().any(char::is_control);
        match value {
            [Node::String(id)] if fits(id) && participants.iter().all(|other| **other != **id) => {
                participants.push((*id).into());
            }
            _ => return Err(wrong(format!("participants[{index}]"))),
        }
    }
    Ok(participants)
}

fn settings_of(body: Fields<'_, '_>) -> Result<SessionSettings, InboundError> {
    let Some(value) = body.get("settings") else { return Ok(SessionSettings::default()) };
    let settings = Fields::of(value, "settings")?;
    let number = |key: &str, unit: &str, max: u32| {
        let expected =
            || InboundError::invalid(settings.name(key), format!("a whole number of {unit} from 1 to {max}"));
        let given = settings.unsigned(key).map_err(|_| expected())?;
        let fits = |number: u64| u32::try_from(number).ok().filter(|number| (1..=max).contains(number));
        given.map(|number| fits(number).ok_or_else(expected)).transpose()
    };
    Ok(SessionSettings {
        auto_save_seconds: number("auto_save_interval", "seconds", AUTO_SAVE_SECONDS_MAX)?,
        participants_max: number("max_participants", "users", MAX_PARTICIPANTS_MAX)?,
        is_public: settings.boolean("public_session")?.unwrap_or(true),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<SessionBody, InboundError> {
        read_session_body(&mut Parser::default(), &mut body.as_bytes().to_vec())
    }

    #[test]
    fn the_references_example_is_read() {
        let body = r#"{"document_id": "jd_12345", "session_type": "collaborative_edit",
            "participants": ["user_1", "user_2"],
            "settings": {"auto_save_interval": 30, "max_participants": 10, "public_session": false}}"#;
        let expected = SessionBody {
            document_id: "jd_12345".into(),
            participants: vec!["user_1".into(), "user_2".into()],
            settings: SessionSettings { auto_save_seconds: Some(30), participants_max: Some(10), is_public: false },
        };
        assert_eq!(read(body), Ok(expected));
        let least = read(r#"{"document_id": "a", "session_type": "collaborative_edit", "settings": {}}"#).unwrap();
        assert_eq!((least.participants.len(), least.settings), (0, SessionSettings::default()));
    }

    #[test]
    fn errors_name_the_field() {
        let check = |body: &str, field: &str| {
            let error = read(body).unwrap_err();
            assert_eq!((error.field.as_deref(), error.expected.is_some()), (Some(field), true), "{body}");
        };
        check("{}", "document_id");
        check(r#"{"document_id": 5}"#, "document_id");
        check(r#"{"document_id": "a"}"#, "session_type");
        check(r#"{"document_id": "a", "session_type": "review"}"#, "session_type");
        let with = |more: &str| format!(r#"{{"document_id": "a", "session_type": "collaborative_edit", {more}}}"#);
        for (bad, field) in [
            ("[]", "participants"),
            (r#""ann""#, "participants"),
            (r#"["ann", ""]"#, "participants[1]"),
            (r#"["ann", 5]"#, "participants[1]"),
            (r#"["ann", "ben", "ann"]"#, "participants[2]"),
            (r#"["a\u0000"]"#, "participants[0]"),
        ] {
            check(&with(&format!(r#""participants": {bad}"#)), field);
        }
        let ids = |count: usize| (0..count).map(|id| format!("\"u{id}\"")).collect::<Vec<_>>().join(",");
        assert!(read(&with(&format!(r#""participants": [{}]"#, ids(200)))).is_ok());
        check(&with(&format!(r#""participants": [{}]"#, ids(201))), "participants");
        check(&with(&format!(r#""participants": ["{}"]"#, "x".repeat(129))), "participants[0]");
        check(&with(r#""participants": ["a", "b"], "settings": {"max_participants": 1}"#), "participants");
        for bad in ["0", "-1", "1.5", "\"1\"", "86401"] {
            let settings = format!(r#""settings": {{"auto_save_interval": {bad}}}"#);
            check(&with(&settings), "settings.auto_save_interval");
        }
        for bad in ["0", "-1", "10001", "true"] {
            check(&with(&format!(r#""settings": {{"max_participants": {bad}}}"#)), "settings.max_participants");
        }
        check(&with(r#""settings": {"public_session": "no"}"#), "settings.public_session");
        check(&with(r#""settings": []"#), "settings");
    }
}
