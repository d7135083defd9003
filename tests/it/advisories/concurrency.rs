//! Checks and writes that came apart: V1, V3 to V7, V10.

use std::collections::BTreeSet;

use countersign::{Account, Denial, Policy, Swap, step::Committed};
use time::Duration;

use super::{ADDRESS, challenged, charged_guesses, charged_recoveries, contend, enrolled, guess_out, roomy};
use countersign_testkit::{Store, subject, wrong};

/// CVE-2026-33624 (Parse Server): of parallel logins with one recovery code, one gets a token and the others are
/// charged.
#[test]
fn v01_parallel_recovery_codes_are_consumed_once() {
    let (mut world, codes) = enrolled(Policy::default());
    let sessions: Vec<_> = (0..8).map(|_| world.login()).collect();
    let now = world.now;
    let told = contend(&mut world, 8, |verifier, server, account| {
        verifier.verify_recovery(&sessions[server], account, &codes[0], now)
    });
    assert_eq!(told.iter().filter(|result| result.is_ok()).count(), 1);
    let denials: Vec<_> = told.into_iter().filter_map(Result::err).collect();
    assert_eq!(denials, [Denial::InvalidRecoveryCode; 7]);
    assert_eq!(world.tokens.len(), 1);
    assert_eq!(countersign_testkit::recovery_codes_left(&world.account()), 9);
    assert_eq!(charged_recoveries(&mut world), 7);
}

/// HackerOne 3692149 (Ory Kratos): of parallel answers with the right emailed code, one gets a session.
#[test]
fn v03_parallel_right_codes_open_one_session() {
    let (mut world, _) = enrolled(Policy::default());
    let session = world.login();
    let (challenged, right) = challenged(&mut world, &session);
    let handle = world.verifier.open_oob_code(&session, challenged.oob_code.expose()).unwrap();
    let now = world.now;
    let told = contend(&mut world, 8, |verifier, _, account| {
        verifier.verify_oob(&session, account, &handle, &right, now, None)
    });
    assert!(told[0].as_ref().unwrap().completed);
    let denials: Vec<_> = told.into_iter().filter_map(Result::err).collect();
    assert_eq!(denials, [Denial::OobCodeUsed; 7]);
    assert_eq!(world.tokens.len(), 1);
    assert_eq!(charged_guesses(&mut world), 0);
}

/// better-auth PR 8067: an attempt is spent before its verdict exists, so no right code comes after the last one.
#[test]
fn v04_a_right_code_among_parallel_guesses_cannot_outrun_the_limit() {
    for (rights_place, succeeds) in [(4, true), (5, false)] {
        let (mut world, _) = enrolled(Policy::default());
        let session = world.login();
        let (challenged, right) = challenged(&mut world, &session);
        let handle = world.verifier.open_oob_code(&session, challenged.oob_code.expose()).unwrap();
        let (now, wrong) = (world.now, wrong(&right));
        let told = contend(&mut world, 8, |verifier, server, account| {
            let code = if server == rights_place { &right } else { &wrong };
            verifier.verify_oob(&session, account, &handle, code, now, None)
        });
        assert_eq!(told[rights_place].is_ok(), succeeds, "the limit is five");
        assert_eq!(world.tokens.len(), usize::from(succeeds));
        let counted =
            told.iter().filter(|result| matches!(result, Err(Denial::InvalidBindingCode { .. }))).count();
        assert_eq!(counted, rights_place.min(5));
        assert_eq!(charged_guesses(&mut world), counted as u64);
    }
}

/// GHSA-7w99-5wm4-3g79 (better-auth): a write names the revision it replaces, so a stale copy never forks the record.
#[test]
fn v05_a_stale_copy_is_never_stored() {
    // One successor, whoever asks for it.
    let (mut world, codes) = enrolled(Policy::auth0());
    let sessions: Vec<_> = (0..5).map(|_| world.login()).collect();
    let now = world.now;
    let told = contend(&mut world, 5, |verifier, server, account| {
        verifier.verify_recovery(&sessions[server], account, &codes[0], now)
    });
    let next: Vec<_> = told.into_iter().flatten().filter_map(|recovered| recovered.replacement).collect();
    assert_eq!((next.len(), world.tokens.len()), (1, 1));
    assert_eq!(countersign_testkit::recovery_codes_left(&world.account()), 1);

    // A write that was held back, while the record moved on by one and then by many writes.
    let (early, late) = (world.login(), world.login());
    let copy = world.account();
    let held = [copy.clone(), copy].map(|copy| world.verifier.verify_recovery(&early, copy, &next[0], now));
    world.recover(&late, &next[0]).unwrap();
    let moved_on = world.account();
    for (step, writes) in held.into_iter().zip([0, 20]) {
        for _ in 0..writes {
            world.unlock();
        }
        let before = world.account();
        assert!(matches!(step.commit(|write| world.store.swap(write)).unwrap(), Committed::Lost));
        assert_eq!(world.account(), before);
    }
    assert!(world.account().revision() > moved_on.revision());

    // A row that was deleted and made anew, by as many writes as the old one.
    world.store = Store::default();
    world.provision(ADDRESS).unwrap();
    let old = world.account();
    world.store = Store::default();
    world.provision("new@example.com").unwrap();
    let stale = world.verifier.deprovision(old, &countersign_testkit::email(ADDRESS), now);
    assert!(matches!(stale.commit(|write| world.store.swap(write)).unwrap(), Committed::Lost));
    // And a new record does not overwrite one that another server inserted first.
    let second = Account::new(&subject());
    let step = world.verifier.provision(
        second,
        &countersign_testkit::email(ADDRESS),
        now,
        &countersign_testkit::entropy(&mut world.rng),
    );
    assert!(matches!(step.commit(|write| world.store.swap(write)).unwrap(), Committed::Lost));
}

