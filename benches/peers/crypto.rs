//! The library's own sources, as far as its codes need them.

#[path = "../../src/crypto/block_mac.rs"]
pub(crate) mod block_mac;
#[path = "../../src/crypto/declassify.rs"]
pub(crate) mod declassify;
#[path = "../../src/crypto/mac.rs"]
pub(crate) mod mac;
#[path = "../../src/crypto/transcript.rs"]
pub(crate) mod transcript;
#[path = "../../src/crypto/wipe.rs"]
pub(crate) mod wipe;
