//! Who is here, as the others see it.

use std::rc::Rc;
use std::time::Duration;

use super::counters::Sent;
use super::member::Member;
use super::outbox::Class;
use super::people::{Person, Shift};
use super::pointers::PointerKey;
use super::{Room, User, frame};
use crate::ids::UnixMillis;
use crate::protocol::outbound::{DocumentCounts, Metadata, PresenceCounts, UserPresence};

/// The most entries of `active_editors`, and of other lists of the people in a document.
pub(super) const LISTED_MAX: usize = 200;
/// So many people may be here before those who only view come and go as numbers.
const NAMED_MAX: usize = 200;
/// The least time between two messages with these numbers.
const COUNTS_INTERVAL: Duration = Duration::from_secs(1);

/// What a user is doing, as others see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Their first connection has opened, or they are here by HTTP.
    Joined,
    /// They have done something after they were idle.
    Active,
    /// They have done nothing for a while.
    Idle,
    /// Their last connection has closed, and no presence by HTTP is left.
    Left,
}

impl Status {
    /// The word for it in messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Joined => "joined",
            Self::Active => "active",
            Self::Idle => "idle",
            Self::Left => "left",
        }
    }
}

/// What has changed in who is here, for those who watch from elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    /// Whose status it is that has changed; `None` where only numbers have.
    pub user: Option<(Rc<User>, Status)>,
    /// How many are here after it.
    pub counts: PresenceCounts,
}

/// Who is here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presence {
    /// Those who are told of by name, each active or idle.
    pub listed: Vec<(Rc<User>, Status)>,
    /// How many there are in all.
    pub counts: PresenceCounts,
}

/// What is to be told of the people here, and when.
#[derive(Debug, Default)]
pub(super) struct Announcements {
    /// People here whom nobody was told of by name.
    unlisted: usize,
    /// Whether the members were told that there are some.
    crowd_told: bool,
    /// The numbers have changed, and not everybody has been told.
    counts_due: bool,
    /// When they were told last, by the room's time as all here.
    counts_at: Option<Duration>,
    /// Nobody becomes idle before.
    idle_due: Duration,
    news: Vec<News>,
    /// Those who watch from elsewhere were told that nobody is here any more: another room has the document's name from now on.
    is_over: bool,
    /// Messages about people by HTTP, and about who has come and gone, that were queued for a connection each.
    pub(super) told: usize,
}

impl Room {
    /// A connection or a visit has come; whether that is something that its user does.
    pub(super) fn has_come(&mut self, now: UnixMillis, number: usize, shift: Shift, acts: bool) {
        let is_crowded = self.members.people.len() > NAMED_MAX;
        let at = self.clock.at(now);
        let Some(person) = self.members.people.get_mut(number) else { return };
        let was_idle = person.is_idle;
        if acts || shift.alone {
            (person.active_at, person.acted_at, person.is_idle) = (now, at, false);
        }
        let is_idle = person.is_idle;
        let was_listed = person.is_listed;
        person.is_listed |= person.edits() || (shift.alone && !is_crowded);
        let (serial, user, is_listed) = (person.serial, Rc::clone(&person.user), person.is_listed);
        self.presence.unlisted += usize::from(shift.alone && !is_listed);
        self.presence.unlisted -= usize::from(!shift.alone && is_listed && !was_listed);
        if is_listed && !was_listed {
            self.announce(now, (serial, &user), Status::Joined, Some(number));
            if is_idle {
                self.announce(now, (serial, &user), Status::Idle, Some(number));
            }
        } else if is_listed && was_idle && !is_idle {
            self.announce(now, (serial, &user), Status::Active, Some(number));
        }
        self.note_counts(!is_listed || (!shift.alone && shift.role_changed));
        self.expect_idle(at);
    }

    /// A connection or a visit has gone, and its user with it if it was their last.
    pub(super) fn has_gone(&mut self, now: UnixMillis, gone: Option<Person>, shift: Shift) {
        let mut only_counts = shift.role_changed;
        if let Some(person) = gone {
            only_counts = !person.is_listed;
            if person.is_listed {
                self.announce(now, (person.serial, &person.user), Status::Left, None);
            } else {
                self.presence.unlisted -= 1;
            }
        }
        self.note_counts(only_counts);
        self.forget_unused_session();
    }

