//! Answers to what is no HTTP request, which hyper gives by itself, before any of our code, and without a body.

use hyper::StatusCode;
use jddb_core::protocol::ErrorCode;

use super::error::HttpError;

/// More bytes than any head that hyper makes by itself.
const HEAD_BYTES_MAX: usize = 512;
const HEAD_START: &[u8] = b"HTTP/1.1 ";
const HEAD_END: &[u8] = b"\r\n\r\n";
const NO_BODY: &[u8] = b"\r\ncontent-length: 0\r\n";

/// Where in the bytes that hyper is about to write its own bodyless error begins, and its status.
///
/// It is always the last thing that hyper writes. Nothing of ours looks like it: our errors have a body, and a body of
/// ours is JSON, in which no line ends with CR LF.
pub(super) fn find(written: &[u8]) -> Option<(usize, StatusCode)> {
    if !written.ends_with(HEAD_END) {
        return None;
    }
    let tail_start = written.len().saturating_sub(HEAD_BYTES_MAX);
    let tail = &written[tail_start..];
    let start = tail.windows(HEAD_START.len()).rposition(|window| window == HEAD_START)?;
    let head = &tail[start..];
    let status = StatusCode::from_bytes(head.get(HEAD_START.len()..)?.get(..3)?).ok()?;
    let has_no_body = head.windows(NO_BODY.len()).any(|window| window == NO_BODY);
    (status.is_client_error() && has_no_body).then_some((tail_start + start, status))
}

/// What to say instead.
pub(super) fn error_for(status: StatusCode) -> HttpError {
    match status {
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => HttpError::new(
            ErrorCode::HeadersTooLarge,
            "the request's head is larger than the server takes, or has more than 100 headers: send fewer or shorter ones",
        ),
        StatusCode::URI_TOO_LONG => {
            HttpError::new(ErrorCode::ValidationError, "the request's target is too long: shorten it")
                .with_status(status)
        }
        StatusCode::REQUEST_TIMEOUT => HttpError::new(
            ErrorCode::RequestTimeout,
            "the request's head did not arrive in time: send it at once, then retry",
        ),
        _ => HttpError::new(
            ErrorCode::ValidationError,
            "this is not an HTTP/1.1 request: expected a request line and headers as in RFC 9112, without TLS",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(written: &str, expected: Option<(usize, u16)>) {
        let found = find(written.as_bytes()).map(|(start, status)| (start, status.as_u16()));
        assert_eq!(found, expected, "{written:?}");
    }

    #[test]
    fn finds_what_hyper_writes_by_itself() {
        let error = "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\ndate: Sun, 21 Sep 2025 12:45:30 GMT\r\n\r\n";
        check(error, Some((0, 400)));
        check(&format!("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{{}}{error}"), Some((40, 400)));
        check(&format!("{}{error}", "x".repeat(2000)), Some((2000, 400)));
        check("HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\n\r\n", Some((0, 431)));
    }

    #[test]
    fn passes_over_everything_else() {
        check("", None);
        check("\r\n\r\n", None);
        check("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n", None);
        check("HTTP/1.1 404 Not Found\r\ncontent-length: 120\r\n\r\n", None);
        check("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", None);
        check("HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\r\n", None);
        check("HTTP/1.1 x\r\ncontent-length: 0\r\n\r\n", None);
    }
}
