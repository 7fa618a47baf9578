//! The one thread that changes the translation memory, and answers when what it has decided is on disk.

use std::sync::Arc;

use crossbeam::channel::Receiver;
use jddb_core::ids::UnixMillis;
use jddb_core::translation::{Entry, Submission};

use super::{Change, TranslationError};
use crate::clock;
use crate::durable::{Unwritten, WaitingLane};
use crate::shared::Shared;

/// What the thread that changes owns.
pub(super) struct Desk {
    pub(super) shared: Arc<Shared>,
    pub(super) lane: WaitingLane,
}

impl Desk {
    /// Does what it is asked, until it is told to stop.
    pub(super) fn run(mut self, queue: &Receiver<Change>) {
        for change in queue {
            match change {
                Change::Submit(submission, pass, reply) => {
                    // What waited here may have been revoked meanwhile. Whoever no longer waits is not told; what was decided
                    // holds.
                    let admitted = self.shared.logins.check(&pass).map_err(TranslationError::Token);
                    let _ = reply.send(admitted.and_then(|()| self.submit(*submission)));
                }
                Change::Stop => return,
            }
            if queue.is_empty() {
                self.tidy();
            }
        }
    }

    fn submit(&mut self, submission: Submission) -> Result<Arc<Entry>, TranslationError> {
        let now = UnixMillis(clock::now_unix_ms());
        let Shared { translations, store, .. } = &*self.shared;
        let (entry, _) = translations.memory.read().prepare(submission, now)?;
        self.lane.write(vec![store.encode_translation(&entry)]).map_err(|Unwritten| TranslationError::Storage)?;
        Ok(translations.memory.write().put(entry)?)
    }

    /// What is tidied up is so for look-ups; nobody waits for it but for whoever comes next.
    fn tidy(&self) {
        let memory = &self.shared.translations.memory;
        let due = memory.read().upkeep_due();
        if let Some(upkeep) = due {
            let kept = upkeep.run();
            memory.write().install(kept);
        }
    }
}
