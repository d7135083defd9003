//! Drives random commands, computes beside each what the design asks for, and has the model follow the record.

use std::collections::BTreeMap;

use countersign::{
    Account, Authenticator, BindingCode, Challenge, ChallengeRequest, ChallengeState, DeliveryReport, Denial,
    Effect, EffectId, ElevatedScopes, Enrollment, OobCode, Outcome, Policy, Purpose, RecoveryCode,
    RecoveryThrottle, Session, Settings, Step, Swap, TransactionId,
};
use serde_json::Value;
use time::{Duration, OffsetDateTime};

use crate::{
    model::{Done, Model},
    support::{World, address, client, json, millis, subject, wrong},
};

#[derive(Clone, Copy, Debug)]
pub enum Guess {
    Right,
    Wrong,
    /// The first code that this handle had, or another handle's.
    Stale,
}

#[derive(Clone, Debug)]
pub enum Op {
    Login,
    /// A session of one of three access tokens, for so many seconds.
    Elevate(usize, i64),
    Associate(usize, usize),
    Challenge(usize, Option<usize>),
    Verify(usize, Guess),
    Recover(usize, usize, Guess),
    Remove(usize, usize),
    Regenerate(usize),
    Cancel(usize),
    Provision(usize),
    Deprovision(usize),
    Report(usize, bool),
    Unlock,
    Reset,
    /// The clock moves by so many milliseconds.
    Clock(i64),
    /// The clock is set to so many milliseconds after the epoch.
    Set(i64),
}

/// The last millisecond of the year 9999.
pub const LAST_MS: i64 = 253_402_300_799_999;

/// A handle that a client was given, and the codes that were sent for it, in order.
struct Known {
    session: Session,
    oob_code: OobCode,
    challenge: String,
    codes: Vec<BindingCode>,
}

pub struct Driver {
    world: World,
    model: Model,
    sessions: Vec<Session>,
    known: Vec<Known>,
    mails: Vec<EffectId>,
    /// Recovery codes that were shown with an enrolment, until it is confirmed.
    shown: BTreeMap<String, Vec<String>>,
    live: Vec<String>,
    used: Vec<String>,
    /// The set and the code that spent a transaction, and the code that replaced it.
    spent: BTreeMap<String, (Value, String, Option<String>)>,
    loads: usize,
}

impl Driver {
    pub fn new(settings: Settings) -> Self {
        let policy = Policy::new(settings).unwrap();
        let (sessions, known, mails, live, used) = Default::default();
        let (world, model) = (World::new(policy.clone()), Model::new(policy));
        let (shown, spent) = (BTreeMap::new(), BTreeMap::new());
        Self { world, model, sessions, known, mails, shown, live, used, spent, loads: 0 }
    }

    /// The stored record, read from its stored form.
    fn load(&mut self) -> Account {
        let account = self.world.account();
        self.loads += 1;
        match self.world.store.load(&subject()) {
            None => account,
            Some(_) if self.loads.is_multiple_of(2) => serde_json::from_value(json(&account)).unwrap(),
            Some(_) => postcard::from_bytes(&postcard::to_stdvec(&account).unwrap()).unwrap(),
        }
    }

    /// Stores a step and has the model follow it; gives the result, and the record as it was and is.
    fn finish<T>(
        &mut self,
        before: Account,
        step: Step<T>,
        session: Option<&Session>,
    ) -> (Result<T, Denial>, Done) {
        let writes = step.writes();
        let (write, sealed) = step.into_parts();
        assert_eq!(write.is_some(), writes);
        let write = write.map(|write| {
            self.world.store.put(write.record);
            (write.expected, write.outbox)
        });
        let after = if writes { self.world.account() } else { before.clone() };
        let outcome = sealed.open(Swap::Stored).done().unwrap();
        let Outcome { result, effects, audit, .. } = outcome;
        let verdict = result.as_ref().map(|_| ()).map_err(|denial| *denial);
        for effect in &effects {
            if let Effect::SendEmail(mail) = effect {
                self.mails.push(mail.id);
            }
        }
        let begun = session.map(|session| millis(session.begun()));
        let done = Done {
            command: audit.command,
            before,
            after,
            write,
            effects,
            audit,
            verdict,
            now: self.world.now,
            begun,
        };
        self.model.follow(&self.world.verifier, &done);
        (result, done)
    }

