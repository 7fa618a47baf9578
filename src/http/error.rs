//! What went wrong, as HTTP says it.

use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{
    ALLOW, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, DATE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER,
    SEC_WEBSOCKET_VERSION, UPGRADE, WWW_AUTHENTICATE,
};
use jddb_core::ids::{UnixMillis, Version};
use jddb_core::limits::Standing;
use jddb_core::protocol::outbound::write_json;
use jddb_core::protocol::{ErrorCode, InboundError};
use jddb_core::room::JoinRefusal;
use jddb_core::websocket;
use serde::Serialize;

use super::ids;
use super::quota;
use super::response::{self, HttpResponse};
use crate::auth::{AuthError, LoginRefusal, Refusal};
use crate::logins::LoginError;
use crate::{clock, jitter};

/// Seconds after which a request that found the server busy is worth repeating.
pub(super) const RETRY_AFTER_SECONDS: u64 = 2;

/// Why a request is refused.
#[derive(Debug)]
pub(super) struct HttpError {
    status: StatusCode,
    code: ErrorCode,
    message: String,
    field: Option<String>,
    expected: Option<String>,
    limit_type: Option<&'static str>,
    hint: Hint,
}

/// The header that tells a client what to do instead.
#[derive(Clone, Debug)]
enum Hint {
    None,
    /// The methods there are.
    Allow(String),
    /// Seconds to wait.
    RetryAfter(u64),
    /// The WebSocket version to speak.
    WebSocketVersion,
}

impl HttpError {
    /// An error with its code's own status. `message` says what is wrong and what to do, and names no internals.
    pub(super) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        let status = StatusCode::from_u16(code.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let hint = match code {
            ErrorCode::CapacityExceeded => Hint::RetryAfter(RETRY_AFTER_SECONDS),
            ErrorCode::ShuttingDown => Hint::RetryAfter(jitter::retry_ms().div_ceil(1_000)),
            _ => Hint::None,
        };
        Self { status, code, message: message.into(), field: None, expected: None, limit_type: None, hint }
    }

    /// A part of the request, `field`, is not what it has to be.
    pub(super) fn invalid(field: &str, expected: impl Into<String>) -> Self {
        let error = Self::new(ErrorCode::ValidationError, format!("{field} is not valid"));
        Self { field: Some(field.to_owned()), expected: Some(expected.into()), ..error }
    }

    /// The same, where more can be said of what is wrong.
    pub(super) fn malformed(field: &str, message: String, expected: &str) -> Self {
        Self { message, ..Self::invalid(field, expected) }
    }

    /// There is no such document, since `id` is no name of one.
    pub(super) fn invalid_document_id(pattern: &str) -> Self {
        let error = Self::invalid("document_id", format!("string matching pattern {pattern}"));
        Self { message: "Invalid document ID format".to_owned(), ..error }
    }

    /// The document has no such version, which `field` names.
    pub(super) fn unknown_version(field: &str, version: Version) -> Self {
        let message = format!("the document has no version {version}: see its history for those it has");
        let expected = Some("a version of the document".to_owned());
        Self { field: Some(field.to_owned()), expected, ..Self::new(ErrorCode::VersionUnknown, message) }
    }

    /// The route takes other methods only.
    pub(super) fn method_not_allowed(allowed: &str) -> Self {
        let error = Self::new(ErrorCode::MethodNotAllowed, format!("this route takes {allowed} only"));
        Self { hint: Hint::Allow(allowed.to_owned()), ..error }
    }

    /// The caller asks too often.
    pub(super) fn too_many_requests(standing: Standing) -> Self {
        let error = Self::new(ErrorCode::RateLimitExceeded, quota::message(standing));
        let hint = Hint::RetryAfter(quota::retry_after(standing));
        Self { limit_type: Some(quota::LIMIT_TYPE), hint, ..error }
    }

    /// The page that asks is none of those that may.
    pub(super) fn origin_not_allowed() -> Self {
        let message = "pages of this origin may not use the server: the operator can add it to http.allowed_origins";
        let error = Self::new(ErrorCode::Forbidden, message);
        Self { field: Some("Origin".to_owned()), expected: Some("an allowed origin".to_owned()), ..error }
    }

