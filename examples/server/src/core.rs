//! The library, and how long it works: every call of the [`Verifier`] goes through [`Core::call`], and of the
//! [`AddressVerifier`] through [`Core::prove`], which take the time. This module must never let a verifier out, for a call beside it would not be counted.

use countersign::{Policy, Verifier, address_proof::AddressVerifier};

use crate::metrics::Stopwatch;

pub(crate) struct Core {
    verifier: Verifier,
    proofs: AddressVerifier,
    stopwatch: Stopwatch,
}

impl Core {
    pub(crate) const fn new(verifier: Verifier, proofs: AddressVerifier, stopwatch: Stopwatch) -> Self {
        Self { verifier, proofs, stopwatch }
    }

    /// Does what the verifier is needed for, and nothing else: whatever happens in `work` counts as the core's time.
    pub(crate) fn call<T>(&self, work: impl FnOnce(&Verifier) -> T) -> T {
        self.stopwatch.time(|| work(&self.verifier))
    }

    /// The same for proofs of addresses.
    pub(crate) fn prove<T>(&self, work: impl FnOnce(&AddressVerifier) -> T) -> T {
        self.stopwatch.time(|| work(&self.proofs))
    }

    pub(crate) const fn policy(&self) -> &Policy {
        self.verifier.policy()
    }
}