    /// One of the latest sessions.
    fn session(&self, place: usize) -> Option<Session> {
        self.sessions.iter().rev().nth(place % self.sessions.len().max(1)).cloned()
    }

    /// The place of one of the latest handles.
    fn handle(&self, place: usize) -> Option<usize> {
        self.known.len().checked_sub(1 + place % self.known.len().max(1))
    }

    /// Notes the handle that was given, and the code if one was sent.
    fn note(&mut self, session: Session, oob_code: OobCode, done: &Done) {
        let sent = done.effects.iter().find_map(|effect| match effect {
            Effect::SendEmail(mail) => Some(mail.code.clone()),
            _ => None,
        });
        let place = self.known.iter().position(|known| known.oob_code.expose() == oob_code.expose());
        let place = place.unwrap_or_else(|| {
            let newest = done.after.challenges().last().expect("a challenge was issued");
            let challenge = format!("{:?}", newest.id());
            self.known.push(Known { session, oob_code, challenge, codes: Vec::new() });
            self.known.len() - 1
        });
        self.known[place].codes.extend(sent);
    }

    pub fn run(&mut self, op: &Op) {
        let now = self.world.now;
        match *op {
            Op::Login => {
                let token = self.world.begin();
                let session = self.world.verifier.open(token.expose(), Some(&client()), now).unwrap();
                self.sessions.push(session);
            }
            Op::Elevate(token, span) => {
                let transaction = TransactionId::from_token_id(&format!("token-{token}"));
                let until = now.checked_add(Duration::seconds(span)).unwrap_or(now);
                let scopes = ElevatedScopes::ALL;
                self.sessions.push(Session::elevated(subject(), client(), transaction, scopes, now, until));
            }
            Op::Clock(by) => self.set(i64::try_from(millis(now)).unwrap().saturating_add(by)),
            Op::Set(to) => self.set(to),
            Op::Associate(session, to) => {
                let Some(session) = self.session(session) else { return };
                let (before, to) = (self.load(), address(&format!("user{to}@example.com")));
                let rng = &mut self.world.rng;
                let step = self.world.verifier.associate(&session, before.clone(), to, now, rng).unwrap();
                let (result, done) = self.finish(before, step, Some(&session));
                assert_ne!(result.as_ref().err(), Some(&Denial::UnknownAuthenticator));
                if let Ok(associated) = result {
                    let codes = associated.recovery_codes.unwrap_or_default();
                    let codes = codes.iter().map(|code| code.expose().to_owned()).collect();
                    let earlier = self.shown.insert(associated.authenticator.to_string(), Vec::clone(&codes));
                    assert!(earlier.is_none_or(|earlier| earlier == codes), "the same codes are shown again");
                    self.note(session, associated.oob_code, &done);
                }
            }
            Op::Challenge(session, id) => {
                let Some(session) = self.session(session) else { return };
                let before = self.load();
                let ids: Vec<_> = before.authenticators().iter().map(|known| known.id()).collect();
                let authenticator = id.and_then(|place| ids.get(place % ids.len().max(1)).copied());
                let request = ChallengeRequest { authenticator, ..ChallengeRequest::default() };
                let rng = &mut self.world.rng;
                let step =
                    self.world.verifier.challenge(&session, before.clone(), &request, now, rng).unwrap();
                let (result, done) = self.finish(before, step, Some(&session));
                if let Ok(challenged) = result {
                    self.note(session, challenged.oob_code, &done);
                }
            }
            Op::Verify(handle, guess) => self.verify(handle, guess),
            Op::Recover(session, code, guess) => self.recover(session, code, guess),
            Op::Remove(session, id) => {
                let (Some(session), before) = (self.session(session), self.load()) else { return };
                let ids: Vec<_> = before.authenticators().iter().map(|known| known.id()).collect();
                let Some(id) = ids.get(id % ids.len().max(1)) else { return };
                let step = self.world.verifier.remove(&session, before.clone(), *id, now);
                let _ = self.finish(before, step, Some(&session));
            }
            Op::Regenerate(session) => {
                let (Some(session), before) = (self.session(session), self.load()) else { return };
                let rng = &mut self.world.rng;
                let verifier = &self.world.verifier;
                let step = verifier.regenerate_recovery_codes(&session, before.clone(), now, rng).unwrap();
                if let (Ok(codes), _) = self.finish(before, step, Some(&session)) {
                    self.live = codes.iter().map(|code| code.expose().to_owned()).collect();
                }
            }
            Op::Cancel(handle) => {
                let Some(known) = self.handle(handle).map(|place| &self.known[place]) else { return };
                let session = known.session.clone();
                let handle = self.world.verifier.open_oob_code(&session, known.oob_code.expose()).unwrap();
                let before = self.load();
                let step = self.world.verifier.cancel(&session, before.clone(), &handle, now);
                let _ = self.finish(before, step, Some(&session));
            }
            Op::Provision(to) => {
                let (before, to) = (self.load(), address(&format!("user{to}@example.com")));
                let rng = &mut self.world.rng;
                let step = self.world.verifier.provision(before.clone(), &to, now, rng).unwrap();
                let _ = self.finish(before, step, None);
            }
            Op::Deprovision(to) => {
                let (before, to) = (self.load(), address(&format!("user{to}@example.com")));
                let step = self.world.verifier.deprovision(before.clone(), &to, now);
                let _ = self.finish(before, step, None);
            }
            Op::Report(mail, failed) => {
                let before = self.load();
                let Some(id) = self.mails.iter().rev().nth(mail) else { return };
                let report = if failed { DeliveryReport::Failed } else { DeliveryReport::Delivered };
                let step = self.world.verifier.report_delivery(before.clone(), *id, report, now);
                let _ = self.finish(before, step, None);
            }
            Op::Unlock => {
                let before = self.load();
                let step = self.world.verifier.unlock(before.clone(), now);
                self.finish(before, step, None).0.unwrap();
            }
            Op::Reset => {
                let before = self.load();
                let step = self.world.verifier.reset(before.clone(), now);
                self.finish(before, step, None).0.unwrap();
            }
        }
        if matches!(op, Op::Remove(..) | Op::Reset) && self.world.account().recovery_codes_left() == 0 {
            self.live.clear();
        }
        assert_eq!(usize::from(self.world.account().recovery_codes_left()), self.live.len());
    }

