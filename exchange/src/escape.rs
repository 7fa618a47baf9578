//! Texts as XML writes them.

use quick_xml::escape::{escape, partial_escape};

use crate::xml::is_character;

/// A value of an attribute, with U+FFFD for what XML cannot hold.
pub(crate) fn escape_attribute(value: &str) -> String {
    escape(replaced(value)).replace('\n', "&#10;").replace('\t', "&#9;")
}

/// A text of an element, in the same way.
pub(crate) fn escape_text(value: &str) -> String {
    partial_escape(replaced(value)).into_owned()
}

fn replaced(value: &str) -> String {
    value.chars().map(|character| if is_character(character) { character } else { '\u{FFFD}' }).collect()
}
