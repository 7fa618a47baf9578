//! `glossary`: terms into files and out of them, while no server runs.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Subcommand, ValueEnum};
use jddb_core::ids::UnixMillis;
use jddb_core::translation::{Language, LanguagePair, ProjectId};
use jddb_exchange::terms::{Format, TermDefaults};

use super::files::{PlaceArgs, Progress, check_there, of_file, open, project, told_written, write_file};
use super::{Failure, print};
use crate::clock;
use crate::exchange::Selection;
use crate::exchange::terms::{self, TermsImporter};

const IMPORT_HELP: &str = "\
A CSV file names its columns in the first row: term and translation, and of the
others those that it has (source_language, target_language, domain, mandatory,
case_sensitive, variants, accepted_translations, forbidden_translations, note,
project_id, created_by, created_at, updated_by, updated_at). Lists are written
a|b|c; columns are separated by commas, semicolons or tabs. Save it in UTF-8.

In a TBX file the preferred term of the target language is the translation and
mandatory, admitted ones are accepted, deprecated ones are forbidden. The first
language of a concept is the source, unless the languages are given.

The files are read twice: a malformed one is told with its line, and nothing has
changed then. A term that is there already (same project, languages, term and
domain) is updated. Of a term that is there twice in a file the first holds.

The server must be stopped. While it runs, import over HTTP:
  curl -H \"Authorization: Bearer $TOKEN\" -H 'Content-Type: text/csv' \\
    --data-binary @terms.csv http://127.0.0.1:8000/api/translation/glossary/import

Examples:
  jddb-realtime glossary import terms.csv --source-language en --target-language fr
  jddb-realtime glossary import termbase.tbx --project hr --data /var/lib/jddb";

const EXPORT_HELP: &str = "\
In a CSV file what a spreadsheet would take for a formula has an apostrophe before
it, which is taken away when the file is imported.

The server must be stopped. While it runs, export over HTTP:
  curl -H \"Authorization: Bearer $TOKEN\" -o terms.csv \\
    'http://127.0.0.1:8000/api/translation/glossary/export?format=csv'

Examples:
  jddb-realtime glossary export -o terms.csv --data /var/lib/jddb
  jddb-realtime glossary export --project hr --format tbx | xmllint --noout -";

#[derive(Args, Debug)]
pub(super) struct GlossaryArgs {
    #[command(subcommand)]
    command: GlossaryCommand,
}

#[derive(Debug, Subcommand)]
enum GlossaryCommand {
    /// Import terms from CSV or TBX files (TBX-Basic, UTF-8 or UTF-16).
    #[command(after_help = IMPORT_HELP)]
    Import(ImportArgs),
    /// Export as a file.
    #[command(after_help = EXPORT_HELP)]
    Export(ExportArgs),
}

#[derive(Args, Debug)]
struct ImportArgs {
    /// Files to import
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// What kind of files [default: by their names, .csv, .tsv or .txt, .tbx or .xml]
    #[arg(long, value_name = "FORMAT")]
    format: Option<FormatArg>,
    /// Project into which all of it goes [default: what each term says, else for everybody]
    #[arg(long, value_name = "NAME", value_parser = project)]
    project: Option<ProjectId>,
    /// Who is told to have added terms of which the file does not say
    #[arg(long, value_name = "NAME", default_value = "import")]
    user: String,
    #[command(flatten)]
    languages: LanguageArgs,
    #[command(flatten)]
    place: PlaceArgs,
}

#[derive(Args, Debug)]
struct ExportArgs {
    /// The terms of this project only [default: all]
    #[arg(long, value_name = "NAME", value_parser = project)]
    project: Option<ProjectId>,
    /// What kind of file [default: by its name, else csv]
    #[arg(long, value_name = "FORMAT")]
    format: Option<FormatArg>,
    /// File to write; it is there when it is complete [default: to stdout]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    languages: LanguageArgs,
    #[command(flatten)]
    place: PlaceArgs,
}

