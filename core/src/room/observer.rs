//! Somebody who watches the server and not one document: who is present where, or how the server is doing.
//!
//! An observer is sent a whole picture first, and what changes in it after that. If it reads too slowly for the
//! changes, these are dropped, and it gets a new whole picture when it has read what it has; a picture that is
//! due while the last one is unread replaces that. So what waits for an observer is bounded, and always true.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;

use super::counters::{Counters, Sent};
use super::forms::Forms;
use super::frame;
use super::framing::Framing;
use super::outbox::{Class, Outbox};
use super::rates::{attempt, displaced_frame, exceeded_frame, reason_to_close};
use super::refusal::{
    MALFORMED_IN_ROW_MAX, STOPPING_MESSAGE, TOO_MANY_MALFORMED, error_frame, is_malformed, stopping_reason,
};
use super::tokens::{Due, Expiry, INVALID_CLOSE, Renewal, RenewalRequest, due_frame, revoked_frame};
use super::translator::Said;
use crate::ids::UnixMillis;
use crate::limits::{Attempt, Exceeded, GrantedLimits, LimitMode, RateLimits, Rates, RefusalCounts};
use crate::protocol::outbound::{ErrorMessage, Heartbeat, Metadata};
use crate::protocol::{ClientTime, ErrorCode, Inbound, InboundError, Message, Parser, Severity, close};
use crate::websocket::{CloseCode, Deflater};

/// An observer that has something to read has to read this much of it, or all, in each [`DRAIN_TIME_MS`].
const DRAIN_BYTES_MIN: u64 = 64 << 10;
/// See [`DRAIN_BYTES_MIN`].
const DRAIN_TIME_MS: u64 = 10_000;
/// Changes in a batch, which no message of an observer has.
const BATCH_CHANGES: usize = 1;

/// What all observers of a core have in common.
#[derive(Clone, Debug)]
pub struct ObserverConfig {
    /// The most bytes of changes that wait for it to read them.
    pub outbound_bytes_max: usize,
    /// The largest message it may send.
    pub message_bytes_max: usize,
    /// Whether it is held to the rates, or only counted.
    pub mode: LimitMode,
    /// How often it may say something.
    pub rates: RateLimits,
    /// Bytes that wait for all observers of the core.
    pub waiting_bytes: Rc<Cell<usize>>,
    /// What compresses for all observers.
    pub deflater: Rc<RefCell<Deflater>>,
    /// Where it is counted what is heard and said.
    pub counters: Arc<Counters>,
}

/// Somebody who has come to watch.
#[derive(Clone, Debug)]
pub struct Watching {
    /// The connection's name, `conn_…`.
    pub connection_id: Box<str>,
    /// What their messages are wrapped in.
    pub framing: Framing,
    /// What their token grants instead of the server's limits.
    pub granted: GrantedLimits,
    /// The token's `sub`.
    pub user_id: Box<str>,
    /// Until when their token is good.
    pub expiry: Expiry,
}

/// One connection that watches.
#[derive(Debug)]
pub struct Observer {
    watching: Watching,
    config: ObserverConfig,
    outbox: Outbox,
    rates: Rates,
    /// What was refused since [`Self::take_refusals`].
    refusals: RefusalCounts,
    malformed_in_row: u32,
    /// Tokens that it has shown and nobody has checked.
    renewals: Vec<RenewalRequest>,
    /// A whole picture is to be sent as soon as there is nothing unread.
    picture_due: bool,
    /// Bytes that were ever queued, and of these dropped.
    queued_bytes: u64,
    dropped_bytes: u64,
    /// What waits for it, as it is counted in [`ObserverConfig::waiting_bytes`].
    counted_bytes: usize,
    /// When it was last seen that enough had been read, and how many bytes had been by then.
    drained_at: (UnixMillis, u64),
}

impl Observer {
    /// Somebody who has just come, and waits for a picture.
    #[must_use]
    pub fn new(now: UnixMillis, watching: Watching, config: ObserverConfig) -> Self {
        Self {
            watching,
            config,
            outbox: Outbox::default(),
            rates: Rates::default(),
            refusals: RefusalCounts::default(),
            malformed_in_row: 0,
            renewals: Vec::new(),
            picture_due: true,
            queued_bytes: 0,
            dropped_bytes: 0,
            counted_bytes: 0,
            drained_at: (now, 0),
        }
    }

    /// Somebody who has just come, and is told what happens from now on.
    pub(super) fn of_events(now: UnixMillis, watching: Watching, config: ObserverConfig) -> Self {
        let mut observer = Self::new(now, watching, config);
        observer.picture_due = false;
        observer
    }

