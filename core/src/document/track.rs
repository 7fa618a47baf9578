//! Where the positions of a submission come to stand, and what moved them.

use smallvec::SmallVec;

use super::change::ChangeRef;
use super::submission::{MoveReason, SentChange};
use super::submit::Made;
use crate::ids::utf16_len;
use crate::ot::{Edit, Order, map_positions};

/// A place that a submission names: where a change begins, or where what it deletes ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Point {
    /// The section, counted from 0.
    pub(super) section: usize,
    /// In UTF-16 code units of the text it has come to.
    pub(super) position: u32,
    /// Which change of the submission.
    pub(super) index: usize,
    /// Whether it is the end of what the change deletes.
    pub(super) end: bool,
}

/// Where a change begins in the version it made.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Landing {
    /// The section, counted from 0.
    pub(super) section: usize,
    /// In UTF-16 code units of the new version.
    pub(super) position: u32,
    /// What moved it, if anything did.
    pub(super) reason: Option<MoveReason>,
}

/// All points of a submission on their way through the versions since its base.
pub(super) struct Track {
    sections: SmallVec<[SectionTrack; 1]>,
    /// The first section from which something was deleted, of interest to those that count over the
    /// whole document.
    deleted_in: usize,
    /// The first section into which something was inserted.
    inserted_in: usize,
}

/// The points in one section. They are moved in order, so what lies before one of them lies before
/// all that follow.
struct SectionTrack {
    section: usize,
    /// In order of position; points at one position in the order of the submission.
    points: SmallVec<[Point; 2]>,
    /// The first point that had something deleted before it.
    deletion_before: usize,
    /// The first point that had something inserted before it.
    insertion_before: usize,
}

impl Track {
    pub(super) fn new(points: &[Point]) -> Self {
        let mut sections: SmallVec<[SectionTrack; 1]> = SmallVec::new();
        let mut points: SmallVec<[Point; 2]> = points.into();
        points.sort_by_key(|point| (point.section, point.position));
        for points in points.chunk_by(|one, next| one.section == next.section) {
            let section = points.first().map_or(0, |point| point.section);
            let none = usize::MAX;
            sections.push(SectionTrack {
                section,
                points: points.into(),
                deletion_before: none,
                insertion_before: none,
            });
        }
        Self { sections, deleted_in: usize::MAX, inserted_in: usize::MAX }
    }

    /// Moves all points over a version made by somebody else.
    pub(super) fn pass(&mut self, change: ChangeRef<'_>) {
        for made in change.sections() {
            let index = usize::from(made.section);
            let edits = made.operation.edits();
            if index < self.deleted_in && first_deletion(edits).is_some() {
                self.deleted_in = index;
            }
            if index < self.inserted_in && first_insertion(edits).is_some() {
                self.inserted_in = index;
            }
            if let Some(section) = self.sections.iter_mut().find(|section| section.section == index) {
                section.pass(edits);
            }
        }
    }

    /// The points where they are now.
    pub(super) fn points(&self) -> impl Iterator<Item = Point> + '_ {
        self.sections.iter().flat_map(|section| section.points.iter().copied())
    }

    /// Where each change begins once the whole submission, `own`, is applied.
    pub(super) fn land(&self, changes: &[SentChange<'_>], own: &[Made]) -> SmallVec<[Landing; 1]> {
        let mut landings = SmallVec::new();
        landings.resize(changes.len(), Landing::default());
        let own_in = |holds: fn(&[Edit]) -> Option<u32>| {
            let first = own.iter().find(|made| holds(made.operation.edits()).is_some());
            first.map_or(usize::MAX, |made| usize::from(made.section))
        };
        let (own_deleted_in, own_inserted_in) = (own_in(first_deletion), own_in(first_insertion));
        for section in &self.sections {
            let made = own.iter().find(|made| usize::from(made.section) == section.section);
            let Some(made) = made else { continue };
            section.land(changes, made.operation.edits(), |landing, before| {
                let over_document = changes[landing.index].section.is_none();
                let elsewhere = |first: usize| over_document && first < section.section;
                let reasons = [
                    (MoveReason::ConcurrentDeletion, before.deletion || elsewhere(self.deleted_in)),
                    (MoveReason::ConcurrentInsertion, before.insertion || elsewhere(self.inserted_in)),
                    (MoveReason::PriorDeletion, before.own_deletion || elsewhere(own_deleted_in)),
                    (MoveReason::PriorInsertion, before.own_insertion || elsewhere(own_inserted_in)),
                ];
                let reason = reasons.into_iter().find(|(_, holds)| *holds).map(|(reason, _)| reason);
                landings[landing.index] = Landing { section: section.section, position: landing.position, reason };
            });
        }
        landings
    }
}

/// What happened before a point in its section.
struct Before {
    deletion: bool,
    insertion: bool,
    own_deletion: bool,
    own_insertion: bool,
}

impl SectionTrack {
    fn pass(&mut self, edits: &[Edit]) {
        if let Some(deletion) = first_deletion(edits) {
            let from = self.points.partition_point(|point| point.position <= deletion);
            self.deletion_before = self.deletion_before.min(from);
        }
        if let Some(insertion) = first_insertion(edits) {
            // What was inserted at the very position was ordered first, and stays left.
            let from = self.points.partition_point(|point| point.position < insertion);
            self.insertion_before = self.insertion_before.min(from);
        }
        map_positions(self.points.iter_mut().map(|point| &mut point.position), edits, Order::Second);
    }

    /// Hands out where each change that begins here begins after `own`.
    fn land(&self, changes: &[SentChange<'_>], own: &[Edit], mut each: impl FnMut(Point, Before)) {
        let mapped = |order| {
            let mut positions: SmallVec<[u32; 2]> = self.points.iter().map(|point| point.position).collect();
            map_positions(positions.iter_mut(), own, order);
            positions
        };
        let (left, right) = (mapped(Order::First), mapped(Order::Second));
        let (deletion, insertion) = (first_deletion(own), first_insertion(own));
        // How much of the submission's own text the changes before have put at the same place.
        let (mut place, mut text_before) = (0, 0);
        for (order, point) in self.points.iter().enumerate() {
            if point.position != place {
                (place, text_before) = (point.position, 0);
            }
            if point.end {
                continue;
            }
            let units = u32::try_from(utf16_len(changes[point.index].inserted())).unwrap_or(u32::MAX);
            let puts_text = units > 0;
            let before = Before {
                deletion: order >= self.deletion_before,
                insertion: order >= self.insertion_before,
                own_deletion: deletion.is_some_and(|at| at < place),
                own_insertion: insertion.is_some_and(|at| at < place || (at == place && !puts_text)) || text_before > 0,
            };
            // Text comes to stand in the order of the batch; a deletion is behind all text at its place.
            let position = if puts_text { left[order] + text_before } else { right[order] };
            each(Point { position, ..*point }, before);
            text_before += units;
        }
    }
}

fn first_deletion(edits: &[Edit]) -> Option<u32> {
    edits.iter().find(|edit| edit.deleted > 0).map(|edit| edit.position)
}

fn first_insertion(edits: &[Edit]) -> Option<u32> {
    edits.iter().find(|edit| edit.inserted > 0).map(|edit| edit.position)
}
