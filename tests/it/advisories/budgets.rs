//! Limits that were missing, split or refilled: V8, V9, V11 to V21.

use countersign::{
    Account, BindingCode, ChallengeRequest, Denial, Policy, Step, Subject, Swap,
    address_proof::{ProofPolicy, ProofPurpose},
    code::OtpCode,
    effect::Notice,
    machine::{CancelReason, ChallengeState},
    policy::{FactorUse, Rate, Resend, Settings},
    session::{ClientId, ElevatedScopes},
};
use time::Duration;

use super::{
    ADDRESS, challenged, charged_guesses, charged_recoveries, enrolled, guess_in_logins, guess_out,
    near_miss, roomy, session_of, stored, tampered,
};
use countersign_testkit::{Proving, World, client, code, elevation, wrong, wrong_otp};

/// CVE-2025-60424 (Nagios Fusion), AuthQuake (Microsoft): the window of an app's codes is bounded, a policy
/// that widens it says so in its odds, and guesses at it are counted.
#[test]
fn v12_the_window_is_bounded_and_counts_against_the_budget() {
    let odds = |back, ahead| {
        let mut settings = Settings::default();
        settings.factors.email = FactorUse::Off;
        (settings.totp.steps_back, settings.totp.steps_ahead) = (back, ahead);
        Policy::new(settings).map(|policy| policy.guess_probability())
    };
    for (back, ahead) in [(3, 0), (0, 3), (u8::MAX, u8::MAX)] {
        assert!(odds(back, ahead).is_err(), "{back}, {ahead}");
    }
    let narrow = odds(0, 0).unwrap();
    for (back, ahead) in [(1, 0), (1, 1), (2, 2)] {
        let codes = f64::from(back + ahead + 1);
        assert!((odds(back, ahead).unwrap() / narrow / codes - 1.0).abs() < 0.01, "{back}, {ahead}");
    }
    // At a millisecond each, as many are looked at as the bucket has.
    let mut world = World::new(roomy(|settings| settings.attempts = 10));
    let (.., app) = world.enroll_totp();
    world.pass(3_600);
    let before = world.audits.len();
    for number in 0..1_000 {
        let session = world.login();
        let guess = OtpCode::parse(&format!("{number:06}")).unwrap();
        let denial = world.verify_otp(&session, guess).unwrap_err();
        assert!(matches!(denial, Denial::InvalidOtpCode { .. } | Denial::Locked { .. }), "{denial:?}");
    }
    let evaluated = world.audits[before..].iter().filter(|audit| audit.evaluated).count();
    assert_eq!((evaluated, app.at(world.now).length()), (10, 6));
}

/// CVE-2024-32868 (ZITADEL): one budget stands before every code: to confirm, to authenticate, on its own, to recover.
#[test]
fn v08_every_kind_of_code_is_budgeted() {
    // Confirming and authenticating, by different authenticators: each lane has a bucket, and both are this
    // large.
    let (mut world, _) = enrolled(roomy(|settings| {
        settings.attempts = 10;
        settings.guess_bucket = Rate::new(5, Duration::seconds(360));
    }));
    let (session, elevated) = (world.login(), world.elevated());
    let (challenged, right) = challenged(&mut world, &session);
    let associated = world.associate(&elevated, "other@example.com").unwrap();
    let confirming = world.mail().code;
    for _ in 0..5 {
        assert!(world.verify(&session, challenged.oob_code.expose(), &wrong(&right)).is_err());
        assert!(world.verify(&elevated, associated.oob_code.expose(), &wrong(&confirming)).is_err());
    }
    assert_eq!(charged_guesses(&mut world), 5);
    assert_eq!(super::charged(&mut world, "known_guess", Duration::seconds(360)), 5);
    let locked = Denial::Locked { until: world.now + Duration::seconds(360) };
    assert_eq!(world.verify(&session, challenged.oob_code.expose(), &right).unwrap_err(), locked);
    assert_eq!(world.verify(&elevated, associated.oob_code.expose(), &confirming).unwrap_err(), locked);

    // An app's codes empty the same bucket, and find it empty.
    let mut world = World::new(roomy(|settings| settings.attempts = 10));
    let (.., app) = world.enroll_totp();
    world.pass(60);
    let session = world.login();
    for _ in 0..10 {
        let guess = wrong_otp(&[&app.at(world.now), &app.at(world.now - Duration::seconds(30))]);
        assert!(matches!(world.verify_otp(&session, guess), Err(Denial::InvalidOtpCode { .. })));
    }
    assert_eq!(charged_guesses(&mut world), 10);
    let session = world.login();
    let refused = world.verify_otp(&session, app.at(world.now)).unwrap_err();
    assert_eq!(refused, Denial::Locked { until: world.now + Duration::seconds(360) });

    // Recovery codes have five attempts in each transaction.
    let (mut world, codes) = enrolled(roomy(|_| {}));
    let session = world.login();
    for place in 0..5 {
        let missed = world.recover(&session, &near_miss(&codes[0], place));
        assert_eq!(missed.unwrap_err(), Denial::InvalidRecoveryCode);
    }
    let refused = world.recover(&session, &codes[0]);
    assert_eq!(refused.unwrap_err(), Denial::TooManyRecoveryAttempts { until: None });

    // Before any first factor no code is short: a long one need not be counted, and each message is charged.
    let mut proving = Proving::new(ProofPolicy::default());
    for _ in 0..20 {
        let asked = proving.ask(ProofPurpose::Reset);
        for digits in ["00000000000000000000", "12345678901234567890"] {
            let guess = BindingCode::parse(digits).unwrap();
            let denial = proving.code(ProofPurpose::Reset, &asked, &guess).unwrap_err();
            assert_eq!((denial, denial.is_counted()), (Denial::InvalidAddressProof, false));
        }
    }
    assert_eq!((proving.letters.len(), proving.swaps), (5, 5));
    assert_eq!(BindingCode::LONG_DIGITS, 20);
}