#[derive(Args, Debug)]
struct LanguageArgs {
    /// Language of the terms: of import where the file does not say, of export those only
    #[arg(long, value_name = "TAG", value_parser = language, requires = "target_language")]
    source_language: Option<Language>,
    /// Language of the translations
    #[arg(long, value_name = "TAG", value_parser = language, requires = "source_language")]
    target_language: Option<Language>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum FormatArg {
    /// Rows and columns
    Csv,
    /// TBX-Basic (ISO 30042)
    Tbx,
}

fn language(tag: &str) -> Result<Language, String> {
    let language = Language::of_tag(tag).ok().filter(|language| Language::SUPPORTED.contains(language));
    let names: Vec<&str> = Language::SUPPORTED.iter().map(Language::as_str).collect();
    language.ok_or_else(|| format!("expected one of {}", names.join(", ")))
}

impl From<FormatArg> for Format {
    fn from(format: FormatArg) -> Self {
        match format {
            FormatArg::Csv => Self::Csv,
            FormatArg::Tbx => Self::Tbx,
        }
    }
}

/// What kind of file it is by its name.
fn format_of(path: &Path) -> Option<Format> {
    match path.extension()?.to_str()?.to_lowercase().as_str() {
        "csv" | "tsv" | "txt" => Some(Format::Csv),
        "tbx" | "xml" => Some(Format::Tbx),
        _ => None,
    }
}

impl LanguageArgs {
    fn pair(&self) -> Result<Option<LanguagePair>, Failure> {
        match (self.source_language, self.target_language) {
            (Some(source), Some(target)) => LanguagePair::new(source, target)
                .map(Some)
                .ok_or_else(|| Failure::Usage("--target-language: expected another than --source-language".to_owned())),
            _ => Ok(None),
        }
    }
}

impl GlossaryArgs {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self.command {
            GlossaryCommand::Import(args) => args.run(),
            GlossaryCommand::Export(args) => args.run(),
        }
    }
}

impl ImportArgs {
    fn run(self) -> Result<(), Failure> {
        let Self { files, format, project, user, languages, place } = self;
        let defaults = TermDefaults { project, pair: languages.pair()? };
        let config = place.load()?;
        let mut checked = Vec::new();
        for path in files {
            let unknown = || {
                Failure::Usage(format!(
                    "{}: the name says nothing of its kind: expected --format csv or tbx",
                    path.display()
                ))
            };
            let format = format.map(Format::from).or_else(|| format_of(&path)).ok_or_else(unknown)?;
            let progress = Progress::of(&path, "checking")?;
            terms::check(progress.reader()?, format, &defaults).map_err(|error| of_file(&path, &error))?;
            progress.end();
            checked.push((path, format));
        }
        let (directory, store) = open(&config, "POST the file to /api/translation/glossary/import")?;
        let importer = TermsImporter::new(Arc::clone(&store), &directory, config.translation.terms, &user);
        let mut importer = importer.map_err(Failure::runtime)?;
        for (path, format) in &checked {
            let progress = Progress::of(path, "importing")?;
            let summary = importer.import(progress.reader()?, *format, &defaults, UnixMillis(clock::now_unix_ms()));
            progress.end();
            print(&format!("{}: {}", path.display(), summary.map_err(|error| of_file(path, &error))?))?;
        }
        store.close_clean().map_err(Failure::runtime)
    }
}

impl ExportArgs {
    fn run(self) -> Result<(), Failure> {
        let Self { project, format, output, languages, place } = self;
        let selection = Selection { project, pair: languages.pair()? };
        let config = place.load()?;
        check_there(&config)?;
        let of_name = || output.as_deref().and_then(format_of);
        let format = format.map(Format::from).or_else(of_name).unwrap_or(Format::Csv);
        let (_directory, store) = open(&config, "GET /api/translation/glossary/export")?;
        let (all, unreadable) = terms::load(&store).map_err(Failure::runtime)?;
        let wanted = all.iter().filter(|term| selection.has_term(term));
        let written = write_file(output.as_deref(), |out| terms::export(wanted, format, out))?;
        store.close_clean().map_err(Failure::runtime)?;
        told_written(&format!("{written} terms"), unreadable)
    }
}
