//! What is told to those who watch the server: who is present where, and how it is doing.
//!
//! A watcher stays on the core that its name leads to, for there is no document to move to; those who translate meet on that of
//! their project. What a watcher is told
//! comes from all cores: `presence` by queues that hold what has changed and nothing of what is edited,
//! `monitoring` by counters that each core writes for itself and anybody may read.

mod counterpart;
mod monitoring;
mod presence;
mod subscription;
mod translated;
mod translation;

use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::rc::Rc;
use std::sync::Arc;

use jddb_core::room::{Observer, ObserverConfig, Translating, Translator, Watching};

use super::core::{Core, now};
use crate::auth::{Identity, Pass, Scope};
use crate::connection::{self, Connection, Home, Line};
use crate::metrics::Figure;
use crate::occupancy::Seat;
pub(in crate::cores) use counterpart::not_covered;
pub use monitoring::{INTERVAL_SECONDS_MAX, INTERVAL_SECONDS_MIN};
pub use subscription::Subscription;

/// What cores and fronts ask of a core about its feeds.
#[derive(Debug)]
pub enum FeedMessage {
    /// Somebody watches; here is what leads to them.
    Watch(Box<Watch>),
    /// A core has watchers who want to know who is here, from now on.
    Subscribe(Arc<Subscription>),
}

/// See [`FeedMessage::Watch`].
#[derive(Debug)]
pub struct Watch {
    /// Who.
    pub watching: Watching,
    /// What is watched.
    pub feed: Feed,
    /// What leads to them.
    pub line: Line,
    /// The connection's place among all connections.
    pub seat: Seat,
    /// By what its token can be revoked.
    pub pass: Pass,
}

/// What can be watched.
#[derive(Debug)]
pub enum Feed {
    /// Who is in the documents that the watcher may know of.
    Presence(Box<Identity>),
    /// What happens to the translations of a project, by somebody who works on them.
    Translation(Box<Translating>),
    /// How the server is doing.
    Monitoring {
        /// Seconds from one message to the next.
        interval_seconds: usize,
    },
}

/// The feeds of a core: its watchers, and those on other cores.
#[derive(Default)]
pub(super) struct Feeds {
    publisher: RefCell<presence::Publisher>,
    presence: RefCell<Option<presence::PresenceFeed>>,
    monitoring: RefCell<monitoring::MonitoringFeed>,
    translation: translation::TranslationFeed,
    /// Bytes that wait for all watchers of this core.
    waiting_bytes: Rc<Cell<usize>>,
}

impl Core {
    /// Does what another thread asks for.
    pub(super) fn serve_feed(self: &Rc<Self>, message: FeedMessage) {
        match message {
            FeedMessage::Watch(watch) => self.seat_watcher(*watch),
            FeedMessage::Subscribe(subscription) => self.publish_to(subscription),
        }
    }

    fn seat_watcher(self: &Rc<Self>, watch: Watch) {
        let Watch { watching, feed, line, seat, pass } = watch;
        let line = match line.arrive() {
            Ok(line) => line,
            Err(error) => {
                tracing::warn!(%error, "a watcher's socket cannot be taken over");
                return;
            }
        };
        let config = self.observer_config();
        let home = match &feed {
            Feed::Translation(translating) => {
                let translator = Translator::new(now(), watching, Translating::clone(translating), config);
                Home::Translator(Box::new(RefCell::new(translator)))
            }
            Feed::Presence(_) | Feed::Monitoring { .. } => {
                Home::Observer(Box::new(RefCell::new(Observer::new(now(), watching, config))))
            }
        };
        if self.is_stopping() {
            home.with_observer(|observer| observer.shut_down(now(), crate::jitter::retry_ms()));
        }
        let connection = connection::adopt(self, line, home, seat, pass);
        match feed {
            Feed::Translation(translating) => self.seat_translator(&connection, translating.project),
            Feed::Presence(identity) => self.watch_presence(&connection, *identity),
            Feed::Monitoring { interval_seconds } => self.watch_server(&connection, interval_seconds),
        }
    }

    fn observer_config(&self) -> ObserverConfig {
        let limits = self.limits.get();
        ObserverConfig {
            outbound_bytes_max: limits.outbound_queue_bytes,
            message_bytes_max: limits.message_bytes,
            mode: limits.mode,
            rates: limits.rates(),
            waiting_bytes: Rc::clone(&self.feeds.waiting_bytes),
            deflater: Rc::clone(&self.deflater),
            counters: Arc::clone(&self.metrics().messages),
        }
    }

    /// Other limits are in force, for who watches already too.
    pub(super) fn configure_watchers(&self) {
        let config = self.observer_config();
        for connection in self.connections_now() {
            connection.home.with_observer(|observer| observer.configure(config.clone()));
        }
    }

    /// What a watcher's token has to permit.
    pub(in crate::cores) fn scope_watched(&self, number: usize) -> Scope {
        if self.watches_presence(number) { Scope::PresenceRead } else { Scope::DocumentAdmin }
    }

    /// Bytes that wait for this core's watchers.
    pub(super) fn watchers_bytes(&self) -> usize {
        self.feeds.waiting_bytes.get()
    }

    /// Too much waits for all connections: the watchers with the most take a step down, until `bytes` less wait for them.
    pub(super) fn relieve_watchers(&self, bytes: usize) {
        let goal = self.watchers_bytes().saturating_sub(bytes);
        let waits = |connection: &Rc<Connection>| {
            connection.home.with_observer(|observer| observer.waiting_bytes()).unwrap_or(0)
        };
        let mut behind = self.connections_now();
        behind.retain(|connection| waits(connection) > 0);
        behind.sort_by_key(|connection| Reverse(waits(connection)));
        for connection in behind {
            if self.watchers_bytes() <= goal {
                break;
            }
            match &connection.home {
                Home::Member { .. } => {}
                Home::Observer(observer) => observer.borrow_mut().relieve(),
                Home::Translator(translator) => translator.borrow_mut().relieve(),
            }
            connection.flush_now();
        }
    }

    /// A watcher has gone.
    pub(super) fn forget_watcher(&self, connection: &Connection) {
        self.forget_presence_watcher(connection.number());
        if self.feeds.monitoring.borrow_mut().forget(connection.number()) {
            self.metrics().of(Figure::MonitoringConnections).subtract(1);
        }
    }

    /// A second has passed.
    pub(super) fn tick_feeds(self: &Rc<Self>) {
        self.catch_up_subscribers();
        self.tick_presence();
        self.tick_monitoring();
        self.relieve_if_due();
    }
}
