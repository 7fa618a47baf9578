//! How often a connection may speak, and how often it tried; and how often somebody may ask over HTTP.
//!
//! [`Rates`] is what is remembered of one connection: sliding `window`s of what was accepted and of what was
//! refused. It decides by [`RateLimits`], which may change from one message to the next. [`Requests`] is what is
//! remembered of one caller over HTTP. [`RefusalCounts`] is what an operator sees of all that.
//!
//! It knows neither messages nor rooms: what an attempt weighs is for the caller to say.

mod counts;
mod rates;
mod requests;
mod window;

pub use counts::RefusalCounts;
pub use rates::{Attempt, Exceeded, Rates};
pub use requests::{Requests, Standing};

use serde::{Deserialize, Serialize};

/// The rate limits of one connection; a number of 0 switches that limit off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct RateLimits {
    /// Messages accepted in any 60 seconds.
    pub messages_per_minute: u32,
    /// Messages accepted in any second.
    pub burst_per_second: u32,
    /// A message above this is a large one, in bytes.
    pub large_message_bytes: usize,
    /// Large messages accepted in any second.
    pub large_messages_per_second: u32,
    /// Refusals within 60 seconds that close the connection.
    pub refusals_per_minute: u32,
}

impl RateLimits {
    /// No limit at all.
    pub const OFF: Self = Self {
        messages_per_minute: 0,
        burst_per_second: 0,
        large_message_bytes: 0,
        large_messages_per_second: 0,
        refusals_per_minute: 0,
    };

    /// Whether a message of so many bytes is a large one.
    #[must_use]
    pub const fn is_large(&self, bytes: usize) -> bool {
        bytes > self.large_message_bytes
    }

    /// These limits, but for what a token grants instead.
    #[must_use]
    pub fn granting(self, granted: &GrantedLimits) -> Self {
        Self {
            messages_per_minute: granted.messages_per_minute.unwrap_or(self.messages_per_minute),
            burst_per_second: granted.burst_per_second.unwrap_or(self.burst_per_second),
            ..self
        }
    }

    const fn are_off(&self) -> bool {
        self.messages_per_minute == 0 && self.burst_per_second == 0 && self.large_messages_per_second == 0
    }
}

/// What a token grants its connection instead of the server's own limits; `None` keeps the server's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GrantedLimits {
    /// Open connections of the user.
    pub user_connections: Option<u32>,
    /// Messages a minute.
    pub messages_per_minute: Option<u32>,
    /// Messages a second.
    pub burst_per_second: Option<u32>,
}

/// What happens beyond a limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LimitMode {
    /// It is refused.
    #[default]
    Enforce,
    /// It is counted as refused, and let through.
    Observe,
}

/// A limit on how often or how much a connection may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateLimit {
    /// [`RateLimits::messages_per_minute`].
    MessageRate,
    /// [`RateLimits::burst_per_second`].
    BurstRate,
    /// [`RateLimits::large_messages_per_second`].
    LargeMessage,
}

impl RateLimit {
    /// The `limit_type` that clients are told.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::MessageRate => "message_rate",
            Self::BurstRate => "burst_rate",
            Self::LargeMessage => "large_message",
        }
    }

    /// A rate as clients are told it, like `105 messages/minute`.
    #[must_use]
    pub fn rate(self, count: u64) -> String {
        match self {
            Self::MessageRate => format!("{count} messages/minute"),
            Self::BurstRate => format!("{count} messages/second"),
            Self::LargeMessage => format!("{count} large messages/second"),
        }
    }
}

/// A limit on how many may be connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionLimit {
    /// Connections of one user.
    UserConnections,
    /// Distinct users editing one document.
    DocumentEditors,
    /// Connections of the whole server.
    Connections,
}

impl ConnectionLimit {
    /// The `limit_type` that clients are told.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::UserConnections => "user_connections",
            Self::DocumentEditors => "document_editors",
            Self::Connections => "connections",
        }
    }
}
