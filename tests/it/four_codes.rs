//! Four one-time passwords at once: what a hardened account takes instead of one, and what finds a device
//! again that ran ahead.

use countersign::{
    Associated, AuthenticatorId, ChallengeRequest, Denial, Policy, Session,
    code::OtpCode,
    command::OtpRequest,
    effect::Notice,
    factor::Prompt,
    machine::Enrollment,
    policy::{AtCap, FactorUse, Rate, Settings, WhenExhausted},
    record::Lane,
    wire::{AssociateReply, ChallengeReply},
};
use countersign_testkit::{App, World, bucket, entropy, hotp, policy, totp, wrong_otp};
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};

const STEP: Duration = Duration::seconds(30);

/// An account with one app, and guesses of which three are there at once and one more each hour.
fn enrolled(change: impl FnOnce(&mut Settings)) -> (World, AuthenticatorId, App) {
    let mut world = World::new(policy(|settings| {
        settings.guess_bucket = Rate::new(3, Duration::HOUR);
        settings.attempts = 3;
        settings.factors.hotp = FactorUse::Authenticate;
        change(settings);
    }));
    let (id, _, app) = world.enroll_totp();
    world.pass(86_400);
    world.events.clear();
    (world, id, app)
}

fn wrong_at(app: &App, now: OffsetDateTime) -> OtpCode {
    let near: Vec<_> = (-4..=4).map(|step| app.at(now + STEP * step)).collect();
    wrong_otp(&near.iter().collect::<Vec<_>>())
}

/// The codes of four steps, of which the last is that of this instant.
fn four(app: &App, last: OffsetDateTime) -> OtpCode {
    joined([3, 2, 1, 0].map(|before| app.at(last - STEP * before)))
}

fn joined(codes: [OtpCode; 4]) -> OtpCode {
    OtpCode::parse(&codes.each_ref().map(OtpCode::expose).join(" ")).unwrap()
}

/// Presents wrong codes until the lane of the password has no guess left.
fn guess_out(world: &mut World, app: &App) -> Session {
    let session = world.login();
    for attempts_left in (0..3).rev() {
        let guess = wrong_at(app, world.now);
        let denied = world.verify_otp(&session, guess).unwrap_err();
        assert_eq!(denied, Denial::InvalidOtpCode { attempts_left });
    }
    session
}

/// Refuses with this, and writes nothing.
fn refuses(world: &mut World, session: &Session, code: impl Into<OtpRequest>, denial: Denial, seen: bool) {
    let (before, swaps) = (world.account(), *world.store.swaps.borrow());
    assert_eq!(world.verify_otp(session, code).unwrap_err(), denial);
    assert_eq!((world.account(), *world.store.swaps.borrow()), (before, swaps));
    assert_eq!(world.audits.last().unwrap().evaluated, seen);
}

#[test]
fn a_hardened_lane_takes_four_codes_in_a_row_and_no_single_one() {
    let (mut world, id, app) = enrolled(|_| {});
    let exhausted = guess_out(&mut world, &app);
    assert_eq!(world.events, [Notice::Hardened { authenticator: id, lane: Lane::Unknown }]);
    let (session, now) = (world.login(), world.now);
    let guesses = bucket(&world.account(), "guess");
    for code in [app.at(now), wrong_at(&app, now)] {
        refuses(&mut world, &session, code, Denial::FourCodesRequired, false);
    }
    // Nobody needs an attempt for them.
    for session in [session, exhausted] {
        assert!(world.verify_otp(&session, four(&app, world.now)).unwrap().completed);
        assert_eq!(world.account().authenticators()[0].failures(), 0);
        world.pass(120);
    }
    assert_eq!(bucket(&world.account(), "guess"), guesses, "nothing but time gives a guess back");
    // It ends once the budgets hold a challenge's attempts again.
    world.pass(3 * 86_400);
    let session = world.login();
    assert!(world.verify_otp(&session, app.at(world.now)).unwrap().completed);
}

/// The hysteresis: with one guess back the lane is still hardened.
#[test]
fn a_lane_stays_hardened_until_all_attempts_are_there_again() {
    let (mut world, _, app) = enrolled(|settings| settings.long_guess_budget = None);
    guess_out(&mut world, &app);
    world.pass(2 * 3_600);
    let (session, code) = (world.login(), app.at(world.now));
    refuses(&mut world, &session, code, Denial::FourCodesRequired, false);
    world.pass(3_600);
    let session = world.login();
    assert!(world.verify_otp(&session, app.at(world.now)).is_ok());
}

