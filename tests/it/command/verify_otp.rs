//! One-time passwords: their enrollment, what is accepted and when, what a wrong one costs, and who is meant.

use countersign::{
    AuthenticatorId, ChallengeRequest, Denial, Effect, Key, KeyRing, NewFactor, Policy, Session, Verifier,
    code::{OtpCode, RecoveryCode},
    command::{ChallengeTypes, OtpRequest, Purpose},
    effect::{Channel, FactorLabel, Notice},
    evidence::Method,
    factor::{AuthenticatorKind, Factor, Prompt, Setup},
    otp::OtpAlgorithm,
    policy::{AtCap, FactorUse, Rate, Settings},
    record::AuthenticatorStatus,
    session::ElevatedScopes,
};
use countersign_testkit::{
    App, Need, START, World, bucket, client, edited, elevation, email, entropy, hotp, json, key_label, keys,
    locking, policy, totp, wrong, wrong_otp,
};
use time::{Duration, OffsetDateTime};

/// Room for many wrong codes.
fn roomy(settings: &mut Settings) {
    settings.guess_bucket = Rate::new(1_000, Duration::SECOND);
    settings.long_guess_budget = None;
    settings.failure_cap = 100;
}

/// A code that is right at none of the times that a window can reach.
fn wrong_at(app: &App, now: OffsetDateTime) -> OtpCode {
    let near: Vec<_> = (-3..=3).map(|step| app.at(now + Duration::seconds(30 * step))).collect();
    wrong_otp(&near.iter().collect::<Vec<_>>())
}

/// Adds another authenticator of one-time passwords by an elevated session.
fn enroll_beside(world: &mut World, factor: &NewFactor) -> (AuthenticatorId, App) {
    let session = world.elevated();
    let (associated, mut app) = world.associate_otp(&session, factor).unwrap();
    let id = associated.authenticator;
    let code = if id.kind() == AuthenticatorKind::Hotp { app.press() } else { app.at(world.now) };
    let verified = world.verify_otp(&session, OtpRequest::new(code).authenticator(id)).unwrap();
    assert!(!verified.completed && verified.purpose == Purpose::Confirm);
    (id, app)
}

/// Writes nothing, and says this.
fn unchanged<T: std::fmt::Debug>(
    world: &mut World,
    act: impl FnOnce(&mut World) -> Result<T, Denial>,
) -> Denial {
    let (before, swaps) = (world.account(), *world.store.swaps.borrow());
    let denial = act(world).unwrap_err();
    assert_eq!((world.account(), *world.store.swaps.borrow()), (before, swaps), "{denial:?}");
    denial
}

#[test]
fn the_first_code_of_an_app_confirms_it_and_completes_the_login() {
    let mut world = World::new(Policy::default());
    let session = world.login();
    let (associated, app) = world.associate_otp(&session, &totp()).unwrap();
    assert!(associated.authenticator.to_string().starts_with("totp|dev_"));
    assert_eq!(associated.expires, session.expires());
    assert_eq!(associated.recovery_codes.as_ref().map(Vec::len), Some(10));
    assert!(associated.setup.sent().is_none());
    let setup = associated.setup.otp().unwrap();
    assert_eq!(setup.secret().len(), 32, "20 bytes");
    let query = format!("?secret={}&issuer=Example&algorithm=SHA1&digits=6&period=30", setup.secret());
    assert_eq!(setup.barcode_uri(), format!("otpauth://totp/Example:user@example.com{query}"));
    assert!(world.mails.is_empty(), "nothing is sent");
    assert!(!world.account().is_enrolled());

    let verified = world.verify_otp(&session, app.at(world.now)).unwrap();
    assert!(verified.completed && verified.recovery_codes_live);
    assert_eq!(verified.purpose, Purpose::Confirm);
    let evidence = &verified.evidence;
    assert_eq!((evidence.method, evidence.channel), (Method::Otp, None));
    assert_eq!((evidence.authenticator, evidence.at), (Some(associated.authenticator), world.now));
    assert!(evidence.amr().eq(["otp"]));
    assert_eq!((world.tokens.len(), world.tokens[0].evidence()), (1, evidence));
    let [Notice::Added { authenticator, label }] = &world.events[..] else { panic!("{:?}", world.events) };
    assert_eq!(
        (*authenticator, label),
        (associated.authenticator, &FactorLabel::Kind(AuthenticatorKind::Totp))
    );
    assert_eq!((label.destination(), label.masked().as_str()), (None, "totp"));
    let account = world.account();
    assert!(account.is_enrolled());
    let both = vec![AuthenticatorKind::RecoveryCode, AuthenticatorKind::Totp];
    assert_eq!(Need::from(world.requirements()), Need::Challenge(both));
    let audit = world.audits.last().unwrap();
    assert_eq!((audit.command.as_str(), audit.evaluated), ("verify_otp", true));
    assert_eq!((audit.authenticator, audit.denial), (Some(associated.authenticator), None));
    world.pass(60);
    let session = world.login();
    let code: RecoveryCode = associated.recovery_codes.unwrap().remove(0);
    assert!(world.recover(&session, &code).is_ok());
}

