//! Reading a document that others are translations of: what their rooms, on whichever core, ask of its room.
//!
//! Nothing of it is known here but where paragraphs are, which is kept for a while after somebody has asked.

use std::time::Duration;

use bytes::Bytes;

use super::place::Around;
use super::sources::{ChangesSought, SourceRead, read_sources};
use super::told::ends_of;
use crate::ids::{SectionName, UnixMillis, Version};
use crate::room::Room;
use crate::room::member::{Dialect, Place};
use crate::room::request::Answer;

/// How long it is known where paragraphs are of a document that nobody asks for any more.
pub const READ_ALONG: Duration = Duration::from_secs(60);

/// What is asked of a document by one that is a translation of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    /// Which sections there are.
    Sections,
    /// A segment.
    Segment(SegmentSought),
    /// What has become of sections.
    Changes(ChangesSought),
}

impl Reading {
    /// What is said of a document that is not open, where it need not be opened for that.
    #[must_use]
    pub fn of_closed(&self) -> Option<CounterpartRead> {
        match self {
            Self::Changes(sought) if !sought.opens => Some(CounterpartRead::of(sought.since)),
            Self::Sections | Self::Segment(_) | Self::Changes(_) => None,
        }
    }
}

/// Which segment: sentence n of paragraph n, or the last one there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentSought {
    /// The names its section may have; the first that there is counts.
    pub(super) sections: Vec<SectionName>,
    pub(super) paragraph: usize,
    pub(super) sentence: usize,
    /// How places are told to whom it is for.
    pub(super) dialect: Dialect,
}

/// What is so in one version of a document, which is on the disk when it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CounterpartRead {
    /// The version.
    pub version: Version,
    /// Its sections, where they were asked for.
    pub(super) sections: Vec<SectionName>,
    /// The segment, if there is one.
    pub(super) segment: Option<SegmentRead>,
    /// What has become of sections, where that was asked for.
    pub(super) sources: Vec<SourceRead>,
}

impl CounterpartRead {
    /// Nothing was read but which version it is.
    const fn of(version: Version) -> Self {
        Self { version, sections: Vec::new(), segment: None, sources: Vec::new() }
    }
}

/// A segment of another document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SegmentRead {
    pub(super) section: SectionName,
    pub(super) paragraph: usize,
    /// The sentence with those around it.
    pub(super) around: Around,
    /// Where it begins and ends.
    pub(super) ends: (Place, Place),
}

impl Room {
    /// What this document says to one that is a translation of it, in its newest version.
    pub fn read_counterpart(&mut self, now: UnixMillis, reading: &Reading) -> CounterpartRead {
        let names = || self.document.sections().iter().map(|section| section.name().clone()).collect();
        let nothing = CounterpartRead::of(self.document.version());
        match reading {
            Reading::Sections => CounterpartRead { sections: names(), ..nothing },
            Reading::Segment(sought) => CounterpartRead { segment: self.read_segment(now, sought), ..nothing },
            Reading::Changes(sought) => CounterpartRead { sources: read_sources(&self.document, sought), ..nothing },
        }
    }

    /// That was read in this version: answered as `request` when what was read is durable.
    pub fn answer_counterpart(&mut self, request: u64, version: Version) {
        let answer = Answer { request, body: Ok(Bytes::new()), version: Some(version), created: false };
        self.answers.push_back((self.version_gate(), answer));
    }

    fn read_segment(&mut self, now: UnixMillis, sought: &SegmentSought) -> Option<SegmentRead> {
        let SegmentSought { sections, paragraph, sentence, dialect } = sought;
        let index = sections.iter().find_map(|name| self.document.section_index(name))?;
        let read_at = self.clock.at(now);
        self.read_changes(now);
        self.bilingual().read_at = Some(read_at);
        let document = &self.document;
        let bilingual = self.bilingual.as_mut()?;
        let lines = bilingual.lines(document, index)?;
        let section = &document.sections()[index];
        let around = Around::of(&lines.sentences(section.text(), &lines.paragraph(*paragraph)?), *sentence)?;
        let ends = ends_of(document, index, &around.range, *dialect);
        Some(SegmentRead { section: section.name().clone(), paragraph: *paragraph, around, ends })
    }

    /// Forgets where paragraphs are, if nobody has asked for long.
    pub(in crate::room) fn tend_reading(&mut self, now: UnixMillis) {
        let at = self.clock.at(now);
        let Some(bilingual) = &mut self.bilingual else { return };
        if bilingual.read_at.is_some_and(|read_at| at.saturating_sub(read_at) > READ_ALONG) {
            bilingual.read_at = None;
            self.forget_unused_lines();
        }
    }
}
