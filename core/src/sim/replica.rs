//! The document as a client has it, from what it was told.

use std::rc::Rc;

use super::checked::{Broken, Checked, ensure};
use super::delta::Delta;
use super::disk::piece;
use super::heard::Part;
use super::mirror::Mirror;
use super::texts::{Name, Texts, place_of};
use crate::room::Dialect;

/// What a client has of the server's document.
#[derive(Clone, Debug)]
pub(super) struct Replica {
    pub(super) texts: Texts,
    pub(super) version: u64,
    dialect: Dialect,
    /// It knows the document as one text, `body`, and looks at nothing but positions in that.
    is_flat: bool,
}

impl Replica {
    pub(super) fn new(dialect: Dialect, is_flat: bool) -> Self {
        Self { texts: Texts::default(), version: 0, dialect, is_flat }
    }

    /// The server's texts as it sees them.
    fn seen(&self, texts: &Texts) -> Texts {
        if !self.is_flat || texts.sections.is_empty() {
            return texts.clone();
        }
        Texts { sections: vec![("body".into(), Rc::new(texts.joined()))] }
    }

    /// Takes a state; what it had before is returned.
    pub(super) fn become_state(&mut self, version: u64, texts: &Texts) -> Texts {
        self.version = version;
        let seen = self.seen(texts);
        std::mem::replace(&mut self.texts, seen)
    }

    /// Whether it is what the server had at that version.
    pub(super) fn check(&self, mirror: &Mirror) -> Checked {
        let expected = self.seen(&mirror.at(self.version)?.texts);
        ensure!(self.texts == expected, "version {} is {:?} here, not {expected:?}", self.version, self.texts);
        Ok(())
    }

    /// Applies one part of a version; its section and what it does there are returned.
    pub(super) fn take_part(&mut self, part: &Part) -> Checked<(Name, Delta)> {
        let name: Name = if self.is_flat { "body".into() } else { part.section.as_str().into() };
        let encoding = self.dialect.encoding;
        if self.texts.index(&name).is_none() {
            ensure!(part.operation == "insert", "only an insert makes a section: {part:?}");
            self.texts.sections.push((Name::clone(&name), Rc::default()));
        }
        let index = self.texts.index(&name).unwrap_or_default();
        let text = &self.texts.sections[index].1;
        let position = self.place_in_section(part, index)?;
        let length = part.length.unwrap_or(0);
        let place =
            |place| place_of(text, place, encoding).map_err(|wrong| Broken(format!("{wrong:?} in {text:?}: {part:?}")));
        let (from, to) = (place(position)?, place(position + length)?);
        let content = part.content.as_deref().unwrap_or("");
        let is_sane = match &*part.operation {
            "insert" => part.length.is_none() && part.content.is_some(),
            "delete" => part.length.is_some() && part.content.is_none(),
            "replace" => length > 0 && !content.is_empty(),
            _ => false,
        };
        ensure!(is_sane, "it is no change: {part:?}");
        let delta = Delta::of_piece(text.len(), &piece(from, to - from, content));
        self.texts.apply(&name, &delta);
        self.version = part.version;
        Ok((name, delta))
    }

    /// The part's place in its section, in the client's encoding. All that is said of the place has to agree.
    fn place_in_section(&self, part: &Part, index: usize) -> Checked<u64> {
        if self.is_flat {
            return Ok(part.position);
        }
        let start = self.texts.start(index, self.dialect.encoding);
        let (in_section, in_document) = if self.dialect.over_document {
            (part.section_position, Some(part.position))
        } else {
            (Some(part.position), part.document_position)
        };
        let agree = in_section.zip(in_document).is_none_or(|(section, document)| start + section == document);
        ensure!(agree, "the section begins at {start}: {part:?}");
        in_section.ok_or_else(|| Broken(format!("no place in the section: {part:?}")))
    }
}
