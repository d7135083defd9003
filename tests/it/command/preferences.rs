//! `rename`, `prefer`: who may, what is remembered, and what it changes.

use countersign::{
    AuthenticatorId, ChallengeRequest, Denial, Policy, Verifier,
    command::{ChallengeTypes, OtpRequest},
    factor::AuthenticatorName,
    policy::{FactorUse, Rate, WhenExhausted},
    session::ElevatedScopes,
};
use countersign_testkit::{World, email, keys, locking, totp, wrong_otp};

use crate::accounts::{guess_wrong, with_two_addresses};

fn ids(world: &mut World) -> Vec<AuthenticatorId> {
    world.account().authenticators().iter().map(countersign::record::Authenticator::id).collect()
}

fn names(world: &mut World) -> Vec<Option<String>> {
    let account = world.account();
    let names = account.authenticators().iter().map(countersign::record::Authenticator::name);
    names.map(|name| name.map(|name| name.as_str().to_owned())).collect()
}

/// Who is challenged where the request names nobody.
fn asked(world: &mut World) -> AuthenticatorId {
    world.pass(60);
    let session = world.login();
    world.challenge(&session).unwrap().authenticator
}

#[test]
fn a_name_is_given_changed_and_taken_back() {
    let mut world = with_two_addresses(Policy::default());
    let [first, second] = ids(&mut world)[..] else { panic!("two") };
    let session = world.elevated();
    world.rename(&session, second, Some("work mail")).unwrap();
    assert_eq!(names(&mut world), [None, Some("work mail".to_owned())]);
    let account = world.account();
    let views = world.verifier.authenticators(&session, &account, world.now).unwrap();
    let shown: Vec<_> = views
        .iter()
        .map(|view| (view.name.as_ref().map(AuthenticatorName::as_str), &view.destination))
        .collect();
    let masked = |text: &str| Some(text.to_owned());
    let (mine, work) = (masked("firs*@exam*******"), masked("seco**@exam*******"));
    assert_eq!(shown, [(None, &mine), (Some("work mail"), &work), (None, &None)]);

    world.rename(&session, second, Some("office")).unwrap();
    world.rename(&session, first, Some("office")).unwrap();
    assert_eq!(names(&mut world), [Some("office".to_owned()), Some("office".to_owned())], "a name is no key");
    world.rename(&session, second, None).unwrap();
    assert_eq!(names(&mut world), [Some("office".to_owned()), None]);
}

#[test]
fn what_stands_already_writes_nothing() {
    let mut world = with_two_addresses(Policy::default());
    let [first, second] = ids(&mut world)[..] else { panic!("two") };
    let session = world.elevated();
    world.rename(&session, first, Some("home")).unwrap();
    world.prefer(&session, first, true).unwrap();
    let name = AuthenticatorName::new("home").unwrap();
    let (account, now) = (world.account(), world.now);
    let verifier = &world.verifier;
    assert!(!verifier.rename(&session, account.clone(), first, Some(&name), now).writes());
    assert!(!verifier.rename(&session, account.clone(), second, None, now).writes());
    assert!(!verifier.prefer(&session, account.clone(), first, true, now).writes());
    assert!(!verifier.prefer(&session, account.clone(), second, false, now).writes());
    assert!(verifier.rename(&session, account.clone(), second, Some(&name), now).writes());
    assert!(verifier.rename(&session, account.clone(), first, None, now).writes());
    assert!(verifier.prefer(&session, account.clone(), second, true, now).writes());
    assert!(verifier.prefer(&session, account, first, false, now).writes());
}

/// An enrollment may bring its name. One that goes on keeps what it has.
#[test]
fn an_enrollment_brings_its_name() {
    let mut world = World::new(Policy::default());
    let session = world.login();
    let name = |text| AuthenticatorName::new(text).unwrap();
    let associate = |world: &mut World, factor| {
        let entropy = countersign_testkit::entropy(&mut world.rng);
        let account = world.account();
        let step = world.verifier.associate(&session, account, &factor, world.now, &entropy);
        world.run(step).unwrap().authenticator
    };
    let mail = associate(&mut world, email("user@example.com").name(name("home")));
    let app = associate(&mut world, totp().name(name("phone")));
    world.pass(60);
    assert_eq!(associate(&mut world, email("user@example.com").name(name("other"))), mail);
    assert_eq!(associate(&mut world, totp()), app);
    assert_eq!(names(&mut world), [Some("home".to_owned()), Some("phone".to_owned())]);
}

