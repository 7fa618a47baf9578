//! Many texts that are looked up one after the other, while their client is told how far that is.

use bytes::Bytes;

use crate::ids::UnixMillis;
use crate::protocol::InboundError;
use crate::protocol::outbound::Metadata;
use crate::protocol::translation_outbound::{BatchResult, BatchStatus, SegmentError, Suggested};
use crate::room::counters::Sent;
use crate::room::frame;
use crate::translation::Suggestion;

/// After so many segments it is told how far it is.
const SEGMENTS_PER_STATUS: usize = 10;

/// The batch of a connection that is not done yet.
#[derive(Debug)]
pub(super) struct Batch {
    /// The connection's batches are numbered from 1.
    pub(super) number: u64,
    pub(super) correlation_id: Option<Box<str>>,
    /// What the segments are called, where they are.
    pub(super) segments: Vec<Option<Box<str>>>,
    pub(super) completed: usize,
}

impl Batch {
    pub(super) fn id(&self) -> String {
        format!("batch_{}", self.number)
    }

    pub(super) const fn is_done(&self) -> bool {
        self.completed == self.segments.len()
    }

    /// Whether it is time to say how far it is.
    pub(super) const fn is_status_due(&self) -> bool {
        self.completed.is_multiple_of(SEGMENTS_PER_STATUS) || self.is_done()
    }

    /// How far it is.
    pub(super) fn status_frame(&self, now: UnixMillis, status: &'static str) -> Bytes {
        let correlation_id = self.correlation_id.as_deref();
        let (batch_id, completed, total) = (&*self.id(), self.completed, self.segments.len());
        let payload = BatchStatus { batch_id, status, completed, total, correlation_id };
        frame(Sent::BatchStatus.name(), &payload, &Metadata::of_server(now, correlation_id))
    }

    /// What was found for the next segment.
    pub(super) fn result_frame(&self, now: UnixMillis, found: Result<&[Suggestion], &InboundError>) -> Bytes {
        let correlation_id = self.correlation_id.as_deref();
        let index = self.completed;
        let error = found.err().map(|error| SegmentError { error_code: error.code, message: &error.message });
        let suggestions = found.ok().map(|found| found.iter().map(Suggested::from).collect());
        let segment_id = self.segments.get(index).and_then(Option::as_deref);
        let payload = BatchResult { batch_id: &self.id(), index, segment_id, suggestions, error, correlation_id };
        frame(Sent::BatchResult.name(), &payload, &Metadata::of_server(now, correlation_id))
    }
}
