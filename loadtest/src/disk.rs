//! How long the disk takes to make a small append durable: what no server on it can beat.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use serde::Serialize;

use crate::clock;
use crate::failure::Failure;
use crate::histogram::{Latencies, LatencySummary};

/// One append: about the size of a logged change.
const APPEND_BYTES: usize = 256;
/// A sync faster than this never reached a disk.
const RAM_DISK_P50_MS: f64 = 0.01;

/// What the disk said.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct DiskReport {
    /// The directory measured.
    pub(crate) directory: String,
    /// Latencies of append and `fdatasync` together.
    pub(crate) fdatasync: LatencySummary,
    /// Whether the figures are those of memory: a strict server measured there is not measured.
    pub(crate) looks_like_ram: bool,
}

/// Appends 256 bytes and syncs, `rounds` times, in a file of its own in `directory`, which it removes.
pub(crate) fn measure(directory: &Path, rounds: u32) -> Result<DiskReport, Failure> {
    let fail = |error| Failure::run(format!("measuring the disk in {}", directory.display()), error);
    let path = directory.join(format!(".loadtest-disk-probe-{}", rustix::process::getpid().as_raw_nonzero()));
    let mut options = OpenOptions::new();
    let mut file = options.append(true).create_new(true).open(&path).map_err(fail)?;
    let measured = probe(&mut file, rounds);
    std::fs::remove_file(&path).map_err(fail)?;
    let fdatasync = measured.map_err(fail)?.summary();
    Ok(DiskReport {
        directory: directory.display().to_string(),
        fdatasync,
        looks_like_ram: fdatasync.p50_ms < RAM_DISK_P50_MS,
    })
}

fn probe(file: &mut std::fs::File, rounds: u32) -> std::io::Result<Latencies> {
    let mut latencies = Latencies::new().map_err(std::io::Error::other)?;
    let record = [b'x'; APPEND_BYTES];
    for _ in 0..rounds {
        let start = clock::now();
        file.write_all(&record)?;
        file.sync_data()?;
        latencies.record(clock::now().since(start));
    }
    Ok(latencies)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_round_is_measured_and_nothing_is_left_behind() {
        let directory = tempfile::tempdir().unwrap();
        let report = measure(directory.path(), 5).unwrap();
        assert_eq!(report.fdatasync.count, 5);
        assert_eq!(directory.path().read_dir().unwrap().count(), 0);
    }

    #[test]
    fn a_missing_directory_is_named() {
        let error = measure(Path::new("/nowhere/at/all"), 1).unwrap_err();
        assert!(error.to_string().contains("/nowhere/at/all"), "{error}");
    }
}
