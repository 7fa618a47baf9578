//! The front as a client sees it: over a real socket, with an owning core that is made up.

mod cors;
mod documents;
mod gzip;
mod habits;
mod http2;
mod logins;
mod quota;
mod requests;
mod slow;
pub(crate) mod support;
mod websocket;
