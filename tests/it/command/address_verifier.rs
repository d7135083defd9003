//! The proof of an address without an account: what is sent, who may use it, what nobody can use up, and what nobody can
//! tell from the answers.

use std::fmt::Debug;

use countersign::{
    BindingCode, Denial, Effect, Entropy, Key, KeyRing, Subject, Swap,
    address_proof::{AddressProof, AddressVerifier, Asked, ProofPolicy, ProofPurpose, ProofSettings},
    command::Purpose,
    effect::{Descriptor, Destination, LinkDescriptor, RenderError},
    policy::Rate,
};
use countersign_testkit::{Proving, START, World, address, entropy, json, keys, millis, subject, wrong};
use hmac::{Hmac, KeyInit as _, Mac as _};
use rand::{SeedableRng as _, rngs::ChaCha20Rng};
use sha2::{Digest as _, Sha256};
use time::{Duration, OffsetDateTime};

const PURPOSES: [ProofPurpose; 2] = [ProofPurpose::Confirm, ProofPurpose::Reset];

const REFUSED: Denial = Denial::InvalidAddressProof;

fn proving() -> Proving {
    Proving::new(ProofPolicy::default())
}

fn policy(change: impl FnOnce(&mut ProofSettings)) -> ProofPolicy {
    let mut settings = ProofSettings::default();
    change(&mut settings);
    ProofPolicy::new(settings).unwrap()
}

/// A text with the symbol at this place changed, in a bit that every place has.
fn changed(text: &str, place: usize) -> String {
    let mut bytes = text.as_bytes().to_vec();
    bytes[place] = if bytes[place] == b'A' { b'Q' } else { b'A' };
    String::from_utf8(bytes).unwrap()
}

#[test]
fn an_ask_sends_a_link_and_a_long_code_and_each_proves_the_address() {
    for (purpose, named, lifetime) in [
        (ProofPurpose::Confirm, Purpose::Confirm, Duration::hours(24)),
        (ProofPurpose::Reset, Purpose::Reset, Duration::hours(2)),
    ] {
        for by_link in [true, false] {
            let mut proving = proving();
            let asked = proving.ask(purpose);
            let letter = proving.letter();
            assert_eq!(asked.expires, START + lifetime);
            assert_eq!(letter.message.to, Destination::Email(address(Proving::ADDRESS)));
            assert_eq!((&letter.message.subject, &letter.message.purpose), (&subject(), &named));
            assert_eq!(letter.message.expires, asked.expires);
            assert_eq!((asked.oob_code.expose().len(), letter.token.expose().len()), (76, 98));
            assert_eq!(letter.code.expose().len(), 20);
            proving.pass(60);
            let proven = if by_link {
                proving.link(purpose, &letter.token, Some(&asked)).unwrap()
            } else {
                proving.code(purpose, &asked, &letter.code).unwrap()
            };
            assert_eq!((proven.purpose, proven.at), (purpose, proving.now));
            assert_eq!(proven.address, address(Proving::ADDRESS));
            assert_eq!(proving.swaps, 2);
            let audits: Vec<_> =
                proving.audits.iter().map(|audit| (audit.command.as_str(), audit.evaluated)).collect();
            assert_eq!(audits, [("ask", false), (if by_link { "verify_link" } else { "verify_code" }, true)]);
            assert!(proving.audits.iter().all(|audit| audit.denial.is_none()));
            assert_eq!(proving.audits[1].at(), proving.now);
        }
    }
}

/// L7: the same `ask` from two browsers gave one handle to both.
#[test]
fn l07_each_ask_has_a_handle_a_link_and_a_code_of_its_own() {
    for purpose in PURPOSES {
        let mut proving = proving();
        let browsers = [proving.ask(purpose), proving.ask(purpose)];
        let letters = proving.letters.clone();
        assert_ne!(browsers[0].oob_code.expose(), browsers[1].oob_code.expose());
        assert_ne!(letters[0].token.expose(), letters[1].token.expose());
        assert_ne!(letters[0].code.expose(), letters[1].code.expose());
        assert_ne!(letters[0].message.id, letters[1].message.id);
        // What one browser answers wrongly costs the other nothing, and the code of the one is not the other's.
        for _ in 0..200 {
            let wrong = wrong(&letters[0].code);
            assert_eq!(proving.code(purpose, &browsers[0], &wrong).unwrap_err(), REFUSED);
            assert_eq!(proving.code(purpose, &browsers[0], &letters[1].code).unwrap_err(), REFUSED);
        }
        assert_eq!(proving.swaps, 2);
        assert!(proving.code(purpose, &browsers[1], &letters[1].code).is_ok());
    }
}

