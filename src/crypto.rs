//! Primitives: erasing, encoding, comparing and drawing bytes. This room must never know what the bytes are for.

pub(crate) mod base32;
pub(crate) mod base64url;
pub(crate) mod block_mac;
pub(crate) mod declassify;
pub(crate) mod entropy;
pub(crate) mod mac;
pub(crate) mod seed;
#[cfg(feature = "serde")]
pub(crate) mod stored_bytes;
pub(crate) mod transcript;
pub(crate) mod wipe;
