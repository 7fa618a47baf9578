//! Keeps the house: what no compiler checks and no reviewer wants to check twice.
//!
//! Each rule is a function from text to findings, with one test that applies it to the whole tree
//! and one that shows it a bad sample, so that every rule is known to be able to fail. A finding
//! names the file and the line, and says what to do. The tables of exceptions stand beside their
//! rules; an entry that has lost its reason is a finding too.
//!
//! In reading order: [`tree`] reads the files, [`code`] tells code from comments and strings,
//! [`floors`] is what may use what, [`leftovers`] is what must not stay behind, [`shape`] is how
//! files and attributes look, [`papers`] is what must be written down.

mod code;
mod floors;
mod leftovers;
mod papers;
mod shape;
mod tree;
