//! Who begins to translate in a document, and who ends.

use super::Bilingual;
use super::counterpart::Counterpart;
use super::reading::CounterpartRead;
use super::subscription::Subscription;
use crate::ids::{DocumentId, UnixMillis};
use crate::protocol::bilingual_outbound::{CounterpartTold, PairTold, Subscribed, Unsubscribed};
use crate::protocol::outbound::Metadata;
use crate::protocol::{InboundError, SectionPair, SubscribeBody, language_pair};
use crate::room::counters::Sent;
use crate::room::translator::Conversation;
use crate::room::{MemberKey, Room, frame, refusal};
use crate::translation::LanguagePair;

impl Room {
    pub(super) fn subscribe(
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
        if let Some(counterpart) = &body.counterpart {
            return self.await_counterpart(now, key, languages, body, counterpart, correlation_id);
        }
        let named = body.sections.iter().flatten().enumerate();
        for (index, SectionPair { source, .. }) in named {
            if self.document.section_index(source).is_none() {
                let field = format!("payload.sections[{index}].source");
                return Err(InboundError::invalid(field, "the name of a section that exists"));
            }
        }
        self.cancel_newcomer(now, key);
        self.begin_translating(now, key, languages, body, correlation_id, None);
        if let Some(known) = body.last_known_version {
            self.catch_up_translating(now, key, known);
        }
        Ok(())
    }

    /// What is known for those who translate here.
    pub(super) fn bilingual(&mut self) -> &mut Bilingual {
        self.bilingual.get_or_insert_with(|| Box::new(Bilingual::new(&self.document)))
    }

    /// A member translates here from now on, or otherwise than before; from another document where that was read.
    pub(super) fn begin_translating(
        &mut self,
        now: UnixMillis,
        key: MemberKey,
        languages: LanguagePair,
        body: &SubscribeBody,
        correlation_id: Option<&str>,
        from: Option<(DocumentId, &CounterpartRead)>,
    ) {
        let Some(member) = self.members.get(key) else { return };
        let document = &self.document;
        let bilingual = self.bilingual.get_or_insert_with(|| Box::new(Bilingual::new(document)));
        let before = bilingual.subscriptions.extract_if(.., |subscription| subscription.key == key).next();
        let given = [Some(languages.source()), Some(languages.target())];
        let conversation = Conversation::new(body.project_id.clone(), given, member.translates.writes);
        let misses = before.as_ref().is_some_and(|before| before.misses);
        let conversation = match before {
            // What was asked before is still answered.
            Some(before) => before.conversation.continued(conversation),
            None => conversation,
        };
        let at = self.clock.at(now);
        let counterpart = from
            .as_ref()
            .map(|(id, read)| Counterpart::new(id.clone(), member.dialect, read, body.last_known_version, at));
        let mut subscription =
            Subscription::new(key, conversation, languages, body.clone(), member.cursor, counterpart);
        subscription.misses = misses;
        let names = match &from {
            Some((_, read)) => subscription.pairing.names_across(document, &read.sections),
            None => subscription.pairing.names(document),
        };
        bilingual.subscriptions.push(subscription);
        bilingual.pair(document);
        let told = Subscribed {
            document_id: document.id().as_str(),
            project_id: body.project_id.as_ref().map(|project| project.as_str()),
            source_language: languages.source(),
            target_language: languages.target(),
            counterpart: from
                .as_ref()
                .map(|(id, read)| CounterpartTold { document_id: id.as_str(), version: read.version }),
            sections: names.iter().map(PairTold::from).collect(),
            version: document.version(),
            correlation_id,
        };
        let frame = frame(Sent::Subscribed.name(), &told, &Metadata::of_server(now, correlation_id));
        self.members.send(key, self.version_gate(), frame);
        self.config.counters.count_sent(Sent::Subscribed, 1);
    }

    pub(super) fn unsubscribe(
        &mut self,
        now: UnixMillis,
        key: MemberKey,
        correlation_id: Option<&str>,
    ) -> Result<(), InboundError> {
        let waited = self.cancel_newcomer(now, key);
        if !self.end_translating(key) && !waited {
            return Err(refusal::not_subscribed());
        }
        self.tell_unsubscribed(now, key, None, correlation_id);
        Ok(())
    }

    pub(super) fn tell_unsubscribed(
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

    /// A member translates no longer here, nor waits to; whether it did. With the last one nothing is followed any more.
    pub(in crate::room) fn end_translating(&mut self, key: MemberKey) -> bool {
        let Some(bilingual) = &mut self.bilingual else { return false };
        let ended = bilingual.subscriptions.extract_if(.., |subscription| subscription.key == key).count();
        let waited = bilingual.newcomers.extract_if(.., |newcomer| newcomer.key == key).count();
        if ended > 0 {
            bilingual.collect_pairs();
        }
        self.forget_unused_lines();
        ended + waited > 0
    }

    /// Follows nothing any more, if that is for nobody.
    pub(super) fn forget_unused_lines(&mut self) {
        let is_used = |bilingual: &Bilingual| {
            !(bilingual.subscriptions.is_empty() && bilingual.newcomers.is_empty() && bilingual.read_at.is_none())
        };
        self.bilingual = self.bilingual.take().filter(|bilingual| is_used(bilingual));
    }
}

impl<'a> From<&'a SectionPair> for PairTold<'a> {
    fn from(pair: &'a SectionPair) -> Self {
        Self { source: pair.source.as_str(), target: pair.target.as_str() }
    }
}
