//! Why a WebSocket is refused. It is told after the upgrade: a browser sees nothing but close codes.

use jddb_core::ids::UnixMillis;
use jddb_core::limits::{ConnectionLimit, Standing};
use jddb_core::protocol::{ErrorCode, close};
use jddb_core::room::{JoinRefusal, refusal_frames};
use jddb_core::translation::ProjectId;
use jddb_core::websocket::CloseCode;

use super::error::RETRY_AFTER_SECONDS;
use super::linger;
use super::query::BadParameter;
use super::quota;
use super::site::Site;
use crate::auth::{AuthError, Refusal};
use crate::occupancy::ConnectionsMax;
use crate::transport::Transport;
use crate::{clock, jitter};

/// Seconds after which a connection beyond the limit is worth another try.
const CONNECTIONS_RETRY_SECONDS: u64 = 30;

/// Tells the client why, and closes.
pub(super) async fn refuse(site: &Site, transport: Transport, refusal: &JoinRefusal) {
    site.metrics().count_refusal(refusal.code);
    let [told, close] = refusal_frames(UnixMillis(clock::now_unix_ms()), refusal, jitter::retry_ms);
    linger::close(transport, &[&told, &close]).await;
}

fn refusal(code: ErrorCode, close: CloseCode, message: impl Into<String>) -> JoinRefusal {
    JoinRefusal {
        code,
        message: message.into(),
        field: None,
        expected: None,
        limit_type: None,
        close,
        retry_after: None,
    }
}

/// There is no valid token.
pub(super) fn unauthenticated(error: AuthError) -> JoinRefusal {
    refusal(ErrorCode::Unauthenticated, CloseCode::POLICY_VIOLATION, error.to_string())
}

/// The token does not permit it.
pub(super) fn forbidden(denied: Refusal) -> JoinRefusal {
    refusal(ErrorCode::Forbidden, close::UNAUTHORIZED, denied.to_string())
}

/// The name is no document's.
pub(super) fn invalid_document_id(pattern: &str) -> JoinRefusal {
    let message = format!("Invalid document ID format: expected a string matching pattern {pattern}");
    JoinRefusal {
        field: Some("document_id"),
        expected: Some(format!("string matching pattern {pattern}")),
        ..refusal(ErrorCode::ValidationError, close::NOT_FOUND, message)
    }
}

/// The name is no project's.
pub(super) fn invalid_project_id() -> JoinRefusal {
    let expected = format!("a name matching {}", ProjectId::PATTERN);
    JoinRefusal {
        field: Some("project_id"),
        expected: Some(expected.clone()),
        ..refusal(ErrorCode::ValidationError, close::NOT_FOUND, format!("Invalid project ID: expected {expected}"))
    }
}

/// A parameter is not what it has to be.
pub(super) fn bad_parameter(bad: BadParameter) -> JoinRefusal {
    let message = format!("query parameter {}: expected {}", bad.name, bad.expected);
    JoinRefusal {
        field: Some(bad.name),
        expected: Some(bad.expected.to_owned()),
        ..refusal(ErrorCode::ValidationError, CloseCode::POLICY_VIOLATION, message)
    }
}

/// The caller asks too often.
pub(super) fn too_many_requests(standing: Standing) -> JoinRefusal {
    JoinRefusal {
        limit_type: Some(quota::LIMIT_TYPE),
        retry_after: Some(quota::retry_after(standing)),
        ..refusal(ErrorCode::RateLimitExceeded, close::RATE_LIMITED, quota::message(standing))
    }
}

/// There are as many connections as are allowed, of the user or in all. One of the user's own that is gone without a
/// word gives way after `silence_seconds`.
pub(super) fn too_many_connections(limit: ConnectionLimit, max: ConnectionsMax, silence_seconds: u64) -> JoinRefusal {
    let ConnectionsMax { connections, user_connections, .. } = max;
    let (message, retry_after) = match limit {
        ConnectionLimit::UserConnections => {
            (format!("this user has {user_connections} connections, which is the limit: close one"), silence_seconds)
        }
        ConnectionLimit::Connections | ConnectionLimit::DocumentEditors => {
            let message = format!("the server has {connections} connections, which is its limit: retry later");
            (message, CONNECTIONS_RETRY_SECONDS)
        }
    };
    JoinRefusal {
        limit_type: Some(limit.name()),
        retry_after: Some(retry_after),
        ..refusal(ErrorCode::RateLimitExceeded, close::RATE_LIMITED, message)
    }
}

/// The document's core has too much to do.
pub(super) fn at_capacity() -> JoinRefusal {
    let message = "the server is too busy for another connection: retry in a moment";
    let refused = refusal(ErrorCode::CapacityExceeded, CloseCode::TRY_AGAIN_LATER, message);
    JoinRefusal { retry_after: Some(RETRY_AFTER_SECONDS), ..refused }
}

/// The server is stopping.
pub(super) fn shutting_down() -> JoinRefusal {
    let message = "the server is stopping: reconnect after the time given in the close reason";
    let refused = refusal(ErrorCode::ShuttingDown, CloseCode::GOING_AWAY, message);
    JoinRefusal { retry_after: Some(RETRY_AFTER_SECONDS), ..refused }
}

/// A core should have answered and did not.
pub(super) fn internal() -> JoinRefusal {
    let message = "the server failed to open the document: reconnect later";
    refusal(ErrorCode::InternalError, CloseCode::INTERNAL_ERROR, message)
}