    fn set(&mut self, to: i64) {
        let to = Duration::milliseconds(to.clamp(0, LAST_MS));
        self.world.now = OffsetDateTime::UNIX_EPOCH + to;
    }

    fn verify(&mut self, handle: usize, guess: Guess) {
        let Some(place) = self.handle(handle) else { return };
        let known = &self.known[place];
        let (session, challenge) = (known.session.clone(), known.challenge.clone());
        let current = known.codes.last().expect("a handle comes with a code").clone();
        let code = match guess {
            Guess::Right => current.clone(),
            Guess::Wrong => wrong(&current),
            Guess::Stale if known.codes.len() > 1 => known.codes[0].clone(),
            Guess::Stale => self.known[(place + 1) % self.known.len()].codes[0].clone(),
        };
        let handle = self.world.verifier.open_oob_code(&session, known.oob_code.expose()).unwrap();
        let before = self.load();
        let evaluable = self.evaluable(&before, &session, &challenge);
        let step = self.world.verifier.verify_oob(&session, before.clone(), &handle, &code, self.world.now);
        let (result, done) = self.finish(before, step, Some(&session));
        assert_eq!(done.audit.evaluated, evaluable, "{result:?}");
        assert_eq!(result.is_ok(), evaluable && code.expose() == current.expose(), "{result:?}");
        if let Ok(verification) = result {
            let (before, after) = (json(&done.before), json(&done.after));
            if before["recovery"].is_null() && !after["recovery"].is_null() {
                self.live = self.shown[&verification.evidence.authenticator.to_string()].clone();
            }
        }
    }

    /// Whether the record takes this session at all.
    fn takes(&self, record: &Value, session: &Session) -> bool {
        let bound = if session.is_elevated() { "elevated_not_before" } else { "not_before" };
        record[bound].as_u64() < Some(millis(session.begun())) && self.world.now < session.expires()
    }

