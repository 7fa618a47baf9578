//! A room from outside: what its members say, what is made durable when, and what each of them reads.

#![expect(clippy::cast_possible_truncation, reason = "random bits are cut off on purpose")]
#![expect(clippy::unwrap_used, reason = "in helpers of tests, too, a failed unwrap is how a test fails")]

mod bilingual;
mod bounds;
mod compression;
mod conflation;
mod counterpart;
mod cursors;
mod dialects;
mod endings;
mod events;
mod gates;
mod http;
mod joins;
mod ladder;
mod messages;
#[path = "../../fuzz/src/naive_inflate.rs"]
mod naive_inflate;
mod observer;
mod once;
mod order;
mod parser;
mod presence;
mod rates;
mod refusals;
mod replica;
mod rng;
mod saves;
mod sessions;
mod support;
mod sync;
mod tokens;
mod translator;
mod visits;
mod watch;
