//! Who is calling, and what they may do.
//!
//! A caller shows a [`Token`] (a JWT, RFC 7519), found in a request by [`find_token`]. The [`Authority`] holds the keys and
//! turns a token into an [`Identity`], which says what it [allows](Identity::allows). The time is an argument throughout.
//!
//! For a [`RefreshToken`] it gives new tokens, and a [`LoginTable`] says which are good, and what was revoked.
//!
//! It is not a store of users: all it knows of a caller is what the issuer signed.

mod authority;
mod claims;
mod error;
mod identity;
mod key;
mod key_file;
mod key_sources;
mod logins;
mod pass;
mod pattern;
mod recent;
mod refresh;
mod ring;
mod scope;
mod token;

pub use authority::{Authority, Grant, IssueError, Shown};
pub use error::AuthError;
pub use identity::{Identity, Refusal, TokenLimits};
pub use key::{Algorithms, UnfitKey};
pub use key_file::{ContentError, JwkError, KeyError, PemError};
pub use logins::{LoginRefusal, LoginTable, Revocation, Revoked, Rotation};
pub use pass::{Fingerprint, Pass};
pub use pattern::DocumentPattern;
pub(crate) use recent::RecentTokens;
pub use refresh::{RefreshToken, TokenPair};
pub use ring::Ambiguous;
pub use scope::{Scope, ScopeSet, UnknownScope};
pub(crate) use token::percent_decode;
pub use token::{SUBPROTOCOL_PREFIX, TOKEN_BYTES_MAX, Token, find_token};
