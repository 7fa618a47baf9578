//! Terms as CSV: see the module above for how.

use std::borrow::Cow;
use std::io::{self, BufRead, Cursor, Read, Write};

use csv::{ByteRecord, ErrorKind, QuoteStyle, Reader, ReaderBuilder, StringRecord, Terminator, Writer, WriterBuilder};
use jddb_core::ids::UnixMillis;
use jddb_core::translation::TermPlace;
use jddb_core::translation::{ImportedTerm, Language, LanguagePair, ProjectId, Scope, Term, TermContent, TermDraft};

use super::{FileEntry, TermDefaults, TermSkip};
use crate::ReadError;
use crate::source::Source;
use crate::values::{date, person, wrong};
use crate::xml::{malformed, shown};

/// The longest row, in bytes; what is read ahead of it counts too.
pub const ROW_BYTES_MAX: usize = 256 << 10;
/// The most columns.
pub const COLUMNS_MAX: usize = 64;

/// The columns, as they are written.
const COLUMNS: [&str; 17] = [
    "term_id",
    "project_id",
    "source_language",
    "target_language",
    "term",
    "translation",
    "domain",
    "mandatory",
    "case_sensitive",
    "variants",
    "accepted_translations",
    "forbidden_translations",
    "note",
    "created_by",
    "created_at",
    "updated_by",
    "updated_at",
];
/// Those that must be there.
const NEEDED: [&str; 2] = ["term", "translation"];
/// By what columns may be separated.
const DELIMITERS: [u8; 3] = [b'\t', b';', b','];
/// What a spreadsheet takes for the beginning of a formula.
const FORMULA: [char; 10] = ['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠'];
/// What stands before it, so that it is none.
const GUARD: char = '\'';
/// What tells spreadsheets that a file is in UTF-8.
const MARK: &str = "\u{FEFF}";
/// What is read at the end of each file. The first ends a row that nothing ended; only a quote that is still open goes on to the
/// second.
const END: &[u8] = b"\n\n";

/// A file of which is known where it ends.
#[derive(Debug)]
struct Ended<R> {
    /// The first line, which was looked at.
    head: Cursor<Vec<u8>>,
    source: Source<R>,
    end: &'static [u8],
    given: u64,
}

impl<R: BufRead> Read for Ended<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut read = self.head.read(into)?;
        if read == 0 {
            read = self.source.read(into)?;
        }
        if read == 0 {
            read = self.end.read(into)?;
        }
        self.given += read as u64;
        Ok(read)
    }
}

/// Reads terms row by row.
#[derive(Debug)]
pub(super) struct CsvReader<R> {
    rows: Reader<Ended<R>>,
    /// How many columns there are, and where each of [`COLUMNS`] is.
    width: usize,
    places: [Option<usize>; COLUMNS.len()],
    unknown: Vec<String>,
    defaults: TermDefaults,
}

impl<R: BufRead> CsvReader<R> {
    /// Reads the names of the columns.
    pub(super) fn new(reader: R, defaults: TermDefaults) -> Result<Self, ReadError> {
        let mut source = Source::new(reader).map_err(of_source)?;
        source.allow(ROW_BYTES_MAX);
        let mut head = Vec::new();
        source.read_until(b'\n', &mut head).map_err(of_source)?;
        let delimiter = delimiter_of(&head);
        let file = Ended { head: Cursor::new(head), source, end: END, given: 0 };
        // Carriage returns are at the end of the last field then, where white space says nothing.
        let newline = Terminator::Any(b'\n');
        let mut builder = ReaderBuilder::new();
        builder.delimiter(delimiter).terminator(newline).has_headers(false).flexible(true);
        let rows = builder.from_reader(file);
        let (width, places, unknown) = (0, [None; COLUMNS.len()], Vec::new());
        let mut reader = Self { rows, width, places, unknown, defaults };
        reader.read_columns()?;
        Ok(reader)
    }

