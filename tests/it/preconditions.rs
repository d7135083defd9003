//! Each precondition in isolation: one failing condition is enough to refuse, skip or report.

use countersign::{
    BindingCode, ChallengeRequest, Denial, Policy, Session, Verifier,
    command::{ChallengeTypes, Purpose},
    effect::{Channel, Notice},
    factor::AuthenticatorKind,
    policy::FactorUse,
};
use countersign_testkit::{Need, World, email, json, keys, policy, wrong};
use time::Duration;

const ADDRESS: &str = "user@example.com";

/// Wrong codes for the only address, each in a login of its own.
fn guess_wrong(world: &mut World, times: usize) {
    for _ in 0..times {
        world.pass(120);
        let session = world.login();
        let challenged = world.challenge(&session).unwrap();
        let code = wrong(&world.mail().code);
        let refused = world.verify(&session, challenged.oob_code.expose(), &code);
        assert!(matches!(refused, Err(Denial::InvalidBindingCode { .. })), "{refused:?}");
    }
}

#[test]
fn an_address_that_may_not_authenticate_is_no_way_to_complete_a_login() {
    let mut world = World::new(Policy::default());
    world.enroll(ADDRESS);
    let both = vec![AuthenticatorKind::Email, AuthenticatorKind::RecoveryCode];
    let account = world.account();
    assert_eq!(Need::from(world.verifier.requirements(&account)), Need::Challenge(both));
    let confirm_only =
        Verifier::new(keys(), policy(|settings| settings.factors.email = FactorUse::ConfirmOnly));
    let recovery = vec![AuthenticatorKind::RecoveryCode];
    assert_eq!(Need::from(confirm_only.requirements(&account)), Need::Challenge(recovery));
}

#[test]
fn of_two_unconfirmed_addresses_the_one_that_is_named_goes() {
    let mut world = World::new(Policy::default());
    let session = world.elevated();
    let one = world.associate(&session, "one@example.com").unwrap().authenticator;
    let two = world.associate(&session, "two@example.com").unwrap().authenticator;
    world.remove(&session, one).unwrap();
    let left: Vec<_> = world.account().authenticators().iter().map(|known| known.id()).collect();
    assert_eq!(left, [two]);
}

#[test]
fn a_named_authenticator_is_no_way_around_the_types_that_were_asked_for() {
    let mut world = World::new(Policy::default());
    let (id, _) = world.enroll(ADDRESS);
    world.pass(60);
    let session = world.login();
    let asking = |types| ChallengeRequest::default().authenticator(id).types(types);
    let request = asking(ChallengeTypes::parse("otp"));
    assert_eq!(world.challenge_with(&session, &request).unwrap_err(), Denial::UnsupportedChallengeType);
    assert!(world.challenge_with(&session, &asking(ChallengeTypes::ANY)).is_ok());
}

#[test]
fn a_clock_is_said_to_disagree_beyond_a_minute_and_not_at_one() {
    let disagreements = |behind: Duration| {
        let mut world = World::new(Policy::default());
        world.enroll(ADDRESS);
        world.events.clear();
        world.now -= behind;
        world.provision("other@example.com").unwrap();
        world.events.iter().filter(|event| matches!(event, Notice::ClockDisagrees { .. })).count()
    };
    assert_eq!(disagreements(Duration::ZERO), 0);
    assert_eq!(disagreements(Duration::minutes(1)), 0);
    assert_eq!(disagreements(Duration::minutes(1) + Duration::MILLISECOND), 1);
}

#[test]
fn an_address_that_is_provisioned_already_changes_nothing() {
    let mut world = World::new(Policy::default());
    world.provision(ADDRESS).unwrap();
    let account = world.account();
    let step = world.verifier.provision(
        account,
        &email(ADDRESS),
        world.now,
        &countersign_testkit::entropy(&mut world.rng),
    );
    assert!(!step.writes());
}

