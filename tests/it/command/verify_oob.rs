//! `verify_oob`: right, wrong, late and repeated codes, and the session that may confirm or complete.

use countersign::{
    BindingCode, Challenged, Denial, Policy, Session, policy::FactorUse, session::ElevatedScopes,
};
use countersign_testkit::{Given, World, code, edited, policy, wrong};
use time::Duration;

#[test]
fn challenge_wrong_code_right_code_and_replay() {
    let mut world = World::new(Policy::default());
    world.enroll("user@example.com");
    world.pass(60);
    let session = world.login();
    let challenged = world.challenge(&session).unwrap();
    let right = world.mail().code;
    let oob_code = challenged.oob_code.expose();
    let denied = world.verify(&session, oob_code, &wrong(&right));
    assert_eq!(denied.unwrap_err(), Denial::InvalidBindingCode { attempts_left: 4 });
    let denied = world.verify(&session, oob_code, &code("1234567"));
    assert_eq!(denied.unwrap_err(), Denial::MalformedCode, "another number of digits costs nothing");
    assert!(world.verify(&session, oob_code, &right).unwrap().completed);
    assert_eq!(world.verify(&session, oob_code, &right).unwrap_err(), Denial::OobCodeUsed);
    assert_eq!(world.tokens.len(), 2, "one for the enrollment, one for this");
    assert_eq!(world.challenge(&session).unwrap_err(), Denial::TransactionSpent);
    assert_eq!(world.associate(&session, "x@example.com").unwrap_err(), Denial::AlreadyEnrolled);
}

#[test]
fn a_code_lives_to_the_second() {
    let mut world = World::new(Policy::default());
    world.enroll("user@example.com");
    world.pass(60);
    let session = world.login();
    let challenged = world.challenge(&session).unwrap();
    let right = world.mail().code;
    world.now = challenged.expires - Duration::milliseconds(1);
    let mut early = World {
        store: countersign_testkit::Store::default(),
        mails: Vec::new(),
        ..World::new(Policy::default())
    };
    early.store.put(world.account());
    early.now = world.now;
    assert!(early.verify(&session, challenged.oob_code.expose(), &right).is_ok());
    world.now = challenged.expires;
    assert_eq!(
        world.verify(&session, challenged.oob_code.expose(), &right).unwrap_err(),
        Denial::ExpiredOobCode
    );
    world.now = challenged.expires - Duration::seconds(100);
    let again = world.verify(&session, challenged.oob_code.expose(), &right);
    assert_eq!(
        again.unwrap_err(),
        Denial::ExpiredOobCode,
        "seen is written: a clock that goes back revives nothing"
    );
    assert_eq!(world.tokens.len(), 1);
}

#[test]
fn at_the_cap_an_unconfirmed_authenticator_has_no_attempts_left() {
    let mut world = World::new(countersign_testkit::locking(|settings| {
        settings.failure_cap = 2;
        settings.cool_down = Duration::ZERO;
    }));
    let session = world.login();
    let associated = world.associate(&session, "user@example.com").unwrap();
    let guess = wrong(&world.mail().code);
    for attempts_left in [4, 0] {
        let denied = world.verify(&session, associated.oob_code.expose(), &guess).unwrap_err();
        assert_eq!(denied, Denial::InvalidBindingCode { attempts_left });
    }
    assert_eq!(world.associate(&session, "user@example.com").unwrap_err(), Denial::AttemptsExhausted);
}

/// Two elevated sessions that each began to enroll an address.
fn two_enrollments(world: &mut World, [one, two]: [&str; 2]) -> [(Session, String, BindingCode); 2] {
    world.enroll("first@example.com");
    [one, two].map(|to| {
        world.pass(60);
        let session = world.elevated();
        let associated = world.associate(&session, to).unwrap();
        (session, associated.oob_code.expose().to_owned(), world.mail().code)
    })
}

#[test]
fn of_two_sessions_that_enroll_one_address_the_first_to_confirm_has_it() {
    let mut world = World::new(Policy::default());
    let [one, two] = two_enrollments(&mut world, ["user@example.com"; 2]);
    world.verify(&one.0, &one.1, &one.2).unwrap();
    let before = world.account();
    assert_eq!(world.verify(&two.0, &two.1, &two.2).unwrap_err(), Denial::AddressInUse);
    assert_eq!(world.account(), before);
}

#[test]
fn no_two_sessions_confirm_more_authenticators_than_the_policy_allows() {
    let mut world = World::new(policy(|settings| settings.max_authenticators = 2));
    let [one, two] = two_enrollments(&mut world, ["one@example.com", "two@example.com"]);
    world.verify(&one.0, &one.1, &one.2).unwrap();
    let before = world.account();
    assert_eq!(world.verify(&two.0, &two.1, &two.2).unwrap_err(), Denial::TooManyAuthenticators);
    assert_eq!(world.account(), before);
}

#[test]
fn confirming_takes_the_scope_to_enroll() {
    let mut world = World::new(Policy::default());
    world.enroll("user@example.com");
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
    // The scope comes before what the handle stands for.
    assert_eq!(
        world.verify(&reading, associated.oob_code.expose(), &code).unwrap_err(),
        Denial::InsufficientScope
    );
}

/// A user whose login waits for the code that was sent.
fn login_under_way() -> (World, Session, Given<Challenged>, BindingCode) {
    let mut world = World::new(Policy::default());
    world.enroll("user@example.com");
    world.pass(3600);
    let login = world.login();
    let challenged = world.challenge(&login).unwrap();
    let code = world.mail().code;
    (world, login, challenged, code)
}

#[test]
fn an_elevated_session_logs_nobody_in_even_with_a_login_s_own_transaction() {
    let (mut world, login, challenged, code) = login_under_way();
    let tokens = world.tokens.len();
    let transaction = i128::from_be_bytes(*login.transaction().as_bytes());
    let elevation = countersign_testkit::elevation(&world.account(), transaction, world.now);
    let elevated = world.elevated_by(elevation, ElevatedScopes::ALL);
    assert_eq!(
        world.verify(&elevated, challenged.oob_code.expose(), &code).unwrap_err(),
        Denial::InsufficientScope
    );
    assert_eq!(world.tokens.len(), tokens);
    world.verify(&login, challenged.oob_code.expose(), &code).unwrap();
    assert_eq!(world.tokens.len(), tokens + 1);
}

#[test]
fn a_login_under_way_ends_when_the_policy_no_longer_takes_mail_for_it() {
    let (mut world, login, challenged, code) = login_under_way();
    let confirming = countersign::Policy::strict();
    assert_eq!(confirming.settings().factors.email, FactorUse::ConfirmOnly);
    world.verifier = countersign::Verifier::new(countersign_testkit::keys(), confirming);
    assert_eq!(
        world.verify(&login, challenged.oob_code.expose(), &code).unwrap_err(),
        Denial::UnsupportedChallengeType
    );
}

/// A record whose challenge waits although its attempts are spent, as no step writes it.
#[test]
fn a_challenge_without_an_attempt_takes_no_code_even_the_right_one() {
    let (mut world, session, challenged, right) = login_under_way();
    let spent = |record: &mut serde_json::Value| {
        let transaction = record["transactions"].as_array_mut().unwrap().last_mut().unwrap();
        transaction["pairs"][0]["attempts_left"] = 0.into();
    };
    let account = edited(&world.account(), spent).unwrap();
    world.store.put(account);
    let denied = world.verify(&session, challenged.oob_code.expose(), &right);
    assert_eq!(denied.unwrap_err(), Denial::AttemptsExhausted);
}
