//! The scenes: each holds with a conditional store, and each wrong store has a counterexample in one of them.

use countersign::{
    address_proof::{AddressVerifier, ProofPolicy, ProofPurpose, ProofSettings},
    code::{OtpCode, RecoveryCode},
    policy::{AtCap, Rate, RecoveryThrottle, Remember, Settings, WhenExhausted},
};
use countersign_testkit::{Proving, World, address, keys, lock, policy, subject, totp, wrong, wrong_otp};
use model::{Command, Scene, State, Store};
use stateright::{Checker, Model, Property};
use time::Duration;

const LIMIT: &str = "wrong verdicts within the limit";
const TOKEN: &str = "one token";
const END: &str = "nothing succeeds after the end";
const STORED: &str = "every verdict is of a stored record";
const MAILS: &str = "messages within the limit";
const OUTBOX: &str = "every message is of a stored record";

fn reach(name: &'static str, condition: fn(&Scene, &State) -> bool) -> Property<Scene> {
    Property::<Scene>::sometimes(name, condition)
}

fn token() -> Property<Scene> {
    reach("a token is issued", |_, s| s.count(|v| !v.tokens.is_empty()) > 0)
}

fn end() -> Property<Scene> {
    reach("an end is stored", |_, s| s.ended())
}

/// A live challenge under two attempts, and guesses at it: one node each, with its clock's offset.
fn guesses(codes: &[(i64, bool)], change: impl FnOnce(&mut Settings)) -> (World, Scene) {
    let mut world = World::new(policy(|settings| {
        lock(settings);
        settings.attempts = 2;
        change(settings);
    }));
    world.enroll("user@example.com");
    world.pass(120);
    let session = world.login();
    let challenged = world.challenge(&session).unwrap();
    let handle = world.verifier.open_oob_code(&session, challenged.oob_code.expose()).unwrap();
    let right = world.mail().code;
    let node = |&(offset, is_right): &(i64, bool)| {
        let code = if is_right { right.clone() } else { wrong(&right) };
        (offset, vec![Command::Verify(session.clone(), handle.clone(), code)])
    };
    let nodes = codes.iter().map(node).collect();
    let scene = scene(&mut world, nodes);
    (world, scene)
}

fn scene(world: &mut World, nodes: Vec<(i64, Vec<Command>)>) -> Scene {
    Scene {
        verifier: world.verifier.clone(),
        proofs: AddressVerifier::new(keys(), ProofPolicy::default()),
        row: model::encode(&world.account()),
        ticks: vec![world.now],
        nodes,
        faults: 2,
        store: Store::Swap,
        wrong_limit: 2,
        mail_limit: 1,
        reached: vec![
            reach("a swap is lost", |_, s| s.lost),
            reach("a crash between store and reveal", |_, s| s.crashed_stored),
        ],
    }
}

fn holds(name: &str, scene: &Scene) {
    let checker = scene.clone().checker().threads(2).spawn_bfs().join();
    let (nodes, unique, all) = (scene.nodes.len(), checker.unique_state_count(), checker.state_count());
    println!("| {name} | {nodes} | {unique} | {all} | {} | holds |", checker.max_depth());
    checker.assert_properties();
}

fn breaks(name: &str, scene: &Scene, store: Store, property: &'static str) {
    let wrong = Scene { store, ..scene.clone() };
    let checker = wrong.checker().threads(2).spawn_bfs().join();
    let path = checker.assert_any_discovery(property);
    println!(
        "| {name}, {store:?} | {} | {} | {} | {} | {property}: broken in {} actions |",
        scene.nodes.len(),
        checker.unique_state_count(),
        checker.state_count(),
        checker.max_depth(),
        path.into_actions().len()
    );
}

