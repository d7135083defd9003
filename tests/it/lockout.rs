//! Locks: what an empty budget refuses, what it leaves open, and how it is lifted.

use countersign::{
    AuthenticatorId, Denial, Policy, Session,
    code::RecoveryCode,
    effect::{Delivery, Notice},
    machine::{CancelReason, ChallengeState},
    policy::{Rate, Settings},
    record::Lane,
};
use countersign_testkit::{World, bucket, bucket_path, edited, json, lock, millis, policy, wrong};
use time::{Duration, OffsetDateTime};

const WIDE: Rate = Rate::new(1_000, Duration::SECOND);

/// An account with one address and sends that are no matter.
fn enrolled(change: impl FnOnce(&mut Settings)) -> (World, AuthenticatorId, Vec<RecoveryCode>) {
    let mut world = World::new(policy(|settings| {
        settings.send_bucket = WIDE;
        settings.cool_down = Duration::ZERO;
        settings.long_send_budget = None;
        settings.failure_cap = 100;
        lock(settings);
        change(settings);
    }));
    let (id, codes) = world.enroll("user@example.com");
    world.pass(600);
    (world, id, codes)
}

/// Guesses in new transactions until the account is locked; gives how many were evaluated, and until when it is locked.
fn guess_until_locked(world: &mut World) -> (u32, OffsetDateTime) {
    let mut count = 0;
    loop {
        let session = world.login();
        let challenged = match world.challenge(&session) {
            Ok(challenged) => challenged,
            Err(Denial::Locked { until }) => return (count, until),
            Err(denial) => panic!("{denial}"),
        };
        let code = wrong(&world.mail().code);
        assert!(world.verify(&session, challenged.oob_code.expose(), &code).is_err());
        count += 1;
    }
}

/// Opens challenges in this many transactions.
fn open(world: &mut World, count: usize) -> Vec<(Session, String, countersign::BindingCode)> {
    let one = |world: &mut World| {
        let session = world.login();
        let challenged = world.challenge(&session).unwrap();
        (session, challenged.oob_code.expose().to_owned(), world.mail().code)
    };
    (0..count).map(|_| one(world)).collect()
}

#[test]
fn a_lock_cancels_refuses_and_leaves_recovery_open() {
    let guess_bucket = |settings: &mut Settings| settings.guess_bucket = Rate::new(3, Duration::seconds(360));
    let long_budget = |settings: &mut Settings| {
        settings.long_guess_budget = Some(Rate::new(3, Duration::days(1)));
    };
    type Change = fn(&mut Settings);
    for (change, span) in
        [(guess_bucket as Change, Duration::seconds(360)), (long_budget as Change, Duration::days(1))]
    {
        let (mut world, id, codes) = enrolled(change);
        let live = open(&mut world, 3);
        let elevated = world.elevated();
        let enrollment = world.associate(&elevated, "two@example.com").unwrap();
        let confirmation = world.mail().code;
        let (begun, (guesses, until)) = (world.now, guess_until_locked(&mut world));
        assert_eq!((guesses, until), (3, begun + span));
        let told = Notice::Locked { authenticator: id, until: millis(until) };
        assert_eq!(world.events.last(), Some(&told));

        // Every live challenge of the lane is cancelled, and a right code is refused.
        let account = world.account();
        let cancelled = |state: &ChallengeState| *state == ChallengeState::Cancelled(CancelReason::Locked);
        assert!(account.challenges().iter().filter(|known| cancelled(known.state())).count() >= 6);
        assert!(
            account
                .challenges()
                .iter()
                .all(|known| !known.state().is_pending() || known.lane() == Lane::Known)
        );
        let (before, swaps, mails) = (world.account(), *world.store.swaps.borrow(), world.mails.len());
        let locked = Denial::Locked { until };
        for (session, oob_code, right) in &live {
            assert_eq!(world.verify(session, oob_code, right).unwrap_err(), locked);
            assert_eq!(world.verify(session, oob_code, &wrong(right)).unwrap_err(), locked);
            assert_eq!(world.challenge(session).unwrap_err(), locked);
        }
        let unchanged = (before, swaps, mails);
        assert_eq!((world.account(), *world.store.swaps.borrow(), world.mails.len()), unchanged);

        // The other lane goes on as if nothing had been.
        assert!(world.associate(&elevated, "three@example.com").is_ok());
        assert!(world.verify(&elevated, enrollment.oob_code.expose(), &confirmation).is_ok());

        // Recovery is open, by a session from before and by a new one.
        let (session, ..) = &live[0];
        assert!(world.recover(session, &codes[0]).is_ok());
        let session = world.login();
        assert!(world.recover(&session, &codes[1]).is_ok());
        assert_eq!(world.recover(&session, &codes[2]).unwrap_err(), Denial::TransactionSpent);

        // The lock ends on the millisecond; what it cancelled stays cancelled.
        world.now = until - Duration::MILLISECOND;
        let session = world.login();
        assert_eq!(world.challenge(&session).unwrap_err(), locked);
        world.now = until;
        assert!(world.sign_in().is_ok());
        if span < Duration::seconds(600) {
            let (session, oob_code, right) = &live[1];
            let denied = world.verify(session, oob_code, right).unwrap_err();
            assert_eq!(denied, Denial::ChallengeCancelled(CancelReason::Locked));
        }
    }
}

