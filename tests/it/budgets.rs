//! Budgets: what looks like a fresh start refills nothing; what a lock, a cap and an administrator do.

use countersign::{
    AuthenticatorId, ChallengeRequest, Denial, Policy, Session,
    code::RecoveryCode,
    effect::{Delivery, EndReason, Notice},
    machine::{CancelReason, ChallengeState, Enrollment},
    policy::{Rate, Settings},
    session::OobHandle,
};
use countersign_testkit::{START, World, address, bucket, json, lock, millis, policy, wrong};
use time::{Duration, OffsetDateTime};

const WIDE: Rate = Rate::new(1_000, Duration::SECOND);
const GUESS_MS: u64 = 360_000;

fn open_sends(settings: &mut Settings) {
    settings.send_bucket = WIDE;
    settings.cool_down = Duration::ZERO;
    settings.long_send_budget = None;
}

/// An account with one address, ten minutes later, and sends that are no matter.
fn enrolled(change: impl FnOnce(&mut Settings)) -> (World, AuthenticatorId, Vec<RecoveryCode>) {
    let mut world = World::new(policy(|settings| {
        open_sends(settings);
        lock(settings);
        change(settings);
    }));
    let (id, codes) = world.enroll("user@example.com");
    world.pass(600);
    (world, id, codes)
}

/// Adds a second address from an elevated session.
fn add(world: &mut World, to: &str) -> AuthenticatorId {
    let elevated = world.elevated();
    let associated = world.associate(&elevated, to).unwrap();
    let code = world.mail().code;
    world.verify(&elevated, associated.oob_code.expose(), &code).unwrap();
    associated.authenticator
}

/// Asks for a code to this authenticator, or again, and presents a wrong one.
fn guess_at(world: &mut World, session: &Session, id: AuthenticatorId) -> Denial {
    let request = ChallengeRequest::default().authenticator(id);
    let challenged = match world.challenge_with(session, &request) {
        Ok(challenged) => challenged,
        Err(denial) => return denial,
    };
    let code = wrong(&world.mail().code);
    world.verify(session, challenged.oob_code.expose(), &code).unwrap_err()
}

fn invalid(attempts_left: u8) -> Denial {
    Denial::InvalidBindingCode { attempts_left }
}

/// Guesses in new transactions until the account is locked; gives how many were evaluated, and until when it is locked.
fn guess_until_locked(world: &mut World, id: AuthenticatorId) -> (u32, OffsetDateTime) {
    let mut count = 0;
    loop {
        let session = world.login();
        match guess_at(world, &session, id) {
            Denial::InvalidBindingCode { .. } => count += 1,
            Denial::Locked { until } => return (count, until),
            denial => panic!("{denial}"),
        }
    }
}

fn failures(world: &mut World, id: AuthenticatorId) -> u8 {
    let account = world.account();
    account.authenticators().iter().find(|known| known.id() == id).expect("it is there").failures()
}

fn cancel(world: &mut World, session: &Session, handle: &OobHandle) {
    let account = world.account();
    let step = world.verifier.cancel(session, account, handle, world.now);
    world.run(step).unwrap();
}

#[test]
fn nothing_refills_the_attempts_of_a_transaction() {
    let mut world = World::new(Policy::default());
    let (id, _) = world.enroll("user@example.com");
    world.pass(600);
    let session = world.login();
    assert_eq!(guess_at(&mut world, &session, id), invalid(4));
    world.pass(30);
    assert_eq!(guess_at(&mut world, &session, id), invalid(3), "a resend");
    world.pass(125);
    assert_eq!(guess_at(&mut world, &session, id), invalid(2), "a new challenge that superseded");
    world.pass(30);
    let challenged = world.challenge(&session).unwrap();
    let handle = world.verifier.open_oob_code(&session, challenged.oob_code.expose()).unwrap();
    cancel(&mut world, &session, &handle);
    world.pass(30);
    assert_eq!(guess_at(&mut world, &session, id), invalid(1), "a new challenge after a cancelled one");
    let failed = world.mail().id;
    let account = world.account();
    let report = countersign::effect::DeliveryReport::Failed;
    let step = world.verifier.report_delivery(account, failed, report, world.now);
    assert!(world.run(step).unwrap());
    assert_eq!(guess_at(&mut world, &session, id), invalid(0), "a message that failed");
    world.unlock();
    world.pass(60);
    assert_eq!(guess_at(&mut world, &session, id), Denial::AttemptsExhausted);
    let session = world.login();
    assert_eq!(guess_at(&mut world, &session, id), invalid(4), "only a new first factor helps");
}

