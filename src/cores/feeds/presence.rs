//! `/ws/presence`: who is in which document, over all cores.
//!
//! Each core *publishes* the news of its own rooms to the cores that have watchers: everything once, then what
//! changes, in order, on one queue a subscribing core. That core keeps a [`Roster`] of each publisher, and tells
//! its watchers a snapshot of these and what changes in them. So what a watcher has been told is, at any moment,
//! what was true in each document at some moment, and nobody is ever left over: what could be lost, because a
//! queue was full, is replaced by a whole.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use jddb_core::room::{Forms, Observer, PresenceEvent, Room, Roster, Sent, snapshot_frame};
use tokio::task::coop::consume_budget;
use tokio::task::spawn_local;

use super::FeedMessage;
use super::subscription::{Item, Subscription, Told};
use crate::auth::Identity;
use crate::connection::{Connection, Home};
use crate::cores::core::{Core, now};
use crate::cores::message::CoreMessage;
use crate::cores::rooms::RoomCell;
use crate::metrics::Figure;

/// Those to whom a core tells the news of its rooms: at most one for each core.
#[derive(Default)]
pub(super) struct Publisher {
    subscribers: Vec<Subscriber>,
}

struct Subscriber {
    subscription: Arc<Subscription>,
    /// It has not been told everything, and is told no more until it is.
    is_behind: bool,
}

/// What a core with watchers knows.
pub(super) struct PresenceFeed {
    subscription: Arc<Subscription>,
    /// Whether each core has been asked.
    asked: Vec<bool>,
    /// What each core has told; `None` until it has.
    rosters: Vec<Option<Roster>>,
    /// The watchers by the number of their connection.
    watchers: HashMap<usize, Watcher>,
}

struct Watcher {
    connection: Rc<Connection>,
    identity: Identity,
}

impl Publisher {
    fn publish(&mut self, publisher: usize, event: &PresenceEvent) {
        for subscriber in self.subscribers.iter_mut().filter(|subscriber| !subscriber.is_behind) {
            let item = Item { publisher, told: Told::Event(event.clone()) };
            subscriber.is_behind = !subscriber.subscription.push(item);
        }
    }

    /// Tells everything to those who have not been told; what waits to be told may not be told them after that.
    fn catch_up(&mut self, publisher: usize, whole: &[PresenceEvent]) {
        for subscriber in self.subscribers.iter_mut().filter(|subscriber| subscriber.is_behind) {
            let item = Item { publisher, told: Told::Whole(whole.to_vec()) };
            subscriber.is_behind = !subscriber.subscription.push(item);
        }
    }

    fn forget_closed(&mut self) {
        self.subscribers.retain(|subscriber| !subscriber.subscription.is_closed());
    }
}

impl Watcher {
    fn with_observer<T>(&self, then: impl FnOnce(&mut Observer) -> T) -> Option<T> {
        match &self.connection.home {
            Home::Observer(observer) => Some(then(&mut observer.borrow_mut())),
            Home::Member { .. } | Home::Translator(_) => None,
        }
    }

    fn wants_picture(&self) -> bool {
        self.with_observer(|observer| observer.wants_picture()).unwrap_or(false)
    }
}

impl PresenceFeed {
    /// Sends snapshots to those who want one, once every core has told what there is.
    fn show_pictures(&self) {
        if self.rosters.iter().any(Option::is_none) {
            return;
        }
        let rosters = || self.rosters.iter().flatten();
        // Most see all documents, and so the same.
        let mut of_all: Option<Forms> = None;
        for watcher in self.watchers.values().filter(|watcher| watcher.wants_picture()) {
            let of_some;
            let picture = if watcher.identity.documents.is_none() {
                of_all.get_or_insert_with(|| Forms::new(snapshot_frame(now(), rosters(), |_| true)))
            } else {
                of_some = Forms::new(snapshot_frame(now(), rosters(), |id| watcher.identity.covers(id.as_str())));
                &of_some
            };
            watcher.with_observer(|observer| observer.show_picture(Sent::Snapshot, picture));
            watcher.connection.flush_now();
        }
    }

