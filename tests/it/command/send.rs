//! A code that is asked for again: repeated, rotated, superseded, or not sent inside the cool-down.

use countersign::{Denial, Policy, effect::Delivery, machine::CancelReason};
use countersign_testkit::World;
use time::Duration;

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
