//! Close codes and the payload of a close frame (RFC 6455 sections 5.5.1 and 7.4).

use std::fmt;

use super::error::ProtocolError;

/// A close code that may be sent: 1000-1003, 1007-1014 (1012-1014 by the IANA registry) or
/// 3000-4999.
///
/// 1005, 1006 and 1015 are left out: they only ever describe a connection to its own side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CloseCode(u16);

impl CloseCode {
    /// 1000: the connection has served its purpose.
    pub const NORMAL: Self = Self(1000);
    /// 1001: the server shuts down.
    pub const GOING_AWAY: Self = Self(1001);
    /// 1002: the peer broke the WebSocket protocol.
    pub const PROTOCOL_ERROR: Self = Self(1002);
    /// 1007: a text message that is not UTF-8, or a compressed one that cannot be inflated.
    pub const INVALID_PAYLOAD: Self = Self(1007);
    /// 1008: refused by policy, here authentication.
    pub const POLICY_VIOLATION: Self = Self(1008);
    /// 1009: a message larger than the limit.
    pub const MESSAGE_TOO_BIG: Self = Self(1009);
    /// 1011: the server failed; reconnecting later may help.
    pub const INTERNAL_ERROR: Self = Self(1011);
    /// 1013: the server has no room now; reconnecting later helps.
    pub const TRY_AGAIN_LATER: Self = Self(1013);

    /// `None` if `code` must not be sent over the wire.
    #[must_use]
    pub const fn new(code: u16) -> Option<Self> {
        match code {
            1000..=1003 | 1007..=1014 | 3000..=4999 => Some(Self(code)),
            _ => None,
        }
    }

    /// An application's own code, for constants.
    ///
    /// # Panics
    /// If `code` is not in 4000-4999; in a constant, that is when it is compiled.
    #[must_use]
    pub const fn private_use(code: u16) -> Self {
        assert!(code >= 4000 && code <= 4999, "an application's close code lies in 4000-4999");
        Self(code)
    }

    /// The number on the wire.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The payload of a close frame that has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloseFrame {
    /// Why the peer closes.
    pub code: CloseCode,
    /// Text for a human, at most 123 bytes, often empty.
    pub reason: String,
}

impl CloseFrame {
    /// Reads the unmasked payload of a close frame; `None` if it is empty, which is allowed.
    pub(super) fn parse(payload: &[u8]) -> Result<Option<Self>, ProtocolError> {
        let (code, reason) = match payload {
            [] => return Ok(None),
            [_] => return Err(ProtocolError::CloseCodeTruncated),
            [high, low, reason @ ..] => (u16::from_be_bytes([*high, *low]), reason),
        };
        let code = CloseCode::new(code).ok_or(ProtocolError::CloseCodeInvalid(code))?;
        let reason = str::from_utf8(reason).map_err(|_| ProtocolError::InvalidUtf8)?;
        Ok(Some(Self { code, reason: reason.to_owned() }))
    }
}
