//! Why the translation memory does not do what it is asked.

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
