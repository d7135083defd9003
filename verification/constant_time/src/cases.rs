//! What is observed: each verification, with right and with wrong input, and the making of what is verified.
//!
//! A case sets its scene, alters what the client presents, marks that as secret too, and observes the library's work on
//! it. What the work came to is asserted, so that no case can be about something else than it says.

use countersign::{
    BindingCode, Denial, Outcome, Session,
    address_proof::ProofPurpose,
    code::{OtpCode, RecoveryCode},
    policy::RecoveryUse,
    record::Lane,
};
use time::Duration;

use crate::{
    app::App,
    controls,
    observe::{Observation, observe},
    presented::{
        DEVICE_TAG, LINK_TAG, MFA_TAG, OOB_TAG,
        Presented::{self, First, Last, Random, Right},
        altered_binding_code, altered_otp, altered_recovery_code, altered_text, conceal_digits, malformed,
        typed,
    },
    scene::{Scene, opened, stored},
    valgrind::{conceal_ascii, uncover},
};

/// One row of the table.
pub struct Case {
    pub subject: &'static str,
    pub input: &'static str,
    /// How many verdicts on secrets the work comes to.
    pub verdicts: usize,
    /// How many of them are branched on. The others are values: which counter was accepted.
    pub branches: usize,
    /// Whether a verdict is more than one branch: it says which code of a set was hit, lends a part of the
    /// record, or is handed on and branched on again.
    pub wide: bool,
    /// Whether it must be caught instead.
    pub control: bool,
    pub run: fn() -> Observation,
}

const fn case(subject: &'static str, input: &'static str, verdicts: usize, run: fn() -> Observation) -> Case {
    Case { subject, input, verdicts, branches: verdicts, wide: false, control: false, run }
}

const fn wide(subject: &'static str, input: &'static str, verdicts: usize, run: fn() -> Observation) -> Case {
    Case { subject, input, verdicts, branches: verdicts, wide: true, control: false, run }
}

/// A code is right, and which of its window.
const fn placed(subject: &'static str, input: &'static str, run: fn() -> Observation) -> Case {
    Case { branches: 1, ..wide(subject, input, 2, run) }
}

const fn control(input: &'static str, run: fn() -> Observation) -> Case {
    Case { subject: "control", input, verdicts: 0, branches: 0, wide: false, control: true, run }
}