#[test]
fn a_proof_ends_every_other_link_and_code() {
    for purpose in PURPOSES {
        for by_link in [true, false] {
            let mut proving = proving();
            let asked: Vec<_> = PURPOSES.map(|purpose| (purpose, proving.ask(purpose))).into();
            let letters = proving.letters.clone();
            let place = PURPOSES.iter().position(|known| *known == purpose).unwrap();
            let (handle, letter) = (&asked[place].1, &letters[place]);
            if by_link {
                proving.link(purpose, &letter.token, Some(handle)).unwrap();
            } else {
                proving.code(purpose, handle, &letter.code).unwrap();
            }
            let swaps = proving.swaps;
            for ((purpose, asked), letter) in asked.iter().zip(&letters) {
                assert_eq!(proving.link(*purpose, &letter.token, Some(asked)).unwrap_err(), REFUSED);
                assert_eq!(proving.code(*purpose, asked, &letter.code).unwrap_err(), REFUSED);
            }
            assert_eq!(proving.swaps, swaps);
            // A new ask works again.
            let asked = proving.ask(purpose);
            let letter = proving.letter();
            assert!(proving.link(purpose, &letter.token, Some(&asked)).is_ok());
        }
    }
}

/// Nobody confirms an account that another began; and a stranger's ask brings the owner a link that works.
#[test]
fn a_link_to_confirm_takes_a_browser_that_asked_and_one_to_reset_takes_any() {
    let mut proving = proving();
    let stranger = proving.ask(ProofPurpose::Confirm);
    let letter = proving.letter();
    assert_eq!(proving.link(ProofPurpose::Confirm, &letter.token, None).unwrap_err(), REFUSED);
    // The handle is one to confirm, of this address, and live.
    let to_reset = proving.ask(ProofPurpose::Reset);
    let link = proving.verifier.open_link(&subject(), ProofPurpose::Confirm, letter.token.expose()).unwrap();
    let other = Subject::new("user-2").unwrap();
    let elsewhere =
        proving.verifier.asked(&other, ProofPurpose::Confirm, proving.now, &entropy(&mut proving.rng));
    let handles = [
        proving.verifier.open_handle(&subject(), ProofPurpose::Reset, to_reset.oob_code.expose()).unwrap(),
        proving.verifier.open_handle(&other, ProofPurpose::Confirm, elsewhere.oob_code.expose()).unwrap(),
    ];
    for handle in &handles {
        let step = proving.verifier.verify_link(proving.record.clone(), &link, Some(handle), proving.now);
        assert_eq!(proving.run(step).unwrap_err(), REFUSED);
    }
    proving.pass(86_000);
    let late = proving.ask(ProofPurpose::Confirm);
    let late_letter = proving.letter();
    proving.pass(400);
    assert_eq!(
        proving.link(ProofPurpose::Confirm, &late_letter.token, Some(&stranger)).unwrap_err(),
        REFUSED
    );
    // The owner of the mailbox, who asked in another browser, uses what the stranger caused.
    assert!(proving.link(ProofPurpose::Confirm, &late_letter.token, Some(&late)).is_ok());
    let owner = proving.ask(ProofPurpose::Confirm);
    proving.ask(ProofPurpose::Confirm);
    let caused_by_stranger = proving.letter();
    assert!(proving.link(ProofPurpose::Confirm, &caused_by_stranger.token, Some(&owner)).is_ok());

    let mut proving = Proving::new(ProofPolicy::default());
    proving.ask(ProofPurpose::Reset);
    let letter = proving.letter();
    assert!(proving.link(ProofPurpose::Reset, &letter.token, None).is_ok());
}

