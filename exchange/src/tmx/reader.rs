//! Reading a translation memory unit by unit.

use std::io::BufRead;

use super::facts::Facts;
use super::segment::{Segment, SegmentBuilder};
use super::unit::{Unit, VARIANTS_MAX, Variant};
use crate::xml::{Node, ReadError, Tag, XmlReader, is_space, shown};

/// The longest value of a property, in bytes. What is longer says nothing to us.
const PROPERTY_BYTES_MAX: usize = 32 << 10;

/// Reads a TMX file. What is held of it at a time is a unit: at most [`VARIANTS_MAX`] texts of 64 KiB.
#[derive(Debug)]
pub struct TmxReader<R> {
    xml: XmlReader<R>,
    /// `srclang` of the header: the language of the units that name none; empty where there is none.
    source: String,
    is_over: bool,
}

impl<R: BufRead> TmxReader<R> {
    /// Reads up to the first unit.
    ///
    /// # Errors
    /// It is no TMX file, or cannot be read.
    pub fn new(reader: R) -> Result<Self, ReadError> {
        let mut xml = XmlReader::new(reader)?;
        loop {
            match xml.next_node()? {
                Node::Nothing => {}
                Node::Start(tag) if tag.name() == "tmx" => break,
                Node::Start(tag) => {
                    return Err(tag.malformed("this is another kind of file: expected <tmx>".to_owned()));
                }
                Node::Text(_) | Node::End | Node::Eof => return Err(xml.malformed("expected <tmx>")),
            }
        }
        let mut tmx = Self { xml, source: String::new(), is_over: false };
        tmx.read_head()?;
        Ok(tmx)
    }

    /// The line on which what was read last begins, from 1.
    #[must_use]
    pub const fn line(&self) -> u64 {
        self.xml.line()
    }

    /// The next unit; `None` at the end of the file.
    ///
    /// # Errors
    /// The file is malformed there, or cannot be read. Nothing can be read after that.
    pub fn next_unit(&mut self) -> Result<Option<Unit>, ReadError> {
        while !self.is_over {
            match self.xml.next_node()? {
                Node::Start(tag) if tag.name() == "tu" => {
                    let mut unit = Unit::new(self.source.clone());
                    read_attributes(&tag, &mut unit.facts, |name, value| {
                        if name == "srclang" {
                            unit.source = value.to_owned();
                        }
                    })?;
                    unit.line = self.xml.line();
                    return self.read_unit(unit).map(Some);
                }
                Node::Start(tag) => {
                    return Err(tag.malformed("not expected between units: expected <tu>".to_owned()));
                }
                Node::Text(text) if !is_space(&text) => {
                    return Err(self.xml.malformed("text between units: expected <tu>"));
                }
                Node::Text(_) | Node::Nothing => {}
                Node::End => self.read_tail()?,
                Node::Eof => self.is_over = true,
            }
        }
        Ok(None)
    }

    /// Reads from the beginning of `tmx` to that of `body`.
    fn read_head(&mut self) -> Result<(), ReadError> {
        loop {
            match self.xml.next_node()? {
                Node::Start(tag) if tag.name() == "header" => {
                    for attribute in tag.attributes() {
                        let (name, value) = attribute?;
                        if name == "srclang" {
                            self.source = value.into_owned();
                        }
                    }
                    self.xml.skip()?;
                }
                Node::Start(tag) if tag.name() == "body" => return Ok(()),
                Node::Text(text) if is_space(&text) => {}
                Node::Nothing => {}
                Node::Start(tag) => return Err(tag.malformed("expected <header> and <body>".to_owned())),
                Node::Text(_) | Node::End | Node::Eof => {
                    return Err(self.xml.malformed("expected <header> and <body>"));
                }
            }
        }
    }

    /// Reads from the end of `body` to that of the file.
    fn read_tail(&mut self) -> Result<(), ReadError> {
        loop {
            match self.xml.next_node()? {
                Node::Eof => break,
                Node::Start(tag) => return Err(tag.malformed("not expected after <body>".to_owned())),
                Node::Text(text) if !is_space(&text) => return Err(self.xml.malformed("text after <body>")),
                Node::Text(_) | Node::End | Node::Nothing => {}
            }
        }
        self.is_over = true;
        Ok(())
    }