/// CVE-2025-64102 (ZITADEL): no limit is zero or absent, none is skipped by another path, and a lock shuts nobody out
/// for good.
#[test]
fn v09_limits_are_on_everywhere_and_starve_nobody() {
    type Change = fn(&mut Settings);
    let rows: [(&str, Change); 10] = [
        ("attempts", |s| s.attempts = 0),
        ("failure_cap", |s| s.failure_cap = 0),
        ("guess_bucket", |s| s.guess_bucket = Rate::new(0, Duration::seconds(60))),
        ("guess_bucket", |s| s.guess_bucket = Rate::new(10, Duration::ZERO)),
        ("long_guess_budget", |s| s.long_guess_budget = Some(Rate::new(0, Duration::seconds(60)))),
        ("recovery_bucket", |s| s.recovery_bucket = Rate::new(0, Duration::seconds(60))),
        ("send_bucket", |s| s.send_bucket = Rate::new(10, Duration::milliseconds(1))),
        ("long_send_budget", |s| s.long_send_budget = Some(Rate::new(0, Duration::seconds(60)))),
        ("code_lifetime", |s| s.code_lifetime = Duration::ZERO),
        ("attempts", |s| s.attempts = u8::MAX),
    ];
    for (setting, change) in rows {
        for mut settings in [Settings::default(), Settings::auth0(), Settings::strict()] {
            change(&mut settings);
            assert_eq!(Policy::new(settings).map_err(|error| error.setting()), Err(setting));
        }
    }

    let (mut world, codes) = enrolled(roomy(|_| {}));
    assert_eq!(guess_in_logins(&mut world, 5), 10);
    let until = world.now + Duration::seconds(360);
    let (mails, session, elevated) = (world.mails.len(), world.login(), world.elevated());
    assert_eq!(world.challenge(&session).unwrap_err(), Denial::Locked { until });
    assert_eq!(world.mails.len(), mails, "a lock sends nothing");
    assert!(world.associate(&elevated, "new@example.com").is_ok(), "the other lane is open");
    assert!(world.recover(&session, &codes[0]).is_ok(), "and leaves recovery open");
    world.now = until;
    assert!(world.sign_in().unwrap().completed, "and it ends");

    // A lock reaches enrollment, too.
    let mut world = World::new(roomy(|_| {}));
    for _ in 0..2 {
        let session = world.login();
        let begun = world.associate(&session, ADDRESS).unwrap();
        let guess = wrong(&world.mail().code);
        assert_eq!(guess_out(&mut world, &session, begun.oob_code.expose(), &guess).0, 5);
    }
    let session = world.login();
    assert!(matches!(world.associate(&session, ADDRESS).unwrap_err(), Denial::Locked { .. }));

    // Where it does not lock, nobody is shut out for a moment: the next code is longer.
    let mut world = World::new(countersign_testkit::policy(|settings| settings.cool_down = Duration::ZERO));
    world.enroll(ADDRESS);
    world.pass(3_600);
    assert_eq!(guess_in_logins(&mut world, 2), 10);
    assert!(world.sign_in().unwrap().completed);
}

