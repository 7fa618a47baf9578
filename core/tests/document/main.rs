//! The document engine against models of it that are slow and obvious, and against what the protocol names.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

mod cases;
mod clients;
mod limits;
mod model;
mod random;
mod resends;
mod restoring;
mod support;
mod work;
