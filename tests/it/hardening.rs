//! Hardening: an account that is guessed at gets longer codes instead of a closed door, in the lane that is
//! guessed in.

use countersign::{
    AuthenticatorId, BindingCode, ChallengeRequest, Denial, Policy, Session,
    code::{CodeForm, RecoveryCode},
    effect::{Delivery, Notice},
    machine::{CancelReason, ChallengeState, Enrollment},
    policy::{AtCap, Rate, Settings, WhenExhausted},
    record::Lane,
    step::Committed,
};
use countersign_testkit::{Given, World, bucket, bucket_path, edited, entropy, json, millis, policy, wrong};
use time::Duration;

use crate::accounts::unknown_recovery_code;

/// An account with one address, and guesses of which three are there at once and one more each hour.
fn enrolled(change: impl FnOnce(&mut Settings)) -> (World, AuthenticatorId, Vec<RecoveryCode>) {
    let mut world = World::new(policy(|settings| {
        settings.guess_bucket = Rate::new(3, Duration::HOUR);
        settings.attempts = 3;
        settings.send_bucket = Rate::new(1_000, Duration::SECOND);
        settings.long_send_budget = None;
        change(settings);
    }));
    let (id, codes) = world.enroll("user@example.com");
    world.pass(86_400);
    (world, id, codes)
}

/// Presents wrong codes in logins of their own until the lane of the password is hardened: how many that
/// took.
fn harden(world: &mut World) -> u32 {
    let mut counted = 0;
    loop {
        let session = world.login();
        let challenged = world.challenge(&session).unwrap();
        if challenged.form.is_long() {
            return counted;
        }
        let guess = wrong(&world.mail().code);
        let denial = world.verify(&session, challenged.oob_code.expose(), &guess).unwrap_err();
        assert!(matches!(denial, Denial::InvalidBindingCode { .. }));
        counted += 1;
    }
}

fn is_hardened(world: &mut World, lane: Lane) -> bool {
    let account = world.account();
    world.verifier.is_hardened(&account, lane, world.now)
}

#[test]
fn an_empty_budget_makes_codes_long_and_ends_the_short_ones_of_its_lane() {
    for when_exhausted in [WhenExhausted::Harden, WhenExhausted::HardenMessages] {
        let (mut world, id, _) = enrolled(|settings| settings.when_exhausted = when_exhausted);
        let elevated = world.elevated();
        let begun = world.associate(&elevated, "second@example.com").unwrap();
        let confirmation = world.mail().code;
        let waiting = world.login();
        let short = world.challenge(&waiting).unwrap();
        let right = world.mail().code;
        assert_eq!((short.form, right.form()), (CodeForm::Short(6), CodeForm::Short(6)));
        assert!(!is_hardened(&mut world, Lane::Unknown));
        world.events.clear();
        assert_eq!(harden(&mut world), 3);
        assert_eq!(world.events, [Notice::Hardened { authenticator: id, lane: Lane::Unknown }]);
        assert!(is_hardened(&mut world, Lane::Unknown) && !is_hardened(&mut world, Lane::Known));

        // The short code that waited is refused, although it is right: it was cancelled.
        let ended = Denial::ChallengeCancelled(CancelReason::Hardened);
        let swaps = *world.store.swaps.borrow();
        assert_eq!(world.verify(&waiting, short.oob_code.expose(), &right).unwrap_err(), ended);
        assert_eq!(*world.store.swaps.borrow(), swaps);

        // Whoever waited for it asks again at once, in spite of the cool-down, and gets 20 digits.
        let long = world.challenge(&waiting).unwrap();
        assert_eq!((long.delivery, long.form), (Delivery::Sent, CodeForm::Long));
        let mail = world.mail();
        assert_eq!((mail.code.form(), mail.code.expose().len()), (CodeForm::Long, 20));
        assert_ne!(long.oob_code.expose(), short.oob_code.expose());
        let again = world.challenge(&waiting).unwrap();
        assert!(matches!(again.delivery, Delivery::CoolingDown { .. }), "once");
        assert_eq!((again.oob_code.expose(), again.form), (long.oob_code.expose(), CodeForm::Long));
        let typed = mail.code.groups().collect::<Vec<_>>().join(" ");
        let code = BindingCode::parse(&typed).unwrap();
        let verified = world.verify(&waiting, long.oob_code.expose(), &code).unwrap();
        assert!(verified.completed);

        // The other lane goes on with short codes.
        assert!(world.verify(&elevated, begun.oob_code.expose(), &confirmation).is_ok());
    }
}

