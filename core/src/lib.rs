//! What the JDDB real-time server *is*, without any input or output.
//!
//! Everything here is a pure state machine: the time is an argument, bytes come in as slices, and what
//! is to be sent, stored or closed comes back as values. There is no socket, no clock, no thread and
//! no source of randomness in this crate, so that whole days of editing can be replayed from a seed.
//!
//! It is not a server (the package `jddb-realtime` is), and it does not know how documents are kept
//! on disk (`jddb-storage` does).
//!
//! The parts, each of which uses only those named before it:
//!
//! 1. [`ids`]: names and numbers with a meaning: document, section, version, time.
//! 2. [`text`]: one section's text, addressed in UTF-16 code units.
//! 3. [`ot`]: operations on a text and their transformation.
//! 4. [`document`]: sections, versions, history, exactly-once submission.
//! 5. [`limits`]: how often a connection may speak.
//! 6. [`websocket`]: RFC 6455 frames; independent of the others.
//! 7. [`translation`]: texts, their translations, and finding those that are equal or similar; uses [`ids`] alone.
//! 8. [`protocol`]: the messages of the wire, read and written.
//! 9. [`room`]: the people in a document, and what each of them is sent.
//!
//! With the feature `sim` there is also `sim`: whole lives of a document from a seed, for tests.

#![forbid(unsafe_code)]

pub mod document;
pub mod ids;
pub mod limits;
pub mod ot;
pub mod protocol;
pub mod room;
#[cfg(feature = "sim")]
pub mod sim;
pub mod text;
pub mod translation;
pub mod websocket;
