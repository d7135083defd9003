//! Key rotation: what an older key made still verifies, what is new hangs on the new key, and a key that left the
//! ring takes what it made with it.

use countersign::{Denial, Key, KeyRing, Policy, Resend, Verifier};
use countersign_testkit::{World, wrong};
use time::Duration;

const TRANSIENT: [(u8, u8); 2] = [(1, 0x11), (2, 0x33)];
const DURABLE: [(u8, u8); 2] = [(1, 0x22), (2, 0x44)];

fn key((id, byte): (u8, u8)) -> Key {
    Key::new(id, &[byte; 32]).unwrap()
}

/// The ring before a rotation, with it, and after the old keys are retired.
fn ring(stage: usize) -> KeyRing {
    match stage {
        0 => KeyRing::new("tests", key(TRANSIENT[0]), key(DURABLE[0])).unwrap(),
        1 => KeyRing::new("tests", key(TRANSIENT[1]), key(DURABLE[1]))
            .and_then(|ring| ring.with_older_transient(key(TRANSIENT[0])))
            .and_then(|ring| ring.with_older_durable(key(DURABLE[0])))
            .unwrap(),
        _ => KeyRing::new("tests", key(TRANSIENT[1]), key(DURABLE[1])).unwrap(),
    }
}

fn rotate(world: &mut World, stage: usize) {
    world.verifier = Verifier::new(ring(stage), world.verifier.policy().clone());
}

/// The key id that stands in a token or a handle: the second byte, in symbols two and three.
fn key_id(text: &str) -> u8 {
    let value = |symbol: u8| -> u8 {
        let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        u8::try_from(alphabet.iter().position(|known| *known == symbol).unwrap()).unwrap()
    };
    let bytes = text.as_bytes();
    (value(bytes[1]) << 4) | (value(bytes[2]) >> 2)
}

#[test]
fn old_tokens_and_challenges_verify_while_their_key_is_in_the_ring() {
    let mut world = World::new(Policy::default());
    world.enrol("user@example.com");
    world.pass(60);
    let old_token = world.begin();
    let session = world.login();
    let challenged = world.challenge(&session).unwrap();
    let code = world.mail().code;
    assert_eq!((key_id(old_token.expose()), key_id(challenged.oob_code.expose())), (1, 1));

    rotate(&mut world, 1);
    assert!(world.verifier.open(old_token.expose(), None, world.now).is_ok());
    let denied = world.verify(&session, challenged.oob_code.expose(), &wrong(&code));
    assert_eq!(denied.unwrap_err(), Denial::InvalidBindingCode { attempts_left: 4 });
    assert!(world.verify(&session, challenged.oob_code.expose(), &code).unwrap().completed);
    let new_token = world.begin();
    let session = world.login();
    let challenged = world.challenge(&session).unwrap();
    assert_eq!((key_id(new_token.expose()), key_id(challenged.oob_code.expose())), (2, 2));
}

#[test]
fn a_resend_keeps_the_key_of_its_challenge() {
    for resend in [Resend::Repeat, Resend::Rotate] {
        let mut world = World::new(countersign_testkit::policy(|settings| settings.resend = resend));
        world.enrol("user@example.com");
        world.pass(60);
        let session = world.login();
        let first = world.challenge(&session).unwrap();
        rotate(&mut world, 1);
        world.pass(30);
        let second = world.challenge(&session).unwrap();
        assert_eq!(first.oob_code.expose(), second.oob_code.expose());
        let code = world.mail().code;
        assert!(world.verify(&session, second.oob_code.expose(), &code).is_ok());
    }
}

#[test]
fn a_retired_transient_key_fails_closed() {
    let mut world = World::new(Policy::default());
    world.enrol("user@example.com");
    world.pass(60);
    let token = world.begin();
    let session = world.login();
    let challenged = world.challenge(&session).unwrap();
    let code = world.mail().code;
    let handle = world.verifier.open_oob_code(&session, challenged.oob_code.expose()).unwrap();
    rotate(&mut world, 2);
    assert_eq!(world.verifier.open(token.expose(), None, world.now), Err(Denial::MalformedToken));
    let opened = world.verifier.open_oob_code(&session, challenged.oob_code.expose());
    assert_eq!(opened.map(drop), Err(Denial::MalformedOobCode));
    // A handle that was opened before finds a challenge whose code nobody can derive any more.
    let account = world.account();
    let step = world.verifier.verify_oob(&session, account, &handle, &code, world.now);
    assert!(!step.writes());
    assert_eq!(world.run(step).unwrap_err(), Denial::ExpiredOobCode);
    // Asking again makes a new challenge under the new key.
    world.pass(30);
    let again = world.challenge(&session).unwrap();
    assert_eq!(key_id(again.oob_code.expose()), 2);
    let code = world.mail().code;
    assert!(world.verify(&session, again.oob_code.expose(), &code).is_ok());
}

