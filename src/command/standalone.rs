//! `ask` and `answer`: the machines on their own, for a [`Standalone`] record.

use time::OffsetDateTime;

use crate::{
    command::{
        decide::{Decision, decide, decide_drawing},
        guess::{CodeCheck, Readiness, reject},
        send::{SendContext, SendDecision, delivery_decision},
        verifier::Verifier,
    },
    crypto::entropy::Entropy,
    factor::setup::Delivery,
    machine::{challenge::ChallengeState, enrollment::Enrollment},
    outcome::{
        audit::{AuditEvent, Command},
        denial::Denial,
        evidence::Evidence,
        step::Step,
    },
    policy::settings::FactorUse,
    record::{authenticator::Authenticator, challenge::Challenge, record::Body as _, standalone::Standalone},
    session::oob_code::{self, OobHandle},
    value::{binding_code::BindingCode, instant::Millis, name::Subject, opaque::OobCode, purpose::Purpose},
};

/// The answer to an `ask`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Asked {
    /// The handle to answer with. Whoever lacks it cannot even spend an attempt.
    pub oob_code: OobCode,
    /// When the code dies.
    pub expires: OffsetDateTime,
    /// Whether a message is to be sent.
    pub delivery: Delivery,
}

/// A code was right.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Answered {
    /// What it was right for.
    pub purpose: Purpose,
    /// What it proves: control of the address, and nothing about anybody's first factor.
    pub evidence: Evidence,
}

impl Verifier {
    /// Sends a code for a purpose. Asking again for the same purpose resends; asking for another supersedes. Either
    /// way the attempts carry over until the challenge's deadline; only then, or after a right code, do they begin
    /// anew, within the ledger's budgets.
    ///
    /// Denials: [`UnsupportedChallengeType`](Denial::UnsupportedChallengeType) if the policy does not admit the factor for
    /// the purpose, [`AddressInUse`](Denial::AddressInUse) if the address is confirmed already,
    /// [`UnknownAuthenticator`](Denial::UnknownAuthenticator) if it is not and the purpose needs it,
    /// [`AuthenticatorDisabled`](Denial::AuthenticatorDisabled), [`Locked`](Denial::Locked),
    /// [`CoolingDown`](Denial::CoolingDown), [`TooManySends`](Denial::TooManySends),
    /// [`AttemptsExhausted`](Denial::AttemptsExhausted).
    pub fn ask(
        &self,
        record: Standalone,
        purpose: &Purpose,
        now: OffsetDateTime,
        entropy: &Entropy,
    ) -> Step<Asked, Standalone> {
        let now = Millis::from(now);
        let mut audit = AuditEvent::new(Command::Ask, record.subject().clone(), now);
        audit.authenticator = Some(record.authenticator().id());
        decide_drawing(audit, record, now, entropy, |record, draws, draft| {
            self.check_standalone(purpose, record.authenticator())?;
            if let Some(until) = record.ledger().locked_until(&self.policy, now) {
                return Err(Denial::Locked { until: until.to_datetime() });
            }
            // Until the deadline of a challenge that failed, its attempts stay spent, whatever is asked.
            let over = |challenge: &Challenge| {
                now >= challenge.deadline_ms() || *challenge.state() == ChallengeState::Verified
            };
            if record.challenge().is_none_or(over) {
                record.begin_anew(draws.transaction(), self.policy.settings().attempts);
            }
            let lifetime_ms = self.policy.lifetime_ms(purpose, true);
            let channel =
                record.authenticator().factor().channel().ok_or(Denial::UnsupportedChallengeType)?;
            let transaction = record.transaction();
            let (exchange, present) = record.exchange();
            let scene = SendContext {
                exchange,
                transaction,
                channel,
                purpose: purpose.clone(),
                lifetime_ms,
                latest_deadline: now.after(lifetime_ms),
            };
            let delivery = match self.dispatch(scene, present, now, draws, draft)? {
                SendDecision::CoolingDown { until } => Delivery::CoolingDown { until: until.to_datetime() },
                SendDecision::Resent => Delivery::Sent,
                SendDecision::New(challenge) => {
                    record.replace_challenge(challenge);
                    Delivery::Sent
                }
            };
            let current = record.challenge().ok_or(Denial::ExpiredOobCode)?;
            let oob_code = current.handle(&self.keys, record.subject()).ok_or(Denial::ExpiredOobCode)?;
            let answer = Asked { oob_code, expires: current.deadline(), delivery };
            Ok(delivery_decision(delivery, answer))
        })
    }

