//! What happens to the translation memory, as those are told who translate in a document.

use std::cell::OnceCell;

use super::Bilingual;
use super::subscription::Subscription;
use crate::ids::UnixMillis;
use crate::room::counters::Sent;
use crate::room::memory_event::{MemoryEvent, missed_message};
use crate::room::translator::Sought;
use crate::room::{Forms, Member, MemberKey, Room};

impl Room {
    /// Whether anybody here is told what happens to the memory.
    #[must_use]
    pub fn hears_of_memory(&self) -> bool {
        self.bilingual.as_ref().is_some_and(|bilingual| !bilingual.subscriptions.is_empty())
    }

    /// Something has happened to the memory. `message` is it, made for the first who is told. Whether there is something to be
    /// done by that: to be sent, or to be looked up again.
    ///
    /// Who takes too little is told instead, when they have read what waits, that they missed something; their answers stay.
    pub fn hear_of_memory(&mut self, event: &MemoryEvent, message: &OnceCell<Forms>) -> bool {
        let Some(bilingual) = &mut self.bilingual else { return false };
        let Bilingual { subscriptions, somebody_misses, .. } = &mut **bilingual;
        let mut told = 0;
        let mut concerns = false;
        for subscription in subscriptions {
            let is_own = |member: &Member| event.is_by(&member.connection_id);
            if self.members.get(subscription.key).is_none_or(is_own) {
                continue;
            }
            // What they have asked may be in other languages.
            concerns |= subscription.conversation.consider(event);
            if !subscription.is_for(event) {
                continue;
            }
            concerns = true;
            subscription.consider(event);
            if subscription.misses {
                continue;
            }
            let message = message.get_or_init(|| event.message());
            if self.members.send_within_bound(subscription.key, message) {
                told += 1;
            } else {
                (subscription.misses, *somebody_misses) = (true, true);
            }
        }
        self.config.counters.count_sent(event.sent(), told);
        concerns
    }

    /// Something has happened that is not told one by one. Whether there is something to be done by that.
    pub fn miss_of_memory(&mut self, now: UnixMillis) -> bool {
        let Some(bilingual) = &mut self.bilingual else { return false };
        bilingual.somebody_misses = true;
        bilingual.subscriptions.iter_mut().for_each(|subscription| subscription.misses = true);
        let keys: Vec<MemberKey> = bilingual.subscriptions.iter().map(|subscription| subscription.key).collect();
        // Who has something to read is told after that.
        keys.into_iter().filter(|key| self.tell_missed(now, *key)).count() > 0
    }

    /// Tells a member that they have missed something, if they have, and have read all that waited; whether they are told. The
    /// segment at their cursor is looked up again then.
    pub(in crate::room) fn tell_missed(&mut self, now: UnixMillis, key: MemberKey) -> bool {
        let Some(bilingual) = self.bilingual.as_mut().filter(|bilingual| bilingual.somebody_misses) else {
            return false;
        };
        let is_ready = self.members.get(key).is_some_and(|member| {
            let outbox = member.outbox();
            outbox.is_empty() && !outbox.is_closing()
        });
        let Some(subscription) = bilingual.find(key).filter(|subscription| is_ready && subscription.misses) else {
            return false;
        };
        subscription.misses = false;
        subscription.note_change();
        bilingual.is_due = true;
        bilingual.somebody_misses = bilingual.subscriptions.iter().any(|subscription| subscription.misses);
        let is_told = self.members.send_within_bound(key, &missed_message(now));
        self.config.counters.count_sent(Sent::Missed, usize::from(is_told));
        is_told
    }
}

impl Bilingual {
    /// Has looked up again what could not be before.
    pub(super) fn retry(&mut self) {
        for subscription in &mut self.subscriptions {
            self.is_due |= subscription.again.retry();
        }
    }
}

impl Subscription {
    /// Whether it is about what they translate.
    fn is_for(&self, event: &MemoryEvent) -> bool {
        event.pair() == self.languages
            && event.scope().project().is_none_or(|of| Some(of) == self.wanted.project_id.as_ref())
    }

    /// The segment at the cursor may gain by that.
    fn consider(&mut self, event: &MemoryEvent) {
        let Some(text) = self.text() else { return };
        let (pair, project) = (self.languages, self.wanted.project_id.as_ref());
        let sought = Sought { text, pair, project, min_confidence: self.wanted.min_confidence };
        if self.again.may_gain(sought, event) {
            self.again.note_change();
        }
    }

    /// It may by whatever has happened.
    const fn note_change(&mut self) {
        self.again.note_change();
    }
}
