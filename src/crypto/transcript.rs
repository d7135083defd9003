//! Messages as they are hashed: a row of length-prefixed fields, so that no byte can slide from one into the next.
//!
//! Fields are gathered, and padded where they lie (FIPS 180-4 section 5.1.1): the hash takes whole blocks, and seldom
//! more than once. What is gathered may be secret and is erased. This module must never compare anything.

use sha2::block_api::compress256;

use crate::crypto::{
    block_mac::SHA256_START,
    wipe::{wipe, wipe_words},
};

/// SHA-256 between two blocks.
pub(crate) type State = [u32; 8];

/// The bytes of a block.
const BLOCK: usize = 64;

/// Longer than almost every message: whole blocks.
const BUFFER: usize = 4 * BLOCK;

/// What stands behind a message at least: a bit, and its length in bits.
const PADDING: usize = 1 + size_of::<u64>();

/// What begins and ends the hash of a message: a key, or nothing.
pub(crate) trait Begin {
    /// What the hash becomes.
    type End;
    /// How many blocks went before the message.
    const BLOCKS: usize;

    fn begin(&self) -> State;

    /// Ends with the hash, and wipes it.
    fn end(&self, hash: &mut State) -> Self::End;
}

impl<B: Begin> Begin for &B {
    type End = B::End;
    const BLOCKS: usize = B::BLOCKS;

    #[inline]
    fn begin(&self) -> State {
        (*self).begin()
    }

    #[inline]
    fn end(&self, hash: &mut State) -> B::End {
        (*self).end(hash)
    }
}

/// A plain SHA-256.
#[derive(Clone)]
pub(crate) struct Unkeyed;

impl Begin for Unkeyed {
    type End = [u8; 32];
    const BLOCKS: usize = 0;

    #[inline]
    fn begin(&self) -> State {
        SHA256_START
    }

    #[inline]
    fn end(&self, hash: &mut State) -> [u8; 32] {
        let digest = bytes_of(hash);
        wipe_words(hash);
        digest
    }
}

/// A message.
#[derive(Clone)]
pub(crate) struct Transcript<B> {
    beginning: B,
    buffer: [u8; BUFFER],
    used: usize,
    /// The hash of what no longer lies in the buffer, and how many bytes that was.
    begun: State,
    passed: usize,
}

impl<B> Transcript<B> {
    #[inline]
    pub(crate) const fn new(beginning: B) -> Self {
        Self { beginning, buffer: [0; BUFFER], used: 0, begun: [0; 8], passed: 0 }
    }
}

impl<B> Drop for Transcript<B> {
    fn drop(&mut self) {
        if self.passed > 0 {
            wipe_words(&mut self.begun);
        }
    }
}

impl<B: Begin> Transcript<B> {
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

    /// Adds bytes without their length.
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

