//! The cores: one pinned thread each, with its own documents, connections and buffers.
//!
//! A document belongs to one core, so it is plain mutable data: no lock and no atomic on the way of a
//! message. Other threads reach a core through its [`Inbox`] only.
//!
//! In reading order: `message` and `inbox` are what cores ask of one another; `worker` is a core's thread;
//! `core` what it owns, and its turns; `rooms` opens, serves and forgets documents, which `requests` wait for and `calls` are
//! made to, and `readings` are asked for by other documents; `places` wait for their sockets; `renewals` are new
//! tokens of who is here, `revocations` close whose were revoked; `limits` are those in force; `batch`
//! is what waits to be durable; `sessions` are those that were planned, and lists; `feeds` tells those who watch the server; `machine` says which processors there are.

mod batch;
mod calls;
mod core;
mod feeds;
mod heartbeat;
mod inbox;
mod limits;
mod machine;
mod message;
mod places;
mod readings;
mod renewals;
mod requests;
mod revocations;
mod rooms;
mod sessions;
mod slowness;
mod unfinished;
mod worker;

pub use crate::connection::{Line, StreamSender};
pub use calls::{Answered, Ask, Asker, Call, EndSession, PostSession, PutPresence, ReadState};
pub use feeds::{Feed, FeedMessage, INTERVAL_SECONDS_MAX, INTERVAL_SECONDS_MIN, Subscription, Watch};
pub use inbox::Inbox;
pub use limits::LimitsInForce;
pub use machine::{available_processors, cores_granted};
pub use message::{Adopt, CoreMessage, EndVisit, ListSessions, ListedSession, Reservation, Reserve};
pub use readings::ReadCounterpart;
pub use worker::{Parts, Worker, WorkerError};

pub(crate) use self::core::{Core, now};
pub(crate) use rooms::RoomCell;
pub(crate) use worker::CORE_THREAD_PREFIX;
