//! Why the translation memory does not do what it is asked.

use jddb_core::protocol::{ErrorCode, InboundError};
use jddb_core::translation::{GlossaryError, MemoryError, SearchError, TextError};

use crate::auth::AuthError;

/// Why something was not done.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum TranslationError {
    /// It cannot be remembered.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// The glossary cannot be changed so.
    #[error(transparent)]
    Glossary(#[from] GlossaryError),
    /// The text cannot be looked up.
    #[error(transparent)]
    Text(#[from] TextError),
    /// What is wanted of it is out of range.
    #[error(transparent)]
    Search(#[from] SearchError),
    /// Whoever asked has come with a token that is revoked by now.
    #[error(transparent)]
    Token(AuthError),
    /// Too much waits already.
    #[error("the translation memory has too much to do: retry in a moment")]
    Busy,
    /// Nothing can be written.
    #[error("the server cannot write to its disk: what was sent may be there or not when it is restarted; retry then")]
    Storage,
    /// The thread is gone.
    #[error("the translation memory does not answer any more")]
    Gone,
}

impl TranslationError {
    /// The code to answer with.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::Memory(MemoryError::Text(_) | MemoryError::Known(_))
            | Self::Glossary(GlossaryError::Taken(_))
            | Self::Text(_) => ErrorCode::ValidationError,
            Self::Memory(MemoryError::Unknown(_)) | Self::Glossary(GlossaryError::Unknown(_)) => ErrorCode::NotFound,
            Self::Memory(MemoryError::OfOthers) => ErrorCode::Forbidden,
            Self::Token(_) => ErrorCode::Unauthenticated,
            Self::Memory(_) | Self::Glossary(GlossaryError::Full) | Self::Busy => ErrorCode::CapacityExceeded,
            Self::Storage => ErrorCode::StorageUnavailable,
            Self::Search(_) | Self::Gone => ErrorCode::InternalError,
        }
    }

    /// The field that is wrong, where one is.
    #[must_use]
    pub const fn field(&self) -> &'static str {
        match self {
            Self::Memory(MemoryError::Known(_)) => "translated_text",
            Self::Glossary(_) => "term",
            _ => "source_text",
        }
    }
}

impl From<TranslationError> for InboundError {
    /// As the connection is told whose message it was.
    fn from(error: TranslationError) -> Self {
        let code = error.code();
        let field = (code == ErrorCode::ValidationError).then(|| format!("payload.{}", error.field()));
        // An internal error names no internals.
        let message = match code {
            ErrorCode::InternalError => "the translation memory has failed: send this again later".to_owned(),
            _ => error.to_string(),
        };
        Self { code, message, field, expected: None, correlation_id: None }
    }
}
