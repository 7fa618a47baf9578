//! Elements and texts of an XML file that may be hostile: *quick-xml* with bounds, and with what it leaves open.
//!
//! There are no entities but the five of XML and characters by their numbers, and no declarations of any; a `DOCTYPE` that only
//! names a file is passed over, and the file is never looked for. Comments and processing instructions are passed over too.

use std::borrow::Cow;
use std::io::{self, BufRead};

use quick_xml::XmlVersion;
use quick_xml::errors::{Error, IllFormedError};
use quick_xml::escape::{EscapeError, resolve_xml_entity};
use quick_xml::events::attributes::AttrError;
use quick_xml::events::{BytesDecl, BytesRef, BytesStart, Event};
use quick_xml::reader::Reader;

use crate::source::{Encoding, Source};

/// The longest tag, text without a tag, comment or the like, in bytes.
pub const PIECE_BYTES_MAX: usize = 256 << 10;
/// How deep elements may be within one another.
pub const DEPTH_MAX: usize = 32;
/// The most attributes of an element.
pub const ATTRIBUTES_MAX: usize = 64;

/// What is shown of a name or a value in an error, in characters.
const SHOWN_CHARS_MAX: usize = 60;

/// Why a file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It is not what it should be.
    #[error("line {line}{}: {reason}", within(element))]
    Malformed {
        /// Where what is wrong begins, from 1.
        line: u64,
        /// The innermost element around it; empty outside of all.
        element: String,
        /// What was found, and what was expected.
        reason: String,
    },
    /// It cannot be read at all.
    #[error("cannot be read: {0}")]
    Io(io::Error),
}

fn within(element: &str) -> String {
    if element.is_empty() { String::new() } else { format!(", in <{element}>") }
}

/// A part of a file.
#[derive(Debug)]
pub enum Node<'a> {
    /// An element begins.
    Start(Tag<'a>),
    /// The innermost element ends.
    End,
    /// Text of the innermost element, or a part of it.
    Text(Cow<'a, str>),
    /// Something that says nothing, such as a comment.
    Nothing,
    /// The file ends.
    Eof,
}

/// The beginning of an element.
#[derive(Debug)]
pub struct Tag<'a> {
    start: BytesStart<'a>,
    line: u64,
}

impl Tag<'_> {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.start.name().into_inner()
    }

    /// Its attributes by their names, at most [`ATTRIBUTES_MAX`].
    ///
    /// # Errors
    /// They are not well-formed.
    pub fn attributes(&self) -> impl Iterator<Item = Result<(&str, Cow<'_, str>), ReadError>> {
        let fail = |reason| self.malformed(reason);
        self.start.attributes().enumerate().map(move |(number, attribute)| {
            if number == ATTRIBUTES_MAX {
                return Err(fail(format!("more than {ATTRIBUTES_MAX} attributes")));
            }
            let attribute = attribute.map_err(|error| fail(reason_of_attribute(&error)))?;
            let name = attribute.key.into_inner();
            check_name(name).map_err(&fail)?;
            if attribute.value.contains('<') {
                return Err(fail(format!("a < in the value of {}: expected &lt;", shown(name))));
            }
            let value = attribute.normalized_value(XmlVersion::Explicit1_0);
            let value = value.map_err(|error| fail(format!("{}: {}", shown(name), said(&error))))?;
            check_characters(&value).map_err(&fail)?;
            Ok((name, value))
        })
    }

    /// An error about this element.
    #[must_use]
    pub fn malformed(&self, reason: String) -> ReadError {
        ReadError::Malformed { line: self.line, element: shown(self.name()), reason }
    }
}

/// Reads an XML file part by part. What is held of it at a time is at most [`PIECE_BYTES_MAX`] and the names of [`DEPTH_MAX`]
/// elements.
#[derive(Debug)]
pub struct XmlReader<R> {
    reader: Reader<Source<R>>,
    buffer: Vec<u8>,
    /// The names of the elements that are open, one after the other, and where each begins.
    open: String,
    starts: Vec<usize>,
    /// Where the last part began.
    line: u64,
    has_root: bool,
    has_begun: bool,
}

