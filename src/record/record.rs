//! What the two records have in common: a subject, a revision, challenges with their authenticators, and a ledger.
//!
//! Outside the crate a record shows whose it is and which revision it has. What the commands need beside that is in
//! traits of the crate, which [`Record`] does not have as supertraits: a method of a supertrait could be called through
//! the bound, even of a trait that cannot be named. This module must never give [`Record`] a method that changes a
//! record.

use crate::{
    policy::bounds::{CLOCK_LEEWAY_MS, LONGEST_SESSION_MS},
    record::{
        account::{Account, AccountBody},
        authenticator::Authenticator,
        challenge::Challenge,
        ledger::Ledger,
        standalone::{Standalone, StandaloneBody},
        transaction::AttemptCounter,
    },
    value::{instant::Millis, name::Subject, revision::Revision},
};

/// A record that a [`Step`](crate::Step) writes: an [`Account`] or a [`Standalone`]. It cannot be implemented
/// elsewhere.
pub trait Record: sealed::Sealed + Sized {
    /// The record of a subject for whom the store has none; `None` if more than the subject is needed to make one.
    #[must_use]
    fn absent(subject: &Subject) -> Option<Self>;

    /// Whose record it is: the key of its row.
    #[must_use]
    fn subject(&self) -> &Subject;

    /// The revision that a conditional write compares.
    #[must_use]
    fn revision(&self) -> Revision;
}

mod sealed {
    /// Keeps other crates from implementing [`Record`](super::Record). It has no methods: a bound makes them callable.
    #[allow(unreachable_pub, reason = "a supertrait of a public trait is public, and sealed by its module")]
    pub trait Sealed {}

    impl Sealed for super::Account {}

    impl Sealed for super::Standalone {}
}

impl Record for Account {
    fn absent(subject: &Subject) -> Option<Self> {
        Some(Self::new(subject))
    }

    fn subject(&self) -> &Subject {
        self.subject()
    }

    fn revision(&self) -> Revision {
        self.revision()
    }
}

impl Record for Standalone {
    fn absent(_subject: &Subject) -> Option<Self> {
        None
    }

    fn subject(&self) -> &Subject {
        self.subject()
    }

    fn revision(&self) -> Revision {
        self.revision()
    }
}

/// What a command reaches of a record: its body.
///
/// No public function may have this bound. A function that is generic over both records is `pub(crate)`, and each
/// record has a public method of its own.
pub(crate) trait Internal: Record {
    /// What the record holds.
    type Body: Body;

    fn body(&self) -> &Self::Body;

    fn body_mut(&mut self) -> &mut Self::Body;
}

/// What both bodies hold.
pub(crate) trait Body {
    fn subject(&self) -> &Subject;
    fn authenticators(&self) -> &[Authenticator];
    fn challenges(&self) -> &[Challenge];

    fn challenges_mut(&mut self) -> &mut [Challenge];

    fn revision(&self) -> Revision;

    /// Whether the store has it already.
    fn is_stored(&self) -> bool;

    /// Numbers a record that no step has written, if it was not numbered when it was made.
    fn begin_at(&mut self, _revision: Revision) {}

    /// Notes that the store has it, at this revision.
    fn store_at(&mut self, revision: Revision);

    /// The revision that the record will have once this step is stored.
    fn next_revision(&self) -> Revision {
        if self.is_stored() { self.revision().next() } else { self.revision() }
    }

    /// Takes the record on to its next revision and returns the revision that the store must hold until then.
    fn advance(&mut self) -> Option<Revision> {
        let expected = self.is_stored().then_some(self.revision());
        self.store_at(self.next_revision());
        expected
    }

    /// Notes when the record is written, and says by how many milliseconds the latest of the clocks that wrote it is
    /// ahead.
    fn note_write(&mut self, now: Millis) -> u64;

    /// The budgets.
    fn ledger(&self) -> &Ledger;

    /// The budgets, to charge them.
    fn ledger_mut(&mut self) -> &mut Ledger;

    /// The count of the challenge at this place.
    fn pair_mut(&mut self, place: usize) -> Option<&mut AttemptCounter>;

    /// Drops what time has ended.
    fn prune(&mut self, now: Millis);

