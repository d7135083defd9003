//! Rotation: what an old key made holds while the key is in the ring, new things are made with the new key, and without
//! its key everything fails closed.

mod support;

use countersign::{
    Denial, Event, Key, KeyRing, MfaToken, OobCode, Policy, RecoveryCode, RenderError, Session, StaleKeys,
    Verifier,
};
use support::{World, client, json, policy, wrong};

const TRANSIENT: [(u8, u8); 3] = [(1, 0x11), (9, 0x33), (10, 0x44)];
const DURABLE: [(u8, u8); 3] = [(1, 0x22), (7, 0x55), (8, 0x66)];

fn key((id, byte): (u8, u8)) -> Key {
    Key::new(id, &[byte; 32]).unwrap()
}

/// A ring whose current keys are of these generations, with the older generations that are named.
fn ring(transient: usize, older_transient: &[usize], durable: usize, older_durable: &[usize]) -> KeyRing {
    let mut ring = KeyRing::new("tests", key(TRANSIENT[transient]), key(DURABLE[durable])).unwrap();
    for &older in older_transient {
        ring = ring.with_older_transient(key(TRANSIENT[older])).unwrap();
    }
    for &older in older_durable {
        ring = ring.with_older_durable(key(DURABLE[older])).unwrap();
    }
    ring
}

fn rotate(world: &mut World, keys: KeyRing) {
    world.verifier = Verifier::new(keys, world.verifier.policy().clone());
}

/// The second byte of a token or handle, which names its key.
fn key_id(text: &str) -> u8 {
    const SYMBOLS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let value = |symbol: char| u32::try_from(SYMBOLS.find(symbol).expect("base64url")).unwrap();
    let bits = text.chars().take(4).fold(0, |bits, symbol| bits << 6 | value(symbol));
    let [_, version, id, _] = bits.to_be_bytes();
    assert_eq!(version, 1);
    id
}

fn enrolled(policy: Policy) -> (World, Vec<RecoveryCode>) {
    let mut world = World::new(policy);
    let (_, codes) = world.enrol("user@example.com");
    world.pass(600);
    (world, codes)
}

/// A challenge that was issued before a rotation.
struct Issued {
    token: MfaToken,
    session: Session,
    oob_code: OobCode,
    code: countersign::BindingCode,
}

fn issue(world: &mut World) -> Issued {
    let token = world.begin();
    let session = world.verifier.open(token.expose(), Some(&client()), world.now).unwrap();
    let challenged = world.challenge(&session).unwrap();
    Issued { token, session, oob_code: challenged.oob_code, code: world.mail().code }
}

#[test]
fn the_new_key_makes_what_is_new_and_the_old_one_still_verifies() {
    let (mut world, _) = enrolled(Policy::default());
    let old = issue(&mut world);
    assert_eq!((key_id(old.token.expose()), key_id(old.oob_code.expose())), (1, 1));
    rotate(&mut world, ring(1, &[0], 0, &[]));
    let new = issue(&mut world);
    assert_eq!((key_id(new.token.expose()), key_id(new.oob_code.expose())), (9, 9));
    // Two rotations later the first key is still there.
    rotate(&mut world, ring(2, &[1, 0], 0, &[]));
    for Issued { token, session, oob_code, code } in [old, new] {
        let reopened = world.verifier.open(token.expose(), Some(&client()), world.now).unwrap();
        assert_eq!(reopened, session);
        assert!(world.verify(&session, oob_code.expose(), &wrong(&code)).is_err());
        assert!(world.verify(&session, oob_code.expose(), &code).unwrap().completed);
    }
}

#[test]
fn a_resend_across_a_rotation_sends_the_same_code_under_the_same_handle() {
    let (mut world, _) = enrolled(Policy::default());
    let old = issue(&mut world);
    let descriptor = world.store.outbox.borrow().last().unwrap().clone();
    world.pass(30);
    rotate(&mut world, ring(1, &[0], 0, &[]));
    let again = world.challenge(&old.session).unwrap();
    assert_eq!((again.oob_code.expose(), key_id(again.oob_code.expose())), (old.oob_code.expose(), 1));
    assert_eq!(world.mail().code.expose(), old.code.expose());
    let account = world.account();
    assert!(world.verifier.render(&account, &descriptor, world.now).is_ok());
    rotate(&mut world, ring(1, &[], 0, &[]));
    let rendered = world.verifier.render(&account, &descriptor, world.now);
    assert_eq!(rendered.unwrap_err(), RenderError::KeyUnknown);
}

