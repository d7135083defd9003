//! The transactions of an account: how one enters the list, is spent and leaves. A spent one must never come back to
//! life.

use alloc::vec::Vec;

use crate::{
    policy::bounds::LANE_TRANSACTIONS,
    record::{account::AccountBody, transaction::Transaction},
    session::session::Session,
    value::{
        id::{AuthenticatorId, TransactionId},
        instant::Millis,
        lane::Lane,
    },
};

impl AccountBody {
    /// Drops what time has ended: devices and transactions that expired, and with these whatever was theirs.
    pub(crate) fn prune(&mut self, now: Millis) {
        self.devices.retain(|device| !device.has_expired(now));
        let ended = |transaction: &Transaction| transaction.has_expired(now);
        if self.transactions.iter().any(ended) {
            self.drop_transactions(ended);
        }
    }

    /// Makes an entry for the session's transaction if there is none; the list makes room for it. A host may
    /// prolong an elevated session: its entry lasts as long, so that no challenge outlives it and no attempt
    /// comes back. An entry stays in the lane that it was opened in. Says whether the record
    /// changed.
    pub(crate) fn open_transaction(&mut self, session: &Session, lane: Lane) -> bool {
        let id = session.transaction();
        if let Some(known) = self.transaction_mut(id) {
            return known.prolong(session.expires_ms());
        }
        if self.transactions_in(lane) >= LANE_TRANSACTIONS {
            self.make_room_for_transaction(lane);
        }
        self.transactions.push(Transaction::new(id, lane, session.begun_ms(), session.expires_ms()));
        true
    }

    /// How many transactions a lane has.
    pub(in crate::record) fn transactions_in(&self, lane: Lane) -> usize {
        self.transactions.iter().filter(|known| known.lane == lane).count()
    }

    /// The entry of a transaction, to change it.
    pub(in crate::record) fn transaction_mut(&mut self, id: TransactionId) -> Option<&mut Transaction> {
        self.transactions.iter_mut().rev().find(|known| known.id == id)
    }

    /// The oldest unspent entry of the lane without a live challenge goes first, then its oldest spent one,
    /// then its oldest.
    fn make_room_for_transaction(&mut self, lane: Lane) {
        let rank = |transaction: &Transaction| {
            let live =
                self.challenges.iter().any(|known| known.transaction == transaction.id && known.is_pending());
            (live, transaction.is_spent(), transaction.begun)
        };
        let own = self.transactions.iter().filter(|known| known.lane == lane);
        if let Some(id) = own.min_by_key(|known| rank(known)).map(|known| known.id) {
            self.drop_transactions(|transaction| transaction.id == id);
        }
    }

    /// Drops the transactions that `leaves` picks, with what is theirs. Sessions as old as a spent one are refused.
    fn drop_transactions(&mut self, leaves: impl Fn(&Transaction) -> bool) {
        let spent = self.transactions.iter().filter(|known| known.is_spent() && leaves(known));
        if let Some(begun) = spent.map(|known| known.begun).max() {
            self.refuse_begun_until(begun);
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

    /// Notes that a token was issued in a transaction; `None` if the record has no such entry.
    pub(crate) fn spend(&mut self, id: TransactionId, by: AuthenticatorId, now: Millis) -> Option<()> {
        self.transaction_mut(id)?.spend(by, now);
        Some(())
    }
}
