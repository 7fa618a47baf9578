//! What Linux says of a process: processor time, memory, and the kernel's memory for sockets.

use std::fs;

use rustix::process::Pid;
use serde::Serialize;

use crate::failure::Failure;

/// Processor time of a whole process, all threads together, since it started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub(crate) struct CpuSeconds {
    /// Spent in the process's own code.
    pub(crate) user: f64,
    /// Spent in the kernel on its behalf; on loopback, sending includes the receiver's TCP work.
    pub(crate) system: f64,
}

impl CpuSeconds {
    /// Of the process `pid`, from `/proc/PID/stat`; exact to a clock tick, 10 ms as a rule.
    pub(crate) fn of(pid: Pid) -> Result<Self, Failure> {
        let text = read(pid, "stat")?;
        #[expect(clippy::cast_precision_loss, reason = "a tick rate is a small number")]
        let ticks_per_second = rustix::param::clock_ticks_per_second() as f64;
        let (user, system) = cpu_ticks(&text).ok_or_else(|| Failure::run("/proc/PID/stat", "unknown format"))?;
        Ok(Self { user: user / ticks_per_second, system: system / ticks_per_second })
    }

    /// What was spent since `earlier`.
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self { user: self.user - earlier.user, system: self.system - earlier.system }
    }

    /// What both are together.
    pub(crate) fn plus(self, other: Self) -> Self {
        Self { user: self.user + other.user, system: self.system + other.system }
    }

    /// User and system time together.
    pub(crate) fn total(self) -> f64 {
        self.user + self.system
    }
}

/// Fields 14 and 15. The second field, the command, may hold spaces and parentheses: the last `)` ends it.
fn cpu_ticks(stat: &str) -> Option<(f64, f64)> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    let user = fields.next()?.parse().ok()?;
    let system = fields.next()?.parse().ok()?;
    Some((user, system))
}

/// Memory of a process in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Memory {
    /// Resident: all pages in memory, files mapped included (`VmRSS`).
    pub(crate) rss: u64,
    /// Resident and anonymous: heap and stacks only (`RssAnon`).
    pub(crate) rss_anon: u64,
}

impl Memory {
    /// Of the process `pid`, from `/proc/PID/status`.
    pub(crate) fn of(pid: Pid) -> Result<Self, Failure> {
        let text = read(pid, "status")?;
        let field = |name| kibibytes(&text, name).ok_or_else(|| Failure::run("/proc/PID/status", format!("no {name}")));
        Ok(Self { rss: field("VmRSS:")?, rss_anon: field("RssAnon:")? })
    }
}

/// The value of `name` in bytes.
fn kibibytes(status: &str, name: &str) -> Option<u64> {
    let value = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: u64 = value.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// The kernel's memory for TCP buffers of the whole machine in bytes: both ends of every loopback connection.
/// 0 if the kernel does not say.
pub(crate) fn tcp_buffer_bytes() -> u64 {
    let text = fs::read_to_string("/proc/net/sockstat").unwrap_or_default();
    let page = u64::try_from(rustix::param::page_size()).unwrap_or(0);
    tcp_pages(&text).unwrap_or(0) * page
}

fn tcp_pages(sockstat: &str) -> Option<u64> {
    let line = sockstat.lines().find_map(|line| line.strip_prefix("TCP:"))?;
    let mut words = line.split_ascii_whitespace();
    words.find(|&word| word == "mem")?;
    words.next()?.parse().ok()
}

fn read(pid: Pid, file: &str) -> Result<String, Failure> {
    let path = format!("/proc/{}/{file}", pid.as_raw_nonzero());
    fs::read_to_string(&path).map_err(|error| {
        let advice = "is the server still running, and is --server-pid its process?";
        Failure::Run(format!("{path}: {error}; {advice}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_with_parentheses_does_not_shift_the_fields() {
        let stat = "42 (a b) c) (x) S 1 2 3 4 5 6 7 8 9 10 123 45 6 7 20 0 3 0 99";
        assert_eq!(cpu_ticks(stat), Some((123.0, 45.0)));
        assert_eq!(cpu_ticks("42 (a) S 1 2"), None);
        assert_eq!(cpu_ticks(""), None);
    }

    #[test]
    fn memory_and_socket_memory() {
        let status = "Name:\tx\nVmRSS:\t    2048 kB\nRssAnon:\t     100 kB\n";
        assert_eq!(kibibytes(status, "VmRSS:"), Some(2_097_152));
        assert_eq!(kibibytes(status, "RssAnon:"), Some(102_400));
        assert_eq!(kibibytes(status, "RssFile:"), None);
        let sockstat = "sockets: used 9\nTCP: inuse 5 orphan 0 tw 1 alloc 8 mem 17\nUDP: inuse 1 mem 2\n";
        assert_eq!(tcp_pages(sockstat), Some(17));
        assert_eq!(tcp_pages("UDP: inuse 1 mem 2"), None);
    }

    #[test]
    fn this_process_has_used_memory_and_time() {
        let pid = rustix::process::getpid();
        let memory = Memory::of(pid).unwrap();
        assert!(memory.rss >= memory.rss_anon && memory.rss_anon > 0);
        assert!(CpuSeconds::of(pid).unwrap().total() >= 0.0);
    }
}