/// A remembered device is in the other lane: a stranger's guesses ask no four codes of it, and its own do.
#[test]
fn on_a_remembered_device_one_code_goes_on_being_enough() {
    let (mut world, _, app) = enrolled(|settings| settings.long_guess_budget = None);
    let session = world.login();
    let token = world.verify_otp_remembering(&session, app.at(world.now)).unwrap().device.unwrap();
    world.pass(120);
    guess_out(&mut world, &app);
    let codes = |world: &mut World, session: &Session| {
        let (account, now) = (world.account(), world.now);
        let (request, entropy) = (ChallengeRequest::default(), entropy(&mut world.rng));
        let step = world.verifier.challenge(session, account, &request, now, &entropy);
        match world.run(step).unwrap().prompt {
            Prompt::Otp { codes } => codes,
            prompt => panic!("{prompt:?}"),
        }
    };
    let (plain, on_device) = (world.login(), world.login_on(&token));
    assert_eq!([&plain, &on_device].map(|session| codes(&mut world, session)), [4, 1]);
    assert!(world.verify_otp(&on_device, app.at(world.now)).unwrap().completed);
    // Its own guesses harden its lane, and four codes at once have it remembered again.
    world.pass(120);
    let session = world.login_on(&token);
    for _ in 0..3 {
        let guess = wrong_at(&app, world.now);
        assert!(matches!(world.verify_otp(&session, guess), Err(Denial::InvalidOtpCode { .. })));
    }
    let session = world.login_on(&token);
    assert_eq!(codes(&mut world, &session), 4);
    let verified = world.verify_otp_remembering(&session, four(&app, world.now)).unwrap();
    assert!(verified.completed && verified.device.is_some());
    assert_eq!(world.account().devices().len(), 1);
}

/// What anybody with the password can repeat without end must not write, and no part of it is answered.
#[test]
fn a_wrong_row_changes_nothing_and_writes_nothing() {
    let (mut world, _, app) = enrolled(|_| {});
    guess_out(&mut world, &app);
    let (session, now) = (world.login(), world.now);
    let right = [3, 2, 1, 0].map(|before| app.at(now - STEP * before));
    for place in 0..4 {
        let mut wrong = right.clone();
        wrong[place] = wrong_at(&app, now);
        let mut swapped = right.clone();
        swapped.swap(place, (place + 1) % 4);
        for codes in [wrong, swapped] {
            refuses(&mut world, &session, joined(codes), Denial::InvalidLongCode, true);
        }
    }
    let guess = wrong_at(&app, now);
    for _ in 0..1_000 {
        let row = joined([guess.clone(), guess.clone(), guess.clone(), guess.clone()]);
        refuses(&mut world, &session, row, Denial::InvalidLongCode, true);
    }
    // Codes of another length are no answer: they are compared with nothing.
    let long = OtpCode::parse(&"1".repeat(28)).unwrap();
    refuses(&mut world, &session, long, Denial::MalformedCode, false);
    assert!(world.verify_otp(&session, joined(right)).unwrap().completed);
}

/// The last of the four is in the window of one code, and each of them is above the last accepted step.
#[test]
fn a_row_ends_in_the_window_and_begins_behind_what_was_accepted() {
    for (shift, taken) in [(-2, false), (-1, true), (0, true), (1, false)] {
        let (mut world, _, app) = enrolled(|_| {});
        guess_out(&mut world, &app);
        let session = world.login();
        let answer = world.verify_otp(&session, four(&app, world.now + STEP * shift));
        assert_eq!(answer.err(), (!taken).then_some(Denial::InvalidLongCode), "{shift}");
    }
    for (steps, taken) in [(3, false), (4, true)] {
        let (mut world, _, app) = enrolled(|_| {});
        guess_out(&mut world, &app);
        let session = world.login();
        let row = four(&app, world.now);
        world.verify_otp(&session, row.clone()).unwrap();
        let session = world.login();
        refuses(&mut world, &session, row, Denial::InvalidLongCode, true);
        world.now += STEP * steps;
        let session = world.login();
        let answer = world.verify_otp(&session, four(&app, world.now));
        assert_eq!(answer.err(), (!taken).then_some(Denial::InvalidLongCode), "{steps}");
    }
}

