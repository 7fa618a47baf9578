//! A client's copy of a section, and its own change on the way: just enough of operational transformation to check the
//! server's, written from the protocol and not from the server.
//!
//! A change in flight is not applied to the copy before its acknowledgement; what comes in between moves it instead.

/// A change as the protocol states it, in UTF-16 units of the section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Edit {
    /// Where it begins.
    pub(crate) position: usize,
    /// Units removed from there.
    pub(crate) removed: usize,
    /// Text put there.
    pub(crate) inserted: Vec<u16>,
}

impl Edit {
    /// `operation` as the protocol names it: one that does neither is a `delete` of nothing.
    pub(crate) fn operation(&self) -> &'static str {
        match (self.removed > 0, self.inserted.is_empty()) {
            (_, true) => "delete",
            (false, false) => "insert",
            (true, false) => "replace",
        }
    }
}

/// A copy of the text.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Replica {
    units: Vec<u16>,
}

impl Replica {
    /// The copy of `text`.
    pub(crate) fn new(text: &str) -> Self {
        Self { units: text.encode_utf16().collect() }
    }

    /// Length in UTF-16 units.
    pub(crate) fn len(&self) -> usize {
        self.units.len()
    }

    /// The text; a broken surrogate pair, which a right server never leaves, shows as U+FFFD.
    pub(crate) fn text(&self) -> String {
        String::from_utf16_lossy(&self.units)
    }

    /// The nearest position at or before `position` that is not inside a surrogate pair.
    pub(crate) fn boundary(&self, position: usize) -> usize {
        let position = position.min(self.len());
        let inside = self.units.get(position).is_some_and(|unit| (0xDC00..0xE000).contains(unit));
        position - usize::from(inside && position > 0)
    }

    /// Applies `edit`, or says why it cannot be.
    pub(crate) fn apply(&mut self, edit: &Edit) -> Result<(), String> {
        let end = edit.position.saturating_add(edit.removed);
        if end > self.len() {
            let (position, length) = (edit.position, self.len());
            return Err(format!("a change at {position} to {end} in a text of {length} units"));
        }
        self.units.splice(edit.position..end, edit.inserted.iter().copied());
        Ok(())
    }

    /// Applies a change of one's own after its acknowledgement.
    pub(crate) fn apply_pending(&mut self, pending: Pending) -> Result<(), String> {
        // Back to front, so that positions stay right; the insertion is at or before them all.
        pending.edits().iter().try_for_each(|edit| self.apply(edit))
    }
}

/// One's own change, moved through what came before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pending {
    position: usize,
    inserted: Vec<u16>,
    /// Ranges still to be removed, in order, none empty, all at or after `position`.
    removed: Vec<(usize, usize)>,
}

impl Pending {
    /// The change as it was sent.
    pub(crate) fn new(edit: &Edit) -> Self {
        let end = edit.position + edit.removed;
        Self {
            position: edit.position,
            inserted: edit.inserted.clone(),
            removed: [(edit.position, end)].into_iter().filter(|(start, end)| start < end).collect(),
        }
    }

    /// Moves it behind `other`, which the server ordered first.
    pub(crate) fn follow(&mut self, other: &Edit) {
        self.follow_removal(other.position, other.position + other.removed);
        self.follow_insertion(other.position, other.inserted.len());
    }

    fn follow_removal(&mut self, start: usize, end: usize) {
        let moved = |position: usize| {
            if position <= start { position } else { position.max(end) - (end - start) }
        };
        self.position = moved(self.position);
        self.removed =
            self.removed.iter().map(|(from, to)| (moved(*from), moved(*to))).filter(|(from, to)| from < to).collect();
    }

    /// At a tie the earlier insertion stays left; inside a removed range it survives, so the range splits around it.
    fn follow_insertion(&mut self, at: usize, length: usize) {
        if at <= self.position {
            self.position += length;
        }
        let split = |&(from, to): &(usize, usize)| {
            if at <= from {
                vec![(from + length, to + length)]
            } else if at < to {
                vec![(from, at), (at + length, to + length)]
            } else {
                vec![(from, to)]
            }
        };
        self.removed = self.removed.iter().flat_map(split).collect();
    }

