//! Tampered records must be rejected on load; the core's own records must never be rejected.

use countersign::{Account, Denial, Policy, Session, session::ElevatedScopes};
use countersign_testkit::{World, edited, elevation, wrong};
use time::Duration;

/// Each of them is refused when it is read; none may reach a command, where a place that is found twice is no place.
#[test]
fn a_recovery_code_is_live_once() {
    let mut world = World::new(Policy::default());
    world.enroll("user@example.com");
    let account = world.account();
    for twice in 0..9 {
        let edited = edited(&account, |record| {
            let live = record["recovery"]["live"].as_array_mut().unwrap();
            live[twice] = live[9].clone();
        });
        let refused = edited.unwrap_err();
        assert_eq!(refused.to_string(), "inconsistent record: a recovery code is live twice");
    }
}

/// A host may prolong the session of an elevation: what is written then can be read again, and the
/// attempts that are spent stay spent.
#[test]
fn a_prolonged_session_leaves_a_record_that_can_be_read() {
    let mut world = World::new(Policy::default());
    world.enroll("user@example.com");
    world.pass(60);
    let elevation = elevation(&world.account(), 1, world.now);
    let session = |world: &World| {
        let until = world.now + Duration::seconds(100);
        Session::elevated(elevation.clone(), ElevatedScopes::ALL, until)
    };
    for attempts_left in (0..5).rev() {
        let elevated = session(&world);
        let associated = world.associate(&elevated, "new@example.com").unwrap();
        let guess = wrong(&world.mail().code);
        let denial = world.verify(&elevated, associated.oob_code.expose(), &guess).unwrap_err();
        assert_eq!(denial, Denial::InvalidBindingCode { attempts_left });
        let text = serde_json::to_string(&world.account()).unwrap();
        assert_eq!(serde_json::from_str::<Account>(&text).unwrap(), world.account());
        world.pass(60);
    }
    let elevated = session(&world);
    assert_eq!(world.associate(&elevated, "new@example.com").unwrap_err(), Denial::AttemptsExhausted);
}
