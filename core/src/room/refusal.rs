//! What is said when something is wrong: the field, what was expected of it, what to do.

use bytes::Bytes;
use smallvec::SmallVec;

use super::counters::Sent;
use super::outbox::Gate;
use super::{MemberKey, Room, frame};
use crate::document::{Lock, Rejection};
use crate::ids::{UnixMillis, Version};
use crate::limits::ConnectionLimit;
use crate::protocol::outbound::{ErrorDetails, ErrorMessage, Metadata};
use crate::protocol::{ErrorCode, InboundChange, InboundError, Severity, close};
use crate::websocket::{CloseCode, encode_close};

/// Malformed messages in a row after which a connection is closed.
pub(super) const MALFORMED_IN_ROW_MAX: u32 = 10;
/// The reason they are closed with.
pub(super) const TOO_MANY_MALFORMED: &str = "too many malformed messages in a row";

/// What is said when the server stops.
pub(super) const STOPPING_MESSAGE: &str = "the server is stopping; reconnect after the time given in the close reason";

/// The reason of the close that follows, with a moment of its own for each to come back at.
pub(super) fn stopping_reason(retry_ms: u64) -> String {
    format!("{} retry_ms={retry_ms}", ErrorCode::ShuttingDown.name())
}

/// Why somebody may not join.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinRefusal {
    /// The code for `system.error`.
    pub code: ErrorCode,
    /// What to do.
    pub message: String,
    /// What is wrong: the document's id or a parameter of the address, where it is one of these.
    pub field: Option<&'static str>,
    /// What was expected of that.
    pub expected: Option<String>,
    /// Which limit was reached.
    pub limit_type: Option<&'static str>,
    /// The code to close with.
    pub close: CloseCode,
    /// Seconds after which a retry may help.
    pub retry_after: Option<u64>,
}

/// The frames of `system.error` and the close after it, for somebody who never became a member. `retry_ms` gives whom a
/// stopping server refuses a moment of their own to come back at.
#[must_use]
pub fn refusal_frames(now: UnixMillis, refusal: &JoinRefusal, retry_ms: impl FnOnce() -> u64) -> [Bytes; 2] {
    let error = ErrorMessage {
        retry_after: refusal.retry_after,
        limit_type: refusal.limit_type,
        details: ErrorDetails::of(refusal.field, refusal.expected.as_deref()),
        ..ErrorMessage::new(refusal.code, &refusal.message, Severity::Critical)
    };
    let told = frame("system.error", &error, &Metadata::of_server(now, None));
    let reason = match refusal.code {
        ErrorCode::ShuttingDown => stopping_reason(retry_ms()),
        other => other.name().to_owned(),
    };
    [told, encode_close(refusal.close, &reason)]
}

impl Room {
    /// Answers a message that was refused; closes the connection after too many malformed ones in a row.
    pub(super) fn refuse(&mut self, now: UnixMillis, key: MemberKey, error: &InboundError) {
        let Some(member) = self.members.get_mut(key) else { return };
        member.malformed_in_row = if is_malformed(error.code) { member.malformed_in_row + 1 } else { 0 };
        let too_many = member.malformed_in_row >= MALFORMED_IN_ROW_MAX;
        let severity = match error.code {
            _ if too_many => Severity::Critical,
            ErrorCode::RateLimitExceeded => Severity::Warning,
            _ => Severity::Error,
        };
        // A refusal may name the current version, which nobody is to see before it is durable.
        let gate = self.version_gate();
        self.members.send(key, gate, error_frame(now, error, severity));
        self.config.counters.count_sent(Sent::Error, 1);
        self.config.counters.count_error(error.code);
        if too_many {
            self.members.close(key, close::RATE_LIMITED, TOO_MANY_MALFORMED);
        }
    }

    /// Says why, and closes.
    pub(super) fn close_with_error(
        &mut self,
        now: UnixMillis,
        key: MemberKey,
        code: ErrorCode,
        message: &str,
        close: CloseCode,
        reason: &str,
    ) {
        self.close_after(0, now, key, (code, message), close, reason);
    }

