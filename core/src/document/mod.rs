//! A document: named sections of text, one order of versions, and exactly-once submission.
//!
//! [`Document::submit`] is the one way in: it knows resends, transforms what was made against an older
//! version over everything since, applies it, and keeps it in the [`History`].

mod accept;
mod change;
mod clients;
mod compare;
mod entry;
mod history;
mod log;
mod resolve;
mod restore;
mod rewrite;
mod save;
mod session;
mod single;
mod snapshot;
mod submission;
mod submit;
mod track;

pub use change::{Change, ChangeRef, Origin, Part, SectionChange, SectionRef};
pub use clients::{RESEND_AGE_MAX_MS, RESEND_CLIENTS_MAX, RESENDS_PER_CLIENT};
pub(crate) use compare::changed;
pub use compare::{ComparisonBudget, Difference, differences};
pub use entry::{Entry, Lock, PROPERTIES_MAX, PROPERTY_BYTES_MAX, Properties, PropertyError};
pub use history::{BaseError, History};
pub use restore::RestoreError;
pub use rewrite::Rewrite;
pub use save::{SAVES_MAX, Save, save_type};
pub use session::{Session, SessionPlan, SessionSettings};
pub use snapshot::{ResendRecord, SectionSnapshot, Snapshot};
pub use submission::{ChangeKind, Move, MoveReason, Rejection, SentChange, Submission, Submitted};
pub use submit::TRANSFORMS_PER_SUBMISSION_MAX;

use std::cell::Cell;

use crate::ids::{DocumentId, PositionEncoding, SectionName, UnixMillis, Version};
use crate::text::Text;
use clients::Clients;
use log::Log;

/// After an unclean stop in `fast` durability the next version skips this many, so that no number that
/// anybody may have seen is used again.
pub const VERSIONS_SKIPPED: u64 = 1_000_000;

/// The greatest number of a version: the last one that every JSON reader takes exactly.
const VERSION_MAX: Version = Version((1 << 53) - 1);
/// No document has more sections, whatever its limits say: they are counted in 16 bits.
const SECTIONS_MAX: usize = 1 << 16;
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
    /// Words, of the version they were last counted at.
    words: Cell<Option<(Version, usize)>>,
    limits: DocumentLimits,
}

impl Document {
    /// A document that nobody has changed yet.
    #[must_use]
    pub fn new(id: DocumentId, limits: DocumentLimits) -> Self {
        Self::beginning_after(Version::ZERO, id, limits)
    }

    /// The same where one of that name was deleted before, and the deletion was that version.
    #[must_use]
    pub fn beginning_after(origin: Version, id: DocumentId, limits: DocumentLimits) -> Self {
        Self {
            id,
            version: origin,
            skip_versions: 0,
            sections: Vec::new(),
            log: Log::new(origin, limits.history_versions_max, limits.history_bytes_max),
            clients: Clients::default(),
            last_modified: None,
            words: Cell::new(None),
            limits,
        }
    }

    /// The next version will leave out `versions` numbers; see [`VERSIONS_SKIPPED`].
    pub const fn skip_versions(&mut self, versions: u64) {
        self.skip_versions = versions;
    }

    /// Bounds its sections and texts anew. What is larger already stays, and may shrink; how much history is kept was
    /// decided when it was opened.
    pub const fn bound(&mut self, limits: DocumentLimits) {
        self.limits.sections_max = limits.sections_max;
        self.limits.section_bytes_max = limits.section_bytes_max;
        self.limits.document_bytes_max = limits.document_bytes_max;
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

    /// Words in all sections: runs of characters that are no white space (the property of Unicode), each within one section.
    /// Counted once a version.
    #[must_use]
    pub fn word_count(&self) -> usize {
        if let Some((version, words)) = self.words.get()
            && version == self.version
        {
            return words;
        }
        let words = self.count_words();
        self.words.set(Some((self.version, words)));
        words
    }

    /// The version that deletes it would have.
    #[must_use]
    pub fn deletion_version(&self) -> Version {
        self.next_version()
    }

    fn count_words(&self) -> usize {
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
}

/// A text's length in UTF-16 code units, which is below [`SECTION_BYTES_MAX`].
fn units(text: &Text) -> u32 {
    u32::try_from(text.len()).unwrap_or(u32::MAX)
}
