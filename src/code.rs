//! The secrets that clients present: binding codes, recovery codes and `oob_code`s.
//!
//! A code is a string of symbols and never an integer: one in ten binding codes begins with a zero. Each type is built
//! only by deriving it or by reading what a person typed; it shows nothing in `Debug`, compares in constant time, is
//! zeroed when dropped, and cannot be serialised.

use alloc::string::String;
use core::fmt;

use subtle::{Choice, ConditionallySelectable as _, ConstantTimeEq as _, ConstantTimeGreater as _};
use zeroize::Zeroizing;

use crate::{
    keys::{self, Tag},
    typed::{self, Malformed},
    wipe::Scratch,
};

/// The number that a message carries and a person types: `binding_code` in Auth0's API, 6 to 9 decimal digits.
#[derive(Clone)]
pub struct BindingCode {
    /// ASCII digits; zero bytes behind them.
    digits: Scratch<16>,
    length: u8,
}

impl BindingCode {
    /// The fewest digits (NIST SP 800-63B-4 section 3.1.3.2: six decimal digits or equivalent).
    pub const MIN_DIGITS: u8 = 6;
    /// The most digits (RFC 4226 appendix E.2 calls nine the practical maximum).
    pub const MAX_DIGITS: u8 = 9;

    /// Reads a typed code: 6 to 9 digits, ASCII or full-width, with spaces, dashes and invisible characters anywhere.
    ///
    /// # Errors
    /// [`Malformed`] if the text cannot be a binding code; that costs no attempt.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let mut code = Self { digits: Scratch::new(), length: 0 };
        let slots = code.digits.first_chunk_mut::<9>().ok_or(Malformed::Length)?;
        let count = typed::read(text, slots, |byte| (byte, among(byte, b'0', 10)))?;
        code.length = u8::try_from(count).map_err(|_| Malformed::Length)?;
        if (Self::MIN_DIGITS..=Self::MAX_DIGITS).contains(&code.length) {
            Ok(code)
        } else {
            Err(Malformed::Length)
        }
    }

    /// The first 16 bytes of `tag`, as an integer, modulo 10^`digits`. The excess of any code over another is below
    /// 2^-98.
    pub(crate) fn from_tag(tag: &Tag, digits: u8) -> Self {
        // One arm a modulus: division by a constant compiles to a multiplication, whose time tells nothing.
        let mut number = match digits {
            9 => remainder::<1_000_000_000>(tag),
            8 => remainder::<100_000_000>(tag),
            7 => remainder::<10_000_000>(tag),
            _ => remainder::<1_000_000>(tag),
        };
        let length = digits.clamp(Self::MIN_DIGITS, Self::MAX_DIGITS);
        let mut code = Self { digits: Scratch::new(), length };
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
        keys::difference(&self.digits, &other.digits).ct_eq(&0)
    }
}

/// The first 16 bytes of `tag` modulo `M`, 32 bits at a time.
fn remainder<const M: u64>(tag: &Tag) -> u64 {
    const { assert!(0 < M && M <= 1 << 30, "a remainder and 32 bits must fit an integer") };
    let (limbs, _) = tag.first::<16>().as_chunks::<4>();
    limbs.iter().fold(0, |rest, limb| {
        let number = (rest << 32).wrapping_add(u64::from(u32::from_be_bytes(*limb)));
        // The modulus is a constant and not zero.
        number.checked_rem(M).unwrap_or(0)
    })
}

impl fmt::Debug for BindingCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BindingCode(..)")
    }
}

/// A recovery code: 24 symbols of `23456789ABCDEFGHJKLMNPQRSTUVWXYZ`, 120 bits, usable once.
///
/// At 120 bits a keyed hash of it may be stored without a password-hashing scheme (NIST SP 800-63B-4 section 3.1.2.2,
/// ASVS 5.0 requirement 6.5.2: the threshold is 112 bits).
#[derive(Clone)]
pub struct RecoveryCode(Scratch<{ Self::SYMBOLS }>);

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
        let mut symbols = Scratch::new();
        let count = typed::read(text, symbols.as_mut_slice(), known_symbol)?;
        if count == Self::SYMBOLS { Ok(Self(symbols)) } else { Err(Malformed::Length) }
    }

    /// The first 15 bytes of `tag` as 24 groups of 5 bits, most significant first.
    pub(crate) fn from_tag(tag: &Tag) -> Self {
        let mut code = Self(Scratch::new());
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

/// The symbol of the low five bits: `2` to `9`, then the letters without `I` and `O`, by arithmetic instead of a look-up.
/// A plain mask will not do: optimising for size, the compiler makes a branch of it. It does not see through a `Choice`.
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

/// Whether a byte is one of `count` from `first` on.
fn among(byte: u8, first: u8, count: u8) -> Choice {
    count.ct_gt(&byte.wrapping_sub(first))
}

impl fmt::Debug for RecoveryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryCode(..)")
    }
}

/// The opaque handle of a challenge, as Auth0's API names it: 72 characters of base64url, bound to the subject and the
/// transaction by a MAC. It goes to the client and comes back with the binding code.
#[derive(Clone)]
pub struct OobCode(pub(crate) Zeroizing<String>);

impl OobCode {
    /// The text in clear, for the client.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for OobCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OobCode(..)")
    }
}

/// The token of a transaction between a first factor and its second: `mfa_token` in Auth0's API.
#[derive(Clone)]
pub struct MfaToken(pub(crate) Zeroizing<String>);

impl MfaToken {
    /// The text in clear, for the client.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for MfaToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MfaToken(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wipe::tests::wiped_with;
    use alloc::{borrow::ToOwned as _, format};

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
        assert_eq!(binding("123456789").as_deref(), Ok("123456789"));
        let longest = "012345".to_owned() + &" ".repeat(typed::MAX_TYPED_BYTES - 6);
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
            ("١٢٣٤٥٦", Malformed::Character),
            ("१२३४५६", Malformed::Character),
            ("12345½", Malformed::Character),
            ("12345.6", Malformed::Character),
            ("123456\u{0}", Malformed::Character),
            ("1".repeat(257).as_str(), Malformed::TooLong),
        ] {
            assert_eq!(binding(text), Err(error), "{text:?}");
        }
    }

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

    #[test]
    fn codes_reach_both_ends_of_their_range() {
        let tag = |low: u8| {
            let mut bytes = [0; 32];
            if let Some(last) = bytes.get_mut(15) {
                *last = low;
            }
            Tag(bytes)
        };
        assert_eq!(BindingCode::from_tag(&tag(0), 6).expose(), "000000");
        assert_eq!(BindingCode::from_tag(&tag(7), 9).expose(), "000000007");
        // 2^128 - 1 is ...768211455: its last digits, as a big integer says.
        for (digits, expected) in [(6, "211455"), (7, "8211455"), (8, "68211455"), (9, "768211455")] {
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
