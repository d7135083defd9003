//! `challenge`: what a request may ask for, and which authenticator answers it.

use countersign::{
    ChallengeRequest, Denial, Policy,
    command::{ChallengeTypes, Purpose},
    effect::Channel,
};
use countersign_testkit::{World, locking};

use crate::accounts::guess_wrong;

#[test]
fn a_request_keeps_what_it_was_told() {
    let id = "email|dev_0123456789ABCDef".parse().unwrap();
    let types = ChallengeTypes::parse("oob");
    let asked = ChallengeRequest::default().authenticator(id).channel(Channel::Email).types(types);
    let told = (asked.purpose, asked.authenticator, asked.channel, asked.types);
    assert_eq!(told, (Purpose::Authenticate, Some(id), Some(Channel::Email), types));
}

#[test]
fn no_challenge_type_at_all_means_any() {
    assert_eq!(ChallengeTypes::parse(" "), ChallengeTypes::ANY);
    assert_eq!(ChallengeTypes::parse("oob  sms"), ChallengeTypes::parse("oob"));
}

#[test]
fn a_named_authenticator_is_no_way_around_the_types_that_were_asked_for() {
    let mut world = World::new(Policy::default());
    let (id, _) = world.enroll("user@example.com");
    world.pass(60);
    let session = world.login();
    let asking = |types| ChallengeRequest::default().authenticator(id).types(types);
    let request = asking(ChallengeTypes::parse("otp"));
    assert_eq!(world.challenge_with(&session, &request).unwrap_err(), Denial::UnsupportedChallengeType);
    assert!(world.challenge_with(&session, &asking(ChallengeTypes::ANY)).is_ok());
}

#[test]
fn a_disabled_authenticator_is_the_reason_where_the_client_could_have_used_it() {
    let mut world = World::new(locking(|settings| settings.failure_cap = 1));
    world.enroll("user@example.com");
    guess_wrong(&mut world, 1);
    world.pass(120);
    let session = world.login();
    assert_eq!(world.challenge(&session).unwrap_err(), Denial::AuthenticatorDisabled);
    let by_app = ChallengeRequest::default().types(ChallengeTypes::parse("otp"));
    assert_eq!(world.challenge_with(&session, &by_app).unwrap_err(), Denial::UnsupportedChallengeType);
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
