//! The cases, each written once. A name is `operation` or `operation/variant`; `floor` and `compressions` beside an
//! operation are what it is measured against.

use std::{convert::Infallible, hint::black_box};

use countersign::{
    Account, BindingCode, ChallengeRequest, Denial, Outcome, Step, Swap, Verified,
    address_proof::{ProofPolicy, ProofPurpose},
    code::{OtpCode, RecoveryCode},
    command::{OtpRequest, Recovered},
    policy::{Rate, Remember},
    step::Committed,
};
use rand::{SeedableRng as _, rngs::ChaCha20Rng};
use time::Duration;

use crate::{
    floor::{self, Floor},
    login::{Bare, Fill, Login},
    meter::Meter,
    proof::Proving,
    world::{self, World},
};

/// A store of one row, and what came of the latest step on it.
pub struct Row<T, R = Account> {
    record: Option<R>,
    outcome: Option<Outcome<T>>,
}

impl<T, R> Row<T, R> {
    pub const fn of(record: R) -> Self {
        Self { record: Some(record), outcome: None }
    }

    /// Takes a step on the record, as a host has it when it was just decoded, and commits as the quickest store would.
    pub fn step(&mut self, command: impl FnOnce(R) -> Step<T, R>) {
        let record = self.record.take().expect("the row is there");
        let committed = command(record).commit(|write| {
            self.record = Some(write.record);
            Ok::<_, Infallible>(Swap::Stored)
        });
        if let Ok(Committed::Done(outcome)) = committed {
            self.outcome = Some(outcome);
        }
    }

    /// Whether the step succeeded.
    pub fn succeeded(&self) -> bool {
        self.outcome.as_ref().is_some_and(|outcome| outcome.audit().denial.is_none())
    }
}

/// A whole `verify_oob`, as a host's handler does it: the token, the handle, the step and the commit.
pub fn whole(login: &Login, row: &mut Row<Verified>, code: &BindingCode) {
    let session = login.verifier.open(black_box(&login.token), login.session.client(), login.now);
    let session = session.expect("the token is good");
    let handle = login.verifier.open_oob_code(&session, black_box(&login.oob_code)).expect("the handle, too");
    row.step(|account| {
        login.verifier.verify_oob(&session, account, &handle, black_box(code), login.now, None)
    });
}

/// Whether a routine succeeds on the record.
pub fn succeeds<T, R>(record: R, mut routine: impl FnMut(&mut Row<T, R>)) -> bool {
    let mut row = Row::of(record);
    routine(&mut row);
    row.succeeded()
}

/// A text with one symbol changed, `from_end` symbols before its end.
pub fn forged(text: &str, from_end: usize) -> String {
    let place = text.len() - from_end;
    let other = if text.as_bytes()[place] == b'A' { "B" } else { "A" };
    let mut forged = text.to_owned();
    forged.replace_range(place..=place, other);
    forged
}

fn floors(meter: &mut impl Meter, operation: &str, floors: &[Floor]) {
    meter.call(&format!("{operation}/floor"), || {
        assert!(black_box(floors).iter().fold(true, |sum, floor| sum & floor.check()));
    });
    meter.case(
        &format!("{operation}/compressions"),
        || [0; 8],
        |state| floor::compress(state, black_box(floors)),
    );
}

/// Answers to challenges, recovery codes, and what is refused at the door.
pub fn verification(meter: &mut impl Meter) {
    bare(meter);
    whole_cases(meter);
    recovery(meter);
    refused(meter);
    long(meter);
    apps(meter);
    devices(meter);
    links(meter);
}

fn bare(meter: &mut impl Meter) {
    let bare = Bare::asked();
    for (name, code, right) in [("right", bare.code.clone(), true), ("wrong", bare.wrong(), false)] {
        let answer = |row: &mut Row<_, _>| {
            let code = black_box(&code);
            row.step(|record| bare.verifier.verify_code(record, &bare.handle, code, bare.now));
        };
        assert_eq!(succeeds(bare.record.clone(), answer), right);
        meter.case(&format!("bare/{name}"), || Row::of(bare.record.clone()), answer);
    }
    floors(meter, "bare", &[bare.floor()]);
}