#[test]
fn an_app_signs_in_once_a_step() {
    let mut world = World::new(Policy::default());
    let (id, _, app) = world.enroll_totp();
    let confirmed_by = app.at(world.now);
    // The code that confirmed is over, in its own step and while the window still has it.
    for seconds in [0, 30] {
        world.now = START + Duration::seconds(seconds);
        let session = world.login();
        let denial = world.verify_otp(&session, confirmed_by.clone()).unwrap_err();
        assert_eq!(denial, Denial::InvalidOtpCode { attempts_left: 4 }, "{seconds}");
    }
    let session = world.login();
    let now = app.at(world.now);
    let verified = world.verify_otp(&session, now.clone()).unwrap();
    assert!(verified.completed && verified.purpose == Purpose::Authenticate);
    assert!(!verified.recovery_codes_live);
    assert_eq!(verified.evidence.authenticator, Some(id));
    assert_eq!(world.tokens.len(), 2);
    let account = world.account();
    let authenticator = &account.authenticators()[0];
    assert_eq!(authenticator.last_used(), Some(world.now));
    let Factor::Totp(factor) = authenticator.factor() else { panic!("an app") };
    let step = u64::try_from(world.now.unix_timestamp() / 30).unwrap();
    assert_eq!((factor.last_step(), factor.step(), factor.digits()), (Some(step), 30, 6));
    assert_eq!(factor.algorithm(), OtpAlgorithm::Sha1);
    // In the same transaction nothing is compared any more, and in another one the code is over.
    let denial = unchanged(&mut world, |world| world.verify_otp(&session, now.clone()));
    assert_eq!(denial, Denial::TransactionSpent);
    let session = world.login();
    assert!(matches!(world.verify_otp(&session, now), Err(Denial::InvalidOtpCode { .. })));
    world.pass(30);
    assert!(world.verify_otp(&session, app.at(world.now)).is_ok());
}

#[test]
fn the_window_is_the_policys() {
    let auth0 = Policy::auth0();
    let widest = policy(|settings| (settings.totp.steps_back, settings.totp.steps_ahead) = (2, 2));
    let narrow = policy(|settings| settings.totp.steps_back = 0);
    for (policy, taken) in [
        (Policy::default(), -1..=0),
        (auth0, -1..=1),
        (Policy::strict(), -1..=0),
        (widest, -2..=2),
        (narrow, 0..=0),
    ] {
        for step in -3..=3 {
            let mut world = World::new(policy.clone());
            let (.., app) = world.enroll_totp();
            world.pass(3_600);
            let session = world.login();
            let code = app.at(world.now + Duration::seconds(30 * step));
            let answer = world.verify_otp(&session, code);
            assert_eq!(answer.is_ok(), taken.contains(&step), "{step} of {taken:?}: {answer:?}");
        }
    }
}

/// With a later step every earlier one is over, also when the clock goes back.
#[test]
fn a_step_before_the_accepted_one_is_over() {
    let mut world = World::new(Policy::auth0());
    let (.., app) = world.enroll_totp();
    world.pass(3_600);
    let (now, ahead) = (app.at(world.now), app.at(world.now + Duration::seconds(30)));
    let session = world.login();
    world.verify_otp(&session, ahead.clone()).unwrap();
    for (seconds, code) in [(0, &now), (-30, &now), (30, &ahead), (60, &ahead)] {
        world.pass(seconds);
        let session = world.login();
        let denial = world.verify_otp(&session, code.clone()).unwrap_err();
        assert!(matches!(denial, Denial::InvalidOtpCode { .. }), "{seconds}: {denial:?}");
    }
}

#[test]
fn every_hash_length_and_step_is_that_of_the_enrollment() {
    let terms = [
        (OtpAlgorithm::Sha1, 7, 15, 32),
        (OtpAlgorithm::Sha256, 8, 60, 52),
        (OtpAlgorithm::Sha512, 6, 120, 103),
    ];
    for (algorithm, digits, step, symbols) in terms {
        let mut world = World::new(policy(|settings| {
            (settings.totp.algorithm, settings.totp.digits) = (algorithm, digits);
            settings.totp.step = Duration::seconds(step);
        }));
        let session = world.login();
        let (associated, app) = world.associate_otp(&session, &totp()).unwrap();
        let setup = associated.setup.otp().unwrap();
        assert_eq!(setup.secret().len(), symbols);
        let tail = format!("&algorithm={}&digits={digits}&period={step}", algorithm.as_str());
        assert!(setup.barcode_uri().ends_with(&tail), "{tail}");
        assert_eq!(app.at(world.now).length(), digits);
        world.verify_otp(&session, app.at(world.now)).unwrap();
        let Factor::Totp(factor) = world.account().authenticators()[0].factor().clone() else { panic!() };
        assert_eq!((factor.algorithm(), factor.digits()), (algorithm, digits));
        assert_eq!(i64::from(factor.step()), step);
        // A policy that changes is one for other apps.
        world.verifier = Verifier::new(keys(), Policy::default());
        world.pass(step);
        let session = world.login();
        assert!(world.verify_otp(&session, app.at(world.now)).is_ok());
    }
}

#[test]
fn a_wrong_code_costs_what_a_wrong_binding_code_costs() {
    let mut by_app = World::new(Policy::default());
    let (.., app) = by_app.enroll_totp();
    let mut by_mail = World::new(Policy::default());
    by_mail.enroll("user@example.com");
    by_app.pass(60);
    by_mail.pass(60);
    let session = by_app.login();
    let mailed = by_mail.login();
    let challenged = by_mail.challenge(&mailed).unwrap();
    for attempts_left in (0..5).rev() {
        let guess = wrong_at(&app, by_app.now);
        let denial = by_app.verify_otp(&session, guess).unwrap_err();
        assert_eq!(denial, Denial::InvalidOtpCode { attempts_left });
        assert!(denial.is_counted() && denial.retry_at().is_none());
        let guess = wrong(&by_mail.mail().code);
        let denial = by_mail.verify(&mailed, challenged.oob_code.expose(), &guess).unwrap_err();
        assert_eq!(denial, Denial::InvalidBindingCode { attempts_left });
        let (app, mail) = (by_app.account(), by_mail.account());
        for budget in ["guess", "long_guess", "recovery"] {
            assert_eq!(bucket(&app, budget), bucket(&mail, budget), "{budget}");
        }
        let failures = app.authenticators()[0].failures();
        assert_eq!((failures, mail.authenticators()[0].failures()), (5 - attempts_left, 5 - attempts_left));
        let pairs =
            |account| json(account)["transactions"].as_array().unwrap().last().unwrap()["pairs"][0].clone();
        assert_eq!(pairs(&app)["attempts_left"], attempts_left);
        assert_eq!(pairs(&mail)["attempts_left"], attempts_left);
        let audit = by_app.audits.last().unwrap();
        assert_eq!((audit.denial, audit.evaluated), (Some("invalid_otp_code"), true));
    }
    // The right code comes too late in this transaction, and nothing refills its attempts.
    for again in [false, true] {
        if again {
            by_app.pass(60);
        }
        let now = by_app.now;
        let denial = unchanged(&mut by_app, |world| world.verify_otp(&session, app.at(now)));
        assert_eq!(denial, Denial::AttemptsExhausted);
        let denial = unchanged(&mut by_app, |world| {
            let account = world.account();
            let request = ChallengeRequest::default();
            let entropy = entropy(&mut world.rng);
            let step = world.verifier.challenge(&session, account, &request, world.now, &entropy);
            world.run(step)
        });
        assert_eq!(denial, Denial::AttemptsExhausted);
    }
    // In another one it is right; it gives back nothing but the failures in a row.
    let session = by_app.login();
    let before = (bucket(&by_app.account(), "guess"), bucket(&by_app.account(), "long_guess"));
    by_app.verify_otp(&session, app.at(by_app.now)).unwrap();
    let account = by_app.account();
    assert_eq!((bucket(&account, "guess"), bucket(&account, "long_guess")), before);
    assert_eq!(account.authenticators()[0].failures(), 0);
}

