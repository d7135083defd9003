//! Remembered devices: which are remembered, what one is good for, and what ends it.

use countersign::{
    Account, Denial, Key, KeyRing, Policy, Session, Step, Subject, Swap, Verifier,
    audit::Command,
    code::DeviceToken,
    command::OtpRequest,
    effect::{EndReason, Notice},
    evidence::Method,
    policy::{FactorUse, Remember, Settings},
    record::Lane,
    session::{DeviceId, ElevatedScopes},
};
use countersign_testkit::{
    World, client, edited, json, locking, policy,
    schedule::{Move, Scene, Store},
    subject, totp, wrong, wrong_otp,
};
use time::Duration;

const DAY: i64 = 86_400;

/// A policy in which a remembered device completes logins.
fn skipping(change: impl FnOnce(&mut Settings)) -> Policy {
    policy(|settings| {
        settings.remember = Some(Remember::new(Duration::days(30), true));
        change(settings);
    })
}

/// An enrolled account with a remembered device.
fn remembered(policy: Policy) -> (World, DeviceToken) {
    let mut world = World::new(policy);
    world.enroll("user@example.com");
    world.pass(3_600);
    let token = world.remember();
    world.pass(3_600);
    (world, token)
}

fn lane(world: &mut World, session: &Session) -> Lane {
    let account = world.account();
    world.verifier.lane(session, &account, world.now)
}

/// The lane of a login that begins now on the device with this token.
fn lane_on(world: &mut World, token: &DeviceToken) -> Lane {
    let session = world.login_on(token);
    lane(world, &session)
}

fn forget(world: &mut World, session: &Session, device: DeviceId) -> Result<(), Denial> {
    let account = world.account();
    let step = world.verifier.forget(session, account, device, world.now);
    world.run(step).map(drop)
}

fn only_device(world: &mut World) -> DeviceId {
    let account = world.account();
    assert_eq!(account.devices().len(), 1);
    account.devices()[0].id()
}

#[test]
fn a_completed_sign_in_has_the_device_remembered_if_that_is_asked_for() {
    let mut world = World::new(Policy::default());
    let (id, _) = world.enroll("user@example.com");
    world.pass(3_600);
    assert_eq!(world.sign_in().unwrap().device, None);
    assert_eq!(world.account().devices(), []);
    assert_eq!(world.audits.last().unwrap().device, None);
    world.pass(60);
    let since = world.now;
    let token = world.remember();
    assert_eq!(token.expose().len(), 92);
    assert_eq!(token.expires(), since + Duration::days(30));
    let account = world.account();
    let device = &account.devices()[0];
    assert_eq!((device.vouched_by(), device.since(), device.last_used()), (id, since, since));
    assert_eq!(device.expires(), token.expires());
    let event = world.audits.last().unwrap();
    assert_eq!((event.command, event.device), (Command::VerifyOob, Some(device.id())));
    assert_eq!(device.id().to_string().parse(), Ok(device.id()));
    world.pass(60);
    let plain = world.login();
    assert_eq!((plain.device(), lane(&mut world, &plain)), (None, Lane::Unknown));
    let session = world.login_on(&token);
    assert_eq!((session.device(), lane(&mut world, &session)), (Some(device.id()), Lane::Known));
    let elevated = world.elevated();
    assert_eq!(lane(&mut world, &elevated), Lane::Known);
}

/// Nothing but a completed sign-in: not a confirmation by a session that is elevated already, and not where the policy
/// remembers none. An enrollment that completes its sign-in does.
#[test]
fn nothing_else_has_a_device_remembered() {
    let mut world = World::new(Policy::default());
    let first = world.login();
    let associated = world.associate(&first, "user@example.com").unwrap();
    let code = world.mail().code;
    let verified = world.verify_remembering(&first, associated.oob_code.expose(), &code).unwrap();
    assert!(verified.completed && verified.device.is_some());
    world.pass(3_600);
    let elevated = world.elevated();
    let associated = world.associate(&elevated, "second@example.com").unwrap();
    let code = world.mail().code;
    let verified = world.verify_remembering(&elevated, associated.oob_code.expose(), &code).unwrap();
    assert!(!verified.completed && verified.device.is_none());
    assert_eq!(world.account().devices().len(), 1);
    let mut off = World::new(policy(|settings| settings.remember = None));
    off.enroll("user@example.com");
    off.pass(60);
    let session = off.login();
    let challenged = off.challenge(&session).unwrap();
    let code = off.mail().code;
    let guess = wrong(&code);
    off.verify_remembering(&session, challenged.oob_code.expose(), &guess).unwrap_err();
    let verified = off.verify_remembering(&session, challenged.oob_code.expose(), &code).unwrap();
    assert!(verified.completed && verified.device.is_none());
    assert_eq!(off.account().devices(), []);
}

