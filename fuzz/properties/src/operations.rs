//! `operations`: commands in any order under a clock that jumps, against a plain model that counts for itself.
//!
//! The first two bytes choose the policy, each further three a command; with the first byte from 0xc0 on it is a record
//! of one address alone, in `standalone.rs`. Before every step the model says which verdict it must give, denials to the
//! letter, which audit event, and whom it tells of what; after it, what the buckets, attempts, failures and sets of codes
//! must be. The model is in `model.rs`, `rules.rs` and `outcome.rs`, and shares no code with the library.

use arbitrary::{Arbitrary, Unstructured};
use countersign::{
    Account, AuthenticatorId, BindingCode, ChallengeRequest, ChallengeTypes, Committed, Delivery,
    DeliveryReport, Denial, Descriptor, Effect, EffectId, ElevatedScopes, Message, Outcome, Policy, Purpose,
    Rate, RecoveryCode, RecoveryThrottle, RecoveryUse, RenderError, Requirements, Resend, Revision, Session,
    Settings, Step, Subject, Swap, TransactionId, Verifier,
};
use rand::rngs::ChaCha20Rng;
use time::{Duration, OffsetDateTime};

use crate::{
    budgets::{Budgets, instant, millis},
    facts::{Facts, Known, State},
    fixture::{START, SUBJECT, account, address, client, first_factor, rng, subject, verifier},
    model::{Code, Model},
    outcome::{self, Expected},
    rules::{About, Login, Recovery, Rules, Sending},
};

/// One command: what, on what (counted from the latest), and how. The upper half of `what` is a variant of the command.
#[derive(Arbitrary, Clone, Copy, Debug)]
struct Command {
    what: u8,
    on: u8,
    how: u8,
}

pub const BEGIN: u8 = 0;
pub const ASSOCIATE: u8 = 1;
pub const CHALLENGE: u8 = 2;
pub const RIGHT: u8 = 3;
pub const WRONG: u8 = 4;
pub const RECOVER: u8 = 5;
pub const CLOCK: u8 = 6;
pub const ELEVATE: u8 = 7;
pub const CANCEL: u8 = 8;
pub const REMOVE: u8 = 9;
pub const REGENERATE: u8 = 10;
pub const PROVISION: u8 = 11;
pub const DEPROVISION: u8 = 12;
pub const REPORT: u8 = 13;
pub const UNLOCK: u8 = 14;
pub const RESET: u8 = 15;
const COMMANDS: u8 = 16;

/// In `how`: the swap is lost, or nobody knows whether it was stored.
pub(crate) const LOST: u8 = 0x80;
pub(crate) const UNKNOWN: u8 = 0x40;

/// Seconds that the clock moves by.
pub(crate) const JUMPS: [i64; 16] = [
    1,
    10,
    31,
    61,
    151,
    301,
    601,
    3_601,
    86_401,
    864_000,
    -1,
    -61,
    -3_600,
    -86_400,
    4_000_000_000,
    -4_000_000_000,
];

/// Journeys to start from, each command as its three bytes.
pub(crate) fn journeys() -> Vec<(&'static str, Vec<[u8; 3]>)> {
    let enrol = [[BEGIN, 0, 0], [ASSOCIATE, 0, 0], [RIGHT, 0, 0], [CLOCK, 0, 3]];
    let sign_in = [[BEGIN, 0, 0], [CHALLENGE, 0, 0], [RIGHT, 0, 0], [CLOCK, 0, 3]];
    let guess =
        [[BEGIN, 0, 0], [CHALLENGE, 0, 0], [WRONG, 0, 0], [WRONG, 0, 0], [RIGHT, 1, 0], [CLOCK, 0, 5]];
    let recover =
        [[BEGIN, 0, 0], [RECOVER, 0, 0], [RECOVER, 0, 0], [BEGIN, 0, 0], [RECOVER, 0, 0], [RECOVER, 99, 1]];
    let elevated = [[ELEVATE, 0, 0], [ASSOCIATE, 0, 1], [RIGHT, 0, 0], [REGENERATE, 0, 0], [REMOVE, 0, 0]];
    let host = [[PROVISION, 2, 0], [REPORT, 0, 0], [DEPROVISION, 2, 0], [UNLOCK, 0, 0], [RESET, 0, 0]];
    let lost =
        [[BEGIN, 0, 0], [CHALLENGE, 0, LOST], [CHALLENGE, 0, UNKNOWN], [CANCEL, 0, 0], [RIGHT, 0, LOST]];
    let jumps: Vec<[u8; 3]> =
        (0..16).flat_map(|jump| [[CLOCK, 0, jump], [BEGIN, 0, 0], [CHALLENGE, 0, 0]]).collect();
    let after = |rest: &[[u8; 3]]| [&enrol[..], rest].concat();
    // Variants: sessions without a client, of another subject, without a scope; challenges that name what they want.
    let variants: Vec<[u8; 3]> = (0..8_u8)
        .flat_map(|variant| {
            let of = |what: u8| what | variant << 4;
            [
                [of(BEGIN), 0, 0],
                [of(CHALLENGE), 0, 0],
                [ASSOCIATE, 0, 1],
                [RECOVER, 0, 0],
                [of(ELEVATE) | (0x80 * (variant & 1)), 0, variant],
                [ASSOCIATE, 0, 2],
                [of(REMOVE), 0, variant],
            ]
        })
        .collect();
    let doors = [
        [RIGHT, 0, 0x10],
        [CANCEL | 0x10, 0, 0],
        [REGENERATE, 0, 0],
        [BEGIN, 0, 0],
        [CHALLENGE, 0, 0],
        [RIGHT, 1, 0],
    ];
    vec![
        ("enrol", enrol.to_vec()),
        ("sign-in", after(&sign_in)),
        ("guess", after(&guess.repeat(4))),
        ("recover", after(&recover)),
        ("elevated", after(&elevated)),
        ("host", after(&host)),
        ("lost", after(&lost)),
        ("jumps", after(&jumps)),
        ("variants", after(&variants)),
        ("doors", after(&doors)),
        ("provisioned", after(&[[PROVISION, 2, 0], [ELEVATE, 0, 0], [REMOVE, 0, 0], [REMOVE, 0, 1]])),
    ]
}

