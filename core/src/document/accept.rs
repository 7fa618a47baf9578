//! Taking a change: once, and as the next version.

use smallvec::SmallVec;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::clients::{ClientNumber, MessageName, Outcome};
use super::log::{Head, SectionRecord};
use super::single::Single;
use super::submission::{Rejection, Submission, Submitted};
use super::submit::Made;
use super::{Document, Section, units};
use crate::ids::{SectionName, UnixMillis, Version};
use crate::ot::{Edit, Operation};
use crate::text::Text;

impl Document {
    /// Takes a change or batch: as the next version, or as the resend of one that was taken before.
    ///
    /// # Errors
    /// See [`Rejection`]; the document is as it was.
    pub fn submit(&mut self, at: UnixMillis, sent: &Submission<'_>) -> Result<Submitted, Rejection> {
        let client = self.clients.find(sent.user_id, sent.client_id);
        let author = Author::sending(client, sent);
        if let Some(answer) = self.resent_by(&author, at) {
            return answer;
        }
        let version = self.next_version();
        let Some(Single { section, edit, transformed, moved }) = self.prepare_single(sent) else {
            return self.submit_any(version, at, &author, sent);
        };
        let head = self.sign(version, at, &author, transformed);
        self.apply_edit(head, section, edit, sent.changes[0].inserted());
        Ok(Submitted::Applied { version, transformed, moves: moved.into_iter().collect() })
    }

    /// The general way.
    // Not inlined: what it needs on the stack would cost the simple way time.
    #[inline(never)]
    fn submit_any(
        &mut self,
        version: Version,
        at: UnixMillis,
        author: &Author<'_>,
        sent: &Submission<'_>,
    ) -> Result<Submitted, Rejection> {
        let mut prepared = self.prepare(sent)?;
        let transformed = prepared.transformed;
        let head = self.sign(version, at, author, transformed);
        self.apply(head, std::mem::take(&mut prepared.sections));
        let moves = if sent.tell_moves { self.moves(sent, &prepared) } else { Vec::new() };
        Ok(Submitted::Applied { version, transformed, moves })
    }

    /// What [`Self::submit`] would answer without looking at base, size or positions, because a message of
    /// the same key was taken before. For callers that would refuse a change for reasons of their own, like
    /// a lock: a resend is answered all the same.
    #[must_use]
    pub fn resent(&self, at: UnixMillis, sent: &Submission<'_>) -> Option<Result<Submitted, Rejection>> {
        let client = self.clients.find(sent.user_id, sent.client_id)?;
        self.resent_by(&Author::sending(Some(client), sent), at)
    }

    pub(super) fn resent_by(&self, author: &Author<'_>, at: UnixMillis) -> Option<Result<Submitted, Rejection>> {
        author.client_id?;
        let known = self.clients.outcome_of(author.known?, author.message?, at)?;
        Some(if known.fingerprint == author.fingerprint {
            Ok(Submitted::Duplicate { version: known.version, transformed: known.transformed })
        } else {
            Err(Rejection::KeyReused)
        })
    }

    pub(super) fn next_version(&self) -> Version {
        Version(self.version.0 + self.skip_versions).next()
    }

    /// Notes who makes a version, with the name of the message if it has one.
    pub(super) fn sign(&mut self, version: Version, at: UnixMillis, author: &Author<'_>, transformed: bool) -> Head {
        let client = author.known.unwrap_or_else(|| self.clients.number(author.user_id, author.client_id));
        if let Some(name) = author.message {
            let fingerprint = author.fingerprint;
            self.clients.remember(client, name, Outcome { fingerprint, version, at, transformed });
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
    pub(super) message: Option<MessageName<'a>>,
    pub(super) fingerprint: u64,
}

impl<'a> Author<'a> {
    #[inline]
    fn sending(known: Option<ClientNumber>, sent: &Submission<'a>) -> Self {
        let Submission { user_id, client_id, correlation_id, .. } = *sent;
        // Without its whole name no resend of a message is recognised.
        let is_named = client_id.is_some() && correlation_id.is_some();
        let fingerprint = if is_named { fingerprint(sent) } else { 0 };
        Self { known, user_id, client_id, message: correlation_id.map(MessageName::new), fingerprint }
    }
}

/// A hash of what a submission does. It is kept on disk, so it must never change: XXH3, 64 bits, over each
/// change's content and then its section, seeded with the numbers of the change and the hash of those before it.
fn fingerprint(sent: &Submission<'_>) -> u64 {
    sent.changes.iter().fold(0, |hash, change| {
        let section = change.section.as_ref().map_or("", SectionName::as_str);
        let numbers = [change.kind as u64, change.position, change.length];
        let seed = numbers.into_iter().fold(hash, |hash, number| mixed(hash ^ number));
        xxh3_64_with_seed(section.as_bytes(), xxh3_64_with_seed(change.content.as_bytes(), seed))
    })
}

/// Spreads what numbers differ in over all bits (the finalizer of SplitMix64: Steele, Lea, Flood, "Fast
/// splittable pseudorandom number generators", 2014).
const fn mixed(number: u64) -> u64 {
    let number = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{ChangeKind, SentChange};
    use crate::ids::PositionEncoding;

    fn fingerprint_of(changes: &[SentChange<'_>]) -> u64 {
        fingerprint(&Submission {
            user_id: "user_123",
            client_id: None,
            correlation_id: None,
            base: None,
            encoding: PositionEncoding::Utf16,
            changes,
            reject_conflicts: false,
            tell_moves: false,
        })
    }

    fn change<'a>(kind: ChangeKind, numbers: (u64, u64), content: &'a str, section: Option<&str>) -> SentChange<'a> {
        let section = section.map(|name| SectionName::new(name).unwrap());
        SentChange { kind, position: numbers.0, length: numbers.1, content: content.into(), section }
    }

    /// Records on disk have them. Calculated by another implementation of the hash.
    #[test]
    fn fingerprints_never_change() {
        let typed = change(ChangeKind::Insert, (1250, 0), "Additional responsibility: ", None);
        let cut = change(ChangeKind::Delete, (800, 25), "", Some("general_accountability"));
        let of = [fingerprint_of(std::slice::from_ref(&typed)), fingerprint_of(std::slice::from_ref(&cut))];
        assert_eq!(of, [0xACA6_2478_407D_A18A, 0x31A0_8219_10A2_85A8]);
        assert_eq!(fingerprint_of(&[typed, cut]), 0x4849_BD5C_4CEC_1891);
    }

    #[test]
    fn whatever_is_different_has_another_fingerprint() {
        let mut seen = std::collections::HashMap::new();
        for kind in [ChangeKind::Insert, ChangeKind::Delete, ChangeKind::Replace] {
            for numbers in [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (0, 2), (u64::MAX, 0), (0, u64::MAX)] {
                for (content, section) in [("", None), ("", Some("a")), ("a", None), ("a", Some("a")), ("aa", None)] {
                    let one = change(kind, numbers, content, section);
                    let twice = [one.clone(), one.clone()];
                    for changes in [std::slice::from_ref(&one), &twice] {
                        let before = seen.insert(fingerprint_of(changes), format!("{changes:?}"));
                        assert_eq!(before, None, "{changes:?}");
                    }
                }
            }
        }
    }
}
