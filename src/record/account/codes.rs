//! The codes of an account: its challenges, the parts of the record that a code touches, and its recovery codes. This
//! module must never give an attempt back.

use crate::{
    policy::policy::Policy,
    record::{
        account::AccountBody,
        challenge::Challenge,
        exchange::Exchange,
        recovery::{LiveCode, Recovery},
        transaction::AttemptCounter,
    },
    value::{
        id::{AuthenticatorId, ChallengeId, TransactionId},
        instant::Millis,
        lane::Lane,
    },
};

impl AccountBody {
    /// Where a challenge of this transaction is in the list.
    pub(crate) fn challenge_place(&self, id: ChallengeId, transaction: TransactionId) -> Option<usize> {
        // The newest is asked for most, and is the last.
        self.challenges.iter().rposition(|known| known.id == id && known.transaction == transaction)
    }

    /// Where the challenge of this pair that can be answered is in the list.
    pub(crate) fn live_place(
        &self,
        (transaction, id): (TransactionId, AuthenticatorId),
        now: Millis,
    ) -> Option<usize> {
        self.challenges.iter().position(|known| known.is_of(transaction, id) && known.is_live(now))
    }

    /// Begins to count the attempts of a pair. A count that was begun stays as it is.
    pub(crate) fn open_pair(&mut self, (transaction, id): (TransactionId, AuthenticatorId), attempts: u8) {
        if let Some(entry) = self.transaction_mut(transaction).filter(|entry| entry.pair(id).is_none()) {
            entry.pairs.push(AttemptCounter::new(id, attempts));
        }
    }

    /// How many wrong codes a pair may still present; `attempts` if none was counted yet.
    pub(crate) fn attempts_left(
        &self,
        (transaction, id): (TransactionId, AuthenticatorId),
        attempts: u8,
    ) -> u8 {
        let pair = self.transaction(transaction).and_then(|entry| entry.pair(id));
        pair.map_or(attempts, |pair| pair.attempts_left)
    }

    /// Whether four one-time passwords of an authenticator are wanted at once: the lane is hardened, or the
    /// authenticator is at the cap of failures in a row there.
    pub(crate) fn wants_four(&self, lane: Lane, id: AuthenticatorId, policy: &Policy, now: Millis) -> bool {
        let hardened = policy.hardens_otp() && self.ledger.is_hardened(lane, policy, now);
        hardened || self.authenticator(id).is_some_and(|known| known.hardens_at_cap(lane, policy))
    }

    /// What a code of this pair touches, and the challenge at this place.
    pub(crate) fn exchange(
        &mut self,
        (transaction, id): (TransactionId, AuthenticatorId),
        place: Option<usize>,
    ) -> Option<(Exchange<'_>, Option<&mut Challenge>)> {
        let Self { subject, authenticators, challenges, transactions, ledger, updated, .. } = self;
        let authenticator = authenticators.iter_mut().find(|known| known.id == id)?;
        let entry = transactions.iter_mut().rev().find(|known| known.id == transaction)?;
        let pair = entry.pair_mut(id)?;
        let challenge = place.and_then(|place| challenges.get_mut(place));
        Some((Exchange { subject, authenticator, pair, ledger, updated: *updated }, challenge))
    }

    /// Adds a challenge, which takes the place of every other of its pair. The list has at most `max` of its
    /// lane.
    pub(crate) fn replace_challenge(&mut self, challenge: Challenge, max: u8, now: Millis) {
        let former = self.challenges.iter_mut();
        former
            .filter(|known| known.is_of(challenge.transaction, challenge.authenticator))
            .for_each(|known| known.supersede(now));
        self.add_challenge(challenge, max);
    }

    /// How many challenges a lane has.
    pub(in crate::record) fn challenges_in(&self, lane: Lane) -> usize {
        self.challenges.iter().filter(|known| known.lane == lane).count()
    }

    /// Adds a challenge; if its lane has `max` already, a finished one of them goes, or the oldest of the
    /// same transaction, or the oldest. The list is in the order of issue.
    fn add_challenge(&mut self, challenge: Challenge, max: u8) {
        while self.challenges_in(challenge.lane) >= usize::from(max) {
            let rank = |known: &Challenge| (known.is_pending(), known.transaction != challenge.transaction);
            let places = self.challenges.iter().enumerate().filter(|(_, known)| known.lane == challenge.lane);
            let oldest = places.min_by_key(|(place, known)| (rank(known), *place));
            let Some(place) = oldest.map(|(place, _)| place) else { break };
            self.challenges.remove(place);
        }
        self.challenges.push(challenge);
    }

    /// The recovery codes, if there are any.
    pub(crate) const fn recovery(&self) -> Option<&Recovery> {
        self.recovery.as_ref()
    }

    /// Puts a set of recovery codes in the place of any other.
    pub(crate) fn replace_recovery(&mut self, set: Recovery) {
        self.recovery = Some(set);
    }

    /// Charges a wrong recovery code to its transaction and to the recovery bucket, and says whether that emptied the
    /// bucket. The caller has seen that the bucket is not empty.
    pub(crate) fn charge_recovery(
        &mut self,
        transaction: TransactionId,
        policy: &Policy,
        now: Millis,
    ) -> bool {
        if let Some(entry) = self.transaction_mut(transaction) {
            entry.charge_recovery();
        }
        self.ledger.charge_recovery(policy, now)
    }

    /// Uses up the recovery code at this place in this transaction, and returns the set as it is then. `next` takes its
    /// place.
    pub(crate) fn spend_recovery_code(
        &mut self,
        place: usize,
        transaction: TransactionId,
        next: Option<LiveCode>,
    ) -> Option<&Recovery> {
        let recovery = self.recovery.as_mut()?;
        recovery.spend(place, transaction, next)?;
        Some(recovery)
    }
}
