//! A document: named sections of text, one order of versions, and exactly-once submission.
//!
//! [`Document::submit`] is the one way in: it knows resends, transforms what was made against an older
//! version over everything since, applies it, and keeps it in the [`History`].

mod change;
mod clients;
mod history;
mod log;
mod resolve;
mod restore;
mod session;
mod single;
mod snapshot;
mod submission;
mod submit;
mod track;

pub use change::{Change, ChangeRef, Origin, Part, SectionChange, SectionRef};
pub use clients::{RESEND_AGE_MAX_MS, RESEND_CLIENTS_MAX, RESENDS_PER_CLIENT};
pub use history::{BaseError, History};
pub use restore::RestoreError;
pub use session::Session;
pub use snapshot::{ResendRecord, SectionSnapshot, Snapshot};
pub use submission::{ChangeKind, Move, MoveReason, Rejection, SentChange, Submission, Submitted};
pub use submit::TRANSFORMS_PER_SUBMISSION_MAX;

use std::hash::Hasher;

use smallvec::SmallVec;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use crate::ids::{DocumentId, PositionEncoding, SectionName, UnixMillis, Version};
use crate::ot::{Edit, Operation};
use crate::text::Text;
use clients::{Clients, Message};
use log::{Head, Log, SectionRecord};
use single::Single;
use submit::Made;

/// After an unclean stop in `fast` durability the next version skips this many, so that no number that
/// anybody may have seen is used again.
pub const VERSIONS_SKIPPED: u64 = 1_000_000;

/// The greatest number of a version: the last one that every JSON reader takes exactly.
const VERSION_MAX: Version = Version((1 << 53) - 1);
/// No document has more sections, whatever its limits say: they are counted in 16 bits.
const SECTIONS_MAX: usize = 1 << 16;
/// A single change with a longer content is hashed by pieces, in bytes.
const FINGERPRINT_AT_ONCE_BYTES_MAX: usize = 128;
/// No section is longer, whatever the limits say: places in it are counted in 32 bits.
const SECTION_BYTES_MAX: usize = i32::MAX as usize;

/// The bounds of one document.
#[derive(Clone, Copy, Debug)]
pub struct DocumentLimits {
    /// Sections.
    pub sections_max: usize,
    /// One section's text, in bytes of UTF-8.
    pub section_bytes_max: usize,
    /// All texts, in bytes of UTF-8.
    pub document_bytes_max: usize,
    /// Versions kept as possible bases.
    pub history_versions_max: usize,
    /// Memory that history may take, in bytes.
    pub history_bytes_max: usize,
}

impl Default for DocumentLimits {
    fn default() -> Self {
        Self {
            sections_max: 64,
            section_bytes_max: 4 << 20,
            document_bytes_max: 16 << 20,
            history_versions_max: 10_000,
            history_bytes_max: 8 << 20,
        }
    }
}

/// One section: a name that stays, and a text.
#[derive(Clone, Debug)]
pub struct Section {
    name: SectionName,
    created: Version,
    text: Text,
}

impl Section {
    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &SectionName {
        &self.name
    }

    /// Its text.
    #[must_use]
    pub const fn text(&self) -> &Text {
        &self.text
    }
}

/// A document in memory, at its newest version.
#[derive(Clone, Debug)]
pub struct Document {
    id: DocumentId,
    version: Version,
    skip_versions: u64,
    sections: Vec<Section>,
    log: Log,
    clients: Clients,
    /// As far as the log does not know it.
    last_modified: Option<(UnixMillis, Box<str>)>,
    limits: DocumentLimits,
}

impl Document {
    /// A document that nobody has changed yet.
    #[must_use]
    pub fn new(id: DocumentId, limits: DocumentLimits) -> Self {
        Self {
            id,
            version: Version::ZERO,
            skip_versions: 0,
            sections: Vec::new(),
            log: Log::new(Version::ZERO, limits.history_versions_max, limits.history_bytes_max),
            clients: Clients::default(),
            last_modified: None,
            limits,
        }
    }

    /// The next version will leave out `versions` numbers; see [`VERSIONS_SKIPPED`].
    pub const fn skip_versions(&mut self, versions: u64) {
        self.skip_versions = versions;
    }

    /// Its name.
    #[must_use]
    pub const fn id(&self) -> &DocumentId {
        &self.id
    }

