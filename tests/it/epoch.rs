//! The epoch: which sessions end with a change, which one survives it, and what the host is told to end.

use countersign::{
    Account, AuthenticatorId, Denial, Effect, Elevation, Policy, Session,
    code::RecoveryCode,
    effect::{Descriptor, EndReason, EndSessions},
    machine::Enrollment,
    policy::AtCap,
    session::ElevatedScopes,
};
use countersign_testkit::{Given, World, bucket, edited, elevation, json, policy, subject, wrong};
use time::Duration;

/// What a session is told whose second factor was used too long ago to change another.
const TOO_OLD: Denial = Denial::InsufficientUserAuthentication { max_age: Duration::minutes(15) };

/// A way to raise the epoch, with its reason and the session that acts, if one does.
type Change = (&'static str, EndReason, fn(&mut World, &Session, AuthenticatorId), bool);

/// Every change that ends sessions, but the first activation.
const CHANGES: [Change; 7] = [
    (
        "remove",
        EndReason::Removed,
        |world, session, id| {
            let account = world.account();
            let step = world.verifier.remove(session, account, id, world.now);
            let kept = world.run(step).unwrap();
            assert_eq!((kept.epoch(), kept.transaction()), (world.account().epoch(), session.transaction()));
        },
        true,
    ),
    (
        "regenerate_recovery_codes",
        EndReason::RecoveryRegenerated,
        |world, session, _| {
            let kept = world.regenerate(session).unwrap().elevation;
            assert_eq!((kept.epoch(), kept.transaction()), (world.account().epoch(), session.transaction()));
        },
        true,
    ),
    (
        "remove_authenticator",
        EndReason::Removed,
        |world, _, id| {
            let account = world.account();
            let step = world.verifier.remove_authenticator(account, id, world.now);
            world.run(step).unwrap();
        },
        false,
    ),
    (
        "deprovision",
        EndReason::Deprovisioned,
        |world, _, _| world.deprovision("provisioned@example.com").unwrap(),
        false,
    ),
    (
        "provision",
        EndReason::Replaced,
        |world, _, _| {
            world.provision("other@example.com").unwrap();
        },
        false,
    ),
    ("reset", EndReason::Reset, |world, _, _| world.reset(), false),
    ("revoke_sessions", EndReason::Revoked, |world, _, _| world.revoke_sessions(), false),
];

/// An account with an address of its user's own and one that the host provisioned, an hour old.
fn two_factors() -> (World, AuthenticatorId, Vec<RecoveryCode>) {
    let mut world = World::new(Policy::default());
    let (id, codes) = world.enroll("user@example.com");
    world.provision("provisioned@example.com").unwrap();
    world.pass(3_600);
    world.ends.clear();
    (world, id, codes)
}

/// An elevated session as a thief or an owner got it: by a sign-in with a recovery code, with what the host keeps.
fn signed_in(world: &mut World, code: &RecoveryCode) -> Elevation {
    let session = world.login();
    world.recover(&session, code).unwrap();
    world.tokens.last().unwrap().elevation.clone()
}

fn elevated(world: &World, elevation: &Elevation) -> Session {
    world.elevated_by(elevation.clone(), ElevatedScopes::ALL)
}

/// What an elevated session is told that would enroll an address and list what there is: whether it stands.
fn stands(world: &mut World, session: &Session) -> bool {
    let account = world.account();
    let listed = world.verifier.authenticators(session, &account, world.now).map(drop);
    let step = world.verifier.associate(
        session,
        account,
        &countersign_testkit::email("thief@example.com"),
        world.now,
        &countersign_testkit::entropy(&mut world.rng),
    );
    let associated = world.run(step).map(drop);
    assert_eq!(listed.is_ok(), associated.is_ok(), "{listed:?} {associated:?}");
    if let Err(denial) = associated {
        assert_eq!(denial, Denial::ExpiredToken);
    }
    listed.is_ok()
}

/// L1: the owner removed the factor that a thief had signed in with, and the thief's session enrolled another address
/// and removed the owner's. The same for every other loss or change of a factor.
#[test]
fn l01_every_change_of_a_factor_ends_all_other_sessions() {
    for (name, reason, change, by_session) in CHANGES {
        let (mut world, id, codes) = two_factors();
        let thief = signed_in(&mut world, &codes[0]);
        let owner = signed_in(&mut world, &codes[1]);
        let waiting = world.login();
        let (thief, owner) = (elevated(&world, &thief), elevated(&world, &owner));
        world.pass(60);
        let before = world.account().epoch();
        change(&mut world, &owner, id);
        let epoch = world.account().epoch();
        assert_ne!(before, epoch, "{name}");
        assert!(!stands(&mut world, &thief), "{name}: the session of the thief stands");
        assert_eq!(world.challenge(&waiting).unwrap_err(), Denial::ExpiredToken, "{name}");
        // The host is told, once, and its outbox keeps it.
        let except = by_session.then(|| owner.transaction());
        let [end] = &world.ends[..] else { panic!("{name}: {:?}", world.ends) };
        assert_eq!(
            (end.subject.clone(), end.epoch, end.except, end.reason),
            (subject(), epoch, except, reason),
            "{name}"
        );
        let kept = world.store.outbox.borrow().clone();
        let kept: Vec<_> = kept.iter().filter(|kept| kept.id() == end.id).collect();
        assert_eq!(kept, [&Descriptor::EndSessions(end.clone())], "{name}");
        // Spared is the transaction that acted, with the elevation that it had.
        assert_eq!(stands(&mut world, &owner), by_session, "{name}: the session of the owner");
        // A sign-in after it stands.
        let session = world.elevated();
        assert!(stands(&mut world, &session), "{name}: a new session");
    }
}

/// L1: what a thief can bring about ends nothing: a factor that is disabled through guesses.
#[test]
fn l01_a_disabling_through_guesses_ends_no_session() {
    let mut world = World::new(policy(|settings| {
        settings.failure_cap = 1;
        settings.at_cap = AtCap::Disable;
    }));
    let (_, codes) = world.enroll("user@example.com");
    world.pass(3_600);
    let owner = signed_in(&mut world, &codes[0]);
    let owner = elevated(&world, &owner);
    world.ends.clear();
    let thief = world.login();
    let challenged = world.challenge(&thief).unwrap();
    let guess = wrong(&world.mail().code);
    world.verify(&thief, challenged.oob_code.expose(), &guess).unwrap_err();
    assert!(world.account().authenticators().iter().all(|known| *known.enrollment() == Enrollment::Disabled));
    assert!(stands(&mut world, &owner));
    assert!(world.ends.is_empty());
}

/// The spared transaction is that of the latest change alone.
#[test]
fn a_later_change_ends_the_session_that_an_earlier_one_spared() {
    let (mut world, _, codes) = two_factors();
    let first = signed_in(&mut world, &codes[0]);
    let second = signed_in(&mut world, &codes[1]);
    let (first, second) = (elevated(&world, &first), elevated(&world, &second));
    world.pass(60);
    let new = world.regenerate(&first).unwrap();
    assert!(stands(&mut world, &first));
    assert!(!stands(&mut world, &second));
    // With the elevation that came back, it stands by its epoch and not by being spared.
    let kept = elevated(&world, &new.elevation);
    let third = signed_in(&mut world, &new.recovery_codes[0]);
    let third = elevated(&world, &third);
    assert!(stands(&mut world, &kept) && stands(&mut world, &third));
    world.pass(60);
    world.regenerate(&third).unwrap();
    assert!(!stands(&mut world, &first) && !stands(&mut world, &kept));
    assert!(stands(&mut world, &third));
}

/// What an account says of an elevation is what the commands say of its session.
#[test]
fn an_account_says_which_elevations_stand() {
    let (mut world, _, codes) = two_factors();
    let [one, other] = [0, 1].map(|place| signed_in(&mut world, &codes[place]));
    let account = world.account();
    assert!(account.admits(&one) && account.admits(&other));
    let acting = elevated(&world, &one);
    let kept = world.regenerate(&acting).unwrap().elevation;
    let account = world.account();
    assert!(account.admits(&one) && account.admits(&kept) && !account.admits(&other));
    let stranger = Account::new(&countersign::Subject::new("user-2").unwrap());
    assert!(!stranger.admits(&elevation(&world.account(), 1, world.now)));
    assert!(!Account::new(&subject()).admits(&kept));
}

/// What was enrolled and never confirmed opened nothing, so to give it up ends nothing.
#[test]
fn giving_up_an_enrollment_ends_no_session() {
    let (mut world, _, codes) = two_factors();
    let other = signed_in(&mut world, &codes[0]);
    let own = signed_in(&mut world, &codes[1]);
    let (other, own) = (elevated(&world, &other), elevated(&world, &own));
    let pending = world.associate(&own, "pending@example.com").unwrap().authenticator;
    let account = world.account();
    let step = world.verifier.remove(&own, account, pending, world.now);
    let kept = world.run(step).unwrap();
    assert_eq!(kept.epoch(), own.epoch());
    let pending = world.associate(&own, "pending@example.com").unwrap().authenticator;
    let account = world.account();
    let step = world.verifier.remove_authenticator(account, pending, world.now);
    world.run(step).unwrap();
    assert!(world.ends.is_empty());
    assert!(stands(&mut world, &other));
}

/// An address that is new beside the others takes nothing away.
#[test]
fn adding_a_factor_ends_no_session() {
    let mut world = World::new(Policy::default());
    let (_, codes) = world.enroll("user@example.com");
    world.pass(3_600);
    let other = signed_in(&mut world, &codes[0]);
    let own = signed_in(&mut world, &codes[1]);
    let (other, own) = (elevated(&world, &other), elevated(&world, &own));
    world.ends.clear();
    let associated = world.associate(&own, "second@example.com").unwrap();
    let code = world.mail().code;
    let verified = world.verify(&own, associated.oob_code.expose(), &code).unwrap();
    assert!(!verified.completed);
    assert_eq!(
        verified.elevation.map(|kept| (kept.epoch(), kept.transaction())),
        Some((own.epoch(), own.transaction()))
    );
    world.provision("provisioned@example.com").unwrap();
    assert!(world.ends.is_empty());
    assert!(stands(&mut world, &other));
}

/// The first activation ends what other first factors had begun, and not the session that confirmed.
#[test]
fn the_first_activation_ends_all_sessions_but_its_own() {
    let mut world = World::new(Policy::default());
    let other = world.login();
    let own = world.login();
    let associated = world.associate(&own, "user@example.com").unwrap();
    let code = world.mail().code;
    let verified = world.verify(&own, associated.oob_code.expose(), &code).unwrap();
    let epoch = world.account().epoch();
    assert_eq!(epoch.get(), u64::try_from(world.now.unix_timestamp()).unwrap());
    let [end] = &world.ends[..] else { panic!("{:?}", world.ends) };
    assert_eq!((end.reason, end.except, end.epoch), (EndReason::Enrolled, Some(own.transaction()), epoch));
    let [token] = &world.tokens.clone()[..] else { panic!("one token") };
    assert_eq!(verified.elevation.as_ref(), Some(&token.elevation));
    assert_eq!(token.elevation.epoch(), epoch, "that of after the step");
    assert_eq!(token.elevation.transaction(), own.transaction());
    assert_eq!(token.elevation.client(), own.client());
    assert_eq!(token.elevation.evidence(), &verified.evidence);
    assert_eq!(token.elevation.authenticated_at(), world.now);
    assert_eq!(world.challenge(&other).unwrap_err(), Denial::ExpiredToken);
    assert_eq!(world.challenge(&own).unwrap_err(), Denial::TransactionSpent);
    let session = elevated(&world, &token.elevation);
    assert!(stands(&mut world, &session));
    // The second one is no first one.
    world.ends.clear();
    let associated = world.associate(&session, "second@example.com").unwrap();
    let code = world.mail().code;
    world.verify(&session, associated.oob_code.expose(), &code).unwrap();
    assert!(world.ends.is_empty());
}

/// An address that only confirms sets no latch, and ends nothing.
#[test]
fn an_activation_that_signs_nobody_in_ends_no_session() {
    let mut world = World::new(Policy::strict());
    let (other, own) = (world.login(), world.login());
    let associated = world.associate(&own, "user@example.com").unwrap();
    let code = world.mail().code;
    let verified = world.verify(&own, associated.oob_code.expose(), &code).unwrap();
    assert_eq!((verified.completed, verified.elevation), (false, None));
    assert!(world.ends.is_empty());
    assert_eq!(world.account().epoch().get(), 0);
    assert!(world.associate(&other, "other@example.com").is_ok());
}

/// L2: a thief held an `mfa_token` when the password was changed, enrolled with it, and the owner was "already enrolled".
#[test]
fn l02_a_change_of_the_password_ends_the_tokens_from_before() {
    let mut world = World::new(Policy::default());
    let thief = world.login();
    let associated = world.associate(&thief, "thief@example.com").unwrap();
    let code = world.mail().code;
    world.revoke_sessions();
    assert_eq!(world.verify(&thief, associated.oob_code.expose(), &code).unwrap_err(), Denial::ExpiredToken);
    assert_eq!(world.associate(&thief, "thief@example.com").unwrap_err(), Denial::ExpiredToken);
    assert!(!world.account().is_enrolled());
    world.enroll("owner@example.com");
}

/// Whoever knew the old password may have asked for every message there was. The owner has a burst of them with the new one,
/// and no guess more than before.
#[test]
fn a_change_of_the_password_gives_one_burst_of_messages_back() {
    let mut world = World::new(Policy::default());
    world.enroll("user@example.com");
    let session = world.login();
    let challenged = world.challenge(&session).unwrap();
    let guess = wrong(&world.mail().code);
    world.verify(&session, challenged.oob_code.expose(), &guess).unwrap_err();
    let drain = |world: &mut World| {
        let sent = world.mails.len();
        for _ in 0..7 {
            let session = world.login();
            world.challenge(&session).ok();
        }
        world.mails.len() - sent
    };
    for _ in 0..20 {
        world.pass(300);
        drain(&mut world);
    }
    assert_eq!(drain(&mut world), 0, "the long budget is used up");
    let guesses = bucket(&world.account(), "long_guess");
    world.revoke_sessions();
    assert_eq!((drain(&mut world), bucket(&world.account(), "long_guess")), (5, guesses));
    assert_eq!(drain(&mut world), 0);
}

/// L2, for a sign-in that is under way: the old password was read, and is judged after the change.
#[test]
fn l02_a_sign_in_that_is_under_way_with_the_old_password_begins_nothing() {
    // Also for a user who has no record yet.
    for enrolled in [false, true] {
        let mut world = World::new(Policy::default());
        if enrolled {
            world.enroll("user@example.com");
        }
        let old = world.prepare();
        world.revoke_sessions();
        assert_eq!(world.begin_with(old).unwrap_err(), Denial::ExpiredToken);
        let new = world.prepare();
        assert_eq!(new.subject(), &subject());
        let begun = world.begin_with(new).unwrap();
        assert_eq!(begun.session.epoch(), world.account().epoch());
        assert_eq!(begun.requirements, world.requirements());
    }
}

/// L3: a reset by a node whose clock is behind that of the node that began the session.
#[test]
fn l03_a_reset_ends_the_sessions_of_a_node_that_is_ahead() {
    let mut world = World::new(Policy::default());
    let (_, codes) = world.enroll("user@example.com");
    world.pass(3_600);
    world.pass(50);
    let ahead = world.login();
    let signed_in = signed_in(&mut world, &codes[0]);
    let session = elevated(&world, &signed_in);
    world.pass(-50);
    world.pass(20);
    world.reset();
    world.pass(31);
    assert_eq!(world.associate(&ahead, "thief@example.com").unwrap_err(), Denial::ExpiredToken);
    assert!(!stands(&mut world, &session));
    // Nor does a clock that goes back bring a session back, or keep one out.
    world.pass(-3_000);
    world.revoke_sessions();
    assert!(!stands(&mut world, &session));
    let (session, account) = (world.login(), world.account());
    assert!(world.verifier.authenticators(&session, &account, world.now).is_ok());
}

/// A removal that leaves the user not enrolled is followed by a first activation, in the very session that removed.
#[test]
fn a_session_that_removes_the_last_factor_enrolls_the_next_one() {
    let mut world = World::new(Policy::default());
    let (id, codes) = world.enroll("user@example.com");
    world.pass(3_600);
    let kept = signed_in(&mut world, &codes[0]);
    let session = elevated(&world, &kept);
    world.remove(&session, id).unwrap();
    assert!(!world.account().is_enrolled());
    let associated = world.associate(&session, "next@example.com").unwrap();
    let code = world.mail().code;
    let verified = world.verify(&session, associated.oob_code.expose(), &code).unwrap();
    assert_eq!(verified.elevation.map(|kept| kept.epoch()), Some(world.account().epoch()));
    assert_eq!(world.ends.last().map(|end| end.reason), Some(EndReason::Enrolled));
    assert!(stands(&mut world, &session));
}

/// A factor that an administrator removes opens no door: the user stays enrolled, and recovery codes work on.
#[test]
fn a_removal_by_an_administrator_leaves_the_user_enrolled() {
    let mut world = World::new(Policy::default());
    let (id, codes) = world.enroll("user@example.com");
    world.pass(3_600);
    world.events.clear();
    let account = world.account();
    let step = world.verifier.remove_authenticator(account, id, world.now);
    world.run(step).unwrap();
    assert_eq!(world.audits.last().map(|audit| audit.authenticator), Some(Some(id)));
    assert_eq!(world.events.iter().map(|event| event.kind()).collect::<Vec<_>>(), ["notify-removed"]);
    let account = world.account();
    assert!(account.is_enrolled() && account.authenticators().is_empty() && account.challenges().is_empty());
    let session = world.login();
    assert_eq!(world.associate(&session, "thief@example.com").unwrap_err(), Denial::AlreadyEnrolled);
    assert!(world.recover(&session, &codes[0]).is_ok());
    let account = world.account();
    let step = world.verifier.remove_authenticator(account, id, world.now);
    assert_eq!(world.run(step).unwrap_err(), Denial::UnknownAuthenticator);
}

/// The place of a disabled address that the host provisioned is what keeps it disabled.
#[test]
fn an_administrator_removes_what_is_provisioned_unless_it_is_disabled() {
    let removed = |disabled: bool| {
        let mut world = World::new(Policy::default());
        let id = world.provision("user@example.com").unwrap();
        if disabled {
            let record = world.account();
            let record =
                edited(&record, |record| record["authenticators"][0]["enrollment"] = "disabled".into());
            world.store.put(record.unwrap());
        }
        let account = world.account();
        let step = world.verifier.remove_authenticator(account, id, world.now);
        world.run(step)
    };
    assert_eq!(removed(false), Ok(()));
    assert_eq!(removed(true), Err(Denial::AuthenticatorDisabled));
    // One that the user enrolled may go, disabled or not.
    let mut world = World::new(Policy::default());
    let (id, _) = world.enroll("user@example.com");
    let record = world.account();
    let record =
        edited(&record, |record| record["authenticators"][0]["enrollment"] = "disabled".into()).unwrap();
    let step = world.verifier.remove_authenticator(record, id, world.now);
    assert!(step.writes());
}

/// A command, as far as it takes an elevated session that changes factors.
type Elevated =
    (&'static str, fn(&mut World, &Session, &Given<countersign::Associated>) -> Result<(), Denial>);

const CHANGING: [Elevated; 4] = [
    ("associate", |world, session, _| world.associate(session, "third@example.com").map(drop)),
    ("verify_oob", |world, session, pending| {
        let code = world.mail().code;
        world.verify(session, pending.oob_code.expose(), &code).map(drop)
    }),
    ("regenerate_recovery_codes", |world, session, _| world.regenerate(session).map(drop)),
    ("remove", |world, session, pending| world.remove(session, pending.authenticator)),
];

/// A session changes factors for as long as the second factor is recent (ASVS 5.0 requirement 7.5.1), and reads on.
#[test]
fn an_elevated_session_changes_factors_while_its_evidence_is_recent() {
    for (name, command) in CHANGING {
        for (late, expected) in [(Duration::ZERO, Ok(())), (Duration::MILLISECOND, Err(TOO_OLD))] {
            let (mut world, ..) = two_factors();
            let session = world.elevated();
            world.now += Duration::seconds(850);
            let pending = world.associate(&session, "second@example.com").unwrap();
            world.now += Duration::seconds(50) + late;
            let before = world.account();
            assert_eq!(command(&mut world, &session, &pending), expected, "{name} at {late}");
            let account = world.account();
            assert_eq!(account == before, expected.is_err(), "{name}: a refusal writes nothing");
            assert!(world.verifier.authenticators(&session, &account, world.now).is_ok());
        }
    }
}

/// Evidence of a clock that was far ahead is not recent until that time comes: it would be for all that while.
#[test]
fn evidence_of_a_clock_far_ahead_changes_no_factor() {
    for (name, command) in CHANGING {
        for (ahead, expected) in [(60_000, Ok(())), (60_001, Err(TOO_OLD))] {
            let (mut world, ..) = two_factors();
            let ahead = Duration::milliseconds(ahead);
            world.now += ahead;
            let session = world.elevated();
            let pending = world.associate(&session, "second@example.com").unwrap();
            world.pass(60);
            world.now -= ahead + Duration::seconds(60);
            let before = world.account();
            let given = command(&mut world, &session, &pending);
            assert_eq!(given, expected, "{name} at {ahead}");
            let account = world.account();
            assert_eq!(account == before, expected.is_err(), "{name}: a refusal writes nothing");
            assert!(world.verifier.authenticators(&session, &account, world.now).is_ok());
        }
    }
}

/// A refresh of the host's token keeps the elevation, and with it the age of the evidence.
#[test]
fn a_refresh_prolongs_a_session_and_not_what_it_may_change() {
    let (mut world, _, codes) = two_factors();
    let kept = signed_in(&mut world, &codes[0]);
    let begun = world.now;
    world.pass(1_800);
    let session = elevated(&world, &kept);
    assert_eq!((session.begun(), session.expires()), (begun, world.now + Duration::hours(1)));
    let account = world.account();
    assert!(world.verifier.authenticators(&session, &account, world.now).is_ok());
    let denied = world.associate(&session, "second@example.com").unwrap_err();
    assert_eq!(denied, TOO_OLD);
}

/// An elevated session gives up a challenge of its own, although the sign-in that elevated it is spent.
#[test]
fn an_elevated_session_gives_up_what_it_began() {
    let (mut world, _, codes) = two_factors();
    let kept = signed_in(&mut world, &codes[0]);
    let session = elevated(&world, &kept);
    let associated = world.associate(&session, "second@example.com").unwrap();
    let handle = world.verifier.open_oob_code(&session, associated.oob_code.expose()).unwrap();
    let account = world.account();
    let step = world.verifier.cancel(&session, account, &handle, world.now);
    world.run(step).unwrap();
}

/// L13: a record that was made under one issuer signed its user in under another.
#[test]
fn l13_a_record_of_another_context_is_misuse_in_every_command() {
    let (mut world, id, codes) = two_factors();
    let (session, owner) = (world.login(), world.elevated());
    let challenged = world.challenge(&session).unwrap();
    let right = world.mail().code;
    let handle = world.verifier.open_oob_code(&session, challenged.oob_code.expose()).unwrap();
    let prepared = world.prepare();
    let account = world.account();
    // The same secrets, so that nothing but the context is another.
    let key = |byte| countersign::Key::new(&[byte; 32]).unwrap();
    let keys = countersign::KeyRing::new("another", key(0x11), key(0x22)).unwrap();
    let verifier = countersign::Verifier::new(keys, Policy::default());
    let now = world.now;
    let entropy = countersign_testkit::entropy(&mut world.rng);
    let email = countersign_testkit::email("new@example.com");
    fn refused<T: std::fmt::Debug>(name: &str, step: countersign::Step<T>) {
        assert!(!step.writes(), "{name}");
        let (_, sealed) = step.into_parts();
        let outcome = sealed.open(countersign::Swap::Stored).done().unwrap();
        assert_eq!(outcome.audit().denial, Some("wrong_record"), "{name}");
        let (result, effects) = outcome.into_parts();
        let denial = result.unwrap_err();
        assert!(denial == Denial::WrongRecord && denial.is_misuse() && effects.is_empty(), "{name}");
    }
    let copy = || account.clone();
    refused("associate", verifier.associate(&owner, copy(), &email, now, &entropy));
    refused("challenge", verifier.challenge(&session, copy(), &Default::default(), now, &entropy));
    refused("verify_oob", verifier.verify_oob(&session, copy(), &handle, &right, now, None));
    refused("verify_recovery", verifier.verify_recovery(&session, copy(), &codes[0], now));
    refused("verify_device", verifier.verify_device(&session, copy(), now));
    let device = "device_AAAAAAAAAAAAAAAA".parse().unwrap();
    refused("forget", verifier.forget(&owner, copy(), device, now));
    refused("forget_device", verifier.forget_device(copy(), device, now));
    refused("remove", verifier.remove(&owner, copy(), id, now));
    refused("regenerate", verifier.regenerate_recovery_codes(&owner, copy(), now, &entropy));
    refused("cancel", verifier.cancel(&session, copy(), &handle, now));
    refused("provision", verifier.provision(copy(), &email, now, &entropy));
    refused(
        "deprovision",
        verifier.deprovision(copy(), &countersign_testkit::email("provisioned@example.com"), now),
    );
    let sent = world.mail().id;
    let report = countersign::effect::DeliveryReport::Failed;
    refused("report_delivery", verifier.report_delivery(copy(), sent, report, now));
    refused("unlock", verifier.unlock(copy(), now));
    refused("reset", verifier.reset(copy(), now));
    refused("revoke_sessions", verifier.revoke_sessions(copy(), now));
    refused("remove_authenticator", verifier.remove_authenticator(copy(), id, now));
    assert_eq!(verifier.authenticators(&session, &account, now).unwrap_err(), Denial::WrongRecord);
    assert_eq!(verifier.begin(prepared, &account, now, &entropy).unwrap_err(), Denial::WrongRecord);
    let descriptor = world.store.outbox.borrow().last().unwrap().clone();
    let rendered = verifier.render(&account, &descriptor, now);
    assert_eq!(rendered.unwrap_err(), countersign::effect::RenderError::WrongRecord);
    // Under its own it works on, whatever key came or went.
    let keys = countersign::KeyRing::new("tests", key(0x33), key(0x44)).unwrap();
    let rotated = countersign::Verifier::new(keys, Policy::default());
    assert!(rotated.unlock(copy(), now).writes());
    assert_eq!(json(&account)["tenant"].as_str().map(str::len), Some(11));
}

/// L14: the recovery codes were shown again to whoever had the token, though the docs said once.
#[test]
fn l14_recovery_codes_are_shown_again_to_a_named_client_while_the_enrollment_is_pending() {
    let mut world = World::new(Policy::default());
    let token = world.begin();
    let client = countersign_testkit::client();
    let open = |world: &World, client| world.verifier.open(token.expose(), client, world.now).unwrap();
    // A client need not name itself to begin, as Auth0's do not: the codes are shown, then.
    let unnamed = open(&world, None);
    let first = world.associate(&unnamed, "user@example.com").unwrap().answer.recovery_codes.unwrap();
    let again = |world: &mut World, session: &Session| {
        world.pass(31);
        world.associate(session, "user@example.com").map(|given| given.answer.recovery_codes)
    };
    assert!(matches!(again(&mut world, &unnamed), Ok(None)));
    let named = open(&world, Some(&client));
    let shown = again(&mut world, &named).unwrap().unwrap();
    let texts =
        |codes: &[RecoveryCode]| codes.iter().map(|code| code.expose().to_owned()).collect::<Vec<_>>();
    assert_eq!(texts(&first), texts(&shown));
    // Another session begins another enrollment, with other codes.
    let other = world.login();
    let others = world.associate(&other, "user@example.com").unwrap().answer.recovery_codes.unwrap();
    assert_ne!(texts(&first), texts(&others));
    // Once it is confirmed, nobody is shown them.
    world.pass(31);
    let associated = world.associate(&named, "user@example.com").unwrap();
    let code = world.mail().code;
    world.verify(&named, associated.oob_code.expose(), &code).unwrap();
    for session in [&unnamed, &named] {
        assert_eq!(again(&mut world, session).unwrap_err(), Denial::AlreadyEnrolled);
    }
    let kept = world.tokens[0].elevation.clone();
    let session = elevated(&world, &kept);
    assert_eq!(again(&mut world, &session).unwrap_err(), Denial::AddressInUse);
}

/// A plain cookie application names no client, and nothing asks it for one.
#[test]
fn a_host_without_clients_is_asked_for_none() {
    let mut world = World::new(Policy::default());
    let anonymous = |world: &mut World| {
        let account = world.account();
        let first_factor = world.verifier.prepare(&account);
        world.begin_with(first_factor).unwrap()
    };
    let begun = anonymous(&mut world);
    let session = world.verifier.open(begun.token.expose(), None, world.now).unwrap();
    assert_eq!(session, begun.session);
    assert_eq!(session.client(), None);
    let associated = world.associate(&session, "user@example.com").unwrap();
    assert!(associated.answer.recovery_codes.is_some());
    world.pass(31);
    let again = world.associate(&session, "user@example.com").unwrap();
    assert!(again.answer.recovery_codes.is_some());
    let code = world.mail().code;
    world.verify(&session, again.oob_code.expose(), &code).unwrap();
    let token = world.tokens.pop().unwrap();
    assert_eq!((token.client(), token.audience.as_str(), token.scope.as_str()), (None, "", ""));
    assert_eq!(token.elevation.client(), None);
    assert_eq!(world.audits.last().unwrap().client, None);
    world.pass(60);
    let begun = anonymous(&mut world);
    assert!(world.challenge(&begun.session).is_ok());
    // A client that names itself where none was named is another one.
    let named = world.verifier.open(begun.token.expose(), Some(&countersign_testkit::client()), world.now);
    assert_eq!(named.unwrap_err(), Denial::WrongClient);
}

/// What a first factor was prepared with is what the token is for.
#[test]
fn a_first_factor_names_client_audience_and_scope() {
    let mut world = World::new(Policy::default());
    let (_, codes) = world.enroll("user@example.com");
    let first_factor = world.prepare().audience("https://api.example.com/".parse().unwrap());
    let begun = world.begin_with(first_factor).unwrap();
    world.recover(&begun.session, &codes[0]).unwrap();
    let token = world.tokens.pop().unwrap();
    assert_eq!(token.client(), Some(&countersign_testkit::client()));
    assert_eq!((token.audience.as_str(), token.scope.as_str()), ("https://api.example.com/", "openid"));
    // A first factor of one user begins nothing for another.
    let first_factor = world.prepare();
    let stranger = Account::new(&countersign::Subject::new("user-2").unwrap());
    let entropy = countersign_testkit::entropy(&mut world.rng);
    let begun = world.verifier.begin(first_factor, &stranger, world.now, &entropy);
    assert_eq!(begun.unwrap_err(), Denial::WrongRecord);
}

/// What a host keeps comes back as it was, in a format for people and in one for machines.
#[test]
fn an_elevation_and_its_end_survive_storage() {
    let (mut world, _, codes) = two_factors();
    let kept = signed_in(&mut world, &codes[0]);
    let text = serde_json::to_string(&kept).unwrap();
    assert_eq!(serde_json::from_str::<Elevation>(&text).unwrap(), kept);
    let bytes = postcard::to_stdvec(&kept).unwrap();
    assert_eq!(postcard::from_bytes::<Elevation>(&bytes).unwrap(), kept);
    let fields = serde_json::to_value(&kept).unwrap();
    let names: Vec<_> = fields.as_object().unwrap().keys().collect();
    assert_eq!(names, ["client", "epoch", "evidence", "subject", "transaction"]);
    assert_eq!(fields["evidence"]["at"], countersign_testkit::millis(world.now));
    let unknown = text.replace("\"epoch\"", "\"epochs\"");
    assert!(serde_json::from_str::<Elevation>(&unknown).is_err());
    world.revoke_sessions();
    let end: EndSessions = world.ends.pop().unwrap();
    let stored = serde_json::to_value(&end).unwrap();
    assert_eq!(stored["reason"], end.reason.as_str());
    let descriptor = world.store.outbox.borrow().last().unwrap().clone();
    assert_eq!((descriptor.subject(), descriptor.id()), (&subject(), end.id));
    let account = world.account();
    let Ok(Effect::EndSessions(rendered)) = world.verifier.render(&account, &descriptor, world.now) else {
        panic!("{descriptor:?}")
    };
    assert_eq!(rendered, end);
}

/// Why sessions end is logged by the name that is stored.
#[test]
fn an_end_is_named_as_it_is_stored() {
    use EndReason::{Deprovisioned, Enrolled, RecoveryRegenerated, Removed, Replaced, Reset, Revoked};
    for reason in [Enrolled, Removed, Replaced, Deprovisioned, RecoveryRegenerated, Reset, Revoked] {
        assert_eq!(serde_json::to_value(reason).unwrap(), reason.as_str());
    }
}

/// A stored epoch is one that a number of JSON holds; a record that was written has a tenant.
#[test]
fn a_record_with_an_epoch_or_a_tenant_that_cannot_be_is_not_read() {
    let account = two_factors().0.account();
    let read = |edit: fn(&mut serde_json::Value)| edited(&account, edit).map_err(|error| error.to_string());
    assert!(read(|record| record["epoch"] = ((1_u64 << 53) - 1).into()).is_ok());
    let refused = read(|record| record["epoch"] = (1_u64 << 53).into()).unwrap_err();
    assert_eq!(refused, "inconsistent record: the epoch is 2^53 or above");
    let refused = read(|record| record["tenant"] = serde_json::Value::Null).unwrap_err();
    assert_eq!(refused, "inconsistent record: a record that was written is of no tenant");
    let new = Account::new(&subject());
    assert_eq!(edited(&new, |_| {}).unwrap().epoch().get(), 0);
}