    /// What waits to be sent to it.
    #[must_use]
    pub const fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// The socket took `written` bytes of that, and no more for now.
    pub fn sent(&mut self, written: usize) {
        self.outbox.sent(written, 0);
        self.count_waiting();
    }

    /// What waits for it has changed.
    fn count_waiting(&mut self) {
        let before = std::mem::replace(&mut self.counted_bytes, self.outbox.bytes_with_states());
        let all = &self.config.waiting_bytes;
        all.set(all.get() + self.counted_bytes - before);
    }

    fn forget_waiting(&mut self) {
        let all = &self.config.waiting_bytes;
        all.set(all.get() - std::mem::take(&mut self.counted_bytes));
    }

    /// Bytes that wait for it to read them.
    #[must_use]
    pub const fn waiting_bytes(&self) -> usize {
        self.counted_bytes
    }

    /// Too much waits for all connections together: it is to get a new picture instead of what waits for it, or is closed if
    /// that makes nothing less.
    pub fn relieve(&mut self) {
        if !self.is_heard() {
            return;
        }
        let before = self.waiting_bytes();
        self.discard();
        self.picture_due = true;
        if self.waiting_bytes() == before {
            self.give_up();
        }
    }

    /// Drops what has not begun to leave.
    fn discard(&mut self) {
        let before = self.unread_bytes();
        self.outbox.discard();
        self.dropped_bytes += before - self.unread_bytes();
        self.count_waiting();
    }

    /// Drops what waits for it, and closes it: it has to come back.
    pub(super) fn give_up(&mut self) {
        self.discard();
        self.close(CloseCode::TRY_AGAIN_LATER, "SLOW_READER: reconnect");
    }

    /// What its messages are wrapped in.
    #[must_use]
    pub const fn framing(&self) -> Framing {
        self.watching.framing
    }

    /// Goes by another configuration from now on.
    pub fn configure(&mut self, config: ObserverConfig) {
        self.forget_waiting();
        self.config = config;
        self.count_waiting();
    }

    /// Whether anything that it still sends matters: it is not being closed.
    #[must_use]
    pub const fn is_heard(&self) -> bool {
        !self.outbox.is_closing()
    }

    /// A new whole picture is to replace what it has.
    pub const fn expect_picture(&mut self) {
        self.picture_due = true;
    }

    /// Whether to send it a whole picture now.
    #[must_use]
    pub fn wants_picture(&self) -> bool {
        self.picture_due && self.outbox.is_empty() && self.is_heard()
    }

    /// Queues a whole picture, however large.
    pub fn show_picture(&mut self, sent: Sent, picture: &Forms) {
        if !self.is_heard() {
            return;
        }
        self.picture_due = false;
        self.config.counters.count_sent(sent, 1);
        let frame = picture.form(self.framing(), &self.config.deflater);
        self.queue(frame, Class::Excerpt);
    }

    /// Whether so much more may wait for it.
    pub(super) fn has_room_for(&self, change: &Forms) -> bool {
        let frame = change.form(self.framing(), &self.config.deflater);
        self.outbox.bytes() + frame.len() <= self.config.outbound_bytes_max
    }

    /// The token's `sub`.
    pub(super) fn user_id(&self) -> &str {
        &self.watching.user_id
    }

    /// The connection's name.
    pub(super) fn connection_id(&self) -> &str {
        &self.watching.connection_id
    }

    /// Queues a change of the picture it was sent; drops it where a new picture will show it.
    pub fn show_change(&mut self, sent: Sent, change: &Forms) {
        if !self.is_heard() || self.picture_due {
            return;
        }
        let frame = change.form(self.framing(), &self.config.deflater);
        if self.outbox.bytes() + frame.len() > self.config.outbound_bytes_max {
            self.discard();
            self.picture_due = true;
            return;
        }
        self.config.counters.count_sent(sent, 1);
        self.queue(frame, Class::Answer);
    }

    /// Queues a ping or pong, or what stands for it.
    pub fn send_control(&mut self, frame: Bytes) {
        self.queue(frame, Class::Answer);
    }

    /// Closes the connection, after all that is queued; what it still sends is ignored.
    pub fn close(&mut self, code: CloseCode, reason: &str) {
        let frame = self.framing().close(code, reason);
        if self.is_heard() {
            self.queued_bytes += frame.len() as u64;
            self.outbox.push_close(frame);
            self.count_waiting();
        }
    }

    /// The server stops: it is told, and closed with 1001.
    pub fn shut_down(&mut self, now: UnixMillis, retry_ms: u64) {
        let error = ErrorMessage::new(ErrorCode::ShuttingDown, STOPPING_MESSAGE, Severity::Critical);
        self.config.counters.count_sent(Sent::Error, 1);
        self.push(frame("system.error", &error, &Metadata::of_server(now, None)));
        self.close(CloseCode::GOING_AWAY, &stopping_reason(retry_ms));
    }

