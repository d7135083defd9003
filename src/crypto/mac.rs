//! Messages as they are hashed: a row of length-prefixed fields, so that no byte can slide from one into the next.
//!
//! Fields are gathered, so that the hash takes whole blocks and seldom more than one piece. What is gathered may be
//! secret and is erased; that a tag or a digest is compared in constant time is for whoever has it.

use core::fmt;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256, digest::Update};
use subtle::{Choice, ConstantTimeEq as _};

use crate::crypto::{
    declassify::declassify,
    wipe::{SecretArray, wipe},
};

/// Longer than almost every message.
const BUFFER: usize = 256;

/// What begins the hash of a message: a key, or nothing.
pub(crate) trait Begin {
    type Hash: Update + Clone;

    fn begin(&self) -> Self::Hash;
}

impl<B: Begin> Begin for &B {
    type Hash = B::Hash;

    #[inline]
    fn begin(&self) -> Self::Hash {
        (*self).begin()
    }
}

/// A plain SHA-256.
#[derive(Clone)]
pub(crate) struct Unkeyed;

impl Begin for Unkeyed {
    type Hash = Sha256;

    fn begin(&self) -> Sha256 {
        Sha256::new()
    }
}

/// A message. The hash begins when the message is whole, or when the buffer is full before that: until then there is
/// no state of it to move.
#[derive(Clone)]
pub(crate) struct Transcript<B: Begin> {
    beginning: B,
    begun: Option<B::Hash>,
    buffer: [u8; BUFFER],
    used: usize,
}

impl<B: Begin> Transcript<B> {
    #[inline]
    pub(crate) const fn new(beginning: B) -> Self {
        Self { beginning, begun: None, buffer: [0; BUFFER], used: 0 }
    }

    /// Adds F(`bytes`): a four-byte big-endian length and the bytes.
    #[inline]
    pub(crate) fn field(&mut self, bytes: &[u8]) -> &mut Self {
        self.joined(&[bytes])
    }

    /// Adds a field whose length is known when this is compiled.
    #[inline]
    pub(crate) fn fixed<const N: usize>(&mut self, bytes: &[u8; N]) -> &mut Self {
        self.length(N);
        self.array(bytes);
        self
    }

    /// Adds one field that is given in pieces.
    #[inline]
    pub(crate) fn joined(&mut self, pieces: &[&[u8]]) -> &mut Self {
        self.length(pieces.iter().fold(0, |sum, piece| piece.len().saturating_add(sum)));
        pieces.iter().for_each(|piece| self.raw(piece));
        self
    }

    /// Adds one field that is given in two pieces, the second of a known length.
    #[inline]
    pub(crate) fn prefixed<const N: usize>(&mut self, prefix: &[u8], bytes: &[u8; N]) -> &mut Self {
        self.length(N.saturating_add(prefix.len()));
        self.raw(prefix);
        self.array(bytes);
        self
    }

    #[inline]
    fn length(&mut self, length: usize) {
        self.array(&length_prefix(length));
    }

    #[inline]
    fn array<const N: usize>(&mut self, bytes: &[u8; N]) {
        let room = self.buffer.get_mut(self.used..).and_then(<[u8]>::first_chunk_mut);
        if let Some(slots) = room {
            *slots = *bytes;
            self.used = self.used.saturating_add(N);
        } else {
            self.pass_on(bytes);
        }
    }

    #[inline]
    fn raw(&mut self, bytes: &[u8]) {
        let end = self.used.saturating_add(bytes.len());
        if let Some(slots) = self.buffer.get_mut(self.used..end) {
            slots.copy_from_slice(bytes);
            self.used = end;
        } else {
            self.pass_on(bytes);
        }
    }

    /// Hashes what was gathered, and then these.
    #[cold]
    fn pass_on(&mut self, bytes: &[u8]) {
        let mut hash = self.hash();
        hash.update(bytes);
        self.begun = Some(hash);
    }

