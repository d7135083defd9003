//! The plain model of `operations`: integers, maps and sets, written from the design's sections 3, 6 and 7.
//!
//! It counts for itself what was charged, which attempts and failures that left, and which recovery codes are live; the
//! record is read, in its stored form, only to see which challenge waits and to compare.

use std::collections::{BTreeMap, BTreeSet};

use countersign::{
    Account, AuthenticatorId, Denial, Rate, Recovered, RecoveryCode, RecoveryThrottle, Session, Settings,
    TransactionId,
};
use serde_json::Value;
use time::OffsetDateTime;

/// A rate in plain integers: so many at once, one back in so many milliseconds.
#[derive(Clone, Copy)]
struct Budget {
    burst: u64,
    every: u64,
}

/// One bucket of the generic cell rate algorithm: when it is full again.
#[derive(Clone, Copy, Default)]
struct Bucket(u64);

pub(crate) fn millis(at: OffsetDateTime) -> u64 {
    u64::try_from(at.unix_timestamp_nanos().div_euclid(1_000_000)).unwrap_or(0)
}

impl Budget {
    fn of(rate: Rate) -> Self {
        let every = u64::try_from(rate.every().whole_milliseconds()).unwrap();
        Self { burst: u64::from(rate.burst()), every }
    }
}

impl Bucket {
    fn is_empty(self, budget: Budget, now: u64) -> bool {
        self.0.saturating_sub(now) > (budget.burst - 1) * budget.every
    }

    fn charge(&mut self, budget: Budget, now: u64) {
        self.0 = self.0.max(now).saturating_add(budget.every);
    }

    fn settle(&mut self, budget: Budget, now: u64) {
        self.0 = self.0.min(now.saturating_add(budget.burst * budget.every));
    }
}

/// A challenge that has to evaluate a code.
#[derive(Clone, Debug)]
pub(crate) struct Waiting {
    pub(crate) authenticator: AuthenticatorId,
    pub(crate) confirms: bool,
}

pub(crate) struct Model {
    guess_rate: Budget,
    long_guess_rate: Option<Budget>,
    recovery_rate: Budget,
    send_rate: Budget,
    long_send_rate: Option<Budget>,
    refuses_recovery: bool,
    email_counts: bool,
    attempts: u8,
    cap: u8,
    limits: [usize; 3],
    guess: Bucket,
    long_guess: Bucket,
    recovery: Bucket,
    send: Bucket,
    long_send: Bucket,
    pub(crate) enrolled: bool,
    /// Attempts left by transaction and authenticator, as far as they were seen.
    pairs: BTreeMap<(String, String), u8>,
    failures: BTreeMap<String, u8>,
    disabled: BTreeSet<String>,
    finals: BTreeMap<String, Value>,
    spent: BTreeSet<String>,
    /// The live recovery codes; unknown after a step that nobody saw.
    live: Option<BTreeSet<String>>,
    shown: BTreeSet<String>,
    used: BTreeMap<String, TransactionId>,
}

fn name(id: TransactionId) -> String {
    serde_json::to_value(id).unwrap().to_string()
}

fn list<'a>(record: &'a Value, of: &str) -> &'a [Value] {
    record[of].as_array().map_or(&[], Vec::as_slice)
}

/// The challenge that a handle names: its bytes 2 to 18.
fn challenge_of(oob_code: &str) -> Vec<u8> {
    let symbols = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let values = oob_code.chars().map(|c| symbols.find(c).unwrap());
    let bits: Vec<u8> =
        values.flat_map(|value| (0..6).rev().map(move |bit| u8::from(value >> bit & 1 == 1))).collect();
    let bytes = bits.chunks_exact(8).map(|byte| byte.iter().fold(0, |sum, bit| sum << 1 | bit));
    bytes.skip(2).take(16).collect()
}

