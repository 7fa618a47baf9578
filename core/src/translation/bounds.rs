//! Bounds on the distance of two texts from what is counted of them, cheap enough to be asked of every text.
//!
//! An edit changes at most one letter into another, takes one away or adds one. So two texts are at least as
//! far apart as the longer one has letters that the other has not, counted with their number. The same holds for
//! pairs of neighbours (bigrams), of which an edit changes at most two. What is counted goes into a few
//! *buckets*, by class or by hash, up to the largest count that fits: both make a bound lower, never wrong.
//!
//! In real texts edits come together, in words: a word of `c` characters changes `c + 1` bigrams, hardly more
//! than one an edit. [`Mode::Fast`](super::Mode::Fast) counts on that, which is far sharper and sometimes wrong.

use multiversion::multiversion;

/// Buckets for letters, a byte each.
pub(super) const LETTERS: usize = 32;

/// How often letters are in a text.
pub(super) fn letters(classes: &[u8]) -> [u8; LETTERS] {
    let mut counts = [0_u8; LETTERS];
    for class in classes {
        let count = &mut counts[usize::from(*class) % LETTERS];
        *count = count.saturating_add(1);
    }
    counts
}

/// The largest count of a bigram: half a byte.
const BIGRAMS_MAX: u8 = 15;

/// Counts a text's bigrams: two buckets a byte of `counts`, of which there are as many as one of [`SIZES`].
pub(super) fn count_bigrams(classes: &[u8], counts: &mut [u8]) {
    match counts.len() {
        32 => count_in::<64>(classes, counts),
        64 => count_in::<128>(classes, counts),
        128 => count_in::<256>(classes, counts),
        _ => count_in::<512>(classes, counts),
    }
}

/// The same for two sets of counts at once: the second may be empty, and has twice as many bytes as the first else.
pub(super) fn count_bigrams_twice(classes: &[u8], coarse: &mut [u8], fine: &mut [u8]) {
    if fine.is_empty() {
        return count_bigrams(classes, coarse);
    }
    count_bigrams(classes, fine);
    // A bucket of the coarse counts is two of the fine ones, which are in one byte.
    let both = |byte: u8| (byte & BIGRAMS_MAX) + (byte >> 4);
    let (low, high) = fine.split_at(coarse.len());
    pack(low.iter().copied().map(both), high.iter().copied().map(both), coarse);
}

/// Counts in a byte each, `BUCKETS` being a power of two, and then in half a byte.
fn count_in<const BUCKETS: usize>(classes: &[u8], counts: &mut [u8]) {
    let mut buckets = [0_u8; BUCKETS];
    for hash in hashes(classes) {
        let bucket = &mut buckets[hash % BUCKETS];
        *bucket = bucket.saturating_add(1);
    }
    let (low, high) = buckets.split_at(BUCKETS / 2);
    pack(low.iter().copied(), high.iter().copied(), counts);
}

/// Puts two counts into each byte, up to [`BIGRAMS_MAX`].
fn pack(low: impl Iterator<Item = u8>, high: impl Iterator<Item = u8>, counts: &mut [u8]) {
    for ((count, low), high) in counts.iter_mut().zip(low).zip(high) {
        *count = low.min(BIGRAMS_MAX) | high.min(BIGRAMS_MAX) << 4;
    }
}

/// The hashes of a text's bigrams.
fn hashes(classes: &[u8]) -> impl Iterator<Item = usize> {
    classes
        .iter()
        .zip(classes.iter().skip(1))
        .map(|(one, next)| ((u32::from(*one) << 8 | u32::from(*next)).wrapping_mul(0x9E37_79B1) >> 16) as usize)
}

/// How many bytes the counts of bigrams take for a text: those that all texts are asked by, and more
/// buckets for what passes. About one bucket for each bigram tells unrelated texts apart.
pub(super) const fn bigram_bytes(length: usize) -> (usize, usize) {
    match length {
        0..64 => (32, 0),
        64..160 => (32, 64),
        160..400 => (64, 128),
        _ => (128, 256),
    }
}

/// The sizes that [`bigram_bytes`] gives, one after another.
const SIZES: [usize; 4] = [32, 64, 128, 256];

/// What is counted of the text that is looked up.
#[derive(Debug)]
pub(super) struct Counts {
    letters: [u8; LETTERS],
    /// For each of [`SIZES`], in its place of the same number.
    bigrams: [u8; 512],
}

impl Counts {
    pub(super) fn new(classes: &[u8]) -> Self {
        let mut bigrams = [0; 512];
        for size in SIZES {
            count_bigrams(classes, &mut bigrams[size..2 * size]);
        }
        Self { letters: letters(classes), bigrams }
    }

    /// Which of the texts are not too far by their letters: `rows` has a count for each of them.
    pub(super) fn by_letters(&self, rows: &[u8], longer: Longer, limit: usize, found: &mut Vec<u32>) {
        by_letters(rows, &self.letters, longer, limit, found);
    }

    /// Which of the texts have at most `limit` bigrams too many: `rows` has `bytes` for each of them.
    pub(super) fn by_bigrams(&self, rows: &[u8], bytes: usize, longer: Longer, limit: usize, found: &mut Vec<u32>) {
        by_bigrams(rows, &self.bigrams[bytes..2 * bytes], longer, limit, found);
    }

    /// Leaves those of the found that have at most `limit` bigrams too many.
    pub(super) fn retain_by_bigrams(
        &self,
        rows: &[u8],
        bytes: usize,
        longer: Longer,
        limit: usize,
        found: &mut Vec<u32>,
    ) {
        retain_by_bigrams(rows, &self.bigrams[bytes..2 * bytes], longer, limit, found);
    }
}

/// Which text is the longer one: what the other has not is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Longer {
    Asked,
    Kept,
}

