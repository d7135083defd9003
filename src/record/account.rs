//! The record: everything that the core keeps about one user, under one revision.
//!
//! Because it is one record and every write of it is conditional, each limit holds across factors, resends, challenges,
//! tokens and servers. Every list in it is bounded. Its stored form names a version and is checked when it is read:
//! unknown, oversized or inconsistent is refused with what is wrong, never defaulted. An edited record cannot make the
//! core panic, loop or allocate without bound; that it was not edited is for the host's store to see to.
//!
//! This type belongs on the server. It holds addresses and seeds, and is never sent to a client.

use alloc::{boxed::Box, vec::Vec};

use crate::{
    machine::enrollment::{Enrollment, EnrollmentInput, Transition, Unconfirmed},
    policy::{bounds::MAX_TRANSACTIONS, settings::Settings},
    record::{
        authenticator::Authenticator,
        challenge::Challenge,
        ledger::Ledger,
        recovery::Recovery,
        transaction::{AttemptCounter, Transaction},
    },
    session::session::Session,
    value::{
        id::{AuthenticatorId, TransactionId},
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
    pub(crate) subject: Subject,
    pub(super) revision: Revision,
    /// The latch: set by the first active authenticator that may authenticate.
    pub(crate) enrolled: bool,
    #[cfg_attr(
        feature = "serde",
        serde(
            deserialize_with = "crate::value::serde_helpers::bounded::<_, _, { crate::policy::bounds::MAX_AUTHENTICATORS }>"
        )
    )]
    pub(crate) authenticators: Vec<Authenticator>,
    #[cfg_attr(
        feature = "serde",
        serde(
            deserialize_with = "crate::value::serde_helpers::bounded::<_, _, { crate::policy::bounds::MAX_CHALLENGES }>"
        )
    )]
    pub(crate) challenges: Vec<Challenge>,
    #[cfg_attr(
        feature = "serde",
        serde(deserialize_with = "crate::value::serde_helpers::bounded::<_, _, MAX_TRANSACTIONS>")
    )]
    pub(crate) transactions: Vec<Transaction>,
    pub(crate) recovery: Option<Recovery>,
    pub(crate) ledger: Ledger,
    /// First-factor sessions begun at or before it are refused.
    pub(crate) not_before: Option<Millis>,
    /// Elevated sessions authenticated at or before it are refused.
    pub(crate) elevated_not_before: Option<Millis>,
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
            subject: subject.clone(),
            revision: Revision::NONE,
            enrolled: false,
            authenticators: Vec::new(),
            challenges: Vec::new(),
            transactions: Vec::new(),
            recovery: None,
            ledger: Ledger::default(),
            not_before: None,
            elevated_not_before: None,
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

    /// The recent challenges.
    #[must_use]
    pub fn challenges(&self) -> &[Challenge] {
        &self.0.challenges
    }
}

impl AccountBody {
    pub(crate) fn authenticator(&self, id: AuthenticatorId) -> Option<&Authenticator> {
        self.authenticators.iter().find(|known| known.id == id)
    }

    pub(crate) fn transaction(&self, id: TransactionId) -> Option<&Transaction> {
        // The newest is asked for most, and is the last.
        self.transactions.iter().rev().find(|known| known.id == id)
    }

    pub(crate) fn is_spent(&self, id: TransactionId) -> bool {
        self.transaction(id).is_some_and(|transaction| transaction.spent.is_some())
    }

    /// How many authenticators count against the policy's maximum: all but unconfirmed ones.
    pub(crate) fn confirmed_count(&self) -> usize {
        self.authenticators.iter().filter(|known| !known.is_unconfirmed()).count()
    }

    /// Refuses first-factor sessions begun until `instant`.
    pub(crate) fn revoke_sessions_before(&mut self, instant: Millis) {
        self.not_before = self.not_before.max(Some(instant));
    }

    /// Drops what time has ended: transactions that expired, and with them whatever was theirs.
    pub(crate) fn prune(&mut self, now: Millis) {
        let ended = |transaction: &Transaction| transaction.expires <= now;
        if self.transactions.iter().any(ended) {
            self.drop_transactions(ended);
        }
    }

    /// Makes an entry for the session's transaction if there is none; the list makes room for it. A host may prolong an
    /// elevated session: its entry lasts as long, so that no challenge outlives it and no attempt comes back.
    pub(crate) fn open_transaction(&mut self, session: &Session) {
        let id = session.transaction();
        if let Some(known) = self.transaction_mut(id) {
            known.expires = known.expires.max(session.expires_ms());
            return;
        }
        if self.transactions.len() >= MAX_TRANSACTIONS {
            self.make_room_for_transaction();
        }
        self.transactions.push(Transaction::new(id, session.begun_ms(), session.expires_ms()));
    }

