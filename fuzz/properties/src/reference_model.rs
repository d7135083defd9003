//! The model's rules: which verdict each command must give, written anew from the design's sections 3, 6 and 7 and from
//! what the documentation of each command says of its denials.
//!
//! Each rule takes the record as plain data, as it was before the step, and gives the very denial, or what must follow.
//! It also names the authenticator or recovery set that the audit event must name. The order is everywhere the same: is
//! the session one that the command takes, is the record the session's, does the account still take sessions of its
//! age, does the state allow it, is there budget left; only then is a code compared. Nothing here calls the library's
//! own logic.

use countersign::{
    ChallengeRequest, Denial, Session,
    effect::DeliveryReport,
    machine::CancelReason,
    policy::{AtCap, Settings, WhenExhausted},
    record::Lane,
    session::ElevatedScopes,
};

use crate::{
    budgets::{Budgets, Refused, Sends},
    snapshot::{Asked, Enrollment, Known, Snapshot, State},
};

/// A session, with what it was made from: a session does not tell all of it.
#[derive(Clone, Debug)]
pub(crate) struct Login {
    pub(crate) session: Session,
    /// Whether the record that it is used on is its own.
    pub(crate) own: bool,
    /// Whether the request named its client.
    pub(crate) named: bool,
    /// Those of an elevated session; a first factor has none.
    pub(crate) scopes: Option<ElevatedScopes>,
    pub(crate) transaction: String,
    /// That of the account when it began.
    pub(crate) epoch: u64,
    pub(crate) begun: u64,
    pub(crate) expires: u64,
}

impl Login {
    fn is_elevated(&self) -> bool {
        self.scopes.is_some()
    }

    /// Known is whom the host elevated.
    pub(crate) fn lane(&self) -> Lane {
        if self.is_elevated() { Lane::Known } else { Lane::Unknown }
    }

    /// On whose account its messages go: an elevated session enrolls, and no other message is its own.
    pub(crate) fn sends(&self) -> Sends {
        if self.is_elevated() { Sends::Enrollment } else { Sends::Lane(Lane::Unknown) }
    }

    fn has(&self, scope: impl Fn(&ElevatedScopes) -> bool) -> bool {
        self.scopes.as_ref().is_some_and(scope)
    }
}

/// A code is to be on its way.
#[derive(Debug)]
pub(crate) struct Sending {
    /// Nothing is sent until then; the present challenge holds.
    pub(crate) cooling_until: Option<u64>,
    /// The challenge that holds on; a new one takes its place if there is none.
    pub(crate) same: Option<String>,
    pub(crate) deadline: u64,
    pub(crate) digits: u8,
}

/// A code that must be compared.
#[derive(Clone, Debug)]
pub(crate) struct Waiting {
    pub(crate) authenticator: String,
    pub(crate) confirms: bool,
    pub(crate) attempts_left: u8,
    pub(crate) lane: Lane,
    pub(crate) failures: [u8; 2],
    /// A wrong answer to it is counted nowhere.
    pub(crate) is_long: bool,
    /// A right code completes a login, unless the session is elevated.
    pub(crate) completes: bool,
    /// A right code makes the recovery codes live that were shown with the enrollment.
    pub(crate) brings_codes: bool,
}

/// What a recovery code must come to, if it is looked at.
#[derive(PartialEq, Debug)]
pub(crate) enum Recovery {
    /// It is compared with the live ones.
    Compared,
    /// The transaction was completed by a code: by this one, and the answer comes again, or by another.
    Repeated,
}

/// About which authenticator or recovery set the audit event is, as far as that is known.
pub(crate) type About = Option<String>;

type Verdict<T> = Result<T, Denial>;

pub(crate) struct ReferenceModel {
    pub(crate) settings: Settings,
    pub(crate) budgets: Budgets,
}

fn span(duration: time::Duration) -> u64 {
    u64::try_from(duration.whole_milliseconds()).unwrap()
}

