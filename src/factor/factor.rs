//! The factors, one line and one arm each. What is special about one stands in its own file, behind [`Spec`]. This
//! module must never decide anything for one factor alone.

use crate::{
    factor::{
        destination::{Channel, Destination, FactorLabel},
        email::{self, EmailFactor},
        hotp::HotpFactor,
        one_time::{OneTime, SecretSource},
        spec::Spec,
        totp::TotpFactor,
    },
    keys::keyring::KeyRing,
    otp::key_uri::KeyLabel,
    policy::policy::Policy,
    value::{email_address::EmailAddress, id::AuthenticatorKind, name::AuthenticatorName},
};

/// What an authenticator proves, with what is needed to use it. Immutable for the authenticator's life, but
/// for the counter of one-time passwords, which only moves on.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Factor {
    /// Control of an email address.
    Email(EmailFactor),
    /// Possession of an app that makes codes from the time.
    Totp(TotpFactor),
    /// Possession of a device that makes codes from a counter.
    Hotp(HotpFactor),
}

impl Factor {
    /// The factor, as its own file describes it.
    fn spec(&self) -> &dyn Spec {
        match self {
            Self::Email(factor) => factor,
            Self::Totp(factor) => factor,
            Self::Hotp(factor) => factor,
        }
    }

    /// What the factor's authenticator is called.
    #[must_use]
    pub fn kind(&self) -> AuthenticatorKind {
        self.spec().kind()
    }

    /// The way its messages travel if a request names none; absent if it gets no messages.
    #[must_use]
    pub fn channel(&self) -> Option<Channel> {
        self.spec().channel()
    }

    /// Where its messages go by that channel; absent if it gets no messages.
    #[must_use]
    pub fn destination(&self) -> Option<Destination> {
        self.destination_by(self.channel()?)
    }

    /// What tells it from another of its kind.
    #[must_use]
    pub fn label(&self) -> FactorLabel {
        self.spec().label()
    }

    /// The wanted channel, if the factor is reached by it; without a wish, the factor's own.
    pub(crate) fn channel_for(&self, wanted: Option<Channel>) -> Option<Channel> {
        match wanted {
            Some(channel) => self.address_by(channel).map(|_| channel),
            None => self.channel(),
        }
    }

    pub(crate) fn address_by(&self, channel: Channel) -> Option<&[u8]> {
        self.spec().address(channel)
    }

    pub(crate) fn destination_by(&self, channel: Channel) -> Option<Destination> {
        self.spec().destination(channel)
    }

    /// What it answers as a factor of one-time passwords; `None` if it is none.
    pub(crate) fn one_time(&self) -> Option<&dyn OneTime> {
        self.spec().one_time()
    }

    /// Whether it cannot be used any more, because the durable key of its secret is not in the ring.
    pub(crate) fn is_lost(&self, keys: &KeyRing) -> bool {
        self.one_time().is_some_and(|otp| keys.durable_by_id(otp.source().key_id()).is_none())
    }
}

impl Channel {
    /// The Authentication Method Reference values (RFC 8176 section 2) of a code that came by this channel.
    pub(crate) const fn amr(self) -> &'static [&'static str] {
        match self {
            Self::Email => email::AMR,
        }
    }
}

/// A factor to enroll: what [`associate`](crate::Verifier::associate) and [`provision`](crate::Verifier::provision)
/// take.
///
/// ```
/// # fn main() -> Result<(), countersign::factor::AddressError> {
/// use countersign::{EmailAddress, NewFactor};
///
/// let factor = NewFactor::email(EmailAddress::parse("user@example.com")?);
/// # drop(factor); Ok(()) }
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewFactor {
    wanted: Wanted,
    name: Option<AuthenticatorName>,
}

/// A factor as it is asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Wanted {
    /// This one: it is known before it is enrolled.
    Given(Factor),
    /// One whose secret is made when it is enrolled, and shown under this label.
    Totp(KeyLabel),
    /// The same, with a counter.
    Hotp(KeyLabel),
}

impl NewFactor {
    /// Control of an email address, proven by a code that is sent to it.
    #[must_use]
    pub const fn email(address: EmailAddress) -> Self {
        Self::given(Factor::Email(EmailFactor::new(address)))
    }

    /// Possession of an app that makes codes from the time (RFC 6238). Its secret is made when the enrollment
    /// begins, and the app shows its codes under this label.
    #[must_use]
    pub const fn totp(label: KeyLabel) -> Self {
        Self::of(Wanted::Totp(label))
    }

    /// Possession of a device that makes codes from a counter (RFC 4226). Its secret is made when the
    /// enrollment begins.
    #[must_use]
    pub const fn hotp(label: KeyLabel) -> Self {
        Self::of(Wanted::Hotp(label))
    }

    /// What the person calls it. Only [`associate`](crate::Verifier::associate) takes it, where it makes an
    /// authenticator: one that is there keeps the name that it has.
    #[must_use]
    pub fn name(self, name: AuthenticatorName) -> Self {
        Self { name: Some(name), ..self }
    }

    const fn given(factor: Factor) -> Self {
        Self::of(Wanted::Given(factor))
    }

    const fn of(wanted: Wanted) -> Self {
        Self { wanted, name: None }
    }

    pub(crate) const fn wanted(&self) -> &Wanted {
        &self.wanted
    }

    pub(crate) const fn given_name(&self) -> Option<&AuthenticatorName> {
        self.name.as_ref()
    }
}

impl Wanted {
    /// What the factor's authenticator is called.
    pub(crate) fn kind(&self) -> AuthenticatorKind {
        match self {
            Self::Given(factor) => factor.kind(),
            Self::Totp(_) => AuthenticatorKind::Totp,
            Self::Hotp(_) => AuthenticatorKind::Hotp,
        }
    }

    /// The factor, if it is known before it is enrolled.
    pub(crate) const fn factor(&self) -> Option<&Factor> {
        match self {
            Self::Given(factor) => Some(factor),
            Self::Totp(_) | Self::Hotp(_) => None,
        }
    }

    /// The factor; one that has a secret has this one.
    pub(crate) fn with_secret(&self, policy: &Policy, secret: impl FnOnce() -> SecretSource) -> Factor {
        match self {
            Self::Given(factor) => factor.clone(),
            Self::Totp(_) => Factor::Totp(TotpFactor::new(policy, secret())),
            Self::Hotp(_) => Factor::Hotp(HotpFactor::new(policy, secret())),
        }
    }

    /// Whether this factor is the one that is asked for. Of one whose secret is made anew any of its kind is.
    pub(crate) fn is_met_by(&self, factor: &Factor) -> bool {
        match self {
            Self::Given(given) => given == factor,
            Self::Totp(_) | Self::Hotp(_) => factor.kind() == self.kind(),
        }
    }
}

/// The factor of an authenticator, as a host that takes it back names it to
/// [`deprovision`](crate::Verifier::deprovision).
impl From<&Factor> for NewFactor {
    fn from(factor: &Factor) -> Self {
        Self::given(factor.clone())
    }
}

impl From<EmailAddress> for NewFactor {
    fn from(address: EmailAddress) -> Self {
        Self::email(address)
    }
}
