//! `associate`: who may enroll, what the answer and the message hold, and that a thief with the password stops no
//! enrollment.

use countersign::{
    Denial, Effect, NewFactor, Policy,
    code::RecoveryCode,
    command::Purpose,
    effect::{Delivery, Destination, FactorLabel, Notice},
    factor::{AuthenticatorKind, Setup},
    policy::Rate,
    record::AuthenticatorStatus,
    session::ElevatedScopes,
};
use countersign_testkit::{Need, World, address, email, entropy};
use time::Duration;

use crate::accounts::unknown_recovery_code;

#[test]
fn a_first_enrollment_returns_recovery_codes_and_its_confirmation_completes_the_login() {
    let mut world = World::new(Policy::default());
    assert_eq!(
        Need::from(world.requirements()),
        Need::Enroll(vec![AuthenticatorKind::Email, AuthenticatorKind::Totp])
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
    assert!(world.tokens[0].evidence().amr().eq(["mca"]));
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
fn a_session_that_may_not_enroll_is_told_so_before_anything_of_the_account() {
    let mut world = World::new(Policy::default());
    let mut scopes = ElevatedScopes::ALL;
    scopes.enroll = false;
    let reading = world.elevated_with(scopes);
    world.pass(1);
    world.reset();
    // The account takes no session of that age any more; that one may not enroll comes first.
    assert_eq!(world.associate(&reading, "user@example.com").unwrap_err(), Denial::InsufficientScope);
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
fn a_thief_with_the_password_cannot_stop_an_elevated_enrollment() {
    let mut world = World::new(Policy::default());
    world.enroll("user@example.com");
    world.pass(120);
    for _ in 0..16 {
        let thief = world.login();
        assert_eq!(world.recover(&thief, &unknown_recovery_code()).unwrap_err(), Denial::InvalidRecoveryCode);
    }
    let elevated = world.elevated();
    assert!(world.associate(&elevated, "second@example.com").is_ok());
}

#[test]
fn a_thief_with_the_password_cannot_stop_a_first_enrollment() {
    let mut world = World::new(Policy::auth0());
    for number in 0..16 {
        let thief = world.login();
        world.associate(&thief, &format!("thief.{number}@example.com")).unwrap();
    }
    let session = world.login();
    let associated = world.associate(&session, "user@example.com").unwrap();
    let code = world.mail().code;
    assert!(world.verify(&session, associated.oob_code.expose(), &code).unwrap().completed);
    assert_eq!(world.account().authenticators().len(), 1, "what the thief had begun lapsed");
}

/// L12: the spellings of one domain made two authenticators of one mailbox (RFC 5321 section 2.4: a domain has no case).
#[test]
fn an_address_in_another_case_of_its_domain_is_in_use() {
    let mut world = World::new(Policy::default());
    let (id, _) = world.enroll("user@example.com");
    world.pass(60);
    let elevated = world.elevated();
    for same in ["user@EXAMPLE.com", "user@Example.Com"] {
        assert_eq!(world.associate(&elevated, same).unwrap_err(), Denial::AddressInUse, "{same}");
    }
    assert_eq!(world.account().authenticators().len(), 1);
    // A host that proves the address itself proves the same one, as it is written there.
    assert_eq!(world.provision("user@EXAMPLE.COM").unwrap(), id);
    assert_eq!(world.account().authenticators().len(), 1);
    // The case of a local part is the mailbox's own matter.
    world.associate(&elevated, "User@example.com").unwrap();
    assert_eq!(world.account().authenticators().len(), 2);
}