/// NIST SP 800-63B-4 section 3.1.4 wants a limit on each output below 64 bits: `strict` and `auth0` lock.
#[test]
fn a_policy_that_does_not_harden_one_time_passwords_locks_them() {
    for when_exhausted in [WhenExhausted::HardenMessages, WhenExhausted::Lock] {
        let (mut world, _, app) = enrolled(|settings| {
            settings.when_exhausted = when_exhausted;
            settings.long_guess_budget = None;
        });
        guess_out(&mut world, &app);
        let (session, now) = (world.login(), world.now);
        let locked = Denial::Locked { until: now + Duration::HOUR };
        for code in [app.at(now), four(&app, now)] {
            refuses(&mut world, &session, code, locked, false);
        }
        world.pass(3_600);
        let session = world.login();
        assert!(world.verify_otp(&session, app.at(world.now)).is_ok(), "one guess is there again");
    }
}

#[test]
fn strict_signs_people_in_by_an_app_and_locks_it() {
    let policy = Policy::new(Settings::strict()).unwrap();
    let mut world = World::new(policy);
    let (.., app) = world.enroll_totp();
    world.pass(86_400);
    let session = world.login();
    assert!(world.verify_otp(&session, app.at(world.now)).unwrap().completed);
    world.pass(86_400);
    let (mut denied, mut guesses) = (None, 0);
    while denied.is_none() {
        let session = world.login();
        let guess = wrong_at(&app, world.now);
        match world.verify_otp(&session, guess).unwrap_err() {
            Denial::InvalidOtpCode { .. } => guesses += 1,
            denial => denied = Some(denial),
        }
    }
    assert_eq!((guesses, denied), (5, Some(Denial::Locked { until: world.now + Duration::minutes(30) })));
    let session = world.login();
    assert_eq!(world.challenge(&session).err(), denied, "nobody is asked for a code that is not taken");
}

/// Who is locked out of guessing is not shown a secret whose codes nobody takes.
#[test]
fn strict_shows_no_secret_while_its_codes_are_locked() {
    let mut world = World::new(Policy::strict());
    let mut denied = None;
    while denied.is_none() {
        let session = world.login();
        let (_, app) = match world.associate_otp(&session, &totp()) {
            Ok(shown) => shown,
            Err(denial) => {
                denied = Some(denial);
                continue;
            }
        };
        let guess = wrong_at(&app, world.now);
        let refused = world.verify_otp(&session, guess).unwrap_err();
        assert!(matches!(refused, Denial::InvalidOtpCode { .. }), "{refused:?}");
    }
    assert!(matches!(denied, Some(Denial::Locked { .. })), "{denied:?}");
}

#[test]
fn at_the_cap_an_app_gets_rows_in_that_lane_until_one_is_right() {
    let (mut world, one, app) = enrolled(|settings| {
        settings.guess_bucket = Rate::new(1_000, Duration::SECOND);
        settings.long_guess_budget = None;
        (settings.failure_cap, settings.at_cap) = (2, AtCap::Harden);
    });
    let elevated = world.elevated();
    let (begun, other) = world.associate_otp(&elevated, &totp()).unwrap();
    let named = |code, id| OtpRequest::new(code).authenticator(id);
    world.verify_otp(&elevated, named(other.at(world.now), begun.authenticator)).unwrap();
    world.pass(3_600);
    world.events.clear();
    let session = world.login();
    for _ in 0..2 {
        let guess = wrong_at(&app, world.now);
        world.verify_otp(&session, named(guess, one)).unwrap_err();
    }
    assert_eq!(world.events, [Notice::Hardened { authenticator: one, lane: Lane::Unknown }]);
    assert_eq!(*world.account().authenticators()[0].enrollment(), Enrollment::Active);
    let code = named(app.at(world.now), one);
    refuses(&mut world, &session, code, Denial::FourCodesRequired, false);
    assert!(world.verify_otp(&session, named(four(&app, world.now), one)).unwrap().completed);
    world.pass(120);
    let session = world.login();
    assert!(world.verify_otp(&session, named(app.at(world.now), one)).is_ok(), "that ended it");
    let session = world.login();
    let code = named(other.at(world.now), begun.authenticator);
    assert!(world.verify_otp(&session, code).is_ok(), "the other app was not concerned");
}