#[test]
fn an_empty_budget_refuses_the_right_code_and_notifies() {
    let mut world = World::new(locking(|settings| settings.attempts = 10));
    let (id, _, app) = world.enroll_totp();
    world.pass(60);
    for _ in 0..2 {
        let session = world.login();
        for _ in 0..5 {
            let guess = wrong_at(&app, world.now);
            world.verify_otp(&session, guess).unwrap_err();
        }
    }
    let until = world.now + Duration::seconds(360);
    let last = world.events.last().unwrap();
    assert_eq!(*last, Notice::Locked { authenticator: id, until: countersign_testkit::millis(until) });
    let session = world.login();
    let now = world.now;
    let denial = unchanged(&mut world, |world| world.verify_otp(&session, app.at(now)));
    assert_eq!(denial, Denial::Locked { until });
    // The other lane has a budget of its own. Once that is empty, no secret is shown.
    let elevated = world.elevated();
    let (begun, other) = world.associate_otp(&elevated, &totp()).unwrap();
    for _ in 0..10 {
        let guess = OtpRequest::new(wrong_at(&other, world.now)).authenticator(begun.authenticator);
        world.verify_otp(&elevated, guess).unwrap_err();
    }
    assert_eq!(
        unchanged(&mut world, |world| world.associate_otp(&elevated, &totp())),
        Denial::Locked { until }
    );
    world.pass(360);
    assert!(world.verify_otp(&session, app.at(world.now)).is_ok());
}

#[test]
fn the_cap_of_failures_disables_the_app() {
    let mut world = World::new(policy(|settings| {
        roomy(settings);
        (settings.failure_cap, settings.at_cap) = (3, AtCap::Disable);
    }));
    let (id, _, app) = world.enroll_totp();
    let (other, _) = enroll_beside(&mut world, &totp());
    world.pass(60);
    let session = world.login();
    for attempts_left in [4, 3, 2] {
        let guess = wrong_at(&app, world.now);
        let denial = world.verify_otp(&session, OtpRequest::new(guess).authenticator(id)).unwrap_err();
        assert_eq!(denial, Denial::InvalidOtpCode { attempts_left });
    }
    let label = FactorLabel::Kind(AuthenticatorKind::Totp);
    assert_eq!(world.events.last(), Some(&Notice::Disabled { authenticator: id, label }));
    world.pass(60);
    let session = world.login();
    let right = OtpRequest::new(app.at(world.now));
    let denial = unchanged(&mut world, |world| world.verify_otp(&session, right.clone().authenticator(id)));
    assert_eq!(denial, Denial::AuthenticatorDisabled);
    // The other one is the only one that is left, so it need not be named.
    let denial = world.verify_otp(&session, right).unwrap_err();
    assert_eq!(denial, Denial::InvalidOtpCode { attempts_left: 4 });
    assert_eq!(world.audits.last().unwrap().authenticator, Some(other));
}

#[test]
fn without_any_but_a_disabled_app_the_request_says_so() {
    let mut world = World::new(policy(|settings| {
        (settings.failure_cap, settings.at_cap) = (1, AtCap::Disable);
    }));
    let (.., app) = world.enroll_totp();
    world.pass(60);
    let (session, guess) = (world.login(), wrong_at(&app, world.now));
    world.verify_otp(&session, guess).unwrap_err();
    world.pass(1);
    let (session, now) = (world.login(), world.now);
    let denial = unchanged(&mut world, |world| world.verify_otp(&session, app.at(now)));
    assert_eq!(denial, Denial::AuthenticatorDisabled);
}

#[test]
fn a_code_of_another_length_is_compared_with_nothing() {
    let mut world = World::new(Policy::default());
    let (.., app) = world.enroll_totp();
    world.pass(60);
    let session = world.login();
    let right = app.at(world.now).expose().to_owned();
    for text in [format!("{right}0"), format!("0{right}"), format!("00{right}")] {
        let code = OtpCode::parse(&text).unwrap();
        let denial = unchanged(&mut world, |world| world.verify_otp(&session, code));
        assert_eq!(denial, Denial::MalformedCode);
        assert!(!world.audits.last().unwrap().evaluated);
    }
    assert!(world.verify_otp(&session, app.at(world.now)).is_ok());
}