#[test]
fn nothing_refills_the_guesses_of_an_account() {
    let (mut world, one, codes) = enrolled(|settings| settings.attempts = 3);
    let two = add(&mut world, "two@example.com");
    let begun = world.now;
    let mut guesses = 0;
    let charged = |world: &mut World, guesses: u64| {
        assert_eq!(bucket(&world.account(), "guess"), millis(begun) + guesses * GUESS_MS);
        assert_eq!(bucket(&world.account(), "long_guess"), millis(begun) + guesses * 86_400_000);
    };
    let charged_known = |world: &mut World, guesses: u64| {
        assert_eq!(bucket(&world.account(), "known_guess"), millis(begun) + 3_000 + guesses * GUESS_MS);
        let long = millis(begun) + 3_000 + guesses * 86_400_000;
        assert_eq!(bucket(&world.account(), "known_long_guess"), long);
    };
    // New transactions, two factors in turn, a success of each between.
    for id in [one, two, one] {
        let session = world.login();
        assert_eq!(guess_at(&mut world, &session, id), invalid(2));
        guesses += 1;
        charged(&mut world, guesses);
        world.pass(1);
        world.sign_in().unwrap();
        charged(&mut world, guesses);
    }
    // Both factors in one transaction.
    let session = world.login();
    assert_eq!(guess_at(&mut world, &session, one), invalid(2));
    assert_eq!(guess_at(&mut world, &session, two), invalid(2));
    // New enrollments, each with a code of its own, and one that is confirmed.
    let elevated = world.elevated();
    for to in ["three@example.com", "four@example.com", "three@example.com"] {
        let associated = world.associate(&elevated, to).unwrap();
        let code = wrong(&world.mail().code);
        assert!(world.verify(&elevated, associated.oob_code.expose(), &code).is_err());
    }
    charged(&mut world, guesses + 2);
    charged_known(&mut world, 3);
    add(&mut world, "five@example.com");
    // A recovery code, a provisioned address, a removed authenticator.
    let session = world.login();
    world.recover(&session, &codes[0]).unwrap();
    world.provision("six@example.com").unwrap();
    world.deprovision("six@example.com").unwrap();
    let elevated = world.elevated();
    world.remove(&elevated, two).unwrap();
    charged(&mut world, guesses + 2);
    charged_known(&mut world, 3);
    world.pass(1);
    assert_eq!(guess_until_locked(&mut world, one).0, 5, "ten in all");
    charged(&mut world, 10);
    world.reset();
    charged(&mut world, 10);
    charged_known(&mut world, 3);
}

#[test]
fn a_transaction_that_was_pushed_out_and_comes_back_finds_the_account_as_charged() {
    let (mut world, id, _) = enrolled(|settings| settings.attempts = 2);
    let first = world.login();
    let mut guesses = 0;
    for round in 0..4 {
        assert_eq!(guess_at(&mut world, &first, id), invalid(1), "round {round}");
        assert_eq!(guess_at(&mut world, &first, id), invalid(0), "round {round}");
        assert_eq!(guess_at(&mut world, &first, id), Denial::AttemptsExhausted);
        guesses += 2;
        let expected = millis(world.now) + guesses * GUESS_MS;
        assert_eq!(bucket(&world.account(), "guess"), expected);
        for _ in 0..16 {
            let session = world.login();
            world.challenge(&session).unwrap();
        }
        let record = json(&world.account());
        assert_eq!(record["transactions"].as_array().unwrap().len(), 16);
        let forgotten = format!("{:?}", first.transaction());
        assert!(record["transactions"].as_array().unwrap().iter().all(|entry| entry["id"] != *forgotten));
    }
    assert_eq!(guess_at(&mut world, &first, id), invalid(1));
    assert_eq!(guess_at(&mut world, &first, id), invalid(0), "the tenth");
    assert!(matches!(guess_at(&mut world, &first, id), Denial::Locked { .. }));
}