#[test]
fn four_codes_find_a_device_that_ran_ahead() {
    for (presses, found) in [(6, true), (46, true), (47, false)] {
        let (mut world, ..) = enrolled(|_| {});
        let elevated = world.elevated();
        let (begun, mut device) = world.associate_otp(&elevated, &hotp()).unwrap();
        let id = begun.authenticator;
        let named = |code| OtpRequest::new(code).authenticator(id);
        world.verify_otp(&elevated, named(device.press())).unwrap();
        world.pass(60);
        (0..presses).for_each(|_| drop(device.press()));
        let session = world.login();
        let denied = world.verify_otp(&session, named(device.press())).unwrap_err();
        assert!(matches!(denied, Denial::InvalidOtpCode { .. }), "one is looked for less far");
        let guesses = bucket(&world.account(), "guess");
        // With the one that was just wasted the row begins `presses + 1` counters ahead.
        let row = joined([(); 4].map(|()| device.press()));
        let answer = world.verify_otp(&session, named(row.clone()));
        assert_eq!(answer.err(), (!found).then_some(Denial::InvalidLongCode), "{presses}");
        assert_eq!(bucket(&world.account(), "guess"), guesses);
        if found {
            let session = world.login();
            refuses(&mut world, &session, named(row), Denial::InvalidLongCode, true);
            assert!(world.verify_otp(&session, named(device.press())).unwrap().completed);
        }
    }
}

/// Somebody who enrolls an app in a lane that is guessed at confirms it by four codes.
#[test]
fn an_app_is_shown_and_confirmed_in_a_hardened_lane() {
    let (mut world, ..) = enrolled(|_| {});
    let elevated = world.elevated();
    let (begun, app) = world.associate_otp(&elevated, &totp()).unwrap();
    let told = |world: &World, answer: &Associated| {
        let reply = AssociateReply::new(answer, world.verifier.policy(), world.now);
        let reply = serde_json::to_value(reply).unwrap();
        (answer.setup.otp().unwrap().codes(), reply["otp_codes"].clone(), reply["otp_description"].clone())
    };
    assert_eq!(told(&world, &begun), (1, Value::Null, Value::Null));
    let named = |code| OtpRequest::new(code).authenticator(begun.authenticator);
    for _ in 0..3 {
        let guess = wrong_at(&app, world.now);
        world.verify_otp(&elevated, named(guess)).unwrap_err();
    }
    let (again, shown) = world.associate_otp(&elevated, &totp()).unwrap();
    assert_eq!(again.authenticator, begun.authenticator, "without an attempt it is shown again");
    assert_eq!(told(&world, &again), (4, json!(4), json!(IN_WORDS)));
    let code = named(app.at(world.now));
    refuses(&mut world, &elevated, code, Denial::FourCodesRequired, false);
    assert!(world.verify_otp(&elevated, named(four(&shown, world.now))).is_ok());
}

/// What a client that knows nothing of four codes shows.
const IN_WORDS: &str = "The otp is four codes that follow each other, separated by spaces.";

#[test]
fn a_challenge_says_how_many_codes_are_wanted() {
    let (mut world, _, app) = enrolled(|_| {});
    let ask = |world: &mut World, session: &Session| {
        let (account, request) = (world.account(), ChallengeRequest::default());
        let entropy = countersign_testkit::entropy(&mut world.rng);
        let step = world.verifier.challenge(session, account, &request, world.now, &entropy);
        let answer = world.run(step).unwrap();
        let reply = ChallengeReply::new(&answer, world.verifier.policy(), world.now);
        (answer, serde_json::to_value(reply).unwrap())
    };
    let session = world.login();
    let (answer, reply) = ask(&mut world, &session);
    assert!(matches!(answer.prompt, Prompt::Otp { codes: 1 }) && answer.prompt.otp_codes() == Some(1));
    assert_eq!((reply.get("otp_codes"), reply.get("otp_description")), (None, None));
    let session = guess_out(&mut world, &app);
    let (answer, reply) = ask(&mut world, &session);
    assert_eq!(answer.prompt.otp_codes(), Some(4));
    assert_eq!(reply["otp_codes"], 4);
    assert_eq!(reply["otp_description"], IN_WORDS);
}
