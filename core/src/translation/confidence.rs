//! How much a suggestion can be relied on.

use serde::Serialize;

use super::Level;

/// The quality of a translation of which nothing is known but that it was accepted.
const BASE: f64 = 0.90;
/// What somebody has reviewed is better by this.
const REVIEWED: f64 = 0.03;
/// For each star above three.
const STAR_ABOVE: f64 = 0.01;
/// For each star below three, less: a bad rating says more than a good one.
const STAR_BELOW: f64 = 0.05;
/// What was used [`USES_MAX`] times is better by this; what was used less often, by its part of it.
const USED: f64 = 0.05;
/// More uses than these tell nothing more.
const USES_MAX: u32 = 15;
/// The same section of the same kind of document.
const SECTION: f64 = 0.055;
/// The same segment before or after it.
const NEIGHBOURS: f64 = 0.06;
/// Somebody should look at it first.
const PENDING: f64 = -0.10;
/// It is everybody's, where a project was asked for.
const SHARED: f64 = -0.02;
/// Numbers were put in.
const NUMBERS: f64 = -0.01;

/// How well the context of an entry fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ContextMatch {
    /// It does not, or is not known.
    None,
    /// The same section, of the same document or kind of document.
    Section,
    /// The same segment before or after it.
    Neighbours,
}

/// All that the confidence in a suggestion is made of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Evidence {
    /// How its text is like the one that was looked up.
    pub level: Level,
    /// How similar both are, 0 to 1.
    pub similarity: f64,
    /// How well the context fits.
    pub context: ContextMatch,
    /// Somebody has reviewed it.
    pub reviewed: bool,
    /// The mean of its ratings, 1 to 5, if there are any.
    pub rating: Option<f64>,
    /// How often it was used.
    pub usage_count: u32,
    /// Somebody should look at it first.
    pub pending: bool,
    /// It is everybody's, where a project was asked for.
    pub shared: bool,
}

/// How much a suggestion can be relied on, and why.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Confidence {
    /// From 0 to 1, to two places; never above `similarity`.
    #[serde(skip)]
    pub value: f64,
    /// How similar the texts are, 0 to 1.
    pub similarity: f64,
    /// The quality of what nothing else is known of.
    pub base: f64,
    /// What was added for having been reviewed.
    pub reviewed: f64,
    /// What was added or taken away for its ratings.
    pub rating: f64,
    /// What was added for having been used.
    pub usage: f64,
    /// What was added for its context.
    pub context: f64,
    /// What was taken away: it is pending, everybody's, or has had numbers put in.
    pub penalties: f64,
}

