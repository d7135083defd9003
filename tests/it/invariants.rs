//! Random operations under a clock that jumps both ways, against what must hold after every step.
//!
//! The checks read the record in its JSON form and know nothing of the library's own code: they compute locks,
//! charges and final states for themselves. `PROPTEST_CASES` raises the number of runs.

use std::collections::BTreeMap;

use countersign::{
    Account, AuthenticatorId, BindingCode, ChallengeRequest, Denial, Effect, Policy, Session, Step, Swap,
    code::RecoveryCode,
    effect::{DeliveryReport, IssueToken},
    policy::{AtCap, FactorUse, Rate, RecoveryThrottle, RecoveryUse, Resend, Settings, WhenExhausted},
    session::TransactionId,
    step::{Committed, Effects},
};
use countersign_testkit::{World, address, client, subject, wrong};
use proptest::prelude::*;
use serde_json::Value;
use time::{Duration, OffsetDateTime};

#[derive(Clone, Debug)]
enum Operation {
    Begin,
    Elevate,
    Associate { session: usize, address: u8 },
    Challenge { session: usize, authenticator: Option<usize> },
    Verify { handle: usize, right: bool, own_session: bool },
    Recover { session: usize, code: usize, right: bool },
    Cancel { handle: usize },
    Remove { session: usize, authenticator: usize },
    Regenerate { session: usize },
    Provision { address: u8 },
    Deprovision { address: u8 },
    Report { failed: bool },
    Unlock,
    Reset,
    Clock(i64),
}

/// An operation, and whether the store loses its swap to somebody else.
fn operations() -> impl Strategy<Value = Vec<(Operation, bool)>> {
    use Operation::{
        Associate, Begin, Cancel, Challenge, Clock, Deprovision, Elevate, Provision, Recover, Regenerate,
        Remove, Report, Reset, Unlock, Verify,
    };
    // The latest session, handle or authenticator most of the time.
    let index = prop_oneof![6 => Just(0_usize), 3 => Just(1), 1 => 2..8_usize];
    let seconds = prop_oneof![
        12 => 0..40_i64,
        4 => 40..400_i64,
        2 => -400..0_i64,
        1 => prop::sample::select(vec![4_000, 86_400, -86_400, 400_000_000, -400_000_000, i64::MIN, i64::MAX]),
    ];
    let operation = prop_oneof![
        24 => Just(Begin),
        4 => Just(Elevate),
        16 => (index.clone(), 0..4_u8).prop_map(|(session, address)| Associate { session, address }),
        24 => (index.clone(), prop::option::weighted(0.3, index.clone()))
            .prop_map(|(session, authenticator)| Challenge { session, authenticator }),
        50 => (index.clone(), prop::bool::weighted(0.4), prop::bool::weighted(0.95))
            .prop_map(|(handle, right, own_session)| Verify { handle, right, own_session }),
        12 => (index.clone(), 0..4_usize, any::<bool>())
            .prop_map(|(session, code, right)| Recover { session, code, right }),
        3 => index.clone().prop_map(|handle| Cancel { handle }),
        3 => (index.clone(), index.clone()).prop_map(|(session, authenticator)| Remove { session, authenticator }),
        2 => index.prop_map(|session| Regenerate { session }),
        2 => (0..4_u8).prop_map(|address| Provision { address }),
        1 => (0..4_u8).prop_map(|address| Deprovision { address }),
        3 => any::<bool>().prop_map(|failed| Report { failed }),
        1 => Just(Unlock),
        1 => Just(Reset),
        24 => seconds.prop_map(Clock),
    ];
    prop::collection::vec((operation, prop::bool::weighted(0.05)), 1..200)
}

