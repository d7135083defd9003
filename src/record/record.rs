//! What the two records have in common: a subject, a revision, and when they were written.
//!
//! Outside the crate a record shows whose it is and which revision it has. What the commands need beside that is in
//! traits of the crate, which [`Record`] does not have as supertraits: a method of a supertrait could be called through
//! the bound, even of a trait that cannot be named. This module must never give [`Record`] a method that changes a
//! record.

use crate::{
    record::{
        account::{Account, AccountBody},
        address_proof::{AddressProof, AddressProofBody},
    },
    value::{id::TenantTag, instant::Millis, name::Subject, revision::Revision},
};

/// A record that a [`Step`](crate::Step) writes: an [`Account`] or an [`AddressProof`]. It cannot be implemented
/// elsewhere.
pub trait Record: sealed::Sealed + Sized {
    /// The record of a subject for whom the store has none.
    #[must_use]
    fn absent(subject: &Subject) -> Self;

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

    impl Sealed for super::AddressProof {}
}

impl Record for Account {
    fn absent(subject: &Subject) -> Self {
        Self::new(subject)
    }

    fn subject(&self) -> &Subject {
        self.subject()
    }

    fn revision(&self) -> Revision {
        self.revision()
    }
}

impl Record for AddressProof {
    fn absent(subject: &Subject) -> Self {
        Self::absent(subject)
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

    fn revision(&self) -> Revision;

    /// Whether the record is of this tenant, or of none yet.
    fn is_of(&self, _tenant: TenantTag) -> bool {
        true
    }

    /// Notes the tenant of a record that has none.
    fn settle_in(&mut self, _tenant: TenantTag) {}

    /// Whether the store has it already.
    fn is_stored(&self) -> bool;

    /// Numbers a record that no step has written.
    fn begin_at(&mut self, revision: Revision);

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

impl Internal for AddressProof {
    type Body = AddressProofBody;

    fn body(&self) -> &AddressProofBody {
        &self.0
    }

    fn body_mut(&mut self) -> &mut AddressProofBody {
        &mut self.0
    }
}

impl Body for AccountBody {
    fn subject(&self) -> &Subject {
        &self.subject
    }

    fn revision(&self) -> Revision {
        self.revision
    }

    fn is_of(&self, tenant: TenantTag) -> bool {
        Self::is_of(self, tenant)
    }

    fn settle_in(&mut self, tenant: TenantTag) {
        self.tenant.get_or_insert(tenant);
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
}

impl Body for AddressProofBody {
    fn subject(&self) -> &Subject {
        &self.subject
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
}
