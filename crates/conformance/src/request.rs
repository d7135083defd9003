//! A request that the kit hands to the host's own loop. It must never reveal whether its code is right.

use countersign::{
    Account, BindingCode, Session, Step, Subject, Verified, Verifier, session::OobHandle,
    time::OffsetDateTime,
};

/// One request of a client, for the host's own loop. See [`Kit::request`](crate::Kit::request).
#[derive(Clone, Debug)]
pub struct Request {
    pub(crate) verifier: Verifier,
    pub(crate) session: Session,
    pub(crate) handle: OobHandle,
    pub(crate) code: BindingCode,
    pub(crate) now: OffsetDateTime,
}

impl Request {
    /// The subject whose record to load.
    #[must_use]
    pub const fn subject(&self) -> &Subject {
        self.session.subject()
    }

    /// The step to take on the record. If a swap is lost, load again and take the step again.
    pub fn step(&self, account: Account) -> Step<Verified> {
        self.verifier.verify_oob(&self.session, account, &self.handle, &self.code, self.now, None)
    }
}
