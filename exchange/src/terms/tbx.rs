//! Reading a TBX file concept by concept.
//!
//! What ISO 30042:2019 and the TBX of 2008 call differently is read by both names. So is what TBX writes as an element of its own
//! (DCT) rather than as a type of another (DCA).

use std::io::BufRead;

use super::concept::{CASE_SENSITIVE, CONCEPT_TERMS_MAX, Concept, ConceptTerm, Section, Standing, Transaction};
use super::{FileEntry, TermDefaults};
use crate::values::date;
use crate::xml::{Node, ReadError, Tag, XmlReader, is_space, shown};

/// The longest text, in bytes; what is longer is cut, and longer than what can be a term or a note.
const TEXT_BYTES_MAX: usize = 8 << 10;
/// The most notes and definitions of a concept that are looked at.
const NOTES_MAX: usize = 16;

/// Reads a TBX file. What is held of it at a time is a concept: at most [`CONCEPT_TERMS_MAX`] texts of 8 KiB.
#[derive(Debug)]
pub(super) struct TbxReader<R> {
    xml: XmlReader<R>,
    is_over: bool,
    defaults: TermDefaults,
}

/// An element of a concept in which there are others that count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    Concept,
    Language,
    Term,
    /// What somebody did.
    Transaction,
    /// It keeps others together, and says nothing itself.
    Group,
}

/// What an element says.
enum Said {
    Level(Level),
    Term,
    Domain,
    Definition,
    Note,
    Project,
    Standing,
    TransactionKind,
    Responsible,
    Date,
    /// Nothing to us.
    Nothing,
}

impl<R: BufRead> TbxReader<R> {
    /// Reads up to the first concept.
    pub(super) fn new(reader: R, defaults: TermDefaults) -> Result<Self, ReadError> {
        let mut xml = XmlReader::new(reader)?;
        let mut is_within = false;
        loop {
            match xml.next_node()? {
                Node::Start(tag) => match (is_within, local(tag.name())) {
                    (false, "tbx" | "martif") => is_within = true,
                    (false, _) => {
                        return Err(
                            tag.malformed("this is another kind of file: expected <tbx> or <martif>".to_owned())
                        );
                    }
                    (true, "tbxHeader" | "martifHeader") => xml.skip()?,
                    (true, "text") => {}
                    (true, "body") => return Ok(Self { xml, is_over: false, defaults }),
                    (true, _) => return Err(tag.malformed("expected <text> with <body>".to_owned())),
                },
                Node::Text(text) if is_space(&text) => {}
                Node::Nothing => {}
                Node::Text(_) | Node::End | Node::Eof => return Err(xml.malformed("expected <text> with <body>")),
            }
        }
    }

    /// The next concept.
    pub(super) fn next_concept(&mut self) -> Result<Option<FileEntry>, ReadError> {
        while !self.is_over {
            match self.xml.next_node()? {
                Node::Start(tag) if matches!(local(tag.name()), "conceptEntry" | "termEntry") => {
                    let concept = Concept::new(self.xml.line());
                    let concept = self.read_concept(concept)?;
                    return Ok(Some(concept.imported(&self.defaults)));
                }
                Node::Start(tag) => {
                    return Err(tag.malformed("not expected between concepts: expected <conceptEntry>".to_owned()));
                }
                Node::Text(text) if !is_space(&text) => {
                    return Err(self.xml.malformed("text between concepts: expected <conceptEntry>"));
                }
                Node::Text(_) | Node::Nothing => {}
                Node::End => self.read_tail()?,
                Node::Eof => self.is_over = true,
            }
        }
        Ok(None)
    }

    /// Reads from the end of `body` to that of the file.
    fn read_tail(&mut self) -> Result<(), ReadError> {
        loop {
            match self.xml.next_node()? {
                Node::Eof => break,
                Node::Start(tag) if local(tag.name()) == "back" => self.xml.skip()?,
                Node::Start(tag) => return Err(tag.malformed("not expected after <body>".to_owned())),
                Node::Text(text) if !is_space(&text) => return Err(self.xml.malformed("text after <body>")),
                Node::Text(_) | Node::End | Node::Nothing => {}
            }
        }
        self.is_over = true;
        Ok(())
    }

    fn read_concept(&mut self, mut concept: Concept) -> Result<Concept, ReadError> {
        let mut open = vec![Level::Concept];
        let mut transaction = Transaction::default();
        while let Some(level) = open.last().copied() {
            match self.xml.next_node()? {
                Node::Start(tag) => {
                    let said = said_by(&tag)?;
                    if let Said::Level(inner) = said {
                        begin(&mut concept, &tag, &open, inner)?;
                        open.push(inner);
                    } else {
                        self.take(&mut concept, &mut transaction, &open, said)?;
                    }
                }
                Node::Text(text) if !is_space(&text) => {
                    return Err(self.xml.malformed("text: expected elements, such as <term>"));
                }
                Node::Text(_) | Node::Nothing => {}
                Node::End => {
                    open.pop();
                    if level == Level::Transaction {
                        concept.transacted(std::mem::take(&mut transaction));
                    }
                }
                Node::Eof => break,
            }
        }
        Ok(concept)
    }

