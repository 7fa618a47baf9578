//! Documents in two languages: who translates in one is told what the memory has for the segment at their cursor.
//!
//! Nothing of this is paid for where nobody has subscribed: a room has a [`Bilingual`] then, and else nothing. What has become of
//! the sections is read from the document's history, once a turn ([`Room::follow_translations`]), and only the paragraphs that
//! have changed are read again.
//!
//! A document may be a translation of another one, of any core: that is asked for the segment, and this room tells of it.
//!
//! `hunks` is what has changed, `lines` where each paragraph is, `pairing` which sections belong together, `sentences` those of a
//! paragraph, `place` the segment at a cursor and its counterpart, `subscription` what one member is told, `told` how places are
//! told.
//!
//! When a source changes, its translation is old: `changed` is which sentences have become others, `stale` where their
//! translations are, `marks` which of them somebody was told, and `telling` tells the rest; `catching_up` is for who was not there.
//!
//! What happens to the memory is told by `memory`; `again` is whether a segment is to be looked up again by that.
//!
//! Of two documents `across` is which sections belong together; `newcomer` waits for the other one, `counterpart` asks it for
//! segments and what has become of it, and `reading` and `sources` answer; `stale_across` tells what is old by that.

mod across;
mod again;
mod budget;
mod catching_up;
mod changed;
mod counterpart;
mod hunks;
mod lines;
mod marks;
mod memory;
mod newcomer;
mod pairing;
mod place;
mod reading;
mod sentences;
mod sources;
mod stale;
mod stale_across;
mod subscribing;
mod subscription;
mod telling;
mod told;

use std::collections::BTreeSet;
use std::time::Duration;

use super::counters::Sent;
use super::member::Marked;
use super::memory_event::Origin;
use super::translator::{Conversation, Said, Work};
use super::{MemberKey, Room, frame, refusal};
use crate::document::{ChangeRef, Document};
use crate::ids::{UnixMillis, Version};
use crate::protocol::outbound::Metadata;
use crate::protocol::translation_outbound::{Suggested, Suggestions};
use crate::protocol::{Inbound, InboundError, TranslationMessage};
use crate::translation::{GlossaryTerm, Suggestion};
pub use budget::COMPARED_UNITS_MAX;
use catching_up::hunks_since;
pub use counterpart::{CHANGES_EVERY, CHANGES_OPEN_EVERY};
use hunks::Hunks;
use lines::Lines;
pub use lines::{LINES_MAX, PARAGRAPH_UNITS_MAX};
use marks::Marks;
pub use marks::STALE_REMEMBERED_MAX;
use newcomer::Newcomer;
use pairing::Pair;
use place::Followed;
pub use reading::{CounterpartRead, READ_ALONG, Reading, SegmentSought};
pub use sentences::SENTENCES_REMEMBERED_BYTES_MAX;
pub use sources::ChangesSought;
use stale::{Happened, Sought, Stale};
use subscription::Subscription;
pub use telling::STALE_TOLD_MAX;

/// What a token permits to do with translations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TranslationRights {
    /// `translation:read`.
    pub reads: bool,
    /// `translation:write`.
    pub writes: bool,
}

/// Those who translate in a document, and what is known of it for them.
#[derive(Debug)]
pub(super) struct Bilingual {
    subscriptions: Vec<Subscription>,
    /// The pairs of all of them, each once.
    pairs: Vec<Pair>,
    newcomers: Vec<Newcomer>,
    followed: Followed,
    /// The sections with too many lines to follow, when that was looked at last.
    given_up: BTreeSet<usize>,
    /// When a translation in another document has last asked for a segment of this one, by the room's time.
    read_at: Option<Duration>,
    /// What is known is of this version.
    seen: Version,
    /// How many sections there were.
    sections: usize,
    /// How many look-ups there were.
    look_ups: u64,
    /// Some of them were left out of something that happened to the memory, and not told so yet.
    somebody_misses: bool,
    /// There is something to be done though nothing has happened: other documents are to be asked what has become of them, or
    /// something is to be looked up again.
    is_due: bool,
}