    /// A user has done something.
    pub(super) fn has_acted(&mut self, now: UnixMillis, number: usize) {
        let at = self.clock.at(now);
        let Some(person) = self.members.people.get_mut(number) else { return };
        (person.active_at, person.acted_at) = (now, at);
        if !std::mem::take(&mut person.is_idle) {
            return;
        }
        let told = person.is_listed.then(|| (person.serial, Rc::clone(&person.user)));
        told.into_iter().for_each(|(serial, user)| self.announce(now, (serial, &user), Status::Active, Some(number)));
        self.expect_idle(at);
    }

    /// A user says by HTTP that they are doing nothing. Their connections, where they have some, know better.
    pub(super) fn has_rested(&mut self, now: UnixMillis, number: usize) {
        let Some(person) = self.members.people.get_mut(number) else { return };
        if person.is_connected() || std::mem::replace(&mut person.is_idle, true) {
            return;
        }
        let told = person.is_listed.then(|| (person.serial, Rc::clone(&person.user)));
        told.into_iter().for_each(|(serial, user)| self.announce(now, (serial, &user), Status::Idle, Some(number)));
    }

    /// Tells of those who have become idle or whose visit is over, and the numbers of a crowd where they have changed.
    pub(super) fn tend_people(&mut self, now: UnixMillis) {
        let at = self.clock.at(now);
        self.expire_visits(now, at);
        if at >= self.presence.idle_due {
            self.tell_idle(now, at);
        }
        let are_told = self.presence.counts_at.is_some_and(|told| at.saturating_sub(told) < COUNTS_INTERVAL);
        if self.presence.counts_due && !are_told {
            self.tell_counts(now, at);
        }
    }

    /// It is not later than `at`, though the wall clock had it so: nobody has done anything after that.
    pub(super) fn hold_people_to(&mut self, at: Duration) {
        let ends = at + Duration::from_millis(self.config.visit_ms);
        for (_, person) in self.members.people.iter_mut() {
            person.acted_at = person.acted_at.min(at);
            let visit = person.visit.iter_mut();
            visit.for_each(|visit| visit.expires_at = visit.expires_at.min(ends));
        }
        self.presence.counts_at = self.presence.counts_at.map(|told| told.min(at));
        self.expect_idle(at);
    }

    /// Whether there is something for [`Self::take_news`].
    #[must_use]
    pub const fn has_news(&self) -> bool {
        !self.presence.news.is_empty()
    }

    /// What has changed in who is here since this was asked last.
    pub fn take_news(&mut self) -> Vec<News> {
        std::mem::take(&mut self.presence.news)
    }

    /// Tells those who watch from elsewhere that nobody is here any more, and nothing after that: the connections here end
    /// one by one, when there may be another room of that name.
    pub(super) fn end_news(&mut self) {
        let mut counts = self.presence_counts();
        let listed = self.members.people.iter().filter(|person| person.is_listed);
        let mut left: Vec<&Person> = listed.collect();
        // By name, so that it is the same order whoever came first.
        left.sort_by_key(|person| &*person.user.user_id);
        let news = &mut self.presence.news;
        for person in left {
            counts.total_editors -= usize::from(person.edits());
            counts.total_viewers -= usize::from(!person.edits());
            news.push(News { user: Some((Rc::clone(&person.user), Status::Left)), counts });
        }
        let nobody = PresenceCounts::default();
        news.extend((counts != nobody).then_some(News { user: None, counts: nobody }));
        self.presence.is_over = true;
    }

    /// Who is here, those who edit first; nobody in a room that has come to its end.
    #[must_use]
    pub fn presence(&self) -> Presence {
        if self.presence.is_over {
            return Presence { listed: Vec::new(), counts: PresenceCounts::default() };
        }
        let listed = self.listed().into_iter().map(|person| (Rc::clone(&person.user), person.status())).collect();
        Presence { listed, counts: self.presence_counts() }
    }

    /// The people who are told of by name, those who edit first.
    pub(super) fn listed(&self) -> Vec<&Person> {
        let mut people: Vec<&Person> = self.members.people.iter().filter(|person| person.is_listed).collect();
        people.sort_by_key(|person| (!person.edits(), &*person.user.user_id));
        people.truncate(LISTED_MAX);
        people
    }

