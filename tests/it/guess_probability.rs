//! The yearly chance of a lucky guess, by simulation: the real commands say how often somebody with the password can
//! guess, and seeded dice say how often that hits.

use countersign::{Denial, Policy};
use countersign_testkit::{World, wrong};
use rand::{Rng as _, SeedableRng as _, rngs::ChaCha20Rng};
use time::Duration;

/// How many wrong codes a thief gets evaluated in `period`, with a new first factor, challenge or resend whenever one
/// is needed, asking at every instant at which the core says that asking may help.
fn evaluated_guesses(policy: &Policy, period: Duration) -> u64 {
    let mut world = World::new(policy.clone());
    world.enroll("user@example.com");
    // The holder's own enrollment spent a message; by now the buckets are full.
    world.pass(86_400 * 40);
    let end = world.now + period;
    let mut evaluated = 0;
    let mut session = world.login();
    while world.now < end {
        let challenged = match world.challenge(&session) {
            Ok(challenged) => challenged,
            Err(Denial::AttemptsExhausted) => {
                session = world.login();
                continue;
            }
            Err(denial) => {
                world.now = denial.retry_at().unwrap_or(world.now + Duration::seconds(1)).max(world.now);
                session = world.login();
                continue;
            }
        };
        loop {
            let guess = wrong(&world.mail().code);
            match world.verify(&session, challenged.oob_code.expose(), &guess) {
                Err(Denial::InvalidBindingCode { .. }) => evaluated += 1,
                Err(_) => break,
                Ok(_) => panic!("a wrong code is wrong"),
            }
        }
        session = world.login();
    }
    assert_eq!(
        evaluated,
        world.audits.iter().filter(|audit| audit.denial == Some("invalid_binding_code")).count()
    );
    u64::try_from(evaluated).unwrap()
}

/// What the published formula counts on in a period: a full bucket, and what comes back.
fn admitted(policy: &Policy, period: Duration) -> u64 {
    let settings = policy.settings();
    let of = |rate: countersign::policy::Rate| {
        let refills = period.whole_milliseconds() / rate.every().whole_milliseconds();
        u64::from(rate.burst()) + u64::try_from(refills).unwrap()
    };
    of(settings.guess_bucket).min(settings.long_guess_budget.map_or(u64::MAX, of))
}

#[test]
fn the_commands_admit_as_many_guesses_as_the_formula_counts() {
    // The cap on wrong codes in a row would end it early; its holder clears it by logging in, so here it is far away.
    for (policy, period) in [
        (countersign_testkit::policy(|settings| settings.failure_cap = 100), Duration::days(60)),
        (Policy::auth0(), Duration::hours(8)),
    ] {
        let (evaluated, admitted) = (evaluated_guesses(&policy, period), admitted(&policy, period));
        assert!(evaluated <= admitted, "{evaluated} guesses, {admitted} admitted");
        assert!(evaluated * 100 >= admitted * 97, "{evaluated} guesses, {admitted} admitted");
    }
}

#[test]
fn seeded_dice_agree_with_guess_probability() {
    let mut dice = ChaCha20Rng::seed_from_u64(4226);
    let policy = Policy::auth0();
    let guesses = admitted(&policy, Duration::days(365));
    let accounts = 400_u32;
    let hit = |dice: &mut ChaCha20Rng| {
        // One of a million codes; the bias of the remainder is below one in four thousand.
        (0..guesses).any(|_| dice.next_u32().is_multiple_of(1_000_000))
    };
    let hits = f64::from(u32::try_from((0..accounts).filter(|_| hit(&mut dice)).count()).unwrap());
    let chance = policy.guess_probability();
    let expected = f64::from(accounts) * chance;
    let spread = (expected * (1.0 - chance)).sqrt();
    println!("{hits} of {accounts} accounts were hit; {expected:.1} expected, give or take {spread:.1}");
    assert!((hits - expected).abs() <= 4.0 * spread);
    // The long budget is what makes the difference: with it, hardly one of these accounts would be hit.
    assert!(f64::from(accounts) * Policy::default().guess_probability() < 0.2);
}