#[test]
fn wrong_guesses() {
    let (_, mut two) = guesses(&[(0, false), (90, false)], |_| {});
    let again = two.nodes[0].1[0].clone();
    two.nodes[0].1.push(again);
    holds("wrong guesses", &two);
    let (_, mut three) = guesses(&[(-90, false), (0, false), (90, false)], |s| {
        s.attempts = 3;
        s.guess_bucket = Rate::new(2, Duration::hours(1));
    });
    three.reached.push(end());
    holds("wrong guesses, small bucket", &three);
    let mut unlocked = three.clone();
    unlocked.nodes.push((0, vec![Command::Unlock]));
    (unlocked.wrong_limit, unlocked.faults) = (3, 1);
    holds("wrong guesses and an unlock", &unlocked);
    breaks("wrong guesses, small bucket", &three, Store::LastWriteWins, LIMIT);
    breaks("wrong guesses, small bucket", &three, Store::RollsBack, LIMIT);
    breaks("wrong guesses, small bucket", &three, Store::RevealsFirst, LIMIT);
    breaks("wrong guesses, small bucket", &three, Store::StaleReplica, LIMIT);
    breaks("wrong guesses, small bucket", &three, Store::SendsAgain, LIMIT);
}

#[test]
fn a_right_guess_after_a_lock_and_an_unlock() {
    let (_, mut scene) = guesses(&[(0, false), (0, false), (0, true)], |s| {
        s.attempts = 3;
        s.guess_bucket = Rate::new(2, Duration::hours(1));
    });
    scene.nodes.push((0, vec![Command::Unlock]));
    scene.faults = 1;
    scene.reached.extend([token(), end()]);
    holds("a right guess, a lock and an unlock", &scene);
    breaks("a right guess, a lock and an unlock", &scene, Store::LastWriteWins, END);
}

/// Where the policy hardens, the short code that is right is refused once two wrong ones used the guesses up, in any order
/// of loads and swaps; and a wrong long one beside a right one costs no swap.
#[test]
fn a_right_guess_after_a_hardening() {
    let small = |settings: &mut Settings| {
        settings.when_exhausted = WhenExhausted::Harden;
        settings.at_cap = AtCap::Harden;
        settings.attempts = 3;
        settings.guess_bucket = Rate::new(2, Duration::hours(1));
    };
    let (mut world, mut scene) = guesses(&[(0, false), (0, false), (0, true)], small);
    scene.reached.extend([token(), end()]);
    holds("a right guess and a hardening", &scene);
    breaks("a right guess and a hardening", &scene, Store::LastWriteWins, END);

    // The same login asks again, and gets a long code.
    let Command::Verify(session, handle, code) = scene.nodes[0].1[0].clone() else { unreachable!() };
    for _ in 0..2 {
        let account = world.account();
        let step = world.verifier.verify_oob(&session, account, &handle, &code, world.now, None);
        world.run(step).unwrap_err();
    }
    let long = world.challenge(&session).unwrap();
    assert!(long.form.is_long());
    let handle = world.verifier.open_oob_code(&session, long.oob_code.expose()).unwrap();
    let right = world.mail().code;
    let node = |code| (0, vec![Command::Verify(session.clone(), handle.clone(), code)]);
    let nodes = vec![node(wrong(&right)), node(right.clone()), node(wrong(&right))];
    let mut scene = self::scene(&mut world, nodes);
    // Of these three only the right one writes.
    scene.reached = vec![token()];
    holds("long guesses beside a right one", &scene);
}

#[test]
fn a_clock_that_is_years_ahead() {
    let years = Duration::days(4_000).whole_seconds();
    let (_, mut scene) = guesses(&[(years, false), (0, true), (-90, true)], |_| {});
    let refused = |_: &Scene, s: &State| s.count(|v| v.result == "expired_token") > 0;
    scene.reached.extend([token(), reach("the far clock ends the session", refused)]);
    holds("a clock years ahead", &scene);
    breaks("a clock years ahead", &scene, Store::LastWriteWins, TOKEN);
}