fn policy(choice: u8, shape: u8) -> Policy {
    let small = |shape: u8| {
        let mut settings = Settings::default();
        let burst = u32::from(1 + (shape & 3));
        settings.attempts = 1 + (shape >> 2 & 1) * 2;
        settings.failure_cap = 2 + (shape >> 3 & 1) * 2;
        settings.guess_bucket = Rate::new(burst, Duration::seconds(60));
        settings.long_guess_budget = Some(Rate::new(burst + 2, Duration::hours(1)));
        settings.recovery_bucket = Rate::new(burst, Duration::seconds(60));
        settings.resend = if shape & 16 == 0 { Resend::Repeat } else { Resend::Rotate };
        settings.recovery_use = if shape & 32 == 0 { RecoveryUse::Consume } else { RecoveryUse::Replace };
        settings.recovery_throttle =
            if shape & 64 == 0 { RecoveryThrottle::Notify } else { RecoveryThrottle::Refuse };
        settings.recovery_codes = 2;
        settings.max_authenticators = 2;
        settings.max_unconfirmed = 1;
        settings.max_challenges = 2;
        settings.cool_down = Duration::seconds(i64::from(shape >> 7) * 10);
        settings.send_bucket = Rate::new(20, Duration::seconds(10));
        settings.long_send_budget = None;
        Policy::new(settings).unwrap()
    };
    match choice % 4 {
        0 => Policy::default(),
        1 => Policy::auth0(),
        2 => Policy::strict(),
        _ => small(shape),
    }
}

/// A handle that was given out, and the code that was mailed last for it.
struct Given {
    login: Login,
    oob_code: String,
    code: BindingCode,
    /// Which of its challenge's codes that is.
    generation: u32,
}

/// A message that was sent: for which handle, and as which of its sends.
#[derive(Clone)]
struct Mail {
    id: EffectId,
    oob_code: String,
    sends: u32,
}

struct Run {
    verifier: Verifier,
    rng: ChaCha20Rng,
    now: OffsetDateTime,
    record: Account,
    /// What the record says.
    facts: Facts,
    stored: bool,
    /// The revision that was compared with the model last.
    checked: Option<Revision>,
    model: Model,
    logins: Vec<Login>,
    given: Vec<Given>,
    recovery: Vec<RecoveryCode>,
    mails: Vec<Mail>,
    /// The latest message's descriptor, with the code that it carried.
    outbox: Option<(Descriptor, BindingCode)>,
    tokens: Vec<String>,
    elevations: u32,
}

pub fn check(data: &[u8]) {
    let mut u = Unstructured::new(data);
    let Ok([choice, shape]) = u.arbitrary::<[u8; 2]>() else { return };
    let policy = policy(choice, shape);
    if choice >= 0xc0 {
        return crate::standalone::check(&mut u, policy);
    }
    let settings = policy.settings().clone();
    let record = account(&subject());
    let mut run = Run {
        model: Model::new(Rules { budgets: Budgets::new(&settings), settings }),
        verifier: verifier(policy),
        rng: rng(7),
        now: START,
        facts: Facts::of(&record),
        record,
        stored: false,
        checked: None,
        logins: Vec::new(),
        given: Vec::new(),
        recovery: Vec::new(),
        mails: Vec::new(),
        outbox: None,
        tokens: Vec::new(),
        elevations: 0,
    };
    for _ in 0..64 {
        if u.len() < 3 {
            break;
        }
        let Ok(command) = u.arbitrary() else { break };
        run.take(command);
        run.check();
    }
}

