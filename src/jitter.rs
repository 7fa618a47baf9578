//! Moments that differ from client to client, so that not all come back at once.

/// The shortest and the longest time after which clients of a stopped server come back, in milliseconds.
const RETRY_MS: std::ops::Range<u64> = 500..5000;

/// A moment to come back at, in milliseconds from now.
#[must_use]
pub(crate) fn retry_ms() -> u64 {
    // Without randomness all come back at once, which is a burden and no fault.
    let random = getrandom::u64().unwrap_or(0);
    RETRY_MS.start + random % (RETRY_MS.end - RETRY_MS.start)
}