#[test]
fn without_its_transient_key_everything_fails_closed() {
    let (mut world, _) = enrolled(Policy::default());
    let Issued { token, session, oob_code, code } = issue(&mut world);
    let handle = world.verifier.open_oob_code(&session, oob_code.expose()).unwrap();
    rotate(&mut world, ring(1, &[], 0, &[]));
    let opened = world.verifier.open(token.expose(), Some(&client()), world.now);
    assert_eq!(opened.unwrap_err(), Denial::MalformedToken);
    let opened = world.verifier.open_oob_code(&session, oob_code.expose());
    assert_eq!(opened.unwrap_err(), Denial::MalformedOobCode);
    // The challenge itself, reached by a session and a handle that were opened before.
    for code in [&code, &wrong(&code)] {
        let account = world.account();
        let step = world.verifier.verify_oob(&session, account, &handle, code, world.now);
        assert!(!step.writes(), "nothing was compared, so nothing is charged");
        assert_eq!(world.run(step).unwrap_err(), Denial::ExpiredOobCode);
    }
    // Asking again gives a challenge under the new key.
    world.pass(30);
    let again = world.challenge(&session).unwrap();
    assert_eq!(key_id(again.oob_code.expose()), 9);
    let code = world.mail().code;
    assert!(world.verify(&session, again.oob_code.expose(), &code).unwrap().completed);
}

#[test]
fn an_id_is_not_enough_to_pass_for_a_key() {
    let (mut world, _) = enrolled(Policy::default());
    let Issued { token, session, oob_code, .. } = issue(&mut world);
    let keys = KeyRing::new("tests", key((1, 0x77)), key(DURABLE[0])).unwrap();
    let context = KeyRing::new("others", key(TRANSIENT[0]), key(DURABLE[0])).unwrap();
    for keys in [keys, context] {
        rotate(&mut world, keys);
        let opened = world.verifier.open(token.expose(), None, world.now);
        assert_eq!(opened.unwrap_err(), Denial::MalformedToken);
        let opened = world.verifier.open_oob_code(&session, oob_code.expose());
        assert_eq!(opened.unwrap_err(), Denial::MalformedOobCode);
    }
}

#[test]
fn recovery_codes_hold_under_the_old_key_and_are_counted_as_stale() {
    let (mut world, codes) = enrolled(Policy::default());
    let stale = |world: &mut World| {
        let account = world.account();
        world.verifier.stale_keys(&account).recovery_codes
    };
    assert_eq!(stale(&mut world), 0);
    rotate(&mut world, ring(0, &[], 1, &[0]));
    assert_eq!(stale(&mut world), 10);
    let session = world.login();
    world.recover(&session, &codes[0]).unwrap();
    assert_eq!(stale(&mut world), 9);
    rotate(&mut world, ring(0, &[], 2, &[1, 0]));
    let session = world.login();
    world.recover(&session, &codes[1]).unwrap();
    // Retired too early: the codes are dead, look like any wrong code, and cost what one costs.
    rotate(&mut world, ring(0, &[], 2, &[1]));
    assert_eq!(stale(&mut world), 8);
    let session = world.login();
    assert_eq!(world.recover(&session, &codes[2]).unwrap_err(), Denial::InvalidRecoveryCode);
    // A new set is made with the current key.
    let (elevated, account) = (world.elevated(), world.account());
    let step =
        world.verifier.regenerate_recovery_codes(&elevated, account, world.now, &mut world.rng).unwrap();
    let fresh = world.run(step).unwrap();
    assert_eq!(stale(&mut world), 0);
    world.pass(1);
    let session = world.login();
    assert!(world.recover(&session, &fresh[0]).is_ok());
}

#[test]
fn a_replaced_code_moves_to_the_current_key() {
    let replace = policy(|settings| settings.recovery_use = countersign::RecoveryUse::Replace);
    let (mut world, codes) = enrolled(replace);
    rotate(&mut world, ring(0, &[], 1, &[0]));
    let session = world.login();
    let next = world.recover(&session, &codes[0]).unwrap().replacement.unwrap();
    let account = world.account();
    assert_eq!(world.verifier.stale_keys(&account).recovery_codes, 9);
    rotate(&mut world, ring(0, &[], 1, &[]));
    let session = world.login();
    assert!(world.recover(&session, &next).is_ok(), "it does not hang on the old key");
}

