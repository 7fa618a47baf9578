//! Documents in two languages: who translates in one is told what the memory has for the segment at their cursor.
//!
//! Nothing of this is paid for where nobody has subscribed: a room has a [`Bilingual`] then, and else nothing. What has become of
//! the sections is read from the document's history, once a turn ([`Room::follow_translations`]), and only the paragraphs that
//! have changed are read again.
//!
//! `hunks` is what has changed, `lines` where each paragraph is, `pairing` which sections belong together, `place` the segment
//! at a cursor and its counterpart, `subscription` what one member is told.
//!
//! When a source changes, its translation is old: `changed` is which sentences have become others, `stale` where their
//! translations are, `marks` which of them somebody was told, and `telling` tells the rest; `catching_up` is for who was not there.

mod budget;
mod catching_up;
mod changed;
mod hunks;
mod lines;
mod marks;
mod pairing;
mod place;
mod stale;
mod subscription;
mod telling;

use super::counters::Sent;
use super::member::{Dialect, Marked};
use super::memory_event::Origin;
use super::translator::{Conversation, Said, Work};
use super::{MemberKey, Room, frame, refusal};
use crate::document::{ChangeRef, Document};
use crate::ids::{UnixMillis, Version};
use crate::protocol::bilingual_outbound::{PairTold, PlaceTold, SegmentTold, Subscribed, Unsubscribed};
use crate::protocol::outbound::Metadata;
use crate::protocol::translation_outbound::{Suggested, Suggestions};
use crate::protocol::{Inbound, InboundError, SectionPair, SubscribeBody, TranslationMessage, language_pair};
use crate::translation::{GlossaryTerm, Suggestion};
pub use budget::COMPARED_UNITS_MAX;
use catching_up::hunks_since;
use hunks::Hunks;
pub use lines::LINES_MAX;
use lines::Lines;
use marks::Marks;
pub use marks::STALE_REMEMBERED_MAX;
use pairing::Pair;
pub use place::PARAGRAPH_UNITS_MAX;
use place::{Followed, SegmentAt};
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
    followed: Followed,
    /// What is known is of this version.
    seen: Version,
    /// How many sections there were.
    sections: usize,
    /// How many look-ups there were.
    look_ups: u64,
}

