//! Clients that are slow, or do not take what they asked for, on one stream or on all.

use std::time::Duration;

use tokio::time::interval;

use super::*;
use crate::config::Config;
use crate::http::tests::support::{BIG_BYTES, run};

/// A thousand bytes in a second, and a second for a head.
fn pace(config: &mut Config) {
    config.http.progress_seconds = 1;
    config.http.progress_bytes = 1_000;
    config.http.header_timeout_seconds = 1;
}

const TENTH: Duration = Duration::from_millis(100);

/// The target of a big document's state.
fn big(front: &Front) -> String {
    format!("/api/documents/big_1/state?token={}", front.token("document:read", &[]))
}

/// Waits for the connection to end, while more and more of a frame is sent if there is any.
async fn ends(mut raw: Raw, drip: &[u8]) {
    let (mut ticks, mut left) = (interval(TENTH), drip);
    loop {
        tokio::select! {
            sent = raw.next() => if sent.is_none() { return },
            _ = ticks.tick(), if !left.is_empty() => {
                let _ = raw.stream.try_write(&left[..1]);
                left = &left[1..];
            }
        }
    }
}

#[test]
fn a_preface_or_a_head_that_does_not_end_is_waited_for_no_longer_than_any_head() {
    run(pace, async |front| {
        let settings = frame(SETTINGS, 0, 0, &[]);
        for bytes in [b"".as_slice(), PREFACE, &[PREFACE, &settings[..5]].concat(), &[PREFACE, &settings].concat()] {
            let mut raw = Raw::silent(&front).await;
            raw.write(bytes).await;
            ends(raw, b"").await;
        }
        // It may have been the beginning of POST.
        for begun in [1, 2, PREFACE.len() - 1] {
            let reply = front.send(&PREFACE[..begun]).await;
            assert_eq!((reply.status, &*reply.error_code()), (408, "REQUEST_TIMEOUT"), "{begun}");
        }
        let head = frame(HEADERS, END_STREAM, 3, &request("GET", "/healthz", &[]));
        let drip = frame(CONTINUATION, 0, 3, &[0; 1_000]);
        for (bytes, drip) in [(&head[..4], b"".as_slice()), (&head[..20], &head[20..]), (&head, b""), (&head, &drip)] {
            let mut raw = Raw::start(&front).await;
            assert!(raw.serves(1).await, "an idle one might wait for longer");
            raw.write(bytes).await;
            ends(raw, drip).await;
        }
    });
}

#[test]
fn an_idle_connection_is_taken_leave_of() {
    run(
        |config| config.http.keep_alive_seconds = 1,
        async |front| {
            let mut raw = Raw::start(&front).await;
            assert!(raw.serves(1).await);
            let rest = raw.rest().await;
            assert!(rest.iter().any(|sent| sent.kind == GOAWAY && sent.error() == Some(0)), "{rest:?}");
            assert!(!raw.is_reset);
        },
    );
}

#[test]
fn an_answer_that_is_not_taken_is_reset_and_the_others_go_on() {
    run(pace, async |front| {
        front.start_core();
        let mut raw = Raw::start(&front).await;
        // The stream's window is 64 KiB, of 4 MiB.
        raw.write(&get(1, &big(&front))).await;
        let mut window = frame(WINDOW_UPDATE, 0, 0, &0xff_ffff_u32.to_be_bytes());
        raw.write(&window).await;
        let reset = raw.next_that(|sent| sent.is(RST_STREAM, 1)).await;
        assert_eq!(reset.error(), Some(CANCEL));
        assert!(raw.serves(3).await);
        // One that takes a little at a time has no more, and one that takes enough has all.
        raw.write(&get(5, &big(&front))).await;
        let mut ticks = interval(TENTH);
        loop {
            tokio::select! {
                sent = raw.next() => if sent.unwrap().is(RST_STREAM, 5) { break },
                _ = ticks.tick() => {
                    window = frame(WINDOW_UPDATE, 0, 5, &50_u32.to_be_bytes());
                    raw.stream.try_write(&window).unwrap();
                }
            }
        }
        raw.write(&get(7, &big(&front))).await;
        raw.write(&frame(WINDOW_UPDATE, 0, 0, &0xff_ffff_u32.to_be_bytes())).await;
        let mut bytes = 0;
        loop {
            tokio::select! {
                sent = raw.next() => {
                    let sent = sent.unwrap();
                    assert!(!sent.is(RST_STREAM, 7), "after {bytes}");
                    bytes += if sent.is(DATA, 7) { sent.payload.len() } else { 0 };
                    if sent.ends(7) { break }
                }
                _ = ticks.tick() => {
                    window = frame(WINDOW_UPDATE, 0, 7, &250_000_u32.to_be_bytes());
                    raw.stream.try_write(&window).unwrap();
                }
            }
        }
        assert!(bytes > BIG_BYTES);
    });
}

