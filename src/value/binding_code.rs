//! The secrets that clients present: binding codes, recovery codes and `oob_code`s.
//!
//! A code is a string of symbols and never an integer: one in ten binding codes begins with a zero. Each type is built
//! only by deriving it or by reading what a person typed; it shows nothing in `Debug`, compares in constant time, is
//! zeroed when dropped, and cannot be serialised.

use core::fmt;
use subtle::{Choice, ConstantTimeEq as _};

use crate::{
    crypto::{
        mac::{self, Tag},
        wipe::SecretArray,
    },
    value::user_input::{self, Malformed, among},
};

/// The number that a message carries and a person types: `binding_code` in Auth0's API, 6 to 9 decimal digits.
#[derive(Clone)]
pub struct BindingCode {
    /// ASCII digits; zero bytes behind them.
    digits: SecretArray<16>,
    length: u8,
}

impl BindingCode {
    /// The fewest digits (NIST SP 800-63B-4 section 3.1.3.2: six decimal digits or equivalent).
    pub const MIN_DIGITS: u8 = 6;
    /// The most digits (RFC 4226 appendix E.2 calls nine the practical maximum).
    pub const MAX_DIGITS: u8 = 9;

    /// Reads a typed code: 6 to 9 decimal digits of any script, with spaces, dashes and invisible characters anywhere.
    ///
    /// # Errors
    /// [`Malformed`] if the text cannot be a binding code; that costs no attempt.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let mut code = Self { digits: SecretArray::new(), length: 0 };
        let slots = code.digits.first_chunk_mut::<9>().ok_or(Malformed::Length)?;
        let count = user_input::read(text, slots, |byte| (byte, among(byte, b'0', 10)))?;
        code.length = u8::try_from(count).map_err(|_| Malformed::Length)?;
        if (Self::MIN_DIGITS..=Self::MAX_DIGITS).contains(&code.length) {
            Ok(code)
        } else {
            Err(Malformed::Length)
        }
    }

    /// The first 8 bytes of `tag`, as an integer, modulo 10^`digits`. A code is likelier than another by a part of at
    /// most 10^`digits` / 2^64, which is below 2^-34.
    pub(crate) fn from_tag(tag: &Tag, digits: u8) -> Self {
        // One arm a modulus: division by a constant compiles to a multiplication, whose time tells nothing.
        let mut number = match digits {
            9 => remainder::<1_000_000_000>(tag),
            8 => remainder::<100_000_000>(tag),
            7 => remainder::<10_000_000>(tag),
            _ => remainder::<1_000_000>(tag),
        };
        let length = digits.clamp(Self::MIN_DIGITS, Self::MAX_DIGITS);
        let mut code = Self { digits: SecretArray::new(), length };
        for slot in code.digits.iter_mut().take(usize::from(length)).rev() {
            let [digit, ..] = (number % 10).to_le_bytes();
            *slot = b'0'.wrapping_add(digit);
            number /= 10;
        }
        code
    }

    /// The digits in clear, for the message that carries them.
    #[must_use]
    pub fn expose(&self) -> &str {
        let digits = self.digits.get(..usize::from(self.length)).unwrap_or(&[]);
        core::str::from_utf8(digits).unwrap_or("")
    }

    /// How many digits the code has.
    #[must_use]
    pub const fn length(&self) -> u8 {
        self.length
    }

    /// Whether two codes are the same, in constant time.
    pub(crate) fn matches(&self, other: &Self) -> Choice {
        mac::ct_diff(&self.digits, &other.digits).ct_eq(&0)
    }
}

/// The first 8 bytes of `tag` modulo `M`.
fn remainder<const M: u64>(tag: &Tag) -> u64 {
    const { assert!(M > 0, "a modulus is not zero") };
    u64::from_be_bytes(*tag.first()).checked_rem(M).unwrap_or(0)
}

impl fmt::Debug for BindingCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BindingCode(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::wipe::tests::wiped_with;
    use crate::value::{opaque::*, recovery_code::*};
    use alloc::{borrow::ToOwned as _, format, string::String};
    use zeroize::Zeroizing;

    fn binding(text: &str) -> Result<String, Malformed> {
        BindingCode::parse(text).map(|code| code.expose().into())
    }

    #[test]
    fn binding_codes_survive_how_people_type_them() {
        for text in [
            "012345",
            " 012 345 ",
            "012-345",
            "0\u{a0}1\u{200b}2\u{2013}3\u{2014}4\u{2212}5",
            "\u{feff}012345\r\n",
            "\u{ff10}\u{ff11}\u{ff12}\u{3000}\u{ff13}\u{ff14}\u{ff15}",
            "\u{202a}012\u{202f}345\u{202c}",
            "0\u{ad}1\u{2060}2\u{fe58}3\u{30a0}45",
        ] {
            assert_eq!(binding(text).as_deref(), Ok("012345"), "{text:?}");
        }
        // L17: the digits of Arabic, Persian, Devanagari, Bengali and Thai keyboards.
        for text in ["٠١٢٣٤٥", "۰۱۲۳۴۵", "०१२३४५", "০১২৩৪৫", "๐๑๒๓๔๕", "٠١٢-345"]
        {
            assert_eq!(binding(text).as_deref(), Ok("012345"), "{text:?}");
        }
        assert_eq!(binding("123456789").as_deref(), Ok("123456789"));
        let longest = "012345".to_owned() + &" ".repeat(user_input::MAX_TYPED_BYTES - 6);
        assert_eq!(binding(&longest).as_deref(), Ok("012345"));
    }

    #[test]
    fn nothing_else_is_guessed() {
        for (text, error) in [
            ("", Malformed::Length),
            ("12345", Malformed::Length),
            ("1234567890", Malformed::Length),
            (" - \u{200b}", Malformed::Length),
            ("+12345", Malformed::Character),
            ("12345O", Malformed::Character),
            ("12345½", Malformed::Character),
            ("12345.6", Malformed::Character),
            ("123456\u{0}", Malformed::Character),
            ("1".repeat(257).as_str(), Malformed::TooLong),
        ] {
            assert_eq!(binding(text), Err(error), "{text:?}");
        }
    }

    #[test]
    fn codes_reach_both_ends_of_their_range() {
        let tag = |low: u8| {
            let mut bytes = [0; 32];
            if let Some(last) = bytes.get_mut(7) {
                *last = low;
            }
            Tag(bytes)
        };
        assert_eq!(BindingCode::from_tag(&tag(0), 6).expose(), "000000");
        assert_eq!(BindingCode::from_tag(&tag(7), 9).expose(), "000000007");
        // 2^64 - 1 is 18446744073709551615.
        for (digits, expected) in [(6, "551615"), (7, "9551615"), (8, "09551615"), (9, "709551615")] {
            assert_eq!(BindingCode::from_tag(&Tag([0xff; 32]), digits).expose(), expected);
        }
    }

    #[test]
    fn codes_are_wiped_when_they_go() {
        let tag = Tag([0; 32]);
        assert_eq!(wiped_with(BindingCode::from_tag(&tag, 6)), 16);
        assert_eq!(wiped_with(RecoveryCode::from_tag(&tag)), 24);
    }

    #[test]
    fn secrets_do_not_show() {
        let code = BindingCode::from_tag(&Tag([0; 32]), 6);
        assert_eq!(format!("{code:?}"), "BindingCode(..)");
        assert_eq!(format!("{:?}", OobCode(Zeroizing::new("x".into()))), "OobCode(..)");
    }
}
