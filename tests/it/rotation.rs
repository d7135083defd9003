//! Key rotation: what an older key made still verifies, what is new hangs on the new key, and a key that left the
//! ring takes what it made with it.

use countersign::{
    Denial, Key, KeyRing, Policy, Verifier, code::MfaToken, effect::RenderError, policy::Resend,
    record::StaleKeys,
};
use countersign_testkit::{Need, World, client, json, wrong};
use time::{Duration, OffsetDateTime};

const TRANSIENT: [u8; 2] = [0x11, 0x33];
const DURABLE: [u8; 2] = [0x22, 0x44];

fn key(byte: u8) -> Key {
    Key::new(&[byte; 32]).unwrap()
}

/// The ring after a rotation: the older keys verify, the transient one what it made until `at`.
fn rotated(at: OffsetDateTime) -> KeyRing {
    KeyRing::new("tests", key(TRANSIENT[1]), key(DURABLE[1]))
        .and_then(|ring| ring.retired_transient(key(TRANSIENT[0]), at))
        .and_then(|ring| ring.retired_durable(key(DURABLE[0])))
        .unwrap()
}

/// The ring before a rotation, with it, and after the old keys are left out.
fn ring(stage: usize, at: OffsetDateTime) -> KeyRing {
    match stage {
        0 => KeyRing::new("tests", key(TRANSIENT[0]), key(DURABLE[0])).unwrap(),
        1 => rotated(at),
        _ => KeyRing::new("tests", key(TRANSIENT[1]), key(DURABLE[1])).unwrap(),
    }
}

fn rotate(world: &mut World, stage: usize) {
    world.verifier = Verifier::new(ring(stage, world.now), world.verifier.policy().clone());
}

/// Which of the transient keys made a token or a handle: its id is in the second to the fifth byte, in the first seven
/// symbols.
fn made_by(text: &str) -> usize {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let bits = text.bytes().take(7).fold(0_u64, |bits, symbol| {
        let value = alphabet.iter().position(|known| *known == symbol).unwrap();
        (bits << 6) | u64::try_from(value).unwrap()
    });
    let id = u32::try_from((bits >> 2) & 0xffff_ffff).unwrap().to_be_bytes();
    TRANSIENT.iter().position(|byte| *key(*byte).transient_id("tests").as_bytes() == id).unwrap()
}

#[test]
fn old_tokens_and_challenges_verify_while_their_key_is_in_the_ring() {
    let mut world = World::new(Policy::default());
    world.enroll("user@example.com");
    world.pass(60);
    let old_token = world.begin();
    let session = world.login();
    let challenged = world.challenge(&session).unwrap();
    let code = world.mail().code;
    assert_eq!((made_by(old_token.expose()), made_by(challenged.oob_code.expose())), (0, 0));

    rotate(&mut world, 1);
    assert!(world.verifier.open(old_token.expose(), None, world.now).is_ok());
    let denied = world.verify(&session, challenged.oob_code.expose(), &wrong(&code));
    assert_eq!(denied.unwrap_err(), Denial::InvalidBindingCode { attempts_left: 4 });
    assert!(world.verify(&session, challenged.oob_code.expose(), &code).unwrap().completed);
    let new_token = world.begin();
    let session = world.login();
    let challenged = world.challenge(&session).unwrap();
    assert_eq!((made_by(new_token.expose()), made_by(challenged.oob_code.expose())), (1, 1));
}

