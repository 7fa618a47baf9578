//! Tokens that were revoked: whoever is here by one is closed.

use std::rc::Rc;

use super::core::{CONNECTIONS_PER_LOOK, Core, now};
use crate::connection::Connection;

impl Core {
    /// Looks through all connections whenever something was revoked, a few at a time. Whoever comes meanwhile is looked at when
    /// they come.
    pub(super) async fn run_revocations(&self) {
        loop {
            self.shared.inboxes[self.index].revoked().await;
            let number = self.shared.logins.number();
            let mut from = 0;
            while let Some(connections) = self.connections_from(from) {
                for connection in connections {
                    if self.shared.logins.refuses(&connection.pass()) {
                        connection.revoke(self, now());
                    }
                }
                from += CONNECTIONS_PER_LOOK;
                tokio::task::yield_now().await;
            }
            self.shared.logins.note_enforced(self.index, number);
        }
    }

    /// The connections of the next numbers from there; `None` beyond the last.
    fn connections_from(&self, from: usize) -> Option<Vec<Rc<Connection>>> {
        let all = self.connections.borrow();
        let numbers = from..from + CONNECTIONS_PER_LOOK;
        (from < all.capacity()).then(|| numbers.filter_map(|number| all.get(number)).map(Rc::clone).collect())
    }
}