/// CVE-2026-56450 (AIL): each challenge takes a number of guesses that was fixed when it was issued.
#[test]
fn v11_a_challenge_takes_so_many_guesses() {
    for attempts in [1, 5, 10] {
        let (mut world, _) = enrolled(roomy(|settings| {
            settings.attempts = attempts;
            settings.guess_bucket = Rate::new(100, Duration::seconds(360));
        }));
        let session = world.login();
        let (challenged, right) = challenged(&mut world, &session);
        let oob_code = challenged.oob_code.expose();
        let (evaluated, refused) = guess_out(&mut world, &session, oob_code, &wrong(&right));
        assert_eq!((evaluated, refused), (u32::from(attempts), Denial::AttemptsExhausted));
        assert_eq!(world.verify(&session, oob_code, &right).unwrap_err(), Denial::AttemptsExhausted);
        assert!(world.tokens.is_empty());
    }
}

/// ezBookkeeping 0.7.0: the budget is the account's, so a new login brings no new guesses, today or in the long run.
#[test]
fn v13_new_logins_bring_no_new_guesses() {
    let (mut world, _) = enrolled(roomy(|settings| settings.failure_cap = 100));
    let mut evaluated = guess_in_logins(&mut world, 30);
    assert_eq!(evaluated, 10, "the bucket");
    for _ in 0..3 * 240 {
        world.pass(360);
        evaluated += guess_in_logins(&mut world, 1);
    }
    assert_eq!(evaluated, 30 + 3, "the long budget, and one a day");
}

/// better-auth#11162: neither a resend, a rotation, a new challenge nor a cancelled one gives attempts back.
#[test]
fn v14_asking_again_gives_no_attempts_back() {
    for resend in [Resend::Repeat, Resend::Rotate] {
        let (mut world, _) = enrolled(roomy(|settings| settings.resend = resend));
        let session = world.login();
        let mut left = Vec::new();
        // First, again under the same handle, as a new challenge, after giving one up, and again.
        for (wait, cancels) in [(0, false), (1, false), (200, false), (1, true), (1, false)] {
            world.pass(wait);
            let (challenged, right) = challenged(&mut world, &session);
            let oob_code = challenged.oob_code.expose();
            let Err(Denial::InvalidBindingCode { attempts_left }) =
                world.verify(&session, oob_code, &wrong(&right))
            else {
                panic!("a wrong code is counted");
            };
            left.push(attempts_left);
            if cancels {
                let handle = world.verifier.open_oob_code(&session, oob_code).unwrap();
                let account = world.account();
                let step = world.verifier.cancel(&session, account, &handle, world.now);
                world.run(step).unwrap();
            }
        }
        assert_eq!(left, [4, 3, 2, 1, 0]);
        let mails = world.mails.len();
        assert_eq!(world.challenge(&session).unwrap_err(), Denial::AttemptsExhausted);
        assert_eq!(world.mails.len(), mails);

        // The same where an address is confirmed.
        let mut world = World::new(roomy(|settings| settings.resend = resend));
        let session = world.login();
        for attempts_left in (0..5).rev() {
            let associated = world.associate(&session, ADDRESS).unwrap();
            let guess = wrong(&world.mail().code);
            let denial = world.verify(&session, associated.oob_code.expose(), &guess).unwrap_err();
            assert_eq!(denial, Denial::InvalidBindingCode { attempts_left });
        }
        assert_eq!(world.associate(&session, ADDRESS).unwrap_err(), Denial::AttemptsExhausted);
    }
}