    /// What a core should have answered, it did not. The reason is in the log.
    pub(super) fn internal() -> Self {
        Self::new(
            ErrorCode::InternalError,
            "the server failed to answer: retry, and report the request_id if that fails",
        )
    }

    /// The server is stopping.
    pub(super) fn shutting_down() -> Self {
        Self::new(ErrorCode::ShuttingDown, "the server is stopping: retry in a moment")
    }

    /// The document's core has too much to do.
    pub(super) fn at_capacity() -> Self {
        Self::new(ErrorCode::CapacityExceeded, "the server is too busy for this request: retry in a moment")
    }

    /// The same error under another status, where the code's own is less exact.
    pub(super) fn with_status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    /// The answer to the request of that name.
    pub(super) fn into_response(self, request_id: &str) -> HttpResponse {
        let mut response = response::json(self.status, self.body(request_id));
        response.headers_mut().extend(self.headers());
        response
    }

    /// A whole answer to what is no request, with these headers, after which the connection closes.
    pub(super) fn to_bytes(&self, mut headers: HeaderMap) -> Bytes {
        let request_id = ids::request_id();
        let body = self.body(&request_id);
        headers.extend(self.headers());
        headers.insert(CONTENT_TYPE, response::JSON);
        headers.insert(CONTENT_LENGTH, body.len().into());
        response::guard(&mut headers);
        // Elsewhere hyper says it. Digits and English names are always fit for a header.
        let date = HeaderValue::from_str(&UnixMillis(clock::now_unix_ms()).to_http_date());
        date.into_iter().for_each(|date| drop(headers.insert(DATE, date)));
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        let reason = self.status.canonical_reason().unwrap_or_default();
        let mut answer = format!("HTTP/1.1 {} {reason}\r\n{}: {request_id}\r\n", self.status.as_str(), ids::REQUEST_ID);
        for (name, value) in &headers {
            // Ours are all ASCII.
            answer += &format!("{name}: {}\r\n", value.to_str().unwrap_or_default());
        }
        let mut answer = answer.into_bytes();
        answer.extend(b"\r\n");
        answer.extend(body);
        answer.into()
    }

    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let mut set = |name: HeaderName, value: HeaderValue| drop(headers.insert(name, value));
        if self.status == StatusCode::UNAUTHORIZED {
            set(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        match &self.hint {
            Hint::None => {}
            // The names of methods are always fit for a header.
            Hint::Allow(methods) => HeaderValue::from_str(methods).into_iter().for_each(|value| set(ALLOW, value)),
            Hint::RetryAfter(seconds) => set(RETRY_AFTER, (*seconds).into()),
            Hint::WebSocketVersion => {
                set(UPGRADE, HeaderValue::from_static("websocket"));
                set(SEC_WEBSOCKET_VERSION, HeaderValue::from_static(websocket::VERSION));
            }
        }
        headers
    }

    fn body(&self, request_id: &str) -> Vec<u8> {
        let error = ErrorBody {
            code: self.code,
            message: &self.message,
            details: Details {
                field: self.field.as_deref(),
                expected: self.expected.as_deref(),
                limit_type: self.limit_type,
            },
            request_id,
            timestamp: UnixMillis(clock::now_unix_ms()),
        };
        let mut body = Vec::new();
        write_json(&mut body, &Envelope { error });
        body
    }
}

/// The reference's error body.
#[derive(Serialize)]
struct Envelope<'a> {
    error: ErrorBody<'a>,
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    code: ErrorCode,
    message: &'a str,
    /// An object even where there is nothing to say, so that clients need not look whether it is there.
    details: Details<'a>,
    request_id: &'a str,
    timestamp: UnixMillis,
}

#[derive(Serialize)]
struct Details<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expected: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit_type: Option<&'a str>,
}

impl From<AuthError> for HttpError {
    fn from(error: AuthError) -> Self {
        Self::new(ErrorCode::Unauthenticated, error.to_string())
    }
}

impl From<LoginError> for HttpError {
    fn from(error: LoginError) -> Self {
        let code = match error {
            LoginError::Refused(LoginRefusal::Token(_)) => ErrorCode::Unauthenticated,
            LoginError::Refused(LoginRefusal::Full) | LoginError::Busy => ErrorCode::CapacityExceeded,
            LoginError::Storage => ErrorCode::StorageUnavailable,
            LoginError::Gone => return Self::internal(),
        };
        Self::new(code, error.to_string())
    }
}