/// The code of an app vouches as that of a message does: where it completes a sign-in, and nowhere else.
#[test]
fn an_app_vouches_for_a_device() {
    let mut world = World::new(Policy::default());
    let session = world.login();
    let (begun, app) = world.associate_otp(&session, &totp()).unwrap();
    let id = begun.authenticator;
    let verified = world.verify_otp_remembering(&session, app.at(world.now)).unwrap();
    let token = verified.device.expect("an enrollment that completes its sign-in");
    let account = world.account();
    let device = &account.devices()[0];
    assert_eq!((device.vouched_by(), device.since()), (id, world.now));
    assert_eq!((device.expires(), account.devices().len()), (token.expires(), 1));
    let event = world.audits.last().unwrap();
    assert_eq!((event.command, event.device), (Command::VerifyOtp, Some(device.id())));
    assert_eq!(lane_on(&mut world, &token), Lane::Known);
    // Not a sign-in that does not ask for it, and not a wrong code.
    world.pass(60);
    let session = world.login();
    let bad = wrong_otp(&[&app.at(world.now - Duration::seconds(30)), &app.at(world.now)]);
    world.verify_otp_remembering(&session, bad).unwrap_err();
    assert_eq!(world.verify_otp(&session, app.at(world.now)).unwrap().device, None);
    // Not a confirmation by a session that is elevated already.
    world.pass(60);
    let elevated = world.elevated();
    let (_, second) = world.associate_otp(&elevated, &totp()).unwrap();
    let verified = world.verify_otp_remembering(&elevated, second.at(world.now)).unwrap();
    assert_eq!((verified.completed, verified.device), (false, None));
    assert_eq!(world.account().devices().len(), 1);
    // On the device, a new one takes its place.
    world.pass(60);
    let session = world.login_on(&token);
    let request = OtpRequest::new(app.at(world.now)).authenticator(id);
    let again = world.verify_otp_remembering(&session, request).unwrap().device.unwrap();
    assert_eq!(world.account().devices().len(), 1);
    assert_eq!([&token, &again].map(|token| lane_on(&mut world, token)), [Lane::Unknown, Lane::Known]);
    // It dies with the app.
    world.pass(60);
    let elevated = world.elevated();
    world.remove(&elevated, id).unwrap();
    assert_eq!(world.account().devices(), []);
}

/// Where the policy remembers none, or the app only confirms, no code has a device remembered.
#[test]
fn an_app_vouches_only_where_the_policy_lets_it() {
    let off = policy(|settings| settings.remember = None);
    let confirms = policy(|settings| settings.factors.totp = FactorUse::ConfirmOnly);
    for (policy, completes) in [(off, true), (confirms, false)] {
        let mut world = World::new(policy);
        let session = world.login();
        let (_, app) = world.associate_otp(&session, &totp()).unwrap();
        let verified = world.verify_otp_remembering(&session, app.at(world.now)).unwrap();
        assert_eq!((verified.completed, verified.device), (completes, None));
        assert_eq!(world.account().devices(), []);
    }
}

/// A stranger's guesses at an app lock their own lane, and the owner's guesses on a device lock theirs.
#[test]
fn guesses_at_an_app_are_charged_to_the_lane_of_the_session() {
    let mut world = World::new(locking(|settings| settings.attempts = 10));
    let (.., app) = world.enroll_totp();
    world.pass(3_600);
    let session = world.login();
    let token = world.verify_otp_remembering(&session, app.at(world.now)).unwrap().device.unwrap();
    world.pass(3_600);
    let near = [0, 30].map(|back| app.at(world.now - Duration::seconds(back)));
    let guess = wrong_otp(&near.each_ref());
    let locked = |world: &mut World| {
        let account = world.account();
        Lane::ALL.map(|lane| world.verifier.locked_until(&account, lane, world.now).is_some())
    };
    for (lane, now_locked) in [(Lane::Unknown, [true, false]), (Lane::Known, [true, true])] {
        let session = if lane == Lane::Known { world.login_on(&token) } else { world.login() };
        assert!(matches!(world.verify_otp(&session, guess.clone()), Err(Denial::InvalidOtpCode { .. })));
        let transaction = json(&world.account())["transactions"].as_array().unwrap().last().unwrap().clone();
        assert_eq!(transaction["lane"], serde_json::to_value(lane).unwrap());
        while !matches!(world.verify_otp(&session, guess.clone()), Err(Denial::Locked { .. })) {}
        assert_eq!(locked(&mut world), now_locked);
    }
    // An hour gives guesses back. What a stranger then uses up keeps no device out.
    world.pass(3_600);
    let thief = world.login();
    while world.verify_otp(&thief, guess.clone()).is_err_and(|denial| denial.is_counted()) {}
    let session = world.login_on(&token);
    assert!(world.verify_otp(&session, app.at(world.now)).unwrap().completed);
}

#[test]
fn a_device_has_limits_of_its_own_that_a_stranger_cannot_use_up() {
    let (mut world, token) = remembered(Policy::default());
    // Messages.
    while {
        let session = world.login();
        world.challenge(&session).is_ok()
    } {}
    let session = world.login();
    assert!(matches!(world.challenge(&session).unwrap_err(), Denial::TooManySends { .. }));
    let session = world.login_on(&token);
    let challenged = world.challenge(&session).unwrap();
    assert!(!challenged.form.is_long());
    // Guesses.
    world.pass(3_600);
    for _ in 0..3 {
        let session = world.login();
        let Ok(asked) = world.challenge(&session) else { break };
        let guess = wrong(&world.mail().code);
        while world.verify(&session, asked.oob_code.expose(), &guess) != Err(Denial::AttemptsExhausted) {
            let account = world.account();
            if world.verifier.is_hardened(&account, Lane::Unknown, world.now) {
                break;
            }
        }
    }
    let account = world.account();
    let hardened = |lane| world.verifier.is_hardened(&account, lane, world.now);
    assert_eq!(Lane::ALL.map(hardened), [true, false]);
    world.pass(60);
    let session = world.login_on(&token);
    let challenged = world.challenge(&session).unwrap();
    assert!(!challenged.form.is_long());
    let code = world.mail().code;
    assert!(world.verify(&session, challenged.oob_code.expose(), &code).unwrap().completed);
}

