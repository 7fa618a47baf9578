//! Confidence: how far a suggestion can be trusted, from what is known of it.
//!
//! ```text
//! confidence = similarity × quality - penalty, within 0 and 1, rounded to hundredths
//!
//! similarity     1       raw equal
//!                0.995   folded equal: nobody sees the difference in two figures
//!                0.98    equal but for numbers: what was put in has been seen by nobody
//!                s       fuzzy, as it is but 0.97 at most, so that what was not translated never counts as if it was
//!
//! quality        1 - 0.15 × unreviewed × unrated × unused × out_of_context
//!                0.15: what a translation is doubted by of which nothing is known; each fact takes a share of
//!                the doubt that is left, so any number of good facts comes near 1 and none passes it
//! unreviewed     1; reviewed 2/3
//! unrated        1 without a rating and for 3 or less; a quarter less for each star above, 1/2 for 5
//! unused         1 / (1 + uses / 7.5): 15 uses leave a third of the doubt, and more add ever less
//! out_of_context 1; the same document or section 0.3; between the same neighbours 0.2
//!
//! penalty        what place and state cost (0.02 for what all share where a project is asked for, 0.1 for what
//!                waits for a review), and 0.1 for each star below 3: use does not make good what a reader has called
//!                bad
//! ```
//!
//! With it come out the figures of the API's reference: an exact match, used 15 times, 0.95; a fuzzy one of similarity
//! 0.92 that matches its context 0.88; a submission that is reviewed and rated 5, 0.95.

use std::cmp::Ordering;

use serde::Serialize;

use super::matching::Level;

/// Doubts in a translation of which nothing is known.
const DOUBT: f64 = 0.15;

/// A rating of one to five stars, or the mean of several.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct MeanRating(f64);

impl MeanRating {
    /// A rating, if it is from 1 to 5.
    #[must_use]
    pub fn new(stars: f64) -> Option<Self> {
        (1.0..=5.0).contains(&stars).then_some(Self(stars))
    }

    /// How many stars.
    #[must_use]
    pub const fn stars(self) -> f64 {
        self.0
    }
}

/// How what stands around a text is like what stood around the one that was translated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum ContextMatch {
    /// Not at all, or nothing is known of it.
    #[default]
    None,
    /// The document or the section is the same.
    Section,
    /// The segments before and after are the same.
    Neighbours,
}

/// What is known of a suggestion.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Evidence {
    /// How its source is like the text.
    pub level: Level,
    /// How similar both are, from 0 to 1; looked at where the level is [`Level::Fuzzy`].
    pub similarity: f64,
    /// Whether a reviewer has accepted it.
    pub reviewed: bool,
    /// How good its readers call it.
    pub rating: Option<MeanRating>,
    /// How often it was used.
    pub uses: u32,
    /// Whether it comes from a place like this.
    pub context: ContextMatch,
    /// What its place and its state cost, from 0 to 1: that it is everybody's, say, beside what is the project's.
    pub penalty: f64,
}

/// A confidence with the parts it is made of, which is what `explain` shows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Confidence {
    /// The confidence, from 0 to 1 in hundredths.
    #[serde(skip)]
    pub value: f64,
    /// What is counted of the similarity.
    pub similarity: f64,
    /// 1 less the doubts that are left.
    pub quality: f64,
    /// The share of the doubts that the review leaves.
    pub unreviewed: f64,
    /// The share that the rating leaves.
    pub unrated: f64,
    /// The share that the uses leave.
    pub unused: f64,
    /// The share that the context leaves.
    pub out_of_context: f64,
    /// What is taken away in the end.
    pub penalty: f64,
}

