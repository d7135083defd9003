//! A parameter of a request: bounded, redacted and zeroed, because most of them are secrets.

use alloc::{borrow::ToOwned as _, string::String, vec::Vec};
use core::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{self, SeqAccess, Visitor},
};
use zeroize::Zeroizing;

/// The text of one parameter, at most [`MAX_BYTES`](Self::MAX_BYTES) long and never empty.
#[derive(Clone)]
pub struct Parameter(Zeroizing<String>);

impl Parameter {
    /// The greatest length in bytes: room for an access token.
    pub const MAX_BYTES: usize = 4096;

    /// The text.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    fn read<E: de::Error>(text: &str) -> Result<Self, E> {
        if text.len() > Self::MAX_BYTES {
            Err(E::custom("a parameter is too long"))
        } else {
            Ok(Self(Zeroizing::new(text.to_owned())))
        }
    }
}

impl fmt::Debug for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Parameter(..)")
    }
}

/// Text alone: a number would lose the zeros that a code begins with.
struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Parameter;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Parameter, E> {
        Parameter::read(text)
    }

    fn visit_string<E: de::Error>(self, text: String) -> Result<Parameter, E> {
        Parameter::read(&Zeroizing::new(text))
    }
}

impl<'de> Deserialize<'de> for Parameter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TextVisitor)
    }
}

/// A parameter that may be absent, `null` or empty, which all mean the same.
pub(super) fn optional<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Parameter>, D::Error> {
    let given = Option::<Parameter>::deserialize(deserializer)?;
    Ok(given.filter(|parameter| !parameter.expose().is_empty()))
}

/// A flag: `true` or `false`, as itself or as text, which is how a form has it. Absent, `null` and empty are
/// `false`.
pub(super) fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    struct FlagVisitor;

    impl<'de> Visitor<'de> for FlagVisitor {
        type Value = bool;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("true or false")
        }

        fn visit_unit<E: de::Error>(self) -> Result<bool, E> {
            Ok(false)
        }

        fn visit_bool<E: de::Error>(self, given: bool) -> Result<bool, E> {
            Ok(given)
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<bool, E> {
            match text {
                "true" => Ok(true),
                "false" | "" => Ok(false),
                _ => Err(E::invalid_value(de::Unexpected::Other("another text"), &self)),
            }
        }
    }

    deserializer.deserialize_any(FlagVisitor)
}

/// A parameter that `null` and empty take back. What is absent is not read at all.
pub(super) fn replaced<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Option<Parameter>>, D::Error> {
    optional(deserializer).map(Some)
}

/// A flag that was given. What is absent is not read at all.
pub(super) fn given_flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    flag(deserializer).map(Some)
}

/// The most entries of a list.
const MAX_ENTRIES: usize = 16;

/// A list of texts that may be absent or `null`.
pub(super) fn list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Parameter>, D::Error> {
    struct ListVisitor;

    impl<'de> Visitor<'de> for ListVisitor {
        type Value = Vec<Parameter>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an array of strings")
        }

        fn visit_unit<E: de::Error>(self) -> Result<Vec<Parameter>, E> {
            Ok(Vec::new())
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Vec<Parameter>, A::Error> {
            let mut list = Vec::new();
            while let Some(entry) = entries.next_element()? {
                if list.len() == MAX_ENTRIES {
                    return Err(de::Error::custom("an array is too long"));
                }
                list.push(entry);
            }
            Ok(list)
        }
    }

    deserializer.deserialize_any(ListVisitor)
}