#[test]
fn the_preferred_one_is_asked_first_and_by_nothing_else_favored() {
    let mut world = with_two_addresses(Policy::default());
    let [first, second] = ids(&mut world)[..] else { panic!("two") };
    assert_eq!(asked(&mut world), second, "the newest");
    let session = world.elevated();
    world.prefer(&session, first, true).unwrap();
    assert_eq!(world.account().preferred(), Some(first));
    let account = world.account();
    let views = world.verifier.authenticators(&session, &account, world.now).unwrap();
    let preferred: Vec<_> = views.iter().map(|view| view.preferred).collect();
    assert_eq!(preferred, [true, false, false]);
    assert_eq!(asked(&mut world), first);
    world.pass(60);
    let login = world.login();
    let named = ChallengeRequest::default().authenticator(second);
    assert_eq!(world.challenge_with(&login, &named).unwrap().authenticator, second);
    let session = world.elevated();
    world.prefer(&session, second, true).unwrap();
    assert_eq!(asked(&mut world), second);
    let session = world.elevated();
    world.prefer(&session, first, true).unwrap();
    world.prefer(&session, first, false).unwrap();
    assert_eq!(asked(&mut world), second);
}

/// Where the preferred one cannot answer, the sign-in goes on with another.
#[test]
fn a_preference_is_no_dead_end() {
    let mut world = World::new(Policy::default());
    let (mail, _) = world.enroll("user@example.com");
    world.pass(60);
    let session = world.elevated();
    let (given, app) = world.associate_otp(&session, &totp()).unwrap();
    let code = app.at(world.now);
    world.verify_otp(&session, code).unwrap();
    world.prefer(&session, given.authenticator, true).unwrap();
    world.pass(60);
    let login = world.login();
    let mut asked = |types| {
        let request = ChallengeRequest::default().types(types);
        let (account, entropy) = (world.account(), countersign_testkit::entropy(&mut world.rng));
        let step = world.verifier.challenge(&login, account, &request, world.now, &entropy);
        world.run(step).unwrap().authenticator
    };
    assert_eq!(asked(ChallengeTypes::ANY), given.authenticator);
    assert_eq!(asked(ChallengeTypes::parse("oob")), mail);
}

/// An app whose codes are refused now, because its lane is locked or its attempts are used up, is asked for last.
#[test]
fn a_preferred_app_that_takes_no_code_is_asked_for_last() {
    let locking_otp = |attempts, guesses| {
        countersign_testkit::policy(|settings| {
            settings.when_exhausted = WhenExhausted::HardenMessages;
            settings.guess_bucket = Rate::new(guesses, time::Duration::HOUR);
            settings.attempts = attempts;
        })
    };
    // Three guesses empty the lane's; two use up the attempts of one sign-in.
    for (policy, guesses) in [(locking_otp(3, 3), 3), (locking_otp(2, 9), 2)] {
        let mut world = World::new(policy);
        let (mail, _) = world.enroll("user@example.com");
        world.pass(60);
        let session = world.elevated();
        let (given, app) = world.associate_otp(&session, &totp()).unwrap();
        let code = app.at(world.now);
        world.verify_otp(&session, code).unwrap();
        world.prefer(&session, given.authenticator, true).unwrap();
        world.pass(600);
        let login = world.login();
        let near: Vec<_> =
            (-4..=4).map(|step| app.at(world.now + time::Duration::seconds(30) * step)).collect();
        for _ in 0..guesses {
            let guess = wrong_otp(&near.iter().collect::<Vec<_>>());
            world.verify_otp(&login, OtpRequest::new(guess).authenticator(given.authenticator)).unwrap_err();
        }
        assert_eq!(world.challenge(&login).unwrap().authenticator, mail);
        let app_alone = ChallengeRequest::default().types(ChallengeTypes::parse("otp"));
        let denied = world.challenge_with(&login, &app_alone).unwrap_err();
        assert!(matches!(denied, Denial::Locked { .. } | Denial::AttemptsExhausted), "{denied:?}");
    }
}