    fn take(&mut self, Item { publisher, told }: Item) {
        match told {
            Told::Whole(events) => {
                let before = self.rosters[publisher].replace(events.into_iter().collect());
                if before.is_some() {
                    self.watchers.values().for_each(|watcher| {
                        watcher.with_observer(Observer::expect_picture);
                    });
                }
                self.show_pictures();
            }
            Told::Event(event) => {
                self.tell(&event);
                if let Some(roster) = &mut self.rosters[publisher] {
                    roster.apply(event);
                }
            }
        }
    }

    fn tell(&self, event: &PresenceEvent) {
        let message = Forms::new(event.frame(now()));
        for watcher in self.watchers.values().filter(|watcher| watcher.identity.covers(event.document_id.as_str())) {
            watcher.with_observer(|observer| observer.show_change(event.sent(), &message));
            watcher.connection.flush_now();
        }
    }
}

impl Core {
    /// Tells the news of a room to all who want to know.
    pub(in crate::cores) fn publish_news(&self, cell: &RoomCell, room: &mut Room) {
        let news = room.take_news();
        if news.is_empty() {
            return;
        }
        let mut publisher = self.feeds.publisher.borrow_mut();
        publisher.forget_closed();
        if publisher.subscribers.is_empty() {
            return;
        }
        for news in news {
            publisher.publish(self.index, &PresenceEvent::new(&cell.document_id, news));
        }
    }

    /// A core wants to know: everything first.
    pub(super) fn publish_to(&self, subscription: Arc<Subscription>) {
        self.feeds.publisher.borrow_mut().subscribers.push(Subscriber { subscription, is_behind: true });
        self.catch_up_subscribers();
    }

    /// Tells everything to those who have not been told.
    pub(super) fn catch_up_subscribers(&self) {
        self.feeds.publisher.borrow_mut().forget_closed();
        if self.feeds.publisher.borrow().subscribers.iter().all(|subscriber| !subscriber.is_behind) {
            return;
        }
        let mut whole = Vec::new();
        for cell in self.open_cells() {
            let mut room = cell.room.borrow_mut();
            // What waits to be told is in the whole; told after it, it would be told twice.
            self.publish_news(&cell, &mut room);
            whole.extend(PresenceEvent::of_all(&cell.document_id, room.presence()));
        }
        self.feeds.publisher.borrow_mut().catch_up(self.index, &whole);
    }

    /// Somebody watches who is here.
    pub(super) fn watch_presence(self: &Rc<Self>, connection: &Rc<Connection>, identity: Identity) {
        let mut feed = self.feeds.presence.borrow_mut();
        let feed = feed.get_or_insert_with(|| self.begin_presence());
        let watcher = Watcher { connection: Rc::clone(connection), identity };
        feed.watchers.insert(connection.number(), watcher);
        self.metrics().of(Figure::PresenceConnections).add(1);
        self.metrics().of(Figure::PresenceConnectionsOpened).add(1);
        self.ask_publishers(feed);
        feed.show_pictures();
    }

    fn begin_presence(self: &Rc<Self>) -> PresenceFeed {
        let cores = self.shared.inboxes.len();
        let subscription = Arc::new(Subscription::new());
        let (core, followed) = (Rc::clone(self), Arc::clone(&subscription));
        spawn_local(async move {
            while let Some(item) = followed.next().await {
                core.take_presence(&followed, item);
                consume_budget().await;
            }
        });
        PresenceFeed {
            subscription,
            asked: vec![false; cores],
            rosters: (0..cores).map(|_| None).collect(),
            watchers: HashMap::new(),
        }
    }

    fn take_presence(&self, subscription: &Arc<Subscription>, item: Item) {
        let mut feed = self.feeds.presence.borrow_mut();
        if let Some(feed) = feed.as_mut().filter(|feed| Arc::ptr_eq(&feed.subscription, subscription)) {
            feed.take(item);
        }
    }

    /// Asks the cores that have not been asked; one whose inbox is full is asked again in a second.
    fn ask_publishers(&self, feed: &mut PresenceFeed) {
        for (inbox, asked) in self.shared.inboxes.iter().zip(&mut feed.asked).filter(|(_, asked)| !**asked) {
            let subscribe = FeedMessage::Subscribe(Arc::clone(&feed.subscription));
            *asked = inbox.send(CoreMessage::Feed(subscribe)).is_ok();
        }
    }

    pub(super) fn tick_presence(&self) {
        if let Some(feed) = &mut *self.feeds.presence.borrow_mut() {
            self.ask_publishers(feed);
            feed.show_pictures();
        }
    }

