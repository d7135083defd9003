//! Sessions: the scopes of an elevated one, and its end.

use countersign::{Denial, Policy, Session, session::ElevatedScopes};
use countersign_testkit::{World, elevation};
use time::Duration;

#[test]
fn scopes_are_read_word_by_word() {
    let read = |scope: &str| {
        let ElevatedScopes { enroll, read_authenticators, remove_authenticators, .. } =
            ElevatedScopes::parse(scope);
        (enroll, read_authenticators, remove_authenticators)
    };
    assert_eq!(read("enroll"), (true, false, false));
    assert_eq!(read("read:authenticators"), (false, true, false));
    assert_eq!(read("remove:authenticators"), (false, false, true));
    assert_eq!(read("openid enroll read:authenticators remove:authenticators"), (true, true, true));
    assert_eq!(read("remove:authenticators enroll"), (true, false, true));
    for scope in ["", "Enroll", "enroll,read:authenticators", "enroll\tread:authenticators", "re-enroll"] {
        assert_eq!(read(scope), (false, false, false), "{scope:?}");
    }
}

/// A clock that is ahead may have seen the second factor. The session ends when its host said.
#[test]
fn a_session_lives_no_longer_than_its_host_said() {
    let mut world = World::new(Policy::default());
    world.enroll("user@example.com");
    let account = world.account();
    let ahead = world.now + Duration::days(1);
    let session = Session::elevated(elevation(&account, 1, ahead), ElevatedScopes::ALL, world.now);
    assert_eq!(session.expires(), world.now);
    assert_eq!(world.verifier.authenticators(&session, &account, world.now), Err(Denial::ExpiredToken));
    let earlier = world.now - Duration::SECOND;
    assert!(world.verifier.authenticators(&session, &account, earlier).is_ok());
}
