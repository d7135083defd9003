//! A run: the one random value from which the kit derives whatever it needs, so that several processes agree on it.

use std::{fmt, str::FromStr};

use countersign::rand_core::TryCryptoRng;

use crate::rng::Rng;

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
    pub(crate) const fn none() -> Self {
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
    pub fn prefix(&self) -> String {
        format!("conformance-{self}-")
    }

    /// A generator that gives the same for the same run and label.
    pub(crate) fn rng(&self, label: &str) -> Rng {
        Rng::new(&self.0, label)
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

impl std::error::Error for NotARun {}

/// One process's part in a run that several take together.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Part {
    pub(crate) run: Run,
    pub(crate) index: u8,
    pub(crate) of: u8,
}
