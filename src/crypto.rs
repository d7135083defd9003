//! Primitives: erasing, encoding and comparing bytes. This room knows no word of the domain, and must never learn one.

pub(crate) mod base64url;
pub(crate) mod declassify;
pub(crate) mod entropy;
pub(crate) mod mac;
pub(crate) mod seed;
#[cfg(feature = "serde")]
pub(crate) mod stored_bytes;
pub(crate) mod wipe;
