//! The account's lists: what makes room for what, and what any write prunes. Accounts are equal if their secrets are.

use countersign::{Account, ChallengeRequest, Denial, Policy};
use countersign_testkit::{World, edited, json, wrong};

#[test]
fn any_write_prunes() {
    let mut world = World::new(Policy::default());
    world.enroll("user@example.com");
    assert_eq!(world.account().challenges().len(), 1);
    world.pass(86_400);
    world.unlock();
    assert!(world.account().challenges().is_empty());
}

/// The addresses of the authenticators, in the order of enrollment.
fn addresses(world: &mut World) -> Vec<String> {
    let account = world.account();
    let text = serde_json::to_string(&account).unwrap();
    assert_eq!(serde_json::from_str::<Account>(&text).unwrap(), account, "what is stored can be read");
    account
        .authenticators()
        .iter()
        .map(|known| known.factor().destination().unwrap().as_str().to_owned())
        .collect()
}

#[test]
fn an_enrollment_ends_with_its_own_session() {
    let mut world = World::new(Policy::default());
    world.enroll("user@example.com");
    let earlier = world.elevated();
    world.associate(&earlier, "earlier@example.com").unwrap();
    world.pass(1800);
    let later = world.elevated();
    let associated = world.associate(&later, "later@example.com").unwrap();
    let code = world.mail().code;
    assert_eq!(addresses(&mut world), ["user@example.com", "earlier@example.com", "later@example.com"]);
    world.pass(1800);
    let login = world.login();
    world.challenge(&login).unwrap();
    assert_eq!(addresses(&mut world), ["user@example.com", "later@example.com"]);
    world.pass(-1600);
    world.verify(&later, associated.oob_code.expose(), &code).unwrap();
}

#[test]
fn an_enrollment_makes_room_among_those_of_its_own_session_first() {
    let mut world = World::new(countersign_testkit::policy(|settings| settings.max_unconfirmed = 2));
    world.enroll("user@example.com");
    world.pass(60);
    let one = world.elevated();
    world.associate(&one, "one@example.com").unwrap();
    world.pass(60);
    let other = world.elevated();
    world.associate(&other, "other@example.com").unwrap();
    world.pass(60);
    world.associate(&other, "third@example.com").unwrap();
    assert_eq!(addresses(&mut world), ["user@example.com", "one@example.com", "third@example.com"]);
    // With none of its own, it takes the place of the oldest.
    world.pass(60);
    let last = world.elevated();
    world.associate(&last, "last@example.com").unwrap();
    assert_eq!(addresses(&mut world), ["user@example.com", "third@example.com", "last@example.com"]);
}

#[test]
fn among_enrollments_of_one_millisecond_the_first_one_lapses() {
    let mut world = World::new(Policy::default());
    let session = world.login();
    let addresses = ["a@example.com", "b@example.com", "c@example.com", "d@example.com"];
    let ids = addresses.map(|to| world.associate(&session, to).unwrap().authenticator);
    let left: Vec<_> =
        world.account().authenticators().iter().map(countersign::record::Authenticator::id).collect();
    assert_eq!(left, ids[1..]);
}

#[test]
fn one_that_was_guessed_at_does_not_make_room_in_its_own_transaction() {
    let mut world = World::new(countersign_testkit::policy(|settings| settings.max_unconfirmed = 1));
    let session = world.login();
    let associated = world.associate(&session, "a@example.com").unwrap();
    let right = world.mail().code;
    world.verify(&session, associated.oob_code.expose(), &wrong(&right)).unwrap_err();
    assert_eq!(world.associate(&session, "b@example.com").unwrap_err(), Denial::TooManyAuthenticators);
    // A new first factor may: its attempts are its own, and the ledger counts on.
    let another = world.login();
    assert!(world.associate(&another, "b@example.com").is_ok());
}

#[test]
fn a_challenge_makes_room_among_those_of_its_own_login_first() {
    let mut world = World::new(countersign_testkit::policy(|settings| settings.max_challenges = 2));
    world.enroll("user@example.com");
    let second = world.provision("second@example.com").unwrap();
    world.pass(3600);
    let one = world.login();
    let waiting = world.challenge(&one).unwrap();
    let code_of_one = world.mail().code;
    world.pass(60);
    let other = world.login();
    let dropped = world.challenge(&other).unwrap();
    let code_of_other = world.mail().code;
    let request = ChallengeRequest::default().authenticator(second);
    world.challenge_with(&other, &request).unwrap();
    assert_eq!(world.account().challenges().len(), 2);
    let denied = world.verify(&other, dropped.oob_code.expose(), &code_of_other);
    assert_eq!(denied.unwrap_err(), Denial::ExpiredOobCode, "the record does not know it any more");
    assert!(world.verify(&one, waiting.oob_code.expose(), &code_of_one).unwrap().completed);
}

/// Whoever compares records, as a store's tests do, is not told that two are the same because what they hide looks
/// alike.
#[test]
fn records_that_differ_in_a_secret_alone_are_different() {
    let mut world = World::new(Policy::default());
    world.enroll("user@example.com");
    world.pass(60);
    let session = world.login();
    world.challenge(&session).unwrap();
    let account = world.account();
    let edited = |change: fn(&mut serde_json::Value)| edited(&account, change).unwrap();
    assert_eq!(edited(|_| {}), account);
    assert_ne!(edited(|r| r["challenges"][1]["state"]["pending"]["seed"] = "A".repeat(22).into()), account);
    assert_ne!(edited(|r| r["recovery"]["live"][0]["hash"] = "A".repeat(43).into()), account);
}

/// A used recovery code is kept for its own transaction, whose answer can be asked for again.
#[test]
fn a_used_recovery_code_goes_with_its_transaction() {
    let mut world = World::new(Policy::default());
    let (_, codes) = world.enroll("user@example.com");
    let session = world.login();
    world.recover(&session, &codes[0]).unwrap();
    let spent = |world: &mut World| json(&world.account())["recovery"]["spent"].as_array().unwrap().len();
    assert_eq!(spent(&mut world), 1);
    world.pass(4_000);
    world.unlock();
    assert_eq!(spent(&mut world), 0);
}
