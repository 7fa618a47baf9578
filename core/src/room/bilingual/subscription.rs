//! Somebody who translates in a document: the segment at their cursor, and what they have asked.

use std::time::Duration;

use super::again::Again;
use super::counterpart::Counterpart;
use super::marks::Marks;
use super::pairing::{Pair, Pairing};
use super::place::{Followed, Segment, SegmentAt, segment_at};
use super::told::place_told;
use crate::document::{ChangeRef, Document};
use crate::ot::{Order, map_position};
use crate::protocol::bilingual_outbound::SegmentTold;
use crate::protocol::{SubscribeBody, SuggestionsBody};
use crate::room::MemberKey;
use crate::room::member::{Dialect, Marked};
use crate::room::translator::{Conversation, Work};
use crate::translation::{Context, LanguagePair};

/// What one member is told.
#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) key: MemberKey,
    pub(super) conversation: Conversation,
    pub(super) languages: LanguagePair,
    pub(super) wanted: SubscribeBody,
    pub(super) pairing: Pairing,
    /// What that means for the document as it is now, where it is translated within itself.
    pub(super) pairs: Vec<Pair>,
    /// The document it is translated from, where that is another one.
    pub(super) counterpart: Option<Counterpart>,
    /// What they were told is old.
    pub(super) marks: Marks,
    cursor: Option<Marked>,
    /// The cursor is another one since the segment was looked for.
    is_due: bool,
    /// The segment at the cursor.
    pub(super) segment: Option<Segment>,
    /// It was not looked up yet.
    waits: bool,
    /// Whether there is something to add to what was told for it.
    pub(super) again: Again,
    /// They were left out of something that happened to the memory.
    pub(super) misses: bool,
    /// The number of the look-up that is under way.
    looks_up: Option<u64>,
}

impl Subscription {
    /// One that begins where the member's cursor is.
    pub(super) fn new(
        key: MemberKey,
        conversation: Conversation,
        languages: LanguagePair,
        wanted: SubscribeBody,
        cursor: Option<Marked>,
        counterpart: Option<Counterpart>,
    ) -> Self {
        let pairing = wanted.sections.clone().map_or(Pairing::ByLanguage(languages), Pairing::Named);
        Self {
            key,
            conversation,
            languages,
            wanted,
            pairing,
            pairs: Vec::new(),
            counterpart,
            marks: Marks::default(),
            cursor,
            is_due: true,
            segment: None,
            waits: false,
            again: Again::default(),
            misses: false,
            looks_up: None,
        }
    }

    /// Their cursor is there.
    pub(super) const fn go_to(&mut self, cursor: Marked) {
        (self.cursor, self.is_due) = (Some(cursor), true);
    }

    /// What is at their cursor may be something else by now.
    pub(super) const fn look_again(&mut self) {
        self.is_due = true;
    }

    /// Has the other document asked what has become of it, if it is time; `number` is to be a new one.
    pub(super) fn ask_changes(&mut self, document: &Document, at: Duration, number: u64) -> bool {
        let counterpart = self.counterpart.as_mut();
        let work = counterpart.and_then(|counterpart| counterpart.ask_changes(document, &self.pairing, at, number));
        work.map(|work| self.conversation.ask_for(work)).is_some()
    }

    /// Goes along with a change: behind the last thing that was done, where they have done it themselves.
    pub(super) fn go_along(&mut self, change: ChangeRef<'_>, own: bool) {
        if let Some(segment) = &mut self.segment {
            let at = &mut segment.at;
            let marked = Marked { section: at.section, start: at.range.start, end: at.range.end }.after(change, false);
            at.range = marked.start..marked.end;
        }
        let edited = change.sections().rev().find_map(|made| Some((made, *made.operation.edits().last()?)));
        match edited.filter(|_| own) {
            Some((made, edit)) => {
                let place = map_position(edit.position, made.operation.edits(), Order::First) + edit.inserted;
                self.go_to(Marked { section: made.section.into(), start: place, end: place });
            }
            None => {
                self.cursor = self.cursor.map(|cursor| cursor.after(change, own));
                self.is_due = true;
            }
        }
    }

    /// The section that the cursor is in, where it is another document that it is translated from.
    pub(super) fn section_across(&self) -> Option<usize> {
        self.counterpart.as_ref().and(self.cursor).map(|cursor| cursor.section)
    }

