//! Opaque names that the host supplies: who is authenticated, for which client, with which audience and scope, and
//! what a person calls an authenticator.
//!
//! The core compares them byte for byte and puts them into its MACs; it never interprets, folds or trims them. A
//! [`Subject`] must be the host's canonical account identifier and never something that a person typed: two spellings
//! of one account would be two budgets (CVE-2025-24806).

use core::fmt;

use crate::value::{text::Text, user_input::is_invisible};

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal, $min:literal..=$max:literal $(, $rule:ident)?) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Text);

        impl $name {
            /// The greatest length, in bytes.
            pub const MAX_BYTES: usize = $max;

            #[doc = concat!("Checks and takes ", $what, ": ", stringify!($min), " to ", stringify!($max),
                " bytes of UTF-8 without control characters, kept exactly as given.")]
            ///
            /// # Errors
            /// [`NameError`] says which bound the text breaks.
            pub fn new(text: &str) -> Result<Self, NameError> {
                #[allow(unused_comparisons, clippy::absurd_extreme_comparisons, reason = "some names may be empty")]
                let problem = if text.len() < $min {
                    Some(NameErrorKind::Empty)
                } else if text.len() > Self::MAX_BYTES {
                    Some(NameErrorKind::TooLong { max_bytes: Self::MAX_BYTES })
                } else if has_control(text) {
                    Some(NameErrorKind::ControlCharacter)
                } else {
                    None$(.or_else(|| $rule(text)))?
                };
                problem.map_or_else(|| Ok(Self(Text::from(text))), |problem| Err(NameError { what: $what, problem }))
            }

            /// Takes a text that was checked before a key of ours sealed it. Whoever has that key can seal any text, and
            /// any subject; a rule that becomes stricter takes another version of what is sealed.
            #[allow(dead_code, reason = "some names are never sealed")]
            pub(crate) fn sealed(text: &str) -> Self {
                Self(Text::from(text))
            }

            /// The text, as it was given.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// Its bytes.
            #[allow(dead_code, reason = "some names enter no message")]
            pub(crate) fn as_bytes(&self) -> &[u8] {
                self.0.as_bytes()
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl core::str::FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::new(text)
            }
        }

        #[cfg(feature = "serde")]
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        #[cfg(feature = "serde")]
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                crate::value::serde_helpers::parsed(deserializer)
            }
        }
    };
}

name! {
    /// The account that a second factor belongs to: the host's stable, canonical and opaque identifier.
    ///
    /// It is readable by whoever holds an `mfa_token`, so it should not be personal data.
    Subject, "subject", 1..=255
}

name! {
    /// The OAuth client (`client_id`, RFC 6749 section 2.2) that a transaction was begun for.
    ClientId, "client_id", 1..=255
}

name! {
    /// The audience of the token that the host will issue; empty if the client asked for none.
    Audience, "audience", 0..=255
}

name! {
    /// The scope of the token that the host will issue (RFC 6749 section 3.3), opaque here; may be empty.
    Scope, "scope", 0..=1024
}

name! {
    /// What a person calls an authenticator, such as `work phone`: `name` in Auth0's API.
    ///
    /// It is text that a user typed: it must show something, and is not blanks and invisible characters alone.
    /// Whatever shows it escapes it, and keeps its direction to itself.
    AuthenticatorName, "name", 1..=128, must_show
}

impl Default for Audience {
    /// The empty one: none was asked for.
    fn default() -> Self {
        Self(Text::from(""))
    }
}

impl Default for Scope {
    /// The empty one: none was asked for.
    fn default() -> Self {
        Self(Text::from(""))
    }
}

/// A host handed in a name that the core does not take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NameError {
    what: &'static str,
    problem: NameErrorKind,
}

impl NameError {
    /// Which bound the name breaks.
    #[must_use]
    pub const fn problem(&self) -> NameErrorKind {
        self.problem
    }
}

