//! The presets to the number: every burst, and every refill to the millisecond, read off what the commands do.
//!
//! A test opens the budgets that it is not about, so that only the one it measures can refuse; the numbers themselves
//! are written out here and not taken from the settings.

use countersign::{
    ChallengeRequest, Denial, Policy, Session,
    code::{CodeForm, RecoveryCode},
    effect::{Delivery, Notice},
    machine::Enrollment,
    policy::{AtCap, FactorUse, Rate, Settings, WhenExhausted},
    record::Lane,
};
use countersign_testkit::{World, bucket, client, hotp, lock, millis, totp, wrong};
use time::{Duration, OffsetDateTime};

/// A burst, and the interval of its refill in seconds.
type Budget = (u32, i64);

struct Preset {
    settings: fn() -> Settings,
    code: (u8, i64, u8),
    guess: Budget,
    long_guess: Option<Budget>,
    exhausted: WhenExhausted,
    cap: (u8, AtCap),
    recovery: Budget,
    recovery_refuses: bool,
    send: Budget,
    cool_down: i64,
    long_send: Option<Budget>,
    rotates: bool,
    recovery_codes: usize,
    codes_after_use: u8,
    lists: [usize; 3],
    /// For how many days a device is remembered, and whether it takes the place of a second factor.
    remember: (i64, bool),
    /// Whether an app's clock may be a step ahead.
    app_ahead: bool,
    /// How many presses a device may be ahead.
    look_ahead: u64,
}

const DAY: i64 = 86_400;

const PRESETS: [Preset; 3] = [
    Preset {
        settings: Settings::default,
        code: (6, 300, 5),
        guess: (10, 360),
        long_guess: Some((30, DAY)),
        exhausted: WhenExhausted::Harden,
        cap: (50, AtCap::Harden),
        recovery: (10, 360),
        recovery_refuses: false,
        send: (5, 60),
        cool_down: 30,
        long_send: Some((20, DAY / 20)),
        rotates: false,
        recovery_codes: 10,
        codes_after_use: 9,
        lists: [16, 3, 8],
        remember: (30, false),
        app_ahead: false,
        look_ahead: 5,
    },
    Preset {
        settings: Settings::auth0,
        code: (6, 300, 10),
        guess: (10, 360),
        long_guess: None,
        exhausted: WhenExhausted::Lock,
        cap: (100, AtCap::Disable),
        recovery: (10, 360),
        recovery_refuses: true,
        send: (20, 60),
        cool_down: 0,
        long_send: None,
        rotates: false,
        recovery_codes: 1,
        codes_after_use: 1,
        lists: [50, 5, 8],
        remember: (30, true),
        app_ahead: true,
        look_ahead: 5,
    },
    Preset {
        settings: Settings::strict,
        code: (8, 300, 3),
        guess: (5, 1_800),
        long_guess: Some((10, 8 * DAY)),
        exhausted: WhenExhausted::HardenMessages,
        cap: (20, AtCap::Disable),
        recovery: (5, 1_800),
        recovery_refuses: false,
        send: (3, 300),
        cool_down: 60,
        long_send: Some((10, DAY / 10)),
        rotates: true,
        recovery_codes: 10,
        codes_after_use: 10,
        lists: [8, 2, 4],
        remember: (90, false),
        app_ahead: false,
        look_ahead: 2,
    },
];

const WIDE: Rate = Rate::new(1_000, Duration::SECOND);

/// The preset, with email as a factor, so that every budget can be reached.
fn world(preset: &Preset, open: impl FnOnce(&mut Settings)) -> World {
    let mut settings = (preset.settings)();
    settings.factors.email = FactorUse::Authenticate;
    open(&mut settings);
    World::new(Policy::new(settings).unwrap())
}

fn open_sends(settings: &mut Settings) {
    settings.send_bucket = WIDE;
    settings.cool_down = Duration::ZERO;
    settings.long_send_budget = None;
}

fn open_guesses(settings: &mut Settings) {
    settings.guess_bucket = WIDE;
    settings.long_guess_budget = None;
    settings.failure_cap = 100;
}

/// Takes from a budget until it refuses, and gives how many it had and until when it refuses.
fn drain(
    world: &mut World,
    take: &mut impl FnMut(&mut World) -> Option<OffsetDateTime>,
) -> (u32, OffsetDateTime) {
    let mut taken = 0;
    loop {
        match take(world) {
            Some(until) => return (taken, until),
            None => taken += 1,
        }
    }
}

