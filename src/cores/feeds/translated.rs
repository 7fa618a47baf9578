//! The rooms of a core in which somebody translates, and what they are told of the translation memory.

use std::cell::{OnceCell, RefCell};
use std::rc::Rc;

use jddb_core::room::{Forms, Room};
use slab::Slab;

use crate::cores::RoomCell;
use crate::cores::core::now;
use crate::translations::{Heard, MemoryEvents};

/// The rooms whose members are to be told, each once; so nobody looks through all documents for them. Each has its number here
/// with it, and is here until its last subscription ends, which is before it is forgotten: who leaves has none.
#[derive(Default)]
pub(super) struct TranslatedRooms {
    rooms: RefCell<Slab<Rc<RoomCell>>>,
}

/// What was heard, with its message, which is made for the first who is told.
pub(super) struct Told {
    pub(super) heard: Heard,
    pub(super) message: OnceCell<Forms>,
}

impl From<Heard> for Told {
    fn from(heard: Heard) -> Self {
        Self { heard, message: OnceCell::new() }
    }
}

impl TranslatedRooms {
    /// Something may have happened to the subscriptions of a room.
    pub(super) fn note(&self, cell: &Rc<RoomCell>, room: &Room, events: &MemoryEvents) {
        match (room.hears_of_memory(), cell.translated.get()) {
            (true, None) => {
                cell.translated.set(Some(self.rooms.borrow_mut().insert(Rc::clone(cell))));
                events.listen();
            }
            (false, Some(number)) => {
                cell.translated.set(None);
                self.rooms.borrow_mut().remove(number);
                events.stop_listening();
            }
            (true, Some(_)) | (false, None) => {}
        }
    }

    pub(super) fn all(&self) -> Vec<Rc<RoomCell>> {
        self.rooms.borrow().iter().map(|(_, cell)| Rc::clone(cell)).collect()
    }
}

/// Tells those who translate in a room; whether it is to have its turn.
pub(super) fn tell_room(cell: &RoomCell, told: &[Told]) -> bool {
    let mut room = cell.room.borrow_mut();
    let mut is_due = false;
    for Told { heard, message } in told {
        is_due |= match heard {
            Heard::Event(event) => room.hear_of_memory(event, message),
            Heard::Missed => room.miss_of_memory(now()),
        };
    }
    is_due
}

#[cfg(test)]
mod tests {
    use jddb_core::document::Document;
    use jddb_core::ids::{DocumentId, PositionEncoding, UnixMillis, Version};
    use jddb_core::limits::GrantedLimits;
    use jddb_core::protocol::Parser;
    use jddb_core::room::{Dialect, Expiry, Framing, Greeting, Joining, MemberKey, TranslationRights, User};

    use super::*;
    use crate::config::Config;
    use crate::cores::core::room_settings;
    use crate::metrics::CoreMetrics;
    use crate::translations::event;

    const NOW: UnixMillis = UnixMillis(1_758_458_730_123);

    fn cell() -> Rc<RoomCell> {
        let config = Config::default();
        let (room_config, limits) = room_settings(&config, &config.limits, 30, &CoreMetrics::default());
        let document = Document::new(DocumentId::new("jd_1").unwrap(), limits);
        Rc::new(RoomCell::new(Room::new(document, None, Rc::new(room_config)), Version(0)))
    }

    fn join(cell: &RoomCell, name: &str) -> MemberKey {
        let user = User { user_id: name.into(), display_name: name.into(), avatar_url: None, color: "#1864ab".into() };
        let joining = Joining {
            connection_id: format!("conn_{name}").into(),
            user: Rc::new(user),
            edits: true,
            is_admin: false,
            translates: TranslationRights { reads: true, writes: true },
            dialect: Dialect { encoding: PositionEncoding::Utf16, over_document: false },
            greeting: Greeting::OnConnect,
            framing: Framing::default(),
            session_id: "sess_1".into(),
            granted: GrantedLimits::default(),
            expiry: Expiry::NEVER,
        };
        cell.room.borrow_mut().join(NOW, joining).unwrap()
    }

    fn say(cell: &RoomCell, key: MemberKey, message: &str) {
        let (mut bytes, mut parser) = (message.as_bytes().to_vec(), Parser::default());
        cell.room.borrow_mut().receive(NOW, key, &mut bytes, &mut parser);
    }

    /// Whether what happens is kept for the core to tell.
    fn is_heard(events: &MemoryEvents) -> bool {
        events.push(&event(1));
        events.pop().is_some()
    }

    #[test]
    fn a_room_is_told_from_its_first_subscription_to_its_last() {
        const SUBSCRIBE: &str =
            r#"{"type": "translation.subscribe", "payload": {"source_language": "en", "target_language": "fr"}}"#;
        let (rooms, events, cell) = (TranslatedRooms::default(), MemoryEvents::default(), cell());
        let check = |is_told: bool| {
            rooms.note(&cell, &cell.room.borrow(), &events);
            assert_eq!((rooms.all().len(), is_heard(&events)), (usize::from(is_told), is_told));
            assert_eq!(Rc::strong_count(&cell), 1 + usize::from(is_told), "kept where it is told, once");
        };
        let [ada, ben] = ["ada", "ben"].map(|name| join(&cell, name));
        check(false);
        for _ in 0..2 {
            say(&cell, ada, SUBSCRIBE);
            check(true);
            say(&cell, ben, SUBSCRIBE);
            check(true);
            say(&cell, ada, r#"{"type": "translation.unsubscribe", "payload": {}}"#);
            check(true);
            say(&cell, ben, r#"{"type": "translation.unsubscribe", "payload": {}}"#);
            check(false);
        }
        say(&cell, ada, SUBSCRIBE);
        check(true);
        cell.room.borrow_mut().leave(NOW, ada);
        check(false);
    }
}
