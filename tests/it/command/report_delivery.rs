//! `report_delivery`: what the failure of a message gives back.

use countersign::{Policy, effect::Delivery};
use countersign_testkit::World;

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
