//! Invariants: random commands under random policies, with a clock that jumps both ways, and after every step a plain
//! model that must agree with the record. `PROPTEST_CASES` raises the number of sequences.

#[path = "support/budget.rs"]
mod budget;
#[path = "support/driver.rs"]
mod driver;
#[path = "support/model.rs"]
mod model;
mod support;

use countersign::{Rate, RecoveryThrottle, RecoveryUse, Resend, Settings};
use driver::{Driver, Guess, LAST_MS, Op};
use proptest::prelude::*;
use time::Duration;

fn op() -> impl Strategy<Value = Op> {
    let at = || prop_oneof![4 => Just(0_usize), 2 => 1..3_usize, 1 => 3..8_usize];
    let guess = || prop_oneof![2 => Just(Guess::Right), 2 => Just(Guess::Wrong), 1 => Just(Guess::Stale)];
    prop_oneof![
        6 => Just(Op::Login),
        2 => (0..3_usize, 1..3_600_i64).prop_map(|(token, span)| Op::Elevate(token, span)),
        8 => (at(), 0..4_usize).prop_map(|(session, to)| Op::Associate(session, to)),
        10 => (at(), prop::option::of(at())).prop_map(|(session, id)| Op::Challenge(session, id)),
        16 => (at(), guess()).prop_map(|(handle, guess)| Op::Verify(handle, guess)),
        6 => (at(), at(), guess()).prop_map(|(session, code, guess)| Op::Recover(session, code, guess)),
        1 => (at(), at()).prop_map(|(session, id)| Op::Remove(session, id)),
        1 => at().prop_map(Op::Regenerate),
        1 => at().prop_map(Op::Cancel),
        3 => (0..4_usize).prop_map(Op::Provision),
        1 => (0..4_usize).prop_map(Op::Deprovision),
        1 => (at(), any::<bool>()).prop_map(|(mail, failed)| Op::Report(mail, failed)),
        1 => Just(Op::Unlock),
        1 => Just(Op::Reset),
        12 => prop_oneof![0..2_000_i64, 0..120_000_i64, 0..1_200_000_i64].prop_map(Op::Clock),
        2 => (-120_000..0_i64).prop_map(Op::Clock),
        1 => (-5_000_000_000..5_000_000_000_i64).prop_map(Op::Clock),
        1 => prop_oneof![Just(0), Just(LAST_MS), Just(1_767_268_800_000)].prop_map(Op::Set),
    ]
}

fn rate() -> impl Strategy<Value = Rate> {
    (1..6_u32, prop_oneof![Just(1_i64), 1..600_i64, Just(86_400)])
        .prop_map(|(burst, every)| Rate::new(burst, Duration::seconds(every)))
}

fn small() -> impl Strategy<Value = Settings> {
    let rates = (rate(), prop::option::of(rate()), rate(), rate(), prop::option::of(rate()));
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), prop::bool::weighted(0.9));
    let spans = (1..600_i64, 0..90_i64, 60..600_i64);
    let counts = (1..4_u8, 1..6_u8, 1..4_u8, 1..4_u8, 1..3_u8, 1..4_u8);
    (rates, flags, spans, counts).prop_map(|(rates, flags, spans, counts)| {
        let mut settings = Settings::default();
        (settings.guess_bucket, settings.long_guess_budget, settings.recovery_bucket, ..) = rates;
        (.., settings.send_bucket, settings.long_send_budget) = rates;
        let (rotates, replaces, refuses, may_authenticate) = flags;
        settings.resend = if rotates { Resend::Rotate } else { Resend::Repeat };
        settings.recovery_use = if replaces { RecoveryUse::Replace } else { RecoveryUse::Consume };
        settings.recovery_throttle =
            if refuses { RecoveryThrottle::Refuse } else { RecoveryThrottle::Notify };
        settings.email_may_authenticate = may_authenticate;
        settings.code_lifetime = Duration::seconds(spans.0);
        settings.cool_down = Duration::seconds(spans.1);
        settings.token_lifetime = Duration::seconds(spans.2);
        settings.attempts = counts.0;
        settings.failure_cap = counts.1;
        settings.recovery_codes = counts.2;
        settings.max_authenticators = counts.3;
        settings.max_unconfirmed = counts.4;
        settings.max_challenges = counts.5;
        settings
    })
}

fn settings() -> impl Strategy<Value = Settings> {
    prop_oneof![
        2 => Just(Settings::default()),
        2 => Just(Settings::auth0()),
        1 => Just(Settings::strict()),
        5 => small(),
    ]
}

fn play<'a>(settings: Settings, ops: impl IntoIterator<Item = &'a Op>) {
    let mut driver = Driver::new(settings);
    for op in ops {
        driver.run(op);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_record_agrees_with_the_model(
        settings in settings(),
        enrolled in prop::bool::weighted(0.8),
        ops in prop::collection::vec(op(), 1..80),
    ) {
        let enrolment = [Op::Login, Op::Associate(0, 0), Op::Verify(0, Guess::Right), Op::Clock(60_000), Op::Login];
        let first = if enrolled { &enrolment[..] } else { &[] };
        play(settings, first.iter().chain(&ops));
    }
}

/// A host may prolong the session of one access token: the transaction then ends later than its entry says.
#[test]
fn a_session_that_is_prolonged_leaves_a_record_that_loads() {
    let ops = [Op::Elevate(0, 1), Op::Elevate(0, 107), Op::Associate(1, 0), Op::Associate(0, 1)];
    play(Settings::default(), &ops);
}
