//! Messages that were sent without a bound, or not at all: V39, V40.

use countersign::{
    Denial, Policy,
    address_proof::{AddressProof, ProofPolicy, ProofPurpose},
    effect::Delivery,
    policy::{Rate, Resend, Settings},
};
use time::Duration;

use super::{ADDRESS, enrolled, roomy};
use countersign_testkit::{Proving, World, address, policy, subject};

/// CodeLens#272 and others: the cool-down and the budget of messages are in the record; what they refuse has no effect.
#[test]
fn v39_messages_are_budgeted_and_a_refused_one_has_no_effect() {
    // The cool-down, in one transaction.
    let mut world = World::new(Policy::default());
    world.provision(ADDRESS).unwrap();
    let session = world.login();
    for _ in 0..20 {
        let _ = world.challenge(&session);
    }
    assert_eq!((world.mails.len(), *world.store.swaps.borrow()), (1, 2));
    // The bucket, whatever the transaction; and that of what elevated sessions enroll, whatever the address.
    let mut refused = [None, None];
    for number in 0..20 {
        let (session, elevated) = (world.login(), world.elevated());
        let associated = world.associate(&elevated, &format!("{number}@example.com"));
        refused = [world.challenge(&session).err(), associated.err()];
    }
    let until = world.now + Duration::seconds(60);
    assert_eq!(refused, [Some(Denial::TooManySends { until }); 2]);
    assert_eq!(world.mails.len(), 10);
    let before = world.account();
    let (session, swaps) = (world.login(), *world.store.swaps.borrow());
    let step = world.verifier.challenge(
        &session,
        before.clone(),
        &Default::default(),
        world.now,
        &countersign_testkit::entropy(&mut world.rng),
    );
    let step = step;
    assert!(!step.writes());
    let outcome = step.commit(|write| world.store.swap(write)).unwrap().done().unwrap();
    let (result, effects) = outcome.into_parts();
    assert!(effects.is_empty() && result.is_err());
    assert_eq!((world.account(), *world.store.swaps.borrow()), (before, swaps));
    assert_eq!(
        world
            .store
            .outbox
            .borrow()
            .iter()
            .filter(|d| matches!(d, countersign::effect::Descriptor::Send(_)))
            .count(),
        10
    );
    // The long budget, for whoever asks every minute of a day.
    for _ in 0..24 * 60 {
        world.pass(60);
        let session = world.login();
        let _ = world.challenge(&session);
    }
    assert!((25..=45).contains(&world.mails.len()), "{} messages in a day", world.mails.len());

    // A host can bound the messages to one mailbox across accounts: its key is the mailbox's alone.
    let keys = |address_text: &str, subject_text: &str| {
        let mut proving = Proving::new(ProofPolicy::default());
        let name = countersign::Subject::new(subject_text).unwrap();
        let record = AddressProof::new(&name, address(address_text));
        let entropy = countersign_testkit::entropy(&mut proving.rng);
        let step = proving.verifier.ask(record, ProofPurpose::Confirm, proving.now, &entropy);
        let outcome = step.commit(|_| Ok::<_, ()>(countersign::Swap::Stored)).unwrap().done().unwrap();
        let [countersign::Effect::Send(mail)] = outcome.effects() else { panic!("one message") };
        mail.destination_key
    };
    assert_eq!(keys(ADDRESS, "user-1"), keys(ADDRESS, "user-2"));
    assert_ne!(keys(ADDRESS, "user-1"), keys("other@example.com", "user-1"));
    assert_eq!(subject().as_str(), "user-1");
}

/// activepieces#14751 and others: asking again sends or says when it will, and what the user holds stays good unless
/// the policy rotates it; then the new code answers the same handle.
#[test]
fn v40_asking_again_is_never_silent() {
    type Change = fn(&mut Settings);
    let cases: [(Resend, Change); 3] = [
        (Resend::Repeat, |_| {}),
        (Resend::Rotate, |settings| settings.resend = Resend::Rotate),
        (Resend::Repeat, |settings| settings.send_bucket = Rate::new(2, Duration::seconds(600))),
    ];
    for (resend, change) in cases {
        let mut world = World::new(policy(change));
        world.provision(ADDRESS).unwrap();
        let session = world.login();
        let first = world.challenge(&session).unwrap();
        let held = world.mail().code;
        assert_eq!((first.delivery, world.mails.len()), (Delivery::Sent, 1));
        // Too soon: nothing is sent, the answer says so, and what was sent stays good.
        world.pass(10);
        let cooling = world.challenge(&session).unwrap();
        let until = world.now + Duration::seconds(20);
        assert_eq!((cooling.delivery, world.mails.len()), (Delivery::CoolingDown { until }, 1));
        assert_eq!(cooling.oob_code.expose(), first.oob_code.expose());
        // When it said it would, it sends.
        world.now = until;
        let again = world.challenge(&session).unwrap();
        assert_eq!((again.delivery, world.mails.len()), (Delivery::Sent, 2));
        assert_eq!((again.oob_code.expose(), again.expires), (first.oob_code.expose(), first.expires));
        let newest = world.mail().code;
        assert_eq!(newest.expose() == held.expose(), resend == Resend::Repeat);
        // Refused for lack of budget: it says when, and the code that is held stays good.
        world.pass(30);
        match world.challenge(&session) {
            Ok(answer) => assert_eq!((answer.delivery, world.mails.len()), (Delivery::Sent, 3)),
            Err(denial) => {
                assert!(matches!(denial, Denial::TooManySends { .. }) && denial.retry_at() > Some(world.now));
                assert_eq!(world.mails.len(), 2);
            }
        }
        let newest = world.mail().code;
        if resend == Resend::Rotate {
            assert!(world.verify(&session, first.oob_code.expose(), &held).is_err());
        }
        assert!(world.verify(&session, first.oob_code.expose(), &newest).unwrap().completed);
    }
    // With a new challenge in its place, the old handle says that it was replaced.
    let (mut world, _) = enrolled(roomy(|_| {}));
    let session = world.login();
    let old = world.challenge(&session).unwrap();
    world.pass(200);
    let new = world.challenge(&session).unwrap();
    let right = world.mail().code;
    assert_eq!(new.delivery, Delivery::Sent);
    let denial = world.verify(&session, old.oob_code.expose(), &right).unwrap_err();
    assert_eq!(denial, Denial::ChallengeCancelled(countersign::machine::CancelReason::Superseded));
    assert!(world.verify(&session, new.oob_code.expose(), &right).is_ok());
}
