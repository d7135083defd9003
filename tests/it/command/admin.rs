//! `reset`, `unlock` and `remove_authenticator`: what each drops and keeps, and what a clock that is wrong makes of
//! them.

use countersign::{AuthenticatorId, Denial, Policy, code::RecoveryCode};
use countersign_testkit::{World, json};
use time::{Duration, macros::datetime};

#[test]
fn a_reset_drops_everything_but_the_ledger() {
    let mut world = World::new(Policy::default());
    world.enroll("user@example.com");
    let elevated = world.elevated();
    let session = world.login();
    world.reset();
    assert!(!world.account().is_enrolled());
    assert!(world.account().authenticators().is_empty());
    assert_eq!(world.associate(&session, "a@example.com").unwrap_err(), Denial::ExpiredToken);
    assert_eq!(world.associate(&elevated, "a@example.com").unwrap_err(), Denial::ExpiredToken);
    world.pass(1);
    let session = world.login();
    assert!(world.associate(&session, "a@example.com").is_ok());
}

#[test]
fn an_unlock_by_a_slow_clock_undoes_no_reset() {
    let mut world = World::new(Policy::default());
    world.enroll("user@example.com");
    world.pass(3_600);
    let (elevated, session) = (world.elevated(), world.login());
    world.pass(60);
    world.reset();
    world.pass(-120);
    world.unlock();
    world.pass(121);
    assert_eq!(world.associate(&session, "thief@example.com").unwrap_err(), Denial::ExpiredToken);
    assert_eq!(world.associate(&elevated, "thief@example.com").unwrap_err(), Denial::ExpiredToken);
}

#[test]
fn an_unlock_by_a_slow_clock_revives_no_spent_transaction() {
    let mut world = World::new(Policy::default());
    let (_, codes) = world.enroll("user@example.com");
    world.pass(3_600);
    let session = world.login();
    world.recover(&session, &codes[0]).unwrap();
    // A node that is ahead drops the entry, a slow one unlocks, and a third still takes the token.
    world.pass(601);
    world.provision("provisioned@example.com").unwrap();
    world.pass(-700);
    world.unlock();
    world.pass(110);
    assert_eq!(world.recover(&session, &codes[1]).unwrap_err(), Denial::ExpiredToken);
}

/// Completes a sign-in, and lets the record forget it once its token has expired: sessions as old are refused.
fn evict_a_spent_transaction(world: &mut World, code: &RecoveryCode) {
    let session = world.login();
    world.recover(&session, code).unwrap();
    world.pass(601);
    world.provision("provisioned@example.com").unwrap();
}

#[test]
fn an_unlock_lifts_a_bound_that_no_honest_clock_set() {
    let mut world = World::new(Policy::default());
    let (_, codes) = world.enroll("user@example.com");
    let real = world.now;
    world.now = datetime!(9000-01-01 0:00 UTC);
    evict_a_spent_transaction(&mut world, &codes[0]);
    world.now = real;
    world.pass(60);
    let session = world.login();
    assert_eq!(world.challenge(&session).unwrap_err(), Denial::ExpiredToken);
    world.unlock();
    world.pass(61);
    let session = world.login();
    assert!(world.challenge(&session).is_ok());
}

#[test]
fn an_unlock_leaves_a_bound_of_one_day_ahead_and_lowers_one_beyond() {
    let after_unlock = |ahead: Duration| {
        let mut world = World::new(Policy::default());
        let (_, codes) = world.enroll("user@example.com");
        let real = world.now;
        world.now += ahead;
        evict_a_spent_transaction(&mut world, &codes[0]);
        let bound =
            || json(&world.store.load(&countersign_testkit::subject()).unwrap())["not_before"].clone();
        let before = bound();
        let step = world.verifier.unlock(world.store.load(&countersign_testkit::subject()).unwrap(), real);
        let committed = step.commit(|write| world.store.swap(write)).unwrap();
        assert!(committed.done().is_some());
        before == bound()
    };
    assert!(after_unlock(Duration::days(1)));
    assert!(!after_unlock(Duration::days(1) + Duration::MILLISECOND));
}

fn remove_authenticator(world: &mut World, id: AuthenticatorId) -> Result<(), Denial> {
    let account = world.account();
    let step = world.verifier.remove_authenticator(account, id, world.now);
    world.run(step)
}

#[test]
fn an_authenticator_that_waits_for_its_code_is_removed_and_ends_no_session() {
    let mut world = World::new(Policy::default());
    let session = world.login();
    let pending = world.associate(&session, "typo@example.com").unwrap();
    let code = world.mail().code;
    remove_authenticator(&mut world, pending.authenticator).unwrap();
    assert!(world.account().authenticators().is_empty());
    assert_eq!(world.verify(&session, pending.oob_code.expose(), &code).unwrap_err(), Denial::ExpiredOobCode);
    world.pass(60);
    assert!(world.associate(&session, "user@example.com").is_ok());
}

#[test]
fn an_enrollment_that_has_ended_is_none_to_remove() {
    let mut world = World::new(Policy::default());
    let session = world.login();
    let pending = world.associate(&session, "user@example.com").unwrap();
    world.pass(601);
    assert_eq!(
        remove_authenticator(&mut world, pending.authenticator).unwrap_err(),
        Denial::UnknownAuthenticator
    );
}