#[test]
fn enrollments() {
    let mut world = World::new(policy(|_| {}));
    // The model has one row, which is there from the start.
    let empty = world.account();
    world.store.put(empty);
    let sessions = [world.login(), world.login()];
    let enroll = |place: usize, to: &str| {
        let session = sessions[place].clone();
        (0, vec![Command::Associate(session.clone(), address(to)), Command::Confirm(session)])
    };
    let mut scene = scene(&mut world, vec![enroll(0, "one@example.com"), enroll(1, "two@example.com")]);
    scene.mail_limit = 2;
    scene.reached.push(token());
    holds("two enrollments", &scene);
    breaks("two enrollments", &scene, Store::LastWriteWins, TOKEN);
    breaks("two enrollments", &scene, Store::RollsBack, OUTBOX);
}

#[test]
fn right_guesses() {
    let (_, mut scene) = guesses(&[(-90, true), (0, true), (90, false)], |_| {});
    scene.reached.push(token());
    holds("two right, one wrong", &scene);
    breaks("two right, one wrong", &scene, Store::LastWriteWins, TOKEN);
    breaks("two right, one wrong", &scene, Store::RevealsFirst, STORED);
}

#[test]
fn expiry_removal_reset() {
    let (world, mut scene) = guesses(&[(-90, true), (90, false)], |_| {});
    let lifetime = world.verifier.policy().settings().code_lifetime;
    scene.ticks = vec![world.now, world.now + lifetime - Duration::seconds(1), world.now + lifetime];
    scene.reached.extend([token(), end()]);
    holds("expiry", &scene);
    breaks("expiry", &scene, Store::LastWriteWins, END);
    let (mut world, mut scene) = guesses(&[(0, true), (-90, false)], |_| {});
    let id = world.account().authenticators()[0].id();
    scene.nodes.push((0, vec![Command::Remove(world.elevated(), id)]));
    scene.reached.extend([token(), end()]);
    holds("removal", &scene);
    breaks("removal", &scene, Store::LastWriteWins, END);
    scene.nodes[2] = (0, vec![Command::Reset]);
    holds("reset", &scene);
    breaks("reset", &scene, Store::LastWriteWins, END);
    scene.nodes[2] = (-90, vec![Command::Revoke]);
    holds("another password", &scene);
    breaks("another password", &scene, Store::LastWriteWins, END);
}

/// A proof of an address: of the links and codes that were sent, one proves it, and every other is dead from then on;
/// messages stay within their budget, and a wrong answer is in nobody's way.
#[test]
fn proofs_of_an_address() {
    let mut proving = Proving::new({
        let mut settings = ProofSettings::default();
        settings.send_bucket = Rate::new(2, Duration::hours(1));
        ProofPolicy::new(settings).unwrap()
    });
    let asked = proving.ask(ProofPurpose::Reset);
    let letter = proving.letter();
    let open = |token: &str| proving.verifier.open_link(&subject(), ProofPurpose::Reset, token).unwrap();
    let handle =
        proving.verifier.open_handle(&subject(), ProofPurpose::Reset, asked.oob_code.expose()).unwrap();
    let link = Command::Link(open(letter.token.expose()), None);
    let code = |code| Command::Code(handle.clone(), code);
    let mut world = World::new(policy(|_| {}));
    let nodes = vec![
        (0, vec![link.clone()]),
        (30, vec![link]),
        (-30, vec![code(wrong(&letter.code)), code(letter.code.clone())]),
    ];
    let mut scene = scene(&mut world, nodes);
    (scene.proofs, scene.row) = (proving.verifier.clone(), model::encode(&proving.record));
    (scene.ticks, scene.faults, scene.mail_limit) = (vec![proving.now], 1, 0);
    // No wrong answer is counted.
    scene.wrong_limit = usize::MAX;
    scene.reached.push(end());
    holds("two links and a code of one address", &scene);
    breaks("two links and a code of one address", &scene, Store::LastWriteWins, END);
    breaks("two links and a code of one address", &scene, Store::RevealsFirst, STORED);

    // One message is left, and two ask for it beside a link.
    let ask = || (0, vec![Command::Ask(ProofPurpose::Reset)]);
    scene.nodes = vec![scene.nodes[0].clone(), ask(), ask()];
    scene.mail_limit = 1;
    scene.reached.push(reach("a message is sent", |_, s| s.count(|v| !v.mails.is_empty()) > 0));
    holds("two asks beside a link", &scene);
    breaks("two asks beside a link", &scene, Store::LastWriteWins, MAILS);
    breaks("two asks beside a link", &scene, Store::RollsBack, OUTBOX);
}

