//! Messages of members: each is checked, does what it asks for, and is answered.

use std::rc::Rc;

use super::counters::Sent;
use super::{MemberKey, Room, frame, refusal};
use crate::document::{Submission, Submitted};
use crate::ids::UnixMillis;
use crate::protocol::outbound::{Ack, DocumentCheck, Heartbeat, Metadata};
use crate::protocol::{ClientTime, DocumentChecksum, ErrorCode, Inbound, InboundChange, InboundError, Message, Parser};

impl Room {
    /// Takes one message of a member, an envelope or an array of them; the bytes are garbled by reading.
    /// Whoever is being closed, or has gone, is not heard.
    pub fn receive(&mut self, now: UnixMillis, key: MemberKey, bytes: &mut [u8], parser: &mut Parser) {
        if !self.is_heard(key) {
            return;
        }
        if bytes.len() > self.config.limits.message_bytes {
            let expected = format!("at most {} bytes", self.config.limits.message_bytes);
            let error =
                InboundError { code: ErrorCode::MessageTooLarge, ..InboundError::invalid(String::new(), expected) };
            self.config.counters.count_received(None);
            return self.refuse(now, key, &error);
        }
        let changes_max = self.config.limits.batch_changes;
        let mut is_large = self.config.limits.rates.is_large(bytes.len());
        parser.read(bytes, changes_max, |read| {
            // One of the envelopes before this one may have been one too many.
            if !self.is_heard(key) {
                return;
            }
            self.config.counters.count_received(read.as_ref().ok().map(|inbound| &inbound.message));
            if !self.admits(now, key, &read, &mut is_large) {
                return;
            }
            match read.and_then(|inbound| self.handle(now, key, &inbound)) {
                Ok(()) => self.members.get_mut(key).into_iter().for_each(|member| member.malformed_in_row = 0),
                Err(error) => self.refuse(now, key, &error),
            }
        });
    }

    /// Whether anything that the member still sends matters: it is here, and is not being closed.
    #[must_use]
    pub fn is_heard(&self, key: MemberKey) -> bool {
        self.members.get(key).is_some_and(|member| !member.outbox.is_closing())
    }

    fn handle(&mut self, now: UnixMillis, key: MemberKey, inbound: &Inbound<'_>) -> Result<(), InboundError> {
        if !matches!(inbound.message, Message::Heartbeat { .. } | Message::Sync { .. } | Message::Refresh { .. })
            && let Some(member) = self.members.get_mut(key)
        {
            member.active_at = now;
            let person = member.person;
            self.has_acted(now, person);
        }
        let handled = match &inbound.message {
            Message::Change(change) => self.change(now, key, inbound, change),
            Message::Join { document_id } => self.rejoin(now, key, *document_id, inbound.correlation_id),
            Message::Save => self.save(now, key, inbound),
            Message::Cursor { position, section, base } => {
                self.move_cursor(now, key, inbound, (*position, *position), section.as_ref(), *base, false)
            }
            Message::Selection { start, end, section, base } => {
                self.move_cursor(now, key, inbound, (*start, *end), section.as_ref(), *base, true)
            }
            Message::Heartbeat { client_time, document } => {
                self.heartbeat(now, key, *client_time, *document, inbound.correlation_id);
                Ok(())
            }
            Message::Refresh { token } => {
                self.ask_for_renewal(*token, inbound.correlation_id);
                Ok(())
            }
            Message::Sync { last_known_version, sections, form } => {
                self.send_sync(now, key, *last_known_version, *form, sections.as_deref(), inbound.correlation_id)
            }
            Message::Translation(message) => self.translate(now, key, inbound, message),
        };
        handled.map_err(|error| InboundError { correlation_id: inbound.correlation_id.map(str::to_owned), ..error })
    }

