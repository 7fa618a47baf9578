//! What has become of a section since it was looked at last, by the changes in between.

use std::ops::Range;

use super::budget::{Budget, TooMuch};
use crate::document::{Part, SectionRef};
use crate::ids::{Version, utf16_len};
use crate::ot::split_utf16;
use crate::text::Text;

/// So much of what was in a section before is kept between two looks at it, in bytes.
pub(super) const OLD_BYTES_MAX: usize = 128 << 10;
/// The most stretches of a section that are told apart.
pub(super) const HUNKS_MAX: usize = 1 << 10;

/// A stretch of a section that is another one than before; in UTF-16 code units.
#[derive(Clone, Debug)]
pub(super) struct Hunk {
    /// Where it was.
    pub(super) old: Range<u32>,
    /// Where what came in its place is.
    pub(super) new: Range<u32>,
    /// What was there.
    pub(super) text: String,
    /// The first version that touched it, and the last one.
    pub(super) versions: [Version; 2],
}

impl Hunk {
    /// By how much a place behind it has moved, by it and all before it.
    pub(super) const fn shift(&self) -> i64 {
        self.new.end as i64 - self.old.end as i64
    }
}

/// Stretches in order, of which no two touch; what is outside of them is as it was.
///
/// Beyond [`OLD_BYTES_MAX`] and [`HUNKS_MAX`] they are one, of which nobody knows any more what was there.
#[derive(Debug, Default)]
pub(super) struct Hunks {
    hunks: Vec<Hunk>,
    old_bytes: usize,
    is_forgotten: bool,
}

impl Hunks {
    /// Goes on with what the next change did.
    pub(super) fn add(&mut self, version: Version, made: SectionRef<'_>) {
        // From the end to the start, so that those to come are where they say.
        made.parts().for_each(|part| self.add_part(version, &part));
    }

    /// All of them.
    pub(super) fn as_slice(&self) -> &[Hunk] {
        &self.hunks
    }

    /// Whether it is no longer known what was there.
    pub(super) const fn is_forgotten(&self) -> bool {
        self.is_forgotten
    }

    /// What was in a part of the section, which is `now` another one.
    pub(super) fn old_text(&self, old: Range<u32>, now: &Text, budget: &mut Budget) -> Result<String, TooMuch> {
        budget.spend(old.len())?;
        let mut text = String::new();
        for stretch in self.stretches(old) {
            match stretch {
                Stretch::Kept(new) => text += &now.slice(new.start as usize..new.end as usize),
                Stretch::Gone { hunk, within } => {
                    budget.skip(within.start)?;
                    text += slice_utf16(&hunk.text, within);
                }
            }
        }
        Ok(text)
    }

