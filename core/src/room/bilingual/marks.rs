//! What somebody was told is old, so that they are told once.

use std::collections::VecDeque;
use std::ops::Range;

use super::hunks::Hunks;
use super::place::SegmentAt;
use crate::room::member::Marked;

/// So many translations that somebody was told are old are remembered. The oldest ones are forgotten for more, and told again
/// when their source changes again.
pub const STALE_REMEMBERED_MAX: usize = 512;

/// The translations that somebody was told are old, and that nobody has changed since.
#[derive(Debug, Default)]
pub(super) struct Marks {
    /// The oldest first.
    segments: VecDeque<Marked>,
    /// Whole sections.
    sections: Vec<usize>,
}

impl Marks {
    /// Goes along with what has happened to a section: what was changed is to be told again.
    pub(super) fn go_along(&mut self, section: usize, hunks: &Hunks) {
        self.sections.retain(|other| *other != section);
        self.segments.retain_mut(|mark| {
            if mark.section != section {
                return true;
            }
            let range = mark.start..mark.end;
            let moved = hunks.moved(&range);
            (mark.start, mark.end) = (moved.start, moved.end);
            hunks.touching(&range).is_empty()
        });
    }

    /// Whether any of it is in a section.
    pub(super) fn has(&self, section: usize) -> bool {
        self.sections.contains(&section) || self.segments.iter().any(|mark| mark.section == section)
    }

    /// Notes that a segment is told; false if it was.
    pub(super) fn mark(&mut self, at: &SegmentAt) -> bool {
        let Range { start, end } = at.range;
        let is_marked = |mark: &Marked| mark.section == at.section && mark.start < end && start < mark.end;
        if self.segments.iter().any(is_marked) {
            return false;
        }
        if self.segments.len() == STALE_REMEMBERED_MAX {
            self.segments.pop_front();
        }
        self.segments.push_back(Marked { section: at.section, start, end });
        true
    }

    /// Notes that a whole section is told; false if it was.
    pub(super) fn mark_section(&mut self, section: usize) -> bool {
        let is_new = !self.sections.contains(&section);
        if is_new {
            self.sections.push(section);
        }
        is_new
    }
}