#[test]
fn a_resend_keeps_the_key_of_its_challenge() {
    for resend in [Resend::Repeat, Resend::Rotate] {
        let mut world = World::new(countersign_testkit::policy(|settings| settings.resend = resend));
        world.enroll("user@example.com");
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
fn a_transient_key_that_left_the_ring_fails_closed() {
    let mut world = World::new(Policy::default());
    world.enroll("user@example.com");
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
    let step = world.verifier.verify_oob(&session, account, &handle, &code, world.now, None);
    assert!(!step.writes());
    assert_eq!(world.run(step).unwrap_err(), Denial::ExpiredOobCode);
    // Asking again makes a new challenge under the new key.
    world.pass(30);
    let again = world.challenge(&session).unwrap();
    assert_eq!(made_by(again.oob_code.expose()), 1);
    let code = world.mail().code;
    assert!(world.verify(&session, again.oob_code.expose(), &code).is_ok());
}

/// What a thief of the older keys begins, as of this time.
fn forge(world: &mut World, at: OffsetDateTime) -> MfaToken {
    let thief = Verifier::new(ring(0, at), Policy::default());
    let (verifier, now) =
        (std::mem::replace(&mut world.verifier, thief), std::mem::replace(&mut world.now, at));
    let token = world.begin();
    (world.verifier, world.now) = (verifier, now);
    token
}

/// L20: a transient key that leaked was rotated away, and forged sessions until the third rotation.
#[test]
fn l20_a_leaked_transient_key_forges_no_session_once_it_was_retired() {
    let mut world = World::new(Policy::default());
    let honest = world.begin();
    // The last node switches within a minute.
    let at = world.now + Duration::minutes(1);
    world.verifier = Verifier::new(rotated(at), Policy::default());
    let opens = |world: &World, token: &str| world.verifier.open(token, Some(&client()), world.now).map(drop);
    assert_eq!(opens(&world, honest.expose()), Ok(()), "a sign-in that began before goes on");
    let until = forge(&mut world, at);
    let after = forge(&mut world, at + Duration::MILLISECOND);
    world.pass(61);
    assert_eq!(opens(&world, until.expose()), Ok(()));
    assert_eq!(opens(&world, after.expose()), Err(Denial::MalformedToken));
    let now = world.now;
    let fresh = forge(&mut world, now);
    assert_eq!(opens(&world, fresh.expose()), Err(Denial::MalformedToken));
    // One that claims an earlier time expires as the tokens of that time do.
    world.pass(600);
    assert_eq!(opens(&world, until.expose()), Err(Denial::ExpiredToken));
    let token = world.begin();
    assert_eq!(opens(&world, token.expose()), Ok(()), "the current key is not retired");
}

/// L20, for handles and codes: what a node issues with the old key after all should have switched is refused.
#[test]
fn a_challenge_that_was_issued_with_a_retired_key_is_refused() {
    let mut world = World::new(Policy::default());
    world.enroll("user@example.com");
    world.pass(60);
    let session = world.login();
    let at = world.now;
    let in_time = world.challenge(&session).unwrap().oob_code;
    let code = world.mail().code;
    let knows = |world: &World, oob_code: &str| world.verifier.open_oob_code(&session, oob_code).map(drop);
    world.verifier = Verifier::new(rotated(at), Policy::default());
    assert_eq!(knows(&world, in_time.expose()), Ok(()));
    let step = {
        let account = world.account();
        let handle = world.verifier.open_oob_code(&session, in_time.expose()).unwrap();
        world.verifier.verify_oob(&session, account, &handle, &wrong(&code), world.now, None)
    };
    assert_eq!(world.run(step).unwrap_err(), Denial::InvalidBindingCode { attempts_left: 4 });

    // A node that lags behind sends another code, after the time.
    let lagging = Verifier::new(ring(0, at), Policy::default());
    let other = world.login();
    world.pass(30);
    let current = std::mem::replace(&mut world.verifier, lagging);
    let late = world.challenge(&other).unwrap().oob_code;
    let handle = world.verifier.open_oob_code(&other, late.expose()).unwrap();
    let code = world.mail().code;
    let descriptor = world.store.outbox.borrow().last().unwrap().clone();
    world.verifier = current;
    let opened = world.verifier.open_oob_code(&other, late.expose());
    assert_eq!(opened.map(drop), Err(Denial::MalformedOobCode));
    let account = world.account();
    let rendered = world.verifier.render(&account, &descriptor, world.now);
    assert_eq!(rendered.map(drop), Err(RenderError::KeyUnknown));
    let step = world.verifier.verify_oob(&other, account, &handle, &code, world.now, None);
    assert!(!step.writes());
    assert_eq!(world.run(step).unwrap_err(), Denial::ExpiredOobCode);
    // Asking again brings a challenge under the current key.
    world.pass(30);
    let again = world.challenge(&other).unwrap().oob_code;
    assert_eq!(made_by(again.expose()), 1);
    let code = world.mail().code;
    assert!(world.verify(&other, again.expose(), &code).unwrap().completed);
}

#[test]
fn a_staged_key_verifies_what_another_node_makes_with_it() {
    let mut world = World::new(Policy::default());
    let (_, codes) = world.enroll("user@example.com");
    world.pass(60);
    rotate(&mut world, 1);
    let token = world.begin();
    let session = world.login();
    let replaced = world.recover(&session, &codes[0]).unwrap();
    assert!(replaced.replacement.is_none(), "the default consumes codes");
    let staged = ring(0, world.now)
        .staged_transient(key(TRANSIENT[1]))
        .and_then(|ring| ring.staged_durable(key(DURABLE[1])))
        .unwrap();
    world.verifier = Verifier::new(staged, Policy::default());
    assert!(world.verifier.open(token.expose(), None, world.now).is_ok());
    assert_eq!(made_by(world.begin().expose()), 0, "it makes nothing yet");
    let again = world.recover(&session, &codes[0]).unwrap();
    assert!(again.repeated);
}

#[test]
fn another_secret_or_context_verifies_nothing() {
    let mut world = World::new(Policy::default());
    let token = world.begin();
    let other = KeyRing::new("tests", key(0x77), key(DURABLE[0])).unwrap();
    world.verifier = Verifier::new(other, Policy::default());
    assert_eq!(world.verifier.open(token.expose(), None, world.now), Err(Denial::MalformedToken));
    let other_context = KeyRing::new("another tenant", key(TRANSIENT[0]), key(DURABLE[0])).unwrap();
    world.verifier = Verifier::new(other_context, Policy::default());
    assert_eq!(world.verifier.open(token.expose(), None, world.now), Err(Denial::MalformedToken));
}

/// L19: recovery codes whose key was lost were offered and counted, and all refused.
#[test]
fn l19_recovery_codes_whose_key_is_lost_are_neither_offered_nor_counted() {
    let mut world = World::new(Policy::default());
    let (_, codes) = world.enroll("user@example.com");
    let offered = |world: &mut World| {
        let Need::Challenge(kinds) = world.requirements().into() else { panic!("enrolled") };
        kinds.contains(&countersign::factor::AuthenticatorKind::RecoveryCode)
    };
    let left = |world: &mut World| {
        let account = world.account();
        world.verifier.recovery_codes_left(&account)
    };
    assert!(offered(&mut world));
    assert_eq!(left(&mut world), 10);
    assert!(stale_keys(&mut world).is_empty());
    rotate(&mut world, 1);
    assert!(offered(&mut world));
    let stale = stale_keys(&mut world);
    assert!(stale.lost.is_empty() && !stale.is_empty());
    assert_eq!(
        stale.stale.iter().map(|on| (on.key, on.recovery_codes)).collect::<Vec<_>>(),
        [(key(DURABLE[0]).durable_id("tests"), 10)]
    );

    rotate(&mut world, 2);
    assert!(!offered(&mut world));
    assert_eq!(left(&mut world), 0);
    let lost = stale_keys(&mut world);
    assert!(lost.stale.is_empty() && !lost.is_empty());
    assert_eq!(lost.lost, stale.stale);
    // The codes are right for nobody, so trying one is no guess.
    let before = json(&world.account());
    let session = world.login();
    assert_eq!(world.recover(&session, &codes[0]).unwrap_err(), Denial::NoRecoveryCode);
    assert_eq!(json(&world.account()), before);
    // With the key back they hold.
    rotate(&mut world, 1);
    let session = world.login();
    assert_eq!(world.recover(&session, &codes[0]).unwrap().remaining, 9);
}

fn stale_keys(world: &mut World) -> StaleKeys {
    let account = world.account();
    world.verifier.stale_keys(&account)
}

#[test]
fn recovery_codes_verify_under_their_own_key_and_are_replaced_under_the_new_one() {
    let mut world = World::new(countersign_testkit::policy(|settings| {
        settings.recovery_codes = 3;
        settings.recovery_use = countersign::policy::RecoveryUse::Replace;
    }));
    let (_, codes) = world.enroll("user@example.com");
    let stale = |world: &mut World| {
        let account = world.account();
        let stale = world.verifier.stale_keys(&account);
        [stale.stale, stale.lost].map(|keys| keys.iter().map(|on| on.recovery_codes).sum::<usize>())
    };
    assert_eq!(stale(&mut world), [0, 0]);
    rotate(&mut world, 1);
    assert_eq!(stale(&mut world), [3, 0]);
    let session = world.login();
    let first = world.recover(&session, &codes[0]).unwrap().replacement.unwrap();
    assert_eq!(stale(&mut world), [2, 0], "what replaced it hangs on the new key");
    // The answer can be asked for again, under whichever of the keys it was made.
    let again = world.recover(&session, &codes[0]).unwrap().replacement.unwrap();
    assert_eq!(again.expose(), first.expose());
    let session = world.login();
    assert!(world.recover(&session, &first).is_ok());

    rotate(&mut world, 2);
    assert_eq!(stale(&mut world), [0, 2]);
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
    assert_eq!(stale(&mut world), [0, 0]);
}

#[test]
fn what_two_sign_ins_were_shown_hangs_on_one_key_together() {
    let mut world = World::new(Policy::default());
    for address in ["user@example.com", "other@example.com"] {
        let session = world.login();
        assert!(world.associate(&session, address).unwrap().answer.recovery_codes.is_some());
        world.pass(60);
    }
    rotate(&mut world, 1);
    let stale = stale_keys(&mut world);
    let [on] = stale.stale[..] else { panic!("{stale:?}") };
    assert_eq!((on.recovery_codes, on.pending_recovery_codes), (0, 20));
}

#[test]
fn codes_that_were_shown_go_live_across_a_rotation() {
    let mut world = World::new(Policy::default());
    let session = world.login();
    let associated = world.associate(&session, "user@example.com").unwrap();
    let codes = associated.answer.recovery_codes.unwrap();
    rotate(&mut world, 1);
    let account = world.account();
    let stale = world.verifier.stale_keys(&account);
    let [on] = stale.stale[..] else { panic!("{stale:?}") };
    assert_eq!((on.recovery_codes, on.pending_recovery_codes), (0, 10));
    world.pass(30);
    let again = world.associate(&session, "user@example.com").unwrap().answer.recovery_codes.unwrap();
    assert_eq!(again[9].expose(), codes[9].expose());
    let code = world.mail().code;
    world.verify(&session, associated.oob_code.expose(), &code).unwrap();
    let account = world.account();
    assert_eq!(world.verifier.stale_keys(&account), StaleKeys::default());
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
    let account = world.account();
    assert_eq!(world.verifier.recovery_codes_left(&account), 0);
    let session = world.login();
    let denied = world.recover(&session, &associated.answer.recovery_codes.unwrap()[0]);
    assert_eq!(denied.unwrap_err(), Denial::NoRecoveryCode);
}

#[test]
fn a_stored_message_is_rendered_under_its_own_key() {
    let mut world = World::new(Policy::default());
    world.enroll("user@example.com");
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
        let countersign::Effect::Send(mail) = message else { panic!("a mail") };
        let mail = countersign_testkit::Mail::from(mail);
        assert_eq!(
            (mail.code.expose(), mail.id, mail.to.clone()),
            (sent.code.expose(), sent.id, sent.to.clone())
        );
    }
    rotate(&mut world, 2);
    let rendered = world.verifier.render(&account, &descriptor, world.now);
    assert_eq!(rendered.map(drop), Err(RenderError::KeyUnknown));
    rotate(&mut world, 1);
    let late = world.now + Duration::seconds(300);
    assert_eq!(world.verifier.render(&account, &descriptor, late).map(drop), Err(RenderError::NotLive));
    world.verify(&session, challenged.oob_code.expose(), &sent.code).unwrap();
    let account = world.account();
    let rendered = world.verifier.render(&account, &descriptor, world.now);
    assert_eq!(rendered.map(drop), Err(RenderError::NotLive), "it was answered");
}