/// What anybody with the password can repeat without end must not write.
#[test]
fn a_wrong_long_answer_changes_nothing_and_writes_nothing() {
    let (mut world, ..) = enrolled(|_| {});
    harden(&mut world);
    let session = world.login();
    let challenged = world.challenge(&session).unwrap();
    let right = world.mail().code;
    let (before, swaps) = (world.account(), *world.store.swaps.borrow());
    for _ in 0..1_000 {
        let denied = world.verify(&session, challenged.oob_code.expose(), &wrong(&right)).unwrap_err();
        assert_eq!(denied, Denial::InvalidLongCode);
        let audit = world.audits.last().unwrap();
        assert_eq!((audit.evaluated, audit.denial), (true, Some("invalid_long_code")));
    }
    // A code of another form is no answer: it is compared with nothing.
    for text in ["123456", "123456789"] {
        let code = BindingCode::parse(text).unwrap();
        let denied = world.verify(&session, challenged.oob_code.expose(), &code).unwrap_err();
        assert_eq!(denied, Denial::MalformedCode);
        assert!(!world.audits.last().unwrap().evaluated);
    }
    assert_eq!((world.account(), *world.store.swaps.borrow()), (before, swaps));
    assert!(world.verify(&session, challenged.oob_code.expose(), &right).unwrap().completed);
}

/// A long code needs no attempt: a login that lost its own to the guesses of another goes on.
#[test]
fn a_login_without_attempts_gets_a_long_code() {
    let (mut world, ..) = enrolled(|settings| settings.cool_down = Duration::ZERO);
    let session = world.login();
    let challenged = world.challenge(&session).unwrap();
    let guess = wrong(&world.mail().code);
    for attempts_left in [2, 1, 0] {
        let denied = world.verify(&session, challenged.oob_code.expose(), &guess).unwrap_err();
        assert_eq!(denied, Denial::InvalidBindingCode { attempts_left });
    }
    let long = world.challenge(&session).unwrap();
    assert!(long.form.is_long());
    let code = world.mail().code;
    assert!(world.verify(&session, long.oob_code.expose(), &code).unwrap().completed);
    // Where nothing is hardened, it has none.
    let (mut world, ..) = enrolled(|settings| {
        settings.cool_down = Duration::ZERO;
        settings.attempts = 1;
    });
    let session = world.login();
    let challenged = world.challenge(&session).unwrap();
    let guess = wrong(&world.mail().code);
    world.verify(&session, challenged.oob_code.expose(), &guess).unwrap_err();
    assert_eq!(world.challenge(&session).unwrap_err(), Denial::AttemptsExhausted);
}

#[test]
fn hardening_ends_when_all_attempts_are_back_and_a_live_long_code_stays_good() {
    let (mut world, ..) = enrolled(|settings| {
        settings.code_lifetime = Duration::seconds(600);
        settings.cool_down = Duration::ZERO;
    });
    harden(&mut world);
    let begun = world.now;
    // One guess is back after an hour, and three, which are the attempts of a challenge, after three hours.
    world.now = begun + Duration::hours(3) - Duration::MILLISECOND;
    assert!(is_hardened(&mut world, Lane::Unknown));
    let session = world.login();
    let long = world.challenge(&session).unwrap();
    assert!(long.form.is_long());
    let code = world.mail().code;
    world.now += Duration::MILLISECOND;
    assert!(!is_hardened(&mut world, Lane::Unknown));
    let again = world.challenge(&session).unwrap();
    assert_eq!((again.oob_code.expose(), again.form), (long.oob_code.expose(), CodeForm::Long));
    assert_eq!(world.mail().code.expose(), code.expose(), "it is sent again as it was");
    let other = world.login();
    assert_eq!(world.challenge(&other).unwrap().form, CodeForm::Short(6), "a new one is short");
    assert!(world.verify(&session, again.oob_code.expose(), &code).unwrap().completed);
}