/// A token that is none, of another subject or of another key leaves the session as it would be without: it is on no
/// device, and nothing is refused for that.
#[test]
fn a_token_that_proves_nothing_is_unknown_and_never_a_denial() {
    let (mut world, token) = remembered(skipping(|_| {}));
    let other_subject = Subject::new("user-2").unwrap();
    let mut forged = token.expose().to_owned();
    let last = if forged.pop() == Some('A') { 'E' } else { 'A' };
    forged.push(last);
    for text in ["", "no token", &forged, &token.expose()[..88]] {
        let session = world.login();
        let session = world.verifier.recognize(session, text);
        assert_eq!((session.device(), lane(&mut world, &session)), (None, Lane::Unknown), "{text}");
        world.pass(60);
        assert!(world.challenge(&session).is_ok(), "{text}");
    }
    // One that is presented later takes the place of an earlier one, also if it is none.
    let session = world.login_on(&token);
    assert!(session.device().is_some());
    assert_eq!(world.verifier.recognize(session, "").device(), None);
    let theirs = Account::new(&other_subject);
    let prepared = world.verifier.prepare(&theirs).client(client());
    let entropy = countersign_testkit::entropy(&mut world.rng);
    let begun = world.verifier.begin(prepared, &theirs, world.now, &entropy).unwrap();
    let session = world.verifier.recognize(begun.session, token.expose());
    assert_eq!(session.device(), None);
    assert_eq!(world.verifier.lane(&session, &theirs, world.now), Lane::Unknown);
}

/// The outer tag is right for whoever has the server key. The inner one takes the seed of this very record.
#[test]
fn a_token_proves_the_seed_of_the_record() {
    let (mut world, token) = remembered(skipping(|_| {}));
    let session = world.login_on(&token);
    let account = world.account();
    let now = world.now;
    let mut seeds = 0;
    for (field, value) in [("seed", "AAAAAAAAAAAAAAAAAAAAAA"), ("id", "device_AAAAAAAAAAAAAAAA")] {
        let changed = edited(&account, |record| record["devices"][0][field] = value.into()).unwrap();
        assert_eq!(world.verifier.lane(&session, &changed, now), Lane::Unknown, "{field}");
        assert!(!world.verifier.requirements(&session, &changed, now).remembered);
        let step = world.verifier.verify_device(&session, changed, now);
        assert_eq!(refusal(step).0, Denial::UnknownDevice, "{field}");
        seeds += 1;
    }
    let expires = json(&account)["devices"][0]["expires"].as_u64().unwrap();
    let changed = edited(&account, |record| record["devices"][0]["expires"] = (expires - 1).into());
    assert_eq!(world.verifier.lane(&session, &changed.unwrap(), now), Lane::Unknown);
    assert_eq!(seeds, 2);
    assert_eq!(world.verifier.lane(&session, &account, now), Lane::Known);
}

/// What a refused step says: its denial, and the device in its audit event. It writes nothing.
fn refusal<T: std::fmt::Debug>(step: Step<T>) -> (Denial, Option<DeviceId>) {
    assert!(!step.writes());
    let outcome = step.into_parts().1.open(Swap::Stored).done().unwrap();
    let device = outcome.audit().device;
    let denied = outcome.audit().denial;
    let (result, effects) = outcome.into_parts();
    let denial = result.unwrap_err();
    assert!(effects.is_empty());
    assert_eq!(denied, Some(denial.code()));
    (denial, device)
}

#[test]
fn a_device_dies_with_the_factor_that_vouched_and_with_every_new_beginning() {
    type Act = fn(&mut World);
    let acts: [(&str, bool, Act); 9] = [
        ("nothing", true, |_| {}),
        ("unlock", true, World::unlock),
        ("another factor is removed", true, |world| {
            let elevated = world.elevated();
            let added = world.associate(&elevated, "second@example.com").unwrap();
            let code = world.mail().code;
            world.verify(&elevated, added.oob_code.expose(), &code).unwrap();
            let elevated = world.elevated();
            world.remove(&elevated, added.authenticator).unwrap();
        }),
        ("remove", false, |world| {
            let (elevated, id) = (world.elevated(), world.account().authenticators()[0].id());
            world.remove(&elevated, id).unwrap();
            world.enroll("user@example.com");
        }),
        ("remove_authenticator", false, |world| {
            let id = world.account().authenticators()[0].id();
            let account = world.account();
            let step = world.verifier.remove_authenticator(account, id, world.now);
            world.run(step).unwrap();
        }),
        ("reset", false, World::reset),
        ("revoke_sessions", false, World::revoke_sessions),
        ("forget", false, |world| {
            let (elevated, id) = (world.elevated(), only_device(world));
            forget(world, &elevated, id).unwrap();
        }),
        ("forget_device", false, |world| {
            let (account, id) = (world.account(), only_device(world));
            let step = world.verifier.forget_device(account, id, world.now);
            world.run(step).unwrap();
        }),
    ];
    for (name, lives, act) in acts {
        let (mut world, token) = remembered(Policy::default());
        act(&mut world);
        world.pass(60);
        let expected = if lives { Lane::Known } else { Lane::Unknown };
        assert_eq!(lane_on(&mut world, &token), expected, "{name}");
        assert_eq!(world.account().devices().len(), usize::from(lives), "{name}");
    }
    // A provisioned address: taken back, and replaced.
    for act in [(|world: &mut World| world.deprovision("user@example.com").unwrap()) as Act, |world| {
        assert!(world.provision("other@example.com").is_ok())
    }] {
        let mut world = World::new(Policy::default());
        world.provision("user@example.com").unwrap();
        let token = world.remember();
        assert_eq!(lane_on(&mut world, &token), Lane::Known);
        act(&mut world);
        assert_eq!(lane_on(&mut world, &token), Lane::Unknown);
        assert_eq!(world.account().devices(), []);
    }
}