#[test]
fn a_spent_transaction_that_was_pushed_out_stays_spent() {
    let (mut world, _, codes) = enrolled(|settings| settings.max_challenges = 16);
    let (stale, spent) = (world.login(), world.login());
    world.recover(&spent, &codes[0]).unwrap();
    let tokens = world.tokens.len();
    // All others have a live challenge, so the spent one is the first to go; what is as old as it is refused with it.
    for _ in 0..16 {
        world.pass(1);
        let session = world.login();
        world.challenge(&session).unwrap();
    }
    for session in [&spent, &stale] {
        assert_eq!(world.challenge(session).unwrap_err(), Denial::ExpiredToken);
        assert_eq!(world.recover(session, &codes[0]).unwrap_err(), Denial::ExpiredToken);
        assert_eq!(world.recover(session, &codes[1]).unwrap_err(), Denial::ExpiredToken);
    }
    assert_eq!(world.tokens.len(), tokens);
}

#[test]
fn an_enrollment_begins_in_a_record_that_is_full_of_transactions() {
    let (mut world, _, _) = enrolled(|_| {});
    for _ in 0..16 {
        let session = world.login();
        world.challenge(&session).unwrap();
    }
    let elevated = world.elevated();
    let associated = world.associate(&elevated, "two@example.com").unwrap();
    let code = world.mail().code;
    world.verify(&elevated, associated.oob_code.expose(), &code).unwrap();
}

#[test]
fn a_success_clears_the_failures_of_its_own_authenticator_only() {
    let (mut world, one, codes) = enrolled(|_| {});
    let two = add(&mut world, "two@example.com");
    for id in [one, one, two, two, two] {
        let session = world.login();
        guess_at(&mut world, &session, id);
    }
    let before = bucket(&world.account(), "guess");
    let session = world.login();
    world.recover(&session, &codes[0]).unwrap();
    assert_eq!((failures(&mut world, one), failures(&mut world, two)), (2, 3));
    let session = world.login();
    let request = ChallengeRequest::default().authenticator(two);
    let challenged = world.challenge_with(&session, &request).unwrap();
    let code = world.mail().code;
    world.verify(&session, challenged.oob_code.expose(), &code).unwrap();
    assert_eq!((failures(&mut world, one), failures(&mut world, two)), (2, 0));
    assert_eq!(bucket(&world.account(), "guess"), before);
}

#[test]
fn failures_follow_a_provisioned_address_and_disabling_does_too() {
    let mut world = World::new(policy(|settings| {
        open_sends(settings);
        lock(settings);
        settings.failure_cap = 3;
    }));
    let one = world.provision("one@example.com").unwrap();
    let session = world.login();
    guess_at(&mut world, &session, one);
    guess_at(&mut world, &session, one);
    let two = world.provision("two@example.com").unwrap();
    assert_eq!(failures(&mut world, two), 2);
    let session = world.login();
    assert_eq!(guess_at(&mut world, &session, two), invalid(4));
    assert_eq!(*world.account().authenticators()[0].enrollment(), Enrollment::Disabled);
    world.deprovision("two@example.com").unwrap();
    assert_eq!(world.provision("two@example.com").unwrap(), two);
    let three = world.provision("three@example.com").unwrap();
    assert_eq!(*world.account().authenticators()[0].enrollment(), Enrollment::Disabled);
    world.pass(1);
    let session = world.login();
    assert_eq!(guess_at(&mut world, &session, three), Denial::AuthenticatorDisabled);
    assert_eq!(world.associate(&session, "new@example.com").unwrap_err(), Denial::AlreadyEnrolled);
}

