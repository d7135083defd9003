//! How often a command allocates, counted by the allocator. What the host brings (the record from its store, the
//! texts of the request) is no part of a command, nor is dropping what it keeps: only what happens in between counts.

use std::{convert::Infallible, hint::black_box};

use countersign::{Account, BindingCode, ChallengeRequest, Outcome, Step, Swap};
use countersign_testkit::login::{Bare, Fill, Login};
use rand::{SeedableRng as _, rngs::ChaCha20Rng};
use time::Duration;

/// What each allocates, on a full account: less is welcome, and then belongs here.
mod expected {
    pub const WHOLE_VERIFY_OOB: u64 = 1;
    pub const WHOLE_VERIFY_OOB_WRONG: u64 = 0;
    pub const OPEN: u64 = 0;
    pub const OPEN_OOB_CODE: u64 = 0;
    pub const CHALLENGE: u64 = 7;
    pub const VERIFY_RECOVERY: u64 = 3;
}

fn allocations<T>(command: impl FnOnce() -> T) -> (u64, T) {
    let mut result = None;
    let counted = allocation_counter::measure(|| result = Some(black_box(command())));
    (counted.count_total, result.expect("the command ran"))
}

/// Commits to a store that takes everything and allocates nothing.
fn commit<T, R>(step: Step<T, R>) -> (Option<R>, Outcome<T>) {
    let mut stored = None;
    let committed = step.commit(|write| {
        stored = Some((write.record, write.outbox));
        Ok::<_, Infallible>(Swap::Stored)
    });
    let outcome = committed.expect("it never fails").done().expect("it was stored");
    (stored.map(|(record, _)| record), outcome)
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| ()).0, 0);
    assert_eq!(allocations(|| Box::new(black_box(1))).0, 1);
    let bare = Bare::asked();
    let record = bare.record.clone();
    let (count, _) = allocations(|| {
        let copy = black_box(vec![0_u8; 16]);
        drop(commit(bare.verifier.verify_code(record, &bare.handle, &bare.code, bare.now)));
        copy
    });
    assert_eq!(count, 1, "the control: one inside a command is seen");
}

#[test]
fn a_bare_answer_allocates_nothing() {
    let bare = Bare::asked();
    for (code, right) in [(bare.code.clone(), true), (bare.wrong(), false)] {
        let record = bare.record.clone();
        let (count, (stored, outcome)) =
            allocations(|| commit(bare.verifier.verify_code(record, &bare.handle, &code, bare.now)));
        assert_eq!((outcome.audit().denial.is_none(), stored.is_some()), (right, right));
        assert_eq!(count, 0, "right: {right}");
    }
}

#[test]
fn a_whole_verify_oob_allocates_little() {
    let login = Login::new(Fill::FULL);
    let whole = |account: Account, code: &BindingCode| {
        let session = login.verifier.open(&login.token, login.session.client(), login.now).unwrap();
        let handle = login.verifier.open_oob_code(&session, &login.oob_code).unwrap();
        commit(login.verifier.verify_oob(&session, account, &handle, code, login.now, None))
    };
    for (code, right, expected) in [
        (login.code.clone(), true, expected::WHOLE_VERIFY_OOB),
        (countersign_testkit::wrong(&login.code), false, expected::WHOLE_VERIFY_OOB_WRONG),
    ] {
        // A host decodes a record of its own from its store.
        let account = login.account.clone();
        let (count, (stored, outcome)) = allocations(|| whole(account, &code));
        assert_eq!((outcome.audit().denial.is_none(), stored.is_some()), (right, true));
        assert_eq!(count, expected, "right: {right}");
    }
}

#[test]
fn tokens_and_handles_are_opened_in_few_allocations() {
    let login = Login::new(Fill::FULL);
    let client = login.session.client();
    let (count, session) = allocations(|| login.verifier.open(&login.token, client, login.now));
    assert_eq!((count, session.is_ok()), (expected::OPEN, true));
    let (count, handle) = allocations(|| login.verifier.open_oob_code(&login.session, &login.oob_code));
    assert_eq!((count, handle.is_ok()), (expected::OPEN_OOB_CODE, true));
}

#[test]
fn a_challenge_allocates_little() {
    let login = Login::new(Fill::FULL);
    let now = login.now + Duration::seconds(60);
    let token = login.begin(now);
    let session = login.verifier.open(&token, login.session.client(), now).unwrap();
    let (request, account) = (ChallengeRequest::default(), login.account.clone());
    let mut rng = ChaCha20Rng::seed_from_u64(9);
    let (count, (_, outcome)) = allocations(|| {
        commit(login.verifier.challenge(
            &session,
            account,
            &request,
            now,
            &countersign_testkit::entropy(&mut rng),
        ))
    });
    assert_eq!((count, outcome.audit().denial.is_none()), (expected::CHALLENGE, true));
}

#[test]
fn recovery_allocates_little() {
    let login = Login::new(Fill::FULL);
    let (code, account) = (login.recovery.last().unwrap(), login.account.clone());
    let (count, (_, outcome)) =
        allocations(|| commit(login.verifier.verify_recovery(&login.session, account, code, login.now)));
    assert_eq!((count, outcome.audit().denial.is_none()), (expected::VERIFY_RECOVERY, true));
}
