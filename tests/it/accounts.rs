//! Accounts in states that tests of several files begin with, and what they present to them.

use countersign::{Denial, Policy, code::RecoveryCode};
use countersign_testkit::{World, wrong};

/// Two active addresses, an hour ago.
pub fn with_two_addresses(policy: Policy) -> World {
    let mut world = World::new(policy);
    world.enroll("first@example.com");
    let elevated = world.elevated();
    let second = world.associate(&elevated, "second@example.com").unwrap();
    let code = world.mail().code;
    world.verify(&elevated, second.oob_code.expose(), &code).unwrap();
    world.pass(3_600);
    world
}

/// Wrong codes for the only address, each in a login of its own.
pub fn guess_wrong(world: &mut World, times: usize) {
    for _ in 0..times {
        world.pass(120);
        let session = world.login();
        let challenged = world.challenge(&session).unwrap();
        let code = wrong(&world.mail().code);
        let refused = world.verify(&session, challenged.oob_code.expose(), &code);
        assert!(matches!(refused, Err(Denial::InvalidBindingCode { .. })), "{refused:?}");
    }
}

/// Well-formed, and nobody's.
pub fn unknown_recovery_code() -> RecoveryCode {
    RecoveryCode::parse("222222222222222222222222").unwrap()
}
