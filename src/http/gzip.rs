//! Compressed answers (gzip, RFC 1952), made while they are sent.

use std::convert::Infallible;
use std::io::Write as _;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::HeaderMap;
use hyper::body::{Body, Frame};
use hyper::header::{ACCEPT_ENCODING, CONTENT_ENCODING, HeaderValue, VARY};

use super::answers::{AnswerBudget, Held};
use super::caller::lines;
use super::response::{AnswerBody, HttpResponse};

/// What is smaller is not worth it.
const BYTES_MIN: usize = 1 << 10;
/// What is compressed at once. The core serves others before the next slice.
const SLICE_BYTES: usize = 64 << 10;
/// What is held for the compression of what is larger, beside the answer itself.
const ENCODER_BYTES: usize = 320 << 10;
/// The fastest.
const LEVEL: u32 = 1;

/// A body that is compressed slice by slice, as fast as its client takes it.
#[derive(Debug)]
pub(super) struct GzipBody {
    rest: Bytes,
    /// None when all is out.
    encoder: Option<GzEncoder<Vec<u8>>>,
    /// It is the others' turn.
    pauses: bool,
    _held: Option<Held>,
}

/// Whether the client would rather have an answer compressed, or as gladly (RFC 9110, section 12.5.3).
pub(super) fn is_wanted(headers: &HeaderMap) -> bool {
    let (mut gzip, mut identity, mut any) = (None, None, None);
    for line in lines(headers, &ACCEPT_ENCODING) {
        for element in line.split(',') {
            let (coding, parameters) = element.split_once(';').unwrap_or((element, ""));
            let quality = quality(parameters);
            match &*coding.trim().to_ascii_lowercase() {
                "gzip" | "x-gzip" => gzip = Some(quality),
                "identity" => identity = Some(quality),
                "*" => any = Some(quality),
                _ => {}
            }
        }
    }
    let gzip = gzip.or(any).unwrap_or(0);
    gzip > 0 && gzip >= identity.unwrap_or(0)
}

/// Thousandths; what is malformed is not wanted.
fn quality(parameters: &str) -> u16 {
    let parameters = parameters.trim();
    if parameters.is_empty() {
        return 1_000;
    }
    let Some((name, value)) = parameters.split_once('=') else { return 0 };
    let (whole, thousandths) = value.trim().split_once('.').unwrap_or_else(|| (value.trim(), ""));
    let is_plain = thousandths.len() <= 3 && thousandths.bytes().all(|digit| digit.is_ascii_digit());
    if !name.trim().eq_ignore_ascii_case("q") || !is_plain {
        return 0;
    }
    let thousandths = format!("{thousandths:0<3}").parse().unwrap_or(0);
    match whole {
        "0" => thousandths,
        "1" if thousandths == 0 => 1_000,
        _ => 0,
    }
}

/// The same answer, compressed if the client wants that, it is large enough, and there is room for what that takes.
///
/// An `ETag` stays as it is: it names a document's version, for `If-Match`, and no part of a body is ever asked for by it.
pub(super) fn compress(mut answer: HttpResponse, is_wanted: bool, answers: &AnswerBudget) -> HttpResponse {
    let bytes = answer.body().size_hint().exact().and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(0);
    if bytes < BYTES_MIN || answer.headers().contains_key(CONTENT_ENCODING) {
        return answer;
    }
    answer.headers_mut().append(VARY, HeaderValue::from_static("accept-encoding"));
    if !is_wanted {
        return answer;
    }
    let held = if bytes > SLICE_BYTES { answers.hold(bytes + ENCODER_BYTES) } else { None };
    let is_small = bytes <= SLICE_BYTES;
    if !is_small && held.is_none() {
        return answer;
    }
    let Some(whole) = answer.body_mut().take_whole() else { return answer };
    let mut body = GzipBody::new(whole, held);
    *answer.body_mut() = if is_small { AnswerBody::whole(body.next()) } else { AnswerBody::Gzip(Box::new(body)) };
    answer.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    answer
}

impl GzipBody {
    fn new(whole: Bytes, held: Option<Held>) -> Self {
        let encoder = GzEncoder::new(Vec::new(), Compression::new(LEVEL));
        Self { rest: whole, encoder: Some(encoder), pauses: false, _held: held }
    }

    /// Compresses the next slice; what comes out of it, which may be nothing.
    fn next(&mut self) -> Vec<u8> {
        let Some(encoder) = &mut self.encoder else { return Vec::new() };
        let slice = self.rest.split_to(SLICE_BYTES.min(self.rest.len()));
        // Writing to memory does not fail.
        let _ = encoder.write_all(&slice);
        if !self.rest.is_empty() {
            return std::mem::take(encoder.get_mut());
        }
        self.encoder.take().and_then(|encoder| encoder.finish().ok()).unwrap_or_default()
    }
}

