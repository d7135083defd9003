//! Pieces of the stored form: byte strings, parsed texts and bounded lists.
//!
//! A stored byte is input like any other. Nothing here may allocate more than the bound that its caller names, or
//! take a value that its type's own constructor would refuse.

use alloc::vec::Vec;
use core::{fmt, marker::PhantomData, str::FromStr};
use serde::{
    Deserialize, Deserializer,
    de::{Error as _, SeqAccess, Visitor},
};

/// Reads a text through the constructor of its type.
pub(crate) fn parsed<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: fmt::Display>,
{
    struct Text<T>(PhantomData<T>);

    impl<T: FromStr<Err: fmt::Display>> Visitor<'_> for Text<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a text")
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
            text.parse().map_err(E::custom)
        }
    }

    deserializer.deserialize_str(Text(PhantomData))
}

/// Reads a list of at most `MAX` elements; a longer one is refused at the element that is too many.
pub(crate) fn bounded<'de, D, T, const MAX: usize>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    struct List<T, const MAX: usize>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>, const MAX: usize> Visitor<'de> for List<T, MAX> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a list of at most {MAX}")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<T>, A::Error> {
            let mut list = Vec::new();
            while let Some(element) = seq.next_element()? {
                if list.len() == MAX {
                    return Err(A::Error::custom(format_args!("a list has more than {MAX} elements")));
                }
                list.push(element);
            }
            Ok(list)
        }
    }

    deserializer.deserialize_seq(List::<T, MAX>(PhantomData))
}

/// The stored form of a public time: whole milliseconds since the Unix epoch.
pub(crate) mod millis {
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};
    use time::OffsetDateTime;

    use crate::value::instant::Millis;

    pub(crate) fn serialize<S: Serializer>(at: &OffsetDateTime, serializer: S) -> Result<S::Ok, S::Error> {
        Millis::from(*at).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<OffsetDateTime, D::Error> {
        Millis::deserialize(deserializer).map(Millis::to_datetime)
    }
}

/// The stored form of a public time that may be absent.
pub(crate) mod optional_millis {
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};
    use time::OffsetDateTime;

    use crate::value::instant::Millis;

    #[allow(clippy::ref_option, reason = "the form that serde calls")]
    pub(crate) fn serialize<S: Serializer>(
        at: &Option<OffsetDateTime>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        at.map(Millis::from).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<OffsetDateTime>, D::Error> {
        Option::<Millis>::deserialize(deserializer).map(|at| at.map(Millis::to_datetime))
    }
}

/// What was read is in the store.
pub(crate) const fn yes() -> bool {
    true
}
