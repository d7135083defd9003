//! One-time passwords: the code that an app or a device shows, the algorithm that makes it, and the secret
//! that both sides share. A code or a secret must never be stored or shown in `Debug`.

use core::fmt;

use crate::{
    crypto::{mac::Tag, wipe::SecretArray},
    value::user_input::{self, Malformed, among},
};

/// The hash of a one-time password's HMAC (RFC 6238 section 1.2).
///
/// SHA-1 is what every app knows. That collisions of it can be made is of no use against an HMAC.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum OtpAlgorithm {
    /// HMAC-SHA-1, the one of RFC 4226.
    Sha1,
    /// HMAC-SHA-256.
    Sha256,
    /// HMAC-SHA-512.
    Sha512,
}

impl OtpAlgorithm {
    /// The name in a Key URI.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
            Self::Sha512 => "SHA512",
        }
    }

    /// How many bytes a secret has: as many as the hash (RFC 6238 section 5.1).
    #[must_use]
    pub const fn secret_bytes(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }
}

/// What an app or a device shows: `otp` in Auth0's API. One code of 6 to 8 decimal digits, or **four** such
/// codes that follow each other, which a hardened account asks for.
#[derive(Clone)]
pub struct OtpCode {
    /// ASCII digits; zero bytes behind them.
    digits: SecretArray<{ Self::MAX_BYTES }>,
    /// Digits of one code.
    length: u8,
    count: u8,
}

impl OtpCode {
    /// The fewest digits (RFC 4226 section 5.3).
    pub const MIN_DIGITS: u8 = 6;
    /// The most digits (RFC 4226 section 5.3: seven and eight are possible).
    pub const MAX_DIGITS: u8 = 8;
    /// How many codes a hardened account asks for at once.
    pub const IN_A_ROW: u8 = 4;

    const MAX_BYTES: usize = 32;

    /// Reads a typed code: 6 to 8 decimal digits of any script, with spaces, dashes and invisible characters
    /// anywhere. Four times as many are four codes of one length, in the order in which they were shown.
    ///
    /// # Errors
    /// [`Malformed`] if the text can be neither; that costs no attempt.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let mut code = Self { digits: SecretArray::new(), length: 0, count: 0 };
        let count = user_input::read(text, code.digits.as_mut_slice(), |byte| (byte, among(byte, b'0', 10)))?;
        (code.length, code.count) = match count {
            6 => (6, 1),
            7 => (7, 1),
            8 => (8, 1),
            24 => (6, Self::IN_A_ROW),
            28 => (7, Self::IN_A_ROW),
            32 => (8, Self::IN_A_ROW),
            _ => return Err(Malformed::Length),
        };
        Ok(code)
    }

    /// The digits in clear, of four codes one behind the other.
    #[must_use]
    pub fn expose(&self) -> &str {
        let all = usize::from(self.length).saturating_mul(self.count.into());
        let digits = self.digits.get(..all).unwrap_or(&[]);
        core::str::from_utf8(digits).unwrap_or("")
    }

    /// How many digits the code has, or each of the four.
    #[must_use]
    pub const fn length(&self) -> u8 {
        self.length
    }

    /// Whether it is four codes.
    #[must_use]
    pub const fn is_four(&self) -> bool {
        self.count == Self::IN_A_ROW
    }

    /// How many codes are asked for at once: four, or one.
    pub(crate) const fn asked_for(four: bool) -> u8 {
        if four { Self::IN_A_ROW } else { 1 }
    }

    /// The numbers that the codes are, if there are as many codes, of as many digits, as are wanted: then
    /// they are no other codes' numbers.
    pub(crate) fn numbers<const N: usize>(&self, digits: u8) -> Option<[u32; N]> {
        if digits != self.length || N != usize::from(self.count) {
            return None;
        }
        let append = |number: u32, digit: &u8| {
            number.wrapping_mul(10).wrapping_add(u32::from(digit.wrapping_sub(b'0')))
        };
        let (mut numbers, mut rest) = ([0; N], self.digits.as_slice());
        for number in &mut numbers {
            let (code, behind) = rest.split_at_checked(digits.into())?;
            (*number, rest) = (code.iter().fold(0, append), behind);
        }
        Some(numbers)
    }
}

impl fmt::Debug for OtpCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OtpCode(..)")
    }
}

/// The secret that makes one-time passwords, which the app or the device has as well.
#[derive(Clone)]
pub(crate) struct SharedSecret {
    /// Zero bytes behind the secret.
    bytes: SecretArray<{ Self::MAX_BYTES }>,
    length: usize,
}

impl SharedSecret {
    /// The most bytes.
    pub(crate) const MAX_BYTES: usize = 64;

