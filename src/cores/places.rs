//! Places in rooms that wait for their sockets.

use std::rc::Rc;
use std::time::Duration;

use jddb_core::room::{Joining, MemberKey};

use super::core::{Core, now};
use super::message::{Adopt, Reservation, Reserve};
use super::rooms::RoomCell;
use crate::clock;
use crate::connection::{self, Home};

/// How long a place is kept for a socket that does not come.
const PLACE_TIMEOUT: Duration = Duration::from_secs(15);

/// A member whose socket has not come yet.
pub(super) struct Place {
    cell: Rc<RoomCell>,
    member: MemberKey,
    since: Duration,
}

impl Core {
    /// Makes somebody a member, before their upgrade is answered.
    pub(super) fn reserve(&self, cell: &Rc<RoomCell>, reserve: Reserve) {
        let Reserve {
            document_id: _,
            connection_id,
            session_id,
            user,
            edits,
            is_admin,
            translates,
            dialect,
            greeting,
            framing,
            granted,
            expiry,
            reply,
        } = reserve;
        // Whoever no longer waits would be a ghost in the room until the place is forgotten.
        if reply.is_closed() {
            return;
        }
        let user = Rc::new(user);
        let joining = Joining {
            connection_id,
            user,
            edits,
            is_admin,
            translates,
            dialect,
            greeting,
            framing,
            session_id,
            granted,
            expiry,
        };
        let joined = cell.room.borrow_mut().join(now(), joining);
        let reserved = joined.map(|member| {
            let number = self.place_number.get() + 1;
            self.place_number.set(number);
            let place = Place { cell: Rc::clone(cell), member, since: clock::monotonic() };
            self.places.borrow_mut().insert(number, place);
            Reservation { core: self.index, number }
        });
        // Whoever no longer waits never sends a socket, and the place is forgotten in time.
        let _ = reply.send(reserved);
    }

    /// Takes over what leads to the client of a place.
    pub(super) fn adopt(self: &Rc<Self>, Adopt { reservation, line, seat, pass, documents }: Adopt) {
        let place = self.places.borrow_mut().remove(&reservation.number);
        match (place, line.arrive()) {
            (Some(place), Ok(line)) => {
                let home = Home::Member { cell: place.cell, key: place.member };
                connection::adopt(self, line, home, seat, pass).limit_to(documents);
            }
            (place, _) => {
                tracing::warn!("a client came too late for its place, or cannot be taken over");
                place.into_iter().for_each(|place| self.give_up(&place));
            }
        }
    }

    /// The upgrade for a place did not come to pass.
    pub(super) fn abandon(&self, reservation: Reservation) {
        let place = self.places.borrow_mut().remove(&reservation.number);
        place.into_iter().for_each(|place| self.give_up(&place));
    }

    /// The socket for a place will not come. Until it comes whoever asked for the place has the connection's seat.
    fn give_up(&self, place: &Place) {
        place.cell.disconnect(place.member, now());
        self.touch(&place.cell);
    }

    /// Forgets the places whose sockets did not come in time.
    pub(super) fn forget_places(&self, now: Duration) {
        let late = |place: &Place| now.saturating_sub(place.since) > PLACE_TIMEOUT;
        let forgotten: Vec<Place> =
            self.places.borrow_mut().extract_if(|_, place| late(place)).map(|(_, place)| place).collect();
        forgotten.iter().for_each(|place| self.give_up(place));
    }
}
