//! Operations from parts, and what may be done with them.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| jddb_core_fuzz::operations(data));
