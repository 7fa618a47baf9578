//! A store that writes when it is told to, and loses what it has not written.
//!
//! This is the one place that knows records as the room hands them out.

use std::collections::VecDeque;

use super::checked::{Broken, Checked, ensure};
use super::delta::{Delta, Piece};
use super::mirror::Mirror;
use super::say::{Client, Sent};
use super::texts::{Texts, string_of, units_of};
use crate::document::{Change, Document, DocumentLimits, SectionChange, Session, Snapshot, VERSIONS_SKIPPED};
use crate::ids::DocumentId;
use crate::room::{Record, Room};

/// Records on their way.
#[derive(Debug, Default)]
struct Batch {
    records: u64,
    changes: Vec<Change>,
    /// What has become of the session, if anything has.
    session: Option<Option<Session>>,
    /// How many save points.
    saves: usize,
    snapshot: Option<Snapshot>,
}

/// What is durable, and what is not yet.
#[derive(Debug, Default)]
pub(super) struct Disk {
    journal: Vec<Change>,
    pub(super) session: Option<Session>,
    pub(super) snapshots: Vec<Snapshot>,
    under_way: VecDeque<Batch>,
    /// Numbers that may have been seen since the last durable version.
    pub(super) skipped_versions: u64,
}

/// A document as it was read back.
#[derive(Debug)]
pub(super) struct Restored {
    pub(super) document: Document,
    /// How many versions before its newest one it was given.
    pub(super) kept: usize,
}

impl Disk {
    /// The newest durable version.
    pub(super) fn version(&self) -> u64 {
        self.journal.last().map_or(0, |change| change.version.0)
    }

    /// Takes what the room has to be stored.
    pub(super) fn take_records(&mut self, room: &mut Room) {
        let mut batch = Batch::default();
        batch.records = room.take_records(|record| match record {
            Record::Change(change) => batch.changes.push(change.clone()),
            Record::Session(session) => batch.session = Some(Some(session.clone())),
            Record::SessionEnded => batch.session = Some(None),
            Record::Save(_) => batch.saves += 1,
            // No editor of the simulator saves so often.
            Record::SaveForgotten(_) => {}
            // What follows from its changes is not kept, and nobody deletes it here.
            Record::Entry(_) | Record::Deletion(_) => {}
        });
        if !batch.changes.is_empty() || batch.session.is_some() || batch.saves > 0 {
            self.under_way.push_back(batch);
        }
    }

    /// Takes a snapshot, which is written after all that was taken before.
    pub(super) fn take_snapshot(&mut self, snapshot: Snapshot) {
        self.under_way.push_back(Batch { snapshot: Some(snapshot), ..Batch::default() });
    }

    /// Writes the oldest batch; how many records are durable by then. `None` if there was nothing to write.
    pub(super) fn commit(&mut self) -> Option<u64> {
        let Batch { records, changes, session, saves: _, snapshot } = self.under_way.pop_front()?;
        if !changes.is_empty() {
            self.skipped_versions = 0;
        }
        self.journal.extend(changes);
        if let Some(session) = session {
            self.session = session;
        }
        self.snapshots.extend(snapshot);
        Some(records)
    }

    /// The versions in the journal that a message has made.
    pub(super) fn versions_of(&self, sent: &Sent) -> Vec<u64> {
        let Client { user_id, client_id } = &sent.client;
        let names = (&**user_id, Some(&**client_id), sent.key.as_deref());
        let names_of = |change: &Change| {
            let is_client = change.origin.client_id.as_deref() == names.1;
            *change.user_id == *names.0 && is_client && change.origin.correlation_id.as_deref() == names.2
        };
        self.journal.iter().filter(|change| names_of(change)).map(|change| change.version.0).collect()
    }

    pub(super) fn batches_under_way(&self) -> usize {
        self.under_way.len()
    }

    /// Power is lost; what is under way is lost but for the first batches, which have been written.
    pub(super) fn crash(&mut self, surviving: usize, versions_were_seen: bool) {
        for _ in 0..surviving {
            self.commit();
        }
        if versions_were_seen {
            self.skipped_versions += VERSIONS_SKIPPED;
        }
    }

    /// The document as it is read again; what is under way is nobody's any more.
    pub(super) fn reopen(&mut self, snapshot: usize, before_max: usize, limits: DocumentLimits) -> Checked<Restored> {
        self.under_way.clear();
        self.restore(snapshot, before_max, limits)
    }

