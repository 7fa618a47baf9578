//! What can go wrong, as clients are told.

use serde::Serialize;

/// A code of the reference's error body and of `system.error`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// A field is missing, of the wrong type, or out of range.
    ValidationError,
    /// The message's `type` is none the server knows.
    UnknownMessageType,
    /// A position does not exist in the text it refers to.
    InvalidPosition,
    /// No token, or not a valid one.
    Unauthenticated,
    /// The token does not permit this.
    Forbidden,
    /// No such document.
    DocumentNotFound,
    /// No such session.
    SessionNotFound,
    /// No such route.
    NotFound,
    /// The route exists, but not with this method.
    MethodNotAllowed,
    /// The request took too long to arrive.
    RequestTimeout,
    /// The base version does not exist.
    VersionUnknown,
    /// The base version is older than what is kept.
    VersionTooOld,
    /// The document changed, and the sender asked for refusal then.
    VersionConflict,
    /// The document has an explicit session already.
    SessionExists,
    /// Somebody has locked the document.
    DocumentLocked,
    /// The message or request body is larger than allowed.
    MessageTooLarge,
    /// The document would become larger than allowed.
    DocumentTooLarge,
    /// The body is not JSON.
    UnsupportedMediaType,
    /// A limit on how much or how often was reached.
    RateLimitExceeded,
    /// The request's headers are larger than allowed.
    HeadersTooLarge,
    /// A fault of the server.
    InternalError,
    /// The server has no room for more.
    CapacityExceeded,
    /// The server cannot write to its disk, and takes no changes until it is restarted.
    StorageUnavailable,
    /// The server is stopping.
    ShuttingDown,
    /// The connection's token expires soon.
    TokenExpiring,
}

impl ErrorCode {
    /// All there are, in the order of their discriminants.
    pub const ALL: [Self; 25] = [
        Self::ValidationError,
        Self::UnknownMessageType,
        Self::InvalidPosition,
        Self::Unauthenticated,
        Self::Forbidden,
        Self::DocumentNotFound,
        Self::SessionNotFound,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::RequestTimeout,
        Self::VersionUnknown,
        Self::VersionTooOld,
        Self::VersionConflict,
        Self::SessionExists,
        Self::DocumentLocked,
        Self::MessageTooLarge,
        Self::DocumentTooLarge,
        Self::UnsupportedMediaType,
        Self::RateLimitExceeded,
        Self::HeadersTooLarge,
        Self::InternalError,
        Self::CapacityExceeded,
        Self::StorageUnavailable,
        Self::ShuttingDown,
        Self::TokenExpiring,
    ];

    /// The code as it is written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ValidationError => "VALIDATION_ERROR",
            Self::UnknownMessageType => "UNKNOWN_MESSAGE_TYPE",
            Self::InvalidPosition => "INVALID_POSITION",
            Self::Unauthenticated => "UNAUTHENTICATED",
            Self::Forbidden => "FORBIDDEN",
            Self::DocumentNotFound => "DOCUMENT_NOT_FOUND",
            Self::SessionNotFound => "SESSION_NOT_FOUND",
            Self::NotFound => "NOT_FOUND",
            Self::MethodNotAllowed => "METHOD_NOT_ALLOWED",
            Self::RequestTimeout => "REQUEST_TIMEOUT",
            Self::VersionUnknown => "VERSION_UNKNOWN",
            Self::VersionTooOld => "VERSION_TOO_OLD",
            Self::VersionConflict => "VERSION_CONFLICT",
            Self::SessionExists => "SESSION_EXISTS",
            Self::DocumentLocked => "DOCUMENT_LOCKED",
            Self::MessageTooLarge => "MESSAGE_TOO_LARGE",
            Self::DocumentTooLarge => "DOCUMENT_TOO_LARGE",
            Self::UnsupportedMediaType => "UNSUPPORTED_MEDIA_TYPE",
            Self::RateLimitExceeded => "RATE_LIMIT_EXCEEDED",
            Self::HeadersTooLarge => "HEADERS_TOO_LARGE",
            Self::InternalError => "INTERNAL_ERROR",
            Self::CapacityExceeded => "CAPACITY_EXCEEDED",
            Self::StorageUnavailable => "STORAGE_UNAVAILABLE",
            Self::ShuttingDown => "SHUTTING_DOWN",
            Self::TokenExpiring => "TOKEN_EXPIRING",
        }
    }

    /// The status of an HTTP answer with this code.
    #[must_use]
    pub const fn http_status(self) -> u16 {
        match self {
            Self::ValidationError | Self::UnknownMessageType | Self::InvalidPosition => 400,
            Self::Unauthenticated | Self::TokenExpiring => 401,
            Self::Forbidden => 403,
            Self::DocumentNotFound | Self::SessionNotFound | Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::RequestTimeout => 408,
            Self::VersionUnknown | Self::VersionTooOld | Self::VersionConflict | Self::SessionExists => 409,
            Self::MessageTooLarge | Self::DocumentTooLarge => 413,
            Self::UnsupportedMediaType => 415,
            Self::DocumentLocked => 423,
            Self::RateLimitExceeded => 429,
            Self::HeadersTooLarge => 431,
            Self::InternalError => 500,
            Self::CapacityExceeded | Self::StorageUnavailable | Self::ShuttingDown => 503,
        }
    }
}

impl Serialize for ErrorCode {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// What an error means for the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It stays open, and a retry helps.
    Warning,
    /// It stays open.
    Error,
    /// A close follows.
    Critical,
}
