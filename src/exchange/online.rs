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
use jddb_exchange::tmx::{Defaults, TmxReader};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::{Selection, Summary, offline};
use crate::auth::Pass;
use crate::clock;
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
    #[error("the file is larger than {0} bytes (translation.import_bytes): import it in parts, or by `memory import`")]
    TooLarge(u64),
    /// It is malformed. Nothing has changed.
    #[error("{0}")]
    Malformed(String),
    /// The server's disk or the system refuses. Nothing has changed.
    #[error("the file cannot be kept to be read: {0}")]
    Io(#[from] io::Error),
    /// It was begun, and what is told of is there; the same file may be sent again.
    #[error("{error}; {done} translations of the file are there, send it again for the rest")]
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

/// Takes a file from somebody who came with that, unless another is taken.
///
/// # Errors
/// Another is, or the system gives no thread.
pub(crate) fn begin_import(shared: &Arc<Shared>, defaults: Defaults, pass: Pass) -> Result<Upload, ImportError> {
    let imports = Arc::clone(&shared.translations.exchange.imports);
    let turn = imports.try_acquire_owned().map_err(|_| ImportError::Busy)?;
    let (parts, sent) = mpsc::channel(PARTS_MAX);
    let (reply, answer) = oneshot::channel();
    let import = Import { shared: Arc::clone(shared), defaults, pass };
    Builder::new().name("import".to_owned()).spawn(move || {
        let imported = import.run(sent);
        // The next one may begin when this one is told to be over.
        drop(turn);
        if let Some(imported) = imported {
            let _ = reply.send(imported);
        }
    })?;
    Ok(Upload { parts, answer })
}

struct Import {
    shared: Arc<Shared>,
    defaults: Defaults,
    pass: Pass,
}

impl Import {
    /// Imports what is sent; `None` if that broke off.
    fn run(&self, sent: mpsc::Receiver<Part>) -> Option<Result<Summary, ImportError>> {
        let mut file = match self.receive(sent) {
            Ok(file) => file?,
            Err(error) => return Some(Err(error)),
        };
        Some(check(&mut file).and_then(|()| self.import(&mut file)))
    }

    fn receive(&self, mut sent: mpsc::Receiver<Part>) -> Result<Option<File>, ImportError> {
        let config = &self.shared.config;
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

    fn import(&self, file: &mut File) -> Result<Summary, ImportError> {
        file.seek(SeekFrom::Start(0))?;
        let mut tmx = TmxReader::new(BufReader::with_capacity(BUFFER_BYTES, file)).map_err(of_file)?;
        let mut summary = Summary::default();
        let mut batch = Vec::new();
        while let Some(unit) = tmx.next_unit().map_err(of_file)? {
            summary.units += 1;
            let (imported, skipped) = unit.imported(&self.defaults);
            skipped.into_iter().for_each(|reason| summary.skip(reason, unit.line));
            batch.extend(imported.into_iter().map(|translation| (translation, unit.line)));
            if batch.len() >= BATCH_TRANSLATIONS {
                self.write(std::mem::take(&mut batch), &mut summary)?;
            }
        }
        self.write(batch, &mut summary)?;
        Ok(summary)
    }

    fn write(&self, batch: Vec<(Imported, u64)>, summary: &mut Summary) -> Result<(), ImportError> {
        if self.shared.draining.load(Ordering::Acquire) {
            return Err(ImportError::Stopping);
        }
        let (batch, lines): (Vec<Imported>, Vec<u64>) = batch.into_iter().unzip();
        let done = summary.created + summary.updated + summary.unchanged;
        let became = self.shared.translations.import(batch, self.pass);
        let became = became.map_err(|error| ImportError::Partly { error, done })?;
        became.into_iter().zip(lines).for_each(|(became, line)| summary.count(became, line));
        Ok(())
    }
}

/// Reads a file to its end, to find what is wrong with it before anything is changed.
fn check(file: &mut File) -> Result<(), ImportError> {
    file.seek(SeekFrom::Start(0))?;
    offline::check(BufReader::with_capacity(BUFFER_BYTES, file)).map(drop).map_err(of_file)
}

fn of_file(error: ReadError) -> ImportError {
    match error {
        ReadError::Malformed { .. } => ImportError::Malformed(error.to_string()),
        ReadError::Io(error) => ImportError::Io(error),
    }
}

/// Writes what is wanted as a file, as fast as whoever takes it does; `None` where as many are written already as may be, or
/// the system gives no thread. The entries are as they are at one moment. Where the disk fails in the middle the file breaks off.
pub(crate) fn begin_export(shared: &Arc<Shared>, selection: Selection) -> Option<StreamBody> {
    let exports = Arc::clone(&shared.translations.exchange.exports);
    let turn = exports.try_acquire_owned().ok()?;
    let (sender, body) = empty_stream();
    let shared = Arc::clone(shared);
    let export = move || write(&shared, &selection, sender, turn);
    Builder::new().name("export".to_owned()).spawn(export).ok()?;
    Some(body)
}

fn write(shared: &Shared, selection: &Selection, sender: StreamSender, turn: OwnedSemaphorePermit) {
    let out = BufWriter::with_capacity(BUFFER_BYTES, Outlet(sender));
    match offline::export(&shared.store, selection, out, UnixMillis(clock::now_unix_ms())) {
        Ok((_, 0)) => {}
        Ok((_, unreadable)) => tracing::error!(unreadable, "entries of the translation memory are not in an export"),
        Err(error) => tracing::warn!(%error, "an export of the translation memory was broken off"),
    }
    drop(turn);
}

/// The way to whoever takes a file.
struct Outlet(StreamSender);

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