#[test]
fn what_is_for_one_purpose_or_subject_is_nothing_for_another() {
    let mut proving = proving();
    for (purpose, crossed) in
        [(ProofPurpose::Confirm, ProofPurpose::Reset), (ProofPurpose::Reset, ProofPurpose::Confirm)]
    {
        let asked = proving.ask(purpose);
        let letter = proving.letter();
        let (handle, token) = (asked.oob_code.expose(), letter.token.expose());
        let other = Subject::new("user-2").unwrap();
        for (subject, purpose) in [(&subject(), crossed), (&other, purpose)] {
            let opened = proving.verifier.open_handle(subject, purpose, handle).map(drop);
            assert_eq!(opened, Err(REFUSED));
            assert_eq!(proving.verifier.open_link(subject, purpose, token).map(drop), Err(REFUSED));
        }
        // The record is that of the link, and of the code.
        let link = proving.verifier.open_link(&subject(), purpose, token).unwrap();
        let opened = proving.verifier.open_handle(&subject(), purpose, handle).unwrap();
        let foreign = AddressProof::new(&other, address(Proving::ADDRESS));
        let verifier = proving.verifier.clone();
        for step in [
            verifier.verify_link(foreign.clone(), &link, Some(&opened), proving.now),
            verifier.verify_code(foreign.clone(), &opened, &letter.code, proving.now),
        ] {
            assert!(!step.writes());
            let denial = step.commit(|_| Ok::<_, ()>(Swap::Stored)).unwrap().done().unwrap().into_parts().0;
            assert_eq!(denial.unwrap_err(), Denial::WrongRecord);
        }
    }
}

#[test]
fn every_symbol_of_a_link_and_of_a_handle_counts() {
    let mut proving = proving();
    let asked = proving.ask(ProofPurpose::Reset);
    let (letter, swaps) = (proving.letter(), proving.swaps);
    let (handle, token) = (asked.oob_code.expose(), letter.token.expose());
    for place in 0..token.len() {
        let step = proving.link_step(ProofPurpose::Reset, &changed(token, place), None);
        let denial = step.and_then(|step| proving.run(step));
        assert_eq!(denial.unwrap_err(), REFUSED, "{place}");
    }
    for place in 0..handle.len() {
        let opened = proving.verifier.open_handle(&subject(), ProofPurpose::Reset, &changed(handle, place));
        assert_eq!(opened.map(drop), Err(REFUSED), "{place}");
    }
    for place in 0..20 {
        let mut digits = letter.code.expose().as_bytes().to_vec();
        digits[place] = b'0' + (digits[place] - b'0' + 1) % 10;
        let code = BindingCode::parse(std::str::from_utf8(&digits).unwrap()).unwrap();
        assert_eq!(proving.code(ProofPurpose::Reset, &asked, &code).unwrap_err(), REFUSED, "{place}");
    }
    assert_eq!(proving.swaps, swaps);
    assert!(proving.link(ProofPurpose::Reset, &letter.token, None).is_ok());
}

#[test]
fn a_link_and_a_code_live_until_their_deadline_and_no_longer() {
    for purpose in PURPOSES {
        for by_link in [true, false] {
            for (early, right) in [(1, true), (0, false)] {
                let mut proving = proving();
                let asked = proving.ask(purpose);
                let letter = proving.letter();
                // Another browser asks later, so that the handle outlives the link.
                proving.pass(60);
                let later = proving.ask(purpose);
                proving.now = asked.expires - Duration::milliseconds(early);
                let proven = if by_link {
                    proving.link(purpose, &letter.token, Some(&later))
                } else {
                    proving.code(purpose, &asked, &letter.code)
                };
                assert_eq!(proven.is_ok(), right, "{purpose:?} {by_link} {early}");
            }
        }
    }
}