    /// A part of the section as it was, piece by piece: what is still there, and what is not.
    pub(super) fn stretches(&self, old: Range<u32>) -> impl Iterator<Item = Stretch<'_>> {
        let first = self.hunks.partition_point(|hunk| hunk.old.end <= old.start);
        let mut hunks = self.hunks[first..].iter().peekable();
        let mut shift = first.checked_sub(1).map_or(0, |index| self.hunks[index].shift());
        let mut at = old.start;
        std::iter::from_fn(move || {
            // What was only put in was nothing before.
            while let Some(hunk) = hunks.next_if(|hunk| hunk.old.end <= at) {
                shift = hunk.shift();
            }
            if at >= old.end {
                return None;
            }
            let from = at;
            let stretch = match hunks.peek() {
                Some(hunk) if hunk.old.start <= at => {
                    at = hunk.old.end.min(old.end);
                    Stretch::Gone { hunk, within: from - hunk.old.start..at - hunk.old.start }
                }
                next => {
                    at = next.map_or(old.end, |hunk| hunk.old.start.min(old.end));
                    Stretch::Kept(moved(from, shift)..moved(at, shift))
                }
            };
            Some(stretch)
        })
    }

    /// Those that were at a place of the section, or at its edges.
    pub(super) fn touching(&self, old: &Range<u32>) -> &[Hunk] {
        let first = self.hunks.partition_point(|hunk| hunk.old.end < old.start);
        let count = self.hunks[first..].partition_point(|hunk| hunk.old.start <= old.end);
        &self.hunks[first..first + count]
    }

    /// Where a place is that none of them touches.
    pub(super) fn moved(&self, old: &Range<u32>) -> Range<u32> {
        let before = self.hunks.partition_point(|hunk| hunk.old.end < old.start);
        let shift = before.checked_sub(1).map_or(0, |index| self.hunks[index].shift());
        moved(old.start, shift)..moved(old.end, shift)
    }

    fn add_part(&mut self, version: Version, part: &Part<'_>) {
        let inserted = u32::try_from(utf16_len(part.inserted)).unwrap_or(u32::MAX);
        let range = part.position..part.position + part.deleted_units;
        let first = self.hunks.partition_point(|hunk| hunk.new.end < range.start);
        let touched = self.hunks[first..].partition_point(|hunk| hunk.new.start <= range.end);
        let before = first.checked_sub(1).map_or(0, |index| self.hunks[index].shift());
        let behind = (first + touched).checked_sub(1).map_or(0, |index| self.hunks[index].shift());
        let after = |position: u32| position - range.end + range.start + inserted;
        let merged = &mut self.hunks[first..first + touched];
        let new_start = merged.first().map_or(range.start, |hunk| hunk.new.start.min(range.start));
        let new_end = merged.last().map_or(range.end, |hunk| hunk.new.end.max(range.end));
        let bytes = merged.iter().map(|hunk| hunk.text.len()).sum::<usize>();
        let text = if self.is_forgotten { String::new() } else { text_before(part, merged) };
        self.old_bytes = self.old_bytes - bytes + text.len();
        let versions = [merged.iter().map(|hunk| hunk.versions[0]).min().unwrap_or(version), version];
        let old = moved(new_start, -before)..moved(new_end, -behind);
        let hunk = Hunk { old, new: new_start..after(new_end), text, versions };
        self.hunks.splice(first..first + touched, [hunk]);
        for hunk in &mut self.hunks[first + 1..] {
            hunk.new = after(hunk.new.start)..after(hunk.new.end);
        }
        if self.is_forgotten || self.hunks.len() > HUNKS_MAX || self.old_bytes > OLD_BYTES_MAX {
            self.forget();
        }
    }

    /// Makes one of all.
    fn forget(&mut self) {
        self.is_forgotten = true;
        let ([first, ..], [.., last]) = (&*self.hunks, &*self.hunks) else { return };
        let oldest = self.hunks.iter().map(|hunk| hunk.versions[0]).min();
        let newest = self.hunks.iter().map(|hunk| hunk.versions[1]).max();
        let versions = [oldest.unwrap_or(first.versions[0]), newest.unwrap_or(first.versions[1])];
        let (old, new) = (first.old.start..last.old.end, first.new.start..last.new.end);
        self.hunks = vec![Hunk { old, new, text: String::new(), versions }];
        self.old_bytes = 0;
    }
}

/// A piece of what was.
pub(super) enum Stretch<'a> {
    /// It is still there, now here.
    Kept(Range<u32>),
    /// It is not.
    Gone {
        /// What it was in.
        hunk: &'a Hunk,
        /// Where in that.
        within: Range<u32>,
    },
}

/// Where something is that has moved so far.
fn moved(position: u32, shift: i64) -> u32 {
    u32::try_from(i64::from(position) + shift).unwrap_or(0)
}

fn slice_utf16(text: &str, units: Range<u32>) -> &str {
    let (_, rest) = split_utf16(text, units.start as usize);
    split_utf16(rest, units.len()).0
}

/// What was in the place of those stretches and of what that part has deleted, in and between them.
fn text_before(part: &Part<'_>, merged: &mut [Hunk]) -> String {
    if let ([hunk], "") = (&mut *merged, part.deleted) {
        return std::mem::take(&mut hunk.text);
    }
    let (mut text, mut rest, mut at) = (String::new(), part.deleted, part.position);
    for hunk in merged {
        let (between, after) = split_utf16(rest, hunk.new.start.saturating_sub(at) as usize);
        text += between;
        text += &hunk.text;
        // Of what was deleted this had come since.
        let gone = hunk.new.end.saturating_sub(at.max(hunk.new.start)) as usize;
        (_, rest) = split_utf16(after, gone.min(utf16_len(after)));
        at = at.max(hunk.new.end);
    }
    text + rest
}
