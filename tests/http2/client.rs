//! A client of HTTP/2 that takes answers as it is told to.

use bytes::Bytes;
use h2::RecvStream;
use h2::client::{Builder, SendRequest};
use hyper::{Request, Response};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::support::http::Answer;
use crate::support::{described, within};

/// What may come on all streams and not be read.
const CONNECTION_WINDOW_BYTES: u32 = 8 << 20;

/// One connection; it ends when dropped.
pub(crate) struct Client {
    send: SendRequest<Bytes>,
    /// The task that carries its frames, and how the connection ended.
    pub(crate) ended: JoinHandle<Result<(), h2::Error>>,
}

impl Client {
    /// One without TLS.
    pub(crate) async fn connect(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.expect("the server listens");
        stream.set_nodelay(true).expect("a socket takes it");
        Self::over(stream).await
    }

    /// One over whatever carries bytes. As with browsers, what is not read of one stream leaves room for the others.
    pub(crate) async fn over(io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Self {
        Self::with(Builder::new().initial_connection_window_size(CONNECTION_WINDOW_BYTES), io).await
    }

    /// The same, with settings of its own.
    pub(crate) async fn with(builder: &Builder, io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Self {
        let (send, connection) = within("a handshake", builder.handshake(io)).await.expect("a handshake");
        Self { send, ended: tokio::spawn(connection) }
    }

    /// Sends a request and waits for the head of its answer. Nothing of the body is taken.
    pub(crate) async fn try_open(
        &self,
        method: &str,
        target: &str,
        token: &str,
        body: Option<&Value>,
    ) -> Result<Response<RecvStream>, h2::Error> {
        let request = Request::builder().method(method).uri(format!("http://127.0.0.1{target}"));
        let request = request.header("authorization", format!("Bearer {token}"));
        let request = body.iter().fold(request, |request, _| request.header("content-type", "application/json"));
        let mut send = self.send.clone().ready().await?;
        let (answer, mut stream) = send.send_request(request.body(()).expect("a request"), body.is_none())?;
        if let Some(body) = body {
            stream.send_data(body.to_string().into(), true)?;
        }
        within("an answer", answer).await
    }

    /// The same, of one that has to be answered.
    pub(crate) async fn open(&self, target: &str, token: &str) -> Response<RecvStream> {
        self.try_open("GET", target, token, None).await.unwrap_or_else(|error| panic!("{target}: {error}"))
    }

    /// The whole answer to a request.
    pub(crate) async fn ask(&self, method: &str, target: &str, token: &str, body: Option<&Value>) -> Answer {
        let answer = self.try_open(method, target, token, body).await;
        let (head, body) = answer.unwrap_or_else(|error| panic!("{method} {target}: {error}")).into_parts();
        let headers = head
            .headers
            .iter()
            .map(|(name, value)| (name.as_str().to_owned(), value.to_str().expect("a header is ASCII").to_owned()));
        let body = within("a body", all_of(body)).await.unwrap_or_else(|error| panic!("{method} {target}: {error}"));
        let answer = Answer::new(head.status.as_u16(), headers.collect(), body);
        described::check_answer(format!("{method} {target} HTTP/2\r\n").as_bytes(), &answer);
        answer
    }

    /// The answer to a GET.
    pub(crate) async fn get(&self, target: &str, token: &str) -> Answer {
        self.ask("GET", target, token, None).await
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.ended.abort();
    }
}

/// The next part of a body; none at its end.
pub(crate) async fn next_of(body: &mut RecvStream) -> Result<Option<Bytes>, h2::Error> {
    let Some(data) = body.data().await.transpose()? else { return Ok(None) };
    body.flow_control().release_capacity(data.len())?;
    Ok(Some(data))
}

/// A whole body.
pub(crate) async fn all_of(mut body: RecvStream) -> Result<Vec<u8>, h2::Error> {
    let mut bytes = Vec::new();
    while let Some(data) = next_of(&mut body).await? {
        bytes.extend_from_slice(&data);
    }
    Ok(bytes)
}
