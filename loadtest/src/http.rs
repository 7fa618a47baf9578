//! As much HTTP/1.1 as a load generator needs: the head of a response, and one GET.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::rustls::pki_types::CertificateDer;

use crate::failure::Failure;
use crate::scan::excerpt;
use crate::target::Endpoint;
use crate::tls;

/// A response's head longer than this is refused.
const HEAD_BYTES_MAX: usize = 16 << 10;
/// A response's body longer than this is refused: the largest document, JSON-escaped.
const BODY_BYTES_MAX: u64 = 64 << 20;
/// The longest wait for one response.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The head of a response, as text, and what was read behind it.
#[derive(Debug)]
pub(crate) struct Head {
    text: String,
    /// Bytes after the empty line.
    pub(crate) rest: Vec<u8>,
}

impl Head {
    /// Reads up to the empty line.
    pub(crate) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Self> {
        let mut bytes = Vec::with_capacity(1024);
        loop {
            if let Some(end) = memchr::memmem::find(&bytes, b"\r\n\r\n") {
                let rest = bytes.split_off(end + 4);
                let text = String::from_utf8_lossy(&bytes).into_owned();
                return Ok(Self { text, rest });
            }
            if bytes.len() > HEAD_BYTES_MAX {
                return Err(io::Error::other("the head of the response is over 16 KiB"));
            }
            if stream.read_buf(&mut bytes).await? == 0 {
                return Err(io::Error::other(format!(
                    "the server closed the connection instead of answering (read {:?})",
                    excerpt(&bytes)
                )));
            }
        }
    }

    /// The status code, 0 if there is none.
    pub(crate) fn status(&self) -> u16 {
        let status = self.text.split(' ').nth(1);
        status.and_then(|status| status.parse().ok()).unwrap_or_default()
    }

    /// The first line, for errors.
    pub(crate) fn status_line(&self) -> &str {
        self.text.lines().next().unwrap_or_default()
    }

    /// The value of the header `name`, in lower case as it is compared.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.text.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// GETs `path` (with its query) on a connection of its own; `token` goes into `Authorization`. Any status but 200 is an error.
pub(crate) async fn get(endpoint: &Endpoint, path: &str, token: Option<&str>) -> Result<Vec<u8>, Failure> {
    let doing = format!("GET http://{}{path}", endpoint.host);
    let answer = ask(endpoint, path, token).await.map_err(|error| Failure::run(&doing, error))?;
    if answer.head.status() == 200 {
        return Ok(answer.body);
    }
    let said = format!("{} {}", answer.head.status_line(), excerpt(&answer.body));
    Err(Failure::run(&doing, said))
}

/// What a server answered.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Its head.
    pub(crate) head: Head,
    /// Its body.
    pub(crate) body: Vec<u8>,
    /// The certificate that the server showed, where the connection was encrypted.
    pub(crate) certificate: Option<CertificateDer<'static>>,
}

/// The same, whatever the answer is.
pub(crate) async fn ask(endpoint: &Endpoint, path: &str, token: Option<&str>) -> io::Result<Answer> {
    let asking = async {
        let tcp = TcpStream::connect(endpoint.address).await?;
        let Some(encryption) = &endpoint.encryption else {
            let (head, body) = exchange(tcp, &endpoint.host, path, token).await?;
            return Ok(Answer { head, body, certificate: None });
        };
        let stream = encryption.connect(tcp).await?;
        let certificate = tls::certificate(&stream).cloned();
        let (head, body) = exchange(stream, &endpoint.host, path, token).await?;
        Ok(Answer { head, body, certificate })
    };
    let answered = tokio::time::timeout(TIMEOUT, asking).await;
    answered.unwrap_or_else(|_elapsed| Err(io::Error::other("no answer within 30 s")))
}

async fn exchange(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    host: &str,
    path: &str,
    token: Option<&str>,
) -> io::Result<(Head, Vec<u8>)> {
    let authorization = token.map_or_else(String::new, |token| format!("Authorization: Bearer {token}\r\n"));
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{authorization}Connection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    stream.flush().await?;
    let mut head = Head::read(&mut stream).await?;
    let mut body = std::mem::take(&mut head.rest);
    stream.take(BODY_BYTES_MAX).read_to_end(&mut body).await?;
    let chunked = head.header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"));
    let body = if chunked { dechunk(&body)? } else { body };
    Ok((head, body))
}

/// Joins the chunks of a chunked body; trailers are left out.
fn dechunk(mut chunks: &[u8]) -> io::Result<Vec<u8>> {
    let broken = || io::Error::other("the chunked body of the response is cut off or malformed");
    let mut body = Vec::with_capacity(chunks.len());
    loop {
        let line = memchr::memmem::find(chunks, b"\r\n").ok_or_else(broken)?;
        let size = str::from_utf8(&chunks[..line]).map_err(|_utf8| broken())?;
        let size = size.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(size, 16).map_err(|_number| broken())?;
        if size == 0 {
            return Ok(body);
        }
        let data = chunks.get(line + 2..).ok_or_else(broken)?;
        body.extend_from_slice(data.get(..size).ok_or_else(broken)?);
        chunks = data.get(size + 2..).ok_or_else(broken)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    #[track_caller]
    fn check_chunks(chunks: &[u8], expected: Option<&[u8]>) {
        assert_eq!(dechunk(chunks).ok().as_deref(), expected);
    }

    #[test]
    fn chunks_are_joined_and_broken_ones_refused() {
        check_chunks(b"3\r\nabc\r\nA;x=1\r\n0123456789\r\n0\r\n\r\n", Some(b"abc0123456789"));
        check_chunks(b"0\r\n\r\n", Some(b""));
        check_chunks(b"3\r\nab", None);
        check_chunks(b"zz\r\nab\r\n", None);
        check_chunks(b"", None);
        check_chunks(b"3\r\nabc\r\n", None);
    }

    async fn answer(response: &'static [u8]) -> Result<Vec<u8>, Failure> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let endpoint = Endpoint { address, host: address.to_string(), encryption: None };
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            let read = stream.read(&mut request).await.unwrap();
            assert!(request[..read].starts_with(b"GET /x HTTP/1.1\r\n"));
            stream.write_all(response).await.unwrap();
        };
        let ((), answer) = tokio::join!(serve, get(&endpoint, "/x", Some("t")));
        answer
    }

    #[tokio::test]
    async fn a_get_gives_the_body_or_says_what_the_server_said() {
        let body = answer(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").await;
        assert_eq!(body.unwrap(), b"hi");
        let chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n";
        assert_eq!(answer(chunked).await.unwrap(), b"hi");
        let refused = answer(b"HTTP/1.1 403 Forbidden\r\n\r\nno scope").await;
        let text = refused.unwrap_err().to_string();
        assert!(text.contains("403 Forbidden") && text.contains("no scope"), "{text}");
        let silent = answer(b"").await.unwrap_err().to_string();
        assert!(silent.contains("closed the connection"), "{silent}");
    }
}