impl<R: BufRead> XmlReader<R> {
    /// Begins to read.
    ///
    /// # Errors
    /// Nothing can be read, or it is something else by its first bytes.
    pub fn new(reader: R) -> Result<Self, ReadError> {
        let source = Source::new(reader).map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData => malformed(1, "", error.to_string()),
            _ => ReadError::Io(error),
        })?;
        let mut reader = Reader::from_reader(source);
        reader.config_mut().expand_empty_elements = true;
        Ok(Self {
            reader,
            buffer: Vec::new(),
            open: String::new(),
            starts: Vec::new(),
            line: 1,
            has_root: false,
            has_begun: false,
        })
    }

    /// The line on which what was read last begins, from 1.
    #[must_use]
    pub const fn line(&self) -> u64 {
        self.line
    }

    /// The innermost element that is open; empty outside of all.
    #[must_use]
    pub fn element(&self) -> &str {
        &self.open[self.starts.last().copied().unwrap_or_default()..]
    }

    /// An error about what was read last.
    #[must_use]
    pub fn malformed(&self, reason: impl Into<String>) -> ReadError {
        malformed(self.line, self.element(), reason.into())
    }

    /// The next part.
    ///
    /// # Errors
    /// It is not well-formed, exceeds a bound, or cannot be read. Nothing can be read after that.
    pub fn next_node(&mut self) -> Result<Node<'_>, ReadError> {
        let Self { reader, buffer, open, starts, line, has_root, has_begun } = self;
        buffer.clear();
        let source = reader.get_mut();
        *line = source.line();
        source.allow(PIECE_BYTES_MAX);
        let encoding = source.encoding();
        let is_first = !std::mem::replace(has_begun, true);
        let element = |open: &str, starts: &[usize]| open[starts.last().copied().unwrap_or_default()..].to_owned();
        let event = match reader.read_event_into(buffer) {
            Ok(event) => event,
            Err(_) if reader.get_ref().is_exhausted() => {
                let what = format!("a tag, a text or a comment of more than {PIECE_BYTES_MAX} bytes");
                return Err(malformed(*line, &element(open, starts), what));
            }
            Err(error) => {
                let element = element(open, starts);
                return Err(reason_of(&error).map_or_else(ReadError::Io, |reason| malformed(*line, &element, reason)));
            }
        };
        if let Event::Text(text) = &event {
            // A text begins where there is something to be seen of it.
            let space = text.len() - text.trim_start().len();
            *line += memchr::memchr_iter(b'\n', &text.as_bytes()[..space]).count() as u64;
        }
        let fail = |open: &str, starts: &[usize], reason| malformed(*line, &element(open, starts), reason);
        let judged = match event {
            Event::Start(start) => {
                let name = start.name().into_inner();
                let judged = check_name(name).and_then(|()| match starts.is_empty() && *has_root {
                    true => Err(format!("<{}> after the end of the root element", shown(name))),
                    false if starts.len() == DEPTH_MAX => {
                        Err(format!("more than {DEPTH_MAX} elements within one another"))
                    }
                    false => Ok(()),
                });
                if let Err(reason) = judged {
                    return Err(fail(open, starts, reason));
                }
                starts.push(open.len());
                open.push_str(name);
                *has_root = true;
                return Ok(Node::Start(Tag { start, line: *line }));
            }
            Event::End(_) => {
                open.truncate(starts.pop().unwrap_or_default());
                return Ok(Node::End);
            }
            Event::Text(text) => text_of(text.xml10_content(), starts.is_empty()),
            // It is text, but not between elements only.
            Event::CData(text) if !starts.is_empty() => text_of(text.xml10_content(), false),
            Event::CData(_) => Err("CDATA outside of the root element".to_owned()),
            Event::GeneralRef(reference) if !starts.is_empty() => resolve(&reference).map(Node::Text),
            Event::GeneralRef(_) => Err("text outside of the root element".to_owned()),
            Event::Decl(declaration) if is_first => check_declaration(&declaration, encoding).map(|()| Node::Nothing),
            Event::Decl(_) => Err("<?xml …?> in the middle: expected it at the beginning only".to_owned()),
            Event::DocType(declaration) => match declaration.contains('[') {
                _ if *has_root => Err("<!DOCTYPE …> after the root element has begun".to_owned()),
                true => {
                    Err("a DOCTYPE with declarations of its own, which are refused: expected one without [ … ]"
                        .to_owned())
                }
                false => Ok(Node::Nothing),
            },
            // An empty element comes as its beginning and its end.
            Event::Comment(_) | Event::PI(_) | Event::Empty(_) => Ok(Node::Nothing),
            Event::Eof if starts.is_empty() && *has_root => Ok(Node::Eof),
            Event::Eof if *has_root => Err("the file ends here: expected the end of this element".to_owned()),
            Event::Eof => Err("the file ends: expected an element".to_owned()),
        };
        judged.map_err(|reason| fail(open, starts, reason))
    }

    /// Passes over the element that has begun, with all in it.
    ///
    /// # Errors
    /// As of [`Self::next_node`].
    pub fn skip(&mut self) -> Result<(), ReadError> {
        self.read_text(0).map(drop)
    }

    /// The text of the element that has begun and of those in it, cut after so many bytes.
    ///
    /// # Errors
    /// As of [`Self::next_node`].
    pub fn read_text(&mut self, bytes_max: usize) -> Result<String, ReadError> {
        let (mut text, mut depth) = (String::new(), 1);
        while depth > 0 {
            match self.next_node()? {
                Node::Start(_) => depth += 1,
                Node::End => depth -= 1,
                Node::Text(more) => {
                    let room = bytes_max - text.len();
                    text.push_str(&more[..more.floor_char_boundary(room)]);
                }
                Node::Nothing => {}
                Node::Eof => break,
            }
        }
        Ok(text)
    }
}

