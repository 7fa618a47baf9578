//! Rates of messages, against a naive model: a list of all that was ever tried.

#![expect(clippy::unwrap_used, reason = "in helpers of tests, too, a failed unwrap is how a test fails")]

mod clocks;
mod model;
mod random;
mod requests;
mod wide;

use jddb_core::ids::UnixMillis;
use jddb_core::limits::{Attempt, RateLimits};

/// 2025-09-21T12:45:30.123Z
pub(crate) const START: UnixMillis = UnixMillis(1_758_458_730_123);

/// The reference's own.
pub(crate) const DEFAULTS: RateLimits = RateLimits {
    messages_per_minute: 100,
    burst_per_second: 10,
    large_message_bytes: 10_240,
    large_messages_per_second: 1,
    refusals_per_minute: 20,
};

pub(crate) const ONE: Attempt = Attempt { weight: 1, burst_only: false, is_large: false };
