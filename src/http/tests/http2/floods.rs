//! Clients that send more than anybody could need, or for ever.

use super::*;
use crate::http::tests::support::{BIG_BYTES, run};

/// The error with which the connection was ended.
async fn goes_away(raw: &mut Raw) -> Option<u32> {
    raw.rest().await.iter().filter(|sent| sent.kind == GOAWAY).filter_map(Sent::error).next_back()
}

#[test]
fn heads_without_an_end_are_cut_off() {
    run(
        |_| {},
        async |front| {
            let mut raw = Raw::start(&front).await;
            raw.write(&frame(HEADERS, END_STREAM, 1, &request("GET", "/healthz", &[]))).await;
            raw.write(&frame(CONTINUATION, 0, 1, &field("x", "y")).repeat(100)).await;
            assert_eq!(goes_away(&mut raw).await, Some(ENHANCE_YOUR_CALM));
            // As few frames as there may be, and as large ones.
            let mut raw = Raw::start(&front).await;
            raw.write(&frame(HEADERS, END_STREAM, 1, &request("GET", "/healthz", &[]))).await;
            let large = field("x", &"y".repeat(16_000));
            raw.write(&frame(CONTINUATION, 0, 1, &large).repeat(100)).await;
            assert_eq!(goes_away(&mut raw).await, Some(ENHANCE_YOUR_CALM));
        },
    );
}

#[test]
fn a_client_is_told_how_much_it_may_send() {
    run(
        |config| config.http.streams = 77,
        async |front| {
            let mut raw = Raw::start(&front).await;
            let told = raw.next_that(|sent| sent.kind == SETTINGS && sent.flags & ACK == 0).await;
            let number = |bytes: &[u8]| bytes.iter().fold(0, |number, byte| number << 8 | usize::from(*byte));
            let said = |name: usize| {
                let mut pairs = told.payload.chunks(6).filter(|pair| number(&pair[..2]) == name);
                pairs.next().map(|pair| number(&pair[2..]))
            };
            // Streams, and what may come on each; the largest frame is the smallest that may be told.
            assert_eq!((said(3), said(4), said(5).unwrap_or(16 << 10)), (Some(77), Some(64 << 10), 16 << 10));
            let more = raw.next_that(|sent| sent.is(WINDOW_UPDATE, 0)).await;
            assert_eq!(65_535 + number(&more.payload), 128 << 10, "and on all together");
            raw.write(&frame(DATA, 0, 1, &[0; (16 << 10) + 1])).await;
            assert_eq!(goes_away(&mut raw).await, Some(FRAME_SIZE_ERROR));
        },
    );
}

#[test]
fn whoever_is_sent_much_may_say_often_that_there_is_room_for_more() {
    run(
        |_| {},
        async |front| {
            front.start_core();
            let mut raw = Raw::start(&front).await;
            let token = front.token("document:read", &[]);
            raw.write(&get(1, &format!("/api/documents/big_1/state?token={token}"))).await;
            let mut read = 0;
            loop {
                let sent = raw.next_that(|sent| sent.stream == 1).await;
                assert_eq!(sent.error(), None, "after {read} bytes");
                if sent.kind == DATA {
                    read += sent.payload.len();
                    // Little by little, and of all streams together too: far more frames than are allowed at once.
                    let room = [0, 1].map(|stream| frame(WINDOW_UPDATE, 0, stream, &256_u32.to_be_bytes())).concat();
                    raw.write(&room.repeat(sent.payload.len().div_ceil(256))).await;
                }
                if sent.ends(1) {
                    break;
                }
            }
            assert_eq!(read, BIG_BYTES + 2);
        },
    );
}

#[test]
fn streams_that_are_opened_and_reset_are_bounded() {
    run(
        |_| {},
        async |front| {
            let reset = |stream: u32| [get(stream, "/healthz"), frame(RST_STREAM, 0, stream, &[0, 0, 0, 8])].concat();
            let mut raw = Raw::start(&front).await;
            let flood: Vec<u8> = (0..10_000).flat_map(|number| reset(2 * number + 1)).collect();
            raw.write(&flood).await;
            assert_eq!(goes_away(&mut raw).await, Some(ENHANCE_YOUR_CALM));
            // Whoever loses interest now and then is served on.
            let mut raw = Raw::start(&front).await;
            for number in 0..200 {
                raw.write(&reset(4 * number + 1)).await;
                assert!(raw.serves(4 * number + 3).await);
            }
        },
    );
}

#[test]
fn streams_that_are_reset_for_errors_are_bounded() {
    run(
        |_| {},
        async |front| {
            let mut raw = Raw::start(&front).await;
            let malformed = |stream| frame(HEADERS, END_HEADERS | END_STREAM, stream, &field(":method", "GET"));
            raw.write(&malformed(1)).await;
            assert_eq!(raw.next_that(|sent| sent.kind == RST_STREAM).await.error(), Some(PROTOCOL_ERROR));
            assert!(raw.serves(3).await, "the others go on");
            let flood: Vec<u8> = (2..1_000).flat_map(|number| malformed(2 * number + 1)).collect();
            raw.write(&flood).await;
            assert_eq!(goes_away(&mut raw).await, Some(ENHANCE_YOUR_CALM));
        },
    );
}

