//! Email addresses: what is accepted can be delivered, and is kept exactly as given.
//!
//! An address is proven by the code that reached it and by nothing else, so this module must never fold, trim or
//! convert one: `A@example.com` and `a@example.com` are two addresses until each was confirmed. Only the ASCII case of the
//! domain makes no difference (RFC 5321 section 2.4). A host asks the same function at every door: an address that one
//! place takes and another refuses is a user who never gets a code.

use alloc::string::String;
use core::{
    cmp::Ordering,
    fmt,
    hash::{Hash, Hasher},
};
use unicode_normalization::{char::is_combining_mark, is_nfc};

use crate::value::{decimal_digit, text::Text, user_input::is_invisible};

/// An email address.
///
/// The local part is a dot-atom (RFC 5322 section 3.2.3), internationalized ones included (RFC 6531 section 3.3). The
/// domain is a sequence of labels of letters, digits and inner hyphens (RFC 1123 section 2.1, RFC 5890 section 2.3.2.1). Both
/// are in Normalization Form C (RFC 6532 section 3.1). Quoted local parts and address literals are not taken.
///
/// Two addresses are equal if they differ at most in the ASCII case of the domain.
#[derive(Clone)]
pub struct EmailAddress(Text);

impl EmailAddress {
    /// The greatest length, in bytes (RFC 5321 section 4.5.3.1.3, less the angle brackets).
    pub const MAX_BYTES: usize = 254;
    /// The greatest length of the local part, in bytes (RFC 5321 section 4.5.3.1.1).
    pub const MAX_LOCAL_BYTES: usize = 64;
    /// The greatest length of a label of the domain, in bytes (RFC 1035 section 2.3.4).
    pub const MAX_LABEL_BYTES: usize = 63;

    /// Checks and takes an address.
    ///
    /// # Errors
    /// [`AddressError`] says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        if text.len() > Self::MAX_BYTES {
            return Err(AddressError::TooLong);
        }
        if !text.chars().all(|c| is_atom_character(c) || matches!(c, '.' | '@')) {
            return Err(AddressError::ForbiddenCharacter);
        }
        let (local, domain) = text.split_once('@').ok_or(AddressError::Shape)?;
        if local.len() > Self::MAX_LOCAL_BYTES
            || domain.split('.').any(|label| label.len() > Self::MAX_LABEL_BYTES)
        {
            return Err(AddressError::TooLong);
        }
        if local.split('.').any(str::is_empty) || !domain.split('.').all(is_label) {
            return Err(AddressError::Shape);
        }
        if !text.is_ascii() && !is_nfc(text) {
            return Err(AddressError::NotNormalized);
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

    /// The address as messages to its mailbox are counted: in ASCII lower case, and without the `+tag` of the local part
    /// (RFC 5233), which most systems deliver to one mailbox.
    pub(crate) fn counting_form(&self) -> String {
        let (local, domain) = self.parts();
        let mailbox = match local.split_once('+') {
            Some((mailbox, _)) if !mailbox.is_empty() => mailbox,
            _ => local,
        };
        let mut form = String::with_capacity(self.0.len());
        form.push_str(mailbox);
        form.push('@');
        form.push_str(domain);
        form.make_ascii_lowercase();
        form
    }

    /// The local part and the domain.
    fn parts(&self) -> (&str, &str) {
        self.0.split_once('@').unwrap_or((&self.0, ""))
    }

    /// The address with most of it starred out, for lists: on each side of the `@` the first four characters stay and
    /// the rest become stars, length preserved; a local part of four or fewer is starred whole. This is the rule that
    /// fits both recorded samples of Auth0's `name` field.
    #[must_use]
    pub fn masked(&self) -> String {
        let (local, domain) = self.parts();
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

/// Whether a character is one of an atom (RFC 5322 section 3.2.3). Of those beyond ASCII, which RFC 6531 takes whole, what shows nothing, what is
/// no character and what looks like an `@` or a dot could fool a reader, and is left out.
fn is_atom_character(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c);
    }
    let is_look_alike =
        matches!(c, '\u{2024}' | '\u{3002}' | '\u{fe52}' | '\u{fe6b}' | '\u{ff0e}' | '\u{ff20}' | '\u{ff61}');
    let is_noncharacter = u32::from(c) & 0xfffe == 0xfffe || matches!(c, '\u{fdd0}'..='\u{fdef}');
    !(c.is_control() || c.is_whitespace() || is_invisible(c) || is_look_alike || is_noncharacter)
}

