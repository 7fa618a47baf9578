//! The Levenshtein distance of one text to many, eight at a time.
//!
//! The columns of the matrix are computed as bit vectors, 64 rows a word: Myers, *A fast bit-vector
//! algorithm for approximate string matching based on dynamic programming*, J. ACM 46 (1999), in the form
//! for words that follow one another of Hyyrö, *A bit-vector algorithm for computing Levenshtein and
//! Damerau edit distances*, Nordic J. Computing 10 (2003). Eight texts of one length go through it side by
//! side, a text in each lane of a vector. The code names no instruction: the compiler makes vectors of it, once
//! for each kind of CPU, and the kind is looked up at run time.
//!
//! Two things spare most of the work, for a limit of `k` edits between lengths `n` and `m`:
//!
//! - The band (Ukkonen 1985): a way through the matrix of cost ≤ k never leaves the diagonals from
//!   `-(k + m - n) / 2` to `(k + n - m) / 2`, rows less columns. Words outside are not computed; at its edges
//!   values are taken too high, never too low.
//! - Along a diagonal no value is lower than those before it. So as soon as one on the diagonal that ends in
//!   the last cell is above `k`, the text is out. Unrelated texts are after less than half of their columns.

use multiversion::multiversion;

use super::fold::Folded;

/// Texts that are compared at once.
pub(super) const LANES: usize = 8;

/// After so many columns the band moves, and it is looked who is out.
const COLUMNS: usize = 16;

/// One value for each text.
type Lanes = [u64; LANES];

/// A text prepared to be compared with many.
#[derive(Debug)]
pub(super) struct Pattern {
    chars: Vec<char>,
    classes: Vec<u8>,
    /// For each 64 rows, which of them have a character of this class.
    masks: Vec<[u64; 256]>,
}

impl Pattern {
    pub(super) fn new(text: &Folded) -> Self {
        let chars = text.as_str().chars().collect();
        let classes = text.classes();
        let masks = masks(&classes);
        Self { chars, classes, masks }
    }

    pub(super) fn classes(&self) -> &[u8] {
        &self.classes
    }

    pub(super) fn len(&self) -> usize {
        self.classes.len()
    }

    /// The distance to a text character by character, for those where several share a class.
    pub(super) fn distance_to(&self, text: &str) -> usize {
        let mut row: Vec<usize> = (0..=self.chars.len()).collect();
        for (column, c) in text.chars().enumerate() {
            let mut diagonal = column;
            row[0] = column + 1;
            for (index, own) in self.chars.iter().enumerate() {
                let changed = diagonal + usize::from(c != *own);
                diagonal = row[index + 1];
                row[index + 1] = changed.min(diagonal + 1).min(row[index] + 1);
            }
        }
        row[self.chars.len()]
    }
}

/// Where each class stands.
fn masks(classes: &[u8]) -> Vec<[u64; 256]> {
    let mask = |rows: &[u8]| {
        let mut mask = [0; 256];
        for (row, &class) in rows.iter().enumerate() {
            mask[usize::from(class)] |= 1 << row;
        }
        mask
    };
    classes.chunks(64).map(mask).collect()
}

/// The vertical differences of 64 rows in each lane: where the value rises by one, and where it falls.
#[derive(Clone, Copy, Debug)]
struct Block {
    rises: Lanes,
    falls: Lanes,
}

impl Block {
    /// As in the first column, where each row is one above the last; and an upper bound anywhere.
    const NEW: Self = Self { rises: [u64::MAX; LANES], falls: [0; LANES] };

    /// What the value rises by over some of the rows, in one lane.
    #[inline(always)]
    fn rise(&self, lane: usize, rows: u64) -> i32 {
        let count = |bits: u64| (bits & rows).count_ones().cast_signed();
        count(self.rises[lane]) - count(self.falls[lane])
    }
}

/// What the kernel works in, kept from one call to the next.
#[derive(Debug, Default)]
pub(super) struct Workspace {
    blocks: Vec<Block>,
}

/// The horizontal differences of some columns along a row: 1 where the value rises, and where it falls.
struct Row {
    rises: [Lanes; COLUMNS],
    falls: [Lanes; COLUMNS],
}

/// 64 rows of one column: from `block` before it to after it, from the difference above to the one below.
#[inline(always)]
fn step(block: &mut Block, equal: Lanes, (rises, falls): (Lanes, Lanes)) -> (Lanes, Lanes) {
    let (mut rises_out, mut falls_out) = ([0; LANES], [0; LANES]);
    for lane in 0..LANES {
        let (up, down) = (block.rises[lane], block.falls[lane]);
        let vertical = equal[lane] | down;
        let same = equal[lane] | falls[lane];
        let horizontal = ((same & up).wrapping_add(up) ^ up) | same;
        let right = down | !(horizontal | up);
        let left = up & horizontal;
        rises_out[lane] = right >> 63;
        falls_out[lane] = left >> 63;
        let right = right << 1 | rises[lane];
        let left = left << 1 | falls[lane];
        block.rises[lane] = left | !(vertical | right);
        block.falls[lane] = right & vertical;
    }
    (rises_out, falls_out)
}

