//! HMAC (RFC 2104) by whole blocks of its hash.
//!
//! A key has one block, so both its states are computed once. Here is the MAC of an eight-byte counter, which has one
//! block as well: all that the codes of an app or a device are made of. Nothing of a key, of a state or of a MAC is
//! left behind. This module must never branch on a key, or take one that is longer than a block.

use sha1::block_api::compress as compress_sha1;
use sha2::block_api::{compress256, compress512};

use crate::crypto::wipe::{SecretArray, wipe_words};

/// The most bytes of a key: a block of the hashes with the shortest one.
pub(crate) const MAX_KEY_BYTES: usize = 64;

/// A key that was absorbed, for one hash.
pub(crate) trait CounterMac {
    /// Absorbs a key of at most [`MAX_KEY_BYTES`]. What stands behind them is not looked at.
    fn new(key: &[u8]) -> Self;

    /// The MAC of a counter.
    fn tag(&self, counter: u64) -> CounterTag;
}

/// What the truncation of RFC 4226 looks at: the first 20 bytes of a MAC, and the last four bits. It is wiped
/// when it is dropped.
pub(crate) struct CounterTag {
    /// Big-endian words.
    pub(crate) first: [u32; 5],
    /// From 0 to 15.
    pub(crate) last: u32,
}

impl Drop for CounterTag {
    fn drop(&mut self) {
        wipe_words(&mut self.first);
        wipe_words(core::slice::from_mut(&mut self.last));
    }
}

/// What each byte of the key is changed by, for the hash of the message and for that of its hash.
const PADS: (u8, u8) = (0x36, 0x5c);

/// HMAC by a hash of `$words` words of the type `$word`, which takes blocks of `$block` bytes. `$counter` is
/// a counter as words, and `$first` the first 20 bytes of so many words.
macro_rules! counter_mac {
    (
        $name:ident, $word:ty, $words:literal, $block:literal, $compress:path, $start:expr, $counter:expr,
        $first:expr
    ) => {
        #[derive(Clone)]
        pub(crate) struct $name {
            /// What the hash of a message begins with, and what the hash of that hash does.
            pub(crate) inner: [$word; $words],
            pub(crate) outer: [$word; $words],
        }

        impl $name {
            fn absorb(key: &[u8], pad: u8) -> [$word; $words] {
                let mut block = SecretArray::<$block>::new();
                block.fill(pad);
                block.iter_mut().zip(key.iter().take(MAX_KEY_BYTES)).for_each(|(slot, byte)| *slot ^= byte);
                let mut state = $start;
                $compress(&mut state, core::slice::from_ref(&*block));
                state
            }

            /// Hashes a message of these words, which follows a block of the key.
            #[inline]
            pub(crate) fn end<const N: usize>(state: &mut [$word; $words], message: &[$word; N]) {
                const BYTES: usize = size_of::<$word>();
                let mut block = SecretArray::of(const { padding::<$block>(BYTES.saturating_mul(N)) });
                let (slots, _) = block.as_chunks_mut::<BYTES>();
                for (slot, word) in slots.iter_mut().zip(message) {
                    *slot = word.to_be_bytes();
                }
                $compress(state, core::slice::from_ref(&*block));
            }
        }

        impl CounterMac for $name {
            fn new(key: &[u8]) -> Self {
                Self { inner: Self::absorb(key, PADS.0), outer: Self::absorb(key, PADS.1) }
            }

            #[inline]
            fn tag(&self, counter: u64) -> CounterTag {
                let mut hash = self.inner;
                Self::end(&mut hash, &$counter(counter));
                let mut mac = self.outer;
                Self::end(&mut mac, &hash);
                wipe_words(&mut hash);
                let [.., last] = mac;
                let tag = CounterTag { first: $first(&mac), last: low_bits(last.to_be_bytes()) };
                wipe_words(&mut mac);
                tag
            }
        }

        impl Drop for $name {
            fn drop(&mut self) {
                wipe_words(&mut self.inner);
                wipe_words(&mut self.outer);
            }
        }
    };
}

/// What stands behind so many bytes of a message that follow a block of the key: a bit, and how many bits both have.
const fn padding<const BLOCK: usize>(bytes: usize) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    if let Some((_, [bit, ..])) = block.split_at_mut_checked(bytes) {
        *bit = 0x80;
    }
    let [.., high, low] = BLOCK.saturating_add(bytes).saturating_mul(8).to_be_bytes();
    if let Some(slots) = block.last_chunk_mut() {
        *slots = [high, low];
    }
    block
}

