//! HMAC-SHA-256 of a message, and its tag.
//!
//! A key is absorbed once, and its two states begin every message. A tag is secret until it is compared, in constant
//! time. This module must never show a key or a tag.

use core::fmt;
use subtle::{Choice, ConstantTimeEq as _};

use crate::crypto::{
    block_mac::{CounterMac as _, Sha256Mac},
    declassify::declassify,
    transcript::{Begin, State, Transcript, bytes_of},
    wipe::{SecretArray, wipe, wipe_words},
};

/// HMAC-SHA-256 with its key already absorbed: computed once, used for each message.
#[derive(Clone)]
pub(crate) struct MacKey(Sha256Mac);

impl MacKey {
    pub(crate) fn new(block: &[u8; 64]) -> Self {
        Self(Sha256Mac::new(block))
    }

    /// Begins a message.
    #[inline]
    pub(crate) const fn message(&self) -> Transcript<&Self> {
        Transcript::new(self)
    }
}

impl Begin for MacKey {
    type End = Tag;
    /// That of the key.
    const BLOCKS: usize = 1;

    #[inline]
    fn begin(&self) -> State {
        self.0.inner
    }

    #[inline]
    fn end(&self, hash: &mut State) -> Tag {
        let mut mac = self.0.outer;
        Sha256Mac::end(&mut mac, hash);
        wipe_words(hash);
        let tag = Tag(bytes_of(&mac));
        wipe_words(&mut mac);
        tag
    }
}

/// A whole MAC: 32 bytes, compared in constant time and zeroed when dropped.
#[derive(Clone)]
pub(crate) struct Tag(pub(crate) [u8; 32]);

impl Tag {
    /// Whether two tags are equal, as four integers folded into one comparison.
    pub(crate) fn matches(&self, other: &Self) -> Choice {
        ct_diff(&self.0, &other.0).ct_eq(&0)
    }

    /// Whether the first 20 bytes are `other`.
    pub(crate) fn starts_with(&self, other: &[u8; 20]) -> Choice {
        ct_diff(self.first::<20>(), other).ct_eq(&0)
    }

    /// Whether the first 16 bytes are `other`.
    pub(crate) fn starts_with_16(&self, other: &[u8; 16]) -> Choice {
        ct_diff(self.first::<16>(), other).ct_eq(&0)
    }

    /// The first `N` bytes, for `N` up to 32.
    pub(crate) fn first<const N: usize>(&self) -> &[u8; N] {
        const { assert!(N <= 32, "a tag has 32 bytes") };
        self.0.first_chunk().unwrap_or(&[0; N])
    }

    pub(crate) fn into_mac_key(self) -> MacKey {
        let mut block = SecretArray::new();
        block.iter_mut().zip(&self.0).for_each(|(slot, byte)| *slot = *byte);
        MacKey::new(&block)
    }
}

impl Drop for Tag {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

/// Zero if and only if the two are equal, by whole words: one comparison of the result is then enough.
pub(crate) fn ct_diff<const N: usize>(a: &[u8; N], b: &[u8; N]) -> u64 {
    let (a_words, a_rest) = a.as_chunks::<8>();
    let (b_words, b_rest) = b.as_chunks::<8>();
    let words = a_words.iter().zip(b_words);
    let words = words.fold(0, |sum, (a, b)| sum | (u64::from_ne_bytes(*a) ^ u64::from_ne_bytes(*b)));
    let rest = a_rest.iter().zip(b_rest);
    rest.fold(words, |sum, (a, b)| sum | u64::from(a ^ b))
}

impl PartialEq for Tag {
    fn eq(&self, other: &Self) -> bool {
        declassify(self.matches(other))
    }
}

impl Eq for Tag {}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tag(..)")
    }
}

#[cfg(feature = "serde")]
crate::crypto::stored_bytes::stored_as_bytes!(Tag);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_difference_does_not_undo_another() {
        for one in 0..32_usize {
            for other in 0..one {
                let (mut tag, mut short, mut shorter) = (Tag([7; 32]), [7; 20], [7; 16]);
                for place in [one, other] {
                    tag.0[place] ^= 1;
                    if let Some(byte) = short.get_mut(place) {
                        *byte ^= 1;
                    }
                    if let Some(byte) = shorter.get_mut(place) {
                        *byte ^= 1;
                    }
                }
                assert_eq!(bool::from(Tag([7; 32]).starts_with_16(&shorter)), other >= 16, "{one}, {other}");
                assert!(!bool::from(Tag([7; 32]).matches(&tag)), "{one}, {other}");
                assert_eq!(bool::from(Tag([7; 32]).starts_with(&short)), other >= 20, "{one}, {other}");
            }
        }
        // Of nine bytes, one stands behind the last whole word.
        assert_ne!(ct_diff(&[0; 9], &[1, 0, 0, 0, 0, 0, 0, 0, 1]), 0);
        assert_ne!(ct_diff(&[0; 9], &[0, 0, 0, 0, 0, 0, 0, 1, 1]), 0);
        assert_ne!(ct_diff(&[1; 11], &[1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 1]), 0);
        assert_eq!(ct_diff(&[1; 11], &[1; 11]), 0);
    }

    #[test]
    fn comparison_sees_every_bit() {
        let zero = Tag([0; 32]);
        assert!(bool::from(zero.matches(&Tag([0; 32]))));
        for place in 0..256_usize {
            let mut other = Tag([0; 32]);
            if let Some(byte) = other.0.get_mut(place / 8) {
                *byte ^= 1 << (place % 8);
            }
            assert!(!bool::from(zero.matches(&other)), "bit {place}");
            assert_eq!(bool::from(zero.starts_with(other.first())), place >= 160, "bit {place}");
            assert_eq!(bool::from(zero.starts_with_16(other.first())), place >= 128, "bit {place}");
        }
    }
}
