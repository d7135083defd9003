//! What the parts of a command on an account work with. A context must never outlive its step.

use crate::{
    command::decide::StepBuilder,
    outcome::{end_sessions::EndReason, notify::Notice},
    record::account::AccountBody,
    session::session::Session,
    value::{epoch::Epoch, instant::Millis},
};

/// Who asks, when, and the step that is being built. Keys and policy are the verifier's.
pub(crate) struct Context<'a> {
    pub(crate) session: &'a Session,
    pub(crate) now: Millis,
    pub(crate) draft: &'a mut StepBuilder,
}

impl Context<'_> {
    /// Ends all other sessions of the account, for a reason. Returns the epoch that begins.
    pub(crate) fn end_other_sessions(&mut self, account: &mut AccountBody, reason: EndReason) -> Epoch {
        self.draft.end_sessions(account, (Some(self.session.transaction()), reason), self.now)
    }

    /// Tells the account's holder of something.
    pub(crate) fn notify(&mut self, account: &AccountBody, notice: Notice) {
        self.draft.notify(account, notice, self.now);
    }
}
