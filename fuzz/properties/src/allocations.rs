//! A global allocator that counts, so that "never allocates without bound" can be asserted.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

thread_local! {
    // Constant and without a destructor, so that reading them allocates nothing.
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

fn count(change: isize) {
    let live = LIVE.get().wrapping_add(change);
    LIVE.set(live);
    PEAK.set(PEAK.get().max(live));
}

fn size(layout: Layout) -> isize {
    isize::try_from(layout.size()).unwrap_or(isize::MAX)
}

// SAFETY: every call goes to the system's allocator unchanged; counting touches thread-local integers alone.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(size(layout));
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-size(layout));
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// Runs `work` and gives how far the bytes in use by this thread rose above what they were.
pub fn peak<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = LIVE.get();
    PEAK.set(before);
    let value = work();
    (value, usize::try_from(PEAK.get() - before).unwrap_or(0))
}

/// Runs `work` on an input of `length` bytes and asserts that it took at most `fixed` bytes and `times` as many.
pub fn bounded<T>(length: usize, (times, fixed): (usize, usize), work: impl FnOnce() -> T) -> T {
    let (value, peak) = peak(work);
    assert!(peak <= length * times + fixed, "{peak} bytes were allocated for an input of {length}");
    value
}

#[cfg(test)]
mod tests {
    #[test]
    #[should_panic(expected = "bytes were allocated")]
    fn an_allocation_beyond_the_bound_is_noticed() {
        super::bounded(10, (8, 1_000), || vec![0_u8; 5_000].len());
    }

    #[test]
    fn one_within_is_not() {
        assert_eq!(super::bounded(10, (8, 1_000), || vec![0_u8; 500].len()), 500);
    }
}