/// supabase/auth#2819: every evaluated wrong code is written to the record, once; a refused one and a right one cost
/// nothing.
#[test]
fn v15_every_failed_guess_is_written() {
    let (mut world, codes) = enrolled(roomy(|_| {}));
    let session = world.login();
    let (challenged, right) = challenged(&mut world, &session);
    let handle = world.verifier.open_oob_code(&session, challenged.oob_code.expose()).unwrap();
    let guesses = [(wrong(&right), 1), (wrong(&right), 2), (code("123456789"), 2), (wrong(&right), 3)];
    for (guess, expected) in guesses {
        let (account, evaluated) = (world.account(), guess.length() == right.length());
        let step = world.verifier.verify_oob(&session, account, &handle, &guess, world.now, None);
        assert_eq!(step.writes(), evaluated);
        assert!(world.run(step).is_err());
        assert_eq!(world.audits.last().unwrap().evaluated, evaluated);
        assert_eq!(charged_guesses(&mut world), expected);
        let record = stored(&mut world);
        assert_eq!(record["authenticators"][0]["failures"]["unknown"], expected);
    }
    world.verify(&session, challenged.oob_code.expose(), &right).unwrap();
    assert_eq!(charged_guesses(&mut world), 3);

    let session = world.login();
    for place in 0..5 {
        let account = world.account();
        let step = world.verifier.verify_recovery(&session, account, &near_miss(&codes[0], place), world.now);
        assert!(step.writes());
        assert_eq!(world.run(step).unwrap_err(), Denial::InvalidRecoveryCode);
        assert_eq!(charged_recoveries(&mut world), place as u64 + 1);
    }
    let account = world.account();
    let step = world.verifier.verify_recovery(&session, account, &codes[0], world.now);
    assert!(!step.writes());
    assert!(world.run(step).is_err());
    assert_eq!(charged_recoveries(&mut world), 5);
}

/// CVE-2026-45364 (better-auth): a budget hangs on the account and on nothing that a caller can vary or respell.
#[test]
fn v16_nothing_that_a_caller_varies_splits_a_budget() {
    let (mut world, _) = enrolled(roomy(|_| {}));
    let mut evaluated = 0;
    for caller in 0..40 {
        world.now += Duration::milliseconds(1);
        let session = session_of(&mut world, "user-1", &format!("client-{caller}"));
        let Ok(challenged) = world.challenge(&session) else { continue };
        let guess = wrong(&world.mail().code).expose().to_owned();
        let (head, tail) = guess.split_at(3);
        for typed in
            [format!("{head} {tail}"), format!("{head}-{tail}"), format!("\u{200b}{head}\u{2009}{tail}")]
        {
            let typed = BindingCode::parse(&typed).unwrap();
            let denial = world.verify(&session, challenged.oob_code.expose(), &typed).unwrap_err();
            evaluated += u32::from(matches!(denial, Denial::InvalidBindingCode { .. }));
        }
    }
    assert_eq!(evaluated, 10);

    // A token has one spelling.
    let first_factor = world.prepare().client(ClientId::new("client-100").unwrap());
    let begun = world.begin_with(first_factor).unwrap();
    let token = begun.token.expose();
    assert_eq!(token.len() % 4, 2, "the last symbol has bits to spare");
    let (body, _) = token.split_at(token.len() - 1);
    let symbols = (b'A'..=b'Z').chain(b'a'..=b'z').chain(b'0'..=b'9').chain(*b"-_");
    let open = |text: &str| world.verifier.open(text, None, world.now).is_ok();
    assert_eq!(symbols.filter(|&symbol| open(&format!("{body}{}", char::from(symbol)))).count(), 1);
    assert!(open(token));
    for respelled in [format!("{token}="), format!("{token}=="), format!(" {token}"), format!("{token}\n")] {
        assert!(!open(&respelled));
    }
}

