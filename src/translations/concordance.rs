//! Searching all entries for a phrase, a part at a time, when nobody waits for a suggestion.

use std::sync::Arc;

use jddb_core::translation::{Entry, EntryId, LanguagePair, Phrase, ProjectId, Scope, Side, Status};
use tokio::sync::oneshot;

use super::{LookUp, Reply, TranslationError, Translations, send};

/// How many entries are looked at by one job, which takes about a millisecond.
const ENTRIES_PER_JOB: usize = 2_048;
/// How many entries are looked at for one request, which takes about a second; the next one goes on.
const ENTRIES_PER_REQUEST: usize = 2_000_000;

/// What is searched for.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The phrase.
    pub phrase: Phrase,
    /// In which texts.
    pub side: Side,
    /// Of which languages.
    pub pair: LanguagePair,
    /// In which project, besides what all share.
    pub project: Option<ProjectId>,
    /// Of which status; all but what is rejected without.
    pub status: Option<Status>,
    /// The most entries.
    pub max: usize,
}

/// What was found, the newest first.
#[derive(Debug, Default)]
pub struct Concordance {
    /// The entries.
    pub entries: Vec<Arc<Entry>>,
    /// Before which entry the search goes on, if it does.
    pub next: Option<EntryId>,
}

/// A part of a search.
#[derive(Debug)]
pub(super) struct Part {
    wanted: Arc<Wanted>,
    before: Option<EntryId>,
    max: usize,
}

impl Wanted {
    fn is_met_by(&self, entry: &Entry) -> bool {
        let is_here = match &entry.scope {
            Scope::Shared => true,
            Scope::Project(project) => self.project.as_ref() == Some(project),
        };
        let has_status = self.status.map_or(entry.status != Status::Rejected, |status| entry.status == status);
        entry.pair == self.pair && is_here && has_status && self.phrase.is_of(entry, self.side)
    }
}

impl Part {
    /// Looks at some entries.
    pub(super) fn search(&self, translations: &Translations) -> Concordance {
        let entries = translations.memory.read().older_than(self.before, ENTRIES_PER_JOB);
        let mut found = Concordance { entries: Vec::new(), next: None };
        let last = if entries.len() == ENTRIES_PER_JOB { entries.last().map(|entry| entry.id) } else { None };
        for entry in entries {
            if found.entries.len() == self.max {
                // It is looked at once more then.
                found.next = found.entries.last().map(|entry: &Arc<Entry>| entry.id);
                return found;
            }
            if self.wanted.is_met_by(&entry) {
                found.entries.push(entry);
            }
        }
        found.next = last;
        found
    }
}

impl Translations {
    /// Searches what is older than `before`, or all.
    ///
    /// # Errors
    /// Not now.
    pub async fn concordance(
        &self,
        wanted: Wanted,
        mut before: Option<EntryId>,
    ) -> Result<Concordance, TranslationError> {
        let wanted = Arc::new(wanted);
        let mut found = Concordance::default();
        for _ in 0..ENTRIES_PER_REQUEST.div_ceil(ENTRIES_PER_JOB) {
            let part = Part { wanted: Arc::clone(&wanted), before, max: wanted.max - found.entries.len() };
            let (reply, answer): (Reply<Concordance>, _) = oneshot::channel();
            send(&self.patient, LookUp::Search(part, reply))?;
            let more = answer.await.unwrap_or(Err(TranslationError::Gone))?;
            found.entries.extend(more.entries);
            found.next = more.next;
            before = more.next;
            if before.is_none() || found.entries.len() == wanted.max {
                break;
            }
        }
        Ok(found)
    }
}
