//! The id of a run: the one random value from which the kit derives everything, so that several processes agree on it.
//! It must never serve for two runs.

use std::{fmt, str::FromStr};

use countersign::rand_core::TryCryptoRng;

use crate::rng::Rng;

/// The id of one run of the kit. The subject of every record that the run writes contains it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RunId([u8; 16]);

impl RunId {
    /// A new id. Every run needs its own: its records must not exist yet.
    ///
    /// # Errors
    /// That of the random generator.
    pub fn draw<R: TryCryptoRng + ?Sized>(rng: &mut R) -> Result<Self, R::Error> {
        let mut id = [0; 16];
        rng.try_fill_bytes(&mut id)?;
        Ok(Self(id))
    }

    /// The id of no run.
    pub(crate) const fn none() -> Self {
        Self([0; 16])
    }

    /// One of `of` processes that take part in the run, by its index from 0. `None` unless `of` is at least 2 and
    /// `index` is less.
    #[must_use]
    pub fn participant(&self, index: u8, of: u8) -> Option<Participant> {
        (of >= 2 && index < of).then(|| Participant { run: self.clone(), index, of })
    }

    /// The prefix of every subject of this run. It contains no wildcard of SQL's `LIKE`.
    #[must_use]
    pub fn prefix(&self) -> String {
        format!("conformance-{self}-")
    }

    /// A generator whose bytes follow from the run and the label.
    pub(crate) fn rng(&self, label: &str) -> Rng {
        Rng::new(&self.0, label)
    }
}

/// The id: 32 hexadecimal digits.
impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for RunId {
    type Err = ParseRunIdError;

    fn from_str(text: &str) -> Result<Self, ParseRunIdError> {
        let digits = text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let number = if digits { u128::from_str_radix(text, 16).ok() } else { None };
        number.map(|number| Self(number.to_be_bytes())).ok_or(ParseRunIdError)
    }
}

/// A text is not the id of a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ParseRunIdError;

impl fmt::Display for ParseRunIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the id of a run has 32 hexadecimal digits, in lower case")
    }
}

impl std::error::Error for ParseRunIdError {}

/// One of several processes that take part in a run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Participant {
    pub(crate) run: RunId,
    pub(crate) index: u8,
    pub(crate) of: u8,
}