/// The bound that a refused name breaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum NameErrorKind {
    /// It is empty and may not be.
    Empty,
    /// It is longer than its bound.
    TooLong {
        /// The bound.
        max_bytes: usize,
    },
    /// It contains a control character.
    ControlCharacter,
    /// It shows nothing: it consists of white space and invisible characters.
    Blank,
    /// It contains a character outside the alphabet of its kind.
    Alphabet,
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.what)?;
        match self.problem {
            NameErrorKind::Empty => f.write_str("is empty"),
            NameErrorKind::TooLong { max_bytes } => write!(f, "is longer than {max_bytes} bytes"),
            NameErrorKind::ControlCharacter => f.write_str("contains a control character"),
            NameErrorKind::Blank => f.write_str("shows nothing but blanks"),
            NameErrorKind::Alphabet => f.write_str("contains a character outside [a-z0-9_-]"),
        }
    }
}

impl core::error::Error for NameError {}

/// Whether a control character is in the text (Unicode's category Cc). Most names are ASCII, which its bytes tell.
fn has_control(text: &str) -> bool {
    text.bytes().any(|byte| byte.is_ascii_control())
        || (!text.is_ascii() && text.chars().any(char::is_control))
}

/// The problem of a text that shows nothing.
fn must_show(text: &str) -> Option<NameErrorKind> {
    text.chars().all(|c| c.is_whitespace() || is_invisible(c)).then_some(NameErrorKind::Blank)
}

/// The label of a purpose of the host's own, such as `password-reset`: 1 to 32 bytes of `[a-z0-9_-]`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Label(Text);

impl Label {
    /// The greatest length, in bytes.
    pub const MAX_BYTES: usize = 32;

    /// Checks and takes a label.
    ///
    /// # Errors
    /// [`NameError`] if it is empty, longer than 32 bytes, or has a character outside `[a-z0-9_-]`.
    pub fn new(text: &str) -> Result<Self, NameError> {
        let allowed =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_' || byte == b'-';
        let problem = if text.is_empty() {
            NameErrorKind::Empty
        } else if text.len() > Self::MAX_BYTES {
            NameErrorKind::TooLong { max_bytes: Self::MAX_BYTES }
        } else if !text.bytes().all(allowed) {
            NameErrorKind::Alphabet
        } else {
            return Ok(Self(Text::from(text)));
        };
        Err(NameError { what: "label", problem })
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl core::str::FromStr for Label {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::new(text)
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Label {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for Label {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::value::serde_helpers::parsed(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn names_are_bounded_and_kept_exactly() {
        assert_eq!(Subject::new(" Ünï ").map(|s| s.to_string()), Ok(" Ünï ".to_string()));
        assert_eq!(Subject::new("").map_err(|e| e.problem()), Err(NameErrorKind::Empty));
        assert!(Audience::new("").is_ok());
        assert!(Subject::new(&"s".repeat(255)).is_ok());
        let long = Subject::new(&"s".repeat(256)).map_err(|e| e.to_string());
        assert_eq!(long, Err("subject is longer than 255 bytes".to_string()));
        assert_eq!(ClientId::new("a\nb").map_err(|e| e.problem()), Err(NameErrorKind::ControlCharacter));
        assert!(ClientId::new("a\u{a0}b").is_ok());
        assert_eq!(ClientId::new("a\u{85}b").map_err(|e| e.problem()), Err(NameErrorKind::ControlCharacter));
    }

    #[test]
    fn what_a_person_calls_an_authenticator_shows_something() {
        for blank in [" ", "\u{3000}", "\u{200b}", "\u{2800}\u{202e}", "\u{feff} \u{ad}"] {
            let problem = AuthenticatorName::new(blank).map_err(|e| e.problem());
            assert_eq!(problem, Err(NameErrorKind::Blank), "{blank:?}");
        }
        assert!(AuthenticatorName::new(" \u{200b}x").is_ok());
        assert_eq!(AuthenticatorName::new("").map_err(|e| e.problem()), Err(NameErrorKind::Empty));
        assert!(Subject::new(" ").is_ok(), "what the host calls an account is the host's");
    }

    #[test]
    fn labels_have_their_alphabet() {
        assert!(Label::new("password-reset_2").is_ok());
        assert!(Label::new(&"l".repeat(32)).is_ok());
        for bad in ["", "Upper", "with space", "ü", &"l".repeat(33)] {
            assert!(Label::new(bad).is_err(), "{bad:?}");
        }
    }
}