fn whole_cases(meter: &mut impl Meter) {
    for (size, fill) in [("full", Fill::FULL), ("empty", Fill::EMPTY)] {
        let login = Login::new(fill);
        for (name, code, right) in
            [("right", login.code.clone(), true), ("wrong", world::wrong(&login.code), false)]
        {
            let verify = |row: &mut Row<_>| whole(&login, row, &code);
            assert_eq!(succeeds(login.account.clone(), verify), right);
            meter.case(&format!("whole/{size}_{name}"), || Row::of(login.account.clone()), verify);
        }
        if size == "full" {
            floors(meter, "whole", &login.floors());
        }
    }
}

fn recovery(meter: &mut impl Meter) {
    for count in [1, 10, 16] {
        let login = Login::new(Fill { recovery_codes: count, ..Fill::EMPTY });
        let nobodys = RecoveryCode::parse("222222222222222222222222").unwrap();
        for (name, code) in [("right", login.recovery.last().unwrap()), ("wrong", &nobodys)] {
            let verify = |row: &mut Row<_>| recover(&login, row, black_box(code));
            assert_eq!(succeeds(login.account.clone(), verify), name == "right");
            meter.case(&format!("recovery/{name}_{count:02}"), || Row::of(login.account.clone()), verify);
        }
        if count == 1 {
            floors(meter, "recovery", &[login.recovery_floor()]);
        }
    }
}

/// `verify_recovery` and its commit.
pub fn recover(login: &Login, row: &mut Row<Recovered>, code: &RecoveryCode) {
    row.step(|account| login.verifier.verify_recovery(&login.session, account, code, login.now));
}

fn refused(meter: &mut impl Meter) {
    let login = Login::new(Fill::EMPTY);
    let late = login.now + Duration::seconds(600);
    let token = forged(&login.token, 20);
    let client = login.session.client();
    let open = |token: &str, now| login.verifier.open(black_box(token), client, now);
    assert_eq!(open(&token, login.now).unwrap_err(), Denial::MalformedToken);
    assert_eq!(open(&login.token, late).unwrap_err(), Denial::ExpiredToken);
    meter.call("token/forged", || open(&token, login.now));
    meter.call("token/expired", || open(&login.token, late));
    meter.call("token/good", || open(&login.token, login.now));
    floors(meter, "token", &[login.token_floor()]);
    let handle = forged(&login.oob_code, 10);
    let open = |handle: &str| login.verifier.open_oob_code(&login.session, black_box(handle));
    assert_eq!(open(&handle).unwrap_err(), Denial::MalformedOobCode);
    meter.call("handle/forged", || open(&handle));
    meter.call("handle/good", || open(&login.oob_code));
    floors(meter, "handle", &[login.handle_floor()]);
}

/// Codes of 20 digits, in a lane whose one guess is used up.
fn long(meter: &mut impl Meter) {
    let mut world = World::new(world::policy(|settings| {
        (settings.guess_bucket, settings.attempts) = (Rate::new(1, Duration::HOUR), 1);
    }));
    world.enroll("user-0@example.com");
    world.pass(3_600);
    let session = world.login();
    let short = world.challenge(&session).unwrap();
    let guess = world::wrong(&world.mail().code);
    world.verify(&session, short.oob_code.expose(), &guess).unwrap_err();
    let session = world.login();
    let challenged = world.challenge(&session).unwrap();
    assert!(challenged.form.is_long());
    let (account, code, now) = (world.account(), world.mail().code, world.now);
    let handle = world.verifier.open_oob_code(&session, challenged.oob_code.expose()).unwrap();
    for (name, code, right) in [("right", code.clone(), true), ("wrong", world::wrong(&code), false)] {
        let verify = |row: &mut Row<_>| {
            let code = black_box(&code);
            row.step(|account| world.verifier.verify_oob(&session, account, &handle, code, now, None));
        };
        assert_eq!(succeeds(account.clone(), verify), right);
        meter.case(&format!("long/{name}"), || Row::of(account.clone()), verify);
    }
}

