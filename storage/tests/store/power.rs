//! Power cuts, failing syncs and a full disk, simulated under the store by a preloaded library.
//!
//! The library and its tool are not part of this repository: `JDDB_SHARED` says where they are. Where they
//! are missing these tests say so and pass.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::crash::{Server, check};

/// The tools, built; `None` (and a line that says so) where they cannot be had.
struct PowerCut {
    build: tempfile::TempDir,
    tools: PathBuf,
}

impl PowerCut {
    fn find(test: &str) -> Option<Self> {
        let found = Self::build();
        if let Err(reason) = &found {
            // Past the test harness' capture: what was not tested must be seen.
            let line = format!("SKIPPED {test}: {reason}\n");
            std::io::stderr().write_all(line.as_bytes()).unwrap();
        }
        found.ok()
    }

    fn build() -> Result<Self, String> {
        let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
        let tools = std::env::var_os("JDDB_SHARED").map_or_else(beside, PathBuf::from).join("tools");
        let source = tools.join("powercut.c");
        if !source.exists() || !tools.join("powercut.py").exists() {
            return Err("no tools/powercut.c and powercut.py; JDDB_SHARED says where they are".to_owned());
        }
        let build = tempfile::tempdir().map_err(|error| error.to_string())?;
        let library = build.path().join("powercut.so");
        run(Command::new("cc").args(["-O2", "-shared", "-fPIC", "-o"]).arg(&library).arg(&source).arg("-ldl"))?;
        run(Command::new("python3").arg("--version"))?;
        Ok(Self { build, tools })
    }

    /// A server whose files are on the simulated disk.
    fn start(&self, directory: &Path, knobs: &[(&str, u64)]) -> Server {
        // A new disk: nothing written, nothing synced.
        std::fs::write(self.map(), "").unwrap();
        let text = |path: PathBuf| path.to_str().unwrap().to_owned();
        let mut environment = vec![
            ("LD_PRELOAD", text(self.build.path().join("powercut.so"))),
            ("POWERCUT_DIR", text(directory.to_owned())),
            ("POWERCUT_MAP", text(self.map())),
        ];
        environment.extend(knobs.iter().map(|(name, value)| (*name, value.to_string())));
        Server::start(directory, &environment)
    }

    /// Leaves in the directory what was synced, and of the rest what `seed` decides.
    fn cut(&self, directory: &Path, seed: u64) {
        let mut crash = Command::new("python3");
        crash.arg(self.tools.join("powercut.py")).arg("crash").arg(directory).arg(self.map());
        run(crash.args(["--torn", &seed.to_string()])).unwrap();
    }

    fn map(&self) -> PathBuf {
        self.build.path().join("synced")
    }
}

fn run(command: &mut Command) -> Result<(), String> {
    match command.output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr))),
        Err(error) => Err(format!("{command:?}: {error}")),
    }
}

#[test]
fn nothing_acknowledged_is_lost_by_a_power_cut() {
    let Some(power) = PowerCut::find("power cuts") else { return };
    for seed in 0..8_u8 {
        let directory = tempfile::tempdir().unwrap();
        let mut server = power.start(directory.path(), &[]);
        // Enough in some rounds for several logs and table files.
        server.wait_for_acks(if seed < 2 { 6000 } else { 300 * usize::from(seed) });
        let expected = server.kill();
        assert!(!expected.is_empty());
        power.cut(directory.path(), seed.into());
        check(directory.path(), &expected).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    }
}

/// A disk that lies about its syncs loses data, and the check above has to find that.
#[test]
fn a_lying_disk_is_found_out() {
    let Some(power) = PowerCut::find("lying disk") else { return };
    let directory = tempfile::tempdir().unwrap();
    let mut server = power.start(directory.path(), &[("POWERCUT_FSYNC_LIE", 1)]);
    server.wait_for_acks(300);
    let expected = server.kill();
    power.cut(directory.path(), 1);
    assert!(check(directory.path(), &expected).is_err());
}

#[test]
fn a_failed_sync_ends_all_writing() {
    let Some(power) = PowerCut::find("failing syncs") else { return };
    let (mut opened, mut refused) = (0, 0);
    for failing in [1, 2, 3, 5, 8, 12, 16, 20, 25, 30, 40, 80] {
        let directory = tempfile::tempdir().unwrap();
        let mut server = power.start(directory.path(), &[("POWERCUT_FSYNC_FAIL", failing)]);
        let acknowledged = run_to_the_end(&mut server);
        opened += usize::from(!server.said.iter().any(|line| line.starts_with("not-")));
        refused += server.said.iter().filter(|line| *line == "refused true\n").count();
        power.cut(directory.path(), failing);
        check(directory.path(), &acknowledged).unwrap_or_else(|error| panic!("sync {failing}: {error}"));
    }
    assert!(opened >= 3 && refused == opened * 2, "{opened} servers, {refused} refusals");
}

#[test]
fn a_full_disk_ends_all_writing() {
    let Some(power) = PowerCut::find("full disk") else { return };
    let mut not_opened = 0;
    for bytes in [100, 20_000, 60_000, 400_000, 900_000, 3_000_000] {
        let directory = tempfile::tempdir().unwrap();
        let mut server = power.start(directory.path(), &[("POWERCUT_ENOSPC_AT", bytes)]);
        let acknowledged = run_to_the_end(&mut server);
        let refusal = server.said.iter().find(|line| line.starts_with("not-opened"));
        if let Some(refusal) = refusal {
            assert!(refusal.starts_with("not-opened true"), "says what to do: {refusal}");
            not_opened += 1;
        }
        assert!(bytes < 400_000 || !acknowledged.is_empty(), "{bytes} bytes are enough for some changes");
        check(directory.path(), &acknowledged).unwrap_or_else(|error| panic!("{bytes} bytes: {error}"));
    }
    assert!(not_opened >= 1, "the smallest disks are too small to open a store");
}

/// Waits for a server that stops by itself, and looks at what it said about that.
fn run_to_the_end(server: &mut Server) -> BTreeMap<usize, u64> {
    server.wait_for_acks(usize::MAX);
    for line in &server.said {
        match line.split_whitespace().collect::<Vec<_>>()[..] {
            ["stopped", _, "visible", visible, "durable", durable] => assert_eq!(visible, durable, "{line}"),
            ["refused", answer] => assert_eq!(answer, "true", "it is poisoned"),
            ["closed-clean", answer] => assert_eq!(answer, "false", "it is poisoned"),
            _ => {}
        }
    }
    server.kill()
}
