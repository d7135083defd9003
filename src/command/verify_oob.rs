//! `verify_oob`: confirms an enrollment or answers a challenge (`POST /oauth/token`, grant `mfa-oob`).

use time::OffsetDateTime;

use crate::{
    command::{
        decide::{Decision, StepBuilder, decide},
        guess::{CodeCheck, Readiness, reject},
        verifier::Verifier,
    },
    factor::destination::Channel,
    machine::enrollment::{EnrolledBy, Enrollment, EnrollmentInput, PendingRecovery, Transition},
    outcome::{
        audit::{AuditEvent, Command},
        denial::Denial,
        evidence::Evidence,
        issue_token::IssueToken,
        notify::Notice,
        step::Step,
    },
    record::{
        account::{Account, AccountBody},
        challenge::Challenge,
        recovery::{LiveCode, Recovery},
        transaction::Completion,
    },
    session::{
        oob_code::OobHandle,
        session::{Grant, Session},
    },
    value::{binding_code::BindingCode, id::AuthenticatorId, instant::Millis, purpose::Purpose},
};

/// A binding code was right.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Verified {
    /// What it was right for.
    pub purpose: Purpose,
    /// What it proves.
    pub evidence: Evidence,
    /// Whether it completed the transaction: then [`IssueToken`] is among the effects. If not, an enrollment was
    /// confirmed and no more. To a first-factor session the host then answers `mfa_required` with the same
    /// `mfa_token`; to an elevated one, with a token of that session's client, authentication time, scopes and
    /// expiry, never more.
    pub completed: bool,
    /// Whether the recovery codes that were shown with the enrollment are live now. They are not if the account had a
    /// set by then, or if their key has left the ring: tell the user to throw them away.
    pub recovery_codes_live: bool,
}

