//! Which section of a document is translated in which of another one.

use super::pairing::{Pairing, translated};
use crate::document::Document;
use crate::ids::SectionName;
use crate::protocol::{SECTION_PAIRS_MAX, SectionPair};
use crate::translation::LanguagePair;

impl Pairing {
    /// The sections of the counterpart that one of this name is a translation of: the first of them that there is.
    pub(super) fn sources_across(&self, document: &Document, target: &SectionName) -> Vec<SectionName> {
        match self {
            Self::Named(pairs) => {
                pairs.iter().filter(|pair| pair.target == *target).map(|pair| pair.source.clone()).collect()
            }
            Self::ByLanguage(languages) => {
                let by_language = LanguagePair::new(languages.target(), languages.source())
                    .and_then(|reversed| translated(target, reversed));
                // What has its translation beside it is none.
                let is_source =
                    translated(target, *languages).is_some_and(|other| document.section_index(&other).is_some());
                by_language.into_iter().chain((!is_source).then(|| target.clone())).collect()
            }
        }
    }

    /// The pairs, those of a list being known to be there; a translation is to come where the document has none.
    /// [`SECTION_PAIRS_MAX`] at most.
    pub(super) fn names_across(&self, document: &Document, sections: &[SectionName]) -> Vec<SectionPair> {
        let languages = match self {
            Self::Named(pairs) => return pairs.clone(),
            Self::ByLanguage(languages) => *languages,
        };
        let target_of = |source: &SectionName| {
            let is_of_source = |target: &SectionName| {
                let sources = self.sources_across(document, target);
                sources.iter().find(|name| sections.contains(name)) == Some(source)
            };
            let candidates = translated(source, languages).into_iter().chain([source.clone()]).filter(is_of_source);
            let candidates: Vec<SectionName> = candidates.collect();
            let there = candidates.iter().find(|target| document.section_index(target).is_some());
            there.or_else(|| candidates.first()).cloned()
        };
        let pair = |source: &SectionName| Some(SectionPair { source: source.clone(), target: target_of(source)? });
        sections.iter().filter_map(pair).take(SECTION_PAIRS_MAX).collect()
    }
}