impl From<Refusal> for HttpError {
    fn from(refusal: Refusal) -> Self {
        Self::new(ErrorCode::Forbidden, refusal.to_string())
    }
}

impl From<JoinRefusal> for HttpError {
    fn from(refused: JoinRefusal) -> Self {
        let JoinRefusal { code, message, field, expected, limit_type, close: _, retry_after } = refused;
        let error = Self::new(code, message);
        let hint = retry_after.map_or(error.hint, Hint::RetryAfter);
        Self { field: field.map(str::to_owned), expected, limit_type, hint, ..error }
    }
}

impl From<InboundError> for HttpError {
    fn from(error: InboundError) -> Self {
        let InboundError { code, message, field, expected, correlation_id: _ } = error;
        Self { field, expected, ..Self::new(code, message) }
    }
}

impl From<websocket::HandshakeError> for HttpError {
    fn from(error: websocket::HandshakeError) -> Self {
        let refused = Self::new(ErrorCode::ValidationError, error.to_string());
        let status = StatusCode::from_u16(error.http_status()).unwrap_or(StatusCode::BAD_REQUEST);
        match error {
            websocket::HandshakeError::Version => Self { hint: Hint::WebSocketVersion, ..refused.with_status(status) },
            websocket::HandshakeError::Upgrade
            | websocket::HandshakeError::Connection
            | websocket::HandshakeError::Key
            | websocket::HandshakeError::Extensions => refused.with_status(status),
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;
    use jddb_core::limits::ConnectionLimit;
    use serde_json::{Value, json};

    use super::*;
    use crate::http::refusal;
    use crate::occupancy::ConnectionsMax;

    async fn check(error: HttpError, status: u16, header: Option<(&str, &str)>, expected: Value) {
        let response = error.into_response("req_1");
        assert_eq!(response.status(), status);
        assert_eq!(response.headers()["content-type"], "application/json");
        if let Some((name, value)) = header {
            assert_eq!(response.headers()[name], value);
        }
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let mut body: Value = serde_json::from_slice(&body).unwrap();
        let timestamp = body["error"].as_object_mut().unwrap().remove("timestamp").unwrap();
        assert!(timestamp.as_str().unwrap().ends_with('Z'));
        assert_eq!(body, json!({ "error": expected }));
    }

    #[tokio::test]
    async fn the_references_body_and_the_headers_that_belong_to_it() {
        check(
            HttpError::invalid_document_id("jd_[0-9]+"),
            400,
            None,
            json!({
                "code": "VALIDATION_ERROR",
                "message": "Invalid document ID format",
                "details": {"field": "document_id", "expected": "string matching pattern jd_[0-9]+"},
                "request_id": "req_1",
            }),
        )
        .await;
        check(
            HttpError::at_capacity(),
            503,
            Some(("retry-after", "2")),
            json!({
                "code": "CAPACITY_EXCEEDED",
                "message": "the server is too busy for this request: retry in a moment",
                "details": {},
                "request_id": "req_1",
            }),
        )
        .await;
        let max = ConnectionsMax { connections: 9, user_connections: 1, enforced: true };
        check(
            refusal::too_many_connections(ConnectionLimit::UserConnections, max, 75).into(),
            429,
            Some(("retry-after", "75")),
            json!({
                "code": "RATE_LIMIT_EXCEEDED",
                "message": "this user has 1 connections, which is the limit: close one",
                "details": {"limit_type": "user_connections"},
                "request_id": "req_1",
            }),
        )
        .await;
        let status_and_header = |error: HttpError, name: &str| {
            let response = error.into_response("req_1");
            (response.status().as_u16(), response.headers()[name].to_str().unwrap().to_owned())
        };
        let of = status_and_header;
        assert_eq!(of(AuthError::Missing.into(), "www-authenticate"), (401, "Bearer".to_owned()));
        assert_eq!(of(HttpError::method_not_allowed("GET, HEAD"), "allow"), (405, "GET, HEAD".to_owned()));
        assert_eq!(of(websocket::HandshakeError::Version.into(), "sec-websocket-version"), (426, "13".to_owned()));
    }
}