/// Whether a text is a label of a domain: letters, digits and inner hyphens, with marks on what stands before them.
fn is_label(text: &str) -> bool {
    let is_inner = |c: char| c == '-' || is_combining_mark(c);
    let of_a_label = |c: char| match c {
        '-' => true,
        _ => c.is_alphabetic() || is_combining_mark(c) || decimal_digit::to_ascii(c).is_ascii_digit(),
    };
    !text.is_empty() && text.chars().all(of_a_label) && !text.starts_with(is_inner) && !text.ends_with('-')
}

/// The bytes of a domain, in ASCII lower case.
fn folded(domain: &str) -> impl Iterator<Item = u8> {
    domain.bytes().map(|byte| byte.to_ascii_lowercase())
}

impl PartialEq for EmailAddress {
    fn eq(&self, other: &Self) -> bool {
        let ((local, domain), (other_local, other_domain)) = (self.parts(), other.parts());
        local == other_local && domain.eq_ignore_ascii_case(other_domain)
    }
}

impl Eq for EmailAddress {}

impl PartialOrd for EmailAddress {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for EmailAddress {
    fn cmp(&self, other: &Self) -> Ordering {
        let ((local, domain), (other_local, other_domain)) = (self.parts(), other.parts());
        local.cmp(other_local).then_with(|| folded(domain).cmp(folded(other_domain)))
    }
}

impl Hash for EmailAddress {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let (local, domain) = self.parts();
        local.hash(state);
        folded(domain).for_each(|byte| state.write_u8(byte));
    }
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
    /// It is longer than 254 bytes, its local part than 64, or a label of its domain than 63.
    TooLong,
    /// It has no or more than one `@`, nothing before it, no domain behind it, a dot or a hyphen out of place, or in its
    /// domain what is neither letter nor digit.
    Shape,
    /// It contains a character that no address may have: white space, a control or an invisible character, one of
    /// `()<>[]:;\,"`, or a look-alike of `@` or the dot.
    ForbiddenCharacter,
    /// It is not in Unicode's Normalization Form C: a letter is written in parts.
    NotNormalized,
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLong => {
                "the address is longer than 254 bytes, its local part than 64, or a label than 63"
            }
            Self::Shape => "the address is not of the form name@domain",
            Self::ForbiddenCharacter => "the address contains a character that no address may have",
            Self::NotNormalized => "the address is not in Unicode's Normalization Form C",
        })
    }
}