    /// Refuses first-factor sessions begun until `instant`.
    fn revoke_sessions_before(&mut self, instant: Millis);

    /// Takes back what a clock far ahead had set: cool-downs, bounds on sessions, and the time of the last write.
    fn lower_wild_bounds(&mut self, now: Millis);
}

impl Internal for Account {
    type Body = AccountBody;

    fn body(&self) -> &AccountBody {
        &self.0
    }

    fn body_mut(&mut self) -> &mut AccountBody {
        &mut self.0
    }
}

impl Internal for Standalone {
    type Body = StandaloneBody;

    fn body(&self) -> &StandaloneBody {
        &self.0
    }

    fn body_mut(&mut self) -> &mut StandaloneBody {
        &mut self.0
    }
}

impl Body for AccountBody {
    fn subject(&self) -> &Subject {
        &self.subject
    }

    fn authenticators(&self) -> &[Authenticator] {
        &self.authenticators
    }

    fn challenges(&self) -> &[Challenge] {
        &self.challenges
    }

    fn challenges_mut(&mut self) -> &mut [Challenge] {
        &mut self.challenges
    }

    fn revision(&self) -> Revision {
        self.revision
    }

    fn is_stored(&self) -> bool {
        self.stored
    }

    fn begin_at(&mut self, revision: Revision) {
        self.revision = revision;
    }

    fn store_at(&mut self, revision: Revision) {
        (self.revision, self.stored) = (revision, true);
    }

    fn note_write(&mut self, now: Millis) -> u64 {
        let behind = self.updated.since(now);
        self.updated = self.updated.max(now);
        behind
    }

    fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    fn ledger_mut(&mut self) -> &mut Ledger {
        &mut self.ledger
    }

    fn pair_mut(&mut self, place: usize) -> Option<&mut AttemptCounter> {
        let challenge = self.challenges.get(place)?;
        let (transaction, authenticator) = (challenge.transaction, challenge.authenticator);
        self.transaction_mut(transaction)?.pair_mut(authenticator)
    }

    fn prune(&mut self, now: Millis) {
        Self::prune(self, now);
    }

    fn revoke_sessions_before(&mut self, instant: Millis) {
        Self::revoke_sessions_before(self, instant);
    }

    fn lower_wild_bounds(&mut self, now: Millis) {
        let pairs = self.transactions.iter_mut().flat_map(|transaction| &mut transaction.pairs);
        pairs.for_each(|pair| pair.lower_cool_down(now));
        for bound in [&mut self.not_before, &mut self.elevated_not_before] {
            // A bound that is honest is left alone: lowering it would bring back what it ended.
            if bound.is_some_and(|bound| bound.since(now) > LONGEST_SESSION_MS) {
                *bound = Some(now.after(CLOCK_LEEWAY_MS));
            }
        }
        self.updated = self.updated.min(now);
    }
}

impl Body for StandaloneBody {
    fn subject(&self) -> &Subject {
        &self.subject
    }

    fn authenticators(&self) -> &[Authenticator] {
        core::slice::from_ref(&self.authenticator)
    }

    fn challenges(&self) -> &[Challenge] {
        self.challenge.as_slice()
    }

    fn challenges_mut(&mut self) -> &mut [Challenge] {
        self.challenge.as_mut_slice()
    }

    fn revision(&self) -> Revision {
        self.revision
    }

    fn is_stored(&self) -> bool {
        self.stored
    }

    fn store_at(&mut self, revision: Revision) {
        (self.revision, self.stored) = (revision, true);
    }

    fn note_write(&mut self, now: Millis) -> u64 {
        let behind = self.updated.since(now);
        self.updated = self.updated.max(now);
        behind
    }

    fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    fn ledger_mut(&mut self) -> &mut Ledger {
        &mut self.ledger
    }

    fn pair_mut(&mut self, _place: usize) -> Option<&mut AttemptCounter> {
        Some(&mut self.pair)
    }

    /// It holds one challenge, which the next one replaces.
    fn prune(&mut self, _now: Millis) {}

    /// No session stands behind it.
    fn revoke_sessions_before(&mut self, _instant: Millis) {}

    fn lower_wild_bounds(&mut self, now: Millis) {
        self.pair.lower_cool_down(now);
        self.updated = self.updated.min(now);
    }
}
