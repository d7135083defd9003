//! Where a session ends: the last instant and the one after, and the scope that each command takes.

mod support;

use countersign::{Denial, ElevatedScopes, Policy};
use support::{World, client};
use time::Duration;

#[test]
fn a_token_from_the_future_is_taken_within_the_leeway_of_clocks() {
    let mut world = World::new(Policy::default());
    let token = world.begin();
    let open = |at| world.verifier.open(token.expose(), Some(&client()), at).map(drop);
    let leeway = Duration::minutes(1);
    assert_eq!(open(world.now - leeway), Ok(()));
    assert_eq!(open(world.now - leeway - Duration::MILLISECOND), Err(Denial::MalformedToken));
    assert_eq!(open(world.now - Duration::days(1)), Err(Denial::MalformedToken));
}

#[test]
fn a_token_dies_at_its_last_instant() {
    let mut world = World::new(Policy::default());
    let token = world.begin();
    let lifetime = world.verifier.policy().settings().token_lifetime;
    let open = |at| world.verifier.open(token.expose(), Some(&client()), at).map(drop);
    assert_eq!(open(world.now + lifetime - Duration::MILLISECOND), Ok(()));
    assert_eq!(open(world.now + lifetime), Err(Denial::ExpiredToken));
}

#[test]
fn a_token_that_lives_longer_than_the_policy_allows_is_refused() {
    let mut world = World::new(Policy::default());
    let token = world.begin();
    let lifetime = world.verifier.policy().settings().token_lifetime;
    let shorter = support::policy(|settings| settings.token_lifetime = lifetime - Duration::SECOND);
    world.verifier = countersign::Verifier::new(support::keys(), shorter);
    assert_eq!(world.verifier.open(token.expose(), None, world.now).unwrap_err(), Denial::MalformedToken);
}

#[test]
fn confirming_takes_the_scope_to_enrol() {
    let mut world = World::new(Policy::default());
    world.enrol("user@example.com");
    world.pass(3600);
    let enrolling = world.elevated();
    let associated = world.associate(&enrolling, "second@example.com").unwrap();
    let code = world.mail().code;
    let mut scopes = ElevatedScopes::ALL;
    scopes.enroll = false;
    let reading = world.elevated_with(scopes);
    assert_eq!(
        world.verify(&reading, associated.oob_code.expose(), &code).unwrap_err(),
        Denial::InsufficientScope
    );
    world.verify(&enrolling, associated.oob_code.expose(), &code).unwrap();
}
