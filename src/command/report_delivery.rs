//! What became of a message, told by the host.

use time::OffsetDateTime;

use crate::{
    command::{
        decide::{Decision, decide},
        verifier::Verifier,
    },
    outcome::{
        audit::{AuditEvent, Command},
        effect_id::EffectId,
        send,
        step::Step,
    },
    record::{account::Account, challenge::Challenge, record::Body as _, transaction::AttemptCounter},
    value::instant::Millis,
};

/// What became of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_enums, reason = "there is no third way")]
pub enum DeliveryReport {
    /// It was handed over.
    Delivered,
    /// It could not be.
    Failed,
}

impl Verifier {
    /// Tells what became of a message, by its effect's id. A failed one lifts the cool-down of its pair once, so that
    /// its user can ask again at once; the budgets stay charged.
    ///
    /// Says whether a cool-down was lifted.
    pub fn report_delivery(
        &self,
        account: Account,
        message: EffectId,
        report: DeliveryReport,
        now: OffsetDateTime,
    ) -> Step<bool> {
        let now = Millis::from(now);
        let audit = AuditEvent::new(Command::ReportDelivery, account.subject().clone(), now);
        decide(&self.keys, audit, account, now, |record, draft| {
            record.prune(now);
            let is_latest =
                |challenge: &Challenge| send::latest_send(record.subject(), challenge) == Some(message);
            let Some(place) = record.challenges().iter().position(is_latest) else {
                return Ok(Decision::Unchanged(false));
            };
            draft.audit.authenticator = record.challenges().get(place).map(Challenge::authenticator);
            let lifted = match report {
                DeliveryReport::Failed => record.pair_mut(place).is_some_and(AttemptCounter::lift_cool_down),
                DeliveryReport::Delivered => false,
            };
            Ok(if lifted { Decision::Store(Ok(true)) } else { Decision::Unchanged(false) })
        })
    }
}
