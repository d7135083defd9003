//! `remove`: what goes with an authenticator, and what is told of it.

use countersign::{ChallengeRequest, Denial, Policy, effect::Notice};
use countersign_testkit::{World, wrong};

use crate::accounts::with_two_addresses;

#[test]
fn removing_the_last_authenticator_ends_the_enrollment() {
    let mut world = World::new(Policy::default());
    let (id, codes) = world.enroll("user@example.com");
    world.pass(60);
    let old = world.login();
    let elevated = world.elevated();
    world.remove(&elevated, id).unwrap();
    assert!(matches!(world.events.last(), Some(Notice::Removed { .. })));
    assert!(!world.account().is_enrolled());
    assert_eq!(world.remove(&elevated, id).unwrap_err(), Denial::UnknownAuthenticator);
    assert_eq!(
        world.recover(&old, &codes[0]).unwrap_err(),
        Denial::ExpiredToken,
        "older sessions are refused"
    );
    world.pass(60);
    let session = world.login();
    assert_eq!(world.recover(&session, &codes[0]).unwrap_err(), Denial::NotEnrolled);
    assert_eq!(world.challenge(&session).unwrap_err(), Denial::NotEnrolled);
    let again = world.associate(&session, "user@example.com").unwrap();
    assert!(again.answer.recovery_codes.is_some(), "a first enrollment again");
}

#[test]
fn of_two_unconfirmed_addresses_the_one_that_is_named_goes() {
    let mut world = World::new(Policy::default());
    let session = world.elevated();
    let one = world.associate(&session, "one@example.com").unwrap().authenticator;
    let two = world.associate(&session, "two@example.com").unwrap().authenticator;
    world.remove(&session, one).unwrap();
    let left: Vec<_> = world.account().authenticators().iter().map(|known| known.id()).collect();
    assert_eq!(left, [two]);
}

#[test]
fn a_removal_tells_of_everything_that_it_removed() {
    let mut world = with_two_addresses(countersign_testkit::locking(|settings| settings.failure_cap = 2));
    let ids: Vec<_> =
        world.account().authenticators().iter().map(countersign::record::Authenticator::id).collect();
    let [first, second] = ids[..] else { panic!("two") };
    let session = world.login();
    let request = ChallengeRequest::default().authenticator(second);
    let challenged = world.challenge_with(&session, &request).unwrap();
    let guess = wrong(&world.mail().code);
    for _ in 0..2 {
        world.verify(&session, challenged.oob_code.expose(), &guess).unwrap_err();
    }
    world.events.clear();
    let elevated = world.elevated();
    world.remove(&elevated, first).unwrap();
    assert!(world.account().authenticators().is_empty(), "the disabled one went with the last active one");
    let removed = world.events.iter().filter(|event| matches!(event, Notice::Removed { .. })).count();
    assert_eq!(removed, 2);
}