#[test]
fn a_preference_ends_with_its_authenticator() {
    let mut world = with_two_addresses(Policy::default());
    let [first, second] = ids(&mut world)[..] else { panic!("two") };
    let session = world.elevated();
    world.prefer(&session, second, true).unwrap();
    world.remove(&session, first).unwrap();
    assert_eq!(world.account().preferred(), Some(second), "another one went");
    let session = world.elevated();
    world.remove(&session, second).unwrap();
    assert_eq!(world.account().preferred(), None);

    let mut world = with_two_addresses(Policy::default());
    let session = world.elevated();
    let [first, _] = ids(&mut world)[..] else { panic!("two") };
    world.prefer(&session, first, true).unwrap();
    world.reset();
    assert_eq!(world.account().preferred(), None);
}

#[test]
fn only_what_signs_in_can_be_preferred() {
    let mut world = World::new(locking(|settings| settings.failure_cap = 1));
    let (disabled, _) = world.enroll("user@example.com");
    let session = world.elevated();
    let pending = world.associate(&session, "other@example.com").unwrap().authenticator;
    let unknown = "email|dev_0123456789ABCDef".parse().unwrap();
    let account = world.account();
    let views = world.verifier.authenticators(&session, &account, world.now).unwrap();
    let codes = views.last().unwrap().id;
    for id in [pending, unknown, codes] {
        for preferred in [true, false] {
            let denied = world.prefer(&session, id, preferred).unwrap_err();
            assert_eq!(denied, Denial::UnknownAuthenticator, "{id}");
        }
        assert_eq!(world.rename(&session, id, Some("x")).unwrap_err(), Denial::UnknownAuthenticator, "{id}");
    }
    world.prefer(&session, disabled, true).unwrap();
    guess_wrong(&mut world, 1);
    let session = world.elevated();
    world.prefer(&session, disabled, true).unwrap();
    assert_eq!(world.account().preferred(), Some(disabled), "it stands, and is not asked");
    world.rename(&session, disabled, Some("blocked")).unwrap();
    world.prefer(&session, disabled, false).unwrap();
    world.prefer(&session, disabled, false).unwrap();
    assert_eq!(world.prefer(&session, disabled, true).unwrap_err(), Denial::AuthenticatorDisabled);
}

#[test]
fn a_factor_that_only_confirms_is_not_preferred() {
    let confirming = countersign_testkit::policy(|settings| {
        settings.factors.email = FactorUse::ConfirmOnly;
    });
    let mut world = World::new(Policy::default());
    let (id, _) = world.enroll("user@example.com");
    let session = world.elevated();
    world.verifier = Verifier::new(keys(), confirming);
    assert_eq!(world.prefer(&session, id, true).unwrap_err(), Denial::UnsupportedChallengeType);
}

#[test]
fn a_recent_second_factor_and_the_scope_enroll_are_needed() {
    let mut world = World::new(Policy::default());
    let (id, _) = world.enroll("user@example.com");
    world.pass(60);
    let login = world.login();
    let mut scopes = ElevatedScopes::ALL;
    scopes.enroll = false;
    let keeping = world.elevated_with(scopes);
    for session in [&login, &keeping] {
        assert_eq!(world.rename(session, id, Some("x")).unwrap_err(), Denial::InsufficientScope);
        assert_eq!(world.prefer(session, id, true).unwrap_err(), Denial::InsufficientScope);
    }
    let old = world.elevated();
    world.pass(15 * 60 + 1);
    let stale = |refused: Result<(), Denial>| {
        assert!(matches!(refused, Err(Denial::InsufficientUserAuthentication { .. })), "{refused:?}");
    };
    stale(world.rename(&old, id, Some("x")));
    stale(world.prefer(&old, id, true));
    let ended = world.elevated();
    world.revoke_sessions();
    assert_eq!(world.rename(&ended, id, Some("x")).unwrap_err(), Denial::ExpiredToken);
    assert_eq!(world.prefer(&ended, id, true).unwrap_err(), Denial::ExpiredToken);
    assert_eq!(names(&mut world), [None]);
    assert_eq!(world.account().preferred(), None);
}
