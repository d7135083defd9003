//! The record: everything that the core keeps about one user, under one revision.
//!
//! Because it is one record and every write of it is conditional, each limit holds across factors, resends, challenges,
//! tokens and servers. Every list in it is bounded. Its stored form names a version and is checked when it is read:
//! unknown, oversized or inconsistent is refused with what is wrong, never defaulted. An edited record cannot make the
//! core panic, loop or allocate without bound; that it was not edited is for the host's store to see to.
//!
//! This type belongs on the server. It holds addresses and seeds, and is never sent to a client.

use alloc::{boxed::Box, vec::Vec};

mod authenticators;
mod codes;
mod devices;
mod transactions;

use crate::{
    policy::bounds::{CLOCK_LEEWAY_MS, LONGEST_SESSION_MS},
    record::{
        authenticator::Authenticator,
        challenge::Challenge,
        device::Device,
        ledger::Ledger,
        recovery::Recovery,
        transaction::{AttemptCounter, Transaction},
    },
    session::{elevation::Elevation, session::Session},
    value::{
        epoch::Epoch,
        id::{AuthenticatorId, TenantTag, TransactionId},
        instant::Millis,
        name::Subject,
        revision::Revision,
    },
};

/// A user's second factors: the record that a host loads, hands in and stores.
///
/// It is a pointer, so that a step moves 8 bytes. Its stored form is `{"v1": {…}}`, and `StoredVersion` reads the version
/// alone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Account(pub(super) Box<AccountBody>);

/// What an account holds, and the shape of its stored form. Only `record/stored.rs` reads and writes it: what is read
/// elsewhere is not checked.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub(crate) struct AccountBody {
    /// Of the context of the keys that it was first written under; absent until then.
    pub(super) tenant: Option<TenantTag>,
    pub(super) subject: Subject,
    pub(super) revision: Revision,
    /// Sessions of another epoch are refused.
    pub(super) epoch: Epoch,
    /// The transaction that raised the epoch last, if one of the account did. It is spared: its sessions may be of an
    /// earlier epoch.
    pub(super) changed_by: Option<TransactionId>,
    /// The latch: set by the first active authenticator that may authenticate.
    pub(super) enrolled: bool,
    #[cfg_attr(
        feature = "serde",
        serde(
            deserialize_with = "crate::value::serde_helpers::bounded::<_, _, { crate::policy::bounds::MAX_AUTHENTICATORS }>"
        )
    )]
    pub(super) authenticators: Vec<Authenticator>,
    /// The one that a challenge takes first, if the person chose one.
    pub(super) preferred: Option<AuthenticatorId>,
    #[cfg_attr(
        feature = "serde",
        serde(
            deserialize_with = "crate::value::serde_helpers::bounded::<_, _, { crate::policy::bounds::MAX_CHALLENGES }>"
        )
    )]
    pub(super) challenges: Vec<Challenge>,
    #[cfg_attr(
        feature = "serde",
        serde(
            deserialize_with = "crate::value::serde_helpers::bounded::<_, _, { crate::policy::bounds::MAX_TRANSACTIONS }>"
        )
    )]
    pub(super) transactions: Vec<Transaction>,
    pub(super) recovery: Option<Recovery>,
    /// In the order in which they were remembered.
    #[cfg_attr(
        feature = "serde",
        serde(
            deserialize_with = "crate::value::serde_helpers::bounded::<_, _, { crate::policy::bounds::MAX_DEVICES }>"
        )
    )]
    pub(super) devices: Vec<Device>,
    pub(super) ledger: Ledger,
    /// First-factor sessions begun at or before it are refused: those of spent transactions that the record no longer
    /// holds.
    pub(super) not_before: Option<Millis>,
    /// When the record was last written, by the latest of the clocks that wrote it.
    pub(super) updated: Millis,
    /// Whether the store has it: a loaded record is replaced, a new one inserted.
    #[cfg_attr(feature = "serde", serde(skip, default = "crate::value::serde_helpers::yes"))]
    pub(super) stored: bool,
}

impl Account {
    /// The record of a user who has none. The first step that writes it gives it a revision.
    #[must_use]
    pub fn new(subject: &Subject) -> Self {
        Self(Box::new(AccountBody {
            tenant: None,
            subject: subject.clone(),
            revision: Revision::NONE,
            epoch: Epoch::FIRST,
            changed_by: None,
            enrolled: false,
            authenticators: Vec::new(),
            preferred: None,
            challenges: Vec::new(),
            transactions: Vec::new(),
            recovery: None,
            devices: Vec::new(),
            ledger: Ledger::default(),
            not_before: None,
            updated: Millis(0),
            stored: false,
        }))
    }

    /// Whose record it is.
    #[must_use]
    pub const fn subject(&self) -> &Subject {
        &self.0.subject
    }

    /// The revision; 0 until a step has written the record.
    #[must_use]
    pub const fn revision(&self) -> Revision {
        self.0.revision
    }

