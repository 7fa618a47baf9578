//! WebSocket frames in arbitrary reads.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| jddb_core_fuzz::frames(data));
