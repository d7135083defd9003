//! What a policy lets a factor do, and what a request may ask of a factor.

use countersign::{
    ChallengeRequest, Denial, Effect, NewFactor, Policy, Verifier,
    command::Purpose,
    effect::{Channel, Destination},
    factor::{AuthenticatorKind, Setup},
    policy::FactorUse,
    record::Standalone,
};
use countersign_testkit::{World, address, email, entropy, keys, policy, subject};

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
fn a_standalone_address_is_asked_for_what_its_factor_is_good_for() {
    let mut world = World::new(Policy::default());
    for (email, purpose, admitted) in [
        (FactorUse::Off, Purpose::Confirm, false),
        (FactorUse::Off, Purpose::Authenticate, false),
        (FactorUse::ConfirmOnly, Purpose::Confirm, true),
        (FactorUse::ConfirmOnly, Purpose::Authenticate, false),
        (FactorUse::Authenticate, Purpose::Confirm, true),
        (FactorUse::Authenticate, Purpose::Authenticate, true),
    ] {
        let to = address("user@example.com");
        let record = if purpose == Purpose::Confirm {
            Standalone::unconfirmed(&subject(), to, &entropy(&mut world.rng))
        } else {
            Standalone::verified(&subject(), to, &entropy(&mut world.rng))
        };
        let step = limited(email).ask(record, &purpose, world.now, &entropy(&mut world.rng));
        let outcome = step.commit(|_| Ok::<_, ()>(countersign::Swap::Stored)).unwrap().done().unwrap();
        let expected = if admitted { None } else { Some(Denial::UnsupportedChallengeType) };
        assert_eq!(outcome.into_parts().0.err(), expected, "{email:?} {purpose:?}");
    }
}

/// An account is challenged to authenticate and for nothing else: an enrollment has its own command.
#[test]
fn an_account_is_challenged_to_authenticate_alone() {
    let mut world = World::new(Policy::default());
    world.enroll("user@example.com");
    world.pass(60);
    let session = world.login();
    let mut request = ChallengeRequest::default();
    request.purpose = Purpose::Confirm;
    assert_eq!(world.challenge_with(&session, &request).unwrap_err(), Denial::UnsupportedChallengeType);
    let request = ChallengeRequest::default().channel(Channel::Email);
    let challenged = world.challenge_with(&session, &request).unwrap();
    assert_eq!(challenged.channel, Channel::Email);
    assert_eq!(world.mail().purpose, Purpose::Authenticate);
}

/// The message and the answer name the same destination by the same channel, and neither holds what the other must
/// keep: the answer no code, the message no handle.
#[test]
fn an_enrollment_answers_with_the_message_on_its_way() {
    let mut world = World::new(Policy::default());
    let (session, account) = (world.login(), world.account());
    let factor: NewFactor = email("user@example.com");
    let step = world.verifier.associate(&session, account, &factor, world.now, &entropy(&mut world.rng));
    let outcome = step.commit(|_| Ok::<_, ()>(countersign::Swap::Stored)).unwrap().done().unwrap();
    let (result, effects) = outcome.into_parts();
    let associated = result.unwrap();
    let Setup::Oob(sent) = &associated.setup else { panic!("a message is sent") };
    let [Effect::Send(message)] = &effects[..] else { panic!("one message") };
    assert_eq!(message.to, Destination::Email(address("user@example.com")));
    assert_eq!((message.to.channel(), message.to.masked().as_str()), (sent.channel, "****@exam*******"));
    assert_eq!((message.expires, message.purpose.clone()), (associated.expires, Purpose::Confirm));
    // The effects are looked at one by one as they are taken one by one.
    let seen: Vec<_> = (&effects).into_iter().map(|effect| format!("{effect:?}")).collect();
    assert_eq!(seen, effects.into_iter().map(|effect| format!("{effect:?}")).collect::<Vec<_>>());
    assert_eq!(seen.len(), 1);
}