#[test]
fn resends() {
    let (world, mut scene) = guesses(&[(0, true), (0, false)], |_| {});
    let Command::Verify(session, ..) = scene.nodes[0].1[0].clone() else { unreachable!() };
    scene.ticks = vec![world.now + Duration::seconds(60)];
    scene
        .nodes
        .extend([(0, vec![Command::Challenge(session.clone())]), (0, vec![Command::Challenge(session)])]);
    (scene.mail_limit, scene.faults) = (1, 1);
    scene.reached.push(token());
    holds("two resends inside one cool-down", &scene);
    breaks("two resends inside one cool-down", &scene, Store::LastWriteWins, MAILS);
    breaks("two resends inside one cool-down", &scene, Store::RollsBack, OUTBOX);
}

#[test]
fn recovery_codes() {
    let mut world = World::new(policy(|_| {}));
    let (_, codes) = world.enroll("user@example.com");
    let sessions = [world.login(), world.login()];
    let recover =
        |session: usize, code: &RecoveryCode| Command::Recover(sessions[session].clone(), code.clone());
    let other = RecoveryCode::parse(&"2".repeat(24)).unwrap();
    let nodes = vec![
        (0, vec![recover(0, &codes[0])]),
        (30, vec![recover(1, &codes[0])]),
        (-30, vec![recover(1, &other)]),
    ];
    let mut scene = scene(&mut world, nodes);
    scene.reached.push(token());
    holds("one recovery code", &scene);
    breaks("one recovery code", &scene, Store::LastWriteWins, TOKEN);
}

#[test]
fn recovery_codes_guessed() {
    let mut world = World::new(policy(|settings| {
        settings.recovery_bucket = Rate::new(2, Duration::hours(1));
        settings.recovery_throttle = RecoveryThrottle::Refuse;
    }));
    world.enroll("user@example.com");
    let other = RecoveryCode::parse(&"2".repeat(24)).unwrap();
    let node = |offset| (offset, vec![Command::Recover(world.login(), other.clone())]);
    let nodes = [-30, 0, 30].map(node).to_vec();
    let scene = scene(&mut world, nodes);
    holds("recovery codes guessed", &scene);
    breaks("recovery codes guessed", &scene, Store::LastWriteWins, LIMIT);
}

/// A remembered device completes a login once, and not after it was forgotten; its lane holds with a guess beside it.
#[test]
fn remembered_devices() {
    let mut world = World::new(policy(|settings| {
        settings.attempts = 2;
        settings.remember = Some(Remember::new(Duration::days(30), true));
    }));
    world.enroll("user@example.com");
    world.pass(120);
    let kept = world.remember();
    world.pass(120);
    let session = world.login_on(&kept);
    let device = world.account().devices()[0].id();
    let nodes = vec![
        (0, vec![Command::Device(session.clone())]),
        (30, vec![Command::Device(session)]),
        (0, vec![Command::Forget(world.elevated(), device)]),
    ];
    let mut scene = scene(&mut world, nodes);
    scene.reached.extend([token(), end()]);
    holds("a device, forgotten", &scene);
    breaks("a device, forgotten", &scene, Store::LastWriteWins, TOKEN);
    breaks("a device, forgotten", &scene, Store::LastWriteWins, END);
    breaks("a device, forgotten", &scene, Store::RevealsFirst, STORED);
}

