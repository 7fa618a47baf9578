//! A simulator: whole lives of a document from a seed.
//!
//! Around a [`crate::room::Room`] there are a disk that loses its unsynced tail, a network that delays, loses
//! connections and delivers resends late, and two to a dozen clients with a change in flight each and more in a
//! buffer, who count in different encodings, view, read slowly, connect anew and catch up; besides them requests
//! over HTTP and clients that say anything at all. [`check`] runs the schedule of one seed: 25 to 90 events
//! mostly, on texts of a few characters, since small and dense is where mistakes are.
//!
//! Nothing of the product judges it. A mirror of the server, written from the protocol's words with a step for
//! each unit of a text and a text for each version, says of every message what has to become of it; each version
//! that a client has put together from what it was told has to be the mirror's; and in the end the journal and
//! each snapshot have to lead to the same document, with every acknowledged change in it once.
//!
//! A failure names its seed, and is cut down to the events that are needed for it: an event keeps its own choices,
//! so that leaving one out changes nothing of the others.
//!
//! The parts, in reading order: `schedule` (what happens), `world` (to whom), `server` with `disk` and `socket`,
//! `mirror` with `resolve`, `delta` and `texts` (what has to come of it), `people` (who is here), `editor` with `replica` and `typing`,
//! `outsiders` (the clients), `say` and `heard` (the wire), `failure` (what was found) and `tally` (what was met).

mod chance;
mod checked;
mod delta;
mod disk;
mod editor;
mod failure;
mod heard;
mod mirror;
mod outsiders;
mod people;
mod replica;
mod resolve;
mod say;
mod schedule;
mod server;
mod socket;
mod tally;
mod texts;
mod typing;
mod world;

pub use failure::{Failure, check};
pub use tally::{Situation, Tally};
