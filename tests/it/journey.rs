//! The seed flow, a scene a test: enroll, confirm, challenge, verify, recover, remove.

use countersign::{
    ChallengeRequest, Denial, Policy,
    code::RecoveryCode,
    effect::{Delivery, Destination, FactorLabel, Notice},
    factor::AuthenticatorKind,
    machine::CancelReason,
    record::AuthenticatorStatus,
};
use countersign_testkit::{Need, World, address, code, wrong};
use time::Duration;

#[test]
fn a_first_enrollment_returns_recovery_codes_and_its_confirmation_completes_the_login() {
    let mut world = World::new(Policy::default());
    let account = world.account();
    assert_eq!(
        Need::from(world.verifier.requirements(&account)),
        Need::Enroll(vec![AuthenticatorKind::Email])
    );
    let session = world.login();
    let associated = world.associate(&session, "user@example.com").unwrap();
    assert_eq!(associated.answer.recovery_codes.as_ref().map(Vec::len), Some(10));
    assert_eq!(associated.delivery, Delivery::Sent);
    assert_eq!(associated.expires, world.now + Duration::seconds(300));
    assert_eq!(associated.oob_code.expose().len(), 87);
    let mail = world.mail();
    assert_eq!(mail.to, address("user@example.com"));
    assert_eq!(mail.code.expose().len(), 6);
    assert!(!world.account().is_enrolled(), "an unconfirmed authenticator is no enrollment");
    assert_eq!(
        countersign_testkit::recovery_codes_left(&world.account()),
        0,
        "and its recovery codes are not live"
    );

    let verification = world.verify(&session, associated.oob_code.expose(), &mail.code).unwrap();
    assert!(verification.completed);
    assert_eq!(world.tokens.len(), 1);
    assert!(world.tokens[0].evidence.amr().eq(["mca"]));
    assert_eq!(world.tokens[0].scope.as_str(), "openid");
    assert!(world.account().is_enrolled());
    assert_eq!(countersign_testkit::recovery_codes_left(&world.account()), 10);
    let destination = Destination::Email(address("user@example.com"));
    let label = FactorLabel::Destination(destination.clone());
    assert_eq!(label.destination(), Some(&destination));
    assert_eq!(world.events, [Notice::Added { authenticator: associated.authenticator, label }]);
}

#[test]
fn a_second_associate_with_a_first_factor_is_refused_and_an_elevated_session_may() {
    let mut world = World::new(Policy::default());
    world.enroll("user@example.com");
    let session = world.login();
    assert_eq!(world.associate(&session, "other@example.com").unwrap_err(), Denial::AlreadyEnrolled);
    let elevated = world.elevated();
    let associated = world.associate(&elevated, "other@example.com").unwrap();
    assert!(associated.answer.recovery_codes.is_none(), "the user has recovery codes");
    let mail = world.mail();
    assert_eq!(mail.to, address("other@example.com"));
    let verification = world.verify(&elevated, associated.oob_code.expose(), &mail.code).unwrap();
    assert!(!verification.completed, "an elevated session confirms only");
    assert_eq!(world.tokens.len(), 1);
    let standings = world.verifier.authenticators(
        &elevated,
        &world.store.load(&countersign_testkit::subject()).unwrap(),
        world.now,
    );
    assert!(standings.unwrap().iter().all(|row| row.status == AuthenticatorStatus::Active));
    assert_eq!(world.associate(&elevated, "other@example.com").unwrap_err(), Denial::AddressInUse);
}

