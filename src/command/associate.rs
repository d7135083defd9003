//! `associate`: begins an enrollment (`POST /mfa/associate`).

use alloc::vec::Vec;
use time::OffsetDateTime;

use crate::{
    command::{
        context::Context,
        decide::{Decision, decide_drawing},
        send::{SentCode, delivery_decision},
        verifier::Verifier,
    },
    crypto::entropy::Entropy,
    factor::{
        factor::{Factor, NewFactor},
        setup::Setup,
    },
    keys::{derive, draws::Draws},
    machine::enrollment::{Enrollment, PendingRecovery, Unconfirmed},
    outcome::{
        audit::{AuditEvent, Command},
        denial::Denial,
        step::Step,
    },
    policy::settings::FactorUse,
    record::{
        account::{Account, AccountBody},
        authenticator::Authenticator,
        record::Body as _,
    },
    session::session::{Grant, Session},
    value::{
        id::{AuthenticatorId, AuthenticatorKind},
        instant::Millis,
        purpose::Purpose,
        recovery_code::RecoveryCode,
    },
};

/// The answer to an `associate`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Associated {
    /// The new authenticator, unconfirmed.
    pub authenticator: AuthenticatorId,
    /// The recovery codes, to be shown. They go live when the authenticator is confirmed. They are shown when the
    /// enrollment begins, and again only while it is pending and only to the session that began it with its client named.
    /// Absent otherwise, and if the account has recovery codes already, or if the factor may not authenticate.
    pub recovery_codes: Option<Vec<RecoveryCode>>,
    /// Until when it can be confirmed by what was handed out now.
    pub expires: OffsetDateTime,
    /// How the enrollment goes on.
    pub setup: Setup,
}

impl Verifier {
    /// Begins the enrollment of a factor: a code is sent to it, and [`verify_oob`](Self::verify_oob) confirms it.
    ///
    /// First-factor sessions may enroll only while the user has no enrolled authenticator. Elevated sessions with the
    /// scope `enroll`, and a second factor that is recent enough, always may. A repeated request for the same factor in
    /// the same transaction sends again, with the same handle. It shows the same recovery codes again, but only while the
    /// enrollment is pending, and only to the session that began it with its client named.
    ///
    /// Denials: [`InsufficientUserAuthentication`](Denial::InsufficientUserAuthentication),
    /// [`UnsupportedChallengeType`](Denial::UnsupportedChallengeType) if the policy has the factor off,
    /// [`AlreadyEnrolled`](Denial::AlreadyEnrolled), [`InsufficientScope`](Denial::InsufficientScope),
    /// [`AddressInUse`](Denial::AddressInUse), [`TooManyAuthenticators`](Denial::TooManyAuthenticators),
    /// [`Locked`](Denial::Locked), [`AttemptsExhausted`](Denial::AttemptsExhausted),
    /// [`CoolingDown`](Denial::CoolingDown), [`TooManySends`](Denial::TooManySends),
    /// [`ExpiredToken`](Denial::ExpiredToken), [`WrongRecord`](Denial::WrongRecord).
    pub fn associate(
        &self,
        session: &Session,
        account: Account,
        factor: &NewFactor,
        now: OffsetDateTime,
        entropy: &Entropy,
    ) -> Step<Associated> {
        let now = Millis::from(now);
        let audit = AuditEvent::of_session(Command::Associate, session, now);
        decide_drawing(&self.keys, audit, account, now, entropy, |account, draws, draft| {
            self.try_associate(account, factor.factor(), draws, &mut Context { session, now, draft })
        })
    }

