//! Several operations as one.
//!
//! An operation is composed as *pieces*: edits of which several may insert at one position, and whose texts
//! lie anywhere in one common string. So texts are copied twice in all, on the way in and on the way out,
//! and not for each operation that comes after them. Runs of pieces are merged two by two, then the results
//! two by two and so on: `n` edits take `n log n` steps, where one after the other would take `n²`.

use std::hint::select_unpredictable;

use super::operation::{Edit, EditList, Operation, OperationRef};

/// Bytes of text to gather before what was deleted again is thrown away; positions in it are 32 bits wide.
const TEXTS_BYTES_MAX: usize = 64 << 20;

/// The operation that does what `first` and then `second` do; `second` was made against the text after `first`.
///
/// A text of `second` comes to stand directly after the unit to its left in the text between the two: before
/// anything that `first` deleted there. What `first` inserted and `second` deleted vanishes. With that rule
/// composing is associative.
///
/// # Panics
/// `second` splits a surrogate pair that `first` inserted.
#[must_use]
pub fn compose<'a, 'b>(first: impl Into<OperationRef<'a>>, second: impl Into<OperationRef<'b>>) -> Operation {
    let mut composition = Composition::new(TEXTS_BYTES_MAX);
    composition.push(first.into());
    composition.push(second.into());
    composition.finish()
}

/// The operation that does what all of `operations` do in turn; each was made against the text after those
/// before it. It equals [`compose`] applied from either end, and takes `n log n` steps.
///
/// # Panics
/// An operation splits a surrogate pair that one before it inserted.
#[must_use]
pub fn compose_all<'a, O: Into<OperationRef<'a>>>(operations: impl IntoIterator<Item = O>) -> Operation {
    let mut composition = Composition::new(TEXTS_BYTES_MAX);
    operations.into_iter().for_each(|operation| composition.push(operation.into()));
    composition.finish()
}

/// Operations that are being composed.
struct Composition {
    /// The texts of all pieces; the last run's are the last ones in it, if it has one piece.
    texts: String,
    texts_bytes_max: usize,
    /// The pieces of all runs, one run after the other; each run was made against the text after those before.
    pieces: Vec<Edit>,
    /// Where each run ends in `pieces`.
    ends: Vec<usize>,
}

impl Composition {
    const fn new(texts_bytes_max: usize) -> Self {
        Self { texts: String::new(), texts_bytes_max, pieces: Vec::new(), ends: Vec::new() }
    }

    /// Adds the next operation.
    fn push(&mut self, operation: OperationRef<'_>) {
        if operation.is_empty() {
            return;
        }
        if self.texts.len() + operation.text().len() > self.texts_bytes_max {
            self.condense();
        }
        if let [edit] = operation.edits()
            && self.extend_last(*edit, operation.text())
        {
            return;
        }
        let base = offset(self.texts.len());
        self.texts.push_str(operation.text());
        let pieces = operation.edits().iter().map(|edit| Edit { text_start: base + edit.text_start, ..*edit });
        self.pieces.extend(pieces);
        self.ends.push(self.pieces.len());
    }

    /// Joins `next` with the last run, if that is one piece whose text (or place) it touches with its right
    /// end: somebody types, or takes back what they typed. Whether it did.
    fn extend_last(&mut self, next: Edit, text: &str) -> bool {
        let last_start = self.ends.len().checked_sub(2).map_or(0, |before| self.ends[before]);
        let [last] = &mut self.pieces[last_start..] else { return false };
        let last_end = last.position + last.inserted;
        if next.position > last_end || next.end() < last_end {
            return false;
        }
        let kept = next.position.saturating_sub(last.position);
        if kept == 0 {
            self.texts.truncate(last.text_start as usize);
        } else {
            truncate_utf16(&mut self.texts, last.inserted - kept);
        }
        self.texts.push_str(text);
        last.deleted += next.end() - last_end + last.position.saturating_sub(next.position);
        last.position = last.position.min(next.position);
        last.inserted = kept + next.inserted;
        true
    }

    /// Makes one run of all, and forgets the texts that nobody sees any more.
    fn condense(&mut self) {
        let whole = std::mem::replace(self, Self::new(self.texts_bytes_max)).finish();
        self.pieces = whole.edits().to_vec();
        self.ends.push(self.pieces.len());
        self.texts = whole.into_text();
        // So that it is not done for every operation where that much text stays.
        self.texts_bytes_max = self.texts_bytes_max.max(2 * self.texts.len());
    }

