//! What all requests of one core need.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jddb_core::limits::{GrantedLimits, LimitMode};
use jddb_core::room::JoinRefusal;
use tokio::sync::{Semaphore, watch};

use super::answers::AnswerBudget;
use super::error::HttpError;
use super::refusal;
use crate::auth::RecentTokens;
use crate::config::IdPattern;
use crate::cores::LimitsInForce;
use crate::metrics::CoreMetrics;
use crate::occupancy::{ConnectionsMax, Seat};
use crate::shared::Shared;

/// How long a document's core may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// States that are read at the same time; others wait. Each may be as large as a document.
const STATE_READS_MAX: usize = 8;
/// Lists of sessions that are made at the same time; others wait. Each may name all sessions there are.
const SESSION_LISTS_MAX: usize = 2;
/// Old versions that are read from disk at the same time.
const VERSION_READS_MAX: usize = 2;

/// What all requests of one core need.
#[derive(Debug)]
pub(super) struct Site {
    /// What all cores share.
    pub(super) shared: Arc<Shared>,
    /// The number of this core.
    pub(super) core: usize,
    /// The rule for document ids: a clone of this core's own, since its scratch memory is not to be shared.
    pub(super) id_pattern: IdPattern,
    /// Turns true when the server stops.
    pub(super) drain: watch::Receiver<bool>,
    /// How long a document's core may take to answer.
    pub(super) answer_timeout: Duration,
    /// The limits in force on this core.
    pub(super) limits: Rc<LimitsInForce>,
    /// Tokens that need not be verified again.
    pub(super) tokens: RecentTokens,
    /// What answers may hold.
    pub(super) answers: AnswerBudget,
    /// One permit for each state that is being read.
    pub(super) state_reads: Semaphore,
    /// One permit for each list of sessions that is being made.
    pub(super) session_lists: Semaphore,
    /// One permit for each old version that is being read.
    pub(super) version_reads: Arc<Semaphore>,
}

impl Site {
    pub(super) fn new(
        shared: Arc<Shared>,
        core: usize,
        drain: watch::Receiver<bool>,
        limits: Rc<LimitsInForce>,
    ) -> Self {
        let id_pattern = shared.config.documents.id_pattern.clone();
        let version_reads = Arc::new(Semaphore::new(VERSION_READS_MAX));
        let answers = AnswerBudget::new(shared.config.http.answers_bytes / shared.inboxes.len().max(1));
        let state_reads = Semaphore::new(STATE_READS_MAX);
        Self {
            shared,
            core,
            id_pattern,
            drain,
            answer_timeout: ANSWER_TIMEOUT,
            limits,
            tokens: RecentTokens::default(),
            answers,
            state_reads,
            session_lists: Semaphore::new(SESSION_LISTS_MAX),
            version_reads,
        }
    }

    /// A seat for one more WebSocket of a user, whose token may grant more than the settings do.
    pub(super) fn seat(&self, user_id: &str, granted: &GrantedLimits) -> Result<Seat, JoinRefusal> {
        let limits = self.limits.get();
        let granted = granted.user_connections.map(|number| usize::try_from(number).unwrap_or(usize::MAX));
        let max = ConnectionsMax {
            connections: limits.connections,
            user_connections: granted.unwrap_or(limits.user_connections),
            enforced: limits.mode == LimitMode::Enforce,
        };
        let taken = self.shared.occupancy.take(user_id, max);
        let exceeded = taken.as_ref().map_or_else(|limit| Some(*limit), |(_, exceeded)| *exceeded);
        exceeded.into_iter().for_each(|limit| self.limits.count_connection(limit));
        let refused = |limit| refusal::too_many_connections(limit, max, limits.user_silence_seconds);
        taken.map(|(seat, _)| seat).map_err(refused)
    }

    /// Whether there is most likely room for an answer that may be large: where clients who do not read hold much already
    /// it is not even made.
    ///
    /// # Errors
    /// There is not.
    pub(super) fn check_room(&self) -> Result<(), HttpError> {
        if self.answers.is_crowded() { Err(HttpError::at_capacity()) } else { Ok(()) }
    }

    /// What this core counts.
    pub(super) fn metrics(&self) -> &CoreMetrics {
        &self.shared.metrics[self.core]
    }

    /// Whether the server is stopping.
    pub(super) fn is_draining(&self) -> bool {
        self.shared.draining.load(Ordering::Acquire) || *self.drain.borrow()
    }
}
