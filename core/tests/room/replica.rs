//! The document as a client of any dialect keeps it: the slow and obvious way, on plain strings.

use jddb_core::ids::PositionEncoding;
use jddb_core::room::Dialect;
use serde_json::Value;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Replica {
    pub(crate) dialect: Dialect,
    pub(crate) sections: Vec<(String, String)>,
    pub(crate) version: u64,
}

/// The byte at which that many units of the encoding lie behind; it has to be a character's.
pub(crate) fn byte_at(text: &str, units: u64, encoding: PositionEncoding) -> usize {
    let mut seen = 0;
    for (at, character) in text.char_indices() {
        if seen >= units {
            assert_eq!(seen, units, "{units} is no place in {text:?} in {encoding:?}");
            return at;
        }
        seen += encoding.length_of(character.encode_utf8(&mut [0; 4])) as u64;
    }
    assert_eq!(seen, units, "{units} is no place in {text:?} in {encoding:?}");
    text.len()
}

fn sections_of(message: &Value, content: &str) -> Vec<(String, String)> {
    let text =
        |name: &Value| message["payload"][content]["sections"][name.as_str().unwrap()].as_str().unwrap().to_owned();
    let names = message["section_order"].as_array().unwrap().iter();
    names.map(|name| (name.as_str().unwrap().to_owned(), text(name))).collect()
}

impl Replica {
    /// From `document.state`.
    pub(crate) fn of_state(dialect: Dialect, state: &Value) -> Self {
        let payload = &state["payload"];
        assert_eq!(payload["position_encoding"], dialect.encoding.name());
        Self { dialect, sections: sections_of(state, "content"), version: payload["version"].as_u64().unwrap() }
    }

    /// Takes in whatever shows the document; the rest is nothing to it.
    pub(crate) fn take(&mut self, message: &Value) {
        let payload = &message["payload"];
        match message["type"].as_str().unwrap() {
            "document.change" => self.apply(payload),
            "document.state" => *self = Self::of_state(self.dialect, message),
            "sync.response" => {
                for part in payload["changes_since_version"].as_array().unwrap() {
                    self.apply(part);
                }
                if !payload["full_document_state"].is_null() {
                    self.sections = sections_of(message, "full_document_state");
                }
                self.version = payload["current_version"].as_u64().unwrap();
            }
            _ => {}
        }
    }

    /// One part of a version. Its section, its place there and its place in the document have to agree.
    fn apply(&mut self, part: &Value) {
        let encoding = self.dialect.encoding;
        let name = part["section"].as_str().unwrap();
        let operation = part["operation"].as_str().unwrap();
        let index = self.sections.iter().position(|(section, _)| section == name).unwrap_or_else(|| {
            assert_eq!(operation, "insert", "only an insert makes a section: {part}");
            self.sections.push((name.to_owned(), String::new()));
            self.sections.len() - 1
        });
        let start: usize = self.sections[..index].iter().map(|(_, text)| encoding.length_of(text)).sum();
        let position = part["position"].as_u64().unwrap();
        let in_section = if self.dialect.over_document {
            assert_eq!(part["section_position"].as_u64().unwrap() + start as u64, position, "{part}");
            position - start as u64
        } else {
            if let Some(in_document) = part["document_position"].as_u64() {
                assert_eq!(position + start as u64, in_document, "{part}");
            }
            position
        };
        let text = &mut self.sections[index].1;
        let from = byte_at(text, in_section, encoding);
        let length = part["length"].as_u64().unwrap_or(0);
        let to = byte_at(text, in_section + length, encoding);
        let content = part["content"].as_str().unwrap_or("");
        match operation {
            "insert" => assert!(part["length"].is_null() && part["content"].is_string(), "{part}"),
            "delete" => assert!(part["length"].is_u64() && part["content"].is_null(), "{part}"),
            "replace" => assert!(length > 0 && !content.is_empty(), "{part}"),
            other => panic!("{other}"),
        }
        text.replace_range(from..to, content);
        self.version = part["version"].as_u64().unwrap();
    }

    /// All sections' texts one after the other.
    pub(crate) fn whole(&self) -> String {
        self.sections.iter().map(|(_, text)| text.as_str()).collect()
    }
}
