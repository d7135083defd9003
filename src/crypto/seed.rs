//! Sixteen secret bytes of the record, from which codes are derived. A seed must never show its bytes, and never
//! leave the record.

use core::fmt;
use subtle::ConstantTimeEq as _;

use crate::crypto::{declassify::declassify, mac::ct_diff, wipe::wipe};

/// Sixteen secret bytes that live in the record and nowhere else.
#[derive(Clone)]
pub(crate) struct Seed(pub(crate) [u8; 16]);

impl Drop for Seed {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

/// Seeds are compared only when whole records are, which no client can cause; it is done in constant time all the same.
impl PartialEq for Seed {
    fn eq(&self, other: &Self) -> bool {
        declassify(ct_diff(&self.0, &other.0).ct_eq(&0))
    }
}

impl Eq for Seed {}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed(..)")
    }
}

#[cfg(feature = "serde")]
crate::crypto::stored_bytes::stored_as_bytes!(Seed);
