//! Email addresses: checked for length and shape, kept exactly as given, compared as verified.
//!
//! An address is proven by the code that reached it and by nothing else, so this module must never fold, trim or
//! "normalise" one: `A@example.com` and `a@example.com` are two addresses until each was confirmed. What it refuses is
//! what could change the meaning of a mail header or fool a reader: control characters and line breaks, white space,
//! invisible characters, the characters that structure an address list (RFC 5322 section 3.2.3, "specials"), and what
//! looks like an `@` or a dot.

use alloc::string::String;
use core::fmt;

use crate::value::text::Text;

/// An email address.
///
/// At most 254 bytes (RFC 5321 section 4.5.3.1.3, less the angle brackets), exactly one `@` with something before it
/// and a domain behind it. Internationalised addresses (RFC 6531) are taken. Quoted local parts and address literals
/// are not.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EmailAddress(Text);

impl EmailAddress {
    /// The greatest length, in bytes.
    pub const MAX_BYTES: usize = 254;

    /// Checks and takes an address.
    ///
    /// # Errors
    /// [`AddressError`] says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        if text.len() > Self::MAX_BYTES {
            return Err(AddressError::TooLong);
        }
        if text.chars().any(is_forbidden) {
            return Err(AddressError::ForbiddenCharacter);
        }
        let (local, domain) = text.split_once('@').ok_or(AddressError::Shape)?;
        let dots_out_of_place = domain.starts_with('.') || domain.ends_with('.') || domain.contains("..");
        if local.is_empty() || domain.is_empty() || domain.contains('@') || dots_out_of_place {
            return Err(AddressError::Shape);
        }
        Ok(Self(Text::from(text)))
    }

    /// The bytes of the address, for what is derived from it.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// The address, exactly as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The address with most of it starred out, for lists: on each side of the `@` the first four characters stay and
    /// the rest become stars, length preserved; a local part of four or fewer is starred whole. This is the rule that
    /// fits both recorded samples of Auth0's `name` field.
    #[must_use]
    pub fn masked(&self) -> String {
        let (local, domain) = self.0.split_once('@').unwrap_or((&self.0, ""));
        let shown = if local.chars().count() <= 4 { 0 } else { 4 };
        let mut masked = String::with_capacity(self.0.len());
        mask(&mut masked, local, shown);
        masked.push('@');
        mask(&mut masked, domain, 4);
        masked
    }
}

fn mask(masked: &mut String, part: &str, shown: usize) {
    masked.extend(part.chars().enumerate().map(|(place, c)| if place < shown { c } else { '*' }));
}

fn is_forbidden(c: char) -> bool {
    c.is_control()
        || c.is_whitespace()
        || crate::value::user_input::is_invisible(c)
        || matches!(c, '(' | ')' | '<' | '>' | '[' | ']' | ':' | ';' | '\\' | ',' | '"')
        // What looks like the `@` or the dot that structures an address, and what is no character at all.
        || matches!(c, '\u{fe6b}' | '\u{ff20}' | '\u{3002}' | '\u{ff0e}' | '\u{ff61}' | '\u{fdd0}'..='\u{fdef}')
        || u32::from(c) & 0xfffe == 0xfffe
}

/// Shows the masked form: an address is personal data, and a log is no place for it.
impl fmt::Debug for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

impl core::str::FromStr for EmailAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        Self::parse(text)
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for EmailAddress {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for EmailAddress {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::value::serde_helpers::parsed(deserializer)
    }
}

/// What is wrong with a text that was given as an email address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum AddressError {
    /// It is longer than 254 bytes.
    TooLong,
    /// It has no or more than one `@`, nothing before it, or no domain behind it.
    Shape,
    /// It contains a control character, a line break, white space, an invisible character, one of `()<>[]:;\,"`, or a
    /// look-alike of `@` or the dot.
    ForbiddenCharacter,
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLong => "the address is longer than 254 bytes",
            Self::Shape => "the address is not of the form name@domain",
            Self::ForbiddenCharacter => "the address contains a character that no address may have",
        })
    }
}

impl core::error::Error for AddressError {}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn addresses_are_kept_exactly_as_given() {
        for text in
            ["User.Name+tag@Example.COM", "a@b", "δοκιμή@παράδειγμα.ελ", "o'brien@example.com", "a..b@x.io"]
        {
            assert_eq!(EmailAddress::parse(text).as_ref().map(EmailAddress::as_str), Ok(text));
        }
        let upper = EmailAddress::parse("A@example.com");
        assert_ne!(upper, EmailAddress::parse("a@example.com"));
    }

    #[test]
    fn shapes_that_are_no_address_are_refused() {
        for text in ["", "@", "a@", "@b", "ab", "a@b@c", "a@.b", "a@b.", "a@b..c"] {
            assert_eq!(EmailAddress::parse(text), Err(AddressError::Shape), "{text:?}");
        }
        for text in [
            "a@b\r\nBcc: c@d",
            "a b@c",
            " a@b",
            "a@b\u{a0}",
            "a\u{200b}@b",
            "a\u{202e}@b",
            "a\u{0}@b",
            "a\u{2028}@b",
            "a,b@c",
            "<a@b>",
            "\"a\"@b",
            "a@[127.0.0.1]",
            "a\u{34f}@b",
            "a\u{3164}@b",
            "a\u{fe0f}@b",
            "a\u{e0041}@b",
            "a\u{2800}@b",
            "a\u{fffe}@b",
            "a＠b@c",
            "a@b。c",
        ] {
            assert_eq!(EmailAddress::parse(text), Err(AddressError::ForbiddenCharacter), "{text:?}");
        }
        let longest = format!("{}@b", "a".repeat(252));
        assert!(EmailAddress::parse(&longest).is_ok());
        assert_eq!(EmailAddress::parse(&format!("a{longest}")), Err(AddressError::TooLong));
    }

    #[test]
    fn masking_keeps_four_characters_and_the_length() {
        for (address, masked) in [
            ("user@example.com", "****@exam*******"),
            ("dlozano12345@gmail.com", "dloz********@gmai*****"),
            ("a@b", "*@b"),
            ("fünfe@äöüß.de", "fünf*@äöüß***"),
        ] {
            let address = EmailAddress::parse(address).map(|a| (a.masked(), format!("{a:?}")));
            assert_eq!(address, Ok((masked.into(), masked.into())));
        }
    }
}
