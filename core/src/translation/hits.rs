//! The best texts found so far, and how far the next may be from the one that is looked up.

use super::SourceId;

/// A text that is similar to the one looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit {
    /// Which.
    pub source: SourceId,
    /// The Levenshtein distance of both folded texts, in Unicode scalar values.
    pub distance: u32,
    /// The length of the longer of both.
    pub longer: u32,
}

impl Hit {
    /// `1 - distance / longer`: 1 for equal texts, 0 for those that have nothing in common.
    #[must_use]
    pub fn similarity(&self) -> f64 {
        1.0 - f64::from(self.distance) / f64::from(self.longer)
    }

    /// Whether it is more similar, which is told without rounding.
    const fn is_before(&self, other: &Self) -> bool {
        (self.distance as u64) * (other.longer as u64) < (other.distance as u64) * (self.longer as u64)
    }
}

/// The largest distance at which a text is still so similar.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "0 to a text's length"
)]
fn distance_max(longer: usize, min_similarity: f64) -> usize {
    let longer_float = longer as f64;
    let mut distance = ((1.0 - min_similarity) * longer_float) as usize;
    // What is asked for is what `Hit::similarity` says, however that is rounded.
    while distance < longer && 1.0 - (distance + 1) as f64 / longer_float >= min_similarity {
        distance += 1;
    }
    while distance > 0 && 1.0 - distance as f64 / longer_float < min_similarity {
        distance -= 1;
    }
    distance
}

/// So many of the most similar texts, the most similar first.
#[derive(Debug)]
pub(super) struct Best {
    min_similarity: f64,
    /// How many are wanted, at least one.
    wanted: usize,
    hits: Vec<Hit>,
}

impl Best {
    pub(super) fn new(min_similarity: f64, wanted: usize) -> Self {
        Self { min_similarity, wanted, hits: Vec::with_capacity(wanted + 1) }
    }

    /// How far a text may be to be among the best, if the longer of both is so long. `None`: no
    /// text is good enough.
    pub(super) fn limit(&self, longer: usize) -> Option<usize> {
        match self.hits.last() {
            Some(last) if self.hits.len() == self.wanted => {
                let before = (last.distance as usize * longer).checked_sub(1)?;
                Some(before / last.longer as usize)
            }
            _ => Some(distance_max(longer, self.min_similarity)),
        }
    }

    /// Takes a text within [`Self::limit`].
    pub(super) fn insert(&mut self, hit: Hit) {
        let place = self.hits.partition_point(|other| !hit.is_before(other));
        self.hits.insert(place, hit);
        self.hits.truncate(self.wanted);
    }

    pub(super) fn into_hits(self) -> Vec<Hit> {
        self.hits
    }
}
