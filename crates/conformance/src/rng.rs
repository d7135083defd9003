//! A deterministic generator, so that every process of a run draws the same bytes. They are no secret, and must never
//! be used for anything but the records of a test.

use countersign::Entropy;
use sha2::{Digest as _, Sha256};

/// SHA-256 of a key and a counter.
pub(crate) struct Rng {
    key: [u8; 32],
    counter: u64,
}

impl Rng {
    /// A generator whose bytes follow from the seed and the label.
    pub(crate) fn new(seed: &[u8; 16], label: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"countersign/conformance/");
        hash.update(seed);
        hash.update(label.as_bytes());
        Self { key: hash.finalize().into(), counter: 0 }
    }

    /// The next bytes.
    pub(crate) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        for chunk in bytes.chunks_mut(32) {
            let mut hash = Sha256::new();
            hash.update(self.key);
            hash.update(self.counter.to_be_bytes());
            self.counter = self.counter.wrapping_add(1);
            let block: [u8; 32] = hash.finalize().into();
            for (byte, drawn) in chunk.iter_mut().zip(block) {
                *byte = drawn;
            }
        }
        bytes
    }

    /// Entropy for one command.
    pub(crate) fn entropy(&mut self) -> Entropy {
        Entropy::from_bytes(self.bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_follow_from_the_seed_and_the_label() {
        let drawn = |seed: u8, label: &str| {
            let mut rng = Rng::new(&[seed; 16], label);
            (rng.bytes::<40>(), rng.bytes::<8>())
        };
        let (first, second) = drawn(7, "a");
        assert_eq!(drawn(7, "a"), (first, second));
        for (other_first, other_second) in [drawn(7, "b"), drawn(8, "a")] {
            assert_ne!(first, other_first);
            assert_ne!(second, other_second);
        }
        assert_ne!(first[..8], first[32..], "and do not repeat");
        assert_ne!(first[..8], second);
    }
}
