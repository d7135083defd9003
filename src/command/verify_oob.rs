//! `verify_oob`: confirms an enrollment or answers a challenge (`POST /oauth/token`, grant `mfa-oob`).

use time::OffsetDateTime;

use crate::{
    command::{
        context::Context,
        decide::{Decision, decide},
        devices::device_draws,
        gate::check_verifying,
        guess::{CodeCheck, Readiness},
        verifier::Verifier,
    },
    crypto::entropy::Entropy,
    keys::draws::Draws,
    machine::enrollment::Enrollment,
    outcome::{
        audit::{AuditEvent, Command},
        denial::Denial,
        step::Step,
    },
    record::account::{Account, AccountBody},
    session::{elevation::Elevation, evidence::Evidence, oob_code::OobHandle, session::Session},
    value::{
        binding_code::BindingCode, id::AuthenticatorId, instant::Millis, opaque::DeviceToken,
        purpose::Purpose,
    },
};

/// A binding code or a one-time password was right.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Verified {
    /// What it was right for.
    pub purpose: Purpose,
    /// What it proves.
    pub evidence: Evidence,
    /// Whether it completed the transaction: then [`IssueToken`](crate::Effect::IssueToken) is among the effects. If not,
    /// an enrollment was confirmed and no more. To a first-factor session the host then answers `mfa_required` with the
    /// same `mfa_token`; to an elevated one, with a token of that session's client, authentication time, scopes and
    /// expiry, never more.
    pub completed: bool,
    /// What the host keeps with the session from now on, in the place of what it had: that of the token to issue, or an
    /// elevated session's own at the account's epoch after this step. Absent if a first-factor session confirmed an
    /// enrollment that does not complete its transaction.
    pub elevation: Option<Elevation>,
    /// Whether the recovery codes that were shown with the enrollment are live now. They are not if the account had a
    /// set by then, or if their key has left the ring: tell the user to throw them away.
    pub recovery_codes_live: bool,
    /// The token of this device, which the host puts into a cookie. Absent unless it was asked for, the
    /// policy remembers devices, and the code completed a sign-in.
    pub device: Option<DeviceToken>,
}

impl Verifier {
    /// Takes a binding code: confirms the enrollment, or completes the login, that the handle's challenge stands for.
    ///
    /// A first-factor session must have named its client; an elevated one with the scope `enroll`, and a
    /// second factor that is recent enough, may confirm only. The first activation of a factor that may
    /// authenticate ends all other sessions. With `remember`, what a device is drawn from, a right code that
    /// completes a sign-in has this device remembered, in the place of the one that the session is on. A
    /// wrong code is charged in this step, and can exhaust the attempts, disable the authenticator or lock
    /// the account.
    ///
    /// Denials: [`InvalidBindingCode`](Denial::InvalidBindingCode),
    /// [`MalformedCode`](Denial::MalformedCode), [`ExpiredOobCode`](Denial::ExpiredOobCode),
    /// [`OobCodeUsed`](Denial::OobCodeUsed), [`ForeignOobCode`](Denial::ForeignOobCode),
    /// [`ChallengeCancelled`](Denial::ChallengeCancelled), [`AttemptsExhausted`](Denial::AttemptsExhausted),
    /// [`Locked`](Denial::Locked), [`TransactionSpent`](Denial::TransactionSpent),
    /// [`ClientRequired`](Denial::ClientRequired), [`InsufficientScope`](Denial::InsufficientScope),
    /// [`InsufficientUserAuthentication`](Denial::InsufficientUserAuthentication),
    /// [`AlreadyEnrolled`](Denial::AlreadyEnrolled), [`AddressInUse`](Denial::AddressInUse),
    /// [`TooManyAuthenticators`](Denial::TooManyAuthenticators), [`ExpiredToken`](Denial::ExpiredToken),
    /// [`WrongRecord`](Denial::WrongRecord).
    pub fn verify_oob(
        &self,
        session: &Session,
        account: Account,
        handle: &OobHandle,
        code: &BindingCode,
        now: OffsetDateTime,
        remember: Option<&Entropy>,
    ) -> Step<Verified> {
        let now = Millis::from(now);
        let audit = AuditEvent::of_session(Command::VerifyOob, session, now);
        let draws = device_draws(remember, audit.command, &account);
        decide(&self.keys, audit, account, now, |account, draft| {
            self.try_verify_oob(account, (handle, code), draws, &mut Context { session, now, draft })
        })
    }