    /// What it has become: removals back to front, then the insertion.
    pub(crate) fn edits(&self) -> Vec<Edit> {
        let removal = |&(from, to): &(usize, usize)| Edit { position: from, removed: to - from, inserted: Vec::new() };
        let mut edits: Vec<Edit> = self.removed.iter().rev().map(removal).collect();
        if !self.inserted.is_empty() {
            edits.push(Edit { position: self.position, removed: 0, inserted: self.inserted.clone() });
        }
        edits
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::mix;

    fn edit(position: usize, removed: usize, inserted: &str) -> Edit {
        Edit { position, removed, inserted: inserted.encode_utf16().collect() }
    }

    /// `mine`, made on `text`, after `first` was ordered before it.
    #[track_caller]
    fn check(text: &str, first: Edit, mine: Edit, expected: &str) {
        let mut replica = Replica::new(text);
        let mut pending = Pending::new(&mine);
        replica.apply(&first).unwrap();
        pending.follow(&first);
        replica.apply_pending(pending).unwrap();
        assert_eq!(replica.text(), expected);
    }

    #[test]
    fn two_changes_at_once() {
        check("abc", edit(1, 0, "X"), edit(1, 0, "Y"), "aXYbc");
        check("abc", edit(2, 0, "X"), edit(1, 0, "Y"), "aYbXc");
        check("abcdef", edit(2, 0, "X"), edit(1, 4, ""), "aXf");
        check("abcdef", edit(1, 4, ""), edit(3, 0, "Y"), "aYf");
        check("abcdef", edit(1, 3, ""), edit(2, 3, ""), "af");
        check("abcdef", edit(0, 6, ""), edit(2, 3, ""), "");
        check("abcdef", edit(2, 0, "X"), edit(1, 3, "Y"), "aYXef");
        check("abcdef", edit(1, 0, "X"), edit(1, 2, "Y"), "aXYdef");
        check("abcdef", edit(1, 3, "X"), edit(2, 0, "Y"), "aXYef");
        check("abcdef", edit(1, 3, "X"), edit(1, 3, "Y"), "aXYef");
    }

    #[test]
    fn positions_are_utf_16_and_never_inside_a_pair() {
        let replica = Replica::new("é😀x");
        assert_eq!(replica.len(), 4);
        let boundaries: Vec<usize> = (0..6).map(|at| replica.boundary(at)).collect();
        assert_eq!(boundaries, [0, 1, 1, 3, 4, 4]);
    }

    #[test]
    fn a_change_outside_the_text_is_refused() {
        let mut replica = Replica::new("ab");
        let error = replica.apply(&edit(1, 2, "")).unwrap_err();
        assert!(error.contains("2 units"), "{error}");
        assert_eq!(replica.text(), "ab");
    }

    #[test]
    fn operations_are_named_as_in_the_protocol() {
        assert_eq!(edit(0, 0, "x").operation(), "insert");
        assert_eq!(edit(0, 1, "").operation(), "delete");
        assert_eq!(edit(0, 1, "x").operation(), "replace");
        assert_eq!(edit(0, 0, "").operation(), "delete");
    }

    /// A pending change moved through many others still fits the text, and its removals touch nothing inserted since.
    #[test]
    fn long_walks_stay_inside_the_text_and_spare_new_text() {
        for seed in 0..2_000 {
            let mut chance = (0..).map(|turn| usize::try_from(mix(seed << 16 | turn) >> 33).unwrap());
            let mut pick = |bound: usize| chance.next().unwrap() % bound;
            let mut replica = Replica::new(&"o".repeat(20));
            let (position, length) = (pick(10), 1 + pick(10));
            let mut pending = Pending::new(&edit(position, length, "M"));
            for _ in 0..pick(12) {
                let position = pick(replica.len() + 1);
                let removed = pick(4).min(replica.len() - position);
                let other = edit(position, removed, ["", "n", "nn"][pick(3)]);
                replica.apply(&other).unwrap();
                pending.follow(&other);
            }
            let count = |replica: &Replica| replica.text().matches('n').count();
            let before = count(&replica);
            replica.apply_pending(pending).unwrap();
            assert_eq!(count(&replica), before, "seed {seed}");
            assert_eq!(replica.text().matches('M').count(), 1, "seed {seed}");
        }
    }
}
