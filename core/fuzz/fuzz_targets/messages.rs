//! Messages as a client may send them.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| jddb_core_fuzz::messages(data));
