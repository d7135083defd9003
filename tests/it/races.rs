//! Races: whatever the order in which nodes load and swap one record, what is revealed was charged, and within its
//! bounds.
//!
//! Each scene is played with a store that swaps conditionally, where the bounds must hold in every order, and with
//! one in which the last write wins, where they must break in some order: the first could have failed.

use countersign::{
    BindingCode, ChallengeRequest, Denial, Policy, Session,
    code::{OtpCode, RecoveryCode},
    machine::Enrollment,
    policy::{Rate, RecoveryUse, Resend, Settings},
    record::Authenticator,
    session::OobHandle,
};
use countersign_testkit::schedule::{Move, Scene, State, Store};
use countersign_testkit::{World, locking, policy, totp, wrong, wrong_otp};
use time::Duration;

/// An enrolled account with a live challenge, under a policy of two attempts.
fn challenged(change: impl FnOnce(&mut Settings)) -> (World, Session, OobHandle, BindingCode) {
    let mut world = World::new(policy(|settings| {
        settings.attempts = 2;
        change(settings);
    }));
    world.enroll("user@example.com");
    world.pass(60);
    let session = world.login();
    let challenged = world.challenge(&session).unwrap();
    let handle = world.verifier.open_oob_code(&session, challenged.oob_code.expose()).unwrap();
    let code = world.mail().code;
    (world, session, handle, code)
}

/// One node for each code, all at one challenge.
fn guesses(codes: &[bool], right: &BindingCode, session: &Session, handle: &OobHandle) -> Vec<Vec<Move>> {
    let code = |&is_right: &bool| if is_right { right.clone() } else { wrong(right) };
    codes.iter().map(|is_right| vec![Move::Verify(session.clone(), handle.clone(), code(is_right))]).collect()
}

#[test]
fn wrong_codes_reveal_no_more_verdicts_than_attempts() {
    let (mut world, session, handle, right) = challenged(|_| {});
    let scene = Scene::new(&mut world, guesses(&[false; 4], &right, &session, &handle));
    scene.hold(|end, store| {
        assert!(end.wrong() <= 2);
        assert_eq!(end.attempts_left(&session), 2 - end.wrong() as u64);
        assert_eq!(usize::from(end.account.authenticators()[0].failures()), end.wrong());
        if store == Store::SwapAndRetry {
            assert_eq!((end.wrong(), end.answers.len()), (2, 4));
        }
    });
    assert_eq!(scene.most(Store::LastWriteWins, State::wrong), 4);
    // Four pairs of a load and a swap: 8! / 2^4 orders, and no fewer.
    assert_eq!(scene.play(Store::LastWriteWins, |_| {}), 2_520);
    assert_eq!(scene.play(Store::Swap, |_| {}), 2_520);
}

#[test]
fn one_right_code_completes_once() {
    let (mut world, session, handle, right) = challenged(|_| {});
    let scene = Scene::new(&mut world, guesses(&[true; 4], &right, &session, &handle));
    scene.hold(|end, store| {
        assert_eq!((end.right(), end.tokens.len()), (1, 1));
        assert_eq!(end.attempts_left(&session), 2);
        if store == Store::SwapAndRetry {
            assert_eq!(end.count(|answer| *answer == Err(Denial::OobCodeUsed)), 3);
        }
    });
    assert_eq!(scene.most(Store::LastWriteWins, State::right), 4);
}

#[test]
fn right_and_wrong_codes_share_the_attempts() {
    let (mut world, session, handle, right) = challenged(|_| {});
    let scene = Scene::new(&mut world, guesses(&[false, true, false, true], &right, &session, &handle));
    let mut ends = [0, 0];
    scene.hold(|end, _| {
        assert!(end.wrong() + end.right() <= 2);
        assert!(end.tokens.len() <= 1);
        ends[end.right()] += 1;
    });
    assert!(ends.iter().all(|&count| count > 0), "both ends are reached: {ends:?}");
    assert!(scene.most(Store::LastWriteWins, |end| end.wrong() + end.right()) > 2);
}