/// An outsider repeats all of it without end, and writes nothing but what was charged.
#[test]
fn nothing_but_a_charged_message_is_written() {
    let mut proving = proving();
    let asked = proving.ask(ProofPurpose::Reset);
    let letter = proving.letter();
    let stored = proving.record.clone();
    // An ask is charged, and is silent when the messages are used up.
    for _ in 0..100 {
        proving.ask(ProofPurpose::Reset);
    }
    assert_eq!((proving.swaps, proving.letters.len()), (5, 5));
    assert_eq!(proving.audits.last().unwrap().denial, Some("too_many_sends"));
    assert_ne!(proving.record, stored);
    let stored = proving.record.clone();
    for _ in 0..100 {
        proving.code(ProofPurpose::Reset, &asked, &wrong(&letter.code)).unwrap_err();
        let forged = changed(letter.token.expose(), 97);
        let step = proving.link_step(ProofPurpose::Reset, &forged, None);
        step.and_then(|step| proving.run(step)).unwrap_err();
        proving.link(ProofPurpose::Confirm, &letter.token, None).unwrap_err();
    }
    assert_eq!((proving.swaps, &proving.record), (5, &stored));
    let audit = proving.audits.last().unwrap();
    assert_eq!((audit.denial, audit.evaluated), (Some("invalid_address_proof"), true));
    // The budget of one purpose is not that of the other.
    proving.ask(ProofPurpose::Confirm);
    assert_eq!((proving.swaps, proving.letters.len()), (6, 6));
    // What the owner holds works after all of it.
    assert!(proving.link(ProofPurpose::Reset, &letter.token, None).is_ok());
}

#[test]
fn messages_are_bounded_at_once_and_in_the_long_run() {
    for purpose in PURPOSES {
        let mut proving = proving();
        for _ in 0..10 {
            proving.ask(purpose);
        }
        assert_eq!(proving.letters.len(), 5);
        proving.pass(59);
        proving.ask(purpose);
        assert_eq!(proving.letters.len(), 5);
        proving.pass(1);
        proving.ask(purpose);
        assert_eq!(proving.letters.len(), 6);
        for _ in 0..24 * 60 {
            proving.pass(60);
            proving.ask(purpose);
        }
        assert_eq!(proving.letters.len(), 20 + 20, "twenty at once, and one each 72 minutes of the day");
    }
    // Either rate is enough to refuse.
    for (send, long) in [(Rate::new(1, Duration::HOUR), 9), (Rate::new(9, Duration::HOUR), 1)] {
        let mut proving = Proving::new(policy(|settings| {
            settings.send_bucket = send;
            settings.long_send_budget = Rate::new(long, Duration::HOUR);
        }));
        for _ in 0..3 {
            proving.ask(ProofPurpose::Reset);
        }
        assert_eq!(proving.letters.len(), 1);
        proving.pass(3_600);
        proving.ask(ProofPurpose::Reset);
        assert_eq!(proving.letters.len(), 2);
    }
}

/// What a stranger does as soon as a message is to be had: asks for it, and answers wrongly.
fn attack(proving: &mut Proving, purpose: ProofPurpose) {
    let asked = proving.ask(purpose);
    let guess = BindingCode::parse("12345678901234567890").unwrap();
    assert_eq!(proving.code(purpose, &asked, &guess).unwrap_err(), REFUSED);
}

/// Whether the owner, who asks in a browser of their own at this minute, holds a link that works or is sent one.
fn owner_gets_through(proving: &Proving, purpose: ProofPurpose, entropy: &Entropy) -> bool {
    let step = proving.verifier.ask(proving.record.clone(), purpose, proving.now, entropy);
    let (sent, mut record) = (step.writes(), proving.record.clone());
    let outcome = step
        .commit(|write| {
            record = write.record;
            Ok::<_, ()>(Swap::Stored)
        })
        .unwrap()
        .done()
        .unwrap();
    let (asked, effects) = outcome.into_parts();
    let fresh = effects.into_iter().find_map(|effect| match effect {
        Effect::Send(message) => message.content.link().map(|(token, _)| token.clone()),
        _ => None,
    });
    assert_eq!(fresh.is_some(), sent);
    let token = fresh.unwrap_or_else(|| proving.letter().token);
    let handle = proving.verifier.open_handle(&subject(), purpose, asked.unwrap().oob_code.expose()).unwrap();
    let link = proving.verifier.open_link(&subject(), purpose, token.expose()).unwrap();
    let step = proving.verifier.verify_link(record, &link, Some(&handle), proving.now);
    step.commit(|_| Ok::<_, ()>(Swap::Stored)).unwrap().done().unwrap().into_parts().0.is_ok()
}