    /// Closes it if it has read too little for too long, or its token has expired. To be called about once a second.
    pub fn tick(&mut self, now: UnixMillis) {
        self.tend_token(now);
        let read_bytes = self.queued_bytes - self.dropped_bytes - self.unread_bytes();
        let (at, then) = self.drained_at;
        if self.outbox.is_empty() || read_bytes - then >= DRAIN_BYTES_MIN {
            self.drained_at = (now, read_bytes);
        } else if now.since(at) >= DRAIN_TIME_MS && self.is_heard() {
            self.give_up();
        }
    }

    /// Takes one message, an envelope or an array of them; the bytes are garbled by reading. All that an
    /// observer may say is that it is there.
    pub fn receive(&mut self, now: UnixMillis, bytes: &mut [u8], parser: &mut Parser) {
        self.receive_with(now, bytes, parser, |_, inbound| Err(not_here(inbound)));
    }

    /// The same of one who may say more, which is then for `other`; what that refuses is told.
    pub(super) fn receive_with(
        &mut self,
        now: UnixMillis,
        bytes: &mut [u8],
        parser: &mut Parser,
        mut other: impl FnMut(&mut Self, Inbound<'_>) -> Result<(), InboundError>,
    ) {
        let expected_bytes = self.config.message_bytes_max;
        if bytes.len() > expected_bytes {
            let expected = format!("at most {expected_bytes} bytes");
            let error =
                InboundError { code: ErrorCode::MessageTooLarge, ..InboundError::invalid(String::new(), expected) };
            self.config.counters.count_received(None);
            return self.refuse(now, &error);
        }
        let mut is_large = self.config.rates.is_large(bytes.len());
        parser.read(bytes, BATCH_CHANGES, |read| {
            if !self.is_heard() {
                return;
            }
            self.config.counters.count_received(read.as_ref().ok().map(|inbound| &inbound.message));
            if !self.admits(now, &read, &mut is_large) {
                return;
            }
            match read.and_then(|inbound| self.handle(now, inbound, &mut other)) {
                Ok(()) => self.malformed_in_row = 0,
                Err(error) => self.refuse(now, &error),
            }
        });
    }

    fn handle(
        &mut self,
        now: UnixMillis,
        inbound: Inbound<'_>,
        other: &mut impl FnMut(&mut Self, Inbound<'_>) -> Result<(), InboundError>,
    ) -> Result<(), InboundError> {
        match inbound.message {
            Message::Heartbeat { client_time, document: _ } => {
                self.heartbeat(now, client_time, inbound.correlation_id);
                Ok(())
            }
            Message::Refresh { token } => {
                self.renewals.push(RenewalRequest::new(token, inbound.correlation_id));
                Ok(())
            }
            _ => other(self, inbound),
        }
    }

    /// Tokens that it has shown since this was asked last.
    pub fn take_renewals(&mut self) -> Vec<RenewalRequest> {
        std::mem::take(&mut self.renewals)
    }

    /// Its new token was checked; whether it is good, and of the same user.
    pub fn renew(&mut self, now: UnixMillis, request: &RenewalRequest, renewal: Result<Renewal, InboundError>) -> bool {
        match request.judged(renewal, &self.watching.user_id) {
            Ok(renewal) => {
                (self.watching.expiry, self.watching.granted) = (renewal.expiry, renewal.granted);
                self.config.counters.count_sent(Sent::Refreshed, 1);
                self.push(request.accepted_frame(now, renewal.expires_at, None));
                true
            }
            Err(error) => {
                self.refuse(now, &error);
                false
            }
        }
    }

    fn tend_token(&mut self, now: UnixMillis) {
        let Some(due) = self.watching.expiry.take_due(now).filter(|_| self.is_heard()) else { return };
        self.config.counters.count_sent(Sent::Error, 1);
        self.push(due_frame(now, due));
        if due == Due::End {
            self.close(INVALID_CLOSE.0, INVALID_CLOSE.1);
        }
    }

    fn heartbeat(&mut self, now: UnixMillis, client_time: Option<ClientTime<'_>>, correlation_id: Option<&str>) {
        let connection_id = &self.watching.connection_id;
        let payload = Heartbeat { server_time: now, connection_id, client_time, document: None };
        let frame = frame("system.heartbeat", &payload, &Metadata::of_server(now, correlation_id));
        self.config.counters.count_sent(Sent::Heartbeat, 1);
        self.push(frame);
    }

    /// Whether it may say this now; if not it is told. A frame that `is_large` needs that only once.
    fn admits(&mut self, now: UnixMillis, read: &Result<Inbound<'_>, InboundError>, is_large: &mut bool) -> bool {
        let rates = self.config.rates.granting(&self.watching.granted);
        let Err(exceeded) = self.rates.admit(now, &rates, Attempt { is_large: *is_large, ..attempt(read) }) else {
            *is_large = false;
            return true;
        };
        self.refusals.count_message(exceeded.limit);
        self.refusals.closed += u64::from(exceeded.closes);
        if self.config.mode == LimitMode::Observe {
            return true;
        }
        self.tell_exceeded(now, read, &exceeded);
        false
    }

    fn tell_exceeded(&mut self, now: UnixMillis, read: &Result<Inbound<'_>, InboundError>, exceeded: &Exceeded) {
        self.malformed_in_row += u32::from(read.as_ref().is_err_and(|error| is_malformed(error.code)));
        let reason = reason_to_close(self.malformed_in_row, exceeded);
        self.tell_limit(exceeded_frame(now, read, exceeded, reason.is_some()));
        reason.into_iter().for_each(|reason| self.close(close::RATE_LIMITED, reason));
    }

    fn tell_limit(&mut self, frame: Bytes) {
        self.config.counters.count_error(ErrorCode::RateLimitExceeded);
        self.config.counters.count_sent(Sent::Error, 1);
        self.push(frame);
    }

    /// Closes it, since nothing was heard of it and a newer connection of the same user was let in.
    pub fn displace(&mut self, now: UnixMillis) {
        self.tell_limit(displaced_frame(now));
        self.close(close::RATE_LIMITED, ErrorCode::RateLimitExceeded.name());
    }

    /// Its token was revoked: it is told, and closed.
    pub fn revoke(&mut self, now: UnixMillis) {
        if self.is_heard() {
            self.config.counters.count_sent(Sent::Error, 1);
            self.push(revoked_frame(now));
            self.close(INVALID_CLOSE.0, INVALID_CLOSE.1);
        }
    }

    /// Gives back memory where it has been silent for a minute.
    pub fn release_rates(&mut self, now: UnixMillis) {
        self.rates.release(now);
    }

    /// What was refused since the last call.
    pub fn take_refusals(&mut self) -> RefusalCounts {
        std::mem::take(&mut self.refusals)
    }

    pub(super) fn refuse(&mut self, now: UnixMillis, error: &InboundError) {
        self.malformed_in_row = if is_malformed(error.code) { self.malformed_in_row + 1 } else { 0 };
        let too_many = self.malformed_in_row >= MALFORMED_IN_ROW_MAX;
        self.config.counters.count_error(error.code);
        self.config.counters.count_sent(Sent::Error, 1);
        self.push(error_frame(now, error, if too_many { Severity::Critical } else { Severity::Error }));
        if too_many {
            self.close(close::RATE_LIMITED, TOO_MANY_MALFORMED);
        }
    }

    /// Queues an answer.
    fn answer(&mut self, sent: Sent, frame: Bytes) {
        self.config.counters.count_sent(sent, 1);
        self.push(frame);
    }

    /// Queues an answer, or says why there is none.
    pub(super) fn tell(&mut self, now: UnixMillis, said: Said) {
        match said.answer {
            Ok(frame) => self.answer(said.sent, frame),
            Err(error) => self.refuse(now, &error),
        }
    }

    fn push(&mut self, frame: Bytes) {
        let form = Forms::new(frame).form(self.framing(), &self.config.deflater);
        self.queue(form, Class::Answer);
    }

    fn queue(&mut self, frame: Bytes, class: Class) {
        if self.is_heard() {
            self.queued_bytes += frame.len() as u64;
            self.outbox.push(frame, 0, class);
            self.count_waiting();
        }
    }

    /// Bytes on the wire's way, without what frames cost beside them.
    fn unread_bytes(&self) -> u64 {
        self.outbox.sendable(0).map(|frame| frame.len() as u64).sum()
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        self.forget_waiting();
    }
}

/// A message that has its place elsewhere.
fn not_here(inbound: Inbound<'_>) -> InboundError {
    InboundError {
        code: ErrorCode::UnknownMessageType,
        message: "this connection only watches: send document messages to /ws/document/{document_id}, and those about \
                  translations to /ws/translation/{project_id}"
            .to_owned(),
        field: Some("type".to_owned()),
        expected: Some("system.heartbeat or auth.refresh".to_owned()),
        correlation_id: inbound.correlation_id.map(str::to_owned),
    }
}