impl Bilingual {
    /// Nobody translates the document yet.
    fn new(document: &Document) -> Self {
        Self {
            subscriptions: Vec::new(),
            pairs: Vec::new(),
            newcomers: Vec::new(),
            followed: Followed::new(),
            given_up: BTreeSet::new(),
            read_at: None,
            seen: document.version(),
            sections: document.sections().len(),
            look_ups: 0,
            somebody_misses: false,
            is_due: false,
        }
    }

    /// A member's cursor is there.
    pub(super) fn point(&mut self, key: MemberKey, cursor: Marked) {
        self.find(key).into_iter().for_each(|subscription| subscription.go_to(cursor));
    }

    /// Cursors go along with the document's newest change.
    pub(super) fn go_along(&mut self, change: ChangeRef<'_>, sender: Option<MemberKey>) {
        for subscription in &mut self.subscriptions {
            let own = sender == Some(subscription.key);
            subscription.go_along(change, own);
        }
    }

    fn find(&mut self, key: MemberKey) -> Option<&mut Subscription> {
        self.subscriptions.iter_mut().find(|subscription| subscription.key == key)
    }

    /// Has looked up what has come to be at somebody's cursor.
    fn look(&mut self, document: &Document) {
        for index in 0..self.subscriptions.len() {
            if let Some(section) = self.subscriptions[index].section_across() {
                self.lines(document, section);
            }
            let subscription = &mut self.subscriptions[index];
            subscription.look(document, &self.followed);
            self.look_ups += u64::from(subscription.begin(document, self.look_ups + 1));
        }
    }

    /// Has other documents asked what has become of them, where it is time.
    fn ask_changes(&mut self, document: &Document, at: Duration) {
        for subscription in &mut self.subscriptions {
            if subscription.ask_changes(document, at, self.look_ups + 1) {
                (self.look_ups, self.is_due) = (self.look_ups + 1, true);
            }
        }
    }

    /// The lines of a section that is in no pair of this document, after what has changed was read; `None` if there are too
    /// many.
    fn lines(&mut self, document: &Document, section: usize) -> Option<&Lines> {
        if !self.followed.contains_key(&section) && !self.given_up.contains(&section) {
            match Lines::of(document.sections()[section].text()) {
                Some(lines) => drop(self.followed.insert(section, lines)),
                None => drop(self.given_up.insert(section)),
            }
        }
        self.followed.get(&section)
    }

    /// Follows the document to its newest version; what has become old by that.
    fn read(&mut self, document: &Document) -> Stale {
        let mut stale = Stale::default();
        if self.seen != document.version() {
            stale = self.read_changes(document);
            self.seen = document.version();
        }
        if self.sections != document.sections().len() {
            self.pair(document);
        }
        stale
    }

    fn read_changes(&mut self, document: &Document) -> Stale {
        let Some(happened) = self.happened(document) else {
            // More has changed than is remembered.
            self.followed.clear();
            self.pair(document);
            self.subscriptions.iter_mut().for_each(|subscription| subscription.marks = Marks::default());
            return Stale::whole(document, &self.followed, &self.pairs);
        };
        let sought = Sought::new(document, |section| self.followed.get(&section), &self.pairs, &happened);
        for (section, (hunks, blocks)) in &happened {
            self.subscriptions.iter_mut().for_each(|subscription| subscription.marks.go_along(*section, hunks));
            let Some(lines) = self.followed.get_mut(section) else { continue };
            if !lines.update(blocks, hunks.as_slice(), document.sections()[*section].text()) {
                self.followed.remove(section);
            }
        }
        sought.find(document, &self.followed, &happened)
    }

