//! Reading what clients send.

use std::borrow::Cow;

use simd_json::{Buffers, Node, StaticNode, Tape};
use smallvec::SmallVec;

use super::fields::{Fields, Value, elements};
use super::message::{
    BearerToken, ClientTime, DocumentChecksum, Inbound, InboundChange, InboundError, Message, NAME_BYTES_MAX, SyncForm,
    TOKEN_BYTES_MAX,
};
use super::translation_message::TranslationMessage;
use crate::document::{ChangeKind, SentChange};
use crate::ids::{SectionName, Version};

/// The most envelopes of one frame.
pub const ENVELOPES_PER_FRAME_MAX: usize = 64;
/// Reads messages in place, keeping its working memory from one to the next.
#[derive(Default)]
pub struct Parser {
    buffers: Buffers,
    tape: Option<Tape<'static>>,
}

impl std::fmt::Debug for Parser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parser").finish_non_exhaustive()
    }
}

/// A tape that grew beyond this many nodes is not kept.
const TAPE_NODES_KEPT_MAX: usize = 16 * 1024;

impl Parser {
    /// Reads one frame's message, an envelope or an array of them, and hands out each in turn.
    /// `changes_max` bounds an atomic batch. The bytes are garbled by reading.
    pub fn read(
        &mut self,
        bytes: &mut [u8],
        changes_max: usize,
        mut each: impl FnMut(Result<Inbound<'_>, InboundError>),
    ) {
        let read = self.on_tape(bytes, |root| {
            let Some((count, envelopes)) = elements(root) else {
                each(read_envelope(root, changes_max));
                return Ok(());
            };
            if count == 0 || count > ENVELOPES_PER_FRAME_MAX {
                let expected = format!("1 to {ENVELOPES_PER_FRAME_MAX} envelopes in one frame");
                return Err(InboundError::invalid(String::new(), expected));
            }
            envelopes.for_each(|envelope| each(read_envelope(envelope, changes_max)));
            Ok(())
        });
        if let Err(error) = read {
            each(Err(error));
        }
    }

    pub(super) fn on_tape<T>(
        &mut self,
        bytes: &mut [u8],
        read: impl FnOnce(Value<'_, '_>) -> Result<T, InboundError>,
    ) -> Result<T, InboundError> {
        let mut tape = self.tape.take().unwrap_or_else(Tape::null).reset();
        let result = match simd_json::fill_tape(bytes, &mut self.buffers, &mut tape) {
            Ok(()) => read(&tape.0),
            Err(error) => Err(InboundError::not_json(&error)),
        };
        if tape.0.capacity() <= TAPE_NODES_KEPT_MAX {
            self.tape = Some(tape.reset());
        } else {
            self.buffers = Buffers::default();
        }
        result
    }
}

/// Reads the body of `POST …/changes`, handing it to `then` while it is borrowed, together with the
/// `user_id`s that its changes name.
///
/// # Errors
/// What is wrong with it, or what `then` finds.
pub fn read_changes_body<T>(
    parser: &mut Parser,
    bytes: &mut [u8],
    changes_max: usize,
    then: impl FnOnce(Inbound<'_>, &[(usize, &str)]) -> Result<T, InboundError>,
) -> Result<T, InboundError> {
    parser.on_tape(bytes, |root| {
        let body = Fields::of(root, "")?;
        let changes = body.get("changes").and_then(elements).map(|(_, values)| values);
        let changes = body.required("changes", changes, "an array of changes")?;
        let change = read_change(body, changes_max)?;
        let mut authors: SmallVec<[(usize, &str); 4]> = SmallVec::new();
        let mut origin = (None, None);
        for (index, value) in changes.enumerate() {
            let path = format!("changes[{index}].metadata");
            let Some(metadata) = Fields::of(value, "")?.get("metadata") else { continue };
            let metadata = Fields::of(metadata, &path)?;
            authors.extend(metadata.text("user_id")?.map(|author| (index, author)));
            origin.0 = origin.0.or(name_of(metadata, "client_id")?);
            origin.1 = origin.1.or(name_of(metadata, "correlation_id")?);
        }
        let client_id = name_of(body, "client_id")?.or(origin.0);
        let correlation_id = name_of(body, "correlation_id")?.or(origin.1);
        then(Inbound { message: Message::Change(change), client_id, correlation_id }, &authors)
    })
}

fn read_envelope<'i>(value: Value<'_, 'i>, changes_max: usize) -> Result<Inbound<'i>, InboundError> {
    let envelope = Fields::of(value, "")?;
    let metadata = envelope.get("metadata").map(|value| Fields::of(value, "metadata")).transpose()?;
    let correlation_id = match metadata {
        Some(metadata) => name_of(metadata, "correlation_id")?,
        None => None,
    };
    let read = || {
        let client_id = match metadata {
            Some(metadata) => name_of(metadata, "client_id")?,
            None => None,
        };
        let kind = envelope.required("type", envelope.text("type")?, "a string")?;
        if !Message::TYPES.contains(&kind) {
            return Err(InboundError::unknown_type(kind));
        }
        let payload = envelope.required("payload", envelope.get("payload"), "an object")?;
        let message = read_message(kind, Fields::of(payload, "payload")?, changes_max)?;
        Ok(Inbound { message, client_id, correlation_id })
    };
    read().map_err(|mut error: InboundError| {
        error.correlation_id = correlation_id.map(str::to_owned);
        error
    })
}

fn read_message<'i>(kind: &str, payload: Fields<'_, 'i>, changes_max: usize) -> Result<Message<'i>, InboundError> {
    let version = |key| Ok::<_, InboundError>(payload.unsigned(key)?.map(Version));
    let number = |key| payload.required(key, payload.unsigned(key)?, "a non-negative integer");
    Ok(match kind {
        "document.change" => Message::Change(read_change(payload, changes_max)?),
        "document.join" => Message::Join { document_id: payload.text("document_id")? },
        "document.save" => Message::Save,
        "cursor.position" => Message::Cursor {
            position: number("position")?,
            section: section_of(payload)?,
            base: version("base_version")?,
        },
        "selection.change" => {
            let (start, end) = (number("start")?, number("end")?);
            if end < start {
                return Err(InboundError::invalid(payload.name("end"), "a position not left of start"));
            }
            Message::Selection { start, end, section: section_of(payload)?, base: version("base_version")? }
        }
        "system.heartbeat" => {
            Message::Heartbeat { client_time: client_time_of(payload)?, document: checksum_of(payload)? }
        }
        "sync.request" => Message::Sync {
            last_known_version: version("last_known_version")?,
            sections: sections_of(payload)?,
            form: match payload.boolean("full")? {
                None => SyncForm::Smaller,
                Some(false) => SyncForm::Changes,
                Some(true) => SyncForm::Full,
            },
        },
        "auth.refresh" => Message::Refresh { token: token_of(payload)? },
        other => match TranslationMessage::read(other, payload)? {
            Some(message) => Message::Translation(Box::new(message)),
            None => return Err(InboundError::unknown_type(other)),
        },
    })
}

/// One change, or an array of them in `changes`; `fields` is a payload or a request's body.
fn read_change<'i>(fields: Fields<'_, 'i>, changes_max: usize) -> Result<InboundChange<'i>, InboundError> {
    let mut changes = SmallVec::new();
    let batch = fields.get("changes");
    match batch {
        None => changes.push(read_sent_change(fields)?),
        Some(value) => {
            let expected = format!("an array of 1 to {changes_max} changes");
            let wrong = || InboundError::invalid(fields.name("changes"), expected.clone());
            let (count, values) = elements(value).ok_or_else(wrong)?;
            if count == 0 || count > changes_max {
                return Err(wrong());
            }
            for (index, value) in values.enumerate() {
                let path = fields.name(&format!("changes[{index}]"));
                changes.push(read_sent_change(Fields::of(value, &path)?)?);
            }
        }
    }
    let resolution = fields.text("conflict_resolution")?.unwrap_or("operational_transform");
    if !["operational_transform", "reject"].contains(&resolution) {
        let field = fields.name("conflict_resolution");
        return Err(InboundError::invalid(field, "operational_transform or reject"));
    }
    let base = fields.unsigned("base_version")?.map(Version);
    Ok(InboundChange { changes, base, is_batch: batch.is_some(), reject_conflicts: resolution == "reject" })
}

fn read_sent_change<'i>(fields: Fields<'_, 'i>) -> Result<SentChange<'i>, InboundError> {
    let operation = fields.required("operation", fields.text("operation")?, "insert, delete or replace")?;
    let kind = match operation {
        "insert" => ChangeKind::Insert,
        "delete" => ChangeKind::Delete,
        "replace" => ChangeKind::Replace,
        _ => return Err(InboundError::invalid(fields.name("operation"), "insert, delete or replace")),
    };
    let number = |key| fields.required(key, fields.unsigned(key)?, "a non-negative integer");
    let position = number("position")?;
    let length = if kind == ChangeKind::Insert { 0 } else { number("length")? };
    let content = match kind {
        ChangeKind::Delete => "",
        ChangeKind::Insert | ChangeKind::Replace => fields.required("content", fields.text("content")?, "a string")?,
    };
    Ok(SentChange { kind, position, length, content: Cow::Borrowed(content), section: section_of(fields)? })
}

fn section_of(fields: Fields<'_, '_>) -> Result<Option<SectionName>, InboundError> {
    let Some(name) = fields.text("section")? else { return Ok(None) };
    let section = SectionName::new(name);
    section
        .map(Some)
        .map_err(|_| InboundError::invalid(fields.name("section"), format!("a name matching {}", SectionName::PATTERN)))
}

fn sections_of(fields: Fields<'_, '_>) -> Result<Option<Vec<SectionName>>, InboundError> {
    let Some(value) = fields.get("sections") else { return Ok(None) };
    let wrong = || InboundError::invalid(fields.name("sections"), "an array of section names");
    let (_, values) = elements(value).ok_or_else(wrong)?;
    let name = |value: Value<'_, '_>| match value {
        [Node::String(name)] => SectionName::new(name).map_err(|_| wrong()),
        _ => Err(wrong()),
    };
    values.map(name).collect::<Result<Vec<_>, _>>().map(Some)
}

fn name_of<'i>(fields: Fields<'_, 'i>, key: &str) -> Result<Option<&'i str>, InboundError> {
    let name = fields.text(key)?;
    if name.is_some_and(|name| name.len() > NAME_BYTES_MAX) {
        return Err(InboundError::invalid(fields.name(key), format!("at most {NAME_BYTES_MAX} bytes")));
    }
    Ok(name)
}

fn token_of<'i>(fields: Fields<'_, 'i>) -> Result<BearerToken<&'i str>, InboundError> {
    let token = fields.required("token", fields.text("token")?, "a token")?;
    if token.len() > TOKEN_BYTES_MAX {
        return Err(InboundError::invalid(fields.name("token"), format!("at most {TOKEN_BYTES_MAX} bytes")));
    }
    Ok(BearerToken(token))
}

fn client_time_of<'i>(fields: Fields<'_, 'i>) -> Result<Option<ClientTime<'i>>, InboundError> {
    let wrong = || {
        let expected = format!("a number, or a string of at most {NAME_BYTES_MAX} bytes");
        InboundError::invalid(fields.name("client_time"), expected)
    };
    let time = match fields.get("client_time") {
        None => return Ok(None),
        Some([Node::String(text)]) if text.len() <= NAME_BYTES_MAX => ClientTime::Text(text),
        Some([Node::Static(StaticNode::I64(number))]) => ClientTime::Integer((*number).into()),
        Some([Node::Static(StaticNode::U64(number))]) => ClientTime::Integer((*number).into()),
        Some([Node::Static(StaticNode::F64(number))]) => ClientTime::Float(*number),
        Some(_) => return Err(wrong()),
    };
    Ok(Some(time))
}

fn checksum_of(fields: Fields<'_, '_>) -> Result<Option<DocumentChecksum>, InboundError> {
    let path = fields.name("document");
    let Some(value) = fields.get("document") else { return Ok(None) };
    let document = Fields::of(value, &path)?;
    let version = document.required("version", document.unsigned("version")?, "a version")?;
    let crc32 = document.required("crc32", document.unsigned("crc32")?, "a CRC-32")?;
    let crc32 =
        u32::try_from(crc32).map_err(|_| InboundError::invalid(document.name("crc32"), "a CRC-32, 0 to 4294967295"))?;
    Ok(Some(DocumentChecksum { version: Version(version), crc32 }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::ErrorCode;

    fn read(text: &str) -> Vec<Result<String, (ErrorCode, Option<String>, Option<String>)>> {
        let mut parser = Parser::default();
        let mut seen = Vec::new();
        let mut bytes = text.as_bytes().to_vec();
        parser.read(&mut bytes, 3, |result| {
            seen.push(match result {
                Ok(inbound) => Ok(format!("{inbound:?}")),
                Err(error) => Err((error.code, error.field, error.correlation_id)),
            });
        });
        seen
    }

    fn check_error(text: &str, code: ErrorCode, field: Option<&str>) {
        let seen = read(text);
        let [Err(error)] = seen.as_slice() else { panic!("{text} gave {seen:?}") };
        assert_eq!((error.0, error.1.as_deref()), (code, field), "{text}");
    }

    #[test]
    fn the_references_examples_are_read() {
        for text in [
            r#"{"type":"document.change","payload":{"operation":"insert","position":0,"content":"Hello "}}"#,
            r#"{"type":"document.change","payload":{"operation":"replace","position":1250,"content":"New content","length":15,"section":"general_accountability"},"metadata":{"timestamp":"2025-09-21T12:45:30.123456","client_id":"c","version":1,"correlation_id":null}}"#,
            r#"{"type":"cursor.position","payload":{"position":1250,"section":"general_accountability"}}"#,
            r#"{"type":"selection.change","payload":{"start":1200,"end":1250,"section":"general_accountability"}}"#,
            r#"{"type":"system.heartbeat","payload":{"client_time":1632150000.25}}"#,
            r#"{"type":"sync.request","payload":{"last_known_version":40,"sections":["general_accountability"]}}"#,
            r#"{"type":"document.join","payload":{"document_id":"jd_test"}}"#,
            r#"{"type":"document.save","payload":{"version":42}}"#,
            r#"{"type":"auth.refresh","payload":{"token":"a.b.c"}}"#,
        ] {
            assert!(read(text)[0].is_ok(), "{text}: {:?}", read(text));
        }
    }

    #[test]
    fn arrays_are_several_messages() {
        let heartbeat = r#"{"type":"system.heartbeat","payload":{}}"#;
        assert_eq!(read(&format!("[{heartbeat},{{}},{heartbeat}]")).len(), 3);
        check_error("[]", ErrorCode::ValidationError, None);
        let many = [heartbeat; ENVELOPES_PER_FRAME_MAX + 1].join(",");
        check_error(&format!("[{many}]"), ErrorCode::ValidationError, None);
    }

    #[test]
    fn errors_name_the_field() {
        use ErrorCode::{UnknownMessageType, ValidationError};
        check_error("", ValidationError, None);
        check_error("{", ValidationError, None);
        check_error("nonsense", ValidationError, None);
        check_error("17", ValidationError, None);
        check_error("{}", ValidationError, Some("type"));
        check_error(r#"{"type":5}"#, ValidationError, Some("type"));
        check_error(r#"{"type":"document.delete","payload":{}}"#, UnknownMessageType, Some("type"));
        check_error(r#"{"type":"document.save"}"#, ValidationError, Some("payload"));
        check_error(r#"{"type":"document.save","payload":[]}"#, ValidationError, Some("payload"));
        check_error(r#"{"type":"a","type":"a","payload":{}}"#, ValidationError, Some("type"));
        check_error(r#"{"":1,"":2}"#, ValidationError, Some("\"\""));
        for (payload, field) in [
            (r#"{}"#, "payload.operation"),
            (r#"{"operation":"move"}"#, "payload.operation"),
            (r#"{"operation":"insert","content":"a"}"#, "payload.position"),
            (r#"{"operation":"insert","position":-1,"content":"a"}"#, "payload.position"),
            (r#"{"operation":"insert","position":1.5,"content":"a"}"#, "payload.position"),
            (r#"{"operation":"insert","position":"1","content":"a"}"#, "payload.position"),
            (r#"{"operation":"insert","position":1}"#, "payload.content"),
            (r#"{"operation":"insert","position":1,"content":5}"#, "payload.content"),
            (r#"{"operation":"delete","position":1}"#, "payload.length"),
            (r#"{"operation":"replace","position":1,"content":"a"}"#, "payload.length"),
            (r#"{"operation":"delete","position":1,"length":1,"section":"1x"}"#, "payload.section"),
            (r#"{"operation":"delete","position":1,"length":1,"base_version":"a"}"#, "payload.base_version"),
            (r#"{"changes":[]}"#, "payload.changes"),
            (r#"{"changes":[{},{},{},{}]}"#, "payload.changes"),
            (r#"{"changes":[{"operation":"insert","position":0,"content":""},{}]}"#, "payload.changes[1].operation"),
            (r#"{"operation":"delete","position":1,"length":1,"position":2}"#, "payload.position"),
        ] {
            let text = format!(r#"{{"type":"document.change","payload":{payload}}}"#);
            check_error(&text, ValidationError, Some(field));
        }
    }

    #[test]
    fn a_token_is_bounded_and_never_shown() {
        let refresh = |token: &str| format!(r#"{{"type":"auth.refresh","payload":{{"token":{token}}}}}"#);
        let shown = read(&refresh(r#""needle""#));
        assert!(shown[0].as_ref().is_ok_and(|shown| !shown.contains("needle")), "{shown:?}");
        for token in ["7", "null", "[]", &format!("\"{}\"", "x".repeat(TOKEN_BYTES_MAX + 1))] {
            check_error(&refresh(token), ErrorCode::ValidationError, Some("payload.token"));
        }
        assert!(read(&refresh(&format!("\"{}\"", "x".repeat(TOKEN_BYTES_MAX))))[0].is_ok());
    }

    #[test]
    fn lone_surrogates_are_refused() {
        let lone = r#"{"type":"document.change","payload":{"operation":"insert","position":0,"content":"\ud83d"}}"#;
        check_error(lone, ErrorCode::ValidationError, None);
    }

    #[test]
    fn an_error_carries_the_correlation_id() {
        let seen = read(r#"{"type":"x","payload":{},"metadata":{"correlation_id":"c1"}}"#);
        assert_eq!(seen[0].as_ref().unwrap_err().2.as_deref(), Some("c1"));
        let long = "x".repeat(NAME_BYTES_MAX + 1);
        let text = format!(r#"{{"type":"document.save","payload":{{}},"metadata":{{"client_id":"{long}"}}}}"#);
        check_error(&text, ErrorCode::ValidationError, Some("metadata.client_id"));
    }
}
