//! What a code is for. A purpose is part of every derivation, so a code for one must never be accepted for another.

use crate::value::name::Label;

/// What a right code is good for. It enters the code's MAC, so no code for one purpose is right for another.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case", deny_unknown_fields)
)]
#[non_exhaustive]
pub enum Purpose {
    /// Proves control of an address: NIST's confirmation code (SP 800-63B-4 section 4.2.1.2).
    Confirm,
    /// Proves presence at a login: NIST's out-of-band secret (SP 800-63B-4 section 3.1.3).
    Authenticate,
    /// Approves one action of the host's own, such as a password reset or a payment: a right code is an approval of
    /// what was shown to the person, and of nothing else.
    Action {
        /// What kind of action it is.
        label: Label,
        /// A digest of what the person is shown, such as SHA-256 of amount and payee in an encoding that the host
        /// fixes. All zeros stand for an action of which the label says everything.
        #[cfg_attr(
            feature = "serde",
            serde(
                serialize_with = "crate::crypto::stored_bytes::write_bytes",
                deserialize_with = "crate::crypto::stored_bytes::read_bytes"
            )
        )]
        digest: [u8; 32],
    },
    /// Sets a new password for an account by its address: a [proof of an address](crate::address_proof), which no
    /// account is challenged for.
    Reset,
}

impl Purpose {
    /// The bytes that enter the MAC, in three pieces: a name, the digest, the label. The name of an action ends in a
    /// colon and the digest has a fixed length, so that no two purposes have the same bytes.
    pub(crate) fn parts(&self) -> [&[u8]; 3] {
        match self {
            Self::Confirm => [b"confirm", &[], &[]],
            Self::Authenticate => [b"authenticate", &[], &[]],
            Self::Action { label, digest } => [b"action:", digest, label.as_str().as_bytes()],
            Self::Reset => [b"reset", &[], &[]],
        }
    }
}

/// What an address is proven for. It enters every MAC of the proof, so nothing that was sent for one purpose is good
/// for the other.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum ProofPurpose {
    /// Somebody signs up with the address. A link of it is taken only from a browser that asked for one itself: nobody
    /// confirms an account that another began.
    Confirm,
    /// Somebody forgot a password. A link of it is taken from every browser, so each message that a stranger causes
    /// brings the address's owner a link that works.
    Reset,
}

impl ProofPurpose {
    /// Its name, as it enters the MACs.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Confirm => "confirm",
            Self::Reset => "reset",
        }
    }
}

impl From<ProofPurpose> for Purpose {
    fn from(purpose: ProofPurpose) -> Self {
        match purpose {
            ProofPurpose::Confirm => Self::Confirm,
            ProofPurpose::Reset => Self::Reset,
        }
    }
}
