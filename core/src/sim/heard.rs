//! What the server says, as clients read it.

use std::fmt;
use std::rc::Rc;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

use super::checked::{Broken, Checked, there};
use super::texts::{Texts, units_of};

/// One part of a version.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Part {
    pub(super) operation: String,
    pub(super) position: u64,
    pub(super) content: Option<String>,
    pub(super) length: Option<u64>,
    pub(super) section: String,
    pub(super) version: u64,
    pub(super) document_position: Option<u64>,
    pub(super) section_position: Option<u64>,
    pub(super) part: Option<usize>,
    pub(super) parts: Option<usize>,
    /// Whose it is: listed with the part, or in the message's metadata.
    pub(super) user_id: Option<String>,
    pub(super) client_id: Option<String>,
    pub(super) correlation_id: Option<String>,
}

impl Part {
    /// Its number and the number of parts, from 1.
    pub(super) fn number(&self) -> (usize, usize) {
        (self.part.unwrap_or(1), self.parts.unwrap_or(1))
    }
}

/// A message of the server.
#[derive(Clone, Debug)]
pub(super) enum Heard {
    /// The whole document, as `document.state` or in a `sync.response`.
    Full {
        version: u64,
        texts: Texts,
        /// The name of the request that it answers.
        key: Option<String>,
    },
    /// A `sync.response` with changes.
    List {
        current: u64,
        parts: Vec<Part>,
        key: Option<String>,
    },
    Part(Part),
    Ack {
        key: String,
        version: u64,
        transformed: bool,
    },
    Error {
        code: String,
        field: Option<String>,
        key: Option<String>,
    },
    Pointer {
        user_id: String,
        client_id: String,
        key: String,
        section: String,
        start: u64,
        end: u64,
        version: u64,
    },
    Presence {
        user_id: String,
        status: String,
    },
    Saved {
        version: u64,
    },
    /// A heartbeat's answer, with whether the document is the same where that was compared.
    Beat {
        compared: Option<(u64, bool)>,
    },
    Close {
        code: u16,
    },
}

impl Heard {
    /// The version it shows, if it shows one.
    pub(super) fn version(&self) -> Option<u64> {
        match self {
            Self::Full { version, .. } | Self::List { current: version, .. } => Some(*version),
            Self::Ack { version, .. } | Self::Saved { version } | Self::Pointer { version, .. } => Some(*version),
            Self::Part(part) => Some(part.version),
            Self::Beat { compared } => compared.map(|(version, _)| version),
            Self::Error { .. } | Self::Presence { .. } | Self::Close { .. } => None,
        }
    }

    /// Reads the JSON of a message.
    pub(super) fn of_json(json: &[u8]) -> Checked<Self> {
        let unreadable = |error| Broken(format!("{error} in {}", String::from_utf8_lossy(json)));
        let envelope: Envelope = serde_json::from_slice(json).map_err(unreadable)?;
        envelope.read().map_err(|Broken(what)| Broken(format!("{what} in {}", String::from_utf8_lossy(json))))
    }
}

/// A body of `GET …/state`.
pub(super) fn state_of_json(json: &[u8]) -> Checked<(u64, Texts)> {
    let payload: Payload = serde_json::from_slice(json).map_err(|error| Broken(error.to_string()))?;
    payload.state()
}

#[derive(Deserialize)]
struct Envelope {
    #[serde(rename = "type")]
    kind: String,
    payload: Payload,
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Metadata {
    user_id: Option<String>,
    client_id: Option<String>,
    correlation_id: Option<String>,
}

/// All that any of the messages has.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Payload {
    version: Option<u64>,
    current_version: Option<u64>,
    transformed: Option<bool>,
    operation: Option<String>,
    position: Option<u64>,
    length: Option<u64>,
    content: Option<Content>,
    section: Option<String>,
    document_position: Option<u64>,
    section_position: Option<u64>,
    part: Option<usize>,
    parts: Option<usize>,
    start: Option<u64>,
    end: Option<u64>,
    section_start: Option<u64>,
    section_end: Option<u64>,
    changes_since_version: Option<Vec<Part>>,
    full_document_state: Option<Content>,
    error_code: Option<String>,
    details: Option<Details>,
    user_id: Option<String>,
    status: Option<String>,
    document: Option<Compared>,
}

