//! Which processors this process may use.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// How many cores' worth of time the machine grants: affinity and cgroup quotas respected, at least 1.
#[must_use]
pub fn cores_granted() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// The processors this process may run on, in order; empty if the system does not tell.
#[must_use]
pub fn available_processors() -> Vec<usize> {
    let Ok(set) = sched_getaffinity(None) else { return Vec::new() };
    (0..CpuSet::MAX_CPU).filter(|&processor| set.is_set(processor)).collect()
}

/// Keeps the calling thread on one processor. Threads started from it inherit that, so they have to be
/// released by [`release`].
pub(super) fn pin(processor: usize) -> rustix::io::Result<()> {
    let mut set = CpuSet::new();
    set.set(processor);
    sched_setaffinity(None, &set)
}

/// Lets the calling thread run on any of `processors` again.
pub(super) fn release(processors: &[usize]) -> rustix::io::Result<()> {
    let mut set = CpuSet::new();
    processors.iter().for_each(|&processor| set.set(processor));
    sched_setaffinity(None, &set)
}
