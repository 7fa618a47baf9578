//! Disks that fail: a library that is loaded before the system's (see `tools/powercut.c` beside the
//! specification).

use std::path::{Path, PathBuf};
use std::process::Command;

use super::home::Home;
use super::preload;
use super::server::Start;

/// Where files are that several projects share, if they are here: `JDDB_SHARED`, else beside the checkout.
pub(crate) fn shared(name: &str) -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let root = std::env::var_os("JDDB_SHARED").map_or_else(beside, PathBuf::from);
    Some(root.join(name)).filter(|path| path.exists())
}

/// The library, compiled.
#[derive(Debug)]
pub(crate) struct Faults {
    library: String,
    map: PathBuf,
}

impl Faults {
    /// Compiles the library.
    ///
    /// # Errors
    /// Why that is not possible here.
    pub(crate) fn compile(home: &Home) -> Result<Self, String> {
        let source =
            shared("tools/powercut.c").ok_or("tools/powercut.c is not there; set JDDB_SHARED to its directory")?;
        let source = std::fs::read_to_string(source).expect("tools/powercut.c can be read");
        let library = preload::compile(home, "powercut", &source)?;
        std::fs::create_dir_all(home.data()).expect("a data directory");
        Ok(Self { library, map: home.path("powercut.map") })
    }

    /// Loads it into a server, with one of its settings.
    pub(crate) fn load<'h>(&self, start: Start<'h>, home: &Home, setting: &str, value: u64) -> Start<'h> {
        let path = |path: &Path| path.to_str().expect("a path is text").to_owned();
        let start = start.env("LD_PRELOAD", &self.library).env("POWERCUT_DIR", &path(&home.data()));
        start.env("POWERCUT_MAP", &path(&self.map)).env(setting, &value.to_string())
    }

    /// Loads it into a server, with nothing broken: what is synced is noted, for [`Self::cut_power`].
    pub(crate) fn watch<'h>(&self, start: Start<'h>, home: &Home) -> Start<'h> {
        self.load(start, home, "POWERCUT_FSYNC_LIE", 0)
    }

    /// Leaves in the data directory of a killed server what was synced; of the rest nothing, or as much of each file as
    /// the seed says.
    pub(crate) fn cut_power(&self, home: &Home, torn: Option<usize>) {
        let tool = shared("tools/powercut.py").expect("tools/powercut.py is beside tools/powercut.c");
        let mut cut = Command::new("python3");
        cut.arg(tool).arg("crash").arg(home.data()).arg(&self.map);
        if let Some(seed) = torn {
            cut.args(["--torn", &seed.to_string()]);
        }
        let output = cut.output().expect("python3 starts: install it");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// How many syncs there have been, and how many bytes were written (counted only under a limit).
    pub(crate) fn counts(&self) -> (u64, u64) {
        let map = std::fs::read(&self.map).expect("the library writes its map");
        let number = |index: usize| {
            let bytes = map[index * 8..index * 8 + 8].try_into().expect("eight bytes");
            u64::from_le_bytes(bytes)
        };
        (number(0), number(2))
    }

    /// Begins to count anew.
    pub(crate) fn reset(&self) {
        std::fs::remove_file(&self.map).expect("the library has written its map");
    }
}