    /// Finds the segment at the cursor, if that or the document is another one. Being in the same one as before, with the same
    /// text, is no news.
    pub(super) fn look(&mut self, document: &Document, followed: &Followed) {
        if !std::mem::take(&mut self.is_due) {
            return;
        }
        if let Some(counterpart) = &mut self.counterpart {
            return counterpart.look(document, followed, self.cursor);
        }
        let found = self.cursor.and_then(|cursor| segment_at(document, followed, &self.pairs, cursor));
        let is_same = match (&self.segment, &found) {
            (Some(known), Some(found)) => {
                let place = |segment: &Segment| (segment.at.section, segment.at.range.start);
                known.text == found.text && place(known) == place(found)
            }
            (None, Some(_)) => false,
            (_, None) => {
                self.waits = false;
                true
            }
        };
        self.waits |= !is_same;
        self.segment = found;
    }

    /// Has the segment looked up, if it was not and nothing is, or the other document asked for it; `number` is to be a new one.
    pub(super) fn begin(&mut self, document: &Document, number: u64) -> bool {
        if let Some(counterpart) = &mut self.counterpart {
            let work = counterpart.begin(document, &self.pairing, number);
            let is_asked = work.map(|work| self.conversation.ask_for(work)).is_some();
            return is_asked || self.begin_again_across(number);
        }
        let is_due = self.waits || self.again.is_due();
        let Some(segment) = self.segment.as_ref().filter(|_| is_due && self.looks_up.is_none()) else {
            return false;
        };
        let name = |section: usize| document.sections()[section].name().as_str();
        let context = Context {
            document_id: Some(document.id().as_str().into()),
            section: Some(name(segment.at.section).into()),
            previous: segment.previous.clone(),
            next: segment.next.clone(),
            ..Context::default()
        };
        let (text, again) = (segment.text.clone(), !self.waits);
        self.look_up(number, text, context, again);
        (self.waits, self.looks_up) = (false, Some(number));
        true
    }

    /// Has the segment of the other document looked up again, where something may be better and nothing else is under way.
    fn begin_again_across(&mut self, number: u64) -> bool {
        let counterpart = self.counterpart.as_mut().filter(|_| self.again.is_due());
        let Some((text, context)) = counterpart.and_then(|counterpart| counterpart.begin_again(number)) else {
            return false;
        };
        self.look_up(number, text, context, true);
        true
    }

    /// Has a text looked up: the one that was before, `again`, or another one.
    pub(super) fn look_up(&mut self, number: u64, source_text: Box<str>, context: Context, again: bool) {
        self.again.begin(number, again);
        let SubscribeBody { max_suggestions, min_confidence, exhaustive, explain, .. } = self.wanted;
        let body = SuggestionsBody {
            source_text,
            languages: [Some(self.languages.source()), Some(self.languages.target())],
            project_id: self.wanted.project_id.clone(),
            context,
            max_suggestions,
            min_confidence,
            exhaustive,
            explain,
        };
        self.conversation.ask_for(Work::Follow { number, pair: self.languages, body: Box::new(body), again });
    }

    /// The text of the segment that was looked up last, or is to be.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.counterpart {
            Some(counterpart) => counterpart.text(),
            None => self.segment.as_ref().map(|segment| &*segment.text),
        }
    }

    /// A look-up has come to its end: the segment with its places, as its connection is told, if it is the one that was looked
    /// up.
    pub(super) fn told<'a>(
        &'a mut self,
        document: &'a Document,
        followed: &Followed,
        dialect: Dialect,
        number: u64,
    ) -> Option<SegmentTold<'a>> {
        let (document_id, version) = (document.id().as_str(), document.version());
        let place = |at: &SegmentAt| place_told(document, at, dialect);
        let (source_text, source, target) = if self.counterpart.is_some() {
            let (segment, other) = self.counterpart.as_mut()?.finish(number)?;
            let target = segment.target(document, followed).as_ref().map(place);
            (segment.text(), segment.told(other), target)
        } else {
            let segment = self.finish(number)?;
            (&*segment.text, place(&segment.at), segment.counterpart.as_ref().map(place))
        };
        Some(SegmentTold { document_id, version, source_text, source, target })
    }

    /// Nothing is under way any more, if that was; the segment stays what it is.
    fn finish_again(&mut self, number: u64) {
        match &mut self.counterpart {
            Some(counterpart) => drop(counterpart.finish(number)),
            None => drop(self.finish(number)),
        }
    }

    /// The segment, if it is the one that was looked up.
    fn finish(&mut self, number: u64) -> Option<&Segment> {
        if self.looks_up != Some(number) {
            return None;
        }
        self.looks_up = None;
        self.segment.as_ref().filter(|_| !self.waits)
    }

    /// The look-up of the segment has failed, or the question for it: that is to be tried again when something happens; where
    /// something was told already, soon.
    pub(super) fn fail(&mut self, number: u64) {
        if self.again.fail(number) {
            return self.finish_again(number);
        }
        match &mut self.counterpart {
            Some(counterpart) => counterpart.fail(number),
            None => {
                self.finish(number);
                self.segment = None;
            }
        }
    }
}
