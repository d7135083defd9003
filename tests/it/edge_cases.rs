//! Edges: the ends of the calendar, ties, clocks that disagree, and promises to the letter.

use countersign::{
    Account, ChallengeRequest, Denial, Policy,
    command::ChallengeTypes,
    effect::{Descriptor, Notice},
    policy::Rate,
};
use countersign_testkit::{World, json, wrong};
use time::{Duration, macros::datetime};

/// Two active addresses, an hour ago.
fn with_two_addresses(policy: Policy) -> World {
    let mut world = World::new(policy);
    world.enroll("first@example.com");
    let elevated = world.elevated();
    let second = world.associate(&elevated, "second@example.com").unwrap();
    let code = world.mail().code;
    world.verify(&elevated, second.oob_code.expose(), &code).unwrap();
    world.pass(3_600);
    world
}

#[test]
fn the_last_instant_of_the_calendar_is_an_instant_like_any_other() {
    let mut world = World::new(Policy::default());
    world.now = datetime!(9999-12-31 23:59:59.999 UTC);
    let session = world.login();
    let associated = world.associate(&session, "user@example.com").unwrap();
    let right = world.mail().code;
    let denied = world.verify(&session, associated.oob_code.expose(), &wrong(&right)).unwrap_err();
    assert_eq!(denied, Denial::InvalidBindingCode { attempts_left: 4 });
    assert!(world.verify(&session, associated.oob_code.expose(), &right).unwrap().completed);
    world.unlock();
    world.reset();
    assert!(!world.account().is_enrolled());
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
fn an_audit_event_names_no_authenticator_that_was_refused_its_place() {
    let mut world = World::new(countersign_testkit::policy(|settings| {
        settings.send_bucket = Rate::new(1, Duration::hours(1));
        settings.cool_down = Duration::ZERO;
    }));
    let session = world.login();
    let first = world.associate(&session, "a@example.com").unwrap().authenticator;
    assert!(matches!(world.associate(&session, "b@example.com"), Err(Denial::TooManySends { .. })));
    assert_eq!(world.audits.last().unwrap().authenticator, None, "it is not in the record");
    assert!(matches!(world.associate(&session, "a@example.com"), Err(Denial::TooManySends { .. })));
    assert_eq!(world.audits.last().unwrap().authenticator, Some(first));
}

#[test]
fn at_the_cap_an_unconfirmed_authenticator_has_no_attempts_left() {
    let mut world = World::new(countersign_testkit::policy(|settings| {
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

#[test]
fn a_spent_transaction_cancels_nothing() {
    let mut world = with_two_addresses(Policy::default());
    let session = world.login();
    let ids: Vec<_> =
        world.account().authenticators().iter().map(countersign::record::Authenticator::id).collect();
    let mut challenges = ids.into_iter().map(|id| {
        let request = ChallengeRequest::default().authenticator(id);
        (world.challenge_with(&session, &request).unwrap().oob_code, world.mail().code)
    });
    let (answered, left) = (challenges.next().unwrap(), challenges.next().unwrap());
    drop(challenges);
    world.verify(&session, answered.0.expose(), &answered.1).unwrap();
    assert_eq!(world.verify(&session, left.0.expose(), &left.1).unwrap_err(), Denial::TransactionSpent);
    let handle = world.verifier.open_oob_code(&session, left.0.expose()).unwrap();
    let account = world.account();
    let step = world.verifier.cancel(&session, account, &handle, world.now);
    assert!(!step.writes());
    assert_eq!(world.run(step).unwrap_err(), Denial::TransactionSpent);
}

#[test]
fn any_write_prunes() {
    let mut world = World::new(Policy::default());
    world.enroll("user@example.com");
    assert_eq!(world.account().challenges().len(), 1);
    world.pass(86_400);
    world.unlock();
    assert!(world.account().challenges().is_empty());
}

#[test]
fn a_provisioned_address_ends_what_first_factors_had_begun() {
    let mut world = World::new(Policy::default());
    let thief = world.login();
    world.associate(&thief, "thief@example.com").unwrap();
    let id = world.provision("user@example.com").unwrap();
    let left: Vec<_> =
        world.account().authenticators().iter().map(countersign::record::Authenticator::id).collect();
    assert_eq!(left, [id]);
}

#[test]
fn a_removal_tells_of_everything_that_it_removed() {
    let mut world = with_two_addresses(countersign_testkit::policy(|settings| settings.failure_cap = 2));
    let ids: Vec<_> =
        world.account().authenticators().iter().map(countersign::record::Authenticator::id).collect();
    let [first, second] = ids[..] else { panic!("two") };
    let session = world.login();
    let request = ChallengeRequest::default().authenticator(second);
    let challenged = world.challenge_with(&session, &request).unwrap();
    let guess = wrong(&world.mail().code);
    for _ in 0..2 {
        world.verify(&session, challenged.oob_code.expose(), &guess).unwrap_err();
    }
    world.events.clear();
    let elevated = world.elevated();
    world.remove(&elevated, first).unwrap();
    assert!(world.account().authenticators().is_empty(), "the disabled one went with the last active one");
    let removed = world.events.iter().filter(|event| matches!(event, Notice::Removed { .. })).count();
    assert_eq!(removed, 2);
}

#[test]
fn no_challenge_type_at_all_means_any() {
    assert_eq!(ChallengeTypes::parse(" "), ChallengeTypes::ANY);
    assert_eq!(ChallengeTypes::parse("oob  sms"), ChallengeTypes::parse("oob"));
}

#[test]
fn an_unlock_by_a_slow_clock_undoes_no_reset() {
    let mut world = World::new(Policy::default());
    world.enroll("user@example.com");
    world.pass(3_600);
    let (elevated, session) = (world.elevated(), world.login());
    world.pass(60);
    world.reset();
    world.pass(-120);
    world.unlock();
    world.pass(121);
    assert_eq!(world.associate(&session, "thief@example.com").unwrap_err(), Denial::ExpiredToken);
    assert_eq!(world.associate(&elevated, "thief@example.com").unwrap_err(), Denial::ExpiredToken);
}

#[test]
fn an_unlock_by_a_slow_clock_revives_no_spent_transaction() {
    let mut world = World::new(Policy::default());
    let (_, codes) = world.enroll("user@example.com");
    world.pass(3_600);
    let session = world.login();
    world.recover(&session, &codes[0]).unwrap();
    // A node that is ahead drops the entry, a slow one unlocks, and a third still takes the token.
    world.pass(601);
    world.provision("provisioned@example.com").unwrap();
    world.pass(-700);
    world.unlock();
    world.pass(110);
    assert_eq!(world.recover(&session, &codes[1]).unwrap_err(), Denial::ExpiredToken);
}

#[test]
fn an_unlock_lifts_a_bound_that_no_honest_clock_set() {
    let mut world = World::new(Policy::default());
    let (id, _) = world.enroll("user@example.com");
    let real = world.now;
    world.now = datetime!(9000-01-01 0:00 UTC);
    let elevated = world.elevated();
    world.remove(&elevated, id).unwrap();
    world.now = real;
    world.pass(60);
    let session = world.login();
    assert_eq!(world.associate(&session, "user@example.com").unwrap_err(), Denial::ExpiredToken);
    world.unlock();
    world.pass(61);
    let session = world.login();
    assert!(world.associate(&session, "user@example.com").is_ok());
}

#[test]
fn an_unlock_leaves_a_bound_of_one_day_ahead_and_lowers_one_beyond() {
    let after_unlock = |ahead: Duration| {
        let mut world = World::new(Policy::default());
        world.enroll("user@example.com");
        world.now += ahead;
        world.reset();
        let bound =
            || json(&world.store.load(&countersign_testkit::subject()).unwrap())["not_before"].clone();
        let before = bound();
        let step = world
            .verifier
            .unlock(world.store.load(&countersign_testkit::subject()).unwrap(), world.now - ahead);
        let committed = step.commit(|write| world.store.swap(write)).unwrap();
        assert!(committed.done().is_some());
        before == bound()
    };
    assert!(after_unlock(Duration::days(1)));
    assert!(!after_unlock(Duration::days(1) + Duration::MILLISECOND));
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

/// The kinds of the last two notices, and whether their ids differ.
fn last_two_notices(world: &World) -> ([&'static str; 2], bool) {
    let outbox = world.store.outbox.borrow();
    let [.., Descriptor::Notify(one), Descriptor::Notify(other)] = &outbox[..] else { panic!("{outbox:?}") };
    ([one.notice.kind(), other.notice.kind()], one.id != other.id)
}

#[test]
fn notices_of_one_step_have_ids_of_their_own() {
    let mut world = with_two_addresses(countersign_testkit::policy(|settings| {
        settings.failure_cap = 3;
        settings.guess_bucket = Rate::new(3, Duration::hours(1));
    }));
    let session = world.login();
    let challenged = world.challenge(&session).unwrap();
    let guess = wrong(&world.mail().code);
    for _ in 0..3 {
        world.verify(&session, challenged.oob_code.expose(), &guess).unwrap_err();
    }
    // One authenticator, two kinds: whoever sends each id once sends both.
    assert_eq!(last_two_notices(&world), (["notify-disabled", "notify-locked"], true));
    // One kind, two authenticators: the disabled one goes with the last that is active.
    let other = world
        .account()
        .authenticators()
        .iter()
        .find(|known| known.id() != challenged.authenticator)
        .unwrap()
        .id();
    let elevated = world.elevated();
    world.remove(&elevated, other).unwrap();
    assert_eq!(last_two_notices(&world), (["notify-removed", "notify-removed"], true));
    assert!(world.account().authenticators().is_empty());
}