fn latest<T: Clone>(list: &[T], back: u8) -> Option<T> {
    list.iter().rev().nth(usize::from(back % 16)).cloned()
}

/// What was seen of a step.
struct Seen<T> {
    outcome: Outcome<T>,
    outbox: Option<Vec<Descriptor>>,
}

impl Run {
    /// Commits a step as a store would that answers as `how` says. Nothing is seen of a step that was lost; where nobody
    /// knows, the record may have been written, and the outcome is gone.
    fn commit<T>(&mut self, step: Step<T>, how: u8) -> Option<Seen<T>> {
        let before = self.record.clone();
        let expected = self.stored.then(|| before.revision());
        let mut written = None;
        let committed = step.commit(|write| {
            assert_eq!(write.expected, expected, "a step replaces what was loaded");
            assert!(
                expected.is_none() || write.record.revision() != before.revision(),
                "a write is a new revision"
            );
            if how & LOST != 0 {
                return Ok(Swap::Lost);
            }
            written = Some((write.record, write.outbox));
            if how & UNKNOWN != 0 { Err("the connection broke") } else { Ok(Swap::Stored) }
        });
        let (written, outbox) = written.unzip();
        let wrote = written.is_some();
        if let Some(record) = written {
            self.stored = true;
            let bytes = postcard::to_stdvec(&record).unwrap();
            assert!(bytes.len() <= 65_536, "a record of {} bytes", bytes.len());
            // JSON, the slower form, now and then.
            if record.revision().get() % 8 == 0 {
                let text = serde_json::to_vec(&record).unwrap();
                assert_eq!(serde_json::from_slice::<Account>(&text).unwrap(), record);
            }
            // The next step works on what was loaded.
            self.record = postcard::from_bytes(&bytes).unwrap();
            assert_eq!(self.record, record);
            self.facts = Facts::of(&self.record);
        }
        match committed {
            Err(_) => {
                // The verdict is gone; what it did to the record is not, so the model reads it there.
                self.model.adopt(&self.facts);
                None
            }
            Ok(Committed::Lost) => {
                assert!(how & LOST != 0 && !wrote);
                assert_eq!(self.record, before);
                None
            }
            Ok(Committed::Done(outcome)) => {
                assert_eq!(wrote, self.record != before, "a step that writes changes the record");
                Some(Seen { outcome, outbox })
            }
        }
    }

    /// Compares what was seen with what the model says of it.
    fn judge<T>(&self, seen: &Seen<T>, before: &Facts, mut expected: Expected) {
        if seen.outbox.is_some() {
            // To unlock is also to take back what a wild clock has put on the record.
            let updated = if expected.command == "unlock" { 0 } else { before.updated };
            expected.told.extend(outcome::clock(updated, expected.at));
        }
        let mut secrets: Vec<&str> = vec!["@example.com"];
        secrets.extend(self.given.iter().map(|given| given.oob_code.as_str()));
        secrets.extend(self.tokens.iter().map(String::as_str));
        secrets.extend(self.recovery.iter().map(RecoveryCode::expose));
        outcome::check(&seen.outcome, seen.outbox.as_deref(), expected, &secrets);
    }

    /// What holds after every step, and what every reader must be told of it.
    fn check(&mut self) {
        let now = millis(self.now);
        // A command that wrote nothing charged nothing: what was checked before still stands.
        if self.checked != Some(self.record.revision()) {
            self.model.check(&self.facts);
            self.checked = Some(self.record.revision());
        }
        let locked = self.model.rules.budgets.locked_until(now).map(instant);
        assert_eq!(self.verifier.locked_until(&self.record, self.now), locked, "locked until");
        self.check_requirements();
        if let Some(login) = self.logins.last() {
            let listed = self.verifier.authenticators(&login.session, &self.record, self.now);
            let ids = listed.map(|list| list.iter().map(|view| view.id.to_string()).collect::<Vec<_>>());
            assert_eq!(ids, Rules::list(login, &self.facts, now), "the list");
        }
        let Some((descriptor, code)) = &self.outbox else { return };
        let Descriptor::SendEmail(email) = descriptor else { unreachable!("only mails are kept") };
        let is_it = |id: &countersign::ChallengeId| *id == email.challenge;
        let place = self.record.challenges().iter().position(|challenge| is_it(&challenge.id()));
        let asked = place.map(|place| &self.facts.challenges[place]);
        let live = asked.is_some_and(|asked| {
            let same =
                matches!(asked.state, State::Pending { generation, .. } if generation == email.generation);
            same && now < asked.deadline
        });
        match self.verifier.render(&self.record, descriptor, self.now) {
            Ok(Message::SendEmail(mail)) => {
                assert!(live && mail.id == email.id && mail.code.expose() == code.expose(), "{descriptor:?}");
            }
            other => {
                assert!(!live && matches!(other, Err(RenderError::NotLive)), "{descriptor:?} gives {other:?}")
            }
        }
    }

