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

/// How long a binding code is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[allow(
    clippy::exhaustive_enums,
    reason = "a code is short and needs a limit on guesses, or it is long and needs none"
)]
pub enum CodeForm {
    /// So many digits, 6 to 9: a secret of less than 64 bits, whose guesses are limited (NIST SP 800-63B-4
    /// section 3.1.3.2).
    Short(u8),
    /// 20 digits, typed in groups of four: 66.4 bits, which nobody guesses. What is sent while a lane is
    /// hardened.
    Long,
}

impl CodeForm {
    /// How many digits a code of this form has.
    #[must_use]
    pub const fn digits(self) -> u8 {
        match self {
            Self::Short(digits) => digits,
            Self::Long => BindingCode::LONG_DIGITS,
        }
    }

    /// Whether wrong codes of this form are neither counted nor limited.
    #[must_use]
    pub const fn is_long(self) -> bool {
        matches!(self, Self::Long)
    }
}

/// The number that a message carries and a person types: `binding_code` in Auth0's API, 6 to 9 decimal
/// digits, or 20.
#[derive(Clone)]
pub struct BindingCode {
    /// ASCII digits; zero bytes behind them.
    digits: SecretArray<{ Self::LONG }>,
    length: u8,
}

impl BindingCode {
    /// The fewest digits (NIST SP 800-63B-4 section 3.1.3.2: six decimal digits or equivalent).
    pub const MIN_DIGITS: u8 = 6;
    /// The most digits (RFC 4226 appendix E.2 calls nine the practical maximum).
    pub const MAX_DIGITS: u8 = 9;
    /// The digits of a long code: with 66.4 bits it needs no limit on guesses (NIST SP 800-63B-4 section
    /// 3.1.3.2: below 64 bits it would). Digits are on every keypad and can be read out in every language.
    pub const LONG_DIGITS: u8 = 20;
    const LONG: usize = 20;