/// Every row.
pub const CASES: &[Case] = &[
    case("binding code", "right", 1, || binding_code(Right)),
    case("binding code", "wrong first digit", 1, || binding_code(First)),
    case("binding code", "wrong last digit", 1, || binding_code(Last)),
    case("binding code", "wrong digits", 1, || binding_code(Random)),
    case("binding code", "long, right", 1, || long_binding_code(Right)),
    case("binding code", "long, wrong first digit", 1, || long_binding_code(First)),
    case("binding code", "long, wrong last digit", 1, || long_binding_code(Last)),
    case("binding code", "long, wrong digits", 1, || long_binding_code(Random)),
    case("binding code", "long, typed", 20, typed_long_binding_code),
    case("binding code", "right, too late", 0, late_binding_code),
    case("binding code", "right, used before", 0, used_binding_code),
    case("binding code", "confirms an enrollment", 1, confirmation),
    case("binding code", "typed", 6, typed_binding_code),
    wide("recovery code", "right, first of its set", 1, || recovery_code(0, Right)),
    wide("recovery code", "right, last of its set", 1, || recovery_code(9, Right)),
    case("recovery code", "wrong first symbol", 1, || recovery_code(0, First)),
    case("recovery code", "wrong last symbol", 1, || recovery_code(9, Last)),
    case("recovery code", "wrong symbols", 1, || recovery_code(4, Random)),
    wide("recovery code", "right, replaced on use", 1, replaced_recovery_code),
    wide("recovery code", "used, same transaction", 1, repeated_recovery_code),
    case("recovery code", "used, other transaction", 1, used_recovery_code),
    wide("recovery code", "right, made with an older key", 1, old_recovery_code),
    case("recovery code", "typed", 24, typed_recovery_code),
    placed("one-time code", "right, this step", || one_time_password(0, Right)),
    placed("one-time code", "right, the step before", || one_time_password(1, Right)),
    wide("one-time code", "right, a step too old", 1, || one_time_password(2, Right)),
    wide("one-time code", "wrong first digit", 1, || one_time_password(0, First)),
    wide("one-time code", "wrong last digit", 1, || one_time_password(0, Last)),
    wide("one-time code", "wrong digits", 1, || one_time_password(0, Random)),
    wide("one-time code", "right, used before", 1, used_one_time_password),
    placed("one-time code", "four right ones", || four_one_time_passwords(0, Right)),
    wide("one-time code", "four, a step too old", 1, || four_one_time_passwords(2, Right)),
    wide("one-time code", "four, wrong first digit", 1, || four_one_time_passwords(0, First)),
    wide("one-time code", "four, wrong last digit", 1, || four_one_time_passwords(0, Last)),
    wide("one-time code", "four, wrong digits", 1, || four_one_time_passwords(0, Random)),
    placed("one-time code", "confirms an enrollment", confirming_one_time_password),
    case("one-time code", "typed", 6, typed_one_time_password),
    case("mfa_token", "right", 2, || mfa_token(Right)),
    case("mfa_token", "wrong first symbol", 2, || mfa_token(First)),
    case("mfa_token", "wrong last symbol", 2, || mfa_token(Last)),
    case("mfa_token", "wrong symbols", 2, || mfa_token(Random)),
    case("mfa_token", "right, too late", 2, late_mfa_token),
    case("mfa_token", "right, made with an older key", 2, old_mfa_token),
    case("mfa_token", "not base64url", 1, malformed_mfa_token),
    case("oob_code", "right", 2, || oob_code(Right)),
    case("oob_code", "wrong first symbol", 2, || oob_code(First)),
    case("oob_code", "wrong last symbol", 2, || oob_code(Last)),
    case("oob_code", "wrong symbols", 2, || oob_code(Random)),
    case("oob_code", "right, of another transaction", 2, foreign_oob_code),
    case("long code", "right", 1, || long_code(Right)),
    case("long code", "wrong first digit", 1, || long_code(First)),
    case("long code", "wrong last digit", 1, || long_code(Last)),
    case("long code", "wrong digits", 1, || long_code(Random)),
    case("long code", "typed", 20, typed_long_code),
    case("link", "opened", 2, || opening_a_link(Right)),
    case("link", "opened, wrong first symbol", 2, || opening_a_link(First)),
    case("link", "opened, wrong last symbol", 2, || opening_a_link(Last)),
    case("link", "opened, wrong symbols", 2, || opening_a_link(Random)),
    case("link", "right", 1, || link(Right)),
    case("link", "wrong last symbol", 1, || link(Last)),
    case("device", "recognized", 2, || recognizing_a_device(Right)),
    case("device", "recognized, wrong first symbol", 2, || recognizing_a_device(First)),
    case("device", "recognized, wrong last symbol", 2, || recognizing_a_device(Last)),
    case("device", "recognized, wrong symbols", 2, || recognizing_a_device(Random)),
    case("device", "listed", 1, || device(Right)),
    case("device", "listed, wrong first symbol", 1, || device(First)),
    case("making", "proof of an address", 0, making_a_proof),
    case("making", "mfa_token", 0, making_a_token),
    case("making", "device token", 1, making_a_device_token),
    case("making", "enrollment", 0, making_an_enrollment),
    case("making", "an app's secret and URI", 0, making_a_secret),
    case("making", "challenge", 0, making_a_challenge),
    case("making", "recovery codes", 0, making_recovery_codes),
    case("making", "a message's text", 0, making_a_text),
    control("leaves at the first difference", early_exit),
    control("== on slices", slice_equality),
    control("looks up by a secret", table_lookup),
];

fn binding_code(presented: Presented) -> Observation {
    let mut scene = Scene::new(RecoveryUse::Consume);
    let (account, _) = scene.enroll();
    let session = scene.login();
    let (account, challenged, code) = scene.challenge(&session, account);
    let code = altered_binding_code(&mut scene, &code, presented);
    let handle =
        scene.verifier.open_oob_code(&session, challenged.prompt.sent().unwrap().oob_code.expose()).unwrap();
    let work = || stored(scene.verifier.verify_oob(&session, account, &handle, &code, scene.now, None));
    let ((_, outcome), seen) = observe(work);
    judged(presented, outcome);
    seen
}

