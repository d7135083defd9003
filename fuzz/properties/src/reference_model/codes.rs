//! The rules of codes: enrolling, asking for one, answering, giving one up, and recovering.

use super::*;

impl ReferenceModel {
    /// First factor while not enrolled; elevated `enroll`.
    pub(crate) fn associate(
        &self,
        login: &Login,
        snapshot: &Snapshot,
        address: &str,
        now: u64,
        about: &mut About,
    ) -> Verdict<Sending> {
        if login.is_elevated() && !login.has(|scopes| scopes.enroll) {
            return Err(Denial::InsufficientScope);
        }
        Self::admits(login, snapshot, now)?;
        self.recent(login, now)?;
        let snapshot = snapshot.clone().at(now);
        self.may_enroll(login, &snapshot, Some(address))?;
        let lane = self.lane(login, &snapshot, now);
        self.unlocked(&snapshot, lane, now)?;
        let snapshot = snapshot.with_room_for(&login.transaction, lane);
        let same = self.begins(login, &snapshot, address, about)?;
        self.send(login, &snapshot, same.as_deref(), true, now)
    }

    /// The enrollment of the same that this transaction has begun, or room for another.
    pub(super) fn begins(
        &self,
        login: &Login,
        snapshot: &Snapshot,
        address: &str,
        about: &mut About,
    ) -> Verdict<Option<String>> {
        let own = |known: &&Known| known.waits_in() == Some(login.transaction.as_str());
        let same = snapshot.authenticators.iter().filter(own).find(|known| known.address() == address);
        *about = same.map(|known| known.id.clone());
        if same.is_none() {
            // One of the same transaction that was guessed at keeps its place, and its count.
            let guessed = |known: &Known| {
                let entry = snapshot.entry(&login.transaction);
                let pair = entry.and_then(|entry| entry.pair(&known.id));
                pair.is_some_and(|pair| pair.attempts_left < self.settings.attempts)
            };
            let open: Vec<&Known> =
                snapshot.authenticators.iter().filter(|known| known.waits_in().is_some()).collect();
            let full = open.len() >= usize::from(self.settings.max_unconfirmed);
            if full && open.iter().all(|known| own(known) && guessed(known)) {
                return Err(Denial::TooManyAuthenticators);
            }
        }
        Ok(same.map(|known| known.id.clone()))
    }

    /// First factor. An app is sent nothing.
    pub(crate) fn challenge(
        &self,
        login: &Login,
        snapshot: &Snapshot,
        request: &ChallengeRequest,
        now: u64,
        about: &mut About,
    ) -> Verdict<Option<Sending>> {
        Self::takes_a_login(login)?;
        Self::admits(login, snapshot, now)?;
        if snapshot.is_spent(&login.transaction) {
            return Err(Denial::TransactionSpent);
        }
        if !snapshot.enrolled {
            return Err(Denial::NotEnrolled);
        }
        let snapshot = snapshot.clone().at(now);
        let lane = self.lane(login, &snapshot, now);
        self.unlocked(&snapshot, lane, now)?;
        let offered = |known: &Known| {
            let answered = if known.is_app() { request.types.otp } else { request.types.oob };
            answered && known.completes(&self.settings)
        };
        let chosen = match request.authenticator {
            Some(id) => {
                let named = snapshot.known(&id.to_string()).ok_or(Denial::UnknownAuthenticator)?;
                match named.enrollment {
                    Enrollment::Unconfirmed { .. } => return Err(Denial::UnknownAuthenticator),
                    Enrollment::Disabled => return Err(Denial::AuthenticatorDisabled),
                    Enrollment::Active if !offered(named) => return Err(Denial::UnsupportedChallengeType),
                    Enrollment::Active => named,
                }
            }
            None => {
                let known = snapshot.authenticators.iter().filter(|known| offered(known));
                let active = known.clone().filter(|known| known.is_active());
                // The preferred one, or else the one used last, or else the newest; an app that takes no code comes last.
                let preferred = |known: &Known| snapshot.preferred.as_ref() == Some(&known.id);
                let answers =
                    |known: &Known| !known.is_app() || self.may_answer(login, &snapshot, known, now).is_ok();
                let rank =
                    |known: &&Known| (answers(known), preferred(known), known.last_used, known.created);
                match active.max_by_key(rank) {
                    Some(chosen) => chosen,
                    None if known.clone().any(Known::is_disabled) => {
                        return Err(Denial::AuthenticatorDisabled);
                    }
                    None => return Err(Denial::UnsupportedChallengeType),
                }
            }
        };
        *about = Some(chosen.id.clone());
        if chosen.is_app() {
            self.may_answer(login, &snapshot, chosen, now)?;
            return Ok(None);
        }
        self.send(login, &snapshot, Some(&chosen.id), false, now).map(Some)
    }

