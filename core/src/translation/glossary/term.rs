//! What a glossary is made of: a term, how it is to be translated, and how it is not.

use std::fmt;

use serde::Serialize;

use super::super::LanguagePair;
use super::super::entry::{EntryId, ProjectId, Scope};
use super::matcher::{Aligned, Sought};
use crate::ids::UnixMillis;

/// The longest term, variant or translation, in characters.
pub const TERM_CHARS_MAX: usize = 200;
/// The most variants of a term, other translations of it, and translations that are forbidden, each.
pub const TERM_VARIANTS_MAX: usize = 16;
/// The longest note on a term, in characters.
pub const NOTE_CHARS_MAX: usize = 1_000;
/// The longest domain, in bytes.
pub const DOMAIN_BYTES_MAX: usize = 256;

/// The number of a term; none is used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TermId(pub u64);

impl TermId {
    const PREFIX: &'static str = "term_";

    /// The term of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        EntryId::number_after(Self::PREFIX, name).map(Self)
    }
}

impl fmt::Display for TermId {
    /// `term_123`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", Self::PREFIX, self.0)
    }
}

/// Whose terms they are, and of which languages.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TermPlace {
    /// Whose they are.
    pub scope: Scope,
    /// From which language into which.
    pub pair: LanguagePair,
}

/// What somebody says of a term, before it is known whether that is a term at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TermDraft<'a> {
    /// The term.
    pub term: &'a str,
    /// What else stands for it: irregular plurals, other spellings.
    pub variants: Vec<&'a str>,
    /// How it is to be translated.
    pub translation: &'a str,
    /// How else it may be.
    pub accepted: Vec<&'a str>,
    /// How it must not be.
    pub forbidden: Vec<&'a str>,
    /// What it belongs to, such as `government_hr`.
    pub domain: Option<&'a str>,
    /// Whether a translation without it is warned of.
    pub mandatory: bool,
    /// Whether it must be written with the same capitals.
    pub case_matters: bool,
    /// What translators should know of it.
    pub note: Option<&'a str>,
}

/// What is wrong with a draft.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} is not valid: {expected}")]
pub struct TermError {
    /// Where, by its name on the wire.
    pub field: &'static str,
    /// What it should be.
    pub expected: String,
}

/// What a term is, but for whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TermContent {
    term: Box<str>,
    variants: Vec<Box<str>>,
    translation: Box<str>,
    accepted: Vec<Box<str>>,
    forbidden: Vec<Box<str>>,
    domain: Option<Box<str>>,
    note: Option<Box<str>>,
    /// Whether a translation without it is warned of.
    pub mandatory: bool,
    /// Whether it must be written with the same capitals.
    pub case_matters: bool,
}

impl TermContent {
    /// Takes what can be looked for. White space is collapsed.
    ///
    /// # Errors
    /// What cannot be.
    pub fn new(draft: &TermDraft<'_>) -> Result<Self, TermError> {
        let content = Self {
            term: wording("term", draft.term)?,
            variants: wordings("variants", &draft.variants)?,
            translation: wording("translation", draft.translation)?,
            accepted: wordings("accepted_translations", &draft.accepted)?,
            forbidden: wordings("forbidden_translations", &draft.forbidden)?,
            domain: draft.domain.map(domain).transpose()?,
            note: draft.note.map(note).transpose()?,
            mandatory: draft.mandatory,
            case_matters: draft.case_matters,
        };
        let is_accepted = |forbidden: &str| content.translations().any(|text| fold(text) == fold(forbidden));
        if content.forbidden.iter().any(|text| is_accepted(text)) {
            let expected = "no translation that is wanted or accepted".to_owned();
            return Err(TermError { field: "forbidden_translations", expected });
        }
        Ok(content)
    }

