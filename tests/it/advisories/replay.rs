//! Codes and verdicts that were good twice: V2, V22 to V24, V28.

use countersign::{
    Account, Denial, Policy,
    code::OtpCode,
    command::OtpRequest,
    factor::{AuthenticatorKind, Factor},
    record::AuthenticatorStatus,
};
use time::Duration;

use super::{ADDRESS, challenged, edited, enrolled, requirements, roomy, session_of};
use countersign_testkit::{Need, World, client, subject, totp, wrong};

/// CVE-2026-31875 (Parse Server): the one edge that grants a login removes the code that it was granted for.
#[test]
fn v02_a_code_that_succeeded_is_gone() {
    let (mut world, codes) = enrolled(roomy(|_| {}));
    let session = world.login();
    let (challenged, right) = challenged(&mut world, &session);
    world.verify(&session, challenged.oob_code.expose(), &right).unwrap();
    let stored = serde_json::to_value(world.account().challenges()).unwrap();
    assert!(stored.as_array().unwrap().iter().any(|challenge| challenge["state"] == "verified"));
    assert!(!stored.to_string().contains("seed"), "with the state goes the code");
    for _ in 0..3 {
        let again = world.verify(&session, challenged.oob_code.expose(), &right);
        assert_eq!(again.unwrap_err(), Denial::OobCodeUsed);
    }

    for (used, code) in codes.iter().enumerate() {
        world.pass(1);
        let session = world.login();
        assert_eq!(usize::from(world.recover(&session, code).unwrap().remaining), 9 - used);
        let reloaded: Account =
            serde_json::from_str(&serde_json::to_string(&world.account()).unwrap()).unwrap();
        world.store.put(reloaded);
        world.pass(1);
        let session = world.login();
        assert_eq!(world.recover(&session, code).unwrap_err(), Denial::InvalidRecoveryCode);
    }
    assert_eq!(world.tokens.len(), 11);
    let email = vec![AuthenticatorKind::Email];
    assert_eq!(requirements(&mut world), Need::Challenge(email));
}

/// CVE-2025-43798 (Liferay), zitadel#6452, better-auth#10387: the step of an app's code only moves on, with
/// the swap that accepts the code; the code that confirms an enrollment is no exception.
#[test]
fn v22_a_code_of_an_app_is_good_once() {
    let mut world = World::new(Policy::auth0());
    let (.., app) = world.enroll_totp();
    let confirming = app.at(world.now);
    let session = world.login();
    let denial = world.verify_otp(&session, confirming).unwrap_err();
    assert!(matches!(denial, Denial::InvalidOtpCode { .. }), "{denial:?}");
    for _ in 0..3 {
        world.pass(60);
        let (before, now) = (app.at(world.now - Duration::seconds(30)), app.at(world.now));
        let session = world.login();
        world.verify_otp(&session, now.clone()).unwrap();
        // Reloaded, a step later, or as the code of the step before: what is over stays over.
        let reloaded = serde_json::from_str(&serde_json::to_string(&world.account()).unwrap()).unwrap();
        world.store.put(reloaded);
        for (code, later) in [(&now, 0), (&before, 0), (&now, 30)] {
            world.pass(later);
            let session = world.login();
            let denial = world.verify_otp(&session, code.clone()).unwrap_err();
            assert!(matches!(denial, Denial::InvalidOtpCode { .. }), "{denial:?}");
        }
        world.unlock();
    }
    assert_eq!(world.tokens.len(), 4);
}