/// The low four bits of the last byte.
fn low_bits<const N: usize>(word: [u8; N]) -> u32 {
    word.last().map_or(0, |byte| u32::from(byte & 0xf))
}

/// Both halves, the higher one first.
const fn halves(word: u64) -> [u32; 2] {
    let [a, b, c, d, e, f, g, h] = word.to_be_bytes();
    [u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h])]
}

// FIPS 180-4 section 5.3.1.
counter_mac!(
    Sha1Mac,
    u32,
    5,
    64,
    compress_sha1,
    [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0],
    halves,
    |mac: &[u32; 5]| *mac
);

/// FIPS 180-4 section 5.3.3.
pub(crate) const SHA256_START: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

counter_mac!(Sha256Mac, u32, 8, 64, compress256, SHA256_START, halves, |mac: &[u32; 8]| {
    let [a, b, c, d, e, ..] = *mac;
    [a, b, c, d, e]
});

// FIPS 180-4 section 5.3.5.
counter_mac!(
    Sha512Mac,
    u64,
    8,
    128,
    compress512,
    [
        0x6a09_e667_f3bc_c908,
        0xbb67_ae85_84ca_a73b,
        0x3c6e_f372_fe94_f82b,
        0xa54f_f53a_5f1d_36f1,
        0x510e_527f_ade6_82d1,
        0x9b05_688c_2b3e_6c1f,
        0x1f83_d9ab_fb41_bd6b,
        0x5be0_cd19_137e_2179
    ],
    |counter: u64| [counter],
    |mac: &[u64; 8]| {
        let [a, b, c, ..] = *mac;
        let ([a, b], [c, d], [e, _]) = (halves(a), halves(b), halves(c));
        [a, b, c, d, e]
    }
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::wipe::tests::wiped_by;
    use hmac::{Hmac, KeyInit as _, Mac as _};

    /// The same by the crate `hmac`.
    macro_rules! agrees {
        ($ours:ty, $hash:ty) => {
            for length in 0..=MAX_KEY_BYTES {
                let key: alloc::vec::Vec<u8> =
                    (0_u8..).map(|byte| byte.wrapping_mul(37) ^ 0xa5).take(length).collect();
                let ours = <$ours>::new(&key);
                for counter in [0, 1, 0xff, 1 << 31, (1 << 32) | 5, 0x0102_0304_0506_0708, u64::MAX] {
                    let mut theirs = Hmac::<$hash>::new_from_slice(&key).unwrap();
                    theirs.update(&counter.to_be_bytes());
                    let theirs = theirs.finalize().into_bytes();
                    let CounterTag { first, last } = &ours.tag(counter);
                    let (words, _) = theirs.as_chunks::<4>();
                    assert_eq!(first.map(u32::to_be_bytes), words[..5], "{length} {counter}");
                    assert_eq!(*last, u32::from(theirs.last().unwrap() & 0xf), "{length} {counter}");
                }
            }
        };
    }

    #[test]
    fn each_is_hmac_of_its_hash() {
        agrees!(Sha1Mac, sha1::Sha1);
        agrees!(Sha256Mac, sha2::Sha256);
        agrees!(Sha512Mac, sha2::Sha512);
    }

    #[test]
    fn what_is_behind_a_key_is_not_looked_at() {
        let (key, longer) = ([7; MAX_KEY_BYTES], [7; MAX_KEY_BYTES + 1]);
        let tag = |key: &[u8]| Sha512Mac::new(key).tag(9).first;
        assert_eq!(tag(&key), tag(&longer));
        assert_ne!(tag(&key), tag(&key[1..]));
    }

    /// Of a key its two blocks, and at last the two states; of each tag the blocks of the counter and of the
    /// hash, the hash, the MAC and the tag.
    #[test]
    fn what_was_computed_is_wiped() {
        fn wiped<M: CounterMac>() -> (usize, usize, usize) {
            let (mac, absorbed) = wiped_by(|| M::new(&[7; 20]));
            let ((), tagged) = wiped_by(|| drop(mac.tag(1)));
            (absorbed, tagged, wiped_by(|| drop(mac)).1)
        }
        assert_eq!(wiped::<Sha1Mac>(), (128, 128 + 20 + 20 + 24, 40));
        assert_eq!(wiped::<Sha256Mac>(), (128, 128 + 32 + 32 + 24, 64));
        assert_eq!(wiped::<Sha512Mac>(), (256, 256 + 64 + 64 + 24, 128));
    }
}
