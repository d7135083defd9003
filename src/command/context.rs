//! What the parts of a command on an account work with. A context must never outlive its step.

use crate::{
    command::decide::StepBuilder, outcome::notify::Notice, record::account::AccountBody,
    session::session::Session, value::instant::Millis,
};

/// Who asks, when, and the step that is being built. Keys and policy are the verifier's.
pub(crate) struct Context<'a> {
    pub(crate) session: &'a Session,
    pub(crate) now: Millis,
    pub(crate) draft: &'a mut StepBuilder,
}

impl Context<'_> {
    /// Tells the account's holder of something.
    pub(crate) fn notify(&mut self, account: &AccountBody, notice: Notice) {
        self.draft.notify(account, notice, self.now);
    }
}