    pub(super) fn unknown_columns(&self) -> &[String] {
        &self.unknown
    }

    /// The next row that is not empty.
    pub(super) fn next_row(&mut self) -> Result<Option<FileEntry>, ReadError> {
        while let Some((row, line)) = self.read_row()? {
            if row.iter().all(is_empty) {
                continue;
            }
            if let Some(field) = row.iter().skip(self.width).find(|field| !is_empty(field)) {
                let width = self.width;
                let what =
                    format!("{:?} after the last of {width} columns: put a text with commas in quotes", shown(field));
                return Err(malformed(line, "", what));
            }
            let term = self.term(&row).map_err(|reason| malformed(line, "", reason))?;
            let (terms, skipped) = match term {
                Ok(term) => (vec![term], Vec::new()),
                Err(skip) => (Vec::new(), vec![skip]),
            };
            return Ok(Some(FileEntry { line, terms, skipped }));
        }
        Ok(None)
    }

    fn read_columns(&mut self) -> Result<(), ReadError> {
        let fail = |what: String| Err(malformed(1, "", what));
        let Some((row, _)) = self.read_row()? else {
            return fail("there is nothing: expected a row with the names of the columns".to_owned());
        };
        if row.len() > COLUMNS_MAX {
            return fail(format!("more than {COLUMNS_MAX} columns"));
        }
        let names: Vec<String> = row.iter().map(|name| name.trim().to_lowercase().replace(' ', "_")).collect();
        let count = |column: &str| names.iter().filter(|name| *name == column).count();
        if let Some(missing) = NEEDED.iter().find(|column| count(column) == 0) {
            let found = shown(&names.join(", "));
            return fail(format!("no column {missing} in the first row ({found}): expected the columns' names there"));
        }
        if let Some(twice) = COLUMNS.iter().find(|column| count(column) > 1) {
            return fail(format!("the column {twice} is there twice"));
        }
        self.width = names.len();
        self.places = COLUMNS.map(|column| names.iter().position(|name| name == column));
        let is_unknown = |name: &&String| !name.is_empty() && !COLUMNS.contains(&name.as_str());
        self.unknown = names.iter().filter(is_unknown).map(|name| shown(name)).collect();
        Ok(())
    }

    /// The next row, and the line on which it begins.
    fn read_row(&mut self) -> Result<Option<(StringRecord, u64)>, ReadError> {
        self.rows.get_mut().source.allow(ROW_BYTES_MAX);
        let begins_at = self.rows.position().line();
        let mut row = ByteRecord::new();
        match self.rows.read_byte_record(&mut row) {
            Ok(true) => {}
            Ok(false) => return Ok(None),
            Err(_) if self.rows.get_ref().source.is_exhausted() => {
                let what = format!("a row of more than {ROW_BYTES_MAX} bytes: is a quote missing?");
                return Err(malformed(begins_at, "", what));
            }
            Err(error) => return Err(of_csv(error, begins_at)),
        }
        // Empty lines before it count too, and the newline after it does not.
        let newlines: usize = row.iter().map(|field| memchr::memchr_iter(b'\n', field).count()).sum();
        let line = self.rows.position().line().saturating_sub(1 + newlines as u64);
        self.check_end(&row, line)?;
        let text = StringRecord::from_byte_record(row).map_err(|_| {
            malformed(line, "", "bytes that are no UTF-8: save the file in UTF-8 (\"CSV UTF-8\")".to_owned())
        })?;
        Ok(Some((text, line)))
    }

    /// Whether a file that ends here may end so.
    fn check_end(&self, row: &ByteRecord, line: u64) -> Result<(), ReadError> {
        let file = self.rows.get_ref();
        let after = (file.given + file.end.len() as u64).saturating_sub(self.rows.position().byte());
        match after {
            _ if file.end.len() == END.len() => Ok(()),
            // No newline is after it, all are in it.
            0 => Err(malformed(line + 1, "", "a quote begins that does not end: expected another \"".to_owned())),
            1 if row.len() < self.width => {
                let (found, expected) = (row.len(), self.width);
                Err(malformed(line, "", format!("the file breaks off in column {found} of {expected}")))
            }
            _ => Ok(()),
        }
    }