#[test]
fn two_factors_at_once_share_the_account_and_complete_once() {
    let mut world = World::new(locking(|settings| {
        settings.guess_bucket = Rate::new(2, Duration::seconds(360));
        settings.send_bucket = Rate::new(9, Duration::seconds(60));
    }));
    world.enroll("one@example.com");
    let elevated = world.elevated();
    let second = world.associate(&elevated, "two@example.com").unwrap();
    let code = world.mail().code;
    world.verify(&elevated, second.oob_code.expose(), &code).unwrap();
    world.pass(60);
    let session = world.login();
    let ids: Vec<_> = world.account().authenticators().iter().map(Authenticator::id).collect();
    let (mut rights, mut wrongs) = (Vec::new(), Vec::new());
    for id in ids {
        let request = ChallengeRequest::default().authenticator(id);
        let challenged = world.challenge_with(&session, &request).unwrap();
        let handle = world.verifier.open_oob_code(&session, challenged.oob_code.expose()).unwrap();
        let right = world.mail().code;
        rights.extend(guesses(&[true, true], &right, &session, &handle));
        wrongs.extend(guesses(&[false, false], &right, &session, &handle));
    }
    let scene = Scene::new(&mut world, rights);
    scene.hold(|end, _| assert_eq!((end.right(), end.tokens.len()), (1, 1)));
    assert!(scene.most(Store::LastWriteWins, State::right) > 1);
    let scene = Scene::new(&mut world, wrongs);
    scene.hold(|end, store| {
        assert!(end.wrong() <= 2, "the account's bucket holds two");
        if store == Store::SwapAndRetry {
            assert_eq!(end.wrong(), 2);
            assert_eq!(end.count(|answer| matches!(answer, Err(Denial::Locked { .. }))), 2);
        }
    });
    assert!(scene.most(Store::LastWriteWins, State::wrong) > 2);
}

#[test]
fn a_recovery_code_signs_in_once_and_wrong_ones_are_counted() {
    for (preset, left) in [(policy(|_| {}), 9), (policy(|s| s.recovery_use = RecoveryUse::Replace), 10)] {
        let mut world = World::new(preset);
        let (_, codes) = world.enroll("user@example.com");
        let sessions: Vec<_> = (0..4).map(|_| world.login()).collect();
        let recover =
            |session: &Session, code: &RecoveryCode| vec![Move::Recover(session.clone(), code.clone())];
        // One code, four transactions.
        let nodes = sessions.iter().map(|session| recover(session, &codes[0])).collect();
        let scene = Scene::new(&mut world, nodes);
        scene.hold(|end, _| {
            assert_eq!((end.tokens.len(), end.right()), (1, 1));
            assert_eq!(countersign_testkit::recovery_codes_left(&end.account), left);
        });
        assert!(scene.most(Store::LastWriteWins, State::tokens) > 1);
        // One code twice and another in one transaction: one token, told again to whoever lost the answer.
        let nodes = [0, 0, 1].map(|code| recover(&sessions[0], &codes[code])).to_vec();
        Scene::new(&mut world, nodes).hold(|end, _| {
            assert_eq!(end.tokens(), 1);
            assert!(end.tokens.iter().all(|token| *token == end.tokens[0]));
            assert_eq!(countersign_testkit::recovery_codes_left(&end.account), left);
        });
        // Three of the five wrong codes of a transaction are gone; four nodes try at once.
        let wrong = RecoveryCode::parse(&"2".repeat(24)).unwrap();
        for _ in 0..3 {
            assert_eq!(world.recover(&sessions[0], &wrong).unwrap_err(), Denial::InvalidRecoveryCode);
        }
        let scene = Scene::new(&mut world, vec![recover(&sessions[0], &wrong); 4]);
        scene.hold(|end, _| assert!(end.wrong_recovery() <= 2));
        assert!(scene.most(Store::LastWriteWins, State::wrong_recovery) > 2);
    }
}

