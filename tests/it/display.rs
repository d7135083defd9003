//! What the library's values say of themselves: accessors, texts and `Debug`. What must not show is in `redaction.rs`.

use std::fmt::{Debug, Display};

use countersign::{
    Account, BindingCode, ChallengeRequest, Denial, EmailAddress, Key, KeyRing, Policy,
    address_proof::ProofPolicy,
    code::RecoveryCode,
    command::{ChallengeTypes, Label},
    effect::Destination,
    factor::{AddressError, InvalidAuthenticatorId},
    keys::KeyError,
    machine::{ChallengeState, Enrollment, IllegalTransition},
    session::ClientId,
};
use countersign_testkit::{Proving, START, World, address, client, code, elevation, json, keys, subject};
use serde_json::Value;
use time::{Duration, OffsetDateTime};

fn debug(value: &impl Debug) -> String {
    format!("{value:?}")
}

fn text(value: &impl Display) -> String {
    value.to_string()
}

/// A world with one confirmed authenticator and a challenge that waits.
fn challenged() -> (World, Account) {
    let mut world = World::new(Policy::default());
    world.enroll("user@example.com");
    world.pass(3600);
    let session = world.login();
    world.challenge(&session).unwrap();
    let account = world.account();
    (world, account)
}

#[test]
fn ids_show_the_text_of_their_stored_form() {
    let (world, account) = challenged();
    let stored = json(&account);
    let challenge = account.challenges().last().unwrap();
    let written = stored["challenges"].as_array().unwrap().last().unwrap();
    assert_eq!(Value::from(debug(&challenge.id())), written["id"]);
    assert_eq!(Value::from(debug(&challenge.authenticator())), written["authenticator"]);
    assert_eq!(text(&challenge.authenticator()), debug(&challenge.authenticator()));
    assert_ne!(challenge.id().as_bytes(), &[0; 16]);
    assert_eq!(challenge.deadline(), world.mail().expires);

    let mail = world.mail();
    assert_eq!(text(&mail.id).len(), 22);
    assert_eq!(debug(&mail.id), text(&mail.id));
    let descriptor = world.store.outbox.borrow().last().unwrap().clone();
    assert_eq!(descriptor.id(), mail.id);
    assert_eq!(debug(&mail.destination_key).len(), "DestinationKey()".len() + 22);
    assert!(debug(&mail.destination_key).starts_with("DestinationKey("));
    assert_ne!(debug(&mail.id), debug(&world.mails[0].id));

    let [transaction, another] = [1, 2].map(|number| elevation(&account, number, START).transaction());
    assert_eq!(debug(&transaction).len(), 22);
    assert_ne!(debug(&transaction), debug(&another));
    let epoch = account.epoch();
    assert_eq!((text(&epoch), epoch.as_i64()), (epoch.get().to_string(), START.unix_timestamp()));
    assert_eq!(text(&account.revision()), account.revision().get().to_string());
}

#[test]
fn a_pending_challenge_counts_its_messages() {
    let (_, account) = challenged();
    let ChallengeState::Pending(pending) = account.challenges().last().unwrap().state() else { panic!() };
    assert_eq!((pending.generation(), pending.sends()), (0, 1));
    let mut world = World::new(countersign_testkit::policy(|settings| {
        settings.resend = countersign::policy::Resend::Rotate
    }));
    world.enroll("user@example.com");
    world.pass(3600);
    let session = world.login();
    for messages in 1..=3 {
        world.challenge(&session).unwrap();
        world.pass(61);
        let account = world.account();
        let ChallengeState::Pending(pending) = account.challenges().last().unwrap().state() else { panic!() };
        assert_eq!((pending.generation(), pending.sends()), (messages - 1, messages));
    }
}

#[test]
fn an_authenticator_says_when_it_was_made_and_used() {
    let mut world = World::new(Policy::default());
    let (id, codes) = world.enroll("user@example.com");
    let account = world.account();
    assert_eq!(account.subject(), &subject());
    assert_eq!(usize::from(world.verifier.recovery_codes_left(&account)), codes.len());
    let authenticator = &account.authenticators()[0];
    assert_eq!(authenticator.id(), id);
    assert_eq!(authenticator.created(), START);
    assert_eq!(authenticator.failures(), 0);
    assert_eq!(authenticator.factor().destination(), Some(Destination::Email(address("user@example.com"))));
    assert!(!matches!(authenticator.enrollment(), Enrollment::Unconfirmed(_)));
    world.pass(3600);
    world.sign_in().unwrap();
    let account = world.account();
    assert_eq!(account.authenticators()[0].last_used(), Some(world.now));
    assert_eq!(account.authenticators()[0].created(), START);
    let session = world.login();
    let challenged = world.challenge(&session);
    world.pass(60);
    let challenged = challenged.or_else(|_| world.challenge(&session)).unwrap();
    let bad = countersign_testkit::wrong(&world.mail().code);
    world.verify(&session, challenged.oob_code.expose(), &bad).unwrap_err();
    assert_eq!(world.account().authenticators()[0].failures(), 1);
}

