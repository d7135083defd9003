//! The library's own sources, as far as its codes need them.

#[path = "../../src/crypto/counter_mac.rs"]
pub(crate) mod counter_mac;
#[path = "../../src/crypto/declassify.rs"]
pub(crate) mod declassify;
#[path = "../../src/crypto/mac.rs"]
pub(crate) mod mac;
#[path = "../../src/crypto/wipe.rs"]
pub(crate) mod wipe;