impl core::error::Error for AddressError {}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{collections::BTreeSet, format};
    use core::hash::BuildHasher as _;

    fn refusal(text: &str) -> Option<AddressError> {
        EmailAddress::parse(text).err()
    }

    #[test]
    fn addresses_are_kept_exactly_as_given() {
        for text in [
            "User.Name+tag@Example.COM",
            "a@b",
            "a@1.b-c.d2",
            "δοκιμή@παράδειγμα.ελ",
            "o'brien@example.com",
            "!#$%&'*+-/=?^_`{|}~@example.com",
            "a@xn--bcher-kva.example",
            "a@२.example",
            // A vowel sign and a virama in the domain, which are marks.
            "उपयोगकर्ता@हिन्दी.भारत",
            "x@தமிழ்.example",
            "x\u{302}@x.example",
        ] {
            assert_eq!(EmailAddress::parse(text).as_ref().map(EmailAddress::as_str), Ok(text));
        }
    }

    #[test]
    fn only_the_ascii_case_of_a_domain_makes_no_difference() {
        let parse = |text| EmailAddress::parse(text).unwrap();
        let hasher = std::hash::RandomState::new();
        let one = parse("user@example.com");
        for same in ["user@example.com", "user@EXAMPLE.com", "user@Example.Com"].map(parse) {
            assert_eq!(same, one);
            assert_eq!(hasher.hash_one(&same), hasher.hash_one(&one));
            assert_eq!(same.cmp(&one), Ordering::Equal);
            assert_eq!(same.partial_cmp(&one), Some(Ordering::Equal));
        }
        let others = [
            "User@example.com",
            "user@example.co",
            "use@rexample.com",
            "user@exämple.com",
            "user@EXÄMPLE.com",
        ];
        let all: BTreeSet<_> = others.map(parse).into_iter().chain([one.clone()]).collect();
        assert_eq!(all.len(), 6);
        for other in others.map(parse) {
            assert_ne!(other, one);
            assert_ne!(other.cmp(&one), Ordering::Equal);
            assert_ne!(hasher.hash_one(&other), hasher.hash_one(&one));
        }
        assert!(parse("a@B.example") < parse("a@c.example"));
        assert!(parse("b@a.example") > parse("a@b.example"));
    }

    /// L18: addresses that no mail can be written to were taken, and their users never got a code.
    #[test]
    fn addresses_that_cannot_be_delivered_are_refused() {
        let dots = ["a..b@x.example", ".a@x", "a.@x", ".@x", "a@.b", "a@b.", "a@b..c", "a@."];
        let hyphens = ["u@-bad-.example", "u@-bad.example", "u@bad-.example", "u@b.-", "u@-"];
        let others = ["", "@", "a@", "@b", "ab", "a@b@c", "a@b@", "@@", "a@b_c.example", "a@b+c"];
        for text in dots.iter().chain(&hyphens).chain(&others) {
            assert_eq!(refusal(text), Some(AddressError::Shape), "{text:?}");
        }
        for text in ["jose\u{301}@example.com", "user@cafe\u{301}.example", "\u{212b}@example.com"] {
            assert_eq!(refusal(text), Some(AddressError::NotNormalized), "{text:?}");
        }
    }

    #[test]
    fn characters_that_no_address_may_have_are_refused() {
        let header =
            ["a@b\r\nBcc: c@d", "a b@c", " a@b", "a@b\u{a0}", "a\u{0}@b", "a\u{85}@b", "a\u{2028}@b"];
        let specials =
            ["a,b@c", "<a@b>", "\"a\"@b", "a@[127.0.0.1]", "a(c)@b", "a:b@c", "a;b@c", "a\\b@c", "a]@b"];
        let invisible = [
            "a\u{200b}@b",
            "a\u{202e}@b",
            "a\u{34f}@b",
            "a\u{3164}@b",
            "a\u{fe0f}@b",
            "a\u{e0041}@b",
            "a\u{2800}@b",
            "a@b\u{200d}c",
        ];
        let look_alikes =
            ["a＠b@c", "a﹫b@c", "a@b。c", "a@b．c", "a@b｡c", "a\u{2024}b@c", "a@b\u{2024}c", "a\u{fe52}b@c"];
        let noncharacters = ["a\u{fffe}@b", "a\u{fdd0}@b", "a\u{fdef}@b", "a\u{1ffff}@b"];
        let of_no_domain = ["a@b€c", "a@\u{301}b", "a@b.\u{94d}", "a@b½", "a@b→"];
        let all = header.iter().chain(&specials).chain(&invisible).chain(&look_alikes);
        for text in all.chain(&noncharacters) {
            assert_eq!(refusal(text), Some(AddressError::ForbiddenCharacter), "{text:?}");
        }
        for text in of_no_domain {
            assert_eq!(refusal(text), Some(AddressError::Shape), "{text:?}");
        }
    }

    #[test]
    fn each_part_has_its_greatest_length() {
        let label = "b".repeat(63);
        for (text, expected) in [
            (format!("{}@b", "a".repeat(64)), None),
            (format!("{}@b", "a".repeat(65)), Some(AddressError::TooLong)),
            (format!("a@{label}.example"), None),
            (format!("a@b{label}.example"), Some(AddressError::TooLong)),
            (format!("a@example.b{label}"), Some(AddressError::TooLong)),
            (format!("{}@{label}.{label}.{}", "a".repeat(64), "c".repeat(61)), None),
            (format!("{}@{label}.{label}.{}", "a".repeat(64), "c".repeat(62)), Some(AddressError::TooLong)),
            (" ".repeat(255), Some(AddressError::TooLong)),
            (" ".repeat(254), Some(AddressError::ForbiddenCharacter)),
        ] {
            assert_eq!(refusal(&text), expected, "{text:?}");
        }
    }

    #[test]
    fn messages_are_counted_by_mailbox() {
        for (address, form) in [
            ("User@Example.COM", "user@example.com"),
            ("user+tag@example.com", "user@example.com"),
            ("user+a+b@example.com", "user@example.com"),
            ("user+@example.com", "user@example.com"),
            ("+tag@example.com", "+tag@example.com"),
            ("Ä+x@Ä.example", "Ä@Ä.example"),
        ] {
            assert_eq!(EmailAddress::parse(address).unwrap().counting_form(), form);
        }
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
