//! `operations`: commands in any order under a clock that jumps, against a plain model that counts for itself.
//!
//! The first two bytes choose the policy, each further three a command. After every step the model says what the buckets,
//! attempts, failures and sets of codes must be, and whether a right code had to be accepted. It is in `model.rs` and
//! shares no code with the library.

use arbitrary::{Arbitrary, Unstructured};
use countersign::{
    Account, AuthenticatorId, BindingCode, ChallengeRequest, Committed, DeliveryReport, Denial, Effect,
    EffectId, Policy, Purpose, Rate, RecoveryCode, RecoveryThrottle, RecoveryUse, Resend, Revision, Session,
    Settings, Step, Swap, Verifier,
};
use rand::rngs::ChaCha20Rng;
use time::{Duration, OffsetDateTime};

use crate::{
    fixture::{START, account, address, client, elevated, first_factor, rng, subject, verifier},
    model::Model,
};

/// One command: what, on what (counted from the latest), and how.
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
const LOST: u8 = 0x80;
const UNKNOWN: u8 = 0x40;

/// Seconds that the clock moves by.
const JUMPS: [i64; 16] = [
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
    vec![
        ("enrol", enrol.to_vec()),
        ("sign-in", after(&sign_in)),
        ("guess", after(&guess.repeat(4))),
        ("recover", after(&recover)),
        ("elevated", after(&elevated)),
        ("host", after(&host)),
        ("lost", after(&lost)),
        ("jumps", after(&jumps)),
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
    session: Session,
    oob_code: String,
    code: BindingCode,
}

struct Run {
    verifier: Verifier,
    rng: ChaCha20Rng,
    now: OffsetDateTime,
    record: Account,
    stored: bool,
    /// The revision that was compared with the model last.
    checked: Option<Revision>,
    model: Model,
    sessions: Vec<Session>,
    given: Vec<Given>,
    recovery: Vec<RecoveryCode>,
    mails: Vec<EffectId>,
    elevations: u32,
}

pub fn check(data: &[u8]) {
    let mut u = Unstructured::new(data);
    let Ok([choice, shape]) = u.arbitrary::<[u8; 2]>() else { return };
    let policy = policy(choice, shape);
    let mut run = Run {
        model: Model::new(policy.settings()),
        verifier: verifier(policy),
        rng: rng(7),
        now: START,
        record: account(&subject()),
        stored: false,
        checked: None,
        sessions: Vec::new(),
        given: Vec::new(),
        recovery: Vec::new(),
        mails: Vec::new(),
        elevations: 0,
    };
    for _ in 0..64 {
        if u.len() < 3 {
            break;
        }
        let Ok(command) = u.arbitrary() else { break };
        run.take(command);
    }
}

fn latest<T: Clone>(list: &[T], back: u8) -> Option<T> {
    list.iter().rev().nth(usize::from(back % 16)).cloned()
}

impl Run {
    /// Commits a step as a store would that answers as `how` says. Nothing is seen of a step that was lost; where nobody
    /// knows, the record may have been written, and the outcome is gone.
    fn commit<T>(&mut self, step: Step<T>, how: u8) -> Option<(Result<T, Denial>, Vec<Effect>)> {
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
            written = Some(write.record);
            if how & UNKNOWN != 0 { Err("the connection broke") } else { Ok(Swap::Stored) }
        });
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
        }
        match committed {
            Err(_) => {
                // The verdict is gone; what it did to the record is not, so the model reads it there.
                self.model.adopt(&self.record);
                None
            }
            Ok(Committed::Lost) => {
                assert!(how & LOST != 0 && !wrote);
                assert_eq!(self.record, before);
                None
            }
            Ok(Committed::Done(outcome)) => {
                assert_eq!(outcome.audit.denial, outcome.result.as_ref().err().map(Denial::code));
                assert_eq!(wrote, self.record != before, "a step that writes changes the record");
                for effect in &outcome.effects {
                    if let Effect::SendEmail(mail) = effect {
                        self.mails.push(mail.id);
                        self.model.sent(self.now);
                    }
                }
                if let Err(denial) = &outcome.result {
                    self.model.denied(denial, self.now);
                }
                Some((outcome.result, outcome.effects))
            }
        }
    }

    /// What holds after every step that was seen.
    fn check(&mut self) {
        // A command that wrote nothing charged nothing: what was checked before still stands.
        if self.checked != Some(self.record.revision()) {
            self.model.check(&self.record);
            self.checked = Some(self.record.revision());
        }
        assert_eq!(
            self.verifier.locked_until(&self.record, self.now).is_some(),
            self.model.is_locked(self.now),
            "locked is when the guess bucket or the long budget is empty"
        );
    }

    fn take(&mut self, Command { what, on, how }: Command) {
        let now = self.now;
        let (record, verifier) = (self.record.clone(), &self.verifier);
        match what % COMMANDS {
            BEGIN => {
                let token = verifier.begin(&first_factor(&subject()), now, &mut self.rng).unwrap();
                // Near the end of time a token may not live long enough to be opened.
                self.sessions.extend(verifier.open(token.expose(), Some(&client()), now));
            }
            ELEVATE => {
                self.elevations += 1;
                self.sessions.push(elevated(&subject(), &format!("jti-{}", self.elevations), now));
            }
            CLOCK => {
                let seconds = JUMPS[usize::from(how % 16)];
                self.now = match on {
                    254 => OffsetDateTime::UNIX_EPOCH,
                    255 => time::macros::datetime!(9999-12-31 23:59:59 UTC),
                    _ => now.saturating_add(Duration::seconds(seconds)),
                };
            }
            ASSOCIATE => {
                let Some(session) = latest(&self.sessions, on) else { return };
                let step =
                    verifier.associate(&session, record, address(how & 3), now, &mut self.rng).unwrap();
                let locked = self.model.is_locked(now);
                let Some((result, effects)) = self.commit(step, how) else { return self.check() };
                if let Ok(answer) = result {
                    assert!(!locked, "during a lock nothing is enrolled");
                    assert!(
                        session.is_elevated() || !self.model.enrolled,
                        "a first factor enrols the first alone"
                    );
                    if let Some(codes) = answer.recovery_codes {
                        self.model.pending(&codes);
                        self.recovery.extend(codes.into_iter().take(4));
                    }
                    self.hold(&session, answer.oob_code.expose(), &effects);
                }
            }
            CHALLENGE => {
                let Some(session) = latest(&self.sessions, on) else { return };
                let request = ChallengeRequest::default();
                let step = verifier.challenge(&session, record, &request, now, &mut self.rng).unwrap();
                let locked = self.model.is_locked(now);
                let Some((result, effects)) = self.commit(step, how) else { return self.check() };
                if let Ok(answer) = result {
                    assert!(!locked && self.model.enrolled && !session.is_elevated());
                    assert!(
                        self.model.may_authenticate(&answer.authenticator),
                        "only an active one is challenged"
                    );
                    self.hold(&session, answer.oob_code.expose(), &effects);
                }
            }
            RIGHT | WRONG => self.guess(on, how, what % COMMANDS == RIGHT),
            RECOVER => self.recover(on, how),
            CANCEL => {
                let Some(given) = self.given.iter().rev().nth(usize::from(on % 16)) else { return };
                let session = given.session.clone();
                let handle = verifier.open_oob_code(&session, &given.oob_code).unwrap();
                let step = verifier.cancel(&session, record, &handle, now);
                let _ = self.commit(step, how);
            }
            REMOVE => {
                let Some(session) = latest(&self.sessions, on) else { return };
                let ids: Vec<AuthenticatorId> =
                    record.authenticators().iter().map(|known| known.id()).collect();
                let Some(id) = latest(&ids, how & 3) else { return };
                let step = verifier.remove(&session, record, id, now);
                if let Some((Ok(()), _)) = self.commit(step, how) {
                    assert!(session.is_elevated(), "a first factor removes nothing");
                    self.model.removed(&self.record);
                }
            }
            REGENERATE => {
                let Some(session) = latest(&self.sessions, on) else { return };
                let step = verifier.regenerate_recovery_codes(&session, record, now, &mut self.rng).unwrap();
                if let Some((Ok(codes), _)) = self.commit(step, how) {
                    assert!(session.is_elevated(), "a first factor regenerates nothing");
                    // Its holder is told by a message, and messages are budgeted.
                    self.model.sent(now);
                    self.model.regenerated(&codes);
                    self.recovery = codes;
                }
            }
            PROVISION => {
                let step = verifier.provision(record, &address(on), now, &mut self.rng).unwrap();
                if let Some((Ok(id), _)) = self.commit(step, how) {
                    self.model.provisioned(&id, &self.record);
                }
            }
            DEPROVISION => {
                let step = verifier.deprovision(record, &address(on), now);
                let _ = self.commit(step, how);
            }
            REPORT => {
                let Some(message) = latest(&self.mails, on) else { return };
                let report = if how & 1 == 0 { DeliveryReport::Failed } else { DeliveryReport::Delivered };
                let step = verifier.report_delivery(record, message, report, now);
                let _ = self.commit(step, how);
            }
            UNLOCK => {
                let step = verifier.unlock(record, now);
                if self.commit(step, how).is_some() {
                    self.model.unlocked(now);
                }
            }
            _ => {
                let step = verifier.reset(record, now);
                if self.commit(step, how).is_some() {
                    self.model.reset();
                }
            }
        }
        self.check();
    }

    /// A handle came back, and perhaps a message with its code.
    fn hold(&mut self, session: &Session, oob_code: &str, effects: &[Effect]) {
        let mailed = effects.iter().find_map(|effect| match effect {
            Effect::SendEmail(mail) => Some(mail.code.clone()),
            _ => None,
        });
        let known = self.given.iter_mut().find(|known| known.oob_code == oob_code);
        match (known, mailed) {
            (Some(known), Some(code)) => known.code = code,
            (None, Some(code)) => {
                self.given.push(Given { session: session.clone(), oob_code: oob_code.to_owned(), code });
            }
            // Nothing was sent: the code of before holds. A handle whose step nobody saw stays unknown.
            (_, None) => {}
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
        let malformed = how & 0x20 != 0 && digits.len() > 6;
        if malformed {
            digits.pop();
        }
        let code = BindingCode::parse(&digits).unwrap();
        let session =
            if how & 0x10 != 0 { latest(&self.sessions, 0).unwrap() } else { given.session.clone() };
        let own = session.transaction() == given.session.transaction();
        let handle = self.verifier.open_oob_code(&given.session, &given.oob_code).unwrap();
        let waiting = self.model.waiting(&self.record, &given.oob_code, &session, now).filter(|_| own);
        let step = self.verifier.verify_oob(&session, self.record.clone(), &handle, &code, now);
        let again = self.verifier.verify_oob(&session, self.record.clone(), &handle, &code, now);
        assert_eq!(step.writes(), again.writes(), "same inputs, same outputs");
        let before = self.record.clone();
        let Some((result, effects)) = self.commit(step, how) else { return };
        let tokens = effects.iter().filter(|effect| matches!(effect, Effect::IssueToken(_))).count();
        match result {
            Ok(verification) => {
                let waiting = waiting.expect("only a waiting challenge takes a code");
                assert!(right && !malformed && own, "only the right code, in its own transaction");
                assert_eq!(verification.evidence.authenticator, waiting.authenticator);
                assert_eq!(
                    verification.purpose == Purpose::Confirm,
                    waiting.confirms,
                    "a purpose answers its own"
                );
                assert!(waiting.confirms || !session.is_elevated());
                assert_eq!(usize::from(verification.completed), tokens);
                self.model.succeeded(
                    &session,
                    &waiting,
                    verification.completed,
                    verification.recovery_codes_live,
                );
            }
            Err(Denial::InvalidBindingCode { attempts_left }) => {
                let waiting = waiting.expect("only a waiting challenge evaluates a code");
                assert!(!right && !malformed && own, "a right code is never called wrong");
                assert_eq!(tokens, 0);
                self.model.failed(&session, &waiting, attempts_left, &self.record);
            }
            Err(denial) => {
                assert_eq!(tokens, 0);
                assert!(!denial.is_counted());
                assert!(
                    malformed || waiting.is_none(),
                    "{denial} for a code that had to be evaluated: {before:?}"
                );
            }
        }
    }

    fn recover(&mut self, on: u8, how: u8) {
        let now = self.now;
        let Some(session) = latest(&self.sessions, how & 3) else { return };
        let unknown = RecoveryCode::parse("222222222222222222222222").unwrap();
        let code = latest(&self.recovery, on).filter(|_| on < 64).unwrap_or(unknown);
        let expected = self.model.recovers(&session, &code);
        let step = self.verifier.verify_recovery(&session, self.record.clone(), &code, now);
        let Some((result, effects)) = self.commit(step, how) else { return };
        let tokens = effects.iter().filter(|effect| matches!(effect, Effect::IssueToken(_))).count();
        match result {
            Ok(recovered) => {
                assert_eq!(tokens, 1);
                assert!(!session.is_elevated());
                assert!(expected.is_none_or(|expected| expected), "a code that is not live was taken");
                self.model.recovered(&session, &code, &recovered);
                self.recovery.extend(recovered.replacement);
            }
            Err(Denial::InvalidRecoveryCode) => {
                assert_eq!(tokens, 0);
                assert!(expected.is_none_or(|expected| !expected), "a live code was called wrong");
                self.model.recovery_failed(now);
            }
            Err(_) => assert_eq!(tokens, 0),
        }
    }
}
