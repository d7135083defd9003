//! Who may: each kind of session, with and without the client and the scope that a command takes.

use countersign::{ChallengeRequest, Denial, Policy, session::ElevatedScopes};
use countersign_testkit::World;

#[test]
fn sessions_do_only_what_their_kind_may() {
    let mut world = World::new(Policy::default());
    let (id, codes) = world.enroll("user@example.com");
    world.pass(60);
    let token = world.begin();
    let unnamed = world.verifier.open(token.expose(), None, world.now).unwrap();
    let other = countersign::session::ClientId::new("client-2").unwrap();
    assert_eq!(world.verifier.open(token.expose(), Some(&other), world.now), Err(Denial::WrongClient));
    assert_eq!(world.challenge(&unnamed).unwrap_err(), Denial::ClientRequired);
    assert_eq!(world.recover(&unnamed, &codes[0]).unwrap_err(), Denial::ClientRequired);
    let account = world.account();
    assert!(world.verifier.authenticators(&unnamed, &account, world.now).is_ok());
    let session = world.login();
    assert_eq!(world.remove(&session, id).unwrap_err(), Denial::InsufficientScope);
    let scopes = countersign::session::ElevatedScopes::parse("openid read:authenticators");
    let reader = world.elevated_with(scopes);
    assert!(world.verifier.authenticators(&reader, &account, world.now).is_ok());
    assert_eq!(world.associate(&reader, "a@example.com").unwrap_err(), Denial::InsufficientScope);
    assert_eq!(world.remove(&reader, id).unwrap_err(), Denial::InsufficientScope);
    let elevated = world.elevated();
    assert_eq!(world.challenge(&elevated).unwrap_err(), Denial::InsufficientScope);
    assert_eq!(world.recover(&elevated, &codes[0]).unwrap_err(), Denial::InsufficientScope);
    let stranger = countersign::Subject::new("user-2").unwrap();
    let foreign = countersign::Account::new(&stranger);
    let request = ChallengeRequest::default();
    let step = world.verifier.challenge(
        &session,
        foreign,
        &request,
        world.now,
        &countersign_testkit::entropy(&mut world.rng),
    );
    assert!(!step.writes());
    assert_eq!(world.run(step).unwrap_err(), Denial::WrongRecord);
}

#[test]
fn an_elevated_session_needs_the_scope_of_each_command() {
    let mut world = World::new(Policy::default());
    world.enroll("user@example.com");
    world.pass(86_400);
    let (mut blind, mut keeping) = (ElevatedScopes::ALL, ElevatedScopes::ALL);
    blind.read_authenticators = false;
    keeping.enroll = false;
    let (blind, keeping) = (world.elevated_with(blind), world.elevated_with(keeping));
    let account = world.account();
    let listed = |session| world.verifier.authenticators(session, &account, world.now);
    assert_eq!(listed(&blind).unwrap_err(), Denial::InsufficientScope);
    assert_eq!(listed(&keeping).unwrap().len(), 2);
    let regenerate = |world: &mut World, session| {
        let account = world.account();
        let step = world.verifier.regenerate_recovery_codes(
            session,
            account,
            world.now,
            &countersign_testkit::entropy(&mut world.rng),
        );
        world.run(step)
    };
    assert_eq!(regenerate(&mut world, &keeping).unwrap_err(), Denial::InsufficientScope);
    assert!(regenerate(&mut world, &blind).is_ok());
}