#[test]
fn of_several_apps_the_request_names_one() {
    let mut world = World::new(policy(roomy));
    let (first, _, app) = world.enroll_totp();
    let (second, other) = enroll_beside(&mut world, &totp());
    world.pass(60);
    let session = world.login();
    let (mine, theirs) = (OtpRequest::new(app.at(world.now)), OtpRequest::new(other.at(world.now)));
    let denial = unchanged(&mut world, |world| world.verify_otp(&session, mine.clone()));
    assert_eq!(denial, Denial::AuthenticatorRequired);
    // The code of one is none of the other.
    for (code, id) in [(&mine, second), (&theirs, first)] {
        let denial = world.verify_otp(&session, code.clone().authenticator(id)).unwrap_err();
        assert_eq!(denial, Denial::InvalidOtpCode { attempts_left: 4 });
        assert_eq!(world.audits.last().unwrap().authenticator, Some(id));
    }
    let nobody: AuthenticatorId = "totp|dev_0123456789ABCDef".parse().unwrap();
    let denial =
        unchanged(&mut world, |world| world.verify_otp(&session, mine.clone().authenticator(nobody)));
    assert_eq!(denial, Denial::UnknownAuthenticator);
    assert_eq!(
        world.verify_otp(&session, theirs.authenticator(second)).unwrap().evidence.authenticator,
        Some(second)
    );
    // One that may not complete a login is none that could be meant.
    let (device, _) = {
        world.verifier =
            Verifier::new(keys(), policy(|settings| settings.factors.hotp = FactorUse::ConfirmOnly));
        enroll_beside(&mut world, &hotp())
    };
    let elevated = world.elevated();
    world.remove(&elevated, second).unwrap();
    world.pass(60);
    let session = world.login();
    let request = OtpRequest::new(wrong_at(&app, world.now)).authenticator(device);
    assert_eq!(
        unchanged(&mut world, |world| world.verify_otp(&session, request)),
        Denial::UnsupportedChallengeType
    );
    assert!(world.verify_otp(&session, app.at(world.now)).is_ok());
}

#[test]
fn a_request_without_an_app_says_what_is_missing() {
    let mut world = World::new(Policy::default());
    let session = world.login();
    let code = OtpCode::parse("123456").unwrap();
    let present = |world: &mut World, session: &Session, request: OtpRequest| {
        unchanged(world, |world| world.verify_otp(session, request))
    };
    assert_eq!(present(&mut world, &session, code.clone().into()), Denial::NotEnrolled);
    let (id, _) = world.enroll("user@example.com");
    world.pass(60);
    let session = world.login();
    assert_eq!(present(&mut world, &session, code.clone().into()), Denial::UnsupportedChallengeType);
    let named = OtpRequest::new(code.clone()).authenticator(id);
    assert_eq!(present(&mut world, &session, named), Denial::UnsupportedChallengeType);
    let set = json(&world.account())["recovery"]["id"].as_str().unwrap().parse().unwrap();
    let named = OtpRequest::new(code.clone()).authenticator(set);
    assert_eq!(present(&mut world, &session, named), Denial::UnknownAuthenticator);
    let elevated = world.elevated();
    assert_eq!(present(&mut world, &elevated, code.into()), Denial::InsufficientScope);
}

#[test]
fn only_the_sessions_that_may_present_a_code() {
    let mut world = World::new(Policy::default());
    let token = world.begin();
    let unnamed = world.verifier.open(token.expose(), None, world.now).unwrap();
    let (associated, app) = world.associate_otp(&unnamed, &totp()).unwrap();
    let now = world.now;
    let denial = unchanged(&mut world, |world| world.verify_otp(&unnamed, app.at(now)));
    assert_eq!(denial, Denial::ClientRequired);
    let named = world.verifier.open(token.expose(), Some(&client()), world.now).unwrap();
    assert!(world.verify_otp(&named, app.at(world.now)).is_ok());

    world.pass(60);
    let now = world.now;
    let reader = world.elevated_with(ElevatedScopes::parse("read:authenticators remove:authenticators"));
    let elevated = world.elevated();
    let request = OtpRequest::new(app.at(now)).authenticator(associated.authenticator);
    for session in [reader, elevated] {
        let denial = unchanged(&mut world, |world| world.verify_otp(&session, request.clone()));
        assert_eq!(denial, Denial::InsufficientScope);
    }
    let late = world.login();
    world.now = late.expires();
    let code = app.at(world.now);
    assert_eq!(unchanged(&mut world, |world| world.verify_otp(&late, code.clone())), Denial::ExpiredToken);
    // The record of somebody else.
    let session = world.login();
    let other = countersign::Account::new(&countersign::Subject::new("user-2").unwrap());
    let step = world.verifier.verify_otp(&session, other, &code.into(), world.now, None);
    let outcome = step.commit(|_| Ok::<_, ()>(countersign::Swap::Stored)).unwrap().done().unwrap();
    assert_eq!(outcome.into_parts().0.unwrap_err(), Denial::WrongRecord);
}

#[test]
fn what_one_transaction_began_no_other_confirms() {
    let mut world = World::new(Policy::default());
    let thief = world.login();
    let (begun, app) = world.associate_otp(&thief, &totp()).unwrap();
    let id = begun.authenticator;
    let session = world.login();
    let now = world.now;
    let right = OtpRequest::new(app.at(now));
    let denial = unchanged(&mut world, |world| world.verify_otp(&session, right.clone().authenticator(id)));
    assert_eq!(denial, Denial::UnknownAuthenticator);
    assert_eq!(unchanged(&mut world, |world| world.verify_otp(&session, right.clone())), Denial::NotEnrolled);
    // Each confirms its own, without naming it.
    let (mine, my_app) = world.associate_otp(&session, &totp()).unwrap();
    assert_ne!(mine.authenticator, id);
    let verified = world.verify_otp(&session, my_app.at(world.now)).unwrap();
    assert_eq!(verified.evidence.authenticator, Some(mine.authenticator));
    // What the other had begun is gone with that.
    assert!(world.account().authenticators().iter().all(|known| known.id() != id));
    let denial = world.verify_otp(&thief, right.authenticator(id)).unwrap_err();
    assert_eq!(denial, Denial::ExpiredToken);
}