    fn check_requirements(&self) {
        let counts = self.model.rules.settings.email_may_authenticate;
        let (kinds, enrolled) = match self.verifier.requirements(&self.record) {
            Requirements::Challenge(kinds) => (kinds, true),
            Requirements::Enroll(kinds) => (kinds, false),
            other => panic!("unknown requirements {other:?}"),
        };
        let kinds: Vec<&str> = kinds.iter().map(|kind| kind.as_str()).collect();
        let mut expected = Vec::new();
        if counts && (!self.facts.enrolled || self.facts.authenticators.iter().any(Known::is_active)) {
            expected.push("email");
        }
        if self.facts.recovery.as_ref().is_some_and(|set| self.facts.enrolled && !set.live.is_empty()) {
            expected.push("recovery-code");
        }
        assert_eq!((kinds, enrolled), (expected, self.facts.enrolled), "what a login needs");
    }

    fn take(&mut self, Command { what, on, how }: Command) {
        let variant = what >> 4;
        match what % COMMANDS {
            BEGIN => self.begin(variant),
            ELEVATE => self.elevate(variant, how),
            CLOCK => self.now = moved(self.now, on, how),
            ASSOCIATE => self.associate(on, how),
            CHALLENGE => self.challenge(variant, on, how),
            RIGHT => self.guess(on, how, true),
            WRONG => self.guess(on, how, false),
            RECOVER => self.recover(on, how),
            CANCEL => self.cancel(variant, on, how),
            REMOVE => self.remove(variant, on, how),
            REGENERATE => self.regenerate(on, how),
            PROVISION => self.provision(on, how),
            DEPROVISION => self.deprovision(on, how),
            REPORT => self.report(on, how),
            UNLOCK => self.unlock(how),
            _ => self.reset(how),
        }
    }

    fn begin(&mut self, variant: u8) {
        let own = variant & 2 == 0;
        let whose = if own { subject() } else { Subject::new("user-2").unwrap() };
        let token = self.verifier.begin(&first_factor(&whose), self.now, &mut self.rng).unwrap();
        let named = variant & 1 == 0;
        let client = client();
        let session = self.verifier.open(token.expose(), named.then_some(&client), self.now).unwrap();
        assert_eq!(session.subject(), &whose);
        let begun = millis(self.now);
        let lifetime = self.model.rules.settings.token_lifetime.whole_milliseconds();
        let expires = begun + u64::try_from(lifetime).unwrap();
        self.tokens.push(token.expose().to_owned());
        self.login(session, (own, named), None, (begun, expires));
    }

    fn elevate(&mut self, variant: u8, how: u8) {
        // Another token, or the same one, prolonged.
        self.elevations += u32::from(how & 1 == 0);
        let own = variant & 8 == 0;
        let whose = if own { subject() } else { Subject::new("user-2").unwrap() };
        let mut scopes = ElevatedScopes::ALL;
        scopes.enroll &= variant & 1 == 0;
        scopes.read_authenticators &= variant & 2 == 0;
        scopes.remove_authenticators &= variant & 4 == 0;
        let until = self.now.saturating_add(Duration::hours(1));
        let transaction = TransactionId::from_token_id(&format!("jti-{}", self.elevations));
        let session = Session::elevated(whose, client(), transaction, scopes, self.now, until);
        self.login(session, (own, true), Some(scopes), (millis(self.now), millis(until)));
    }

    fn login(
        &mut self,
        session: Session,
        (own, named): (bool, bool),
        scopes: Option<ElevatedScopes>,
        (begun, expires): (u64, u64),
    ) {
        let transaction = serde_json::to_value(session.transaction()).unwrap();
        let transaction = transaction.as_str().unwrap().to_owned();
        self.logins.push(Login { session, own, named, scopes, transaction, begun, expires });
    }

