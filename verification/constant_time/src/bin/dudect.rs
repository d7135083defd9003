//! Times the verifications and looks for a difference between two classes of wrong input (Reparaz, Balasch and
//! Verbauwhede, "Dude, is my code constant time?", 2017).
//!
//! The library is built as it is shipped and runs on the processor as it is, with its instructions for SHA-256, which
//! memcheck does not examine. Left is wrong in its last place alone: an early exit would come late. Right is wrong in
//! its first place: it would come early. Both are wrong, because a right code is followed by other work than a wrong
//! one: what it changes in the record, the tokens it issues; that a code was right shows in the answer anyhow. For
//! recovery codes, which are hashed before they are compared, left is a used one, and right one that never was.
//!
//! Each class has inputs of its own for every sample, made and allocated alike, before the clock runs. Prints a line a
//! bench with `max t`; see `check.sh`.

use std::cell::Cell;

use constant_time::{
    controls,
    presented::{
        MFA_TAG, OOB_TAG, Presented, altered_binding_code, altered_otp, altered_recovery_code, altered_text,
    },
    scene::{Scene, stored},
};
use countersign::{Account, policy::RecoveryUse};
use dudect_bencher::{BenchRng, Class, CtRunner, ctbench_main, rand::RngExt as _};

const SAMPLES: usize = 200_000;

/// Times `work` on as many inputs of each class as come up. `prepare` makes an input, and an output outlives the clock.
fn classes<I, T>(
    runner: &mut CtRunner,
    rng: &mut BenchRng,
    mut prepare: impl FnMut(Class) -> I,
    work: impl Fn(I) -> T,
) {
    let drawn: Vec<Class> =
        (0..SAMPLES).map(|_| if rng.random() { Class::Left } else { Class::Right }).collect();
    let inputs: Vec<_> = drawn.iter().map(|class| Cell::new(Some(prepare(*class)))).collect();
    let done = Cell::new(None);
    for (class, input) in drawn.into_iter().zip(inputs) {
        runner.run_one(class, || {
            if let Some(input) = input.take() {
                done.set(Some(work(input)));
            }
        });
        drop(done.take());
    }
}

const fn wrong(class: Class) -> Presented {
    match class {
        Class::Left => Presented::Last,
        Class::Right => Presented::First,
    }
}

fn binding_code(runner: &mut CtRunner, rng: &mut BenchRng) {
    let mut scene = Scene::new(RecoveryUse::Consume);
    let (account, _) = scene.enroll();
    let session = scene.login();
    let (account, challenged, code) = scene.challenge(&session, account);
    let handle =
        scene.verifier.open_oob_code(&session, challenged.prompt.sent().unwrap().oob_code.expose()).unwrap();
    let (verifier, now) = (scene.verifier.clone(), scene.now);
    let prepare = |class| (account.clone(), altered_binding_code(&mut scene, &code, wrong(class)));
    let work = |(account, code)| verifier.verify_oob(&session, account, &handle, &code, now, None);
    classes(runner, rng, prepare, work);
}

fn recovery_code(runner: &mut CtRunner, rng: &mut BenchRng) {
    let mut scene = Scene::new(RecoveryUse::Replace);
    let (account, codes) = scene.enroll();
    let (first, session) = (scene.login(), scene.login());
    let (account, _): (Account, _) =
        stored(scene.verifier.verify_recovery(&first, account, &codes[5], scene.now));
    let (verifier, now) = (scene.verifier.clone(), scene.now);
    let prepare = |class| {
        let presented = match class {
            Class::Left => codes[5].clone(),
            Class::Right => altered_recovery_code(&mut scene, &codes[5], Presented::Random),
        };
        (account.clone(), presented)
    };
    let work = |(account, code)| verifier.verify_recovery(&session, account, &code, now);
    classes(runner, rng, prepare, work);
}

fn mfa_token(runner: &mut CtRunner, rng: &mut BenchRng) {
    let mut scene = Scene::new(RecoveryUse::Consume);
    let token = scene.token();
    let (verifier, client, now) = (scene.verifier.clone(), scene.client.clone(), scene.now);
    let prepare = |class| altered_text(&mut scene, &token, MFA_TAG, wrong(class));
    let work = |text: String| (verifier.open(&text, Some(&client), now), text);
    classes(runner, rng, prepare, work);
}

fn oob_code(runner: &mut CtRunner, rng: &mut BenchRng) {
    let mut scene = Scene::new(RecoveryUse::Consume);
    let (account, _) = scene.enroll();
    let session = scene.login();
    let (_, challenged, _) = scene.challenge(&session, account);
    let right = challenged.prompt.sent().unwrap().oob_code.expose().to_owned();
    let verifier = scene.verifier.clone();
    let prepare = |class| altered_text(&mut scene, &right, OOB_TAG, wrong(class));
    let work = |text: String| (verifier.open_oob_code(&session, &text), text);
    classes(runner, rng, prepare, work);
}

/// Either class is wrong; the scan of the window ends nowhere.
fn one_time_password(runner: &mut CtRunner, rng: &mut BenchRng) {
    let mut scene = Scene::new(RecoveryUse::Consume);
    let (account, app) = scene.enroll_app();
    let session = scene.login();
    let (verifier, now) = (scene.verifier.clone(), scene.now);
    let prepare = |class| (account.clone(), altered_otp(&mut scene, &app.code(now, 0), wrong(class)).into());
    let work = |(account, code)| verifier.verify_otp(&session, account, &code, now, None);
    classes(runner, rng, prepare, work);
}

/// The control: the library's work on a token, and then an early exit over its text.
fn control(runner: &mut CtRunner, rng: &mut BenchRng) {
    let mut scene = Scene::new(RecoveryUse::Consume);
    let token = scene.token();
    let (verifier, client, now) = (scene.verifier.clone(), scene.client.clone(), scene.now);
    let prepare = |class| altered_text(&mut scene, &token, MFA_TAG, wrong(class));
    let work = |text: String| {
        let opened = verifier.open(&text, Some(&client), now);
        (opened, controls::early_exit(text.as_bytes(), token.as_bytes()), text)
    };
    classes(runner, rng, prepare, work);
}

ctbench_main!(binding_code, recovery_code, one_time_password, mfa_token, oob_code, control);
