//! The plain model of `operations`: integers, maps and sets, written from the design's sections 3, 6 and 7.
//!
//! It counts for itself what was charged, which attempts and failures that left, and which recovery codes are live, and
//! compares the record with that after every step. Which verdict a command must give is in `reference_model.rs`.

mod devices;

use std::collections::{BTreeMap, BTreeSet};

use countersign::{
    code::RecoveryCode,
    command::Recovered,
    policy::{AtCap, Settings, WhenExhausted},
    record::Lane,
};

use crate::{
    budgets::Sends,
    reference_model::{Login, ReferenceModel, Waiting},
    snapshot::{Known, Remembered, Snapshot, State},
};

pub(crate) struct Model {
    pub(crate) rules: ReferenceModel,
    enrolled: bool,
    /// Attempts left by transaction and authenticator, as far as they were seen.
    pairs: BTreeMap<(String, String), u8>,
    /// Wrong codes in a row in each lane.
    failures: BTreeMap<String, [u8; 2]>,
    disabled: BTreeSet<String>,
    finals: BTreeMap<String, State>,
    spent: BTreeSet<String>,
    /// The recovery codes that were shown with an enrollment, by its authenticator.
    shown: BTreeMap<String, Vec<String>>,
    /// The live recovery codes; unknown after a step that nobody saw.
    live: Option<BTreeSet<String>>,
    /// In which transaction a recovery code was used.
    used: BTreeMap<String, String>,
    /// The last step of each app whose code was accepted, as far as it was seen.
    steps: BTreeMap<String, u64>,
    devices: Vec<Remembered>,
    /// What each authenticator is called, as far as it was given a name.
    names: BTreeMap<String, String>,
    pub(crate) preferred: Option<String>,
}

/// What a recovery code that is looked at must come to.
#[derive(PartialEq, Debug)]
pub(crate) enum Code {
    Live,
    Wrong,
    /// It is the code that was used before.
    Same,
    Another,
    /// It hangs on a step that nobody saw.
    Unknown,
}

/// Where a lane's count is.
fn place(lane: Lane) -> usize {
    usize::from(lane == Lane::Known)
}

impl Model {
    pub(crate) fn new(rules: ReferenceModel) -> Self {
        Self {
            rules,
            enrolled: false,
            pairs: BTreeMap::new(),
            failures: BTreeMap::new(),
            disabled: BTreeSet::new(),
            finals: BTreeMap::new(),
            spent: BTreeSet::new(),
            shown: BTreeMap::new(),
            live: Some(BTreeSet::new()),
            used: BTreeMap::new(),
            steps: BTreeMap::new(),
            devices: Vec::new(),
            names: BTreeMap::new(),
            preferred: None,
        }
    }

    fn settings(&self) -> &Settings {
        &self.rules.settings
    }

    pub(crate) fn succeeded(
        &mut self,
        login: &Login,
        waiting: &Waiting,
        (completed, codes_live): (bool, bool),
        after: &Snapshot,
    ) {
        let counts = waiting.completes;
        assert!(!self.disabled.contains(&waiting.authenticator));
        let mut failures = waiting.failures;
        failures[place(waiting.lane)] = 0;
        self.failures.insert(waiting.authenticator.clone(), failures);
        self.enrolled |= waiting.confirms && counts;
        assert_eq!(completed, counts && login.scopes.is_none());
        if completed {
            assert!(self.spent.insert(login.transaction.clone()), "a transaction issues one token");
        }
        assert_eq!(
            codes_live, waiting.brings_codes,
            "codes go live with an authenticator that may authenticate"
        );
        assert!(after.known(&waiting.authenticator).is_some_and(Known::is_active), "it is active");
        let begun = after.authenticators.iter().any(Known::is_begun_by_first_factor);
        assert!(!waiting.confirms || !begun, "what other first factors had begun lapses");
        if codes_live {
            let shown = self.shown.get(&waiting.authenticator);
            self.live = shown.map(|codes| codes.iter().cloned().collect());
        }
    }

    /// A wrong short code was evaluated: gives the attempts left that the denial must tell, and what is told
    /// of it. `of` is the authenticator and its address.
    pub(crate) fn failed(
        &mut self,
        login: &Login,
        waiting: &Waiting,
        (active, of): (bool, &str),
        now: u64,
    ) -> (u8, Vec<String>) {
        let empty_until = self.rules.budgets.guessed(waiting.lane, now);
        let mut failures = waiting.failures;
        let own = &mut failures[place(waiting.lane)];
        *own += 1;
        let capped = *own >= self.settings().failure_cap;
        let together = failures[0].saturating_add(failures[1]) >= 100;
        let disables = self.settings().at_cap == AtCap::Disable && (capped || together);
        let hardens = self.settings().at_cap == AtCap::Harden && capped;
        // An unconfirmed one has nothing to be disabled for: it has no attempts left instead.
        let attempts_left = if disables && !active { 0 } else { waiting.attempts_left - 1 };
        self.failures.insert(waiting.authenticator.clone(), failures);
        self.pairs.insert((login.transaction.clone(), waiting.authenticator.clone()), attempts_left);
        let mut told = Vec::new();
        if disables && active {
            self.disabled.insert(waiting.authenticator.clone());
            told.push(format!("disabled {of}"));
        }
        let locks = self.settings().when_exhausted == WhenExhausted::Lock;
        let id = &waiting.authenticator;
        let notice = match empty_until {
            Some(until) if locks => Some(format!("locked {id} {until}")),
            _ if empty_until.is_some() || hardens => Some(format!("hardened {id} {:?}", waiting.lane)),
            _ => None,
        };
        told.extend(notice.filter(|_| self.rules.budgets.tells_of_guesses(waiting.lane, now)));
        (attempts_left, told)
    }