    fn change(
        &mut self,
        now: UnixMillis,
        key: MemberKey,
        inbound: &Inbound<'_>,
        sent: &InboundChange<'_>,
    ) -> Result<(), InboundError> {
        let Some(member) = self.members.get(key) else { return Ok(()) };
        if !member.edits {
            return Err(refusal::read_only());
        }
        let user = Rc::clone(&member.user);
        let never_shown = sent.base.filter(|base| member.has_missed(*base));
        let submission = Submission {
            user_id: &user.user_id,
            client_id: inbound.client_id,
            correlation_id: inbound.correlation_id,
            base: sent.base,
            encoding: member.dialect.encoding,
            changes: &sent.changes,
            reject_conflicts: sent.reject_conflicts,
            tell_moves: false,
        };
        let submitted = match never_shown {
            None => self.document.submit(now, &submission),
            // The sender cannot have that version, so it counts in another text; a resend is known all the same.
            Some(base) => self.document.resent(now, &submission).ok_or_else(|| refusal::never_shown(base))?,
        };
        let (version, transformed) =
            match submitted.map_err(|rejection| refusal::rejected(&rejection, "payload.", sent))? {
                Submitted::Applied { version, transformed, .. } => {
                    self.publish_newest(Some(key));
                    (version, transformed)
                }
                Submitted::Duplicate { version, transformed } => (version, transformed),
            };
        if let Some(correlation_id) = inbound.correlation_id {
            let ack = Ack { version, correlation_id, transformed };
            let frame = frame("document.ack", &ack, &Metadata::of_server(now, Some(correlation_id)));
            // A resend may overtake the commit of the change it repeats, so it waits for all there is.
            self.members.send(key, self.records, frame);
            self.config.counters.count_sent(Sent::Ack, 1);
        }
        Ok(())
    }

    /// `document.join`: a fresh state.
    fn rejoin(
        &mut self,
        now: UnixMillis,
        key: MemberKey,
        document_id: Option<&str>,
        correlation_id: Option<&str>,
    ) -> Result<(), InboundError> {
        let own = self.document.id().as_str();
        if document_id.is_some_and(|id| id != own) {
            let expected = format!("{own}, the document of this connection");
            return Err(InboundError::invalid("payload.document_id".to_owned(), expected));
        }
        self.check_states_queued(key)?;
        self.send_state(now, key, correlation_id);
        Ok(())
    }

    fn heartbeat(
        &mut self,
        now: UnixMillis,
        key: MemberKey,
        client_time: Option<ClientTime<'_>>,
        document: Option<DocumentChecksum>,
        correlation_id: Option<&str>,
    ) {
        let document = document.filter(|document| document.version == self.document.version());
        let compared = document.map(|document| (document, self.checksum()));
        let check =
            compared.map(|(DocumentChecksum { version, crc32 }, own)| DocumentCheck { version, matches: crc32 == own });
        let gate = if check.is_some() { self.version_gate() } else { 0 };
        let Some(member) = self.members.get(key) else { return };
        let payload =
            Heartbeat { server_time: now, connection_id: &member.connection_id, client_time, document: check };
        let frame = frame("system.heartbeat", &payload, &Metadata::of_server(now, correlation_id));
        self.members.send(key, gate, frame);
        self.config.counters.count_sent(Sent::Heartbeat, 1);
        if let Some((document, own)) = compared.filter(|(document, own)| document.crc32 != *own) {
            self.heal(now, key, document.crc32, own);
        }
    }

    /// CRC-32 over every section's name, U+0000, text, U+0000 in UTF-8, in order.
    fn checksum(&mut self) -> u32 {
        let version = self.document.version();
        if let Some((known, checksum)) = self.checksum
            && known == version
        {
            return checksum;
        }
        let mut hasher = crc32fast::Hasher::new();
        for section in self.document.sections() {
            hasher.update(section.name().as_str().as_bytes());
            hasher.update(b"\0");
            section.text().for_each_str(|part| hasher.update(part.as_bytes()));
            hasher.update(b"\0");
        }
        let checksum = hasher.finalize();
        self.checksum = Some((version, checksum));
        checksum
    }
}