#[test]
fn a_session_says_whose_it_is_and_how_long() {
    let mut world = World::new(Policy::default());
    let session = world.login();
    assert_eq!(session.subject(), &subject());
    assert_eq!(session.client(), Some(&client()));
    assert!(!session.is_elevated());
    assert_eq!(session.begun(), START);
    assert!(session.expires() > session.begun());
    let elevated = world.elevated();
    assert!(elevated.is_elevated());
    assert_eq!((elevated.begun(), elevated.expires()), (START, START + Duration::hours(1)));
    assert_ne!(session.transaction().as_bytes(), elevated.transaction().as_bytes());
    assert_eq!(world.audits.len(), 0);
    world.enroll("user@example.com");
    assert_eq!(world.audits.last().unwrap().at(), world.now);
}

#[test]
fn a_proof_of_an_address_says_what_it_holds() {
    let mut proving = Proving::new(ProofPolicy::default());
    proving.ask(countersign::address_proof::ProofPurpose::Confirm);
    let record = &proving.record;
    assert_eq!((record.subject(), record.address()), (&subject(), Some(&address(Proving::ADDRESS))));
    assert_eq!(json(record)["revision"], record.revision().get());
    assert_eq!(proving.verifier.policy(), &ProofPolicy::default());
    let message = proving.letter().message;
    assert!(message.content.code().is_none());
    assert!(proving.outbox[0].id().to_string().len() == 22);
}

#[test]
fn an_audit_event_says_whether_a_code_was_compared() {
    let (mut world, _) = challenged();
    let evaluated = |world: &World| world.audits.last().map(|audit| (audit.evaluated, audit.denial));
    assert_eq!(evaluated(&world), Some((false, None)), "a challenge compares nothing");
    world.pass(60);
    let session = world.login();
    let oob_code = world.challenge(&session).unwrap().oob_code;
    let right = world.mail().code;
    world.verify(&session, oob_code.expose(), &code("12345678")).unwrap_err();
    assert_eq!(evaluated(&world), Some((false, Some("malformed_code"))), "it can't be the code");
    world.verify(&session, oob_code.expose(), &countersign_testkit::wrong(&right)).unwrap_err();
    assert_eq!(evaluated(&world), Some((true, Some("invalid_binding_code"))));
    world.verify(&session, oob_code.expose(), &right).unwrap();
    assert_eq!(evaluated(&world), Some((true, None)), "right codes count among those that were compared");
    world.verify(&session, oob_code.expose(), &right).unwrap_err();
    assert_eq!(evaluated(&world), Some((false, Some("oob_code_used"))));
}

#[test]
fn secrets_show_their_type_alone() {
    let mut world = World::new(Policy::default());
    assert_eq!(debug(&world.begin()), "MfaToken(..)");
    assert_eq!(debug(&code("123456")), "BindingCode(..)");
    let mut proving = Proving::new(ProofPolicy::default());
    proving.ask(countersign::address_proof::ProofPurpose::Reset);
    let letter = proving.letter();
    assert_eq!(
        (debug(&letter.token), debug(&letter.code)),
        ("LinkToken(..)".into(), "BindingCode(..)".into())
    );
    assert_eq!(debug(&countersign::wire::Secret::from("a token")), "Secret(..)");
    let (_, codes) = world.enroll("user@example.com");
    assert_eq!(debug(&codes[0]), "RecoveryCode(..)");
    world.pass(3600);
    let session = world.login();
    assert_eq!(debug(&world.challenge(&session).unwrap().oob_code), "OobCode(..)");
    assert_eq!(debug(&address("user@example.com")), address("user@example.com").masked());
    let key = Key::new(&[3; 32]).unwrap();
    assert_eq!(debug(&key), "Key(..)");
    assert_eq!(debug(&keys()), "KeyRing { context: \"tests\", transient: [qnuBbQ], durable: [7IOf4g] }");
    let account = world.account();
    let shown = debug(&account);
    assert!(shown.contains("seed: Seed(..)") && shown.contains("Tag(..)"), "{shown}");

    let step = world.verifier.unlock(account, world.now);
    assert_eq!(debug(&step), format!("Step {{ writes: {}, .. }}", step.writes()));
    assert_eq!(debug(&step.into_parts().1), "Sealed(..)");
}