    /// What it can be made of again.
    #[must_use]
    pub fn draft(&self) -> TermDraft<'_> {
        fn texts(texts: &[Box<str>]) -> Vec<&str> {
            texts.iter().map(|text| &**text).collect()
        }
        TermDraft {
            term: &self.term,
            variants: texts(&self.variants),
            translation: &self.translation,
            accepted: texts(&self.accepted),
            forbidden: texts(&self.forbidden),
            domain: self.domain.as_deref(),
            mandatory: self.mandatory,
            case_matters: self.case_matters,
            note: self.note.as_deref(),
        }
    }

    /// The term.
    #[must_use]
    pub const fn term(&self) -> &str {
        &self.term
    }

    /// How it is to be translated.
    #[must_use]
    pub const fn translation(&self) -> &str {
        &self.translation
    }

    /// What it belongs to.
    #[must_use]
    pub fn domain(&self) -> Option<&str> {
        self.domain.as_deref()
    }

    /// How it must not be translated.
    pub(super) fn forbidden(&self) -> &[Box<str>] {
        &self.forbidden
    }

    /// How it may be translated, the best first.
    pub(super) fn translations(&self) -> impl Iterator<Item = &str> {
        [&self.translation].into_iter().chain(&self.accepted).map(|text| &**text)
    }

    /// How many wordings are looked for.
    pub(super) const fn wordings(&self) -> usize {
        1 + self.variants.len()
    }

    /// What is looked for.
    pub(super) fn sought(&self) -> Sought<'_> {
        let texts = [&self.term].into_iter().chain(&self.variants).map(|text| &**text).collect();
        Sought { texts, case_matters: self.case_matters }
    }

    /// What tells it from others: the term, as far as its case matters, and its domain.
    pub(super) fn name(&self) -> TermName {
        let Aligned { written, folded, .. } = Aligned::of(&self.term);
        let text = if self.case_matters { written } else { folded };
        TermName { text: text.into(), domain: self.domain.clone() }
    }

    /// Whether a folded text is in it, in any of its wordings.
    pub(super) fn contains(&self, folded: &str) -> bool {
        let texts = [&self.term, &self.translation].into_iter().chain(&self.variants).chain(&self.accepted);
        texts.chain(&self.forbidden).any(|text| fold(text).contains(folded))
    }
}

/// What tells a term from others of its place.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TermName {
    text: Box<str>,
    domain: Option<Box<str>>,
}

/// The folded form, by which texts are the same.
pub(super) fn fold(text: &str) -> String {
    Aligned::of(text).folded
}

/// What stands in it, on one line; `None` if something is in it that no file can have.
fn clean(text: &str) -> Option<String> {
    let cleaned = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let is_text = |c: char| !c.is_control() && !matches!(c, '\u{FFFE}' | '\u{FFFF}');
    cleaned.chars().all(is_text).then_some(cleaned)
}

fn wording(field: &'static str, text: &str) -> Result<Box<str>, TermError> {
    let fits = |text: &String| {
        text.contains(char::is_alphanumeric)
            && text.chars().count() <= TERM_CHARS_MAX
            && Aligned::of(text).folded.chars().count() <= TERM_CHARS_MAX
    };
    // What takes most bytes is four times as long, and white space beside it is no text.
    let cleaned = Some(text).filter(|text| text.len() <= 8 * TERM_CHARS_MAX).and_then(clean).filter(fits);
    cleaned.map(String::into_boxed_str).ok_or_else(|| {
        let expected =
            format!("1 to {TERM_CHARS_MAX} characters, a letter or digit among them, without control characters");
        TermError { field, expected }
    })
}

fn wordings(field: &'static str, texts: &[&str]) -> Result<Vec<Box<str>>, TermError> {
    if texts.len() > TERM_VARIANTS_MAX {
        return Err(TermError { field, expected: format!("at most {TERM_VARIANTS_MAX} texts") });
    }
    texts.iter().map(|text| wording(field, text)).collect()
}

fn domain(text: &str) -> Result<Box<str>, TermError> {
    let fits = |text: &String| (1..=DOMAIN_BYTES_MAX).contains(&text.len());
    let expected = || format!("1 to {DOMAIN_BYTES_MAX} bytes without control characters");
    let cleaned = Some(text).filter(|text| text.len() <= 2 * DOMAIN_BYTES_MAX).and_then(clean).filter(fits);
    cleaned.map(String::into_boxed_str).ok_or_else(|| TermError { field: "domain", expected: expected() })
}

fn note(text: &str) -> Result<Box<str>, TermError> {
    let fits = |text: &String| !text.is_empty() && text.chars().count() <= NOTE_CHARS_MAX;
    let expected = || format!("1 to {NOTE_CHARS_MAX} characters without control characters");
    let cleaned = Some(text).filter(|text| text.len() <= 8 * NOTE_CHARS_MAX).and_then(clean).filter(fits);
    cleaned.map(String::into_boxed_str).ok_or_else(|| TermError { field: "note", expected: expected() })
}

/// A term, and what is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    /// Its number.
    pub id: TermId,
    /// Whose it is, and of which languages.
    pub place: TermPlace,
    /// What it is.
    pub content: TermContent,
    /// Who has added it.
    pub created_by: Box<str>,
    /// When.
    pub created_at: UnixMillis,
    /// Who has changed it last.
    pub updated_by: Box<str>,
    /// When.
    pub updated_at: UnixMillis,
}

