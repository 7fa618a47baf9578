//! The recent changes of a document, against which late ones are transformed.

use super::change::ChangeRef;
use super::clients::Clients;
use super::log::Log;
use crate::ids::Version;

/// The changes after [`History::floor`], in order, bounded by number and by bytes; but the newest is
/// always kept, since it is still to be sent and stored.
#[derive(Clone, Copy, Debug)]
pub struct History<'a> {
    log: &'a Log,
    clients: &'a Clients,
}

/// Why a version cannot be a base.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BaseError {
    /// It is older than the history kept; the oldest base is given.
    TooOld(Version),
    /// It does not exist: it lies in the future, or in a gap of the numbering.
    Unknown,
}

impl<'a> History<'a> {
    pub(super) const fn new(log: &'a Log, clients: &'a Clients) -> Self {
        Self { log, clients }
    }

    /// The oldest version that can be a base.
    #[must_use]
    pub const fn floor(self) -> Version {
        self.log.floor()
    }

    /// The newest change, if any is kept.
    #[must_use]
    pub fn last(self) -> Option<ChangeRef<'a>> {
        self.log.last().map(|(block, index)| ChangeRef::new(self.clients, block, index))
    }

    /// Memory held, in bytes, texts included.
    #[must_use]
    pub const fn bytes(self) -> usize {
        self.log.bytes()
    }

    /// The changes after `base`, oldest first.
    ///
    /// # Errors
    /// `base` is older than what is kept, or no version of this document.
    pub fn since(
        self,
        base: Version,
    ) -> Result<impl DoubleEndedIterator<Item = ChangeRef<'a>> + Clone + use<'a>, BaseError> {
        if base < self.floor() {
            return Err(BaseError::TooOld(self.floor()));
        }
        let start = self.log.after(base).ok_or(BaseError::Unknown)?;
        let blocks = self.log.blocks_from(start);
        let clients = self.clients;
        Ok(blocks.flat_map(move |(block, range)| range.map(move |index| ChangeRef::new(clients, block, index))))
    }
}
