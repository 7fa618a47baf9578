//! The form of an answer that is no error.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body, Frame, SizeHint};
use hyper::header::{
    CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, LOCATION, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Response, StatusCode};
use jddb_core::ids::Version;

use crate::cores::Answered;

use super::gzip::GzipBody;
use crate::connection::StreamBody;

/// An answer.
pub(super) type HttpResponse = Response<AnswerBody>;

pub(super) const JSON: HeaderValue = HeaderValue::from_static("application/json");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// The body of an answer.
#[derive(Debug)]
pub(super) enum AnswerBody {
    /// In memory as a whole.
    Whole(Full<Bytes>),
    /// Compressed while it is sent.
    Gzip(Box<GzipBody>),
    /// An event stream, which ends when its core says so.
    Stream(StreamBody),
}

impl Default for AnswerBody {
    fn default() -> Self {
        Self::Whole(Full::default())
    }
}

impl AnswerBody {
    /// What is in memory as a whole.
    pub(super) fn whole(body: impl Into<Bytes>) -> Self {
        Self::Whole(Full::new(body.into()))
    }

    /// Takes what is in memory as a whole, if it is.
    pub(super) fn take_whole(&mut self) -> Option<Bytes> {
        let Self::Whole(whole) = self else { return None };
        let mut context = Context::from_waker(Waker::noop());
        match Pin::new(whole).poll_frame(&mut context) {
            Poll::Ready(Some(Ok(frame))) => frame.into_data().ok(),
            Poll::Ready(None | Some(Err(_))) | Poll::Pending => None,
        }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Self::Whole(whole) => Pin::new(whole).poll_frame(context),
            Self::Gzip(gzip) => Pin::new(&mut **gzip).poll_frame(context),
            Self::Stream(stream) => Pin::new(stream).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(whole) => whole.is_end_stream(),
            Self::Gzip(gzip) => gzip.is_end_stream(),
            Self::Stream(stream) => stream.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(whole) => whole.size_hint(),
            Self::Gzip(gzip) => gzip.size_hint(),
            Self::Stream(stream) => stream.size_hint(),
        }
    }
}

/// An answer without a body.
pub(super) fn empty(status: StatusCode) -> HttpResponse {
    let mut response = HttpResponse::default();
    *response.status_mut() = status;
    response
}

/// What every answer says: it is what it says it is, it is kept by nobody who was not told how long, and no page that is
/// gone to from it learns of its address, in which a token may be.
pub(super) fn guard(headers: &mut HeaderMap) {
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.entry(CACHE_CONTROL).or_insert(NO_STORE);
}

/// An answer with a JSON body.
pub(super) fn json(status: StatusCode, body: impl Into<Bytes>) -> HttpResponse {
    let mut response = Response::new(AnswerBody::Whole(Full::new(body.into())));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
}

/// What a document's core answered: its version is the tag of the answer, which `If-Match` may name.
pub(super) fn answered(status: StatusCode, answered: Answered) -> HttpResponse {
    let mut response = json_of_now(status, answered.body);
    if let Some(version) = answered.version {
        tag(&mut response, version);
    }
    response
}

/// Says which version an answer is of.
pub(super) fn tag(response: &mut HttpResponse, version: Version) {
    // Digits in quotes are always fit for a header.
    if let Ok(value) = HeaderValue::from_str(&format!("\"{version}\"")) {
        response.headers_mut().insert(ETAG, value);
    }
}

/// Says where what is new is from now on. The path is of visible ASCII, and so fit for a header.
pub(super) fn locate(response: &mut HttpResponse, path: &str) {
    if let Ok(location) = HeaderValue::from_str(path) {
        response.headers_mut().insert(LOCATION, location);
    }
}

/// An answer with a JSON body that is true for this moment only.
pub(super) fn json_of_now(status: StatusCode, body: impl Into<Bytes>) -> HttpResponse {
    let mut response = json(status, body);
    response.headers_mut().insert(CACHE_CONTROL, NO_STORE);
    response
}

/// An event stream.
pub(super) fn events(body: StreamBody) -> HttpResponse {
    let mut response = Response::new(AnswerBody::Stream(body));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // What nginx takes as a word not to collect events before it passes them on.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}