/// CVE-2025-24806 (Authelia): another spelling of a subject is another subject, which can do nothing to this record;
/// and two spellings of an address share its account's one budget.
#[test]
fn v17_another_spelling_of_a_name_opens_no_second_budget() {
    let (mut world, codes) = enrolled(roomy(|_| {}));
    let right_session = world.login();
    let (challenged, right) = challenged(&mut world, &right_session);
    let handle = world.verifier.open_oob_code(&right_session, challenged.oob_code.expose()).unwrap();
    let (now, record) = (world.now, world.account());
    let id = record.authenticators()[0].id();
    for spelling in ["USER-1", "User-1", "user-1 ", " user-1", "user-\u{ff11}"] {
        let session = session_of(&mut world, spelling, "client-1");
        let stranger = Account::new(&Subject::new(spelling).unwrap());
        let elevated = world.elevated_by(elevation(&stranger, 1, now), ElevatedScopes::ALL);
        let (verifier, rng) = (world.verifier.clone(), &mut world.rng);
        fn refused<T: std::fmt::Debug>(step: Step<T>) {
            assert!(!step.writes());
            let outcome = step.commit(|_| Ok::<_, ()>(Swap::Lost)).unwrap().done().unwrap();
            let (result, effects) = outcome.into_parts();
            assert_eq!(result.unwrap_err(), Denial::WrongRecord);
            assert!(effects.is_empty());
        }
        let copy = || -> Account { record.clone() };
        refused(verifier.challenge(
            &session,
            copy(),
            &Default::default(),
            now,
            &countersign_testkit::entropy(rng),
        ));
        refused(verifier.associate(
            &session,
            copy(),
            &countersign_testkit::email("a@b"),
            now,
            &countersign_testkit::entropy(rng),
        ));
        refused(verifier.verify_oob(&session, copy(), &handle, &wrong(&right), now, None));
        refused(verifier.verify_recovery(&session, copy(), &codes[0], now));
        refused(verifier.cancel(&session, copy(), &handle, now));
        refused(verifier.remove(&elevated, copy(), id, now));
        refused(verifier.regenerate_recovery_codes(
            &elevated,
            copy(),
            now,
            &countersign_testkit::entropy(rng),
        ));
        assert_eq!(verifier.authenticators(&session, &record, now).unwrap_err(), Denial::WrongRecord);
    }
    assert_eq!(world.account(), record);

    let elevated = world.elevated();
    let associated = world.associate(&elevated, "USER@example.com").unwrap();
    let guess = wrong(&world.mail().code);
    assert_eq!(guess_out(&mut world, &elevated, associated.oob_code.expose(), &guess).0, 5);
    assert_eq!(super::charged(&mut world, "known_guess", Duration::seconds(360)), 5);
    assert_eq!(guess_in_logins(&mut world, 10), 10);
    assert_eq!(charged_guesses(&mut world), 10);
}

/// django-allauth 65.9.0: a success refills no bucket; it clears the failures in a row of its own authenticator alone.
#[test]
fn v18_a_success_refills_no_bucket() {
    let (mut world, codes) = enrolled(roomy(|settings| settings.attempts = 10));
    let elevated = world.elevated();
    world.associate(&elevated, "other@example.com").unwrap();
    let confirming = world.mail().code;
    let oob_code = world.associate(&elevated, "other@example.com").unwrap().oob_code;
    world.verify(&elevated, oob_code.expose(), &confirming).unwrap();
    let ids: Vec<_> = world.account().authenticators().iter().map(|known| known.id()).collect();
    let ask = |world: &mut World, place: usize| {
        let session = world.login();
        let request = ChallengeRequest::default().authenticator(ids[place]);
        let challenged = world.challenge_with(&session, &request).unwrap();
        (session, challenged.oob_code, world.mail().code)
    };
    let failures = |world: &mut World| -> Vec<u8> {
        world.account().authenticators().iter().map(|known| known.failures()).collect()
    };
    for place in [0, 1] {
        let (session, oob_code, right) = ask(&mut world, place);
        for _ in 0..4 {
            world.verify(&session, oob_code.expose(), &wrong(&right)).unwrap_err();
        }
    }
    assert_eq!(failures(&mut world), [4, 4]);
    let (session, oob_code, right) = ask(&mut world, 0);
    assert!(world.verify(&session, oob_code.expose(), &right).unwrap().completed);
    let session = world.login();
    assert!(world.recover(&session, &codes[0]).is_ok());
    assert_eq!(failures(&mut world), [0, 4]);
    assert_eq!(charged_guesses(&mut world), 8);
    assert_eq!(guess_in_logins(&mut world, 5), 2, "what was left before the successes");
    let long = super::charged(&mut world, "long_guess", Duration::days(1));
    assert_eq!(long, 10);
}