    /// Whether that connection watches who is present.
    pub(super) fn watches_presence(&self, number: usize) -> bool {
        self.feeds.presence.borrow().as_ref().is_some_and(|feed| feed.watchers.contains_key(&number))
    }

    /// A watcher has shown another token, and may see other documents.
    pub(in crate::cores) fn watch_as(&self, number: usize, identity: Identity) {
        let mut presence = self.feeds.presence.borrow_mut();
        let Some(watcher) = presence.as_mut().and_then(|feed| feed.watchers.get_mut(&number)) else { return };
        if watcher.identity.documents != identity.documents {
            watcher.with_observer(Observer::expect_picture);
        }
        watcher.identity = identity;
    }

    pub(super) fn forget_presence_watcher(&self, number: usize) {
        let mut presence = self.feeds.presence.borrow_mut();
        let Some(feed) = &mut *presence else { return };
        if feed.watchers.remove(&number).is_some() {
            self.metrics().of(Figure::PresenceConnections).subtract(1);
        }
        if feed.watchers.is_empty() {
            feed.subscription.close();
            *presence = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use jddb_core::ids::DocumentId;
    use jddb_core::protocol::outbound::PresenceCounts;
    use jddb_core::room::{Status, User};

    use super::*;

    fn event(document: u64, user: u64, status: Status, people: usize) -> PresenceEvent {
        let text = |text: String| text.into_boxed_str();
        let user = User {
            user_id: text(format!("user_{user}")),
            display_name: text(format!("User {user}")),
            avatar_url: None,
            color: "#1864ab".into(),
        };
        PresenceEvent {
            document_id: DocumentId::new(&format!("doc_{document}")).unwrap(),
            user: Some((user, status)),
            counts: PresenceCounts { total_editors: people, total_viewers: 0, unlisted_viewers: 0 },
        }
    }

    /// Chance that can be repeated.
    fn below(state: &mut u64, end: u64) -> u64 {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (*state >> 33) % end
    }

    /// A queue of four items between those who come and go and somebody who reads when they like.
    #[tokio::test]
    async fn whoever_finds_the_queue_full_tells_everything_anew() {
        for seed in 0..500 {
            let mut state = seed;
            let subscription = Arc::new(Subscription::with_room_for(4));
            let mut publisher = Publisher::default();
            publisher.subscribers.push(Subscriber { subscription: Arc::clone(&subscription), is_behind: true });
            let mut here: Vec<(u64, u64)> = Vec::new();
            let mut known: Option<Roster> = None;
            let whole = |here: &[(u64, u64)]| -> Vec<PresenceEvent> {
                let people = |document| here.iter().filter(|(other, _)| *other == document).count();
                here.iter().map(|(document, user)| event(*document, *user, Status::Active, people(*document))).collect()
            };
            for step in 0..200 {
                let is_last = step >= 190;
                let (document, user) = (below(&mut state, 3), below(&mut state, 4));
                let people = |here: &[(u64, u64)]| here.iter().filter(|(other, _)| *other == document).count();
                if below(&mut state, 3) > 0 {
                    let known_at = here.iter().position(|place| *place == (document, user));
                    let status = if known_at.is_some() { Status::Left } else { Status::Joined };
                    match known_at {
                        Some(at) => drop(here.remove(at)),
                        None => here.push((document, user)),
                    }
                    publisher.publish(0, &event(document, user, status, people(&here)));
                }
                if below(&mut state, 5) == 0 || is_last {
                    publisher.catch_up(0, &whole(&here));
                }
                while (below(&mut state, 3) > 0 || is_last) && !subscription.is_empty() {
                    match subscription.next().await.map(|item| item.told) {
                        Some(Told::Whole(events)) => known = Some(events.into_iter().collect()),
                        Some(Told::Event(event)) => known.as_mut().unwrap().apply(event),
                        None => panic!("it is open"),
                    }
                }
            }
            publisher.catch_up(0, &whole(&here));
            while !subscription.is_empty() {
                match subscription.next().await.map(|item| item.told) {
                    Some(Told::Whole(events)) => known = Some(events.into_iter().collect()),
                    Some(Told::Event(_)) | None => panic!("only everything anew was to come"),
                }
            }
            assert_eq!(known, Some(whole(&here).into_iter().collect()), "seed {seed}");
        }
    }
}
