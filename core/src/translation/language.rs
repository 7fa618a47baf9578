//! The languages of texts.

use std::fmt;

use crate::ids::InvalidName;

/// A language: the primary subtag of its tag, two or three letters (BCP 47, RFC 5646 section 2.2.1). Regions and scripts are
/// not told apart: what was written in `en-CA` helps who asks for `en` (lookup, RFC 4647 section 3.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Language {
    /// Lower-case letters; the third is 0 where there are two.
    letters: [u8; 3],
}

impl Language {
    /// What a language's tag looks like.
    pub const PATTERN: &'static str = "^[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*$";
    /// The longest tag, in bytes.
    const TAG_BYTES_MAX: usize = 35;

    /// English.
    pub const ENGLISH: Self = Self { letters: *b"en\0" };
    /// French.
    pub const FRENCH: Self = Self { letters: *b"fr\0" };

    /// Those that are translated from and into.
    pub const SUPPORTED: [Self; 2] = [Self::ENGLISH, Self::FRENCH];

    /// The language of a tag such as `fr` or `en-CA`.
    ///
    /// # Errors
    /// It is no tag: see [`Self::PATTERN`].
    pub fn of_tag(tag: &str) -> Result<Self, InvalidName> {
        let mut subtags = tag.split('-');
        let primary = subtags.next().unwrap_or_default().as_bytes();
        let is_letters = (2..=3).contains(&primary.len()) && primary.iter().all(u8::is_ascii_alphabetic);
        let is_subtag =
            |text: &str| (1..=8).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if tag.len() > Self::TAG_BYTES_MAX || !is_letters || !subtags.all(is_subtag) {
            return Err(InvalidName { expected: Self::PATTERN });
        }
        let mut letters = [0; 3];
        letters.iter_mut().zip(primary).for_each(|(letter, byte)| *letter = byte.to_ascii_lowercase());
        Ok(Self { letters })
    }

    /// The language of such letters, as [`Self::letters`] gives them.
    #[must_use]
    pub fn of_letters(letters: [u8; 3]) -> Option<Self> {
        let language = Self { letters };
        (Self::of_tag(language.as_str()) == Ok(language)).then_some(language)
    }

    /// The lower-case letters of the primary subtag; the third is 0 where there are two.
    #[must_use]
    pub const fn letters(self) -> [u8; 3] {
        self.letters
    }

    /// The primary subtag.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let letters = self.letters.strip_suffix(&[0]).unwrap_or(&self.letters);
        // They are ASCII.
        std::str::from_utf8(letters).unwrap_or_default()
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// From which language into which; they differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LanguagePair {
    source: Language,
    target: Language,
}

impl LanguagePair {
    /// From one language into another; `None` if they are the same.
    #[must_use]
    pub fn new(source: Language, target: Language) -> Option<Self> {
        (source != target).then_some(Self { source, target })
    }

    /// The language that is translated.
    #[must_use]
    pub const fn source(self) -> Language {
        self.source
    }

    /// The language it is translated into.
    #[must_use]
    pub const fn target(self) -> Language {
        self.target
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_stands_for_its_language() {
        for (tag, language) in
            [("en", "en"), ("FR", "fr"), ("en-CA", "en"), ("fr-Latn-CA", "fr"), ("crk", "crk"), ("de-1996", "de")]
        {
            assert_eq!(Language::of_tag(tag).unwrap().as_str(), language, "{tag}");
        }
        assert_eq!(Language::of_tag("En").unwrap(), Language::ENGLISH);
        assert_eq!(Language::of_letters(Language::FRENCH.letters()), Some(Language::FRENCH));
        for letters in [*b"e\0\0", *b"EN\0", *b"\0en", *b"e\0n", [0xC3, 0xA9, 0]] {
            assert_eq!(Language::of_letters(letters), None, "{letters:?}");
        }
        let long = format!("en{}", "-abcdefgh".repeat(4));
        for tag in
            ["", "e", "e1", "english", "en_CA", "en-", "-en", "en--CA", "en-123456789", "é", "fr ", "en\0", &long]
        {
            assert_eq!(Language::of_tag(tag), Err(InvalidName { expected: Language::PATTERN }), "{tag:?}");
        }
    }

    #[test]
    fn a_pair_is_of_two_languages() {
        let pair = LanguagePair::new(Language::ENGLISH, Language::FRENCH).unwrap();
        assert_eq!((pair.source(), pair.target()), (Language::ENGLISH, Language::FRENCH));
        assert_eq!(LanguagePair::new(Language::FRENCH, Language::FRENCH), None);
    }
}