#[test]
fn only_a_session_that_lives_forgets_a_device_and_only_one_that_is_remembered() {
    let (mut world, token) = remembered(Policy::default());
    let old = world.elevated();
    world.revoke_sessions();
    world.pass(60);
    world.remember();
    let device = only_device(&mut world);
    assert_eq!(forget(&mut world, &old, device).unwrap_err(), Denial::ExpiredToken);
    assert_eq!(only_device(&mut world), device);
    // One that has expired is none.
    world.now = token.expires() + Duration::days(1);
    let account = world.account();
    let step = world.verifier.forget_device(account, device, world.now);
    assert_eq!(world.run(step).unwrap_err(), Denial::UnknownDevice);
    let elevated = world.elevated();
    assert_eq!(forget(&mut world, &elevated, device).unwrap_err(), Denial::UnknownDevice);
}

/// What has expired leaves the record with the next step that writes it.
#[test]
fn a_device_that_signs_in_and_a_change_of_the_password_drop_what_has_expired() {
    type Act = fn(&mut World, &DeviceToken);
    let acts: [(&str, usize, Act); 2] = [
        ("verify_device", 1, |world, token| {
            let session = world.login_on(token);
            world.verify_device(&session).unwrap();
        }),
        ("revoke_sessions", 0, |world, _| world.revoke_sessions()),
    ];
    for (name, left, act) in acts {
        let (mut world, token) = remembered(skipping(|_| {}));
        let session = world.login();
        world.challenge(&session).unwrap();
        world.pass(601);
        act(&mut world, &token);
        let record = json(&world.account());
        let count = |list: &str| record[list].as_array().unwrap().len();
        assert_eq!((count("transactions"), count("challenges")), (left, 0), "{name}");
    }
}

/// Somebody who guesses an authenticator out of use takes neither the device's lane nor its place from its owner. It
/// completes no login any more: only an active authenticator vouches.
#[test]
fn a_disabled_authenticator_leaves_the_lane_and_vouches_for_no_login() {
    let change = |settings: &mut Settings| {
        settings.failure_cap = 1;
        settings.remember = Some(Remember::new(Duration::days(30), true));
    };
    let (mut world, token) = remembered(locking(change));
    let session = world.login_on(&token);
    let account = world.account();
    assert!(world.verifier.requirements(&session, &account, world.now).remembered);
    let thief = world.login();
    let asked = world.challenge(&thief).unwrap();
    let guess = wrong(&world.mail().code);
    world.verify(&thief, asked.oob_code.expose(), &guess).unwrap_err();
    assert!(matches!(world.events.last(), Some(Notice::Disabled { .. })));
    assert_eq!(lane(&mut world, &session), Lane::Known);
    assert_eq!(world.account().devices().len(), 1);
    let account = world.account();
    assert!(!world.verifier.requirements(&session, &account, world.now).remembered);
    assert_eq!(world.verify_device(&session).unwrap_err(), Denial::SecondFactorRequired);
}

#[test]
fn a_device_expires_and_a_stricter_policy_counts_at_once() {
    let (mut world, token) = remembered(Policy::default());
    let expires = token.expires();
    let known = |world: &mut World, remember| {
        let keys = countersign_testkit::keys();
        let verifier = Verifier::new(keys, policy(|settings| settings.remember = remember));
        let (session, account) = (world.login_on(&token), world.account());
        (
            verifier.lane(&session, &account, world.now),
            verifier.devices(&session, &account, world.now).unwrap().len(),
        )
    };
    let days = |days| Some(Remember::new(Duration::days(days), false));
    assert_eq!(known(&mut world, days(30)), (Lane::Known, 1));
    assert_eq!(known(&mut world, None), (Lane::Unknown, 0));
    world.now = expires - Duration::days(29);
    assert_eq!(known(&mut world, days(1)), (Lane::Unknown, 0));
    world.now -= Duration::milliseconds(1);
    assert_eq!(known(&mut world, days(1)), (Lane::Known, 1));
    world.now = expires - Duration::milliseconds(1);
    assert_eq!(known(&mut world, days(90)), (Lane::Known, 1));
    world.now = expires;
    assert_eq!(known(&mut world, days(90)), (Lane::Unknown, 0));
    // It stays in the record until a step writes, and is found by none.
    let elevated = world.elevated();
    let id = only_device(&mut world);
    assert_eq!(forget(&mut world, &elevated, id).unwrap_err(), Denial::UnknownDevice);
    assert_eq!(world.account().devices().len(), 1);
    world.unlock();
    assert_eq!(world.account().devices(), []);
}