/// keycloak#26106: using a recovery code is one critical section, so no use of another code undoes it.
#[test]
fn v06_parallel_uses_of_different_recovery_codes_lose_none() {
    let (mut world, codes) = enrolled(Policy::default());
    let sessions: Vec<_> = (0..6).map(|_| world.login()).collect();
    let now = world.now;
    let told = contend(&mut world, 6, |verifier, server, account| {
        verifier.verify_recovery(&sessions[server], account, &codes[server], now)
    });
    assert!(told.iter().all(Result::is_ok));
    assert_eq!(
        world.tokens.iter().map(countersign::effect::IssueToken::id).collect::<BTreeSet<_>>().len(),
        6
    );
    assert_eq!(countersign_testkit::recovery_codes_left(&world.account()), 4);
    for code in &codes[..6] {
        let session = world.login();
        assert_eq!(world.recover(&session, code).unwrap_err(), Denial::InvalidRecoveryCode);
    }
}

/// CVE-2023-47111 (ZITADEL): guesses in flight each need an attempt of their own, in one transaction and across many.
#[test]
fn v07_parallel_guesses_each_cost_an_attempt() {
    let (mut world, _) = enrolled(roomy(|_| {}));
    let session = world.login();
    let (first, right) = challenged(&mut world, &session);
    let handle = world.verifier.open_oob_code(&session, first.oob_code.expose()).unwrap();
    let (now, guess) = (world.now, wrong(&right));
    let told = contend(&mut world, 20, |verifier, _, account| {
        verifier.verify_oob(&session, account, &handle, &guess, now, None)
    });
    let denials: Vec<_> = told.into_iter().map(Result::unwrap_err).collect();
    let counted: Vec<_> =
        (0..5).rev().map(|attempts_left| Denial::InvalidBindingCode { attempts_left }).collect();
    assert_eq!(denials[..5], counted);
    assert_eq!(denials[5..], [Denial::AttemptsExhausted; 15]);
    assert_eq!(charged_guesses(&mut world), 5);

    // Five are left for the account, whatever the number of transactions.
    let open: Vec<_> = (0..4)
        .map(|_| {
            let session = world.login();
            let (challenged, right) = challenged(&mut world, &session);
            let handle = world.verifier.open_oob_code(&session, challenged.oob_code.expose()).unwrap();
            (session, handle, wrong(&right))
        })
        .collect();
    let told = contend(&mut world, 20, |verifier, server, account| {
        let (session, handle, guess) = &open[server % 4];
        verifier.verify_oob(session, account, handle, guess, now, None)
    });
    let denials: Vec<_> = told.into_iter().map(Result::unwrap_err).collect();
    assert!(denials[..5].iter().all(|denial| matches!(denial, Denial::InvalidBindingCode { .. })));
    assert!(denials[5..].iter().all(|denial| matches!(denial, Denial::Locked { .. })));
    assert_eq!(charged_guesses(&mut world), 10);
}

/// CVE-2026-35597 (Vikunja): a failure is a committed outcome: without its write there is no verdict, and no roll-back
/// takes the write along.
#[test]
fn v10_a_failure_is_stored_before_it_is_told() {
    let (mut world, _) = enrolled(roomy(|settings| settings.attempts = 10));
    let session = world.login();
    let (challenged, right) = challenged(&mut world, &session);
    let handle = world.verifier.open_oob_code(&session, challenged.oob_code.expose()).unwrap();
    let guess = |code, account| world.verifier.verify_oob(&session, account, &handle, code, world.now, None);
    // Wrong or right: a store that fails or loses tells nothing, and the step looks the same.
    for code in [&wrong(&right), &right] {
        let account = world.store.load(&subject()).unwrap();
        let step = guess(code, account.clone());
        assert!(step.writes());
        assert_eq!(format!("{step:?}"), "Step { writes: true, .. }");
        assert_eq!(step.commit(|_| Err::<Swap, _>("rolled back")).unwrap_err(), "rolled back");
        assert!(guess(code, account.clone()).commit(|_| Ok::<_, ()>(Swap::Lost)).unwrap().done().is_none());
        let (write, sealed) = guess(code, account).into_parts();
        assert!(write.is_some());
        assert_eq!(format!("{sealed:?}"), "Sealed(..)");
        assert!(sealed.open(Swap::Lost).done().is_none());
    }
    assert_eq!(charged_guesses(&mut world), 0, "and nothing happened");

    // What was told is stored: each failure, and the lock that the last one set, in either stored form.
    let oob_code = challenged.oob_code.expose();
    for attempts_left in (0..10).rev() {
        let denial = world.verify(&session, oob_code, &wrong(&right)).unwrap_err();
        assert_eq!(denial, Denial::InvalidBindingCode { attempts_left });
        assert_eq!(charged_guesses(&mut world), 10 - u64::from(attempts_left));
    }
    let account = world.account();
    let json: Account = serde_json::from_str(&serde_json::to_string(&account).unwrap()).unwrap();
    let bytes: Account = postcard::from_bytes(&postcard::to_stdvec(&account).unwrap()).unwrap();
    assert_eq!((&json, &bytes), (&account, &account));
    for account in [json, bytes] {
        world.store.put(account);
        let fresh = world.login();
        let until = world.now + Duration::seconds(360);
        assert_eq!(world.challenge(&fresh).unwrap_err(), Denial::Locked { until });
        assert_eq!(guess_out(&mut world, &session, oob_code, &wrong(&right)).0, 0);
    }
}