/// A code of an app, and four of them at once where the one guess is used up.
fn apps(meter: &mut impl Meter) {
    let mut world = World::new(world::policy(|settings| {
        (settings.guess_bucket, settings.attempts) = (Rate::new(1, Duration::HOUR), 1);
    }));
    let (.., app) = world.enroll_totp();
    world.pass(3_600);
    let before = |steps: i64| app.at(world.now - Duration::seconds(30 * steps));
    let row = [3, 2, 1, 0].map(before);
    let bad = crate::wrong_otp(&row.each_ref());
    let four = |last: &OtpCode| {
        let codes = [&row[0], &row[1], &row[2], last].map(OtpCode::expose);
        OtpCode::parse(&codes.concat()).unwrap()
    };
    let codes = [
        ("right", row[3].clone(), true),
        ("wrong", bad.clone(), false),
        ("four_right", four(&row[3]), true),
        ("four_wrong", four(&bad), false),
    ];
    for (name, code, right) in codes {
        let session = world.login();
        if name == "four_right" {
            world.verify_otp(&session, bad.clone()).unwrap_err();
        }
        let (account, request, now) = (world.account(), OtpRequest::new(code), world.now);
        let verify = |row: &mut Row<_>| {
            let request = black_box(&request);
            row.step(|account| world.verifier.verify_otp(&session, account, request, now, None));
        };
        assert_eq!(succeeds(account.clone(), verify), right, "{name}");
        meter.case(&format!("app/{name}"), || Row::of(account.clone()), verify);
    }
}

/// The token of a remembered device: recognized, and completing a login.
fn devices(meter: &mut impl Meter) {
    let mut world = World::new(world::policy(|settings| {
        settings.remember = Some(Remember::new(Duration::days(30), true));
    }));
    world.enroll("user-0@example.com");
    world.pass(3_600);
    let token = world.remember().expose().to_owned();
    world.pass(3_600);
    let (session, account, now) = (world.login(), world.account(), world.now);
    for (name, token, right) in [("good", token.clone(), true), ("forged", forged(&token, 10), false)] {
        let recognize = |session| world.verifier.recognize(session, black_box(&token));
        assert_eq!(recognize(session.clone()).device().is_some(), right);
        meter.consume(&format!("device/{name}"), || session.clone(), recognize);
    }
    let session = world.verifier.recognize(session, &token);
    let verify = |row: &mut Row<_>| row.step(|account| world.verifier.verify_device(&session, account, now));
    assert!(succeeds(account.clone(), verify));
    meter.case("device/completes", || Row::of(account.clone()), verify);
}

/// The link of a proof of an address: opened, and taken.
fn links(meter: &mut impl Meter) {
    let mut proving = Proving::new(ProofPolicy::default());
    proving.ask(ProofPurpose::Reset);
    let token = proving.letter().token.expose().to_owned();
    let (verifier, subject, now) = (proving.verifier, world::subject(), proving.now);
    let open = |token: &str| verifier.open_link(&subject, ProofPurpose::Reset, black_box(token));
    // The outer tag comes before the one that the record is needed for, which has the last 22 symbols.
    let (wrong, forged) = (forged(&token, 10), forged(&token, 30));
    assert!(open(&token).is_ok() && open(&wrong).is_ok() && open(&forged).is_err());
    meter.call("link/good", || open(&token));
    meter.call("link/forged", || open(&forged));
    for (name, token, right) in [("right", &token, true), ("wrong", &wrong, false)] {
        let link = open(token).unwrap();
        let verify =
            |row: &mut Row<_, _>| row.step(|proof| verifier.verify_link(proof, black_box(&link), None, now));
        assert_eq!(succeeds(proving.record.clone(), verify), right);
        meter.case(&format!("link/{name}"), || Row::of(proving.record.clone()), verify);
    }
}