/// A clock that is far ahead remembers nobody for longer: a device whose time has not begun is not known.
#[test]
fn a_clock_far_ahead_remembers_nobody_for_longer() {
    let (mut world, token) = remembered(Policy::default());
    let since = world.account().devices()[0].since();
    for (ahead, expected) in [(60_000, Lane::Known), (60_001, Lane::Unknown)] {
        world.now = since - Duration::milliseconds(ahead);
        assert_eq!(lane_on(&mut world, &token), expected, "{ahead} ms");
    }
}

#[test]
fn at_most_eight_are_remembered_and_the_one_unused_longest_goes() {
    let mut world = World::new(policy(|settings| settings.cool_down = Duration::ZERO));
    world.enroll("user@example.com");
    let mut tokens = Vec::new();
    for _ in 0..8 {
        world.pass(2 * 3_600);
        tokens.push(world.remember());
    }
    assert_eq!(world.account().devices().len(), 8);
    // The eldest is used, whether or not it is remembered anew.
    world.pass(2 * 3_600);
    let session = world.login_on(&tokens[0]);
    let challenged = world.challenge(&session).unwrap();
    let code = world.mail().code;
    world.verify(&session, challenged.oob_code.expose(), &code).unwrap();
    assert_eq!(world.account().devices()[0].last_used(), world.now);
    world.pass(2 * 3_600);
    let ninth = world.remember();
    let known: Vec<_> = tokens.iter().map(|token| lane_on(&mut world, token) == Lane::Known).collect();
    assert_eq!(known, [true, false, true, true, true, true, true, true]);
    assert_eq!(lane_on(&mut world, &ninth), Lane::Known);
    assert_eq!(world.account().devices().len(), 8);
}

/// A recovery code that signs in on a device is a use of it, and vouches for no other.
#[test]
fn a_recovery_code_uses_a_device_and_vouches_for_none() {
    let mut world = World::new(Policy::default());
    let (_, codes) = world.enroll("user@example.com");
    world.pass(3_600);
    let token = world.remember();
    let since = world.now;
    world.pass(3_600);
    let session = world.login_on(&token);
    world.recover(&session, &codes[0]).unwrap();
    let account = world.account();
    assert_eq!(account.devices().len(), 1);
    assert_eq!((account.devices()[0].since(), account.devices()[0].last_used()), (since, world.now));
    // An earlier clock takes nothing back.
    world.now -= Duration::seconds(30);
    let session = world.login_on(&token);
    world.recover(&session, &codes[1]).unwrap();
    assert_eq!(world.account().devices()[0].last_used(), since + Duration::hours(1));
}

#[test]
fn a_device_that_is_remembered_again_takes_its_own_place() {
    let (mut world, former) = remembered(Policy::default());
    let before = only_device(&mut world);
    let session = world.login_on(&former);
    let token = world.remember_in(&session);
    assert_ne!(only_device(&mut world), before);
    assert_ne!(former, token);
    assert_eq!([&former, &token].map(|token| lane_on(&mut world, token)), [Lane::Unknown, Lane::Known]);
}

#[test]
fn where_the_policy_says_so_a_device_completes_the_login_and_may_read() {
    let (mut world, token) = remembered(skipping(|_| {}));
    let since = world.account().devices()[0].since();
    let (device, id) = (only_device(&mut world), world.account().authenticators()[0].id());
    let plain = world.login();
    let session = world.login_on(&token);
    let account = world.account();
    assert!(!world.verifier.requirements(&plain, &account, world.now).remembered);
    assert!(world.verifier.requirements(&session, &account, world.now).remembered);
    let elevated = world.elevated();
    let elevated = world.verifier.recognize(elevated, token.expose());
    assert!(!world.verifier.requirements(&elevated, &account, world.now).remembered);
    let (tokens, mails) = (world.tokens.len(), world.mails.len());
    let done = world.verify_device(&session).unwrap();
    assert_eq!((world.tokens.len(), world.mails.len()), (tokens + 1, mails));
    let issued = world.tokens.last().unwrap();
    assert_eq!((issued.evidence(), &issued.elevation), (&done.evidence, &done.elevation));
    let evidence = &done.evidence;
    assert_eq!(
        (evidence.method, evidence.at, evidence.remembered_since),
        (Method::Device, world.now, Some(since))
    );
    assert_eq!((evidence.authenticator, evidence.channel), (None, None));
    assert_eq!(evidence.amr().count(), 0);
    let event = world.audits.last().unwrap();
    assert_eq!((event.command, event.device), (Command::VerifyDevice, Some(device)));
    assert_eq!((event.authenticator, event.denial, event.evaluated), (Some(id), None, false));
    assert_eq!(world.account().devices()[0].last_used(), world.now);
    assert_eq!(world.account().authenticators()[0].last_used(), Some(since), "it was not used");
    // Once.
    assert_eq!(world.verify_device(&session).unwrap_err(), Denial::TransactionSpent);
    // What the host keeps of it survives its stored form, and reads alone.
    let stored = serde_json::to_string(&done.elevation).unwrap();
    let kept: countersign::Elevation = serde_json::from_str(&stored).unwrap();
    assert_eq!(kept, done.elevation);
    let reader = world.elevated_by(kept, ElevatedScopes::ALL);
    let account = world.account();
    assert_eq!(world.verifier.authenticators(&reader, &account, world.now).unwrap().len(), 2);
    assert_eq!(world.verifier.devices(&reader, &account, world.now).unwrap().len(), 1);
    let refused = |result| {
        let max_age = Duration::seconds(900);
        assert_eq!(result, Err(Denial::InsufficientUserAuthentication { max_age }));
    };
    refused(world.associate(&reader, "new@example.com").map(drop));
    refused(world.remove(&reader, id));
    refused(world.regenerate(&reader).map(drop));
    refused(forget(&mut world, &reader, device));
}

