//! What the factors of one-time passwords have in common: a secret, and a counter that only moves on. This
//! module must never compare a code, or hold a secret in a form from which the database alone makes codes.

use crate::{
    crypto::seed::Seed,
    factor::{factor::Factor, setup::OtpSetup},
    keys::{derive, keyring::KeyRing},
    otp::{
        hotp::Window,
        key_uri::{KeyLabel, Moving},
    },
    policy::policy::Policy,
    value::{
        id::{AuthenticatorId, KeyId},
        instant::Millis,
        name::Subject,
        one_time_password::{OtpAlgorithm, SharedSecret},
    },
};

/// The Authentication Method Reference values (RFC 8176 section 2) of a one-time password.
pub(crate) const AMR: &[&str] = &["otp"];

/// Where a secret comes from. Another origin, such as a secret that another system had made and that is
/// sealed here, is another variant behind this one.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub(crate) enum SecretSource {
    /// It is derived, so that neither the database nor a key alone makes a code.
    Derived(DerivedSecret),
}

/// What a derived secret is derived from.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub(crate) struct DerivedSecret {
    key_id: KeyId,
    seed: Seed,
}

impl SecretSource {
    /// A secret that the durable key of this id derives from the seed.
    pub(crate) const fn derived(key_id: KeyId, seed: Seed) -> Self {
        Self::Derived(DerivedSecret { key_id, seed })
    }

    /// The durable key without which there is no secret.
    pub(crate) const fn key_id(&self) -> KeyId {
        match self {
            Self::Derived(derived) => derived.key_id,
        }
    }

    /// The secret; nothing if its key is not in the ring.
    fn open(
        &self,
        keys: &KeyRing,
        (subject, authenticator): (&Subject, AuthenticatorId),
        algorithm: OtpAlgorithm,
    ) -> Option<SharedSecret> {
        let key = keys.durable_by_id(self.key_id())?;
        match self {
            Self::Derived(derived) => {
                Some(derive::otp_secret(&key.totp, subject, &authenticator, &derived.seed, algorithm))
            }
        }
    }
}

/// What the file of a factor of one-time passwords answers about it, beside
/// [`Spec`](crate::factor::spec::Spec).
pub(crate) trait OneTime {
    /// The hash and the number of digits of its codes.
    fn terms(&self) -> (OtpAlgorithm, u8);

    /// Where its secret comes from.
    fn source(&self) -> &SecretSource;

    /// The last counter that was accepted; nothing below it and not it itself is accepted again.
    #[cfg(feature = "serde")]
    fn accepted(&self) -> Option<u64>;

    /// The counters whose codes are taken now.
    fn window(&self, policy: &Policy, now: Millis) -> Window;

    /// Where the last of four codes in a row may stand.
    fn window_of_four(&self, policy: &Policy, now: Millis) -> Window;

    /// The counter as a new app is told of it.
    fn moving(&self) -> Moving;

    /// The factor, once this counter was accepted.
    fn accepting(&self, counter: u64) -> Factor;
}

impl dyn OneTime + '_ {
    /// The secret; nothing if its key is not in the ring.
    pub(crate) fn secret(&self, keys: &KeyRing, whose: (&Subject, AuthenticatorId)) -> Option<SharedSecret> {
        let (algorithm, _) = self.terms();
        self.source().open(keys, whose, algorithm)
    }

    /// What an app is given, and how many codes of it are asked for; nothing if the key of the secret is not
    /// in the ring.
    pub(crate) fn setup(
        &self,
        keys: &KeyRing,
        whose: (&Subject, AuthenticatorId),
        label: &KeyLabel,
        codes: u8,
    ) -> Option<OtpSetup> {
        let secret = self.secret(keys, whose)?;
        Some(OtpSetup::new(&secret, label, self.terms(), self.moving(), codes))
    }
}