/// The code of a lane that was hardened by ten wrong ones.
fn long_binding_code(presented: Presented) -> Observation {
    let mut scene = Scene::new(RecoveryUse::Consume);
    let (mut account, _) = scene.enroll();
    for _ in 0..2 {
        let session = scene.login();
        let (challenged_account, challenged, code) = scene.challenge(&session, account);
        account = challenged_account;
        let code = altered_binding_code(&mut scene, &code, First);
        let oob_code = &challenged.prompt.sent().unwrap().oob_code;
        let handle = scene.verifier.open_oob_code(&session, oob_code.expose()).unwrap();
        for _ in 0..5 {
            (account, _) =
                stored(scene.verifier.verify_oob(&session, account, &handle, &code, scene.now, None));
        }
    }
    let session = scene.login();
    let (account, challenged, code) = scene.challenge(&session, account);
    assert!(challenged.prompt.sent().unwrap().form.is_long());
    let code = altered_binding_code(&mut scene, &code, presented);
    let handle =
        scene.verifier.open_oob_code(&session, challenged.prompt.sent().unwrap().oob_code.expose()).unwrap();
    let now = scene.now;
    let (outcome, seen) = if presented == Right {
        let ((_, outcome), seen) =
            observe(|| stored(scene.verifier.verify_oob(&session, account, &handle, &code, now, None)));
        (outcome, seen)
    } else {
        // Nothing is stored of a wrong one.
        observe(|| opened(scene.verifier.verify_oob(&session, account, &handle, &code, now, None)))
    };
    assert!(outcome.audit().evaluated);
    match presented {
        Right => assert!(outcome.into_parts().0.unwrap().completed),
        First | Last | Random => assert_eq!(outcome.into_parts().0.unwrap_err(), Denial::InvalidLongCode),
    }
    seen
}

fn typed_long_binding_code() -> Observation {
    let typed = typed("0123 4567 8901 2345 6789", |c| c.is_ascii_digit());
    let (code, seen) = observe(|| BindingCode::parse(&typed));
    assert!(code.unwrap().form().is_long());
    seen
}

fn late_binding_code() -> Observation {
    let mut scene = Scene::new(RecoveryUse::Consume);
    let (account, _) = scene.enroll();
    let session = scene.login();
    let (account, challenged, code) = scene.challenge(&session, account);
    let handle =
        scene.verifier.open_oob_code(&session, challenged.prompt.sent().unwrap().oob_code.expose()).unwrap();
    let late = challenged.expires;
    let work = || stored(scene.verifier.verify_oob(&session, account, &handle, &code, late, None));
    let ((_, outcome), seen) = observe(work);
    assert_eq!(outcome.into_parts().0.err(), Some(Denial::ExpiredOobCode));
    seen
}

fn used_binding_code() -> Observation {
    let mut scene = Scene::new(RecoveryUse::Consume);
    let (account, _) = scene.enroll();
    let session = scene.login();
    let (account, challenged, code) = scene.challenge(&session, account);
    let handle =
        scene.verifier.open_oob_code(&session, challenged.prompt.sent().unwrap().oob_code.expose()).unwrap();
    let (account, _) = stored(scene.verifier.verify_oob(&session, account, &handle, &code, scene.now, None));
    let work = || opened(scene.verifier.verify_oob(&session, account, &handle, &code, scene.now, None));
    let (outcome, seen) = observe(work);
    assert_eq!(outcome.into_parts().0.err(), Some(Denial::OobCodeUsed));
    seen
}

fn confirmation() -> Observation {
    let mut scene = Scene::new(RecoveryUse::Consume);
    let session = scene.login();
    let stranger = scene.stranger();
    let (account, associated, code) = scene.associate(&session, stranger);
    let handle =
        scene.verifier.open_oob_code(&session, associated.setup.sent().unwrap().oob_code.expose()).unwrap();
    let work = || stored(scene.verifier.verify_oob(&session, account, &handle, &code, scene.now, None));
    let ((_, outcome), seen) = observe(work);
    assert!(outcome.into_parts().0.unwrap().recovery_codes_live);
    seen
}