    /// All operations as one.
    fn finish(mut self) -> Operation {
        let (mut merged, mut merged_ends) = (Vec::new(), Vec::new());
        while self.ends.len() > 1 {
            merged.clear();
            merged_ends.clear();
            let mut start = 0;
            for ends in self.ends.chunks(2) {
                let middle = ends[0];
                let end = ends.last().copied().unwrap_or(middle);
                let (first, second) = self.pieces[start..end].split_at_mut(middle - start);
                merge(first, second, &self.texts, &mut merged);
                merged_ends.push(merged.len());
                start = end;
            }
            std::mem::swap(&mut self.pieces, &mut merged);
            std::mem::swap(&mut self.ends, &mut merged_ends);
        }
        to_operation(&self.pieces, &self.texts)
    }
}

/// Appends the pieces that do what `first` and then `second` do; of `first` nothing is left to be used again.
fn merge(first: &mut [Edit], second: &[Edit], texts: &str, into: &mut Vec<Edit>) {
    into.reserve(first.len() + second.len());
    let run_start = into.len();
    let mut walk = Merge { first, passed: 0, shift: 0, texts, into, run_start };
    let mut rest = second;
    loop {
        rest = walk.pass_apart(rest);
        let [piece, behind @ ..] = rest else { break };
        walk.keep_to(piece.position);
        walk.put(Edit { position: piece.position.wrapping_sub(walk.shift), deleted: 0, ..*piece });
        walk.delete(piece.position, piece.deleted);
        rest = behind;
    }
    walk.into.extend_from_slice(&walk.first[walk.passed..]);
}

/// Merges pieces of both operations as long as they lie apart; returns how many it took of each, and the
/// shift behind them.
///
/// Whose piece comes next cannot be predicted, so there is no branch on it. Inlined into the rest of the
/// walk it would run out of registers, and take twice as long.
#[inline(never)]
fn merge_apart(first: &[Edit], second: &[Edit], mut shift: u32, into: &mut Vec<Edit>) -> (usize, usize, u32) {
    let (mut first_passed, mut second_passed) = (0, 0);
    while let (Some(head), Some(piece)) = (first.get(first_passed), second.get(second_passed)) {
        let at = head.position.wrapping_add(shift);
        let head_is_left = at < piece.position;
        let left_end = select_unpredictable(head_is_left, at.wrapping_add(head.inserted), piece.end());
        if at.max(piece.position) <= left_end {
            break;
        }
        let mut left = *select_unpredictable(head_is_left, head, piece);
        left.position = left.position.wrapping_sub(select_unpredictable(head_is_left, 0, shift));
        into.push(left);
        let longer = head.inserted.wrapping_sub(head.deleted);
        shift = shift.wrapping_add(select_unpredictable(head_is_left, longer, 0));
        first_passed += usize::from(head_is_left);
        second_passed += usize::from(!head_is_left);
    }
    (first_passed, second_passed, shift)
}

/// A walk along the text between two operations.
struct Merge<'a> {
    /// The pieces of the first operation; what we have passed of a text is cut off.
    first: &'a mut [Edit],
    /// How many of them we have passed. The next one is the head.
    passed: usize,
    /// By how much a position in the text between, from here to the head, is greater than in the text before.
    shift: u32,
    texts: &'a str,
    into: &'a mut Vec<Edit>,
    /// Where the pieces made here begin in `into`.
    run_start: usize,
}

impl Merge<'_> {
    /// Passes pieces of both operations as long as they lie apart; returns what is left of `second`.
    fn pass_apart<'b>(&mut self, second: &'b [Edit]) -> &'b [Edit] {
        let (passed, second_passed, shift) = merge_apart(&self.first[self.passed..], second, self.shift, self.into);
        self.passed += passed;
        self.shift = shift;
        &second[second_passed..]
    }

    /// Goes to `to` in the text between, not past what the first operation deleted there.
    fn keep_to(&mut self, to: u32) {
        while let Some(&head) = self.first.get(self.passed) {
            let at = head.position.wrapping_add(self.shift);
            if at >= to {
                return;
            }
            if at + head.inserted >= to {
                let kept = self.cut_head(to - at);
                self.put(kept);
                return;
            }
            self.put(head);
            self.shift = self.shift.wrapping_add(head.inserted).wrapping_sub(head.deleted);
            self.passed += 1;
        }
    }

    /// Leaves out `count` units of the text between from `at` on, where we are.
    fn delete(&mut self, mut at: u32, count: u32) {
        let end = at + count;
        while at < end {
            let Some(&head) = self.first.get(self.passed) else {
                self.put_deletion(at.wrapping_sub(self.shift), end - at);
                return;
            };
            let stop = head.position.wrapping_add(self.shift).min(end);
            self.put_deletion(at.wrapping_sub(self.shift), stop - at);
            let vanished = head.inserted.min(end - stop);
            self.cut_head(vanished);
            at = stop + vanished;
            if at < end {
                self.put_deletion(head.position, head.deleted);
                self.shift = self.shift.wrapping_sub(head.deleted);
                self.passed += 1;
            }
        }
    }

    /// Takes the first `count` units off the head's text.
    fn cut_head(&mut self, count: u32) -> Edit {
        let head = &mut self.first[self.passed];
        let cut = Edit { inserted: count, deleted: 0, ..*head };
        head.inserted -= count;
        head.text_start += bytes_of(self.texts, cut);
        self.shift = self.shift.wrapping_add(count);
        cut
    }

    fn put(&mut self, piece: Edit) {
        if piece.inserted > 0 {
            self.into.push(piece);
        } else {
            self.put_deletion(piece.position, piece.deleted);
        }
    }

    fn put_deletion(&mut self, position: u32, deleted: u32) {
        match self.into[self.run_start..].last_mut() {
            _ if deleted == 0 => {}
            Some(last) if last.end() == position => last.deleted += deleted,
            _ => self.into.push(Edit { position, deleted, inserted: 0, text_start: 0 }),
        }
    }
}