/// L6: a stranger's asks and wrong answers kept the owner out from day 4 on, and disabled the address on day 20.
#[test]
fn l06_a_stranger_of_sixty_days_keeps_the_owner_from_nothing() {
    for purpose in PURPOSES {
        let mut proving = proving();
        let mut rng = ChaCha20Rng::seed_from_u64(6);
        for minute in 0..60 * 24 * 60_u32 {
            // Divides the interval of the messages: the stranger is the first to ask for each.
            if minute % 4 == 0 {
                attack(&mut proving, purpose);
            }
            if minute % 13 == 0 {
                let entropy = entropy(&mut rng);
                assert!(owner_gets_through(&proving, purpose, &entropy), "{purpose:?}, minute {minute}");
            }
            proving.pass(60);
        }
        assert!(proving.letters.len() > 1_000, "{} messages", proving.letters.len());
        assert_eq!(proving.swaps as usize, proving.letters.len(), "nothing else was written");
    }
}

/// What somebody sees who asks: the answer, without the text that is drawn.
fn shape(asked: &Asked, now: OffsetDateTime) -> impl Debug + PartialEq + use<> {
    (asked.oob_code.expose().len(), asked.expires - now)
}

#[test]
fn an_address_that_nobody_has_cannot_be_told_from_one_that_somebody_has() {
    for purpose in PURPOSES {
        let (mut known, mut absent) = (proving(), Proving::absent());
        for _ in 0..50 {
            let (there, nowhere) = (known.ask(purpose), absent.ask(purpose));
            assert_eq!(shape(&there, known.now), shape(&nowhere, absent.now));
            let guess = BindingCode::parse("12345678901234567890").unwrap();
            let denials =
                [&mut known, &mut absent].map(|proving| proving.code(purpose, &there, &guess).unwrap_err());
            assert_eq!(denials, [REFUSED; 2]);
            let denials =
                [&mut known, &mut absent].map(|proving| proving.code(purpose, &nowhere, &guess).unwrap_err());
            assert_eq!(denials, [REFUSED; 2]);
        }
        // Not even a link that is right for the address proves it for nobody.
        let (token, handle) = (known.letter().token, known.ask(purpose));
        assert_eq!(absent.link(purpose, &token, Some(&handle)).unwrap_err(), REFUSED);
        assert_eq!((absent.swaps, absent.letters.len(), absent.outbox.len()), (0, 0, 0));
        assert_eq!(absent.record, AddressProof::absent(&subject()));
        assert_eq!(absent.audits[0].denial, Some("absent_address"));
        let evaluated = absent.audits.iter().filter(|audit| audit.evaluated).count();
        assert_eq!(evaluated, 50 * 2 + 1, "the same is computed and compared");
    }
}

/// A host answers before it looks at a record: the answer is of the request alone, whatever the record and however often
/// the step is taken.
#[test]
fn the_answer_is_the_same_before_any_record_is_looked_at() {
    let mut proving = proving();
    proving.ask(ProofPurpose::Reset);
    let fresh = AddressProof::new(&subject(), address("other@example.com"));
    for purpose in PURPOSES {
        let entropy = entropy(&mut proving.rng);
        let before = proving.verifier.asked(&subject(), purpose, proving.now, &entropy);
        for record in [proving.record.clone(), fresh.clone(), AddressProof::absent(&subject())] {
            let step = proving.verifier.ask(record, purpose, proving.now, &entropy);
            let outcome = step.commit(|_| Ok::<_, ()>(Swap::Stored)).unwrap().done().unwrap();
            let asked = outcome.into_parts().0.unwrap();
            assert_eq!((asked.oob_code.expose(), asked.expires), (before.oob_code.expose(), before.expires));
        }
        let other = Entropy::from_bytes([1; 32]);
        let asked = proving.verifier.asked(&subject(), purpose, proving.now, &other);
        assert_ne!(asked.oob_code.expose(), before.oob_code.expose());
    }
}

fn link_descriptor(proving: &Proving) -> LinkDescriptor {
    let Some(Descriptor::Link(descriptor)) = proving.outbox.last() else { panic!("no message was promised") };
    descriptor.clone()
}

