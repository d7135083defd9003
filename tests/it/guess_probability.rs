//! The yearly chance of a lucky guess, by simulation: a thief with a year of time and the real commands says
//! how many guesses each preset admits. How often as many hit is in `under_attack.rs`.

use countersign::{
    Denial, Policy, Session,
    command::OtpRequest,
    factor::AuthenticatorKind,
    policy::{FactorUse, Rate, Settings, WhenExhausted},
    record::Lane,
};
use countersign_testkit::{Given, World, totp, wrong, wrong_otp};
use time::Duration;

/// Each preset with email as a factor, how many guesses a lane admits in a year, and in which steps of
/// seconds the thief tries: often enough to miss none.
fn presets() -> [(Policy, u64, i64); 3] {
    let open = |mut settings: Settings| {
        // The thief's messages are another limit, and the cap on wrong codes in a row ends only what nobody
        // clears.
        settings.factors.email = FactorUse::Authenticate;
        settings.send_bucket = Rate::new(1_000, Duration::SECOND);
        settings.long_send_budget = None;
        settings.cool_down = Duration::ZERO;
        settings.failure_cap = 100;
        Policy::new(settings).unwrap()
    };
    [
        (open(Settings::default()), 30 + 365, 86_400),
        (open(Settings::auth0()), 10 + 87_600, 3_600),
        (open(Settings::strict()), 10 + 45, 86_400),
    ]
}

/// Asks for a code in this lane, in a transaction of its own.
fn ask(world: &mut World, lane: Lane) -> Option<(Session, Given<()>)> {
    let (session, given) = match lane {
        Lane::Unknown => {
            let session = world.login();
            let asked = world.challenge(&session).map(|given| given.map(drop));
            (session, asked)
        }
        Lane::Known => {
            let session = world.elevated();
            let asked = world.associate(&session, "thief@example.com").map(|given| given.map(drop));
            (session, asked)
        }
    };
    given.ok().map(|given| (session, given))
}

/// How many wrong codes a thief gets evaluated and counted in this time in one lane.
fn guesses(policy: &Policy, lane: Lane, step: i64, period: Duration) -> u64 {
    let mut world = World::new(policy.clone());
    world.enroll("user@example.com");
    world.pass(86_400 * 400);
    let end = world.now + period;
    let mut counted = 0;
    while world.now < end {
        if lane == Lane::Unknown {
            // The account's holder comes by, which ends the failures in a row and touches no budget.
            let _ = world.sign_in();
        }
        while let Some((session, asked)) = ask(&mut world, lane).filter(|(_, asked)| !asked.form.is_long()) {
            let guess = wrong(&world.mail().code);
            while let Err(Denial::InvalidBindingCode { .. }) =
                world.verify(&session, asked.oob_code.expose(), &guess)
            {
                counted += 1;
            }
        }
        world.pass(step);
        world.mails.drain(..world.mails.len() - 1);
        world.audits.clear();
        world.events.clear();
        world.store.outbox.borrow_mut().clear();
    }
    counted
}

#[test]
fn a_year_of_guessing_comes_to_what_the_formula_counts() {
    for (policy, admitted, step) in presets() {
        for lane in Lane::ALL {
            // What the lanes count is the same, so the other one of `auth0` has a month for its many guesses.
            let brief = lane == Lane::Known && admitted > 1_000;
            let (period, admitted) =
                if brief { (Duration::days(30), 10 + 7_200) } else { (Duration::days(365), admitted) };
            let guesses = guesses(&policy, lane, step, period);
            println!("{lane:?}: {guesses} guesses in {period}, {admitted} admitted");
            assert!(guesses <= admitted, "{guesses} guesses, {admitted} admitted");
            assert!(guesses * 100 >= admitted * 97, "{guesses} guesses, {admitted} admitted");
            if brief {
                continue;
            }
            // The formula makes of those guesses the chance to hit one code of so many digits.
            let one = 0.1_f64.powi(policy.settings().code_digits.into());
            let chance = 1.0 - (1.0 - one).powf(admitted as f64);
            let published = policy.guess_probability_of(&[AuthenticatorKind::Email], &[lane]);
            assert!((published / chance - 1.0).abs() < 0.001, "{published} is not {chance}");
        }
    }
}

/// The same at an app, whose codes have no challenge: what is counted is as many, and what is asked for then
/// is four codes, or nothing.
#[test]
fn a_year_of_guessing_at_an_app_comes_to_what_the_formula_counts() {
    for (policy, admitted, step) in presets() {
        let hardens = policy.settings().when_exhausted == WhenExhausted::Harden;
        let right = if policy.settings().totp.steps_ahead == 1 { 3.0 } else { 2.0 };
        let mut world = World::new(policy.clone());
        let (_, _, app) = world.enroll_totp();
        world.pass(86_400 * 400);
        let end = world.now + Duration::days(365);
        let mut counted = 0_u64;
        while world.now < end {
            // The account's holder comes by, which ends the failures in a row and touches no budget.
            let session = world.login();
            let _ = world.verify_otp(&session, app.at(world.now));
            let near: Vec<_> =
                (-2..=2).map(|step| app.at(world.now + Duration::seconds(30 * step))).collect();
            let guess = wrong_otp(&near.iter().collect::<Vec<_>>());
            loop {
                let session = world.login();
                match world.verify_otp(&session, guess.clone()).unwrap_err() {
                    Denial::InvalidOtpCode { .. } => counted += 1,
                    Denial::FourCodesRequired if hardens => break,
                    Denial::Locked { .. } if !hardens => break,
                    denial => panic!("{denial}"),
                }
            }
            world.pass(step);
            world.audits.clear();
            world.events.clear();
            world.tokens.clear();
            world.store.outbox.borrow_mut().clear();
        }
        println!("{counted} guesses, {admitted} admitted");
        assert!(counted <= admitted && counted * 100 >= admitted * 97, "{counted} of {admitted}");
        let chance = 1.0 - (1.0 - right * 1e-6_f64).powf(admitted as f64);
        let published = policy.guess_probability_of(&[AuthenticatorKind::Totp], &[Lane::Unknown]);
        assert!((published / chance - 1.0).abs() < 0.001, "{published} is not {chance}");
    }
}

#[test]
fn the_chance_at_an_account_is_that_of_its_factors_and_of_the_lane_that_a_password_opens() {
    let mut world = World::new(Policy::default());
    let account = world.account();
    assert!(world.verifier.guess_probability(&account) <= 0.0, "nothing is there to be guessed at");
    world.enroll("user@example.com");
    let account = world.account();
    let chance = world.verifier.guess_probability(&account);
    let of = |kind| Policy::default().guess_probability_of(&[kind], &[Lane::Unknown]);
    assert!((chance - of(AuthenticatorKind::Email)).abs() < 1e-12, "{chance}");
    let elevated = world.elevated();
    world.associate(&elevated, "second@example.com").unwrap();
    let pending = world.account();
    assert!((world.verifier.guess_probability(&pending) - chance).abs() < 1e-12, "one code, one chance");
    let session = world.elevated();
    let (associated, app) = world.associate_otp(&session, &totp()).unwrap();
    let code = OtpRequest::new(app.at(world.now)).authenticator(associated.authenticator);
    world.verify_otp(&session, code).unwrap();
    let account = world.account();
    let app = world.verifier.guess_probability(&account);
    assert!(
        app > of(AuthenticatorKind::Totp) && (app - Policy::default().guess_probability() / 2.0).abs() < 1e-6,
        "{app}"
    );
}