    /// What has happened to the sections of pairs, and others that are followed; `None` if nobody knows any more.
    fn happened(&self, document: &Document) -> Option<Happened> {
        // In what is followed for places in another document nothing can be old.
        let is_wanted = |section: usize| {
            self.followed.contains_key(&section)
                || self.pairs.iter().any(|pair| pair.has(section))
                || self.subscriptions.iter().any(|one| one.marks.has(section))
        };
        let changed = hunks_since(document, self.seen, is_wanted)?.into_iter();
        let with_blocks = |(section, hunks): (usize, Hunks)| {
            let lines = self.followed.get(&section);
            let blocks = lines.map(|lines| lines.blocks(hunks.as_slice())).unwrap_or_default();
            (section, (hunks, blocks))
        };
        Some(changed.map(with_blocks).collect())
    }

    /// Finds out which sections are pairs by now, and follows them.
    fn pair(&mut self, document: &Document) {
        self.sections = document.sections().len();
        self.given_up.clear();
        let within = self.subscriptions.iter_mut().filter(|subscription| subscription.counterpart.is_none());
        for subscription in within {
            subscription.pairs = subscription.pairing.pairs(document);
        }
        self.collect_pairs();
        let sections = self.pairs.iter().flat_map(|pair| [Some(pair.source), pair.target]).flatten();
        for section in sections {
            // One with too many lines has fewer by now, maybe.
            if !self.followed.contains_key(&section)
                && let Some(lines) = Lines::of(document.sections()[section].text())
            {
                self.followed.insert(section, lines);
            }
        }
    }

    /// What nobody translates any more is not followed.
    fn collect_pairs(&mut self) {
        let mut pairs: Vec<Pair> = self.subscriptions.iter().flat_map(|one| &one.pairs).copied().collect();
        pairs.sort_unstable();
        pairs.dedup();
        self.followed.retain(|section, _| pairs.iter().any(|pair| pair.has(*section)));
        self.pairs = pairs;
    }
}

impl Room {
    /// Takes a message about translations.
    pub(super) fn translate(
        &mut self,
        now: UnixMillis,
        key: MemberKey,
        inbound: &Inbound<'_>,
        message: &TranslationMessage,
    ) -> Result<(), InboundError> {
        match message {
            TranslationMessage::Subscribe(body) => self.subscribe(now, key, body, inbound.correlation_id),
            TranslationMessage::Unsubscribe => self.unsubscribe(now, key, inbound.correlation_id),
            other => {
                let Some(member) = self.members.get(key) else { return Ok(()) };
                let bilingual = self.bilingual.as_mut().and_then(|bilingual| bilingual.find(key));
                let subscription = bilingual.ok_or_else(refusal::not_subscribed)?;
                let (client_id, correlation_id) = (inbound.client_id, inbound.correlation_id);
                let origin = Origin::of(&member.user.user_id, &member.connection_id, client_id, correlation_id);
                let handled = subscription.conversation.handle(now, other.clone(), origin);
                self.say_of_translations(now, key);
                handled
            }
        }
    }

    /// A member's new token permits that.
    pub(super) fn renew_translating(&mut self, now: UnixMillis, key: MemberKey, rights: TranslationRights) {
        let Some(member) = self.members.get_mut(key) else { return };
        member.translates = rights;
        if !rights.reads && self.end_translating(key) {
            self.tell_unsubscribed(now, key, Some("the new token lacks the scope `translation:read`"), None);
        }
        let bilingual = self.bilingual.as_mut().and_then(|bilingual| bilingual.find(key));
        bilingual.into_iter().for_each(|subscription| subscription.conversation.permit_writing(rights.writes));
    }

    /// Whether anybody translates here.
    #[must_use]
    pub const fn is_translated(&self) -> bool {
        self.bilingual.is_some()
    }

    /// Whether there is something to be done for those who translate here, though nothing has happened: what
    /// [`Self::follow_translations`] says.
    #[must_use]
    pub fn translations_are_due(&self) -> bool {
        self.bilingual.as_ref().is_some_and(|bilingual| bilingual.is_due)
    }

    /// Has other documents asked what has become of them, where it is time, and looked up again what could not be.
    pub(super) fn tend_translations(&mut self, now: UnixMillis) {
        let at = self.clock.at(now);
        let Some(bilingual) = &mut self.bilingual else { return };
        bilingual.ask_changes(&self.document, at);
        bilingual.retry();
    }