impl ReferenceModel {
    /// The record is the session's, and takes sessions of its epoch; of a first factor, none as old as a spent
    /// transaction that it forgot.
    fn admits(login: &Login, snapshot: &Snapshot, now: u64) -> Verdict<()> {
        if !login.own {
            return Err(Denial::WrongRecord);
        }
        let spared = snapshot.changed_by.as_ref() == Some(&login.transaction);
        let stands = login.epoch == snapshot.epoch || spared;
        let forgotten = snapshot.not_before.is_some_and(|bound| !login.is_elevated() && login.begun <= bound);
        if !stands || forgotten || now >= login.expires { Err(Denial::ExpiredToken) } else { Ok(()) }
    }

    /// Who changes factors in an elevated session has used the second one lately.
    fn recent(&self, login: &Login, now: u64) -> Verdict<()> {
        let max_age = self.settings.elevated_max_age;
        let old = now > login.begun && now - login.begun > span(max_age);
        // A clock that agrees is a minute ahead at most.
        let of_a_clock_ahead = login.begun > now + 60_000;
        if login.is_elevated() && (old || of_a_clock_ahead) {
            Err(Denial::InsufficientUserAuthentication { max_age })
        } else {
            Ok(())
        }
    }

    /// A login takes a first factor whose client was named.
    fn takes_a_login(login: &Login) -> Verdict<()> {
        match (login.is_elevated(), login.named) {
            (true, _) => Err(Denial::InsufficientScope),
            (false, false) => Err(Denial::ClientRequired),
            (false, true) => Ok(()),
        }
    }

    fn unlocked(&self, snapshot: &Snapshot, lane: Lane, now: u64) -> Verdict<()> {
        let locked = self.budgets.locked(lane, now);
        let denial = |locked: Refused| locked.denial(snapshot.updated, now, |until| Denial::Locked { until });
        locked.map_or(Ok(()), |locked| Err(denial(locked)))
    }

    /// How many digits a new code for this authenticator has: 20 where the lane is hardened, or the
    /// authenticator at its cap there.
    fn digits(&self, lane: Lane, known: Option<&Known>, now: u64) -> u8 {
        let failures = known.map_or(0, |known| known.failures()[usize::from(lane == Lane::Known)]);
        let capped = self.settings.at_cap == AtCap::Harden && failures >= self.settings.failure_cap;
        if capped || self.budgets.is_hardened(lane, now) { 20 } else { self.settings.code_digits }
    }

    /// Whether an app is asked for four codes at once: where its lane is hardened, or it is at its cap there.
    pub(crate) fn wants_four(&self, lane: Lane, known: &Known, now: u64) -> bool {
        let hardens = self.settings.when_exhausted == WhenExhausted::Harden;
        let failures = known.failures()[usize::from(lane == Lane::Known)];
        let capped = self.settings.at_cap == AtCap::Harden && failures >= self.settings.failure_cap;
        capped || hardens && self.budgets.is_hardened(lane, now)
    }

