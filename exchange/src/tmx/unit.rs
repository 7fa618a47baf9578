//! A unit of a file (`tu`), and what is imported of it.

use std::fmt;

use jddb_core::translation::{
    Folded, ImportRefusal, Imported, Language, LanguagePair, Markup, ProjectId, Scope, TEXT_CHARS_MAX, TextError,
};

use super::facts::Facts;
use super::segment::Segment;
use crate::values::known_language as known;

/// The most texts of a unit.
pub const VARIANTS_MAX: usize = 32;
/// What says that each text of a unit may be translated into each other.
pub(super) const ALL: &str = "*all*";

/// A text of a unit, and what is said of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Variant {
    /// The tag of its language.
    pub(super) language: String,
    pub(super) facts: Facts,
    pub(super) segment: Segment,
}

/// Texts that are translations of one another.
#[derive(Clone, Debug)]
pub struct Unit {
    /// The line on which it begins.
    pub line: u64,
    /// The tag of the language that was translated.
    pub(super) source: String,
    pub(super) facts: Facts,
    pub(super) variants: Vec<Variant>,
}

/// What holds of a unit that does not say.
#[derive(Clone, Debug, Default)]
pub struct Defaults {
    /// The project into which all goes, whatever a unit says.
    pub project: Option<ProjectId>,
    /// Units that do not say so count as reviewed.
    pub reviewed: bool,
}

/// Why something of a file is not imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SkipReason {
    /// There is no text in the language that was translated.
    NoSource,
    /// There is no text in another language that is known.
    NoTarget,
    /// A text is empty.
    Empty,
    /// A text is longer than what can be remembered.
    TooLong,
    /// It names a project that cannot be one.
    Project,
    /// There are as many translations of the text as are kept.
    Translations,
    /// The memory is full.
    Full,
}

impl SkipReason {
    /// A name for programs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoSource => "no_source",
            Self::NoTarget => "no_target",
            Self::Empty => "empty_text",
            Self::TooLong => "text_too_long",
            Self::Project => "invalid_project",
            Self::Translations => "too_many_translations",
            Self::Full => "memory_full",
        }
    }
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = || Language::SUPPORTED.map(|language| language.to_string()).join(", ");
        match self {
            Self::NoSource => write!(f, "no text in the source language (srclang), of which {} are known", known()),
            Self::NoTarget => write!(f, "no text in another known language ({})", known()),
            Self::Empty => f.write_str("a text is empty"),
            Self::TooLong => write!(f, "a text is longer than {TEXT_CHARS_MAX} characters: split it into segments"),
            Self::Project => {
                write!(f, "x-project is no project's name ({}): import into a named project", ProjectId::PATTERN)
            }
            Self::Translations => f.write_str("there are as many translations of the text as are kept"),
            Self::Full => f.write_str("the translation memory is full: raise translation.entries"),
        }
    }
}

impl From<TextError> for SkipReason {
    fn from(error: TextError) -> Self {
        match error {
            TextError::Empty => Self::Empty,
            TextError::TooLong => Self::TooLong,
        }
    }
}

impl From<ImportRefusal> for SkipReason {
    fn from(refusal: ImportRefusal) -> Self {
        match refusal {
            ImportRefusal::Text(error) => error.into(),
            ImportRefusal::Translations => Self::Translations,
            ImportRefusal::Full => Self::Full,
        }
    }
}

impl Unit {
    pub(super) fn new(source: String) -> Self {
        Self { line: 0, source, facts: Facts::default(), variants: Vec::new() }
    }

    /// What is to be imported of it: a translation for each other known language than the one that was translated, and for each
    /// text in it; where every language may be translated (`*all*`), so for each of them. And why something is not.
    #[must_use]
    pub fn imported(&self, defaults: &Defaults) -> (Vec<Imported>, Vec<SkipReason>) {
        let sources = self.sources();
        if sources.is_empty() {
            return (Vec::new(), vec![SkipReason::NoSource]);
        }
        let (mut imported, mut skipped) = (Vec::new(), Vec::new());
        for source in sources {
            for target in &self.variants {
                let pair = known(&source.language).zip(known(&target.language));
                let Some(pair) = pair.and_then(|(source, target)| LanguagePair::new(source, target)) else { continue };
                match self.pair(pair, source, target, defaults) {
                    Ok(translation) => imported.push(translation),
                    Err(reason) => skipped.push(reason),
                }
            }
        }
        if imported.is_empty() && skipped.is_empty() {
            skipped.push(SkipReason::NoTarget);
        }
        (imported, skipped)
    }

    /// The texts that were translated.
    fn sources(&self) -> Vec<&Variant> {
        let of_known = |variant: &&Variant| known(&variant.language).is_some();
        if self.source.eq_ignore_ascii_case(ALL) {
            return self.variants.iter().filter(of_known).collect();
        }
        let exactly = self.variants.iter().find(|variant| variant.language.eq_ignore_ascii_case(&self.source));
        let language = known(&self.source);
        let nearly = || self.variants.iter().find(|variant| known(&variant.language) == language);
        exactly.or_else(nearly).filter(of_known).into_iter().collect()
    }

    fn pair(
        &self,
        pair: LanguagePair,
        source: &Variant,
        target: &Variant,
        defaults: &Defaults,
    ) -> Result<Imported, SkipReason> {
        for segment in [&source.segment, &target.segment] {
            if segment.is_too_long {
                return Err(SkipReason::TooLong);
            }
            Folded::new(&segment.words)?;
        }
        let facts = target.facts.clone().or(&source.facts).or(&self.facts);
        let project = match (&defaults.project, &facts.project) {
            (Some(project), _) => Some(project.clone()),
            (None, Some(named)) => Some(named.clone().map_err(|()| SkipReason::Project)?),
            (None, None) => None,
        };
        let markup = |segment: &Segment| segment.markup.as_deref().map(Box::from);
        let markup = Markup { source: markup(&source.segment), target: markup(&target.segment) };
        Ok(Imported {
            scope: project.map_or(Scope::Shared, Scope::Project),
            pair,
            source_text: source.segment.words.as_str().into(),
            translated_text: target.segment.words.as_str().into(),
            markup: Some(Box::new(markup)).filter(|markup| **markup != Markup::default()),
            status: facts.status,
            reviewed: facts.reviewed.unwrap_or(defaults.reviewed),
            ratings: facts.ratings(),
            usage_count: facts.usage_count.unwrap_or(0),
            created_at: facts.created_at,
            changed_at: facts.changed_at,
            last_used_at: facts.last_used_at,
            contributors: facts.people(),
            context: facts.context,
        })
    }
}
