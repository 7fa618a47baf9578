//! HTTP requests that are malformed, too large or too slow.

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::Bystander;
use crate::support::home::Home;
use crate::support::{http, within};

#[tokio::test]
async fn malformed_requests_are_answered_in_the_form_of_the_reference() {
    let home = Home::new();
    let server = home.start().ready().await;
    let mut bystander = Bystander::join(&home, &server, "shared").await;
    let token = home.token("user");
    let head = |lines: &str| format!("{lines}\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n").into_bytes();
    let cases: [(&str, Vec<u8>, u16, &str); 6] = [
        ("no request line", b"\x16\x03\x01 hello\r\n\r\n".to_vec(), 400, "VALIDATION_ERROR"),
        ("a version of its own", b"GET / HTTP/9.9\r\n\r\n".to_vec(), 400, "VALIDATION_ERROR"),
        ("a header without a colon", b"GET / HTTP/1.1\r\nno header\r\n\r\n".to_vec(), 400, "VALIDATION_ERROR"),
        (
            "two lengths",
            b"POST /api/documents/shared/changes HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab".to_vec(),
            400,
            "VALIDATION_ERROR",
        ),
        (
            "a large header",
            [
                head("GET /api/documents/shared/state HTTP/1.1"),
                format!("X-Large: {}\r\n\r\n", "a".repeat(20_000)).into_bytes(),
            ]
            .concat(),
            431,
            "HEADERS_TOO_LARGE",
        ),
        (
            "a thousand headers",
            [head("GET /api/documents/shared/state HTTP/1.1"), "X: y\r\n".repeat(1_000).into_bytes(), b"\r\n".to_vec()]
                .concat(),
            431,
            "HEADERS_TOO_LARGE",
        ),
    ];
    for (what, request, status, code) in cases {
        eprintln!("case: {what}");
        let answer = http::exchange(server.port(), &request).await;
        answer.error(status, code);
        bystander.goes_on_undisturbed().await;
    }
}

#[tokio::test]
async fn bodies_that_are_wrong_are_refused() {
    let home = Home::new();
    let server = home.start().ready().await;
    let mut bystander = Bystander::join(&home, &server, "shared").await;
    let token = home.token("user");
    let post = async |headers: &str, body: &[u8]| {
        let head = format!(
            "POST /api/documents/shared/changes HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\
             Authorization: Bearer {token}\r\n{headers}\r\n"
        );
        http::exchange(server.port(), &[head.as_bytes(), body].concat()).await
    };
    let json = "Content-Type: application/json\r\n";
    let with_length = |kind: &str, length: usize| format!("{kind}Content-Length: {length}\r\n");
    let good =
        json!({"changes": [{"operation": "insert", "position": 0, "content": "x"}], "base_version": 1}).to_string();

    let large = vec![b' '; 1_100_000];
    post(&with_length(json, large.len()), &large).await.error(413, "MESSAGE_TOO_LARGE");
    post(&with_length(json, 1 << 40), b"").await.error(413, "MESSAGE_TOO_LARGE");
    let chunk = [format!("{:x}\r\n", large.len()).as_bytes(), &large, b"\r\n0\r\n\r\n"].concat();
    post(&format!("{json}Transfer-Encoding: chunked\r\n"), &chunk).await.error(413, "MESSAGE_TOO_LARGE");
    for kind in ["Content-Type: text/plain\r\n", "Content-Type: application/x-www-form-urlencoded\r\n"] {
        post(&with_length(kind, good.len()), good.as_bytes()).await.error(415, "UNSUPPORTED_MEDIA_TYPE");
    }
    for body in [&b""[..], b"{", b"[]", b"\"\xff\"", b"null"] {
        post(&with_length(json, body.len()), body).await.error(400, "VALIDATION_ERROR");
    }
    bystander.goes_on_undisturbed().await;
    let charset = "Content-Type: application/json; charset=utf-8\r\n";
    post(&with_length(charset, good.len()), good.as_bytes()).await.ok();
}

#[tokio::test]
async fn slow_requests_time_out() {
    let home = Home::new();
    let start = home.start().env("JDDB_HTTP__HEADER_TIMEOUT_SECONDS", "1").env("JDDB_HTTP__PROGRESS_SECONDS", "1");
    let server = start.ready().await;
    let mut bystander = Bystander::join(&home, &server, "shared").await;
    let token = home.token("user");
    let slow_head = b"GET /api/documents/shared/state HTTP/1.1\r\nHost: 127".to_vec();
    let slow_body = format!(
        "POST /api/documents/shared/changes HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{{"
    );
    for bytes in [slow_head, slow_body.into_bytes()] {
        let mut stream = TcpStream::connect(("127.0.0.1", server.port())).await.expect("a connection");
        stream.write_all(&bytes).await.expect("room for a few bytes");
        let answer = within("the server to lose patience", http::read_answer(&mut stream)).await.expect("an answer");
        answer.error(408, "REQUEST_TIMEOUT");
        bystander.goes_on_undisturbed().await;
    }
    // A connection that says nothing at all is closed without a word.
    let mut silent = TcpStream::connect(("127.0.0.1", server.port())).await.expect("a connection");
    let ended = within("a silent connection to end", http::read_answer(&mut silent)).await;
    assert!(ended.is_err() || ended.is_ok_and(|answer| answer.status == 408));
}

/// Six hundred connections that never become anything, of four kinds, while somebody types.
#[tokio::test]
async fn a_flood_of_handshakes_that_lead_to_nothing_disturbs_nobody() {
    const FLOOD: usize = 600;
    let home = Home::new();
    let server = home.start().env("JDDB_HTTP__HEADER_TIMEOUT_SECONDS", "2").ready().await;
    let mut bystander = Bystander::join(&home, &server, "shared").await;
    let half = "GET /ws/document/shared HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upg";
    let kinds: [&[u8]; 4] = [b"", b"GET /healthz HT", half.as_bytes(), b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"];
    let mut flood = Vec::new();
    for number in 0..FLOOD {
        let connected = TcpStream::connect(("127.0.0.1", server.port()));
        let mut stream = within("a connection", connected).await.expect("there is room");
        // One that is closed already has its answer.
        let _ = stream.write_all(kinds[number % kinds.len()]).await;
        flood.push(stream);
        if number % 10 == 0 {
            bystander.goes_on_undisturbed().await;
        }
    }
    for stream in &mut flood {
        // What it was told, if anything; a reset is an end too.
        let _ = within("its end", stream.read_to_end(&mut Vec::new())).await;
    }
    bystander.goes_on_undisturbed().await;
    let token = home.token("newcomer");
    assert_eq!(http::get(server.port(), "/api/documents/shared/state", &token).await.status, 200);
}
