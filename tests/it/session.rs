//! Sessions: the scopes of an elevated one.

use countersign::session::ElevatedScopes;

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
