//! `operations`: commands in any order under a clock that jumps, against a plain model that counts for itself.
//!
//! The first two bytes choose the policy, each further three a command; with the first byte from 0xc0 on it is a record
//! of one address alone, in `address_proof.rs`. Before every step the model says which verdict it must give, denials to
//! the letter, which audit event, and whom it tells of what; after it, what the buckets, attempts, failures and sets of
//! codes must be. The model is in `model.rs`, `reference_model.rs` and `outcome.rs`, and shares no code with the
//! library.

mod admin_commands;
mod apps;
mod codes;

use arbitrary::{Arbitrary, Unstructured};
use countersign::{
    Account, AuthenticatorId, BindingCode, ChallengeRequest, Denial, Effect, Entropy, Policy, Requirements,
    Revision, Session, Step, Subject, Swap, Verified, Verifier,
    code::RecoveryCode,
    command::{ChallengeTypes, Purpose},
    effect::{Delivery, DeliveryReport, Descriptor, EffectId, RenderError},
    policy::{AtCap, FactorUse, Rate, RecoveryThrottle, RecoveryUse, Resend, Settings, WhenExhausted},
    record::Lane,
    session::ElevatedScopes,
    step::Committed,
};
use rand::rngs::ChaCha20Rng;
use time::{Duration, OffsetDateTime};
use totp_rs::Totp;

use crate::{
    budgets::{Budgets, instant, millis},
    fixture::{START, SUBJECT, account, address, client, rng, subject, verifier},
    model::{Code, Model},
    outcome::{self, Expected, Seen},
    reference_model::{About, Login, Recovery, ReferenceModel, Sending},
    snapshot::{Known, Snapshot, State},
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

/// The variant of an enrollment and of an answer that is of an app.
const APP: u8 = 8;
/// A variant of a code of an app: four codes at once.
const FOUR: u8 = 1;

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
    let enroll = [[BEGIN, 0, 0], [ASSOCIATE, 0, 0], [RIGHT, 0, 0], [CLOCK, 0, 3]];
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
    let after = |rest: &[[u8; 3]]| [&enroll[..], rest].concat();
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
    let (app, right, wrong) = (ASSOCIATE | APP << 4, RIGHT | APP << 4, WRONG | APP << 4);
    let with_app = [[BEGIN, 0, 0], [app, 0, 0], [app, 0, 0], [right, 0, 0], [CLOCK, 0, 3]];
    let use_app = [
        [BEGIN, 0, 0],
        [CHALLENGE, 0, 0],
        [wrong, 0, 0],
        [right, 0, 0x21],
        [right, 0, 1],
        [BEGIN, 0, 0],
        [right, 0, 1],
        [right, 0, 0],
        [BEGIN, 0, 0],
        [right, 0, 0],
        [right, 0, 4],
        [CLOCK, 0, 3],
    ];
    let row = FOUR << 4;
    // Guesses until four codes are wanted: one is refused, a wrong row and a right one are judged.
    let four = [
        [BEGIN, 0, 0],
        [wrong, 0, 0],
        [wrong, 0, 0],
        [wrong, 0, 0],
        [BEGIN, 0, 0],
        [wrong, 0, 0],
        [wrong, 0, 0],
        [CHALLENGE, 0, 0],
        [right, 0, 0],
        [wrong | row, 0, 0],
        [wrong | row, 0, 9],
        [right | row, 0, 2],
        [right | row, 0, 0],
        [BEGIN, 0, 0],
        [right | row, 0, 0],
        [CLOCK, 0, 3],
        [right | row, 0, 1],
    ];
    let second_app = [
        [ELEVATE, 0, 0],
        [app, 0, 0],
        [wrong, 0, 4],
        [right, 0, 4],
        [BEGIN, 0, 0],
        [right, 0, 4],
        [right, 1, 0],
        [RECOVER, 0, 0],
        [ELEVATE, 0, 0],
        [REGENERATE, 0, 0],
        [REMOVE, 0, 0],
        [REMOVE, 0, 0],
    ];
    let guess_app = [[BEGIN, 0, 0], [wrong, 0, 0], [wrong, 0, 0], [right, 0, 0], [CLOCK, 0, 5]];
    let doors = [
        [RIGHT, 0, 0x10],
        [CANCEL | 0x10, 0, 0],
        [REGENERATE, 0, 0],
        [BEGIN, 0, 0],
        [CHALLENGE, 0, 0],
        [RIGHT, 1, 0],
    ];
    vec![
        ("enroll", enroll.to_vec()),
        ("sign-in", after(&sign_in)),
        ("guess", after(&guess.repeat(4))),
        ("recover", after(&recover)),
        ("elevated", after(&elevated)),
        ("host", after(&host)),
        ("lost", after(&lost)),
        ("jumps", after(&jumps)),
        ("variants", after(&variants)),
        ("doors", after(&doors)),
        ("app", [&with_app[..], &use_app].concat()),
        ("app-four", [&with_app[..], &[[CLOCK, 0, 3]], &four].concat()),
        ("app-second", [&with_app[..], &second_app].concat()),
        ("app-guess", [&with_app[..], &guess_app.repeat(8)].concat()),
        ("app-beside-email", [&enroll[..], &second_app, &use_app].concat()),
        ("provisioned", after(&[[PROVISION, 2, 0], [ELEVATE, 0, 0], [REMOVE, 0, 0], [REMOVE, 0, 1]])),
    ]
}

