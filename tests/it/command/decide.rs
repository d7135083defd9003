//! What holds of every command that stores: its instant, a clock that disagrees, and the ids of its notices.

use countersign::{
    Denial, Policy,
    effect::{Descriptor, Notice},
    policy::Rate,
};
use countersign_testkit::{World, wrong};
use time::{Duration, macros::datetime};

use crate::accounts::with_two_addresses;

#[test]
fn the_last_instant_of_the_calendar_is_an_instant_like_any_other() {
    let mut world = World::new(Policy::default());
    world.now = datetime!(9999-12-31 23:59:59.999 UTC);
    let session = world.login();
    let associated = world.associate(&session, "user@example.com").unwrap();
    let right = world.mail().code;
    let denied = world.verify(&session, associated.oob_code.expose(), &wrong(&right)).unwrap_err();
    assert_eq!(denied, Denial::InvalidBindingCode { attempts_left: 4 });
    assert!(world.verify(&session, associated.oob_code.expose(), &right).unwrap().completed);
    world.unlock();
    world.reset();
    assert!(!world.account().is_enrolled());
}

#[test]
fn a_clock_is_said_to_disagree_beyond_a_minute_and_not_at_one() {
    let disagreements = |behind: Duration| {
        let mut world = World::new(Policy::default());
        world.enroll("user@example.com");
        world.events.clear();
        world.now -= behind;
        world.provision("other@example.com").unwrap();
        world.events.iter().filter(|event| matches!(event, Notice::ClockDisagrees { .. })).count()
    };
    assert_eq!(disagreements(Duration::ZERO), 0);
    assert_eq!(disagreements(Duration::minutes(1)), 0);
    assert_eq!(disagreements(Duration::minutes(1) + Duration::MILLISECOND), 1);
}

/// The kinds of the last two notices, and whether their ids differ.
fn last_two_notices(world: &World) -> ([&'static str; 2], bool) {
    let outbox = world.store.outbox.borrow();
    let [.., Descriptor::Notify(one), Descriptor::Notify(other)] = &outbox[..] else { panic!("{outbox:?}") };
    ([one.notice.kind(), other.notice.kind()], one.id != other.id)
}

#[test]
fn notices_of_one_step_have_ids_of_their_own() {
    let mut world = with_two_addresses(countersign_testkit::locking(|settings| {
        settings.failure_cap = 3;
        settings.guess_bucket = Rate::new(3, Duration::hours(1));
    }));
    let session = world.login();
    let challenged = world.challenge(&session).unwrap();
    let guess = wrong(&world.mail().code);
    for _ in 0..3 {
        world.verify(&session, challenged.oob_code.expose(), &guess).unwrap_err();
    }
    // One authenticator, two kinds: whoever sends each id once sends both.
    assert_eq!(last_two_notices(&world), (["notify-disabled", "notify-locked"], true));
    // One kind, two authenticators: the disabled one goes with the last that is active.
    let other = world
        .account()
        .authenticators()
        .iter()
        .find(|known| known.id() != challenged.authenticator)
        .unwrap()
        .id();
    let elevated = world.elevated();
    world.remove(&elevated, other).unwrap();
    assert_eq!(last_two_notices(&world), (["notify-removed", "notify-removed"], true));
    assert!(world.account().authenticators().is_empty());
}
