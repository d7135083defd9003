//! Sixty days of attack by somebody who knows the password, minute by minute, against the real commands. At
//! every sampled minute the account's holder, who knows the password as well and has nothing else but a
//! mailbox and recovery codes, tries to sign in on a copy of the record, so that a success ends nothing for
//! the attacker.
//!
//! What is promised: guessing keeps nobody out. Asking for message after message can keep somebody from
//! getting one, and then a recovery code still signs in. Neither reaches an elevated session, nor somebody on a
//! remembered device.
//!
//! And a year of guesses at many accounts, by dice that are seeded, beside the chance that the policy tells.

use countersign::{
    Account, Denial, Policy,
    code::{DeviceToken, OtpCode, RecoveryCode},
    effect::Notice,
    factor::AuthenticatorKind,
    policy::{FactorUse, Settings},
    record::Lane,
};
use countersign_testkit::{World, wrong, wrong_otp};
use rand::{Rng as _, SeedableRng as _, rngs::ChaCha20Rng};

use crate::accounts::unknown_recovery_code;

const MINUTES: u32 = 60 * 24 * 60;

const WEEK: u32 = 7 * 24 * 60;

/// What the thief does, each minute.
#[derive(Clone, Copy)]
struct Thief {
    /// Guesses whenever a short code may be had; asks for one four times a day.
    guesses: bool,
    /// Asks for a message whenever there may be one, and gives the last challenge up, so that its cool-down
    /// stays.
    drains: bool,
    /// Presents wrong recovery codes.
    recovers: bool,
}

/// What came of the sampled minutes.
#[derive(Default, Debug)]
struct Seen {
    sampled: u32,
    /// The holder signed in by a code of a message: of 6 or 8 digits, or of 20.
    by_short: u32,
    by_long: u32,
    /// No message was to be had, and a recovery code signed in.
    by_recovery: u32,
    /// A recovery code signed in, whether or not a message was to be had.
    recovered: u32,
    /// On a remembered device, by a short code of a message.
    on_device: u32,
    /// The holder enrolled another address from an elevated session.
    enrolled: u32,
    /// What the thief got evaluated and counted.
    guesses: u32,
    notices: usize,
}

/// The presets that harden, with email as a factor.
fn presets() -> [Policy; 2] {
    let mut strict = Settings::strict();
    strict.factors.email = FactorUse::Authenticate;
    [Policy::default(), Policy::new(strict).unwrap()]
}

fn attack(world: &mut World, thief: Thief, minute: u32) -> u32 {
    let mut counted = 0;
    if thief.recovers {
        let session = world.login();
        let _ = world.recover(&session, &unknown_recovery_code());
    }
    if thief.guesses && minute.is_multiple_of(6 * 60) {
        let session = world.login();
        while let Ok(asked) = world.challenge(&session) {
            if asked.form.is_long() {
                break;
            }
            let guess = wrong(&world.mail().code);
            while let Err(Denial::InvalidBindingCode { .. }) =
                world.verify(&session, asked.oob_code.expose(), &guess)
            {
                counted += 1;
            }
        }
    }
    if thief.drains {
        let session = world.login();
        if world.challenge(&session).is_ok() {
            let again = world.login();
            let _ = world.challenge(&again);
        }
    }
    counted
}

/// Signs in by a message if one is to be had, and else by a recovery code; and on a remembered device by a message.
fn sign_in(world: &mut World, codes: &[RecoveryCode], device: &DeviceToken, seen: &mut Seen) {
    let session = world.login_on(device);
    let challenged = world.challenge(&session).expect("nobody else spends what a remembered device has");
    assert!(!challenged.form.is_long(), "and nobody hardens it");
    let code = world.mail().code;
    let verified = world.verify(&session, challenged.oob_code.expose(), &code);
    assert!(verified.expect("a code that came is taken").completed);
    seen.on_device += 1;
    let before = world.account();
    let session = world.login();
    world.recover(&session, &codes[0]).expect("a recovery code signs in");
    seen.recovered += 1;
    world.store.put(before);
    let session = world.login();
    match world.challenge(&session) {
        Ok(challenged) => {
            let code = world.mail().code;
            let verified = world.verify(&session, challenged.oob_code.expose(), &code);
            assert!(verified.expect("a code that came is taken").completed);
            if challenged.form.is_long() { seen.by_long += 1 } else { seen.by_short += 1 }
        }
        Err(denial) => {
            assert!(matches!(denial, Denial::TooManySends { .. }), "{denial:?}");
            world.recover(&session, &codes[1]).expect("a recovery code signs in");
            seen.by_recovery += 1;
        }
    }
    let elevated = world.elevated();
    let begun = world.associate(&elevated, "holder@example.com").expect("the known lane is untouched");
    let code = world.mail().code;
    world.verify(&elevated, begun.oob_code.expose(), &code).expect("and so are its guesses");
    seen.enrolled += 1;
}

