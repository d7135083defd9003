//! `operations`, on a record of one address alone: `ask` and `answer`, against a model that keeps a state of its own.
//!
//! Each three bytes are a command, as in `operations.rs`. The model never looks into the record: it knows what was
//! asked and answered, and from that says every verdict, audit event and message to come.

use arbitrary::{Arbitrary, Unstructured};
use countersign::{
    BindingCode, Denial, Effect, Policy, Step, Swap, Verifier,
    command::{Label, Purpose},
    effect::{Delivery, DeliveryReport, EffectId},
    machine::CancelReason,
    policy::{Resend, Settings},
    record::Standalone,
    step::Committed,
};
use rand::rngs::ChaCha20Rng;
use time::OffsetDateTime;

use crate::{
    budgets::{Budgets, instant, millis},
    fixture::{START, address, rng, subject, verifier},
    operations::{LOST, UNKNOWN, commands, host_expected, moved, presented},
    outcome::{self, Expected, Seen},
};

#[derive(Arbitrary, Clone, Copy, Debug)]
struct Command {
    what: u8,
    on: u8,
    how: u8,
}

pub(crate) const ASK: u8 = 0;
pub(crate) const RIGHT: u8 = 1;
pub(crate) const WRONG: u8 = 2;
pub(crate) const CLOCK: u8 = 3;
pub(crate) const REPORT: u8 = 4;
pub(crate) const UNLOCK: u8 = 5;
const COMMANDS: u8 = 6;

/// Journeys to start from, each command as its three bytes: through a confirmation, and through a purpose of the
/// host's.
pub(crate) fn journeys() -> Vec<(&'static str, u8, Vec<[u8; 3]>)> {
    let confirm = [[ASK, 0, 0], [WRONG, 0, 0], [ASK, 0, 0], [RIGHT, 0, 0], [RIGHT, 0, 0], [CLOCK, 0, 3]];
    let reset = [[ASK, 2, 0], [RIGHT, 0, 0x13], [REPORT, 0, 0], [ASK, 2, 0], [REPORT, 0, 1], [RIGHT, 0, 0]];
    let guess = [[ASK, 1, 0], [WRONG, 0, 0], [WRONG, 0, 0x20], [CLOCK, 0, 5], [RIGHT, 0, 0], [UNLOCK, 0, 0]];
    vec![
        ("confirm", 0, [&confirm[..], &reset].concat()),
        ("reset", 1, [&reset[..], &confirm].concat()),
        ("guess", 1, guess.repeat(4)),
        ("guess-unproven", 0, [[ASK, 0, 0], [WRONG, 0, 0], [WRONG, 0, 0], [CLOCK, 0, 4]].repeat(5)),
    ]
}

fn purpose(choice: u8) -> Purpose {
    match choice % 4 {
        0 => Purpose::Confirm,
        1 => Purpose::Authenticate,
        2 => Purpose::Action { label: Label::new("approve").unwrap(), digest: [1; 32] },
        _ => Purpose::Action { label: Label::new("approve").unwrap(), digest: [2; 32] },
    }
}

/// Where a challenge stands.
#[derive(Clone, Copy, PartialEq, Debug)]
enum AuthenticatorStatus {
    Waits,
    Answered,
    Exhausted,
    Expired,
    Ended(CancelReason),
}

#[derive(Clone, Debug)]
struct Asked {
    oob_code: String,
    purpose: Purpose,
    digits: u8,
    deadline: u64,
    status: AuthenticatorStatus,
}

/// The state that the model keeps of the one address.
struct Model {
    settings: Settings,
    budgets: Budgets,
    proven: bool,
    disabled: bool,
    failures: u8,
    attempts_left: u8,
    last_send: Option<u64>,
    /// When the record was last written, by the latest of the clocks that wrote it.
    updated: u64,
    asked: Option<Asked>,
}

/// What an `ask` must come to.
#[derive(Debug)]
enum Ask {
    CoolingDown(u64),
    Resent,
    New,
}

fn span(duration: time::Duration) -> u64 {
    u64::try_from(duration.whole_milliseconds()).unwrap()
}