/// Gitea: one way in never wrote the mark. Here a first login, an elevated session and a login share the one
/// step, and a verdict is sealed until the record that has it is stored.
#[test]
fn v23_every_way_in_moves_the_step_on() {
    let last = |world: &mut World, place: usize| match world.account().authenticators()[place].factor() {
        Factor::Totp(factor) => factor.last_step(),
        other => panic!("{other:?}"),
    };
    let step = |world: &World| u64::try_from(world.now.unix_timestamp() / 30).ok();
    let mut world = World::new(Policy::default());
    let (_, _, app) = world.enroll_totp();
    assert_eq!(last(&mut world, 0), step(&world), "confirmed by a first login");
    let elevated = world.elevated();
    let (_, other) = world.associate_otp(&elevated, &totp()).unwrap();
    let code = other.at(world.now);
    world.verify_otp(&elevated, code).unwrap();
    assert_eq!(last(&mut world, 1), step(&world), "confirmed by an elevated session");
    let id = world.account().authenticators()[0].id();
    world.pass(60);
    let (session, account) = (world.login(), world.account());
    let request = OtpRequest::new(app.at(world.now)).authenticator(id);
    let taken = world.verifier.verify_otp(&session, account, &request, world.now, None);
    let (write, sealed) = taken.into_parts();
    // The store lost it: there is no verdict, and the step is where it was.
    drop((write, sealed));
    assert_ne!(last(&mut world, 0), step(&world));
    world.verify_otp(&session, request).unwrap();
    assert_eq!(last(&mut world, 0), step(&world), "a login");
}

/// CVE-2026-27855 (Dovecot): a verdict is bound to its subject and transaction and is no value that another can use.
#[test]
fn v24_a_verdict_is_no_use_under_another_name() {
    let (mut world, codes) = enrolled(Policy::auth0());
    let session = world.login();
    let (challenged, right) = challenged(&mut world, &session);
    let oob_code = challenged.oob_code.expose();
    // The same record, under a name that a careless comparison takes for the same.
    let renamed = edited(&world.account(), |record| record["subject"] = "user-1 ".into()).unwrap();
    let handle = world.verifier.open_oob_code(&session, oob_code).unwrap();
    let step = world.verifier.verify_oob(&session, renamed.clone(), &handle, &right, world.now, None);
    assert!(!step.writes());
    assert_eq!(world.run(step).unwrap_err(), Denial::WrongRecord);
    world.store.put(renamed.clone());
    let other = session_of(&mut world, "user-1 ", "client-1");
    assert_eq!(world.verifier.open_oob_code(&other, oob_code).unwrap_err(), Denial::MalformedOobCode);
    let step = world.verifier.verify_recovery(&other, renamed, &codes[0], world.now);
    assert_eq!(world.run(step).unwrap_err(), Denial::InvalidRecoveryCode, "a hash is bound to its subject");
    assert!(world.tokens.is_empty());

    // The secret of an app is bound to its subject as well, and so are four codes at once.
    let mut named = World::new(Policy::default());
    let (id, _, app) = named.enroll_totp();
    named.pass(600);
    let issued = named.tokens.len();
    let renamed = edited(&named.account(), |record| record["subject"] = "user-1 ".into()).unwrap();
    let at = |before: i64| app.at(named.now - Duration::seconds(30 * before));
    let row = [3, 2, 1, 0].map(|before| at(before).expose().to_owned()).concat();
    let (one, four) = (at(0), OtpCode::parse(&row).unwrap());
    let own = named.login();
    named.store.put(renamed.clone());
    let other = session_of(&mut named, "user-1 ", "client-1");
    for code in [&one, &four] {
        let request = OtpRequest::new(code.clone()).authenticator(id);
        let step = named.verifier.verify_otp(&own, renamed.clone(), &request, named.now, None);
        assert!(!step.writes());
        assert_eq!(named.run(step).unwrap_err(), Denial::WrongRecord);
        named.store.put(renamed.clone());
        let step = named.verifier.verify_otp(&other, renamed.clone(), &request, named.now, None);
        let denial = named.run(step).unwrap_err();
        assert!(matches!(denial, Denial::InvalidOtpCode { .. } | Denial::InvalidLongCode), "{denial:?}");
    }
    assert_eq!(named.tokens.len(), issued);

    // An answer is repeated to the very code, in the very transaction, as the very token.
    let session = world.login();
    let next = world.recover(&session, &codes[0]).unwrap().replacement.unwrap();
    world.recover(&session, &codes[0]).unwrap();
    let [first, again] = &world.tokens[..] else { panic!("two effects") };
    assert_eq!(first, again);
    assert_eq!(*first.subject(), subject());
    for code in [&next, &super::near_miss(&codes[0], 23)] {
        assert_eq!(world.recover(&session, code).unwrap_err(), Denial::TransactionSpent);
    }
    let other = world.login();
    assert_eq!(world.recover(&other, &codes[0]).unwrap_err(), Denial::InvalidRecoveryCode);
    assert_eq!(world.tokens.len(), 2);
}

