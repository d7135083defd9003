//! Kinds and ids: of authenticators, challenges, transactions, keys and destinations. The texts of kinds are stored and
//! derived from, so this list only grows. An id must never hold anything that its holder may not know.

use core::{fmt, str::FromStr};

/// What an id stands for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum AuthenticatorKind {
    /// A code sent to an email address, `email`.
    Email,
    /// The account's set of recovery codes, `recovery-code`.
    RecoveryCode,
    /// A code that an app makes from the time, `totp`.
    Totp,
    /// A code that a device makes from a counter, `hotp`.
    Hotp,
}

impl AuthenticatorKind {
    /// Every kind, in the order in which they came.
    pub(crate) const ALL: [Self; 4] = [Self::Email, Self::RecoveryCode, Self::Totp, Self::Hotp];

    /// The name, which stands in the ids of its authenticators.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.texts().0
    }

    const fn prefix(self) -> &'static str {
        self.texts().1
    }

    /// Whether it is a factor to enroll. A set of recovery codes comes with one.
    pub(crate) const fn is_factor(self) -> bool {
        !matches!(self, Self::RecoveryCode)
    }

    /// The name, and what an id of the kind begins with.
    const fn texts(self) -> (&'static str, &'static str) {
        match self {
            Self::Email => ("email", "email|dev_"),
            Self::RecoveryCode => ("recovery-code", "recovery-code|dev_"),
            Self::Totp => ("totp", "totp|dev_"),
            Self::Hotp => ("hotp", "hotp|dev_"),
        }
    }
}

/// The public id of an authenticator or of a recovery set: its kind, `|dev_` and 16 base-62 characters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AuthenticatorId {
    kind: AuthenticatorKind,
    device: [u8; 16],
}

impl AuthenticatorId {
    /// What the id stands for.
    #[must_use]
    pub const fn kind(&self) -> AuthenticatorKind {
        self.kind
    }

    /// From 16 random bytes.
    pub(crate) fn from_random(kind: AuthenticatorKind, random: [u8; 16]) -> Self {
        Self { kind, device: base62(random) }
    }

    pub(crate) const fn prefix(&self) -> &'static [u8] {
        self.kind.prefix().as_bytes()
    }

    pub(crate) const fn device(&self) -> &[u8; 16] {
        &self.device
    }

    fn device_str(&self) -> &str {
        core::str::from_utf8(&self.device).unwrap_or("")
    }
}

/// 16 random bytes as an integer modulo 62^16, in base 62, most significant digit first. The modulus is below 2^96, so
/// no id is more likely than another by more than 2^-32.
pub(crate) fn base62(random: [u8; 16]) -> [u8; 16] {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut number = u128::from_be_bytes(random);
    let mut device = [b'0'; 16];
    for slot in device.iter_mut().rev() {
        let [digit, ..] = (number % 62).to_le_bytes();
        *slot = DIGITS.get(usize::from(digit)).copied().unwrap_or(b'0');
        number /= 62;
    }
    device
}

impl fmt::Display for AuthenticatorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.prefix())?;
        f.write_str(self.device_str())
    }
}

impl fmt::Debug for AuthenticatorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text is not the id of any authenticator.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InvalidAuthenticatorId;

impl fmt::Display for InvalidAuthenticatorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an authenticator id")
    }
}

impl core::error::Error for InvalidAuthenticatorId {}

impl FromStr for AuthenticatorId {
    type Err = InvalidAuthenticatorId;

    fn from_str(text: &str) -> Result<Self, InvalidAuthenticatorId> {
        AuthenticatorKind::ALL
            .into_iter()
            .find_map(|kind| Some((kind, text.strip_prefix(kind.prefix())?)))
            .and_then(|(kind, device)| Some(Self { kind, device: device.as_bytes().try_into().ok()? }))
            .filter(|id| id.device.iter().all(u8::is_ascii_alphanumeric))
            .ok_or(InvalidAuthenticatorId)
    }
}

/// The text in every format: a kind has no number that a later list could shift.
#[cfg(feature = "serde")]
impl serde::Serialize for AuthenticatorId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for AuthenticatorId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::value::serde_helpers::parsed(deserializer)
    }
}

/// What the id of a remembered device begins with.
const DEVICE_PREFIX: &str = "device_";

/// The public id of a remembered device: `device_` and 16 base-62 characters. It is in lists and audit
/// events, and grants nothing: the token that a browser keeps does.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceId(pub(crate) [u8; 16]);

impl DeviceId {
    /// From 16 random bytes.
    pub(crate) fn from_random(random: [u8; 16]) -> Self {
        Self(base62(random))
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(DEVICE_PREFIX)?;
        f.write_str(core::str::from_utf8(&self.0).unwrap_or(""))
    }
}

impl fmt::Debug for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text is not the id of any remembered device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InvalidDeviceId;