    fn associate(&mut self, on: u8, how: u8) {
        let Some(login) = latest(&self.logins, on) else { return };
        let (now, to) = (self.now, address(how & 3));
        let before = self.facts.clone();
        let mut about = None;
        let expected = self.model.rules.associate(&login, &before, to.as_str(), millis(now), &mut about);
        let step = self.verifier.associate(&login.session, self.record.clone(), to, now, &mut self.rng);
        let Some(seen) = self.commit(step.unwrap(), how) else { return };
        if let Ok(answer) = &seen.outcome.result {
            let id = answer.authenticator.to_string();
            match &about {
                Some(known) => assert_eq!(*known, id, "the same address has the same authenticator"),
                None => assert!(before.known(&id).is_none(), "a new one is new"),
            }
            about = Some(id.clone());
            let counts = self.model.rules.settings.email_may_authenticate;
            let shows =
                counts && before.known(&id).is_none() && before.clone().at(millis(now)).recovery.is_none();
            assert!(!shows || answer.recovery_codes.is_some(), "the first enrolment shows recovery codes");
        }
        self.judge(&seen, &before, expected_of("associate", &login, about, &expected, now));
        let Ok(answer) = seen.outcome.result else { return };
        if let Some(codes) = &answer.recovery_codes {
            self.model.shown(&answer.authenticator.to_string(), codes);
            self.recovery.extend(codes.iter().take(4).cloned());
        }
        let given = (answer.oob_code.expose(), answer.expires, answer.delivery);
        self.hold(&login, given, &seen.outcome.effects, seen.outbox, &expected.unwrap());
    }

    fn challenge(&mut self, variant: u8, on: u8, how: u8) {
        let Some(login) = latest(&self.logins, on) else { return };
        let now = self.now;
        let mut request = ChallengeRequest::default();
        let ids: Vec<AuthenticatorId> = self.record.authenticators().iter().map(|known| known.id()).collect();
        if variant & 1 != 0 {
            // One that is there, or has been or will be elsewhere.
            request.authenticator = latest(&ids, how & 3).or("email|dev_0000000000000000".parse().ok());
        }
        if variant & 2 != 0 {
            request.types = ChallengeTypes::parse(if variant & 4 != 0 { "otp" } else { "oob" });
        }
        let before = self.facts.clone();
        let mut about = None;
        let expected = self.model.rules.challenge(&login, &before, &request, millis(now), &mut about);
        let step = self.verifier.challenge(&login.session, self.record.clone(), &request, now, &mut self.rng);
        let Some(seen) = self.commit(step.unwrap(), how) else { return };
        self.judge(&seen, &before, expected_of("challenge", &login, about.clone(), &expected, now));
        let Ok(answer) = seen.outcome.result else { return };
        assert_eq!(Some(answer.authenticator.to_string()), about, "the chosen authenticator");
        let given = (answer.oob_code.expose(), answer.expires, answer.delivery);
        self.hold(&login, given, &seen.outcome.effects, seen.outbox, &expected.unwrap());
    }

    /// A handle came back, and perhaps a message with its code.
    fn hold(
        &mut self,
        login: &Login,
        (oob_code, expires, delivery): (&str, OffsetDateTime, Delivery),
        effects: &[Effect],
        outbox: Option<Vec<Descriptor>>,
        expected: &Sending,
    ) {
        let until = expected.cooling_until.map(instant);
        let delivered = until.map_or(Delivery::Sent, |until| Delivery::CoolingDown { until });
        assert_eq!(delivery, delivered, "what becomes of the message");
        assert_eq!(expires, instant(expected.deadline), "when the code dies");
        let asked = self.facts.asked(oob_code).expect("a handle names a challenge of the record").clone();
        if let Some(same) = &expected.same {
            assert_eq!(asked.id, *same, "asking again gives the same handle");
        }
        let State::Pending { generation, sends } = asked.state else { panic!("it waits") };
        let mailed = effects.iter().find_map(|effect| match effect {
            Effect::SendEmail(mail) => Some(mail),
            _ => None,
        });
        assert_eq!(mailed.is_some(), until.is_none(), "a message is sent unless it is too soon");
        let Some(mail) = mailed else { return };
        self.model.rules.budgets.sent(millis(self.now));
        let known = self.facts.known(&asked.authenticator).unwrap();
        assert_eq!((mail.to.as_str(), mail.expires), (known.address(), expires));
        assert_eq!(mail.code.expose().len(), usize::from(asked.digits));
        self.mails.push(Mail { id: mail.id, oob_code: oob_code.to_owned(), sends });
        let written = outbox.unwrap_or_default().into_iter();
        let mut mails = written.filter(|descriptor| matches!(descriptor, Descriptor::SendEmail(_)));
        self.outbox = mails.next().map(|descriptor| (descriptor, mail.code.clone()));
        match self.given.iter_mut().find(|known| known.oob_code == oob_code) {
            Some(known) => (known.code, known.generation) = (mail.code.clone(), generation),
            None => self.given.push(Given {
                login: login.clone(),
                oob_code: oob_code.to_owned(),
                code: mail.code.clone(),
                generation,
            }),
        }
    }

