//! `memory`: the translation memory into files and out of them, while no server runs.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use jddb_core::ids::UnixMillis;
use jddb_core::translation::ProjectId;
use jddb_exchange::tmx::Defaults;
use jddb_storage::{DataDirectory, Durability, LockError, Store};
use tempfile::NamedTempFile;

use super::{ConfigArgs, Failure, print};
use crate::config::Config;
use crate::exchange::{Selection, offline};
use crate::{clock, logging};

/// What is read of a file at once, and written.
const BUFFER_BYTES: usize = 256 << 10;

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

#[derive(Args, Debug)]
struct PlaceArgs {
    /// Directory of the database [default: ./data]
    #[arg(long, value_name = "DIR")]
    data: Option<String>,
    #[command(flatten)]
    config: ConfigArgs,
}

/// What kind of file is written.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// Translation Memory eXchange 1.4b
    Tmx,
}

fn project(name: &str) -> Result<ProjectId, String> {
    ProjectId::new(name).map_err(|error| error.to_string())
}

impl MemoryArgs {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self.command {
            MemoryCommand::Import(args) => args.run(),
            MemoryCommand::Export(args) => args.run(),
        }
    }
}

impl PlaceArgs {
    fn load(self) -> Result<Config, Failure> {
        let flags = self.data.map(|data| ("data", data)).into_iter().collect();
        let config = self.config.load(flags)?.config;
        logging::init(&config.log).map_err(Failure::runtime)?;
        Ok(config)
    }
}

/// Opens the store of a server that does not run.
fn open(config: &Config, way_while_running: &str) -> Result<(DataDirectory, std::sync::Arc<Store>), Failure> {
    let directory = DataDirectory::lock(&config.data).map_err(|error| match error {
        LockError::InUse { .. } => Failure::Runtime(format!("{error}; while it runs: {way_while_running}")),
        LockError::Io { .. } => Failure::runtime(error),
    })?;
    // What is written here is durable at once, whatever documents are.
    let store = Store::open(&directory, crate::server::store_options(config), Durability::Strict);
    Ok((directory, store.map_err(Failure::runtime)?))
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
        if !config.data.is_dir() {
            return Err(Failure::Usage(format!("--data: {}: there is no such directory", config.data.display())));
        }
        let (_directory, store) = open(&config, "GET /api/translation/memory/export")?;
        let selection = Selection { project, pair: None };
        let now = UnixMillis(clock::now_unix_ms());
        let (written, unreadable) = match &output {
            None => {
                let out = BufWriter::with_capacity(BUFFER_BYTES, io::stdout().lock());
                offline::export(&store, &selection, out, now)
                    .map_err(|error| Failure::Runtime(format!("stdout: {error}")))?
            }
            Some(path) => {
                let failed = |error: io::Error| Failure::Runtime(format!("{}: {error}", path.display()));
                let parent =
                    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
                let mut file = NamedTempFile::new_in(parent).map_err(failed)?;
                let out = BufWriter::with_capacity(BUFFER_BYTES, &mut file);
                let counts = offline::export(&store, &selection, out, now).map_err(|error| of_file(path, &error))?;
                file.as_file().sync_all().map_err(failed)?;
                file.persist(path).map_err(|error| failed(error.error))?;
                counts
            }
        };
        store.close_clean().map_err(Failure::runtime)?;
        // Not to stdout, where the file may go.
        let _ = writeln!(io::stderr(), "{written} translations exported");
        match unreadable {
            0 => Ok(()),
            _ => Err(Failure::Runtime(format!(
                "{unreadable} entries cannot be read and are not in the file; see the log"
            ))),
        }
    }
}

fn of_file(path: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::Runtime(format!("{}: {error}", path.display()))
}

/// How far a file is read, shown where somebody looks.
struct Progress<'p> {
    path: &'p Path,
    bar: ProgressBar,
}

impl<'p> Progress<'p> {
    fn of(path: &'p Path, what: &'static str) -> Result<Self, Failure> {
        let bytes = std::fs::metadata(path).map_err(|error| of_file(path, &error))?.len();
        let bar = if io::stderr().is_terminal() { ProgressBar::new(bytes) } else { ProgressBar::hidden() };
        let style = "{msg} {wide_bar} {bytes}/{total_bytes} ({bytes_per_sec}, {eta})";
        bar.set_style(ProgressStyle::with_template(style).map_err(Failure::runtime)?);
        bar.set_message(format!("{what} {}", path.display()));
        Ok(Self { path, bar })
    }

    fn reader(&self) -> Result<impl io::BufRead + use<>, Failure> {
        let file = File::open(self.path).map_err(|error| of_file(self.path, &error))?;
        Ok(BufReader::with_capacity(BUFFER_BYTES, self.bar.wrap_read(file)))
    }

    fn end(self) {
        self.bar.finish_and_clear();
    }
}