#[test]
fn a_message_is_rendered_from_the_outbox_as_long_as_it_is_worth_sending() {
    let mut proving = proving();
    proving.ask(ProofPurpose::Reset);
    let (sent, descriptor) = (proving.letter(), link_descriptor(&proving));
    assert_eq!(proving.outbox[0].id(), sent.message.id);
    assert_eq!(proving.outbox[0].subject(), &subject());
    let stored: LinkDescriptor = serde_json::from_str(&serde_json::to_string(&descriptor).unwrap()).unwrap();
    let render = |proving: &Proving, record: &AddressProof, now| {
        let effect = proving.verifier.render(record, &stored, now)?;
        let Effect::Send(message) = effect else { panic!("{effect:?}") };
        Ok(message)
    };
    let message = render(&proving, &proving.record, proving.now).unwrap();
    let (token, code) = message.content.link().unwrap();
    assert_eq!((token.expose(), code.expose()), (sent.token.expose(), sent.code.expose()));
    assert_eq!(
        (message.id, &message.to, message.expires),
        (sent.message.id, &sent.message.to, sent.message.expires)
    );
    assert_eq!(message.destination_key, sent.message.destination_key);

    let expires = sent.message.expires;
    assert!(render(&proving, &proving.record, expires - Duration::MILLISECOND).is_ok());
    let late = render(&proving, &proving.record, expires);
    assert_eq!(late.map(drop), Err(RenderError::NotLive));
    let moved = proving.record.clone().for_address(&address("other@example.com"));
    assert_eq!(render(&proving, &moved, proving.now).map(drop), Err(RenderError::NotLive));
    let foreign = AddressProof::new(&Subject::new("user-2").unwrap(), address(Proving::ADDRESS));
    assert_eq!(render(&proving, &foreign, proving.now).map(drop), Err(RenderError::WrongRecord));
    let absent = AddressProof::absent(&subject());
    assert_eq!(render(&proving, &absent, proving.now).map(drop), Err(RenderError::NotLive));
    let ring = KeyRing::new("tests", Key::new(&[9; 32]).unwrap(), Key::new(&[0x22; 32]).unwrap()).unwrap();
    proving.verifier = AddressVerifier::new(ring, ProofPolicy::default());
    assert_eq!(render(&proving, &proving.record, proving.now).map(drop), Err(RenderError::KeyUnknown));
    proving.verifier = AddressVerifier::new(keys(), ProofPolicy::default());
    assert!(proving.link(ProofPurpose::Reset, &sent.token, None).is_ok());
    let used = render(&proving, &proving.record, proving.now);
    assert_eq!(used.map(drop), Err(RenderError::NotLive));

    // It belongs to another kind of record than an account.
    let accounts = countersign::Verifier::new(keys(), countersign::Policy::default());
    let account = countersign::Account::new(&subject());
    let rendered = accounts.render(&account, &proving.outbox[0], proving.now);
    assert_eq!(rendered.map(drop), Err(RenderError::WrongRecord));
}

/// A leaked key is of no use once it is retired: what claims to be of a later time is refused, link and handle alike.
#[test]
fn what_a_retired_key_made_later_is_refused() {
    let switched = START + Duration::minutes(1);
    let ring = || {
        let new = KeyRing::new("tests", Key::new(&[0x33; 32]).unwrap(), Key::new(&[0x22; 32]).unwrap());
        new.unwrap().retired_transient(Key::new(&[0x11; 32]).unwrap(), switched).unwrap()
    };
    for (wait, right) in [(60, true), (61, false)] {
        let mut proving = proving();
        proving.pass(wait);
        let asked = proving.ask(ProofPurpose::Confirm);
        let letter = proving.letter();
        let opened = (
            proving.verifier.open_handle(&subject(), ProofPurpose::Confirm, asked.oob_code.expose()).unwrap(),
            proving.verifier.open_link(&subject(), ProofPurpose::Confirm, letter.token.expose()).unwrap(),
        );
        let descriptor = link_descriptor(&proving);
        proving.verifier = AddressVerifier::new(ring(), ProofPolicy::default());
        let verifier = &proving.verifier;
        assert_eq!(
            verifier.open_handle(&subject(), ProofPurpose::Confirm, asked.oob_code.expose()).is_ok(),
            right
        );
        assert_eq!(
            verifier.open_link(&subject(), ProofPurpose::Confirm, letter.token.expose()).is_ok(),
            right
        );
        // What another ring opened does not get through this one.
        let step = verifier.verify_link(proving.record.clone(), &opened.1, Some(&opened.0), proving.now);
        assert_eq!(step.writes(), right);
        let step = verifier.verify_code(proving.record.clone(), &opened.0, &letter.code, proving.now);
        assert_eq!(step.writes(), right);
        assert_eq!(verifier.render(&proving.record, &descriptor, proving.now).is_ok(), right);
    }
}