/// The first message of a person who has nothing enrolled yet may meet a lane that is hardened already.
#[test]
fn an_enrollment_in_a_hardened_lane_is_confirmed_by_a_long_code() {
    let (mut world, ..) = enrolled(|_| {});
    harden(&mut world);
    world.reset();
    world.pass(1);
    let session = world.login();
    let begun = world.associate(&session, "new@example.com").unwrap();
    assert!(begun.form.is_long());
    let code = world.mail().code;
    let denied = world.verify(&session, begun.oob_code.expose(), &wrong(&code)).unwrap_err();
    assert_eq!(denied, Denial::InvalidLongCode);
    assert!(world.verify(&session, begun.oob_code.expose(), &code).unwrap().completed);
}

#[test]
fn at_the_cap_an_authenticator_gets_long_codes_in_that_lane_until_one_is_right() {
    let (mut world, one, _) = enrolled(|settings| {
        settings.failure_cap = 2;
        settings.guess_bucket = Rate::new(100, Duration::SECOND);
        settings.long_guess_budget = None;
    });
    let elevated = world.elevated();
    let second = world.associate(&elevated, "second@example.com").unwrap();
    let code = world.mail().code;
    world.verify(&elevated, second.oob_code.expose(), &code).unwrap();
    let of = |id| ChallengeRequest::default().authenticator(id);
    let ask = |world: &mut World, id| {
        let session = world.login();
        let asked = world.challenge_with(&session, &of(id)).unwrap();
        (session, asked)
    };
    let (waiting, bystander) = ask(&mut world, one);
    let (other, of_other) = ask(&mut world, second.authenticator);
    let for_other = world.mail().code;
    world.events.clear();
    for _ in 0..2 {
        let (session, asked) = ask(&mut world, one);
        assert!(!asked.form.is_long());
        let guess = wrong(&world.mail().code);
        world.verify(&session, asked.oob_code.expose(), &guess).unwrap_err();
    }
    assert_eq!(world.events, [Notice::Hardened { authenticator: one, lane: Lane::Unknown }]);
    assert!(!is_hardened(&mut world, Lane::Unknown), "the lane is not, only the authenticator");
    let account = world.account();
    let known = &account.authenticators()[0];
    assert_eq!((known.failures_in(Lane::Unknown), known.failures_in(Lane::Known)), (2, 0));
    assert_eq!(*known.enrollment(), Enrollment::Active, "it is not disabled");

    // Its short challenges ended, and that of the other authenticator did not.
    let ended = Denial::ChallengeCancelled(CancelReason::Hardened);
    let denied = world.verify(&waiting, bystander.oob_code.expose(), &countersign_testkit::code("000000"));
    assert_eq!(denied.unwrap_err(), ended);
    assert!(world.verify(&other, of_other.oob_code.expose(), &for_other).unwrap().completed);
    assert!(!ask(&mut world, second.authenticator).1.form.is_long());

    let (session, long) = ask(&mut world, one);
    assert!(long.form.is_long());
    let code = world.mail().code;
    let denied = world.verify(&session, long.oob_code.expose(), &wrong(&code)).unwrap_err();
    assert_eq!(denied, Denial::InvalidLongCode);
    assert!(world.verify(&session, long.oob_code.expose(), &code).unwrap().completed);
    assert_eq!(world.account().authenticators()[0].failures(), 0);
    assert!(!ask(&mut world, one).1.form.is_long());
}

