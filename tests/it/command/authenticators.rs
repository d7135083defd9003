//! `authenticators` and `requirements`: what is listed, and what completes a login.

use countersign::{
    Policy, Verifier, factor::AuthenticatorKind, policy::FactorUse, record::AuthenticatorStatus,
};
use countersign_testkit::{Need, World, keys, locking};

use crate::accounts::guess_wrong;

#[test]
fn authenticators_lists_masked_rows_and_the_recovery_codes() {
    let mut world = World::new(Policy::default());
    let session = world.login();
    let associated = world.associate(&session, "user@example.com").unwrap();
    let account = world.account();
    let rows = world.verifier.authenticators(&session, &account, world.now).unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(
        (rows[0].status, rows[0].destination.as_deref()),
        (AuthenticatorStatus::Unconfirmed, Some("****@exam*******"))
    );
    let mail = world.mail();
    world.verify(&session, associated.oob_code.expose(), &mail.code).unwrap();
    let account = world.account();
    let rows = world.verifier.authenticators(&session, &account, world.now).unwrap();
    assert_eq!(rows.len(), 2, "a spent transaction may still read");
    assert_eq!((rows[0].id, rows[0].status), (associated.authenticator, AuthenticatorStatus::Active));
    assert_eq!(rows[1].id.kind(), AuthenticatorKind::RecoveryCode);
    assert!(rows[1].id.to_string().starts_with("recovery-code|dev_"));
}

#[test]
fn an_address_that_may_not_authenticate_is_no_way_to_complete_a_login() {
    let mut world = World::new(Policy::default());
    world.enroll("user@example.com");
    let both = vec![AuthenticatorKind::Email, AuthenticatorKind::RecoveryCode];
    let (session, account) = (world.login(), world.account());
    assert_eq!(Need::from(world.requirements()), Need::Challenge(both));
    let confirm_only = Verifier::new(keys(), Policy::strict());
    assert_eq!(confirm_only.policy().settings().factors.email, FactorUse::ConfirmOnly);
    let recovery = vec![AuthenticatorKind::RecoveryCode];
    assert_eq!(
        Need::from(confirm_only.requirements(&session, &account, world.now)),
        Need::Challenge(recovery)
    );
}

#[test]
fn a_disabled_authenticator_is_no_way_to_complete_a_login() {
    let mut world = World::new(locking(|settings| settings.failure_cap = 1));
    world.enroll("user@example.com");
    guess_wrong(&mut world, 1);
    let needed = world.requirements();
    assert!(needed.enrolled);
    assert_eq!(needed.challenge, [AuthenticatorKind::RecoveryCode]);
}

#[test]
fn requirements_ask_for_no_enrollment_that_completes_nothing() {
    let mut world = World::new(Policy::strict());
    let only = vec![AuthenticatorKind::Totp];
    assert_eq!(Need::from(world.requirements()), Need::Enroll(only));
}
