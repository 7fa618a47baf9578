//! Who may come in, attacked from outside: keys of every kind, tokens that try to get past them.
//!
//! [`issuer`] is who signs, [`keys`] is which keys are taken, and that they can be changed while people edit, [`live`] is
//! tokens that run out on open connections.

#[expect(dead_code, reason = "each test uses its own part of what they share")]
#[path = "../support/mod.rs"]
mod support;

mod clock;
mod issuer;
mod keys;
mod live;
