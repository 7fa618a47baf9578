//! Asks another document for somebody who translates from it, wherever it is.

use std::time::Duration;

use jddb_core::ids::DocumentId;
use jddb_core::protocol::{ErrorCode, InboundError};
use jddb_core::room::{CounterpartRead, Reading};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::translation::Clerk;
use crate::auth::Refusal;
use crate::connection::Home;
use crate::cores::core::now;
use crate::cores::{CoreMessage, ReadCounterpart};

/// How long the other document's core may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

impl Clerk {
    /// Has another document read, and its member's room take what it says.
    pub(super) async fn read_counterpart(self, number: u64, document_id: DocumentId, reading: Reading) {
        let read = self.ask_counterpart(&document_id, reading).await.map_err(InboundError::of_counterpart);
        let Home::Member { cell, key } = &self.connection.home else { return };
        let work = cell.room.borrow_mut().take_counterpart(now(), *key, number, read);
        self.note_subscriptions(cell);
        self.connection.flush_now();
        self.begin(work);
    }

    async fn ask_counterpart(
        &self,
        document_id: &DocumentId,
        reading: Reading,
    ) -> Result<CounterpartRead, InboundError> {
        self.check_counterpart(document_id)?;
        let (reply, answer) = oneshot::channel();
        let (pass, asked) = (self.connection.pass(), document_id.clone());
        let message = ReadCounterpart { document_id: asked, reading, pass, reply };
        let sent = self.shared.send(document_id, CoreMessage::ReadCounterpart(Box::new(message)));
        sent.map_err(|_| unanswered())?;
        let read = match timeout(ANSWER_TIMEOUT, answer).await {
            Ok(Ok(read)) => read?,
            // It stops, or takes too long.
            Ok(Err(_)) | Err(_) => return Err(unanswered()),
        };
        // The token may be another one by now.
        self.check_counterpart(document_id)?;
        Ok(read)
    }

    fn check_counterpart(&self, document_id: &DocumentId) -> Result<(), InboundError> {
        let pattern = &self.shared.config.documents.id_pattern;
        if !pattern.matches(document_id.as_str()) {
            let expected = format!("string matching pattern {}", pattern.as_str());
            return Err(InboundError::invalid("payload.counterpart".to_owned(), expected));
        }
        if self.connection.covers(document_id.as_str()) {
            return Ok(());
        }
        Err(not_covered())
    }
}

/// The token is for other documents than that.
pub(in crate::cores) fn not_covered() -> InboundError {
    refused(ErrorCode::Forbidden, Refusal::Document.to_string())
}

fn unanswered() -> InboundError {
    refused(ErrorCode::CapacityExceeded, "the other document did not answer in time; retry in a few seconds".to_owned())
}

fn refused(code: ErrorCode, message: String) -> InboundError {
    InboundError { code, message, field: None, expected: None, correlation_id: None }.of_counterpart()
}