    /// Attempts begin anew in every transaction.
    pub(super) fn attempts_left(&self, snapshot: &Snapshot, login: &Login, id: &str) -> u8 {
        let pair = snapshot.entry(&login.transaction).and_then(|entry| entry.pair(id));
        pair.map_or(self.settings.attempts, |pair| pair.attempts_left)
    }

    /// Asking again resends. The end of the transaction, attempts, cool-down and budgets, in this order, say
    /// no.
    fn send(
        &self,
        login: &Login,
        snapshot: &Snapshot,
        authenticator: Option<&str>,
        confirms: bool,
        now: u64,
    ) -> Verdict<Sending> {
        if login.expires.saturating_sub(now) < 30_000 {
            return Err(Denial::ExpiredToken);
        }
        let (lane, sends) = (self.lane(login, snapshot, now), self.sends(login, snapshot, now));
        let digits = self.digits(lane, authenticator.and_then(|id| snapshot.known(id)), now);
        let entry = snapshot.entry(&login.transaction);
        let pair = authenticator.and_then(|id| entry.and_then(|entry| entry.pair(id)));
        if digits < 20 && pair.is_some_and(|pair| pair.attempts_left == 0) {
            return Err(Denial::AttemptsExhausted);
        }
        let of_pair = |asked: &&Asked| {
            asked.transaction == login.transaction && Some(&*asked.authenticator) == authenticator
        };
        let live = snapshot
            .challenges
            .iter()
            .filter(of_pair)
            .find(|asked| asked.is_pending() && now < asked.deadline && asked.confirms() == confirms)
            .filter(|asked| asked.lane == lane && (asked.is_long() || digits < 20));
        let sent = pair.and_then(|pair| pair.last_send);
        let cooling = sent.and_then(|sent| Refused::cooling(sent, span(self.settings.cool_down), now));
        if let Some(cooling) = cooling {
            let denied = || cooling.denial(snapshot.updated, now, |until| Denial::CoolingDown { until });
            let live = live.ok_or_else(denied)?;
            return Ok(Sending {
                cooling_until: Some(cooling.until()),
                same: Some(live.id.clone()),
                deadline: live.deadline,
                digits: live.digits(),
                sends,
            });
        }
        if let Some(refused) = self.budgets.no_sends(sends, now) {
            return Err(refused.denial(snapshot.updated, now, |until| Denial::TooManySends { until }));
        }
        let lifetime = span(self.settings.code_lifetime);
        let deadline = (now + lifetime).min(login.expires);
        let half_left = |asked: &&Asked| 2 * (asked.deadline - now) >= lifetime || asked.deadline >= deadline;
        let same = live.filter(half_left);
        Ok(Sending {
            cooling_until: None,
            same: same.map(|asked| asked.id.clone()),
            deadline: same.map_or(deadline, |asked| asked.deadline),
            digits: same.map_or(digits, Asked::digits),
            sends,
        })
    }