fn long_code(presented: Presented) -> Observation {
    let mut scene = Scene::new(RecoveryUse::Consume);
    let (proof, oob_code, _, code) = scene.ask();
    let code = altered_binding_code(&mut scene, &code, presented);
    let mut handle =
        scene.proofs.open_handle(&scene.subject, ProofPurpose::Reset, oob_code.expose()).unwrap();
    // What it says is public, and shares a word of its text with the tag.
    uncover(&mut handle);
    let work = || opened(scene.proofs.verify_code(proof, &handle, &code, scene.now));
    let (outcome, seen) = observe(work);
    assert!(outcome.audit().evaluated);
    match presented {
        Right => drop(outcome.into_parts().0.unwrap()),
        First | Last | Random => {
            assert_eq!(outcome.into_parts().0.unwrap_err(), Denial::InvalidAddressProof);
        }
    }
    seen
}

/// Opening a link: its outer tag takes no record.
fn opening_a_link(presented: Presented) -> Observation {
    let mut scene = Scene::new(RecoveryUse::Consume);
    let (_, _, token, _) = scene.ask();
    let token = altered_text(&mut scene, token.expose(), LINK_TAG, presented);
    let (link, seen) = observe(|| scene.proofs.open_link(&scene.subject, ProofPurpose::Reset, &token));
    // The last symbol is of the part that the record checks.
    assert_eq!(link.is_ok(), matches!(presented, Right | Last));
    seen
}

/// Taking an opened link. What it says of its ask is public, and shares a word of its text with what is not: so the
/// link counts as public here, and what it is compared with as secret.
fn link(presented: Presented) -> Observation {
    let mut scene = Scene::new(RecoveryUse::Consume);
    let (proof, _, token, _) = scene.ask();
    let token = altered_text(&mut scene, token.expose(), LINK_TAG, presented);
    let mut link = scene.proofs.open_link(&scene.subject, ProofPurpose::Reset, &token).unwrap();
    uncover(&mut link);
    let (outcome, seen) = observe(|| opened(scene.proofs.verify_link(proof, &link, None, scene.now)));
    assert!(outcome.audit().evaluated);
    match presented {
        Right => drop(outcome.into_parts().0.unwrap()),
        First | Last | Random => {
            assert_eq!(outcome.into_parts().0.unwrap_err(), Denial::InvalidAddressProof);
        }
    }
    seen
}

/// Recognizing a device: its outer tag takes no record, and stands behind the inner one.
fn recognizing_a_device(presented: Presented) -> Observation {
    let mut scene = Scene::new(RecoveryUse::Consume);
    let (_, token) = scene.remember();
    let token = altered_text(&mut scene, token.expose(), DEVICE_TAG, presented);
    let session = scene.login();
    let (session, seen) = observe(|| scene.verifier.recognize(session, &token));
    // The first symbol is of the part that the record checks.
    assert_eq!(session.device().is_some(), matches!(presented, Right | First));
    seen
}

/// Looking a recognized device up. What its token says is public, and shares a word of its text with what is not: so
/// what was presented counts as public here, and what it is compared with as secret.
fn device(presented: Presented) -> Observation {
    let mut scene = Scene::new(RecoveryUse::Consume);
    let (account, token) = scene.remember();
    let token = altered_text(&mut scene, token.expose(), DEVICE_TAG, presented);
    let session = scene.login();
    let mut session = scene.verifier.recognize(session, &token);
    uncover(&mut session);
    let (lane, seen) = observe(|| scene.verifier.lane(&session, &account, scene.now));
    assert_eq!(lane == Lane::Known, presented == Right);
    seen
}

fn typed_long_code() -> Observation {
    let typed = typed("0123 4567-8901 2345 6789", |c| c.is_ascii_digit());
    let (code, seen) = observe(|| BindingCode::parse(&typed));
    assert!(code.is_ok());
    seen
}

fn making_a_proof() -> Observation {
    let mut scene = Scene::new(RecoveryUse::Consume);
    scene.marks_seeds = false;
    observe(|| scene.ask()).1
}

fn judged<T: std::fmt::Debug>(presented: Presented, outcome: Outcome<T>) {
    assert!(outcome.audit().evaluated);
    match presented {
        Right => drop(outcome.into_parts().0.unwrap()),
        First | Last | Random => {
            assert_eq!(outcome.into_parts().0.unwrap_err(), Denial::InvalidBindingCode { attempts_left: 4 });
        }
    }
}

fn typed_binding_code() -> Observation {
    let typed = typed("012-345 ", |c| c.is_ascii_digit());
    let (code, seen) = observe(|| BindingCode::parse(&typed));
    assert_eq!(code.unwrap().length(), 6);
    seen
}

