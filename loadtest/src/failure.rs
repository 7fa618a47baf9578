//! Why a run ended early, and which exit code that is.

use std::fmt::Display;

/// A reason to stop. The text says what was expected and what to do about it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The command line asks for something impossible: exit code 2, as for an unknown flag.
    #[error("{0}")]
    Usage(String),
    /// The run could not be carried out or its server misbehaved: exit code 1.
    #[error("{0}")]
    Run(String),
}

impl Failure {
    /// A failed run: what was being done, and the error met.
    pub(crate) fn run(doing: impl Display, error: impl Display) -> Self {
        Self::Run(format!("{doing}: {error}"))
    }

    /// The exit code a shell or a CI job acts on.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Run(_) => 1,
            Self::Usage(_) => 2,
        }
    }
}
