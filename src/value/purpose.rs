//! What a code is for. A purpose is part of every derivation, so a code for one must never be accepted for another.

use crate::value::name::Label;

/// What a right code is good for. It enters the code's MAC, so no code for one purpose is right for another.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Purpose {
    /// Proves control of an address: NIST's confirmation code (SP 800-63B-4 section 4.2.1.2).
    Confirm,
    /// Proves presence at a login: NIST's out-of-band secret (SP 800-63B-4 section 3.1.3).
    Authenticate,
    /// A purpose of the host's own, such as a password reset.
    Custom(Label),
}

impl Purpose {
    /// The bytes that enter the MAC, in two pieces.
    pub(crate) fn parts(&self) -> (&str, &str) {
        match self {
            Self::Confirm => ("confirm", ""),
            Self::Authenticate => ("authenticate", ""),
            Self::Custom(label) => ("custom:", label.as_str()),
        }
    }
}
