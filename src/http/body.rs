//! The body of a request.

use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::HeaderMap;
use hyper::body::{Body, Incoming};
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE};
use jddb_core::protocol::ErrorCode;
use tokio::time::timeout;

use super::error::HttpError;

use super::site::Site;
use crate::clock;
use crate::config::Http;
use crate::progress::{Pace, Progress};

/// Reads a JSON body as a whole.
///
/// # Errors
/// It says that it is something else, is larger than `http.body_bytes`, comes more slowly than `http.progress_bytes` in
/// `http.progress_seconds`, breaks off, or finds the server full of unfinished bodies and messages.
pub(super) async fn read_json(headers: &HeaderMap, body: Incoming, site: &Site) -> Result<Vec<u8>, HttpError> {
    let config = &site.shared.config.http;
    check_media_type(headers)?;
    // Refused before the client is told to go on (RFC 9110, section 10.1.1).
    if body.size_hint().lower() > config.body_bytes as u64 {
        return Err(too_large(config));
    }
    let mut body = Limited::new(body, config.body_bytes);
    let mut held = Held { site, bytes: Vec::new() };
    let mut progress = Progress::begin(Pace::new(config), clock::monotonic());
    loop {
        let frame = match timeout(progress.left(clock::monotonic()), body.frame()).await {
            Err(_) => return Err(too_slow(config)),
            Ok(None) => return Ok(held.release()),
            Ok(Some(Err(error))) if error.is::<LengthLimitError>() => return Err(too_large(config)),
            Ok(Some(Err(_))) => {
                return Err(HttpError::invalid("body", "a body that is complete and framed as its headers say"));
            }
            Ok(Some(Ok(frame))) => frame,
        };
        if let Ok(data) = frame.into_data() {
            progress.moved(data.len(), clock::monotonic());
            held.extend(&data)?;
        }
    }
}

/// What has come of a body, counted with the unfinished messages of WebSockets.
struct Held<'a> {
    site: &'a Site,
    bytes: Vec<u8>,
}

impl Held<'_> {
    fn count(&self, before: usize, after: usize) -> bool {
        let bytes_max = self.site.limits.get().unfinished_message_bytes;
        let unfinished = &self.site.shared.unfinished;
        unfinished.count(before, after, bytes_max);
        unfinished.may_keep(after, bytes_max)
    }

    /// The body, complete and no longer counted.
    fn release(mut self) -> Vec<u8> {
        self.count(self.bytes.len(), 0);
        std::mem::take(&mut self.bytes)
    }

    fn extend(&mut self, data: &[u8]) -> Result<(), HttpError> {
        let before = self.bytes.len();
        self.bytes.extend_from_slice(data);
        if self.count(before, self.bytes.len()) { Ok(()) } else { Err(HttpError::at_capacity()) }
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.count(self.bytes.len(), 0);
    }
}

pub(super) fn too_slow(config: &Http) -> HttpError {
    let Http { progress_bytes, progress_seconds, .. } = config;
    HttpError::new(
        ErrorCode::RequestTimeout,
        format!(
            "fewer than {progress_bytes} bytes of the body came in {progress_seconds} seconds: send it at once, then retry"
        ),
    )
}

fn too_large(config: &Http) -> HttpError {
    let max = config.body_bytes;
    HttpError::new(
        ErrorCode::MessageTooLarge,
        format!("the body is larger than {max} bytes: send the changes in parts"),
    )
}

/// A body without a type is taken for what it has to be.
fn check_media_type(headers: &HeaderMap) -> Result<(), HttpError> {
    let refused = |what| Err(HttpError::new(ErrorCode::UnsupportedMediaType, what));
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    if types.next().is_some_and(|value| !is_json(value.as_bytes())) || types.next().is_some() {
        return refused("the body is not JSON in UTF-8 by its Content-Type: send application/json, once");
    }
    let is_identity = |value: &[u8]| value.eq_ignore_ascii_case(b"identity");
    if headers.get_all(CONTENT_ENCODING).iter().any(|value| !is_identity(value.as_bytes())) {
        return refused("the body has a Content-Encoding: send it without");
    }
    Ok(())
}

/// `application/json`, or a type built on it (RFC 6839, section 3.1), in UTF-8. Other parameters say nothing to us.
fn is_json(content_type: &[u8]) -> bool {
    let content_type = content_type.to_ascii_lowercase();
    let mut parts = content_type.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
    let essence = parts.next().unwrap_or_default();
    let is_json =
        essence == b"application/json" || (essence.starts_with(b"application/") && essence.ends_with(b"+json"));
    let is_utf_8 = |charset: &[u8]| matches!(charset, b"utf-8" | b"\"utf-8\"" | b"utf8" | b"us-ascii");
    is_json && parts.filter_map(|part| part.strip_prefix(b"charset=")).all(is_utf_8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_goes_by_several_names() {
        for json in [
            "application/json",
            "Application/JSON; charset=utf-8",
            "application/json;Charset=\"UTF-8\"; v=1",
            "application/merge-patch+json",
            "application/json ",
        ] {
            assert!(is_json(json.as_bytes()), "{json}");
        }
        for other in [
            "",
            "text/plain",
            "application/x-www-form-urlencoded",
            "application/jsonp",
            "text/json+x",
            "application/",
            "application/json; charset=utf-16",
            "application/json;charset=iso-8859-1",
            "application/json, text/plain",
        ] {
            assert!(!is_json(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn a_body_must_not_say_that_it_is_something_else() {
        let check = |name: &'static str, value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            check_media_type(&headers).is_ok()
        };
        assert!(check_media_type(&HeaderMap::new()).is_ok());
        assert!(check("content-type", "application/json"));
        assert!(!check("content-type", "text/plain"));
        assert!(check("content-encoding", "identity"));
        assert!(!check("content-encoding", "gzip"));
    }
}
