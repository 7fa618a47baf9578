//! What has become of a section since it was looked at last, by the changes in between.

use std::ops::Range;

use crate::document::{Part, SectionRef};
use crate::ids::utf16_len;

/// A stretch of a section that is another one than before; in UTF-16 code units.
#[derive(Clone, Debug)]
pub(super) struct Hunk {
    /// Where it was.
    pub(super) old: Range<u32>,
    /// Where what came in its place is.
    pub(super) new: Range<u32>,
}

impl Hunk {
    /// By how much a place behind it has moved, by it and all before it.
    pub(super) const fn shift(&self) -> i64 {
        self.new.end as i64 - self.old.end as i64
    }
}

/// Stretches in order, of which no two touch; what is outside of them is as it was.
#[derive(Debug, Default)]
pub(super) struct Hunks(Vec<Hunk>);

impl Hunks {
    /// Goes on with what the next change did.
    pub(super) fn add(&mut self, made: SectionRef<'_>) {
        // From the end to the start, so that those to come are where they say.
        made.parts().for_each(|part| self.add_part(&part));
    }

    /// All of them.
    pub(super) fn as_slice(&self) -> &[Hunk] {
        &self.0
    }

    fn add_part(&mut self, part: &Part<'_>) {
        let inserted = u32::try_from(utf16_len(part.inserted)).unwrap_or(u32::MAX);
        let range = part.position..part.position + part.deleted_units;
        let first = self.0.partition_point(|hunk| hunk.new.end < range.start);
        let touched = self.0[first..].partition_point(|hunk| hunk.new.start <= range.end);
        let before = first.checked_sub(1).map_or(0, |index| self.0[index].shift());
        let behind = (first + touched).checked_sub(1).map_or(0, |index| self.0[index].shift());
        let moved = |position: u32| position - range.end + range.start + inserted;
        let merged = &self.0[first..first + touched];
        let new_start = merged.first().map_or(range.start, |hunk| hunk.new.start.min(range.start));
        let new_end = merged.last().map_or(range.end, |hunk| hunk.new.end.max(range.end));
        let hunk = Hunk { old: unmoved(new_start, before)..unmoved(new_end, behind), new: new_start..moved(new_end) };
        self.0.splice(first..first + touched, [hunk]);
        for hunk in &mut self.0[first + 1..] {
            hunk.new = moved(hunk.new.start)..moved(hunk.new.end);
        }
    }
}

/// Where something was that has moved so far.
fn unmoved(position: u32, shift: i64) -> u32 {
    u32::try_from(i64::from(position) - shift).unwrap_or(0)
}
