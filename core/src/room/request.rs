//! What is asked of a document over HTTP; answers wait for durability as frames do.

use bytes::Bytes;
use serde::Serialize;

use super::condition::IfMatch;
use super::member::Dialect;
use super::{Room, refusal};
use crate::document::{Move, Rejection, Submission, Submitted};
use crate::ids::{PositionEncoding, UnixMillis, Version};
use crate::protocol::outbound::write_json;
use crate::protocol::{ErrorCode, InboundError, Message, NAME_BYTES_MAX, Parser, read_changes_body};

/// The header that names a request, for errors.
const IDEMPOTENCY_KEY: &str = "Idempotency-Key";
/// About what a state has besides its texts, in bytes: room for it is made beforehand.
const STATE_BYTES: usize = 512;

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    /// The token's `sub`.
    pub user_id: &'a str,
    /// Whether they may act for others (`document:admin`).
    pub is_admin: bool,
    /// How they count positions.
    pub encoding: PositionEncoding,
    /// `Idempotency-Key`, which makes the request's resend harmless.
    pub idempotency_key: Option<&'a str>,
    /// `If-Match`: what they expect of the document.
    pub if_match: Option<&'a IfMatch>,
}

/// An answer that may be given.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The number the request was given.
    pub request: u64,
    /// A JSON body, or why there is none.
    pub body: Result<Bytes, InboundError>,
    /// The version that it shows or made, if it is about one.
    pub version: Option<Version>,
    /// Whether something new came to be.
    pub created: bool,
}

/// The answer of `POST …/changes`.
#[derive(Serialize)]
struct ChangesApplied<'a> {
    applied_changes: usize,
    new_version: Version,
    conflicts_resolved: usize,
    operational_transforms: Vec<MovedPosition<'a>>,
}

#[derive(Serialize)]
struct MovedPosition<'a> {
    original_position: u64,
    transformed_position: u64,
    reason: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    section: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    section_position: Option<u64>,
}

impl<'a> From<&'a Move> for MovedPosition<'a> {
    fn from(moved: &'a Move) -> Self {
        Self {
            original_position: moved.original_position,
            transformed_position: moved.transformed_position,
            reason: moved.reason.name(),
            section: moved.section.as_ref().map(|(name, _)| name.as_str()),
            section_position: moved.section.as_ref().map(|(_, position)| *position),
        }
    }
}

impl Room {
    /// `GET …/state`: answered as `request`, when the current version is durable.
    pub fn answer_state(&mut self, now: UnixMillis, request: u64, encoding: PositionEncoding, with_metadata: bool) {
        let text_bytes: usize = self.document.sections().iter().map(|section| section.text().utf8_len()).sum();
        let mut body = Vec::with_capacity(text_bytes + STATE_BYTES);
        write_json(&mut body, &self.state(now, Dialect { encoding, over_document: false }, with_metadata));
        let version = Some(self.document.version());
        let answer = Answer { request, body: Ok(body.into()), version, created: false };
        self.answers.push_back((self.version_gate(), answer));
    }

    /// `POST …/changes`: answered as `request` when the changes are durable. The body is garbled by reading.
    ///
    /// # Errors
    /// What is wrong with the body; nothing was changed then.
    pub fn answer_changes(
        &mut self,
        now: UnixMillis,
        request: u64,
        caller: Caller<'_>,
        body: &mut [u8],
        parser: &mut Parser,
    ) -> Result<(), InboundError> {
        self.check_taking_part(now, caller.user_id, caller.is_admin)?;
        let changes_max = self.config.limits.batch_changes;
        let (version, answer) = read_changes_body(parser, body, changes_max, |inbound, authors| {
            let Message::Change(sent) = &inbound.message else {
                return Err(InboundError::invalid("changes".to_owned(), "an array of changes"));
            };
            let key = idempotency_key(caller)?.map(|key| ("idempotency-key", key));
            let submission = Submission {
                user_id: author(caller, authors)?,
                client_id: key.map(|(client_id, _)| client_id).or(inbound.client_id),
                correlation_id: key.map(|(_, key)| key).or(inbound.correlation_id),
                base: sent.base,
                encoding: caller.encoding,
                changes: &sent.changes,
                reject_conflicts: sent.reject_conflicts,
                tell_moves: true,
            };
            if self.document.resent(now, &submission).is_none() {
                self.check_condition(caller.if_match)?;
                self.check_lock(now, caller.user_id)?;
            }
            let submitted = self.document.submit(now, &submission).map_err(|rejection| {
                let refused = refusal::rejected(&rejection, "", sent);
                if key.is_some() { rejection_of_key(refused, &rejection) } else { refused }
            })?;
            Ok(self.changes_answer(sent.changes.len(), &submitted))
        })?;
        let answer = Answer { request, body: Ok(answer), version: Some(version), created: false };
        self.answers.push_back((self.records, answer));
        Ok(())
    }

    /// A request is refused: told as `request` when the version that the refusal may name is durable.
    pub fn answer_refusal(&mut self, request: u64, error: InboundError) {
        self.answers
            .push_back((self.version_gate(), Answer { request, body: Err(error), version: None, created: false }));
    }

    fn changes_answer(&mut self, applied_changes: usize, submitted: &Submitted) -> (Version, Bytes) {
        let (version, moves) = match submitted {
            Submitted::Applied { version, moves, .. } => {
                self.publish_newest(None);
                (*version, moves.as_slice())
            }
            Submitted::Duplicate { version, .. } => (*version, [].as_slice()),
        };
        let mut body = Vec::new();
        write_json(
            &mut body,
            &ChangesApplied {
                applied_changes,
                new_version: version,
                conflicts_resolved: moves.len(),
                operational_transforms: moves.iter().map(MovedPosition::from).collect(),
            },
        );
        (version, body.into())
    }
}

/// The same refusal, but that a key used twice is the header.
pub(super) fn rejection_of_key(refused: InboundError, rejection: &Rejection) -> InboundError {
    if *rejection == Rejection::KeyReused {
        return InboundError { field: Some(IDEMPOTENCY_KEY.to_owned()), ..refused };
    }
    refused
}

/// The request's key, if it has one.
pub(super) fn idempotency_key<'a>(caller: Caller<'a>) -> Result<Option<&'a str>, InboundError> {
    let fits = |key: &str| (1..=NAME_BYTES_MAX).contains(&key.len());
    if caller.idempotency_key.is_some_and(|key| !fits(key)) {
        return Err(InboundError::invalid(IDEMPOTENCY_KEY.to_owned(), format!("1 to {NAME_BYTES_MAX} bytes")));
    }
    Ok(caller.idempotency_key)
}

/// The one author that the changes name: the caller, or anybody if an admin asks.
fn author<'a>(caller: Caller<'a>, named: &[(usize, &'a str)]) -> Result<&'a str, InboundError> {
    let (index, author) = named.first().copied().unwrap_or((0, caller.user_id));
    if named.iter().any(|(_, name)| *name != author) {
        return Err(InboundError::invalid("changes".to_owned(), "one user_id in the metadata of all changes"));
    }
    if author != caller.user_id && !caller.is_admin {
        return Err(InboundError {
            code: ErrorCode::Forbidden,
            message: "metadata.user_id names somebody else; leave it out, or use a token with document:admin"
                .to_owned(),
            field: Some(format!("changes[{index}].metadata.user_id")),
            expected: Some("the user of the token".to_owned()),
            correlation_id: None,
        });
    }
    Ok(author)
}