/// NIST SP 800-63B-4 section 3.2.2: at most 100 in a row. The lanes count apart, so they are also counted
/// together.
#[test]
fn a_hundred_failures_of_both_lanes_together_disable_as_the_cap_of_one_does() {
    for (known, disables) in [(99, true), (98, false)] {
        let (mut world, ..) = enrolled(|settings| {
            settings.failure_cap = 100;
            settings.at_cap = AtCap::Disable;
        });
        let account = edited(&world.account(), |record| {
            record["authenticators"][0]["failures"]["known"] = known.into();
        });
        world.store.put(account.unwrap());
        let session = world.login();
        let challenged = world.challenge(&session).unwrap();
        let guess = wrong(&world.mail().code);
        world.verify(&session, challenged.oob_code.expose(), &guess).unwrap_err();
        let account = world.account();
        let row = &account.authenticators()[0];
        assert_eq!((row.failures(), row.failures_in(Lane::Unknown)), (known + 1, 1));
        assert_eq!(*row.enrollment() == Enrollment::Disabled, disables);
    }
    // Where the cap hardens, nothing disables.
    let (mut world, ..) = enrolled(|settings| settings.failure_cap = 100);
    let account = edited(&world.account(), |record| {
        record["authenticators"][0]["failures"] = serde_json::json!({"unknown": 99, "known": 100});
    });
    world.store.put(account.unwrap());
    let session = world.login();
    let challenged = world.challenge(&session).unwrap();
    let guess = wrong(&world.mail().code);
    world.verify(&session, challenged.oob_code.expose(), &guess).unwrap_err();
    assert_eq!(*world.account().authenticators()[0].enrollment(), Enrollment::Active);
}

/// A success ends the failures of its own lane and of no other.
#[test]
fn failures_in_a_row_are_counted_once_a_lane() {
    let (mut world, ..) = enrolled(|_| {});
    let account = edited(&world.account(), |record| {
        record["authenticators"][0]["failures"] = serde_json::json!({"unknown": 4, "known": 7});
    });
    world.store.put(account.unwrap());
    world.sign_in().unwrap();
    let account = world.account();
    let row = &account.authenticators()[0];
    assert_eq!(Lane::ALL.map(|lane| row.failures_in(lane)), [0, 7]);
    assert_eq!(row.failures(), 7);
}

#[test]
fn what_one_lane_opens_pushes_nothing_of_the_other_out() {
    let (mut world, ..) = enrolled(|settings| settings.max_challenges = 16);
    let elevated = world.elevated();
    let begun = world.associate(&elevated, "second@example.com").unwrap();
    let confirmation = world.mail().code;
    for _ in 0..40 {
        let session = world.login();
        world.challenge(&session).unwrap();
    }
    let record = json(&world.account());
    for (lane, expected) in [("unknown", 16), ("known", 1)] {
        for list in ["challenges", "transactions"] {
            let rows = record[list].as_array().unwrap().iter();
            assert_eq!(rows.filter(|row| row["lane"] == lane).count(), expected, "{list} {lane}");
        }
    }
    assert!(world.verify(&elevated, begun.oob_code.expose(), &confirmation).is_ok());

    // And the other way round, beside which no login loses its own.
    let waiting = world.login();
    let challenged = world.challenge(&waiting).unwrap();
    let right = world.mail().code;
    for number in 0..40 {
        world.now += Duration::seconds(1);
        let elevated = world.elevated();
        world.associate(&elevated, &format!("{number}@example.com")).unwrap();
    }
    assert!(world.verify(&waiting, challenged.oob_code.expose(), &right).unwrap().completed);
}

/// A clock that was ahead charged the lane there. Here it is empty, and a short code that waits is no longer
/// one to guess at; whoever asks again gets a long one.
#[test]
fn a_short_code_that_waits_in_an_empty_lane_is_not_judged() {
    let (mut world, ..) = enrolled(|_| {});
    let session = world.login();
    let challenged = world.challenge(&session).unwrap();
    let right = world.mail().code;
    let account = edited(&world.account(), |record| {
        let ahead = millis(world.now + Duration::days(400));
        *record.pointer_mut(bucket_path("guess")).unwrap() = ahead.into();
        record["updated"] = ahead.into();
    });
    world.store.put(account.unwrap());
    let (before, ended) = (world.account(), Denial::ChallengeCancelled(CancelReason::Hardened));
    for code in [&right, &wrong(&right)] {
        assert_eq!(world.verify(&session, challenged.oob_code.expose(), code).unwrap_err(), ended);
    }
    assert_eq!(world.account(), before, "and nothing is written");
    assert!(world.sign_in().unwrap().completed);
}

#[test]
fn unlocking_ends_a_hardening() {
    // A challenge has more attempts than the five guesses that an administrator grants.
    let (mut world, ..) = enrolled(|settings| {
        settings.attempts = 10;
        settings.guess_bucket = Rate::new(10, Duration::HOUR);
        settings.long_guess_budget = Some(Rate::new(10, Duration::days(1)));
    });
    assert_eq!(harden(&mut world), 10);
    world.unlock();
    assert!(!is_hardened(&mut world, Lane::Unknown));
    assert_eq!(harden(&mut world), 5);
}