#[test]
fn failures_move_to_the_address_that_takes_the_place_and_to_no_other() {
    let mut world = World::new(Policy::default());
    world.provision("old@example.com").unwrap();
    guess_wrong(&mut world, 2);
    for to in ["other@example.com", "new@example.com"] {
        world.pass(120);
        let session = world.elevated();
        let associated = world.associate(&session, to).unwrap();
        let code = world.mail().code;
        world.verify(&session, associated.oob_code.expose(), &code).unwrap();
    }
    world.provision("new@example.com").unwrap();
    let account = json(&world.account());
    let failures = |to: &str| {
        let all = account["authenticators"].as_array().unwrap();
        let found = all.iter().find(|known| known["factor"].to_string().contains(to)).unwrap();
        found["failures"].as_u64().unwrap()
    };
    assert_eq!((failures("new@example.com"), failures("other@example.com")), (2, 0));
}

#[test]
fn an_account_whose_only_factor_is_disabled_gets_no_new_recovery_codes() {
    let mut world = World::new(policy(|settings| settings.failure_cap = 2));
    world.enroll(ADDRESS);
    guess_wrong(&mut world, 2);
    let session = world.elevated();
    let account = world.account();
    assert!(account.is_enrolled());
    let step = world.verifier.regenerate_recovery_codes(
        &session,
        account,
        world.now,
        &countersign_testkit::entropy(&mut world.rng),
    );
    assert_eq!(world.run(step).unwrap_err(), Denial::NotEnrolled);
}

/// Two elevated sessions that each began to enroll an address.
fn two_enrollments(world: &mut World, [one, two]: [&str; 2]) -> [(Session, String, BindingCode); 2] {
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
    let [one, two] = two_enrollments(&mut world, [ADDRESS; 2]);
    world.verify(&one.0, &one.1, &one.2).unwrap();
    let before = world.account();
    assert_eq!(world.verify(&two.0, &two.1, &two.2).unwrap_err(), Denial::AddressInUse);
    assert_eq!(world.account(), before);
}

#[test]
fn no_two_sessions_confirm_more_authenticators_than_the_policy_allows() {
    let mut world = World::new(policy(|settings| settings.max_authenticators = 1));
    let [one, two] = two_enrollments(&mut world, ["one@example.com", "two@example.com"]);
    world.verify(&one.0, &one.1, &one.2).unwrap();
    let before = world.account();
    assert_eq!(world.verify(&two.0, &two.1, &two.2).unwrap_err(), Denial::TooManyAuthenticators);
    assert_eq!(world.account(), before);
}

#[test]
fn a_disabled_authenticator_is_no_way_to_complete_a_login() {
    let mut world = World::new(policy(|settings| settings.failure_cap = 1));
    world.enroll(ADDRESS);
    guess_wrong(&mut world, 1);
    let account = world.account();
    let needed = world.verifier.requirements(&account);
    assert!(needed.enrolled);
    assert_eq!(needed.challenge, [AuthenticatorKind::RecoveryCode]);
}

#[test]
fn a_disabled_authenticator_is_the_reason_where_the_client_could_have_used_it() {
    let mut world = World::new(policy(|settings| settings.failure_cap = 1));
    world.enroll(ADDRESS);
    guess_wrong(&mut world, 1);
    world.pass(120);
    let session = world.login();
    assert_eq!(world.challenge(&session).unwrap_err(), Denial::AuthenticatorDisabled);
    let by_app = ChallengeRequest::default().types(ChallengeTypes::parse("otp"));
    assert_eq!(world.challenge_with(&session, &by_app).unwrap_err(), Denial::UnsupportedChallengeType);
}

#[test]
fn a_request_keeps_what_it_was_told() {
    let id = "email|dev_0123456789ABCDef".parse().unwrap();
    let types = ChallengeTypes::parse("oob");
    let asked = ChallengeRequest::default().authenticator(id).channel(Channel::Email).types(types);
    let told = (asked.purpose, asked.authenticator, asked.channel, asked.types);
    assert_eq!(told, (Purpose::Authenticate, Some(id), Some(Channel::Email), types));
}