/// Whether the budget has its burst and refills on the millisecond. `take` takes one, or says until when it is refused.
fn measure(
    world: &mut World,
    (burst, every): Budget,
    mut take: impl FnMut(&mut World) -> Option<OffsetDateTime>,
) {
    const MILLISECOND: Duration = Duration::MILLISECOND;
    let (begun, every) = (world.now, Duration::seconds(every));
    assert_eq!(drain(world, &mut take), (burst, begun + every));
    world.now = begun + every - MILLISECOND;
    assert_eq!(drain(world, &mut take), (0, begun + every));
    world.now = begun + every;
    assert_eq!(drain(world, &mut take), (1, begun + 2 * every));
    let full = begun + (burst + 1) * every;
    world.now = full - MILLISECOND;
    assert_eq!(drain(world, &mut take), (burst - 1, full));
    world.now = full;
    assert_eq!(drain(world, &mut take), (1, full + every));
    world.now = full + 1_000 * every;
    let again = world.now;
    assert_eq!(drain(world, &mut take), (burst, again + every), "it never holds more than its burst");
}

/// Presents one wrong code, at a new challenge in a new transaction.
fn guess(world: &mut World) -> Option<OffsetDateTime> {
    let session = world.login();
    let challenged = match world.challenge(&session) {
        Ok(challenged) => challenged,
        Err(denial) => return Some(denial.retry_at().expect("only the budget refuses")),
    };
    let code = wrong(&world.mail().code);
    match world.verify(&session, challenged.oob_code.expose(), &code).unwrap_err() {
        Denial::InvalidBindingCode { .. } => None,
        denial => panic!("{denial}"),
    }
}

/// Asks for one message, in a new transaction.
fn send(world: &mut World) -> Option<OffsetDateTime> {
    let session = world.login();
    let sent = world.mails.len();
    let refused =
        world.challenge(&session).err().map(|denial| denial.retry_at().expect("only the budget refuses"));
    assert_eq!(world.mails.len() - sent, usize::from(refused.is_none()));
    refused
}

#[test]
fn guess_buckets() {
    for preset in &PRESETS {
        let mut world = world(preset, |settings| {
            open_sends(settings);
            lock(settings);
            settings.long_guess_budget = None;
            settings.failure_cap = 100;
        });
        world.enroll("user@example.com");
        measure(&mut world, preset.guess, guess);
    }
}

#[test]
fn long_guess_budgets() {
    for preset in &PRESETS {
        let mut world = world(preset, |settings| {
            open_sends(settings);
            lock(settings);
            settings.guess_bucket = WIDE;
            settings.failure_cap = 100;
        });
        let (id, _) = world.enroll("user@example.com");
        let guess = |world: &mut World| {
            // The account's holder clears the failures in a row; that must not touch the budget.
            let failures = world.account().authenticators()[0].failures();
            if failures > 90 {
                let _ = world.sign_in();
            }
            guess(world)
        };
        match preset.long_guess {
            Some(budget) => measure(&mut world, budget, guess),
            None => (0..500).for_each(|_| assert_eq!(guess(&mut world), None, "it is off")),
        }
        assert_eq!(world.account().authenticators()[0].id(), id);
    }
}

#[test]
fn send_buckets() {
    for preset in &PRESETS {
        let mut world = world(preset, |settings| settings.long_send_budget = None);
        world.provision("user@example.com").unwrap();
        measure(&mut world, preset.send, send);
    }
}

#[test]
fn long_send_budgets() {
    for preset in &PRESETS {
        let mut world = world(preset, |settings| settings.send_bucket = WIDE);
        world.provision("user@example.com").unwrap();
        match preset.long_send {
            Some(budget) => measure(&mut world, budget, send),
            None => (0..500).for_each(|_| assert_eq!(send(&mut world), None, "it is off")),
        }
    }
}