impl Bilingual {
    /// Nobody translates the document yet.
    fn new(document: &Document) -> Self {
        Self {
            subscriptions: Vec::new(),
            pairs: Vec::new(),
            followed: Followed::new(),
            seen: document.version(),
            sections: document.sections().len(),
            look_ups: 0,
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
        for subscription in &mut self.subscriptions {
            subscription.look(document, &self.followed);
            self.look_ups += u64::from(subscription.begin(document, self.look_ups + 1));
        }
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

    /// What has happened to the sections of pairs; `None` if nobody knows any more.
    fn happened(&self, document: &Document) -> Option<Happened> {
        let changed = hunks_since(document, self.seen, &self.pairs)?.into_iter();
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
        for subscription in &mut self.subscriptions {
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

    fn subscribe(
        &mut self,
        now: UnixMillis,
        key: MemberKey,
        body: &SubscribeBody,
        correlation_id: Option<&str>,
    ) -> Result<(), InboundError> {
        // The others are told what has become old before there are more pairs.
        self.read_changes(now);
        let Some(member) = self.members.get(key) else { return Ok(()) };
        if !member.translates.reads {
            return Err(refusal::no_translator());
        }
        let languages = language_pair("payload.", body.languages, [None; 2])?;
        let named = body.sections.iter().flatten().enumerate();
        for (index, SectionPair { source, .. }) in named {
            if self.document.section_index(source).is_none() {
                let field = format!("payload.sections[{index}].source");
                return Err(InboundError::invalid(field, "the name of a section that exists"));
            }
        }
        let document = &self.document;
        let bilingual = self.bilingual.get_or_insert_with(|| Box::new(Bilingual::new(document)));
        let before = bilingual.subscriptions.extract_if(.., |subscription| subscription.key == key).next();
        let given = [Some(languages.source()), Some(languages.target())];
        let conversation = Conversation::new(body.project_id.clone(), given, member.translates.writes);
        let conversation = match before {
            // What was asked before is still answered.
            Some(before) => before.conversation.continued(conversation),
            None => conversation,
        };
        let subscription = Subscription::new(key, conversation, languages, body.clone(), member.cursor);
        let names = subscription.pairing.names(document);
        bilingual.subscriptions.push(subscription);
        bilingual.pair(document);
        let told = Subscribed {
            document_id: document.id().as_str(),
            project_id: body.project_id.as_ref().map(|project| project.as_str()),
            source_language: languages.source(),
            target_language: languages.target(),
            sections: names.iter().map(PairTold::from).collect(),
            version: document.version(),
            correlation_id,
        };
        let frame = frame(Sent::Subscribed.name(), &told, &Metadata::of_server(now, correlation_id));
        self.members.send(key, self.version_gate(), frame);
        self.config.counters.count_sent(Sent::Subscribed, 1);
        if let Some(known) = body.last_known_version {
            self.catch_up_translating(now, key, known);
        }
        Ok(())
    }

    fn unsubscribe(
        &mut self,
        now: UnixMillis,
        key: MemberKey,
        correlation_id: Option<&str>,
    ) -> Result<(), InboundError> {
        if !self.end_translating(key) {
            return Err(refusal::not_subscribed());
        }
        self.tell_unsubscribed(now, key, None, correlation_id);
        Ok(())
    }

    fn tell_unsubscribed(
        &mut self,
        now: UnixMillis,
        key: MemberKey,
        reason: Option<&str>,
        correlation_id: Option<&str>,
    ) {
        let told = Unsubscribed { reason, correlation_id };
        let frame = frame(Sent::Unsubscribed.name(), &told, &Metadata::of_server(now, correlation_id));
        self.members.send(key, 0, frame);
        self.config.counters.count_sent(Sent::Unsubscribed, 1);
    }

    /// A member translates no longer here; whether it did. With the last one nothing is followed any more.
    pub(super) fn end_translating(&mut self, key: MemberKey) -> bool {
        let Some(bilingual) = &mut self.bilingual else { return false };
        let ended = bilingual.subscriptions.extract_if(.., |subscription| subscription.key == key).count();
        match bilingual.subscriptions.len() {
            0 => self.bilingual = None,
            _ if ended > 0 => bilingual.collect_pairs(),
            _ => {}
        }
        ended > 0
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

    /// Follows the document for those who translate in it, and tells them what has become old; what is to be done for them since
    /// this was asked last.
    pub fn follow_translations(&mut self, now: UnixMillis) -> Vec<(MemberKey, Vec<Work>)> {
        self.read_changes(now);
        let Some(bilingual) = &mut self.bilingual else { return Vec::new() };
        bilingual.look(&self.document);
        let work = bilingual.subscriptions.iter_mut().map(|one| (one.key, one.conversation.take_work()));
        work.filter(|(_, work)| !work.is_empty()).collect()
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
        let Some(subscription) = bilingual.find(key) else { return Vec::new() };
        let segment = subscription.finish(number);
        let told = segment.zip(found).map(|(segment, (found, glossary_terms))| {
            let at = SegmentTold {
                document_id: document.id().as_str(),
                version: document.version(),
                source_text: &segment.text,
                source: place_told(document, &segment.at, member.dialect),
                target: segment.counterpart.as_ref().map(|at| place_told(document, at, member.dialect)),
            };
            let suggestions = found.iter().map(Suggested::from).collect();
            let told = Suggestions { suggestions, glossary_terms, at: Some(at), correlation_id: None };
            frame(Sent::Suggestion.name(), &told, &Metadata::of_server(now, None))
        });
        if found.is_none() {
            subscription.fail();
        }
        bilingual.look(document);
        let work = bilingual.find(key).map(|subscription| subscription.conversation.take_work());
        if let Some(frame) = told {
            self.members.send(key, gate, frame);
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

impl<'a> From<&'a SectionPair> for PairTold<'a> {
    fn from(pair: &'a SectionPair) -> Self {
        Self { source: pair.source.as_str(), target: pair.target.as_str() }
    }
}

/// A segment's place as a connection with that dialect is told of it.
fn place_told<'a>(document: &'a Document, at: &SegmentAt, dialect: Dialect) -> PlaceTold<'a> {
    let section = &document.sections()[at.section];
    let offset = document.section_start(at.section, dialect.encoding) as u64;
    let place = |position: u32| {
        let in_section = section.text().position_in(position as usize, dialect.encoding) as u64;
        dialect.place(in_section, offset, document.sections().len())
    };
    let (start, end) = (place(at.range.start), place(at.range.end));
    PlaceTold {
        section: section.name().as_str(),
        paragraph: at.paragraph,
        sentence: at.sentence,
        start: start.position,
        end: end.position,
        document_start: start.document_position,
        document_end: end.document_position,
        section_start: start.section_position,
        section_end: end.section_position,
    }
}
