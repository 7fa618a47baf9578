//! The front as a client sees it: over a real socket, with an owning core that is made up.

mod documents;
mod quota;
mod requests;
mod slow;
mod support;
mod websocket;