#[test]
fn another_secret_under_the_same_id_verifies_nothing() {
    let mut world = World::new(Policy::default());
    let token = world.begin();
    let other = KeyRing::new("tests", key((1, 0x77)), key((1, 0x22))).unwrap();
    world.verifier = Verifier::new(other, Policy::default());
    assert_eq!(world.verifier.open(token.expose(), None, world.now), Err(Denial::MalformedToken));
    let other_context = KeyRing::new("another tenant", key(TRANSIENT[0]), key(DURABLE[0])).unwrap();
    world.verifier = Verifier::new(other_context, Policy::default());
    assert_eq!(world.verifier.open(token.expose(), None, world.now), Err(Denial::MalformedToken));
}

#[test]
fn recovery_codes_verify_under_their_own_key_and_are_replaced_under_the_new_one() {
    let mut world = World::new(countersign_testkit::policy(|settings| {
        settings.recovery_codes = 3;
        settings.recovery_use = countersign::RecoveryUse::Replace;
    }));
    let (_, codes) = world.enrol("user@example.com");
    let stale = |world: &mut World| {
        let account = world.account();
        world.verifier.stale_keys(&account).recovery_codes
    };
    assert_eq!(stale(&mut world), 0);
    rotate(&mut world, 1);
    assert_eq!(stale(&mut world), 3);
    let session = world.login();
    let first = world.recover(&session, &codes[0]).unwrap().replacement.unwrap();
    assert_eq!(stale(&mut world), 2, "what replaced it hangs on the new key");
    // The answer can be asked for again, under whichever of the keys it was made.
    let again = world.recover(&session, &codes[0]).unwrap().replacement.unwrap();
    assert_eq!(again.expose(), first.expose());
    let session = world.login();
    assert!(world.recover(&session, &first).is_ok());

    rotate(&mut world, 2);
    let session = world.login();
    assert_eq!(world.recover(&session, &codes[1]).unwrap_err(), Denial::InvalidRecoveryCode);
    let elevated = world.elevated();
    let account = world.account();
    let step = world.verifier.regenerate_recovery_codes(
        &elevated,
        account,
        world.now,
        &countersign_testkit::entropy(&mut world.rng),
    );
    world.run(step).unwrap();
    assert_eq!(stale(&mut world), 0);
}

#[test]
fn codes_that_were_shown_go_live_across_a_rotation() {
    let mut world = World::new(Policy::default());
    let session = world.login();
    let associated = world.associate(&session, "user@example.com").unwrap();
    let codes = associated.recovery_codes.unwrap();
    rotate(&mut world, 1);
    let account = world.account();
    assert_eq!(world.verifier.stale_keys(&account).pending_recovery_codes, 10);
    world.pass(30);
    let again = world.associate(&session, "user@example.com").unwrap().recovery_codes.unwrap();
    assert_eq!(again[9].expose(), codes[9].expose());
    let code = world.mail().code;
    world.verify(&session, associated.oob_code.expose(), &code).unwrap();
    let account = world.account();
    assert_eq!(world.verifier.stale_keys(&account), countersign::StaleKeys::default());
    let session = world.login();
    assert!(world.recover(&session, &codes[9]).is_ok());
}

#[test]
fn codes_whose_key_was_retired_before_the_confirmation_do_not_go_live() {
    let mut world = World::new(Policy::default());
    let session = world.login();
    let associated = world.associate(&session, "user@example.com").unwrap();
    let code = world.mail().code;
    let ring = KeyRing::new("tests", key(TRANSIENT[0]), key(DURABLE[1])).unwrap();
    world.verifier = Verifier::new(ring, Policy::default());
    assert!(world.verify(&session, associated.oob_code.expose(), &code).unwrap().completed);
    assert_eq!(world.account().recovery_codes_left(), 0);
    let session = world.login();
    let denied = world.recover(&session, &associated.recovery_codes.unwrap()[0]);
    assert_eq!(denied.unwrap_err(), Denial::NoRecoveryCode);
}

#[test]
fn a_stored_message_is_rendered_under_its_own_key() {
    let mut world = World::new(Policy::default());
    world.enrol("user@example.com");
    world.pass(60);
    let session = world.login();
    let challenged = world.challenge(&session).unwrap();
    let sent = world.mail();
    let descriptor = world.store.outbox.borrow().last().unwrap().clone();
    assert_eq!(descriptor.id(), sent.id);
    let account = world.account();
    for stage in [0, 1] {
        rotate(&mut world, stage);
        let message = world.verifier.render(&account, &descriptor, world.now).unwrap();
        let countersign::Message::SendEmail(mail) = message else { panic!("a mail") };
        assert_eq!((mail.code.expose(), mail.id, mail.to), (sent.code.expose(), sent.id, sent.to.clone()));
    }
    rotate(&mut world, 2);
    let rendered = world.verifier.render(&account, &descriptor, world.now);
    assert_eq!(rendered.map(drop), Err(countersign::RenderError::KeyUnknown));
    rotate(&mut world, 1);
    let late = world.now + Duration::seconds(300);
    assert_eq!(
        world.verifier.render(&account, &descriptor, late).map(drop),
        Err(countersign::RenderError::NotLive)
    );
    world.verify(&session, challenged.oob_code.expose(), &sent.code).unwrap();
    let account = world.account();
    let rendered = world.verifier.render(&account, &descriptor, world.now);
    assert_eq!(rendered.map(drop), Err(countersign::RenderError::NotLive), "it was answered");
}