#[test]
fn a_device_completes_no_login_that_it_may_not() {
    let (mut world, token) = remembered(skipping(|_| {}));
    let device = only_device(&mut world);
    let (plain, session, elevated) = (world.login(), world.login_on(&token), world.elevated());
    let mfa_token = world.begin();
    let unnamed = world.verifier.open(mfa_token.expose(), None, world.now).unwrap();
    let unnamed = world.verifier.recognize(unnamed, token.expose());
    let account = world.account();
    let refused = |verifier: &Verifier, session, account: &Account, now| {
        refusal(verifier.verify_device(session, account.clone(), now))
    };
    let verifier = world.verifier.clone();
    let now = world.now;
    assert_eq!(refused(&verifier, &plain, &account, now), (Denial::UnknownDevice, None));
    assert_eq!(refused(&verifier, &elevated, &account, now), (Denial::InsufficientScope, None));
    assert_eq!(refused(&verifier, &unnamed, &account, now), (Denial::ClientRequired, Some(device)));
    let late = session.expires();
    assert_eq!(refused(&verifier, &session, &account, late), (Denial::ExpiredToken, Some(device)));
    let other = Account::new(&Subject::new("user-2").unwrap());
    assert_eq!(refused(&verifier, &session, &other, now), (Denial::WrongRecord, Some(device)));
    // Lane only; confirming only; without the key.
    let only = |policy| Verifier::new(countersign_testkit::keys(), policy);
    for verifier in [only(Policy::default()), only(Policy::strict())] {
        let denial = refused(&verifier, &session, &account, now);
        assert_eq!(denial, (Denial::SecondFactorRequired, Some(device)));
        assert!(!verifier.requirements(&session, &account, now).remembered);
    }
    let mut confirming = Settings::auth0();
    confirming.factors.email = countersign::policy::FactorUse::ConfirmOnly;
    let app_alone = only(Policy::new(confirming.clone()).unwrap());
    assert_eq!(refused(&app_alone, &session, &account, now), (Denial::SecondFactorRequired, Some(device)));
    assert!(!app_alone.requirements(&session, &account, now).remembered);
    confirming.factors.totp = countersign::policy::FactorUse::ConfirmOnly;
    assert!(Policy::new(confirming).is_err(), "no policy lets a device in where no factor does");
    let key = |byte| Key::new(&[byte; 32]).unwrap();
    let keys = KeyRing::new("tests", key(0x11), key(0x33)).unwrap();
    let lost = Verifier::new(keys.clone(), skipping(|_| {}));
    assert_eq!(refused(&lost, &session, &account, now), (Denial::UnknownDevice, Some(device)));
    assert_eq!(lost.recognize(plain.clone(), token.expose()).device(), None);
    let report = lost.stale_keys(&account);
    assert_eq!(report.lost.iter().map(|used| used.devices).sum::<usize>(), 1);
    let retired = Verifier::new(keys.retired_durable(key(0x22)).unwrap(), skipping(|_| {}));
    assert_eq!(retired.stale_keys(&account).stale.iter().map(|used| used.devices).sum::<usize>(), 1);
    let session = retired.recognize(plain, token.expose());
    assert!(retired.verify_device(&session, account.clone(), now).writes());
    // The sessions ended.
    world.revoke_sessions();
    assert_eq!(world.verify_device(&session).unwrap_err(), Denial::ExpiredToken);
}

