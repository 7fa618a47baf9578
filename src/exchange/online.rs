//! Imports and exports by a server: each has a thread of its own, so that no core waits for a file.
//!
//! A file that is imported is put into the data directory first, without a name, so that nothing is left of it whatever happens;
//! it is read to its end before anything is changed. Then it goes through the thread that changes the memory, a batch at a time.
//! What others hand in meanwhile comes in between.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Seek as _, SeekFrom, Write};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::Builder;

use bytes::Bytes;
use jddb_core::ids::UnixMillis;
use jddb_core::translation::Imported;
use jddb_exchange::ReadError;
use jddb_exchange::tmx::{Defaults, SkipReason, TmxReader};
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::{Selection, Summary, offline};
use crate::auth::Pass;
use crate::clock;
use crate::config::Config;
use crate::connection::{StreamBody, StreamSender, empty_stream};
use crate::shared::Shared;
use crate::translations::TranslationError;

/// Exports at a time, over all cores.
const EXPORTS_MAX: usize = 2;
/// Pieces of a body that wait to be put into a file.
const PARTS_MAX: usize = 16;
/// Translations that are written at once: a live submission waits for no more.
const BATCH_TRANSLATIONS: usize = 512;
/// What is read of a file at once, and passed on of one.
const BUFFER_BYTES: usize = 64 << 10;

/// What is imported and exported now, over all cores.
#[derive(Debug)]
pub(crate) struct Exchange {
    imports: Arc<Semaphore>,
    exports: Arc<Semaphore>,
}

impl Default for Exchange {
    fn default() -> Self {
        Self { imports: Arc::new(Semaphore::new(1)), exports: Arc::new(Semaphore::new(EXPORTS_MAX)) }
    }
}

/// A part of a body.
pub(crate) enum Part {
    /// Some bytes.
    Bytes(Bytes),
    /// There are no more. Where this does not come the body broke off.
    End,
}

/// Why a file was not imported, or not all of it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ImportError {
    /// Another one is imported.
    #[error("another file is being imported: retry when it is")]
    Busy,
    /// It is larger than `translation.import_bytes`.
    #[error("the file is larger than {0} bytes (translation.import_bytes): import it in parts, or by the command line")]
    TooLarge(u64),
    /// It is malformed. Nothing has changed.
    #[error("{reason}")]
    Malformed {
        /// Where, and what is wrong.
        reason: String,
        /// What kind of file was expected.
        expected: &'static str,
    },
    /// The server's disk or the system refuses. Nothing has changed.
    #[error("the file cannot be kept to be read: {0}")]
    Io(#[from] io::Error),
    /// It was begun, and what is told of is there; the same file may be sent again.
    #[error("{error}; {done} entries of the file are there, send it again for the rest")]
    Partly {
        /// Why it was not gone on with.
        error: TranslationError,
        /// How many were looked at.
        done: u64,
    },
    /// The server stops. Of what was begun some may be there; the same file may be sent again.
    #[error("the server is stopping: send the file again, to another one or later")]
    Stopping,
}

/// A file that is being sent.
#[derive(Debug)]
pub(crate) struct Upload {
    /// Where its parts go.
    pub(crate) parts: mpsc::Sender<Part>,
    /// What becomes of it.
    pub(crate) answer: oneshot::Receiver<Result<Summary, ImportError>>,
}

/// Takes a file, unless another is taken, and then does that with it.
///
/// # Errors
/// Another is, or the system gives no thread.
pub(crate) fn begin_import(
    shared: &Arc<Shared>,
    import: impl FnOnce(&Shared, &mut File) -> Result<Summary, ImportError> + Send + 'static,
) -> Result<Upload, ImportError> {
    let imports = Arc::clone(&shared.translations.exchange.imports);
    let turn = imports.try_acquire_owned().map_err(|_| ImportError::Busy)?;
    let (parts, sent) = mpsc::channel(PARTS_MAX);
    let (reply, answer) = oneshot::channel();
    let shared = Arc::clone(shared);
    Builder::new().name("import".to_owned()).spawn(move || {
        let imported = match receive(&shared.config, sent) {
            Ok(Some(mut file)) => Some(import(&shared, &mut file)),
            Ok(None) => None,
            Err(error) => Some(Err(error)),
        };
        // The next one may begin when this one is told to be over.
        drop(turn);
        if let Some(imported) = imported {
            let _ = reply.send(imported);
        }
    })?;
    Ok(Upload { parts, answer })
}

