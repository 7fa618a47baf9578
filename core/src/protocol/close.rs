//! The close codes of the reference beyond those of RFC 6455.

use crate::websocket::CloseCode;

/// Too much or too many: wait and retry.
pub const RATE_LIMITED: CloseCode = CloseCode::private_use(4000);
/// The token is valid but does not permit this.
pub const UNAUTHORIZED: CloseCode = CloseCode::private_use(4001);
/// The document is locked: retry later.
pub const DOCUMENT_LOCKED: CloseCode = CloseCode::private_use(4002);
/// There is no such document, or its name is none.
pub const NOT_FOUND: CloseCode = CloseCode::private_use(4004);