#[test]
fn recovery_buckets() {
    let code = RecoveryCode::parse(&"2".repeat(24)).unwrap();
    for preset in &PRESETS {
        let mut world = world(preset, |_| {});
        let (_, codes) = world.enroll("user@example.com");
        let (burst, every) = preset.recovery;
        measure(&mut world, preset.recovery, |world| {
            let (session, before) = (world.login(), bucket(&world.account(), "recovery"));
            let events = world.events.len();
            let denial = world.recover(&session, &code).unwrap_err();
            let after = bucket(&world.account(), "recovery");
            let empty_until = after.saturating_sub(u64::from(burst - 1) * every as u64 * 1_000);
            if after > before {
                assert_eq!(denial, Denial::InvalidRecoveryCode);
                let emptied = empty_until > millis(world.now);
                let told = matches!(world.events[events..], [Notice::RecoveryGuessed { .. }]);
                assert!(emptied || !told, "the holder is told when it empties, and not each time");
                return None;
            }
            let until = OffsetDateTime::UNIX_EPOCH + Duration::milliseconds(empty_until as i64);
            let refused = Denial::TooManyRecoveryAttempts { until: Some(until) };
            assert_eq!(denial, if preset.recovery_refuses { refused } else { Denial::InvalidRecoveryCode });
            assert_eq!(world.events.len(), events);
            Some(until)
        });
        let session = world.login();
        let recovered = world.recover(&session, &codes[0]);
        assert_eq!(
            recovered.is_err(),
            preset.recovery_refuses,
            "an empty bucket refuses a right code, or does not"
        );
    }
}

#[test]
fn caps_on_failures_in_a_row() {
    for preset in &PRESETS {
        let mut world = world(preset, |settings| {
            open_sends(settings);
            open_guesses(settings);
            settings.failure_cap = (preset.settings)().failure_cap;
        });
        let (cap, at_cap) = preset.cap;
        assert_eq!((preset.settings)().at_cap, at_cap);
        world.enroll("user@example.com");
        for _ in 1..cap {
            assert_eq!(guess(&mut world), None);
        }
        let session = world.login();
        assert!(!world.challenge(&session).unwrap().form.is_long());
        assert_eq!(*world.account().authenticators()[0].enrollment(), Enrollment::Active);
        assert_eq!(guess(&mut world), None);
        let session = world.login();
        let asked = world.challenge(&session);
        if at_cap == AtCap::Disable {
            assert_eq!(asked.unwrap_err(), Denial::AuthenticatorDisabled);
            assert_eq!(*world.account().authenticators()[0].enrollment(), Enrollment::Disabled);
        } else {
            assert!(asked.unwrap().form.is_long());
            assert_eq!(*world.account().authenticators()[0].enrollment(), Enrollment::Active);
        }
    }
}

#[test]
fn empty_guess_budgets_do_what_the_preset_says() {
    for preset in &PRESETS {
        assert_eq!((preset.settings)().when_exhausted, preset.exhausted);
        let mut world = world(preset, open_sends);
        world.enroll("user@example.com");
        for _ in 0..preset.guess.0 {
            assert_eq!(guess(&mut world), None);
        }
        let session = world.login();
        match world.challenge(&session) {
            Ok(challenged) => {
                assert_ne!(preset.exhausted, WhenExhausted::Lock);
                assert_eq!((challenged.form, world.mail().code.length()), (CodeForm::Long, 20));
            }
            Err(denial) => {
                assert_eq!(preset.exhausted, WhenExhausted::Lock);
                assert!(matches!(denial, Denial::Locked { .. }));
            }
        }
    }
}

#[test]
fn devices_are_remembered_for_as_long_as_the_preset_says() {
    for preset in &PRESETS {
        let mut world = world(preset, |_| {});
        world.enroll("user@example.com");
        world.pass(3_600);
        let device = world.remember();
        let (days, skips) = preset.remember;
        for (millisecond, lane) in [(1, Lane::Known), (0, Lane::Unknown)] {
            let mut then = World::new(world.verifier.policy().clone());
            then.store.put(world.account());
            then.now = world.now + Duration::days(days) - Duration::milliseconds(millisecond);
            let session = then.login_on(&device);
            let account = then.account();
            assert_eq!(then.verifier.lane(&session, &account, then.now), lane);
            let remembered = then.verifier.requirements(&session, &account, then.now).remembered;
            assert_eq!(remembered, skips && lane == Lane::Known);
        }
    }
}

