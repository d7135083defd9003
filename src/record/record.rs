//! What the two records have in common: a subject, a revision, challenges with their authenticators, and a ledger.
#![allow(
    private_interfaces,
    reason = "the internal trait is sealed: nobody outside can name it or what it speaks of"
)]

use internal::Internal;

use crate::{
    policy::bounds::{CLOCK_LEEWAY_MS, LONGEST_SESSION_MS},
    record::{
        account::Account, authenticator::Authenticator, challenge::Challenge, ledger::Ledger,
        standalone::Standalone, transaction::Pair,
    },
    value::{instant::Millis, name::Subject, revision::Revision},
};

/// A record that a [`Step`](crate::Step) writes: an [`Account`] or a [`Standalone`]. It cannot be implemented
/// elsewhere.
pub trait Record: internal::Internal {}

impl Record for Account {}

impl Record for Standalone {}

pub(crate) mod internal {
    use super::{Authenticator, Challenge, Ledger, Millis, Pair, Revision, Subject};

    #[allow(unreachable_pub, reason = "a bound of a public trait is public, and sealed by its module")]
    pub trait Internal {
        /// The record of a subject that the store has none of, if nothing else is needed to make one.
        fn absent(subject: &Subject) -> Option<Self>
        where
            Self: Sized;

        fn subject(&self) -> &Subject;
        fn authenticators(&self) -> &[Authenticator];
        fn challenges(&self) -> &[Challenge];

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

        /// Takes the record on to its next revision and says which one the store must hold until then.
        fn advance(&mut self) -> Option<Revision> {
            let expected = self.is_stored().then_some(self.revision());
            self.store_at(self.next_revision());
            expected
        }

        /// When the record was last written.
        fn updated_mut(&mut self) -> &mut Millis;

        fn ledger_mut(&mut self) -> &mut Ledger;

        /// The count of the challenge at this place.
        fn pair_mut(&mut self, place: usize) -> Option<&mut Pair>;

        /// Drops what time has ended.
        fn prune(&mut self, now: Millis);

        /// Takes back what a clock far ahead had set: cool-downs, and bounds on sessions.
        fn lower_wild_bounds(&mut self, now: Millis);
    }
}

impl Internal for Account {
    fn absent(subject: &Subject) -> Option<Self> {
        Some(Self::new(subject))
    }

    fn subject(&self) -> &Subject {
        &self.subject
    }

    fn authenticators(&self) -> &[Authenticator] {
        &self.authenticators
    }

    fn challenges(&self) -> &[Challenge] {
        &self.challenges
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

    fn updated_mut(&mut self) -> &mut Millis {
        &mut self.updated
    }

    fn ledger_mut(&mut self) -> &mut Ledger {
        &mut self.ledger
    }

    fn pair_mut(&mut self, place: usize) -> Option<&mut Pair> {
        let challenge = self.challenges.get(place)?;
        let (transaction, authenticator) = (challenge.transaction, challenge.authenticator);
        self.transaction_mut(transaction)?.pair_mut(authenticator)
    }

    fn prune(&mut self, now: Millis) {
        Self::prune(self, now);
    }

    fn lower_wild_bounds(&mut self, now: Millis) {
        let pairs = self.transactions.iter_mut().flat_map(|transaction| &mut transaction.pairs);
        pairs.for_each(|pair| pair.last_send = pair.last_send.map(|sent| sent.min(now)));
        for bound in [&mut self.not_before, &mut self.elevated_not_before] {
            // A bound that is honest is left alone: lowering it would bring back what it ended.
            if bound.is_some_and(|bound| bound.since(now) > LONGEST_SESSION_MS) {
                *bound = Some(now.after(CLOCK_LEEWAY_MS));
            }
        }
    }
}

impl Internal for Standalone {
    fn absent(_subject: &Subject) -> Option<Self> {
        None
    }

    fn subject(&self) -> &Subject {
        &self.subject
    }

    fn authenticators(&self) -> &[Authenticator] {
        core::slice::from_ref(&self.authenticator)
    }

    fn challenges(&self) -> &[Challenge] {
        self.challenge.as_slice()
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

    fn updated_mut(&mut self) -> &mut Millis {
        &mut self.updated
    }

    fn ledger_mut(&mut self) -> &mut Ledger {
        &mut self.ledger
    }

    fn pair_mut(&mut self, _place: usize) -> Option<&mut Pair> {
        Some(&mut self.pair)
    }

    /// It holds one challenge, which the next one replaces.
    fn prune(&mut self, _now: Millis) {}

    fn lower_wild_bounds(&mut self, now: Millis) {
        self.pair.last_send = self.pair.last_send.map(|sent| sent.min(now));
    }
}