#[test]
fn who_takes_nothing_is_let_go_of() {
    run(pace, async |front| {
        front.start_core();
        let open = frame(WINDOW_UPDATE, 0, 0, &0x7fff_0000_u32.to_be_bytes());
        for target in ["/healthz", &big(&front)] {
            // Its streams have no window at all.
            let mut raw = Raw::with(&front, &[(4, 0)]).await;
            raw.write(&get(1, target)).await;
            assert_eq!(raw.next_that(|sent| sent.is(RST_STREAM, 1)).await.error(), Some(CANCEL), "{target}");
        }
        // They have some, so hyper is done with the answers: only their connection can be let go of.
        let mut raw = Raw::with(&front, &[(4, 4)]).await;
        for number in 0..50 {
            raw.write(&get(2 * number + 1, "/healthz")).await;
        }
        raw.rest().await;
        assert!(raw.is_reset);
        // They have all there is, of a socket that is not read.
        let mut raw = Raw::with(&front, &[(4, 0x7fff_ffff)]).await;
        raw.write(&open).await;
        for number in 0..5 {
            raw.write(&get(2 * number + 1, &big(&front))).await;
        }
        raw.stream.ready(tokio::io::Interest::ERROR).await.unwrap();
        let error = raw.stream.take_error().unwrap().unwrap();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "its buffers are not kept for it");
    });
}

#[test]
fn a_connection_that_was_used_may_be_idle_for_longer_than_a_head_may_take() {
    let set = |config: &mut Config| (config.http.header_timeout_seconds, config.http.keep_alive_seconds) = (1, 3);
    run(set, async |front| {
        let mut raw = Raw::start(&front).await;
        assert!(raw.serves(1).await);
        let mut ticks = interval(TENTH);
        for _ in 0..15 {
            ticks.tick().await;
        }
        raw.write(&get(3, "/healthz")).await;
        let sent = raw.next_that(|sent| sent.kind == GOAWAY || sent.ends(3)).await;
        assert!(sent.ends(3), "no leave is taken: {sent:?}");
    });
}

#[test]
fn an_answer_that_is_taken_at_the_pace_goes_on_however_small_the_parts_are() {
    run(pace, async |front| {
        front.start_core();
        let mut raw = Raw::with(&front, &[(4, 0)]).await;
        raw.write(&get(1, &big(&front))).await;
        let (mut ticks, mut bytes) = (interval(TENTH), 0);
        while bytes < 6_000 {
            tokio::select! {
                sent = raw.next() => {
                    let sent = sent.unwrap();
                    assert!(!sent.is(RST_STREAM, 1), "after {bytes} bytes");
                    bytes += if sent.is(DATA, 1) { sent.payload.len() } else { 0 };
                }
                _ = ticks.tick() => {
                    let window = frame(WINDOW_UPDATE, 0, 1, &300_u32.to_be_bytes());
                    raw.stream.try_write(&window).unwrap();
                }
            }
        }
    });
}

#[test]
fn answers_that_wait_on_one_connection_are_bounded_in_all() {
    let set = |config: &mut Config| config.http.answers_bytes = 3 * BIG_BYTES;
    run(set, async |front| {
        front.start_core();
        let mut raw = Raw::start(&front).await;
        let open = frame(WINDOW_UPDATE, 0, 0, &0xff_ffff_u32.to_be_bytes());
        raw.write(&[open, get(1, &big(&front)), get(3, &big(&front))].concat()).await;
        for stream in [1, 3] {
            raw.next_that(|sent| sent.is(DATA, stream)).await;
        }
        raw.write(&get(5, &big(&front))).await;
        let refused = raw.body(5).await;
        assert!(String::from_utf8(refused).unwrap().contains("CAPACITY_EXCEEDED"));
        assert!(raw.serves(7).await, "little ones find room");
        // What is given up makes room.
        raw.write(&frame(RST_STREAM, 0, 1, &[0, 0, 0, 8])).await;
        raw.write(&get(9, &big(&front))).await;
        raw.next_that(|sent| sent.is(DATA, 9)).await;
        drop(raw);
        let other = Client::connect(&front).await;
        while other.get(&big(&front)).await.status != 200 {}
    });
}

#[test]
fn a_sender_of_little_is_told_and_one_of_much_is_heard() {
    run(pace, async |front| {
        front.start_core();
        let token = front.token("document:write", &[]);
        let head = request("POST", &format!("/api/documents/jd_1/changes?token={token}"), &[]);
        let mut raw = Raw::start(&front).await;
        let mut ticks = interval(TENTH);
        for (stream, bytes, status) in [(1, 50, "408"), (3, 200, "200")] {
            raw.write(&frame(HEADERS, END_HEADERS, stream, &head)).await;
            let mut left = 25;
            let answer = loop {
                tokio::select! {
                    sent = raw.next() => {
                        let sent = sent.unwrap();
                        if sent.is(HEADERS, stream) { break sent }
                    }
                    _ = ticks.tick(), if left > 0 => {
                        left -= 1;
                        let flags = if left == 0 { END_STREAM } else { 0 };
                        let _ = raw.stream.try_write(&frame(DATA, flags, stream, &vec![b'x'; bytes]));
                    }
                }
            };
            // Of the static table, or as it is written.
            let is_ok = answer.payload[0] == 0x88;
            assert_eq!(is_ok, status == "200", "{status}: {answer:?}");
            if !is_ok {
                assert!(String::from_utf8(raw.body(stream).await).unwrap().contains("REQUEST_TIMEOUT"));
            }
        }
    });
}