#[test]
fn a_policy_that_locks_hardens_nothing_and_one_that_hardens_locks_nothing() {
    for (when_exhausted, hardens) in
        [(WhenExhausted::Harden, true), (WhenExhausted::HardenMessages, true), (WhenExhausted::Lock, false)]
    {
        let (mut world, ..) = enrolled(|settings| settings.when_exhausted = when_exhausted);
        let session = world.login();
        let challenged = world.challenge(&session).unwrap();
        let guess = wrong(&world.mail().code);
        for _ in 0..3 {
            world.verify(&session, challenged.oob_code.expose(), &guess).unwrap_err();
        }
        assert_eq!(*world.account().challenges()[0].state(), ChallengeState::Exhausted);
        let account = world.account();
        for lane in Lane::ALL {
            let concerned = lane == Lane::Unknown;
            let locked = world.verifier.locked_until(&account, lane, world.now);
            assert_eq!(locked.is_some(), concerned && !hardens);
            assert_eq!(is_hardened(&mut world, lane), concerned && hardens);
        }
    }
}

/// L9: 239 notices a day told of wrong recovery codes.
#[test]
fn l09_an_empty_budget_is_told_once_until_it_was_full_or_a_day_is_over() {
    let mut world = World::new(Policy::default());
    world.enroll("user@example.com");
    world.pass(86_400);
    world.events.clear();
    let days = 5;
    for _ in 0..days * 24 * 60 {
        let session = world.login();
        let denied = world.recover(&session, &unknown_recovery_code()).unwrap_err();
        assert_eq!(denied, Denial::InvalidRecoveryCode);
        world.pass(60);
    }
    let told = world.events.iter().filter(|event| matches!(event, Notice::RecoveryGuessed { .. })).count();
    assert_eq!((told, world.events.len()), (days, days), "one a day, of an attack that never stops");

    // One that pauses until the bucket is full is told of again, but not more often than all such notices
    // together may be.
    let mut world =
        World::new(policy(|settings| settings.recovery_bucket = Rate::new(1, Duration::seconds(1))));
    world.enroll("user@example.com");
    world.pass(86_400);
    world.events.clear();
    for _ in 0..1_000 {
        let session = world.login();
        world.recover(&session, &unknown_recovery_code()).unwrap_err();
        world.pass(1);
    }
    assert_eq!(world.events.len(), 3);
    world.pass(8 * 3_600);
    let session = world.login();
    world.recover(&session, &unknown_recovery_code()).unwrap_err();
    assert_eq!(world.events.len(), 4);
}

/// The same of guesses at a code, where a lane hardens or locks again and again.
#[test]
fn l09_guesses_are_told_of_no_more_often_than_wrong_recovery_codes() {
    for when_exhausted in [WhenExhausted::Harden, WhenExhausted::Lock] {
        let (mut world, ..) = enrolled(|settings| {
            settings.when_exhausted = when_exhausted;
            settings.long_guess_budget = None;
            settings.attempts = 1;
            settings.failure_cap = 100;
            settings.guess_bucket = Rate::new(1, Duration::seconds(60));
        });
        world.events.clear();
        let mut guesses = 0;
        for _ in 0..2 * 24 * 60 {
            let session = world.login();
            let challenged = world.challenge(&session).unwrap();
            let right = world.mail().code;
            if !challenged.form.is_long() {
                guesses += 1;
                world.verify(&session, challenged.oob_code.expose(), &wrong(&right)).unwrap_err();
            } else {
                world.verify(&session, challenged.oob_code.expose(), &right).unwrap();
            }
            world.pass(60);
        }
        assert!(guesses > 1_000, "{guesses}");
        let told = world.events.len();
        assert!((6..=9).contains(&told), "{told} notices in two days: three, and one more each eight hours");
    }
}