/// The classes of some columns, lane by lane.
type Columns = [[u8; COLUMNS]; LANES];

#[inline(always)]
fn columns_of(texts: &[&[u8]; LANES], from: usize, to: usize) -> Columns {
    std::array::from_fn(|lane| {
        let text = &texts[lane][from..to];
        // Of a known length a copy is an instruction.
        <[u8; COLUMNS]>::try_from(text).unwrap_or_else(|_| {
            let mut columns = [0; COLUMNS];
            columns[..text.len()].copy_from_slice(text);
            columns
        })
    })
}

/// The blocks of the band over some columns. Above the band the value rises in each column, as it does in
/// row 0, which is an upper bound anywhere else.
#[inline(always)]
fn advance(masks: &[[u64; 256]], columns: &Columns, count: usize, blocks: &mut [Block]) {
    let mut row = Row { rises: [[0; LANES]; COLUMNS], falls: [[0; LANES]; COLUMNS] };
    let mut above = true;
    for (masks, kept) in masks.iter().zip(blocks) {
        let mut block = *kept;
        for (column, (rises, falls)) in row.rises.iter_mut().zip(&mut row.falls).take(count).enumerate() {
            let equal = std::array::from_fn(|lane| masks[usize::from(columns[lane][column])]);
            let difference = if above { ([1; LANES], [0; LANES]) } else { (*rises, *falls) };
            (*rises, *falls) = step(&mut block, equal, difference);
        }
        *kept = block;
        above = false;
    }
}

/// The distances to texts of one length, where they are not above `limit`; `None` where they are.
///
/// Where several characters share a class the distance may be too low.
pub(super) fn distances(
    pattern: &Pattern,
    texts: &[&[u8]; LANES],
    limit: usize,
    workspace: &mut Workspace,
) -> [Option<u32>; LANES] {
    if pattern.len().abs_diff(texts[0].len()) > limit {
        return [None; LANES];
    }
    workspace.blocks.clear();
    workspace.blocks.resize(pattern.masks.len(), Block::NEW);
    banded(&pattern.masks, pattern.len(), texts, limit, &mut workspace.blocks)
}

#[multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx2+bmi1+bmi2+popcnt",
    "x86_64+avx2+bmi1+bmi2+popcnt",
    "x86_64+sse4.2+popcnt",
))]
fn banded(
    masks: &[[u64; 256]],
    rows: usize,
    texts: &[&[u8]; LANES],
    limit: usize,
    blocks: &mut [Block],
) -> [Option<u32>; LANES] {
    let length = texts[0].len();
    // How far the band reaches to both sides of the diagonal from the first cell.
    let below = (limit + rows - length) / 2;
    let above = (limit + length - rows) / 2;
    // The value above the first word of the band is this and one for each column.
    let mut base = [0_i32; LANES];
    let mut first = 0;
    let mut distances = [None; LANES];
    let mut column = 0;
    while column < length {
        while (first + 1) * 64 + above < column {
            for (lane, base) in base.iter_mut().enumerate() {
                *base += blocks[first].rise(lane, u64::MAX);
            }
            first += 1;
        }
        let end = (column + COLUMNS).min(length);
        let last = ((end + below) / 64 + 1).min(blocks.len());
        let columns = columns_of(texts, column, end);
        advance(&masks[first..last], &columns, end - column, &mut blocks[first..last]);
        column = end;
        // The row of the diagonal that ends in the last cell.
        let Some(row) = (column + rows).checked_sub(length) else { continue };
        let mut values = base;
        for block in &blocks[first..row / 64] {
            for (lane, value) in values.iter_mut().enumerate() {
                *value += block.rise(lane, u64::MAX);
            }
        }
        if let Some(block) = blocks.get(row / 64) {
            for (lane, value) in values.iter_mut().enumerate() {
                *value += block.rise(lane, (1 << (row % 64)) - 1);
            }
        }
        distances = values.map(|value| value.checked_add_unsigned(narrow(column)).map(i32::cast_unsigned));
        distances = distances.map(|value| value.filter(|&value| value <= narrow(limit)));
        if distances == [None; LANES] {
            return distances;
        }
    }
    distances
}

/// No text is longer than `TEXT_CHARS_MAX`.
#[expect(clippy::cast_possible_truncation, reason = "a length of a text, or a distance of two")]
const fn narrow(length: usize) -> u32 {
    length as u32
}
