//! `provision` and `deprovision`: what an address that the host has proven changes, ends and takes over.

use countersign::{Denial, Policy, Verifier, effect::Notice};
use countersign_testkit::{World, email, json, keys, locking, wrong};

use crate::accounts::guess_wrong;

#[test]
fn provisioned_addresses_are_factors_without_an_enrollment() {
    let mut world = World::new(Policy::default());
    let id = world.provision("user@example.com").unwrap();
    assert_eq!(world.provision("user@example.com").unwrap(), id);
    assert!(world.account().is_enrolled());
    assert!(world.sign_in().unwrap().completed);
    let elevated = world.elevated();
    assert_eq!(world.remove(&elevated, id).unwrap_err(), Denial::ProvisionedAuthenticator);
    let moved = world.provision("new@example.com").unwrap();
    assert_ne!(moved, id);
    assert_eq!(world.account().authenticators().len(), 1);
    world.deprovision("new@example.com").unwrap();
    assert!(world.account().is_enrolled(), "losing an address opens no door");
    let session = world.login();
    assert_eq!(world.associate(&session, "thief@example.com").unwrap_err(), Denial::AlreadyEnrolled);
    assert_eq!(world.challenge(&session).unwrap_err(), Denial::UnsupportedChallengeType);
}

#[test]
fn an_address_that_is_provisioned_already_changes_nothing() {
    let mut world = World::new(Policy::default());
    world.provision("user@example.com").unwrap();
    let account = world.account();
    let step = world.verifier.provision(
        account,
        &email("user@example.com"),
        world.now,
        &countersign_testkit::entropy(&mut world.rng),
    );
    assert!(!step.writes());
}

#[test]
fn provisioning_again_sets_the_latch_once_email_may_authenticate() {
    let mut world = World::new(Policy::strict());
    let id = world.provision("user@example.com").unwrap();
    assert!(!world.account().is_enrolled());
    world.verifier = Verifier::new(keys(), Policy::default());
    assert_eq!(world.provision("user@example.com").unwrap(), id);
    let thief = world.login();
    assert_eq!(world.associate(&thief, "thief@example.com").unwrap_err(), Denial::AlreadyEnrolled);
}

#[test]
fn a_provisioned_address_ends_what_first_factors_had_begun() {
    let mut world = World::new(Policy::default());
    let thief = world.login();
    world.associate(&thief, "thief@example.com").unwrap();
    let id = world.provision("user@example.com").unwrap();
    let left: Vec<_> =
        world.account().authenticators().iter().map(countersign::record::Authenticator::id).collect();
    assert_eq!(left, [id]);
}

#[test]
fn failures_move_to_the_address_that_takes_the_place_and_to_no_other() {
    let mut world = World::new(Policy::default());
    world.provision("old@example.com").unwrap();
    guess_wrong(&mut world, 2);
    for to in ["other@example.com", "new@example.com"] {
        world.pass(120);
        let session = world.elevated();
        let associated = world.associate(&session, to).unwrap();
        let code = world.mail().code;
        world.verify(&session, associated.oob_code.expose(), &code).unwrap();
    }
    world.provision("new@example.com").unwrap();
    let account = json(&world.account());
    let failures = |to: &str| {
        let all = account["authenticators"].as_array().unwrap();
        let found = all.iter().find(|known| known["factor"].to_string().contains(to)).unwrap();
        found["failures"]["unknown"].as_u64().unwrap()
    };
    assert_eq!((failures("new@example.com"), failures("other@example.com")), (2, 0));
}

#[test]
fn a_disabled_address_is_not_announced_as_added_when_it_moves() {
    let mut world = World::new(locking(|settings| settings.failure_cap = 2));
    world.provision("old@example.com").unwrap();
    let session = world.login();
    let challenged = world.challenge(&session).unwrap();
    let guess = wrong(&world.mail().code);
    for _ in 0..2 {
        world.verify(&session, challenged.oob_code.expose(), &guess).unwrap_err();
    }
    world.events.clear();
    world.provision("new@example.com").unwrap();
    assert!(matches!(world.events[..], [Notice::Removed { .. }]));
    world.pass(60);
    let session = world.login();
    assert_eq!(world.challenge(&session).unwrap_err(), Denial::AuthenticatorDisabled);
}