#[test]
fn the_cap_disables_for_good_and_ends_its_challenges() {
    let (mut world, id, codes) = enrolled(|settings| settings.failure_cap = 3);
    let other = world.login();
    let challenged = world.challenge(&other).unwrap();
    let right = world.mail().code;
    let session = world.login();
    for left in [4, 3, 2] {
        assert_eq!(guess_at(&mut world, &session, id), invalid(left));
    }
    assert!(
        matches!(world.events.last(), Some(Notice::Disabled { authenticator, .. }) if *authenticator == id)
    );
    let account = world.account();
    let ended = |state: &ChallengeState| *state == ChallengeState::Cancelled(CancelReason::Disabled);
    assert_eq!(account.challenges().iter().filter(|known| ended(known.state())).count(), 2);
    // A thief can bring it about, so it ends no session: the one that waits is told what became of its challenge.
    let oob_code = challenged.oob_code.expose();
    let denied = world.verify(&other, oob_code, &right).unwrap_err();
    assert_eq!(denied, Denial::ChallengeCancelled(CancelReason::Disabled));
    assert!(world.ends.iter().all(|end| end.reason == EndReason::Enrolled), "{:?}", world.ends);
    assert!(world.recover(&other, &codes[1]).is_ok());
    for days in [0, 400] {
        world.pass(days * 86_400 + 1);
        world.unlock();
        let session = world.login();
        assert_eq!(guess_at(&mut world, &session, id), Denial::AuthenticatorDisabled);
        assert_eq!(world.associate(&session, "a@example.com").unwrap_err(), Denial::AlreadyEnrolled);
    }
    let session = world.login();
    assert!(world.recover(&session, &codes[0]).is_ok(), "recovery is the way out");
    let fresh = add(&mut world, "user@example.com");
    assert_ne!(fresh, id, "an address can be enrolled anew");
    assert_eq!(world.sign_in().unwrap().evidence.authenticator, Some(fresh));
    assert_eq!(*world.account().authenticators()[0].enrollment(), Enrollment::Disabled);
}

#[test]
fn messages_are_counted_across_transactions_and_factors() {
    let mut world = World::new(Policy::default());
    world.provision("user@example.com").unwrap();
    let session = world.login();
    let first = world.challenge(&session).unwrap();
    let handle = world.verifier.open_oob_code(&session, first.oob_code.expose()).unwrap();
    let cooling = world.challenge(&session).unwrap();
    assert_eq!(cooling.delivery, Delivery::CoolingDown { until: START + Duration::seconds(30) });
    cancel(&mut world, &session, &handle);
    let denied = world.challenge(&session).unwrap_err();
    assert_eq!(denied, Denial::CoolingDown { until: START + Duration::seconds(30) });
    for _ in 0..3 {
        world.sign_in().unwrap();
    }
    let other = world.login();
    world.challenge(&other).unwrap();
    let (mails, swaps) = (world.mails.len(), *world.store.swaps.borrow());
    let until = START + Duration::seconds(60);
    let last = world.login();
    assert_eq!(world.challenge(&last).unwrap_err(), Denial::TooManySends { until });
    assert_eq!((world.mails.len(), *world.store.swaps.borrow()), (mails, swaps));
    assert_eq!(world.mails.last().map(|mail| mail.to.clone()), Some(address("user@example.com")));

    // What elevated sessions enroll is counted beside it: five addresses, whatever the session.
    for to in ["a@example.com", "b@example.com", "c@example.com", "d@example.com", "e@example.com"] {
        let elevated = world.elevated();
        world.associate(&elevated, to).unwrap();
    }
    let elevated = world.elevated();
    assert_eq!(world.associate(&elevated, "f@example.com").unwrap_err(), Denial::TooManySends { until });
    // And what tells of new recovery codes is counted in the known lane.
    for left in (0..=5).rev() {
        let account = world.account();
        let entropy = countersign_testkit::entropy(&mut world.rng);
        let step = world.verifier.regenerate_recovery_codes(&elevated, account, world.now, &entropy);
        assert_eq!(world.run(step).is_ok(), left > 0);
    }
}