    /// First factor whose client was named; elevated `enroll` to confirm only. Gives what a code of so many digits must
    /// be compared with, given a handle and the transaction that it was made in.
    #[allow(clippy::too_many_arguments, reason = "everything that a verdict hangs on")]
    pub(crate) fn verify(
        &self,
        login: &Login,
        snapshot: &Snapshot,
        (handle, made_in): (&str, &str),
        digits: usize,
        now: u64,
        about: &mut About,
    ) -> Verdict<Waiting> {
        match login.scopes {
            Some(scopes) if !scopes.enroll => return Err(Denial::InsufficientScope),
            None if !login.named => return Err(Denial::ClientRequired),
            Some(_) | None => {}
        }
        Self::admits(login, snapshot, now)?;
        self.recent(login, now)?;
        let snapshot = snapshot.clone().at(now);
        if made_in != login.transaction {
            return Err(Denial::ForeignOobCode);
        }
        let asked = snapshot.asked(handle).ok_or(Denial::ExpiredOobCode)?;
        *about = Some(asked.authenticator.clone());
        match &asked.state {
            State::Pending { .. } if now >= asked.deadline => return Err(Denial::ExpiredOobCode),
            State::Pending { .. } => {
                self.unlocked(&snapshot, asked.lane, now)?;
                if !asked.is_long() && self.budgets.is_hardened(asked.lane, now) {
                    return Err(Denial::ChallengeCancelled(CancelReason::Hardened));
                }
            }
            over => {
                if *over == State::Cancelled("locked".to_owned()) {
                    self.unlocked(&snapshot, asked.lane, now)?;
                }
                return Err(over_denial(over));
            }
        }
        let known = snapshot.known(&asked.authenticator).expect("a challenge has its authenticator");
        let mut brings_codes = false;
        match (asked.confirms(), &known.enrollment) {
            (true, Enrollment::Unconfirmed { recovery, .. }) => {
                self.may_enroll(login, &snapshot, Some(known.address()))?;
                brings_codes =
                    known.completes(&self.settings) && recovery.is_some() && snapshot.recovery.is_none();
            }
            (true, _) => return Err(Denial::UnknownAuthenticator),
            (false, _) if login.is_elevated() => return Err(Denial::InsufficientScope),
            (false, _) if snapshot.is_spent(&login.transaction) => return Err(Denial::TransactionSpent),
            (false, _) if !known.completes(&self.settings) => {
                return Err(Denial::UnsupportedChallengeType);
            }
            (false, Enrollment::Active) if !snapshot.enrolled => return Err(Denial::NotEnrolled),
            (false, Enrollment::Active) => {}
            (false, Enrollment::Disabled) => return Err(Denial::AuthenticatorDisabled),
            (false, Enrollment::Unconfirmed { .. }) => return Err(Denial::UnknownAuthenticator),
        }
        if digits != usize::from(asked.digits()) {
            return Err(Denial::MalformedCode);
        }
        let pair = snapshot.entry(&login.transaction).and_then(|entry| entry.pair(&known.id));
        let attempts_left = pair.map_or(0, |pair| pair.attempts_left);
        if attempts_left == 0 && !asked.is_long() {
            return Err(Denial::AttemptsExhausted);
        }
        Ok(Waiting {
            authenticator: known.id.clone(),
            confirms: asked.confirms(),
            attempts_left,
            lane: asked.lane,
            failures: known.failures(),
            is_long: asked.is_long(),
            completes: known.completes(&self.settings),
            brings_codes,
        })
    }

    /// The session of the challenge's own transaction.
    pub(crate) fn cancel(
        login: &Login,
        snapshot: &Snapshot,
        (handle, made_in): (&str, &str),
        now: u64,
        about: &mut About,
    ) -> Verdict<()> {
        Self::admits(login, snapshot, now)?;
        let snapshot = snapshot.clone().at(now);
        if !login.is_elevated() && snapshot.is_spent(&login.transaction) {
            return Err(Denial::TransactionSpent);
        }
        if made_in != login.transaction {
            return Err(Denial::ForeignOobCode);
        }
        let asked = snapshot.asked(handle).ok_or(Denial::ExpiredOobCode)?;
        *about = Some(asked.authenticator.clone());
        match &asked.state {
            State::Pending { .. } if now >= asked.deadline => Err(Denial::ExpiredOobCode),
            State::Pending { .. } => Ok(()),
            over => Err(over_denial(over)),
        }
    }

    /// First factor. A recovery code is taken during a lock, too.
    pub(crate) fn recover(
        &self,
        login: &Login,
        snapshot: &Snapshot,
        now: u64,
        about: &mut About,
    ) -> Verdict<Recovery> {
        Self::takes_a_login(login)?;
        Self::admits(login, snapshot, now)?;
        *about = snapshot.recovery.as_ref().map(|set| set.id.clone());
        if snapshot.is_spent(&login.transaction) {
            let by_code = snapshot.recovery.as_ref().is_some_and(|set| set.used_in(&login.transaction));
            return if by_code { Ok(Recovery::Repeated) } else { Err(Denial::TransactionSpent) };
        }
        if !snapshot.enrolled {
            return Err(Denial::NotEnrolled);
        }
        if snapshot.recovery.is_none() {
            return Err(Denial::NoRecoveryCode);
        }
        let snapshot = snapshot.clone().at(now);
        if snapshot.entry(&login.transaction).is_some_and(|entry| entry.recovery_attempts == 0) {
            return Err(Denial::TooManyRecoveryAttempts { until: None });
        }
        if let Some(refused) = self.budgets.recovery_refused(now) {
            let denial = |until| Denial::TooManyRecoveryAttempts { until: Some(until) };
            return Err(refused.denial(snapshot.updated, now, denial));
        }
        Ok(Recovery::Compared)
    }
}