    /// Its newest version.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.version
    }

    /// Its sections, in the order of creation.
    #[must_use]
    pub fn sections(&self) -> &[Section] {
        &self.sections
    }

    /// Its recent changes.
    #[must_use]
    pub const fn history(&self) -> History<'_> {
        History::new(&self.log, &self.clients)
    }

    /// When and by whom it was changed last.
    #[must_use]
    pub fn last_modified(&self) -> Option<(UnixMillis, &str)> {
        let newest = self.history().last().map(|change| (change.at(), change.user_id()));
        newest.or_else(|| self.last_modified.as_ref().map(|(at, user_id)| (*at, &**user_id)))
    }

    /// The section of that name.
    #[must_use]
    pub fn section_index(&self, name: &SectionName) -> Option<usize> {
        self.sections.iter().position(|section| section.name == *name)
    }

    /// Where the section with that index begins if all texts stand one after the other.
    #[must_use]
    pub fn section_start(&self, index: usize, encoding: PositionEncoding) -> usize {
        self.sections[..index].iter().map(|section| section.text.len_in(encoding)).sum()
    }

    /// Words in all sections, as white space separates them.
    #[must_use]
    pub fn word_count(&self) -> usize {
        let mut words = 0;
        for section in &self.sections {
            let mut inside = false;
            section.text.for_each_str(|part| {
                for character in part.chars() {
                    words += usize::from(!inside && !character.is_whitespace());
                    inside = !character.is_whitespace();
                }
            });
        }
        words
    }

    /// The whole document with its resend table, to be stored; `now` decides what is too old to keep.
    #[must_use]
    pub fn snapshot(&self, now: UnixMillis) -> Snapshot {
        let sections = self.sections.iter().map(|section| SectionSnapshot {
            name: section.name.clone(),
            created: section.created,
            text: section.text.to_string(),
        });
        Snapshot {
            version: self.version,
            sections: sections.collect(),
            resends: self.clients.records(now),
            last_modified: self.last_modified().map(|(at, user_id)| (at, user_id.into())),
        }
    }

    /// Takes a change or batch: as the next version, or as the resend of one that was taken before.
    ///
    /// # Errors
    /// See [`Rejection`]; the document is as it was.
    pub fn submit(&mut self, at: UnixMillis, sent: &Submission<'_>) -> Result<Submitted, Rejection> {
        if let Some(answer) = self.resent(at, sent) {
            return answer;
        }
        let version = self.next_version();
        let author = Author::sending(sent);
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
        let (client_id, correlation_id) = sent.client_id.zip(sent.correlation_id)?;
        let client = self.clients.find(sent.user_id, Some(client_id))?;
        let known = self.clients.message_named(client, correlation_id, at)?;
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
    fn sign(&mut self, version: Version, at: UnixMillis, author: &Author<'_>, transformed: bool) -> Head {
        let client = self.clients.number(author.user_id, author.client_id);
        if let Some(correlation_id) = author.correlation_id {
            let (correlation_id, fingerprint) = (correlation_id.into(), author.fingerprint);
            self.clients.remember(client, Message { correlation_id, fingerprint, version, at, transformed });
        }
        Head { version, at, client, transformed }
    }

    /// Applies a change that is known to fit.
    fn apply(&mut self, head: Head, mut sections: SmallVec<[Made; 1]>) {
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
fn single_edit(created: Option<&SectionName>, operation: &Operation) -> Option<Edit> {
    const NOTHING: Edit = Edit { position: 0, deleted: 0, inserted: 0, text_start: 0 };
    match operation.edits() {
        _ if created.is_some() => None,
        [] => Some(NOTHING),
        [edit] => Some(*edit),
        [_, _, ..] => None,
    }
}

/// Who sent a change, and what the message was called.
struct Author<'a> {
    user_id: &'a str,
    client_id: Option<&'a str>,
    correlation_id: Option<&'a str>,
    fingerprint: u64,
}

/// A text's length in UTF-16 code units, which is below [`SECTION_BYTES_MAX`].
fn units(text: &Text) -> u32 {
    u32::try_from(text.len()).unwrap_or(u32::MAX)
}

impl<'a> Author<'a> {
    fn sending(sent: &Submission<'a>) -> Self {
        let Submission { user_id, client_id, correlation_id, .. } = *sent;
        // Without its whole name no resend of a message is recognised.
        let is_named = client_id.is_some() && correlation_id.is_some();
        Self { user_id, client_id, correlation_id, fingerprint: if is_named { fingerprint(sent) } else { 0 } }
    }
}

/// A hash of what a submission does. It is kept on disk, so it must never change: XXH3, 64 bits, over
/// each change's kind, position, length, section and content, with lengths before the texts.
fn fingerprint(sent: &Submission<'_>) -> u64 {
    if let [change] = sent.changes
        && change.content.len() <= FINGERPRINT_AT_ONCE_BYTES_MAX
    {
        // Hashing by pieces begins with a state of half a kilobyte.
        let mut bytes: SmallVec<[u8; 2 * FINGERPRINT_AT_ONCE_BYTES_MAX]> = SmallVec::new();
        fingerprint_parts(change, |part| bytes.extend_from_slice(part));
        return xxh3_64(&bytes);
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