    /// The same, once all that has been recorded is on disk.
    pub(super) fn close_when_durable(
        &mut self,
        now: UnixMillis,
        key: MemberKey,
        code: ErrorCode,
        message: &str,
        close: CloseCode,
        reason: &str,
    ) {
        self.close_after(self.records, now, key, (code, message), close, reason);
    }

    fn close_after(
        &mut self,
        gate: Gate,
        now: UnixMillis,
        key: MemberKey,
        (code, message): (ErrorCode, &str),
        close: CloseCode,
        reason: &str,
    ) {
        let error = ErrorMessage::new(code, message, Severity::Critical);
        self.members.send(key, gate, frame("system.error", &error, &Metadata::of_server(now, None)));
        self.config.counters.count_sent(Sent::Error, 1);
        self.members.close(key, close, reason);
    }
}

/// Whether a message so refused is wrong in itself, whatever the document and the sender's rights are.
pub(super) fn is_malformed(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::ValidationError | ErrorCode::UnknownMessageType | ErrorCode::MessageTooLarge)
}

pub(super) fn error_frame(now: UnixMillis, error: &InboundError, severity: Severity) -> Bytes {
    let InboundError { code, message, field, expected, correlation_id } = error;
    let details = ErrorDetails::of(field.as_deref(), expected.as_deref());
    let payload = ErrorMessage { details, ..ErrorMessage::new(*code, message, severity) };
    frame("system.error", &payload, &Metadata::of_server(now, correlation_id.as_deref()))
}

pub(super) fn too_many_editors(limit: usize) -> JoinRefusal {
    JoinRefusal {
        code: ErrorCode::RateLimitExceeded,
        message: format!("{limit} people are editing this document already; join with ?mode=view, or retry later"),
        field: None,
        expected: None,
        limit_type: Some(ConnectionLimit::DocumentEditors.name()),
        close: close::RATE_LIMITED,
        retry_after: Some(60),
    }
}

/// The session is for others.
pub(super) fn not_admitted() -> JoinRefusal {
    JoinRefusal {
        code: ErrorCode::Forbidden,
        message:
            "the document's session is not public: ask its creator to take you in as a participant, or wait for its end"
                .to_owned(),
        field: None,
        expected: None,
        limit_type: None,
        close: close::UNAUTHORIZED,
        retry_after: None,
    }
}

/// The session has as many participants as were planned.
pub(super) fn session_is_full(max: u32) -> JoinRefusal {
    JoinRefusal {
        code: ErrorCode::RateLimitExceeded,
        message: format!("the document's session has its {max} participants; retry when somebody has left"),
        field: None,
        expected: None,
        limit_type: Some("session_participants"),
        close: close::RATE_LIMITED,
        retry_after: Some(60),
    }
}

/// What those are told whom a lock keeps from editing.
pub(super) fn locked(lock: &Lock) -> String {
    let reason = lock.reason.as_ref().map_or_else(String::new, |reason| format!(" ({reason})"));
    format!("the document is locked by {}{reason}: view it with ?mode=view, or retry later", lock.holder)
}

pub(super) fn is_locked(now: UnixMillis, lock: &Lock) -> JoinRefusal {
    let left = lock.expires_at.map(|at| at.0.saturating_sub(now.0).div_ceil(1_000));
    JoinRefusal {
        code: ErrorCode::DocumentLocked,
        message: locked(lock),
        field: None,
        expected: None,
        limit_type: None,
        close: close::DOCUMENT_LOCKED,
        retry_after: left,
    }
}

/// What is told of texts that were refused as a whole.
pub(super) fn rewrite(rejection: &Rejection) -> InboundError {
    let sent = InboundChange { changes: SmallVec::new(), base: None, is_batch: false, reject_conflicts: false };
    let refused = rejected(rejection, "", &sent);
    match rejection {
        Rejection::TooLarge { .. } => InboundError { field: Some("sections".to_owned()), ..refused },
        _ => refused,
    }
}

