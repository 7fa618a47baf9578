//! The server's resident memory while something goes on, and by how much it grew.

use std::cell::Cell;
use std::time::Duration;

use rustix::process::Pid;

use crate::failure::Failure;
use crate::procfs::Memory;
use crate::report::float;

/// Bytes of a mebibyte.
pub(crate) const MIB: u64 = 1 << 20;

/// The server's resident memory at first, and the most of it since; of a process that is known.
#[derive(Debug)]
pub(crate) struct Resident {
    pid: Option<Pid>,
    before: Option<u64>,
    most: Cell<u64>,
}

impl Resident {
    /// Reads it for the first time.
    pub(crate) fn begin(pid: Option<Pid>) -> Result<Self, Failure> {
        let before = read(pid)?;
        Ok(Self { pid, before, most: Cell::new(before.unwrap_or(0)) })
    }

    /// Reads it again.
    pub(crate) fn look(&self) -> Result<(), Failure> {
        self.most.set(self.most.get().max(read(self.pid)?.unwrap_or(0)));
        Ok(())
    }

    /// Reads it so often until `playing` is over.
    pub(crate) async fn while_playing<T>(
        &self,
        every: Duration,
        playing: impl Future<Output = T>,
    ) -> Result<T, Failure> {
        let looking = async {
            let mut looks = tokio::time::interval(every);
            loop {
                looks.tick().await;
                if let Err(failure) = self.look() {
                    return failure;
                }
            }
        };
        tokio::select! {
            played = playing => Ok(played),
            failure = looking => Err(failure),
        }
    }

    /// By how much it grew at most, in bytes.
    pub(crate) fn growth(&self) -> Option<u64> {
        self.before.map(|before| self.most.get() - before)
    }
}

/// What it is now, if the process is known.
pub(crate) fn read(pid: Option<Pid>) -> Result<Option<u64>, Failure> {
    Ok(pid.map(Memory::of).transpose()?.map(|memory| memory.rss))
}

/// Bytes as a number of mebibytes.
pub(crate) fn in_mib(bytes: u64) -> f64 {
    float(bytes) / float(MIB)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn growth_is_seen_while_it_lasts() {
        let resident = Resident::begin(Some(rustix::process::getpid())).unwrap();
        let grown = resident.while_playing(Duration::from_millis(1), async {
            let block = std::hint::black_box(vec![1_u8; 64 << 20]);
            tokio::time::sleep(Duration::from_millis(20)).await;
            block.len()
        });
        assert_eq!(grown.await.unwrap(), 64 << 20);
        assert!(resident.growth() > Some(32 * MIB), "{resident:?}");
    }

    #[test]
    fn a_process_that_is_not_known_has_not_grown() {
        let resident = Resident::begin(None).unwrap();
        resident.look().unwrap();
        assert_eq!(resident.growth(), None);
    }
}
