//! Who may come in, attacked from outside: keys of every kind, tokens that try to get past them.
//!
//! [`issuer`] is who signs, [`keys`] is which keys are taken, and that they can be changed while people edit, [`live`] is
//! tokens that run out on open connections, [`refresh`] is refresh tokens in their families, [`revoke`] is tokens that are no
//! longer accepted; [`family`] is what both share.

#[expect(dead_code, reason = "each test uses its own part of what they share")]
#[path = "../support/mod.rs"]
mod support;

mod clock;
mod family;
mod issuer;
mod keys;
mod live;
mod refresh;
mod revoke;