    fn guess(&mut self, on: u8, how: u8, right: bool) {
        let now = self.now;
        let Some(given) = self.given.iter().rev().nth(usize::from(on % 16)) else { return };
        let mut digits = given.code.expose().to_owned();
        if !right {
            let last = if digits.pop() == Some('0') { '1' } else { '0' };
            digits.push(last);
        }
        // A code with a digit too few can't be right.
        if how & 0x20 != 0 && digits.len() > 6 {
            digits.pop();
        }
        let asked = self.facts.asked(&given.oob_code);
        let generation = asked.map(|asked| &asked.state);
        if matches!(generation, Some(State::Pending { generation, .. }) if *generation != given.generation) {
            // A step that nobody saw has put another code in its place.
            return;
        }
        let code = BindingCode::parse(&digits).unwrap();
        let login = if how & 0x10 != 0 { latest(&self.logins, 0).unwrap() } else { given.login.clone() };
        let named = (given.oob_code.as_str(), given.login.transaction.as_str());
        let handle = self.verifier.open_oob_code(&given.login.session, &given.oob_code).unwrap();
        let before = self.facts.clone();
        let mut about = None;
        let rules = &self.model.rules;
        let waiting = rules.verify(&login, &before, named, digits.len(), millis(now), &mut about);
        let step = self.verifier.verify_oob(&login.session, self.record.clone(), &handle, &code, now);
        let again = self.verifier.verify_oob(&login.session, self.record.clone(), &handle, &code, now);
        assert_eq!(step.writes(), again.writes(), "same inputs, same outputs");
        let Some(seen) = self.commit(step, how) else { return };
        let mut expected = expected_of("verify_oob", &login, about, &waiting, now);
        expected.evaluated = waiting.is_ok();
        let counts = self.model.rules.settings.email_may_authenticate;
        if let Ok(waiting) = &waiting {
            let known = before.known(&waiting.authenticator).unwrap();
            let of = format!("{} {}", known.id, known.address());
            if right {
                expected.tokens = usize::from(counts && login.scopes.is_none());
                expected.told.extend(waiting.confirms.then(|| format!("added {of}")));
            } else {
                let (denial, disables) = self.model.failed(&login, waiting, known.is_active(), millis(now));
                expected.verdict = Err(denial);
                expected.told.extend(disables.then(|| format!("disabled {of}")));
                let locked = self.model.rules.budgets.locked_until(millis(now));
                expected.told.extend(locked.map(|until| format!("locked {} {until}", known.id)));
            }
        }
        self.judge(&seen, &before, expected);
        if let (Ok(verification), Ok(waiting)) = (&seen.outcome.result, &waiting) {
            assert_eq!(verification.evidence.authenticator.to_string(), waiting.authenticator);
            assert_eq!(
                verification.purpose,
                if waiting.confirms { Purpose::Confirm } else { Purpose::Authenticate },
                "a purpose answers its own"
            );
            let came = (verification.completed, verification.recovery_codes_live);
            self.model.succeeded(&login, waiting, came, &self.facts);
        }
    }

    fn recover(&mut self, on: u8, how: u8) {
        let now = self.now;
        let Some(login) = latest(&self.logins, how & 3) else { return };
        let unknown = RecoveryCode::parse("222222222222222222222222").unwrap();
        let code = latest(&self.recovery, on).filter(|_| on < 64).unwrap_or(unknown);
        let before = self.facts.clone();
        let mut about = None;
        let expected = self.model.rules.recover(&login, &before, millis(now), &mut about);
        let step = self.verifier.verify_recovery(&login.session, self.record.clone(), &code, now);
        let Some(seen) = self.commit(step, how) else { return };
        let set = about.clone().unwrap_or_default();
        let mut said = expected_of("verify_recovery", &login, about, &expected, now);
        let came_to = match &expected {
            Ok(Recovery::Compared) => self.model.compared(&code),
            Ok(Recovery::Repeated) => self.model.repeated(&login, &code),
            Err(_) => Code::Another,
        };
        // Where it hangs on a step that nobody saw, the step itself says which of the two it is.
        let taken = seen.outcome.result.is_ok();
        let right = matches!(came_to, Code::Live | Code::Same) || came_to == Code::Unknown && taken;
        match &expected {
            Ok(Recovery::Compared) if right => {
                let remaining = self.facts.recovery.as_ref().map_or(0, |set| set.live.len());
                said.told.push(format!("used {set} {remaining}"));
                (said.evaluated, said.tokens) = (true, 1);
            }
            Ok(Recovery::Compared) => {
                let emptied = self.model.rules.budgets.recovery_guessed(millis(now));
                said.told.extend(emptied.then(|| format!("guessed {set}")));
                (said.evaluated, said.verdict) = (true, Err(Denial::InvalidRecoveryCode));
            }
            Ok(Recovery::Repeated) if right => said.tokens = 1,
            Ok(Recovery::Repeated) => said.verdict = Err(Denial::TransactionSpent),
            Err(_) => {}
        }
        self.judge(&seen, &before, said);
        if let Ok(recovered) = seen.outcome.result {
            assert_eq!(recovered.repeated, expected == Ok(Recovery::Repeated));
            self.model.recovered(&login, &code, &recovered);
            self.recovery.extend(recovered.replacement);
        }
    }

