//! What was met with: a simulator that never meets a situation does not test it.

use std::fmt;

/// Something that a schedule may meet with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Situation {
    /// A schedule was run.
    Schedule,
    /// A change or batch became a version.
    Version,
    /// It was applied otherwise than it was sent.
    Transformed,
    /// A batch of several changes became a version.
    Batch,
    /// A section was created.
    Section,
    /// A message was known by its key, and not applied again.
    Resend,
    /// A message was refused.
    Refused,
    /// A change was refused for its base.
    RefusedBase,
    /// A key was used for another content, and refused.
    KeyReused,
    /// Somebody who only views was refused a change.
    Forbidden,
    /// A client read a full state.
    FullState,
    /// A client read a list of changes.
    List,
    /// A client read a part of a version of several.
    Part,
    /// A client read an acknowledgement.
    Ack,
    /// A client read where another one's cursor is.
    Cursor,
    /// A user fell idle.
    Idle,
    /// A client read that another user is back from that.
    Back,
    /// A client was closed by the server.
    Closed,
    /// A cursor was left out for a slow reader, because a newer one followed.
    Conflated,
    /// What waited for a slow reader was discarded.
    Replaced,
    /// A slow reader was sent the state that makes up for it.
    MadeUp,
    /// A connection was closed for reading too slowly.
    TooSlow,
    /// A connection was lost.
    Cut,
    /// A request over HTTP was answered.
    Answer,
    /// A snapshot was taken.
    Snapshot,
    /// The document was evicted, and read again.
    Evicted,
    /// Power was lost.
    Crash,
    /// Versions that were in memory were lost with it.
    Lost,
    /// The disk failed.
    DiskFailure,
    /// The server stopped in order.
    Stop,
}

impl Situation {
    /// All there are.
    pub const ALL: [Self; 30] = [
        Self::Schedule,
        Self::Version,
        Self::Transformed,
        Self::Batch,
        Self::Section,
        Self::Resend,
        Self::Refused,
        Self::RefusedBase,
        Self::KeyReused,
        Self::Forbidden,
        Self::FullState,
        Self::List,
        Self::Part,
        Self::Ack,
        Self::Cursor,
        Self::Idle,
        Self::Back,
        Self::Closed,
        Self::Conflated,
        Self::Replaced,
        Self::MadeUp,
        Self::TooSlow,
        Self::Cut,
        Self::Answer,
        Self::Snapshot,
        Self::Evicted,
        Self::Crash,
        Self::Lost,
        Self::DiskFailure,
        Self::Stop,
    ];
}

/// How often each [`Situation`] was met with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    counts: [u64; Situation::ALL.len()],
}

impl Tally {
    /// How often that was met with.
    #[must_use]
    pub const fn of(&self, situation: Situation) -> u64 {
        self.counts[situation as usize]
    }

    /// Adds what another one counts.
    pub fn add(&mut self, other: &Self) {
        self.counts.iter_mut().zip(other.counts).for_each(|(count, more)| *count += more);
    }

    pub(super) const fn meet(&mut self, situation: Situation) {
        self.meet_often(situation, 1);
    }

    pub(super) const fn meet_often(&mut self, situation: Situation, times: u64) {
        self.counts[situation as usize] += times;
    }
}

impl fmt::Display for Tally {
    /// A line for each situation.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Situation::ALL.iter().try_for_each(|situation| writeln!(f, "{:>12} {situation:?}", self.of(*situation)))
    }
}