impl Confidence {
    /// What follows from all that is known. What is out of range counts as the end of the range that it is
    /// beyond, and what is no number as the worst.
    #[must_use]
    pub fn new(evidence: &Evidence) -> Self {
        let similarity = match evidence.level {
            Level::Raw => 1.0,
            Level::Folded => 0.995,
            Level::Numbers => 0.98,
            Level::Fuzzy => share(evidence.similarity, 0.0).min(0.97),
        };
        let stars = evidence.rating.map_or(3.0, MeanRating::stars);
        let unreviewed = if evidence.reviewed { 2.0 / 3.0 } else { 1.0 };
        let unrated = 1.0 - (stars - 3.0).max(0.0) / 4.0;
        let unused = 1.0 / (1.0 + f64::from(evidence.uses) / 7.5);
        let out_of_context = match evidence.context {
            ContextMatch::None => 1.0,
            ContextMatch::Section => 0.3,
            ContextMatch::Neighbours => 0.2,
        };
        let quality = 1.0 - DOUBT * unreviewed * unrated * unused * out_of_context;
        let penalty = share(evidence.penalty, 1.0) + (3.0 - stars).max(0.0) / 10.0;
        let value = (similarity * quality - penalty).clamp(0.0, 1.0);
        let value = (value * 100.0).round() / 100.0;
        Self { value, similarity, quality, unreviewed, unrated, unused, out_of_context, penalty }
    }
}

/// A number from 0 to 1, whatever was given.
const fn share(given: f64, worst: f64) -> f64 {
    if given.is_nan() { worst } else { given.clamp(0.0, 1.0) }
}