#[test]
fn devices_are_listed_for_whoever_may_read() {
    let (mut world, token) = remembered(Policy::default());
    let second = world.remember();
    let account = world.account();
    let ids: Vec<_> = account.devices().iter().map(countersign::record::Device::id).collect();
    let session = world.login_on(&token);
    let rows = world.verifier.devices(&session, &account, world.now).unwrap();
    assert_eq!(rows.iter().map(|row| row.id).collect::<Vec<_>>(), ids);
    assert_eq!(rows.iter().map(|row| row.current).collect::<Vec<_>>(), [true, false]);
    assert_eq!(rows[1].vouched_by, account.authenticators()[0].id());
    assert_eq!((rows[1].since, rows[1].last_used, rows[1].expires), (world.now, world.now, second.expires()));
    let none = ElevatedScopes::parse("enroll remove:authenticators");
    let blind = world.elevated_with(none);
    let denied = world.verifier.devices(&blind, &account, world.now);
    assert_eq!(denied, Err(Denial::InsufficientScope));
    let other = Account::new(&Subject::new("user-2").unwrap());
    assert_eq!(world.verifier.devices(&session, &other, world.now), Err(Denial::WrongRecord));
    let late = session.expires();
    assert_eq!(world.verifier.devices(&session, &account, late), Err(Denial::ExpiredToken));
    let key = |byte| Key::new(&[byte; 32]).unwrap();
    let elsewhere = Verifier::new(KeyRing::new("another", key(0x11), key(0x22)).unwrap(), Policy::default());
    assert_eq!(elsewhere.devices(&session, &account, world.now), Err(Denial::WrongRecord));
}

#[test]
fn forgetting_a_device_ends_other_sessions_and_keeps_the_acting_one() {
    let (mut world, token) = remembered(Policy::default());
    let device = only_device(&mut world);
    let first_factor = world.login_on(&token);
    let narrow = ElevatedScopes::parse("enroll read:authenticators");
    let (owner, narrow, other) = (world.elevated(), world.elevated_with(narrow), {
        world.pass(1);
        world.elevated()
    });
    for session in [&first_factor, &narrow] {
        let step = world.verifier.forget(session, world.store.load(&subject()).unwrap(), device, world.now);
        assert_eq!(refusal(step), (Denial::InsufficientScope, Some(device)));
    }
    let unknown = "device_AAAAAAAAAAAAAAAA".parse().unwrap();
    let account = world.account();
    let step = world.verifier.forget(&owner, account.clone(), unknown, world.now);
    assert_eq!(refusal(step), (Denial::UnknownDevice, Some(unknown)));
    let step = world.verifier.forget_device(account.clone(), unknown, world.now);
    assert_eq!(refusal(step), (Denial::UnknownDevice, Some(unknown)));
    let late = world.now + Duration::seconds(901);
    let step = world.verifier.forget(&owner, account, device, late);
    let max_age = Duration::seconds(900);
    assert_eq!(refusal(step).0, Denial::InsufficientUserAuthentication { max_age });
    let account = world.account();
    let step = world.verifier.forget(&owner, account, device, world.now);
    let kept = world.run(step).unwrap();
    let event = world.audits.last().unwrap();
    assert_eq!((event.command.as_str(), event.device, event.denial), ("forget", Some(device), None));
    assert_eq!(world.events.last(), Some(&Notice::DeviceForgotten { device }));
    assert_eq!(world.ends.last().unwrap().reason, EndReason::DeviceForgotten);
    assert_eq!(world.ends.last().unwrap().reason.as_str(), "device_forgotten");
    let account = world.account();
    assert_eq!(kept.epoch(), account.epoch());
    assert!(account.admits(&kept));
    assert!(world.verifier.authenticators(&owner, &account, world.now).is_ok());
    for ended in [&other, &first_factor] {
        let denied = world.verifier.authenticators(ended, &account, world.now);
        assert_eq!(denied, Err(Denial::ExpiredToken));
    }
    // An administrator ends them all.
    let token = world.remember();
    let (account, device) = (world.account(), only_device(&mut world));
    let step = world.verifier.forget_device(account, device, world.now);
    world.run(step).unwrap();
    let event = world.audits.last().unwrap();
    assert_eq!(
        (event.command.as_str(), event.device, event.transaction),
        ("forget_device", Some(device), None)
    );
    assert_eq!(world.events.last(), Some(&Notice::DeviceForgotten { device }));
    assert_eq!(world.ends.last().unwrap().except, None);
    assert_eq!(lane_on(&mut world, &token), Lane::Unknown);
    let account = world.account();
    let denied = world.verifier.authenticators(&owner, &account, world.now);
    assert_eq!(denied, Err(Denial::ExpiredToken));
}

/// A challenge keeps the lane that it was issued in: what a stranger guesses at is charged there.
#[test]
fn a_challenge_keeps_the_lane_that_it_was_issued_in() {
    let (mut world, token) = remembered(Policy::default());
    let session = world.login_on(&token);
    let asked = world.challenge(&session).unwrap();
    let guess = wrong(&world.mail().code);
    let account = world.account();
    let forgotten = edited(&account, |record| record["devices"] = serde_json::json!([])).unwrap();
    world.store.put(forgotten);
    assert_eq!(lane(&mut world, &session), Lane::Unknown);
    world.verify(&session, asked.oob_code.expose(), &guess).unwrap_err();
    let failures = Lane::ALL.map(|lane| world.account().authenticators()[0].failures_in(lane));
    assert_eq!(failures, [0, 1]);
}

/// In every order of two nodes, and with stores that lose: a login is completed once, and a device that is forgotten
/// completes none after that.
#[test]
fn a_device_completes_one_login_once_in_every_order() {
    let (mut world, token) = remembered(skipping(|_| {}));
    let session = world.login_on(&token);
    let moves = vec![vec![Move::Device(session)]; 3];
    let scene = Scene::new(&mut world, moves);
    scene.hold(|end, store| {
        assert_eq!(end.tokens.len(), 1);
        if store == Store::SwapAndRetry {
            assert_eq!(end.count(|answer| *answer == Err(Denial::TransactionSpent)), 2);
        }
    });
    assert_eq!(scene.most(Store::LastWriteWins, |end| end.tokens.len()), 3);
}

