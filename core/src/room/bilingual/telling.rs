//! Telling those who translate in a document what has become old.

use super::stale::{Stale, StaleSegment};
use super::subscription::Subscription;
use super::told::place_told;
use crate::document::Document;
use crate::ids::{UnixMillis, Version};
use crate::protocol::bilingual_outbound::{PairTold, StaleTold, TranslationStale};
use crate::protocol::outbound::Metadata;
use crate::room::counters::Sent;
use crate::room::member::Dialect;
use crate::room::{MemberKey, Room, frame};

/// The most segments of one `translation.stale`. What has more is told as whole sections.
pub const STALE_TOLD_MAX: usize = 64;

/// What is news to somebody: segments, each with its pair, and pairs of which there are others.
#[derive(Default)]
struct News<'a> {
    segments: Vec<(usize, &'a StaleSegment)>,
    sections: Vec<usize>,
}

impl<'a> News<'a> {
    /// What of that somebody was not told before, and is now.
    fn of(stale: &'a Stale, subscription: &mut Subscription) -> Self {
        let mut news = Self::default();
        for (index, pair) in subscription.pairs.iter().enumerate() {
            let Some((found, target)) = stale.of(*pair).zip(pair.target) else { continue };
            let mut is_whole = found.is_whole;
            for segment in &found.segments {
                if news.segments.len() == STALE_TOLD_MAX {
                    is_whole = true;
                    break;
                }
                if subscription.marks.mark(&segment.target) {
                    news.segments.push((index, segment));
                }
            }
            if is_whole && subscription.marks.mark_section(target) {
                news.sections.push(index);
            }
        }
        news
    }

    const fn is_empty(&self) -> bool {
        self.segments.is_empty() && self.sections.is_empty()
    }

    fn message(
        &self,
        document: &'a Document,
        dialect: Dialect,
        stale: &'a Stale,
        subscription: &'a Subscription,
    ) -> TranslationStale<'a> {
        let segment = |(pair, segment): &(usize, &'a StaleSegment)| {
            let change = stale.change_of(subscription.pairs[*pair], segment)?;
            let now = change.now.as_ref();
            Some(StaleTold {
                source: now.map(|(at, _)| place_told(document, at, dialect)),
                source_text: now.map(|(_, text)| &**text),
                previous_text: &change.previous,
                target: place_told(document, &segment.target, dialect),
                target_text: &segment.text,
            })
        };
        let name = |section: usize| document.sections()[section].name().as_str();
        let pair = |pair: &usize| {
            let pair = subscription.pairs[*pair];
            Some(PairTold { source: name(pair.source), target: name(pair.target?) })
        };
        TranslationStale {
            document_id: document.id().as_str(),
            version: document.version(),
            segments: self.segments.iter().filter_map(segment).collect(),
            sections: self.sections.iter().filter_map(pair).collect(),
        }
    }
}

impl Room {
    /// Reads what has happened since, for those who translate here, and tells them what has become old by it.
    pub(super) fn read_changes(&mut self, now: UnixMillis) {
        if let Some(bilingual) = &mut self.bilingual {
            let stale = bilingual.read(&self.document);
            self.tell_stale(now, &stale, |_| true);
        }
    }

    /// Tells a member what has become old since a version that it knows.
    pub(super) fn catch_up_translating(&mut self, now: UnixMillis, key: MemberKey, known: Version) {
        let Some(bilingual) = &mut self.bilingual else { return };
        let pairs = bilingual.find(key).map(|subscription| subscription.pairs.clone()).unwrap_or_default();
        let stale = bilingual.stale_since(&self.document, known, &pairs);
        self.tell_stale(now, &stale, |other| other == key);
    }

    fn tell_stale(&mut self, now: UnixMillis, stale: &Stale, is_told: impl Fn(MemberKey) -> bool) {
        let (document, gate) = (&self.document, self.version_gate());
        let Some(bilingual) = self.bilingual.as_mut().filter(|_| !stale.is_empty()) else { return };
        for subscription in bilingual.subscriptions.iter_mut().filter(|one| is_told(one.key)) {
            let Some(member) = self.members.get(subscription.key) else { continue };
            let news = News::of(stale, subscription);
            if !news.is_empty() {
                let told = news.message(document, member.dialect, stale, subscription);
                let frame = frame(Sent::Stale.name(), &told, &Metadata::of_server(now, None));
                self.members.send(subscription.key, gate, frame);
                self.config.counters.count_sent(Sent::Stale, 1);
            }
        }
    }
}