/// Pieces as a canonical operation with a text of its own.
fn to_operation(pieces: &[Edit], texts: &str) -> Operation {
    let mut edits = EditList::default();
    let mut text = String::new();
    for piece in pieces {
        let start = piece.text_start as usize;
        if piece.inserted > 0 {
            edits.insert(piece.position, piece.inserted, offset(text.len()));
            text.push_str(&texts[start..start + bytes_of(texts, *piece) as usize]);
        }
        if piece.deleted > 0 {
            edits.delete(piece.position, piece.deleted, offset(text.len()));
        }
    }
    Operation::from_known_parts(edits.finish(), text)
}

/// How many bytes the text of a piece takes.
fn bytes_of(texts: &str, piece: Edit) -> u32 {
    let rest = &texts[piece.text_start as usize..];
    let units = piece.inserted as usize;
    // As good as always.
    if rest.as_bytes().get(..units).is_some_and(<[u8]>::is_ascii) {
        return piece.inserted;
    }
    let mut left = units;
    let mut characters = rest.chars();
    while left > 0 {
        let character_units = characters.next().map_or(0, char::len_utf16);
        assert!((1..=left).contains(&character_units), "an operation splits a surrogate pair");
        left -= character_units;
    }
    offset(rest.len() - characters.as_str().len())
}

#[expect(clippy::cast_possible_truncation, reason = "texts are bounded far below 4 GiB by the document's size limit")]
const fn offset(bytes: usize) -> u32 {
    bytes as u32
}

/// Takes the last `units` UTF-16 code units off `text`.
fn truncate_utf16(text: &mut String, units: u32) {
    let mut left = units as usize;
    let mut end = text.len();
    for (at, character) in text.char_indices().rev() {
        if left == 0 {
            break;
        }
        assert!(character.len_utf16() <= left, "an operation splits a surrogate pair");
        left -= character.len_utf16();
        end = at;
    }
    text.truncate(end);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ot::OperationBuilder;

    fn operation(position: u32, deleted: u32, text: &str) -> Operation {
        let mut builder = OperationBuilder::default();
        builder.insert(position, text);
        builder.delete(position, deleted);
        builder.finish()
    }

    /// All of `operations`, with what was deleted again thrown away as soon as there are so many bytes.
    fn compose_within(operations: &[Operation], texts_bytes_max: usize) -> (Operation, usize) {
        let mut composition = Composition::new(texts_bytes_max);
        let mut bytes_seen_max = 0;
        for operation in operations {
            composition.push(operation.view());
            bytes_seen_max = bytes_seen_max.max(composition.texts.len());
        }
        (composition.finish(), bytes_seen_max)
    }

    #[test]
    fn throwing_away_what_nobody_sees_changes_nothing() {
        let texts = ["x", "\u{20AC}y", "", "zzz"];
        let places = (0_u32..500).map(|index| (index.wrapping_mul(0x9E37_79B9) >> 20, index));
        let operations: Vec<Operation> =
            places.map(|(place, index)| operation(place % 97, index % 5, texts[place as usize % 4])).collect();
        let whole = compose_all(&operations);
        for texts_bytes_max in [0, 1, 50, 300, 1_000] {
            assert_eq!(compose_within(&operations, texts_bytes_max).0, whole, "{texts_bytes_max}");
        }
    }

    #[test]
    fn what_is_replaced_over_and_over_is_not_gathered() {
        // Replaced at the left end of a text that stays, so that no two join at once.
        let paste = "a paste of thirty characters, ";
        let replace = |index: u32| [operation(90, 0, "b"), operation(0, if index == 0 { 0 } else { 30 }, paste)];
        let operations: Vec<Operation> = (0..1_000).flat_map(replace).collect();
        let (whole, bytes) = compose_within(&operations, 200);
        assert_eq!(whole.text().len(), paste.len() + 1_000);
        assert!(bytes < 2 * (paste.len() + 1_000) + 200, "of 31,000 bytes {bytes} are there at once");
    }
}
