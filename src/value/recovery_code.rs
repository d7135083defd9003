//! Recovery codes: secrets that a person keeps on paper. A code must never be stored or shown in `Debug`.

use core::fmt;
use subtle::{Choice, ConditionallySelectable as _, ConstantTimeEq as _, ConstantTimeGreater as _};

use crate::{
    crypto::{mac::Tag, wipe::SecretArray},
    value::user_input::{self, Malformed, among},
};

/// A recovery code: 24 symbols of `23456789ABCDEFGHJKLMNPQRSTUVWXYZ`, 120 bits, usable once.
///
/// At 120 bits a keyed hash of it may be stored without a password-hashing scheme (NIST SP 800-63B-4 section 3.1.2.2,
/// ASVS 5.0 requirement 6.5.2: the threshold is 112 bits).
#[derive(Clone)]
pub struct RecoveryCode(SecretArray<{ Self::SYMBOLS }>);

impl RecoveryCode {
    /// How many symbols a code has.
    pub const SYMBOLS: usize = 24;
    /// The symbols: no `0`, `1`, `I` or `O`, which people confuse.
    pub const ALPHABET: &'static str = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ";

    /// Reads a typed code: 24 symbols in either case, with spaces, dashes and invisible characters anywhere.
    ///
    /// # Errors
    /// [`Malformed`] if the text cannot be a recovery code; that costs no attempt.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let mut symbols = SecretArray::new();
        let count = user_input::read(text, symbols.as_mut_slice(), known_symbol)?;
        if count == Self::SYMBOLS { Ok(Self(symbols)) } else { Err(Malformed::Length) }
    }

    /// The first 15 bytes of `tag` as 24 groups of 5 bits, most significant first.
    pub(crate) fn from_tag(tag: &Tag) -> Self {
        let mut code = Self(SecretArray::new());
        let (groups, _) = tag.first::<15>().as_chunks::<5>();
        let (slots, _) = code.0.as_chunks_mut::<8>();
        for (group, slots) in groups.iter().zip(slots) {
            let [a, b, c, d, e] = *group;
            let bits = u64::from_be_bytes([0, 0, 0, a, b, c, d, e]);
            for (slot, shift) in slots.iter_mut().zip([35, 30, 25, 20, 15, 10, 5, 0]) {
                *slot = symbol(bits >> shift);
            }
        }
        code
    }

    /// The symbols in clear.
    #[must_use]
    pub fn expose(&self) -> &str {
        core::str::from_utf8(&*self.0).unwrap_or("")
    }

    pub(crate) fn symbols(&self) -> &[u8; Self::SYMBOLS] {
        &self.0
    }
}

/// The symbol of the low five bits: `2` to `9`, then the letters without `I` and `O`, by arithmetic instead of a
/// look-up. A plain mask will not do: optimising for size, the compiler makes a branch of it. It does not see through
/// a `Choice`.
fn symbol(bits: u64) -> u8 {
    let [value, ..] = (bits & 0x1f).to_le_bytes();
    let above = |limit: u8, skipped: u8| u8::conditional_select(&0, &skipped, value.ct_gt(&limit));
    value
        .wrapping_add(b'2')
        .wrapping_add(above(7, b'A' - b'2' - 8))
        .wrapping_add(above(15, 1))
        .wrapping_add(above(20, 1))
}

/// A byte in upper case, and whether it is a symbol then.
fn known_symbol(byte: u8) -> (u8, Choice) {
    let symbol = u8::conditional_select(&byte, &byte.wrapping_sub(b'a' - b'A'), among(byte, b'a', 26));
    let missing = symbol.ct_eq(&b'I') | symbol.ct_eq(&b'O');
    (symbol, among(symbol, b'2', 8) | (among(symbol, b'A', 26) & !missing))
}

impl fmt::Debug for RecoveryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryCode(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;

    #[test]
    fn recovery_codes_survive_how_people_type_them() {
        let plain = "23456789ABCDEFGHJKLMNPQR";
        for text in [
            plain,
            "23456789abcdefghjklmnpqr",
            "2345-6789 ABCD\u{2011}EFGH\u{a0}JKLM\u{200b}NPQR",
            "\u{ff12}\u{ff13}\u{ff14}\u{ff15}\u{ff16}\u{ff17}\u{ff18}\u{ff19}ABCDEFGHJKLMNPQR",
        ] {
            assert_eq!(
                RecoveryCode::parse(text).map(|code| code.expose().into()),
                Ok(String::from(plain)),
                "{text:?}"
            );
        }
        for (text, error) in [
            ("O3456789ABCDEFGHJKLMNPQR", Malformed::Character),
            ("13456789ABCDEFGHJKLMNPQR", Malformed::Character),
            ("ı3456789ABCDEFGHJKLMNPQR", Malformed::Character),
            ("ß3456789ABCDEFGHJKLMNPQ", Malformed::Character),
            ("23456789ABCDEFGHJKLMNPQ", Malformed::Length),
            ("23456789ABCDEFGHJKLMNPQRS", Malformed::Length),
        ] {
            assert_eq!(RecoveryCode::parse(text).err(), Some(error), "{text:?}");
        }
    }

    #[test]
    fn every_symbol_is_drawn_from_its_five_bits() {
        for (value, expected) in RecoveryCode::ALPHABET.bytes().enumerate() {
            assert_eq!(u64::try_from(value).map(symbol), Ok(expected));
        }
    }

    #[test]
    fn a_byte_is_a_symbol_if_the_alphabet_has_it_in_either_case() {
        for byte in 0..=255_u8 {
            let (symbol, known) = known_symbol(byte);
            let upper = byte.to_ascii_uppercase();
            assert_eq!(symbol, upper, "{byte}");
            assert_eq!(bool::from(known), RecoveryCode::ALPHABET.bytes().any(|one| one == upper), "{byte}");
            assert_eq!(bool::from(among(byte, b'0', 10)), byte.is_ascii_digit(), "{byte}");
        }
    }
}
