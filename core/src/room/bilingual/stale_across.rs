//! Which translations are old since their source, in another document, has changed.
//!
//! The versions of two documents have no order between them, so a translation that was edited at the same time is told, too.

use super::marks::Marks;
use super::place::{Followed, SegmentAt, sentence_with_text};
use super::reading::CounterpartRead;
use super::sources::{SentenceNow, SentenceRead, SourceRead};
use super::telling::STALE_TOLD_MAX;
use super::told::{place_between, place_told};
use super::{Bilingual, Lines};
use crate::document::Document;
use crate::ids::{SectionName, UnixMillis};
use crate::protocol::bilingual_outbound::{CounterpartTold, PairTold, PlaceTold, StaleTold, TranslationStale};
use crate::protocol::outbound::Metadata;
use crate::room::counters::Sent;
use crate::room::{MemberKey, Room, frame};

/// What is news of one section.
struct News<'a> {
    source: &'a SourceRead,
    target: usize,
    segments: Vec<(&'a SentenceRead, SegmentAt, Box<str>)>,
    is_whole: bool,
}

impl<'a> News<'a> {
    /// What of a section was not told before, and is now; at most so many segments.
    fn of(
        (document, followed): (&Document, &Followed),
        (source, target): (&'a SourceRead, usize),
        marks: &mut Marks,
        segments_max: usize,
    ) -> Self {
        let mut news = Self { source, target, segments: Vec::new(), is_whole: false };
        let lines = followed.get(&target);
        let has_text = lines.map_or_else(|| !document.sections()[target].text().is_empty(), Lines::have_content);
        let mut is_whole = source.sentences.is_none() || lines.is_none();
        for changed in source.sentences.iter().flatten() {
            let found = sentence_with_text(document, followed, target, changed.paragraph, changed.sentence);
            let Some((at, text)) = found else { continue };
            if news.segments.len() == segments_max {
                is_whole = true;
                break;
            }
            if marks.mark(&at) {
                news.segments.push((changed, at, text));
            }
        }
        news.is_whole = is_whole && has_text && marks.mark_section(target);
        news
    }
}

impl Room {
    /// Tells a member what is old by what has become of the other document, `own` being the sections for which that was asked.
    pub(super) fn tell_stale_across(
        &mut self,
        now: UnixMillis,
        key: MemberKey,
        own: &[SectionName],
        read: &CounterpartRead,
    ) {
        let (document, gate) = (&self.document, self.version_gate());
        let (Some(bilingual), Some(member)) = (&mut self.bilingual, self.members.get(key)) else { return };
        let target_of = |source: &SourceRead| document.section_index(own.get(source.index)?);
        for section in read.sources.iter().filter_map(target_of) {
            bilingual.lines(document, section);
        }
        let Bilingual { subscriptions, followed, .. } = &mut **bilingual;
        let Some(subscription) = subscriptions.iter_mut().find(|one| one.key == key) else { return };
        let Some(counterpart) = &subscription.counterpart else { return };
        let mut left = STALE_TOLD_MAX;
        let mut news = Vec::new();
        for source in &read.sources {
            let Some(target) = target_of(source) else { continue };
            let found = News::of((document, followed), (source, target), &mut subscription.marks, left);
            left -= found.segments.len();
            news.push(found);
        }
        let there = CounterpartTold { document_id: counterpart.document_id.as_str(), version: read.version };
        let segments = news.iter().flat_map(|news| {
            let section = news.source.section.as_str();
            news.segments.iter().map(move |(changed, at, text)| {
                let place = |now: &SentenceNow| PlaceTold {
                    counterpart: Some(there),
                    ..place_between(section, now.paragraph, now.sentence, now.ends)
                };
                StaleTold {
                    source: changed.now.as_ref().map(place),
                    source_text: changed.now.as_ref().map(|now| &*now.text),
                    previous_text: &changed.previous,
                    target: place_told(document, at, member.dialect),
                    target_text: text,
                }
            })
        });
        let name = |section: usize| document.sections()[section].name().as_str();
        let whole = news.iter().filter(|news| news.is_whole);
        let told = TranslationStale {
            document_id: document.id().as_str(),
            version: document.version(),
            segments: segments.collect(),
            sections: whole
                .map(|news| PairTold { source: news.source.section.as_str(), target: name(news.target) })
                .collect(),
        };
        if told.segments.is_empty() && told.sections.is_empty() {
            return;
        }
        let frame = frame(Sent::Stale.name(), &told, &Metadata::of_server(now, None));
        self.members.send(key, gate, frame);
        self.config.counters.count_sent(Sent::Stale, 1);
    }
}