    /// The epoch. A session of another one is refused: see [`admits`](Self::admits).
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.0.epoch
    }

    /// Whether a session with this elevation still stands: it is of this account and of its epoch, or the account spares
    /// its transaction, which made the latest change. A host may ask it before it serves anything of its own.
    #[must_use]
    pub fn admits(&self, elevation: &Elevation) -> bool {
        *elevation.subject() == self.0.subject
            && self.0.is_current(elevation.epoch(), elevation.transaction())
    }

    /// Whether a first factor alone is not enough, either to sign in or to enroll: some authenticator that may
    /// authenticate became active, and neither a reset nor the removal of the last one has been since.
    #[must_use]
    pub const fn is_enrolled(&self) -> bool {
        self.0.enrolled
    }

    /// The authenticators, unconfirmed and disabled ones included.
    #[must_use]
    pub fn authenticators(&self) -> &[Authenticator] {
        &self.0.authenticators
    }

    /// The authenticator that a challenge takes first, if the person chose one.
    #[must_use]
    pub const fn preferred(&self) -> Option<AuthenticatorId> {
        self.0.preferred
    }

    /// The remembered devices, in the order in which they were remembered. One whose time is over stays until
    /// the next step that writes.
    #[must_use]
    pub fn devices(&self) -> &[Device] {
        &self.0.devices
    }

    /// The recent challenges.
    #[must_use]
    pub fn challenges(&self) -> &[Challenge] {
        &self.0.challenges
    }
}

impl AccountBody {
    pub(crate) fn authenticators(&self) -> &[Authenticator] {
        &self.authenticators
    }

    pub(crate) fn challenges(&self) -> &[Challenge] {
        &self.challenges
    }

    pub(crate) fn challenges_mut(&mut self) -> &mut [Challenge] {
        &mut self.challenges
    }

    /// The budgets.
    pub(crate) const fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// When the record was last written, by the latest of the clocks that wrote it.
    pub(crate) const fn updated(&self) -> Millis {
        self.updated
    }

    /// The budgets, to charge them.
    pub(crate) const fn ledger_mut(&mut self) -> &mut Ledger {
        &mut self.ledger
    }

    /// The count of the challenge at this place.
    pub(crate) fn pair_mut(&mut self, place: usize) -> Option<&mut AttemptCounter> {
        let challenge = self.challenges.get(place)?;
        let (transaction, authenticator) = (challenge.transaction, challenge.authenticator);
        self.transaction_mut(transaction)?.pair_mut(authenticator)
    }

    /// Takes back what a clock far ahead had set: cool-downs, bounds on sessions, and the time of the last write.
    pub(crate) fn lower_wild_bounds(&mut self, now: Millis) {
        let pairs = self.transactions.iter_mut().flat_map(|transaction| &mut transaction.pairs);
        pairs.for_each(|pair| pair.lower_cool_down(now));
        // A bound that is honest is left alone: lowering it would bring back what it ended.
        if self.not_before.is_some_and(|bound| bound.since(now) > LONGEST_SESSION_MS) {
            self.not_before = Some(now.after(CLOCK_LEEWAY_MS));
        }
        self.updated = self.updated.min(now);
    }

    /// Whether the record is of this tenant, or of none yet.
    pub(crate) fn is_of(&self, tenant: TenantTag) -> bool {
        self.tenant.is_none_or(|own| own == tenant)
    }

    /// The authenticator of this id.
    pub(crate) fn authenticator(&self, id: AuthenticatorId) -> Option<&Authenticator> {
        self.authenticators.iter().find(|known| known.id == id)
    }

    /// The authenticator of this id, if it was confirmed.
    pub(crate) fn confirmed(&self, id: AuthenticatorId) -> Option<&Authenticator> {
        self.authenticator(id).filter(|known| !known.is_unconfirmed())
    }

    /// The authenticator that a challenge takes first, if the person chose one.
    pub(crate) const fn preferred(&self) -> Option<AuthenticatorId> {
        self.preferred
    }

    /// The entry of a transaction.
    pub(crate) fn transaction(&self, id: TransactionId) -> Option<&Transaction> {
        // The newest is asked for most, and is the last.
        self.transactions.iter().rev().find(|known| known.id == id)
    }

    /// Whether a token was issued in a transaction.
    pub(crate) fn is_spent(&self, id: TransactionId) -> bool {
        self.transaction(id).is_some_and(Transaction::is_spent)
    }

    /// When a token was issued in a transaction.
    pub(crate) fn spent_at(&self, id: TransactionId) -> Option<Millis> {
        self.transaction(id).and_then(Transaction::spent_at)
    }

    /// How many authenticators count against the policy's maximum: all but unconfirmed ones.
    pub(crate) fn confirmed_count(&self) -> usize {
        self.authenticators.iter().filter(|known| !known.is_unconfirmed()).count()
    }

    /// Whether a first factor alone is not enough.
    pub(crate) const fn is_enrolled(&self) -> bool {
        self.enrolled
    }

    /// Notes that an active authenticator may authenticate, and says whether it is the first.
    pub(crate) const fn enroll(&mut self) -> bool {
        !core::mem::replace(&mut self.enrolled, true)
    }

    /// The epoch.
    pub(crate) const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Whether sessions of this epoch and transaction still stand.
    fn is_current(&self, epoch: Epoch, transaction: TransactionId) -> bool {
        epoch == self.epoch || self.changed_by == Some(transaction)
    }

    /// Whether a session has ended: it is of another epoch, or as old as a spent transaction that was evicted.
    pub(crate) fn has_ended(&self, session: &Session) -> bool {
        let evicted = |bound| !session.is_elevated() && session.begun_ms() <= bound;
        !self.is_current(session.epoch(), session.transaction()) || self.not_before.is_some_and(evicted)
    }

    /// Ends all sessions but those of the transaction `by`, and returns the epoch that begins.
    pub(crate) fn raise_epoch(&mut self, by: Option<TransactionId>, now: Millis) -> Epoch {
        self.epoch = self.epoch.raised(now);
        self.changed_by = by;
        self.epoch
    }

    /// Refuses first-factor sessions begun until `instant`.
    pub(super) fn refuse_begun_until(&mut self, instant: Millis) {
        self.not_before = self.not_before.max(Some(instant));
    }
}