    /// Takes what an element says that has just begun, and reads it to its end.
    fn take(
        &mut self,
        concept: &mut Concept,
        transaction: &mut Transaction,
        open: &[Level],
        said: Said,
    ) -> Result<(), ReadError> {
        if matches!(said, Said::Nothing) {
            return self.xml.skip();
        }
        let is_within = |level| open.contains(&level);
        let text = self.xml.read_text(TEXT_BYTES_MAX)?;
        let fail = |reason: &str| Err(self.xml.malformed(reason));
        match said {
            Said::Term => match concept.last_term().filter(|_| is_within(Level::Term)) {
                Some(term) if term.text.is_empty() => term.text = text,
                Some(_) => return fail("a second <term>: expected one in a <termSec>"),
                None => return fail("a <term> that is in no <termSec>"),
            },
            Said::Standing => match concept.last_term().filter(|_| is_within(Level::Term)) {
                Some(term) => term.standing = Standing::of_status(&text),
                None => return fail("an administrativeStatus that is in no <termSec>"),
            },
            Said::Note if is_within(Level::Term) => {
                if let Some(term) = concept.last_term()
                    && text.trim() == CASE_SENSITIVE
                {
                    term.is_case_sensitive = true;
                }
            }
            // What is noted on a change or on a source says nothing of the term.
            Said::Note if is_within(Level::Transaction) || is_within(Level::Group) => {}
            Said::Definition if is_within(Level::Term) => {}
            Said::Definition | Said::Note if concept.notes.len() < NOTES_MAX => concept.notes.push(text),
            Said::Domain if concept.domain.is_none() => concept.domain = Some(text),
            Said::Project if concept.project.is_none() => concept.project = Some(text),
            Said::TransactionKind => transaction.kind = text,
            Said::Responsible if is_within(Level::Transaction) => transaction.by = Some(text.into()),
            Said::Date if is_within(Level::Transaction) => {
                transaction.at = Some(date("date", &text).map_err(|reason| self.xml.malformed(reason))?);
            }
            Said::Definition
            | Said::Note
            | Said::Domain
            | Said::Project
            | Said::Responsible
            | Said::Date
            | Said::Level(_)
            | Said::Nothing => {}
        }
        Ok(())
    }
}

/// Something begins in which others are.
fn begin(concept: &mut Concept, tag: &Tag<'_>, open: &[Level], inner: Level) -> Result<(), ReadError> {
    let is_within = |level| open.contains(&level);
    if concept.len() == CONCEPT_TERMS_MAX {
        return Err(tag.malformed(format!("more than {CONCEPT_TERMS_MAX} terms and languages in one concept")));
    }
    match inner {
        Level::Concept => Err(tag.malformed("a concept within another".to_owned())),
        Level::Language if is_within(Level::Language) => {
            Err(tag.malformed("a language within another: expected <termSec> with <term>".to_owned()))
        }
        Level::Language => {
            let missing = || tag.malformed("no xml:lang: expected a language, such as xml:lang=\"fr\"".to_owned());
            let language = attribute(tag, "xml:lang")?.filter(|tag| !tag.is_empty()).ok_or_else(missing)?;
            concept.sections.push(Section { language, terms: Vec::new() });
            Ok(())
        }
        Level::Term if is_within(Level::Term) || !is_within(Level::Language) => {
            Err(tag.malformed("not expected here: expected it in a <langSec>".to_owned()))
        }
        Level::Term => {
            concept.sections.iter_mut().last().into_iter().for_each(|last| last.terms.push(ConceptTerm::default()));
            Ok(())
        }
        Level::Transaction | Level::Group => Ok(()),
    }
}

fn said_by(tag: &Tag<'_>) -> Result<Said, ReadError> {
    let name = local(tag.name());
    let level = match name {
        "conceptEntry" | "termEntry" => Some(Level::Concept),
        "langSec" | "langSet" => Some(Level::Language),
        "termSec" | "tig" | "ntig" => Some(Level::Term),
        "transacGrp" => Some(Level::Transaction),
        "termGrp" | "termNoteGrp" | "descripGrp" | "adminGrp" => Some(Level::Group),
        _ => None,
    };
    if let Some(level) = level {
        return Ok(Said::Level(level));
    }
    let kind = match name {
        "descrip" | "termNote" | "admin" | "transac" | "transacNote" => attribute(tag, "type")?,
        _ => None,
    };
    Ok(match kind.as_deref().unwrap_or(name) {
        "term" => Said::Term,
        "note" => Said::Note,
        "date" => Said::Date,
        "subjectField" => Said::Domain,
        "definition" => Said::Definition,
        "projectSubset" => Said::Project,
        "administrativeStatus" | "normativeAuthorization" => Said::Standing,
        "transactionType" => Said::TransactionKind,
        "responsibility" => Said::Responsible,
        _ => Said::Nothing,
    })
}

/// A name without the prefix of its namespace.
fn local(name: &str) -> &str {
    name.rsplit_once(':').map_or(name, |(_, local)| local)
}

fn attribute(tag: &Tag<'_>, wanted: &str) -> Result<Option<String>, ReadError> {
    let mut found = None;
    for attribute in tag.attributes() {
        let (name, value) = attribute?;
        if name == wanted {
            found = Some(shown(value.trim()));
        }
    }
    Ok(found)
}
