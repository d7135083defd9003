//! The randomness that a host hands to a command.
//!
//! A command draws from 32 bytes and never from a generator: the same inputs give the same step, a handler holds no
//! generator across an await, and a binding for another language passes bytes. Entropy must never be kept, shown or
//! stored.

use core::fmt;
use rand_core::TryCryptoRng;

use crate::crypto::{
    mac::MacKey,
    wipe::{SecretArray, wipe},
};

/// 32 random bytes for one request. Every value that a command draws is derived from them.
///
/// Make one for each request, from a generator that is fit for cryptography. A step that is taken again on a newer
/// record draws other values from the same entropy. Two requests must not share one: two sign-ins of a subject that
/// were begun with one entropy would be one transaction.
///
/// ```
/// # use countersign::Entropy;
/// let entropy = Entropy::draw(&mut getrandom::SysRng)?;
/// # Ok::<_, getrandom::Error>(())
/// ```
pub struct Entropy([u8; 32]);

impl Entropy {
    /// Draws 32 bytes.
    ///
    /// # Errors
    /// That of the generator.
    pub fn draw<R: TryCryptoRng + ?Sized>(rng: &mut R) -> Result<Self, R::Error> {
        let mut entropy = Self([0; 32]);
        rng.try_fill_bytes(&mut entropy.0)?;
        Ok(entropy)
    }

    /// From 32 bytes that nobody can guess and nobody uses again.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub(crate) fn mac_key(&self) -> MacKey {
        let mut block = SecretArray::<64>::new();
        if let Some(slots) = block.first_chunk_mut() {
            *slots = self.0;
        }
        MacKey::new(&block)
    }
}

impl Drop for Entropy {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

impl fmt::Debug for Entropy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Entropy(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::wipe::tests::wiped_with;

    #[test]
    fn entropy_is_wiped_when_it_goes() {
        assert_eq!(wiped_with(Entropy::from_bytes([7; 32])), 32);
    }
}