    /// Opens the handle of a standalone challenge. No storage is touched.
    ///
    /// # Errors
    /// [`Denial::MalformedOobCode`].
    pub fn open_standalone_code(&self, subject: &Subject, oob_code: &str) -> Result<OobHandle, Denial> {
        oob_code::open_handle(&self.keys, subject, oob_code).ok_or(Denial::MalformedOobCode)
    }

    /// Takes a code for a purpose. A right one for [`Purpose::Confirm`] makes the address active. A wrong one is
    /// charged in this step.
    ///
    /// Denials: those of [`verify_oob`](Self::verify_oob) that are about the challenge and the code;
    /// [`ForeignOobCode`](Denial::ForeignOobCode) also for another purpose than the challenge's.
    pub fn answer(
        &self,
        record: Standalone,
        handle: &OobHandle,
        purpose: &Purpose,
        code: &BindingCode,
        now: OffsetDateTime,
    ) -> Step<Answered, Standalone> {
        let now = Millis::from(now);
        let mut audit = AuditEvent::new(Command::Answer, record.subject().clone(), now);
        audit.authenticator = Some(record.authenticator().id());
        decide(audit, record, now, |record, draft| {
            let challenge = record.challenge().filter(|known| known.id() == handle.challenge);
            let challenge = challenge.ok_or(Denial::ExpiredOobCode)?;
            let channel = challenge.channel();
            if handle.transaction_tag != record.transaction().tag() || challenge.purpose() != purpose {
                return Err(Denial::ForeignOobCode);
            }
            // The record holds one challenge.
            if let Readiness::ExpiredNow = self.readiness(record, 0, now)? {
                return Ok(Decision::Store(Err(Denial::ExpiredOobCode)));
            }
            self.check_standalone(purpose, record.authenticator())?;
            let id = record.authenticator().id();
            let judged = self.check_code(record.exchange(), code, now)?;
            draft.audit.evaluated = true;
            Ok(Decision::Store(match judged {
                CodeCheck::Accepted(_) => {
                    let evidence = Evidence::oob(id, channel, now);
                    Ok(Answered { purpose: purpose.clone(), evidence })
                }
                CodeCheck::Rejected(wrong) => Err(reject(record, id, &wrong, now, draft)),
            }))
        })
    }

    /// Whether the address is in the state that the purpose needs.
    fn check_standalone(&self, purpose: &Purpose, authenticator: &Authenticator) -> Result<(), Denial> {
        if authenticator.failures() >= self.policy.settings().failure_cap {
            return Err(Denial::AuthenticatorDisabled);
        }
        match self.policy.admits(authenticator.factor().kind()) {
            FactorUse::Authenticate => {}
            FactorUse::ConfirmOnly if *purpose != Purpose::Authenticate => {}
            FactorUse::ConfirmOnly | FactorUse::Off => return Err(Denial::UnsupportedChallengeType),
        }
        match (purpose, authenticator.enrollment()) {
            (Purpose::Confirm, Enrollment::Unconfirmed(_))
            | (Purpose::Authenticate | Purpose::Action { .. }, Enrollment::Active) => Ok(()),
            (Purpose::Confirm, Enrollment::Active) => Err(Denial::AddressInUse),
            (Purpose::Authenticate | Purpose::Action { .. }, Enrollment::Unconfirmed(_)) => {
                Err(Denial::UnknownAuthenticator)
            }
            (_, Enrollment::Disabled) => Err(Denial::AuthenticatorDisabled),
        }
    }
}