#[test]
fn authenticators_lists_masked_rows_and_the_recovery_codes() {
    let mut world = World::new(Policy::default());
    let session = world.login();
    let associated = world.associate(&session, "user@example.com").unwrap();
    let account = world.account();
    let rows = world.verifier.authenticators(&session, &account, world.now).unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(
        (rows[0].status, rows[0].name.as_deref()),
        (AuthenticatorStatus::Unconfirmed, Some("****@exam*******"))
    );
    let mail = world.mail();
    world.verify(&session, associated.oob_code.expose(), &mail.code).unwrap();
    let account = world.account();
    let rows = world.verifier.authenticators(&session, &account, world.now).unwrap();
    assert_eq!(rows.len(), 2, "a spent transaction may still read");
    assert_eq!((rows[0].id, rows[0].status), (associated.authenticator, AuthenticatorStatus::Active));
    assert_eq!(rows[1].id.kind(), AuthenticatorKind::RecoveryCode);
    assert!(rows[1].id.to_string().starts_with("recovery-code|dev_"));
}

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
fn the_mfa_token_lives_to_the_second() {
    let mut world = World::new(Policy::default());
    let token = world.begin();
    world.pass(599);
    assert!(world.verifier.open(token.expose(), None, world.now).is_ok());
    world.pass(1);
    assert_eq!(world.verifier.open(token.expose(), None, world.now), Err(Denial::ExpiredToken));
}

#[test]
fn asking_again_sends_the_same_code_under_the_same_handle() {
    let mut world = World::new(Policy::default());
    world.enroll("user@example.com");
    world.pass(60);
    let session = world.login();
    let first = world.challenge(&session).unwrap();
    world.pass(29);
    let cooling = world.challenge(&session).unwrap();
    assert_eq!(cooling.delivery, Delivery::CoolingDown { until: world.now + Duration::seconds(1) });
    assert_eq!(cooling.oob_code.expose(), first.oob_code.expose());
    world.pass(1);
    let swaps = *world.store.swaps.borrow();
    let second = world.challenge(&session).unwrap();
    assert_eq!(second.delivery, Delivery::Sent);
    assert_eq!(*world.store.swaps.borrow(), swaps + 1);
    assert_eq!(second.oob_code.expose(), first.oob_code.expose());
    assert_eq!(second.expires, first.expires);
    let [.., earlier, later] = &world.mails[..] else { panic!("two messages") };
    assert_eq!(earlier.code.expose(), later.code.expose());
    assert_ne!(earlier.id, later.id);
    // With less than half of its life left a new challenge takes its place.
    world.pass(121);
    let third = world.challenge(&session).unwrap();
    assert_ne!(third.oob_code.expose(), first.oob_code.expose());
    let right = world.mail().code;
    let old = world.verify(&session, first.oob_code.expose(), &right).unwrap_err();
    assert_eq!(old, Denial::ChallengeCancelled(CancelReason::Superseded));
    assert!(world.verify(&session, third.oob_code.expose(), &right).is_ok());
}

#[test]
fn rotating_sends_a_new_code_under_the_same_handle() {
    let mut world = World::new(countersign_testkit::policy(|settings| {
        settings.resend = countersign::policy::Resend::Rotate
    }));
    world.enroll("user@example.com");
    world.pass(60);
    let session = world.login();
    let first = world.challenge(&session).unwrap();
    let old = world.mail().code;
    world.pass(30);
    let second = world.challenge(&session).unwrap();
    assert_eq!(second.oob_code.expose(), first.oob_code.expose());
    assert_eq!(second.expires, first.expires);
    let new = world.mail().code;
    assert_ne!(old.expose(), new.expose());
    assert!(world.verify(&session, first.oob_code.expose(), &old).is_err());
    assert!(world.verify(&session, first.oob_code.expose(), &new).is_ok());
}

#[test]
fn associating_the_same_address_again_resends_the_same_code_and_recovery_codes() {
    let mut world = World::new(Policy::default());
    let session = world.login();
    let first = world.associate(&session, "user@example.com").unwrap();
    world.pass(30);
    let second = world.associate(&session, "user@example.com").unwrap();
    assert_eq!(first.authenticator, second.authenticator);
    assert_eq!(first.oob_code.expose(), second.oob_code.expose());
    let shown = |codes: Option<Vec<RecoveryCode>>| -> Vec<String> {
        codes.unwrap().iter().map(|code| code.expose().to_owned()).collect()
    };
    assert_eq!(shown(first.answer.recovery_codes), shown(second.answer.recovery_codes));
    assert_eq!(world.account().authenticators().len(), 1);
}