impl fmt::Display for InvalidDeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not the id of a remembered device: it takes device_ and 16 letters or digits")
    }
}

impl core::error::Error for InvalidDeviceId {}

impl FromStr for DeviceId {
    type Err = InvalidDeviceId;

    fn from_str(text: &str) -> Result<Self, InvalidDeviceId> {
        let id = text.strip_prefix(DEVICE_PREFIX).and_then(|id| id.as_bytes().try_into().ok());
        let id = id.filter(|id: &[u8; 16]| id.iter().all(u8::is_ascii_alphanumeric));
        id.map(Self).ok_or(InvalidDeviceId)
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for DeviceId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for DeviceId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::value::serde_helpers::parsed(deserializer)
    }
}

/// The public id of a challenge: 16 random bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChallengeId(pub(crate) [u8; 16]);

impl ChallengeId {
    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Debug for ChallengeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crate::crypto::base64url::encode(&self.0))
    }
}

/// The public id of one ask of a proof of an address: 16 random bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct ProofId(pub(crate) [u8; 16]);

impl fmt::Debug for ProofId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crate::crypto::base64url::encode(&self.0))
    }
}

pub(crate) fn first_16(digest: &[u8; 32]) -> [u8; 16] {
    *digest.first_chunk().unwrap_or(&[0; 16])
}

/// A keyed hash of a destination, the same for one address across accounts, so that a host can limit the mail to one
/// mailbox without comparing addresses. It changes when the current durable key does.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DestinationKey(pub(crate) [u8; 16]);

impl DestinationKey {
    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Debug for DestinationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DestinationKey({})", crate::crypto::base64url::encode(&self.0))
    }
}

/// What a record carries of the context of its keys, so that it is not used under another one. It is computed from the
/// context alone: no key that comes or goes changes it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct TenantTag(pub(crate) [u8; 8]);

/// The id of a server key in one class and context: 4 bytes computed from the key, so that no two keys are ever given
/// the same one by hand. It stands in every record, token and handle that depends on the key, and says nothing of it.
/// `Display` writes the six symbols of base64url that a stored record has.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub(crate) [u8; 4]);

impl KeyId {
    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 4] {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crate::crypto::base64url::encode(&self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(feature = "serde")]
crate::crypto::stored_bytes::stored_as_bytes!(KeyId);

#[cfg(feature = "serde")]
crate::crypto::stored_bytes::stored_as_bytes!(DestinationKey);

#[cfg(feature = "serde")]
crate::crypto::stored_bytes::stored_as_bytes!(ChallengeId);

#[cfg(feature = "serde")]
crate::crypto::stored_bytes::stored_as_bytes!(ProofId);

#[cfg(feature = "serde")]
crate::crypto::stored_bytes::stored_as_bytes!(TransactionId);

#[cfg(feature = "serde")]
crate::crypto::stored_bytes::stored_as_bytes!(TenantTag);

/// The id of a transaction, from a first factor to the sessions that its second factor opened: 16 random bytes drawn by
/// [`begin`](crate::Verifier::begin). It is public and grants nothing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransactionId(pub(crate) [u8; 16]);

impl TransactionId {
    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// What a handle carries of it: the first 8 bytes.
    pub(crate) fn tag(&self) -> [u8; 8] {
        *self.0.first_chunk().unwrap_or(&[0; 8])
    }
}

impl fmt::Debug for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crate::crypto::base64url::encode(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn ids_parse_what_they_print_and_nothing_else() {
        for text in [
            "email|dev_0123456789ABCDef",
            "recovery-code|dev_zzzzzzzzzzzzzzzz",
            "totp|dev_0123456789ABCDef",
            "hotp|dev_0123456789ABCDef",
        ] {
            assert_eq!(text.parse::<AuthenticatorId>().map(|id| id.to_string()), Ok(text.to_string()));
        }
        for text in [
            "",
            "email|dev_",
            "email|dev_0123456789ABCDe",
            "email|dev_0123456789ABCDefg",
            "email|dev_0123456789ABCD-_",
            "sms|dev_0123456789ABCDef",
            "Email|dev_0123456789ABCDef",
            "email%7Cdev_0123456789ABCDef",
            "email|dev_0123456789ABCDeé",
        ] {
            assert_eq!(text.parse::<AuthenticatorId>(), Err(InvalidAuthenticatorId), "{text:?}");
        }
        let text = "device_0123456789ABCDef";
        assert_eq!(text.parse::<DeviceId>().map(|id| id.to_string()), Ok(text.to_string()));
        for text in [
            "",
            "device_",
            "0123456789ABCDef",
            "device_0123456789ABCDe",
            "device_0123456789ABCDefg",
            "device_0123456789ABCD-_",
            "Device_0123456789ABCDef",
            "email|dev_0123456789ABCDef",
        ] {
            assert_eq!(text.parse::<DeviceId>(), Err(InvalidDeviceId), "{text:?}");
        }
    }
}
