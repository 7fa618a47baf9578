//! What the process uses of the machine, as the kernel tells. It reads files: for a thread that may wait.

use std::fs;
use std::path::Path;

/// Ticks of a second in `/proc`; the kernel's interface fixes it on all the machines that Rust's Linux targets run on.
const TICKS_PER_SECOND: f64 = 100.0;
/// `/proc/self/stat`: where the times in user mode and in the kernel stand behind the command's name.
const USER_TICKS: usize = 11;
/// See [`USER_TICKS`].
const SYSTEM_TICKS: usize = 12;

/// What the process uses; 0 where the kernel does not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Process {
    /// Processor time of all its threads since the start, in seconds.
    pub cpu_seconds: f64,
    /// Memory that is resident.
    pub resident_bytes: u64,
    /// Open file descriptors.
    pub open_files: u64,
    /// Threads.
    pub threads: u64,
    /// Bytes free, for whoever is not root, where the data is.
    pub disk_free_bytes: u64,
}

impl Process {
    /// Asks the kernel.
    #[must_use]
    pub fn read(data: &Path) -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        let disk = rustix::fs::statvfs(data);
        Self {
            cpu_seconds: cpu_seconds(&stat),
            resident_bytes: number_in(&status, "VmRSS:") * 1024,
            open_files: open_files(),
            threads: number_in(&status, "Threads:"),
            disk_free_bytes: disk.map_or(0, |disk| disk.f_bavail.saturating_mul(disk.f_frsize)),
        }
    }
}

fn cpu_seconds(stat: &str) -> f64 {
    // The command's name may have anything in it, but it ends at the last bracket.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|ticks| ticks.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(USER_TICKS) + ticks(SYSTEM_TICKS)) / TICKS_PER_SECOND
}

fn number_in(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.split_whitespace().next()).and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// The directory's size is their number since Linux 6.2; before that they have to be counted, with the one that
/// reads the directory among them.
fn open_files() -> u64 {
    let size = fs::metadata("/proc/self/fd").map_or(0, |directory| directory.len());
    if size > 0 { size } else { fs::read_dir("/proc/self/fd").map_or(0, |files| files.count() as u64 - 1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_tells() {
        let directory = tempfile::tempdir().unwrap();
        let before = Process::read(directory.path());
        assert!(before.cpu_seconds >= 0.0);
        assert!(before.resident_bytes > 1 << 20 && before.threads > 0 && before.disk_free_bytes > 0, "{before:?}");
        let files: Vec<_> = (0..100).map(|_| tempfile::tempfile().unwrap()).collect();
        let after = Process::read(directory.path());
        assert!(after.open_files >= files.len() as u64, "{after:?}");
    }

    #[test]
    fn names_may_have_brackets() {
        let stat = "17 (a) b) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0 4 0 100";
        assert!((cpu_seconds(stat) - 3.0).abs() < 1e-9);
        assert!(cpu_seconds("").abs() < 1e-9);
    }
}
