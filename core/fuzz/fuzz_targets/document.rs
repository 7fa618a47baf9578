//! Submissions, resends, restarts: whole lives of a document.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| jddb_core_fuzz::document(data));