fn policies() -> impl Strategy<Value = Policy> {
    let exhausted =
        prop::sample::select(vec![WhenExhausted::Harden, WhenExhausted::HardenMessages, WhenExhausted::Lock]);
    let limits = (exhausted, any::<bool>(), 1..=4_u8, 1..=4_u32);
    let small = (1..=3_u8, limits, any::<bool>(), any::<bool>(), any::<bool>(), 0..2_i64).prop_map(
        |(attempts, (exhausted, disable, failure_cap, burst), rotate, replace, refuse, cool_down)| {
            let mut settings = Settings::default();
            settings.when_exhausted = exhausted;
            settings.at_cap = if disable { AtCap::Disable } else { AtCap::Harden };
            settings.attempts = attempts;
            settings.failure_cap = failure_cap;
            settings.guess_bucket = Rate::new(burst, Duration::seconds(60));
            settings.long_guess_budget = Some(Rate::new(burst + 2, Duration::hours(1)));
            settings.recovery_bucket = Rate::new(burst, Duration::seconds(60));
            settings.resend = if rotate { Resend::Rotate } else { Resend::Repeat };
            settings.recovery_use = if replace { RecoveryUse::Replace } else { RecoveryUse::Consume };
            settings.recovery_throttle =
                if refuse { RecoveryThrottle::Refuse } else { RecoveryThrottle::Notify };
            settings.cool_down = Duration::seconds(cool_down * 10);
            settings.recovery_codes = 2;
            settings.max_authenticators = 2;
            settings.max_unconfirmed = 1;
            settings.max_challenges = 2;
            settings.send_bucket = Rate::new(20, Duration::seconds(10));
            settings.long_send_budget = None;
            Policy::new(settings).unwrap()
        },
    );
    prop_oneof![Just(Policy::default()), Just(Policy::auth0()), Just(Policy::strict()), small.clone(), small]
}

/// A bucket of a record that may not be there yet.
fn bucket(record: &Value, name: &str) -> u64 {
    if record.is_null() { 0 } else { countersign_testkit::bucket_of(record, name) }
}

/// A handle that was given out, with the code that was mailed last for it.
struct Given {
    session: Session,
    oob_code: String,
    code: BindingCode,
}

struct Run {
    world: World,
    policy: Policy,
    sessions: Vec<Session>,
    given: Vec<Given>,
    recovery: Vec<RecoveryCode>,
    last_mail: Option<countersign::effect::EffectId>,
    // What the checks remember.
    final_states: BTreeMap<String, Value>,
    disabled: Vec<Value>,
    tokens: BTreeMap<TransactionId, IssueToken>,
    recovered: BTreeMap<String, TransactionId>,
}

/// What a step came to, as far as the checks care.
enum Came<T> {
    Lost,
    Done(Result<T, Denial>, Effects),
}

impl Run {
    fn new(policy: Policy) -> Self {
        let (sessions, given, recovery) = (Vec::new(), Vec::new(), Vec::new());
        let (final_states, disabled, tokens, recovered) = Default::default();
        let world = World::new(policy.clone());
        Self {
            world,
            policy,
            sessions,
            given,
            recovery,
            last_mail: None,
            final_states,
            disabled,
            tokens,
            recovered,
        }
    }

    /// Begins where most accounts are: with one address confirmed and a session open.
    fn enroll(&mut self) {
        self.take(Operation::Begin, false);
        self.take(Operation::Associate { session: 0, address: 0 }, false);
        self.take(Operation::Verify { handle: 0, right: true, own_session: true }, false);
        self.take(Operation::Clock(60), false);
        self.take(Operation::Begin, false);
    }

