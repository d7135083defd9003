//! The rules of apps, which nothing is sent to: setting one up, and answering with its codes.

use super::*;

impl ReferenceModel {
    /// As `associate`: the secret of an app is shown, and shown again.
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
        self.recent(login, now)?;
        let snapshot = snapshot.clone().at(now);
        self.may_enroll(login, &snapshot, None)?;
        let lane = self.lane(login, &snapshot, now);
        self.takes_codes(&snapshot, lane, now)?;
        let snapshot = snapshot.with_room_for(&login.transaction, lane);
        let same = self.begins(login, &snapshot, "totp", about)?;
        let known = same.and_then(|id| snapshot.known(&id));
        known.map_or(Ok(()), |known| self.may_answer(login, &snapshot, known, now))
    }

    /// Nobody is asked for a code of an app who could not present one: four at once are always taken.
    pub(super) fn may_answer(
        &self,
        login: &Login,
        snapshot: &Snapshot,
        known: &Known,
        now: u64,
    ) -> Verdict<()> {
        let lane = self.lane(login, snapshot, now);
        self.takes_codes(snapshot, lane, now)?;
        let four = self.wants_four(lane, known, now);
        let left = self.attempts_left(snapshot, login, &known.id);
        if left == 0 && !four { Err(Denial::AttemptsExhausted) } else { Ok(()) }
    }

    /// A lane without a guess takes no code of an app, unless it is four at once that it wants.
    fn takes_codes(&self, snapshot: &Snapshot, lane: Lane, now: u64) -> Verdict<()> {
        let hardens = self.settings.when_exhausted == WhenExhausted::Harden;
        match self.budgets.no_guesses(lane, now).filter(|_| !hardens) {
            Some(refused) => Err(refused.denial(snapshot.updated, now, |until| Denial::Locked { until })),
            None => Ok(()),
        }
    }

    /// Whether an app is asked for four codes at once: where its lane is hardened, or it is at its cap there.
    fn wants_four(&self, lane: Lane, known: &Known, now: u64) -> bool {
        let hardens = self.settings.when_exhausted == WhenExhausted::Harden;
        let failures = known.failures()[usize::from(lane == Lane::Known)];
        let capped = self.settings.at_cap == AtCap::Harden && failures >= self.settings.failure_cap;
        capped || hardens && self.budgets.is_hardened(lane, now)
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
        self.recent(login, now)?;
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
        let lane = self.lane(login, &snapshot, now);
        self.takes_codes(&snapshot, lane, now)?;
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

    /// The one app that an unnamed code can be of: one that waits in this transaction, or one that may sign in.
    fn only_app<'a>(&self, login: &Login, snapshot: &'a Snapshot) -> Verdict<&'a Known> {
        let apps = snapshot.authenticators.iter().filter(|known| known.is_app());
        let signs_in = !login.is_elevated() && snapshot.enrolled;
        let possible = |known: &&Known| match known.waits_in() {
            Some(transaction) => transaction == login.transaction,
            None => known.is_active() && signs_in && known.completes(&self.settings),
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
}
