//! The exchange of one code: the parts of a record that sending a code or taking one touches, and what either costs.
//!
//! A message is charged to the ledger and begins the cool-down of its pair. A wrong code is charged to the ledger, the pair and the
//! authenticator's failures in a row; a right one charges nothing and ends only those failures. This module must never
//! compare a code.

use crate::{
    machine::{enrollment::PendingRecovery, transition::IllegalTransition},
    policy::policy::Policy,
    record::{
        authenticator::Authenticator, challenge::Challenge, ledger::Ledger, transaction::AttemptCounter,
    },
    value::{instant::Millis, name::Subject, purpose::Purpose},
};

/// The parts of a record that one code touches, beside its challenge.
pub(crate) struct Exchange<'a> {
    pub(super) subject: &'a Subject,
    pub(super) authenticator: &'a mut Authenticator,
    pub(super) pair: &'a mut AttemptCounter,
    pub(super) ledger: &'a mut Ledger,
}

impl Exchange<'_> {
    /// Whose record it is.
    pub(crate) const fn subject(&self) -> &Subject {
        self.subject
    }

    /// The authenticator that the code is for.
    pub(crate) const fn authenticator(&self) -> &Authenticator {
        self.authenticator
    }

    /// How many wrong codes the pair may still present.
    pub(crate) const fn attempts_left(&self) -> u8 {
        self.pair.attempts_left
    }

    /// When the cool-down of the pair's last message ends.
    pub(crate) fn next_send(&self, policy: &Policy) -> Option<Millis> {
        self.pair.next_send(policy)
    }

    /// Until when no message may be sent.
    pub(crate) fn sends_refused_until(&self, policy: &Policy, now: Millis) -> Option<Millis> {
        self.ledger.sends_refused_until(policy, now)
    }

    /// Charges one message, and begins the cool-down of the pair. The caller has seen that sends are not refused.
    pub(crate) fn charge_send(&mut self, policy: &Policy, now: Millis) {
        self.ledger.charge_send(policy, now);
        self.pair.note_send(now);
    }

    /// Notes a right code: the challenge is over, and the failures in a row end. If the code was for a confirmation, the
    /// authenticator becomes active. Returns the recovery codes that were shown with its enrollment.
    pub(crate) fn accept(
        self,
        challenge: &mut Challenge,
        now: Millis,
    ) -> Result<Option<PendingRecovery>, IllegalTransition> {
        challenge.accept()?;
        self.authenticator.note_right_code(now);
        match challenge.purpose {
            Purpose::Confirm => self.authenticator.confirm(),
            Purpose::Authenticate | Purpose::Action { .. } | Purpose::Reset => Ok(None),
        }
    }

    /// Charges a wrong code. The caller has seen that the pair has an attempt left, and that the record is not locked.
    pub(crate) fn reject(
        self,
        challenge: &mut Challenge,
        policy: &Policy,
        now: Millis,
    ) -> Result<WrongCode, IllegalTransition> {
        let capped = self.authenticator.note_wrong_code() >= policy.settings().failure_cap;
        self.pair.charge();
        if capped && self.authenticator.is_unconfirmed() {
            // It has no cap to be disabled by: it has no attempts left instead.
            self.pair.exhaust();
        }
        let attempts_left = self.pair.attempts_left;
        challenge.reject(attempts_left)?;
        let disabled = capped && self.authenticator.is_active();
        if disabled {
            self.authenticator.disable()?;
        }
        self.ledger.charge_guess(policy, now);
        let locked_until = self.ledger.locked_until(policy, now);
        Ok(WrongCode { attempts_left, disabled, locked_until })
    }
}

/// What a wrong code was charged to, as far as something follows from it.
pub(crate) struct WrongCode {
    attempts_left: u8,
    disabled: bool,
    locked_until: Option<Millis>,
}

impl WrongCode {
    /// How many wrong codes the pair may still present.
    pub(crate) const fn attempts_left(&self) -> u8 {
        self.attempts_left
    }

    /// Whether the authenticator reached the cap of wrong codes in a row, and is disabled.
    pub(crate) const fn disabled(&self) -> bool {
        self.disabled
    }

    /// Until when the record is locked, if this code emptied a guess budget.
    pub(crate) const fn locked_until(&self) -> Option<Millis> {
        self.locked_until
    }
}
