//! Observing one piece of work: how many errors memcheck found in it, and which verdicts it came to.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

use crate::valgrind;

/// What was seen of a piece of work.
#[derive(Clone, Copy, Debug, Default)]
pub struct Observation {
    /// Branches and addresses that depended on a secret.
    pub errors: usize,
    /// Verdicts that the library came to.
    pub verdicts: usize,
    /// Of those, the ones that really depended on a secret.
    pub secret_verdicts: usize,
}

static VERDICTS: AtomicUsize = AtomicUsize::new(0);
static SECRET_VERDICTS: AtomicUsize = AtomicUsize::new(0);
static WITHHOLD: AtomicBool = AtomicBool::new(false);

/// Takes part in the library's verdicts. Without the hook in the library nothing is declassified.
pub fn install() {
    #[cfg(countersign_constant_time)]
    countersign::DECLASSIFY.set(verdict).expect("the hook is installed once");
}

/// Whether the library was built with its hook.
#[must_use]
pub const fn hooked() -> bool {
    cfg!(countersign_constant_time)
}

/// Whether verdicts stay secret from now on: then whatever branches on one is an error.
pub fn withhold_verdicts(withhold: bool) {
    WITHHOLD.store(withhold, Relaxed);
}

/// Called by the library with each verdict, before it is branched on.
#[cfg_attr(not(countersign_constant_time), allow(dead_code, reason = "nothing calls it"))]
fn verdict(bytes: &mut [u8]) {
    VERDICTS.fetch_add(1, Relaxed);
    if valgrind::is_concealed(bytes) {
        SECRET_VERDICTS.fetch_add(1, Relaxed);
    }
    if !WITHHOLD.load(Relaxed) {
        valgrind::uncover(bytes);
    }
}

/// What has been seen since the program began.
#[must_use]
pub fn so_far() -> Observation {
    Observation {
        errors: valgrind::errors(),
        verdicts: VERDICTS.load(Relaxed),
        secret_verdicts: SECRET_VERDICTS.load(Relaxed),
    }
}

impl Observation {
    /// What has been seen since `earlier`.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Self {
        Self {
            errors: self.errors - earlier.errors,
            verdicts: self.verdicts - earlier.verdicts,
            secret_verdicts: self.secret_verdicts - earlier.secret_verdicts,
        }
    }
}

/// Does a piece of work and says what was seen of it.
pub fn observe<T>(work: impl FnOnce() -> T) -> (T, Observation) {
    let before = so_far();
    let done = work();
    (done, so_far().since(before))
}
