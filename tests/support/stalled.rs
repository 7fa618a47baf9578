//! Disks that stand still while a test looks, and then go on or fail.

use std::path::{Path, PathBuf};

use super::home::Home;
use super::server::Start;
use super::{preload, until};

/// What is loaded: while `$STALL_FILE` is there no sync ends, which is told by another file; after that it fails if there
/// is a third.
const SOURCE: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char *named(char *path, size_t size, const char *suffix) {
    const char *file = getenv("STALL_FILE");
    snprintf(path, size, "%s%s", file ? file : "", suffix);
    return path;
}

static int stalled(int descriptor, const char *name) {
    char path[4096];
    if (!access(named(path, sizeof path, ""), F_OK)) {
        close(open(named(path, sizeof path, ".waits"), O_CREAT | O_WRONLY, 0600));
        while (!access(named(path, sizeof path, ""), F_OK)) usleep(1000);
    }
    if (!access(named(path, sizeof path, ".fails"), F_OK)) {
        errno = EIO;
        return -1;
    }
    return ((int (*)(int))dlsym(RTLD_NEXT, name))(descriptor);
}

int fsync(int descriptor) { return stalled(descriptor, "fsync"); }
int fdatasync(int descriptor) { return stalled(descriptor, "fdatasync"); }
"#;

/// The library, compiled.
#[derive(Debug)]
pub(crate) struct Stalled {
    library: String,
    file: PathBuf,
}

impl Stalled {
    /// Compiles the library.
    ///
    /// # Errors
    /// Why that is not possible here.
    pub(crate) fn compile(home: &Home) -> Result<Self, String> {
        Ok(Self { library: preload::compile(home, "stalled", SOURCE)?, file: home.path("stalled") })
    }

    /// Loads it into a server, whose disk does as it should until [`Self::begin`].
    pub(crate) fn load<'h>(&self, start: Start<'h>) -> Start<'h> {
        let file = self.file.to_str().expect("a path is text");
        start.env("LD_PRELOAD", &self.library).env("STALL_FILE", file)
    }

    fn beside(&self, suffix: &str) -> PathBuf {
        self.file.with_extension(suffix)
    }

    /// From now on the disk stands still.
    pub(crate) fn begin(&self) {
        touch(&self.file);
    }

    /// Waits until something waits for the disk.
    pub(crate) async fn holds_something(&self) {
        let waits = self.beside("waits");
        until("a sync that stands still", async || waits.exists().then_some(())).await;
        std::fs::remove_file(waits).expect("the file can be removed");
    }

    /// The disk goes on.
    pub(crate) fn go_on(&self) {
        std::fs::remove_file(&self.file).expect("the disk stands still");
    }

    /// The disk fails, and what waits for it.
    pub(crate) fn fail(&self) {
        touch(&self.beside("fails"));
        self.go_on();
    }
}

fn touch(path: &Path) {
    std::fs::write(path, "").expect("a file can be written");
}