fn policy(choice: u8, shape: u8) -> Policy {
    let small = |choice: u8, shape: u8| {
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
        settings.when_exhausted = match choice >> 2 & 3 {
            0 => WhenExhausted::Harden,
            1 => WhenExhausted::HardenMessages,
            _ => WhenExhausted::Lock,
        };
        settings.at_cap = if choice & 0x10 == 0 { AtCap::Disable } else { AtCap::Harden };
        Policy::new(settings).unwrap()
    };
    match choice % 4 {
        0 => Policy::default(),
        1 => Policy::auth0(),
        2 => Policy::strict(),
        _ => small(choice, shape),
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

/// An app that was set up.
#[derive(Clone)]
struct App {
    login: Login,
    id: AuthenticatorId,
    uri: String,
    totp: Totp,
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
    snapshot: Snapshot,
    stored: bool,
    /// The revision that was compared with the model last.
    checked: Option<Revision>,
    model: Model,
    logins: Vec<Login>,
    given: Vec<Given>,
    apps: Vec<App>,
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
        return crate::address_proof::check(&mut u, choice);
    }
    let settings = policy.settings().clone();
    let record = account(&subject());
    let mut run = Run {
        model: Model::new(ReferenceModel { budgets: Budgets::new(&settings), settings }),
        verifier: verifier(policy),
        rng: rng(7),
        now: START,
        snapshot: Snapshot::of(&record),
        record,
        stored: false,
        checked: None,
        logins: Vec::new(),
        given: Vec::new(),
        apps: Vec::new(),
        recovery: Vec::new(),
        mails: Vec::new(),
        outbox: None,
        tokens: Vec::new(),
        elevations: 0,
    };
    commands(&mut u, |command| {
        run.take(command);
        run.check();
    });
}

fn latest<T: Clone>(list: &[T], back: u8) -> Option<T> {
    list.iter().rev().nth(usize::from(back % 16)).cloned()
}

impl Run {
    /// Commits a step as a store would that answers as `how` says. Nothing is seen of a step that was lost; where
    /// nobody knows, the record may have been written, and the outcome is gone.
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
            self.snapshot = Snapshot::of(&self.record);
        }
        match committed {
            Err(_) => {
                // The verdict is gone; what it did to the record is not, so the model reads it there.
                self.model.adopt(&self.snapshot);
                None
            }
            Ok(Committed::Lost) => {
                assert!(how & LOST != 0 && !wrote);
                assert_eq!(self.record, before);
                None
            }
            Ok(Committed::Done(outcome)) => {
                assert_eq!(wrote, self.record != before, "a step that writes changes the record");
                Some(Seen::of(outcome, outbox))
            }
        }
    }

    /// Compares what was seen with what the model says of it.
    fn judge<T>(&self, seen: &Seen<T>, before: &Snapshot, mut expected: Expected) {
        if seen.outbox.is_some() {
            // To unlock is also to take back what a wild clock has put on the record.
            let updated = if expected.command == "unlock" { 0 } else { before.updated };
            expected.told.extend(outcome::clock(updated, expected.at));
        }
        // An epoch begins with what ends sessions, and with nothing else.
        let raised = (before.epoch + 1).max(expected.at / 1_000);
        let epoch = if expected.ends.is_some() { raised } else { before.epoch };
        if seen.outbox.is_some() {
            assert_eq!(self.snapshot.epoch, epoch, "the epoch after {}", expected.command);
        }
        let mut secrets: Vec<&str> = vec!["@example.com"];
        secrets.extend(self.given.iter().map(|given| given.oob_code.as_str()));
        secrets.extend(self.tokens.iter().map(String::as_str));
        secrets.extend(self.recovery.iter().map(RecoveryCode::expose));
        secrets.extend(self.apps.iter().map(|app| app.uri.as_str()));
        outcome::check(seen, expected, &secrets);
    }

    /// What holds after every step, and what every reader must be told of it.
    fn check(&mut self) {
        let now = millis(self.now);
        // A command that wrote nothing charged nothing: what was checked before still stands.
        if self.checked != Some(self.record.revision()) {
            self.model.check(&self.snapshot);
            self.checked = Some(self.record.revision());
        }
        for lane in Lane::ALL {
            let locked = self.model.rules.budgets.locked(lane, now).map(|locked| instant(locked.until()));
            assert_eq!(self.verifier.locked_until(&self.record, lane, self.now), locked, "locked until");
            let hardened = self.model.rules.budgets.is_hardened(lane, now);
            assert_eq!(self.verifier.is_hardened(&self.record, lane, self.now), hardened, "hardened");
        }
        self.check_requirements();
        if let Some(login) = self.logins.last() {
            let listed = self.verifier.authenticators(&login.session, &self.record, self.now);
            let ids = listed.map(|list| list.iter().map(|view| view.id.to_string()).collect::<Vec<_>>());
            assert_eq!(ids, ReferenceModel::list(login, &self.snapshot, now), "the list");
        }
        let Some((descriptor, code)) = &self.outbox else { return };
        let Descriptor::Send(email) = descriptor else { unreachable!("only mails are kept") };
        let is_it = |id: &countersign::effect::ChallengeId| *id == email.challenge;
        let place = self.record.challenges().iter().position(|challenge| is_it(&challenge.id()));
        let asked = place.map(|place| &self.snapshot.challenges[place]);
        let live = asked.is_some_and(|asked| {
            let same =
                matches!(asked.state, State::Pending { generation, .. } if generation == email.generation);
            same && now < asked.deadline
        });
        match self.verifier.render(&self.record, descriptor, self.now) {
            Ok(Effect::Send(mail)) => {
                assert!(
                    live && mail.id == email.id
                        && mail.content.code().map(BindingCode::expose) == Some(code.expose()),
                    "{descriptor:?}"
                );
            }
            other => {
                assert!(!live && matches!(other, Err(RenderError::NotLive)), "{descriptor:?} gives {other:?}")
            }
        }
    }

    /// What a login that begins now needs, on no device.
    fn needed(&self) -> Requirements {
        let first_factor = self.verifier.prepare(&self.record);
        let entropy = Entropy::from_bytes([1; 32]);
        self.verifier.begin(first_factor, &self.record, self.now, &entropy).unwrap().requirements
    }

    fn check_requirements(&self) {
        let settings = &self.model.rules.settings;
        let Requirements { enrolled, challenge, enroll, .. } = self.needed();
        let (kinds, other) = if enrolled { (challenge, enroll) } else { (enroll, challenge) };
        assert!(other.is_empty(), "a login needs a challenge or an enrollment");
        let kinds: Vec<&str> = kinds.iter().map(|kind| kind.as_str()).collect();
        let mut expected = Vec::new();
        let has = |app: bool| {
            let known = self.snapshot.authenticators.iter().filter(|known| known.is_app() == app);
            !self.snapshot.enrolled || known.clone().any(Known::is_active)
        };
        if crate::fixture::email_authenticates(settings) && has(false) {
            expected.push("email");
        }
        if self.snapshot.recovery.as_ref().is_some_and(|set| self.snapshot.enrolled && !set.live.is_empty()) {
            expected.push("recovery-code");
        }
        if settings.factors.totp == FactorUse::Authenticate && has(true) {
            expected.push("totp");
        }
        assert_eq!((kinds, enrolled), (expected, self.snapshot.enrolled), "what a login needs");
    }

    fn take(&mut self, Command { what, on, how }: Command) {
        let variant = what >> 4;
        match what % COMMANDS {
            BEGIN => self.begin(variant),
            ELEVATE => self.elevate(variant, how),
            CLOCK => self.now = moved(self.now, on, how),
            ASSOCIATE if variant & APP != 0 => self.associate_app(on, how),
            ASSOCIATE => self.associate(on, how),
            CHALLENGE => self.challenge(variant, on, how),
            RIGHT if variant & APP != 0 => self.guess_otp((on, variant), how, true),
            WRONG if variant & APP != 0 => self.guess_otp((on, variant), how, false),
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
            _ if variant & 1 != 0 => self.revoke_sessions(how),
            _ if variant & 2 != 0 => self.remove_authenticator(on, how),
            _ => self.reset(how),
        }
    }

    fn begin(&mut self, variant: u8) {
        let own = variant & 2 == 0;
        let whose = if own { subject() } else { Subject::new("user-2").unwrap() };
        let record = if own { self.record.clone() } else { account(&whose) };
        let token = crate::fixture::begin(&self.verifier, &record, self.now, &mut self.rng).token;
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
        let record = if own { self.record.clone() } else { account(&whose) };
        let until = self.now.saturating_add(Duration::hours(1));
        let elevation = crate::fixture::elevation(&record, self.elevations, self.now);
        let session = Session::elevated(elevation, scopes, until);
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
        let epoch = session.epoch().get();
        self.logins.push(Login { session, own, named, scopes, transaction, epoch, begun, expires });
    }
}

/// Hands out commands of three bytes while there are any, 64 at most.
pub(crate) fn commands<'a, C: Arbitrary<'a>>(u: &mut Unstructured<'a>, mut take: impl FnMut(C)) {
    for _ in 0..64 {
        if u.len() < 3 {
            break;
        }
        let Ok(command) = u.arbitrary() else { break };
        take(command);
    }
}

/// What a client presents as a code: the right one or another, and on a bit of `how` with a digit too few, which can't
/// be right.
fn presented(code: &BindingCode, how: u8, right: bool) -> String {
    let mut digits = code.expose().to_owned();
    if !right {
        let last = if digits.pop() == Some('0') { '1' } else { '0' };
        digits.push(last);
    }
    if how & 0x20 != 0 && digits.len() > 6 {
        digits.truncate(digits.len().min(10) - 1);
    }
    digits
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
        withheld: None,
        evaluated: false,
        told: Vec::new(),
        tokens: 0,
        ends: None,
        at: millis(now),
    }
}