#[test]
fn a_recovery_code_is_used_once_and_consumed() {
    let mut world = World::new(Policy::default());
    let (_, codes) = world.enroll("user@example.com");
    let session = world.login();
    let recovered = world.recover(&session, &codes[3]).unwrap();
    assert_eq!((recovered.remaining, recovered.replacement.is_none()), (9, true));
    assert_eq!(world.tokens.len(), 2);
    assert!(world.tokens[1].evidence.amr().next().is_none());
    let session = world.login();
    assert_eq!(world.recover(&session, &codes[3]).unwrap_err(), Denial::InvalidRecoveryCode);
    assert!(world.recover(&session, &codes[4]).is_ok());
}

#[test]
fn a_recovery_code_is_replaced_and_the_answer_can_be_asked_for_again() {
    let mut world = World::new(Policy::auth0());
    let (_, codes) = world.enroll("user@example.com");
    assert_eq!(codes.len(), 1);
    let session = world.login();
    let first = world.recover(&session, &codes[0]).unwrap();
    let next = first.replacement.unwrap();
    assert_eq!(first.remaining, 1);
    let swaps = *world.store.swaps.borrow();
    let again = world.recover(&session, &codes[0]).unwrap();
    assert_eq!(
        again.replacement.unwrap().expose(),
        next.expose(),
        "an answer that was lost can be had again"
    );
    assert_eq!((first.repeated, again.repeated), (false, true));
    assert_eq!(again.evidence, first.evidence);
    assert_eq!(*world.store.swaps.borrow(), swaps, "without a write");
    let [.., one, two] = &world.tokens[..] else { panic!("two effects") };
    assert_eq!(one, two, "of one token");
    assert_eq!(world.recover(&session, &next).unwrap_err(), Denial::TransactionSpent);
    let session = world.login();
    assert_eq!(world.recover(&session, &codes[0]).unwrap_err(), Denial::InvalidRecoveryCode);
    assert!(world.recover(&session, &next).is_ok());
}

#[test]
fn regenerating_replaces_the_whole_set() {
    let mut world = World::new(Policy::default());
    let (_, old) = world.enroll("user@example.com");
    world.pass(1);
    let stale = world.login();
    let elevated = world.elevated();
    let account = world.account();
    let step = world.verifier.regenerate_recovery_codes(
        &elevated,
        account,
        world.now,
        &countersign_testkit::entropy(&mut world.rng),
    );
    let new = world.run(step).unwrap();
    assert_eq!(new.len(), 10);
    assert!(matches!(world.events.last(), Some(Notice::RecoveryRegenerated { .. })));
    assert_eq!(world.recover(&stale, &new[0]).unwrap_err(), Denial::ExpiredToken);
    world.pass(1);
    let session = world.login();
    assert_eq!(world.recover(&session, &old[0]).unwrap_err(), Denial::InvalidRecoveryCode);
    assert!(world.recover(&session, &new[9]).is_ok());
}

#[test]
fn removing_the_last_authenticator_ends_the_enrollment() {
    let mut world = World::new(Policy::default());
    let (id, codes) = world.enroll("user@example.com");
    world.pass(60);
    let old = world.login();
    let elevated = world.elevated();
    world.remove(&elevated, id).unwrap();
    assert!(matches!(world.events.last(), Some(Notice::Removed { .. })));
    assert!(!world.account().is_enrolled());
    assert_eq!(world.remove(&elevated, id).unwrap_err(), Denial::UnknownAuthenticator);
    assert_eq!(
        world.recover(&old, &codes[0]).unwrap_err(),
        Denial::ExpiredToken,
        "older sessions are refused"
    );
    world.pass(60);
    let session = world.login();
    assert_eq!(world.recover(&session, &codes[0]).unwrap_err(), Denial::NotEnrolled);
    assert_eq!(world.challenge(&session).unwrap_err(), Denial::NotEnrolled);
    let again = world.associate(&session, "user@example.com").unwrap();
    assert!(again.answer.recovery_codes.is_some(), "a first enrollment again");
}

