//! What a right code changes: an enrollment becomes active, a transaction is spent and its token due. Nothing here may
//! be reached before a code was judged right.

use crate::{
    command::{context::Context, verifier::Verifier, verify_oob::Verified},
    factor::destination::Channel,
    machine::enrollment::{EnrolledBy, PendingRecovery},
    outcome::{denial::Denial, evidence::Evidence, issue_token::IssueToken, notify::Notice},
    record::{
        account::AccountBody,
        recovery::{LiveCode, Recovery},
        transaction::Completion,
    },
    value::{id::AuthenticatorId, purpose::Purpose},
};

impl Verifier {
    /// What a right code changes.
    pub(crate) fn accept(
        &self,
        account: &mut AccountBody,
        (id, channel): (AuthenticatorId, Channel),
        purpose: Purpose,
        context: &mut Context<'_>,
    ) -> Result<Verified, Denial> {
        let recovery_codes_live =
            if purpose == Purpose::Confirm { self.activate(account, id, context)? } else { false };
        let evidence = Evidence::oob(id, channel, context.now);
        let may_complete = self.policy.authenticates(id.kind());
        let completed = may_complete && self.complete(account, (id, &evidence), context)?;
        Ok(Verified { purpose, evidence, completed, recovery_codes_live })
    }

    /// Spends the transaction of a first-factor session and issues its token; of an elevated one it does neither.
    pub(crate) fn complete(
        &self,
        account: &mut AccountBody,
        (by, evidence): (AuthenticatorId, &Evidence),
        context: &mut Context<'_>,
    ) -> Result<bool, Denial> {
        let Some(token) = IssueToken::of(context.session, evidence) else { return Ok(false) };
        let entry = account.transaction_mut(context.session.transaction()).ok_or(Denial::ExpiredToken)?;
        entry.spent = Some(Completion { at: context.now, by });
        context.draft.issue(token);
        Ok(true)
    }

    /// An enrollment is confirmed: the authenticator is active, its recovery codes go live, and what other first-factor
    /// sessions had begun lapses. Says whether recovery codes went live.
    fn activate(
        &self,
        account: &mut AccountBody,
        id: AuthenticatorId,
        context: &mut Context<'_>,
    ) -> Result<bool, Denial> {
        let authenticator = account.authenticators.iter_mut().find(|known| known.id() == id);
        let authenticator = authenticator.ok_or(Denial::UnknownAuthenticator)?;
        let pending = authenticator.confirm().map_err(|_| Denial::UnknownAuthenticator)?;
        let label = authenticator.factor().label();
        account.expire(|_, state| state.enrolled_by() == EnrolledBy::FirstFactor);
        let mut recovery_codes_live = false;
        if self.policy.authenticates(id.kind()) {
            account.enrolled = true;
            if let Some(pending) = pending.filter(|_| account.recovery.is_none()) {
                account.recovery = self.live_set(account, id, &pending);
                recovery_codes_live = account.recovery.is_some();
            }
        }
        context.notify(account, Notice::Added { authenticator: id, label });
        Ok(recovery_codes_live)
    }

    /// The recovery codes that were shown, as they are stored from now on; nothing if their key is gone.
    fn live_set(
        &self,
        account: &AccountBody,
        id: AuthenticatorId,
        pending: &PendingRecovery,
    ) -> Option<Recovery> {
        let codes = self.pending_codes(account, id, pending)?;
        let key = self.keys.durable();
        let live = codes.iter().map(|code| LiveCode::new(key, &account.subject, code)).collect();
        Some(Recovery { id: pending.id(), live, spent: alloc::vec::Vec::new() })
    }
}