    /// What a wrong short code must have ended: every challenge of a lane that is locked, every short one of
    /// a lane that is hardened, and those of an authenticator that is at its cap.
    pub(crate) fn ended(&self, after: &Snapshot, waiting: &Waiting, now: u64) {
        let known = after.known(&waiting.authenticator).expect("it is there");
        let at_cap = known.failures()[place(waiting.lane)] >= self.settings().failure_cap;
        let locked = self.rules.budgets.locked(waiting.lane, now).is_some();
        let hardened = self.rules.budgets.is_hardened(waiting.lane, now);
        for asked in after.challenges.iter().filter(|asked| asked.is_pending() && asked.lane == waiting.lane)
        {
            assert!(!locked, "a lock ends what waits in its lane");
            assert!(asked.is_long() || !hardened, "hardening ends the short codes of its lane");
            let of_it = asked.authenticator == waiting.authenticator;
            assert!(
                !(of_it && at_cap) || asked.is_long(),
                "the cap ends the short codes of its authenticator"
            );
        }
    }

    /// A code of an app was accepted: what came before its step is over, and itself.
    pub(crate) fn stepped(&mut self, id: &str, step: u64) {
        let last = self.steps.insert(id.to_owned(), step);
        assert!(last.is_none_or(|last| last < step), "a code of an app is good once");
    }

    pub(crate) fn shown(&mut self, authenticator: &str, codes: &[RecoveryCode]) {
        let codes: Vec<String> = codes.iter().map(|code| code.expose().to_owned()).collect();
        let before = self.shown.insert(authenticator.to_owned(), codes.clone());
        assert!(before.is_none_or(|before| before == codes), "asking again shows the same codes");
    }

    pub(crate) fn regenerated(&mut self, codes: &[RecoveryCode], now: u64) {
        self.rules.budgets.sent(Sends::Lane(Lane::Known), now);
        assert_eq!(codes.len(), usize::from(self.settings().recovery_codes));
        self.live = Some(codes.iter().map(|code| code.expose().to_owned()).collect());
    }

    /// An address was provisioned: one that is active enrolls, and failures may be carried over, never forgotten.
    pub(crate) fn provisioned(&mut self, id: &str, after: &Snapshot) {
        let known = after.known(id).expect("it is there");
        self.enrolled |= crate::fixture::email_authenticates(self.settings()) && known.is_active();
        let failures = self.failures.entry(id.to_owned()).or_insert([0; 2]);
        let now = known.failures();
        assert!(now[0] >= failures[0] && now[1] >= failures[1]);
        *failures = now;
    }

    /// A removal of the last active one drops the disabled ones and the recovery set, too.
    pub(crate) fn removed(&mut self, removed: &Known, after: &Snapshot) {
        assert!(after.known(&removed.id).is_none(), "what was removed is gone");
        if removed.waits_in().is_none() && !after.authenticators.iter().any(Known::is_active) {
            assert_eq!(after.confirmed().count(), 0, "with the last active one the disabled ones go");
            assert!(after.recovery.is_none(), "and the recovery codes");
            self.enrolled = false;
            self.live = Some(BTreeSet::new());
        }
    }

    pub(crate) fn reset(&mut self, after: &Snapshot) {
        assert!(after.authenticators.is_empty() && after.challenges.is_empty() && after.recovery.is_none());
        self.enrolled = false;
        self.live = Some(BTreeSet::new());
    }

    /// What a recovery code must come to that is compared with the live ones.
    pub(crate) fn compared(&self, code: &RecoveryCode) -> Code {
        match &self.live {
            _ if self.used.contains_key(code.expose()) => Code::Wrong,
            None => Code::Unknown,
            Some(live) if live.contains(code.expose()) => Code::Live,
            Some(_) => Code::Wrong,
        }
    }

