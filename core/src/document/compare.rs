//! What differs between two texts, as a reader would say it: word by word.

use std::iter;
use std::ops::Range;

use gix_imara_diff::{Algorithm, Diff, InternedInput};

/// Words, or else lines, that are compared of each version of a document, at most. What comparing costs grows faster than they
/// do: for two texts that have nothing in common but their words it is some 300 steps a word here.
const TOKENS_MAX: usize = 1 << 17;

/// How much may still be compared of two versions, over all their texts: it bounds the time that takes, and how many differences
/// are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ComparisonBudget {
    tokens: usize,
}

impl Default for ComparisonBudget {
    fn default() -> Self {
        Self { tokens: TOKENS_MAX }
    }
}

/// A place where two texts differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Difference<'a> {
    /// Where it is in the one text, in bytes of UTF-8.
    pub offset: usize,
    /// What the one text has there.
    pub deleted: &'a str,
    /// What the other text has there.
    pub inserted: &'a str,
}

/// What makes `before` the text `after`, from its start to its end; something that is the same lies between any two.
///
/// Texts with too many words in between what is the same at their ends are compared by lines, and those with too many lines
/// differ once: `budget` says how many are too many, and has what is left of it after that. So time and memory are bounded,
/// whatever the texts are.
#[must_use]
pub fn differences<'a>(before: &'a str, after: &'a str, budget: &mut ComparisonBudget) -> Vec<Difference<'a>> {
    let whole = Difference { offset: 0, deleted: before, inserted: after }.trimmed();
    let found = compare(whole, word, budget).or_else(|| compare(whole, line, budget)).unwrap_or_else(|| vec![whole]);
    found.into_iter().filter(|one| !(one.deleted.is_empty() && one.inserted.is_empty())).collect()
}

impl Difference<'_> {
    /// The same without what both texts begin and end with.
    fn trimmed(self) -> Self {
        let (start, deleted_end, inserted_end) = changed(self.deleted, self.inserted);
        Self {
            offset: self.offset + start,
            deleted: &self.deleted[start..deleted_end],
            inserted: &self.inserted[start..inserted_end],
        }
    }
}

/// Where two texts begin to differ, and where that ends in the one and in the other.
pub(crate) fn changed(before: &str, after: &str) -> (usize, usize, usize) {
    let start = before.bytes().zip(after.bytes()).take_while(|(one, other)| one == other).count();
    let start = before.floor_char_boundary(start).min(after.floor_char_boundary(start));
    let (before_rest, after_rest) = (&before[start..], &after[start..]);
    let same = before_rest.bytes().rev().zip(after_rest.bytes().rev()).take_while(|(one, other)| one == other).count();
    let before_end = before_rest.ceil_char_boundary(before_rest.len() - same);
    let after_end = after_rest.len() - (before_rest.len() - before_end);
    (start, start + before_end, start + after_end)
}

/// How many bytes the first token of a text has, which is not empty.
type Tokenizer = fn(&str) -> usize;

/// A word, or a character that is in none.
fn word(text: &str) -> usize {
    let is_in_word = |one: char| one.is_alphanumeric() && !is_written_without_spaces(one);
    let end = text.find(|one| !is_in_word(one)).unwrap_or(text.len());
    if end > 0 { end } else { text.chars().next().map_or(0, char::len_utf8) }
}

/// A line with its end.
fn line(text: &str) -> usize {
    text.find('\n').map_or(text.len(), |end| end + 1)
}

/// Whether spaces do not tell words apart in the script of this character: in those of South East and East Asia.
const fn is_written_without_spaces(one: char) -> bool {
    matches!(one, '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}' | '\u{2e80}'..='\u{a4cf}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..)
}

fn tokens(text: &str, token: Tokenizer) -> impl Iterator<Item = &str> {
    let mut rest = text;
    iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (first, after) = rest.split_at(token(rest));
        rest = after;
        Some(first)
    })
}

/// Where each token of a text begins, and the last one ends; `None` if they are too many.
fn starts(text: &str, token: Tokenizer, tokens_max: usize) -> Option<Vec<usize>> {
    let mut starts = vec![0];
    for token in tokens(text, token) {
        if starts.len() > tokens_max {
            return None;
        }
        starts.push(starts[starts.len() - 1] + token.len());
    }
    Some(starts)
}

