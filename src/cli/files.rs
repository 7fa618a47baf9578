//! What commands share that read files into a store and write files of it, while no server runs.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, IsTerminal as _, Write};
use std::path::Path;
use std::sync::Arc;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use jddb_core::translation::ProjectId;
use jddb_storage::{DataDirectory, Durability, LockError, Store};
use tempfile::NamedTempFile;

use super::{ConfigArgs, Failure};
use crate::config::Config;
use crate::logging;

/// What is read of a file at once, and written.
const BUFFER_BYTES: usize = 256 << 10;

#[derive(Args, Debug)]
pub(super) struct PlaceArgs {
    /// Directory of the database [default: ./data]
    #[arg(long, value_name = "DIR")]
    data: Option<String>,
    #[command(flatten)]
    config: ConfigArgs,
}

pub(super) fn project(name: &str) -> Result<ProjectId, String> {
    ProjectId::new(name).map_err(|error| error.to_string())
}

impl PlaceArgs {
    pub(super) fn load(self) -> Result<Config, Failure> {
        let flags = self.data.map(|data| ("data", data)).into_iter().collect();
        let config = self.config.load(flags)?.config;
        logging::init(&config.log).map_err(Failure::runtime)?;
        Ok(config)
    }
}

/// Opens the store of a server that does not run.
pub(super) fn open(config: &Config, way_while_running: &str) -> Result<(DataDirectory, Arc<Store>), Failure> {
    let directory = DataDirectory::lock(&config.data).map_err(|error| match error {
        LockError::InUse { .. } => Failure::Runtime(format!("{error}; while it runs: {way_while_running}")),
        LockError::Io { .. } => Failure::runtime(error),
    })?;
    // What is written here is durable at once, whatever documents are.
    let store = Store::open(&directory, crate::server::store_options(config), Durability::Strict);
    Ok((directory, store.map_err(Failure::runtime)?))
}

/// Whether there is anything to export.
pub(super) fn check_there(config: &Config) -> Result<(), Failure> {
    match config.data.is_dir() {
        true => Ok(()),
        false => Err(Failure::Usage(format!("--data: {}: there is no such directory", config.data.display()))),
    }
}

/// Writes a file, which is there when it is complete; or to stdout.
pub(super) fn write_file<T, E: std::fmt::Display>(
    path: Option<&Path>,
    write: impl FnOnce(&mut dyn Write) -> Result<T, E>,
) -> Result<T, Failure> {
    let Some(path) = path else {
        let mut out = BufWriter::with_capacity(BUFFER_BYTES, io::stdout().lock());
        return write(&mut out).map_err(|error| Failure::Runtime(format!("stdout: {error}")));
    };
    let failed = |error: io::Error| of_file(path, &error);
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let mut file = NamedTempFile::new_in(parent).map_err(failed)?;
    let mut out = BufWriter::with_capacity(BUFFER_BYTES, &mut file);
    let written = write(&mut out).map_err(|error| of_file(path, &error))?;
    out.flush().map_err(failed)?;
    drop(out);
    file.as_file().sync_all().map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(written)
}

/// Says how much was written; not to stdout, where the file may go.
pub(super) fn told_written(what: &str, unreadable: u64) -> Result<(), Failure> {
    let _ = writeln!(io::stderr(), "{what} exported");
    match unreadable {
        0 => Ok(()),
        _ => Err(Failure::Runtime(format!("{unreadable} entries cannot be read and are not in the file; see the log"))),
    }
}

pub(super) fn of_file(path: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::Runtime(format!("{}: {error}", path.display()))
}

/// How far a file is read, shown where somebody looks.
pub(super) struct Progress<'p> {
    path: &'p Path,
    bar: ProgressBar,
}

impl<'p> Progress<'p> {
    pub(super) fn of(path: &'p Path, what: &'static str) -> Result<Self, Failure> {
        let bytes = std::fs::metadata(path).map_err(|error| of_file(path, &error))?.len();
        let bar = if io::stderr().is_terminal() { ProgressBar::new(bytes) } else { ProgressBar::hidden() };
        let style = "{msg} {wide_bar} {bytes}/{total_bytes} ({bytes_per_sec}, {eta})";
        bar.set_style(ProgressStyle::with_template(style).map_err(Failure::runtime)?);
        bar.set_message(format!("{what} {}", path.display()));
        Ok(Self { path, bar })
    }

    pub(super) fn reader(&self) -> Result<impl io::BufRead + use<>, Failure> {
        let file = File::open(self.path).map_err(|error| of_file(self.path, &error))?;
        Ok(BufReader::with_capacity(BUFFER_BYTES, self.bar.wrap_read(file)))
    }

    pub(super) fn end(self) {
        self.bar.finish_and_clear();
    }
}
