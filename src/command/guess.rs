//! Judging one presented binding code: the charge, the verdict and what follows a wrong one, in one step.
//!
//! Before anything is compared: the challenge must wait, its deadline lie ahead, the account be unlocked, an attempt
//! be left, and the code have the challenge's number of digits. A refused code is neither evaluated nor counted,
//! right or wrong. A wrong one that was evaluated is charged to the guess bucket, the long budget, the pair and the
//! authenticator's failures in a row; a right one charges nothing and clears only those failures.

use crate::{
    command::{decide::StepBuilder, verifier::Verifier},
    crypto::declassify::declassify,
    machine::challenge::{CancelReason, ChallengeState},
    outcome::{denial::Denial, notify::Notice},
    record::{
        authenticator::Authenticator, challenge::Challenge, ledger::Ledger, record::Body,
        transaction::AttemptCounter,
    },
    value::{binding_code::BindingCode, id::AuthenticatorId, instant::Millis, name::Subject},
};

/// How an evaluated code came out.
pub(crate) enum CodeCheck {
    Accepted,
    Rejected(Wrong),
}

/// What a wrong code was charged to, as far as something follows from it.
pub(crate) struct Wrong {
    attempts_left: u8,
    /// The authenticator reached the cap of wrong codes in a row, and is disabled.
    disabled: bool,
    /// This code emptied a guess budget: the record is locked until then.
    locked_until: Option<Millis>,
}

/// Whether a challenge can be answered now.
pub(crate) enum Readiness {
    Ready,
    /// Its deadline has passed and was seen just now: that is written.
    ExpiredNow,
}

impl Verifier {
    /// Whether the challenge can be answered at all.
    pub(crate) fn readiness(
        &self,
        challenge: &mut Challenge,
        ledger: &Ledger,
        now: Millis,
    ) -> Result<Readiness, Denial> {
        let lock = || Some(Denial::Locked { until: ledger.locked_until(&self.policy, now)?.to_datetime() });
        if challenge.expire(now) {
            return Ok(Readiness::ExpiredNow);
        }
        match challenge.state() {
            ChallengeState::Pending(_) => lock().map_or(Ok(Readiness::Ready), Err),
            ChallengeState::Verified => Err(Denial::OobCodeUsed),
            ChallengeState::Exhausted => Err(Denial::AttemptsExhausted),
            ChallengeState::Expired => Err(Denial::ExpiredOobCode),
            ChallengeState::Cancelled(CancelReason::Locked) => {
                Err(lock().unwrap_or(Denial::ChallengeCancelled(CancelReason::Locked)))
            }
            ChallengeState::Cancelled(cause) => Err(Denial::ChallengeCancelled(*cause)),
        }
    }

    /// Compares the presented code with the challenge's and charges a wrong one.
    pub(crate) fn check_code(
        &self,
        subject: &Subject,
        authenticator: &mut Authenticator,
        challenge: &mut Challenge,
        (pair, ledger): (&mut AttemptCounter, &mut Ledger),
        presented: &BindingCode,
        now: Millis,
    ) -> Result<CodeCheck, Denial> {
        if presented.length() != challenge.digits() {
            return Err(Denial::MalformedCode);
        }
        let Some(attempts_left) = pair.attempts_left.checked_sub(1) else {
            return Err(Denial::AttemptsExhausted);
        };
        // A key that left the ring took the code with it.
        let code = challenge.code(&self.keys, subject, authenticator).ok_or(Denial::ExpiredOobCode)?;
        if declassify(presented.matches(&code)) {
            challenge.accept().map_err(|_| Denial::OobCodeUsed)?;
            authenticator.note_right_code(now);
            return Ok(CodeCheck::Accepted);
        }
        let capped = authenticator.note_wrong_code() >= self.policy.settings().failure_cap;
        // An unconfirmed authenticator has no cap to be disabled by: it has no attempts left instead.
        let attempts_left = if capped && authenticator.is_unconfirmed() { 0 } else { attempts_left };
        challenge.reject(attempts_left).map_err(|_| Denial::AttemptsExhausted)?;
        let disabled = capped && authenticator.is_active();
        if disabled {
            authenticator.disable().map_err(|_| Denial::AuthenticatorDisabled)?;
        }
        ledger.charge_guess(&self.policy, now);
        pair.attempts_left = attempts_left;
        let locked_until = ledger.locked_until(&self.policy, now);
        Ok(CodeCheck::Rejected(Wrong { attempts_left, disabled, locked_until }))
    }
}

/// What follows a wrong code, in an account and in a standalone record alike. At the cap the authenticator's challenges
/// end as disabled, and so do the sessions that guessed. A lock ends every other challenge that waits. Returns the
/// verdict.
pub(crate) fn reject<B: Body>(
    record: &mut B,
    id: AuthenticatorId,
    wrong: Wrong,
    now: Millis,
    draft: &mut StepBuilder,
) -> Denial {
    let Wrong { attempts_left, disabled, locked_until } = wrong;
    let capped = record.authenticators().iter().find(|known| disabled && known.id() == id);
    if let Some(label) = capped.map(|known| known.factor().label()) {
        cancel(record, CancelReason::Disabled, |known| known.authenticator() == id);
        record.revoke_sessions_before(now);
        draft.notify(record, Notice::Disabled { authenticator: id, label }, now);
    }
    if let Some(until) = locked_until {
        cancel(record, CancelReason::Locked, |_| true);
        draft.notify(record, Notice::Locked { authenticator: id, until: until.0 }, now);
    }
    Denial::InvalidBindingCode { attempts_left }
}

/// Cancels the waiting challenges that `chosen` picks.
fn cancel<B: Body>(record: &mut B, cause: CancelReason, chosen: impl Fn(&Challenge) -> bool) {
    record.challenges_mut().iter_mut().filter(|known| chosen(known)).for_each(|known| {
        known.cancel(cause);
    });
}