    fn try_verify_oob(
        &self,
        account: &mut AccountBody,
        (handle, code): (&OobHandle, &BindingCode),
        remember: Option<Draws>,
        context: &mut Context<'_>,
    ) -> Result<Decision<Verified>, Denial> {
        let (session, now) = (context.session, context.now);
        let confirm_only = check_verifying(session)?;
        Self::check_session(session, account, now)?;
        self.check_recent(session, now)?;
        account.prune(now);
        let transaction = session.transaction();
        if handle.transaction_tag != transaction.tag() {
            return Err(Denial::ForeignOobCode);
        }
        let place = account.challenge_place(handle.challenge, transaction).ok_or(Denial::ExpiredOobCode)?;
        let challenge = account.challenges().get(place).ok_or(Denial::ExpiredOobCode)?;
        let (id, channel) = (challenge.authenticator(), challenge.channel());
        let purpose = challenge.purpose().clone();
        context.draft.audit.authenticator = Some(id);
        if let Readiness::ExpiredNow = self.readiness(account, place, now)? {
            return Ok(Decision::Store(Err(Denial::ExpiredOobCode)));
        }
        self.check_purpose(session, account, id, &purpose, confirm_only)?;

        let Some(exchange) = account.exchange((transaction, id), Some(place)) else {
            return Err(Denial::UnknownAuthenticator);
        };
        let judged = self.check_code(exchange, code, now)?;
        context.draft.audit.evaluated = true;
        match judged {
            CodeCheck::Accepted(pending) => {
                let evidence = Evidence::oob(id, channel, now);
                self.accept(account, (id, purpose, evidence), pending, remember, context)
            }
            CodeCheck::RejectedLong => Err(Denial::InvalidLongCode),
            CodeCheck::Rejected(wrong) => {
                self.reject(account, id, &wrong, now, context.draft);
                let attempts_left = wrong.attempts_left();
                Ok(Decision::Store(Err(Denial::InvalidBindingCode { attempts_left })))
            }
        }
    }

    /// Whether a right code for this purpose would be good for anything.
    pub(crate) fn check_purpose(
        &self,
        session: &Session,
        account: &AccountBody,
        id: AuthenticatorId,
        purpose: &Purpose,
        confirm_only: bool,
    ) -> Result<(), Denial> {
        let authenticator = account.authenticator(id).ok_or(Denial::UnknownAuthenticator)?;
        match (purpose, authenticator.enrollment()) {
            (Purpose::Confirm, Enrollment::Unconfirmed(_)) => {
                let factor = authenticator.factor();
                self.check_enrollment(session, account, (factor.kind(), Some(factor)))
            }
            (Purpose::Authenticate, _) if confirm_only => Err(Denial::InsufficientScope),
            (Purpose::Authenticate, _) if account.is_spent(session.transaction()) => {
                Err(Denial::TransactionSpent)
            }
            (Purpose::Authenticate, _) if !self.policy.authenticates(id.kind()) => {
                Err(Denial::UnsupportedChallengeType)
            }
            // What an earlier policy let only confirm signs nobody in before the first enrollment.
            (Purpose::Authenticate, Enrollment::Active) if !account.is_enrolled() => Err(Denial::NotEnrolled),
            (Purpose::Authenticate, Enrollment::Active) => Ok(()),
            (Purpose::Authenticate, Enrollment::Disabled) => Err(Denial::AuthenticatorDisabled),
            // An account issues no others, and a record that holds one is not read.
            (Purpose::Authenticate, Enrollment::Unconfirmed(_))
            | (Purpose::Confirm, Enrollment::Active | Enrollment::Disabled)
            | (Purpose::Action { .. } | Purpose::Reset, _) => Err(Denial::UnknownAuthenticator),
        }
    }
}
