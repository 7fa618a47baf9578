//! Operations against models of them that are slow and obvious, and against another implementation.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

mod cases;
mod compositions;
mod draft;
mod lists;
mod model;
mod pairs;
mod peer;
mod positions;
mod search;