    /// The term of a row; or why it is not imported.
    ///
    /// # Errors
    /// What is wrong with the row.
    fn term(&self, row: &StringRecord) -> Result<Result<ImportedTerm, TermSkip>, String> {
        let field = |place: Option<usize>| unguarded(place.and_then(|place| row.get(place)).unwrap_or_default().trim());
        let [
            _,
            project,
            source,
            target,
            term,
            translation,
            domain,
            mandatory,
            case_matters,
            variants,
            accepted,
            forbidden,
            note,
            created_by,
            created_at,
            updated_by,
            updated_at,
        ] = self.places.map(field);
        let [variants, accepted, forbidden] = [variants, accepted, forbidden].map(texts_of);
        let draft = TermDraft {
            term,
            variants: variants.iter().map(String::as_str).collect(),
            translation,
            accepted: accepted.iter().map(String::as_str).collect(),
            forbidden: forbidden.iter().map(String::as_str).collect(),
            domain: some(domain),
            mandatory: boolean("mandatory", mandatory)?,
            case_matters: boolean("case_sensitive", case_matters)?,
            note: some(note),
        };
        let (created_at, updated_at) = (moment("created_at", created_at)?, moment("updated_at", updated_at)?);
        let place = self.place_of(project, source, target)?;
        Ok(place.and_then(|place| {
            let content = TermContent::new(&draft).map_err(TermSkip::Content)?;
            let (created_by, updated_by) = (person(created_by), person(updated_by));
            Ok(ImportedTerm { place, content, created_by, created_at, updated_by, updated_at })
        }))
    }

    fn place_of(&self, project: &str, source: &str, target: &str) -> Result<Result<TermPlace, TermSkip>, String> {
        let TermDefaults { project: wanted, pair } = &self.defaults;
        let source = language("source_language", source, pair.map(LanguagePair::source))?;
        let target = language("target_language", target, pair.map(LanguagePair::target))?;
        let known = |language: &Language| Language::SUPPORTED.contains(language);
        let pair = LanguagePair::new(source, target).filter(|_| known(&source) && known(&target));
        let named = some(project).filter(|_| wanted.is_none()).map(ProjectId::new).transpose();
        Ok(match (pair, named) {
            (None, _) => Err(TermSkip::Languages),
            (_, Err(_)) => Err(TermSkip::Project),
            (Some(pair), Ok(named)) => {
                Ok(TermPlace { scope: wanted.clone().or(named).map_or(Scope::Shared, Scope::Project), pair })
            }
        })
    }
}

/// Of a file that cannot be read, or is something else by its first bytes.
fn of_source(error: io::Error) -> ReadError {
    match error.kind() {
        io::ErrorKind::InvalidData => malformed(1, "", error.to_string()),
        _ => ReadError::Io(error),
    }
}

fn of_csv(error: csv::Error, line: u64) -> ReadError {
    match error.into_kind() {
        ErrorKind::Io(error) if error.kind() == io::ErrorKind::InvalidData => malformed(line, "", error.to_string()),
        ErrorKind::Io(error) => ReadError::Io(error),
        other => malformed(line, "", format!("{other:?}")),
    }
}

/// What there is most of in the first row.
fn delimiter_of(row: &[u8]) -> u8 {
    let count = |delimiter: &u8| row.iter().filter(|byte| *byte == delimiter).count();
    DELIMITERS.into_iter().max_by_key(count).unwrap_or(b',')
}

fn is_empty(field: &str) -> bool {
    field.trim().is_empty()
}

fn some(field: &str) -> Option<&str> {
    (!is_empty(field)).then_some(field)
}

