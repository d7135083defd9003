//! A code that is asked for again: repeated, rotated, superseded, or not sent inside the cool-down.

use countersign::{
    Denial, Effect, Policy, Swap,
    effect::{Delivery, Destination},
    machine::CancelReason,
};
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

/// L11: each spelling of one mailbox had a `destination_key` of its own, so that a host's bound by mailbox was one by
/// spelling.
#[test]
fn a_mailbox_has_one_destination_key_however_its_address_is_written() {
    let key = |address: &str| {
        let mut world = World::new(Policy::default());
        let session = world.login();
        let (account, entropy) = (world.account(), countersign_testkit::entropy(&mut world.rng));
        let factor = countersign_testkit::email(address);
        let step = world.verifier.associate(&session, account, &factor, world.now, &entropy);
        let outcome = step.commit(|_| Ok::<_, ()>(Swap::Stored)).unwrap().done().unwrap();
        let [Effect::Send(message)] = outcome.effects() else { panic!("one message") };
        assert_eq!(
            message.to,
            Destination::Email(countersign_testkit::address(address)),
            "the message goes where it was asked for"
        );
        message.destination_key
    };
    let one = key("user@example.com");
    for same in [
        "user@EXAMPLE.com",
        "USER@example.com",
        "user+tag@example.com",
        "User+a+b@Example.Com",
        "user+@example.com",
    ] {
        assert_eq!(key(same), one, "{same}");
    }
    let others = [
        "user2@example.com",
        "user@example.org",
        "us.er@example.com",
        "+user@example.com",
        "user@tag.example.com",
    ];
    for other in others {
        assert_ne!(key(other), one, "{other}");
    }
    assert_ne!(key("+a@example.com"), key("+b@example.com"), "a tag needs a mailbox before it");
    assert_ne!(key("Ä@example.com"), key("ä@example.com"), "only ASCII is folded");
}
