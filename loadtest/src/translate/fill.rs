//! Putting sentences into a server's memory: as a TMX file that is made while it is sent.

use std::fmt::Write as _;
use std::io;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::corpus::{Corpus, Pair};
use crate::clock;
use crate::failure::Failure;
use crate::http::Head;
use crate::report::{float, grouped};
use crate::scan::excerpt;
use crate::target::Endpoint;

/// What is sent at once.
const CHUNK_BYTES: usize = 256 << 10;
/// The longest wait for the server to have all of it on disk, once it was sent.
const IMPORTED_WITHIN: Duration = Duration::from_mins(30);
/// So many entries are sent between lines that tell how far it is.
const ENTRIES_PER_LINE: u64 = 250_000;
const NANOS_PER_SECOND: f64 = 1e9;

const HEADER: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<tmx version=\"1.4\">\n<header creationtool=\"jddb-loadtest\" \
    creationtoolversion=\"1\" segtype=\"sentence\" o-tmf=\"none\" adminlang=\"en\" srclang=\"en\" \
    datatype=\"plaintext\"/>\n<body>\n";
const FOOTER: &str = "</body>\n</tmx>\n";

/// What became of the sentences.
#[derive(Debug, Serialize)]
pub(super) struct Filled {
    /// Those that were not there before.
    created: u64,
    /// Those that were.
    unchanged: u64,
    /// From the first byte sent to the answer, by which all are on disk and found.
    seconds: f64,
}

impl Filled {
    /// As it is told.
    pub(super) fn line(&self) -> String {
        let Self { created, unchanged, seconds } = self;
        format!("{} created, {} there already, in {seconds:.1} s", grouped(*created), grouped(*unchanged))
    }
}

/// What a server says of an import, as far as it matters here.
#[derive(Debug, Deserialize)]
struct Summary {
    units: u64,
    created: u64,
    updated: u64,
    unchanged: u64,
}

/// Imports the corpus into a project, as reviewed.
pub(super) async fn fill(endpoint: &Endpoint, project: &str, token: &str, corpus: &Corpus) -> Result<Filled, Failure> {
    let doing = format!("importing {} entries into the memory of http://{}", corpus.entries, endpoint.host);
    let fail = |error: io::Error| Failure::run(&doing, error);
    let began = clock::now();
    let mut stream = TcpStream::connect(endpoint.address).await.map_err(fail)?;
    let head = format!(
        "POST /api/translation/memory/import?project_id={project}&reviewed=true HTTP/1.1\r\nHost: {}\r\n\
         Authorization: Bearer {token}\r\nContent-Type: application/xml\r\nTransfer-Encoding: chunked\r\n\
         Connection: close\r\n\r\n",
        endpoint.host
    );
    // A server that refuses does not read to the end; why is in its answer.
    let sent = send(&mut stream, &head, corpus).await;
    let answer = tokio::time::timeout(IMPORTED_WITHIN, answer(&mut stream)).await;
    let answer = answer.unwrap_or_else(|_elapsed| Err(io::Error::other("no answer within 30 min of the last byte")));
    let (head, body) = answer.map_err(|error| fail(sent.err().unwrap_or(error)))?;
    if head.status() != 200 {
        return Err(Failure::run(&doing, format!("{} {}", head.status_line(), excerpt(&body))));
    }
    let summary = serde_json::from_slice::<Summary>(&body);
    let Summary { units, created, updated, unchanged } =
        summary.map_err(|error| Failure::run(&doing, format!("{error} in {}", excerpt(&body))))?;
    if units != corpus.entries || created + updated + unchanged != units {
        return Err(Failure::run(&doing, format!("not all of it was taken: {}", excerpt(&body))));
    }
    let seconds = float(clock::now().since(began)) / NANOS_PER_SECOND;
    Ok(Filled { created, unchanged: updated + unchanged, seconds })
}

async fn send(stream: &mut TcpStream, head: &str, corpus: &Corpus) -> io::Result<()> {
    stream.write_all(head.as_bytes()).await?;
    let mut text = String::with_capacity(CHUNK_BYTES + 4_096);
    text.push_str(HEADER);
    for number in 0..corpus.entries {
        write_unit(&mut text, &corpus.pair(number));
        if text.len() >= CHUNK_BYTES {
            send_chunk(stream, &text).await?;
            text.clear();
        }
        if (number + 1) % ENTRIES_PER_LINE == 0 {
            eprintln!("sent {} of {} entries", grouped(number + 1), grouped(corpus.entries));
        }
    }
    text.push_str(FOOTER);
    send_chunk(stream, &text).await?;
    stream.write_all(b"0\r\n\r\n").await
}

async fn send_chunk(stream: &mut TcpStream, text: &str) -> io::Result<()> {
    stream.write_all(format!("{:x}\r\n", text.len()).as_bytes()).await?;
    stream.write_all(text.as_bytes()).await?;
    stream.write_all(b"\r\n").await
}

fn write_unit(text: &mut String, pair: &Pair) {
    let Pair { source, target } = pair;
    // Writing to a String cannot fail, and there is nothing to escape in the words.
    let _ = writeln!(
        text,
        "<tu><tuv xml:lang=\"en\"><seg>{source}</seg></tuv><tuv xml:lang=\"fr\"><seg>{target}</seg></tuv></tu>"
    );
}

async fn answer(stream: &mut TcpStream) -> io::Result<(Head, Vec<u8>)> {
    let mut head = Head::read(stream).await?;
    let mut body = std::mem::take(&mut head.rest);
    stream.read_to_end(&mut body).await?;
    Ok((head, body))
}
