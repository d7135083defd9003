//! `regenerate_recovery_codes` and `cancel`.

use alloc::vec::Vec;
use time::OffsetDateTime;

use crate::{
    command::{
        context::Context,
        decide::{Decision, decide, decide_drawing},
        gate::refused,
        verifier::Verifier,
    },
    crypto::entropy::Entropy,
    keys::{derive, draws::Draws},
    machine::challenge::{CancelReason, ChallengeState},
    outcome::{
        audit::{AuditEvent, Command},
        denial::Denial,
        end_sessions::EndReason,
        notify::Notice,
        step::Step,
    },
    record::{
        account::{Account, AccountBody},
        authenticator::Authenticator,
        ledger::SendBudget,
        record::Body as _,
        recovery::Recovery,
    },
    session::{
        elevation::Elevation,
        oob_code::OobHandle,
        session::{Grant, Session},
    },
    value::{id::AuthenticatorKind, instant::Millis, recovery_code::RecoveryCode},
};

/// The recovery codes were replaced.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Regenerated {
    /// The new codes, to be shown once.
    pub recovery_codes: Vec<RecoveryCode>,
    /// What the host keeps with the acting session from now on, in the place of what it had.
    pub elevation: Elevation,
}

impl Verifier {
    /// Replaces the recovery codes as a set: the old ones are dead, the new ones live at once and are shown once.
    ///
    /// Takes an elevated session with the scope `enroll` and a second factor that is recent enough. All other sessions end.
    ///
    /// Denials: [`InsufficientScope`](Denial::InsufficientScope),
    /// [`InsufficientUserAuthentication`](Denial::InsufficientUserAuthentication), [`NotEnrolled`](Denial::NotEnrolled) if no active
    /// authenticator may authenticate, [`TooManySends`](Denial::TooManySends), [`ExpiredToken`](Denial::ExpiredToken),
    /// [`WrongRecord`](Denial::WrongRecord).
    pub fn regenerate_recovery_codes(
        &self,
        session: &Session,
        account: Account,
        now: OffsetDateTime,
        entropy: &Entropy,
    ) -> Step<Regenerated> {
        let now = Millis::from(now);
        let audit = AuditEvent::of_session(Command::RegenerateRecoveryCodes, session, now);
        decide_drawing(&self.keys, audit, account, now, entropy, |account, draws, draft| {
            self.try_regenerate(account, draws, &mut Context { session, now, draft })
        })
    }

    fn try_regenerate(
        &self,
        account: &mut AccountBody,
        draws: &mut Draws,
        context: &mut Context<'_>,
    ) -> Result<Decision<Regenerated>, Denial> {
        let (session, now) = (context.session, context.now);
        match session.grant() {
            Grant::Elevated { scopes, .. } if scopes.enroll => {}
            Grant::Elevated { .. } | Grant::FirstFactor { .. } => return Err(Denial::InsufficientScope),
        }
        Self::check_session(session, account, now)?;
        self.check_recent(session, now)?;
        account.prune(now);
        let lets_in =
            |known: &Authenticator| known.is_active() && self.policy.authenticates(known.factor().kind());
        if !account.is_enrolled() || !account.authenticators().iter().any(lets_in) {
            return Err(Denial::NotEnrolled);
        }
        // The account's holder is told of it by a message, and messages are budgeted.
        let budget = SendBudget::Lane(self.lane_of(session, account, now));
        if let Some(empty) = account.ledger().no_sends(budget, &self.policy, now) {
            return Err(refused(empty, account.updated(), now, |until| Denial::TooManySends { until }));
        }
        account.ledger_mut().charge_send(budget, &self.policy, now);
        let id = draws.authenticator(AuthenticatorKind::RecoveryCode);
        let seed = draws.seed("recovery");
        let (key, subject) = (self.keys.durable(), account.subject());
        let indexes = 0..u32::from(self.policy.settings().recovery_codes);
        let codes =
            indexes.map(|index| derive::recovery_issue(&key.recovery_issue, subject, &id, &seed, index));
        let codes: Vec<_> = codes.collect();
        account.replace_recovery(Recovery::issue(id, key, subject, &codes));
        let epoch = context.end_other_sessions(account, EndReason::RecoveryRegenerated);
        context.draft.audit.authenticator = Some(id);
        context.notify(account, Notice::RecoveryRegenerated { recovery: id });
        let elevation = session.elevation_at(epoch).ok_or(Denial::InsufficientScope)?;
        Ok(Decision::Store(Ok(Regenerated { recovery_codes: codes, elevation })))
    }

    /// Gives up a waiting challenge. Its attempts stay spent and its cool-down stays.
    ///
    /// Takes the session of the challenge's own transaction, of either kind.
    ///
    /// Denials: [`TransactionSpent`](Denial::TransactionSpent), [`ForeignOobCode`](Denial::ForeignOobCode),
    /// [`ExpiredOobCode`](Denial::ExpiredOobCode), [`OobCodeUsed`](Denial::OobCodeUsed),
    /// [`AttemptsExhausted`](Denial::AttemptsExhausted), [`ChallengeCancelled`](Denial::ChallengeCancelled),
    /// [`ExpiredToken`](Denial::ExpiredToken), [`WrongRecord`](Denial::WrongRecord).
    pub fn cancel(
        &self,
        session: &Session,
        account: Account,
        handle: &OobHandle,
        now: OffsetDateTime,
    ) -> Step<()> {
        let now = Millis::from(now);
        let audit = AuditEvent::of_session(Command::Cancel, session, now);
        decide(&self.keys, audit, account, now, |account, draft| {
            Self::check_session(session, account, now)?;
            account.prune(now);
            let transaction = session.transaction();
            // That of an elevated session is spent: by the sign-in that elevated it.
            if !session.is_elevated() && account.is_spent(transaction) {
                return Err(Denial::TransactionSpent);
            }
            if handle.transaction_tag != transaction.tag() {
                return Err(Denial::ForeignOobCode);
            }
            let place = account.challenge_place(handle.challenge, transaction);
            let challenge = place.and_then(|place| account.challenges_mut().get_mut(place));
            let challenge = challenge.ok_or(Denial::ExpiredOobCode)?;
            draft.audit.authenticator = Some(challenge.authenticator());
            if challenge.expire(now) {
                return Ok(Decision::Store(Err(Denial::ExpiredOobCode)));
            }
            if challenge.cancel(CancelReason::Requested) {
                return Ok(Decision::Store(Ok(())));
            }
            Err(match challenge.state() {
                ChallengeState::Cancelled(cause) => Denial::ChallengeCancelled(*cause),
                ChallengeState::Verified => Denial::OobCodeUsed,
                ChallengeState::Exhausted => Denial::AttemptsExhausted,
                ChallengeState::Pending(_) | ChallengeState::Expired => Denial::ExpiredOobCode,
            })
        })
    }
}
