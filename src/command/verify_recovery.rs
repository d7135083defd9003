//! `verify_recovery`: completes a login with a recovery code (`POST /oauth/token`, grant `mfa-recovery-code`).
//!
//! Recovery stays open while the account is locked or hardened, so that guessing at the other factors starves
//! nobody. Its own bounds are five wrong codes a transaction and the recovery bucket. Once that is empty, a
//! wrong code is counted nowhere, and nothing is written. Failure is uniform: a used code looks like a wrong
//! one. A client that lost the answer may ask again with the same code in the same transaction and gets the
//! same answer; anywhere else the code is wrong.

use time::OffsetDateTime;

use crate::{
    command::{
        context::Context,
        decide::{Decision, decide},
        gate::{check_authenticating, refused},
        verifier::Verifier,
    },
    keys::derive,
    outcome::{
        audit::{AuditEvent, Command},
        denial::Denial,
        issue_token::IssueToken,
        notify::Notice,
        step::Step,
    },
    policy::settings::{RecoveryThrottle, RecoveryUse},
    record::{
        account::{Account, AccountBody},
        record::Body as _,
        recovery::{LiveCode, Recovery},
        transaction::Transaction,
    },
    session::{evidence::Evidence, session::Session},
    value::{instant::Millis, recovery_code::RecoveryCode},
};

/// A recovery code was right, and is used up.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Recovered {
    /// What it proves.
    pub evidence: Evidence,
    /// The code that takes its place, to be shown once; absent if the policy consumes codes.
    pub replacement: Option<RecoveryCode>,
    /// How many codes can still be used, this one included.
    pub remaining: u8,
    /// True if this repeats an earlier answer: no code was consumed, and the token is the earlier one whatever the
    /// request asks for.
    pub repeated: bool,
}

impl Verifier {
    /// Takes a recovery code. [`IssueToken`] is among the effects of success.
    ///
    /// Takes a first-factor session whose client was named.
    ///
    /// Denials: [`InvalidRecoveryCode`](Denial::InvalidRecoveryCode), [`NoRecoveryCode`](Denial::NoRecoveryCode),
    /// [`TooManyRecoveryAttempts`](Denial::TooManyRecoveryAttempts), [`NotEnrolled`](Denial::NotEnrolled),
    /// [`TransactionSpent`](Denial::TransactionSpent), [`ClientRequired`](Denial::ClientRequired),
    /// [`InsufficientScope`](Denial::InsufficientScope), [`ExpiredToken`](Denial::ExpiredToken),
    /// [`WrongRecord`](Denial::WrongRecord).
    pub fn verify_recovery(
        &self,
        session: &Session,
        account: Account,
        code: &RecoveryCode,
        now: OffsetDateTime,
    ) -> Step<Recovered> {
        let now = Millis::from(now);
        let audit = AuditEvent::of_session(Command::VerifyRecovery, session, now);
        decide(&self.keys, audit, account, now, |account, draft| {
            self.try_verify_recovery(account, code, &mut Context { session, now, draft })
        })
    }

    fn try_verify_recovery(
        &self,
        account: &mut AccountBody,
        code: &RecoveryCode,
        context: &mut Context<'_>,
    ) -> Result<Decision<Recovered>, Denial> {
        let (session, now) = (context.session, context.now);
        check_authenticating(session)?;
        Self::check_session(session, account, now)?;
        context.draft.audit.authenticator = account.recovery().map(Recovery::id);
        if account.is_spent(session.transaction()) {
            return self.repeat(account, code, context).map(Decision::Unchanged);
        }
        if !account.is_enrolled() {
            return Err(Denial::NotEnrolled);
        }
        account.prune(now);
        account.open_transaction(session, self.lane_of(session, account, now));
        let transaction = session.transaction();
        let attempts_left = account.transaction(transaction).map_or(0, Transaction::recovery_attempts);
        // Codes whose keys are all lost are right for nobody, so none is counted as a guess.
        let held = account.recovery().filter(|known| !known.is_lost(&self.keys));
        let recovery = held.ok_or(Denial::NoRecoveryCode)?;
        if attempts_left == 0 {
            return Err(Denial::TooManyRecoveryAttempts { until: None });
        }
        let empty = account.ledger().no_recovery(&self.policy, now);
        if let (RecoveryThrottle::Refuse, Some(empty)) = (self.policy.settings().recovery_throttle, empty) {
            let denial = |until| Denial::TooManyRecoveryAttempts { until: Some(until) };
            return Err(refused(empty, account.updated(), now, denial));
        }
        context.draft.audit.evaluated = true;
        let (id, subject) = (recovery.id(), account.subject());
        let Some(place) = recovery.find(&self.keys, subject, code) else {
            if empty.is_some() {
                // Nobody guesses 120 bits. What anybody with the password can repeat without end must not
                // write.
                return Err(Denial::InvalidRecoveryCode);
            }
            let emptied = account.charge_recovery(transaction, &self.policy, now);
            if emptied && account.ledger_mut().tell_of_recovery(now) {
                context.notify(account, Notice::RecoveryGuessed { recovery: id });
            }
            return Ok(Decision::Store(Err(Denial::InvalidRecoveryCode)));
        };
        let replacement = match self.policy.settings().recovery_use {
            RecoveryUse::Consume => None,
            RecoveryUse::Replace => {
                let key = self.keys.durable();
                let next = derive::recovery_next(&key.recovery_next, subject, &id, &transaction, code);
                Some((next, key))
            }
        };
        let next = replacement.as_ref().map(|(next, key)| LiveCode::new(key, subject, next));
        let set = account.spend_recovery_code(place, transaction, next).ok_or(Denial::InvalidRecoveryCode)?;
        let remaining = set.usable(&self.keys);
        let evidence = Evidence::recovery_code(id, now);
        self.complete(account, (id, &evidence), context)?;
        context.notify(account, Notice::RecoveryUsed { recovery: id, remaining });
        Ok(Decision::Store(Ok(Recovered {
            evidence,
            replacement: replacement.map(|(code, _)| code),
            remaining,
            repeated: false,
        })))
    }

    /// The same answer again, for the very code that completed the transaction.
    fn repeat(
        &self,
        account: &AccountBody,
        code: &RecoveryCode,
        context: &mut Context<'_>,
    ) -> Result<Recovered, Denial> {
        let transaction = context.session.transaction();
        let spent_at = account.spent_at(transaction).ok_or(Denial::TransactionSpent)?;
        let recovery = account.recovery().ok_or(Denial::TransactionSpent)?;
        let entry = recovery.spent_in(&self.keys, account.subject(), transaction, code);
        let entry = entry.ok_or(Denial::TransactionSpent)?;
        let replacement = match entry.next_key_id() {
            None => None,
            Some(key_id) => {
                let key = self.keys.durable_by_id(key_id).ok_or(Denial::TransactionSpent)?;
                let (subject, id) = (account.subject(), recovery.id());
                Some(derive::recovery_next(&key.recovery_next, subject, &id, &transaction, code))
            }
        };
        let evidence = Evidence::recovery_code(recovery.id(), spent_at);
        context.draft.issue(
            IssueToken::of(context.session, &evidence, account.epoch()).ok_or(Denial::InsufficientScope)?,
        );
        Ok(Recovered { evidence, replacement, remaining: recovery.usable(&self.keys), repeated: true })
    }
}
