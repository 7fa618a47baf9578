//! The one thread that changes the translation memory, and answers when what it has decided is on disk.

use std::sync::Arc;

use crossbeam::channel::{Receiver, Sender};
use jddb_core::ids::UnixMillis;
use jddb_core::room::{MemoryChange, MemoryEvent, Origin};
use jddb_core::translation::{
    Became, Entry, EntryId, ImportRefusal, Imported, Imports, MemoryError, Revision, Submission,
};
use jddb_storage::EncodedRecord;

use super::{Author, Change, MemoryEvents, TranslationError};
use crate::auth::Pass;
use crate::clock;
use crate::durable::{Unwritten, WaitingLane};
use crate::shared::Shared;

/// What the thread that changes owns.
pub(super) struct Desk {
    pub(super) shared: Arc<Shared>,
    pub(super) lane: WaitingLane,
    /// Wakes the one that tidies up.
    pub(super) wake: Sender<()>,
}

impl Desk {
    /// Does what it is asked, until it is told to stop.
    pub(super) fn run(mut self, queue: &Receiver<Change>) {
        for change in queue {
            match change {
                // Whoever no longer waits is not told; what was decided holds.
                Change::Submit(submission, author, reply) => {
                    let _ = reply.send(self.admit(&author.pass).and_then(|()| self.submit(*submission, author)));
                }
                Change::Revise(id, revision, author, reply) => {
                    let _ = reply.send(self.admit(&author.pass).and_then(|()| self.revise(id, *revision, author)));
                }
                Change::Remove(id, author, reply) => {
                    let _ = reply.send(self.admit(&author.pass).and_then(|()| self.remove(id, author)));
                }
                Change::Terms(changes, within, author, reply) => {
                    let admitted = self.admit(&author.pass);
                    let _ = reply.send(admitted.and_then(|()| self.change_terms(changes, within.as_ref(), &author)));
                }
                Change::Import(batch, pass, reply) => {
                    let _ = reply.send(self.admit(&pass).and_then(|()| self.import(batch)));
                }
                Change::ImportTerms(batch, author, reply) => {
                    let admitted = self.admit(&author.pass);
                    let _ = reply.send(admitted.and_then(|()| self.import_terms(batch, &author)));
                }
                Change::Stop => return,
            }
            if self.shared.translations.memory.read().upkeep_due().is_some() {
                // Whoever was woken already sees to this, too.
                let _ = self.wake.try_send(());
            }
        }
    }

    /// What waited here may have been revoked meanwhile.
    fn admit(&self, pass: &Pass) -> Result<(), TranslationError> {
        self.shared.logins.check(pass).map_err(TranslationError::Token)
    }

    fn submit(&mut self, submission: Submission, author: Author) -> Result<Arc<Entry>, TranslationError> {
        let now = UnixMillis(clock::now_unix_ms());
        let (entry, _) = self.shared.translations.memory.read().prepare(submission, now)?;
        self.keep(entry, now, author.origin)
    }

    fn revise(&mut self, id: EntryId, revision: Revision, author: Author) -> Result<Arc<Entry>, TranslationError> {
        let now = UnixMillis(clock::now_unix_ms());
        let entry = self.shared.translations.memory.read().revise(id, revision, author.is_admin, now)?;
        self.keep(entry, now, author.origin)
    }

    fn remove(&mut self, id: EntryId, author: Author) -> Result<Arc<Entry>, TranslationError> {
        let now = UnixMillis(clock::now_unix_ms());
        let Author { is_admin, origin, .. } = author;
        self.shared.translations.memory.read().check_removal(id, &origin.user_id, is_admin)?;
        self.write(self.shared.store.encode_translation_end(id))?;
        let removed = self.shared.translations.memory.write().remove(id).ok_or(MemoryError::Unknown(id))?;
        self.tell(now, origin, MemoryChange::EntryRemoved(Arc::clone(&removed)));
        Ok(removed)
    }

    /// A batch is on disk as a whole before anything of it is found.
    fn import(&mut self, batch: Vec<Imported>) -> Result<Vec<Result<Became, ImportRefusal>>, TranslationError> {
        let Shared { translations, store, .. } = &*self.shared;
        let now = UnixMillis(clock::now_unix_ms());
        let Imports { entries, became, .. } = translations.memory.read().prepare_imports(batch, now);
        let records = entries.values().map(|entry| store.encode_translation(entry)).collect();
        self.lane.write(records).map_err(|Unwritten| TranslationError::Storage)?;
        let is_changed = !entries.is_empty();
        for entry in entries.into_values() {
            // One by one, so that look-ups come in between.
            translations.memory.write().put(entry)?;
        }
        if is_changed {
            // A file is too much to be told entry by entry.
            translations.events.iter().for_each(MemoryEvents::push_missed);
        }
        Ok(became)
    }

    /// Writes an entry, and lets it be found when it is on disk.
    fn keep(&mut self, entry: Entry, now: UnixMillis, origin: Origin) -> Result<Arc<Entry>, TranslationError> {
        self.write(self.shared.store.encode_translation(&entry))?;
        let entry = self.shared.translations.memory.write().put(entry)?;
        self.tell(now, origin, MemoryChange::EntryPut(Arc::clone(&entry)));
        Ok(entry)
    }

    pub(super) fn tell(&self, at: UnixMillis, origin: Origin, change: MemoryChange) {
        self.shared.translations.tell(MemoryEvent::new(at, origin, change));
    }

    fn write(&mut self, record: EncodedRecord) -> Result<(), TranslationError> {
        self.lane.write(vec![record]).map_err(|Unwritten| TranslationError::Storage)
    }
}