/// A term as it is told.
#[derive(Clone, Debug, Serialize)]
pub struct TermView<'a> {
    term_id: String,
    /// Left out where it is everybody's.
    #[serde(skip_serializing_if = "Option::is_none")]
    project_id: Option<&'a str>,
    source_language: String,
    target_language: String,
    term: &'a str,
    translation: &'a str,
    mandatory: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    domain: Option<&'a str>,
    case_sensitive: bool,
    variants: &'a [Box<str>],
    accepted_translations: &'a [Box<str>],
    forbidden_translations: &'a [Box<str>],
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'a str>,
    created_by: &'a str,
    created_at: UnixMillis,
    updated_by: &'a str,
    updated_at: UnixMillis,
}

impl<'a> From<&'a Term> for TermView<'a> {
    fn from(term: &'a Term) -> Self {
        let Term { id, place, content, created_by, created_at, updated_by, updated_at } = term;
        Self {
            term_id: id.to_string(),
            project_id: place.scope.project().map(ProjectId::as_str),
            source_language: place.pair.source().to_string(),
            target_language: place.pair.target().to_string(),
            term: &content.term,
            translation: &content.translation,
            mandatory: content.mandatory,
            domain: content.domain(),
            case_sensitive: content.case_matters,
            variants: &content.variants,
            accepted_translations: &content.accepted,
            forbidden_translations: &content.forbidden,
            note: content.note.as_deref(),
            created_by,
            created_at: *created_at,
            updated_by,
            updated_at: *updated_at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft() -> TermDraft<'static> {
        TermDraft { term: "incumbent", translation: "titulaire", ..TermDraft::default() }
    }

    #[test]
    fn what_can_be_looked_for_is_taken() {
        let many = TermDraft {
            term: " order\u{A0}in \n council ",
            variants: vec!["OIC"],
            accepted: vec!["décret du conseil"],
            forbidden: vec!["ordre en conseil"],
            domain: Some("law"),
            note: Some("see  the\tact"),
            mandatory: true,
            ..draft()
        };
        let content = TermContent::new(&many).unwrap();
        assert_eq!((content.term(), content.note.as_deref()), ("order in council", Some("see the act")));
        assert_eq!(TermContent::new(&content.draft()), Ok(content));
        let longest = "é".repeat(TERM_CHARS_MAX);
        assert!(TermContent::new(&TermDraft { term: &longest, ..draft() }).is_ok());
    }

    #[test]
    fn what_cannot_be_is_named() {
        let check = |draft: TermDraft<'_>, field: &str| assert_eq!(TermContent::new(&draft).unwrap_err().field, field);
        let long = "a".repeat(TERM_CHARS_MAX + 1);
        // Each is one character, and two when it is in lower case.
        let grows = "\u{130}".repeat(TERM_CHARS_MAX);
        for wrong in ["", " ", "-", "(+)", "a\0b", "a\u{1b}", "a\u{FFFF}", &long, &grows] {
            check(TermDraft { term: wrong, ..draft() }, "term");
            check(TermDraft { translation: wrong, ..draft() }, "translation");
            check(TermDraft { variants: vec!["a", wrong], ..draft() }, "variants");
            check(TermDraft { accepted: vec![wrong], ..draft() }, "accepted_translations");
            check(TermDraft { forbidden: vec![wrong], ..draft() }, "forbidden_translations");
        }
        check(TermDraft { variants: vec!["a"; TERM_VARIANTS_MAX + 1], ..draft() }, "variants");
        check(TermDraft { forbidden: vec!["Titulaire"], ..draft() }, "forbidden_translations");
        let long = "a".repeat(NOTE_CHARS_MAX + 1);
        for wrong in ["", " ", "a\0", &long] {
            check(TermDraft { domain: Some(wrong), ..draft() }, "domain");
            check(TermDraft { note: Some(wrong), ..draft() }, "note");
        }
    }

    #[test]
    fn a_term_has_a_name() {
        assert_eq!(TermId(123).to_string(), "term_123");
        assert_eq!(TermId::from_name("term_123"), Some(TermId(123)));
        for wrong in ["", "term_", "term_01", "trans_1", "term_-1", "term_+1", "term_18446744073709551616"] {
            assert_eq!(TermId::from_name(wrong), None, "{wrong}");
        }
        let name = |term, case_matters| TermContent::new(&TermDraft { term, case_matters, ..draft() }).unwrap().name();
        assert_eq!(name("L’Équipe", false), name("l'équipe", false));
        assert_eq!(name("can", true), name("Can", false));
        assert_ne!(name("CAN", true), name("can", false));
    }
}
