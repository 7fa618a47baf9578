//! Files by which translators exchange what they know, over anything that reads or writes.
//!
//! It stands beside the storage, not in the core, whose rule is bytes in and bytes out: a file of a gigabyte is read as it comes,
//! from whatever has it. Which files there are, and what becomes of what is in them, others decide. What is held of a file is
//! bounded, whatever the file says.
//!
//! The parts, each of which uses only those before it:
//!
//! 1. `source`: bytes in some encoding as UTF-8, with their lines counted.
//! 2. `xml`: elements and texts of an XML file that may be hostile; `escape`: how they are written.
//! 3. `values`: dates and people.
//! 4. [`tmx`]: translation memories.
//! 5. [`terms`]: glossaries, as CSV and TBX-Basic.

mod escape;
mod source;
pub mod terms;
pub mod tmx;
mod values;
pub mod xml;

pub use xml::ReadError;
