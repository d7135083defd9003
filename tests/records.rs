//! What an edited record may not do, and what the core's own records may not be.

mod support;

use countersign::{Account, Policy};
use support::World;

/// Each of them is refused when it is read; none may reach a command, where a place that is found twice is no place.
#[test]
fn a_recovery_code_is_live_once() {
    let mut world = World::new(Policy::default());
    world.enrol("user@example.com");
    let record = serde_json::to_value(world.account()).unwrap();
    for twice in 0..9 {
        let mut edited = record.clone();
        let live = edited["recovery"]["live"].as_array_mut().unwrap();
        live[twice] = live[9].clone();
        let refused = serde_json::from_value::<Account>(edited).unwrap_err();
        assert_eq!(refused.to_string(), "inconsistent record: a recovery code is live twice");
    }
}
