//! The stored form of byte newtypes: base64url in a format for people, bytes in any other, and either is read in both. It
//! must never read bytes of another length, or a text that is not canonical.

use core::fmt;
use serde::{
    Deserializer, Serializer,
    de::{Error as _, SeqAccess, Visitor},
};

use crate::crypto::{base64url, wipe::SecretArray};

/// Writes a byte string of fixed length: base64url in a format for people, the bare bytes otherwise.
pub(crate) fn write_bytes<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    if serializer.is_human_readable() {
        serializer.serialize_str(&base64url::encode(bytes))
    } else {
        serializer.serialize_bytes(bytes)
    }
}

/// Reads what [`write_bytes`] wrote: base64url, bytes or a sequence of bytes, whatever the format is for.
///
/// A format may be for people at one door and not at the other: BSON is, where it goes through its document type. Such
/// a format describes itself, and it is asked for what is there.
pub(crate) fn read_bytes<'de, D: Deserializer<'de>, const N: usize>(
    deserializer: D,
) -> Result<[u8; N], D::Error> {
    struct Bytes<const N: usize>;

    impl<'de, const N: usize> Visitor<'de> for Bytes<N> {
        type Value = [u8; N];

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "{N} bytes")
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<[u8; N], E> {
            // No byte string in a record is longer than a tag.
            let mut buffer = SecretArray::<{ base64url::room(32) }>::new();
            let bytes = base64url::decode(text, N, buffer.as_mut_slice());
            let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
            bytes.ok_or_else(|| E::custom(format_args!("expected {N} bytes as base64url")))
        }

        fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<[u8; N], E> {
            bytes.try_into().map_err(|_| E::invalid_length(bytes.len(), &self))
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<[u8; N], A::Error> {
            let mut bytes = [0; N];
            for (place, slot) in bytes.iter_mut().enumerate() {
                *slot = seq.next_element()?.ok_or_else(|| A::Error::invalid_length(place, &self))?;
            }
            match seq.next_element::<u8>()? {
                None => Ok(bytes),
                Some(_) => Err(A::Error::invalid_length(N.saturating_add(1), &self)),
            }
        }
    }

    if deserializer.is_human_readable() {
        deserializer.deserialize_any(Bytes::<N>)
    } else {
        deserializer.deserialize_bytes(Bytes::<N>)
    }
}

/// Gives a byte newtype the stored form of its bytes.
macro_rules! stored_as_bytes {
    ($name:ty) => {
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                $crate::crypto::stored_bytes::write_bytes(&self.0, serializer)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::crypto::stored_bytes::read_bytes(deserializer).map(Self)
            }
        }
    };
}
pub(crate) use stored_as_bytes;
