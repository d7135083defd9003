//! `verify_recovery`: a recovery code is used once, its answer can be asked for again, and no flood closes it.

use countersign::{Denial, Policy};
use countersign_testkit::{World, wrong};

use crate::accounts::unknown_recovery_code;

#[test]
fn a_recovery_code_is_used_once_and_consumed() {
    let mut world = World::new(Policy::default());
    let (_, codes) = world.enroll("user@example.com");
    let session = world.login();
    let recovered = world.recover(&session, &codes[3]).unwrap();
    assert_eq!((recovered.remaining, recovered.replacement.is_none()), (9, true));
    assert_eq!(world.tokens.len(), 2);
    assert!(world.tokens[1].evidence().amr().next().is_none());
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
fn recovery_stays_open_under_guesses_floods_and_burnt_messages() {
    let mut world = World::new(countersign_testkit::locking(|_| {}));
    let (_, codes) = world.enroll("user@example.com");
    world.pass(3_600);
    for _ in 0..40 {
        let thief = world.login();
        for _ in 0..6 {
            world.recover(&thief, &unknown_recovery_code()).unwrap_err();
        }
        if let Ok(challenged) = world.challenge(&thief) {
            let guess = wrong(&world.mail().code);
            for _ in 0..6 {
                world.verify(&thief, challenged.oob_code.expose(), &guess).unwrap_err();
            }
        }
    }
    let session = world.login();
    assert!(matches!(world.challenge(&session).unwrap_err(), Denial::Locked { .. }));
    assert!(world.recover(&session, &codes[3]).is_ok());
}