/// What is sent, from its first byte; `None` if that broke off.
fn receive(config: &Config, mut sent: mpsc::Receiver<Part>) -> Result<Option<File>, ImportError> {
    let bytes_max = config.translation.import_bytes;
    let mut file = BufWriter::with_capacity(BUFFER_BYTES, tempfile::tempfile_in(&config.data)?);
    let mut received = 0;
    loop {
        match sent.blocking_recv() {
            None => return Ok(None),
            Some(Part::End) => return Ok(Some(file.into_inner().map_err(io::IntoInnerError::into_error)?)),
            Some(Part::Bytes(bytes)) => {
                received += bytes.len() as u64;
                if received > bytes_max {
                    return Err(ImportError::TooLarge(bytes_max));
                }
                file.write_all(&bytes)?;
            }
        }
    }
}

/// A file from its first byte.
pub(super) fn from_start(file: &mut File) -> io::Result<BufReader<&mut File>> {
    file.seek(SeekFrom::Start(0))?;
    Ok(BufReader::with_capacity(BUFFER_BYTES, file))
}

/// Whether a server that imports may go on.
pub(super) fn check_goes_on(shared: &Shared) -> Result<(), ImportError> {
    if shared.draining.load(Ordering::Acquire) { Err(ImportError::Stopping) } else { Ok(()) }
}

/// What is wrong with a file that was expected to be one of those.
pub(super) fn of_file(error: ReadError, expected: &'static str) -> ImportError {
    match error {
        ReadError::Malformed { .. } => ImportError::Malformed { reason: error.to_string(), expected },
        ReadError::Io(error) => ImportError::Io(error),
    }
}

/// Imports translations, for somebody who came with that.
pub(crate) fn import_memory(
    shared: &Shared,
    file: &mut File,
    defaults: &Defaults,
    pass: Pass,
) -> Result<Summary, ImportError> {
    offline::check(from_start(file)?).map_err(of_tmx)?;
    let mut tmx = TmxReader::new(from_start(file)?).map_err(of_tmx)?;
    let mut summary = Summary::default();
    let mut batch = Vec::new();
    while let Some(unit) = tmx.next_unit().map_err(of_tmx)? {
        summary.units += 1;
        let (imported, skipped) = unit.imported(defaults);
        skipped.into_iter().for_each(|reason| summary.skip(&reason, unit.line));
        batch.extend(imported.into_iter().map(|translation| (translation, unit.line)));
        if batch.len() >= BATCH_TRANSLATIONS {
            write_batch(shared, std::mem::take(&mut batch), pass, &mut summary)?;
        }
    }
    write_batch(shared, batch, pass, &mut summary)?;
    Ok(summary)
}

fn write_batch(
    shared: &Shared,
    batch: Vec<(Imported, u64)>,
    pass: Pass,
    summary: &mut Summary,
) -> Result<(), ImportError> {
    check_goes_on(shared)?;
    let (batch, lines): (Vec<Imported>, Vec<u64>) = batch.into_iter().unzip();
    let became = shared.translations.import(batch, pass);
    let became = became.map_err(|error| ImportError::Partly { error, done: summary.done() })?;
    let counted = became.into_iter().zip(lines);
    counted.for_each(|(became, line)| summary.count(became.map_err(SkipReason::from), line));
    Ok(())
}

fn of_tmx(error: ReadError) -> ImportError {
    of_file(error, "a TMX 1.4b file, in UTF-8 or UTF-16")
}

/// Writes a file, as fast as whoever takes it does; `None` where as many are written already as may be, or the system gives no
/// thread. Where that fails in the middle the file breaks off.
pub(crate) fn begin_export(
    shared: &Arc<Shared>,
    export: impl FnOnce(&Shared, BufWriter<Outlet>) + Send + 'static,
) -> Option<StreamBody> {
    let exports = Arc::clone(&shared.translations.exchange.exports);
    let turn = exports.try_acquire_owned().ok()?;
    let (sender, body) = empty_stream();
    let shared = Arc::clone(shared);
    let write = move || {
        export(&shared, BufWriter::with_capacity(BUFFER_BYTES, Outlet(sender)));
        drop(turn);
    };
    Builder::new().name("export".to_owned()).spawn(write).ok()?;
    Some(body)
}

/// Writes the translations that are wanted, as they are at one moment.
pub(crate) fn export_memory(shared: &Shared, selection: &Selection, out: impl Write) {
    match offline::export(&shared.store, selection, out, UnixMillis(clock::now_unix_ms())) {
        Ok((_, 0)) => {}
        Ok((_, unreadable)) => tracing::error!(unreadable, "entries of the translation memory are not in an export"),
        Err(error) => tracing::warn!(%error, "an export of the translation memory was broken off"),
    }
}

/// The way to whoever takes a file.
pub(crate) struct Outlet(StreamSender);

impl Write for Outlet {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.send_blocking(Bytes::copy_from_slice(bytes)) {
            return Ok(bytes.len());
        }
        Err(io::Error::new(io::ErrorKind::BrokenPipe, "the client is gone"))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
