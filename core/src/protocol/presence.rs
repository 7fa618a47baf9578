//! Reading the body of `PUT /api/presence/{user_id}`.

use super::fields::Fields;
use super::inbound::Parser;
use super::message::InboundError;

/// The longest `activity`, in bytes.
pub const ACTIVITY_BYTES_MAX: usize = 64;

/// What somebody says of themselves by HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PresenceUpdate {
    /// `active`, and not `idle`.
    pub is_active: bool,
    /// The document they are in, if they are in one.
    pub current_document: Option<Box<str>>,
    /// Where their cursor is, counted over the whole document.
    pub cursor: Option<u64>,
    /// From where to where they have selected.
    pub selection: Option<(u64, u64)>,
    /// What they are doing, in a word.
    pub activity: Option<Box<str>>,
}

/// Reads it. The bytes are garbled by reading.
///
/// # Errors
/// What is wrong with it.
pub fn read_presence_body(parser: &mut Parser, bytes: &mut [u8]) -> Result<PresenceUpdate, InboundError> {
    parser.on_tape(bytes, |root| {
        let body = Fields::of(root, "")?;
        let current_document = body.text("current_document")?;
        let update = PresenceUpdate {
            is_active: is_active(body)?,
            current_document: current_document.map(Into::into),
            cursor: body.unsigned("cursor_position")?,
            selection: selection_of(body)?,
            activity: activity_of(body)?,
        };
        let placed = [("cursor_position", update.cursor.is_some()), ("selection", update.selection.is_some())];
        if let Some((field, _)) = placed.into_iter().find(|(_, is_given)| *is_given && current_document.is_none()) {
            return Err(InboundError::invalid(
                field.to_owned(),
                "a current_document beside it, which it is a place in",
            ));
        }
        Ok(update)
    })
}

fn is_active(body: Fields<'_, '_>) -> Result<bool, InboundError> {
    const EXPECTED: &str =
        "active or idle; joined and left follow from coming, going, and leaving current_document out";
    match body.required("status", body.text("status")?, EXPECTED)? {
        "active" => Ok(true),
        "idle" => Ok(false),
        _ => Err(InboundError::invalid("status".to_owned(), EXPECTED)),
    }
}

fn selection_of(body: Fields<'_, '_>) -> Result<Option<(u64, u64)>, InboundError> {
    let Some(value) = body.get("selection") else { return Ok(None) };
    let selection = Fields::of(value, "selection")?;
    let number = |key| selection.required(key, selection.unsigned(key)?, "a non-negative integer");
    let (start, end) = (number("start")?, number("end")?);
    if end < start {
        return Err(InboundError::invalid("selection.end".to_owned(), "a position not left of start"));
    }
    Ok(Some((start, end)))
}

fn activity_of(body: Fields<'_, '_>) -> Result<Option<Box<str>>, InboundError> {
    let Some(activity) = body.text("activity")? else { return Ok(None) };
    if activity.is_empty() || activity.len() > ACTIVITY_BYTES_MAX || activity.chars().any(char::is_control) {
        let expected = format!("1 to {ACTIVITY_BYTES_MAX} bytes without control characters");
        return Err(InboundError::invalid("activity".to_owned(), expected));
    }
    Ok(Some(activity.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<PresenceUpdate, InboundError> {
        read_presence_body(&mut Parser::default(), &mut body.as_bytes().to_vec())
    }

    #[test]
    fn the_references_example_is_read() {
        let body = r#"{"status": "active", "current_document": "jd_12345", "cursor_position": 1250,
            "selection": {"start": 1200, "end": 1250}, "activity": "editing"}"#;
        let expected = PresenceUpdate {
            is_active: true,
            current_document: Some("jd_12345".into()),
            cursor: Some(1250),
            selection: Some((1200, 1250)),
            activity: Some("editing".into()),
        };
        assert_eq!(read(body), Ok(expected));
        let nowhere = read(r#"{"status": "idle", "current_document": null, "selection": null, "more": 1}"#).unwrap();
        assert_eq!((nowhere.is_active, nowhere.current_document), (false, None));
    }

    #[test]
    fn errors_name_the_field() {
        let check = |body: &str, field: &str| {
            let error = read(body).unwrap_err();
            assert_eq!((error.field.as_deref(), error.expected.is_some()), (Some(field), true), "{body}");
        };
        check("{}", "status");
        for status in ["\"joined\"", "\"left\"", "\"Active\"", "\"\"", "1", "[]"] {
            check(&format!(r#"{{"status": {status}}}"#), "status");
        }
        let with = |more: &str| format!(r#"{{"status": "active", "current_document": "a", {more}}}"#);
        check(r#"{"status": "active", "status": "idle"}"#, "status");
        check(r#"{"status": "active", "current_document": 5}"#, "current_document");
        for bad in ["-1", "1.5", "\"1\""] {
            check(&with(&format!(r#""cursor_position": {bad}"#)), "cursor_position");
            check(&with(&format!(r#""selection": {{"start": 0, "end": {bad}}}"#)), "selection.end");
        }
        check(&with(r#""selection": []"#), "selection");
        check(&with(r#""selection": {"start": 1}"#), "selection.end");
        check(&with(r#""selection": {"start": 2, "end": 1}"#), "selection.end");
        check(&with(r#""activity": """#), "activity");
        check(&with(r#""activity": "a\u0000b""#), "activity");
        check(&with(&format!(r#""activity": "{}""#, "x".repeat(65))), "activity");
        check(r#"{"status": "active", "cursor_position": 1}"#, "cursor_position");
        check(r#"{"status": "active", "selection": {"start": 0, "end": 0}}"#, "selection");
    }
}
