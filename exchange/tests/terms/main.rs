//! Files of terms: of spreadsheets, of other tools, of our own, and such as are none.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

mod csv;
mod hostile;
mod round;
mod tbx;

use jddb_core::translation::{ImportedTerm, Language, LanguagePair, Scope, TermContent, TermDraft, TermPlace};
use jddb_exchange::ReadError;
use jddb_exchange::terms::{Format, TermDefaults, TermSkip, TermsReader};

/// What is imported of a file, and what is skipped, each with the line of its entry.
type Read = (Vec<ImportedTerm>, Vec<(TermSkip, u64)>);

fn read_with(file: &[u8], format: Format, defaults: TermDefaults) -> Result<Read, ReadError> {
    let mut reader = TermsReader::new(file, format, defaults)?;
    let (mut terms, mut skipped) = (Vec::new(), Vec::new());
    while let Some(entry) = reader.next_entry()? {
        terms.extend(entry.terms);
        skipped.extend(entry.skipped.into_iter().map(|skip| (skip, entry.line)));
    }
    Ok((terms, skipped))
}

fn pair(source: Language, target: Language) -> LanguagePair {
    LanguagePair::new(source, target).unwrap()
}

fn english() -> LanguagePair {
    pair(Language::ENGLISH, Language::FRENCH)
}

/// That of everybody, from English, of which nobody says who made it.
fn term(draft: &TermDraft<'_>) -> ImportedTerm {
    ImportedTerm {
        place: TermPlace { scope: Scope::Shared, pair: english() },
        content: TermContent::new(draft).unwrap(),
        created_by: None,
        created_at: None,
        updated_by: None,
        updated_at: None,
    }
}

fn incumbent() -> TermDraft<'static> {
    TermDraft { term: "incumbent", translation: "titulaire", ..TermDraft::default() }
}

/// The names of what is skipped, and the lines.
fn names(skipped: &[(TermSkip, u64)]) -> Vec<(&'static str, u64)> {
    skipped.iter().map(|(skip, line)| (skip.name(), *line)).collect()
}