    /// How many people are here.
    #[must_use]
    pub fn presence_counts(&self) -> PresenceCounts {
        let people = &self.members.people;
        let total_editors = people.editors();
        let unlisted_viewers = self.presence.unlisted;
        PresenceCounts { total_editors, total_viewers: people.len() - total_editors, unlisted_viewers }
    }

    fn tell_idle(&mut self, now: UnixMillis, at: Duration) {
        let idle_after = Duration::from_millis(self.config.idle_after_ms);
        let mut next = Duration::MAX;
        let mut idle = Vec::new();
        for (number, person) in self.members.people.iter_mut().filter(|(_, person)| !person.is_idle) {
            let due = person.acted_at + idle_after;
            if due > at {
                next = next.min(due);
                continue;
            }
            person.is_idle = true;
            if person.is_listed {
                idle.push((number, person.serial, Rc::clone(&person.user)));
            }
        }
        self.presence.idle_due = next;
        // By name, so that it is the same order whoever came first.
        idle.sort_by(|(.., one), (.., other)| one.user_id.cmp(&other.user_id));
        for (number, serial, user) in idle {
            self.announce(now, (serial, &user), Status::Idle, Some(number));
        }
    }

    /// Somebody is active then, and may become idle after that.
    fn expect_idle(&mut self, at: Duration) {
        self.presence.idle_due = self.presence.idle_due.min(at + Duration::from_millis(self.config.idle_after_ms));
    }

    /// The numbers may have changed; in a crowd all are to be told, elsewhere only those who watch from
    /// outside, and these only where nothing else tells them.
    pub(super) fn note_counts(&mut self, only_counts: bool) {
        self.presence.counts_due |= only_counts || self.presence.unlisted > 0 || self.presence.crowd_told;
    }

    fn tell_counts(&mut self, now: UnixMillis, at: Duration) {
        let counts = self.presence_counts();
        let is_crowd = counts.unlisted_viewers > 0;
        let was_crowd = std::mem::replace(&mut self.presence.crowd_told, is_crowd);
        (self.presence.counts_due, self.presence.counts_at) = (false, Some(at));
        if !self.presence.is_over {
            self.presence.news.push(News { user: None, counts });
        }
        // Once more after the last of them has gone: from then on everybody is told of by name again.
        if is_crowd || was_crowd {
            let message = DocumentCounts { document_id: self.document.id().as_str(), counts };
            let frame = frame("presence.counts", &message, &Metadata::of_server(now, None));
            let class = Class::Presence { key: PointerKey::Crowd, comes: false, goes: false };
            let told = self.members.broadcast(0, class, |member| member.greeted, |_| [frame.clone()].into());
            self.config.counters.count_sent(Sent::Counts, told);
        }
    }

    /// Tells the others of a new status of a user, with the serial number of the person, and their number while they are here.
    fn announce(&mut self, now: UnixMillis, person: (u64, &Rc<User>), status: Status, number: Option<usize>) {
        let (serial, user) = person;
        let presence = UserPresence {
            user_id: &user.user_id,
            status: status.name(),
            display_name: &user.display_name,
            avatar_url: user.avatar_url.as_deref(),
            color: &user.color,
            of_document: None,
        };
        let frame = frame("user.presence", &presence, &Metadata::of_user(now, &user.user_id, self.session_id()));
        let wanted = |member: &Member| member.greeted && Some(member.person) != number;
        let (comes, goes) = (status == Status::Joined, status == Status::Left);
        let class = Class::Presence { key: PointerKey::Person(serial), comes, goes };
        let told = self.members.broadcast(0, class, wanted, |_| [frame.clone()].into());
        self.config.counters.count_sent(Sent::Presence, told);
        self.presence.told += told;
        if !self.presence.is_over {
            let counts = self.presence_counts();
            self.presence.news.push(News { user: Some((Rc::clone(user), status)), counts });
        }
    }
}

/// A colour for a user without one: fixed by the user id, each readable on white and on black.
#[must_use]
pub fn palette_color(user_id: &str) -> &'static str {
    const COLORS: [&str; 12] = [
        "#c92a2a", "#a61e4d", "#862e9c", "#5f3dc4", "#364fc7", "#1864ab", "#0b7285", "#087f5b", "#2b8a3e", "#5c940d",
        "#e67700", "#d9480f",
    ];
    COLORS[crc32fast::hash(user_id.as_bytes()) as usize % COLORS.len()]
}