fn boolean(column: &str, field: &str) -> Result<bool, String> {
    match field.to_lowercase().as_str() {
        "true" | "yes" | "1" => Ok(true),
        "" | "false" | "no" | "0" => Ok(false),
        _ => Err(wrong(column, field, "true or false")),
    }
}

fn moment(column: &str, field: &str) -> Result<Option<UnixMillis>, String> {
    some(field).map(|field| date(column, field)).transpose()
}

fn language(column: &str, tag: &str, default: Option<Language>) -> Result<Language, String> {
    match some(tag) {
        Some(tag) => Language::of_tag(tag).map_err(|_| wrong(column, tag, "a language, such as en or fr-CA")),
        None => default.ok_or_else(|| {
            format!("no {column}: expected one in a column of that name, or one named for the whole file")
        }),
    }
}

fn is_formula(field: &str) -> bool {
    field.trim_start_matches(GUARD).starts_with(FORMULA)
}

/// A field that no spreadsheet takes for a formula.
fn guarded(field: &str) -> Cow<'_, str> {
    if is_formula(field) { Cow::Owned(format!("{GUARD}{field}")) } else { Cow::Borrowed(field) }
}

/// What was guarded so.
fn unguarded(field: &str) -> &str {
    field.strip_prefix(GUARD).filter(|rest| is_formula(rest)).unwrap_or(field)
}

/// The texts of a list.
fn texts_of(field: &str) -> Vec<String> {
    let (mut texts, mut text) = (Vec::new(), String::new());
    let mut characters = field.chars();
    while let Some(character) = characters.next() {
        match character {
            '|' => texts.push(std::mem::take(&mut text)),
            '\\' => text.extend(characters.next()),
            other => text.push(other),
        }
    }
    texts.push(text);
    texts.retain(|text| !is_empty(text));
    texts
}

/// A list of texts as one field.
fn list(texts: &[&str]) -> String {
    let escaped: Vec<String> = texts.iter().map(|text| text.replace('\\', "\\\\").replace('|', "\\|")).collect();
    escaped.join("|")
}

/// Writes terms row by row.
#[derive(Debug)]
pub(super) struct CsvWriter<W: Write> {
    rows: Writer<W>,
}

impl<W: Write> CsvWriter<W> {
    /// Writes the names of the columns.
    pub(super) fn new(mut out: W) -> io::Result<Self> {
        out.write_all(MARK.as_bytes())?;
        // All in quotes: a file that breaks off within a row is known by a quote that does not end.
        let mut builder = WriterBuilder::new();
        let mut rows = builder.quote_style(QuoteStyle::Always).terminator(Terminator::CRLF).from_writer(out);
        rows.write_record(COLUMNS)?;
        Ok(Self { rows })
    }

    /// Writes a term.
    pub(super) fn write(&mut self, term: &Term) -> io::Result<()> {
        let Term { id, place, content, created_by, created_at, updated_by, updated_at } = term;
        let TermDraft { term, variants, translation, accepted, forbidden, domain, mandatory, case_matters, note } =
            content.draft();
        let (id, created_at, updated_at) = (id.to_string(), created_at.to_string(), updated_at.to_string());
        let [source, target] = [place.pair.source(), place.pair.target()];
        let row = [
            id.as_str(),
            place.scope.project().map_or("", ProjectId::as_str),
            source.as_str(),
            target.as_str(),
            term,
            translation,
            domain.unwrap_or_default(),
            if mandatory { "true" } else { "false" },
            if case_matters { "true" } else { "false" },
            &list(&variants),
            &list(&accepted),
            &list(&forbidden),
            note.unwrap_or_default(),
            created_by,
            &created_at,
            updated_by,
            &updated_at,
        ];
        Ok(self.rows.write_record(row.map(guarded).iter().map(|field| field.as_bytes()))?)
    }

    /// Ends the file.
    pub(super) fn finish(self) -> io::Result<W> {
        self.rows.into_inner().map_err(csv::IntoInnerError::into_error)
    }
}