#[test]
fn a_record_takes_the_address_that_the_host_knows() {
    let mut proving = proving();
    let asked = proving.ask(ProofPurpose::Reset);
    let letter = proving.letter();
    let (same, other) = (address(Proving::ADDRESS), address("other@example.com"));
    assert_eq!(proving.record.clone().for_address(&same), proving.record);
    // Another address: what was sent to the former one is dead, also when it comes back, and its messages stay charged.
    let moved = proving.record.clone().for_address(&other);
    assert_eq!(moved.address(), Some(&other));
    assert_eq!(moved.revision(), proving.record.revision());
    let back = moved.clone().for_address(&same);
    let verifier = proving.verifier.clone();
    let handle = verifier.open_handle(&subject(), ProofPurpose::Reset, asked.oob_code.expose()).unwrap();
    for record in [moved.clone(), back] {
        assert!(!verifier.verify_code(record, &handle, &letter.code, proving.now).writes());
    }
    proving.record = moved;
    for _ in 0..9 {
        proving.ask(ProofPurpose::Reset);
    }
    assert_eq!(proving.letters.len(), 5);
    assert_eq!(proving.letter().message.to, Destination::Email(other.clone()));
    // What `drive` makes for a subject that has none becomes the record of the address.
    let made = AddressProof::absent(&subject()).for_address(&other);
    assert_eq!((made.address(), made.subject(), made.revision().get()), (Some(&other), &subject(), 0));
    assert_eq!(AddressProof::absent(&subject()).address(), None);
    assert_eq!(AddressProof::new(&subject(), same.clone()).address(), Some(&same));
}

#[test]
fn a_row_may_go_once_nothing_of_it_is_live_or_charged() {
    for purpose in PURPOSES {
        let mut proving = proving();
        assert!(AddressProof::absent(&subject()).is_idle(START));
        for _ in 0..5 {
            proving.ask(purpose);
        }
        let day = proving.now + Duration::hours(24);
        assert!(!proving.record.is_idle(day - Duration::MILLISECOND), "a link may be live");
        assert!(proving.record.is_idle(day));
        // Twenty messages are given back one each 72 minutes, which is 24 hours; a charge later than that is missing.
        for _ in 0..40 {
            proving.pass(60);
            proving.ask(purpose);
        }
        assert_eq!(proving.letters.len(), 20);
        let full = START + Duration::minutes(20 * 72);
        let updated = OffsetDateTime::from_unix_timestamp_nanos(
            i128::from(json(&proving.record)["updated"].as_u64().unwrap()) * 1_000_000,
        );
        let idle = (updated.unwrap() + Duration::hours(24)).max(full);
        assert!(proving.record.is_idle(idle));
        assert!(!proving.record.is_idle(idle - Duration::MILLISECOND));
    }
    // Each budget is looked at by itself: one that a clock far ahead had charged keeps the row.
    for (purpose, bucket) in
        [("confirm", "send"), ("confirm", "long_send"), ("reset", "send"), ("reset", "long_send")]
    {
        let mut proving = proving();
        proving.ask(ProofPurpose::Reset);
        let later = START + Duration::days(30);
        let edited = countersign_testkit::edited(&proving.record, |stored| {
            stored["sends"][purpose][bucket] = (millis(later) + 1).into();
        });
        let edited = edited.unwrap();
        assert!(!edited.is_idle(later), "{purpose} {bucket}");
        assert!(edited.is_idle(later + Duration::MILLISECOND));
    }
}

