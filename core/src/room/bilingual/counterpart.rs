//! Somebody who translates a document that is another one's translation: where in that one they are, and what it says there.
//!
//! The other document is asked, by whoever runs this room, and not mirrored: one question at a time, and then one look-up, for
//! the newest place. What comes meanwhile makes what is found nothing.
//!
//! Every [`CHANGES_EVERY`] it is asked, too, what has become of it since: so no change is missed, whatever is unloaded, restarted or
//! busy, and nobody has to remember who wants to be told.

use std::time::Duration;

use super::pairing::Pairing;
use super::place::{Followed, Here, SegmentAt, sentence_at};
use super::reading::{CounterpartRead, Reading, SegmentRead, SegmentSought};
use super::sources::ChangesSought;
use super::told::place_between;
use crate::document::Document;
use crate::ids::{DocumentId, SectionName, Version};
use crate::protocol::SECTION_PAIRS_MAX;
use crate::protocol::bilingual_outbound::{CounterpartTold, PlaceTold};
use crate::room::member::{Dialect, Marked};
use crate::room::translator::Work;
use crate::translation::Context;

/// How often a document is asked what has become of it by those who translate from it.
pub const CHANGES_EVERY: Duration = Duration::from_secs(2);
/// How often it is opened for that, if it is not open: it may have been for less than [`CHANGES_EVERY`].
pub const CHANGES_OPEN_EVERY: Duration = Duration::from_mins(10);

/// What a subscription knows of the document that its own one is a translation of.
#[derive(Debug)]
pub(super) struct Counterpart {
    pub(super) document_id: DocumentId,
    /// How places are told to whom it is for.
    dialect: Dialect,
    /// Where the cursor is in the own document.
    place: Option<OwnPlace>,
    /// It was not asked yet what the other one says there.
    waits: bool,
    /// The number of the question or the look-up that is under way.
    asks: Option<u64>,
    /// What it said there last, which is told or being looked up.
    segment: Option<KnownSegment>,
    /// What has become of it up to this version was told.
    known: Version,
    /// It was asked what has become of it: the number of the question, and for which sections of the own document.
    asks_changes: Option<(u64, Vec<SectionName>)>,
    /// When that was asked last, and when it was open for sure, by the room's time.
    asked_at: Option<Duration>,
    opened_at: Duration,
}

/// Sentence n of paragraph n of a section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct OwnPlace {
    section: usize,
    paragraph: usize,
    sentence: usize,
}

/// A segment of the other document.
#[derive(Clone, Debug)]
pub(super) struct KnownSegment {
    version: Version,
    read: SegmentRead,
    /// The section of the own document that its translation is in.
    section: usize,
}

impl Counterpart {
    /// One that was read `at` that time; what came after version `missed` is to be told at once.
    pub(super) fn new(
        document_id: DocumentId,
        dialect: Dialect,
        read: &CounterpartRead,
        missed: Option<Version>,
        at: Duration,
    ) -> Self {
        Self {
            document_id,
            dialect,
            place: None,
            waits: false,
            asks: None,
            segment: None,
            known: missed.unwrap_or(read.version),
            asks_changes: None,
            asked_at: missed.is_none().then_some(at),
            opened_at: at,
        }
    }

    /// What is to be asked of what has become of it, if it is time; `number` is to be a new one.
    pub(super) fn ask_changes(
        &mut self,
        document: &Document,
        pairing: &Pairing,
        at: Duration,
        number: u64,
    ) -> Option<Work> {
        let is_due = self.asked_at.is_none_or(|asked_at| at.saturating_sub(asked_at) >= CHANGES_EVERY);
        if !is_due || self.asks_changes.is_some() {
            return None;
        }
        self.asked_at = Some(at);
        let names = document.sections().iter().map(|section| section.name());
        let sources = names.map(|name| (name.clone(), pairing.sources_across(document, name)));
        let sources = sources.filter(|(_, sources)| !sources.is_empty()).take(SECTION_PAIRS_MAX);
        let (own, sections) = sources.unzip();
        self.asks_changes = Some((number, own));
        let opens = at.saturating_sub(self.opened_at) >= CHANGES_OPEN_EVERY;
        if opens {
            self.opened_at = at;
        }
        let reading = Reading::Changes(ChangesSought { since: self.known, sections, dialect: self.dialect, opens });
        Some(Work::Read { number, document_id: self.document_id.clone(), reading })
    }

    /// The other document has said what has become of it: for which sections of the own one that was asked, if it was.
    pub(super) fn take_changes(&mut self, number: u64, read: &CounterpartRead) -> Option<Vec<SectionName>> {
        let (_, own) = self.asks_changes.take_if(|(asked, _)| *asked == number)?;
        if std::mem::replace(&mut self.known, read.version) != read.version {
            // What is at the cursor may be another text by now, also where nothing that was translated is.
            self.place = None;
        }
        Some(own)
    }

