//! What a change does to one text, in the slowest and most obvious way: a step for every unit of the text.

/// One step through a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The next unit stays.
    Keep,
    /// The next unit goes.
    Delete,
    /// This unit is put in here.
    Insert(u16),
}

/// What a change does to one text: a `Keep` or a `Delete` for each of its units, in order, and the `Insert`s
/// between them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Delta {
    steps: Vec<Step>,
}

/// One place of a delta: at `position` of the text before, `inserted` is put in and `deleted` units after it go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) position: usize,
    pub(super) deleted: usize,
    pub(super) inserted: Vec<u16>,
}

impl Delta {
    /// A mark for each unit that goes, and what is put in before each unit and at the end.
    pub(super) fn of_marks(deleted: &[bool], inserted: &[Vec<u16>]) -> Self {
        let mut steps = Vec::with_capacity(deleted.len() + 8);
        for (gap, put_in) in inserted.iter().enumerate() {
            steps.extend(put_in.iter().map(|unit| Step::Insert(*unit)));
            steps.extend(deleted.get(gap).map(|gone| if *gone { Step::Delete } else { Step::Keep }));
        }
        Self { steps }
    }

    /// One piece on a text of `length` units.
    pub(super) fn of_piece(length: usize, piece: &Piece) -> Self {
        let mut steps = vec![Step::Keep; piece.position];
        steps.extend(piece.inserted.iter().map(|unit| Step::Insert(*unit)));
        steps.resize(steps.len() + piece.deleted, Step::Delete);
        steps.resize(steps.len() + length - piece.position - piece.deleted, Step::Keep);
        Self { steps }
    }

    /// What makes `after` of `before`: all between their common ends.
    pub(super) fn between(before: &[u16], after: &[u16]) -> Self {
        let splits = |text: &[u16], at: usize| text.get(at).is_some_and(|unit| (0xDC00..0xE000).contains(unit));
        let mut start = before.iter().zip(after).take_while(|(a, b)| a == b).count();
        if splits(before, start) || splits(after, start) {
            start -= 1;
        }
        let (old, new) = (&before[start..], &after[start..]);
        let mut end = old.iter().rev().zip(new.iter().rev()).take_while(|(a, b)| a == b).count();
        if splits(old, old.len() - end) || splits(new, new.len() - end) {
            end -= 1;
        }
        let piece = Piece { position: start, deleted: old.len() - end, inserted: new[..new.len() - end].to_vec() };
        Self::of_piece(before.len(), &piece)
    }

    /// The text after it.
    pub(super) fn apply(&self, text: &[u16]) -> Vec<u16> {
        assert_eq!(self.length_before(), text.len(), "a change is made for a text of its length");
        let mut units = text.iter();
        let mut after = Vec::with_capacity(self.steps.len());
        for step in &self.steps {
            match step {
                Step::Keep => after.extend(units.next()),
                Step::Delete => drop(units.next()),
                Step::Insert(unit) => after.push(*unit),
            }
        }
        after
    }

    /// What of `text` it deletes.
    pub(super) fn deleted_of(&self, text: &[u16]) -> Vec<u16> {
        let over_text = self.steps.iter().filter(|step| !matches!(step, Step::Insert(_)));
        over_text.zip(text).filter(|(step, _)| **step == Step::Delete).map(|(_, unit)| *unit).collect()
    }

    fn length_before(&self) -> usize {
        self.steps.iter().filter(|step| !matches!(step, Step::Insert(_))).count()
    }

    /// The same change for the text after `other`; at one place what `is_first` of the two stays left.
    pub(super) fn over(&self, other: &Self, is_first: bool) -> Self {
        assert_eq!(self.length_before(), other.length_before(), "both are made for one text");
        let mut steps = Vec::with_capacity(self.steps.len() + other.steps.len());
        let (mut own, mut others) = (self.steps.iter().peekable(), other.steps.iter().peekable());
        let put_in = |step: &&Step| matches!(step, Step::Insert(_));
        loop {
            if is_first {
                steps.extend(std::iter::from_fn(|| own.next_if(put_in)).copied());
            }
            steps.extend(std::iter::from_fn(|| others.next_if(put_in)).map(|_| Step::Keep));
            steps.extend(std::iter::from_fn(|| own.next_if(put_in)).copied());
            let (Some(own), Some(others)) = (own.next(), others.next()) else { break };
            if *others == Step::Keep {
                steps.push(*own);
            }
        }
        Self { steps }
    }

    /// Whether both do the same, whatever follows behind the last place they touch.
    pub(super) fn does_as(&self, other: &Self) -> bool {
        self.touched() == other.touched()
    }

    fn touched(&self) -> &[Step] {
        let end = self.steps.iter().rposition(|step| *step != Step::Keep);
        &self.steps[..end.map_or(0, |last| last + 1)]
    }

    /// Its places from left to right. What is put in behind something deleted is a place of its own.
    pub(super) fn pieces(&self) -> Vec<Piece> {
        let mut pieces: Vec<Piece> = Vec::new();
        let mut position = 0;
        let mut last = Step::Keep;
        for step in &self.steps {
            let goes_on = match (last, step) {
                (Step::Keep, _) | (Step::Delete, Step::Insert(_)) => false,
                (Step::Delete | Step::Insert(_), _) => true,
            };
            if !goes_on && *step != Step::Keep {
                pieces.push(Piece { position, ..Piece::default() });
            }
            if let Some(piece) = pieces.last_mut() {
                match step {
                    Step::Insert(unit) => piece.inserted.push(*unit),
                    Step::Delete => piece.deleted += 1,
                    Step::Keep => {}
                }
            }
            position += usize::from(!matches!(step, Step::Insert(_)));
            last = *step;
        }
        pieces
    }

    /// Where a place of the text before is in the text after; what is put in at that very place comes left of it
    /// where `goes_right`.
    pub(super) fn map(&self, place: usize, goes_right: bool) -> usize {
        let (mut before, mut after) = (0, 0);
        for step in &self.steps {
            let is_insert = matches!(step, Step::Insert(_));
            if before > place || (before == place && !(is_insert && goes_right)) {
                break;
            }
            before += usize::from(!is_insert);
            after += usize::from(*step != Step::Delete);
        }
        after
    }
}
