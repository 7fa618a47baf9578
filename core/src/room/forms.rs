//! One message in the forms that its recipients have negotiated: as it is, and compressed.

use std::cell::{OnceCell, RefCell};

use bytes::Bytes;

use crate::websocket::{Compression, Deflater};

/// A whole message's frame. It is compressed when the first recipient who wants that comes, and then for all.
#[derive(Debug)]
pub struct Forms {
    plain: Bytes,
    deflated: OnceCell<Bytes>,
}

impl Forms {
    /// Of a frame that is not compressed.
    #[must_use]
    pub const fn new(plain: Bytes) -> Self {
        Self { plain, deflated: OnceCell::new() }
    }

    /// The frame for a recipient that has negotiated `compression`.
    #[must_use]
    pub fn form(&self, compression: Option<Compression>, deflater: &RefCell<Deflater>) -> Bytes {
        let form = match compression {
            Some(compression) if compression.covers(self.plain.len()) => {
                self.deflated.get_or_init(|| deflater.borrow_mut().deflate(&self.plain))
            }
            _ => &self.plain,
        };
        Bytes::clone(form)
    }
}