#[test]
fn a_spent_recovery_code_gives_the_same_answer_across_rotations() {
    let (mut world, codes) = enrolled(Policy::auth0());
    let session = world.login();
    let first = world.recover(&session, &codes[0]).unwrap();
    let next = first.replacement.unwrap();
    for keys in [ring(0, &[], 1, &[0]), ring(0, &[], 2, &[1, 0])] {
        rotate(&mut world, keys);
        let again = world.recover(&session, &codes[0]).unwrap();
        assert_eq!(again.replacement.unwrap().expose(), next.expose());
        assert_eq!(again.evidence, first.evidence);
    }
    let tokens: Vec<_> = world.tokens.iter().rev().take(3).collect();
    assert!(tokens.iter().all(|token| *token == tokens[0]));
    let other = world.login();
    assert_eq!(world.recover(&other, &codes[0]).unwrap_err(), Denial::InvalidRecoveryCode);
    // Without the key of the spent code nothing tells it from another.
    rotate(&mut world, ring(0, &[], 2, &[1]));
    assert_eq!(world.recover(&session, &codes[0]).unwrap_err(), Denial::TransactionSpent);
    rotate(&mut world, ring(0, &[], 2, &[1, 0]));
    let other = world.login();
    assert!(world.recover(&other, &next).is_ok());
}

#[test]
fn pending_recovery_codes_go_live_after_a_rotation() {
    let mut world = World::new(Policy::default());
    let session = world.login();
    let associated = world.associate(&session, "user@example.com").unwrap();
    let (code, shown) = (world.mail().code, associated.recovery_codes.unwrap());
    rotate(&mut world, ring(1, &[0], 1, &[0]));
    world.pass(30);
    let again = world.associate(&session, "user@example.com").unwrap().recovery_codes.unwrap();
    assert_eq!(again.len(), 10);
    assert!(shown.iter().zip(&again).all(|(one, other)| one.expose() == other.expose()));
    world.verify(&session, associated.oob_code.expose(), &code).unwrap();
    // They are stored under the current key at once.
    let account = world.account();
    assert_eq!(world.verifier.stale_keys(&account).recovery_codes, 0);
    let live = json(&account)["recovery"]["live"].as_array().unwrap().clone();
    assert!(live.iter().all(|code| code["key_id"] == 7));
    rotate(&mut world, ring(1, &[], 1, &[]));
    let session = world.login();
    assert!(world.recover(&session, &shown[9]).is_ok());
}

#[test]
fn pending_recovery_codes_keep_the_old_key_in_the_ring() {
    let mut world = World::new(Policy::default());
    let session = world.login();
    world.associate(&session, "user@example.com").unwrap();
    rotate(&mut world, ring(0, &[], 1, &[0]));
    let account = world.account();
    assert_ne!(
        world.verifier.stale_keys(&account),
        StaleKeys::default(),
        "they were shown and would never go live"
    );
}

#[test]
fn pending_recovery_codes_without_their_key_do_not_go_live() {
    let mut world = World::new(Policy::default());
    let session = world.login();
    let associated = world.associate(&session, "user@example.com").unwrap();
    let (code, shown) = (world.mail().code, associated.recovery_codes.unwrap());
    rotate(&mut world, ring(0, &[], 1, &[]));
    world.pass(30);
    assert!(world.associate(&session, "user@example.com").unwrap().recovery_codes.is_none());
    assert!(world.verify(&session, associated.oob_code.expose(), &code).unwrap().completed);
    assert!(matches!(world.events.last(), Some(Event::Added { .. })));
    assert_eq!(world.account().recovery_codes_left(), 0);
    let session = world.login();
    assert_eq!(world.recover(&session, &shown[0]).unwrap_err(), Denial::NoRecoveryCode);
}

#[test]
fn destination_keys_follow_the_current_durable_key() {
    let (mut world, _) = enrolled(Policy::default());
    issue(&mut world);
    let old = world.mail().destination_key;
    rotate(&mut world, ring(1, &[0], 0, &[]));
    world.pass(60);
    issue(&mut world);
    assert_eq!(world.mail().destination_key, old, "it does not hang on a transient key");
    rotate(&mut world, ring(1, &[], 1, &[0]));
    world.pass(60);
    issue(&mut world);
    assert_ne!(world.mail().destination_key, old);
}
