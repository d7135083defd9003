//! Reading: `authenticators`, `requirements`.

use alloc::vec::Vec;
use time::OffsetDateTime;

use crate::{
    command::verifier::Verifier,
    machine::enrollment::Enrollment,
    outcome::denial::Denial,
    record::{
        account::Account,
        authenticator::{Authenticator, AuthenticatorView, Standing},
        record::Internal as _,
    },
    session::session::{Grant, Session},
    value::{id::AuthenticatorKind, instant::Millis},
};

/// What a user needs to complete a login: the `mfa_requirements` of Auth0's `mfa_required` answer.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Requirements {
    /// One of these kinds, which the user has. It can be empty: then only the host can help (`reset`).
    Challenge(Vec<AuthenticatorKind>),
    /// An enrolment of one of these kinds; the user has none. It is empty if no kind may authenticate.
    Enroll(Vec<AuthenticatorKind>),
}

impl Verifier {
    /// What the user needs to complete a login.
    #[must_use]
    pub fn requirements(&self, account: &Account) -> Requirements {
        let recovery = self.recovery_codes_left(account) > 0;
        let account = account.body();
        let email_counts = self.policy.settings().email_may_authenticate;
        if !account.enrolled {
            let kinds = email_counts.then_some(AuthenticatorKind::Email);
            return Requirements::Enroll(kinds.into_iter().collect());
        }
        let email = email_counts && account.authenticators.iter().any(Authenticator::is_active);
        let kinds = [(email, AuthenticatorKind::Email), (recovery, AuthenticatorKind::RecoveryCode)];
        Requirements::Challenge(kinds.into_iter().filter_map(|(has, kind)| has.then_some(kind)).collect())
    }

    /// How many recovery codes can still be used. Codes whose durable key is not in the ring are not among them.
    #[must_use]
    pub fn recovery_codes_left(&self, account: &Account) -> u8 {
        account.body().recovery.as_ref().map_or(0, |recovery| recovery.usable(&self.keys))
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
        match session.grant() {
            Grant::Elevated(scopes) if !scopes.read_authenticators => return Err(Denial::InsufficientScope),
            Grant::Elevated(_) | Grant::FirstFactor { .. } => {}
        }
        Self::check_session(session, account, now)?;
        let lapsed = |known: &Authenticator| match &known.enrollment {
            Enrollment::Unconfirmed(state) => {
                account.transaction(state.transaction).is_none_or(|t| t.expires <= now)
            }
            Enrollment::Active | Enrollment::Disabled => false,
        };
        let listed = account.authenticators.iter().filter(|known| !lapsed(known)).map(Authenticator::view);
        let recovery = account.recovery.as_ref().map(|recovery| AuthenticatorView {
            id: recovery.id,
            channel: None,
            name: None,
            standing: Standing::Active,
            provisioned: false,
            created: None,
            last_used: None,
        });
        Ok(listed.chain(recovery).collect())
    }
}