    /// Ends the message.
    #[inline]
    pub(crate) fn finish(&mut self) -> B::End {
        if padded(self.used) > BUFFER {
            self.hash_blocks();
        }
        let mut hash = self.state();
        let before = BLOCK.saturating_mul(B::BLOCKS).saturating_add(self.passed);
        if let Some(blocks) = self.buffer.get_mut(..padded(self.used)) {
            hash_padded(&mut hash, blocks, self.used, before);
            wipe(blocks);
        }
        (self.used, self.passed) = (0, 0);
        self.beginning.end(&mut hash)
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

    /// Adds what does not fit into the buffer, whose whole blocks are hashed when it is full.
    #[cold]
    fn pass_on(&mut self, bytes: &[u8]) {
        for piece in bytes.chunks(BLOCK) {
            if self.used.saturating_add(piece.len()) > BUFFER {
                self.hash_blocks();
            }
            self.raw(piece);
        }
    }

    /// Hashes the whole blocks of the buffer; what is behind them begins it.
    #[cold]
    fn hash_blocks(&mut self) {
        let mut hash = self.state();
        let whole = self.used & !(BLOCK - 1);
        compress256(&mut hash, self.buffer.get(..whole).unwrap_or_default().as_chunks().0);
        self.buffer.copy_within(whole..self.used, 0);
        self.used = self.used.saturating_sub(whole);
        wipe(self.buffer.get_mut(self.used..).unwrap_or_default());
        self.keep(&mut hash, whole);
    }

    #[inline]
    fn keep(&mut self, hash: &mut State, passed: usize) {
        self.begun = *hash;
        wipe_words(hash);
        self.passed = self.passed.saturating_add(passed);
    }

    /// The hash of what was passed on.
    #[inline]
    fn state(&mut self) -> State {
        if self.passed == 0 {
            return self.beginning.begin();
        }
        let hash = self.begun;
        wipe_words(&mut self.begun);
        hash
    }
}

/// What becomes of a message that lies in a buffer, with room for its [padding](padded) behind it. What else was there
/// is overwritten; `None` if there is no room.
#[inline]
pub(crate) fn finished_in_place<B: Begin>(beginning: &B, buffer: &mut [u8], length: usize) -> Option<B::End> {
    let blocks = buffer.get_mut(..padded(length))?;
    let mut hash = beginning.begin();
    hash_padded(&mut hash, blocks, length, BLOCK.saturating_mul(B::BLOCKS));
    Some(beginning.end(&mut hash))
}

/// How many bytes so long a message has with its padding.
pub(crate) const fn padded(length: usize) -> usize {
    length.saturating_add(PADDING).saturating_add(BLOCK - 1) & !(BLOCK - 1)
}

/// Hashes the last blocks of a message: so many bytes of them, behind so many others, and the padding, which it writes.
#[inline]
fn hash_padded(hash: &mut State, blocks: &mut [u8], length: usize, before: usize) {
    let bits = u64::try_from(before.saturating_add(length)).unwrap_or(0).saturating_mul(8);
    if let Some((end, rest)) = blocks.get_mut(length..).and_then(<[u8]>::split_first_mut) {
        *end = 0x80;
        rest.fill(0);
        if let Some(slots) = rest.last_chunk_mut() {
            *slots = bits.to_be_bytes();
        }
    }
    compress256(hash, blocks.as_chunks().0);
}

/// How many bytes stand before a field.
pub(crate) const LENGTH: usize = 4;

/// What stands before a field of so many bytes. No caller has one near 4 GiB: every name, address and token is bounded far below.
#[inline]
pub(crate) fn length_prefix(length: usize) -> [u8; LENGTH] {
    u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes()
}

/// A hash, as bytes. They are written as they are compared: by eight.
#[inline]
pub(crate) fn bytes_of(hash: &State) -> [u8; 32] {
    let mut bytes = [0; 32];
    let ((slots, _), (pairs, _)) = (bytes.as_chunks_mut(), hash.as_chunks());
    for (slot, [high, low]) in slots.iter_mut().zip(pairs) {
        *slot = (u64::from(*high) << 32 | u64::from(*low)).to_be_bytes();
    }
    bytes
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::crypto::{
        mac::{MacKey, Tag},
        wipe::tests::wiped_by,
    };
    use hmac::{Hmac, KeyInit as _, Mac as _};
    use sha2::{Digest as _, Sha256};

    #[test]
    fn long_fields_and_short_ones_hash_alike() {
        let (key, keyed) = (MacKey::new(&[7; 64]), Hmac::<Sha256>::new(&[7; 64].into()));
        for long in [0, 1, 63, 64, 65, 200, 1000] {
            let long = alloc::vec![9; long];
            for place in 0..2 * BUFFER {
                let filler = alloc::vec![3; place];
                let mut plain = length_prefix(place).to_vec();
                plain.extend(&filler);
                plain.extend([0, 0, 0, 1, b'a']);
                plain.extend(length_prefix(long.len()));
                plain.extend(&long);
                plain.extend([0, 0, 0, 2, b'b', b'c', 0, 0, 0, 2, b'd', b'e']);
                let expected: [u8; 32] = keyed.clone().chain_update(&plain).finalize().into_bytes().into();
                let mut message = key.message();
                message
                    .field(&filler)
                    .fixed(b"a")
                    .field(&long)
                    .joined(&[b"b", b"", b"c"])
                    .prefixed(b"d", b"e");
                assert_eq!(message.finish().0, expected, "{place} {}", long.len());
                assert_eq!(tag_of(&key, &plain).0, expected, "{place} {}", long.len());
                let mut message = Transcript::new(Unkeyed);
                message
                    .field(&filler)
                    .fixed(b"a")
                    .field(&long)
                    .joined(&[b"b", b"", b"c"])
                    .prefixed(b"d", b"e");
                assert_eq!(
                    message.finish(),
                    <[u8; 32]>::from(Sha256::digest(&plain)),
                    "{place} {}",
                    long.len()
                );
            }
        }
    }

    /// The MAC of a message that lies in a buffer which was used before.
    pub(crate) fn tag_of(key: &MacKey, message: &[u8]) -> Tag {
        let mut buffer = alloc::vec![0xa5; padded(message.len())];
        buffer[..message.len()].copy_from_slice(message);
        finished_in_place(key, &mut buffer, message.len()).unwrap()
    }

    #[test]
    fn a_message_without_room_has_no_end() {
        for length in 0..3 * BLOCK {
            let (room, mut buffer) = (padded(length), [0; 5 * BLOCK]);
            assert!(finished_in_place(&Unkeyed, &mut buffer[..room - 1], length).is_none());
            assert!((9..=BLOCK + 8).contains(&(room - length)), "{length}");
            let digest = finished_in_place(&Unkeyed, &mut buffer[..], length).unwrap();
            assert_eq!(digest, <[u8; 32]>::from(Sha256::digest(&[0; 3 * BLOCK][..length])), "{length}");
        }
    }

    #[test]
    fn each_length_is_padded() {
        let mut message = Transcript::new(Unkeyed);
        for length in 0..3 * BUFFER {
            let plain = alloc::vec![5; length];
            // A message that has ended begins anew.
            message.raw(&plain);
            assert_eq!(message.finish(), <[u8; 32]>::from(Sha256::digest(&plain)), "{length}");
        }
    }

    #[test]
    fn what_was_gathered_is_wiped_when_the_message_ends() {
        let key = MacKey::new(&[7; 64]);
        let mut message = key.message();
        message.field(b"secret");
        let (tag, wiped) = wiped_by(|| message.finish());
        // The block of the message, that of its hash, the hash and the MAC.
        assert_eq!(wiped, BLOCK + BLOCK + 32 + 32);
        assert_eq!((message.buffer, message.used), ([0; BUFFER], 0));
        assert_eq!(wiped_by(|| drop(tag)).1, 32);
    }

    #[test]
    fn the_longest_message_that_has_room_is_hashed_once() {
        let mut message = Transcript::new(Unkeyed);
        message.raw(&[7; BUFFER - PADDING]);
        assert_eq!(wiped_by(|| message.finish()).1, BUFFER + 32);
    }

    #[test]
    fn what_was_passed_on_is_wiped() {
        let mut message = Transcript::new(Unkeyed);
        let ((), wiped) = wiped_by(|| message.raw(&[7; BUFFER + 10]));
        // The whole buffer, of which nothing is left, and the hash on its way to the next block.
        assert_eq!(wiped, BUFFER + 32);
        assert_eq!((message.buffer[9], message.buffer[10..].iter().max()), (7, Some(&0)));
        let (_, wiped) = wiped_by(|| message.finish());
        assert_eq!(wiped, BLOCK + 32 + 32);
        assert_eq!((message.buffer, message.begun), ([0; BUFFER], [0; 8]));
        assert_eq!(wiped_by(|| drop(message)).1, 0);
        // One that never ends.
        let mut message = Transcript::new(Unkeyed);
        message.raw(&[7; BUFFER + 10]);
        assert_eq!(wiped_by(|| drop(message)).1, 32);
    }
}