#[test]
fn errors_say_what_is_wrong() {
    let address_error = |text: &str| EmailAddress::parse(text).unwrap_err();
    assert_eq!(text(&address_error("no-at")), "the address is not of the form name@domain");
    assert_eq!(
        text(&AddressError::TooLong),
        "the address is longer than 254 bytes, its local part than 64, or a label than 63"
    );
    assert_eq!(text(&AddressError::NotNormalized), "the address is not in Unicode's Normalization Form C");
    assert_eq!(
        text(&AddressError::ForbiddenCharacter),
        "the address contains a character that no address may have"
    );
    assert_eq!(text(&IllegalTransition), "the machine has no such transition");
    assert_eq!(text(&InvalidAuthenticatorId), "not an authenticator id");
    assert_eq!(text(&Denial::WrongClient), "the mfa_token was issued to another client");
    assert_eq!(
        (Denial::WrongClient.code(), Denial::WrongClient.message()),
        ("wrong_client", &*text(&Denial::WrongClient))
    );
    assert_eq!(text(&BindingCode::parse("x").unwrap_err()), "the code contains a character that no code has");
    assert_eq!(text(&BindingCode::parse("1").unwrap_err()), "the code has the wrong number of characters");
    assert_eq!(text(&RecoveryCode::parse(&"A".repeat(2000)).unwrap_err()), "the code is far too long");
    assert_eq!(text(&Key::new(&[1]).unwrap_err()), "a key has 32 to 1,024 bytes");
    let id = Key::new(&[0x11; 32]).unwrap().transient_id("tests");
    assert_eq!(
        text(&KeyError::IdCollision(id)),
        "two keys of one class have the id qnuBbQ: generate another key"
    );
    assert_eq!(text(&KeyError::ReusedSecret), "the same secret was given as two keys");
    assert_eq!(text(&KeyError::TooManyKeys), "a class holds one current key and at most two others");
    let key = |byte| Key::new(&[byte; 32]).unwrap();
    let long = KeyRing::new(&"x".repeat(256), key(1), key(2)).unwrap_err();
    assert_eq!(text(&long), "the context is longer than 255 bytes");
    assert!(text(&ClientId::new("").unwrap_err()).ends_with(" is empty"));
    assert!(text(&ClientId::new("a\n").unwrap_err()).ends_with("contains a control character"));
    assert!(text(&Label::new("A").unwrap_err()).ends_with("contains a character outside [a-z0-9_-]"));
    let long = "a".repeat(ClientId::MAX_BYTES + 1);
    let bound = format!("is longer than {} bytes", ClientId::MAX_BYTES);
    assert!(text(&ClientId::new(&long).unwrap_err()).ends_with(&bound));
    assert_eq!((text(&client()), debug(&client())), ("client-1".to_owned(), "\"client-1\"".to_owned()));
    let mut settings = countersign::policy::Settings::default();
    settings.token_lifetime = Duration::ZERO;
    let refused = Policy::new(settings).unwrap_err();
    assert_eq!(refused.setting(), "token_lifetime");
    assert!(text(&refused).starts_with("token_lifetime is out of range: it takes "), "{refused}");
}

#[test]
fn denials_say_whether_time_helps() {
    let until = OffsetDateTime::UNIX_EPOCH;
    assert_eq!(Denial::Locked { until }.retry_at(), Some(until));
    assert_eq!(Denial::TooManySends { until }.retry_at(), Some(until));
    assert_eq!(Denial::CoolingDown { until }.retry_at(), Some(until));
    assert_eq!(Denial::TooManyRecoveryAttempts { until: Some(until) }.retry_at(), Some(until));
    assert_eq!(Denial::TooManyRecoveryAttempts { until: None }.retry_at(), None);
    assert_eq!(Denial::WrongClient.retry_at(), None);
    assert!(Denial::WrongRecord.is_misuse() && !Denial::WrongClient.is_misuse());
    assert!(Denial::InvalidRecoveryCode.is_counted() && !Denial::MalformedCode.is_counted());
    assert!(!Denial::InvalidLongCode.is_counted() && !Denial::FourCodesRequired.is_counted());
    assert!(Denial::InvalidBindingCode { attempts_left: 1 }.is_counted());
    assert!(!Denial::InvalidAddressProof.is_counted() && !Denial::InvalidAddressProof.is_misuse());
    assert_eq!(Denial::InvalidAddressProof.code(), "invalid_address_proof");
    assert_ne!(debug(&ChallengeRequest::default().types), debug(&ChallengeTypes::parse("otp")));
}

#[test]
fn a_malformed_code_becomes_a_denial_by_itself() {
    fn binding(text: &str) -> Result<BindingCode, Denial> {
        Ok(BindingCode::parse(text)?)
    }
    fn recovery(text: &str) -> Result<RecoveryCode, Denial> {
        Ok(RecoveryCode::parse(text)?)
    }
    for text in ["12345", "12345O", &"1".repeat(257)] {
        assert_eq!(binding(text).map(drop), Err(Denial::MalformedCode), "{text:?}");
        assert_eq!(recovery(text).map(drop), Err(Denial::MalformedCode), "{text:?}");
    }
    assert_eq!(binding("123 456").map(|code| code.length()), Ok(6));
}

#[test]
fn kinds_have_their_names_on_the_wire() {
    assert_eq!(countersign::factor::AuthenticatorKind::Email.as_str(), "email");
    assert_eq!(countersign::factor::AuthenticatorKind::RecoveryCode.as_str(), "recovery-code");
}
