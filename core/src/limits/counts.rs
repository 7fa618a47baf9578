//! What was refused, counted.

use std::fmt;

use super::{ConnectionLimit, RateLimit};

/// How often each limit was exceeded. Where limits are only observed: how often it would have refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RefusalCounts {
    /// Messages beyond the rate a minute.
    pub message_rate: u64,
    /// Messages beyond the rate a second.
    pub burst_rate: u64,
    /// Large messages too soon after one another.
    pub large_message: u64,
    /// Connections beyond what a user may have.
    pub user_connections: u64,
    /// Editors beyond what a document may have.
    pub document_editors: u64,
    /// Connections beyond what the server may have.
    pub connections: u64,
    /// Connections closed because of repeated refusals.
    pub closed: u64,
    /// HTTP requests beyond the rate a minute.
    pub request_rate: u64,
}

impl RefusalCounts {
    /// Whether nothing was refused.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        *self == Self::default()
    }

    /// Both together.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            message_rate: self.message_rate + other.message_rate,
            burst_rate: self.burst_rate + other.burst_rate,
            large_message: self.large_message + other.large_message,
            user_connections: self.user_connections + other.user_connections,
            document_editors: self.document_editors + other.document_editors,
            connections: self.connections + other.connections,
            closed: self.closed + other.closed,
            request_rate: self.request_rate + other.request_rate,
        }
    }

    /// Counts a message that was refused.
    pub const fn count_message(&mut self, limit: RateLimit) {
        match limit {
            RateLimit::MessageRate => self.message_rate += 1,
            RateLimit::BurstRate => self.burst_rate += 1,
            RateLimit::LargeMessage => self.large_message += 1,
        }
    }

    /// Counts a connection that was refused.
    pub const fn count_connection(&mut self, limit: ConnectionLimit) {
        match limit {
            ConnectionLimit::UserConnections => self.user_connections += 1,
            ConnectionLimit::DocumentEditors => self.document_editors += 1,
            ConnectionLimit::Connections => self.connections += 1,
        }
    }
}

impl fmt::Display for RefusalCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            message_rate,
            burst_rate,
            large_message,
            user_connections,
            document_editors,
            connections,
            closed,
            request_rate,
        } = self;
        write!(
            f,
            "message_rate={message_rate} burst_rate={burst_rate} large_message={large_message} \
             user_connections={user_connections} document_editors={document_editors} connections={connections} \
             closed={closed} request_rate={request_rate}"
        )
    }
}
