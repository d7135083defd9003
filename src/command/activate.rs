//! What a right code changes: an enrollment becomes active, a transaction is spent and its token due. Nothing here may
//! be reached before a code was judged right.

use crate::{
    command::{context::Context, decide::Decision, verifier::Verifier, verify_oob::Verified},
    keys::draws::Draws,
    machine::enrollment::PendingRecovery,
    outcome::{denial::Denial, end_sessions::EndReason, issue_token::IssueToken, notify::Notice},
    record::{account::AccountBody, device::Device, record::Body as _, recovery::Recovery},
    session::evidence::Evidence,
    value::{id::AuthenticatorId, purpose::Purpose},
};

impl Verifier {
    /// What a right code changes. If it completes a sign-in, and `remember` draws for it, the device is
    /// remembered.
    pub(crate) fn accept(
        &self,
        account: &mut AccountBody,
        (id, purpose, evidence): (AuthenticatorId, Purpose, Evidence),
        pending: Option<PendingRecovery>,
        remember: Option<Draws>,
        context: &mut Context<'_>,
    ) -> Result<Decision<Verified>, Denial> {
        let recovery_codes_live =
            if purpose == Purpose::Confirm { self.activate(account, id, pending, context)? } else { false };
        let completed =
            self.policy.authenticates(id.kind()) && self.complete(account, (id, &evidence), context)?;
        let remember = remember.filter(|_| completed);
        let device = remember.and_then(|mut draws| self.remember(account, id, &mut draws, context));
        let (session, epoch) = (context.session, account.epoch());
        let elevation =
            if completed { Some(session.elevated_by(&evidence, epoch)) } else { session.elevation_at(epoch) };
        Ok(Decision::Store(Ok(Verified {
            purpose,
            evidence,
            completed,
            elevation,
            recovery_codes_live,
            device,
        })))
    }

    /// Spends the transaction of a first-factor session and issues its token, and says so; of an elevated session it does
    /// neither.
    pub(crate) fn complete(
        &self,
        account: &mut AccountBody,
        (by, evidence): (AuthenticatorId, &Evidence),
        context: &mut Context<'_>,
    ) -> Result<bool, Denial> {
        let token = IssueToken::of(context.session, evidence, account.epoch());
        let Some(token) = token else { return Ok(false) };
        account.spend(context.session.transaction(), by, context.now).ok_or(Denial::ExpiredToken)?;
        let device = self.device_of(context.session, account, context.now).map(Device::id);
        if let Some(id) = device {
            account.note_device_use(id, context.now);
        }
        context.draft.issue(token);
        Ok(true)
    }

    /// What follows a confirmed enrollment: its recovery codes go live, and what other first-factor sessions had begun
    /// lapses. If it is the first that may authenticate, all other sessions end. Says whether recovery codes went live.
    fn activate(
        &self,
        account: &mut AccountBody,
        id: AuthenticatorId,
        pending: Option<PendingRecovery>,
        context: &mut Context<'_>,
    ) -> Result<bool, Denial> {
        let confirmed = account.authenticator(id).ok_or(Denial::UnknownAuthenticator)?;
        let label = confirmed.factor().label();
        account.lapse_first_factor_enrollments();
        let mut recovery_codes_live = false;
        if self.policy.authenticates(id.kind()) {
            if account.enroll() {
                context.end_other_sessions(account, EndReason::Enrolled);
            }
            let pending = pending.filter(|_| account.recovery().is_none());
            if let Some(set) = pending.and_then(|pending| self.live_set(account, id, &pending)) {
                account.replace_recovery(set);
                recovery_codes_live = true;
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
        Some(Recovery::issue(pending.id(), self.keys.durable(), account.subject(), &codes))
    }
}
