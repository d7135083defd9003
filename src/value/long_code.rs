//! The long code: what a message carries where wrong codes are not counted. It must never be shortened:
//! nothing but its length keeps it from being guessed.

use core::fmt;
use subtle::{Choice, ConstantTimeEq as _};

use crate::{
    crypto::{
        mac::{self, Tag},
        wipe::SecretArray,
    },
    value::user_input::{self, Malformed, among},
};

/// A code of 20 decimal digits, 66.4 bits, written in groups of four.
///
/// Rate limits are for secrets of less than 64 bits (NIST SP 800-63B-4 section 3.1.3.2), so a wrong one need
/// not be counted. Digits can be typed on every keypad and read out by every voice.
#[derive(Clone)]
pub struct LongCode(SecretArray<{ Self::TEXT }>);

impl LongCode {
    /// How many digits a code has.
    pub const DIGITS: usize = 20;

    /// How many digits stand together.
    const GROUP: usize = 4;

    /// The digits, and a space between two groups.
    const TEXT: usize = Self::DIGITS + Self::DIGITS / Self::GROUP - 1;

    /// Reads a typed code: 20 digits, ASCII or full-width, with spaces, dashes and invisible characters
    /// anywhere.
    ///
    /// # Errors
    /// [`Malformed`] if the text cannot be a long code.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let mut digits = SecretArray::<{ Self::DIGITS }>::new();
        let count = user_input::read(text, digits.as_mut_slice(), |byte| (byte, among(byte, b'0', 10)))?;
        if count == Self::DIGITS { Ok(Self::grouped(&digits)) } else { Err(Malformed::Length) }
    }

    /// The first and the second 8 bytes of `tag`, each as an integer modulo 10^10, which is ten digits. Ten
    /// digits are likelier than others by a part of at most 10^10 / 2^64, which is below 2^-30.
    pub(crate) fn from_tag(tag: &Tag) -> Self {
        let mut digits = SecretArray::<{ Self::DIGITS }>::new();
        let (draws, _) = tag.first::<16>().as_chunks::<8>();
        let (halves, _) = digits.as_chunks_mut::<{ Self::DIGITS / 2 }>();
        for (draw, half) in draws.iter().zip(halves) {
            // Division by a constant compiles to a multiplication, whose time tells nothing.
            let mut number = u64::from_be_bytes(*draw) % 10_000_000_000;
            for slot in half.iter_mut().rev() {
                let [digit, ..] = (number % 10).to_le_bytes();
                *slot = b'0'.wrapping_add(digit);
                number /= 10;
            }
        }
        Self::grouped(&digits)
    }

    fn grouped(digits: &[u8; Self::DIGITS]) -> Self {
        let mut text = SecretArray::new();
        text.fill(b' ');
        let (groups, _) = digits.as_chunks::<{ Self::GROUP }>();
        for (slots, group) in text.chunks_mut(Self::GROUP + 1).zip(groups) {
            if let Some(slot) = slots.first_chunk_mut() {
                *slot = *group;
            }
        }
        Self(text)
    }

    /// The digits in clear, in groups of four with a space between them: for the message that carries them.
    #[must_use]
    pub fn expose(&self) -> &str {
        core::str::from_utf8(&*self.0).unwrap_or("")
    }

    /// Whether two codes are the same, in constant time.
    pub(crate) fn matches(&self, other: &Self) -> Choice {
        mac::ct_diff(&self.0, &other.0).ct_eq(&0)
    }
}

impl fmt::Debug for LongCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LongCode(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::wipe::tests::{wiped_by, wiped_with};
    use alloc::{format, string::String};

    #[test]
    fn long_codes_survive_how_people_type_them() {
        let plain = "0123 4567 8901 2345 6789";
        for text in [
            plain,
            "01234567890123456789",
            "0123-4567-8901-2345-6789",
            " 01 23456789\u{2013}0123\u{a0}45\u{200b}6789\r\n",
            "\u{ff10}1234567890123456789",
        ] {
            assert_eq!(LongCode::parse(text).map(|code| String::from(code.expose())).as_deref(), Ok(plain));
        }
        for (text, error) in [
            ("", Malformed::Length),
            ("0123 4567 8901 2345 678", Malformed::Length),
            ("0123 4567 8901 2345 67890", Malformed::Length),
            ("0123 4567 8901 2345 678O", Malformed::Character),
            ("1".repeat(257).as_str(), Malformed::TooLong),
        ] {
            assert_eq!(LongCode::parse(text).err(), Some(error), "{text:?}");
        }
    }

    #[test]
    fn each_half_comes_from_a_draw_of_its_own() {
        let mut bytes = [0; 32];
        assert_eq!(LongCode::from_tag(&Tag(bytes)).expose(), "0000 0000 0000 0000 0000");
        bytes[7] = 7;
        bytes[15] = 9;
        assert_eq!(LongCode::from_tag(&Tag(bytes)).expose(), "0000 0000 0700 0000 0009");
        // 2^64 - 1 is 18446744073709551615.
        assert_eq!(LongCode::from_tag(&Tag([0xff; 32])).expose(), "3709 5516 1537 0955 1615");
    }

    #[test]
    fn every_digit_is_compared() {
        let code = LongCode::from_tag(&Tag([0xff; 32]));
        assert!(bool::from(code.matches(&code.clone())));
        for place in (0..LongCode::TEXT).filter(|place| place % 5 != 4) {
            let mut other = code.clone();
            other.0[place] ^= 1;
            assert!(!bool::from(code.matches(&other)), "{place}");
        }
    }

    #[test]
    fn long_codes_are_wiped_when_they_go_and_do_not_show() {
        let (code, wiped) = wiped_by(|| LongCode::from_tag(&Tag([1; 32])));
        assert_eq!(wiped, LongCode::DIGITS + 32, "the digits, and the tag of this test");
        assert_eq!(format!("{code:?}"), "LongCode(..)");
        assert_eq!(wiped_with(code), LongCode::TEXT);
    }
}
