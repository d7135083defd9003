//! The one door of the stored form: a record is `{"v1": {…}}`, one key that names the version.
//!
//! A format with names writes `v1`, one without writes the variant's index, 0. With one key there is no order to get
//! wrong, so a store that sorts keys reads back what it was given. What is read is checked as a whole before anybody
//! gets it. Nothing else in the crate may read or write a record, and no variant may be removed or reordered: a later
//! version is appended.

use alloc::boxed::Box;
use core::fmt;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{DeserializeSeed, EnumAccess, Error as _, IgnoredAny, VariantAccess as _, Visitor},
};

use crate::record::{
    account::{Account, AccountBody},
    address_proof::{AddressProof, AddressProofBody},
    validate::{Inconsistent, check_account, check_address_proof},
};

/// The name of the stored form's type, for formats that write one.
const RECORD: &str = "Record";

/// What is written.
#[derive(Serialize)]
#[serde(rename = "Record")]
enum Written<'a, B> {
    #[serde(rename = "v1")]
    V1(&'a B),
}

/// What can be read.
#[derive(Deserialize)]
#[serde(rename = "Record")]
enum Read<B> {
    #[serde(rename = "v1")]
    V1(Box<B>),
}

/// Reads a body of any known version, and checks it.
fn read<'de, B, D>(
    deserializer: D,
    check: impl FnOnce(&B) -> Result<(), Inconsistent>,
) -> Result<Box<B>, D::Error>
where
    B: Deserialize<'de>,
    D: Deserializer<'de>,
{
    let Read::V1(body) = Read::<B>::deserialize(deserializer)?;
    check(&body).map_err(D::Error::custom)?;
    Ok(body)
}

impl Serialize for Account {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Written::<AccountBody>::V1(&self.0).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Account {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read(deserializer, check_account).map(Self)
    }
}

impl Serialize for AddressProof {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Written::<AddressProofBody>::V1(&self.0).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for AddressProof {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read(deserializer, check_address_proof).map(Self)
    }
}

/// The version of a stored record, read from the record without the rest of it.
///
/// It reads what this release cannot: a record of a later version is an error for [`Account`], and so is a corrupt one.
/// A host that cannot read a record asks here which of the two it is. A newer record means that another node already
/// runs a later release: the node that cannot read it answers 500, and nothing is wrong with the store.
///
/// ```
/// use countersign::{Account, record::StoredVersion};
///
/// let stored = r#"{"v2": {"what": "a later release writes"}}"#;
/// assert!(serde_json::from_str::<Account>(stored).is_err());
/// let version: StoredVersion = serde_json::from_str(stored)?;
/// assert_eq!(version.get(), 2);
/// assert!(version.is_newer());
/// # Ok::<(), serde_json::Error>(())
/// ```
///
/// It works in each format that the record works in. A format that describes itself is read to the record's end; in one
/// that does not, such as postcard, the version is first, and the rest is left unread. Nothing but the version is
/// checked: a record that is corrupt in its first byte can look newer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct StoredVersion(u32);

impl StoredVersion {
    /// The version that this release writes, and the newest that it reads.
    pub const CURRENT: Self = Self(1);

    /// The number: 1 for `v1`.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// Whether this release is too old to read the record.
    #[must_use]
    pub const fn is_newer(self) -> bool {
        self.0 > Self::CURRENT.0
    }
}

impl fmt::Display for StoredVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}", self.0)
    }
}

impl<'de> Deserialize<'de> for StoredVersion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Whole;

        impl<'de> Visitor<'de> for Whole {
            type Value = StoredVersion;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a stored record")
            }

            fn visit_enum<A: EnumAccess<'de>>(self, data: A) -> Result<StoredVersion, A::Error> {
                let (version, rest) = data.variant_seed(Tag)?;
                // A format that cannot skip what it cannot describe is left where it is.
                let _ = rest.newtype_variant::<IgnoredAny>();
                Ok(version)
            }
        }

        deserializer.deserialize_enum(RECORD, &["v1"], Whole)
    }
}

/// Reads the name or the index of a version.
struct Tag;

impl<'de> DeserializeSeed<'de> for Tag {
    type Value = StoredVersion;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<StoredVersion, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl Visitor<'_> for Tag {
    type Value = StoredVersion;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the version of a record, such as v1")
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<StoredVersion, E> {
        let digits =
            name.strip_prefix('v').filter(|digits| digits.starts_with(|first| matches!(first, '1'..='9')));
        let number = digits.and_then(|digits| digits.parse().ok());
        number
            .map(StoredVersion)
            .ok_or_else(|| E::custom(format_args!("{name:?} is not the version of a record")))
    }

    fn visit_bytes<E: serde::de::Error>(self, name: &[u8]) -> Result<StoredVersion, E> {
        self.visit_str(core::str::from_utf8(name).unwrap_or(""))
    }

    fn visit_u64<E: serde::de::Error>(self, index: u64) -> Result<StoredVersion, E> {
        let number = u32::try_from(index).ok().and_then(|index| index.checked_add(1));
        number.map(StoredVersion).ok_or_else(|| E::custom("the version of the record is out of range"))
    }
}