    /// The same in a transaction that a recovery code has completed.
    pub(crate) fn repeated(&self, login: &Login, code: &RecoveryCode) -> Code {
        match self.used.get(code.expose()) {
            Some(transaction) if *transaction == login.transaction => Code::Same,
            Some(_) => Code::Another,
            // Which code completed it was seen, unless the step was not.
            None if self.used.values().any(|transaction| *transaction == login.transaction) => Code::Another,
            None => Code::Unknown,
        }
    }

    pub(crate) fn recovered(&mut self, login: &Login, code: &RecoveryCode, answer: &Recovered) {
        let used = self.used.entry(code.expose().to_owned()).or_insert(login.transaction.clone());
        assert_eq!(*used, login.transaction, "a recovery code works in one transaction");
        let first = self.spent.insert(login.transaction.clone());
        assert_eq!(first, !answer.repeated, "a transaction issues one token");
        let replaces = self.settings().recovery_use == countersign::policy::RecoveryUse::Replace;
        assert_eq!(answer.replacement.is_some(), replaces);
        if let Some(live) = &mut self.live {
            live.remove(code.expose());
            if first {
                live.extend(answer.replacement.iter().map(|next| next.expose().to_owned()));
            }
            assert_eq!(live.len(), usize::from(answer.remaining));
        }
    }

    pub(crate) fn name(&self, id: &str) -> Option<&str> {
        self.names.get(id).map(String::as_str)
    }

    pub(crate) fn renamed(&mut self, id: &str, name: Option<&str>) {
        match name {
            Some(name) => drop(self.names.insert(id.to_owned(), name.to_owned())),
            None => drop(self.names.remove(id)),
        }
    }

    /// Takes over what a step did that nobody saw.
    pub(crate) fn adopt(&mut self, snapshot: &Snapshot) {
        self.rules.budgets.adopt(snapshot.ledger);
        self.enrolled = snapshot.enrolled;
        self.live = None;
        self.devices.clone_from(&snapshot.devices);
        self.preferred.clone_from(&snapshot.preferred);
        for entry in &snapshot.transactions {
            if entry.is_spent() {
                self.spent.insert(entry.id.clone());
            }
            for pair in &entry.pairs {
                self.pairs.insert((entry.id.clone(), pair.authenticator.clone()), pair.attempts_left);
            }
        }
        for known in &snapshot.authenticators {
            self.failures.insert(known.id.clone(), known.failures());
            self.renamed(&known.id, known.name.as_deref());
            self.steps.extend(known.last_step().map(|step| (known.id.clone(), step)));
        }
    }

    /// The record is what the model says.
    pub(crate) fn check(&mut self, snapshot: &Snapshot) {
        self.rules.budgets.check(snapshot.ledger);
        assert_eq!(snapshot.enrolled, self.enrolled, "the latch");
        let settings = self.settings();
        let confirmed = snapshot.confirmed().count();
        assert!(confirmed <= usize::from(settings.max_authenticators));
        assert!(snapshot.authenticators.len() - confirmed <= usize::from(settings.max_unconfirmed));
        for lane in Lane::ALL {
            let challenges = snapshot.challenges.iter().filter(|asked| asked.lane == lane).count();
            assert!(challenges <= usize::from(settings.max_challenges));
            assert!(snapshot.transactions.iter().filter(|entry| entry.lane == lane).count() <= 16);
        }
        assert_eq!(snapshot.devices, self.devices, "the devices that are remembered");
        let attempts = settings.attempts;
        for asked in &snapshot.challenges {
            match self.finals.get(&asked.id) {
                Some(known) => assert_eq!(*known, asked.state, "a final state is final"),
                None if !asked.is_pending() => {
                    drop(self.finals.insert(asked.id.clone(), asked.state.clone()))
                }
                None => {}
            }
        }
        self.preferred = self.preferred.take().filter(|id| snapshot.known(id).is_some());
        assert_eq!(snapshot.preferred, self.preferred, "the preferred authenticator");
        for known in &snapshot.authenticators {
            assert_eq!(known.name.as_deref(), self.name(&known.id), "its name");
            if known.is_disabled() {
                self.disabled.insert(known.id.clone());
            } else {
                assert!(!self.disabled.contains(&known.id), "disabled never returns");
            }
            assert_eq!(known.last_step(), self.steps.get(&known.id).copied(), "the last accepted step");
            // One that carries failures over from a changed address begins with them.
            let counted = *self.failures.entry(known.id.clone()).or_insert(known.failures());
            assert_eq!(known.failures(), counted, "failures in a row");
        }
        for entry in &snapshot.transactions {
            assert_eq!(entry.is_spent(), self.spent.contains(&entry.id), "spent");
            for pair in &entry.pairs {
                let of = (entry.id.clone(), pair.authenticator.clone());
                let counted = *self.pairs.entry(of).or_insert(attempts);
                assert_eq!(pair.attempts_left, counted, "attempts left");
            }
        }
        if let (Some(live), Some(set)) = (&self.live, &snapshot.recovery) {
            assert_eq!(set.live.len(), live.len(), "live recovery codes");
        }
    }
}
