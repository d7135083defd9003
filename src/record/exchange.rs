//! The exchange of one code: the parts of a record that sending a code or taking one touches, and what either costs.
//!
//! A message is charged to the ledger and begins the cool-down of its pair. A wrong short code is charged to
//! its lane's guesses, the pair and the authenticator's failures in a row in that lane; a right one charges
//! nothing and ends only those failures. A wrong long code is charged to nothing. This module must never
//! compare a code.

use crate::{
    machine::{enrollment::PendingRecovery, transition::IllegalTransition},
    policy::{bounds::MAX_FAILURES, policy::Policy, settings::AtCap},
    record::{
        authenticator::Authenticator,
        challenge::Challenge,
        ledger::{Empty, Ledger, SendBudget},
        transaction::AttemptCounter,
    },
    value::{binding_code::CodeForm, instant::Millis, lane::Lane, name::Subject, purpose::Purpose},
};

/// The parts of a record that one code touches, beside its challenge.
pub(crate) struct Exchange<'a> {
    pub(super) subject: &'a Subject,
    pub(super) authenticator: &'a mut Authenticator,
    pub(super) pair: &'a mut AttemptCounter,
    pub(super) ledger: &'a mut Ledger,
    /// When the record was last written.
    pub(super) updated: Millis,
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

    /// Whether the cool-down of the pair's last message lasts.
    pub(crate) fn cooling(&self, policy: &Policy, now: Millis) -> Option<Empty> {
        self.pair.cooling(policy, now)
    }

    /// When the record was last written.
    pub(crate) const fn updated(&self) -> Millis {
        self.updated
    }

    /// The form of a code that is sent now: long while the lane is hardened, or the authenticator is at the
    /// cap of failures in a row there.
    pub(crate) fn form(&self, lane: Lane, policy: &Policy, now: Millis) -> CodeForm {
        let settings = policy.settings();
        let lane_is_hardened = policy.hardens_messages() && self.ledger.is_hardened(lane, policy, now);
        if lane_is_hardened || self.authenticator.hardens_at_cap(lane, policy) {
            CodeForm::Long
        } else {
            CodeForm::Short(settings.code_digits)
        }
    }

    /// Whether no message may be sent.
    pub(crate) fn no_sends(&self, budget: SendBudget, policy: &Policy, now: Millis) -> Option<Empty> {
        self.ledger.no_sends(budget, policy, now)
    }

    /// Charges one message, and begins the cool-down of the pair. The caller has seen that one may be sent.
    pub(crate) fn charge_send(&mut self, budget: SendBudget, policy: &Policy, now: Millis) {
        self.ledger.charge_send(budget, policy, now);
        self.pair.note_send(now);
    }

    /// Notes a right code: the challenge is over, and the failures in a row of its lane end. If the code was
    /// for a confirmation, the authenticator becomes active. Returns the recovery codes that were shown with
    /// its enrollment.
    pub(crate) fn accept(
        self,
        challenge: &mut Challenge,
        now: Millis,
    ) -> Result<Option<PendingRecovery>, IllegalTransition> {
        challenge.accept()?;
        self.note_right_code((challenge.lane, &challenge.purpose), now)
    }

    /// Notes a right one-time password: its counter is over, and the failures in a row of the lane end. If
    /// the code was for a confirmation, the authenticator becomes active. Returns the recovery codes that
    /// were shown with its enrollment.
    pub(crate) fn accept_otp(
        self,
        counter: u64,
        about: (Lane, &Purpose),
        now: Millis,
    ) -> Result<Option<PendingRecovery>, IllegalTransition> {
        self.authenticator.accept_counter(counter)?;
        self.note_right_code(about, now)
    }

    fn note_right_code(
        self,
        (lane, purpose): (Lane, &Purpose),
        now: Millis,
    ) -> Result<Option<PendingRecovery>, IllegalTransition> {
        self.authenticator.note_right_code(lane, now);
        match purpose {
            Purpose::Confirm => self.authenticator.confirm(),
            Purpose::Authenticate | Purpose::Action { .. } | Purpose::Reset => Ok(None),
        }
    }

    /// Charges a wrong short code of the lane, and of the challenge if there is one. The caller has seen that
    /// the pair has an attempt left, and the lane a guess.
    pub(crate) fn reject(
        self,
        (lane, challenge): (Lane, Option<&mut Challenge>),
        policy: &Policy,
        now: Millis,
    ) -> Result<WrongCode, IllegalTransition> {
        let settings = policy.settings();
        let at_cap = self.authenticator.note_wrong_code(lane) >= settings.failure_cap;
        let disables = match settings.at_cap {
            AtCap::Harden => false,
            AtCap::Disable => at_cap || self.authenticator.failures() >= MAX_FAILURES,
        };
        self.pair.charge();
        if disables && self.authenticator.is_unconfirmed() {
            // It has no cap to be disabled by: it has no attempts left instead.
            self.pair.exhaust();
        }
        let attempts_left = self.pair.attempts_left;
        if let Some(challenge) = challenge {
            challenge.reject(attempts_left)?;
        }
        let disabled = disables && self.authenticator.is_active();
        if disabled {
            self.authenticator.disable()?;
        }
        let empty_until = self.ledger.charge_guess(lane, policy, now);
        let hardened = at_cap && settings.at_cap == AtCap::Harden;
        Ok(WrongCode { lane, attempts_left, disabled, hardened, empty_until })
    }
}

/// What a wrong code was charged to, as far as something follows from it.
pub(crate) struct WrongCode {
    lane: Lane,
    attempts_left: u8,
    disabled: bool,
    hardened: bool,
    empty_until: Option<Millis>,
}

impl WrongCode {
    /// Whose guess it was charged to.
    pub(crate) const fn lane(&self) -> Lane {
        self.lane
    }

    /// How many wrong codes the pair may still present.
    pub(crate) const fn attempts_left(&self) -> u8 {
        self.attempts_left
    }

    /// Whether the authenticator reached the cap of wrong codes in a row, and is disabled.
    pub(crate) const fn disabled(&self) -> bool {
        self.disabled
    }

    /// Whether the authenticator reached the cap of wrong codes in a row in this lane, and gets long codes
    /// there.
    pub(crate) const fn hardened(&self) -> bool {
        self.hardened
    }

    /// Until when the lane has no guess left, if this code was the last.
    pub(crate) const fn empty_until(&self) -> Option<Millis> {
        self.empty_until
    }
}