pub(super) fn read_only() -> InboundError {
    InboundError {
        code: ErrorCode::Forbidden,
        message: "this connection only views the document; connect with document:write and without ?mode=view"
            .to_owned(),
        field: Some("type".to_owned()),
        expected: Some("document.join, cursor.position, selection.change, sync.request or system.heartbeat".to_owned()),
        correlation_id: None,
    }
}

/// A message about translations of somebody who has not subscribed.
pub(super) fn not_subscribed() -> InboundError {
    InboundError {
        code: ErrorCode::UnknownMessageType,
        message: "this connection is to a document: send translation.subscribe first, or send messages about translations to \
                  /ws/translation/{project_id}"
            .to_owned(),
        field: Some("type".to_owned()),
        expected: Some("translation.subscribe, or a message about the document".to_owned()),
        correlation_id: None,
    }
}

/// Somebody subscribes whose token does not permit it.
pub(super) fn no_translator() -> InboundError {
    InboundError {
        code: ErrorCode::Forbidden,
        message: "the token lacks the scope `translation:read`: send auth.refresh with one that has it, or reconnect"
            .to_owned(),
        field: Some("type".to_owned()),
        expected: Some("a message about the document".to_owned()),
        correlation_id: None,
    }
}

pub(super) fn never_shown(base: Version) -> InboundError {
    InboundError {
        code: ErrorCode::VersionUnknown,
        message: format!(
            "version {base} was left out on this connection, which reads too slowly: wait for the full state of a later one, or send sync.request"
        ),
        field: Some("payload.base_version".to_owned()),
        expected: Some("a version that this connection was told of".to_owned()),
        correlation_id: None,
    }
}

pub(super) fn states_are_queued() -> InboundError {
    InboundError {
        code: ErrorCode::RateLimitExceeded,
        message: "full states are on their way to this connection already; read them before asking for another"
            .to_owned(),
        field: Some("type".to_owned()),
        expected: Some("no further document.join or sync.request until the last one is answered".to_owned()),
        correlation_id: None,
    }
}

/// What a client is told of a submission that was refused; `path` stands before the field's name.
pub(super) fn rejected(rejection: &Rejection, path: &str, sent: &InboundChange<'_>) -> InboundError {
    let of_message = |field: &str| format!("{path}{field}");
    let of_change = |index: usize, field: &str| {
        if sent.is_batch { format!("{path}changes[{index}].{field}") } else { of_message(field) }
    };
    let (code, field, expected) = match rejection {
        Rejection::VersionUnknown { current, .. } => {
            (ErrorCode::VersionUnknown, of_message("base_version"), format!("a version up to {current} that exists"))
        }
        Rejection::VersionTooOld { oldest, .. } => {
            (ErrorCode::VersionTooOld, of_message("base_version"), format!("{oldest} or newer"))
        }
        Rejection::VersionConflict { current, .. } => {
            (ErrorCode::VersionConflict, of_message("base_version"), current.to_string())
        }
        Rejection::InvalidPosition { index, field, expected } => {
            (ErrorCode::InvalidPosition, of_change(*index, field), expected.clone())
        }
        Rejection::UnknownSection { index, .. } => {
            (ErrorCode::ValidationError, of_change(*index, "section"), "the name of a section that exists".to_owned())
        }
        Rejection::KeyReused => {
            let field = "metadata.correlation_id".to_owned();
            (ErrorCode::ValidationError, field, "an id that was not used for another change".to_owned())
        }
        Rejection::TooLarge { limit, .. } => {
            let field = of_message(if sent.is_batch { "changes" } else { "content" });
            (ErrorCode::DocumentTooLarge, field, format!("what keeps within the limit of {limit}"))
        }
    };
    InboundError {
        code,
        message: rejection.to_string(),
        field: Some(field),
        expected: Some(expected),
        correlation_id: None,
    }
}