#[derive(Deserialize)]
struct Details {
    field: Option<String>,
}

#[derive(Deserialize)]
struct Compared {
    version: u64,
    matches: bool,
}

impl Envelope {
    fn read(self) -> Checked<Heard> {
        let Self { kind, payload, metadata } = self;
        let place = payload.section_position.or(payload.position);
        Ok(match &*kind {
            "document.state" => {
                let (version, texts) = payload.state()?;
                Heard::Full { version, texts, key: metadata.correlation_id }
            }
            "sync.response" => {
                let current = there(payload.current_version, "current_version")?;
                let parts = there(payload.changes_since_version, "changes_since_version")?;
                let key = metadata.correlation_id;
                match payload.full_document_state {
                    Some(content) => Heard::Full { version: current, texts: content.sections()?, key },
                    None => Heard::List { current, parts, key },
                }
            }
            "document.change" => Heard::Part(payload.part(metadata)?),
            "document.ack" => Heard::Ack {
                key: there(metadata.correlation_id, "correlation_id")?,
                version: there(payload.version, "version")?,
                transformed: there(payload.transformed, "transformed")?,
            },
            "system.error" => Heard::Error {
                code: there(payload.error_code, "error_code")?,
                field: payload.details.and_then(|details| details.field),
                key: metadata.correlation_id,
            },
            "cursor.position" | "selection.change" => Heard::Pointer {
                user_id: there(metadata.user_id, "user_id")?,
                client_id: there(metadata.client_id, "client_id")?,
                key: there(metadata.correlation_id, "correlation_id")?,
                section: there(payload.section, "section")?,
                start: there(payload.section_start.or(payload.start).or(place), "start")?,
                end: there(payload.section_end.or(payload.end).or(place), "end")?,
                version: there(payload.version, "version")?,
            },
            "user.presence" => Heard::Presence {
                user_id: there(payload.user_id, "user_id")?,
                status: there(payload.status, "status")?,
            },
            "document.save" => Heard::Saved { version: there(payload.version, "version")? },
            "system.heartbeat" => {
                Heard::Beat { compared: payload.document.map(|compared| (compared.version, compared.matches)) }
            }
            other => return Err(Broken(format!("nobody knows {other}"))),
        })
    }
}

impl Payload {
    fn state(self) -> Checked<(u64, Texts)> {
        Ok((there(self.version, "version")?, there(self.content, "content")?.sections()?))
    }

    fn part(self, metadata: Metadata) -> Checked<Part> {
        let content = match self.content {
            Some(Content::Text(text)) => Some(text),
            Some(Content::Sections(_)) => return Err(Broken("a part with sections".to_owned())),
            None => None,
        };
        Ok(Part {
            operation: there(self.operation, "operation")?,
            position: there(self.position, "position")?,
            content,
            length: self.length,
            section: there(self.section, "section")?,
            version: there(self.version, "version")?,
            document_position: self.document_position,
            section_position: self.section_position,
            part: self.part,
            parts: self.parts,
            user_id: metadata.user_id,
            client_id: metadata.client_id,
            correlation_id: metadata.correlation_id,
        })
    }
}

/// `content`: a part's text, or the sections of a document in their order.
enum Content {
    Text(String),
    Sections(Texts),
}

impl Content {
    fn sections(self) -> Checked<Texts> {
        match self {
            Self::Sections(texts) => Ok(texts),
            Self::Text(text) => Err(Broken(format!("{text:?} is no document"))),
        }
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Content;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, or an object of sections")
            }

            fn visit_str<E>(self, text: &str) -> Result<Content, E> {
                Ok(Content::Text(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Content, A::Error> {
                let mut texts = Texts::default();
                while let Some(key) = map.next_key::<String>()? {
                    if key == "sections" {
                        texts = map.next_value::<Sections>()?.0;
                    }
                }
                Ok(Content::Sections(texts))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

/// The sections of a document in their order.
struct Sections(Texts);

impl<'de> Deserialize<'de> for Sections {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Sections;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of texts")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Sections, A::Error> {
                let mut texts = Texts::default();
                while let Some((name, text)) = map.next_entry::<String, String>()? {
                    texts.sections.push((name.into(), Rc::new(units_of(&text))));
                }
                Ok(Sections(texts))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}