    /// Finds out where the cursor is. The same sentence as before is no news.
    pub(super) fn look(&mut self, document: &Document, followed: &Followed, cursor: Option<Marked>) {
        let place = cursor.and_then(|cursor| {
            let lines = followed.get(&cursor.section)?;
            let Here { line, sentence, .. } = Here::of(document.sections()[cursor.section].text(), lines, cursor.start);
            Some(OwnPlace { section: cursor.section, paragraph: line.paragraph, sentence })
        });
        if self.place != place {
            (self.place, self.waits) = (place, place.is_some());
        }
        if place.is_none() {
            self.segment = None;
        }
    }

    /// What is to be asked, if nothing is; `number` is to be a new one.
    pub(super) fn begin(&mut self, document: &Document, pairing: &Pairing, number: u64) -> Option<Work> {
        if !self.waits || self.asks.is_some() {
            return None;
        }
        self.waits = false;
        let OwnPlace { section, paragraph, sentence } = self.place?;
        let sections = pairing.sources_across(document, document.sections()[section].name());
        if sections.is_empty() {
            self.segment = None;
            return None;
        }
        self.asks = Some(number);
        let reading = Reading::Segment(SegmentSought { sections, paragraph, sentence, dialect: self.dialect });
        Some(Work::Read { number, document_id: self.document_id.clone(), reading })
    }

    /// The segment of the other document is to be looked up again, as number `number`, if nothing is under way.
    pub(super) fn begin_again(&mut self, number: u64) -> Option<(Box<str>, Context)> {
        let segment = self.segment.as_ref().filter(|_| !self.waits && self.asks.is_none())?;
        self.asks = Some(number);
        Some((segment.text().into(), segment.context(&self.document_id)))
    }

    /// The text of the segment that is told or being looked up.
    pub(super) fn text(&self) -> Option<&str> {
        self.segment.as_ref().map(KnownSegment::text)
    }

    /// What the other document has said. The segment, if it is to be looked up, which is number `next` then.
    pub(super) fn take(&mut self, number: u64, read: CounterpartRead, next: u64) -> Option<&KnownSegment> {
        if !self.awaits(number) {
            return None;
        }
        self.asks = None;
        if self.waits {
            return None;
        }
        let CounterpartRead { version, segment, sections: _, sources: _ } = read;
        let known = self.segment.take();
        let section = self.place?.section;
        let found = KnownSegment { version, read: segment?, section };
        let is_known = known.is_some_and(|known| known.is_at(&found));
        self.segment = Some(found);
        if is_known {
            return None;
        }
        self.asks = Some(next);
        self.segment.as_ref()
    }

    /// Whether that is under way.
    pub(super) fn awaits(&self, number: u64) -> bool {
        self.asks == Some(number)
    }

    /// Whether that is the question of what has become of it.
    pub(super) fn awaits_changes(&self, number: u64) -> bool {
        self.asks_changes.as_ref().is_some_and(|(asked, _)| *asked == number)
    }

    /// The question has failed, or the look-up: it is to be asked again when something happens.
    pub(super) fn fail(&mut self, number: u64) {
        self.asks_changes.take_if(|(asked, _)| *asked == number);
        if self.awaits(number) {
            (self.asks, self.place, self.segment) = (None, None, None);
        }
    }

    /// A look-up has come to its end. The segment, if the cursor is still where it was, and the document that it is in.
    pub(super) fn finish(&mut self, number: u64) -> Option<(&KnownSegment, &DocumentId)> {
        if !self.awaits(number) {
            return None;
        }
        self.asks = None;
        if self.waits {
            self.segment = None;
        }
        self.segment.as_ref().map(|segment| (segment, &self.document_id))
    }
}

impl KnownSegment {
    /// Whether it is the same segment in the same place.
    fn is_at(&self, other: &Self) -> bool {
        let place = |known: &Self| (known.section, known.read.paragraph, known.read.around.sentence);
        place(self) == place(other)
            && self.read.section == other.read.section
            && self.read.around.text == other.read.around.text
    }

    pub(super) fn text(&self) -> &str {
        &self.read.around.text
    }

    /// What is around it, for the memory.
    pub(super) fn context(&self, document_id: &DocumentId) -> Context {
        Context {
            document_id: Some(document_id.as_str().into()),
            section: Some(self.read.section.as_str().into()),
            previous: self.read.around.previous.clone(),
            next: self.read.around.next.clone(),
            ..Context::default()
        }
    }

    /// Where it is, as a connection is told.
    pub(super) fn told<'a>(&'a self, document_id: &'a DocumentId) -> PlaceTold<'a> {
        let SegmentRead { section, paragraph, around, ends } = &self.read;
        let counterpart = CounterpartTold { document_id: document_id.as_str(), version: self.version };
        PlaceTold {
            counterpart: Some(counterpart),
            ..place_between(section.as_str(), *paragraph, around.sentence, *ends)
        }
    }

    /// Where its translation is in the own document, if there is one.
    pub(super) fn target(&self, document: &Document, followed: &Followed) -> Option<SegmentAt> {
        sentence_at(document, followed, self.section, self.read.paragraph, self.read.around.sentence)
    }
}
