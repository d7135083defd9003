//! `operations`: commands in any order under a clock that jumps, against a plain model that counts for itself.
//!
//! The first two bytes choose the policy, each further three a command; with the first byte from 0xc0 on it is a record
//! of one address alone, in `address_proof.rs`. Before every step the model says which verdict it must give, denials to
//! the letter, which audit event, and whom it tells of what; after it, what the buckets, attempts, failures, sets of
//! codes and remembered devices must be. The model is in `model.rs`, `reference_model.rs` and `outcome.rs`, and shares
//! no code with the library.

mod admin_commands;
mod answers;
mod apps;
mod codes;
mod devices;
mod journeys;
mod policies;
mod preferences;
mod sessions;
mod steps;

pub(crate) use journeys::journeys;
pub(crate) use policies::CHOICES;

use arbitrary::{Arbitrary, Unstructured};
use countersign::{
    Account, AuthenticatorId, BindingCode, ChallengeRequest, Denial, Effect, Elevation, Entropy, FirstFactor,
    Policy, Requirements, Revision, Session, Step, Subject, Swap, Verified, Verifier,
    code::{DeviceToken, RecoveryCode},
    command::{ChallengeTypes, Purpose},
    effect::{Delivery, DeliveryReport, Descriptor, EffectId, RenderError},
    policy::{
        AtCap, FactorUse, Rate, RecoveryThrottle, RecoveryUse, Remember, Resend, Settings, WhenExhausted,
    },
    record::{DeviceView, Lane},
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
    reference_model::{About, Login, Presented, Recovery, ReferenceModel, Sending, Waiting},
    snapshot::{Known, Remembered, Snapshot, State},
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

// Variants that are commands of their own.
/// A browser presents its device with the session `on`, which then is the latest; `how` says what it shows.
pub const RECOGNIZE: u8 = BEGIN | 0x80;
/// With the first factor of the login before.
pub const BEGIN_LATE: u8 = BEGIN | 0x40;
pub const VERIFY_DEVICE: u8 = RECOVER | 0x10;
pub const FORGET: u8 = REMOVE | 0x20;
/// `how` says which authenticator, and which name.
pub const RENAME: u8 = REGENERATE | 0x10;
/// `how` says which authenticator, and whether it is preferred: it is not on no bit of the lowest two.
pub const PREFER: u8 = REGENERATE | 0x20;
pub const REVOKE: u8 = RESET | 0x10;
pub const REMOVE_AUTHENTICATOR: u8 = RESET | 0x20;
pub const FORGET_DEVICE: u8 = RESET | 0x40;
/// In `what` of `FORGET` and in `on` of `FORGET_DEVICE`: a device that nobody has.
pub const ELSEWHERE: u8 = 0x10;

/// In `how` of an elevation: by a remembered device, which is no factor.
pub const BY_DEVICE: u8 = 0x20;

/// The variant of an enrollment and of an answer that is of an app.
const APP: u8 = 8;
/// A variant of a code of an app: four codes at once.
const FOUR: u8 = 1;

/// In `on` of an answer: with the wish that the device be remembered.
pub const REMEMBER: u8 = 0x40;

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

/// A device token that a browser keeps, and whose it is.
#[derive(Clone)]
struct Cookie {
    subject: Subject,
    id: String,
    token: String,
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
    /// The first factor of the latest login, and the epoch that it was prepared in.
    prepared: Option<(FirstFactor, u64)>,
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
    cookies: Vec<Cookie>,
    elevations: u32,
}

pub fn check(data: &[u8]) {
    let mut u = Unstructured::new(data);
    let Ok([choice, shape]) = u.arbitrary::<[u8; 2]>() else { return };
    let policy = policies::policy(choice, shape);
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
        prepared: None,
        checked: None,
        logins: Vec::new(),
        given: Vec::new(),
        apps: Vec::new(),
        recovery: Vec::new(),
        mails: Vec::new(),
        outbox: None,
        tokens: Vec::new(),
        cookies: Vec::new(),
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
    fn take(&mut self, Command { what, on, how }: Command) {
        let variant = what >> 4;
        match what % COMMANDS {
            BEGIN if variant & 8 != 0 => self.recognize(on, how),
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
            RECOVER if variant & 1 != 0 => self.verify_device(on, how),
            RECOVER => self.recover(on, how),
            CANCEL => self.cancel(variant, on, how),
            REMOVE if variant & 2 != 0 => self.forget(variant, on, how),
            REMOVE => self.remove(variant, on, how),
            REGENERATE if variant & 1 != 0 => self.rename(on, how),
            REGENERATE if variant & 2 != 0 => self.prefer(on, how),
            REGENERATE => self.regenerate(on, how),
            PROVISION => self.provision(on, how),
            DEPROVISION => self.deprovision(on, how),
            REPORT => self.report(on, how),
            UNLOCK => self.unlock(how),
            _ if variant & 1 != 0 => self.revoke_sessions(how),
            _ if variant & 2 != 0 => self.remove_authenticator(on, how),
            _ if variant & 4 != 0 => self.forget_device(on, how),
            _ => self.reset(how),
        }
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
    let device = login.device.as_ref().map(|device| device.id.clone());
    Expected { subject, login: Some(login), device, ..host_expected(command, about, verdict, now) }
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
        device: None,
        verdict: verdict.as_ref().map(|_| ()).map_err(|denial| *denial),
        withheld: None,
        evaluated: false,
        told: Vec::new(),
        tokens: 0,
        ends: None,
        at: millis(now),
    }
}
