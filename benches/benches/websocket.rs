//! The WebSocket codec: decoding messages as a core reads them, unmasking, and encoding a shared
//! frame.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use jddb_core::websocket::{
    Decoder, DecoderLimits, Deflater, Event, FrameBuilder, Inflater, MessageKind, apply_mask, encode_message,
};

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
const LIMITS: DecoderLimits = DecoderLimits::new(1 << 20);

/// French text, as much of the traffic is: not all of it ASCII.
fn text(bytes: usize) -> Vec<u8> {
    let mut text = "Rédiger et réviser des descriptions d'emploi bilingues. ".repeat(bytes / 50 + 1);
    text.truncate(text.floor_char_boundary(bytes));
    text.into_bytes()
}

/// A text message of about `payload_bytes` as a client sends it.
fn client_frame(payload_bytes: usize) -> Vec<u8> {
    masked(0x81, text(payload_bytes))
}

/// A frame as a client sends it.
fn masked(first: u8, mut payload: Vec<u8>) -> Vec<u8> {
    apply_mask(&mut payload, KEY, 0);
    let mut frame = vec![first];
    match u16::try_from(payload.len()) {
        Ok(len) => {
            frame.push(0x80 | 126);
            frame.extend(len.to_be_bytes());
        }
        Err(_) => {
            frame.push(0x80 | 127);
            frame.extend((payload.len() as u64).to_be_bytes());
        }
    }
    frame.extend(KEY);
    frame.extend(payload);
    frame
}

/// The bytes of all messages in `read`.
fn decode(decoder: &mut Decoder, read: &mut [u8]) -> usize {
    let mut input = read;
    let mut bytes = 0;
    let mut inflater = Inflater::default();
    while let Some(event) = decoder.decode(&mut input, &mut inflater).expect("the stream is valid") {
        if let Event::Message(message) = event {
            bytes += black_box(message.payload).len();
        }
    }
    bytes
}

/// `count` messages in reads of `read_bytes`.
fn bench_decode(c: &mut Criterion, name: &str, payload_bytes: usize, count: usize, read_bytes: usize) {
    let stream = client_frame(payload_bytes).repeat(count);
    let mut group = c.benchmark_group("websocket/decode");
    group.throughput(Throughput::Bytes(stream.len() as u64));
    group.bench_function(name, |b| {
        b.iter_batched_ref(
            || (Decoder::new(LIMITS, false), stream.clone()),
            |(decoder, stream)| -> usize { stream.chunks_mut(read_bytes).map(|read| decode(decoder, read)).sum() },
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

fn decode_messages(c: &mut Criterion) {
    bench_decode(c, "128B_x64", 128, 64, usize::MAX);
    bench_decode(c, "128B_x64_reads_of_1000B", 128, 64, 1_000);
    bench_decode(c, "64KiB", 64 << 10, 1, usize::MAX);
    bench_decode(c, "64KiB_reads_of_16KiB", 64 << 10, 1, 16 << 10);
}

/// The definition, which `apply_mask` is to beat by an order of magnitude.
fn mask_byte_by_byte(payload: &mut [u8], key: [u8; 4]) {
    for (i, byte) in payload.iter_mut().enumerate() {
        *byte ^= black_box(key[i % 4]);
    }
}

fn mask(c: &mut Criterion) {
    let mut group = c.benchmark_group("websocket/mask");
    for (name, bytes) in [("128B", 128), ("64KiB", 64 << 10)] {
        let mut payload = text(bytes);
        group.throughput(Throughput::Bytes(payload.len() as u64));
        group.bench_function(name, |b| b.iter(|| apply_mask(black_box(&mut payload), KEY, 1)));
        group.bench_function(format!("{name}_byte_by_byte"), |b| {
            b.iter(|| mask_byte_by_byte(black_box(&mut payload), KEY));
        });
    }
    group.finish();
}

fn encode(c: &mut Criterion) {
    let payload = text(128);
    c.bench_function("websocket/encode/128B", |b| {
        b.iter(|| {
            let mut frame = FrameBuilder::with_capacity(256);
            frame.payload().extend_from_slice(black_box(&payload));
            frame.finish(MessageKind::Text, false)
        });
    });
}

/// Compressing what is sent, and inflating what was compressed so, with what a core keeps for it.
fn compress(c: &mut Criterion) {
    let mut group = c.benchmark_group("websocket/compress");
    let (mut deflater, mut inflater) = (Deflater::default(), Inflater::default());
    for (name, bytes) in [("2KiB", 2 << 10), ("64KiB", 64 << 10), ("1MiB", (1 << 20) - 8)] {
        let plain = encode_message(MessageKind::Text, false, &words(bytes));
        group.throughput(Throughput::Bytes(bytes as u64));
        group.bench_function(format!("deflate_{name}"), |b| b.iter(|| deflater.deflate(black_box(&plain))));
        let deflated = deflater.deflate(&plain);
        let header = if deflated[1] == 127 { 10 } else { 4 };
        let received = masked(deflated[0], deflated[header..].to_vec());
        eprintln!("{bytes} bytes are deflated to {}", received.len());
        group.bench_function(format!("inflate_{name}"), |b| {
            b.iter_batched_ref(
                || (Decoder::new(LIMITS, true), received.clone()),
                |(decoder, bytes)| {
                    let mut input = &mut bytes[..];
                    let event = decoder.decode(&mut input, &mut inflater).expect("the stream is valid");
                    black_box(event);
                },
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

/// Text that repeats itself no more than such texts do.
fn words(bytes: usize) -> Vec<u8> {
    const SYLLABLES: [&str; 16] =
        ["ré", "di", "ger", "le", "la", "tion", "ment", "de", "em", "ploi", "tra", "duc", "com", "pé", "ten", "ces"];
    let (mut text, mut state) = (String::new(), 1_u64);
    while text.len() < bytes {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        text.push_str(SYLLABLES[(state >> 60) as usize]);
        if (state >> 56) % 16 < 5 {
            text.push(' ');
        }
    }
    text.truncate(text.floor_char_boundary(bytes));
    text.into_bytes()
}

criterion_group!(websocket, decode_messages, mask, encode, compress);
criterion_main!(websocket);
