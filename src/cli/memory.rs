//! `memory`: the translation memory into files and out of them, while no server runs.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use jddb_core::ids::UnixMillis;
use jddb_core::translation::ProjectId;
use jddb_exchange::tmx::Defaults;

use super::files::{PlaceArgs, Progress, check_there, of_file, open, project, told_written, write_file};
use super::{Failure, print};
use crate::clock;
use crate::exchange::{Selection, offline};

const IMPORT_HELP: &str = "\
The files are read twice: a malformed one is told with its line, and nothing has
changed then. A translation that is there already (same project, languages, text
and translation) is not made again: the highest usage count, the last dates, all
people and what is known of its context are kept. So a file may be imported again.

The server must be stopped. While it runs, import over HTTP:
  curl -H \"Authorization: Bearer $TOKEN\" -H 'Content-Type: application/xml' \\
    --data-binary @memory.tmx http://127.0.0.1:8000/api/translation/memory/import

Examples:
  jddb-realtime memory import legacy.tmx --data /var/lib/jddb
  jddb-realtime memory import hr-1.tmx hr-2.tmx --project hr --reviewed";

const EXPORT_HELP: &str = "\
The server must be stopped. While it runs, export over HTTP:
  curl -H \"Authorization: Bearer $TOKEN\" -o memory.tmx \\
    http://127.0.0.1:8000/api/translation/memory/export

Examples:
  jddb-realtime memory export -o memory.tmx --data /var/lib/jddb
  jddb-realtime memory export --project hr | xmllint --stream --noout -";

#[derive(Args, Debug)]
pub(super) struct MemoryArgs {
    #[command(subcommand)]
    command: MemoryCommand,
}

#[derive(Debug, Subcommand)]
enum MemoryCommand {
    /// Import TMX files (1.4b, UTF-8 or UTF-16).
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
    /// Project into which all of it goes [default: what each unit says, else for everybody]
    #[arg(long, value_name = "NAME", value_parser = project)]
    project: Option<ProjectId>,
    /// Take what the file says nothing of as reviewed; otherwise it is suggested with less confidence until it is
    #[arg(long)]
    reviewed: bool,
    #[command(flatten)]
    place: PlaceArgs,
}

#[derive(Args, Debug)]
struct ExportArgs {
    /// The entries of this project only [default: all]
    #[arg(long, value_name = "NAME", value_parser = project)]
    project: Option<ProjectId>,
    /// What kind of file
    #[arg(long, value_name = "FORMAT", default_value = "tmx")]
    format: Format,
    /// File to write; it is there when it is complete [default: to stdout]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    place: PlaceArgs,
}

/// What kind of file is written.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// Translation Memory eXchange 1.4b
    Tmx,
}

impl MemoryArgs {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self.command {
            MemoryCommand::Import(args) => args.run(),
            MemoryCommand::Export(args) => args.run(),
        }
    }
}

impl ImportArgs {
    fn run(self) -> Result<(), Failure> {
        let Self { files, project, reviewed, place } = self;
        let config = place.load()?;
        for path in &files {
            let progress = Progress::of(path, "checking")?;
            offline::check(progress.reader()?).map_err(|error| of_file(path, &error))?;
            progress.end();
        }
        let (directory, store) = open(&config, "POST the file to /api/translation/memory/import")?;
        let defaults = Defaults { project, reviewed };
        let importer = offline::Importer::new(std::sync::Arc::clone(&store), &directory, config.translation.entries);
        let mut importer = importer.map_err(Failure::runtime)?;
        for path in &files {
            let progress = Progress::of(path, "importing")?;
            let summary = importer.import(progress.reader()?, &defaults, UnixMillis(clock::now_unix_ms()));
            progress.end();
            print(&format!("{}: {}", path.display(), summary.map_err(|error| of_file(path, &error))?))?;
        }
        store.close_clean().map_err(Failure::runtime)
    }
}

impl ExportArgs {
    fn run(self) -> Result<(), Failure> {
        let Self { project, format: Format::Tmx, output, place } = self;
        let config = place.load()?;
        check_there(&config)?;
        let (_directory, store) = open(&config, "GET /api/translation/memory/export")?;
        let selection = Selection { project, pair: None };
        let now = UnixMillis(clock::now_unix_ms());
        let (written, unreadable) = write_file(output.as_deref(), |out| offline::export(&store, &selection, out, now))?;
        store.close_clean().map_err(Failure::runtime)?;
        told_written(&format!("{written} translations"), unreadable)
    }
}