/// What differs within a difference, token by token; `None` if they are too many.
fn compare<'a>(whole: Difference<'a>, token: Tokenizer, budget: &mut ComparisonBudget) -> Option<Vec<Difference<'a>>> {
    let Difference { offset, deleted: before, inserted: after } = whole;
    let starts = |text| starts(text, token, budget.tokens);
    let (before_starts, after_starts) = (starts(before)?, starts(after)?);
    budget.tokens -= (before_starts.len() - 1).max(after_starts.len() - 1);
    let mut input = InternedInput::default();
    input.update_before(tokens(before, token));
    input.update_after(tokens(after, token));
    let bytes = |starts: &[usize], range: &Range<u32>| starts[range.start as usize]..starts[range.end as usize];
    // Myers, since its heuristics bound it by less than the square of the number of tokens.
    let compared = Diff::compute(Algorithm::Myers, &input);
    let differences = compared.hunks().map(|hunk| {
        let (before_bytes, after_bytes) = (bytes(&before_starts, &hunk.before), bytes(&after_starts, &hunk.after));
        let offset = offset + before_bytes.start;
        Difference { offset, deleted: &before[before_bytes], inserted: &after[after_bytes] }.trimmed()
    });
    Some(differences.collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Holds the differences against both texts, in a way of its own, and gives how many bytes they have.
    fn check(before: &str, after: &str, found: &[Difference<'_>]) -> usize {
        let mut made = String::new();
        let mut end = 0;
        for (index, one) in found.iter().enumerate() {
            assert!(index == 0 || one.offset > end, "something is the same between two: {found:?}");
            assert!(one.deleted != one.inserted, "it is a difference: {found:?}");
            made += &before[end..one.offset];
            assert!(before[one.offset..].starts_with(one.deleted), "{found:?}");
            made += one.inserted;
            end = one.offset + one.deleted.len();
        }
        made += &before[end..];
        assert_eq!(made, after, "{found:?}");
        found.iter().map(|one| one.deleted.len() + one.inserted.len()).sum()
    }

    fn any_text() -> impl Strategy<Value = String> {
        let pieces =
            ["", "a", "b", " ", "é", "è", "\u{1F600}", "\u{1F601}", "ab", "\n", "漢", "字", "e\u{301}", "\r\n"];
        prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..24).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(5_000))]

        #[test]
        fn they_make_the_one_text_of_the_other(before in any_text(), after in any_text(), tokens_max in 0_usize..30) {
            let mut budget = ComparisonBudget { tokens: tokens_max };
            let found = differences(&before, &after, &mut budget);
            check(&before, &after, &found);
            prop_assert!(found.len() <= tokens_max - budget.tokens + 1, "{} with {:?}", found.len(), budget);
            prop_assert_eq!(found.is_empty(), before == after);
        }

        /// Each character is a word that occurs once: whatever is done to them, no more differs than was touched.
        #[test]
        fn what_nobody_touched_is_not_among_them(edits in prop::collection::vec((0_usize..40, 0_usize..3, 0_usize..3), 0..6)) {
            let mut fresh = '\u{4e00}'..;
            let mut words: Vec<char> = fresh.by_ref().take(40).collect();
            let before: String = words.iter().collect();
            let mut touched = 0;
            for (at, deleted, inserted) in edits {
                let at = at.min(words.len());
                let end = (at + deleted).min(words.len());
                touched += (end - at + inserted) * '\u{4e00}'.len_utf8();
                words.splice(at..end, fresh.by_ref().take(inserted));
            }
            let after: String = words.iter().collect();
            let size = check(&before, &after, &differences(&before, &after, &mut ComparisonBudget::default()));
            prop_assert!(size <= touched, "{} bytes differ, {} were touched", size, touched);
        }
    }

    fn listed<'a>(before: &'a str, after: &'a str) -> Vec<(usize, &'a str, &'a str)> {
        let found = differences(before, after, &mut ComparisonBudget::default());
        check(before, after, &found);
        found.iter().map(|one| (one.offset, one.deleted, one.inserted)).collect()
    }

    #[test]
    fn they_are_what_a_reader_would_say() {
        assert_eq!(listed("the cat sat", "the big cat sat"), [(4, "", "big ")]);
        assert_eq!(listed("one two three", "one 2 three four"), [(4, "two", "2"), (13, "", " four")]);
        assert_eq!(listed("colour and honour", "color and honor"), [(4, "u", ""), (15, "u", "")]);
        assert_eq!(listed("grin \u{1F600}!", "grin \u{1F601}!"), [(5, "\u{1F600}", "\u{1F601}")]);
        assert_eq!(listed("漢字仮名", "漢文仮名交"), [(3, "字", "文"), (12, "", "交")]);
        assert_eq!(listed("", "new"), [(0, "", "new")]);
        assert_eq!(listed("old", ""), [(0, "old", "")]);
        assert_eq!(listed("same", "same"), []);
    }

    #[test]
    fn beyond_the_words_lines_are_compared_and_beyond_these_nothing() {
        let text = |first: &str, last: &str| format!("{first}\n{}{last}\n", "a b\n".repeat(9));
        let (before, after) = (text("one", "two"), text("three", "four"));
        let count = |tokens_max| {
            let found = differences(&before, &after, &mut ComparisonBudget { tokens: tokens_max });
            check(&before, &after, &found);
            found.len()
        };
        assert_eq!([count(100), count(12), count(5)], [2, 2, 1]);
    }

    #[test]
    fn of_many_texts_no_more_is_compared_than_of_one() {
        let (before, after) = ("a b c d e f", "a B c D e F");
        // Each has nine tokens between what is the same at its ends, or a line.
        let mut budget = ComparisonBudget { tokens: 20 };
        let found: Vec<usize> = (0..5).map(|_| differences(before, after, &mut budget).len()).collect();
        assert_eq!((found, budget), (vec![3, 3, 1, 1, 1], ComparisonBudget { tokens: 0 }));
    }

    /// Texts as large as a section may be, of few words in any order: nothing is harder to compare.
    #[test]
    fn large_texts_that_have_nothing_but_their_words_in_common_are_compared() {
        let mut state = 1_u64;
        let mut text = |words: usize| -> String {
            let word = |state: u64| ["a ", "b ", "c ", "\u{1F600} "][(state >> 62) as usize];
            let mut next = || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                word(state)
            };
            (0..words).map(|_| next()).collect()
        };
        for words in [TOKENS_MAX / 2 - 1, TOKENS_MAX / 2 + 1, 2_000_000] {
            let (before, after) = (text(words), text(words));
            let found = differences(&before, &after, &mut ComparisonBudget::default());
            check(&before, &after, &found);
            assert!(found.len() <= TOKENS_MAX, "{} differences", found.len());
        }
    }
}
