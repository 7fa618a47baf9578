//! Servers whose clock is ahead, for what takes hours: a library that is loaded before the system's.

use super::home::Home;
use super::preload;
use super::server::Start;

/// What is loaded: the time of day, and so many seconds more.
const SOURCE: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>

int clock_gettime(clockid_t clock, struct timespec *time) {
    static int (*system_clock)(clockid_t, struct timespec *);
    static long ahead;
    if (!system_clock) {
        const char *seconds = getenv("CLOCK_AHEAD_SECONDS");
        ahead = seconds ? atol(seconds) : 0;
        system_clock = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    }
    int result = system_clock(clock, time);
    if (result == 0 && clock == CLOCK_REALTIME) time->tv_sec += ahead;
    return result;
}
"#;

/// The library, compiled.
#[derive(Debug)]
pub(crate) struct Ahead {
    library: String,
}

impl Ahead {
    /// Compiles the library.
    ///
    /// # Errors
    /// Why that is not possible here.
    pub(crate) fn compile(home: &Home) -> Result<Self, String> {
        Ok(Self { library: preload::compile(home, "ahead", SOURCE)? })
    }

    /// Sets a server's clock ahead by so many seconds; what it measures time with is left alone.
    pub(crate) fn by<'h>(&self, seconds: u64, start: Start<'h>) -> Start<'h> {
        start.env("LD_PRELOAD", &self.library).env("CLOCK_AHEAD_SECONDS", &seconds.to_string())
    }
}
