//! Which section is translated in which.

use crate::document::Document;
use crate::ids::SectionName;
use crate::protocol::{SECTION_PAIRS_MAX, SectionPair};
use crate::translation::LanguagePair;

/// What a language's tag is set off by at the end of a section's name.
const SEPARATORS: [char; 3] = ['_', '-', '.'];

/// How somebody says which sections are pairs.
#[derive(Debug)]
pub(super) enum Pairing {
    /// By their names: `purpose_en` is translated in `purpose_fr`.
    ByLanguage(LanguagePair),
    /// By a list.
    Named(Vec<SectionPair>),
}

/// A section that there is, and the one that its translation is in, which there need not be yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pair {
    pub(super) source: usize,
    pub(super) target: Option<usize>,
}

impl Pair {
    /// Whether that section is one of them.
    pub(super) fn has(self, section: usize) -> bool {
        self.source == section || self.target == Some(section)
    }
}

impl Pairing {
    /// The names of the pairs whose source is there, [`SECTION_PAIRS_MAX`] at most.
    pub(super) fn names(&self, document: &Document) -> Vec<SectionPair> {
        let names = document.sections().iter().map(|section| section.name());
        match self {
            Self::ByLanguage(languages) => {
                let pair = |source: &SectionName| {
                    let target = translated(source, *languages)?;
                    Some(SectionPair { source: source.clone(), target })
                };
                names.filter_map(pair).take(SECTION_PAIRS_MAX).collect()
            }
            Self::Named(pairs) => {
                pairs.iter().filter(|pair| document.section_index(&pair.source).is_some()).cloned().collect()
            }
        }
    }

    /// The same by their places in the document.
    pub(super) fn pairs(&self, document: &Document) -> Vec<Pair> {
        let pair = |SectionPair { source, target }| {
            Some(Pair { source: document.section_index(&source)?, target: document.section_index(&target) })
        };
        self.names(document).into_iter().filter_map(pair).collect()
    }
}

/// The name of the section that one of that name is translated in; `None` if it does not end as those of its language do. Where
/// its language is in capitals, so is the other one.
pub(super) fn translated(source: &SectionName, languages: LanguagePair) -> Option<SectionName> {
    let (stem, tag) = source.as_str().rsplit_once(SEPARATORS)?;
    let separator = source.as_str()[stem.len()..].chars().next()?;
    let target = languages.target().to_string();
    let target = if tag == languages.source().as_str() {
        target
    } else if tag == languages.source().as_str().to_uppercase() {
        target.to_uppercase()
    } else {
        return None;
    };
    SectionName::new(&format!("{stem}{separator}{target}")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::translation::Language;

    #[test]
    fn names_say_what_is_translated_where() {
        let languages = LanguagePair::new(Language::ENGLISH, Language::FRENCH).unwrap();
        let check = |name: &str, expected: Option<&str>| {
            let found = translated(&SectionName::new(name).unwrap(), languages);
            assert_eq!(found.as_ref().map(SectionName::as_str), expected, "{name}");
        };
        check("purpose_en", Some("purpose_fr"));
        check("purpose-en", Some("purpose-fr"));
        check("general.purpose.en", Some("general.purpose.fr"));
        check("key_duties-EN", Some("key_duties-FR"));
        for other in ["purpose", "purpose_fr", "purposeen", "en", "purpose_En", "purpose_en_", "purpose_eng"] {
            check(other, None);
        }
    }
}
