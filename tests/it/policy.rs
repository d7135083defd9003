//! What a policy lets a factor do: confirm alone, or authenticate. What it does to one that is off:
//! `src/tests/factors.rs`.

use countersign::{Denial, Policy, factor::AuthenticatorKind, policy::FactorUse};
use countersign_testkit::World;

#[test]
fn presets_say_what_each_kind_is_good_for() {
    for (policy, email) in [
        (Policy::default(), FactorUse::Authenticate),
        (Policy::auth0(), FactorUse::Authenticate),
        (Policy::strict(), FactorUse::ConfirmOnly),
    ] {
        assert_eq!(policy.admits(AuthenticatorKind::Email), email);
        assert_eq!(policy.admits(AuthenticatorKind::RecoveryCode), FactorUse::Authenticate);
    }
}

#[test]
fn the_strict_policy_confirms_addresses_and_never_authenticates_by_email() {
    let mut world = World::new(Policy::strict());
    let session = world.login();
    let associated = world.associate(&session, "user@example.com").unwrap();
    assert!(associated.answer.recovery_codes.is_none());
    let right = world.mail().code;
    assert_eq!(right.expose().len(), 8);
    let verification = world.verify(&session, associated.oob_code.expose(), &right).unwrap();
    assert!(!verification.completed);
    assert!(world.tokens.is_empty());
    assert!(!world.account().is_enrolled());
    assert_eq!(world.challenge(&session).unwrap_err(), Denial::NotEnrolled);
}
