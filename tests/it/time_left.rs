//! Times that make a message pointless or a limit wrong: the end of a transaction, and a clock that was
//! ahead.

use countersign::{
    Denial, Policy, Session, Verifier,
    effect::{Delivery, Notice},
    policy::{Rate, RecoveryThrottle},
    session::ElevatedScopes,
};
use countersign_testkit::{World, edited, elevation, entropy, keys, locking, millis, policy};
use time::Duration;

use crate::accounts::unknown_recovery_code;

/// L15: 595 s into a token of 600 s a message was sent whose code lived for 4 s.
#[test]
fn l15_nothing_is_sent_in_the_last_half_minute_of_a_transaction() {
    let mut world = World::new(policy(|settings| settings.cool_down = Duration::ZERO));
    let enrolling = world.login();
    world.now = enrolling.expires() - Duration::seconds(30) + Duration::MILLISECOND;
    let (before, mails) = (world.account(), world.mails.len());
    assert_eq!(world.associate(&enrolling, "user@example.com").unwrap_err(), Denial::ExpiredToken);
    assert_eq!((world.account(), world.mails.len()), (before, mails));
    world.now -= Duration::MILLISECOND;
    let begun = world.associate(&enrolling, "user@example.com").unwrap();
    assert_eq!(begun.expires, enrolling.expires());
    let code = world.mail().code;
    world.now = enrolling.expires() - Duration::MILLISECOND;
    assert!(
        world.verify(&enrolling, begun.oob_code.expose(), &code).is_ok(),
        "it can be answered to the end"
    );

    let session = world.login();
    world.now = session.expires() - Duration::seconds(30);
    let challenged = world.challenge(&session).unwrap();
    assert_eq!((challenged.delivery, challenged.expires), (Delivery::Sent, session.expires()));
    world.now += Duration::MILLISECOND;
    let (before, mails) = (world.account(), world.mails.len());
    assert_eq!(
        world.challenge(&session).unwrap_err(),
        Denial::ExpiredToken,
        "not the same one again, either"
    );
    assert_eq!((world.account(), world.mails.len()), (before, mails));

    let elevation = elevation(&world.account(), 1, world.now);
    let elevated = Session::elevated(elevation, ElevatedScopes::ALL, world.now + Duration::seconds(29));
    assert_eq!(world.associate(&elevated, "other@example.com").unwrap_err(), Denial::ExpiredToken);
}

/// L16: a clock an hour ahead signed in once. By the right time there were too many emails, for 56 minutes,
/// and nobody was told why.
#[test]
fn l16_a_stamp_beyond_a_full_bucket_is_said_to_be_a_clock() {
    let mut world = World::new(Policy::default());
    world.enroll("user@example.com");
    world.pass(86_400);
    let here = world.now;
    world.now = here + Duration::HOUR;
    world.sign_in().unwrap();
    world.now = here;
    let session = world.login();
    let (before, swaps) = (world.account(), *world.store.swaps.borrow());
    let until = here + Duration::HOUR + Duration::MINUTE - Duration::minutes(4);
    let denied = world.challenge(&session).unwrap_err();
    assert_eq!(denied, Denial::ClockDisagrees { until });
    assert_eq!((denied.retry_at(), denied.code()), (Some(until), "clock_disagrees"));
    assert_eq!(world.audits.last().unwrap().denial, Some("clock_disagrees"), "to the operator, at once");
    assert_eq!((world.account(), *world.store.swaps.borrow()), (before, swaps), "and nothing is written");
    // Set right, and it is over.
    world.unlock();
    world.now += Duration::minutes(5);
    assert!(world.sign_in().unwrap().completed);
    assert!(
        !world.events.iter().any(|event| matches!(event, Notice::Hardened { .. } | Notice::Locked { .. }))
    );
}

/// What honest clocks do, one of which is a minute ahead of the other, is an empty bucket and no more.
#[test]
fn a_budget_that_honest_clocks_emptied_is_empty_and_no_more() {
    for lead in [0, 60] {
        let mut world = World::new(Policy::default());
        world.enroll("user@example.com");
        world.pass(86_400);
        world.now += Duration::seconds(lead);
        for _ in 0..5 {
            let session = world.login();
            world.challenge(&session).unwrap();
        }
        world.now -= Duration::seconds(lead);
        let session = world.login();
        let denied = world.challenge(&session).unwrap_err();
        assert!(matches!(denied, Denial::TooManySends { .. }), "{denied:?}");
    }
}

