//! One test for each known vulnerability of a second-factor system that can apply to emailed codes and recovery codes:
//! each states the invariant that rules the vulnerability out, and fails if the invariant does not hold.
//!
//! The numbers are those of forty published vulnerabilities and issues. `verification/negative_controls`
//! takes the guard behind each test out of the library, one at a time, and requires the test to fail.
//!
//! `docs/advisories.md` says for each of the forty how it is held. Not here are V12, V22 and V23, which are about
//! TOTP, a factor that the library does not have; and V38, the host name of a link in a mail, as no effect carries a
//! link or a text. What a host can get wrong by itself is tested with the reference host, in
//! `examples/server/tests/advisories.rs`.

mod binding;
mod budgets;
mod concurrency;
mod delivery;
mod generation;
mod replay;

use std::fmt::Debug;

use countersign::{
    Account, BindingCode, Challenged, Denial, Policy, Session, Step, Subject, Verifier,
    code::RecoveryCode,
    policy::{Rate, Settings},
    session::{ClientId, Scope},
    step::Committed,
};
use countersign_testkit::{Given, Need, World, edited, json};
use serde_json::Value;
use time::{Duration, OffsetDateTime};

const ADDRESS: &str = "user@example.com";

/// A policy that locks, and under which messages are no limit, so that a test meets the limit that it is
/// about.
fn roomy(change: impl FnOnce(&mut Settings)) -> Policy {
    countersign_testkit::locking(|settings| {
        settings.send_bucket = Rate::new(1_000, Duration::SECOND);
        settings.long_send_budget = None;
        settings.cool_down = Duration::ZERO;
        change(settings);
    })
}

/// A world with an enrolled user: the recovery codes that were shown, and nothing else that came out yet.
fn enrolled(policy: Policy) -> (World, Vec<RecoveryCode>) {
    let mut world = World::new(policy);
    let (_, codes) = world.enroll(ADDRESS);
    world.tokens.clear();
    world.events.clear();
    world.audits.clear();
    world.pass(60);
    (world, codes)
}

/// A challenge that waits, with the code that answers it.
fn challenged(world: &mut World, session: &Session) -> (Given<Challenged>, BindingCode) {
    let challenged = world.challenge(session).unwrap();
    (challenged, world.mail().code)
}

/// A first-factor session of any user through any client.
fn session_of(world: &mut World, subject: &str, client: &str) -> Session {
    let client = ClientId::new(client).unwrap();
    let subject = Subject::new(subject).unwrap();
    let account = world.store.load(&subject).unwrap_or_else(|| Account::new(&subject));
    let scope = Scope::new("openid").unwrap();
    let first_factor = world.verifier.prepare(&account).client(client.clone()).scope(scope);
    let entropy = countersign_testkit::entropy(&mut world.rng);
    let begun = world.verifier.begin(first_factor, &account, world.now, &entropy).unwrap();
    world.verifier.open(begun.token.expose(), Some(&client), world.now).unwrap()
}

/// Servers that each hold one request. In every round all of them load the same record and take their step before any
/// of them stores; whoever loses the swap starts over. Gives what each was told, in the order in which it was told.
fn contend<T: Debug>(
    world: &mut World,
    servers: usize,
    step: impl Fn(&Verifier, usize, Account) -> Step<T>,
) -> Vec<Result<T, Denial>> {
    let mut waiting: Vec<_> = (0..servers).collect();
    let mut told = Vec::new();
    for _ in 0..servers {
        let copy = world.account();
        let steps: Vec<_> =
            waiting.iter().map(|&server| (server, step(&world.verifier, server, copy.clone()))).collect();
        waiting.clear();
        for (server, step) in steps {
            match step.commit(|write| world.store.swap(write)).unwrap() {
                Committed::Done(outcome) => told.push(world.take(outcome)),
                Committed::Lost => waiting.push(server),
            }
        }
    }
    assert!(waiting.is_empty(), "in every round one server gets on");
    told
}

/// Wrong codes at one handle until one is not evaluated: how many were, and why the last was not.
fn guess_out(world: &mut World, session: &Session, oob_code: &str, wrong: &BindingCode) -> (u32, Denial) {
    let mut evaluated = 0;
    loop {
        match world.verify(session, oob_code, wrong).unwrap_err() {
            Denial::InvalidBindingCode { .. } => evaluated += 1,
            refused => return (evaluated, refused),
        }
        assert!(evaluated < 2_000, "guessing has no bound");
    }
}

/// Guesses at the user's authenticator in so many logins, as whoever knows the password can: how many were evaluated.
fn guess_in_logins(world: &mut World, logins: usize) -> u32 {
    let mut evaluated = 0;
    for _ in 0..logins {
        let session = world.login();
        let Ok(challenged) = world.challenge(&session) else { continue };
        let wrong = countersign_testkit::wrong(&world.mail().code);
        evaluated += guess_out(world, &session, challenged.oob_code.expose(), &wrong).0;
    }
    evaluated
}

fn requirements(world: &mut World) -> Need {
    world.requirements().into()
}

/// What is stored of the user's record.
fn stored(world: &mut World) -> Value {
    json(&world.account())
}

/// How many were charged to a bucket that was full and has been charged at no other time than `now`.
fn charged(world: &mut World, bucket: &str, every: Duration) -> u64 {
    let full_at = countersign_testkit::bucket_of(&stored(world), bucket);
    full_at.saturating_sub(millis(world.now)) / u64::try_from(every.whole_milliseconds()).unwrap()
}

/// How many guesses were charged at `now`, under the default bucket.
fn charged_guesses(world: &mut World) -> u64 {
    charged(world, "guess", Duration::seconds(360))
}

/// How many wrong recovery codes were charged at `now`, under the default bucket.
fn charged_recoveries(world: &mut World) -> u64 {
    charged(world, "recovery", Duration::seconds(360))
}

fn millis(instant: OffsetDateTime) -> u64 {
    u64::try_from(instant.unix_timestamp_nanos() / 1_000_000).unwrap()
}

/// The text with another base64url symbol at one place.
fn tampered(text: &str, place: usize) -> String {
    let mut symbols = text.as_bytes().to_vec();
    symbols[place] = if symbols[place] == b'A' { b'B' } else { b'A' };
    String::from_utf8(symbols).unwrap()
}

/// A well-formed recovery code that differs from `code` in one symbol.
fn near_miss(code: &RecoveryCode, place: usize) -> RecoveryCode {
    let mut symbols = code.expose().as_bytes().to_vec();
    symbols[place] = if symbols[place] == b'A' { b'B' } else { b'A' };
    RecoveryCode::parse(std::str::from_utf8(&symbols).unwrap()).unwrap()
}