/// What makes codes, handles and tokens.
pub fn issue(meter: &mut impl Meter) {
    let mut rng = ChaCha20Rng::seed_from_u64(5);
    let verifier = countersign::Verifier::new(world::keys(), countersign::Policy::default());
    let scope = countersign::session::Scope::new("openid").unwrap();
    let fresh = Account::new(&world::subject());
    let first_factor = || verifier.prepare(black_box(&fresh)).client(world::client()).scope(scope.clone());
    meter.call("begin", || {
        verifier.begin(first_factor(), black_box(&fresh), world::START, &crate::entropy(&mut rng))
    });
    let entropy = crate::entropy(&mut ChaCha20Rng::seed_from_u64(5));
    let session = verifier.begin(first_factor(), &fresh, world::START, &entropy).unwrap().session;
    let factor = world::email("user-0@example.com");
    let mut rng = ChaCha20Rng::seed_from_u64(7);
    meter.case(
        "associate",
        || (Row::of(fresh.clone()), factor.clone()),
        |(row, factor)| {
            row.step(|account| {
                verifier.associate(&session, account, factor, world::START, &crate::entropy(&mut rng))
            });
        },
    );
    for (size, fill) in [("empty", Fill::EMPTY), ("full", Fill::FULL)] {
        let login = Login::new(fill);
        // Late enough for the budgets of messages, and so early that all challenges still live.
        let now = login.now + Duration::seconds(60);
        let session = login.verifier.open(&login.begin(now), Some(&world::client()), now).unwrap();
        let request = ChallengeRequest::default();
        let mut rng = ChaCha20Rng::seed_from_u64(9);
        let mut challenge = |row: &mut Row<_>| {
            row.step(|account| {
                login.verifier.challenge(&session, account, &request, now, &crate::entropy(&mut rng))
            });
        };
        assert!(succeeds(login.account.clone(), &mut challenge));
        meter.case(&format!("challenge_{size}"), || Row::of(login.account.clone()), challenge);
    }
    let proving = Proving::new(ProofPolicy::default());
    let mut rng = ChaCha20Rng::seed_from_u64(11);
    meter.case(
        "ask",
        || Row::of(proving.record.clone()),
        |row| {
            row.step(|proof| {
                proving.verifier.ask(proof, ProofPurpose::Reset, proving.now, &crate::entropy(&mut rng))
            });
        },
    );
}

/// The cost against what the account holds, one dimension at a time, and of its stored forms.
pub fn scaling(meter: &mut impl Meter) {
    let counts = |meter: &mut _, dimension: &str, steps: &[usize], fill: fn(usize) -> Fill| {
        for &count in steps {
            verify(meter, &format!("{dimension}/{count:02}"), fill(count));
        }
    };
    counts(meter, "authenticators", &[1, 2, 4, 8, 16], |count| Fill { authenticators: count, ..Fill::EMPTY });
    counts(meter, "challenges", &[1, 2, 4, 8], |count| Fill {
        challenges: count,
        transactions: count,
        ..Fill::EMPTY
    });
    counts(meter, "transactions", &[1, 4, 16], |count| Fill { transactions: count, ..Fill::EMPTY });
    for count in [1, 2, 4, 8, 16] {
        let login = Login::new(Fill { recovery_codes: count, ..Fill::EMPTY });
        let code = login.recovery.last().unwrap();
        let verify = |row: &mut Row<_>| recover(&login, row, code);
        meter.case(&format!("recovery_codes/{count:02}"), || Row::of(login.account.clone()), verify);
    }
    for (size, fill) in [("empty", Fill::EMPTY), ("full", Fill::FULL)] {
        let login = Login::new(fill);
        let (json, postcard) = (login.json(), login.postcard());
        meter.call(&format!("json_encode/{size}"), || login.json());
        meter.call(&format!("postcard_encode/{size}"), || login.postcard());
        let decode = || serde_json::from_slice::<Account>(black_box(&json)).unwrap();
        assert_eq!(decode(), login.account);
        meter.call(&format!("json_decode/{size}"), decode);
        let decode = || postcard::from_bytes::<Account>(black_box(&postcard)).unwrap();
        assert_eq!(decode(), login.account);
        meter.call(&format!("postcard_decode/{size}"), decode);
    }
}

fn verify(meter: &mut impl Meter, name: &str, fill: Fill) {
    let login = Login::new(fill);
    meter.case(name, || Row::of(login.account.clone()), |row| whole(&login, row, &login.code));
}