    /// The document of a snapshot, or of none with 0, with so many of the changes before it as history.
    fn restore(&self, snapshot: usize, before_max: usize, limits: DocumentLimits) -> Checked<Restored> {
        let snapshot = snapshot.checked_sub(1).map(|index| self.snapshots[index].clone()).unwrap_or_default();
        let later = self.journal.partition_point(|change| change.version <= snapshot.version);
        let from = later.saturating_sub(before_max);
        let changes = self.journal[from..].to_vec();
        // Where numbers were left out, the one before the oldest change may not have been one.
        let has_gaps = from < later && changes.first().is_some_and(|change| change.version.0 > VERSIONS_SKIPPED);
        let kept = changes.len() - usize::from(has_gaps);
        let id = DocumentId::new("jd_12345").map_err(|error| Broken(error.to_string()))?;
        let document = Document::restore(id, snapshot, changes, limits).map_err(|error| Broken(error.to_string()))?;
        Ok(Restored { document, kept })
    }

    /// Whether the journal holds the versions up to the newest one, each as it has to be, and each snapshot leads
    /// to the newest one.
    pub(super) fn check(&self, mirror: &Mirror, limits: DocumentLimits) -> Checked {
        let (_, states) = mirror.since(0).ok_or_else(|| Broken("version 0 is gone".to_owned()))?;
        let versions: Vec<u64> = self.journal.iter().map(|change| change.version.0).collect();
        let expected: Vec<u64> = states.iter().map(|state| state.version).collect();
        ensure!(versions == expected, "the journal holds {versions:?} of {expected:?}");
        let mut texts = Texts::default();
        for (change, state) in self.journal.iter().zip(states) {
            let sent = state.sent.as_ref().ok_or_else(|| Broken("a version without a message".to_owned()))?;
            let names = (&*change.user_id, change.origin.correlation_id.as_deref());
            ensure!(names == (&*sent.client.user_id, sent.key.as_deref()), "{names:?} for {sent:?}");
            ensure!(change.transformed == state.transformed, "transformed is not {} in {change:?}", state.transformed);
            ensure!(change.sections.len() == state.deltas.len(), "{change:?} instead of {:?}", state.deltas);
            for (made, (section, delta)) in change.sections.iter().zip(&state.deltas) {
                ensure!(usize::from(made.section) == *section, "section {} instead of {section}", made.section);
                replay(made, &mut texts, delta)?;
            }
            ensure!(texts == state.texts, "replay gives {texts:?} for {:?} at {}", state.texts, state.version);
        }
        for (index, snapshot) in self.snapshots.iter().enumerate() {
            let state = mirror.at(snapshot.version.0)?;
            let held = snapshot.sections.iter().map(|section| (section.name.as_str().into(), units(&section.text)));
            let held = Texts { sections: held.collect() };
            ensure!(held == state.texts, "the snapshot of {} holds {held:?}", state.version);
            let restored = texts_of(&self.restore(index + 1, 0, limits)?.document);
            ensure!(restored == texts, "from the snapshot of {} comes {restored:?}", state.version);
        }
        let restored = texts_of(&self.restore(0, 0, limits)?.document);
        ensure!(restored == texts, "from nothing comes {restored:?}");
        Ok(())
    }
}

/// Applies what the journal says of a section, in the naive way, and checks that it is what had to be done.
fn replay(made: &SectionChange, texts: &mut Texts, expected: &Delta) -> Checked {
    let section = usize::from(made.section);
    ensure!(
        made.created.is_some() == (section == texts.sections.len()),
        "section {section} of {} is created by {made:?}",
        texts.sections.len()
    );
    if let Some(name) = &made.created {
        texts.sections.push((name.as_str().into(), units("")));
    }
    let (name, text) = texts.sections[section].clone();
    let mut marks = (vec![false; text.len()], vec![Vec::new(); text.len() + 1]);
    for (edit, inserted) in made.operation.iter() {
        let (position, end) = (edit.position as usize, edit.end() as usize);
        ensure!(end <= text.len(), "{edit:?} in a text of {}", text.len());
        marks.1[position].extend(units_of(inserted));
        marks.0[position..end].fill(true);
    }
    let delta = Delta::of_marks(&marks.0, &marks.1);
    ensure!(delta.does_as(expected), "{:?} instead of {:?}", delta.pieces(), expected.pieces());
    let deleted = string_of(&delta.deleted_of(&text));
    ensure!(deleted == made.deleted, "{deleted:?} was deleted, not {:?}", made.deleted);
    texts.apply(&name, &delta);
    Ok(())
}

fn units(text: &str) -> std::rc::Rc<Vec<u16>> {
    std::rc::Rc::new(units_of(text))
}

/// The texts of a document.
pub(super) fn texts_of(document: &Document) -> Texts {
    let sections = document.sections().iter();
    let plain = sections.map(|section| (section.name().as_str().into(), units(&section.text().to_string())));
    Texts { sections: plain.collect() }
}

/// One piece of a part, for what is told of a version.
pub(super) fn piece(position: usize, deleted: usize, inserted: &str) -> Piece {
    Piece { position, deleted, inserted: units_of(inserted) }
}
