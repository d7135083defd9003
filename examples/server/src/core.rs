//! The library, and how long it works: every call of the [`Verifier`] goes through [`Core::call`], which takes the
//! time. This module must never let the verifier out, for a call beside it would not be counted.

use countersign::{Policy, Verifier};

use crate::metrics::Stopwatch;

pub(crate) struct Core {
    verifier: Verifier,
    stopwatch: Stopwatch,
}

impl Core {
    pub(crate) const fn new(verifier: Verifier, stopwatch: Stopwatch) -> Self {
        Self { verifier, stopwatch }
    }

    /// Does what the verifier is needed for, and nothing else: whatever happens in `work` counts as the core's time.
    pub(crate) fn call<T>(&self, work: impl FnOnce(&Verifier) -> T) -> T {
        self.stopwatch.time(|| work(&self.verifier))
    }

    pub(crate) const fn policy(&self) -> &Policy {
        self.verifier.policy()
    }
}