impl Evidence {
    /// The confidence: `similarity × min(1, base + reviewed + rating + usage + context + penalties)`, to two places.
    ///
    /// | part | value |
    /// |---|---|
    /// | base | 0.90 |
    /// | reviewed | 0.03 |
    /// | rating | 0.01 for each star of the mean above 3, -0.05 for each below |
    /// | usage | 0.05 for 15 uses or more, less in proportion |
    /// | context | 0.055 for the same section, 0.06 for the same segment before or after |
    /// | penalties | -0.10 pending, -0.02 everybody's where a project was asked for, -0.01 numbers were put in |
    ///
    /// So an exact text that was used 15 times has 0.95, one that was reviewed and rated 5 has 0.95, and a text that is
    /// similar to 0.92, in the same section, 0.88. It never falls when a part gets better.
    #[must_use]
    pub fn confidence(&self) -> Confidence {
        let given = |is_so: bool, value: f64| if is_so { value } else { 0.0 };
        let stars = self.rating.map_or(0.0, |mean| mean - 3.0);
        let parts = Confidence {
            value: 0.0,
            similarity: self.similarity,
            base: BASE,
            reviewed: given(self.reviewed, REVIEWED),
            rating: if stars < 0.0 { stars * STAR_BELOW } else { stars * STAR_ABOVE },
            usage: USED * f64::from(self.usage_count.min(USES_MAX)) / f64::from(USES_MAX),
            context: match self.context {
                ContextMatch::None => 0.0,
                ContextMatch::Section => SECTION,
                ContextMatch::Neighbours => NEIGHBOURS,
            },
            penalties: given(self.pending, PENDING)
                + given(self.shared, SHARED)
                + given(self.level == Level::Numbers, NUMBERS),
        };
        let Confidence { base, reviewed, rating, usage, context, penalties, .. } = parts;
        let quality = (base + reviewed + rating + usage + context + penalties).clamp(0.0, 1.0);
        let rounded = (self.similarity * quality * 100.0).round() / 100.0;
        Confidence { value: rounded.min(self.similarity), ..parts }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PLAIN: Evidence = Evidence {
        level: Level::Raw,
        similarity: 1.0,
        context: ContextMatch::None,
        reviewed: false,
        rating: None,
        usage_count: 0,
        pending: false,
        shared: false,
    };

    fn check(evidence: Evidence, expected: f64) {
        let value = evidence.confidence().value;
        assert!((value - expected).abs() < 1e-9, "{value} instead of {expected}: {evidence:?}");
    }

    #[test]
    fn the_figures_of_the_reference() {
        check(Evidence { usage_count: 15, ..PLAIN }, 0.95);
        let similar = Evidence { level: Level::Fuzzy, similarity: 0.92, context: ContextMatch::Section, ..PLAIN };
        check(similar, 0.88);
        check(Evidence { reviewed: true, rating: Some(5.0), ..PLAIN }, 0.95);
    }

    #[test]
    fn the_best_and_the_worst() {
        let best = Evidence {
            context: ContextMatch::Neighbours,
            reviewed: true,
            rating: Some(5.0),
            usage_count: u32::MAX,
            ..PLAIN
        };
        check(best, 1.0);
        check(Evidence { rating: Some(1.0), pending: true, shared: true, ..PLAIN }, 0.68);
        check(Evidence { similarity: 0.0, ..best }, 0.0);
    }

    fn evidence() -> impl Strategy<Value = Evidence> {
        let level = prop_oneof![Just(Level::Raw), Just(Level::Folded), Just(Level::Numbers), Just(Level::Fuzzy)];
        let context =
            prop_oneof![Just(ContextMatch::None), Just(ContextMatch::Section), Just(ContextMatch::Neighbours)];
        let rating = prop::option::of(1.0..=5.0);
        let flags = (any::<bool>(), any::<bool>(), any::<bool>());
        (level, 0.0..=1.0, context, rating, 0..40_u32, flags).prop_map(
            |(level, similarity, context, rating, usage_count, (reviewed, pending, shared))| Evidence {
                level,
                similarity,
                context,
                reviewed,
                rating,
                usage_count,
                pending,
                shared,
            },
        )
    }

    proptest! {
        /// Whatever gets better, the confidence does not fall; and it is never above the similarity.
        #[test]
        fn it_is_monotone(worse in evidence(), other in evidence()) {
            let value = worse.confidence().value;
            prop_assert!((0.0..=worse.similarity).contains(&value));
            let better = [
                Evidence { similarity: worse.similarity.max(other.similarity), ..worse },
                Evidence { context: worse.context.max(other.context), ..worse },
                Evidence { reviewed: true, ..worse },
                Evidence { usage_count: worse.usage_count.max(other.usage_count), ..worse },
                Evidence { pending: false, ..worse },
                Evidence { shared: false, ..worse },
                Evidence { rating: worse.rating.zip(other.rating).map(|(one, other)| one.max(other)), ..worse },
                Evidence { level: if worse.level == Level::Numbers { Level::Folded } else { worse.level }, ..worse },
            ];
            let rated = worse.rating.is_none() || other.rating.is_some();
            for better in better.into_iter().filter(|better| rated || better.rating == worse.rating) {
                prop_assert!(better.confidence().value >= value, "{better:?}");
            }
        }
    }
}
