//! The data directory, and the lock that keeps a second server out of it.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The file that is locked. It stays when the lock is given back: removing it would let two servers in.
const LOCK_FILE: &str = "lock";

/// Why a directory could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another server has it.
    #[error(
        "data directory {} is in use by another server (process {}); stop that one first, or choose another directory",
        directory.display(), holder.as_deref().unwrap_or("unknown")
    )]
    InUse {
        /// The directory.
        directory: PathBuf,
        /// The process id that the holder wrote into the lock file, if it could be read.
        holder: Option<String>,
    },
    /// The directory or the lock file could not be made, opened or written.
    #[error("data directory {} cannot be used: {source}; check that it exists, is writable and has space", directory.display())]
    Io {
        /// The directory.
        directory: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// A data directory that belongs to this process until this value, and every store in it, is dropped.
#[derive(Debug)]
pub struct DataDirectory {
    path: PathBuf,
    lock: Arc<File>,
}

impl DataDirectory {
    /// Takes the directory at `path`, which is made (mode 0700) where it is missing.
    ///
    /// Nothing in the directory is read or changed before the lock is held. The lock is advisory
    /// (`flock`) and goes with the process, so that a killed server leaves nothing behind to clean up.
    ///
    /// # Errors
    /// [`LockError::InUse`] if another process, or another `DataDirectory`, holds it.
    pub fn lock(path: &Path) -> Result<Self, LockError> {
        let failed = |source| LockError::Io { directory: path.to_owned(), source };
        let mut file = open_lock_file(path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(LockError::InUse { directory: path.to_owned(), holder: read_holder(&mut file) });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        write_holder(&mut file).map_err(failed)?;
        sync_directory(path).map_err(failed)?;
        Ok(Self { path: path.to_owned(), lock: Arc::new(file) })
    }

    /// Where the directory is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A share in the lock, for what must not outlive it.
    pub(crate) fn hold(&self) -> Arc<File> {
        Arc::clone(&self.lock)
    }

    /// Makes a directory in this one, and its name durable: a power cut must not lose a whole store
    /// because the entry that names it was never synced.
    pub(crate) fn subdirectory(&self, name: &str) -> io::Result<PathBuf> {
        let path = self.path.join(name);
        DirBuilder::new().recursive(true).mode(0o700).create(&path)?;
        sync_directory(&self.path)?;
        Ok(path)
    }
}

fn open_lock_file(directory: &Path) -> io::Result<File> {
    if !directory.is_dir() {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        if let Some(parent) = directory.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            sync_directory(parent)?;
        }
    }
    // Not truncated: until the lock is held, what is in there is the holder's.
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(directory.join(LOCK_FILE))
}

fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

fn read_holder(file: &mut File) -> Option<String> {
    let mut text = String::new();
    file.take(32).read_to_string(&mut text).ok()?;
    Some(text.trim().to_owned()).filter(|pid| !pid.is_empty())
}

fn write_holder(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    writeln!(file, "{}", std::process::id())
}
