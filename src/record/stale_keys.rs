//! What of a record depends on which durable key. It must name keys by their ids and never hold one.

use alloc::vec::Vec;

use crate::value::id::KeyId;

/// What of a record depends on durable keys other than the current one, a key an entry.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct StaleKeys {
    /// Keys of the ring. What depends on one is lost if the key leaves the ring.
    pub stale: Vec<KeyUse>,
    /// Keys that are not in the ring. What depends on one cannot be used: no command offers or counts it.
    pub lost: Vec<KeyUse>,
}

impl StaleKeys {
    /// Whether all of the record depends on the current key.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.stale.is_empty() && self.lost.is_empty()
    }
}

/// What of a record depends on one key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct KeyUse {
    /// The key's id: see [`Key::durable_id`](crate::Key::durable_id).
    pub key: KeyId,
    /// Live recovery codes.
    pub recovery_codes: usize,
    /// Recovery codes that were shown and go live with an enrollment that is not confirmed yet.
    pub pending_recovery_codes: usize,
    /// Remembered devices. A device that is remembered again, or whose time is over, frees its key.
    pub devices: usize,
    /// Authenticators of one-time passwords whose secret is derived from it.
    pub otp_secrets: usize,
}
