//! `regenerate_recovery_codes` and `cancel`: a new set of recovery codes, and a challenge that is given up.

use countersign::{
    ChallengeRequest, Denial, Policy,
    effect::Notice,
    machine::{CancelReason, ChallengeState},
};
use countersign_testkit::{World, locking};
use time::Duration;

use crate::accounts::{guess_wrong, with_two_addresses};

#[test]
fn regenerating_replaces_the_whole_set() {
    let mut world = World::new(Policy::default());
    let (_, old) = world.enroll("user@example.com");
    world.pass(1);
    let stale = world.login();
    let elevated = world.elevated();
    let new = world.regenerate(&elevated).unwrap().recovery_codes;
    assert_eq!(new.len(), 10);
    assert!(matches!(world.events.last(), Some(Notice::RecoveryRegenerated { .. })));
    assert_eq!(world.recover(&stale, &new[0]).unwrap_err(), Denial::ExpiredToken);
    world.pass(1);
    let session = world.login();
    assert_eq!(world.recover(&session, &old[0]).unwrap_err(), Denial::InvalidRecoveryCode);
    assert!(world.recover(&session, &new[9]).is_ok());
}

#[test]
fn regenerating_recovery_codes_draws_on_the_budget_of_messages() {
    let mut world = World::new(Policy::default());
    world.enroll("user@example.com");
    world.pass(3_600);
    let elevated = world.elevated();
    let mut regenerate = || world.regenerate(&elevated).map(drop);
    for _ in 0..5 {
        regenerate().unwrap();
    }
    assert!(matches!(regenerate().unwrap_err(), Denial::TooManySends { .. }));
}

#[test]
fn an_account_whose_only_factor_is_disabled_gets_no_new_recovery_codes() {
    let mut world = World::new(locking(|settings| settings.failure_cap = 2));
    world.enroll("user@example.com");
    guess_wrong(&mut world, 2);
    let session = world.elevated();
    let account = world.account();
    assert!(account.is_enrolled());
    let step = world.verifier.regenerate_recovery_codes(
        &session,
        account,
        world.now,
        &countersign_testkit::entropy(&mut world.rng),
    );
    assert_eq!(world.run(step).unwrap_err(), Denial::NotEnrolled);
}

#[test]
fn a_challenge_can_be_given_up() {
    let mut world = World::new(Policy::default());
    world.enroll("user@example.com");
    world.pass(60);
    let session = world.login();
    let challenged = world.challenge(&session).unwrap();
    let right = world.mail().code;
    let handle = world.verifier.open_oob_code(&session, challenged.oob_code.expose()).unwrap();
    let account = world.account();
    let step = world.verifier.cancel(&session, account, &handle, world.now);
    world.run(step).unwrap();
    let denied = world.verify(&session, challenged.oob_code.expose(), &right).unwrap_err();
    assert_eq!(denied, Denial::ChallengeCancelled(CancelReason::Requested));
    let denied = world.challenge(&session).unwrap_err();
    assert_eq!(
        denied,
        Denial::CoolingDown { until: world.now + Duration::seconds(30) },
        "the cool-down stays"
    );
    let account = world.account();
    let step = world.verifier.cancel(&session, account, &handle, world.now);
    assert_eq!(world.run(step).unwrap_err(), Denial::ChallengeCancelled(CancelReason::Requested));
}

#[test]
fn what_is_over_by_its_deadline_is_not_given_up() {
    let mut world = World::new(Policy::default());
    world.enroll("user@example.com");
    world.pass(60);
    let session = world.login();
    let challenged = world.challenge(&session).unwrap();
    let handle = world.verifier.open_oob_code(&session, challenged.oob_code.expose()).unwrap();
    world.pass(300);
    let account = world.account();
    let step = world.verifier.cancel(&session, account, &handle, world.now);
    assert_eq!(world.run(step).unwrap_err(), Denial::ExpiredOobCode);
    assert_eq!(world.account().challenges().last().unwrap().state(), &ChallengeState::Expired);
}

#[test]
fn a_spent_transaction_cancels_nothing() {
    let mut world = with_two_addresses(Policy::default());
    let session = world.login();
    let ids: Vec<_> =
        world.account().authenticators().iter().map(countersign::record::Authenticator::id).collect();
    let mut challenges = ids.into_iter().map(|id| {
        let request = ChallengeRequest::default().authenticator(id);
        (world.challenge_with(&session, &request).unwrap().oob_code, world.mail().code)
    });
    let (answered, left) = (challenges.next().unwrap(), challenges.next().unwrap());
    drop(challenges);
    world.verify(&session, answered.0.expose(), &answered.1).unwrap();
    assert_eq!(world.verify(&session, left.0.expose(), &left.1).unwrap_err(), Denial::TransactionSpent);
    let handle = world.verifier.open_oob_code(&session, left.0.expose()).unwrap();
    let account = world.account();
    let step = world.verifier.cancel(&session, account, &handle, world.now);
    assert!(!step.writes());
    assert_eq!(world.run(step).unwrap_err(), Denial::TransactionSpent);
}