impl Body for GzipBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.encoder.is_none() {
            return Poll::Ready(None);
        }
        if !std::mem::replace(&mut self.pauses, true) {
            let out = self.next();
            if !out.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(out.into()))));
            }
        }
        self.pauses = false;
        context.waker().wake_by_ref();
        Poll::Pending
    }

    fn is_end_stream(&self) -> bool {
        self.encoder.is_none()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::task::Waker;

    use flate2::read::GzDecoder;
    use hyper::StatusCode;
    use hyper::header::ETAG;

    use super::*;
    use crate::http::response;

    #[test]
    fn what_the_client_wants_is_read_with_its_weights() {
        let check = |line: &str, expected: bool| {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_ENCODING, line.parse().unwrap());
            assert_eq!(is_wanted(&headers), expected, "{line}");
        };
        assert!(!is_wanted(&HeaderMap::new()));
        for wanted in [
            "gzip",
            "x-gzip",
            "GZIP",
            "deflate, gzip;q=1.0, *;q=0.5",
            "*",
            "br;q=1, gzip ; q=0.001",
            "gzip;q=0.5, identity;q=0.5",
            "identity;q=0, *;q=0.1",
        ] {
            check(wanted, true);
        }
        for other in [
            "",
            "br, deflate",
            "gzip;q=0",
            "gzip;q=0.000, *",
            "*;q=0",
            "identity",
            "identity, gzip;q=0.9",
            "gzip;q=2",
            "gzip;q=1.001",
            "gzip;q=0.0001",
            "gzip;q=-1",
            "gzip;q=x",
            "gzip;q",
            "gzip;x=1",
            "gzipx",
        ] {
            check(other, false);
        }
    }

    fn body(bytes: &Bytes) -> GzipBody {
        GzipBody::new(Bytes::clone(bytes), None)
    }

    fn check(bytes: Vec<u8>) {
        let bytes = Bytes::from(bytes);
        let mut body = body(&bytes);
        let mut context = Context::from_waker(Waker::noop());
        let (mut compressed, mut left, mut polls) = (Vec::new(), bytes.len(), 0);
        loop {
            polls += 1;
            let polled = Pin::new(&mut body).poll_frame(&mut context);
            assert!(left - body.rest.len() <= SLICE_BYTES, "more than a slice at once");
            left = body.rest.len();
            match polled {
                Poll::Ready(Some(Ok(frame))) => compressed.extend(frame.into_data().unwrap()),
                Poll::Ready(None) => break,
                Poll::Pending => {}
            }
        }
        assert!(polls > bytes.len() / SLICE_BYTES && body.is_end_stream());
        let mut read = Vec::new();
        GzDecoder::new(&*compressed).read_to_end(&mut read).unwrap();
        assert!(read == bytes);
    }

    #[test]
    fn slice_by_slice_it_is_the_same() {
        let noise: Vec<u8> = (0..1_000_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
        for length in [1_024, SLICE_BYTES - 1, SLICE_BYTES, SLICE_BYTES + 1, 3 * SLICE_BYTES, 1_000_000] {
            check(noise[..length].to_vec());
            check(vec![b'x'; length]);
        }
    }

    #[test]
    fn between_two_slices_others_have_their_turn() {
        let noise: Vec<u8> = (0..100_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
        let mut body = body(&Bytes::from(noise));
        let mut context = Context::from_waker(Waker::noop());
        let ready: Vec<bool> = (0..6).map(|_| Pin::new(&mut body).poll_frame(&mut context).is_ready()).collect();
        assert_eq!(ready, [true, false, true, false, true, false]);
    }

    #[test]
    fn what_compressing_holds_is_counted_and_bounded() {
        let bytes = SLICE_BYTES + 1;
        let budget = AnswerBudget::new(2 * (bytes + ENCODER_BYTES));
        let compressed = |bytes: usize| {
            let mut answer = response::json(StatusCode::OK, "x".repeat(bytes));
            answer.headers_mut().insert(ETAG, HeaderValue::from_static("\"42\""));
            let answer = compress(answer, true, &budget);
            assert_eq!(answer.headers()[VARY], "accept-encoding");
            assert_eq!(answer.headers()[ETAG], "\"42\"");
            let is_gzip = answer.headers().contains_key(CONTENT_ENCODING);
            (answer, is_gzip)
        };
        let (first, second) = (compressed(bytes), compressed(bytes));
        assert!(first.1 && second.1);
        let third = compressed(bytes);
        assert!(!third.1, "a third one is sent as it is");
        assert_eq!(third.0.body().size_hint().exact(), Some(bytes as u64));
        let small = compressed(SLICE_BYTES);
        assert!(small.1 && small.0.body().size_hint().exact().is_some(), "what is small is compressed at once");
        drop(first);
        assert!(compressed(bytes).1, "what is dropped makes room");
        drop(second);
        assert!(!budget.is_crowded());
    }
}