    /// The gates of an enrollment, at its beginning and again at its confirmation.
    fn may_enroll(&self, login: &Login, snapshot: &Snapshot, address: Option<&str>) -> Verdict<()> {
        if !login.is_elevated() && (snapshot.enrolled || snapshot.is_spent(&login.transaction)) {
            return Err(Denial::AlreadyEnrolled);
        }
        if snapshot.authenticators.iter().any(|known| known.is_active() && Some(known.address()) == address) {
            return Err(Denial::AddressInUse);
        }
        if snapshot.confirmed().count() >= usize::from(self.settings.max_authenticators) {
            return Err(Denial::TooManyAuthenticators);
        }
        Ok(())
    }

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
        self.unlocked(&snapshot, login.lane(), now)?;
        let snapshot = snapshot.with_room_for(&login.transaction, login.lane());
        let same = self.begins(login, &snapshot, address, about)?;
        self.send(login, &snapshot, same.as_deref(), true, now)
    }

    /// The same for an app, which nothing is sent to: its secret is shown, and shown again.
    pub(crate) fn associate_app(
        &self,
        login: &Login,
        snapshot: &Snapshot,
        now: u64,
        about: &mut About,
    ) -> Verdict<()> {
        if login.is_elevated() && !login.has(|scopes| scopes.enroll) {
            return Err(Denial::InsufficientScope);
        }
        Self::admits(login, snapshot, now)?;
        let snapshot = snapshot.clone().at(now);
        self.may_enroll(login, &snapshot, None)?;
        self.unlocked(&snapshot, login.lane(), now)?;
        let snapshot = snapshot.with_room_for(&login.transaction, login.lane());
        let same = self.begins(login, &snapshot, "totp", about)?;
        let exhausted = same.is_some_and(|id| {
            let four = snapshot.known(&id).is_some_and(|known| self.wants_four(login.lane(), known, now));
            !four && self.attempts_left(&snapshot, login, &id) == 0
        });
        if exhausted { Err(Denial::AttemptsExhausted) } else { Ok(()) }
    }

    /// The enrollment of the same that this transaction has begun, or room for another.
    fn begins(
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
        self.unlocked(&snapshot, login.lane(), now)?;
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
                // The one used last, or else the newest.
                match active.max_by_key(|known| (known.last_used, known.created)) {
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
            let left = self.attempts_left(&snapshot, login, &chosen.id);
            let four = self.wants_four(login.lane(), chosen, now);
            return if left == 0 && !four { Err(Denial::AttemptsExhausted) } else { Ok(None) };
        }
        self.send(login, &snapshot, Some(&chosen.id), false, now).map(Some)
    }

    /// Attempts begin anew in every transaction.
    fn attempts_left(&self, snapshot: &Snapshot, login: &Login, id: &str) -> u8 {
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
        let lane = login.lane();
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
            });
        }
        if let Some(refused) = self.budgets.no_sends(login.sends(), now) {
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
                brings_codes = crate::fixture::email_authenticates(&self.settings)
                    && recovery.is_some()
                    && snapshot.recovery.is_none();
            }
            (true, _) => return Err(Denial::UnknownAuthenticator),
            (false, _) if login.is_elevated() => return Err(Denial::InsufficientScope),
            (false, _) if snapshot.is_spent(&login.transaction) => return Err(Denial::TransactionSpent),
            (false, _) if !crate::fixture::email_authenticates(&self.settings) => {
                return Err(Denial::UnsupportedChallengeType);
            }
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

    /// As `verify`, for a code of an app, which may be named. Gives what it must be compared with.
    pub(crate) fn verify_otp(
        &self,
        login: &Login,
        snapshot: &Snapshot,
        (named, digits, is_four): (Option<&str>, usize, bool),
        now: u64,
        about: &mut About,
    ) -> Verdict<Waiting> {
        match login.scopes {
            Some(scopes) if !scopes.enroll => return Err(Denial::InsufficientScope),
            None if !login.named => return Err(Denial::ClientRequired),
            Some(_) | None => {}
        }
        Self::admits(login, snapshot, now)?;
        let snapshot = snapshot.clone().at(now);
        let known = match named {
            Some(id) => snapshot.known(id).ok_or(Denial::UnknownAuthenticator)?,
            None => self.only_app(login, &snapshot)?,
        };
        if !known.is_app() {
            return Err(Denial::UnsupportedChallengeType);
        }
        let confirms = match known.waits_in() {
            Some(transaction) if transaction != login.transaction => {
                return Err(Denial::UnknownAuthenticator);
            }
            waits_in => waits_in.is_some(),
        };
        *about = Some(known.id.clone());
        let lane = login.lane();
        let hardens = self.settings.when_exhausted == WhenExhausted::Harden;
        if let Some(refused) = self.budgets.no_guesses(lane, now).filter(|_| !hardens) {
            return Err(refused.denial(snapshot.updated, now, |until| Denial::Locked { until }));
        }
        let mut brings_codes = false;
        match &known.enrollment {
            Enrollment::Unconfirmed { recovery, .. } => {
                self.may_enroll(login, &snapshot, None)?;
                brings_codes =
                    known.completes(&self.settings) && recovery.is_some() && snapshot.recovery.is_none();
            }
            _ if login.is_elevated() => return Err(Denial::InsufficientScope),
            _ if snapshot.is_spent(&login.transaction) => return Err(Denial::TransactionSpent),
            _ if !known.completes(&self.settings) => return Err(Denial::UnsupportedChallengeType),
            Enrollment::Active if !snapshot.enrolled => return Err(Denial::NotEnrolled),
            Enrollment::Active => {}
            Enrollment::Disabled => return Err(Denial::AuthenticatorDisabled),
        }
        let codes = if is_four { 4 } else { 1 };
        if digits != codes * usize::from(self.settings.totp.digits) {
            return Err(Denial::MalformedCode);
        }
        if !is_four && self.wants_four(lane, known, now) {
            return Err(Denial::FourCodesRequired);
        }
        let attempts_left = self.attempts_left(&snapshot, login, &known.id);
        if attempts_left == 0 && !is_four {
            return Err(Denial::AttemptsExhausted);
        }
        Ok(Waiting {
            authenticator: known.id.clone(),
            confirms,
            attempts_left,
            lane,
            failures: known.failures(),
            is_long: is_four,
            completes: known.completes(&self.settings),
            brings_codes,
        })
    }

    /// The one app that an unnamed code can be of: one that waits in this transaction, or one that may sign
    /// in.
    fn only_app<'a>(&self, login: &Login, snapshot: &'a Snapshot) -> Verdict<&'a Known> {
        let apps = snapshot.authenticators.iter().filter(|known| known.is_app());
        let possible = |known: &&Known| match known.waits_in() {
            Some(transaction) => transaction == login.transaction,
            None => known.is_active() && !login.is_elevated() && known.completes(&self.settings),
        };
        let mut found = apps.clone().filter(possible);
        match (found.next(), found.next()) {
            (Some(only), None) => Ok(only),
            (Some(_), Some(_)) => Err(Denial::AuthenticatorRequired),
            (None, _) if login.is_elevated() => Err(Denial::InsufficientScope),
            (None, _) if apps.clone().any(Known::is_disabled) => Err(Denial::AuthenticatorDisabled),
            (None, _) if snapshot.enrolled => Err(Denial::UnsupportedChallengeType),
            (None, _) => Err(Denial::NotEnrolled),
        }
    }

    /// The steps whose codes are right now, but for those that are over.
    pub(crate) fn window(&self, last_step: Option<u64>, now: u64) -> Vec<u64> {
        let totp = &self.settings.totp;
        let present = now / span(totp.step);
        let window = present.saturating_sub(totp.steps_back.into())..=present + u64::from(totp.steps_ahead);
        window.filter(|step| last_step.is_none_or(|last| *step > last)).collect()
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

    /// Elevated `remove:authenticators`.
    pub(crate) fn remove(&self, login: &Login, snapshot: &Snapshot, id: &str, now: u64) -> Verdict<()> {
        if !login.has(|scopes| scopes.remove_authenticators) {
            return Err(Denial::InsufficientScope);
        }
        Self::admits(login, snapshot, now)?;
        self.recent(login, now)?;
        let snapshot = snapshot.clone().at(now);
        let known = snapshot.known(id).ok_or(Denial::UnknownAuthenticator)?;
        if known.is_provisioned() { Err(Denial::ProvisionedAuthenticator) } else { Ok(()) }
    }

    /// Elevated `enroll`. Its holder is told of it by a message, and messages are budgeted.
    pub(crate) fn regenerate(&self, login: &Login, snapshot: &Snapshot, now: u64) -> Verdict<()> {
        if !login.has(|scopes| scopes.enroll) {
            return Err(Denial::InsufficientScope);
        }
        Self::admits(login, snapshot, now)?;
        self.recent(login, now)?;
        let usable =
            snapshot.authenticators.iter().any(|known| known.is_active() && known.completes(&self.settings));
        if !snapshot.enrolled || !usable {
            return Err(Denial::NotEnrolled);
        }
        let refused = self.budgets.no_sends(Sends::Lane(login.lane()), now);
        let denial =
            |refused: Refused| refused.denial(snapshot.updated, now, |until| Denial::TooManySends { until });
        refused.map_or(Ok(()), |refused| Err(denial(refused)))
    }

    /// First factor; elevated `read:authenticators`. Gives the ids that must be listed, in their order.
    pub(crate) fn list(login: &Login, snapshot: &Snapshot, now: u64) -> Verdict<Vec<String>> {
        if login.is_elevated() && !login.has(|scopes| scopes.read_authenticators) {
            return Err(Denial::InsufficientScope);
        }
        Self::admits(login, snapshot, now)?;
        let snapshot = snapshot.clone().at(now);
        let ids = snapshot.authenticators.into_iter().map(|known| known.id);
        Ok(ids.chain(snapshot.recovery.map(|set| set.id)).collect())
    }

    /// The host. The address that is provisioned already, or enrolled by its user, counts once.
    pub(crate) fn provision(
        &self,
        snapshot: &Snapshot,
        address: &str,
        now: u64,
        about: &mut About,
    ) -> Verdict<()> {
        let snapshot = snapshot.clone().at(now);
        let present = snapshot.confirmed().find(|known| known.address() == address);
        *about = present.map(|known| known.id.clone());
        let replaces = snapshot.authenticators.iter().any(Known::is_provisioned);
        let full = snapshot.confirmed().count() >= usize::from(self.settings.max_authenticators);
        if present.is_none() && !replaces && full { Err(Denial::TooManyAuthenticators) } else { Ok(()) }
    }

    /// The host. One that is disabled stays, and is found.
    pub(crate) fn deprovision(snapshot: &Snapshot, address: &str, about: &mut About) -> Verdict<()> {
        let mut provisioned = snapshot.authenticators.iter().filter(|known| known.is_provisioned());
        let found = provisioned.find(|known| known.address() == address);
        let found = found.ok_or(Denial::UnknownAuthenticator)?;
        *about = Some(found.id.clone());
        Ok(())
    }

    /// An administrator. One that is provisioned and disabled stays.
    pub(crate) fn remove_authenticator(snapshot: &Snapshot, id: &str, now: u64) -> Verdict<()> {
        let snapshot = snapshot.clone().at(now);
        let known = snapshot.known(id).ok_or(Denial::UnknownAuthenticator)?;
        let stays = known.is_provisioned() && known.is_disabled();
        if stays { Err(Denial::AuthenticatorDisabled) } else { Ok(()) }
    }

    /// The host. Whether a cool-down is lifted: that of a failed message which is its waiting challenge's latest, once.
    pub(crate) fn report(
        snapshot: &Snapshot,
        (handle, sends): (&str, u32),
        report: DeliveryReport,
        now: u64,
        about: &mut About,
    ) -> bool {
        let snapshot = snapshot.clone().at(now);
        let latest =
            |asked: &&Asked| matches!(asked.state, State::Pending { sends: known, .. } if known == sends);
        let Some(asked) = snapshot.asked(handle).filter(latest) else { return false };
        *about = Some(asked.authenticator.clone());
        let pair = snapshot.entry(&asked.transaction).and_then(|entry| entry.pair(&asked.authenticator));
        report == DeliveryReport::Failed && pair.is_some_and(|pair| pair.last_send.is_some())
    }
}

/// What a challenge that is over answers with.
fn over_denial(state: &State) -> Denial {
    match state {
        State::Verified => Denial::OobCodeUsed,
        State::Exhausted => Denial::AttemptsExhausted,
        State::Expired | State::Pending { .. } => Denial::ExpiredOobCode,
        State::Cancelled(cause) => Denial::ChallengeCancelled(match cause.as_str() {
            "requested" => CancelReason::Requested,
            "locked" => CancelReason::Locked,
            "superseded" => CancelReason::Superseded,
            "disabled" => CancelReason::Disabled,
            "hardened" => CancelReason::Hardened,
            other => panic!("no such cause: {other}"),
        }),
    }
}
