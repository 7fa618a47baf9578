//! Giving a document other texts as a whole: `PUT` and restoring an old version.

use smallvec::SmallVec;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::accept::Author;
use super::clients::MessageName;
use super::compare::changed;
use super::submission::{Rejection, Submitted};
use super::submit::Made;
use super::{Document, SECTIONS_MAX};
use crate::ids::{SectionName, UnixMillis, utf16_len};
use crate::ot::{Operation, OperationBuilder};

/// The seed of the fingerprints of rewrites, which so are none of a batch.
const FINGERPRINT_SEED: u64 = 0x7265_7772_6974_6531;

/// The texts a document is to have.
#[derive(Clone, Debug)]
pub struct Rewrite<'a> {
    /// The author.
    pub user_id: &'a str,
    /// Together with `correlation_id` it makes a resend harmless.
    pub client_id: Option<&'a str>,
    /// What the author calls it.
    pub correlation_id: Option<&'a str>,
    /// Each section's text. Sections that are not named are emptied, those that do not exist created.
    pub texts: &'a [(SectionName, Box<str>)],
    /// What else the author asked for, so that a resend that asks for something else is found to be none. Nothing is empty.
    pub also: &'a [u8],
}

impl Document {
    /// Gives it these texts, as one version: also where they are what it has already. Each section changes from the first
    /// unit that differs to the last, so that cursors elsewhere stay where they are.
    ///
    /// # Errors
    /// A limit would be exceeded, or the name was used for something else; the document is as it was.
    pub fn rewrite(&mut self, at: UnixMillis, sent: &Rewrite<'_>) -> Result<Submitted, Rejection> {
        if let Some(answer) = self.resent_rewrite(at, sent) {
            return answer;
        }
        let sections = self.rewritten(sent.texts)?;
        self.check_size(&sections)?;
        let version = self.next_version();
        let head = self.sign(version, at, &self.rewriter(sent), false);
        self.apply(head, sections);
        Ok(Submitted::Applied { version, transformed: false, moves: Vec::new() })
    }

    /// What [`Self::rewrite`] would answer because it took the same before.
    #[must_use]
    pub fn resent_rewrite(&self, at: UnixMillis, sent: &Rewrite<'_>) -> Option<Result<Submitted, Rejection>> {
        self.resent_by(&self.rewriter(sent), at)
    }

    fn rewriter<'a>(&self, sent: &Rewrite<'a>) -> Author<'a> {
        let Rewrite { user_id, client_id, correlation_id, texts, also } = *sent;
        Author {
            known: self.clients.find(user_id, client_id),
            user_id,
            client_id,
            message: correlation_id.map(MessageName::new),
            fingerprint: if client_id.is_some() && correlation_id.is_some() { fingerprint(texts, also) } else { 0 },
        }
    }

    fn rewritten(&self, texts: &[(SectionName, Box<str>)]) -> Result<SmallVec<[Made; 1]>, Rejection> {
        let text_of = |name: &SectionName| texts.iter().find(|(named, _)| named == name).map_or("", |(_, text)| text);
        let mut sections: SmallVec<[Made; 1]> = SmallVec::new();
        let index = |section: usize| u16::try_from(section).unwrap_or(u16::MAX);
        for (section, known) in self.sections.iter().enumerate() {
            let operation = difference(&known.text.to_string(), text_of(&known.name));
            if !operation.edits().is_empty() {
                sections.push(Made { section: index(section), created: None, operation });
            }
        }
        let limit = self.limits.sections_max.min(SECTIONS_MAX);
        let created = texts.iter().filter(|(name, _)| self.section_index(name).is_none());
        for (count, (name, text)) in (self.sections.len()..).zip(created) {
            if count >= limit {
                return Err(Rejection::TooLarge { what: "the number of sections", limit });
            }
            sections.push(Made { section: index(count), created: Some(name.clone()), operation: difference("", text) });
        }
        // It is a version all the same, and says so in the first section.
        if sections.is_empty() && !self.sections.is_empty() {
            sections.push(Made { section: 0, created: None, operation: Operation::default() });
        }
        Ok(sections)
    }
}

/// What makes the one text of the other: one edit from the first character that differs to the last.
fn difference(before: &str, after: &str) -> Operation {
    let (start, before_end, after_end) = changed(before, after);
    let units = |text: &str| u32::try_from(utf16_len(text)).unwrap_or(u32::MAX);
    let position = units(&before[..start]);
    let mut operation = OperationBuilder::default();
    operation.insert(position, &after[start..after_end]);
    operation.delete(position, units(&before[start..before_end]));
    operation.finish()
}