    fn cancel(&mut self, variant: u8, on: u8, how: u8) {
        let now = self.now;
        let Some(given) = self.given.iter().rev().nth(usize::from(on % 16)) else { return };
        let login = if variant & 1 != 0 { latest(&self.logins, 0).unwrap() } else { given.login.clone() };
        let named = (given.oob_code.as_str(), given.login.transaction.as_str());
        let handle = self.verifier.open_oob_code(&given.login.session, &given.oob_code).unwrap();
        let before = self.facts.clone();
        let mut about = None;
        let expected = Rules::cancel(&login, &before, named, millis(now), &mut about);
        let oob_code = given.oob_code.clone();
        let step = self.verifier.cancel(&login.session, self.record.clone(), &handle, now);
        let Some(seen) = self.commit(step, how) else { return };
        self.judge(&seen, &before, expected_of("cancel", &login, about, &expected, now));
        if expected.is_ok() {
            let asked = self.facts.asked(&oob_code).expect("it stays for exact answers");
            assert_eq!(asked.state, State::Cancelled("requested".to_owned()));
        }
    }

    fn remove(&mut self, variant: u8, on: u8, how: u8) {
        let now = self.now;
        let Some(login) = latest(&self.logins, on) else { return };
        let ids: Vec<AuthenticatorId> = self.record.authenticators().iter().map(|known| known.id()).collect();
        let elsewhere = "email|dev_0000000000000000".parse().unwrap();
        let id = latest(&ids, how & 3).filter(|_| variant & 1 == 0).unwrap_or(elsewhere);
        let before = self.facts.clone();
        let expected = Rules::remove(&login, &before, &id.to_string(), millis(now));
        let step = self.verifier.remove(&login.session, self.record.clone(), id, now);
        let Some(seen) = self.commit(step, how) else { return };
        let mut said = expected_of("remove", &login, Some(id.to_string()), &expected, now);
        let known = before.known(&id.to_string());
        if let (Ok(()), Some(known)) = (&expected, known) {
            let line = |known: &Known| format!("removed {} {}", known.id, known.address());
            if known.waits_in().is_none() {
                said.told.push(line(known));
                let mut rest = before.authenticators.iter().filter(|other| other.id != known.id);
                if !rest.clone().any(Known::is_active) {
                    said.told.extend(rest.by_ref().filter(|other| other.is_disabled()).map(line));
                }
            }
        }
        self.judge(&seen, &before, said);
        if let (Ok(()), Some(known)) = (&expected, known) {
            self.model.removed(known, &self.facts);
        }
    }

    fn regenerate(&mut self, on: u8, how: u8) {
        let now = self.now;
        let Some(login) = latest(&self.logins, on) else { return };
        let before = self.facts.clone();
        let expected = self.model.rules.regenerate(&login, &before, millis(now));
        let step =
            self.verifier.regenerate_recovery_codes(&login.session, self.record.clone(), now, &mut self.rng);
        let Some(seen) = self.commit(step.unwrap(), how) else { return };
        let set = self.facts.recovery.as_ref().map(|set| set.id.clone()).filter(|_| expected.is_ok());
        let mut said = expected_of("regenerate_recovery_codes", &login, set.clone(), &expected, now);
        said.told.extend(set.map(|set| format!("regenerated {set}")));
        self.judge(&seen, &before, said);
        if let Ok(codes) = seen.outcome.result {
            self.model.regenerated(&codes, millis(now));
            self.recovery = codes;
        }
    }