    /// Reads a typed code: 6 to 9 decimal digits of any script, or 20, with spaces, dashes and invisible
    /// characters anywhere.
    ///
    /// # Errors
    /// [`Malformed`] if the text cannot be a binding code; that costs no attempt.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let mut code = Self { digits: SecretArray::new(), length: 0 };
        let count = user_input::read(text, code.digits.as_mut_slice(), |byte| (byte, among(byte, b'0', 10)))?;
        code.length = u8::try_from(count).map_err(|_| Malformed::Length)?;
        match code.length {
            Self::MIN_DIGITS..=Self::MAX_DIGITS | Self::LONG_DIGITS => Ok(code),
            _ => Err(Malformed::Length),
        }
    }

    /// The code of a tag.
    ///
    /// A short one is the tag's first 8 bytes, as an integer, modulo 10^digits: a code is likelier than
    /// another by a part of at most 10^9 / 2^64, which is below 2^-34. A long one is two draws of 8 bytes,
    /// the first 16, each modulo 10^10.
    pub(crate) fn from_tag(tag: &Tag, form: CodeForm) -> Self {
        let [first, second] = draws(tag);
        // One arm a modulus: division by a constant compiles to a multiplication, whose time tells nothing.
        let number = match form {
            CodeForm::Long => return Self::long([first % LONG_MODULUS, second % LONG_MODULUS]),
            CodeForm::Short(9) => first % 1_000_000_000,
            CodeForm::Short(8) => first % 100_000_000,
            CodeForm::Short(7) => first % 10_000_000,
            CodeForm::Short(_) => first % 1_000_000,
        };
        let length = form.digits().clamp(Self::MIN_DIGITS, Self::MAX_DIGITS);
        let unused = 10_u32.saturating_sub(length.into()).saturating_mul(8);
        Self::of(ten_digits(number).unbounded_shr(unused), [0; 4], length)
    }

    fn long([first, second]: [u64; 2]) -> Self {
        let second = ten_digits(second);
        let [a, b, c, d, ..] = (second >> 48).to_le_bytes();
        Self::of(ten_digits(first) | second << 80, [a, b, c, d], Self::LONG_DIGITS)
    }

    /// Sixteen digits, the first in the lowest byte, and the four behind them.
    #[inline]
    fn of(front: u128, behind: [u8; 4], length: u8) -> Self {
        let mut code = Self { digits: SecretArray::new(), length };
        if let Some((slots, rest)) = code.digits.split_first_chunk_mut() {
            *slots = front.to_le_bytes();
            rest.copy_from_slice(&behind);
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

    /// Its digits in the groups that a person reads: four at a time if it is long, all at once if it is not.
    pub fn groups(&self) -> impl Iterator<Item = &str> {
        let size = if self.form().is_long() { 4 } else { usize::from(Self::MAX_DIGITS) };
        let groups = self.expose().as_bytes().chunks(size);
        groups.map(|group| core::str::from_utf8(group).unwrap_or(""))
    }

    /// Its form.
    #[must_use]
    pub const fn form(&self) -> CodeForm {
        if self.length == Self::LONG_DIGITS { CodeForm::Long } else { CodeForm::Short(self.length) }
    }

    /// Whether two codes are the same, in constant time.
    pub(crate) fn matches(&self, other: &Self) -> Choice {
        mac::ct_diff(&self.digits, &other.digits).ct_eq(&0)
    }
}

/// One more than the greatest half of a long code.
const LONG_MODULUS: u64 = 10_000_000_000;

/// The first 16 bytes of a tag, as two integers.
fn draws(tag: &Tag) -> [u64; 2] {
    let [a, b, c, d, e, f, g, h, rest @ ..] = *tag.first::<16>();
    [u64::from_be_bytes([a, b, c, d, e, f, g, h]), u64::from_be_bytes(rest)]
}

/// The digits of a number below 10^10 in ASCII, the first in the lowest byte. They stay in registers. A division is by a
/// constant, and so a multiplication, on a machine whose words are as long as its dividend.
#[inline]
fn ten_digits(number: u64) -> u128 {
    let (first, last) = (number / 100_000_000, number % 100_000_000);
    let two = (first / 10) | ((first % 10) << 8) | 0x3030;
    // It is below 2^32, and no check asks.
    let [a, b, c, d, ..] = last.to_le_bytes();
    let last = u32::from_le_bytes([a, b, c, d]);
    u128::from(two) | u128::from(eight_digits(last)) << 16
}

/// The digits of a number below 10^8: two numbers of four digits each, then four of two, then eight of one, each in its
/// part of one integer.
fn eight_digits(number: u32) -> u64 {
    let fours = u64::from(number / 10_000) | (u64::from(number % 10_000) << 32);
    // A hundredth of what is below 10^4, and a tenth of what is below 100: exact for all of them.
    let hundreds = (fours.wrapping_mul(5_243) >> 19) & 0x0000_007f_0000_007f;
    let twos = hundreds | fours.wrapping_sub(hundreds.wrapping_mul(100)) << 16;
    let tens = (twos.wrapping_mul(103) >> 10) & 0x000f_000f_000f_000f;
    let ones = tens | twos.wrapping_sub(tens.wrapping_mul(10)) << 8;
    ones | 0x3030_3030_3030_3030
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
    use alloc::{borrow::ToOwned as _, format, string::String, vec::Vec};
    use zeroize::Zeroizing;

    fn binding(text: &str) -> Result<String, Malformed> {
        BindingCode::parse(text).map(|code| code.expose().into())
    }

    #[test]
    fn a_number_is_written_digit_by_digit() {
        let exact = (0..10_000).chain((0..100_000_000).step_by(9_973)).chain([99_999_999]);
        for number in exact {
            let digits = [number, number + 9_900_000_000, number + 4_200_000_000];
            for number in digits {
                let [written @ .., _, _, _, _, _, _] = ten_digits(number).to_le_bytes();
                assert_eq!(written, format!("{number:010}").as_bytes(), "{number}");
            }
        }
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
            ("1234567890123456789", Malformed::Length),
            ("123456789012345678901", Malformed::Length),
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
        let short = CodeForm::Short;
        assert_eq!(BindingCode::from_tag(&tag(0), short(6)).expose(), "000000");
        assert_eq!(BindingCode::from_tag(&tag(7), short(9)).expose(), "000000007");
        // 2^64 - 1 is 18446744073709551615.
        for (digits, expected) in [(6, "551615"), (7, "9551615"), (8, "09551615"), (9, "709551615")] {
            let code = BindingCode::from_tag(&Tag([0xff; 32]), short(digits));
            assert_eq!((code.expose(), code.form()), (expected, short(digits)));
            assert_eq!(code.groups().collect::<Vec<_>>(), [expected]);
        }
    }

    #[test]
    fn a_long_code_is_two_draws_in_groups_of_four() {
        let mut bytes = [0xff; 32];
        bytes[8..16].copy_from_slice(&12_345_678_901_234_567_890_u64.to_be_bytes());
        let code = BindingCode::from_tag(&Tag(bytes), CodeForm::Long);
        assert_eq!(code.expose(), "37095516151234567890");
        assert_eq!((code.form(), code.length()), (CodeForm::Long, 20));
        assert_eq!(code.groups().collect::<Vec<_>>(), ["3709", "5516", "1512", "3456", "7890"]);
        let typed = code.groups().collect::<Vec<_>>().join(" ");
        assert!(bool::from(BindingCode::parse(&typed).unwrap().matches(&code)));
        for place in 0..20 {
            let mut other = code.clone();
            other.digits[place] ^= 1;
            assert!(!bool::from(other.matches(&code)), "digit {place}");
        }
        let greatest = BindingCode::from_tag(&Tag([0xff; 32]), CodeForm::Long);
        assert_eq!(greatest.expose(), "37095516153709551615");
        let last = code.expose().get(..19).unwrap();
        assert_eq!(BindingCode::parse(last).err(), Some(Malformed::Length));
    }

    #[test]
    fn forms_say_their_digits() {
        assert_eq!((CodeForm::Short(7).digits(), CodeForm::Short(7).is_long()), (7, false));
        assert_eq!((CodeForm::Long.digits(), CodeForm::Long.is_long()), (20, true));
    }

    #[test]
    fn codes_are_wiped_when_they_go() {
        let tag = Tag([0; 32]);
        assert_eq!(wiped_with(BindingCode::from_tag(&tag, CodeForm::Short(6))), 20);
        assert_eq!(wiped_with(RecoveryCode::from_tag(&tag)), 24);
    }

    #[test]
    fn secrets_do_not_show() {
        let code = BindingCode::from_tag(&Tag([0; 32]), CodeForm::Short(6));
        assert_eq!(format!("{code:?}"), "BindingCode(..)");
        assert_eq!(format!("{:?}", OobCode(Zeroizing::new("x".into()))), "OobCode(..)");
    }
}
