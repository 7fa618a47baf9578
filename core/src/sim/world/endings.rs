//! How things end: connections, processes, and the schedule as a whole.

use std::rc::Rc;

use super::{Editor, SETTLING_ROUNDS_MAX, World};
use crate::sim::chance::Dice;
use crate::sim::checked::{Broken, Checked, ensure};
use crate::sim::people::People;
use crate::sim::say::{Say, Sent};
use crate::sim::tally::Situation;

impl World {
    /// All connections end; some of what was on its way to the clients is read.
    pub(super) fn everybody_leaves(&mut self, dice: &mut Dice) -> Checked {
        for who in 0..self.editors.len() {
            let Some(key) = self.editors[who].connection() else { continue };
            let readable = self.server.readable(key);
            self.read(who, readable - dice.below(readable + 1))?;
            if let Some((key, _)) = self.editors[who].disconnect() {
                self.leave(key);
            }
        }
        for ghost in std::mem::take(&mut self.ghosts) {
            self.leave(ghost.key);
        }
        if let Some(key) = self.blurter.take() {
            self.leave(key);
        }
        Ok(())
    }

    pub(super) fn reopen(&mut self, snapshot: usize, before_max: usize) -> Checked {
        self.expected.clear();
        self.poster.request = None;
        let before = self.mirror.head().version;
        self.server.reopen(snapshot, before_max, &mut self.mirror)?;
        self.people = People::default();
        if self.mirror.head().version != before {
            self.tally.meet(Situation::Lost);
        }
        self.tell(|| format!("the document is read from snapshot {snapshot} and {before_max} changes before it"));
        Ok(())
    }

    pub(super) fn reopen_somehow(&mut self, dice: &mut Dice) -> Checked {
        let snapshots = self.server.disk.snapshots.len();
        // The newest one is the simplest.
        let snapshot = snapshots - dice.below(snapshots + 1);
        let before_max = dice.pick(&[usize::MAX, 0, 1, 3]);
        self.reopen(snapshot, before_max)
    }

    pub(super) fn evict(&mut self, mut dice: Dice) -> Checked {
        self.everybody_leaves(&mut dice)?;
        self.everything_is_durable()?;
        ensure!(self.server.room.is_idle(), "nobody is here, and the room is in use");
        self.tally.meet(Situation::Evicted);
        self.reopen_somehow(&mut dice)
    }

    pub(super) fn crash(&mut self, mut dice: Dice) -> Checked {
        self.lose_power(&mut dice)?;
        self.tally.meet(Situation::Crash);
        self.reopen_somehow(&mut dice)
    }

    pub(super) fn lose_power(&mut self, dice: &mut Dice) -> Checked {
        self.everybody_leaves(dice)?;
        let surviving = dice.below(self.server.disk.batches_under_way() + 1);
        self.server.disk.crash(surviving, self.setup.is_fast);
        Ok(())
    }

    pub(super) fn disk_fails(&mut self, mut dice: Dice) -> Checked {
        for request in self.server.fail(&self.mirror)? {
            self.expected.remove(&request);
        }
        self.take_answers()?;
        ensure!(self.expected.is_empty(), "requests that nobody answers: {:?}", self.expected);
        self.tally.meet(Situation::DiskFailure);
        self.lose_power(&mut dice)?;
        self.reopen_somehow(&mut dice)
    }

    pub(super) fn stop(&mut self, mut dice: Dice) -> Checked {
        self.server.room.shut_down(self.server.now, || 1_000);
        self.everything_is_durable()?;
        self.everybody_leaves(&mut dice)?;
        self.tally.meet(Situation::Stop);
        self.reopen_somehow(&mut dice)
    }

    pub(super) fn everything_is_durable(&mut self) -> Checked {
        self.turn()?;
        while self.server.commit() {}
        self.turn()
    }

    /// Everything works, until nobody has anything left to do.
    pub(super) fn settle(&mut self) -> Checked {
        for _ in 0..SETTLING_ROUNDS_MAX {
            self.reap()?;
            for who in 0..self.editors.len() {
                self.hear_from(who, Dice(1))?;
            }
            if self.poster.in_flight.is_some() {
                self.post(Dice(0))?;
            }
            self.everything_is_durable()?;
            for who in 0..self.editors.len() {
                self.read(who, usize::MAX)?;
            }
            if self.poster.in_flight.is_none() && self.editors.iter().all(Editor::is_done) {
                return Ok(());
            }
        }
        let waiting = self.editors.iter().position(|editor| !editor.is_done());
        Err(Broken(format!("client {waiting:?} is never done")))
    }

    /// What was acknowledged is acknowledged again, and not made again.
    pub(super) fn resend_all(&mut self) -> Checked {
        let before = self.server.version();
        for who in 0..self.editors.len() {
            let Some(key) = self.editors[who].connection() else { continue };
            let done = &self.editors[who].done;
            let acknowledged = done[done.len().saturating_sub(10)..].iter().filter(|done| done.is_acknowledged);
            let again: Vec<Say> = acknowledged.map(|done| Say::Change(Rc::clone(&done.sent))).collect();
            again.iter().try_for_each(|say| self.hear(key, say))?;
        }
        let posted: Vec<Rc<Sent>> = self.poster.done.iter().rev().take(3).cloned().collect();
        for sent in posted {
            self.request(&sent, &*sent.client.client_id == "poster")?;
        }
        ensure!(self.server.version() == before, "what was done is done again");
        Ok(())
    }

    /// Everybody has what the server has, and the disk has it all, each change once.
    pub(super) fn check(&self) -> Checked {
        for (who, editor) in self.editors.iter().enumerate() {
            editor.check(&self.mirror).map_err(|Broken(what)| Broken(format!("{what}; client {who} has diverged")))?;
            editor.connection().map_or(Ok(()), |key| self.people.check_all_told(key, self.server.is_slow(key)))?;
            for done in editor.done.iter().filter(|done| done.is_acknowledged) {
                self.check_made_once(&done.sent, Some(done.version))?;
            }
        }
        self.poster.done.iter().try_for_each(|sent| self.check_made_once(sent, None))?;
        self.server.check(&self.mirror)?;
        self.people.check(&self.server.room)?;
        self.server.check_answered()?;
        self.server.check_disk(&self.mirror)
    }

    pub(super) fn check_made_once(&self, sent: &Sent, version: Option<u64>) -> Checked {
        let journal = self.server.disk.versions_of(sent);
        let is_right = journal.len() == 1 && version.is_none_or(|version| journal == [version]);
        ensure!(is_right, "{:?} of {:?} was {version:?}, and is {journal:?}", sent.key, sent.client);
        Ok(())
    }
}
