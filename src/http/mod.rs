//! The HTTP front: what a client meets before, or instead of, a WebSocket.
//!
//! Every core runs [`serve`] on a listener of its own. A request is read by hyper, answered here or by the core that
//! owns its document, and a WebSocket leaves for that core as a bare socket, with nothing of HTTP left behind.
//!
//! It holds no document and speaks no WebSocket beyond the frames that refuse one.
//!
//! In reading order: `accept` is the loop and its bounds; `secure` the handshake of TLS; `connection` one client's
//! connection over `socket` (with `preface`, `parse_error`, `head_timer`, `patience` and `answers`, for what hyper does not
//! do), ended by `linger`, and `http2` the same for HTTP/2; `service` answers one request, which `route`, `query`, `body`,
//! `caller` and `client_address` take apart, `quota` counts, and `cors` shows to pages; `health`, `documents` with
//! `conditions`, `catalogue` and `history` by the `page`, `diff`, `sessions` and `presence` are the answers, `logins` those about tokens, which `ask`
//! gets from the documents' cores and `stored` from the disk, `response` and `error` their form, which `gzip` compresses;
//! `handshake`, `upgrade`, `watch` and `refusal` lead a WebSocket in, or out.

mod accept;
mod answers;
mod ask;
mod body;
mod caller;
mod catalogue;
mod client_address;
mod concordance;
mod conditions;
mod connection;
mod cors;
mod diff;
mod documents;
mod entries;
mod error;
mod events;
mod files;
mod glossary;
mod glossary_files;
mod gzip;
mod handshake;
mod head_timer;
mod health;
mod history;
mod http2;
mod ids;
mod linger;
mod logins;
mod memory;
mod page;
mod parse_error;
mod patience;
mod preface;
mod presence;
mod published;
mod query;
mod quota;
mod refusal;
mod response;
mod route;
mod secure;
mod service;
mod sessions;
mod site;
mod slots;
mod socket;
mod stored;
mod translation;
mod upgrade;
mod watch;

#[cfg(test)]
pub(crate) mod tests;

pub use accept::serve;
