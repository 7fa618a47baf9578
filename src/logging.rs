//! Logs: to stderr, as text or JSON lines, and never with a token in them.

use std::borrow::Cow;
use std::io::IsTerminal as _;

use tracing_subscriber::filter::ParseError;
use tracing_subscriber::util::TryInitError;
use tracing_subscriber::{EnvFilter, reload};

use crate::auth::percent_decode;
use crate::config::{Log, LogFormat};

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// The filter is not one. The settings check finds this earlier.
    #[error("log.filter: {0}")]
    Filter(#[from] ParseError),
    /// Something in this process logs already.
    #[error("logging is set up already: {0}")]
    Twice(#[from] TryInitError),
    /// The log itself is gone.
    #[error("log.filter: {0}")]
    Reload(#[from] reload::Error),
}

/// The way to another filter while the process runs.
pub struct FilterHandle(Box<dyn Fn(EnvFilter) -> Result<(), reload::Error>>);

impl std::fmt::Debug for FilterHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("FilterHandle").finish_non_exhaustive()
    }
}

impl FilterHandle {
    /// Logs by another filter from now on.
    ///
    /// # Errors
    /// The filter is none. The settings check finds this earlier.
    pub fn set(&self, filter: &str) -> Result<(), LoggingError> {
        (self.0)(EnvFilter::try_new(filter)?)?;
        Ok(())
    }
}

/// Sends the process's logs to stderr. To be called once.
///
/// # Errors
/// If the filter cannot be read, or on a second call.
pub fn init(log: &Log) -> Result<FilterHandle, LoggingError> {
    use tracing_subscriber::util::SubscriberInitExt as _;

    let filter = EnvFilter::try_new(&log.filter)?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match log.format {
        LogFormat::Text => {
            let builder = builder.with_ansi(std::io::stderr().is_terminal()).with_filter_reloading();
            let handle = builder.reload_handle();
            builder.finish().try_init()?;
            Ok(FilterHandle(Box::new(move |filter| handle.reload(filter))))
        }
        LogFormat::Json => {
            let builder = builder.json().flatten_event(true).with_filter_reloading();
            let handle = builder.reload_handle();
            builder.finish().try_init()?;
            Ok(FilterHandle(Box::new(move |filter| handle.reload(filter))))
        }
    }
}

/// A request target as it may be logged: values of parameters named like a token, and whatever looks like a JWT,
/// become `[redacted]`.
#[must_use]
pub fn redact_query(target: &str) -> Cow<'_, str> {
    let Some((path, query)) = target.split_once('?') else {
        return Cow::Borrowed(target);
    };
    if !query.split('&').any(is_secret) {
        return Cow::Borrowed(target);
    }
    let shown: Vec<Cow<'_, str>> = query.split('&').map(redact_parameter).collect();
    Cow::Owned(format!("{path}?{}", shown.join("&")))
}

fn redact_parameter(parameter: &str) -> Cow<'_, str> {
    if !is_secret(parameter) {
        return Cow::Borrowed(parameter);
    }
    match parameter.split_once('=') {
        Some((name, _)) if !holds_jwt(name) => Cow::Owned(format!("{name}=[redacted]")),
        _ => Cow::Borrowed("[redacted]"),
    }
}

fn is_secret(parameter: &str) -> bool {
    // What cannot be decoded is judged as it stands; it is no token that we would accept.
    let decoded = percent_decode(parameter).unwrap_or_else(|| parameter.to_owned());
    let name = decoded.split('=').next().unwrap_or_default().to_ascii_lowercase();
    name.contains("token") || holds_jwt(&decoded)
}

/// Every JWT begins with the base64url of `{"`.
fn holds_jwt(text: &str) -> bool {
    text.contains("eyJ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(target: &str, expected: &str) {
        assert_eq!(redact_query(target), expected);
    }

    #[test]
    fn tokens_go() {
        check("/ws/document/jd_1?token=abc", "/ws/document/jd_1?token=[redacted]");
        check("/ws?mode=view&token=abc&x=1", "/ws?mode=view&token=[redacted]&x=1");
        check("/ws?access_token=abc&TOKEN=d", "/ws?access_token=[redacted]&TOKEN=[redacted]");
        check("/ws?%74oken=abc", "/ws?%74oken=[redacted]");
        check("/ws?t=eyJhbGciOi.x.y", "/ws?t=[redacted]");
        check("/ws?eyJhbGciOi.x.y", "/ws?[redacted]");
        check("/ws?eyJhbGciOi.x.y=1", "/ws?[redacted]");
        check("/ws?a?token=x", "/ws?a?token=[redacted]");
        check("/ws?token=%zz", "/ws?token=[redacted]");
    }

    #[test]
    fn the_rest_stays() {
        for target in ["/", "/ws?", "/ws?mode=view&greeting=on-join", "/healthz", "/x?=&&%"] {
            check(target, target);
        }
    }
}
