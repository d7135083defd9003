//! What a policy lets a factor do: nothing, confirm alone, or authenticate.

use countersign::{ChallengeRequest, Denial, Policy, Verifier, factor::AuthenticatorKind, policy::FactorUse};
use countersign_testkit::{World, keys, policy};

/// The world's verifier, with email good for this much and no more.
fn limited(to: FactorUse) -> Verifier {
    Verifier::new(keys(), policy(|settings| settings.factors.email = to))
}

#[test]
fn presets_say_what_each_kind_is_good_for() {
    for (policy, email) in [
        (Policy::default(), FactorUse::Authenticate),
        (Policy::auth0(), FactorUse::Authenticate),
        (Policy::strict(), FactorUse::ConfirmOnly),
        (policy(|settings| settings.factors.email = FactorUse::Off), FactorUse::Off),
    ] {
        assert_eq!(policy.admits(AuthenticatorKind::Email), email);
        assert_eq!(policy.admits(AuthenticatorKind::RecoveryCode), FactorUse::Authenticate);
    }
}

/// A factor that is off is neither enrolled nor confirmed nor challenged, also where it was there before.
#[test]
fn a_factor_that_is_off_is_refused_everywhere() {
    let off = limited(FactorUse::Off);
    let mut world = World::new(Policy::default());
    let (id, _) = world.enroll("user@example.com");
    world.pass(60);

    let (session, elevated) = (world.login(), world.elevated());
    let begun = world.associate(&elevated, "second@example.com").unwrap();
    let code = world.mail().code;
    world.verifier = off;
    let refused = Denial::UnsupportedChallengeType;
    assert_eq!(world.associate(&elevated, "third@example.com").unwrap_err(), refused);
    assert_eq!(world.verify(&elevated, begun.oob_code.expose(), &code).unwrap_err(), refused);
    assert_eq!(world.provision("fourth@example.com").unwrap_err(), refused);
    assert_eq!(world.challenge(&session).unwrap_err(), refused);
    let named = ChallengeRequest::default().authenticator(id);
    assert_eq!(world.challenge_with(&session, &named).unwrap_err(), refused);
    let account = world.account();
    assert_eq!(world.verifier.requirements(&account).challenge, [AuthenticatorKind::RecoveryCode]);

    // What is there already stays listed, and can be taken back.
    assert_eq!(world.verifier.authenticators(&session, &account, world.now).unwrap().len(), 3);
    world.verifier = limited(FactorUse::Authenticate);
    assert!(world.verify(&elevated, begun.oob_code.expose(), &code).is_ok(), "nothing was charged");
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
