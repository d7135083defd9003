//! The Key URI format: how an app takes a secret from a QR code.
//!
//! `otpauth://totp/Issuer:account?secret=…&issuer=Issuer&algorithm=SHA1&digits=6&period=30`. The text is a
//! secret. This module must never make one that an app would read as something else: what structures the
//! label is refused in its parts, and everything else that is not plain is escaped (RFC 3986 section 2.1).

use alloc::string::String;
use core::fmt;
use zeroize::Zeroizing;

use crate::value::{one_time_password::OtpAlgorithm, text::Text};

/// What an app shows beside its codes: who issued them, and for which account.
///
/// The app tells one entry from another by both. Neither enters a derivation or a record. `Debug` shows the
/// issuer alone, since the account is personal data.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyLabel {
    issuer: Text,
    account: Text,
}

impl KeyLabel {
    /// The greatest length of either part, in bytes.
    pub const MAX_BYTES: usize = 254;

    /// A label: the name of the service, and the name under which the person knows the account, such as its
    /// email address. Either has 1 to 254 bytes of UTF-8 without a colon or a control character, and no white
    /// space at its ends.
    ///
    /// # Errors
    /// [`InvalidKeyLabel`] if one of them breaks a bound.
    pub fn new(issuer: &str, account: &str) -> Result<Self, InvalidKeyLabel> {
        let fits = |part: &str| {
            (1..=Self::MAX_BYTES).contains(&part.len())
                && !part.contains(|c: char| c == ':' || c.is_control())
                && part.trim() == part
        };
        if !fits(issuer) {
            Err(InvalidKeyLabel { part: "issuer" })
        } else if !fits(account) {
            Err(InvalidKeyLabel { part: "account" })
        } else {
            Ok(Self { issuer: Text::from(issuer), account: Text::from(account) })
        }
    }

    /// The name of the service.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The name of the account.
    #[must_use]
    pub fn account(&self) -> &str {
        &self.account
    }
}

impl fmt::Debug for KeyLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyLabel").field("issuer", &self.issuer()).finish_non_exhaustive()
    }
}

/// A part of a label is empty, too long, or has a colon, a control character, or white space at an end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InvalidKeyLabel {
    part: &'static str,
}

impl InvalidKeyLabel {
    /// Which part: `issuer` or `account`.
    #[must_use]
    pub const fn part(&self) -> &'static str {
        self.part
    }
}

impl fmt::Display for InvalidKeyLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the {} takes 1 to 254 bytes without a colon, a control character, or white space at its ends",
            self.part
        )
    }
}

impl core::error::Error for InvalidKeyLabel {}

/// What the counter of a URI is: the type of the key, and its parameter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Moving {
    /// Time, in steps of so many seconds.
    Period(u16),
    /// A counter, which begins here.
    Counter(u64),
}

/// The URI of a secret, which is given as base32.
pub(crate) fn key_uri(
    label: &KeyLabel,
    secret: &str,
    (algorithm, digits): (OtpAlgorithm, u8),
    moving: Moving,
) -> Zeroizing<String> {
    // A character takes three at most. Room for all of it leaves no copy of the secret behind.
    let names = label.issuer.len().saturating_mul(2).saturating_add(label.account.len());
    let room = names.saturating_mul(3).saturating_add(secret.len()).saturating_add(FIXED);
    let mut uri = Zeroizing::new(String::with_capacity(room));
    let (kind, name, value) = match moving {
        Moving::Period(seconds) => ("totp", "&period=", seconds.into()),
        Moving::Counter(counter) => ("hotp", "&counter=", counter),
    };
    uri.push_str("otpauth://");
    uri.push_str(kind);
    uri.push('/');
    escape(&mut uri, &label.issuer);
    uri.push(':');
    escape(&mut uri, &label.account);
    uri.push_str("?secret=");
    uri.push_str(secret);
    uri.push_str("&issuer=");
    escape(&mut uri, &label.issuer);
    uri.push_str("&algorithm=");
    uri.push_str(algorithm.as_str());
    uri.push_str("&digits=");
    decimal(&mut uri, digits.into());
    uri.push_str(name);
    decimal(&mut uri, value);
    uri
}

