//! Where a session ends: the last instant and the one after, and the scope that each command takes.

use countersign::{
    Account, BindingCode, Challenged, Denial, Effect, Policy, Session, Subject,
    effect::{Descriptor, RenderError},
    policy::{FactorUse, Rate},
    session::ElevatedScopes,
};
use countersign_testkit::{Given, World, client};
use time::Duration;

/// A user whose login waits for the code that was sent.
fn login_under_way() -> (World, Session, Given<Challenged>, BindingCode) {
    let mut world = World::new(Policy::default());
    world.enroll("user@example.com");
    world.pass(3600);
    let login = world.login();
    let challenged = world.challenge(&login).unwrap();
    let code = world.mail().code;
    (world, login, challenged, code)
}

#[test]
fn a_token_from_the_future_is_taken_within_the_leeway_of_clocks() {
    let mut world = World::new(Policy::default());
    let token = world.begin();
    let open = |at| world.verifier.open(token.expose(), Some(&client()), at).map(drop);
    let leeway = Duration::minutes(1);
    assert_eq!(open(world.now - leeway), Ok(()));
    assert_eq!(open(world.now - leeway - Duration::MILLISECOND), Err(Denial::MalformedToken));
    assert_eq!(open(world.now - Duration::days(1)), Err(Denial::MalformedToken));
}

#[test]
fn a_token_dies_at_its_last_instant() {
    let mut world = World::new(Policy::default());
    let token = world.begin();
    let lifetime = world.verifier.policy().settings().token_lifetime;
    let open = |at| world.verifier.open(token.expose(), Some(&client()), at).map(drop);
    assert_eq!(open(world.now + lifetime - Duration::MILLISECOND), Ok(()));
    assert_eq!(open(world.now + lifetime), Err(Denial::ExpiredToken));
}

#[test]
fn a_token_that_lives_longer_than_the_policy_allows_is_refused() {
    let mut world = World::new(Policy::default());
    let token = world.begin();
    let lifetime = world.verifier.policy().settings().token_lifetime;
    let shorter =
        countersign_testkit::policy(|settings| settings.token_lifetime = lifetime - Duration::SECOND);
    world.verifier = countersign::Verifier::new(countersign_testkit::keys(), shorter);
    assert_eq!(world.verifier.open(token.expose(), None, world.now).unwrap_err(), Denial::MalformedToken);
}

#[test]
fn confirming_takes_the_scope_to_enroll() {
    let mut world = World::new(Policy::default());
    world.enroll("user@example.com");
    world.pass(3600);
    let enrolling = world.elevated();
    let associated = world.associate(&enrolling, "second@example.com").unwrap();
    let code = world.mail().code;
    let mut scopes = ElevatedScopes::ALL;
    scopes.enroll = false;
    let reading = world.elevated_with(scopes);
    assert_eq!(
        world.verify(&reading, associated.oob_code.expose(), &code).unwrap_err(),
        Denial::InsufficientScope
    );
    world.verify(&enrolling, associated.oob_code.expose(), &code).unwrap();
    // The scope comes before what the handle stands for.
    assert_eq!(
        world.verify(&reading, associated.oob_code.expose(), &code).unwrap_err(),
        Denial::InsufficientScope
    );
}

#[test]
fn a_session_that_may_not_enroll_is_told_so_before_anything_of_the_account() {
    let mut world = World::new(Policy::default());
    let mut scopes = ElevatedScopes::ALL;
    scopes.enroll = false;
    let reading = world.elevated_with(scopes);
    world.pass(1);
    world.reset();
    // The account takes no session of that age any more; that one may not enroll comes first.
    assert_eq!(world.associate(&reading, "user@example.com").unwrap_err(), Denial::InsufficientScope);
}

#[test]
fn an_elevated_session_logs_nobody_in_even_with_a_login_s_own_transaction() {
    let (mut world, login, challenged, code) = login_under_way();
    let (until, tokens) = (world.now + Duration::hours(1), world.tokens.len());
    let (subject, client) = (countersign_testkit::subject(), client());
    let elevated =
        Session::elevated(subject, client, login.transaction(), ElevatedScopes::ALL, world.now, until);
    assert_eq!(
        world.verify(&elevated, challenged.oob_code.expose(), &code).unwrap_err(),
        Denial::InsufficientScope
    );
    assert_eq!(world.tokens.len(), tokens);
    world.verify(&login, challenged.oob_code.expose(), &code).unwrap();
    assert_eq!(world.tokens.len(), tokens + 1);
}