    fn try_associate(
        &self,
        account: &mut AccountBody,
        factor: &Factor,
        draws: &mut Draws,
        context: &mut Context<'_>,
    ) -> Result<Decision<Associated>, Denial> {
        let (session, now) = (context.session, context.now);
        if matches!(session.grant(), Grant::Elevated { scopes, .. } if !scopes.enroll) {
            return Err(Denial::InsufficientScope);
        }
        Self::check_session(session, account, now)?;
        self.check_recent(session, now)?;
        account.prune(now);
        self.check_enrollment(session, account, factor)?;
        let channel = factor.channel().ok_or(Denial::UnsupportedChallengeType)?;
        let lane = self.lane_of(session, account, now);
        self.check_lock(account, lane, now)?;
        // Before anything of it is added: making room for the entry ends what belongs to entries that leave.
        account.open_transaction(session, lane);
        let transaction = session.transaction();
        let same = |known: &&Authenticator| known.is_opened_in(transaction) && known.factor() == factor;
        let known = account.authenticators().iter().find(same).map(Authenticator::id);
        // A new one is named once it is there: the record of a refusal does not hold it.
        context.draft.audit.authenticator = known;
        let id = match known {
            Some(id) => id,
            None => {
                let new = self.draw_unconfirmed(session, account, factor, now, draws);
                let id = new.id();
                if !account.add_unconfirmed(new, transaction, self.policy.settings()) {
                    return Err(Denial::TooManyAuthenticators);
                }
                id
            }
        };
        let sending = self.send_code(account, (id, channel), Purpose::Confirm, draws, context)?;
        context.draft.audit.authenticator = Some(id);
        let delivery = sending.sent.delivery;
        // The request that began the enrollment is shown them in any case: a client need not name itself for that.
        let shown = known.is_none() || session.is_client_known();
        let answer = self.associated(account, id, sending, shown).ok_or(Denial::ExpiredOobCode)?;
        Ok(delivery_decision(delivery, answer))
    }

    /// Every gate of an enrollment but the budgets; checked again when it is confirmed.
    pub(crate) fn check_enrollment(
        &self,
        session: &Session,
        account: &AccountBody,
        factor: &Factor,
    ) -> Result<(), Denial> {
        if !session.is_elevated() && (account.is_enrolled() || account.is_spent(session.transaction())) {
            return Err(Denial::AlreadyEnrolled);
        }
        if self.policy.admits(factor.kind()) == FactorUse::Off {
            return Err(Denial::UnsupportedChallengeType);
        }
        if account.authenticators().iter().any(|known| known.is_active() && known.factor() == factor) {
            return Err(Denial::AddressInUse);
        }
        if account.confirmed_count() >= usize::from(self.policy.settings().max_authenticators) {
            return Err(Denial::TooManyAuthenticators);
        }
        Ok(())
    }

    fn draw_unconfirmed(
        &self,
        session: &Session,
        account: &AccountBody,
        factor: &Factor,
        now: Millis,
        draws: &mut Draws,
    ) -> Authenticator {
        let id = draws.authenticator(factor.kind());
        let recovery = if self.policy.authenticates(factor.kind()) && account.recovery().is_none() {
            let seed = draws.seed("recovery");
            let set = draws.authenticator(AuthenticatorKind::RecoveryCode);
            let count = self.policy.settings().recovery_codes;
            Some(PendingRecovery::new(set, self.keys.durable().id, count, seed))
        } else {
            None
        };
        let state = Unconfirmed::new(session.transaction(), session.opener(), recovery);
        Authenticator::unconfirmed(id, factor.clone(), state, now)
    }

    fn associated(
        &self,
        account: &AccountBody,
        id: AuthenticatorId,
        sending: SentCode,
        shown: bool,
    ) -> Option<Associated> {
        let authenticator = account.authenticator(id)?;
        let Enrollment::Unconfirmed(state) = authenticator.enrollment() else { return None };
        let recovery = state.recovery().filter(|_| shown);
        Some(Associated {
            authenticator: id,
            recovery_codes: recovery.and_then(|pending| self.pending_codes(account, id, pending)),
            expires: sending.deadline.to_datetime(),
            setup: Setup::Oob(sending.sent),
        })
    }

    /// The codes that were shown with an enrollment; nothing if their key is gone.
    pub(crate) fn pending_codes(
        &self,
        account: &AccountBody,
        authenticator: AuthenticatorId,
        pending: &PendingRecovery,
    ) -> Option<Vec<RecoveryCode>> {
        let key = self.keys.durable_by_id(pending.key_id())?;
        let code = |index| {
            derive::recovery_issue(
                &key.recovery_issue,
                account.subject(),
                &authenticator,
                pending.seed(),
                index,
            )
        };
        Some((0..u32::from(pending.count())).map(code).collect())
    }
}
