//! `revoke_sessions`: the host ends all sessions, because the first factor changed. No factor and no guess may come back
//! with it.

use time::OffsetDateTime;

use crate::{
    command::{
        decide::{Decision, decide},
        verifier::Verifier,
    },
    outcome::{
        audit::{AuditEvent, Command},
        end_sessions::EndReason,
        step::Step,
    },
    record::account::Account,
    value::instant::Millis,
};

impl Verifier {
    /// Ends all sessions of the account, of both kinds and at once: for a host whose user has another password now, and
    /// after a restored backup for every account.
    ///
    /// Call it **after** the new password is stored. A first factor that was [prepared](Self::prepare) before this step
    /// begins nothing any more, so a sign-in that is under way with the old password fails. Every remembered
    /// device is forgotten. Sessions of the unknown lane get one burst of messages back, which whoever knew the
    /// old password may have used up. Everything else stays as it is: factors, recovery codes, and what was
    /// charged for guesses.
    pub fn revoke_sessions(&self, account: Account, now: OffsetDateTime) -> Step<()> {
        let now = Millis::from(now);
        let audit = AuditEvent::new(Command::RevokeSessions, account.subject().clone(), now);
        decide(&self.keys, audit, account, now, |account, draft| {
            account.prune(now);
            account.ledger_mut().give_sends_back(&self.policy, now);
            account.forget_devices();
            draft.end_sessions(account, (None, EndReason::Revoked), now);
            Ok(Decision::Store(Ok(())))
        })
    }
}