impl Model {
    /// The address is in the state that the purpose needs: unproven to be confirmed, proven for anything else.
    fn allows(&self, purpose: &Purpose) -> Result<(), Denial> {
        if self.disabled || self.failures >= self.settings.failure_cap {
            return Err(Denial::AuthenticatorDisabled);
        }
        match (purpose, self.proven) {
            (Purpose::Authenticate, _) if !crate::fixture::email_authenticates(&self.settings) => {
                Err(Denial::UnsupportedChallengeType)
            }
            (Purpose::Confirm, true) => Err(Denial::AddressInUse),
            (Purpose::Confirm, false) | (_, true) => Ok(()),
            (_, false) => Err(Denial::UnknownAuthenticator),
        }
    }

    fn unlocked(&self, now: u64) -> Result<(), Denial> {
        let locked = self.budgets.locked_until(now);
        locked.map_or(Ok(()), |until| Err(Denial::Locked { until: instant(until) }))
    }

    /// A code to confirm lives longer here than in an account; any other as long.
    fn lifetime(&self, purpose: &Purpose) -> u64 {
        span(match purpose {
            Purpose::Confirm => self.settings.confirmation_lifetime,
            _ => self.settings.code_lifetime,
        })
    }

    /// Whether attempts begin anew: there was no challenge, or its deadline has passed, or it was answered.
    fn begins_anew(&self, now: u64) -> bool {
        self.asked
            .as_ref()
            .is_none_or(|asked| now >= asked.deadline || asked.status == AuthenticatorStatus::Answered)
    }

    fn ask(&self, purpose: &Purpose, now: u64) -> Result<Ask, Denial> {
        self.allows(purpose)?;
        self.unlocked(now)?;
        if !self.begins_anew(now) && self.attempts_left == 0 {
            return Err(Denial::AttemptsExhausted);
        }
        let live = self.asked.as_ref().filter(|asked| {
            asked.status == AuthenticatorStatus::Waits && now < asked.deadline && asked.purpose == *purpose
        });
        let cooled = self.last_send.map(|sent| sent + span(self.settings.cool_down));
        if let Some(until) = cooled.filter(|until| now < *until) {
            return match live {
                Some(_) => Ok(Ask::CoolingDown(until)),
                None => Err(Denial::CoolingDown { until: instant(until) }),
            };
        }
        if let Some(until) = self.budgets.sends_refused_until(now) {
            return Err(Denial::TooManySends { until: instant(until) });
        }
        let lifetime = self.lifetime(purpose);
        // Half of the lifetime is left, or a new one would not live longer.
        let holds = live
            .is_some_and(|asked| 2 * (asked.deadline - now) >= lifetime || asked.deadline >= now + lifetime);
        Ok(if holds { Ask::Resent } else { Ask::New })
    }

    /// Whether a code has to be compared with that of the challenge which a handle names.
    fn answer(&self, oob_code: &str, purpose: &Purpose, digits: usize, now: u64) -> Result<(), Denial> {
        let asked = self.asked.as_ref().filter(|asked| asked.oob_code == oob_code);
        let asked = asked.ok_or(Denial::ExpiredOobCode)?;
        if asked.purpose != *purpose {
            return Err(Denial::ForeignOobCode);
        }
        match asked.status {
            AuthenticatorStatus::Waits if now >= asked.deadline => return Err(Denial::ExpiredOobCode),
            AuthenticatorStatus::Waits => self.unlocked(now)?,
            AuthenticatorStatus::Answered => return Err(Denial::OobCodeUsed),
            AuthenticatorStatus::Exhausted => return Err(Denial::AttemptsExhausted),
            AuthenticatorStatus::Expired => return Err(Denial::ExpiredOobCode),
            AuthenticatorStatus::Ended(cause) => {
                if cause == CancelReason::Locked {
                    self.unlocked(now)?;
                }
                return Err(Denial::ChallengeCancelled(cause));
            }
        }
        self.allows(purpose)?;
        if digits != usize::from(asked.digits) {
            return Err(Denial::MalformedCode);
        }
        if self.attempts_left == 0 { Err(Denial::AttemptsExhausted) } else { Ok(()) }
    }
}