#[test]
fn the_verifier_says_until_when_an_account_is_locked() {
    let mut world = World::new(countersign_testkit::policy(|settings| {
        settings.guess_bucket = Rate::new(1, Duration::hours(1));
    }));
    world.enroll("user@example.com");
    world.pass(86_400);
    let locked_until = |world: &mut World, at| {
        let account = world.account();
        world.verifier.locked_until(&account, at)
    };
    let now = world.now;
    assert_eq!(locked_until(&mut world, now), None);
    let session = world.login();
    let challenged = world.challenge(&session).unwrap();
    let bad = countersign_testkit::wrong(&world.mail().code);
    world.verify(&session, challenged.oob_code.expose(), &bad).unwrap_err();
    let until = now + Duration::hours(1);
    assert_eq!(locked_until(&mut world, now), Some(until));
    assert_eq!(locked_until(&mut world, until - Duration::MILLISECOND), Some(until));
    assert_eq!(locked_until(&mut world, until), None);
}

#[test]
fn a_login_under_way_ends_when_the_policy_no_longer_takes_mail_for_it() {
    let (mut world, login, challenged, code) = login_under_way();
    let confirming = countersign_testkit::policy(|settings| settings.factors.email = FactorUse::ConfirmOnly);
    world.verifier = countersign::Verifier::new(countersign_testkit::keys(), confirming);
    assert_eq!(
        world.verify(&login, challenged.oob_code.expose(), &code).unwrap_err(),
        Denial::UnsupportedChallengeType
    );
}

#[test]
fn an_elevated_session_needs_the_scope_of_each_command() {
    let mut world = World::new(Policy::default());
    world.enroll("user@example.com");
    world.pass(86_400);
    let (mut blind, mut keeping) = (ElevatedScopes::ALL, ElevatedScopes::ALL);
    blind.read_authenticators = false;
    keeping.enroll = false;
    let (blind, keeping) = (world.elevated_with(blind), world.elevated_with(keeping));
    let account = world.account();
    let listed = |session| world.verifier.authenticators(session, &account, world.now);
    assert_eq!(listed(&blind).unwrap_err(), Denial::InsufficientScope);
    assert_eq!(listed(&keeping).unwrap().len(), 2);
    let regenerate = |world: &mut World, session| {
        let account = world.account();
        let step = world.verifier.regenerate_recovery_codes(
            session,
            account,
            world.now,
            &countersign_testkit::entropy(&mut world.rng),
        );
        world.run(step)
    };
    assert_eq!(regenerate(&mut world, &keeping).unwrap_err(), Denial::InsufficientScope);
    assert!(regenerate(&mut world, &blind).is_ok());
}

#[test]
fn a_message_is_rendered_for_its_own_record_and_keeps_its_id() {
    let mut world = World::new(Policy::default());
    world.enroll("user@example.com");
    world.pass(86_400);
    let session = world.login();
    world.challenge(&session).unwrap();
    let sent = world.mail();
    world.pass(61);
    world.challenge(&session).unwrap();
    assert_ne!(world.mail().id, sent.id);
    let own = world.account();
    let other = Account::new(&Subject::new("user-2").unwrap());
    let (mut mails, mut notes) = (0, 0);
    for descriptor in &*world.store.outbox.borrow() {
        assert_eq!(
            world.verifier.render(&other, descriptor, world.now).unwrap_err(),
            RenderError::WrongRecord
        );
        match descriptor {
            Descriptor::Notify(notify) => {
                let Ok(Effect::Notify(shown)) = world.verifier.render(&own, descriptor, world.now) else {
                    panic!()
                };
                assert_eq!(shown.id, notify.id);
                notes += 1;
            }
            Descriptor::Send(email) if email.id == sent.id => {
                let Ok(Effect::Send(mail)) = world.verifier.render(&own, descriptor, world.now) else {
                    panic!()
                };
                let mail = countersign_testkit::Mail::from(mail);
                assert_eq!((mail.id, mail.code.expose()), (sent.id, sent.code.expose()));
                mails += 1;
            }
            _ => {}
        }
    }
    assert!(mails == 1 && notes > 0);
    let said =
        [RenderError::NotLive, RenderError::KeyUnknown, RenderError::WrongRecord].map(|it| it.to_string());
    assert_eq!(said[0], "the message is not live any more");
    assert_eq!(said[1], "the key of the message's challenge is not in the ring");
    assert_eq!(said[2], "the message belongs to another subject");
}

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