#[test]
fn a_lock_refuses_the_right_code_of_a_challenge_that_still_waits() {
    let (mut world, ..) = enrolled(|_| {});
    // A clock that is ahead charges the account there; back here that is a lock, and nothing was cancelled.
    let here = world.now;
    world.now = here + Duration::days(400);
    let ahead = world.login();
    let challenged = world.challenge(&ahead).unwrap();
    let code = wrong(&world.mail().code);
    assert!(world.verify(&ahead, challenged.oob_code.expose(), &code).is_err());
    world.now = here;
    let locked = world.challenge(&ahead).unwrap_err();
    assert!(matches!(locked, Denial::ClockDisagrees { until } if until > here + Duration::days(399)));
    let right = world.mail().code;
    let (before, swaps) = (world.account(), *world.store.swaps.borrow());
    assert_eq!(world.verify(&ahead, challenged.oob_code.expose(), &right).unwrap_err(), locked);
    assert_eq!((world.account(), *world.store.swaps.borrow()), (before, swaps));
    world.unlock();
    assert!(world.verify(&ahead, challenged.oob_code.expose(), &right).is_ok());
}

#[test]
fn the_long_budget_locks_although_the_bucket_refills() {
    let (mut world, ..) = enrolled(|_| {});
    let begun = world.now;
    for _ in 0..2 {
        let (guesses, until) = guess_until_locked(&mut world);
        assert_eq!((guesses, until), (10, world.now + Duration::seconds(360)));
        world.pass(3_600);
    }
    assert_eq!(guess_until_locked(&mut world), (10, begun + Duration::days(1)));
    world.pass(3_600);
    assert_eq!(guess_until_locked(&mut world).0, 0, "the bucket is full and the budget empty");
    world.now = begun + Duration::days(3);
    assert_eq!(guess_until_locked(&mut world), (3, begun + Duration::days(4)), "one for each day");
    world.now = begun + Duration::days(600);
    let mut guesses = 0;
    for _ in 0..=11 * 24 {
        guesses += guess_until_locked(&mut world).0;
        world.pass(3_600);
    }
    assert_eq!(guesses, 30 + 11, "a full budget, and one for each of eleven days");
}

#[test]
fn the_verifier_says_until_when_an_account_is_locked() {
    let mut world = World::new(countersign_testkit::policy(|settings| {
        settings.guess_bucket = Rate::new(1, Duration::hours(1));
        lock(settings);
    }));
    world.enroll("user@example.com");
    world.pass(86_400);
    let locked_until = |world: &mut World, at| {
        let account = world.account();
        world.verifier.locked_until(&account, Lane::Unknown, at)
    };
    let now = world.now;
    assert_eq!(locked_until(&mut world, now), None);
    let session = world.login();
    let challenged = world.challenge(&session).unwrap();
    let bad = countersign_testkit::wrong(&world.mail().code);
    world.verify(&session, challenged.oob_code.expose(), &bad).unwrap_err();
    let until = now + Duration::hours(1);
    assert_eq!(locked_until(&mut world, now), Some(until));
    assert_eq!(locked_until(&mut world, until - Duration::MILLISECOND), Some(until));
    assert_eq!(locked_until(&mut world, until), None);
}