impl Verifier {
    /// Takes a binding code: confirms the enrollment, or completes the login, that the handle's challenge stands for.
    ///
    /// A first-factor session must have named its client; an elevated one with the scope `enroll` may confirm only. A
    /// wrong code is charged in this step, and can exhaust the attempts, disable the authenticator or lock the account.
    ///
    /// Denials: [`InvalidBindingCode`](Denial::InvalidBindingCode),
    /// [`MalformedCode`](Denial::MalformedCode), [`ExpiredOobCode`](Denial::ExpiredOobCode),
    /// [`OobCodeUsed`](Denial::OobCodeUsed), [`ForeignOobCode`](Denial::ForeignOobCode),
    /// [`ChallengeCancelled`](Denial::ChallengeCancelled), [`AttemptsExhausted`](Denial::AttemptsExhausted),
    /// [`Locked`](Denial::Locked), [`TransactionSpent`](Denial::TransactionSpent),
    /// [`ClientRequired`](Denial::ClientRequired), [`InsufficientScope`](Denial::InsufficientScope),
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
    ) -> Step<Verified> {
        let now = Millis::from(now);
        let audit = AuditEvent::of_session(Command::VerifyOob, session, now);
        decide(audit, account, now, |account, draft| {
            self.try_verify_oob(session, account, handle, code, now, draft)
        })
    }

    fn try_verify_oob(
        &self,
        session: &Session,
        account: &mut AccountBody,
        handle: &OobHandle,
        code: &BindingCode,
        now: Millis,
        draft: &mut StepBuilder,
    ) -> Result<Decision<Verified>, Denial> {
        let confirm_only = match session.grant() {
            Grant::FirstFactor { client_named: false, .. } => return Err(Denial::ClientRequired),
            Grant::FirstFactor { .. } => false,
            Grant::Elevated(scopes) if scopes.enroll => true,
            Grant::Elevated(_) => return Err(Denial::InsufficientScope),
        };
        Self::check_session(session, account, now)?;
        account.prune(now);
        let transaction = session.transaction();
        if handle.transaction_tag != transaction.tag() {
            return Err(Denial::ForeignOobCode);
        }
        let named = |known: &Challenge| known.id == handle.challenge && known.transaction == transaction;
        // The newest is asked for most, and is the last.
        let place = account.challenges.iter().rposition(named).ok_or(Denial::ExpiredOobCode)?;
        let challenge = account.challenges.get_mut(place).ok_or(Denial::ExpiredOobCode)?;
        let (id, purpose) = (challenge.authenticator, challenge.purpose.clone());
        draft.audit.authenticator = Some(id);
        if let Readiness::ExpiredNow = self.readiness(challenge, &account.ledger, now)? {
            return Ok(Decision::Store(Err(Denial::ExpiredOobCode)));
        }
        self.check_purpose(session, account, id, &purpose, confirm_only)?;

        let AccountBody { subject, authenticators, challenges, transactions, ledger, .. } = account;
        let authenticator = authenticators.iter_mut().find(|known| known.id == id);
        let authenticator = authenticator.ok_or(Denial::UnknownAuthenticator)?;
        let entry = transactions.iter_mut().rev().find(|known| known.id == transaction);
        let pair = entry.and_then(|entry| entry.pair_mut(id)).ok_or(Denial::AttemptsExhausted)?;
        let challenge = challenges.get_mut(place).ok_or(Denial::ExpiredOobCode)?;
        let judged = self.check_code(subject, authenticator, challenge, (pair, ledger), code, now)?;
        draft.audit.evaluated = true;
        let channel = challenge.channel;
        Ok(Decision::Store(match judged {
            CodeCheck::Accepted => Ok(self.accept(session, account, (id, channel), purpose, now, draft)?),
            CodeCheck::Rejected(wrong) => Err(reject(account, id, wrong, now, draft)),
        }))
    }

    /// Whether a right code for this purpose would be good for anything.
    fn check_purpose(
        &self,
        session: &Session,
        account: &AccountBody,
        id: AuthenticatorId,
        purpose: &Purpose,
        confirm_only: bool,
    ) -> Result<(), Denial> {
        let authenticator = account.authenticator(id).ok_or(Denial::UnknownAuthenticator)?;
        match (purpose, &authenticator.enrollment) {
            (Purpose::Confirm, Enrollment::Unconfirmed(_)) => {
                self.check_enrollment(session, account, &authenticator.factor)
            }
            (Purpose::Authenticate, _) if confirm_only => Err(Denial::InsufficientScope),
            (Purpose::Authenticate, _) if account.is_spent(session.transaction()) => {
                Err(Denial::TransactionSpent)
            }
            (Purpose::Authenticate, _) if !self.policy.authenticates(id.kind()) => {
                Err(Denial::UnsupportedChallengeType)
            }
            (Purpose::Authenticate, Enrollment::Active) => Ok(()),
            (Purpose::Authenticate, Enrollment::Disabled) => Err(Denial::AuthenticatorDisabled),
            // An account issues no others, and a record that holds one is not read.
            (Purpose::Authenticate, Enrollment::Unconfirmed(_))
            | (Purpose::Confirm, Enrollment::Active | Enrollment::Disabled)
            | (Purpose::Action { .. }, _) => Err(Denial::UnknownAuthenticator),
        }
    }

    /// What a right code changes.
    fn accept(
        &self,
        session: &Session,
        account: &mut AccountBody,
        (id, channel): (AuthenticatorId, Channel),
        purpose: Purpose,
        now: Millis,
        draft: &mut StepBuilder,
    ) -> Result<Verified, Denial> {
        let recovery_codes_live =
            if purpose == Purpose::Confirm { self.activate(account, id, now, draft)? } else { false };
        let evidence = Evidence::oob(id, channel, now);
        let may_complete = self.policy.authenticates(id.kind());
        let completed = may_complete && self.complete(session, account, (id, &evidence), now, draft)?;
        Ok(Verified { purpose, evidence, completed, recovery_codes_live })
    }

    /// Spends the transaction of a first-factor session and issues its token; of an elevated one it does neither.
    pub(crate) fn complete(
        &self,
        session: &Session,
        account: &mut AccountBody,
        (by, evidence): (AuthenticatorId, &Evidence),
        now: Millis,
        draft: &mut StepBuilder,
    ) -> Result<bool, Denial> {
        let Some(token) = IssueToken::of(session, evidence) else { return Ok(false) };
        let entry = account.transaction_mut(session.transaction()).ok_or(Denial::ExpiredToken)?;
        entry.spent = Some(Completion { at: now, by });
        draft.issue(token);
        Ok(true)
    }

    /// An enrollment is confirmed: the authenticator is active, its recovery codes go live, and what other first-factor
    /// sessions had begun lapses. Says whether recovery codes went live.
    fn activate(
        &self,
        account: &mut AccountBody,
        id: AuthenticatorId,
        now: Millis,
        draft: &mut StepBuilder,
    ) -> Result<bool, Denial> {
        let authenticator = account.authenticators.iter_mut().find(|known| known.id == id);
        let authenticator = authenticator.ok_or(Denial::UnknownAuthenticator)?;
        let pending = match &authenticator.enrollment {
            Enrollment::Unconfirmed(state) => state.recovery.clone(),
            Enrollment::Active | Enrollment::Disabled => None,
        };
        let label = authenticator.factor.label();
        let confirmed = authenticator.enrollment.apply(EnrollmentInput::Confirm);
        let Ok(Transition::To) = confirmed else { return Err(Denial::UnknownAuthenticator) };
        account.expire(|_, state| state.enrolled_by == EnrolledBy::FirstFactor);
        let mut recovery_codes_live = false;
        if self.policy.authenticates(id.kind()) {
            account.enrolled = true;
            if let Some(pending) = pending.filter(|_| account.recovery.is_none()) {
                account.recovery = self.live_set(account, id, &pending);
                recovery_codes_live = account.recovery.is_some();
            }
        }
        draft.notify(account, Notice::Added { authenticator: id, label }, now);
        Ok(recovery_codes_live)
    }

    /// The recovery codes that were shown, as they are stored from now on; nothing if their key is gone.
    fn live_set(
        &self,
        account: &AccountBody,
        id: AuthenticatorId,
        pending: &PendingRecovery,
    ) -> Option<Recovery> {
        let codes = self.pending_codes(account, id, pending)?;
        let key = self.keys.durable();
        let live = codes.iter().map(|code| LiveCode::new(key, &account.subject, code)).collect();
        Some(Recovery { id: pending.id, live, spent: alloc::vec::Vec::new() })
    }
}