/// A hash of the texts. It is kept on disk, so it must never change.
fn fingerprint(texts: &[(SectionName, Box<str>)], also: &[u8]) -> u64 {
    let of_texts = texts.iter().fold(FINGERPRINT_SEED, |hash, (name, text)| {
        xxh3_64_with_seed(name.as_str().as_bytes(), xxh3_64_with_seed(text.as_bytes(), hash))
    });
    // Records on disk have that of the texts alone, from before there was anything else.
    if also.is_empty() { of_texts } else { xxh3_64_with_seed(also, of_texts) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::document::DocumentLimits;
    use crate::ids::{DocumentId, Version};
    use crate::text::Text;

    const PIECES: [&str; 8] = ["", "a", "b", "é", "è", "\u{1F600}", "\u{1F601}", "ab"];

    fn any_text() -> impl Strategy<Value = String> {
        prop::collection::vec(prop::sample::select(PIECES.to_vec()), 0..8).prop_map(|pieces| pieces.concat())
    }

    /// Some of three sections, in some order, each with a text.
    fn any_texts() -> impl Strategy<Value = Vec<(SectionName, Box<str>)>> {
        let names = Just(vec!["a", "b", "c"]).prop_shuffle();
        (names, 1..=3_usize, prop::collection::vec(any_text(), 3)).prop_map(|(names, count, texts)| {
            let named = names.into_iter().zip(texts).take(count);
            named.map(|(name, text)| (SectionName::new(name).unwrap(), text.into())).collect()
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(5_000))]

        #[test]
        fn a_difference_leads_from_the_one_to_the_other(before in any_text(), after in any_text()) {
            let operation = difference(&before, &after);
            let mut text = Text::from(&*before);
            prop_assert!(operation.fits(&text));
            operation.apply(&mut text);
            prop_assert_eq!(text.to_string(), after.as_str());
            prop_assert!(operation.edits().len() <= 1);
            prop_assert_eq!(operation.edits().is_empty(), before == after);
        }

        #[test]
        fn each_is_one_version_with_the_texts_given_and_nothing_else(all in prop::collection::vec(any_texts(), 1..6)) {
            let mut document = Document::new(DocumentId::new("jd").unwrap(), DocumentLimits::default());
            let mut order: Vec<SectionName> = Vec::new();
            for (version, texts) in (1..).zip(&all) {
                let sent = Rewrite { user_id: "ada", client_id: None, correlation_id: None, texts, also: b"" };
                document.rewrite(UnixMillis(version), &sent).unwrap();
                prop_assert_eq!(document.version(), Version(version));
                order.extend(texts.iter().map(|(name, _)| name.clone()).filter(|name| !order.contains(name)).collect::<Vec<_>>());
                let expected: Vec<(SectionName, String)> = order.iter().map(|name| {
                    let text = texts.iter().find(|(named, _)| named == name).map_or("", |(_, text)| text);
                    (name.clone(), text.to_owned())
                }).collect();
                let found: Vec<(SectionName, String)> =
                    document.sections().iter().map(|section| (section.name().clone(), section.text().to_string())).collect();
                prop_assert_eq!(found, expected);
            }
        }
    }

    #[test]
    fn limits_hold_and_a_resend_is_known() {
        let limits =
            DocumentLimits { sections_max: 2, section_bytes_max: 4, document_bytes_max: 6, ..Default::default() };
        let mut document = Document::new(DocumentId::new("jd").unwrap(), limits);
        let texts = |list: &[(&str, &str)]| -> Vec<(SectionName, Box<str>)> {
            list.iter().map(|(name, text)| (SectionName::new(name).unwrap(), (*text).into())).collect()
        };
        let mut put = |list: &[(&str, &str)], key: &str| {
            let texts = texts(list);
            let sent =
                Rewrite { user_id: "ada", client_id: Some("c"), correlation_id: Some(key), texts: &texts, also: b"" };
            document.rewrite(UnixMillis(1), &sent)
        };
        assert!(matches!(put(&[("a", ""), ("b", ""), ("c", "")], "1"), Err(Rejection::TooLarge { limit: 2, .. })));
        assert!(matches!(put(&[("a", "12345")], "1"), Err(Rejection::TooLarge { limit: 4, .. })));
        assert!(matches!(put(&[("a", "1234"), ("b", "123")], "1"), Err(Rejection::TooLarge { limit: 6, .. })));
        assert!(matches!(put(&[("a", "1234")], "1"), Ok(Submitted::Applied { version: Version(1), .. })));
        assert!(matches!(put(&[("a", "1234")], "1"), Ok(Submitted::Duplicate { version: Version(1), .. })));
        assert_eq!(put(&[("a", "123")], "1"), Err(Rejection::KeyReused));
        assert!(matches!(put(&[("a", "1234")], "2"), Ok(Submitted::Applied { version: Version(2), .. })));
    }
}