    fn json(&self) -> Value {
        self.world.store.load(&subject()).map_or(Value::Null, |account| countersign_testkit::json(&account))
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.world.now.unix_timestamp_nanos() / 1_000_000).unwrap_or(0)
    }

    /// Commits a step through the store, or loses it, and checks what holds of every step.
    fn commit<T>(&mut self, step: Step<T>, lose: bool, unlocks: bool, unenrolls: bool) -> Came<T> {
        let before = self.json();
        let writes = step.writes();
        let swaps = *self.world.store.swaps.borrow();
        let committed = step.commit(|write| if lose { Ok(Swap::Lost) } else { self.world.store.swap(write) });
        let after = self.json();
        match committed.unwrap() {
            Committed::Lost => {
                assert!(lose && before == after);
                Came::Lost
            }
            Committed::Done(outcome) => {
                assert_eq!(*self.world.store.swaps.borrow() - swaps, u32::from(writes));
                assert_eq!(
                    writes,
                    before != after,
                    "a step that writes changes the record, and no other does"
                );
                let logged = outcome.audit().denial;
                let (result, effects) = outcome.into_parts();
                let denied = result.as_ref().err().copied();
                assert_eq!(logged, denied.map(|denial| denial.code()));
                self.check_record(&before, &after, denied, unlocks, unenrolls);
                self.check_effects(&effects);
                Came::Done(result, effects)
            }
        }
    }

    fn check_record(
        &mut self,
        before: &Value,
        after: &Value,
        denied: Option<Denial>,
        unlocks: bool,
        unenrolls: bool,
    ) {
        if after.is_null() {
            return;
        }
        // It loads as it was saved, in both forms, and is what the next step works on.
        let account = self.world.store.load(&subject()).unwrap();
        let json: Account = serde_json::from_value(serde_json::to_value(&account).unwrap()).unwrap();
        let postcard: Account = postcard::from_bytes(&postcard::to_stdvec(&account).unwrap()).unwrap();
        assert_eq!(json, account);
        assert_eq!(postcard, account);
        self.world.store.put(postcard);

        // Lists stay within the policy.
        let settings = self.policy.settings();
        let list = |name: &str| after[name].as_array().unwrap();
        let unconfirmed = |row: &&Value| row["enrollment"].is_object();
        let open = list("authenticators").iter().filter(unconfirmed).count();
        assert!(open <= usize::from(settings.max_unconfirmed));
        assert!(list("authenticators").len() - open <= usize::from(settings.max_authenticators));
        for lane in ["unknown", "known"] {
            let of_lane = |name: &str| list(name).iter().filter(|row| row["lane"] == lane).count();
            assert!(of_lane("challenges") <= usize::from(settings.max_challenges));
            assert!(of_lane("transactions") <= 16);
        }

        // Final states are final, and disabled stays disabled.
        for challenge in list("challenges") {
            let id = challenge["id"].as_str().unwrap().to_owned();
            if let Some(state) = self.final_states.get(&id) {
                assert_eq!(state, &challenge["state"]);
            } else if challenge["state"].get("pending").is_none() {
                self.final_states.insert(id, challenge["state"].clone());
            }
        }
        for row in list("authenticators") {
            if row["enrollment"] == "disabled" {
                self.disabled.push(row["id"].clone());
            } else {
                assert!(!self.disabled.contains(&row["id"]));
            }
        }

        // The latch.
        if before["enrolled"] == true && after["enrolled"] == false {
            assert!(unenrolls, "only a removal or a reset ends an enrollment");
        }

        // Attempts only go down, and buckets only fill up, by what was charged and no more.
        for transaction in list("transactions") {
            let was = before["transactions"].as_array().into_iter().flatten();
            let Some(was) = was.into_iter().find(|other| other["id"] == transaction["id"]) else { continue };
            assert!(transaction["recovery_attempts"].as_u64() <= was["recovery_attempts"].as_u64());
            assert!(was["spent"].is_null() || was["spent"] == transaction["spent"]);
            for pair in transaction["pairs"].as_array().unwrap() {
                let mut pairs = was["pairs"].as_array().unwrap().iter();
                if let Some(was) = pairs.find(|other| other["authenticator"] == pair["authenticator"]) {
                    let spent =
                        was["attempts_left"].as_u64().unwrap() - pair["attempts_left"].as_u64().unwrap();
                    match denied {
                        // At the cap of wrong codes in a row an unconfirmed authenticator loses what is left.
                        Some(Denial::InvalidBindingCode { attempts_left }) => {
                            assert!(spent == 0 || spent == 1 || attempts_left == 0);
                        }
                        _ => assert_eq!(spent, 0),
                    }
                }
            }
        }
        if unlocks {
            return;
        }
        let charged = |name: &str, rate: Option<Rate>, charge: bool| {
            let rate = rate.map_or(0, |rate| u64::try_from(rate.every().whole_milliseconds()).unwrap());
            let full = bucket(before, name).max(self.now_ms());
            let expected = if charge && rate > 0 { full.saturating_add(rate) } else { bucket(before, name) };
            assert_eq!(bucket(after, name), expected, "{name}");
        };
        let guessed = matches!(denied, Some(Denial::InvalidBindingCode { .. }));
        let moved = ["guess", "known_guess"].map(|name| bucket(after, name) != bucket(before, name));
        assert_eq!(moved.into_iter().filter(|&moved| moved).count(), usize::from(guessed), "one lane pays");
        for (lane, moved) in ["", "known_"].into_iter().zip(moved) {
            charged(&format!("{lane}guess"), Some(settings.guess_bucket), moved);
            charged(&format!("{lane}long_guess"), settings.long_guess_budget, moved);
        }
        for name in ["recovery", "send", "long_send", "known_send", "known_long_send", "enrollment"] {
            assert!(bucket(after, name) >= bucket(before, name), "{name}");
        }
    }

    fn check_effects(&mut self, effects: &[Effect]) {
        for effect in effects {
            match effect {
                Effect::IssueToken(token) => {
                    let of_another = self.tokens.values().filter(|known| known.id() == token.id());
                    assert!(of_another.clone().all(|known| known == token), "one id, one token");
                }
                Effect::Send(mail) => self.last_mail = Some(mail.id),
                _ => {}
            }
        }
    }

    /// A token was issued in a transaction: it is the only one there will ever be.
    fn issued(&mut self, session: &Session, effects: &[Effect]) {
        let tokens: Vec<_> = effects
            .iter()
            .filter_map(|effect| if let Effect::IssueToken(token) = effect { Some(token) } else { None })
            .collect();
        assert!(tokens.len() <= 1);
        for token in tokens {
            let known = self.tokens.entry(session.transaction()).or_insert_with(|| token.clone());
            assert_eq!(known, token, "a transaction issues one token");
        }
    }

    /// Whether the lane has no guess left.
    fn is_empty(&self, record: &Value, lane: &str) -> bool {
        let prefix = if lane == "known" { "known_" } else { "" };
        let empty = |name: &str, rate: Option<Rate>| {
            rate.is_some_and(|rate| {
                let every = u64::try_from(rate.every().whole_milliseconds()).unwrap();
                let ahead = bucket(record, &format!("{prefix}{name}")).saturating_sub(self.now_ms());
                ahead > every * u64::from(rate.burst() - 1)
            })
        };
        let settings = self.policy.settings();
        empty("guess", Some(settings.guess_bucket)) || empty("long_guess", settings.long_guess_budget)
    }

    fn account(&mut self) -> Account {
        self.world.account()
    }

    fn session(&self, index: usize) -> Option<Session> {
        self.sessions.iter().rev().nth(index).cloned()
    }

    fn address(number: u8) -> countersign::EmailAddress {
        address(&format!("address.{number}@example.com"))
    }

    fn give(&mut self, session: &Session, oob_code: String, effects: &[Effect]) {
        let mail =
            effects.iter().find_map(|effect| if let Effect::Send(mail) = effect { Some(mail) } else { None });
        let Some(mail) = mail else { return };
        self.given.retain(|given| given.oob_code != oob_code);
        self.given.push(Given {
            session: session.clone(),
            oob_code,
            code: mail.content.code().unwrap().clone(),
        });
    }

    fn take(&mut self, operation: Operation, lose: bool) {
        let now = self.world.now;
        match operation {
            Operation::Begin => {
                let token = self.world.begin();
                self.sessions.extend(self.world.verifier.open(token.expose(), Some(&client()), now));
            }
            Operation::Elevate => {
                let session = self.world.elevated();
                self.sessions.push(session);
            }
            Operation::Associate { session, address } => {
                let Some(session) = self.session(session) else { return };
                let account = self.account();
                let enrolled = account.is_enrolled();
                let rng = &mut self.world.rng;
                let step = self.world.verifier.associate(
                    &session,
                    account,
                    &Self::address(address).into(),
                    now,
                    &countersign_testkit::entropy(rng),
                );
                if let Came::Done(Ok(answer), effects) = self.commit(step, lose, false, false) {
                    assert!(
                        session.is_elevated() || !enrolled,
                        "a first factor enrolls the first authenticator only"
                    );
                    let sent = answer.setup.sent().unwrap().clone();
                    self.recovery.extend(answer.recovery_codes.unwrap_or_default());
                    self.give(&session, sent.oob_code.expose().to_owned(), &effects);
                }
            }
            Operation::Challenge { session, authenticator } => {
                let Some(session) = self.session(session) else { return };
                let account = self.account();
                let id =
                    |index| account.authenticators().get(index).map(countersign::record::Authenticator::id);
                let request = authenticator.and_then(id).map_or_else(ChallengeRequest::default, |id| {
                    ChallengeRequest::default().authenticator(id)
                });
                let rng = &mut self.world.rng;
                let step = self.world.verifier.challenge(
                    &session,
                    account,
                    &request,
                    now,
                    &countersign_testkit::entropy(rng),
                );
                let before = self.json();
                if let Came::Done(Ok(answer), effects) = self.commit(step, lose, false, false) {
                    assert!(!session.is_elevated());
                    if self.is_empty(&before, "unknown") {
                        assert_ne!(self.policy.settings().when_exhausted, WhenExhausted::Lock);
                        assert!(answer.prompt.sent().unwrap().form.is_long());
                    }
                    let sent = answer.prompt.sent().unwrap();
                    self.give(&session, sent.oob_code.expose().to_owned(), &effects);
                }
            }
            Operation::Verify { handle, right, own_session } => self.verify(handle, right, own_session, lose),
            Operation::Recover { session, code, right } => self.recover(session, code, right, lose),
            Operation::Cancel { handle } => {
                let Some(given) = self.given.iter().rev().nth(handle) else { return };
                let session = given.session.clone();
                let handle = self.world.verifier.open_oob_code(&session, &given.oob_code).unwrap();
                let account = self.account();
                let step = self.world.verifier.cancel(&session, account, &handle, now);
                self.commit(step, lose, false, false);
            }
            Operation::Remove { session, authenticator } => {
                let Some(session) = self.session(session) else { return };
                let account = self.account();
                let Some(id) =
                    account.authenticators().get(authenticator).map(countersign::record::Authenticator::id)
                else {
                    return;
                };
                let step = self.world.verifier.remove(&session, account, id, now);
                if let Came::Done(Ok(_), _) = self.commit(step, lose, false, true) {
                    assert!(session.is_elevated());
                }
            }
            Operation::Regenerate { session } => {
                let Some(session) = self.session(session) else { return };
                let account = self.account();
                let rng = &mut self.world.rng;
                let step = self.world.verifier.regenerate_recovery_codes(
                    &session,
                    account,
                    now,
                    &countersign_testkit::entropy(rng),
                );
                if let Came::Done(Ok(new), _) = self.commit(step, lose, false, false) {
                    assert!(session.is_elevated());
                    self.recovery = new.recovery_codes;
                }
            }
            Operation::Provision { address } => {
                let account = self.account();
                let rng = &mut self.world.rng;
                let step = self.world.verifier.provision(
                    account,
                    &Self::address(address).into(),
                    now,
                    &countersign_testkit::entropy(rng),
                );
                self.commit::<AuthenticatorId>(step, lose, false, false);
            }
            Operation::Deprovision { address } => {
                let account = self.account();
                let step = self.world.verifier.deprovision(account, &Self::address(address).into(), now);
                self.commit(step, lose, false, false);
            }
            Operation::Report { failed } => {
                let Some(message) = self.last_mail else { return };
                let report = if failed { DeliveryReport::Failed } else { DeliveryReport::Delivered };
                let account = self.account();
                let step = self.world.verifier.report_delivery(account, message, report, now);
                self.commit(step, lose, false, false);
            }
            Operation::Unlock => {
                let account = self.account();
                let step = self.world.verifier.unlock(account, now);
                self.commit(step, lose, true, false);
            }
            Operation::Reset => {
                let account = self.account();
                let step = self.world.verifier.reset(account, now);
                self.commit(step, lose, false, true);
            }
            Operation::Clock(i64::MIN) => self.world.now = OffsetDateTime::UNIX_EPOCH,
            Operation::Clock(i64::MAX) => self.world.now = time::macros::datetime!(9999-12-31 23:59:59 UTC),
            Operation::Clock(seconds) => self.world.now = now.saturating_add(Duration::seconds(seconds)),
        }
    }

    fn verify(&mut self, handle: usize, right: bool, own_session: bool, lose: bool) {
        let now = self.world.now;
        let Some(given) = self.given.iter().rev().nth(handle) else { return };
        let code = if right { given.code.clone() } else { wrong(&given.code) };
        let handle = self.world.verifier.open_oob_code(&given.session, &given.oob_code).unwrap();
        let own = given.session.clone();
        let session = if own_session { own.clone() } else { self.session(0).unwrap_or(own.clone()) };
        let account = self.account();
        let before = self.json();
        let step = self.world.verifier.verify_oob(&session, account, &handle, &code, now, None);
        let Came::Done(result, effects) = self.commit(step, lose, false, false) else { return };
        self.issued(&session, &effects);
        let Ok(verification) = result else { return };
        // A success needs a waiting challenge before its deadline, of this session, with attempts left, for
        // an authenticator in the right state, in a lane that has a guess left if the code is short or the
        // policy locks.
        assert_eq!(session.transaction(), own.transaction());
        let id = verification.evidence.authenticator.unwrap().to_string();
        let challenges = before["challenges"].as_array().unwrap().iter();
        let waiting = challenges.filter(|challenge| {
            challenge["authenticator"] == id.as_str()
                && challenge["state"].get("pending").is_some()
                && challenge["deadline"].as_u64().unwrap() > self.now_ms()
                && (!self.is_empty(&before, challenge["lane"].as_str().unwrap())
                    || challenge["form"] == "long"
                        && self.policy.settings().when_exhausted != WhenExhausted::Lock)
        });
        assert!(waiting.count() > 0);
        let row =
            before["authenticators"].as_array().unwrap().iter().find(|row| row["id"] == id.as_str()).unwrap();
        match verification.purpose {
            countersign::command::Purpose::Confirm => {
                assert!(row["enrollment"].get("unconfirmed").is_some());
                assert!(session.is_elevated() || before["enrolled"] == false);
            }
            _ => assert!(row["enrollment"] == "active" && !session.is_elevated()),
        }
        let issues = effects.iter().any(|effect| matches!(effect, Effect::IssueToken(_)));
        assert_eq!(verification.completed, issues);
        assert!(!issues || self.policy.settings().factors.email == FactorUse::Authenticate);
    }

    fn recover(&mut self, session: usize, code: usize, right: bool, lose: bool) {
        let now = self.world.now;
        let Some(session) = self.session(session) else { return };
        let unknown = RecoveryCode::parse("222222222222222222222222").unwrap();
        let code = self.recovery.iter().rev().nth(code).filter(|_| right).cloned().unwrap_or(unknown);
        let account = self.account();
        let (before, now_ms) = (self.json(), self.now_ms());
        let step = self.world.verifier.verify_recovery(&session, account, &code, now);
        let Came::Done(result, effects) = self.commit(step, lose, false, false) else { return };
        self.issued(&session, &effects);
        match result {
            Ok(recovered) => {
                assert!(before["enrolled"] == true && !session.is_elevated());
                let used = self.recovered.entry(code.expose().to_owned()).or_insert(session.transaction());
                assert_eq!(*used, session.transaction(), "a code works in one transaction");
                self.recovery.extend(recovered.replacement);
                assert_eq!(
                    effects.iter().filter(|effect| matches!(effect, Effect::IssueToken(_))).count(),
                    1
                );
            }
            Err(Denial::InvalidRecoveryCode) => {
                let attempts = |record: &Value| {
                    let id = serde_json::to_value(session.transaction()).unwrap();
                    let mut rows = record["transactions"].as_array().into_iter().flatten();
                    rows.find(|row| row["id"] == id).map(|row| row["recovery_attempts"].as_u64().unwrap())
                };
                let rate = self.policy.settings().recovery_bucket;
                let every = u64::try_from(rate.every().whole_milliseconds()).unwrap();
                let spare = every * u64::from(rate.burst() - 1);
                if bucket(&before, "recovery").saturating_sub(now_ms) > spare {
                    assert_eq!(self.json(), before, "an empty bucket counts nothing, and nothing is written");
                } else {
                    let left = attempts(&before).unwrap_or(5);
                    assert_eq!(attempts(&self.json()), Some(left - 1));
                }
            }
            Err(_) => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 4_000, ..ProptestConfig::default() })]

    #[test]
    fn the_invariants_hold_after_every_step(policy in policies(), operations in operations()) {
        let mut run = Run::new(policy);
        run.enroll();
        for (operation, lose) in operations {
            run.take(operation, lose);
        }
    }
}
