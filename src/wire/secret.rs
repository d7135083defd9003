//! A secret of a reply: a token, a handle or a recovery code on its way to its client.
//!
//! It encodes as its text and shows nothing in `Debug`, since replies are logged by accident. It is zeroed when
//! dropped. This module must never print a secret.

use alloc::{borrow::ToOwned as _, string::String};
use core::fmt;

use serde::{Serialize, Serializer};
use zeroize::Zeroizing;

/// A secret of a reply. Only [`expose`](Self::expose) and its encoding show it.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// The text.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.expose())
    }
}