fn typed_recovery_code() -> Observation {
    let typed = typed("2345-6789-abcd-EFGH-JKLM-npqr", |c| c.is_ascii_alphanumeric());
    let (code, seen) = observe(|| RecoveryCode::parse(&typed));
    assert!(code.is_ok());
    seen
}

fn recovery_code(place: usize, presented: Presented) -> Observation {
    let mut scene = Scene::new(RecoveryUse::Consume);
    let (account, codes) = scene.enroll();
    let session = scene.login();
    let code = altered_recovery_code(&mut scene, &codes[place], presented);
    let work = || stored(scene.verifier.verify_recovery(&session, account, &code, scene.now));
    let ((account, outcome), seen) = observe(work);
    match presented {
        Right => assert_eq!(outcome.into_parts().0.unwrap().remaining, 9),
        First | Last | Random => assert_eq!(outcome.into_parts().0.unwrap_err(), Denial::InvalidRecoveryCode),
    }
    assert_eq!(scene.verifier.recovery_codes_left(&account), if presented == Right { 9 } else { 10 });
    seen
}

fn replaced_recovery_code() -> Observation {
    let mut scene = Scene::new(RecoveryUse::Replace);
    let (account, codes) = scene.enroll();
    let session = scene.login();
    let work = || stored(scene.verifier.verify_recovery(&session, account, &codes[5], scene.now));
    let ((_, outcome), seen) = observe(work);
    assert!(outcome.into_parts().0.unwrap().replacement.is_some());
    seen
}

fn repeated_recovery_code() -> Observation {
    let mut scene = Scene::new(RecoveryUse::Replace);
    let (account, codes) = scene.enroll();
    let session = scene.login();
    let (account, _) = stored(scene.verifier.verify_recovery(&session, account, &codes[5], scene.now));
    let work = || opened(scene.verifier.verify_recovery(&session, account, &codes[5], scene.now));
    let (outcome, seen) = observe(work);
    assert!(outcome.into_parts().0.unwrap().repeated);
    seen
}

fn used_recovery_code() -> Observation {
    let mut scene = Scene::new(RecoveryUse::Replace);
    let (account, codes) = scene.enroll();
    let (first, second) = (scene.login(), scene.login());
    let (account, _) = stored(scene.verifier.verify_recovery(&first, account, &codes[5], scene.now));
    let work = || stored(scene.verifier.verify_recovery(&second, account, &codes[5], scene.now));
    let ((_, outcome), seen) = observe(work);
    assert_eq!(outcome.into_parts().0.unwrap_err(), Denial::InvalidRecoveryCode);
    seen
}

fn old_recovery_code() -> Observation {
    let mut before = Scene::before_rotation();
    let (account, codes) = before.enroll();
    let mut scene = Scene::after_rotation(before);
    let session = scene.login();
    let work = || stored(scene.verifier.verify_recovery(&session, account, &codes[3], scene.now));
    let ((_, outcome), seen) = observe(work);
    assert_eq!(outcome.into_parts().0.unwrap().remaining, 9);
    seen
}

/// A code of the step that many before the present one, in a window of two.
fn one_time_password(before: u64, presented: Presented) -> Observation {
    let mut scene = Scene::new(RecoveryUse::Consume);
    let (account, app) = scene.enroll_app();
    let session = scene.login();
    let right = app.code(scene.now, before);
    let code = altered_otp(&mut scene, &right, presented).into();
    let work = || stored(scene.verifier.verify_otp(&session, account, &code, scene.now, None));
    let ((_, outcome), seen) = observe(work);
    assert!(outcome.audit().evaluated);
    if before < 2 && presented == Right {
        assert!(outcome.into_parts().0.unwrap().completed);
    } else {
        assert_eq!(outcome.into_parts().0.unwrap_err(), Denial::InvalidOtpCode { attempts_left: 4 });
    }
    seen
}

/// Four codes at once, of which the last is of the step that many before the present one.
fn four_one_time_passwords(before: u64, presented: Presented) -> Observation {
    let mut scene = Scene::new(RecoveryUse::Consume);
    let (account, app) = scene.enroll_app();
    // None of the four steps is over.
    scene.now += Duration::seconds(300);
    let session = scene.login();
    let row = [3, 2, 1, 0].map(|earlier| app.code(scene.now, before + earlier).expose().to_owned()).concat();
    let right = OtpCode::parse(&row).unwrap();
    let code = altered_otp(&mut scene, &right, presented).into();
    let work = || opened(scene.verifier.verify_otp(&session, account, &code, scene.now, None));
    let (outcome, seen) = observe(work);
    assert!(outcome.audit().evaluated);
    if before < 2 && presented == Right {
        assert!(outcome.into_parts().0.unwrap().completed);
    } else {
        assert_eq!(outcome.into_parts().0.unwrap_err(), Denial::InvalidLongCode);
    }
    seen
}

