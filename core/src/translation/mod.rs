//! The heart of the translation memory: texts that are equal or similar to one that is looked up.
//!
//! It knows neither storage nor the wire. A memory of a language pair and scope has an [`Index`] of its source
//! texts, each named by a [`SourceId`]; the translations belong to whoever gave the numbers.
//!
//! ```
//! use jddb_core::translation::{Folded, Index, Level, Mode, Query, Scratch, Search, SourceId};
//!
//! let text = |text: &str| Folded::new(text).unwrap();
//! let mut index = Index::default();
//! index.insert(SourceId(7), &text("The incumbent is responsible for 3 units.")).unwrap();
//! index.insert(SourceId(8), &text("The incumbent is responsible for strategic planning.")).unwrap();
//!
//! let search = Search::new(Mode::Fast, 0.7, 5).unwrap();
//! let mut scratch = Scratch::default();
//! let asked = Query::new(text("The incumbent is responsible for 12 units."));
//! let found = index.look_up(&asked, &search, &mut scratch);
//! assert_eq!((found[0].hit.source, found[0].level), (SourceId(7), Level::Numbers));
//! ```
//!
//! The parts, each of which uses only those before it:
//!
//! 1. `alphabet`, `fold`: the folded form, on which all is compared, and its characters as bytes.
//! 2. `placeables`: numbers, which are put in for one another.
//! 3. `bounds`, `levenshtein`: how far two texts are at least, and how far exactly.
//! 4. `sealed`, `sealing`, `index`: texts by length, in parts that never change.
//! 5. `hits`, `matching`: looking up.
//! 6. `confidence`: how far what is found can be trusted.
//! 7. `glossary`: terms, and those in a text.

mod alphabet;
mod analysis;
mod bounds;
mod concordance;
mod confidence;
mod entry;
mod fold;
mod glossary;
mod hits;
mod imported;
mod index;
mod language;
mod levenshtein;
mod matching;
mod memory;
mod placeables;
mod sealed;
mod sealing;
mod segment;
mod shown;
mod suggest;
#[cfg(test)]
mod tests;

pub use analysis::{Amount, Analysis, Band, ShownAnalysis};
pub use concordance::{Phrase, Side};
pub use confidence::{Confidence, ContextMatch, Evidence, MeanRating, compare};
pub use entry::{
    CONTRIBUTORS_MAX, Context, Entry, EntryId, KeptContext, Markup, ProjectId, RATERS_MAX, Rating, Ratings, Revision,
    Scope, Status, Submission,
};
pub(crate) use fold::fold;
pub use fold::{Folded, TextError};
pub use glossary::{
    DOMAIN_BYTES_MAX, Glossary, GlossaryError, GlossaryTerm, ImportedTerm, NOTE_CHARS_MAX, PreparedTerms, Staged,
    TERM_CHARS_MAX, TERM_VARIANTS_MAX, TERMS_FOUND_MAX, Term, TermChange, TermContent, TermDraft, TermError, TermFault,
    TermFilter, TermFound, TermId, TermInquiry, TermPlace, TermRefusal, TermView, TermWarning, TermsBecame,
    check_terms, glossary_terms,
};
pub use hits::Hit;
pub use imported::{Became, ImportRefusal, Imported, Outcome, Room};
pub use index::{Index, IndexError, Merge, Merged};
pub use language::{Language, LanguagePair};
pub use matching::{FAST_CHARS_MIN, Level, Match, Mode, Query, Scratch, Search, SearchError};
pub use memory::{
    Candidate, Found, Imports, Inquiry, Kept, Loadable, Loading, Memory, MemoryError, TRANSLATIONS_MAX, Upkeep, Wanted,
};
pub use placeables::substitute;
pub use sealing::{Job, one_by_one};
pub use segment::{ends_line, segments};
pub use shown::ShownEntry;
pub use suggest::{Choice, Ranking, Suggestion, suggest};

/// The longest text that is indexed or looked up, in Unicode scalar values after folding.
pub const TEXT_CHARS_MAX: usize = 4096;

/// The most texts an index holds. A million take some 330 MB with texts of the usual length.
pub const SEGMENTS_MAX: usize = 1 << 24;

/// The most texts that a look-up returns.
pub const HITS_MAX: usize = 100;

/// The least similarity that can be asked for: below, texts have about as much in common as any two.
pub const SIMILARITY_MIN: f64 = 0.5;

/// A source text, by the number its memory gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(pub u32);
