//! The server's binary: see `jddb-realtime --help`.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    jddb_realtime::cli::run(std::env::args_os())
}
