//! Translation memories as files: TMX 1.4b, and what 1.1 differs in.
//!
//! ```
//! use jddb_core::ids::UnixMillis;
//! use jddb_core::translation::EntryId;
//! use jddb_exchange::tmx::{Defaults, TmxReader, TmxWriter};
//!
//! let file = r#"<?xml version="1.0"?><tmx version="1.4">
//! <header srclang="en-CA" segtype="sentence" o-tmf="x" adminlang="en" datatype="xml" creationtool="x" creationtoolversion="1"/>
//! <body><tu usagecount="3"><tuv xml:lang="en-CA"><seg>Save <ph x="1">{0}</ph>now</seg></tuv>
//! <tuv xml:lang="fr-CA"><seg>Enregistrer</seg></tuv></tu></body></tmx>"#;
//! let mut reader = TmxReader::new(file.as_bytes()).unwrap();
//! let unit = reader.next_unit().unwrap().unwrap();
//! let (imported, skipped) = unit.imported(&Defaults::default());
//! assert_eq!((&*imported[0].source_text, imported[0].usage_count, skipped.len()), ("Save now", 3, 0));
//!
//! let mut writer = TmxWriter::new(Vec::new(), UnixMillis(0)).unwrap();
//! writer.write(&imported[0].clone().into_entry(EntryId(1), UnixMillis(0))).unwrap();
//! let written = String::from_utf8(writer.finish().unwrap()).unwrap();
//! assert!(written.contains(r#"Save <ph x="1">{0}</ph>now"#));
//! ```
//!
//! Of texts with tags (`bpt`, `ept`, `it`, `ph`, `ut`, `hi`, `sub`) the words alone are the text: what is in a tag that stands for
//! another format's code is none of them, what is highlighted is. Beside the words the text is kept as it was. A tag that is a line
//! break (`type="lb"`) is a space between words.
//!
//! XML cannot hold some characters. In texts they are written as `<ph type="x-cp-0007"/>`, and read as what they were; elsewhere
//! U+FFFD stands for them.

mod facts;
mod names;
mod reader;
mod segment;
mod unit;
mod writer;

pub use reader::TmxReader;
pub use unit::{Defaults, SkipReason, Unit, VARIANTS_MAX};
pub use writer::TmxWriter;