/// Whether a text says nothing.
pub(crate) fn is_space(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_whitespace())
}

pub(crate) fn malformed(line: u64, element: &str, reason: String) -> ReadError {
    ReadError::Malformed { line, element: shown(element), reason }
}

/// What a value looks like in an error: its beginning, on one line.
pub(crate) fn shown(value: &str) -> String {
    let mut text: String = value.chars().take(SHOWN_CHARS_MAX).flat_map(char::escape_debug).collect();
    if value.chars().nth(SHOWN_CHARS_MAX).is_some() {
        text.push('…');
    }
    text
}

/// What is wrong with the file, or what is with reading it.
fn reason_of(error: &Error) -> Result<String, io::Error> {
    match error {
        Error::Io(error) if error.kind() != io::ErrorKind::InvalidData => {
            Err(io::Error::new(error.kind(), error.to_string()))
        }
        other => Ok(said(other)),
    }
}

/// What *quick-xml* says, in our words.
fn said(error: &Error) -> String {
    match error {
        Error::Io(error) => error.to_string(),
        Error::IllFormed(IllFormedError::MismatchedEndTag { expected, found }) => {
            format!("</{}>: expected </{}>", shown(found), shown(expected))
        }
        Error::IllFormed(IllFormedError::UnmatchedEndTag(found)) => format!("</{}> without a beginning", shown(found)),
        Error::IllFormed(IllFormedError::UnclosedReference) => "an & that begins nothing: expected &amp;".to_owned(),
        Error::Encoding(_) => "bytes that are no UTF-8: save the file in UTF-8 or UTF-16".to_owned(),
        Error::Escape(error) => reason_of_escape(error),
        Error::InvalidAttr(error) => reason_of_attribute(error),
        Error::Syntax(_) | Error::IllFormed(_) | Error::Namespace(_) => error.to_string(),
    }
}

fn reason_of_attribute(error: &AttrError) -> String {
    let reason = match error {
        AttrError::ExpectedEq(_) | AttrError::ExpectedValue(_) => "an attribute without a value",
        AttrError::UnquotedValue(_) | AttrError::ExpectedQuote(..) => "an attribute's value that is not in quotes",
        AttrError::Duplicated(..) => "an attribute that is there twice",
    };
    format!("{reason}: expected each once, as name=\"value\"")
}

