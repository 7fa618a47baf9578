//! Members who speak too often: what they are told, and when it is enough.

use bytes::Bytes;

use super::counters::Sent;
use super::refusal::{MALFORMED_IN_ROW_MAX, TOO_MANY_MALFORMED, is_malformed};
use super::{MemberKey, Room, frame};
use crate::ids::UnixMillis;
use crate::limits::{Attempt, ConnectionLimit, Exceeded, GrantedLimits, LimitMode, RefusalCounts};
use crate::protocol::outbound::{ErrorMessage, Limits, Metadata};
use crate::protocol::{ErrorCode, Inbound, InboundError, Message, Severity, TranslationMessage, close};

/// So many changes or segments of a batch count as one message.
const CHANGES_PER_MESSAGE: usize = 10;
/// The reference's own words.
const MESSAGE: &str = "Rate limit exceeded";
const TOO_MANY_REFUSALS: &str = "too many messages beyond the rate limits: wait, then reconnect";

impl Room {
    /// Whether a member may say this now, well-formed or not; if not they are told. A frame that `is_large` needs
    /// that only once, however many envelopes are in it.
    pub(super) fn admits(
        &mut self,
        now: UnixMillis,
        key: MemberKey,
        read: &Result<Inbound<'_>, InboundError>,
        is_large: &mut bool,
    ) -> bool {
        let Some(member) = self.members.get_mut(key) else { return false };
        let rates = self.config.limits.rates.granting(&member.granted);
        let attempt = Attempt { is_large: *is_large, ..attempt(read) };
        let Err(exceeded) = member.rates.admit(now, &rates, attempt) else {
            *is_large = false;
            return true;
        };
        self.refusals.count_message(exceeded.limit);
        self.refusals.closed += u64::from(exceeded.closes);
        if self.config.limits.mode == LimitMode::Observe {
            return true;
        }
        self.tell_exceeded(now, key, read, &exceeded);
        false
    }

    fn tell_exceeded(
        &mut self,
        now: UnixMillis,
        key: MemberKey,
        read: &Result<Inbound<'_>, InboundError>,
        exceeded: &Exceeded,
    ) {
        let Some(member) = self.members.get_mut(key) else { return };
        // What is malformed is no less so for coming too fast.
        member.malformed_in_row += u32::from(read.as_ref().is_err_and(|error| is_malformed(error.code)));
        let reason = reason_to_close(member.malformed_in_row, exceeded);
        self.members.send(key, 0, exceeded_frame(now, read, exceeded, reason.is_some()));
        self.count_limit();
        if let Some(reason) = reason {
            self.members.close(key, close::RATE_LIMITED, reason);
        }
    }

    /// Closes a member for whom a newer connection of the same user was let in, since nothing was heard of this one.
    pub fn displace(&mut self, now: UnixMillis, key: MemberKey) {
        self.members.send(key, 0, displaced_frame(now));
        self.count_limit();
        self.members.close(key, close::RATE_LIMITED, ErrorCode::RateLimitExceeded.name());
    }

    /// Somebody was told of a limit.
    fn count_limit(&self) {
        self.config.counters.count_error(ErrorCode::RateLimitExceeded);
        self.config.counters.count_sent(Sent::Error, 1);
    }

    /// Gives back the memory of a member who has been silent for a minute.
    pub fn release_rates(&mut self, now: UnixMillis, key: MemberKey) {
        if let Some(member) = self.members.get_mut(key) {
            member.rates.release(now);
        }
    }

    /// What was refused since the last call.
    pub fn take_refusals(&mut self) -> RefusalCounts {
        std::mem::take(&mut self.refusals)
    }
}

/// Why a connection is closed after a message beyond a limit, if it is.
pub(super) const fn reason_to_close(malformed_in_row: u32, exceeded: &Exceeded) -> Option<&'static str> {
    match malformed_in_row {
        MALFORMED_IN_ROW_MAX.. => Some(TOO_MANY_MALFORMED),
        _ if exceeded.closes => Some(TOO_MANY_REFUSALS),
        _ => None,
    }
}

/// What is said about a message beyond a limit.
pub(super) fn exceeded_frame(
    now: UnixMillis,
    read: &Result<Inbound<'_>, InboundError>,
    exceeded: &Exceeded,
    closes: bool,
) -> Bytes {
    let severity = if closes { Severity::Critical } else { Severity::Warning };
    let payload = ErrorMessage {
        retry_after: Some(exceeded.retry_after),
        limit_type: Some(exceeded.limit.name()),
        current_rate: Some(&exceeded.limit.rate(exceeded.current)),
        allowed_rate: Some(&exceeded.limit.rate(exceeded.allowed.into())),
        ..ErrorMessage::new(ErrorCode::RateLimitExceeded, MESSAGE, severity)
    };
    let correlation_id = match read {
        Ok(inbound) => inbound.correlation_id,
        Err(error) => error.correlation_id.as_deref(),
    };
    frame("system.error", &payload, &Metadata::of_server(now, correlation_id))
}

/// What is said to a connection whose seat a newer one has.
pub(super) fn displaced_frame(now: UnixMillis) -> Bytes {
    const MESSAGE: &str = "nothing was heard of this connection, and a newer one of the same user has its place";
    let payload = ErrorMessage {
        limit_type: Some(ConnectionLimit::UserConnections.name()),
        ..ErrorMessage::new(ErrorCode::RateLimitExceeded, MESSAGE, Severity::Critical)
    };
    frame("system.error", &payload, &Metadata::of_server(now, None))
}

/// As how much a message counts.
pub(super) fn attempt(read: &Result<Inbound<'_>, InboundError>) -> Attempt {
    let message = read.as_ref().ok().map(|inbound| &inbound.message);
    let weight = match message {
        Some(Message::Change(change)) => change.changes.len().div_ceil(CHANGES_PER_MESSAGE),
        Some(Message::Translation(message)) => match &**message {
            TranslationMessage::Batch(batch) => batch.segments.len().div_ceil(CHANGES_PER_MESSAGE),
            _ => 1,
        },
        _ => 1,
    };
    Attempt {
        weight: u32::try_from(weight).unwrap_or(u32::MAX),
        burst_only: matches!(message, Some(Message::Heartbeat { .. } | Message::Join { .. } | Message::Refresh { .. })),
        is_large: false,
    }
}

/// The limits of a connection whose token grants some of its own.
pub(super) fn limits_of(limits: &Limits, granted: &GrantedLimits) -> Limits {
    let user_connections = granted.user_connections.map(|number| usize::try_from(number).unwrap_or(usize::MAX));
    Limits {
        user_connections: user_connections.unwrap_or(limits.user_connections),
        rates: limits.rates.granting(granted),
        ..*limits
    }
}