#[test]
fn asking_again_shows_the_same_secret_and_writes_nothing() {
    let mut world = World::new(Policy::default());
    let session = world.login();
    let (associated, _) = world.associate_otp(&session, &totp()).unwrap();
    let setup = associated.setup.otp().unwrap();
    let swaps = *world.store.swaps.borrow();
    let label = countersign::otp::KeyLabel::new("Elsewhere", "me").unwrap();
    let (again, _) = world.associate_otp(&session, &NewFactor::totp(label)).unwrap();
    assert_eq!(*world.store.swaps.borrow(), swaps);
    assert_eq!(again.authenticator, associated.authenticator);
    assert_eq!(again.setup.otp().unwrap().secret(), setup.secret());
    assert!(again.setup.otp().unwrap().barcode_uri().starts_with("otpauth://totp/Elsewhere:me?"));
    let shown = |codes: &Option<Vec<RecoveryCode>>| {
        codes.iter().flatten().map(|code| code.expose().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(shown(&again.recovery_codes), shown(&associated.recovery_codes));
    // Another transaction has another secret.
    let other = world.login();
    let (other, _) = world.associate_otp(&other, &totp()).unwrap();
    assert_ne!(other.setup.otp().unwrap().secret(), setup.secret());

    // A session that its host prolongs keeps the enrollment for as long.
    let (_, app) = {
        let mut world = World::new(Policy::default());
        world.enroll("user@example.com");
        world.pass(60);
        let kept = elevation(&world.account(), 1, world.now);
        let until = |world: &World, seconds| {
            Session::elevated(kept.clone(), ElevatedScopes::ALL, world.now + Duration::seconds(seconds))
        };
        let session = until(&world, 60);
        let (first, _) = world.associate_otp(&session, &totp()).unwrap();
        let swaps = *world.store.swaps.borrow();
        let session = until(&world, 3_600);
        let (again, app) = world.associate_otp(&session, &totp()).unwrap();
        assert_eq!((again.authenticator, again.expires), (first.authenticator, session.expires()));
        assert_eq!(*world.store.swaps.borrow(), swaps + 1);
        world.pass(800);
        assert!(world.verify_otp(&session, app.at(world.now)).is_ok());
        (world, app)
    };
    drop(app);
}

/// Guessing at a secret that is not confirmed is bounded as any other, and beginning anew refills nothing.
#[test]
fn an_enrollment_that_was_guessed_at_stays_exhausted() {
    let mut world = World::new(policy(roomy));
    let session = world.login();
    let (associated, app) = world.associate_otp(&session, &totp()).unwrap();
    for attempts_left in (0..5).rev() {
        let guess = wrong_at(&app, world.now);
        let denial = world.verify_otp(&session, guess).unwrap_err();
        assert_eq!(denial, Denial::InvalidOtpCode { attempts_left });
    }
    let again = unchanged(&mut world, |world| world.associate_otp(&session, &totp()));
    assert_eq!(again, Denial::AttemptsExhausted);
    let now = world.now;
    let right = OtpRequest::new(app.at(now)).authenticator(associated.authenticator);
    assert_eq!(unchanged(&mut world, |world| world.verify_otp(&session, right)), Denial::AttemptsExhausted);
    assert_eq!(world.account().authenticators()[0].failures(), 5);
}

#[test]
fn an_unconfirmed_app_at_the_cap_has_no_attempts_left() {
    let mut world = World::new(policy(|settings| {
        roomy(settings);
        (settings.failure_cap, settings.at_cap) = (2, AtCap::Disable);
    }));
    let session = world.login();
    let (_, app) = world.associate_otp(&session, &totp()).unwrap();
    for attempts_left in [4, 0] {
        let guess = wrong_at(&app, world.now);
        let denial = world.verify_otp(&session, guess).unwrap_err();
        assert_eq!(denial, Denial::InvalidOtpCode { attempts_left });
    }
    assert!(world.events.is_empty(), "it was no factor yet");
}

#[test]
fn a_policy_limits_apps_by_themselves() {
    let mut off = World::new(policy(|settings| settings.factors.totp = FactorUse::Off));
    let session = off.login();
    let denial = unchanged(&mut off, |world| world.associate_otp(&session, &totp()));
    assert_eq!(denial, Denial::UnsupportedChallengeType);
    let denial = unchanged(&mut off, |world| world.associate_otp(&session, &hotp()));
    assert_eq!(denial, Denial::UnsupportedChallengeType, "devices are off by default");

    // One that only confirms completes nothing, enrolls nobody and brings no recovery codes.
    let mut world = World::new(policy(|settings| settings.factors.totp = FactorUse::ConfirmOnly));
    let session = world.login();
    let (associated, app) = world.associate_otp(&session, &totp()).unwrap();
    assert!(associated.recovery_codes.is_none());
    let verified = world.verify_otp(&session, app.at(world.now)).unwrap();
    assert!(!verified.completed && !world.account().is_enrolled());
    world.pass(60);
    let now = world.now;
    let session = world.login();
    let named = OtpRequest::new(app.at(now)).authenticator(associated.authenticator);
    let denial = unchanged(&mut world, |world| world.verify_otp(&session, named));
    assert_eq!(denial, Denial::UnsupportedChallengeType);
    assert_eq!(unchanged(&mut world, |world| world.verify_otp(&session, app.at(now))), Denial::NotEnrolled);
    // Nor does it once the policy lets apps sign people in: it takes a first enrollment. With one code, with
    // four, named or not, and whether or not the device is to be remembered.
    world.verifier = Verifier::new(keys(), Policy::default());
    let [first, second, third] = [90, 60, 30].map(|before| app.at(now - Duration::seconds(before)));
    let four = [&first, &second, &third, &app.at(now)].map(|code| code.expose().to_owned()).concat();
    for code in [app.at(now), OtpCode::parse(&four).unwrap()] {
        let named = OtpRequest::new(code.clone()).authenticator(associated.authenticator);
        for request in [named, code.into()] {
            let again = request.clone();
            let denial = unchanged(&mut world, |world| world.verify_otp(&session, request));
            assert_eq!(denial, Denial::NotEnrolled);
            let denial = unchanged(&mut world, |world| world.verify_otp_remembering(&session, again));
            assert_eq!(denial, Denial::NotEnrolled);
        }
    }
    // It does not stand in the way of that: a code without a name is of the app that waits.
    let (_, second) = world.associate_otp(&session, &totp()).unwrap();
    assert!(world.verify_otp_remembering(&session, second.at(now)).unwrap().device.is_some());
    let account = world.account();
    assert!(account.is_enrolled() && edited(&account, |_| {}).unwrap() == account);
    let session = world.login();
    let named = OtpRequest::new(app.at(now)).authenticator(associated.authenticator);
    assert!(world.verify_otp(&session, named).unwrap().completed, "then it is one of the account's");
    // A policy that turned one off after its enrollment lets nobody in by it.
    let mut world = World::new(Policy::default());
    let (.., app) = world.enroll_totp();
    world.pass(60);
    world.verifier = Verifier::new(keys(), policy(|settings| settings.factors.totp = FactorUse::Off));
    let (session, now) = (world.login(), world.now);
    let denial = unchanged(&mut world, |world| world.verify_otp(&session, app.at(now)));
    assert_eq!(denial, Denial::UnsupportedChallengeType);
}

#[test]
fn strict_signs_people_in_by_an_app() {
    let mut world = World::new(Policy::strict());
    let (_, codes, app) = world.enroll_totp();
    assert_eq!(codes.len(), 10);
    world.pass(60);
    let session = world.login();
    assert!(world.verify_otp(&session, app.at(world.now)).unwrap().completed);
}

#[test]
fn a_challenge_asks_for_the_code_and_writes_nothing() {
    let mut world = World::new(Policy::default());
    let (app_id, _, app) = world.enroll_totp();
    let elevated = world.elevated();
    let second = world.associate(&elevated, "user@example.com").unwrap();
    let code = world.mail().code;
    world.pass(1);
    world.verify(&elevated, second.oob_code.expose(), &code).unwrap();
    world.pass(60);
    let session = world.login();
    let ask = |world: &mut World, request: &ChallengeRequest| {
        let (account, entropy) = (world.account(), entropy(&mut world.rng));
        let step = world.verifier.challenge(&session, account, request, world.now, &entropy);
        world.run(step)
    };
    let swaps = *world.store.swaps.borrow();
    let only_otp = ChallengeRequest::default().types(ChallengeTypes::parse("otp"));
    let named = ChallengeRequest::default().authenticator(app_id);
    for request in [&only_otp, &named] {
        let challenged = ask(&mut world, request).unwrap();
        assert_eq!((challenged.authenticator, challenged.expires), (app_id, session.expires()));
        assert!(matches!(challenged.prompt, Prompt::Otp { codes: 1 }) && challenged.prompt.sent().is_none());
    }
    assert_eq!((*world.store.swaps.borrow(), world.mails.len()), (swaps, 1));
    for request in [
        named.clone().types(ChallengeTypes::parse("oob")),
        named.clone().channel(Channel::Email),
        ChallengeRequest::default().authenticator(second.authenticator).types(ChallengeTypes::parse("otp")),
    ] {
        assert_eq!(ask(&mut world, &request).unwrap_err(), Denial::UnsupportedChallengeType, "{request:?}");
    }
    // Without a wish the one that was used last is asked for.
    assert_eq!(ask(&mut world, &ChallengeRequest::default()).unwrap().authenticator, second.authenticator);
    world.verify_otp(&session, app.at(world.now)).unwrap();
    world.pass(60);
    let session = world.login();
    let (account, entropy) = (world.account(), entropy(&mut world.rng));
    let step = world.verifier.challenge(&session, account, &ChallengeRequest::default(), world.now, &entropy);
    assert_eq!(world.run(step).unwrap().authenticator, app_id);
}

#[test]
fn an_app_is_listed_without_a_name_and_removed() {
    let mut world = World::new(Policy::default());
    let (id, ..) = world.enroll_totp();
    let session = world.elevated();
    let (unconfirmed, _) = world.associate_otp(&session, &totp()).unwrap();
    let account = world.account();
    let views = world.verifier.authenticators(&session, &account, world.now).unwrap();
    let rows: Vec<_> = views.iter().map(|view| (view.id.kind(), view.status)).collect();
    assert_eq!(
        rows,
        [
            (AuthenticatorKind::Totp, AuthenticatorStatus::Active),
            (AuthenticatorKind::Totp, AuthenticatorStatus::Unconfirmed),
            (AuthenticatorKind::RecoveryCode, AuthenticatorStatus::Active),
        ]
    );
    assert!(views.iter().all(|view| view.destination.is_none() && view.channel.is_none()));
    assert_eq!(views[1].id, unconfirmed.authenticator);
    world.remove(&session, id).unwrap();
    let label = FactorLabel::Kind(AuthenticatorKind::Totp);
    assert_eq!(world.events.last(), Some(&Notice::Removed { authenticator: id, label }));
    assert!(!world.account().is_enrolled());
}

/// Nobody but a code proves a secret, and no secret is enrolled twice.
#[test]
fn a_host_provisions_no_secret() {
    let mut world = World::new(Policy::default());
    let (.., app) = world.enroll_totp();
    drop(app);
    let factor = world.account().authenticators()[0].factor().clone();
    let copy = NewFactor::from(&factor);
    for new in [totp(), hotp(), copy.clone()] {
        let denial = unchanged(&mut world, |world| {
            let (account, entropy) = (world.account(), entropy(&mut world.rng));
            let step = world.verifier.provision(account, &new, world.now, &entropy);
            world.run(step)
        });
        assert_eq!(denial, Denial::UnsupportedChallengeType);
        let denial = unchanged(&mut world, |world| {
            let account = world.account();
            let step = world.verifier.deprovision(account, &new, world.now);
            world.run(step)
        });
        assert_eq!(denial, Denial::UnknownAuthenticator);
    }
    let mut elsewhere = World::new(Policy::default());
    for (world, expected) in
        [(&mut world, Denial::AddressInUse), (&mut elsewhere, Denial::UnsupportedChallengeType)]
    {
        let session = world.elevated();
        let denial = unchanged(world, |world| {
            let (account, entropy) = (world.account(), entropy(&mut world.rng));
            let step = world.verifier.associate(&session, account, &copy, world.now, &entropy);
            world.run(step)
        });
        assert_eq!(denial, expected);
    }
}

#[test]
fn an_app_whose_key_is_gone_is_neither_offered_nor_asked() {
    let mut world = World::new(Policy::default());
    let (id, _, app) = world.enroll_totp();
    let pending = world.elevated();
    let (unconfirmed, _) = world.associate_otp(&pending, &totp()).unwrap();
    let ring = |durable| KeyRing::new("tests", Key::new(&[0x11; 32]).unwrap(), durable);
    let (old, new) = (|| Key::new(&[0x22; 32]).unwrap(), || Key::new(&[0x44; 32]).unwrap());
    let account = world.account();
    assert!(world.verifier.stale_keys(&account).is_empty());

    // Retired, the key still serves, and the record says what hangs on it.
    let retired = ring(new()).unwrap().retired_durable(old()).unwrap();
    world.verifier = Verifier::new(retired, Policy::default());
    let found = world.verifier.stale_keys(&account);
    assert!(found.lost.is_empty());
    let [stale] = found.stale[..] else { panic!("one key: {found:?}") };
    assert_eq!((stale.key, stale.otp_secrets), (old().durable_id("tests"), 2));
    assert_eq!((stale.recovery_codes, stale.pending_recovery_codes), (10, 0));
    world.pass(60);
    let session = world.login();
    assert!(world.verify_otp(&session, app.at(world.now)).is_ok());

    world.verifier = Verifier::new(ring(new()).unwrap(), Policy::default());
    let account = world.account();
    let found = world.verifier.stale_keys(&account);
    assert!(found.stale.is_empty());
    assert_eq!(found.lost[0].otp_secrets, 2);
    assert_eq!(Need::from(world.requirements()), Need::Challenge(vec![]));
    world.pass(60);
    let (session, now) = (world.login(), world.now);
    for request in [OtpRequest::new(app.at(now)), OtpRequest::new(app.at(now)).authenticator(id)] {
        let denial = unchanged(&mut world, |world| world.verify_otp(&session, request));
        assert_eq!(denial, Denial::UnsupportedChallengeType);
    }
    let denial = unchanged(&mut world, |world| {
        let (account, entropy) = (world.account(), entropy(&mut world.rng));
        let request = ChallengeRequest::default();
        let step = world.verifier.challenge(&session, account, &request, world.now, &entropy);
        world.run(step)
    });
    assert_eq!(denial, Denial::UnsupportedChallengeType);
    // What was begun under it is begun anew.
    let (again, app) = world.associate_otp(&pending, &totp()).unwrap();
    assert_ne!(again.authenticator, unconfirmed.authenticator);
    let named = OtpRequest::new(app.at(world.now)).authenticator(again.authenticator);
    assert!(world.verify_otp(&pending, named).is_ok());
}

/// A world in which devices sign in.
fn with_devices(look_ahead: u8) -> World {
    World::new(policy(|settings| {
        roomy(settings);
        settings.factors.hotp = FactorUse::Authenticate;
        settings.hotp.look_ahead = look_ahead;
    }))
}

#[test]
fn a_device_may_be_a_few_presses_ahead() {
    for look_ahead in [0, 5] {
        for pressed in 0..8_u64 {
            let mut world = with_devices(look_ahead);
            let session = world.login();
            let (associated, mut device) = world.associate_otp(&session, &hotp()).unwrap();
            assert!(associated.authenticator.to_string().starts_with("hotp|dev_"));
            let uri = associated.setup.otp().unwrap().barcode_uri().to_owned();
            assert!(uri.starts_with("otpauth://hotp/Example:user@example.com?secret="), "{uri}");
            assert!(uri.ends_with("&algorithm=SHA1&digits=6&counter=0"), "{uri}");
            let verified = world.verify_otp(&session, device.press()).unwrap();
            assert!(verified.completed && verified.evidence.amr().eq(["otp"]));
            for _ in 0..pressed {
                device.press();
            }
            let session = world.login();
            let answer = world.verify_otp(&session, device.press());
            assert_eq!(answer.is_ok(), pressed <= u64::from(look_ahead), "{pressed} of {look_ahead}");
            let Factor::Hotp(factor) = world.account().authenticators()[0].factor().clone() else { panic!() };
            // A wrong code moves nothing.
            let last = if answer.is_ok() { pressed + 1 } else { 0 };
            assert_eq!((factor.last_counter(), factor.digits()), (Some(last), 6));
        }
    }
}

#[test]
fn a_press_is_accepted_once_and_so_is_every_one_before_it() {
    let mut world = with_devices(5);
    let session = world.login();
    let (_, device) = world.associate_otp(&session, &hotp()).unwrap();
    // A device may be ahead when it is enrolled.
    world.verify_otp(&session, device.of_counter(3)).unwrap();
    for counter in 0..=3 {
        let session = world.login();
        let denial = world.verify_otp(&session, device.of_counter(counter)).unwrap_err();
        assert_eq!(denial, Denial::InvalidOtpCode { attempts_left: 4 }, "{counter}");
    }
    for counter in [4, 10, 16] {
        let session = world.login();
        assert!(world.verify_otp(&session, device.of_counter(counter)).is_ok(), "{counter}");
    }
    let session = world.login();
    assert!(world.verify_otp(&session, device.of_counter(10)).is_err());
    // No time passes for a device.
    world.pass(86_400);
    let session = world.login();
    assert!(world.verify_otp(&session, device.of_counter(17)).is_ok());
}

#[test]
fn an_app_and_a_device_beside_each_other_are_told_apart() {
    let mut world = with_devices(5);
    let (app_id, _, app) = world.enroll_totp();
    let (device_id, mut device) = enroll_beside(&mut world, &hotp());
    let (one, other) = (world.associate_and_drop(&totp()), world.associate_and_drop(&hotp()));
    assert_ne!(one, other);
    world.pass(60);
    let session = world.login();
    let code = device.press();
    let denial = unchanged(&mut world, |world| world.verify_otp(&session, code.clone()));
    assert_eq!(denial, Denial::AuthenticatorRequired);
    world.verify_otp(&session, OtpRequest::new(code).authenticator(device_id)).unwrap();
    let session = world.login();
    world.verify_otp(&session, OtpRequest::new(app.at(world.now)).authenticator(app_id)).unwrap();
}

/// What is shown of a pending secret stays in the answer.
trait Pending {
    fn associate_and_drop(&mut self, factor: &NewFactor) -> AuthenticatorId;
}

impl Pending for World {
    fn associate_and_drop(&mut self, factor: &NewFactor) -> AuthenticatorId {
        let session = self.elevated();
        let (associated, _) = self.associate_otp(&session, factor).unwrap();
        assert!(matches!(associated.setup, Setup::Otp(_)));
        associated.authenticator
    }
}

/// What is scanned is what an independent reader of the format makes of it.
#[test]
fn the_uri_reads_as_what_was_meant() {
    let names = [
        ("Example", "user@example.com"),
        ("Böse & Söhne / 100 %", "jürgen+tag@bücher.example"),
        ("a?b#c=d", "\"quoted\" <name>"),
        ("日本語", "ユーザー"),
    ];
    for (issuer, name) in names {
        let mut world = World::new(policy(|settings| {
            (settings.totp.algorithm, settings.totp.digits) = (OtpAlgorithm::Sha256, 8);
            settings.totp.step = Duration::seconds(60);
        }));
        let session = world.login();
        let label = countersign::otp::KeyLabel::new(issuer, name).unwrap();
        let (associated, app) = world.associate_otp(&session, &NewFactor::totp(label)).unwrap();
        let setup = associated.setup.otp().unwrap();
        let read = totp_rs::Totp::from_url(setup.barcode_uri()).unwrap();
        assert_eq!((read.issuer(), read.account_name()), (Some(issuer), name));
        let again = totp_rs::Totp::from_url(read.to_url().unwrap()).unwrap();
        assert_eq!(again, read);
        let now = u64::try_from(world.now.unix_timestamp()).unwrap();
        assert_eq!(read.generate(now).to_string(), app.at(world.now).expose());
        let code = OtpCode::parse(&read.generate(now).to_string()).unwrap();
        assert!(world.verify_otp(&session, code).is_ok());
    }
}

/// The secret hangs on the authenticator, the subject and the seed: the same app in another account is
/// another.
#[test]
fn no_two_enrollments_share_a_secret() {
    let mut world = with_devices(5);
    let mut secrets = Vec::new();
    for factor in [totp(), hotp(), totp()] {
        let session = world.login();
        let (associated, _) = world.associate_otp(&session, &factor).unwrap();
        secrets.push(associated.setup.otp().unwrap().secret().to_owned());
    }
    secrets.sort();
    secrets.dedup();
    assert_eq!(secrets.len(), 3);
}

#[test]
fn an_effect_of_success_is_the_token_alone() {
    let mut world = World::new(Policy::default());
    let (.., app) = world.enroll_totp();
    world.pass(60);
    let (session, account) = (world.login(), world.account());
    let step = world.verifier.verify_otp(&session, account, &app.at(world.now).into(), world.now, None);
    let (write, sealed) = step.into_parts();
    assert!(write.unwrap().outbox.is_empty());
    let outcome = sealed.open(countersign::Swap::Stored).done().unwrap();
    assert!(matches!(outcome.effects(), [Effect::IssueToken(_)]));
    assert_eq!(key_label().issuer(), "Example");
    let account = world.account();
    let step = world.verifier.associate(
        &session,
        account,
        &email("a@example.com"),
        world.now,
        &entropy(&mut world.rng),
    );
    assert_eq!(world.run(step).unwrap_err(), Denial::AlreadyEnrolled);
}

/// It is refused before anything is said of the authenticator.
#[test]
fn an_elevated_session_confirms_only_while_its_second_factor_is_recent() {
    let mut world = World::new(Policy::default());
    world.enroll("user@example.com");
    world.pass(3_600);
    let session = world.elevated();
    let (associated, app) = world.associate_otp(&session, &totp()).unwrap();
    let id = associated.authenticator;
    world.pass(901);
    let now = world.now;
    let max_age = Duration::seconds(900);
    for request in [
        OtpRequest::new(app.at(now)),
        OtpRequest::new(app.at(now)).authenticator(id),
        OtpRequest::new(wrong_at(&app, now)).authenticator(id),
    ] {
        let denial = unchanged(&mut world, |world| world.verify_otp(&session, request));
        assert_eq!(denial, Denial::InsufficientUserAuthentication { max_age });
    }
    world.pass(-1);
    assert!(world.verify_otp(&session, app.at(world.now)).is_ok());
}

/// A lock says nothing of a factor that has no code to check.
#[test]
fn what_is_no_app_takes_no_code_and_a_lock_does_not_matter() {
    let mut world = World::new(locking(|settings| settings.guess_bucket = Rate::new(1, Duration::HOUR)));
    let (email, _) = world.enroll("user@example.com");
    let (app_id, app) = enroll_beside(&mut world, &totp());
    world.pass(7_200);
    let session = world.login();
    let wrong = wrong_at(&app, world.now);
    world.verify_otp(&session, OtpRequest::new(wrong.clone())).unwrap_err();
    let of = |id| OtpRequest::new(wrong.clone()).authenticator(id);
    let denial = unchanged(&mut world, |world| world.verify_otp(&session, of(app_id)));
    assert!(matches!(denial, Denial::Locked { .. }), "{denial:?}");
    let denial = unchanged(&mut world, |world| world.verify_otp(&session, of(email)));
    assert_eq!(denial, Denial::UnsupportedChallengeType);
}