/// A handle that was given out, with what it was given for and the code that was mailed last for it.
#[derive(Clone)]
struct Given {
    oob_code: String,
    purpose: Purpose,
    code: BindingCode,
    mail: EffectId,
}

struct Run {
    verifier: Verifier,
    rng: ChaCha20Rng,
    now: OffsetDateTime,
    record: Standalone,
    model: Model,
    given: Vec<Given>,
    stored: bool,
}

pub(crate) fn check(u: &mut Unstructured, policy: Policy) {
    let Ok(proven) = u.arbitrary::<u8>().map(|byte| byte & 1 == 1) else { return };
    let mut rng = rng(8);
    let (whose, to) = (subject(), address(0));
    let record = match proven {
        true => Standalone::verified(&whose, to, &crate::fixture::entropy(&mut rng)),
        false => Standalone::unconfirmed(&whose, to, &crate::fixture::entropy(&mut rng)),
    };
    let settings = policy.settings().clone();
    let mut run = Run {
        verifier: verifier(policy),
        rng,
        now: START,
        record,
        model: Model {
            budgets: Budgets::new(&settings),
            settings,
            proven,
            disabled: false,
            failures: 0,
            attempts_left: 0,
            last_send: None,
            updated: 0,
            asked: None,
        },
        given: Vec::new(),
        stored: false,
    };
    commands(u, |command| {
        run.take(command);
        run.check();
    });
}

impl Run {
    /// Commits a step as a store would that answers as `how` says. A step whose fate nobody knows was not written here:
    /// what becomes of one that was, `operations.rs` sees to.
    fn commit<T>(&mut self, step: Step<T, Standalone>, how: u8) -> Option<Seen<T>> {
        let expected = self.stored.then(|| self.record.revision());
        let lost = step.writes() && how & (LOST | UNKNOWN) != 0;
        let mut written = None;
        let committed = step.commit(|write| {
            assert_eq!(write.expected, expected, "a step replaces what was loaded");
            if lost {
                return if how & LOST != 0 { Ok(Swap::Lost) } else { Err("the connection broke") };
            }
            written = Some((write.record, write.outbox));
            Ok(Swap::Stored)
        });
        let (written, outbox) = written.unzip();
        if let Some(record) = written {
            self.stored = true;
            let bytes = postcard::to_stdvec(&record).unwrap();
            self.record = postcard::from_bytes(&bytes).unwrap();
            assert_eq!(self.record, record);
            let text = serde_json::to_vec(&record).unwrap();
            assert_eq!(serde_json::from_slice::<Standalone>(&text).unwrap(), record);
        }
        match committed {
            Ok(Committed::Done(outcome)) => Some(Seen::of(outcome, outbox)),
            Ok(Committed::Lost) | Err(_) => {
                assert!(lost, "nothing is lost that was stored");
                None
            }
        }
    }

    fn judge<T>(&mut self, seen: &Seen<T>, mut expected: Expected) {
        let now = expected.at;
        if seen.outbox.is_some() {
            let updated = if expected.command == "unlock" { 0 } else { self.model.updated };
            expected.told.extend(outcome::clock(updated, now));
            self.model.updated = updated.max(now);
        }
        let mut secrets: Vec<&str> = vec!["@example.com"];
        secrets.extend(self.given.iter().map(|given| given.oob_code.as_str()));
        outcome::check(seen, expected, &secrets);
    }

