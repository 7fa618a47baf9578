//! Taking a change: once, and as the next version.

use std::hash::Hasher;

use smallvec::SmallVec;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use super::clients::{ClientNumber, Message};
use super::log::{Head, SectionRecord};
use super::single::Single;
use super::submission::{Rejection, SentChange, Submission, Submitted};
use super::submit::Made;
use super::{Document, Section, units};
use crate::ids::{SectionName, UnixMillis, Version};
use crate::ot::{Edit, Operation};
use crate::text::Text;

/// A single change with a longer content is hashed by pieces, in bytes.
const FINGERPRINT_AT_ONCE_BYTES_MAX: usize = 128;

impl Document {
    /// Takes a change or batch: as the next version, or as the resend of one that was taken before.
    ///
    /// # Errors
    /// See [`Rejection`]; the document is as it was.
    pub fn submit(&mut self, at: UnixMillis, sent: &Submission<'_>) -> Result<Submitted, Rejection> {
        let client = self.clients.find(sent.user_id, sent.client_id);
        if let Some(answer) = self.resent_by(client, at, sent) {
            return answer;
        }
        let version = self.next_version();
        let author = Author { known: client, ..Author::sending(sent) };
        if let Some(Single { section, edit, transformed, moved }) = self.prepare_single(sent) {
            let head = self.sign(version, at, &author, transformed);
            self.apply_edit(head, section, edit, sent.changes[0].inserted());
            return Ok(Submitted::Applied { version, transformed, moves: moved.into_iter().collect() });
        }
        let mut prepared = self.prepare(sent)?;
        let transformed = prepared.transformed;
        let head = self.sign(version, at, &author, transformed);
        self.apply(head, std::mem::take(&mut prepared.sections));
        Ok(Submitted::Applied { version, transformed, moves: self.moves(sent, &prepared) })
    }

    /// What [`Self::submit`] would answer without looking at base, size or positions, because a message of
    /// the same key was taken before. For callers that would refuse a change for reasons of their own, like
    /// a lock: a resend is answered all the same.
    #[must_use]
    pub fn resent(&self, at: UnixMillis, sent: &Submission<'_>) -> Option<Result<Submitted, Rejection>> {
        self.resent_by(self.clients.find(sent.user_id, sent.client_id), at, sent)
    }

    fn resent_by(
        &self,
        client: Option<ClientNumber>,
        at: UnixMillis,
        sent: &Submission<'_>,
    ) -> Option<Result<Submitted, Rejection>> {
        let (_, correlation_id) = sent.client_id.zip(sent.correlation_id)?;
        let known = self.clients.message_named(client?, correlation_id, at)?;
        Some(if known.fingerprint == fingerprint(sent) {
            Ok(Submitted::Duplicate { version: known.version, transformed: known.transformed })
        } else {
            Err(Rejection::KeyReused)
        })
    }

    fn next_version(&self) -> Version {
        Version(self.version.0 + self.skip_versions).next()
    }

    /// Notes who makes a version, with the name of the message if it has one.
    pub(super) fn sign(&mut self, version: Version, at: UnixMillis, author: &Author<'_>, transformed: bool) -> Head {
        let client = author.known.unwrap_or_else(|| self.clients.number(author.user_id, author.client_id));
        if let Some(correlation_id) = author.correlation_id {
            let (correlation_id, fingerprint) = (correlation_id.into(), author.fingerprint);
            self.clients.remember(client, Message { correlation_id, fingerprint, version, at, transformed });
        }
        Head { version, at, client, transformed }
    }

    /// Applies a change that is known to fit.
    pub(super) fn apply(&mut self, head: Head, mut sections: SmallVec<[Made; 1]>) {
        if let [made] = &*sections
            && let Some(edit) = single_edit(made.created.as_ref(), &made.operation)
        {
            self.apply_edit(head, made.section, edit, made.operation.text());
            return;
        }
        (self.version, self.skip_versions) = (head.version, 0);
        let records = sections.drain(..).map(|made| self.apply_section(head.version, made)).collect();
        self.log.push_wide(&mut self.clients, head, records);
    }

    /// Applies one edit, or an empty one.
    fn apply_edit(&mut self, head: Head, section: u16, edit: Edit, inserted: &str) {
        (self.version, self.skip_versions) = (head.version, 0);
        let text = &mut self.sections[usize::from(section)].text;
        self.log.push_edit(&mut self.clients, head, section, (edit, inserted), |deleted| {
            text.splice(edit.position as usize, edit.deleted as usize, inserted, deleted);
            units(text)
        });
    }

    fn apply_section(&mut self, version: Version, made: Made) -> SectionRecord {
        let Made { section, created, operation } = made;
        if let Some(name) = &created {
            self.sections.push(Section { name: name.clone(), created: version, text: Text::default() });
        }
        let text = &mut self.sections[usize::from(section)].text;
        let deleted = operation.apply(text).into();
        SectionRecord { section, created, length: units(text), operation, deleted }
    }
}

/// What was done to a section as one edit, an empty one if that was nothing; `None` if it takes more to say.
pub(super) fn single_edit(created: Option<&SectionName>, operation: &Operation) -> Option<Edit> {
    const NOTHING: Edit = Edit { position: 0, deleted: 0, inserted: 0, text_start: 0 };
    match operation.edits() {
        _ if created.is_some() => None,
        [] => Some(NOTHING),
        [edit] => Some(*edit),
        [_, _, ..] => None,
    }
}

/// Who sent a change, and what the message was called.
pub(super) struct Author<'a> {
    /// The client, if it has a number already.
    pub(super) known: Option<ClientNumber>,
    pub(super) user_id: &'a str,
    pub(super) client_id: Option<&'a str>,
    pub(super) correlation_id: Option<&'a str>,
    pub(super) fingerprint: u64,
}

impl<'a> Author<'a> {
    fn sending(sent: &Submission<'a>) -> Self {
        let Submission { user_id, client_id, correlation_id, .. } = *sent;
        // Without its whole name no resend of a message is recognised.
        let is_named = client_id.is_some() && correlation_id.is_some();
        let fingerprint = if is_named { fingerprint(sent) } else { 0 };
        Self { known: None, user_id, client_id, correlation_id, fingerprint }
    }
}

/// A hash of what a submission does. It is kept on disk, so it must never change: XXH3, 64 bits, over
/// each change's kind, position, length, section and content, with lengths before the texts.
fn fingerprint(sent: &Submission<'_>) -> u64 {
    if let [change] = sent.changes
        && change.content.len() <= FINGERPRINT_AT_ONCE_BYTES_MAX
    {
        // Hashing by pieces begins with a state of half a kilobyte.
        let (mut bytes, mut end) = ([0; 96 + FINGERPRINT_AT_ONCE_BYTES_MAX], 0);
        fingerprint_parts(change, |part| {
            bytes[end..end + part.len()].copy_from_slice(part);
            end += part.len();
        });
        return xxh3_64(&bytes[..end]);
    }
    let mut hasher = Xxh3::new();
    sent.changes.iter().for_each(|change| fingerprint_parts(change, |part| hasher.update(part)));
    hasher.finish()
}

fn fingerprint_parts(change: &SentChange<'_>, mut hash: impl FnMut(&[u8])) {
    hash(&[change.kind as u8]);
    hash(&change.position.to_le_bytes());
    hash(&change.length.to_le_bytes());
    let section = change.section.as_ref().map_or("", SectionName::as_str);
    for text in [section, &change.content] {
        hash(&(text.len() as u64).to_le_bytes());
        hash(text.as_bytes());
    }
}