    pub(crate) fn transaction_mut(&mut self, id: TransactionId) -> Option<&mut Transaction> {
        self.transactions.iter_mut().rev().find(|known| known.id == id)
    }

    /// The oldest unspent entry without a live challenge goes first, then the oldest spent one, then the oldest.
    fn make_room_for_transaction(&mut self) {
        let rank = |transaction: &Transaction| {
            let live =
                self.challenges.iter().any(|known| known.transaction == transaction.id && known.is_pending());
            (live, transaction.spent.is_some(), transaction.begun)
        };
        if let Some(id) = self.transactions.iter().min_by_key(|known| rank(known)).map(|known| known.id) {
            self.drop_transactions(|transaction| transaction.id == id);
        }
    }

    fn drop_transactions(&mut self, leaves: impl Fn(&Transaction) -> bool) {
        let spent = self.transactions.iter().filter(|known| known.spent.is_some() && leaves(known));
        if let Some(begun) = spent.map(|known| known.begun).max() {
            self.revoke_sessions_before(begun);
        }
        self.transactions.retain(|known| !leaves(known));
        let transactions = &self.transactions;
        let alive = |id: TransactionId| transactions.iter().any(|known| known.id == id);
        self.challenges.retain(|known| alive(known.transaction));
        if let Some(recovery) = &mut self.recovery {
            recovery.spent.retain(|known| alive(known.transaction));
        }
        let alive: Vec<_> = self.transactions.iter().map(|known| known.id).collect();
        self.expire(|_, state| !alive.contains(&state.transaction()));
    }

    /// Lapses the unconfirmed authenticators that `chosen` picks.
    pub(crate) fn expire(&mut self, chosen: impl Fn(&Authenticator, &Unconfirmed) -> bool) {
        let lapses = |known: &Authenticator| match &known.enrollment {
            Enrollment::Unconfirmed(state) => chosen(known, state),
            Enrollment::Active | Enrollment::Disabled => false,
        };
        self.drop_authenticators(EnrollmentInput::Lapse, lapses);
    }

    /// Gives `input` to the chosen authenticators and drops those that are gone, with their challenges and counts.
    pub(crate) fn drop_authenticators(
        &mut self,
        input: EnrollmentInput,
        chosen: impl Fn(&Authenticator) -> bool,
    ) {
        self.authenticators
            .retain_mut(|known| !chosen(known) || known.enrollment.apply(input) != Ok(Transition::Removed));
        let authenticators = &self.authenticators;
        let known = |id: AuthenticatorId| authenticators.iter().any(|known| known.id == id);
        self.challenges.retain(|challenge| known(challenge.authenticator));
        for transaction in &mut self.transactions {
            transaction.pairs.retain(|pair: &AttemptCounter| known(pair.authenticator));
        }
    }

    /// Adds an unconfirmed authenticator; if there are as many as the policy allows, the oldest of the same transaction
    /// lapses, or the oldest. One of the same transaction that was guessed at stays: with it would go its count. Says
    /// whether there was room.
    #[must_use]
    pub(crate) fn add_unconfirmed(
        &mut self,
        authenticator: Authenticator,
        transaction: TransactionId,
        settings: &Settings,
    ) -> bool {
        let guessed = |id| {
            let pair = self.transaction(transaction).and_then(|entry| entry.pair(id));
            pair.is_some_and(|pair| pair.attempts_left < settings.attempts)
        };
        let unconfirmed = self.authenticators.iter().filter_map(|known| match &known.enrollment {
            Enrollment::Unconfirmed(state) => Some((known.id, state.transaction() != transaction)),
            Enrollment::Active | Enrollment::Disabled => None,
        });
        if unconfirmed.clone().count() >= usize::from(settings.max_unconfirmed) {
            // The list is in the order of enrollment, and the first of equals is found.
            let oldest =
                unconfirmed.filter(|(id, _)| !guessed(*id)).min_by_key(|(_, of_another)| *of_another);
            let Some((oldest, _)) = oldest else { return false };
            self.expire(|known, _| known.id == oldest);
        }
        self.authenticators.push(authenticator);
        true
    }

    /// Adds a challenge; if there are `max` already, a finished one goes, or the oldest of the same transaction, or the
    /// oldest. The list is in the order of issue.
    pub(crate) fn add_challenge(&mut self, challenge: Challenge, max: u8) {
        while self.challenges.len() >= usize::from(max) {
            let rank = |known: &Challenge| (known.is_pending(), known.transaction != challenge.transaction);
            let oldest =
                self.challenges.iter().enumerate().min_by_key(|(place, known)| (rank(known), *place));
            let Some(place) = oldest.map(|(place, _)| place) else { break };
            self.challenges.remove(place);
        }
        self.challenges.push(challenge);
    }
}