fn used_one_time_password() -> Observation {
    let mut scene = Scene::new(RecoveryUse::Consume);
    let (account, app) = scene.enroll_app();
    let (first, second) = (scene.login(), scene.login());
    let code = app.code(scene.now, 0);
    let (account, _) =
        stored(scene.verifier.verify_otp(&first, account, &code.clone().into(), scene.now, None));
    // Of the two steps in the window the later one is still to come.
    scene.now += Duration::seconds(30);
    let code = altered_otp(&mut scene, &code, Right).into();
    let work = || stored(scene.verifier.verify_otp(&second, account, &code, scene.now, None));
    let ((_, outcome), seen) = observe(work);
    assert_eq!(outcome.into_parts().0.unwrap_err(), Denial::InvalidOtpCode { attempts_left: 4 });
    seen
}

fn confirming_one_time_password() -> Observation {
    let mut scene = Scene::new(RecoveryUse::Consume);
    let (session, stranger) = (scene.login(), scene.stranger());
    let (account, associated) = scene.associate_app(&session, stranger);
    let app = App::new(associated.setup.otp().unwrap());
    let right = app.code(scene.now, 0);
    let code = altered_otp(&mut scene, &right, Right).into();
    let work = || stored(scene.verifier.verify_otp(&session, account, &code, scene.now, None));
    let ((_, outcome), seen) = observe(work);
    assert!(outcome.into_parts().0.unwrap().recovery_codes_live);
    seen
}

fn typed_one_time_password() -> Observation {
    let typed = typed("012-345 ", |c| c.is_ascii_digit());
    let (code, seen) = observe(|| OtpCode::parse(&typed));
    assert_eq!(code.unwrap().length(), 6);
    seen
}

fn making_a_secret() -> Observation {
    let mut scene = Scene::new(RecoveryUse::Consume);
    let (session, stranger) = (scene.login(), scene.stranger());
    scene.marks_seeds = false;
    observe(|| scene.associate_app(&session, stranger)).1
}

fn mfa_token(presented: Presented) -> Observation {
    let mut scene = Scene::new(RecoveryUse::Consume);
    let token = scene.token();
    let token = altered_text(&mut scene, &token, MFA_TAG, presented);
    let (session, seen) = observe(|| scene.verifier.open(&token, Some(&scene.client), scene.now));
    match presented {
        Right => drop(session.unwrap()),
        First | Last | Random => assert_eq!(session.unwrap_err(), Denial::MalformedToken),
    }
    seen
}

fn late_mfa_token() -> Observation {
    let mut scene = Scene::new(RecoveryUse::Consume);
    let token = scene.token();
    let late = scene.now + Duration::seconds(600);
    let (session, seen) = observe(|| scene.verifier.open(&token, Some(&scene.client), late));
    assert_eq!(session.unwrap_err(), Denial::ExpiredToken);
    seen
}

fn old_mfa_token() -> Observation {
    let token = Scene::before_rotation().token();
    let scene = Scene::new(RecoveryUse::Consume);
    let (session, seen) = observe(|| scene.verifier.open(&token, Some(&scene.client), scene.now));
    assert!(session.is_ok());
    seen
}

fn malformed_mfa_token() -> Observation {
    let mut scene = Scene::new(RecoveryUse::Consume);
    let token = malformed(&scene.token(), MFA_TAG);
    let (session, seen) = observe(|| scene.verifier.open(&token, Some(&scene.client), scene.now));
    assert_eq!(session.unwrap_err(), Denial::MalformedToken);
    seen
}

/// A session and an `oob_code` of it.
fn sent(scene: &mut Scene) -> (Session, String) {
    let (account, _) = scene.enroll();
    let session = scene.login();
    let (_, challenged, _) = scene.challenge(&session, account);
    (session, challenged.prompt.sent().unwrap().oob_code.expose().to_owned())
}

