//! `begin` and `open`: the first and the last instant at which an `mfa_token` is taken.

use countersign::{Denial, Policy};
use countersign_testkit::{World, client};
use time::Duration;

#[test]
fn the_mfa_token_lives_to_the_second() {
    let mut world = World::new(Policy::default());
    let token = world.begin();
    world.pass(599);
    assert!(world.verifier.open(token.expose(), None, world.now).is_ok());
    world.pass(1);
    assert_eq!(world.verifier.open(token.expose(), None, world.now), Err(Denial::ExpiredToken));
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
fn a_token_that_lives_longer_than_the_policy_allows_is_refused() {
    let mut world = World::new(Policy::default());
    let token = world.begin();
    let lifetime = world.verifier.policy().settings().token_lifetime;
    let shorter =
        countersign_testkit::policy(|settings| settings.token_lifetime = lifetime - Duration::SECOND);
    world.verifier = countersign::Verifier::new(countersign_testkit::keys(), shorter);
    assert_eq!(world.verifier.open(token.expose(), None, world.now).unwrap_err(), Denial::MalformedToken);
}
