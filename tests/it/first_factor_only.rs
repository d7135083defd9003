//! Doors that stay shut: what somebody with a first factor alone cannot reach, and what nobody can take from the
//! account's holder.

use countersign::{Denial, Policy, Verifier, code::RecoveryCode, effect::Notice};
use countersign_testkit::{Need, World, keys, policy, wrong};

/// Well-formed, and nobody's.
fn unknown() -> RecoveryCode {
    RecoveryCode::parse("222222222222222222222222").unwrap()
}

#[test]
fn a_thief_with_the_password_cannot_stop_an_elevated_enrollment() {
    let mut world = World::new(Policy::default());
    world.enroll("user@example.com");
    world.pass(120);
    for _ in 0..16 {
        let thief = world.login();
        assert_eq!(world.recover(&thief, &unknown()).unwrap_err(), Denial::InvalidRecoveryCode);
    }
    let elevated = world.elevated();
    assert!(world.associate(&elevated, "second@example.com").is_ok());
}

#[test]
fn a_thief_with_the_password_cannot_stop_a_first_enrollment() {
    let mut world = World::new(Policy::auth0());
    for number in 0..16 {
        let thief = world.login();
        world.associate(&thief, &format!("thief.{number}@example.com")).unwrap();
    }
    let session = world.login();
    let associated = world.associate(&session, "user@example.com").unwrap();
    let code = world.mail().code;
    assert!(world.verify(&session, associated.oob_code.expose(), &code).unwrap().completed);
    assert_eq!(world.account().authenticators().len(), 1, "what the thief had begun lapsed");
}

#[test]
fn recovery_stays_open_under_guesses_floods_and_burnt_messages() {
    let mut world = World::new(Policy::default());
    let (_, codes) = world.enroll("user@example.com");
    world.pass(3_600);
    for _ in 0..40 {
        let thief = world.login();
        for _ in 0..6 {
            world.recover(&thief, &unknown()).unwrap_err();
        }
        if let Ok(challenged) = world.challenge(&thief) {
            let guess = wrong(&world.mail().code);
            for _ in 0..6 {
                world.verify(&thief, challenged.oob_code.expose(), &guess).unwrap_err();
            }
        }
    }
    let session = world.login();
    assert!(matches!(world.challenge(&session).unwrap_err(), Denial::Locked { .. }));
    assert!(world.recover(&session, &codes[3]).is_ok());
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
fn requirements_ask_for_no_enrollment_that_completes_nothing() {
    let mut world = World::new(Policy::strict());
    let account = world.account();
    assert_eq!(Need::from(world.verifier.requirements(&account)), Need::Enroll(vec![]));
}

#[test]
fn a_disabled_address_is_not_announced_as_added_when_it_moves() {
    let mut world = World::new(policy(|settings| settings.failure_cap = 2));
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

#[test]
fn regenerating_recovery_codes_draws_on_the_budget_of_messages() {
    let mut world = World::new(Policy::default());
    world.enroll("user@example.com");
    world.pass(3_600);
    let elevated = world.elevated();
    let mut regenerate = || {
        let account = world.account();
        let step = world.verifier.regenerate_recovery_codes(
            &elevated,
            account,
            world.now,
            &countersign_testkit::entropy(&mut world.rng),
        );
        world.run(step).map(drop)
    };
    for _ in 0..5 {
        regenerate().unwrap();
    }
    assert!(matches!(regenerate().unwrap_err(), Denial::TooManySends { .. }));
}