#[test]
fn a_new_row_draws_its_revision_and_its_seed_and_keeps_the_seed() {
    let ask = |record: AddressProof, byte| {
        let verifier = proving().verifier;
        let step = verifier.ask(record, ProofPurpose::Reset, START, &Entropy::from_bytes([byte; 32]));
        let (write, _) = step.into_parts();
        write.unwrap()
    };
    let fresh = || AddressProof::new(&subject(), address(Proving::ADDRESS));
    let (one, two) = (ask(fresh(), 1), ask(fresh(), 2));
    assert_eq!((one.expected, two.expected), (None, None));
    assert_ne!(one.record.revision().get(), 0);
    assert_ne!(one.record.revision(), two.record.revision());
    assert_ne!(json(&one.record)["seed"], json(&two.record)["seed"]);
    let zeros = "AAAAAAAAAAAAAAAAAAAAAA";
    assert_ne!(json(&one.record)["seed"], zeros);
    let revision = one.record.revision();
    let seed = json(&one.record)["seed"].clone();
    let next = ask(one.record, 3);
    assert_eq!((next.expected, next.revision().get()), (Some(revision), revision.get() + 1));
    assert_eq!(json(&next.record)["seed"], seed);
}

/// A MAC over length-prefixed fields.
fn mac(key: &[u8], fields: &[&[u8]]) -> [u8; 16] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    for field in fields {
        mac.update(&u32::try_from(field.len()).unwrap().to_be_bytes());
        mac.update(field);
    }
    *mac.finalize().into_bytes().first_chunk().unwrap()
}

/// Bytes as a record has them.
fn base64url(bytes: &[u8]) -> serde_json::Value {
    let symbols = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let bits: Vec<u8> = bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1)).collect();
    let value = |bits: &[u8]| {
        (0..6).fold(0_usize, |sum, place| sum << 1 | usize::from(*bits.get(place).unwrap_or(&0)))
    };
    bits.chunks(6).map(|bits| char::from(symbols[value(bits)])).collect::<String>().into()
}

/// What is drawn, and the id of the message, are those of the published derivations (`tests/vectors`).
#[test]
fn ids_and_seeds_hang_on_the_request_and_on_the_subject() {
    for name in ["user-1", "user-2"] {
        let name = Subject::new(name).unwrap();
        let proving = proving();
        let record = AddressProof::new(&name, address(Proving::ADDRESS));
        let step = proving.verifier.ask(record, ProofPurpose::Reset, START, &Entropy::from_bytes([7; 32]));
        let (write, sealed) = step.into_parts();
        let write = write.unwrap();
        let drawn = |label: &[u8], count: u32| {
            mac(&[7; 32], &[b"ask", name.as_str().as_bytes(), &[0; 8], label, &count.to_be_bytes()])
        };
        let stored = serde_json::to_value(&write.outbox[0]).unwrap()["link"].take();
        let id = drawn(b"proof", 0);
        assert_eq!(stored["stamp"]["proof"], base64url(&id));
        assert_eq!(json(&write.record)["seed"], base64url(&drawn(b"seed", 1)));
        let (issued, deadline) = (millis(START), millis(START + Duration::hours(2)));
        assert_eq!(
            (&stored["stamp"]["issued"], &stored["stamp"]["deadline"]),
            (&issued.into(), &deadline.into())
        );

        let mut hash = Sha256::new();
        for field in [&b"countersign/v1/effect"[..], name.as_str().as_bytes(), b"link-email", &id, b""] {
            hash.update(u32::try_from(field.len()).unwrap().to_be_bytes());
            hash.update(field);
        }
        assert_eq!(stored["id"], base64url(&hash.finalize()[..16]));

        // A message to one mailbox has one key, whatever it is about.
        let outcome = sealed.open(Swap::Stored).done().unwrap();
        let [Effect::Send(mail)] = outcome.effects() else { panic!("one message") };
        let mut world = World::new(countersign::Policy::default());
        world.enroll(Proving::ADDRESS);
        assert_eq!(mail.destination_key, world.mail().destination_key);
    }
}