#[test]
fn frames_that_bring_nothing_are_bounded() {
    run(
        |_| {},
        async |front| {
            let cases = [
                (PING, frame(PING, 0, 0, &[0; 8])),
                (SETTINGS, frame(SETTINGS, 0, 0, &[])),
                (SETTINGS, frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 255, 255])),
                (WINDOW_UPDATE, frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1])),
                (2, frame(2, 0, 1, &[0, 0, 0, 0, 1])),
                (0x42, frame(0x42, 0, 0, b"what is this")),
            ];
            for (kind, one) in cases {
                let mut raw = Raw::start(&front).await;
                assert!(raw.serves(1).await);
                // A few hundred are nobody's loss.
                raw.write(&one.repeat(500)).await;
                assert!(raw.serves(3).await, "{kind}");
                // The client reads, so that it is not for that that it is let go of.
                let (mut read, mut write) = raw.stream.split();
                let mut discarded = tokio::io::sink();
                let flood = one.repeat(1_000_000);
                let (all_taken, _) = tokio::join!(write.write_all(&flood), tokio::io::copy(&mut read, &mut discarded));
                assert!(all_taken.is_err(), "{kind}: a million frames were taken");
            }
        },
    );
}

#[test]
fn more_streams_than_allowed_are_refused_and_the_others_go_on() {
    run(
        |config| config.http.streams = 3,
        async |front| {
            front.start_core();
            let token = front.token("document:read", &[]);
            // One that is never answered.
            let target = format!("/api/documents/silent_1/events?token={token}");
            let mut raw = Raw::start(&front).await;
            let settings = raw.next_that(|sent| sent.kind == SETTINGS && sent.flags & ACK == 0).await;
            assert!(settings.payload.chunks(6).any(|pair| pair == [0, 3, 0, 0, 0, 3]), "the bound is told");
            for number in 0..4 {
                raw.write(&get(2 * number + 1, &target)).await;
            }
            let refused = raw.next_that(|sent| sent.kind == RST_STREAM).await;
            assert_eq!((refused.stream, refused.error()), (7, Some(REFUSED_STREAM)));
            // One that ends makes room.
            raw.write(&frame(RST_STREAM, 0, 1, &[0, 0, 0, 8])).await;
            assert!(raw.serves(9).await);
        },
    );
}

#[test]
fn requests_of_one_connection_take_the_places_of_connections() {
    let set = |config: &mut crate::config::Config| {
        config.limits.connections = 1;
        config.limits.requests_per_minute = 0;
        config.http.streams = 2_000;
    };
    run(set, async |front| {
        // Nobody answers for the documents.
        let token = front.token("document:read", &[]);
        let mut raw = Raw::start(&front).await;
        // All 1,025 places but that of the connection itself.
        let target = format!("/api/documents/jd_1/state?token={token}");
        let silent: Vec<u8> = (0..1_024).flat_map(|number| get(2 * number + 1, &target)).collect();
        raw.write(&silent).await;
        raw.write(&get(3_001, "/healthz")).await;
        let answer = raw.body(3_001).await;
        assert!(String::from_utf8(answer).unwrap().contains("CAPACITY_EXCEEDED"));
        // A place is free again as soon as its request is over.
        raw.write(&frame(RST_STREAM, 0, 1, &[0, 0, 0, 8])).await;
        assert!(raw.serves(3_003).await);
    });
}

#[test]
fn heads_that_are_too_large_are_told_so_or_cut_off() {
    run(
        |_| {},
        async |front| {
            let client = Client::connect(&front).await;
            let large = "x".repeat(20_000);
            let many: Vec<(&str, &str)> = vec![("x", "y"); 101];
            let long = format!("/openapi.json?{large}");
            for (target, headers) in [("/openapi.json", &[("x", &*large)][..]), ("/openapi.json", &many), (&long, &[])]
            {
                let reply = client.ask("GET", target, headers, "").await;
                assert_eq!((reply.status, &*reply.error_code()), (431, "HEADERS_TOO_LARGE"));
                assert!(reply.header("x-ratelimit-limit").is_some());
            }
            assert_eq!(client.ask("GET", "/healthz", &many[..100], "").await.status, 200);
            // Four times as large: hyper's own answer, which has no body.
            let larger = "x".repeat(70_000);
            assert_eq!(client.ask("GET", "/healthz", &[("x", &larger)], "").await.status, 431);
            assert_eq!(client.get("/healthz").await.status, 200, "the connection goes on");
        },
    );
}