/// At least as long as what is the same in every URI, with the longest counter.
const FIXED: usize = 128;

/// Appends a text with everything escaped but what RFC 3986 calls unreserved, and the `@` that account names
/// have.
fn escape(uri: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'@') {
            uri.push(byte.into());
        } else {
            uri.push('%');
            uri.extend([byte >> 4, byte & 0xf].map(hex));
        }
    }
}

/// A digit of base 16, in upper case.
fn hex(digit: u8) -> char {
    char::from_digit(digit.into(), 16).map_or('0', |digit| digit.to_ascii_uppercase())
}

/// Appends a number.
fn decimal(uri: &mut String, number: u64) {
    use fmt::Write as _;
    // A string takes whatever is written to it.
    let _ = write!(uri, "{number}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(issuer: &str, account: &str, terms: (OtpAlgorithm, u8), moving: Moving) -> String {
        let label = KeyLabel::new(issuer, account).unwrap();
        assert_eq!((label.issuer(), label.account()), (issuer, account));
        key_uri(&label, "MZXW6YTBOI", terms, moving).as_str().into()
    }

    #[test]
    fn a_uri_has_every_parameter_and_escapes_its_label() {
        assert_eq!(
            uri("Example", "alice@example.com", (OtpAlgorithm::Sha1, 6), Moving::Period(30)),
            "otpauth://totp/Example:alice@example.com?secret=MZXW6YTBOI&issuer=Example&algorithm=SHA1&digits=6&period=30"
        );
        assert_eq!(
            uri("Böse & Co", "a+b/c?d#e=f%20", (OtpAlgorithm::Sha256, 7), Moving::Period(60)),
            "otpauth://totp/B%C3%B6se%20%26%20Co:a%2Bb%2Fc%3Fd%23e%3Df%2520\
             ?secret=MZXW6YTBOI&issuer=B%C3%B6se%20%26%20Co&algorithm=SHA256&digits=7&period=60"
        );
        assert_eq!(
            uri("E", "-._~", (OtpAlgorithm::Sha512, 8), Moving::Counter(u64::MAX)),
            "otpauth://hotp/E:-._~?secret=MZXW6YTBOI&issuer=E&algorithm=SHA512&digits=8&counter=18446744073709551615"
        );
    }

    #[test]
    fn no_part_of_a_label_can_be_taken_for_another() {
        let longest = "x".repeat(KeyLabel::MAX_BYTES);
        assert!(KeyLabel::new(&longest, &longest).is_ok());
        for part in ["", "a:b", "a\nb", " a", "a ", "\u{a0}a", &"x".repeat(KeyLabel::MAX_BYTES + 1)] {
            let error = KeyLabel::new(part, "a").unwrap_err();
            assert_eq!(error.part(), "issuer", "{part:?}");
            assert!(alloc::format!("{error}").starts_with("the issuer takes 1 to 254 bytes"));
            assert_eq!(KeyLabel::new("a", part).unwrap_err().part(), "account", "{part:?}");
        }
        let label = KeyLabel::new("a b", "c d").unwrap();
        assert_eq!(alloc::format!("{label:?}"), r#"KeyLabel { issuer: "a b", .. }"#);
    }

    /// A text that grows moves, and what it held stays behind in freed memory.
    #[test]
    fn a_uri_is_made_in_one_place() {
        let widest = "\u{fffd}".repeat(84);
        let label = KeyLabel::new(&widest, &widest).unwrap();
        let secret = "A".repeat(103);
        let (terms, moving) = ((OtpAlgorithm::Sha512, 8), Moving::Counter(u64::MAX));
        let made = key_uri(&label, &secret, terms, moving);
        let room = 3 * 3 * widest.len() + secret.len() + FIXED;
        assert!(made.len() <= room);
        assert_eq!(made.capacity(), String::with_capacity(room).capacity());
    }
}