fn reason_of_escape(error: &EscapeError) -> String {
    match error {
        EscapeError::UnrecognizedEntity(_, name) => unknown_entity(name),
        EscapeError::UnterminatedEntity(_) => "an & that begins nothing: expected &amp;".to_owned(),
        EscapeError::InvalidCharRef(_) => "a number that is no character's".to_owned(),
        EscapeError::TooManyNestedEntities => "entities within entities".to_owned(),
    }
}

fn unknown_entity(name: &str) -> String {
    format!("the entity &{};, which is unknown: expected &lt; &gt; &amp; &apos; &quot; or a character", shown(name))
}

fn text_of(text: Cow<'_, str>, is_outside: bool) -> Result<Node<'_>, String> {
    if is_outside {
        return if is_space(&text) { Ok(Node::Nothing) } else { Err("text outside of the root element".to_owned()) };
    }
    check_characters(&text)?;
    Ok(Node::Text(text))
}

/// What a reference stands for.
fn resolve(reference: &BytesRef<'_>) -> Result<Cow<'static, str>, String> {
    if let Some(text) = resolve_xml_entity(reference) {
        return Ok(Cow::Borrowed(text));
    }
    match reference.resolve_char_ref() {
        Ok(Some(character)) => {
            let text = character.to_string();
            check_characters(&text)?;
            Ok(Cow::Owned(text))
        }
        Ok(None) => Err(unknown_entity(reference)),
        Err(_) => Err(format!("&{};, which is no character: expected one of XML 1.0", shown(reference))),
    }
}

/// Whether XML 1.0 may hold a character (production 2).
#[must_use]
pub const fn is_character(character: char) -> bool {
    !matches!(character, '\0'..='\x08' | '\x0B' | '\x0C' | '\x0E'..='\x1F' | '\u{FFFE}' | '\u{FFFF}')
}

fn check_characters(text: &str) -> Result<(), String> {
    // Nearly all texts have none of these bytes.
    if !text.bytes().any(|byte| byte < b' ' || byte == 0xEF) {
        return Ok(());
    }
    match text.chars().find(|character| !is_character(*character)) {
        Some(character) => Err(format!("the character U+{:04X}, which XML 1.0 may not hold", u32::from(character))),
        None => Ok(()),
    }
}

fn check_name(name: &str) -> Result<(), String> {
    // More is allowed (production 5), and is not in the formats that are read here.
    let is_inner = |character: char| character.is_alphanumeric() || matches!(character, '-' | '.' | '_' | ':');
    let begins = name.chars().next().is_some_and(|first| first.is_alphabetic() || matches!(first, '_' | ':'));
    match begins && name.chars().all(is_inner) {
        true => Ok(()),
        false => Err(format!("{:?} is no name: expected a letter first; a < of a text is written &lt;", shown(name))),
    }
}

/// The encoding that is declared must be the one that is there.
fn check_declaration(declaration: &BytesDecl<'_>, encoding: Encoding) -> Result<(), String> {
    let Some(name) = declaration.encoding() else { return Ok(()) };
    let name = name.map_err(|error| reason_of_attribute(&error))?;
    let lower = name.to_ascii_lowercase();
    match (lower.as_str(), encoding) {
        ("utf-8" | "utf8" | "us-ascii", Encoding::Utf8) => Ok(()),
        ("utf-16" | "utf-16le", Encoding::Utf16LittleEndian) | ("utf-16" | "utf-16be", Encoding::Utf16BigEndian) => {
            Ok(())
        }
        ("utf-8" | "utf8" | "utf-16" | "utf-16le" | "utf-16be" | "us-ascii", _) => {
            Err(format!("encoding {name:?}, and the bytes are another: save the file in UTF-8 or UTF-16"))
        }
        _ => Err(format!("encoding {:?}: expected UTF-8 or UTF-16", shown(&name))),
    }
}
