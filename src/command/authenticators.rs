//! Reading: `authenticators`, `requirements`.

use alloc::vec::Vec;
use time::OffsetDateTime;

use crate::{
    command::verifier::Verifier,
    factor::factor::Factor,
    machine::enrollment::Enrollment,
    outcome::denial::Denial,
    record::{
        account::Account,
        authenticator::{Authenticator, AuthenticatorView},
        record::Internal as _,
        recovery::Recovery,
    },
    session::session::Session,
    value::{id::AuthenticatorKind, instant::Millis},
};

/// What a user needs to complete a login: the `mfa_requirements` of Auth0's `mfa_required` answer.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Requirements {
    /// Whether the user is enrolled. Then nothing but a challenge completes the login, and if there is none to choose
    /// only the host can help (`reset`).
    pub enrolled: bool,
    /// The kinds that the user has and that complete the login.
    pub challenge: Vec<AuthenticatorKind>,
    /// The kinds that the user may enroll with the first factor alone, to complete the login by that. There is none for
    /// a user who is enrolled.
    pub enroll: Vec<AuthenticatorKind>,
    /// Whether the session is on a remembered device that completes the login:
    /// [`verify_device`](Verifier::verify_device) does, without anything to type.
    pub remembered: bool,
}

impl Verifier {
    /// What the user needs to complete the login of this session.
    #[must_use]
    pub fn requirements(&self, session: &Session, account: &Account, now: OffsetDateTime) -> Requirements {
        let recovery = self.recovery_codes_left(account) > 0;
        let account = account.body();
        let kinds = AuthenticatorKind::ALL.into_iter().filter(|&kind| self.policy.authenticates(kind));
        if !account.is_enrolled() {
            let enroll = kinds.filter(|kind| kind.is_factor()).collect();
            return Requirements { enroll, ..Requirements::default() };
        }
        let active = |kind| {
            let mut known = account.authenticators().iter();
            let usable = |factor: &Factor| factor.kind() == kind && !factor.is_lost(&self.keys);
            known.any(|known| known.is_active() && usable(known.factor()))
        };
        let has = |&kind: &AuthenticatorKind| {
            if kind.is_factor() { active(kind) } else { recovery }
        };
        let device = self.device_of(session, account, Millis::from(now)).filter(|_| !session.is_elevated());
        Requirements {
            enrolled: true,
            challenge: kinds.filter(has).collect(),
            enroll: Vec::new(),
            remembered: device.is_some_and(|device| self.skips(account, device)),
        }
    }

    /// How many recovery codes can still be used. Codes whose durable key is not in the ring are not among them.
    #[must_use]
    pub fn recovery_codes_left(&self, account: &Account) -> u8 {
        account.body().recovery().map_or(0, |recovery| recovery.usable(&self.keys))
    }

    /// Lists the authenticators, in the order in which they were made, and the recovery codes as one entry at the end
    /// (`GET /mfa/authenticators`).
    ///
    /// A first-factor session may, even a spent one and even without a named client; an elevated one needs the scope
    /// `read:authenticators`.
    ///
    /// # Errors
    /// [`Denial::InsufficientScope`], [`Denial::ExpiredToken`], [`Denial::WrongRecord`].
    pub fn authenticators(
        &self,
        session: &Session,
        account: &Account,
        now: OffsetDateTime,
    ) -> Result<Vec<AuthenticatorView>, Denial> {
        let (account, now) = (account.body(), Millis::from(now));
        self.check_reading(session, account, now)?;
        let lapsed = |known: &Authenticator| match known.enrollment() {
            Enrollment::Unconfirmed(state) => {
                account.transaction(state.transaction()).is_none_or(|entry| entry.has_expired(now))
            }
            Enrollment::Active | Enrollment::Disabled => false,
        };
        let view = |known: &Authenticator| known.view(account.preferred() == Some(known.id()));
        let listed = account.authenticators().iter().filter(|known| !lapsed(known)).map(view);
        Ok(listed.chain(account.recovery().map(Recovery::view)).collect())
    }
}
