//! How much of a text is known already: its segments by how similar the best that is remembered of each is.

use std::collections::HashMap;

use serde::Serialize;

use super::{Candidate, Folded, Level, Status, substitute};

/// How well a segment is known. The better one comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Band {
    /// Equal after folding.
    Exact,
    /// Equal but for numbers that are put in, or similar to 95 hundredths at least.
    From95,
    /// To 85 hundredths at least.
    From85,
    /// To 75 hundredths at least.
    From75,
    /// To 50 hundredths at least.
    From50,
    /// To less than that.
    New,
}

impl Band {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Exact, Self::From95, Self::From85, Self::From75, Self::From50, Self::New];

    /// The name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Exact => "100",
            Self::From95 => "95-99",
            Self::From85 => "85-94",
            Self::From75 => "75-84",
            Self::From50 => "50-74",
            Self::New => "new",
        }
    }

    /// That of a segment of which so much was found.
    #[must_use]
    pub fn of(text: &str, candidates: &[Candidate], approved_only: bool) -> Self {
        let is_usable = |candidate: &&Candidate| !approved_only || candidate.entry.status == Status::Accepted;
        let band = |Candidate { entry, found }: &Candidate| match found.level {
            Level::Raw | Level::Folded => Self::Exact,
            Level::Numbers if substitute(&entry.source_text, text, &entry.translated_text).is_some() => Self::From95,
            Level::Numbers | Level::Fuzzy => Self::of_similarity(found.hit.similarity()),
        };
        candidates.iter().filter(is_usable).map(band).min().unwrap_or(Self::New)
    }

    /// That of a similarity below 1.
    fn of_similarity(similarity: f64) -> Self {
        match similarity {
            0.95.. => Self::From95,
            0.85.. => Self::From85,
            0.75.. => Self::From75,
            0.5.. => Self::From50,
            _ => Self::New,
        }
    }
}

/// So much text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Amount {
    segments: usize,
    words: usize,
    characters: usize,
}

impl Amount {
    fn add(&mut self, text: &str) {
        self.segments += 1;
        self.words += text.split_whitespace().count();
        self.characters += text.chars().count();
    }
}

/// What is known of a text, segment by segment.
#[derive(Debug, Default)]
pub struct Analysis {
    all: Amount,
    repeated: Amount,
    bands: [Amount; Band::ALL.len()],
    /// The bands of what was there before.
    seen: HashMap<Folded, Band>,
}

/// An analysis as it is shown to clients.
#[derive(Clone, Debug, Serialize)]
pub struct ShownAnalysis {
    #[serde(flatten)]
    all: Amount,
    bands: Vec<ShownBand>,
    /// What is equal to a segment before it, and counted in the bands too.
    repeated: Amount,
}

#[derive(Clone, Debug, Serialize)]
struct ShownBand {
    band: &'static str,
    #[serde(flatten)]
    amount: Amount,
}

impl Analysis {
    /// Counts a segment that was there before, or is too long to be known. Another one is to be looked up, and to be
    /// [added](Self::add) by the folded form that is returned.
    pub fn repeat(&mut self, text: &str) -> Option<Folded> {
        let Ok(folded) = Folded::new(text) else {
            self.count(text, Band::New);
            return None;
        };
        let Some(band) = self.seen.get(&folded).copied() else { return Some(folded) };
        self.repeated.add(text);
        self.count(text, band);
        None
    }

    /// Counts a segment that comes for the first time.
    pub fn add(&mut self, text: &str, folded: Folded, band: Band) {
        self.seen.insert(folded, band);
        self.count(text, band);
    }

    fn count(&mut self, text: &str, band: Band) {
        self.all.add(text);
        self.bands[band as usize].add(text);
    }

    /// What clients are shown.
    #[must_use]
    pub fn shown(&self) -> ShownAnalysis {
        let bands = Band::ALL.map(|band| ShownBand { band: band.name(), amount: self.bands[band as usize] });
        ShownAnalysis { all: self.all, bands: bands.into(), repeated: self.repeated }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bands_are_as_wide_as_their_names() {
        for (similarity, expected) in [
            (0.9999, "95-99"),
            (0.95, "95-99"),
            (0.9499, "85-94"),
            (0.85, "85-94"),
            (0.8499, "75-84"),
            (0.75, "75-84"),
            (0.7499, "50-74"),
            (0.5, "50-74"),
            (0.4999, "new"),
            (0.0, "new"),
        ] {
            assert_eq!(Band::of_similarity(similarity).name(), expected, "{similarity}");
        }
        assert!(Band::ALL.is_sorted() && Band::ALL.iter().enumerate().all(|(place, band)| *band as usize == place));
    }

    #[test]
    fn what_comes_again_is_counted_in_its_band_and_told() {
        let mut analysis = Analysis::default();
        for (text, band) in [("The incumbent", Band::Exact), ("Something new here", Band::New)] {
            let folded = analysis.repeat(text).unwrap();
            analysis.add(text, folded, band);
        }
        assert!(analysis.repeat("the  INCUMBENT").is_none());
        assert!(analysis.repeat(&"é".repeat(5_000)).is_none(), "nothing is known of what is too long");
        let shown = serde_json::to_value(analysis.shown()).unwrap();
        let counts = |of: &serde_json::Value| ["segments", "words", "characters"].map(|key| of[key].as_u64().unwrap());
        assert_eq!(counts(&shown), [4, 8, 13 + 18 + 14 + 5_000]);
        assert_eq!(counts(&shown["repeated"]), [1, 2, 14]);
        assert_eq!((&shown["bands"][0]["band"], counts(&shown["bands"][0])), (&"100".into(), [2, 4, 27]));
        assert_eq!((&shown["bands"][5]["band"], counts(&shown["bands"][5])), (&"new".into(), [2, 4, 5_018]));
        assert_eq!(shown["bands"].as_array().unwrap().len(), 6);
    }
}
