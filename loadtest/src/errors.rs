//! Errors met by many clients: each kind once, with its count.

use std::collections::BTreeMap;

/// So many different error texts are kept; further ones are counted together.
const ERROR_KINDS_MAX: usize = 20;

/// Error texts and how often each came.
#[derive(Debug, Default)]
pub(crate) struct Errors {
    counts: BTreeMap<String, u64>,
}

impl Errors {
    /// Counts one.
    pub(crate) fn add(&mut self, text: String) {
        self.add_many(text, 1);
    }

    fn add_many(&mut self, text: String, count: u64) {
        let room = self.counts.len() < ERROR_KINDS_MAX || self.counts.contains_key(&text);
        let key = if room { text } else { "further errors of other kinds".to_owned() };
        *self.counts.entry(key).or_default() += count;
    }

    /// All of `other`'s too.
    pub(crate) fn merge(&mut self, other: Self) {
        for (text, count) in other.counts {
            self.add_many(text, count);
        }
    }

    /// How many in all.
    pub(crate) fn total(&self) -> u64 {
        self.counts.values().sum()
    }

    /// One line for each kind.
    pub(crate) fn lines(&self) -> Vec<String> {
        let line = |(text, count): (&String, &u64)| format!("{count} × {text}");
        self.counts.iter().map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_of_errors_are_bounded_and_none_is_uncounted() {
        let mut errors = Errors::default();
        for number in 0..1_000 {
            errors.add(format!("error {}", number % 50));
        }
        assert_eq!(errors.total(), 1_000);
        assert_eq!(errors.lines().len(), ERROR_KINDS_MAX + 1);
        let mut more = Errors::default();
        more.merge(errors);
        assert_eq!(more.total(), 1_000);
    }
}