/// Codes of an app, one node each with its clock's offset and a session of its own. A code is right once, in
/// whatever transaction it is presented.
fn one_time(codes: &[(i64, bool)], change: impl FnOnce(&mut Settings)) -> (World, Scene) {
    let mut world = World::new(policy(change));
    let (.., app) = world.enroll_totp();
    world.pass(3_600);
    let right = app.at(world.now);
    let near: Vec<_> = (-3..=3).map(|step| app.at(world.now + Duration::seconds(30 * step))).collect();
    let bad = wrong_otp(&near.iter().collect::<Vec<_>>());
    let mut nodes = Vec::new();
    for (offset, is_right) in codes {
        let code = if *is_right { right.clone() } else { bad.clone() };
        nodes.push((*offset, vec![Command::Otp(world.login(), code.into())]));
    }
    let mut scene = scene(&mut world, nodes);
    scene.mail_limit = 0;
    (world, scene)
}

#[test]
fn one_time_passwords() {
    let (world, mut scene) = one_time(&[(0, true), (0, true), (30, true)], |_| {});
    // Whoever comes second presents a code that is over, which counts as wrong.
    scene.wrong_limit = 2;
    scene.ticks = vec![world.now, world.now + Duration::seconds(30)];
    scene.faults = 1;
    scene.reached.push(token());
    holds("one code of an app, three logins", &scene);
    breaks("one code of an app, three logins", &scene, Store::LastWriteWins, TOKEN);
    breaks("one code of an app, three logins", &scene, Store::RevealsFirst, TOKEN);
    breaks("one code of an app, three logins", &scene, Store::StaleReplica, TOKEN);
    breaks("one code of an app, three logins", &scene, Store::SendsAgain, TOKEN);
}

#[test]
fn one_time_passwords_guessed() {
    let (_, mut scene) = one_time(&[(-30, false), (0, false), (30, false)], |settings| {
        settings.guess_bucket = Rate::new(2, Duration::hours(1));
    });
    scene.reached.push(end());
    holds("one-time passwords guessed", &scene);
    breaks("one-time passwords guessed", &scene, Store::LastWriteWins, LIMIT);
    breaks("one-time passwords guessed", &scene, Store::RollsBack, LIMIT);
}

/// A hardened lane: four right codes are taken once, a single right one never, and four wrong ones cost no swap, in any
/// order of loads and swaps.
#[test]
fn four_codes_of_an_app() {
    let mut world = World::new(policy(|settings| {
        (settings.when_exhausted, settings.at_cap) = (WhenExhausted::Harden, AtCap::Harden);
        settings.guess_bucket = Rate::new(1, Duration::hours(100));
        settings.attempts = 1;
    }));
    let (.., app) = world.enroll_totp();
    world.pass(3_600);
    let near: Vec<_> = (-4..=4).map(|step| app.at(world.now + Duration::seconds(30 * step))).collect();
    let bad = wrong_otp(&near.iter().collect::<Vec<_>>());
    let session = world.login();
    world.verify_otp(&session, bad.clone()).unwrap_err();
    let row = |codes: [&OtpCode; 4]| OtpCode::parse(&codes.map(OtpCode::expose).concat()).unwrap();
    let right = row([&near[1], &near[2], &near[3], &near[4]]);
    let wrong = row([&near[1], &near[2], &bad, &near[4]]);
    let node =
        |world: &mut World, code: &OtpCode| (0, vec![Command::Otp(world.login(), code.clone().into())]);
    let nodes = [&right, &right, &wrong, &near[4]].map(|code| node(&mut world, code));
    let mut scene = scene(&mut world, nodes.to_vec());
    scene.mail_limit = 0;
    scene.reached = vec![token()];
    holds("four codes of an app, twice", &scene);
    breaks("four codes of an app, twice", &scene, Store::LastWriteWins, TOKEN);
}

#[test]
fn an_app_confirmed_twice() {
    let mut world = World::new(policy(|_| {}));
    let session = world.login();
    let (_, app) = world.associate_otp(&session, &totp()).unwrap();
    let confirm = || (0, vec![Command::Otp(session.clone(), app.at(world.now).into())]);
    let nodes = vec![confirm(), confirm()];
    let mut scene = scene(&mut world, nodes);
    scene.mail_limit = 0;
    scene.reached.push(token());
    holds("an app confirmed by two nodes", &scene);
    breaks("an app confirmed by two nodes", &scene, Store::LastWriteWins, TOKEN);
}