/// Wrong recovery codes cost a write each until their bucket is empty, and nothing from then on.
#[test]
fn wrong_recovery_codes_write_nothing_once_their_bucket_is_empty() {
    let mut world = World::new(Policy::default());
    let (_, codes) = world.enroll("user@example.com");
    world.pass(86_400);
    let mut written = Vec::new();
    for _ in 0..30 {
        let session = world.login();
        let swaps = *world.store.swaps.borrow();
        let denied = world.recover(&session, &unknown_recovery_code()).unwrap_err();
        assert_eq!(denied, Denial::InvalidRecoveryCode);
        assert!(world.audits.last().unwrap().evaluated);
        written.push(*world.store.swaps.borrow() - swaps);
    }
    assert_eq!((&written[..10], &written[10..]), (&[1; 10][..], &[0; 20][..]));
    let empty = bucket(&world.account(), "recovery");
    let session = world.login();
    for _ in 0..20 {
        let denied = world.recover(&session, &unknown_recovery_code()).unwrap_err();
        assert_eq!(denied, Denial::InvalidRecoveryCode, "nor does it cost the transaction an attempt");
    }
    assert_eq!(bucket(&world.account(), "recovery"), empty);
    assert!(world.recover(&session, &codes[0]).is_ok(), "recovery stays open");
}

/// A sign-in and its swaps, while somebody answers a thousand times between any two of its steps. What the
/// attacker does is given the session, the handle and a wrong code.
fn swaps_lost_beside(world: &mut World, attack: &mut dyn FnMut(&mut World)) -> u32 {
    let session = world.login();
    let mut lost = 0;
    let challenged: Given<_> = loop {
        let account = world.account();
        let drawn = entropy(&mut world.rng);
        let step =
            world.verifier.challenge(&session, account, &ChallengeRequest::default(), world.now, &drawn);
        attack(world);
        match step.commit(|write| world.store.swap(write)).unwrap() {
            Committed::Done(outcome) => break world.take(outcome).unwrap().into(),
            Committed::Lost => lost += 1,
        }
    };
    let code = world.mail().code;
    let handle = world.verifier.open_oob_code(&session, challenged.oob_code.expose()).unwrap();
    loop {
        let account = world.account();
        let step = world.verifier.verify_oob(&session, account, &handle, &code, world.now, None);
        attack(world);
        match step.commit(|write| world.store.swap(write)).unwrap() {
            Committed::Done(outcome) => {
                assert!(world.take(outcome).unwrap().completed);
                return lost;
            }
            Committed::Lost => lost += 1,
        }
    }
}

#[test]
fn honest_sign_ins_lose_no_swap_to_a_thousand_wrong_answers() {
    let (mut world, ..) = enrolled(|_| {});
    harden(&mut world);
    let thief: Session = world.login();
    let asked = world.challenge(&thief).unwrap();
    let guess = wrong(&world.mail().code);
    let handle = world.verifier.open_oob_code(&thief, asked.oob_code.expose()).unwrap();
    for _ in 0..2 {
        let session = world.login();
        for _ in 0..5 {
            world.recover(&session, &unknown_recovery_code()).unwrap_err();
        }
    }
    let mut answers = 0;
    let mut attack = |world: &mut World| {
        for _ in 0..500 {
            let account = world.account();
            let step = world.verifier.verify_oob(&thief, account, &handle, &guess, world.now, None);
            assert!(!step.writes());
            assert_eq!(world.run(step).unwrap_err(), Denial::InvalidLongCode);
            let account = world.account();
            let step = world.verifier.verify_recovery(&thief, account, &unknown_recovery_code(), world.now);
            assert!(!step.writes());
            assert_eq!(world.run(step).unwrap_err(), Denial::InvalidRecoveryCode);
            answers += 2;
        }
    };
    assert_eq!(swaps_lost_beside(&mut world, &mut attack), 0);
    assert_eq!(answers, 2_000, "a thousand beside each of the two steps");
    assert_eq!(swaps_lost_beside(&mut world, &mut |_| {}), 0, "as many as without them");
    // The control: what writes does cost a swap.
    let mut once = true;
    let mut other = |world: &mut World| {
        if std::mem::take(&mut once) {
            let session = world.login();
            world.challenge(&session).unwrap();
        }
    };
    assert_eq!(swaps_lost_beside(&mut world, &mut other), 1);
}