#[test]
fn a_forgotten_device_completes_nothing_in_every_order() {
    let (mut world, token) = remembered(skipping(|_| {}));
    let (session, owner, device) = (world.login_on(&token), world.elevated(), only_device(&mut world));
    let moves = vec![vec![Move::Device(session.clone())], vec![Move::Forget(owner, device)]];
    let scene = Scene::new(&mut world, moves);
    let verifier = world.verifier.clone();
    let (mut completed, mut refused) = (0, 0);
    scene.hold(|end, _| {
        completed += end.tokens.len();
        refused += end.count(|answer| *answer == Err(Denial::ExpiredToken));
        let forgotten = end.account.devices().is_empty();
        assert_eq!(verifier.lane(&session, &end.account, world.now) == Lane::Unknown, forgotten);
        // A token that was issued before is of an epoch that ended.
        let standing = end.tokens.iter().filter(|token| end.account.admits(&token.elevation)).count();
        assert!(!forgotten || standing == 0);
    });
    assert!(completed > 0 && refused > 0);
}

/// Whatever the order in which devices are remembered at once, the record holds eight at most, and can be read.
#[test]
fn devices_that_are_remembered_at_once_stay_within_their_bound() {
    let mut world = World::new(policy(|settings| {
        settings.cool_down = Duration::ZERO;
        settings.send_bucket = countersign::policy::Rate::new(20, Duration::seconds(1));
        settings.long_send_budget = None;
        settings.max_challenges = 16;
    }));
    world.enroll("user@example.com");
    world.pass(DAY);
    let mut asked = Vec::new();
    for _ in 0..12 {
        let session = world.login();
        let challenged = world.challenge(&session).unwrap();
        asked.push((session, challenged.oob_code.expose().to_owned(), world.mail().code));
    }
    let mut lost = 0;
    let stale = world.account();
    for (session, oob_code, code) in &asked {
        let handle = world.verifier.open_oob_code(session, oob_code).unwrap();
        let entropy = countersign_testkit::entropy(&mut world.rng);
        let late =
            world.verifier.verify_oob(session, stale.clone(), &handle, code, world.now, Some(&entropy));
        let (write, sealed) = late.into_parts();
        let swap = world.store.swap(write.unwrap()).unwrap();
        lost += usize::from(swap == Swap::Lost);
        if let countersign::step::Committed::Done(_) = sealed.open(swap) {
            continue;
        }
        world.verify_remembering(session, oob_code, code).unwrap();
    }
    assert_eq!(lost, 11);
    let account = world.account();
    assert_eq!(account.devices().len(), 8);
    let text = serde_json::to_string(&account).unwrap();
    assert_eq!(serde_json::from_str::<Account>(&text).unwrap(), account);
}

/// The numbers of the threat model: what somebody who has the password gains by a stolen token.
#[test]
fn a_stolen_token_gives_a_lane_more_and_no_factor() {
    let mut strict = Settings::strict();
    strict.factors.email = countersign::policy::FactorUse::Authenticate;
    for (policy, in_a_lane, one, both) in [
        (Policy::default(), 10, 0.000_394_9, 0.000_789_7),
        (Policy::new(strict).unwrap(), 5, 0.000_000_550, 0.000_001_10),
    ] {
        let (mut world, token) = remembered(policy.clone());
        world.pass(30 * DAY - 4 * 3_600);
        let mut counted = [0, 0];
        for (lane, on_device) in [(0, false), (1, true)] {
            for _ in 0..3 {
                let session = if on_device { world.login_on(&token) } else { world.login() };
                let Ok(asked) = world.challenge(&session) else { continue };
                let guess = wrong(&world.mail().code);
                while let Err(Denial::InvalidBindingCode { .. }) =
                    world.verify(&session, asked.oob_code.expose(), &guess)
                {
                    counted[lane] += 1;
                }
            }
        }
        assert_eq!(counted, [in_a_lane; 2]);
        let kinds = [countersign::factor::AuthenticatorKind::Email];
        let chance = |lanes: &[Lane]| policy.guess_probability_of(&kinds, lanes);
        let near = |found: f64, expected: f64| (found / expected - 1.0).abs() < 0.01;
        assert!(near(chance(&[Lane::Unknown]), one), "{}", chance(&[Lane::Unknown]));
        assert!(near(chance(&Lane::ALL), both), "{}", chance(&Lane::ALL));
        // And no factor: a code is wanted all the same.
        let session = world.login_on(&token);
        assert_eq!(world.verify_device(&session).unwrap_err(), Denial::SecondFactorRequired);
    }
    // The token alone opens nothing.
    let (mut world, token) = remembered(Policy::auth0());
    assert_eq!(world.verifier.open(token.expose(), Some(&client()), world.now), Err(Denial::MalformedToken));
    world.pass(30 * DAY);
    let session = world.login_on(&token);
    assert_eq!(world.verify_device(&session).unwrap_err(), Denial::UnknownDevice);
}