/// CVE-2026-28268 (Vikunja): expiry is decided at use from the given time, and no clean-up is needed for it; a token
/// that is shown in the wrong place is neither used up nor kept alive.
#[test]
fn v28_expiry_is_decided_at_use() {
    let (mut world, codes) = enrolled(roomy(|settings| settings.code_lifetime = Duration::seconds(60)));
    let token = world.begin();
    let session = world.verifier.open(token.expose(), Some(&client()), world.now).unwrap();
    let (challenged, right) = challenged(&mut world, &session);
    let oob_code = challenged.oob_code.expose();
    assert_eq!(world.verifier.open(oob_code, None, world.now).unwrap_err(), Denial::MalformedToken);
    let misplaced = world.verifier.open_oob_code(&session, token.expose());
    assert_eq!(misplaced.unwrap_err(), Denial::MalformedOobCode);

    // The right code at the deadline, against the record as it was before: nothing has swept it.
    let unswept = world.account();
    world.now = challenged.expires;
    assert_eq!(world.verify(&session, oob_code, &right).unwrap_err(), Denial::ExpiredOobCode);
    world.store.put(unswept.clone());
    world.now = challenged.expires - Duration::milliseconds(1);
    assert!(world.verify(&session, oob_code, &right).is_ok());
    assert_eq!(world.tokens.len(), 1);

    // A session that was opened in time, used when its time is over, against the same record.
    world.store.put(unswept);
    world.now = session.expires();
    assert_eq!(world.verifier.open(token.expose(), None, world.now).unwrap_err(), Denial::ExpiredToken);
    assert_eq!(world.challenge(&session).unwrap_err(), Denial::ExpiredToken);
    assert_eq!(world.verify(&session, oob_code, &right).unwrap_err(), Denial::ExpiredToken);
    assert_eq!(world.recover(&session, &codes[0]).unwrap_err(), Denial::ExpiredToken);
    let account = world.account();
    assert_eq!(
        world.verifier.authenticators(&session, &account, world.now).unwrap_err(),
        Denial::ExpiredToken
    );

    // An enrollment lapses with its transaction, swept or not.
    let mut world = World::new(roomy(|_| {}));
    let session = world.login();
    let associated = world.associate(&session, ADDRESS).unwrap();
    world.now = session.expires();
    let later = world.login();
    let account = world.account();
    assert_eq!(account.authenticators().len(), 1);
    assert!(world.verifier.authenticators(&later, &account, world.now).unwrap().is_empty());
    let code = world.mail().code;
    for session in [&session, &later] {
        assert!(world.verify(session, associated.oob_code.expose(), &code).is_err());
    }
    world.now -= Duration::milliseconds(1);
    let rows = world.verifier.authenticators(&session, &account, world.now).unwrap();
    assert_eq!(rows[0].status, AuthenticatorStatus::Unconfirmed);
    assert!(world.tokens.is_empty());

    // A deadline that was seen is written: a clock that goes back revives nothing.
    let (mut world, _) = enrolled(Policy::default());
    let session = world.login();
    let challenged = world.challenge(&session).unwrap();
    let right = world.mail().code;
    world.now = challenged.expires;
    let seen = world.verify(&session, challenged.oob_code.expose(), &wrong(&right));
    assert_eq!(seen.unwrap_err(), Denial::ExpiredOobCode);
    world.now = countersign_testkit::START + Duration::seconds(61);
    let revived = world.verify(&session, challenged.oob_code.expose(), &right);
    assert_eq!(revived.unwrap_err(), Denial::ExpiredOobCode);
}