fn oob_code(presented: Presented) -> Observation {
    let mut scene = Scene::new(RecoveryUse::Consume);
    let (session, text) = sent(&mut scene);
    let text = altered_text(&mut scene, &text, OOB_TAG, presented);
    let (handle, seen) = observe(|| scene.verifier.open_oob_code(&session, &text));
    match presented {
        Right => drop(handle.unwrap()),
        First | Last | Random => assert_eq!(handle.unwrap_err(), Denial::MalformedOobCode),
    }
    seen
}

fn foreign_oob_code() -> Observation {
    let mut scene = Scene::new(RecoveryUse::Consume);
    let (_, text) = sent(&mut scene);
    let other = scene.login();
    let (handle, seen) = observe(|| scene.verifier.open_oob_code(&other, &text));
    assert_eq!(handle.unwrap_err(), Denial::ForeignOobCode);
    seen
}

fn making_a_token() -> Observation {
    let mut scene = Scene::new(RecoveryUse::Consume);
    observe(|| scene.token()).1
}

fn making_an_enrollment() -> Observation {
    let mut scene = Scene::new(RecoveryUse::Consume);
    let session = scene.login();
    let stranger = scene.stranger();
    scene.marks_seeds = false;
    let ((_, associated, _), seen) = observe(|| scene.associate(&session, stranger));
    assert_eq!(associated.recovery_codes.unwrap().len(), 10);
    seen
}

/// The verdict is that of the code that was answered with.
fn making_a_device_token() -> Observation {
    let mut scene = Scene::new(RecoveryUse::Consume);
    let (account, _) = scene.enroll();
    let session = scene.login();
    let (account, challenged, code) = scene.challenge(&session, account);
    let oob_code = challenged.prompt.sent().unwrap().oob_code.expose().to_owned();
    let handle = scene.verifier.open_oob_code(&session, &oob_code).unwrap();
    scene.marks_seeds = false;
    observe(|| scene.remember_by(&session, account, &handle, &code)).1
}

fn making_a_challenge() -> Observation {
    let mut scene = Scene::new(RecoveryUse::Consume);
    let (account, _) = scene.enroll();
    let session = scene.login();
    scene.marks_seeds = false;
    observe(|| scene.challenge(&session, account)).1
}

fn making_recovery_codes() -> Observation {
    let mut scene = Scene::new(RecoveryUse::Consume);
    let (account, _) = scene.enroll();
    scene.marks_seeds = false;
    let ((_, codes), seen) = observe(|| scene.regenerate(account));
    assert_eq!(codes.len(), 10);
    seen
}

fn making_a_text() -> Observation {
    let mut scene = Scene::new(RecoveryUse::Consume);
    let (account, codes) = scene.enroll();
    let session = scene.login();
    let (_, _, mut code) = scene.challenge(&session, account);
    let mut recovery_code = codes[0].clone();
    conceal_digits(&mut code, conceal_ascii);
    conceal_ascii(&mut recovery_code);
    let ((digits, symbols), seen) = observe(|| (code.expose().len(), recovery_code.expose().len()));
    assert_eq!((digits, symbols), (6, 24));
    seen
}

fn early_exit() -> Observation {
    let (right, presented) = compared();
    observe(|| forget(controls::early_exit(symbols(&right), symbols(&presented)))).1
}

fn slice_equality() -> Observation {
    let (right, presented) = compared();
    observe(|| forget(controls::slice_equality(symbols(&right), symbols(&presented)))).1
}

fn table_lookup() -> Observation {
    let (right, _) = compared();
    let mut table = [0; 256];
    (0..=255).zip(&mut table).for_each(|(byte, slot)| *slot = byte);
    observe(|| std::hint::black_box(controls::table_lookup(&table, symbols(&right)[0]))).1
}

/// A verdict that nobody branches on.
fn forget(verdict: bool) {
    std::hint::black_box(verdict);
}

/// A live recovery code and one that ends otherwise, both secret.
fn compared() -> (RecoveryCode, RecoveryCode) {
    let mut scene = Scene::new(RecoveryUse::Consume);
    let (_, codes) = scene.enroll();
    let (mut right, mut presented) = (codes[0].clone(), altered_recovery_code(&mut scene, &codes[0], Last));
    conceal_ascii(&mut right);
    conceal_ascii(&mut presented);
    (right, presented)
}

fn symbols(code: &RecoveryCode) -> &[u8] {
    code.expose().as_bytes()
}