/// What the longer text has more often, over all buckets.
#[inline(always)]
fn excess<const B: usize>(longer: &[u8; B], other: &[u8; B]) -> usize {
    longer.iter().zip(other).map(|(longer, other)| u32::from(longer.saturating_sub(*other))).sum::<u32>() as usize
}

/// The same for counts of half a byte. There are at most 256 bytes, so no sum of a lane passes 240.
#[inline(always)]
fn excess_halves<const B: usize>(longer: &[u8; B], other: &[u8; B]) -> usize {
    let mut sums = [0_u8; 32];
    let (longer, _) = longer.as_chunks::<32>();
    let (other, _) = other.as_chunks::<32>();
    for (longer, other) in longer.iter().zip(other) {
        for lane in 0..32 {
            let low = (longer[lane] & 15).saturating_sub(other[lane] & 15);
            let high = (longer[lane] >> 4).saturating_sub(other[lane] >> 4);
            sums[lane] += low + high;
        }
    }
    sums.iter().map(|&sum| u32::from(sum)).sum::<u32>() as usize
}

/// Vectors are only made of what stands in one function with its loop, so there are no closures here.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx2", "x86_64+avx2", "x86_64+sse4.2"))]
fn by_letters(rows: &[u8], asked: &[u8; LETTERS], longer: Longer, limit: usize, found: &mut Vec<u32>) {
    let (rows, _) = rows.as_chunks::<LETTERS>();
    found.resize(rows.len(), 0);
    let mut count = 0;
    for (number, row) in (0..).zip(rows) {
        let excess = if longer == Longer::Asked { excess(asked, row) } else { excess(row, asked) };
        // Without a branch: which rows pass cannot be foreseen.
        found[count] = number;
        count += usize::from(excess <= limit);
    }
    found.truncate(count);
}

#[inline(always)]
fn scan<const B: usize>(rows: &[u8], asked: &[u8], longer: Longer, limit: usize, found: &mut Vec<u32>) {
    let (Ok(asked), (rows, _)) = (asked.try_into(), rows.as_chunks::<B>()) else { return };
    found.resize(rows.len(), 0);
    let mut count = 0;
    for (number, row) in (0..).zip(rows) {
        let excess = if longer == Longer::Asked { excess_halves(asked, row) } else { excess_halves(row, asked) };
        found[count] = number;
        count += usize::from(excess <= limit);
    }
    found.truncate(count);
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx2", "x86_64+avx2", "x86_64+sse4.2"))]
fn by_bigrams(rows: &[u8], asked: &[u8], longer: Longer, limit: usize, found: &mut Vec<u32>) {
    match asked.len() {
        32 => scan::<32>(rows, asked, longer, limit, found),
        64 => scan::<64>(rows, asked, longer, limit, found),
        128 => scan::<128>(rows, asked, longer, limit, found),
        _ => scan::<256>(rows, asked, longer, limit, found),
    }
}

#[inline(always)]
fn select<const B: usize>(rows: &[u8], asked: &[u8], longer: Longer, limit: usize, found: &mut Vec<u32>) {
    let (Ok(asked), (rows, _)) = (asked.try_into(), rows.as_chunks::<B>()) else { return };
    let mut count = 0;
    for index in 0..found.len() {
        let row = &rows[found[index] as usize];
        let excess = if longer == Longer::Asked { excess_halves::<B>(asked, row) } else { excess_halves(row, asked) };
        found[count] = found[index];
        count += usize::from(excess <= limit);
    }
    found.truncate(count);
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx2", "x86_64+avx2", "x86_64+sse4.2"))]
fn retain_by_bigrams(rows: &[u8], asked: &[u8], longer: Longer, limit: usize, found: &mut Vec<u32>) {
    match asked.len() {
        32 => select::<32>(rows, asked, longer, limit, found),
        64 => select::<64>(rows, asked, longer, limit, found),
        128 => select::<128>(rows, asked, longer, limit, found),
        _ => select::<256>(rows, asked, longer, limit, found),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    /// Bigram by bigram, with all of each that there are.
    fn counted(classes: &[u8], bytes: usize) -> Vec<u8> {
        let mut buckets: HashMap<usize, usize> = HashMap::new();
        hashes(classes).for_each(|hash| *buckets.entry(hash % (2 * bytes)).or_default() += 1);
        let count = |bucket| u8::try_from(*buckets.get(&bucket).unwrap_or(&0)).unwrap_or(u8::MAX).min(BIGRAMS_MAX);
        (0..bytes).map(|byte| count(byte) + 16 * count(byte + bytes)).collect()
    }

    proptest! {
        #[test]
        fn bigrams_are_counted_in_all_sizes(classes in prop_oneof![
            "[a-c ]{0,700}".prop_map(String::into_bytes),
            "a{0,700}".prop_map(String::into_bytes),
            prop::collection::vec(any::<u8>(), 0..700),
        ]) {
            for bytes in SIZES {
                let mut counts = vec![0; bytes];
                count_bigrams(&classes, &mut counts);
                prop_assert_eq!(&counts, &counted(&classes, bytes));
                if bytes < 256 {
                    let (mut coarse, mut fine) = (counts, vec![0; 2 * bytes]);
                    coarse.fill(0);
                    count_bigrams_twice(&classes, &mut coarse, &mut fine);
                    prop_assert_eq!((coarse, fine), (counted(&classes, bytes), counted(&classes, 2 * bytes)));
                }
            }
        }

        #[test]
        fn fine_counts_are_twice_as_many(length in 0_usize..2_000) {
            let (coarse, fine) = bigram_bytes(length);
            prop_assert!(fine == 0 || fine == 2 * coarse);
            prop_assert!(SIZES.contains(&coarse));
        }
    }
}