impl Model {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            guess_rate: Budget::of(settings.guess_bucket),
            long_guess_rate: settings.long_guess_budget.map(Budget::of),
            recovery_rate: Budget::of(settings.recovery_bucket),
            send_rate: Budget::of(settings.send_bucket),
            long_send_rate: settings.long_send_budget.map(Budget::of),
            refuses_recovery: settings.recovery_throttle == RecoveryThrottle::Refuse,
            email_counts: settings.email_may_authenticate,
            attempts: settings.attempts,
            cap: settings.failure_cap,
            limits: [
                usize::from(settings.max_authenticators),
                usize::from(settings.max_unconfirmed),
                usize::from(settings.max_challenges),
            ],
            guess: Bucket::default(),
            long_guess: Bucket::default(),
            recovery: Bucket::default(),
            send: Bucket::default(),
            long_send: Bucket::default(),
            enrolled: false,
            pairs: BTreeMap::new(),
            failures: BTreeMap::new(),
            disabled: BTreeSet::new(),
            finals: BTreeMap::new(),
            spent: BTreeSet::new(),
            live: Some(BTreeSet::new()),
            shown: BTreeSet::new(),
            used: BTreeMap::new(),
        }
    }

    pub(crate) fn is_locked(&self, now: OffsetDateTime) -> bool {
        let now = millis(now);
        let long = self.long_guess_rate.is_some_and(|rate| self.long_guess.is_empty(rate, now));
        self.guess.is_empty(self.guess_rate, now) || long
    }

    pub(crate) fn sent(&mut self, now: OffsetDateTime) {
        let now = millis(now);
        let long = self.long_send_rate.is_some_and(|rate| self.long_send.is_empty(rate, now));
        assert!(!self.send.is_empty(self.send_rate, now) && !long, "a message beyond the budget");
        self.send.charge(self.send_rate, now);
        if let Some(rate) = self.long_send_rate {
            self.long_send.charge(rate, now);
        }
    }

    /// What a denial charges: an evaluated wrong code alone.
    pub(crate) fn denied(&mut self, denial: &Denial, now: OffsetDateTime) {
        if matches!(denial, Denial::InvalidBindingCode { .. }) {
            assert!(!self.is_locked(now), "during a lock nothing is evaluated");
            self.guess.charge(self.guess_rate, millis(now));
            if let Some(rate) = self.long_guess_rate {
                self.long_guess.charge(rate, millis(now));
            }
        }
    }

    pub(crate) fn unlocked(&mut self, now: OffsetDateTime) {
        let now = millis(now);
        self.guess.0 = self.guess.0.min(now);
        if let Some(rate) = self.long_guess_rate {
            self.long_guess.settle(rate, now);
            self.long_guess.0 = self.long_guess.0.saturating_sub(5 * rate.every);
        }
        self.recovery.settle(self.recovery_rate, now);
        self.send.settle(self.send_rate, now);
        if let Some(rate) = self.long_send_rate {
            self.long_send.settle(rate, now);
        }
    }

    /// The challenge that has to evaluate a code given in this session, if there is one.
    pub(crate) fn waiting(
        &self,
        record: &Account,
        oob_code: &str,
        session: &Session,
        now: OffsetDateTime,
    ) -> Option<Waiting> {
        let stored = serde_json::to_value(record).unwrap();
        let now_ms = millis(now);
        // The public form ends with the year 9999; a token's real expiry may lie behind it.
        let last = millis(time::macros::datetime!(9999-12-31 23:59:59.999 UTC));
        let expires = millis(session.expires());
        let expires = if expires == last && !session.is_elevated() { u64::MAX } else { expires };
        let bound = stored[if session.is_elevated() { "elevated_not_before" } else { "not_before" }].as_u64();
        let too_old = bound.is_some_and(|bound| millis(session.begun()) <= bound);
        if too_old || now_ms >= expires || self.is_locked(now) {
            return None;
        }
        let id = challenge_of(oob_code);
        let found = record.challenges().iter().find(|known| known.id().as_bytes()[..] == id[..])?;
        let row =
            list(&stored, "challenges").iter().find(|row| **row == serde_json::to_value(found).unwrap())?;
        if row["state"].get("pending").is_none() || row["deadline"].as_u64()? <= now_ms {
            return None;
        }
        let authenticator =
            record.authenticators().iter().find(|known| row["authenticator"] == known.id().to_string())?;
        let known = serde_json::to_value(authenticator).unwrap();
        let confirms = row["purpose"] == "confirm";
        let transaction = name(session.transaction());
        let allowed = if confirms {
            let taken = |other: &Value| other["enrollment"] == "active" && other["factor"] == known["factor"];
            let confirmed = |other: &&Value| !other["enrollment"].is_object();
            let rows = list(&stored, "authenticators");
            known["enrollment"].is_object()
                && (session.is_elevated() || !self.enrolled && !self.spent.contains(&transaction))
                && !rows.iter().any(taken)
                && rows.iter().filter(confirmed).count() < self.limits[0]
        } else {
            known["enrollment"] == "active"
                && !session.is_elevated()
                && self.email_counts
                && !self.spent.contains(&transaction)
        };
        let left = self.pairs.get(&(transaction, authenticator.id().to_string())).copied();
        (allowed && left != Some(0)).then(|| Waiting { authenticator: authenticator.id(), confirms })
    }

    pub(crate) fn succeeded(
        &mut self,
        session: &Session,
        waiting: &Waiting,
        completed: bool,
        codes_live: bool,
    ) {
        let id = waiting.authenticator.to_string();
        assert!(!self.disabled.contains(&id));
        self.failures.insert(id, 0);
        self.enrolled |= waiting.confirms && self.email_counts;
        assert_eq!(completed, self.email_counts && !session.is_elevated());
        if completed {
            assert!(self.spent.insert(name(session.transaction())), "a transaction issues one token");
        }
        if codes_live {
            // Which of the sets that were shown is live, the next use tells.
            self.live = None;
        }
    }

    pub(crate) fn failed(
        &mut self,
        session: &Session,
        waiting: &Waiting,
        attempts_left: u8,
        record: &Account,
    ) {
        let id = waiting.authenticator.to_string();
        let failures = self.failures.entry(id.clone()).or_insert(0);
        *failures += 1;
        let capped = *failures >= self.cap;
        let left = self.pairs.entry((name(session.transaction()), id)).or_insert(self.attempts);
        *left -= 1;
        if capped {
            assert!(attempts_left <= *left);
            *left = attempts_left;
            let active = record.authenticators().iter().find(|known| known.id() == waiting.authenticator);
            let active =
                active.is_some_and(|known| serde_json::to_value(known).unwrap()["enrollment"] == "active");
            assert!(!active, "at the cap an authenticator is no longer active");
        } else {
            assert_eq!(attempts_left, *left, "a wrong code costs one attempt");
        }
    }

    pub(crate) fn may_authenticate(&self, id: &AuthenticatorId) -> bool {
        self.email_counts && !self.disabled.contains(&id.to_string())
    }

    pub(crate) fn pending(&mut self, codes: &[RecoveryCode]) {
        self.shown.extend(codes.iter().map(|code| code.expose().to_owned()));
    }

    pub(crate) fn regenerated(&mut self, codes: &[RecoveryCode]) {
        self.pending(codes);
        self.live = Some(codes.iter().map(|code| code.expose().to_owned()).collect());
    }

    /// An address was provisioned: one that is active enrols, and failures may be carried over, never forgotten.
    pub(crate) fn provisioned(&mut self, id: &AuthenticatorId, record: &Account) {
        let known = record.authenticators().iter().find(|known| known.id() == *id).expect("it is there");
        let active = serde_json::to_value(known).unwrap()["enrollment"] == "active";
        self.enrolled |= self.email_counts && active;
        let failures = self.failures.entry(id.to_string()).or_insert(0);
        assert!(known.failures() >= *failures);
        *failures = known.failures();
    }

    /// A removal of the last active one drops the recovery set, too.
    pub(crate) fn removed(&mut self, record: &Account) {
        if record.is_enrolled() != self.enrolled {
            assert!(
                record.recovery_codes_left() == 0
                    && record
                        .authenticators()
                        .iter()
                        .all(|known| { serde_json::to_value(known).unwrap()["enrollment"].is_object() })
            );
            self.enrolled = false;
            self.live = Some(BTreeSet::new());
        }
    }

    pub(crate) fn reset(&mut self) {
        self.enrolled = false;
        self.live = Some(BTreeSet::new());
    }

    /// Whether a recovery code must be taken or refused as wrong, if it is evaluated at all; nothing if that is unknown.
    pub(crate) fn recovers(&self, session: &Session, code: &RecoveryCode) -> Option<bool> {
        if let Some(used) = self.used.get(code.expose()) {
            return if *used == session.transaction() { None } else { Some(false) };
        }
        if !self.shown.contains(code.expose()) {
            return Some(false);
        }
        self.live.as_ref().map(|live| live.contains(code.expose()))
    }

    pub(crate) fn recovered(&mut self, session: &Session, code: &RecoveryCode, answer: &Recovered) {
        let transaction = session.transaction();
        let used = *self.used.entry(code.expose().to_owned()).or_insert(transaction);
        assert_eq!(used, transaction, "a recovery code works in one transaction");
        let first = self.spent.insert(name(transaction));
        assert_eq!(first, !answer.repeated, "a transaction issues one token");
        if let Some(next) = &answer.replacement {
            self.shown.insert(next.expose().to_owned());
        }
        if let Some(live) = &mut self.live {
            live.remove(code.expose());
            live.extend(answer.replacement.iter().map(|next| next.expose().to_owned()));
            assert_eq!(live.len(), usize::from(answer.remaining));
        }
    }

    pub(crate) fn recovery_failed(&mut self, now: OffsetDateTime) {
        let now = millis(now);
        let empty = self.recovery.is_empty(self.recovery_rate, now);
        assert!(!(empty && self.refuses_recovery), "an empty bucket refuses");
        if !empty {
            self.recovery.charge(self.recovery_rate, now);
        }
    }

    /// Takes over what a step did that nobody saw.
    pub(crate) fn adopt(&mut self, record: &Account) {
        let stored = serde_json::to_value(record).unwrap();
        let bucket = |name: &str| Bucket(stored["ledger"][name].as_u64().unwrap());
        self.guess = bucket("guess");
        self.long_guess = bucket("long_guess");
        self.recovery = bucket("recovery");
        self.send = bucket("send");
        self.long_send = bucket("long_send");
        self.enrolled = record.is_enrolled();
        self.live = None;
        for row in list(&stored, "transactions") {
            if !row["spent"].is_null() {
                self.spent.insert(row["id"].to_string());
            }
            for pair in list(row, "pairs") {
                let id = pair["authenticator"].as_str().unwrap().to_owned();
                let left = u8::try_from(pair["attempts_left"].as_u64().unwrap()).unwrap();
                self.pairs.insert((row["id"].to_string(), id), left);
            }
        }
        for known in record.authenticators() {
            self.failures.insert(known.id().to_string(), known.failures());
        }
    }

    /// The record is what the model says.
    pub(crate) fn check(&mut self, record: &Account) {
        let stored = serde_json::to_value(record).unwrap();
        let buckets = [
            ("guess", self.guess),
            ("long_guess", self.long_guess),
            ("recovery", self.recovery),
            ("send", self.send),
            ("long_send", self.long_send),
        ];
        for (name, bucket) in buckets {
            assert_eq!(stored["ledger"][name].as_u64(), Some(bucket.0), "the bucket {name}");
        }
        assert_eq!(record.is_enrolled(), self.enrolled, "the latch");
        let open = |row: &&Value| row["enrollment"].is_object();
        let rows = list(&stored, "authenticators");
        let unconfirmed = rows.iter().filter(open).count();
        assert!(unconfirmed <= self.limits[1] && rows.len() - unconfirmed <= self.limits[0]);
        let challenges = list(&stored, "challenges");
        assert!(challenges.len() <= self.limits[2] && list(&stored, "transactions").len() <= 16);
        for challenge in challenges {
            let state = &challenge["state"];
            let id = challenge["id"].to_string();
            match self.finals.get(&id) {
                Some(known) => assert_eq!(known, state, "a final state is final"),
                None if state.get("pending").is_none() => drop(self.finals.insert(id, state.clone())),
                None => {}
            }
        }
        for (row, known) in rows.iter().zip(record.authenticators()) {
            let id = known.id().to_string();
            if row["enrollment"] == "disabled" {
                self.disabled.insert(id.clone());
            } else {
                assert!(!self.disabled.contains(&id), "disabled never returns");
            }
            // One that carries failures over from a changed address begins with them.
            let counted = *self.failures.entry(id).or_insert(known.failures());
            assert_eq!(known.failures(), counted, "failures in a row");
        }
        for row in list(&stored, "transactions") {
            assert_eq!(!row["spent"].is_null(), self.spent.contains(&row["id"].to_string()), "spent");
            for pair in list(row, "pairs") {
                let id = pair["authenticator"].as_str().unwrap().to_owned();
                let left = pair["attempts_left"].as_u64().unwrap();
                let counted = *self.pairs.entry((row["id"].to_string(), id)).or_insert(self.attempts);
                assert_eq!(left, u64::from(counted), "attempts left");
            }
        }
    }
}