/// A policy that takes smaller buckets than the one that charged puts a stamp beyond full as well. No clock
/// is to blame.
#[test]
fn a_budget_that_a_policy_made_smaller_is_no_clock() {
    let mut world = World::new(policy(|settings| settings.send_bucket = Rate::new(100, Duration::MINUTE)));
    world.enroll("user@example.com");
    world.pass(86_400);
    for _ in 0..15 {
        let session = world.login();
        world.challenge(&session).unwrap();
    }
    world.verifier = Verifier::new(keys(), Policy::default());
    let session = world.login();
    assert!(matches!(world.challenge(&session).unwrap_err(), Denial::TooManySends { .. }));
}

/// The same of every other limit: guesses, recovery codes, new recovery codes, and the cool-down.
#[test]
fn l16_every_limit_tells_a_clock_from_an_empty_budget() {
    let lead = Duration::days(2);
    let ahead = |world: &mut World, buckets: &[&str]| {
        let (at, paths) = (millis(world.now + lead), buckets.to_vec());
        let account = edited(&world.account(), |record| {
            for name in paths {
                *record.pointer_mut(countersign_testkit::bucket_path(name)).unwrap() = at.into();
            }
            record["updated"] = at.into();
        });
        world.store.put(account.unwrap());
    };
    // Guesses, where the policy locks.
    let mut world = World::new(locking(|_| {}));
    let (_, codes) = world.enroll("user@example.com");
    world.pass(86_400);
    let session = world.login();
    let challenged = world.challenge(&session).unwrap();
    let code = world.mail().code;
    ahead(&mut world, &["guess"]);
    let clock = |denial: Denial| matches!(denial, Denial::ClockDisagrees { .. });
    assert!(clock(world.challenge(&session).unwrap_err()));
    assert!(clock(world.verify(&session, challenged.oob_code.expose(), &code).unwrap_err()));
    // Recovery codes, where the policy refuses them.
    ahead(&mut world, &["recovery"]);
    let mut settings = world.verifier.policy().settings().clone();
    settings.recovery_throttle = RecoveryThrottle::Refuse;
    world.verifier = Verifier::new(keys(), Policy::new(settings).unwrap());
    assert!(clock(world.recover(&session, &codes[0]).unwrap_err()));
    assert!(clock(world.recover(&session, &unknown_recovery_code()).unwrap_err()));
    // New recovery codes, of which a message tells; and messages of an elevated session.
    ahead(&mut world, &["known_send", "enrollment"]);
    let elevated = world.elevated();
    let drawn = entropy(&mut world.rng);
    let account = world.account();
    let step = world.verifier.regenerate_recovery_codes(&elevated, account, world.now, &drawn);
    assert!(clock(world.run(step).unwrap_err()));
    world.unlock();
    ahead(&mut world, &["enrollment"]);
    assert!(clock(world.associate(&elevated, "other@example.com").unwrap_err()));

    // The cool-down of a challenge that was given up.
    let mut world = World::new(Policy::default());
    world.enroll("user@example.com");
    world.pass(86_400);
    let session = world.login();
    let asked = world.challenge(&session).unwrap();
    let handle = world.verifier.open_oob_code(&session, asked.oob_code.expose()).unwrap();
    let account = world.account();
    let step = world.verifier.cancel(&session, account, &handle, world.now);
    world.run(step).unwrap();
    assert!(matches!(world.challenge(&session).unwrap_err(), Denial::CoolingDown { .. }));
    let at = millis(world.now) + 3_600_000;
    let account = edited(&world.account(), |record| {
        record["transactions"].as_array_mut().unwrap().last_mut().unwrap()["pairs"][0]["last_send"] =
            at.into();
        record["updated"] = at.into();
    });
    world.store.put(account.unwrap());
    assert!(clock(world.challenge(&session).unwrap_err()));
}