#[test]
fn a_device_may_be_as_many_presses_ahead_as_the_preset_says() {
    for preset in &PRESETS {
        for ahead in [preset.look_ahead, preset.look_ahead + 1] {
            let mut world = world(preset, |settings| settings.factors.hotp = FactorUse::Authenticate);
            let session = world.login();
            let (_, device) = world.associate_otp(&session, &hotp()).unwrap();
            world.verify_otp(&session, device.of_counter(0)).unwrap();
            world.pass(60);
            let session = world.login();
            let answer = world.verify_otp(&session, device.of_counter(1 + ahead));
            assert_eq!(answer.is_ok(), ahead == preset.look_ahead, "{ahead}");
        }
    }
}

/// Codes of six digits that change every 30 s, the present one and the one before it, in each of them.
#[test]
fn an_app_may_be_off_by_as_many_steps_as_the_preset_says() {
    for preset in &PRESETS {
        for (step, taken) in [(-2, false), (-1, true), (0, true), (1, preset.app_ahead), (2, false)] {
            let mut world = world(preset, |settings| settings.factors.totp = FactorUse::Authenticate);
            let session = world.login();
            let (_, app) = world.associate_otp(&session, &totp()).unwrap();
            let code = app.at(world.now);
            assert_eq!(code.expose().len(), 6);
            world.verify_otp(&session, code).unwrap();
            world.pass(600);
            let session = world.login();
            let answer = world.verify_otp(&session, app.at(world.now + Duration::seconds(30 * step)));
            assert_eq!(answer.is_ok(), taken, "{step}");
        }
    }
}

#[test]
fn codes_tokens_attempts_and_cool_downs() {
    for preset in &PRESETS {
        let mut world = world(preset, |_| {});
        let (digits, lifetime, attempts) = preset.code;
        let (_, codes) = world.enroll("user@example.com");
        assert_eq!(codes.len(), preset.recovery_codes);
        let session = world.login();
        world.recover(&session, &codes[0]).unwrap();
        assert_eq!(countersign_testkit::recovery_codes_left(&world.account()), preset.codes_after_use);
        world.pass(3_600);
        let token = world.begin();
        let session = world.verifier.open(token.expose(), Some(&client()), world.now).unwrap();
        assert_eq!(session.expires(), world.now + Duration::seconds(600));
        let first = world.challenge(&session).unwrap();
        let old = world.mail().code;
        assert_eq!((old.length(), first.expires), (digits, world.now + Duration::seconds(lifetime)));
        if preset.cool_down > 0 {
            world.now += Duration::seconds(preset.cool_down) - Duration::MILLISECOND;
            let until = world.now + Duration::MILLISECOND;
            assert_eq!(world.challenge(&session).unwrap().delivery, Delivery::CoolingDown { until });
            world.now = until;
        }
        assert_eq!(world.challenge(&session).unwrap().delivery, Delivery::Sent);
        assert_eq!(world.mail().code.expose() != old.expose(), preset.rotates);
        let code = wrong(&world.mail().code);
        for left in (0..attempts).rev() {
            let denial = world.verify(&session, first.oob_code.expose(), &code).unwrap_err();
            assert_eq!(denial, Denial::InvalidBindingCode { attempts_left: left });
        }
    }
}

#[test]
fn lists_hold_what_the_preset_says() {
    for preset in &PRESETS {
        let [authenticators, unconfirmed, challenges] = preset.lists;
        let mut world = world(preset, open_sends);
        let session = world.login();
        for place in 0..unconfirmed + 2 {
            world.associate(&session, &format!("user{place}@example.com")).unwrap();
        }
        assert_eq!(world.account().authenticators().len(), unconfirmed);
        let (mut world, elevated) = (self::world(preset, open_sends), world.elevated());
        let confirm = |world: &mut World, session: &Session, place| {
            let associated = world.associate(session, &format!("user{place}@example.com"))?;
            let code = world.mail().code;
            world.verify(session, associated.oob_code.expose(), &code)
        };
        for place in 0..authenticators {
            confirm(&mut world, &elevated, place).unwrap();
        }
        assert_eq!(
            confirm(&mut world, &elevated, authenticators).unwrap_err(),
            Denial::TooManyAuthenticators
        );
        for _ in 0..challenges + 2 {
            let session = world.login();
            world.challenge_with(&session, &ChallengeRequest::default()).unwrap();
        }
        for lane in Lane::ALL {
            let account = world.account();
            let of_lane = account.challenges().iter().filter(|known| known.lane() == lane);
            assert_eq!(of_lane.count(), challenges, "{lane:?}");
        }
    }
}