    /// Follows the document for those who translate in it, and tells them what has become old; what is to be done for them since
    /// this was asked last.
    pub fn follow_translations(&mut self, now: UnixMillis) -> Vec<(MemberKey, Vec<Work>)> {
        self.read_changes(now);
        let Some(bilingual) = &mut self.bilingual else { return Vec::new() };
        bilingual.look(&self.document);
        bilingual.is_due = false;
        let work = bilingual.subscriptions.iter_mut().map(|one| (one.key, one.conversation.take_work()));
        let asked = bilingual.newcomers.iter_mut().map(|one| (one.key, one.take_work().into_iter().collect()));
        work.chain(asked).filter(|(_, work): &(_, Vec<Work>)| !work.is_empty()).collect()
    }

    /// Does something with what a member has said of translations, and says what comes of it; what is to be done then.
    pub fn converse(&mut self, now: UnixMillis, key: MemberKey, then: impl FnOnce(&mut Conversation)) -> Vec<Work> {
        let bilingual = self.bilingual.as_mut().and_then(|bilingual| bilingual.find(key));
        let Some(subscription) = bilingual else { return Vec::new() };
        then(&mut subscription.conversation);
        let work = subscription.conversation.take_work();
        self.say_of_translations(now, key);
        work
    }

    /// Whether a batch of a member is still to be gone on with.
    #[must_use]
    pub fn is_batch_open(&self, key: MemberKey, batch: u64) -> bool {
        let mut subscriptions = self.bilingual.iter().flat_map(|bilingual| &bilingual.subscriptions);
        self.is_heard(key) && subscriptions.any(|one| one.key == key && one.conversation.is_open(batch))
    }

    /// What was found for the segment at a member's cursor. It is told if that is the segment still, and with the same text;
    /// else the one that is there now is to be looked up. What is to be done then.
    pub fn suggest_at_cursor(
        &mut self,
        now: UnixMillis,
        key: MemberKey,
        number: u64,
        found: Option<(&[Suggestion], &[GlossaryTerm])>,
    ) -> Vec<Work> {
        self.read_changes(now);
        let (document, gate) = (&self.document, self.version_gate());
        let (Some(bilingual), Some(member)) = (&mut self.bilingual, self.members.get(key)) else { return Vec::new() };
        bilingual.look(document);
        let Bilingual { subscriptions, followed, .. } = &mut **bilingual;
        let Some(subscription) = subscriptions.iter_mut().find(|one| one.key == key) else { return Vec::new() };
        let told = match found {
            Some((found, glossary_terms)) => {
                let mut again = std::mem::take(&mut subscription.again);
                let segment = subscription.told(document, followed, member.dialect, number);
                let news = segment.filter(|_| again.take(number, found, glossary_terms));
                let told = news.map(|segment| {
                    let suggestions = found.iter().map(Suggested::from).collect();
                    let told = Suggestions { suggestions, glossary_terms, at: Some(segment), correlation_id: None };
                    frame(Sent::Suggestion.name(), &told, &Metadata::of_server(now, None))
                });
                subscription.again = again;
                told
            }
            None => {
                subscription.fail(number);
                None
            }
        };
        bilingual.look(document);
        let work = bilingual.find(key).map(|subscription| subscription.conversation.take_work());
        if let Some(frame) = told {
            self.members.suggest(key, gate, frame);
            self.config.counters.count_sent(Sent::Suggestion, 1);
        }
        work.unwrap_or_default()
    }

    /// Says what there is to say to a member of what it has asked.
    fn say_of_translations(&mut self, now: UnixMillis, key: MemberKey) {
        let bilingual = self.bilingual.as_mut().and_then(|bilingual| bilingual.find(key));
        let said = bilingual.map(|subscription| subscription.conversation.take_answers()).unwrap_or_default();
        for Said { sent, answer } in said {
            match answer {
                Ok(frame) => {
                    self.members.send(key, 0, frame);
                    self.config.counters.count_sent(sent, 1);
                }
                Err(error) => self.refuse(now, key, &error),
            }
        }
    }
}
