//! Judging one presented binding code: the charge, the verdict and what follows a wrong one, in one step.
//!
//! Before anything is compared: the challenge must wait, its deadline lie ahead, its lane be unlocked, an
//! attempt be left for a short code, and the code have the challenge's number of digits. A refused code is
//! neither evaluated nor counted, right or wrong. A wrong short one that was evaluated is charged to its
//! lane's guesses, the pair and the authenticator's failures in a row; a right one charges nothing and clears
//! only those failures. The charge itself is in `record/exchange.rs`. A wrong long code changes nothing, and
//! nothing is written: limits are for secrets below 64 bits (NIST SP 800-63B-4 section 3.1.3.2), and what
//! nobody can use up keeps nobody out. This module must never compare a code before these gates.

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
        transaction::AttemptCounter,
    },
    value::{binding_code::BindingCode, id::AuthenticatorId, instant::Millis},
};

/// How an evaluated code came out.
pub(crate) enum CodeCheck {
    /// It was right. The recovery codes that were shown with the enrollment that it confirmed go live.
    Accepted(Option<PendingRecovery>),
    /// It was wrong, and was counted.
    Rejected(WrongCode),
    /// It was wrong and long: it was counted nowhere, and the step writes nothing.
    RejectedLong,
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
        let challenge = record.challenges().get(place).ok_or(Denial::ExpiredOobCode)?;
        let lane = challenge.lane();
        match challenge.state() {
            ChallengeState::Pending(_) => {
                self.check_lock(record, lane, now)?;
                // None waits when a lane is hardened, unless clocks disagree.
                let no_guess = self.policy.hardens_messages()
                    && record.ledger().is_hardened(lane, &self.policy, now)
                    && !challenge.form().is_long();
                if no_guess {
                    return Err(Denial::ChallengeCancelled(CancelReason::Hardened));
                }
                Ok(Readiness::Ready)
            }
            ChallengeState::Verified => Err(Denial::OobCodeUsed),
            ChallengeState::Exhausted => Err(Denial::AttemptsExhausted),
            ChallengeState::Expired => Err(Denial::ExpiredOobCode),
            ChallengeState::Cancelled(CancelReason::Locked) => {
                self.check_lock(record, lane, now)?;
                Err(Denial::ChallengeCancelled(CancelReason::Locked))
            }
            ChallengeState::Cancelled(cause) => Err(Denial::ChallengeCancelled(*cause)),
        }
    }

    /// Compares the presented code with the challenge's and charges a wrong one if it is short.
    pub(crate) fn check_code(
        &self,
        (exchange, challenge): (Exchange<'_>, Option<&mut Challenge>),
        presented: &BindingCode,
        now: Millis,
    ) -> Result<CodeCheck, Denial> {
        let challenge = challenge.ok_or(Denial::ExpiredOobCode)?;
        let form = challenge.form();
        if presented.form() != form {
            return Err(Denial::MalformedCode);
        }
        if !form.is_long() && exchange.attempts_left() == 0 {
            return Err(Denial::AttemptsExhausted);
        }
        // A key that left the ring took the code with it.
        let code = challenge.code(&self.keys, exchange.subject(), exchange.authenticator());
        let code = code.ok_or(Denial::ExpiredOobCode)?;
        if declassify(presented.matches(&code)) {
            let pending = exchange.accept(challenge, now).map_err(|_| Denial::OobCodeUsed)?;
            return Ok(CodeCheck::Accepted(pending));
        }
        if form.is_long() {
            return Ok(CodeCheck::RejectedLong);
        }
        let (lane, pair) = (challenge.lane(), Some(challenge));
        let wrong =
            exchange.reject((lane, pair), &self.policy, now).map_err(|_| Denial::AttemptsExhausted)?;
        Ok(CodeCheck::Rejected(wrong))
    }
}

impl Verifier {
    /// What follows a wrong short code. At the cap the authenticator is disabled and its challenges end, or
    /// its short ones of this lane do, and it gets long codes there. Sessions do not end, because a thief who
    /// guesses could end those of the owner. An empty budget does the same for the whole lane: it locks and
    /// ends every challenge, or it hardens and ends the short ones. The account's holder is told when a
    /// budget empties, within the bound of such notices.
    pub(crate) fn reject(
        &self,
        record: &mut AccountBody,
        id: AuthenticatorId,
        wrong: &WrongCode,
        now: Millis,
        draft: &mut StepBuilder,
    ) {
        let lane = wrong.lane();
        let disabled = record.authenticators().iter().find(|known| wrong.disabled() && known.id() == id);
        if let Some(label) = disabled.map(|known| known.factor().label()) {
            cancel(record, CancelReason::Disabled, |known| known.authenticator() == id);
            draft.notify(record, Notice::Disabled { authenticator: id, label }, now);
        }
        let hardens = self.policy.hardens_messages();
        let locked_until = wrong.empty_until().filter(|_| !hardens);
        let lane_is_hardened = hardens && wrong.empty_until().is_some();
        if locked_until.is_some() {
            cancel(record, CancelReason::Locked, |known| known.lane() == lane);
        }
        if wrong.hardened() || lane_is_hardened {
            let concerned = |known: &Challenge| lane_is_hardened || known.authenticator() == id;
            harden(record, |known| known.lane() == lane && !known.form().is_long() && concerned(known));
        }
        let notice = match locked_until {
            Some(until) => Some(Notice::Locked { authenticator: id, until: until.0 }),
            None if wrong.hardened() || lane_is_hardened => {
                Some(Notice::Hardened { authenticator: id, lane })
            }
            None => None,
        };
        if let Some(notice) = notice.filter(|_| record.ledger_mut().tell_of_guesses(lane, now)) {
            draft.notify(record, notice, now);
        }
    }
}

/// Cancels the waiting challenges that `chosen` picks, and ends their cool-downs: whoever waited for such a
/// code may ask for a long one at once.
fn harden(record: &mut AccountBody, chosen: impl Fn(&Challenge) -> bool) {
    for place in 0..record.challenges().len() {
        let challenge = record.challenges_mut().get_mut(place).filter(|known| chosen(known));
        if challenge.is_some_and(|known| known.cancel(CancelReason::Hardened)) {
            record.pair_mut(place).map(AttemptCounter::lift_cool_down);
        }
    }
}

/// Cancels the waiting challenges that `chosen` picks.
fn cancel(record: &mut AccountBody, cause: CancelReason, chosen: impl Fn(&Challenge) -> bool) {
    record.challenges_mut().iter_mut().filter(|known| chosen(known)).for_each(|known| {
        known.cancel(cause);
    });
}
