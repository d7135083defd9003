//! Messages as they are hashed: a row of length-prefixed fields, so that no byte can slide from one into the next.
//!
//! Fields are gathered, so that the hash takes whole blocks and seldom more than one piece. What is gathered may be
//! secret and is erased; that a tag or a digest is compared in constant time is for whoever has it.

use hmac::{Hmac, Mac as _};
use sha2::{Digest as _, Sha256, digest::Update};

use crate::{keys::Tag, wipe::wipe};

/// Longer than almost every message.
const BUFFER: usize = 256;

/// A message for the hash `H`, which has its key already if it takes one.
pub(crate) struct Framed<H> {
    hash: H,
    buffer: [u8; BUFFER],
    used: usize,
}

impl<H: Update> Framed<H> {
    pub(crate) const fn new(hash: H) -> Self {
        Self { hash, buffer: [0; BUFFER], used: 0 }
    }

    /// Adds F(`bytes`): a four-byte big-endian length and the bytes.
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
        // No caller has a field near 4 GiB: every name, address and token is bounded far below.
        self.array(&u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
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

    fn raw(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
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
        self.flush();
        self.hash.update(bytes);
    }

    fn flush(&mut self) {
        if let Some(gathered) = self.buffer.get_mut(..self.used) {
            self.hash.update(gathered);
            wipe(gathered);
        }
        self.used = 0;
    }
}

impl Framed<Hmac<Sha256>> {
    /// Ends the message with its MAC.
    pub(crate) fn tag(mut self) -> Tag {
        self.flush();
        Tag(self.hash.finalize().into_bytes().into())
    }
}

impl Framed<Sha256> {
    /// Ends the message with its digest.
    pub(crate) fn digest(mut self) -> [u8; 32] {
        self.flush();
        self.hash.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use hmac::KeyInit as _;

    use super::*;

    #[test]
    fn long_fields_and_short_ones_hash_alike() {
        let keyed = Hmac::<Sha256>::new(&[7; 64].into());
        let long = [9; 1000];
        for place in 0..BUFFER {
            let filler = alloc::vec![3; place];
            let mut message = Framed::new(keyed.clone());
            message.field(&filler).fixed(b"a").field(&long).joined(&[b"b", b"", b"c"]).prefixed(b"d", b"e");
            let (length, mut plain) = (u8::try_from(place).unwrap(), alloc::vec![0, 0, 0]);
            plain.push(length);
            plain.extend(&filler);
            plain.extend([0, 0, 0, 1, b'a', 0, 0, 3, 0xe8]);
            plain.extend(long);
            plain.extend([0, 0, 0, 2, b'b', b'c', 0, 0, 0, 2, b'd', b'e']);
            let expected = keyed.clone().chain_update(&plain).finalize().into_bytes();
            assert_eq!(message.tag().0, <[u8; 32]>::from(expected), "{place}");
            let mut message = Framed::new(Sha256::new());
            message.field(&filler).fixed(b"a").field(&long).joined(&[b"b", b"", b"c"]).prefixed(b"d", b"e");
            assert_eq!(message.digest(), <[u8; 32]>::from(Sha256::digest(&plain)), "{place}");
        }
    }
}
