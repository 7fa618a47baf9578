//! Compressed answers, as a client reads them.

use std::io::Read as _;

use flate2::read::GzDecoder;

use super::support::{BIG_BYTES, Front, Reply, run};
use crate::config::Origins;

const GZIP: &str = "Accept-Encoding: gzip, deflate, br\r\n";

fn inflated(reply: &Reply) -> Vec<u8> {
    assert_eq!(reply.header("content-encoding"), Some("gzip"), "{}", reply.head);
    let mut read = Vec::new();
    GzDecoder::new(&*reply.content()).read_to_end(&mut read).unwrap();
    read
}

fn big(front: &Front, number: usize) -> String {
    format!("/api/documents/big_{number}/state?token={}", front.token("document:read", &[]))
}

#[test]
fn a_large_answer_is_compressed_for_who_wants_that() {
    run(
        |_| {},
        async |front| {
            front.start_core();
            let line = format!("GET {}", big(&front, 1));
            let plain = front.request(&line, "", "").await;
            assert_eq!((plain.header("content-encoding"), plain.header("vary")), (None, Some("accept-encoding")));
            assert_eq!(plain.body.len(), BIG_BYTES + 2);
            let compressed = front.request(&line, GZIP, "").await;
            assert_eq!((compressed.status, compressed.header("vary")), (200, Some("accept-encoding")));
            assert_eq!(compressed.header("content-type"), Some("application/json"));
            assert!(compressed.body.len() < BIG_BYTES / 10, "{}", compressed.body.len());
            assert!(inflated(&compressed) == plain.body);
            let refused = front.request(&line, "Accept-Encoding: gzip;q=0, *\r\n", "").await;
            assert!(refused.body == plain.body);
            let head = front.request(&line.replace("GET", "HEAD"), GZIP, "").await;
            assert_eq!((head.header("content-encoding"), head.body.len()), (Some("gzip"), 0));
            let small = front.request(&line.replace("big_", "small_"), GZIP, "").await;
            assert_eq!((small.header("content-encoding"), small.header("vary")), (None, None));
        },
    );
}

#[test]
fn a_connection_goes_on_behind_a_compressed_answer() {
    run(
        |_| {},
        async |front| {
            front.start_core();
            let ask = |method: &str, headers: &str| {
                format!("{method} {} HTTP/1.1\r\nHost: a\r\n{headers}{GZIP}\r\n", big(&front, 1))
            };
            let requests = [
                ask("HEAD", ""),
                ask("GET", ""),
                "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".to_owned(),
            ];
            let all = front.send(requests.concat()).await;
            let get = Reply::parse(&all.body).unwrap();
            let chunks = get.body.windows(7).position(|end| end == b"\r\n0\r\n\r\n").unwrap() + 7;
            let (body, behind) = get.body.split_at(chunks);
            assert_eq!(
                inflated(&Reply { body: body.to_vec(), ..Reply::parse(&all.body).unwrap() }).len(),
                BIG_BYTES + 2
            );
            assert_eq!(Reply::parse(behind).unwrap().status, 200);
        },
    );
}

#[test]
fn an_answer_that_differs_by_origin_and_by_encoding_says_both() {
    run(
        |config| config.http.allowed_origins = Origins::new("https://app.example.org").unwrap(),
        async |front| {
            front.start_core();
            let headers = format!("Origin: https://app.example.org\r\n{GZIP}");
            let reply = front.request(&format!("GET {}", big(&front, 1)), &headers, "").await;
            let lines = reply.head.lines().filter_map(|line| line.split_once(": "));
            let mut varies: Vec<&str> =
                lines.filter(|(name, _)| name.eq_ignore_ascii_case("vary")).map(|(_, value)| value).collect();
            varies.sort_unstable();
            assert_eq!(varies, ["accept-encoding", "origin"], "{}", reply.head);
        },
    );
}

#[test]
fn one_alone_finds_room_compressed_too() {
    run(
        |config| config.http.answers_bytes = BIG_BYTES / 2,
        async |front| {
            front.start_core();
            let line = format!("GET {}", big(&front, 1));
            assert_eq!(front.request(&line, "", "").await.status, 200);
            let compressed = front.request(&line, GZIP, "").await;
            assert_eq!(compressed.status, 200);
            assert_eq!(inflated(&compressed).len(), BIG_BYTES + 2);
        },
    );
}
