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
