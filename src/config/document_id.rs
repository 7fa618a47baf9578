//! The rule for document ids.

use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};

const DEFAULT: &str = "^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$";

/// An id is part of database keys and of log lines, so its length is bounded whatever the pattern admits.
const ID_BYTES_MAX: usize = 128;
const COMPILED_BYTES_MAX: usize = 1 << 20;

/// The regular expression that document ids must match as a whole.
///
/// Give every core a clone of its own: the matcher's scratch memory is then not shared between threads.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct IdPattern {
    source: String,
    regex: Regex,
}

/// A text that is no regular expression, or one too large to compile.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct IdPatternError(#[from] regex::Error);

impl IdPattern {
    /// Compiles `source`. The match is anchored at both ends even where the source is not.
    ///
    /// # Errors
    /// If it is not a valid regular expression, or compiles to more than 1 MiB.
    pub fn new(source: &str) -> Result<Self, IdPatternError> {
        // By itself first, so that "a)(b" cannot become valid inside the anchoring group.
        Regex::new(source)?;
        let regex = RegexBuilder::new(&format!("^(?:{source})$")).size_limit(COMPILED_BYTES_MAX).build()?;
        Ok(Self { source: source.to_owned(), regex })
    }

    /// Whether `id` is a valid document id: 1 to 128 bytes, all of it matching.
    #[must_use]
    pub fn matches(&self, id: &str) -> bool {
        (1..=ID_BYTES_MAX).contains(&id.len()) && self.regex.is_match(id)
    }

    /// The pattern as it was configured, for error details.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.source
    }
}

impl Default for IdPattern {
    fn default() -> Self {
        Self::new(DEFAULT).expect("the default pattern is valid, a test says so")
    }
}

impl PartialEq for IdPattern {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl TryFrom<String> for IdPattern {
    type Error = IdPatternError;

    fn try_from(source: String) -> Result<Self, Self::Error> {
        Self::new(&source)
    }
}

impl From<IdPattern> for String {
    fn from(pattern: IdPattern) -> Self {
        pattern.source
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, id: &str, expected: bool) {
        assert_eq!(IdPattern::new(pattern).unwrap().matches(id), expected, "{pattern} on {id:?}");
    }

    #[test]
    fn default_admits_the_references_ids_and_no_paths() {
        for id in ["jd_12345", "jd_test", "test_doc", "test_doc_17", "a.b-c"] {
            check(DEFAULT, id, true);
        }
        for id in ["", "_a", ".a", "a/b", "a b", "é", "jd_1\n", "../x"] {
            check(DEFAULT, id, false);
        }
        check(DEFAULT, &"a".repeat(128), true);
        check(DEFAULT, &"a".repeat(129), false);
    }

    #[test]
    fn a_pattern_without_anchors_still_covers_the_whole_id() {
        check("jd_[0-9]+", "jd_12", true);
        check("jd_[0-9]+", "../jd_12", false);
        check("jd_1|jd_2", "jd_1/../x", false);
    }

    #[test]
    fn length_is_bounded_whatever_the_pattern() {
        check(".*", &"a".repeat(128), true);
        check(".*", &"a".repeat(129), false);
        check(".*", "", false);
    }

    #[test]
    fn refuses_what_is_no_pattern() {
        for source in ["(", "a)(b", "[z-a]", "a{1000}{1000}{1000}"] {
            assert!(IdPattern::new(source).is_err(), "{source}");
        }
    }
}
