//! Document ids with wildcards, as in the `documents` claim.

use std::str::Chars;

/// A document id in which `*` stands for any characters, also none, and `?` for exactly one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentPattern(Box<str>);

impl DocumentPattern {
    /// Longest pattern, in bytes: as long as the longest document id.
    pub const BYTES_MAX: usize = 128;

    /// Takes a pattern; `None` if it is empty or longer than [`Self::BYTES_MAX`].
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        (1..=Self::BYTES_MAX).contains(&text.len()).then(|| Self(text.into()))
    }

    /// Whether a token that is limited to those documents, or to none, is for that one.
    #[must_use]
    pub fn cover(documents: Option<&[Self]>, document_id: &str) -> bool {
        documents.is_none_or(|patterns| patterns.iter().any(|pattern| pattern.matches(document_id)))
    }

    /// The pattern as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the whole `id` matches. Takes at most pattern × id steps (no recursion, nothing exponential).
    #[must_use]
    pub fn matches(&self, id: &str) -> bool {
        let (mut pattern, mut id) = (self.0.chars(), id.chars());
        // Where to go on if the latest `*` has to take one character more.
        let mut retry: Option<(Chars<'_>, Chars<'_>)> = None;
        loop {
            let (mut next_of_pattern, mut next_of_id) = (pattern.clone(), id.clone());
            let character = next_of_id.next();
            match (next_of_pattern.next(), character) {
                (Some('*'), _) => {
                    retry = Some((next_of_pattern.clone(), id.clone()));
                    pattern = next_of_pattern;
                }
                (None, None) => return true,
                (Some(wanted), Some(character)) if wanted == '?' || wanted == character => {
                    (pattern, id) = (next_of_pattern, next_of_id);
                }
                _ => {
                    let Some((after_star, taken)) = &mut retry else { return false };
                    if taken.next().is_none() {
                        return false;
                    }
                    (pattern, id) = (after_star.clone(), taken.clone());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, id: &str, expected: bool) {
        let pattern = DocumentPattern::new(pattern).unwrap();
        assert_eq!(pattern.matches(id), expected, "{pattern:?} on {id}");
    }

    #[test]
    fn matches_whole_ids() {
        check("jd_1", "jd_1", true);
        check("jd_1", "jd_12", false);
        check("jd_1", "xjd_1", false);
        check("jd_*", "jd_", true);
        check("jd_*", "jd_123", true);
        check("jd_*", "jd", false);
        check("jd_?", "jd_1", true);
        check("jd_?", "jd_", false);
        check("jd_?", "jd_12", false);
        check("*", "anything", true);
        check("*_fr", "jd_1_fr", true);
        check("*_fr", "jd_fr_en", false);
        check("a*b*c", "a_b_b_c", true);
        check("a*b*c", "a_b_b", false);
        check("**a**", "xax", true);
    }

    #[test]
    fn agrees_with_the_definition_on_all_small_cases() {
        fn naive(pattern: &[u8], id: &[u8]) -> bool {
            match pattern.split_first() {
                None => id.is_empty(),
                Some((b'*', rest)) => (0..=id.len()).any(|taken| naive(rest, &id[taken..])),
                Some((c, rest)) => id.first().is_some_and(|first| (*c == b'?' || c == first) && naive(rest, &id[1..])),
            }
        }
        let words = |alphabet: &'static [u8], length: u32| {
            (0..alphabet.len().pow(length)).map(move |n| {
                let letter = |at| alphabet[n / alphabet.len().pow(at) % alphabet.len()];
                (0..length).map(letter).collect::<Vec<u8>>()
            })
        };
        for pattern in (1..=5).flat_map(|length| words(b"ab*?", length)) {
            for id in (0..=5).flat_map(|length| words(b"ab", length)) {
                let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
                check(&text(&pattern), &text(&id), naive(&pattern, &id));
            }
        }
    }

    #[test]
    fn many_stars_do_not_take_for_ever() {
        check(&"*a".repeat(64), &"a".repeat(63), false);
        check(&("*a".repeat(63) + "*b"), &"a".repeat(128), false);
    }

    #[test]
    fn bounds() {
        assert_eq!(DocumentPattern::new(""), None);
        assert!(DocumentPattern::new(&"a".repeat(128)).is_some());
        assert_eq!(DocumentPattern::new(&"a".repeat(129)), None);
    }
}