    /// A secret as long as the algorithm wants it, cut from blocks of 32 bytes.
    pub(crate) fn from_blocks(algorithm: OtpAlgorithm, block: impl Fn(u32) -> Tag) -> Self {
        let mut secret = Self { bytes: SecretArray::new(), length: algorithm.secret_bytes() };
        if let Some(bytes) = secret.bytes.get_mut(..secret.length) {
            for (index, slots) in (0..).zip(bytes.chunks_mut(32)) {
                let block = block(index);
                if let Some(cut) = block.0.get(..slots.len()) {
                    slots.copy_from_slice(cut);
                }
            }
        }
        secret
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or(&[])
    }

    /// A secret of a published vector.
    #[cfg(test)]
    pub(crate) fn of(given: &[u8]) -> Self {
        let mut secret = Self { bytes: SecretArray::new(), length: given.len() };
        secret.bytes[..given.len()].copy_from_slice(given);
        secret
    }
}

impl fmt::Debug for SharedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedSecret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::wipe::tests::wiped_with;
    use alloc::{borrow::ToOwned as _, format, string::String};

    fn otp(text: &str) -> Result<String, Malformed> {
        OtpCode::parse(text).map(|code| code.expose().to_owned())
    }

    #[test]
    fn one_time_passwords_survive_how_people_type_them() {
        for text in ["012345", " 012 345 ", "012-345", "\u{ff10}12345\r\n", "0\u{a0}1\u{200b}2\u{2013}345"] {
            assert_eq!(otp(text).as_deref(), Ok("012345"), "{text:?}");
        }
        assert_eq!(otp("1234567").as_deref(), Ok("1234567"));
        assert_eq!(otp("12345678").as_deref(), Ok("12345678"));
        assert_eq!(OtpCode::parse("1234567").map(|code| code.length()), Ok(7));
        for (text, length) in [
            ("000000 111111 222222 333333", 6),
            ("0000000-1111111 22222223333333", 7),
            ("00000000111111112222222233333333", 8),
        ] {
            let code = OtpCode::parse(text).unwrap();
            assert_eq!((code.is_four(), code.length()), (true, length), "{text}");
            assert_eq!(code.expose().len(), usize::from(4 * length));
        }
        assert!(!OtpCode::parse("12345678").unwrap().is_four());
        let digits = |count| "1".repeat(count);
        for count in (0..40).filter(|count| ![6, 7, 8, 24, 28, 32].contains(count)) {
            assert_eq!(otp(&digits(count)), Err(Malformed::Length), "{count}");
        }
        for (text, error) in [
            ("12345O", Malformed::Character),
            ("+12345", Malformed::Character),
            ("1".repeat(257).as_str(), Malformed::TooLong),
        ] {
            assert_eq!(otp(text), Err(error), "{text:?}");
        }
    }

    #[test]
    fn a_code_is_a_number_of_its_own_length_only() {
        let number = |text: &str, digits| OtpCode::parse(text).ok()?.numbers(digits);
        assert_eq!(number("012345", 6), Some([12_345]));
        assert_eq!(number("99999999", 8), Some([99_999_999]));
        assert_eq!(number("0012345", 7), Some([12_345]));
        for (text, digits) in [("012345", 7), ("012345", 5), ("0012345", 6), ("12345678", 9), ("123456", 0)] {
            assert_eq!(number(text, digits), None, "{text} of {digits}");
        }
        let four = OtpCode::parse("000001 000020 000300 004000").unwrap();
        assert_eq!(four.numbers(6), Some([1, 20, 300, 4_000]));
        assert_eq!(four.numbers::<4>(7), None);
        assert_eq!(
            (four.numbers::<1>(6), four.numbers::<3>(6), number("000001", 6)),
            (None, None, Some([1]))
        );
        assert_eq!(OtpCode::parse("000001").unwrap().numbers::<4>(6), None);
    }

    #[test]
    fn a_secret_is_cut_from_its_blocks() {
        let block = |index: u32| Tag([u8::try_from(index + 1).unwrap(); 32]);
        let bytes = |algorithm| SharedSecret::from_blocks(algorithm, block).as_bytes().to_vec();
        assert_eq!(bytes(OtpAlgorithm::Sha1), [1; 20]);
        assert_eq!(bytes(OtpAlgorithm::Sha256), [1; 32]);
        assert_eq!(bytes(OtpAlgorithm::Sha512), [[1; 32], [2; 32]].concat());
    }

    #[test]
    fn codes_and_secrets_are_wiped_and_do_not_show() {
        let code = OtpCode::parse("123456").unwrap();
        assert_eq!(format!("{code:?}"), "OtpCode(..)");
        assert_eq!(wiped_with(code), 32);
        let secret = SharedSecret::of(&[7; 20]);
        assert_eq!(format!("{secret:?}"), "SharedSecret(..)");
        assert_eq!(wiped_with(secret), 64);
    }
}
