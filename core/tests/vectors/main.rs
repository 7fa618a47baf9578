//! The cases of `tests/vectors`, which clients in other languages run too; its README says what a case holds.
//!
//! What a case expects is checked against the engine *and* against a naive model, unit by unit, so that neither can
//! be wrong in the way of the other.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

mod cases;
mod cursor;
mod edits;
mod house;
#[path = "../../fuzz/src/naive.rs"]
pub mod naive;
mod wire;
