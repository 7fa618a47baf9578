//! How much is read to find what is old: a bound on the time that takes, whatever has changed.

/// So much text is read in a turn to find what has changed and where its translation is, in UTF-16 code units. That takes some
/// milliseconds at most.
pub const COMPARED_UNITS_MAX: u32 = 128 << 10;
/// Going over so much costs as much as reading one unit, roughly.
const SKIPPED_UNITS: u32 = 16;

/// More is to be read than may be.
#[derive(Debug)]
pub(super) struct TooMuch;

/// How much may still be read.
#[derive(Debug)]
pub(super) struct Budget {
    units: u32,
}

impl Default for Budget {
    fn default() -> Self {
        Self { units: COMPARED_UNITS_MAX }
    }
}

impl Budget {
    /// So much is to be read.
    pub(super) fn spend(&mut self, units: usize) -> Result<(), TooMuch> {
        let units = u32::try_from(units).map_err(|_| TooMuch)?;
        self.units = self.units.checked_sub(units).ok_or(TooMuch)?;
        Ok(())
    }

    /// So much is to be gone over to find what is to be read.
    pub(super) fn skip(&mut self, units: u32) -> Result<(), TooMuch> {
        self.spend((units / SKIPPED_UNITS) as usize)
    }
}