    /// The record's budgets, counts and states are the model's.
    fn check(&self) {
        let stored = serde_json::to_value(&self.record).unwrap()["v1"].take();
        self.model.budgets.check(serde_json::from_value(stored["ledger"].clone()).unwrap());
        let authenticator = &stored["authenticator"];
        assert_eq!(authenticator["failures"], self.model.failures, "failures in a row");
        assert_eq!(authenticator["enrollment"] == "disabled", self.model.disabled);
        assert_eq!(authenticator["enrollment"] == "active", self.model.proven && !self.model.disabled);
        if self.model.asked.is_some() {
            assert_eq!(stored["pair"]["attempts_left"], self.model.attempts_left, "attempts left");
        }
        let state = |asked: &Asked| match asked.status {
            AuthenticatorStatus::Waits => "pending",
            AuthenticatorStatus::Answered => "verified",
            AuthenticatorStatus::Exhausted => "exhausted",
            AuthenticatorStatus::Expired => "expired",
            AuthenticatorStatus::Ended(_) => "cancelled",
        };
        let known = stored["challenge"].get("state").map(|state| match state.as_object() {
            Some(object) => object.keys().next().unwrap().clone(),
            None => state.as_str().unwrap().to_owned(),
        });
        assert_eq!(known.as_deref(), self.model.asked.as_ref().map(state), "where the challenge stands");
    }

    fn take(&mut self, Command { what, on, how }: Command) {
        match what % COMMANDS {
            ASK => self.ask(on, how),
            RIGHT => self.answer(on, how, true),
            WRONG => self.answer(on, how, false),
            CLOCK => self.now = moved(self.now, on, how),
            REPORT => self.report(on, how),
            _ => self.unlock(how),
        }
    }

    fn about(&self) -> Option<String> {
        Some(self.record.authenticator().id().to_string())
    }

    fn ask(&mut self, on: u8, how: u8) {
        let (now, ms, purpose) = (self.now, millis(self.now), purpose(on));
        let expected = self.model.ask(&purpose, ms);
        let step =
            self.verifier.ask(self.record.clone(), &purpose, now, &crate::fixture::entropy(&mut self.rng));
        let Some(seen) = self.commit(step, how) else { return };
        self.judge(&seen, host_expected("ask", self.about(), &expected, now));
        let (Ok(answer), Ok(expected)) = (seen.result, expected) else { return };
        let oob_code = answer.oob_code.expose().to_owned();
        let delivered = match expected {
            Ask::CoolingDown(until) => Delivery::CoolingDown { until: instant(until) },
            Ask::Resent | Ask::New => Delivery::Sent,
        };
        assert_eq!(answer.delivery, delivered);
        let mailed = seen.effects.into_iter().find_map(|effect| match effect {
            Effect::Send(mail) => Some(mail),
            _ => None,
        });
        assert_eq!(mailed.is_some(), delivered == Delivery::Sent, "a message is sent unless it is too soon");
        match &expected {
            Ask::New => {
                if self.model.begins_anew(ms) {
                    self.model.attempts_left = self.model.settings.attempts;
                }
                self.model.asked = Some(Asked {
                    oob_code: oob_code.clone(),
                    purpose: purpose.clone(),
                    digits: self.model.settings.code_digits,
                    deadline: ms + self.model.lifetime(&purpose),
                    status: AuthenticatorStatus::Waits,
                });
                assert!(self.given.iter().all(|given| given.oob_code != oob_code), "a new handle is new");
            }
            Ask::Resent | Ask::CoolingDown(_) => {}
        }
        let asked = self.model.asked.as_ref().expect("something was asked");
        assert_eq!((&asked.oob_code, instant(asked.deadline)), (&oob_code, answer.expires));
        let Some(mail) = mailed else { return };
        self.model.budgets.sent(ms);
        self.model.last_send = Some(ms);
        assert_eq!((&mail.purpose, mail.expires), (&purpose, answer.expires));
        let given = Given { oob_code, purpose, code: mail.content.code().unwrap().clone(), mail: mail.id };
        match self.given.iter_mut().find(|known| known.oob_code == given.oob_code) {
            Some(known) => {
                let repeats = self.model.settings.resend == Resend::Repeat;
                assert!(!repeats || known.code.expose() == given.code.expose(), "the same code again");
                *known = given;
            }
            None => self.given.push(given),
        }
    }