/// The order of two suggestions, the better one first: by level, so that nothing lifts a fuzzy match above
/// an exact one; then by confidence; then by what breaks ties: context, similarity, uses.
#[must_use]
pub fn compare(one: &Evidence, other: &Evidence) -> Ordering {
    let better = |of: fn(&Evidence) -> f64| of(other).total_cmp(&of(one));
    one.level
        .cmp(&other.level)
        .then_with(|| better(|evidence| Confidence::new(evidence).value))
        .then_with(|| other.context.cmp(&one.context))
        .then_with(|| better(|evidence| evidence.similarity))
        .then_with(|| other.uses.cmp(&one.uses))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const UNKNOWN: Evidence = Evidence {
        level: Level::Raw,
        similarity: 1.0,
        reviewed: false,
        rating: None,
        uses: 0,
        context: ContextMatch::None,
        penalty: 0.0,
    };

    fn check(evidence: Evidence, expected: f64) {
        let value = Confidence::new(&evidence).value;
        assert!((value - expected).abs() < 1e-9, "{value} instead of {expected}: {evidence:?}");
    }

    #[test]
    fn the_figures_of_the_reference() {
        for level in [Level::Raw, Level::Folded] {
            check(Evidence { level, uses: 15, ..UNKNOWN }, 0.95);
            check(Evidence { level, reviewed: true, rating: MeanRating::new(5.0), ..UNKNOWN }, 0.95);
        }
        let fuzzy = Evidence { level: Level::Fuzzy, similarity: 0.92, ..UNKNOWN };
        check(Evidence { context: ContextMatch::Section, ..fuzzy }, 0.88);
    }

    #[test]
    fn each_part_of_the_formula() {
        check(UNKNOWN, 0.85);
        check(Evidence { level: Level::Numbers, ..UNKNOWN }, 0.83);
        check(Evidence { reviewed: true, ..UNKNOWN }, 0.9);
        check(Evidence { rating: MeanRating::new(4.0), ..UNKNOWN }, 0.89);
        check(Evidence { rating: MeanRating::new(3.0), ..UNKNOWN }, 0.85);
        check(Evidence { rating: MeanRating::new(1.0), ..UNKNOWN }, 0.65);
        check(Evidence { context: ContextMatch::Neighbours, ..UNKNOWN }, 0.97);
        check(Evidence { penalty: 0.02, ..UNKNOWN }, 0.83);
        check(Evidence { penalty: 7.0, ..UNKNOWN }, 0.0);
        check(Evidence { penalty: f64::NAN, ..UNKNOWN }, 0.0);
        let fuzzy = Evidence { level: Level::Fuzzy, ..UNKNOWN };
        check(Evidence { uses: u32::MAX, ..fuzzy }, 0.97);
        check(Evidence { similarity: f64::NAN, ..fuzzy }, 0.0);
        check(Evidence { similarity: -1.0, ..fuzzy }, 0.0);
    }

    #[test]
    fn ratings_have_one_to_five_stars() {
        for wrong in [0.99, 5.01, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(MeanRating::new(wrong), None);
        }
        for right in [1.0, 4.5, 5.0] {
            assert_eq!(MeanRating::new(right).map(MeanRating::stars), Some(right));
        }
    }

    fn evidence() -> impl Strategy<Value = Evidence> {
        let level = prop::sample::select(vec![Level::Raw, Level::Folded, Level::Numbers, Level::Fuzzy]);
        let context = prop::sample::select(vec![ContextMatch::None, ContextMatch::Section, ContextMatch::Neighbours]);
        let rating = prop::option::of((1.0..=5.0).prop_map(|stars| MeanRating::new(stars).unwrap()));
        let uses = prop_oneof![0_u32..40, any::<u32>()];
        (level, 0.0..=1.0, any::<bool>(), rating, uses, context, 0.0..0.2_f64).prop_map(
            |(level, similarity, reviewed, rating, uses, context, penalty)| Evidence {
                level,
                similarity,
                reviewed,
                rating,
                uses,
                context,
                penalty,
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        /// The better of two facts, all else equal, never gives less.
        #[test]
        fn monotone_in_each(one in evidence(), other in evidence()) {
            let value = |evidence: &Evidence| Confidence::new(evidence).value;
            let stars = |rating: Option<MeanRating>| rating.map_or(3.0, MeanRating::stars);
            let worse_rating = if stars(one.rating) <= stars(other.rating) { one.rating } else { other.rating };
            let better_rating = if stars(one.rating) <= stars(other.rating) { other.rating } else { one.rating };
            let pairs = [
                (Evidence { level: one.level.max(other.level), ..one }, Evidence { level: one.level.min(other.level), ..one }),
                (Evidence { similarity: one.similarity.min(other.similarity), ..one }, Evidence { similarity: one.similarity.max(other.similarity), ..one }),
                (Evidence { reviewed: false, ..one }, Evidence { reviewed: true, ..one }),
                (Evidence { rating: worse_rating, ..one }, Evidence { rating: better_rating, ..one }),
                (Evidence { uses: one.uses.min(other.uses), ..one }, Evidence { uses: one.uses.max(other.uses), ..one }),
                (Evidence { context: one.context.min(other.context), ..one }, Evidence { context: one.context.max(other.context), ..one }),
                (Evidence { penalty: one.penalty.max(other.penalty), ..one }, Evidence { penalty: one.penalty.min(other.penalty), ..one }),
            ];
            for (worse, better) in pairs {
                prop_assert!(value(&worse) <= value(&better), "{worse:?} {better:?}");
                prop_assert_ne!(compare(&better, &worse), Ordering::Greater);
            }
        }

        /// What is explained is what was counted.
        #[test]
        fn the_parts_make_the_value(evidence in evidence()) {
            let found = Confidence::new(&evidence);
            let doubts = found.unreviewed * found.unrated * found.unused * found.out_of_context;
            prop_assert!((found.quality - (1.0 - DOUBT * doubts)).abs() < 1e-9);
            let value = (found.similarity * found.quality - found.penalty).clamp(0.0, 1.0);
            prop_assert!((0.0..=1.0).contains(&found.value) && (found.value - value).abs() < 0.005 + 1e-9);
        }

        /// Suggestions have one order, in which no fuzzy one comes before an exact one.
        #[test]
        fn one_order(mut suggestions in prop::collection::vec(evidence(), 1..20)) {
            suggestions.sort_by(compare);
            prop_assert!(suggestions.is_sorted_by_key(|evidence| evidence.level));
            prop_assert!(suggestions.is_sorted_by(|one, other| compare(one, other) != Ordering::Greater));
        }
    }
}
