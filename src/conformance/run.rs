//! A run: the one random value from which the kit derives whatever it needs, so that several processes agree on it.

use core::{convert::Infallible, fmt, str::FromStr};

use rand_core::{TryCryptoRng, TryRng};
use sha2::{Digest as _, Sha256};

use crate::crypto::entropy::Entropy;

/// One run of the kit. Its id is in the subject of every record that the run writes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Run([u8; 16]);

impl Run {
    /// A new run. Each needs one of its own: its records must not be there yet.
    ///
    /// # Errors
    /// That of the random generator.
    pub fn draw<R: TryCryptoRng + ?Sized>(rng: &mut R) -> Result<Self, R::Error> {
        let mut id = [0; 16];
        rng.try_fill_bytes(&mut id)?;
        Ok(Self(id))
    }

    /// The run of nobody.
    pub(super) const fn none() -> Self {
        Self([0; 16])
    }

    /// One of several processes that take the run together: `index` counts from 0, `of` says how many there are.
    #[must_use]
    pub fn part(&self, index: u8, of: u8) -> Option<Part> {
        (of >= 2 && index < of).then(|| Part { run: self.clone(), index, of })
    }

    /// What the subject of every record of this run begins with. It has no character that means something in a pattern
    /// of SQL's `LIKE`.
    #[must_use]
    pub fn prefix(&self) -> alloc::string::String {
        alloc::format!("conformance-{self}-")
    }

    /// A generator that gives the same for the same run and label.
    pub(super) fn draws(&self, label: &str) -> Draws {
        let mut hash = Sha256::new();
        hash.update(b"countersign/conformance/");
        hash.update(self.0);
        hash.update(label.as_bytes());
        Draws { key: hash.finalize().into(), counter: 0 }
    }
}

/// The id: 32 hexadecimal digits.
impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for Run {
    type Err = NotARun;

    fn from_str(text: &str) -> Result<Self, NotARun> {
        let digits = text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let number = if digits { u128::from_str_radix(text, 16).ok() } else { None };
        number.map(|number| Self(number.to_be_bytes())).ok_or(NotARun)
    }
}

/// A text is not the id of a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotARun;

impl fmt::Display for NotARun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the id of a run has 32 hexadecimal digits, in lower case")
    }
}

impl core::error::Error for NotARun {}

/// One process's part in a run that several take together.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Part {
    pub(super) run: Run,
    pub(super) index: u8,
    pub(super) of: u8,
}

/// SHA-256 of a key and a counter. It keeps nothing secret: what it gives is written into a test's records.
pub(super) struct Draws {
    key: [u8; 32],
    counter: u64,
}

impl Draws {
    /// So many bytes.
    pub(super) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        let Ok(()) = self.try_fill_bytes(&mut bytes);
        bytes
    }

    /// What a command draws from.
    pub(super) fn entropy(&mut self) -> Entropy {
        Entropy::from_bytes(self.bytes())
    }
}

impl TryRng for Draws {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_be_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_be_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
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
        Ok(())
    }
}

impl TryCryptoRng for Draws {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_draws_of_a_run_follow_from_its_id_and_the_label() {
        let run = Run([7; 16]);
        let drawn = |run: &Run, label: &str| {
            let mut draws = run.draws(label);
            let mut bytes = [0; 40];
            let Ok(()) = draws.try_fill_bytes(&mut bytes);
            (bytes, draws.try_next_u32().unwrap(), draws.try_next_u64().unwrap())
        };
        let (bytes, four, eight) = drawn(&run, "a");
        assert_eq!(drawn(&run, "a"), (bytes, four, eight));
        for (other_bytes, other_four, other_eight) in [drawn(&run, "b"), drawn(&Run([8; 16]), "a")] {
            assert_ne!(bytes, other_bytes);
            assert_ne!(four, other_four);
            assert_ne!(eight, other_eight);
        }
        assert_ne!(bytes[..8], bytes[32..], "and do not repeat");
    }
}