    fn read_unit(&mut self, mut unit: Unit) -> Result<Unit, ReadError> {
        loop {
            match self.xml.next_node()? {
                Node::Start(tag) if tag.name() == "tuv" => {
                    if unit.variants.len() == VARIANTS_MAX {
                        return Err(tag.malformed(format!("more than {VARIANTS_MAX} in one <tu>")));
                    }
                    let mut variant = Variant::default();
                    read_attributes(&tag, &mut variant.facts, |name, value| {
                        if matches!(name, "xml:lang" | "lang") {
                            variant.language = value.to_owned();
                        }
                    })?;
                    if variant.language.is_empty() {
                        return Err(
                            tag.malformed("no xml:lang: expected a language, such as xml:lang=\"fr-CA\"".to_owned())
                        );
                    }
                    self.read_variant(&mut variant)?;
                    unit.variants.push(variant);
                }
                Node::Start(tag) if tag.name() == "prop" => {
                    let name = type_of(&tag)?;
                    self.read_property(&name, &mut unit.facts)?;
                }
                Node::Start(_) => self.xml.skip()?,
                Node::Text(text) if !is_space(&text) => {
                    return Err(self.xml.malformed("text: expected <tuv> with <seg>"));
                }
                Node::Text(_) | Node::Nothing => {}
                Node::End | Node::Eof => return Ok(unit),
            }
        }
    }

    fn read_variant(&mut self, variant: &mut Variant) -> Result<(), ReadError> {
        let mut has_segment = false;
        loop {
            match self.xml.next_node()? {
                Node::Start(tag) if tag.name() == "seg" => {
                    if std::mem::replace(&mut has_segment, true) {
                        return Err(tag.malformed("more than one in a <tuv>".to_owned()));
                    }
                    variant.segment = self.read_segment()?;
                }
                Node::Start(tag) if tag.name() == "prop" => {
                    let name = type_of(&tag)?;
                    self.read_property(&name, &mut variant.facts)?;
                }
                Node::Start(_) => self.xml.skip()?,
                Node::Text(text) if !is_space(&text) => return Err(self.xml.malformed("text: expected <seg>")),
                Node::Text(_) | Node::Nothing => {}
                Node::End | Node::Eof if has_segment => return Ok(()),
                Node::End | Node::Eof => return Err(self.xml.malformed("a <tuv> without a text: expected <seg>")),
            }
        }
    }

    fn read_segment(&mut self) -> Result<Segment, ReadError> {
        let mut segment = SegmentBuilder::default();
        loop {
            match self.xml.next_node()? {
                Node::Start(tag) => segment.begin(&tag)?,
                Node::Text(text) => segment.text(&text),
                Node::Nothing => {}
                Node::End if segment.end() => {}
                Node::End | Node::Eof => return Ok(segment.finish()),
            }
        }
    }

    fn read_property(&mut self, name: &str, facts: &mut Facts) -> Result<(), ReadError> {
        let mut value = String::new();
        loop {
            match self.xml.next_node()? {
                Node::Text(text) if value.len() <= PROPERTY_BYTES_MAX => value.push_str(&text),
                Node::Text(_) | Node::Nothing => {}
                Node::Start(tag) => return Err(tag.malformed("an element in <prop>: expected text".to_owned())),
                Node::End | Node::Eof => break,
            }
        }
        if value.len() > PROPERTY_BYTES_MAX {
            return Ok(());
        }
        facts.property(name, &value).map_err(|reason| self.xml.malformed(reason))
    }
}

/// The attributes of a unit or of a text in it, which say something of it, or something else.
fn read_attributes(tag: &Tag<'_>, facts: &mut Facts, mut other: impl FnMut(&str, &str)) -> Result<(), ReadError> {
    for attribute in tag.attributes() {
        let (name, value) = attribute?;
        facts.attribute(name, &value).map_err(|reason| tag.malformed(reason))?;
        other(name, &value);
    }
    Ok(())
}

/// What a property is of.
fn type_of(tag: &Tag<'_>) -> Result<String, ReadError> {
    for attribute in tag.attributes() {
        let (name, value) = attribute?;
        if name == "type" {
            return Ok(shown(&value));
        }
    }
    Err(tag.malformed("no type: expected <prop type=\"…\">".to_owned()))
}
