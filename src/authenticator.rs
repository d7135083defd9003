//! Authenticators: what an account has enrolled, how each is named, and what a list of them shows.
//!
//! The factor is fixed when an authenticator is made: another address is another authenticator, with an enrolment of its
//! own. A further factor (SMS, voice, TOTP) is a variant of [`Factor`], of [`Channel`] where it sends, and of
//! [`AuthenticatorKind`]; the compiler then names every place that must decide about it.

use alloc::string::String;
use core::{fmt, str::FromStr};

use rand_core::TryCryptoRng;
use time::OffsetDateTime;

use crate::{address::EmailAddress, clock::Millis, enrollment::Enrollment};

/// What an id stands for: the `type` of an authenticator in Auth0's lists.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum AuthenticatorKind {
    /// A code sent to an email address, `email`.
    Email,
    /// The account's set of recovery codes, `recovery-code`.
    RecoveryCode,
}

impl AuthenticatorKind {
    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::RecoveryCode => "recovery-code",
        }
    }

    const fn prefix(self) -> &'static str {
        match self {
            Self::Email => "email|dev_",
            Self::RecoveryCode => "recovery-code|dev_",
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

    /// Draws a new id.
    pub(crate) fn draw<R: TryCryptoRng + ?Sized>(
        kind: AuthenticatorKind,
        rng: &mut R,
    ) -> Result<Self, R::Error> {
        let mut random = [0; 16];
        rng.try_fill_bytes(&mut random)?;
        Ok(Self { kind, device: base62(random) })
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
        [AuthenticatorKind::Email, AuthenticatorKind::RecoveryCode]
            .into_iter()
            .find_map(|kind| Some((kind, text.strip_prefix(kind.prefix())?)))
            .and_then(|(kind, device)| Some(Self { kind, device: device.as_bytes().try_into().ok()? }))
            .filter(|id| id.device.iter().all(u8::is_ascii_alphanumeric))
            .ok_or(InvalidAuthenticatorId)
    }
}

/// For people the whole id; in bytes the kind and the sixteen characters.
#[cfg(feature = "serde")]
impl serde::Serialize for AuthenticatorId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            (self.kind, self.device).serialize(serializer)
        }
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for AuthenticatorId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            return crate::stored::parsed(deserializer);
        }
        let (kind, device) = <(AuthenticatorKind, [u8; 16])>::deserialize(deserializer)?;
        if device.iter().all(u8::is_ascii_alphanumeric) {
            Ok(Self { kind, device })
        } else {
            Err(serde::de::Error::custom(InvalidAuthenticatorId))
        }
    }
}

/// The way a code travels: the `oob_channel` of Auth0's API.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Channel {
    /// Electronic mail, `email`.
    Email,
}

impl Channel {
    /// The name on the wire, which is also what enters the MACs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
        }
    }
}

/// What an authenticator proves, with what is needed to use it. Immutable for the authenticator's life.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Factor {
    /// Control of an email address.
    Email(EmailAddress),
}

impl Factor {
    /// What the factor's authenticator is called.
    #[must_use]
    pub const fn kind(&self) -> AuthenticatorKind {
        match self {
            Self::Email(_) => AuthenticatorKind::Email,
        }
    }

    /// The way its codes travel.
    #[must_use]
    pub const fn channel(&self) -> Channel {
        match self {
            Self::Email(_) => Channel::Email,
        }
    }

    /// Where its codes go.
    #[must_use]
    pub const fn address(&self) -> &EmailAddress {
        match self {
            Self::Email(address) => address,
        }
    }
}

/// How an authenticator came into the record.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Origin {
    /// A person enrolled it and proved it with a code.
    Enrolled,
    /// The host had verified the address itself: Auth0's implicit enrolment.
    Provisioned,
}

/// One authenticator of an account.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct Authenticator {
    pub(crate) id: AuthenticatorId,
    pub(crate) factor: Factor,
    pub(crate) enrollment: Enrollment,
    /// Wrong codes since the last right one. No clock touches it.
    pub(crate) failures: u8,
    pub(crate) origin: Origin,
    pub(crate) created: Millis,
    pub(crate) last_used: Option<Millis>,
}

impl Authenticator {
    /// The public id.
    #[must_use]
    pub const fn id(&self) -> AuthenticatorId {
        self.id
    }

    /// What it proves.
    #[must_use]
    pub const fn factor(&self) -> &Factor {
        &self.factor
    }

    /// Where it stands in its life.
    #[must_use]
    pub const fn enrollment(&self) -> &Enrollment {
        &self.enrollment
    }

    /// Wrong codes in a row.
    #[must_use]
    pub const fn failures(&self) -> u8 {
        self.failures
    }

    /// How it came into the record.
    #[must_use]
    pub const fn origin(&self) -> Origin {
        self.origin
    }

    /// When it came into the record.
    #[must_use]
    pub fn created(&self) -> OffsetDateTime {
        self.created.to_datetime()
    }

    /// When it last verified a code.
    #[must_use]
    pub fn last_used(&self) -> Option<OffsetDateTime> {
        self.last_used.map(Millis::to_datetime)
    }

    pub(crate) const fn is_active(&self) -> bool {
        matches!(self.enrollment, Enrollment::Active)
    }

    pub(crate) const fn is_unconfirmed(&self) -> bool {
        matches!(self.enrollment, Enrollment::Unconfirmed(_))
    }

    pub(crate) const fn is_provisioned(&self) -> bool {
        matches!(self.origin, Origin::Provisioned)
    }

    pub(crate) fn view(&self) -> AuthenticatorView {
        let standing = match self.enrollment {
            Enrollment::Unconfirmed(_) => Standing::Unconfirmed,
            Enrollment::Active => Standing::Active,
            Enrollment::Disabled => Standing::Disabled,
        };
        AuthenticatorView {
            id: self.id,
            channel: Some(self.factor.channel()),
            name: Some(self.factor.address().masked()),
            standing,
            provisioned: self.is_provisioned(),
            created: Some(self.created.to_datetime()),
            last_used: self.last_used.map(Millis::to_datetime),
        }
    }
}

/// One row of the list of authenticators, fit for a client: it holds no secret and only the masked address.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct AuthenticatorView {
    /// The public id.
    pub id: AuthenticatorId,
    /// The way its codes travel; absent for recovery codes.
    pub channel: Option<Channel>,
    /// The masked destination; absent for recovery codes.
    pub name: Option<String>,
    /// Whether it can be used. Auth0's `active` is true for [`Standing::Active`] alone.
    pub standing: Standing,
    /// Whether the host provisioned it; such a one cannot be removed by its user.
    pub provisioned: bool,
    /// When it was made; absent for recovery codes.
    pub created: Option<OffsetDateTime>,
    /// When it last verified a code.
    pub last_used: Option<OffsetDateTime>,
}

/// Whether an authenticator can be used.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Standing {
    /// It waits for its confirmation.
    Unconfirmed,
    /// It can be challenged.
    Active,
    /// Too many wrong codes in a row; a new enrolment is needed.
    Disabled,
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn ids_parse_what_they_print_and_nothing_else() {
        for text in ["email|dev_0123456789ABCDef", "recovery-code|dev_zzzzzzzzzzzzzzzz"] {
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
    }
}
