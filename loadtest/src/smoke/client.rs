//! The clients of `smoke`: editors with a copy of their own, and viewers.

use std::cell::Cell;
use std::rc::Rc;

use tokio::sync::Notify;

use super::SECTION;
use crate::connect::{self, Request};
use crate::follower::Follower;
use crate::replica::{Edit, Replica};
use crate::scan::{Kind, Scanner, ServerError, excerpt};
use crate::schedule::mix;
use crate::socket::Socket;
use crate::stamp::RunTag;
use crate::target::Endpoint;

/// What editors insert: one to three bytes, a surrogate pair, quotes and line ends that JSON escapes.
const SNIPPETS: [&str; 8] = ["a", "é", "字", "😀", "mot ", "\"q\"\\", "\n", "two words "];
/// Most units removed at once.
const REMOVED_UNITS_MAX: u64 = 5;
const NORMAL_CLOSE: u16 = 1000;

/// What the clients share.
pub(super) struct Room {
    pub(super) endpoint: Endpoint,
    pub(super) document: String,
    pub(super) run: RunTag,
    pub(super) scanner: Scanner,
    pub(super) seed: u64,
    pub(super) changes: u32,
    /// The version at which everything has been said: each accepted change is one version of a new document.
    pub(super) last_version: u64,
    /// Editors and first viewer connected; typing starts when all are.
    pub(super) present: Cell<u32>,
    pub(super) expected: u32,
    pub(super) all_present: Notify,
    pub(super) halfway: Notify,
}

/// A client's copy at the end.
pub(super) struct Copy {
    pub(super) who: String,
    pub(super) replica: Replica,
}

/// A client: its copy, and where it stands.
struct Client {
    who: String,
    room: Rc<Room>,
    socket: Socket,
    copy: Follower,
}

impl Room {
    async fn enter(self: &Rc<Self>, who: String, query: &str, token: &str) -> Result<Client, String> {
        let request = Request { query, ..Request::new(&self.endpoint, &self.document, token) };
        let joined = connect::join(request, &self.scanner).await.map_err(|error| format!("{who}: {error}"))?;
        Ok(Client {
            who,
            room: Rc::clone(self),
            socket: joined.socket,
            copy: Follower::new(SECTION, joined.state.section(SECTION), joined.state.version),
        })
    }

    /// Waits until everybody who is to be there from the start is.
    async fn assemble(&self) {
        let notified = self.all_present.notified();
        self.present.update(|present| present + 1);
        if self.present.get() == self.expected {
            self.all_present.notify_waiters();
        } else {
            notified.await;
        }
    }

    pub(super) async fn edit(self: Rc<Self>, number: u32, token: String) -> Result<Copy, String> {
        let mut client = self.enter(format!("editor {number}"), "", &token).await?;
        self.assemble().await;
        for turn in 0..self.changes {
            let chance = mix(self.seed << 40 ^ u64::from(number) << 20 ^ u64::from(turn));
            client.change(number, turn, chance)?;
            while client.copy.is_waiting() {
                client.read().await?;
            }
        }
        client.read_to_the_end().await
    }

    /// A viewer; the `late` one joins in the middle.
    pub(super) async fn view(self: Rc<Self>, number: usize, token: String, late: bool) -> Result<Copy, String> {
        if late {
            self.halfway.notified().await;
        }
        let who = format!("viewer {number}");
        // The first must be there before anybody types, and see what no editor sees: everything.
        let mut client = self.enter(who, "&mode=view", &token).await?;
        if !late {
            self.assemble().await;
            while client.copy.version() < self.last_version / 2 {
                client.read().await?;
            }
            self.halfway.notify_one();
        }
        client.read_to_the_end().await
    }
}

impl Client {
    /// Sends a change made up from `chance`.
    fn change(&mut self, number: u32, turn: u32, chance: u64) -> Result<(), String> {
        let edit = make_up(self.copy.replica(), chance);
        let correlation_id = format!("{}-{number}-{turn}", self.room.run.as_str());
        let content = String::from_utf16_lossy(&edit.inserted);
        let mut payload = serde_json::json!({
            "operation": edit.operation(), "position": edit.position, "section": SECTION,
            "base_version": self.copy.version(),
        });
        if edit.operation() != "delete" {
            payload["content"] = content.into();
        }
        if edit.operation() != "insert" {
            payload["length"] = edit.removed.into();
        }
        let metadata = serde_json::json!({
            "client_id": format!("smoke_{number}"), "correlation_id": correlation_id,
        });
        let message = serde_json::json!({
            "type": "document.change", "payload": payload, "metadata": metadata,
        });
        let mut message = message.to_string().into_bytes();
        let sent = self.socket.writer.send_text(&mut message);
        sent.map_err(|error| format!("{}: {error}", self.who))?;
        self.copy.sent(correlation_id, &edit);
        Ok(())
    }

    /// Takes in one message.
    async fn read(&mut self) -> Result<(), String> {
        let frame = connect::message(&mut self.socket.reader).await;
        let frame = frame.map_err(|error| format!("{}: {error}", self.who))?;
        self.receive(&frame.payload).map_err(|error| {
            let (who, version) = (&self.who, self.copy.version());
            format!("{who} at version {version}: {error} (message {})", excerpt(&frame.payload))
        })
    }

    fn receive(&mut self, message: &[u8]) -> Result<(), String> {
        match self.room.scanner.kind(message) {
            Kind::Change => self.copy.changed(message),
            Kind::Ack => self.copy.acknowledged(message),
            Kind::Error => Err(ServerError::describe(message)),
            Kind::Sync => Err("resynchronised: this client was too slow".into()),
            Kind::State | Kind::Other => Ok(()),
        }
    }

    /// Reads until the last version is there, all parts of it.
    async fn read_to_the_end(mut self) -> Result<Copy, String> {
        while self.copy.version() < self.room.last_version || !self.copy.is_whole() {
            self.read().await?;
        }
        self.socket.writer.send_close(NORMAL_CLOSE).map_err(|error| format!("{}: {error}", self.who))?;
        Ok(Copy { who: self.who, replica: self.copy.replica().clone() })
    }
}

/// A change that is valid for `replica`: half are insertions, so that the text grows; the rest removals and replacements.
fn make_up(replica: &Replica, chance: u64) -> Edit {
    let pick = |bits: u64, bound: usize| {
        let bound = u64::try_from(bound).unwrap_or(1).max(1);
        usize::try_from((chance >> bits) % bound).unwrap_or(0)
    };
    let position = replica.boundary(pick(0, replica.len() + 1));
    let units = usize::try_from(1 + (chance >> 20) % REMOVED_UNITS_MAX).unwrap_or(1);
    let end = replica.boundary(position + units);
    let removed = if pick(30, 2) == 0 { 0 } else { end - position };
    let inserts = removed == 0 || pick(40, 3) == 0;
    let snippet = SNIPPETS[pick(50, SNIPPETS.len())];
    let inserted = if inserts { snippet } else { "" };
    Edit { position, removed, inserted: inserted.encode_utf16().collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_up_changes_are_valid() {
        let mut replica = Replica::new("");
        for turn in 0..5_000 {
            let edit = make_up(&replica, mix(turn));
            replica.apply(&edit).unwrap();
            assert!(!replica.text().contains('\u{FFFD}'), "turn {turn}");
        }
    }
}
