//! Edges: the ends of the calendar, ties, and promises to the letter.

mod support;

use countersign::*;
use support::{World, address, client, subject, wrong};
use time::Duration;

#[test]
fn the_last_instant_of_the_calendar_does_not_panic() {
    let mut world = World::new(Policy::default());
    world.now = time::macros::datetime!(9999-12-31 23:59:59.999 UTC);
    let session = world.login();
    let a = world.associate(&session, "user@example.com").unwrap();
    let right = world.mail().code;
    let _ = world.verify(&session, a.oob_code.expose(), &wrong(&right));
    let _ = world.verify(&session, a.oob_code.expose(), &right);
    let _ = world.challenge(&session);
    world.unlock();
    world.reset();
}

#[test]
fn twenty_parallel_guesses_cost_what_they_cost_in_a_row() {
    let mut world = World::new(Policy::default());
    world.enrol("user@example.com");
    world.pass(60);
    let session = world.login();
    let challenged = world.challenge(&session).unwrap();
    let right = world.mail().code;
    let handle = world.verifier.open_oob_code(&session, challenged.oob_code.expose()).unwrap();
    let stale = world.account();
    let steps: Vec<_> = (0..20)
        .map(|_| world.verifier.verify_oob(&session, stale.clone(), &handle, &wrong(&right), world.now))
        .collect();
    let done = steps
        .into_iter()
        .filter(|_| true)
        .map(|s| s.commit(|w| world.store.swap(w)).unwrap())
        .filter(|c| matches!(c, Committed::Done(_)))
        .count();
    assert_eq!(done, 1);
    // One more with the stale copy and the right code: lost.
    let step = world.verifier.verify_oob(&session, stale, &handle, &right, world.now);
    assert!(matches!(step.commit(|w| world.store.swap(w)).unwrap(), Committed::Lost));
}

#[test]
fn among_equals_the_one_opened_first_lapses() {
    // Three enrolments in one millisecond (one batch, a coarse clock): a fourth should push out the first.
    let mut wrongly = 0;
    for seed in 0..20 {
        let mut world = World::new(Policy::default());
        world.rng = <rand::rngs::ChaCha20Rng as rand::SeedableRng>::seed_from_u64(seed);
        let session = world.login();
        let first = world.associate(&session, "a@example.com").unwrap().authenticator;
        for to in ["b@example.com", "c@example.com", "d@example.com"] {
            world.associate(&session, to).unwrap();
        }
        if world.account().authenticators().iter().any(|a| a.id() == first) {
            wrongly += 1
        }
    }
    assert_eq!(wrongly, 0, "of 20: the tie falls to the random id, not to the order");
}

#[test]
fn a_spent_transaction_may_read_and_nothing_else() {
    let mut world = World::new(Policy::default());
    world.enrol("a@example.com");
    let elevated = world.elevated();
    let b = world.associate(&elevated, "b@example.com").unwrap();
    let right = world.mail().code;
    world.verify(&elevated, b.oob_code.expose(), &right).unwrap();
    world.pass(3600);
    let session = world.login();
    let ids: Vec<_> = world.account().authenticators().iter().map(|a| a.id()).collect();
    let mut handles = Vec::new();
    for id in ids {
        let request = ChallengeRequest { authenticator: Some(id), ..Default::default() };
        handles.push((world.challenge_with(&session, &request).unwrap().oob_code, world.mail().code));
    }
    world.verify(&session, handles[0].0.expose(), &handles[0].1).unwrap();
    assert_eq!(
        world.verify(&session, handles[1].0.expose(), &handles[1].1).unwrap_err(),
        Denial::TransactionSpent
    );
    let handle = world.verifier.open_oob_code(&session, handles[1].0.expose()).unwrap();
    let account = world.account();
    let step = world.verifier.cancel(&session, account, &handle, world.now);
    assert!(!step.writes(), "cancel still writes in a spent transaction");
}

#[test]
fn any_write_prunes() {
    let mut world = World::new(Policy::default());
    world.enrol("a@example.com");
    world.pass(86_400);
    world.unlock();
    assert!(world.account().challenges().is_empty(), "unlock wrote, and left a challenge of yesterday");
}

#[test]
fn a_lock_on_a_login_is_told_to_a_provisioned_unconfirmed_thief() {
    // A provisioned address activates, and first-factor enrolments that were open should lapse as with any activation.
    let mut world = World::new(Policy::default());
    let thief = world.login();
    let planted = world.associate(&thief, "thief@example.com").unwrap();
    world.provision("user@example.com").unwrap();
    assert!(
        world.account().authenticators().iter().all(|a| a.id() != planted.authenticator),
        "still there, with its pending codes"
    );
}

