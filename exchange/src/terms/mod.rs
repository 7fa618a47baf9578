//! Glossaries as files: CSV, and TBX-Basic (ISO 30042:2019, and the TBX of 2008).
//!
//! ```
//! use jddb_core::translation::{Language, LanguagePair};
//! use jddb_exchange::terms::{Format, TermDefaults, TermsReader};
//!
//! let pair = LanguagePair::new(Language::ENGLISH, Language::FRENCH);
//! let defaults = TermDefaults { pair, ..TermDefaults::default() };
//! let file = "term;translation;mandatory\nincumbent;titulaire;yes\n";
//! let mut reader = TermsReader::new(file.as_bytes(), Format::Csv, defaults).unwrap();
//! let row = reader.next_entry().unwrap().unwrap();
//! assert_eq!((row.line, row.terms[0].content.translation(), row.terms[0].content.mandatory), (2, "titulaire", true));
//! assert!(reader.next_entry().unwrap().is_none());
//! ```
//!
//! **CSV** (RFC 4180) has a term a row, and in the first row the names of the columns: those by which HTTP calls what a term has
//! (`term`, `translation`, `source_language`, …). They may come in any order, and all but `term` and `translation` may be left out;
//! others are passed over. Columns are separated by commas, semicolons or tabs, by what there is most of in the first row. A list
//! (`variants`, `accepted_translations`, `forbidden_translations`) is one field with `|` between its texts; in a text `|` is `\|`
//! and `\` is `\\`.
//!
//! A spreadsheet takes a field for a formula that begins with `=`, `+`, `-` or `@`, and runs it, whoever wrote it. So such a field
//! is written with an apostrophe before it, which is taken away when it is read; one that begins with apostrophes before such a
//! character has one more.
//!
//! **TBX-Basic** has concepts. A term is one, its variants are the other terms of its language, and its translations those of the
//! other: `administrativeStatus` tells the one that is mandatory (preferred), those that are accepted (admitted, the first is the
//! translation) and those that are forbidden (deprecated, superseded). The domain is the `subjectField`, the project the
//! `projectSubset`. That the case matters, for which there is nothing, is the note [`CASE_SENSITIVE`] on the term. Definitions and
//! notes are the term's note together, cut where they are longer than a note may be.

mod concept;
mod csv;
mod skip;
mod tbx;
mod tbx_writer;

use std::io::{self, BufRead, Write};

use jddb_core::translation::{ImportedTerm, LanguagePair, ProjectId, Term};

pub use self::csv::{COLUMNS_MAX, ROW_BYTES_MAX};
use self::csv::{CsvReader, CsvWriter};
use crate::ReadError;
pub use concept::{CASE_SENSITIVE, CONCEPT_TERMS_MAX};
pub use skip::TermSkip;
use tbx::TbxReader;
use tbx_writer::TbxWriter;

/// What kind of file it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Rows and columns.
    Csv,
    /// TBX-Basic.
    Tbx,
}

/// What holds of terms that do not say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TermDefaults {
    /// The project into which all goes, whatever is said of a term.
    pub project: Option<ProjectId>,
    /// The languages of a row that names none. Of a concept those are taken, and else its first and each other.
    pub pair: Option<LanguagePair>,
}

/// A row of a file, or a concept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileEntry {
    /// The line on which it begins.
    pub line: u64,
    /// The terms that are to be imported of it.
    pub terms: Vec<ImportedTerm>,
    /// Why something of it is not.
    pub skipped: Vec<TermSkip>,
}

/// Reads terms entry by entry. What is held of the file is a row, or a concept.
#[derive(Debug)]
pub struct TermsReader<R>(Inner<R>);

#[derive(Debug)]
enum Inner<R> {
    Csv(Box<CsvReader<R>>),
    Tbx(Box<TbxReader<R>>),
}

impl<R: BufRead> TermsReader<R> {
    /// Reads up to the first entry.
    ///
    /// # Errors
    /// It is no such file, or cannot be read.
    pub fn new(reader: R, format: Format, defaults: TermDefaults) -> Result<Self, ReadError> {
        Ok(Self(match format {
            Format::Csv => Inner::Csv(Box::new(CsvReader::new(reader, defaults)?)),
            Format::Tbx => Inner::Tbx(Box::new(TbxReader::new(reader, defaults)?)),
        }))
    }

    /// The next entry; `None` at the end of the file.
    ///
    /// # Errors
    /// The file is malformed there, or cannot be read. Nothing can be read after that.
    pub fn next_entry(&mut self) -> Result<Option<FileEntry>, ReadError> {
        match &mut self.0 {
            Inner::Csv(reader) => reader.next_row(),
            Inner::Tbx(reader) => reader.next_concept(),
        }
    }

    /// The columns that say nothing to us.
    #[must_use]
    pub fn unknown_columns(&self) -> &[String] {
        match &self.0 {
            Inner::Csv(reader) => reader.unknown_columns(),
            Inner::Tbx(_) => &[],
        }
    }
}

/// Writes terms in the order in which they come, each at once, in UTF-8.
#[derive(Debug)]
pub struct TermsWriter<W: Write>(Outer<W>);

#[derive(Debug)]
enum Outer<W: Write> {
    Csv(Box<CsvWriter<W>>),
    Tbx(TbxWriter<W>),
}

impl<W: Write> TermsWriter<W> {
    /// Writes what comes before the terms.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn new(out: W, format: Format) -> io::Result<Self> {
        Ok(Self(match format {
            Format::Csv => Outer::Csv(Box::new(CsvWriter::new(out)?)),
            Format::Tbx => Outer::Tbx(TbxWriter::new(out)?),
        }))
    }

    /// Writes a term.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&mut self, term: &Term) -> io::Result<()> {
        match &mut self.0 {
            Outer::Csv(writer) => writer.write(term),
            Outer::Tbx(writer) => writer.write(term),
        }
    }

    /// Writes what comes after the terms, and gives back what all was written to.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn finish(self) -> io::Result<W> {
        match self.0 {
            Outer::Csv(writer) => writer.finish(),
            Outer::Tbx(writer) => writer.finish(),
        }
    }
}
