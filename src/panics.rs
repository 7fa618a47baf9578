//! What a panic does, by the thread it is on. None is expected: each is a fault of the server.

use std::panic::{self, AssertUnwindSafe};
use std::process;
use std::thread;

use crate::cores::CORE_THREAD_PREFIX;

/// The thread that decides which tokens are good.
pub(crate) const LOGIN_THREAD: &str = "logins";
/// The thread that changes the translation memory.
pub(crate) const TRANSLATION_THREAD: &str = "translations";
/// The thread that tidies its indices up, and puts what comes of it in their place.
pub(crate) const UPKEEP_THREAD: &str = "memory-upkeep";

/// A thread that decides what is true has it in memory, and after a panic that may contradict the disk. Everything acknowledged
/// is on disk, so the safe thing is to stop at once and be started again. On other threads a panic is one document's that is
/// being read, one look-up's or one file's, or poisons the store, and is caught there.
pub(crate) fn end_the_process_where_it_decides() {
    let report = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        report(info);
        if thread::current().name().is_some_and(decides) {
            tracing::error!("internal error, stopping at once: {info}");
            process::abort();
        }
        tracing::error!("internal error: {info}");
    }));
}

fn decides(thread: &str) -> bool {
    thread.starts_with(CORE_THREAD_PREFIX) || [LOGIN_THREAD, TRANSLATION_THREAD, UPKEEP_THREAD].contains(&thread)
}

/// Does something that changes nothing which outlives it; whether that did not panic. Whoever waits for it has to notice that it
/// is gone: a reply that is dropped.
pub(crate) fn is_survived(job: impl FnOnce()) -> bool {
    panic::catch_unwind(AssertUnwindSafe(job)).is_ok()
}

#[cfg(test)]
mod tests {
    use std::env;
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::Command;

    use super::*;

    /// In a process of its own this variable names a thread, which panics.
    const THREAD: &str = "JDDB_TEST_PANICS_ON";
    const SIGABRT: i32 = 6;

    #[test]
    fn the_process_ends_where_it_decides_and_nowhere_else() {
        if let Some(name) = env::var_os(THREAD) {
            end_the_process_where_it_decides();
            let name = name.into_string().unwrap();
            assert!(thread::Builder::new().name(name).spawn(|| panic!("as wanted")).unwrap().join().is_err());
            return;
        }
        let name = "panics::tests::the_process_ends_where_it_decides_and_nowhere_else";
        for (thread, ends) in [
            ("core-1", true),
            ("logins", true),
            ("translations", true),
            ("memory-upkeep", true),
            ("look-up-0", false),
            ("import", false),
        ] {
            let mut alone = Command::new(env::current_exe().unwrap());
            let status = alone.args(["--exact", name]).env(THREAD, thread).output().unwrap().status;
            assert_eq!((status.signal(), status.success()), (ends.then_some(SIGABRT), !ends), "{thread}: {status}");
        }
    }

    #[test]
    fn what_panics_is_survived() {
        assert!(is_survived(|| {}));
        assert!(!is_survived(|| panic!("as wanted")));
    }
}