    fn provision(&mut self, on: u8, how: u8) {
        let (now, to) = (self.now, address(on));
        let before = self.facts.clone();
        let mut about = None;
        let expected = self.model.rules.provision(&before, to.as_str(), millis(now), &mut about);
        let step = self.verifier.provision(self.record.clone(), &to, now, &mut self.rng).unwrap();
        let Some(seen) = self.commit(step, how) else { return };
        let former = before.authenticators.iter().find(|known| known.is_provisioned());
        let present = about.clone();
        let mut told = Vec::new();
        if let Ok(id) = &seen.outcome.result {
            let id = id.to_string();
            assert!(present.as_ref().is_none_or(|present| *present == id), "an address is there once");
            let after = self.facts.known(&id).expect("it is there");
            assert_eq!(after.address(), to.as_str());
            // One that is disabled keeps its place; only an address that is new moves it, and it stays disabled.
            let leaves = |former: &&Known| former.id != id && (present.is_none() || former.is_active());
            let left = former.filter(leaves);
            told.extend(left.map(|former| format!("removed {} {}", former.id, former.address())));
            if present.is_none() {
                assert!(after.is_provisioned());
                assert_eq!(after.is_active(), former.is_none_or(Known::is_active), "disabled stays disabled");
                told.extend(after.is_active().then(|| format!("added {id} {}", to.as_str())));
            }
            about = Some(id);
        }
        let said = Expected { told, ..host_expected("provision", about, &expected, now) };
        self.judge(&seen, &before, said);
        if let Ok(id) = seen.outcome.result {
            self.model.provisioned(&id.to_string(), &self.facts);
        }
    }

    fn deprovision(&mut self, on: u8, how: u8) {
        let (now, from) = (self.now, address(on));
        let before = self.facts.clone();
        let mut about = None;
        let expected = Rules::deprovision(&before, from.as_str(), &mut about);
        let step = self.verifier.deprovision(self.record.clone(), &from, now);
        let Some(seen) = self.commit(step, how) else { return };
        let left = about.as_ref().and_then(|id| before.known(id)).filter(|known| known.is_active());
        let told: Vec<String> =
            left.map(|known| format!("removed {} {}", known.id, known.address())).into_iter().collect();
        if let Some(known) = left {
            assert!(self.facts.known(&known.id).is_none(), "it is gone");
        }
        let said = Expected { told, ..host_expected("deprovision", about.clone(), &expected, now) };
        self.judge(&seen, &before, said);
    }

    fn report(&mut self, on: u8, how: u8) {
        let now = self.now;
        let Some(mail) = latest(&self.mails, on) else { return };
        let report = if how & 1 == 0 { DeliveryReport::Failed } else { DeliveryReport::Delivered };
        let before = self.facts.clone();
        let mut about = None;
        let of = (mail.oob_code.as_str(), mail.sends);
        let lifts = Rules::report(&before, of, report, millis(now), &mut about);
        let step = self.verifier.report_delivery(self.record.clone(), mail.id, report, now);
        let Some(seen) = self.commit(step, how) else { return };
        assert_eq!(seen.outcome.result, Ok(lifts), "a failed message lifts the cool-down once");
        let said = host_expected("report_delivery", about, &Ok(()), now);
        self.judge(&seen, &before, said);
    }

    fn unlock(&mut self, how: u8) {
        let now = self.now;
        let before = self.facts.clone();
        let step = self.verifier.unlock(self.record.clone(), now);
        let Some(seen) = self.commit(step, how) else { return };
        let mut said = host_expected("unlock", None, &Ok(()), now);
        said.told.push("unlocked".to_owned());
        self.judge(&seen, &before, said);
        self.model.rules.budgets.unlocked(millis(now));
    }

    fn reset(&mut self, how: u8) {
        let now = self.now;
        let before = self.facts.clone();
        let step = self.verifier.reset(self.record.clone(), now);
        let Some(seen) = self.commit(step, how) else { return };
        let mut said = host_expected("reset", None, &Ok(()), now);
        said.told.push("reset".to_owned());
        self.judge(&seen, &before, said);
        self.model.reset(&self.facts);
    }
}

/// Where a jump leads to; two of them to the ends of time.
pub(crate) fn moved(now: OffsetDateTime, on: u8, how: u8) -> OffsetDateTime {
    match on {
        254 => OffsetDateTime::UNIX_EPOCH,
        255 => time::macros::datetime!(9999-12-31 23:59:59 UTC),
        _ => now.saturating_add(Duration::seconds(JUMPS[usize::from(how % 16)])),
    }
}

/// What is said of a session's command: by default nothing is told and no token issued.
fn expected_of<'a, T>(
    command: &'static str,
    login: &'a Login,
    about: About,
    verdict: &Result<T, Denial>,
    now: OffsetDateTime,
) -> Expected<'a> {
    let subject = login.session.subject();
    Expected { subject, login: Some(login), ..host_expected(command, about, verdict, now) }
}

/// What is said of a host's own command.
pub(crate) fn host_expected<T>(
    command: &'static str,
    about: About,
    verdict: &Result<T, Denial>,
    now: OffsetDateTime,
) -> Expected<'static> {
    Expected {
        command,
        subject: &SUBJECT,
        login: None,
        about,
        verdict: verdict.as_ref().map(|_| ()).map_err(|denial| *denial),
        evaluated: false,
        told: Vec::new(),
        tokens: 0,
        at: millis(now),
    }
}
