//! What the core holds in memory, counted by the allocator.

#![expect(clippy::unwrap_used, reason = "in helpers of tests, too, a failed unwrap is how a test fails")]

mod history;
#[path = "../support/mod.rs"]
mod support;
mod text;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The system's allocator, counting.
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

thread_local! {
    /// Bytes that this thread has and uses: tests in other threads do not disturb it.
    static LIVE: Cell<isize> = const { Cell::new(0) };
}

fn count(bytes: isize) {
    // There is no counter any more while the thread ends, and then nobody asks.
    let _ = LIVE.try_with(|live| live.set(live.get() + bytes));
}

#[expect(unsafe_code, reason = "the interface of allocators")]
// SAFETY: All is done by the system's allocator; the counter takes no memory.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size().cast_signed());
        // SAFETY: The caller's promises are those that are asked for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        count(-layout.size().cast_signed());
        // SAFETY: The memory comes from `alloc`, which gives the system's.
        unsafe { System.dealloc(memory, layout) }
    }
}

/// The bytes of heap that what is made takes, the value itself not counted.
fn heap_bytes<T>(make: impl FnOnce() -> T) -> usize {
    let before = LIVE.get();
    let made = make();
    let bytes = LIVE.get() - before;
    drop(made);
    assert_eq!(LIVE.get(), before, "memory is left behind");
    usize::try_from(bytes).expect("what lives is not negative")
}
