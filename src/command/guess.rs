//! Judging one presented binding code: the charge, the verdict and what follows a wrong one, in one step.
//!
//! Before anything is compared: the challenge must wait, its deadline lie ahead, the account be unlocked, an attempt
//! be left, and the code have the challenge's number of digits. A refused code is neither evaluated nor counted,
//! right or wrong. A wrong one that was evaluated is charged to the guess bucket, the long budget, the pair and the
//! authenticator's failures in a row; a right one charges nothing and clears only those failures. The charge itself is
//! in `record/exchange.rs`. This module must never compare a code before these gates.

use crate::{
    command::{decide::StepBuilder, verifier::Verifier},
    crypto::declassify::declassify,
    machine::{
        challenge::{CancelReason, ChallengeState},
        enrollment::PendingRecovery,
    },
    outcome::{denial::Denial, notify::Notice},
    record::{
        account::AccountBody,
        challenge::Challenge,
        exchange::{Exchange, WrongCode},
    },
    value::{binding_code::BindingCode, id::AuthenticatorId, instant::Millis},
};

/// How an evaluated code came out.
pub(crate) enum CodeCheck {
    /// It was right. The recovery codes that were shown with the enrollment that it confirmed go live.
    Accepted(Option<PendingRecovery>),
    Rejected(WrongCode),
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
        record: &mut AccountBody,
        place: usize,
        now: Millis,
    ) -> Result<Readiness, Denial> {
        let challenge = record.challenges_mut().get_mut(place).ok_or(Denial::ExpiredOobCode)?;
        if challenge.expire(now) {
            return Ok(Readiness::ExpiredNow);
        }
        let state = record.challenges().get(place).ok_or(Denial::ExpiredOobCode)?.state();
        let ledger = record.ledger();
        let lock = || Some(Denial::Locked { until: ledger.locked_until(&self.policy, now)?.to_datetime() });
        match state {
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
        (exchange, challenge): (Exchange<'_>, Option<&mut Challenge>),
        presented: &BindingCode,
        now: Millis,
    ) -> Result<CodeCheck, Denial> {
        let challenge = challenge.ok_or(Denial::ExpiredOobCode)?;
        if presented.length() != challenge.digits() {
            return Err(Denial::MalformedCode);
        }
        if exchange.attempts_left() == 0 {
            return Err(Denial::AttemptsExhausted);
        }
        // A key that left the ring took the code with it.
        let code = challenge.code(&self.keys, exchange.subject(), exchange.authenticator());
        let code = code.ok_or(Denial::ExpiredOobCode)?;
        if declassify(presented.matches(&code)) {
            let pending = exchange.accept(challenge, now).map_err(|_| Denial::OobCodeUsed)?;
            return Ok(CodeCheck::Accepted(pending));
        }
        let wrong = exchange.reject(challenge, &self.policy, now).map_err(|_| Denial::AttemptsExhausted)?;
        Ok(CodeCheck::Rejected(wrong))
    }
}

/// What follows a wrong code. At the cap the authenticator's challenges end as disabled; sessions do not, because a thief who
/// guesses could end those of the owner. A lock ends every other challenge that waits. Returns the
/// verdict.
pub(crate) fn reject(
    record: &mut AccountBody,
    id: AuthenticatorId,
    wrong: &WrongCode,
    now: Millis,
    draft: &mut StepBuilder,
) -> Denial {
    let capped = record.authenticators().iter().find(|known| wrong.disabled() && known.id() == id);
    if let Some(label) = capped.map(|known| known.factor().label()) {
        cancel(record, CancelReason::Disabled, |known| known.authenticator() == id);
        draft.notify(record, Notice::Disabled { authenticator: id, label }, now);
    }
    if let Some(until) = wrong.locked_until() {
        cancel(record, CancelReason::Locked, |_| true);
        draft.notify(record, Notice::Locked { authenticator: id, until: until.0 }, now);
    }
    Denial::InvalidBindingCode { attempts_left: wrong.attempts_left() }
}

/// Cancels the waiting challenges that `chosen` picks.
fn cancel(record: &mut AccountBody, cause: CancelReason, chosen: impl Fn(&Challenge) -> bool) {
    record.challenges_mut().iter_mut().filter(|known| chosen(known)).for_each(|known| {
        known.cancel(cause);
    });
}