#[test]
fn a_challenge_can_be_given_up() {
    let mut world = World::new(Policy::default());
    world.enroll("user@example.com");
    world.pass(60);
    let session = world.login();
    let challenged = world.challenge(&session).unwrap();
    let right = world.mail().code;
    let handle = world.verifier.open_oob_code(&session, challenged.oob_code.expose()).unwrap();
    let account = world.account();
    let step = world.verifier.cancel(&session, account, &handle, world.now);
    world.run(step).unwrap();
    let denied = world.verify(&session, challenged.oob_code.expose(), &right).unwrap_err();
    assert_eq!(denied, Denial::ChallengeCancelled(CancelReason::Requested));
    let denied = world.challenge(&session).unwrap_err();
    assert_eq!(
        denied,
        Denial::CoolingDown { until: world.now + Duration::seconds(30) },
        "the cool-down stays"
    );
    let account = world.account();
    let step = world.verifier.cancel(&session, account, &handle, world.now);
    assert_eq!(world.run(step).unwrap_err(), Denial::ChallengeCancelled(CancelReason::Requested));
}

#[test]
fn a_failed_message_lifts_the_cool_down_once_and_never_the_budget() {
    let mut world = World::new(Policy::default());
    world.enroll("user@example.com");
    world.pass(600);
    let session = world.login();
    world.challenge(&session).unwrap();
    let failed = world.mail().id;
    let report = |world: &mut World| {
        let account = world.account();
        let failure = countersign::effect::DeliveryReport::Failed;
        let step = world.verifier.report_delivery(account, failed, failure, world.now);
        world.run(step).unwrap()
    };
    assert!(report(&mut world));
    assert!(!report(&mut world), "once");
    assert_eq!(world.challenge(&session).unwrap().delivery, Delivery::Sent);
    assert!(!report(&mut world), "an old message says nothing of the new one");
    assert!(matches!(world.challenge(&session).unwrap().delivery, Delivery::CoolingDown { .. }));
}

#[test]
fn provisioned_addresses_are_factors_without_an_enrollment() {
    let mut world = World::new(Policy::default());
    let id = world.provision("user@example.com").unwrap();
    assert_eq!(world.provision("user@example.com").unwrap(), id);
    assert!(world.account().is_enrolled());
    assert!(world.sign_in().unwrap().completed);
    let elevated = world.elevated();
    assert_eq!(world.remove(&elevated, id).unwrap_err(), Denial::ProvisionedAuthenticator);
    let moved = world.provision("new@example.com").unwrap();
    assert_ne!(moved, id);
    assert_eq!(world.account().authenticators().len(), 1);
    world.deprovision("new@example.com").unwrap();
    assert!(world.account().is_enrolled(), "losing an address opens no door");
    let session = world.login();
    assert_eq!(world.associate(&session, "thief@example.com").unwrap_err(), Denial::AlreadyEnrolled);
    assert_eq!(world.challenge(&session).unwrap_err(), Denial::UnsupportedChallengeType);
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

#[test]
fn a_reset_drops_everything_but_the_ledger() {
    let mut world = World::new(Policy::default());
    world.enroll("user@example.com");
    let elevated = world.elevated();
    let session = world.login();
    world.reset();
    assert!(!world.account().is_enrolled());
    assert!(world.account().authenticators().is_empty());
    assert_eq!(world.associate(&session, "a@example.com").unwrap_err(), Denial::ExpiredToken);
    assert_eq!(world.associate(&elevated, "a@example.com").unwrap_err(), Denial::ExpiredToken);
    world.pass(1);
    let session = world.login();
    assert!(world.associate(&session, "a@example.com").is_ok());
}

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