    /// Whether a code for this challenge must be looked at: everything that the design asks for, in one place.
    fn evaluable(&self, account: &Account, session: &Session, challenge: &str) -> bool {
        let (record, now) = (json(account), self.world.now);
        let find = |list: &str, id: &str| {
            record[list].as_array().unwrap().iter().find(|known| known["id"] == *id).cloned()
        };
        let Some(entry) = find("transactions", &format!("{:?}", session.transaction())) else { return false };
        let of_id = |known: &&Challenge| format!("{:?}", known.id()) == challenge;
        let Some(pending) = account.challenges().iter().find(of_id) else { return false };
        let waits = matches!(pending.state(), ChallengeState::Pending(_));
        let ahead = |instant: &Value| instant.as_u64().unwrap() > millis(now);
        let in_time = ahead(&entry["expires"]) && ahead(&find("challenges", challenge).unwrap()["deadline"]);
        let id = pending.authenticator();
        let authenticator = account.authenticators().iter().find(|known| known.id() == id).unwrap();
        let active = |known: &Authenticator| *known.enrollment() == Enrollment::Active;
        let policy = self.world.verifier.policy();
        let unspent = entry["spent"].is_null();
        let fits = match pending.purpose() {
            Purpose::Confirm => {
                let confirmed =
                    |known: &&Authenticator| !matches!(known.enrollment(), Enrollment::Unconfirmed(_));
                let confirmed = account.authenticators().iter().filter(confirmed);
                let same = |known: &Authenticator| known.factor() == authenticator.factor();
                (session.is_elevated() || (unspent && !account.is_enrolled()))
                    && confirmed.clone().count() < usize::from(policy.max_authenticators)
                    && !confirmed.clone().any(|known| active(known) && same(known))
            }
            _ => !session.is_elevated() && unspent && policy.email_may_authenticate && active(authenticator),
        };
        let left = self.model.attempts_left(&format!("{:?}", session.transaction()), &id.to_string());
        waits && in_time && fits && left > 0 && self.takes(&record, session) && !self.model.is_locked(now)
    }

    fn recover(&mut self, session: usize, code: usize, guess: Guess) {
        let Some(session) = self.session(session) else { return };
        let pick = |codes: &[String]| codes.get(code % codes.len().max(1)).cloned();
        let code = match guess {
            Guess::Right => pick(&self.live),
            Guess::Wrong => None,
            Guess::Stale => pick(&self.used),
        };
        let code = code.unwrap_or_else(|| "2".repeat(24));
        let (before, now) = (self.load(), self.world.now);
        let (record, transaction) = (json(&before), format!("{:?}", session.transaction()));
        let entries = record["transactions"].as_array().unwrap();
        let spent = entries.iter().any(|entry| entry["id"] == *transaction && !entry["spent"].is_null());
        let set = record["recovery"]["id"].clone();
        let taken = !session.is_elevated() && self.takes(&record, &session);
        let again = self.spent.get(&transaction).filter(|(of, used, _)| *of == set && *used == code).cloned();
        let refused = self.world.verifier.policy().recovery_throttle == RecoveryThrottle::Refuse
            && self.model.is_empty("recovery", now);
        let evaluable = taken
            && !spent
            && before.is_enrolled()
            && !set.is_null()
            && self.model.attempts_left(&transaction, "") > 0
            && !refused;
        let is_live = self.live.contains(&code);
        let parsed = RecoveryCode::parse(&code).unwrap();
        let step = self.world.verifier.verify_recovery(&session, before.clone(), &parsed, now);
        let (result, done) = self.finish(before, step, Some(&session));
        assert_eq!(done.audit.evaluated, evaluable, "{result:?}");
        let told_again = taken && spent && again.is_some();
        assert_eq!(result.is_ok(), (evaluable && is_live) || told_again, "{result:?}");
        let Ok(recovered) = result else { return };
        let replacement = recovered.replacement.map(|code| code.expose().to_owned());
        if told_again {
            assert!(done.write.is_none() && again.is_some_and(|(.., known)| known == replacement));
            return;
        }
        self.live.retain(|known| *known != code);
        self.live.extend(replacement.clone());
        self.used.push(code.clone());
        self.spent.insert(transaction, (set, code, replacement));
    }
}
