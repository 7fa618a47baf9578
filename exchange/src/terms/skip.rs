//! Why something of a file of terms is not imported.

use std::fmt;

use jddb_core::translation::{Language, ProjectId, TermError, TermRefusal};

/// Why something of a file is not imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TermSkip {
    /// It is no term, or not one that can be looked for.
    Content(TermError),
    /// It is not in two languages that are translated.
    Languages,
    /// All its translations are deprecated.
    NoTranslation,
    /// It names a project that cannot be one.
    Project,
    /// There is no room for it, or the file has it twice.
    Refused(TermRefusal),
}

impl TermSkip {
    /// A name for programs.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Content(error) => match error.field {
                "variants" => "invalid_variants",
                "translation" => "invalid_translation",
                "accepted_translations" => "invalid_accepted_translations",
                "forbidden_translations" => "invalid_forbidden_translations",
                "domain" => "invalid_domain",
                "note" => "invalid_note",
                _ => "invalid_term",
            },
            Self::Languages => "unsupported_languages",
            Self::NoTranslation => "no_translation",
            Self::Project => "invalid_project",
            Self::Refused(TermRefusal::Twice) => "duplicate",
            Self::Refused(TermRefusal::Full) => "glossary_full",
        }
    }
}

impl fmt::Display for TermSkip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Content(TermError { field, expected }) => write!(f, "{field}: expected {expected}"),
            Self::Languages => {
                let known = Language::SUPPORTED.map(|language| language.to_string()).join(", ");
                write!(f, "not in two of the languages that are translated ({known})")
            }
            Self::NoTranslation => f.write_str("all terms in the target language are deprecated: expected another"),
            Self::Project => {
                write!(f, "the project is no project's name ({}): import into a named project", ProjectId::PATTERN)
            }
            Self::Refused(TermRefusal::Twice) => {
                f.write_str("the same term in the same domain came before in the file, and said something else")
            }
            Self::Refused(TermRefusal::Full) => f.write_str("the glossary is full: raise translation.terms"),
        }
    }
}