    /// The hash of what was gathered.
    #[inline]
    fn hash(&mut self) -> B::Hash {
        let mut hash = self.begun.take().unwrap_or_else(|| self.beginning.begin());
        if let Some(gathered) = self.buffer.get_mut(..self.used) {
            hash.update(gathered);
            wipe(gathered);
        }
        self.used = 0;
        hash
    }
}

/// How many bytes stand before a field.
pub(crate) const LENGTH: usize = 4;

/// What stands before a field of so many bytes. No caller has one near 4 GiB: every name, address and token is bounded far below.
#[inline]
pub(crate) fn length_prefix(length: usize) -> [u8; LENGTH] {
    u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes()
}

impl<B: Begin<Hash = Hmac<Sha256>>> Transcript<B> {
    /// Ends the message with its MAC.
    #[inline]
    pub(crate) fn tag(&mut self) -> Tag {
        Tag(self.hash().finalize().into_bytes().into())
    }
}

impl Transcript<Unkeyed> {
    /// Ends the message with its digest.
    pub(crate) fn digest(&mut self) -> [u8; 32] {
        self.hash().finalize().into()
    }
}

/// HMAC-SHA-256 with its key already absorbed: computed once, cloned for each message.
#[derive(Clone)]
pub(crate) struct MacKey(Hmac<Sha256>);

impl MacKey {
    pub(crate) fn new(block: &[u8; 64]) -> Self {
        Self(Hmac::new(block.into()))
    }

    /// Begins a message.
    #[inline]
    pub(crate) const fn message(&self) -> Transcript<&Self> {
        Transcript::new(self)
    }

    /// The MAC of one field that has its length before it already.
    pub(crate) fn tag_of(&self, framed: &[u8]) -> Tag {
        Tag(self.begin().chain(framed).finalize().into_bytes().into())
    }
}

impl Begin for MacKey {
    type Hash = Hmac<Sha256>;

    #[inline]
    fn begin(&self) -> Hmac<Sha256> {
        self.0.clone()
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
    use hmac::KeyInit as _;

    use super::*;

    #[test]
    fn long_fields_and_short_ones_hash_alike() {
        let (key, keyed) = (MacKey::new(&[7; 64]), Hmac::<Sha256>::new(&[7; 64].into()));
        let long = [9; 1000];
        for place in 0..BUFFER {
            let filler = alloc::vec![3; place];
            let mut message = key.message();
            message.field(&filler).fixed(b"a").field(&long).joined(&[b"b", b"", b"c"]).prefixed(b"d", b"e");
            let (length, mut plain) = (u8::try_from(place).unwrap(), alloc::vec![0, 0, 0]);
            plain.push(length);
            plain.extend(&filler);
            plain.extend([0, 0, 0, 1, b'a', 0, 0, 3, 0xe8]);
            plain.extend(long);
            plain.extend([0, 0, 0, 2, b'b', b'c', 0, 0, 0, 2, b'd', b'e']);
            let expected = keyed.clone().chain_update(&plain).finalize().into_bytes();
            assert_eq!(message.tag().0, <[u8; 32]>::from(expected), "{place}");
            let mut message = Transcript::new(Unkeyed);
            message.field(&filler).fixed(b"a").field(&long).joined(&[b"b", b"", b"c"]).prefixed(b"d", b"e");
            assert_eq!(message.digest(), <[u8; 32]>::from(Sha256::digest(&plain)), "{place}");
        }
    }

    #[test]
    fn what_was_gathered_is_wiped_when_the_message_ends() {
        use crate::crypto::wipe::tests::WIPED;

        let before = WIPED.get();
        let key = MacKey::new(&[7; 64]);
        let mut message = key.message();
        message.field(b"secret");
        let tag = message.tag();
        // The length and the bytes.
        assert_eq!(WIPED.get() - before, 4 + 6);
        drop(tag);
        assert_eq!(WIPED.get() - before, 4 + 6 + 32);
    }

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
