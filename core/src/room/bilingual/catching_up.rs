//! What has become old while somebody was not there: the same as in a turn, between a version that they know and the newest.

use std::collections::BTreeMap;

use super::Bilingual;
use super::budget::Budget;
use super::hunks::Hunks;
use super::lines::Lines;
use super::pairing::Pair;
use super::place::Followed;
use super::stale::{Happened, Sought, Stale};
use crate::document::Document;
use crate::ids::Version;
use crate::text::Text;

/// What the changes after a version did to the sections that are wanted; `None` if nobody knows any more.
pub(super) fn hunks_since(
    document: &Document,
    known: Version,
    is_wanted: impl Fn(usize) -> bool,
) -> Option<BTreeMap<usize, Hunks>> {
    let mut changed: BTreeMap<usize, Hunks> = BTreeMap::new();
    for change in document.history().since(known).ok()? {
        for made in change.sections() {
            let section = usize::from(made.section);
            if is_wanted(section) {
                changed.entry(section).or_default().add(change.version(), made);
            }
        }
    }
    Some(changed)
}

impl Bilingual {
    /// What has become old since then. All that is followed is of the newest version.
    pub(super) fn stale_since(&self, document: &Document, known: Version, pairs: &[Pair]) -> Stale {
        let is_wanted = |section: usize| pairs.iter().any(|pair| pair.has(section));
        let Some(changed) = hunks_since(document, known, is_wanted) else {
            return Stale::whole(document, &self.followed, pairs);
        };
        let mut budget = Budget::default();
        let (mut before, mut happened) = (Followed::new(), Happened::new());
        for (section, hunks) in changed {
            let lines = lines_before(document.sections()[section].text(), &hunks, &mut budget);
            let blocks = lines.as_ref().map(|lines| lines.blocks(hunks.as_slice())).unwrap_or_default();
            before.extend(lines.map(|lines| (section, lines)));
            happened.insert(section, (hunks, blocks));
        }
        let lines = |section: usize| match happened.contains_key(&section) {
            true => before.get(&section),
            false => self.followed.get(&section),
        };
        Sought::new(document, lines, pairs, &happened).find(document, &self.followed, &happened)
    }
}

/// The lines that a text had, if it was not too long.
pub(super) fn lines_before(now: &Text, hunks: &Hunks, budget: &mut Budget) -> Option<Lines> {
    if hunks.is_forgotten() {
        return None;
    }
    let shift = hunks.as_slice().last()?.shift();
    let length = u32::try_from(i64::try_from(now.len()).ok()? - shift).ok()?;
    Lines::of(&Text::from(&*hunks.old_text(0..length, now, budget).ok()?))
}