/// keycloak#26180: a lock ends every challenge that waits, so none of them can be answered once the lock is over.
#[test]
fn v19_a_lock_ends_every_challenge() {
    let (mut world, _) = enrolled(roomy(|settings| {
        settings.code_lifetime = Duration::seconds(600);
        settings.guess_bucket = Rate::new(4, Duration::seconds(10));
    }));
    let bystander = world.login();
    let (waiting, right) = challenged(&mut world, &bystander);
    assert_eq!(guess_in_logins(&mut world, 1), 4);
    assert!(matches!(world.events.last(), Some(Notice::Locked { .. })));
    assert!(
        !world
            .account()
            .challenges()
            .iter()
            .any(|challenge| { matches!(challenge.state(), ChallengeState::Pending(_)) })
    );
    world.pass(60);
    assert!(world.now < waiting.expires);
    let late = world.verify(&bystander, waiting.oob_code.expose(), &right);
    assert_eq!(late.unwrap_err(), Denial::ChallengeCancelled(CancelReason::Locked));
    assert!(world.sign_in().is_ok());
}

/// CVE-2024-1722 (Keycloak): who holds no genuine token and handle of this account can spend none of its budget, and
/// who does cannot make a lock longer.
#[test]
fn v20_outsiders_spend_nothing_and_a_lock_grows_no_longer() {
    let (mut world, codes) = enrolled(roomy(|_| {}));
    let token = world.begin();
    let session = world.verifier.open(token.expose(), Some(&client()), world.now).unwrap();
    let (challenged, right) = challenged(&mut world, &session);
    let oob_code = challenged.oob_code.expose();
    let (record, swaps) = (world.account(), *world.store.swaps.borrow());
    for place in 0..oob_code.len() {
        let forged = world.verifier.open_oob_code(&session, &tampered(oob_code, place));
        assert_eq!(forged.unwrap_err(), Denial::MalformedOobCode);
    }
    for place in 0..token.expose().len() {
        let forged = world.verifier.open(&tampered(token.expose(), place), None, world.now);
        assert_eq!(forged.unwrap_err(), Denial::MalformedToken);
    }
    let stranger = session_of(&mut world, "user-2", "client-1");
    assert!(world.verifier.open_oob_code(&stranger, oob_code).is_err());
    for typed in ["", "12345", "1234567890", "12345x"] {
        assert!(BindingCode::parse(typed).is_err());
    }
    assert!(world.verify(&session, oob_code, &code("1234567")).is_err());
    assert_eq!((world.account(), *world.store.swaps.borrow()), (record, swaps));

    // During the lock nothing is evaluated or counted, right or wrong.
    assert_eq!(guess_in_logins(&mut world, 5), 10);
    let locked = Denial::Locked { until: world.now + Duration::seconds(360) };
    let record = world.account();
    for guess in [&right, &wrong(&right)].repeat(20) {
        assert_eq!(world.verify(&session, oob_code, guess).unwrap_err(), locked);
        let session = world.login();
        assert_eq!(world.challenge(&session).unwrap_err(), locked);
    }
    assert_eq!(world.account(), record);
    let session = world.login();
    assert!(world.recover(&session, &codes[0]).is_ok());
    world.pass(360);
    assert!(world.sign_in().is_ok());
}

/// usd-2021-0016 (Keycloak): with no setting touched, and with each preset, guessing is bounded at once and over a day.
#[test]
fn v21_the_presets_bound_guessing() {
    // Evaluated guesses at one instant and within a day, for whoever knows the password.
    let rows = [(Policy::default(), 10, 31), (Policy::auth0(), 10, 250), (Policy::strict(), 5, 31)];
    for (policy, at_once, in_a_day) in rows {
        let authenticates = policy.settings().factors.email == FactorUse::Authenticate;
        let mut world = World::new(policy);
        if authenticates {
            world.provision(ADDRESS).unwrap();
        }
        let attack = |world: &mut World| {
            let mut evaluated = 0;
            for _ in 0..8 {
                let session = world.login();
                let asked = if authenticates {
                    world.challenge(&session).map(|challenged| challenged.oob_code)
                } else {
                    world.associate(&session, ADDRESS).map(|associated| associated.oob_code)
                };
                let Ok(oob_code) = asked else { break };
                let guess = wrong(&world.mail().code);
                evaluated += guess_out(world, &session, oob_code.expose(), &guess).0;
            }
            evaluated
        };
        let mut evaluated = attack(&mut world);
        assert_eq!(evaluated, at_once);
        for _ in 0..240 {
            world.pass(360);
            evaluated += attack(&mut world);
        }
        assert!((at_once..=in_a_day).contains(&evaluated), "{evaluated} guesses in a day");
    }
    assert!(Policy::default().guess_probability() < 0.002, "in a year, in both lanes");
    assert_eq!(Policy::default().settings(), &Settings::default());
}