#[test]
fn two_first_enrollments_at_once_make_one() {
    let mut world = World::new(Policy::default());
    let (mine, theirs) = (world.login(), world.login());
    let associated = world.associate(&mine, "user@example.com").unwrap();
    let handle = world.verifier.open_oob_code(&mine, associated.oob_code.expose()).unwrap();
    let code = world.mail().code;
    let confirm = Move::Verify(mine, handle, code);
    let other = vec![Move::Associate(theirs.clone(), "thief@example.com"), Move::Confirm(theirs)];
    let scene = Scene::new(&mut world, vec![vec![confirm.clone()], other, vec![confirm]]);
    let active = |end: &State| {
        let active = |known: &&Authenticator| *known.enrollment() == Enrollment::Active;
        end.account.authenticators().iter().filter(active).count()
    };
    scene.hold(|end, _| assert_eq!((active(end), end.tokens.len()), (1, 1)));
    assert!(scene.most(Store::LastWriteWins, State::tokens) > 1);
}

#[test]
fn resends_are_charged_and_complete_nothing_twice() {
    for resend in [Resend::Repeat, Resend::Rotate] {
        let (mut world, session, handle, right) = challenged(|settings| {
            settings.resend = resend;
            settings.send_bucket = Rate::new(2, Duration::seconds(60));
        });
        world.pass(30);
        let mut nodes = guesses(&[true, false], &right, &session, &handle);
        nodes.extend([vec![Move::Challenge(session.clone())], vec![Move::Challenge(session.clone())]]);
        let scene = Scene::new(&mut world, nodes);
        scene.hold(|end, _| {
            assert!(end.tokens.len() <= 1 && end.wrong() <= 2);
            assert!(end.mails.len() <= 1, "the second is inside the cool-down of the first");
        });
        assert!(scene.most(Store::LastWriteWins, |end| end.mails.len()) > 1);
    }
}

/// An app, an hour after its enrollment, and the code that it shows.
fn with_an_app(change: impl FnOnce(&mut Settings)) -> (World, OtpCode, OtpCode) {
    let mut world = World::new(policy(change));
    let (.., app) = world.enroll_totp();
    world.pass(3_600);
    let near: Vec<_> = (-3..=3).map(|step| app.at(world.now + Duration::seconds(30 * step))).collect();
    let wrong = wrong_otp(&near.iter().collect::<Vec<_>>());
    (world, near[3].clone(), wrong)
}

/// V22: whichever logins present it at once, the code of an app lets one of them in.
#[test]
fn one_code_of_an_app_lets_one_login_in() {
    let (mut world, right, _) = with_an_app(|_| {});
    let nodes = (0..4).map(|_| vec![Move::Otp(world.login(), right.clone().into())]).collect();
    let scene = Scene::new(&mut world, nodes);
    scene.hold(|end, store| {
        assert_eq!((end.right(), end.tokens()), (1, 1));
        if store == Store::SwapAndRetry {
            assert_eq!(end.wrong(), 3, "a code that is over is wrong");
        }
    });
    assert!(scene.most(Store::LastWriteWins, State::tokens) > 1);
}

#[test]
fn wrong_codes_of_an_app_reveal_no_more_verdicts_than_attempts() {
    let (mut world, _, bad) = with_an_app(|settings| settings.attempts = 2);
    let session = world.login();
    let nodes = (0..4).map(|_| vec![Move::Otp(session.clone(), bad.clone().into())]).collect();
    let scene = Scene::new(&mut world, nodes);
    scene.hold(|end, store| {
        assert!(end.wrong() <= 2);
        if store == Store::SwapAndRetry {
            assert_eq!((end.wrong(), end.attempts_left(&session)), (2, 0));
        }
    });
    assert_eq!(scene.most(Store::LastWriteWins, State::wrong), 4);
}

/// An enrollment is confirmed once, and its code is over with it.
#[test]
fn one_code_confirms_an_app_once() {
    let mut world = World::new(policy(|_| {}));
    let session = world.login();
    let (_, app) = world.associate_otp(&session, &totp()).unwrap();
    let nodes = (0..3).map(|_| vec![Move::Otp(session.clone(), app.at(world.now).into())]).collect();
    let scene = Scene::new(&mut world, nodes);
    scene.hold(|end, _| assert_eq!((end.right(), end.tokens.len(), end.wrong()), (1, 1, 0)));
    assert!(scene.most(Store::LastWriteWins, State::right) > 1);
}