    fn answer(&mut self, on: u8, how: u8, right: bool) {
        let (now, ms) = (self.now, millis(self.now));
        let Some(given) = self.given.iter().rev().nth(usize::from(on % 16)).cloned() else { return };
        let digits = presented(&given.code, how, right);
        let purpose = if how & 0x10 != 0 { purpose(how) } else { given.purpose.clone() };
        let expected = self.model.answer(&given.oob_code, &purpose, digits.len(), ms);
        let handle = self.verifier.open_standalone_code(&subject(), &given.oob_code).unwrap();
        let code = BindingCode::parse(&digits).unwrap();
        let step = self.verifier.answer(self.record.clone(), &handle, &purpose, &code, now);
        let Some(seen) = self.commit(step, how) else { return };
        let id = self.about().unwrap();
        let mut said = host_expected("answer", Some(id.clone()), &expected, now);
        let model = &mut self.model;
        match (&expected, &mut model.asked) {
            (Ok(()), Some(asked)) if right => {
                said.evaluated = true;
                asked.status = AuthenticatorStatus::Answered;
                model.proven |= purpose == Purpose::Confirm;
                model.failures = 0;
            }
            (Ok(()), Some(asked)) => {
                model.budgets.guessed(ms);
                model.failures += 1;
                let capped = model.failures >= model.settings.failure_cap;
                model.attempts_left = if capped && !model.proven { 0 } else { model.attempts_left - 1 };
                let locked = model.budgets.locked_until(ms);
                if model.attempts_left == 0 {
                    asked.status = AuthenticatorStatus::Exhausted;
                } else if capped {
                    asked.status = AuthenticatorStatus::Ended(CancelReason::Disabled);
                } else if locked.is_some() {
                    asked.status = AuthenticatorStatus::Ended(CancelReason::Locked);
                }
                if capped && model.proven {
                    model.disabled = true;
                    said.told.push(format!("disabled {id} {}", address(0).as_str()));
                }
                said.told.extend(locked.map(|until| format!("locked {id} {until}")));
                said.evaluated = true;
                said.verdict = Err(Denial::InvalidBindingCode { attempts_left: model.attempts_left });
            }
            (Err(Denial::ExpiredOobCode), Some(asked)) if asked.oob_code == given.oob_code => {
                asked.status = AuthenticatorStatus::Expired;
            }
            _ => {}
        }
        self.judge(&seen, said);
        if let Ok(answered) = seen.result {
            assert_eq!(answered.purpose, purpose, "a purpose answers its own");
            assert_eq!(answered.evidence.authenticator.unwrap().to_string(), id);
        }
    }

    fn report(&mut self, on: u8, how: u8) {
        let now = self.now;
        let Some(given) = self.given.iter().rev().nth(usize::from(on % 16)).cloned() else { return };
        let report = if how & 1 == 0 { DeliveryReport::Failed } else { DeliveryReport::Delivered };
        let asked = self.model.asked.as_ref();
        let latest = asked.is_some_and(|asked| {
            asked.oob_code == given.oob_code && asked.status == AuthenticatorStatus::Waits
        });
        let lifts = latest && report == DeliveryReport::Failed && self.model.last_send.is_some();
        let step = self.verifier.report_standalone_delivery(self.record.clone(), given.mail, report, now);
        let Some(seen) = self.commit(step, how) else { return };
        assert_eq!(seen.result, Ok(lifts), "a failed message lifts the cool-down once");
        let about = self.about().filter(|_| latest);
        self.judge(&seen, host_expected("report_delivery", about, &Ok(()), now));
        if lifts {
            self.model.last_send = None;
        }
    }

    fn unlock(&mut self, how: u8) {
        let (now, ms) = (self.now, millis(self.now));
        let step = self.verifier.unlock_standalone(self.record.clone(), now);
        let Some(seen) = self.commit(step, how) else { return };
        let mut said = host_expected("unlock", None, &Ok(()), now);
        said.told.push("unlocked".to_owned());
        self.judge(&seen, said);
        self.model.budgets.unlocked(ms);
        // A cool-down that a wild clock has set ends with it.
        self.model.last_send = self.model.last_send.map(|sent| sent.min(ms));
        self.model.updated = ms;
    }
}