/// The attack, and what the holder can do at about every fortieth minute.
fn play(policy: &Policy, thief: Thief) -> Seen {
    let mut world = World::new(policy.clone());
    let (_, codes) = world.enroll("user@example.com");
    world.pass(10 * 86_400);
    let mut device = world.remember();
    world.pass(3_600);
    world.events.clear();
    let (mut seen, mut dice) = (Seen::default(), ChaCha20Rng::seed_from_u64(60));
    for minute in 0..MINUTES {
        if minute % WEEK == WEEK - 1 {
            // Its owner signs in, in earnest, before the device is forgotten.
            let session = world.login_on(&device);
            device = world.remember_in(&session);
        }
        seen.guesses += attack(&mut world, thief, minute);
        seen.notices += world.events.drain(..).len();
        if dice.next_u32().is_multiple_of(40) {
            let before: Account = world.account();
            sign_in(&mut world, &codes, &device, &mut seen);
            seen.sampled += 1;
            world.store.put(before);
            world.events.retain(|event| !matches!(event, Notice::Added { .. } | Notice::RecoveryUsed { .. }));
        }
        world.pass(60);
        world.mails.drain(..world.mails.len() - 1);
        world.audits.clear();
        world.tokens.clear();
        world.store.outbox.borrow_mut().clear();
    }
    println!("{seen:?}");
    assert_eq!([seen.enrolled, seen.on_device, seen.recovered], [seen.sampled; 3]);
    assert_eq!(seen.sampled, 2_074, "the number of the threat model");
    seen
}

/// L8: a password thief who guesses ten at once and then one a day kept the holder from every challenge of 60
/// days, and had the authenticator disabled after 21.
#[test]
fn l08_the_holder_signs_in_by_mail_at_every_minute_of_sixty_days_of_guessing() {
    for policy in presets() {
        let disables = policy.settings().failure_cap == 20;
        let seen = play(&policy, Thief { guesses: true, drains: false, recovers: true });
        assert!(seen.guesses > 15, "{seen:?}");
        // `strict` disables an authenticator at 20 failures in a row, which the guessing budget admits after
        // 80 days.
        assert!(!disables || seen.guesses < 20);
        assert_eq!(seen.by_short + seen.by_long, seen.sampled, "{seen:?}");
        assert!(seen.by_long > seen.sampled / 2, "{seen:?}");
        assert!(seen.notices <= 3 * 61, "{seen:?}");
    }
}

#[test]
fn l08_the_holder_signs_in_by_a_recovery_code_at_every_minute_of_sixty_days_of_messages() {
    for policy in presets() {
        let seen = play(&policy, Thief { guesses: false, drains: true, recovers: false });
        assert_eq!(seen.by_short + seen.by_recovery, seen.sampled, "{seen:?}");
        assert!(seen.by_recovery > seen.sampled / 2, "messages are out most of the time: {seen:?}");
        assert_eq!(seen.notices, 0, "the messages themselves tell of it");
    }
}

#[test]
fn l08_the_holder_signs_in_at_every_minute_of_sixty_days_of_everything_at_once() {
    for policy in presets() {
        let seen = play(&policy, Thief { guesses: true, drains: true, recovers: true });
        assert_eq!(seen.by_short + seen.by_long + seen.by_recovery, seen.sampled, "{seen:?}");
        assert!(seen.by_recovery > seen.sampled / 2, "{seen:?}");
        assert!(seen.notices <= 3 * 61, "{seen:?}");
    }
}

/// `strict` disables an authenticator at 20 wrong codes in a row. Somebody who never uses the last guess of the long budget,
/// so that the lane is not hardened, has 20 of them after 80 days, in which the account's holder signs in not once; and
/// somebody who guesses whenever a guess is to be had needs longer.
#[test]
fn strict_disables_an_authenticator_after_eighty_days_at_the_earliest() {
    let enrolled = || {
        let mut world = World::new(presets()[1].clone());
        world.enroll("user@example.com");
        world.pass(400 * 86_400);
        (world.now, world)
    };
    let disabled = |world: &World| world.events.iter().any(|event| matches!(event, Notice::Disabled { .. }));
    let (begun, mut world) = enrolled();
    for (eights, guesses) in (0..=10).map(|eights| (eights, if eights == 0 { 9 } else { 1 })).chain([(10, 1)])
    {
        world.now = world.now.max(begun + time::Duration::days(8 * eights));
        for _ in 0..guesses {
            assert!(!disabled(&world));
            let session = world.login();
            let asked = world.challenge(&session).unwrap();
            let guess = wrong(&world.mail().code);
            world.verify(&session, asked.oob_code.expose(), &guess).unwrap_err();
            world.pass(3_600);
        }
    }
    assert_eq!(((world.now - begun).whole_days(), disabled(&world)), (80, true));

    let (begun, mut world) = enrolled();
    let mut counted = 0;
    while !disabled(&world) {
        counted += attack(&mut world, Thief { guesses: true, drains: false, recovers: false }, 0);
        world.pass(1_800);
    }
    assert_eq!((counted, (world.now - begun).whole_days()), (20, 88));
}