#[test]
fn attempts_left_is_told_as_it_is_when_the_cap_lapses_an_enrolment() {
    let mut world = World::new(support::policy(|s| {
        s.failure_cap = 1;
        s.cool_down = Duration::ZERO
    }));
    let session = world.login();
    let mut n = 0;
    for _ in 0..5 {
        let Ok(a) = world.associate(&session, "victim@example.com") else { break };
        let right = world.mail().code;
        let denied = world.verify(&session, a.oob_code.expose(), &wrong(&right)).unwrap_err();
        if denied == (Denial::InvalidBindingCode { attempts_left: 4 }) {
            n += 1
        }
    }
    assert!(n <= 1, "each of {n} enrolments of one address began with all attempts, past a cap of 1");
}

#[test]
fn a_removal_tells_of_everything_that_it_removed() {
    let mut world = World::new(support::policy(|s| s.failure_cap = 2));
    world.enrol("a@example.com");
    let elevated = world.elevated();
    let b = world.associate(&elevated, "b@example.com").unwrap();
    let right = world.mail().code;
    world.verify(&elevated, b.oob_code.expose(), &right).unwrap();
    world.pass(3600);
    let session = world.login();
    let request = ChallengeRequest { authenticator: Some(b.authenticator), ..Default::default() };
    let c = world.challenge_with(&session, &request).unwrap();
    let right = world.mail().code;
    for _ in 0..2 {
        let _ = world.verify(&session, c.oob_code.expose(), &wrong(&right));
    }
    world.pass(1);
    let elevated = world.elevated();
    world.events.clear();
    let a = world.account().authenticators()[0].id();
    world.remove(&elevated, a).unwrap();
    assert!(world.account().authenticators().is_empty());
    let removed = world.events.iter().filter(|e| matches!(e, Event::Removed { .. })).count();
    assert_eq!(removed, 2, "the disabled one and the recovery codes go in silence");
}

#[test]
fn a_parse_of_no_challenge_type_means_any() {
    assert_eq!(ChallengeTypes::parse(""), ChallengeTypes::ANY);
}

#[test]
fn reading_a_first_factor_before_unlock_is_not_revived() {
    // Spent by a node whose clock is ahead within the leeway, evicted, unlocked by a node that is right.
    let mut world = World::new(Policy::default());
    world.enrol("a@example.com");
    world.pass(3600);
    let real = world.now;
    world.now += Duration::seconds(50);
    let session = world.login();
    let c = world.challenge(&session).unwrap();
    let right = world.mail().code;
    world.verify(&session, c.oob_code.expose(), &right).unwrap();
    assert_eq!(world.challenge(&session).unwrap_err(), Denial::TransactionSpent);
    // a wild clock prunes it: its `begun` is folded into not_before
    world.now += Duration::days(1);
    world.provision("p@example.com").unwrap();
    world.now = real;
    world.unlock();
    let _ = (address("a@b.c"), client(), subject());
    let again = world.challenge(&session);
    assert!(again.is_err(), "a spent transaction came back to life");
}

#[test]
fn an_unlock_by_a_slow_clock_undoes_no_reset() {
    let mut world = World::new(Policy::default());
    world.enrol("user@example.com");
    world.pass(3600);
    let thief_elevated = world.elevated();
    let thief = world.login();
    world.pass(60);
    world.reset(); // the administrator threw the thief out
    assert_eq!(world.associate(&thief, "thief@example.com").unwrap_err(), Denial::ExpiredToken);
    assert_eq!(world.associate(&thief_elevated, "thief@example.com").unwrap_err(), Denial::ExpiredToken);
    world.pass(-120); // the node that takes the unlock is two minutes behind
    world.unlock();
    world.pass(121);
    let first = world.associate(&thief, "thief@example.com");
    let elevated = world.associate(&thief_elevated, "thief2@example.com");
    assert!(
        first.is_err() && elevated.is_err(),
        "first factor: {}, elevated: {}",
        first.is_ok(),
        elevated.is_ok()
    );
}

#[test]
fn an_unlock_by_a_slow_clock_revives_no_spent_transaction() {
    let mut world = World::new(Policy::default());
    let (_, codes) = world.enrol("user@example.com");
    world.pass(3600);
    let session = world.login();
    world.recover(&session, &codes[0]).unwrap();
    let spent = world.tokens.last().unwrap().id;
    let elevated = world.elevated();
    world.pass(1);
    world.account(); // regenerating empties `spent` and refuses older sessions; a fast node prunes the entry
    world.pass(600);
    world.provision("p@example.com").unwrap();
    world.pass(-700);
    world.unlock();
    world.pass(110);
    let again = world.recover(&session, &codes[1]);
    let twice = world.tokens.iter().filter(|t| t.id == spent).count();
    assert!(again.is_err(), "two recovery codes, one transaction, {twice} tokens of one id");
    let _ = elevated;
}