#[test]
fn unlocking_grants_a_full_bucket_or_five_on_an_empty_long_budget() {
    let (mut world, ..) = enrolled(|_| {});
    assert_eq!(guess_until_locked(&mut world).0, 10);
    world.unlock();
    assert_eq!(world.events.last(), Some(&Notice::Unlocked));
    assert_eq!(guess_until_locked(&mut world).0, 10, "the whole bucket");
    world.unlock();
    assert_eq!(guess_until_locked(&mut world).0, 10);
    assert_eq!(bucket(&world.account(), "long_guess"), millis(world.now) + (30 - 10) * 86_400_000);
    // Thirty guesses, ten of them granted: ten are left on the long budget; they and five more.
    for expected in [10, 10, 5, 5] {
        world.unlock();
        assert_eq!(guess_until_locked(&mut world).0, expected);
    }
    let account = world.account();
    assert_eq!(account.authenticators()[0].failures(), 60, "unlocking clears no failures");
}

#[test]
fn unlocking_takes_back_what_a_clock_that_was_ahead_had_put_on_the_account() {
    let (mut world, ..) = enrolled(|settings| settings.send_bucket = Rate::new(5, Duration::seconds(60)));
    let here = world.now;
    world.now = time::macros::datetime!(9999-12-31 23:00 UTC);
    for (session, oob_code, right) in open(&mut world, 5) {
        assert!(world.verify(&session, &oob_code, &wrong(&right)).is_err());
    }
    world.now = here;
    let session = world.login();
    assert!(world.challenge(&session).is_err());
    world.unlock();
    let account = world.account();
    assert!(bucket(&account, "guess") <= millis(here));
    assert!(bucket(&account, "send") <= millis(here) + 5 * 60_000);
    world.pass(300);
    world.events.clear();
    assert!(world.sign_in().is_ok());
    assert_eq!(world.events, [], "no clock disagrees any more");
}

/// The same of what guessing costs, and of the cool-down of a login that is under way.
#[test]
fn unlocking_takes_back_recovery_guesses_and_cool_downs_of_a_clock_that_was_ahead() {
    let mut world = World::new(Policy::auth0());
    let (_, codes) = world.enroll("user@example.com");
    world.pass(600);
    let session = world.login();
    world.challenge(&session).unwrap();
    let ahead = millis(world.now) + 1_000 * 86_400_000;
    let edit = |record: &mut serde_json::Value| {
        *record.pointer_mut(bucket_path("recovery")).unwrap() = ahead.into();
        record["transactions"][0]["pairs"][0]["last_send"] = ahead.into();
    };
    let account = edited(&world.account(), edit).unwrap();
    world.store.put(account);
    assert!(matches!(
        world.recover(&session, &codes[0]),
        Err(Denial::TooManyRecoveryAttempts { until: Some(_) })
    ));
    world.unlock();
    let record = json(&world.account());
    assert_eq!(record["transactions"][0]["pairs"][0]["last_send"], millis(world.now));
    let empty = bucket(&world.account(), "recovery");
    assert!((millis(world.now)..millis(world.now) + 86_400_000).contains(&empty), "{empty}");
    world.pass(60);
    assert_eq!(world.challenge(&session).unwrap().delivery, Delivery::Sent);
}

#[test]
fn the_recovery_bucket_refuses_only_where_the_policy_says_so() {
    for (preset, refuses) in [(Policy::default(), false), (Policy::auth0(), true)] {
        let mut world = World::new(preset);
        let (_, codes) = world.enroll("user@example.com");
        world.pass(600);
        let (begun, guess) = (world.now, RecoveryCode::parse(&"2".repeat(24)).unwrap());
        for transaction in 0..2 {
            let session = world.login();
            for _ in 0..5 {
                assert_eq!(world.recover(&session, &guess).unwrap_err(), Denial::InvalidRecoveryCode);
            }
            let denied = world.recover(&session, &codes[0]).unwrap_err();
            assert_eq!(denied, Denial::TooManyRecoveryAttempts { until: None }, "transaction {transaction}");
        }
        assert!(matches!(world.events.last(), Some(Notice::RecoveryGuessed { .. })));
        let session = world.login();
        let until = Some(begun + Duration::seconds(360));
        let swaps = *world.store.swaps.borrow();
        if refuses {
            let denied = world.recover(&session, &codes[0]).unwrap_err();
            assert_eq!(denied, Denial::TooManyRecoveryAttempts { until });
            assert_eq!(*world.store.swaps.borrow(), swaps, "neither evaluated nor counted");
            assert!(world.sign_in().is_ok(), "the other factors are open");
            world.pass(360);
            let session = world.login();
            assert!(world.recover(&session, &codes[0]).is_ok());
        } else {
            assert!(world.recover(&session, &codes[0]).is_ok());
        }
    }
}
