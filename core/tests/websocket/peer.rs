//! Another implementation at the other end of a pipe in memory: fastwebsockets.

use fastwebsockets::{Frame, OpCode, Payload, Role, WebSocket};
use jddb_core::websocket::{
    CloseCode, Decoder, FrameBuilder, MessageKind, encode_close, encode_message, encode_ping, encode_pong,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use crate::support::*;

fn client(stream: DuplexStream) -> WebSocket<DuplexStream> {
    let mut client = WebSocket::after_handshake(stream, Role::Client);
    client.set_auto_close(false);
    client.set_auto_pong(false);
    client
}

struct Sent {
    fin: bool,
    opcode: OpCode,
    payload: Vec<u8>,
}

/// A message as frames for the client to send, with the event it is to become.
fn message_to_send(rng: &mut Rng, frames: &mut Vec<Sent>, expected: &mut Vec<Seen>) {
    let len = rng.payload_len();
    let (opcode, payload, event) = if rng.one_in(2) {
        let text = rng.text(len).into_bytes();
        (OpCode::Text, text.clone(), Seen::Text(text))
    } else {
        let bytes = rng.bytes(len);
        (OpCode::Binary, bytes.clone(), Seen::Binary(bytes))
    };
    let count = rng.below(4);
    let mut cuts = rng.cuts(payload.len(), count);
    cuts.dedup();
    let mut start = 0;
    for (i, end) in cuts.iter().copied().chain([payload.len()]).enumerate() {
        let fin = i == cuts.len();
        let opcode = if i == 0 { opcode } else { OpCode::Continuation };
        frames.push(Sent { fin, opcode, payload: payload[start..end].to_vec() });
        start = end;
        if !fin && rng.one_in(3) {
            let len = rng.below(126);
            let payload = rng.bytes(len);
            frames.push(Sent { fin: true, opcode: OpCode::Ping, payload: payload.clone() });
            expected.push(Seen::Ping(payload));
        }
    }
    expected.push(event);
}

async fn check_received_by_us(rng: &mut Rng) {
    let (mut frames, mut expected) = (Vec::new(), Vec::new());
    for _ in 0..20 {
        message_to_send(rng, &mut frames, &mut expected);
    }
    frames.push(Sent { fin: true, opcode: OpCode::Close, payload: close_payload(1000, "done") });
    expected.push(Seen::Close(Some((1000, "done".into()))));

    let (near, mut far) = tokio::io::duplex(1 + rng.below(20_000));
    let send = async move {
        let mut client = client(near);
        for Sent { fin, opcode, payload } in frames {
            client.write_frame(Frame::new(fin, opcode, None, Payload::Owned(payload))).await.unwrap();
        }
    };
    let receive = async {
        let (mut decoder, mut seen) = (Decoder::new(LIMITS, false), Vec::new());
        // One read buffer of no particular size, as connections of a core share one.
        let mut buffer = vec![0; 1 + rng.below(10_000)];
        while let len @ 1.. = far.read(&mut buffer).await.unwrap() {
            feed(&mut decoder, &mut buffer[..len], &LIMITS, &mut seen);
        }
        seen
    };
    let ((), seen) = tokio::join!(send, receive);
    assert!(seen == expected, "{seen:?}, expected {expected:?}");
}

#[tokio::test]
async fn what_the_peer_sends_is_what_we_receive() {
    let mut rng = Rng::from_env(7);
    for _ in 0..200 {
        check_received_by_us(&mut rng).await;
    }
}

async fn check_received_by_peer(rng: &mut Rng) {
    let (mut frames, mut expected) = (Vec::new(), Vec::new());
    for _ in 0..20 {
        let len = rng.payload_len();
        let text = rng.text(len).into_bytes();
        let short = rng.below(126);
        let bytes = rng.bytes(short);
        let (frame, opcode, payload) = match rng.below(4) {
            0 => (encode_message(MessageKind::Binary, false, &text), OpCode::Binary, text),
            1 => (encode_ping(&bytes), OpCode::Ping, bytes),
            2 => (encode_pong(&bytes), OpCode::Pong, bytes),
            _ => {
                let mut frame = FrameBuilder::with_capacity(rng.below(200));
                frame.payload().extend_from_slice(&text);
                (frame.finish(MessageKind::Text, false), OpCode::Text, text)
            }
        };
        frames.push(frame);
        expected.push((opcode, payload));
    }
    frames.push(encode_close(CloseCode::GOING_AWAY, "SHUTTING_DOWN retry_ms=1234"));
    expected.push((OpCode::Close, close_payload(1001, "SHUTTING_DOWN retry_ms=1234")));

    let (near, mut far) = tokio::io::duplex(1 + rng.below(20_000));
    let send = async move {
        for frame in frames {
            far.write_all(&frame).await.unwrap();
        }
    };
    let receive = async {
        let mut client = client(near);
        for (opcode, payload) in &expected {
            let frame = client.read_frame().await.unwrap();
            assert!(frame.fin && frame.opcode == *opcode && *frame.payload == payload[..]);
        }
    };
    tokio::join!(send, receive);
}

#[tokio::test]
async fn what_we_send_is_what_the_peer_receives() {
    let mut rng = Rng::from_env(8);
    for _ in 0..200 {
        check_received_by_peer(&mut rng).await;
    }
}
