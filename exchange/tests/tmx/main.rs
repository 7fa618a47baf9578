//! TMX files of other tools, of our own, and such as are none.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

mod files;
mod hostile;
mod round;

use jddb_core::translation::Imported;
use jddb_exchange::ReadError;
use jddb_exchange::tmx::{Defaults, SkipReason, TmxReader};

/// A file of these units.
fn file(units: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE tmx SYSTEM \"tmx14.dtd\">\n<tmx version=\"1.4\">\n\
         <header creationtool=\"T\" creationtoolversion=\"1\" segtype=\"sentence\" o-tmf=\"T\" adminlang=\"en\" \
         srclang=\"EN-US\" datatype=\"plaintext\"><note>n</note><prop type=\"p\">v</prop></header>\n<body>\n{units}\n\
         </body>\n</tmx>\n"
    )
}

/// What is imported of a file, and what is skipped, each with the line of its unit.
type Read = (Vec<Imported>, Vec<(SkipReason, u64)>);

fn read_with(bytes: &[u8], defaults: &Defaults) -> Result<Read, ReadError> {
    let mut tmx = TmxReader::new(bytes)?;
    let (mut imported, mut skipped) = (Vec::new(), Vec::new());
    while let Some(unit) = tmx.next_unit()? {
        let (more, reasons) = unit.imported(defaults);
        imported.extend(more);
        skipped.extend(reasons.into_iter().map(|reason| (reason, unit.line)));
    }
    Ok((imported, skipped))
}

fn read(bytes: &[u8]) -> Result<Read, ReadError> {
    read_with(bytes, &Defaults::default())
}

/// A unit of an English text and a French one.
fn unit(english: &str, french: &str) -> String {
    format!(
        "<tu><tuv xml:lang=\"en-US\"><seg>{english}</seg></tuv><tuv xml:lang=\"fr-CA\"><seg>{french}</seg></tuv></tu>"
    )
}