/// An app needs no message: one code, or four while the account is guessed at, sign in at every minute.
#[test]
fn l08_the_holder_signs_in_by_an_app_at_every_minute_of_sixty_days_of_everything_at_once() {
    let mut world = World::new(Policy::default());
    let (_, _, app) = world.enroll_totp();
    world.pass(10 * 86_400);
    let code = |world: &World, before: i64| app.at(world.now - time::Duration::seconds(30 * before));
    let (mut singly, mut by_four, mut guesses) = (0, 0, 0_u32);
    let mut dice = ChaCha20Rng::seed_from_u64(61);
    for minute in 0..MINUTES {
        if minute.is_multiple_of(6 * 60) {
            let near: Vec<_> = (0..2).map(|before| code(&world, before)).collect();
            let guess = wrong_otp(&near.iter().collect::<Vec<_>>());
            loop {
                let session = world.login();
                match world.verify_otp(&session, guess.clone()).unwrap_err() {
                    Denial::InvalidOtpCode { .. } => guesses += 1,
                    denial => break assert_eq!(denial, Denial::FourCodesRequired),
                }
            }
        }
        let session = world.login();
        let _ = world.recover(&session, &unknown_recovery_code());
        if dice.next_u32().is_multiple_of(40) {
            let (before, session) = (world.account(), world.login());
            let one = code(&world, 0);
            if world.verify_otp(&session, one).is_ok() {
                singly += 1;
            } else {
                let row: String =
                    [3, 2, 1, 0].map(|before| code(&world, before).expose().to_owned()).join(" ");
                let row = OtpCode::parse(&row).unwrap();
                assert!(world.verify_otp(&session, row).expect("four codes are taken").completed);
                by_four += 1;
            }
            world.store.put(before);
        }
        world.pass(60);
        world.audits.clear();
        world.events.clear();
        world.tokens.clear();
        world.store.outbox.borrow_mut().clear();
    }
    println!("{singly} by one code, {by_four} by four, beside {guesses} guesses");
    assert!(guesses > 15 && singly + by_four > 2_000 && by_four > 1_000);
}

/// The control: where the policy locks, as `auth0` does, the same guesses keep the holder from every message.
#[test]
fn where_the_policy_locks_a_thief_keeps_the_holder_out() {
    let mut world = World::new(countersign_testkit::locking(|_| {}));
    world.enroll("user@example.com");
    world.pass(10 * 86_400);
    let mut locked = 0;
    for _ in 0..24 * 10 {
        let session = world.login();
        if let Ok(asked) = world.challenge(&session) {
            let guess = wrong(&world.mail().code);
            while let Err(Denial::InvalidBindingCode { .. }) =
                world.verify(&session, asked.oob_code.expose(), &guess)
            {}
        }
        world.pass(360);
        let before = world.account();
        locked += u32::from(matches!(world.sign_in(), Err(Denial::Locked { .. })));
        world.store.put(before);
    }
    assert!(locked > 100, "{locked}");
}

/// Of so many accounts that are guessed at for a year, how many are hit: by dice that are seeded. So many of
/// a million codes are right at each guess.
fn hits(dice: &mut ChaCha20Rng, accounts: u32, guesses: u64, right: u32) -> u32 {
    // The bias of the remainder is below one in four thousand.
    let mut hit = || (0..guesses).any(|_| dice.next_u32() % 1_000_000 < right);
    u32::try_from((0..accounts).filter(|_| hit()).count()).unwrap()
}

#[test]
fn seeded_dice_agree_with_guess_probability() {
    use AuthenticatorKind::{Email, Totp};
    let mut dice = ChaCha20Rng::seed_from_u64(4226);
    for (policy, guesses, accounts, kind, right) in [
        (Policy::auth0(), 87_610_u64, 300_u32, Email, 1),
        (Policy::default(), 395, 40_000, Email, 1),
        (Policy::auth0(), 87_610, 300, Totp, 3),
        (Policy::default(), 395, 20_000, Totp, 2),
        (Policy::strict(), 55, 100_000, Totp, 2),
    ] {
        for lanes in [&Lane::ALL[..1], &Lane::ALL] {
            let guesses = guesses * u64::try_from(lanes.len()).unwrap();
            let hits = f64::from(hits(&mut dice, accounts, guesses, right));
            let chance = policy.guess_probability_of(&[kind], lanes);
            let expected = f64::from(accounts) * chance;
            let spread = (expected * (1.0 - chance)).sqrt();
            println!(
                "{hits} of {accounts} accounts were hit; {expected:.1} expected, give or take {spread:.1}"
            );
            assert!((hits - expected).abs() <= 4.0 * spread);
        }
    }
}
