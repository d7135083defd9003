//! `record`: stored bytes. They load or are refused, without a panic and without allocating beyond their length; what
//! loads saves and loads the same in both forms, and is of the current version; and no command panics on it, whatever
//! it says.
//!
//! The first byte chooses the form. Plain forms take the rest as the stored bytes; the edited ones change a valid
//! record as the rest says, which reaches far behind the checks on reading.

use std::{fmt::Debug, sync::LazyLock};

use countersign::{
    Account, BindingCode, ChallengeRequest, Effect, Policy, Session, Verifier,
    address_proof::{AddressProof, AddressVerifier, ProofPolicy, ProofPurpose},
    code::RecoveryCode,
    effect::{DeliveryReport, Descriptor},
    record::StoredVersion,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use time::Duration;

use crate::{
    allocations::bounded,
    fixture::{START, address, client, elevated, first_factor, ring, rng, store, verifier},
    seeds,
};

/// A stored list may weigh more than its spelling: an empty entry of a list takes some bytes, and its room some
/// hundred.
const BOUND: (usize, usize) = (64, 65_536);

/// Played once: it is the same every time.
static JOURNEY: LazyLock<(Vec<Account>, seeds::Known)> = LazyLock::new(seeds::journey);

pub fn check(data: &[u8]) {
    let [form, rest @ ..] = data else { return };
    match form % 7 {
        0 => loaded(versioned(json::<Account>(rest), json(rest)), drive),
        1 => loaded(versioned(postcard::<Account>(rest), postcard(rest)), drive),
        2 => loaded(versioned(json::<AddressProof>(rest), json(rest)), drive_proof),
        3 => loaded(versioned(postcard::<AddressProof>(rest), postcard(rest)), drive_proof),
        4 => loaded(json::<Descriptor>(rest), |_| ()),
        5 => {
            if let Some(bytes) = edited_postcard(rest) {
                loaded(postcard::<Account>(&bytes), drive);
            }
        }
        _ => {
            if let Some(bytes) = edited_json(rest) {
                loaded(json::<Account>(&bytes), drive);
            }
        }
    }
}

fn json<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    bounded(bytes.len(), BOUND, || serde_json::from_slice(bytes).ok())
}

fn postcard<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    bounded(bytes.len(), BOUND, || postcard::from_bytes(bytes).ok())
}

/// The version alone is read of whatever a record is read of, and is then the current one.
fn versioned<T>(record: Option<T>, version: Option<StoredVersion>) -> Option<T> {
    assert!(record.is_none() || version == Some(StoredVersion::CURRENT), "{version:?}");
    record
}

fn loaded<T: Serialize + DeserializeOwned + PartialEq + Debug>(record: Option<T>, drive: impl FnOnce(T)) {
    let Some(record) = record else { return };
    round_trips(&record);
    drive(record);
}

/// What is saved loads, in both forms, and is what was saved.
fn round_trips<T: Serialize + DeserializeOwned + PartialEq + Debug>(record: &T) {
    let text = serde_json::to_vec(record).unwrap();
    assert_eq!(&serde_json::from_slice::<T>(&text).expect("what was saved loads from JSON"), record);
    let bytes = ::postcard::to_stdvec(record).unwrap();
    assert_eq!(&::postcard::from_bytes::<T>(&bytes).expect("what was saved loads from postcard"), record);
}

/// A valid record of the seeds, chosen by the first byte.
fn template(choice: u8) -> Account {
    let (records, _) = &*JOURNEY;
    records[usize::from(choice) % records.len()].clone()
}

/// Sets bytes of a valid record: each edit is a place (two bytes) and a value.
fn edited_postcard(data: &[u8]) -> Option<Vec<u8>> {
    let [choice, edits @ ..] = data else { return None };
    let mut bytes = ::postcard::to_stdvec(&template(*choice)).unwrap();
    for edit in edits.chunks_exact(3).take(16) {
        let place = usize::from(u16::from_le_bytes([edit[0], edit[1]])) % bytes.len();
        bytes[place] = edit[2];
    }
    Some(bytes)
}

/// Edits the leaves of a valid record: each edit is a leaf (two bytes), what to do with it, and by how much.
fn edited_json(data: &[u8]) -> Option<Vec<u8>> {
    let [choice, edits @ ..] = data else { return None };
    let mut record = serde_json::to_value(template(*choice)).unwrap();
    for edit in edits.chunks_exact(4).take(16) {
        let mut leaves = Vec::new();
        collect(&mut record, &mut leaves);
        let chosen = usize::from(u16::from_le_bytes([edit[0], edit[1]])) % leaves.len();
        let donor = leaves[usize::from(edit[3]) % leaves.len()].clone();
        let leaf = leaves.swap_remove(chosen);
        let by = u64::from(edit[3]);
        *leaf = match (edit[2] % 8, leaf.as_u64()) {
            (0, Some(number)) => Value::from(number.saturating_add(by)),
            (1, Some(number)) => Value::from(number.saturating_sub(by)),
            (2, Some(_)) => Value::from(by),
            (3, Some(_)) => Value::from(u64::MAX - by),
            (4, Some(number)) => Value::from(number ^ (1 << (by % 64))),
            (5, _) => Value::Null,
            (6, _) => Value::Bool(by & 1 == 1),
            _ => donor,
        };
    }
    Some(serde_json::to_vec(&record).unwrap())
}

fn collect<'a>(value: &'a mut Value, leaves: &mut Vec<&'a mut Value>) {
    match value {
        Value::Array(list) => list.iter_mut().for_each(|entry| collect(entry, leaves)),
        Value::Object(fields) => fields.values_mut().for_each(|entry| collect(entry, leaves)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => leaves.push(value),
    }
}

/// Every command, by every kind of session, at several times; after each the record must still load.
fn drive(record: Account) {
    // One policy and one time an input: a pair is drawn from the record itself, so that an input always gives the same.
    let sum =
        ::postcard::to_stdvec(&record).unwrap().iter().fold(0_usize, |sum, byte| sum + usize::from(*byte));
    let policy = [Policy::default(), Policy::strict(), Policy::auth0()][sum % 3].clone();
    let moments = [0, 61, 400, 90_000].map(|after| START + Duration::seconds(after));
    let now = moments.get(sum / 3 % 5).copied().unwrap_or(time::OffsetDateTime::UNIX_EPOCH);
    drive_at(&verifier(policy), record, now);
}

fn drive_at(verifier: &Verifier, mut record: Account, now: time::OffsetDateTime) {
    let mut rng = rng(9);
    let first_factor = first_factor(verifier, &record);
    // A record that was edited to another tenant's takes nobody.
    let Ok(begun) = verifier.begin(first_factor, &record, now, &crate::fixture::entropy(&mut rng)) else {
        let step = verifier.unlock(record, now);
        return assert!(!step.writes());
    };
    let first = verifier.open(begun.token.expose(), Some(&client()), now).unwrap();
    let elevated = elevated(&record, 1, now);
    let (_, known) = &*JOURNEY;
    let code = BindingCode::parse("000000").unwrap();
    let recovery = RecoveryCode::parse("222222222222222222222222").unwrap();

    let before = record.clone();
    let _ = (
        verifier.stale_keys(&record),
        verifier.locked_until(&record, countersign::record::Lane::Unknown, now),
    );
    let first_factor = crate::fixture::first_factor(verifier, &record);
    let begun = verifier.begin(first_factor, &record, now, &crate::fixture::entropy(&mut rng)).unwrap();
    let on_device = known.devices.iter().map(|token| verifier.recognize(begun.session.clone(), token));
    let on_device: Vec<Session> = on_device.collect();
    for session in [&first, &elevated].into_iter().chain(&known.sessions).chain(&on_device) {
        let _ = verifier.authenticators(session, &record, now);
        let _ = verifier.devices(session, &record, now);
        let _ = verifier.lane(session, &record, now);
        let _ = verifier.requirements(session, &record, now);
    }
    assert_eq!(record, before);
    for descriptor in &known.outbox {
        let _ = verifier.render(&record, descriptor, now);
    }

    // The seeds' own sessions and handles answer challenges that an edit left alive.
    for (session, text) in known.sessions.iter().zip(&known.handles) {
        if let Ok(handle) = verifier.open_oob_code(session, text) {
            for code in known.codes.iter().chain([&code]) {
                let drawn = crate::fixture::entropy(&mut rng);
                run(&mut record, |record| {
                    verifier.verify_oob(session, record, &handle, code, now, Some(&drawn))
                });
            }
            run(&mut record, |record| verifier.cancel(session, record, &handle, now));
        }
    }
    for session in [&first, &elevated].into_iter().chain(&on_device) {
        let challenge = run(&mut record, |record| {
            verifier.challenge(
                session,
                record,
                &ChallengeRequest::default(),
                now,
                &crate::fixture::entropy(&mut rng),
            )
        });
        let associate = run(&mut record, |record| {
            verifier.associate(session, record, &address(3).into(), now, &crate::fixture::entropy(&mut rng))
        });
        let asked = challenge.iter().filter_map(|answer| answer.prompt.sent());
        for sent in asked.chain(associate.iter().filter_map(|answer| answer.setup.sent())) {
            answer(verifier, session, &mut record, sent.oob_code.expose(), &code, now);
        }
        run(&mut record, |record| verifier.verify_recovery(session, record, &recovery, now));
        for code in &known.recovery {
            run(&mut record, |record| verifier.verify_recovery(session, record, code, now));
        }
    }
    for session in &on_device {
        run(&mut record, |record| verifier.verify_device(session, record, now));
    }
    run(&mut record, |record| {
        verifier.regenerate_recovery_codes(&elevated, record, now, &crate::fixture::entropy(&mut rng))
    });
    run(&mut record, |record| {
        verifier.provision(record, &address(2).into(), now, &crate::fixture::entropy(&mut rng))
    });
    run(&mut record, |record| verifier.deprovision(record, &address(2).into(), now));
    for message in &known.mails {
        run(&mut record, |record| verifier.report_delivery(record, *message, DeliveryReport::Failed, now));
    }
    run(&mut record, |record| verifier.unlock(record, now));
    let devices: Vec<_> = record.devices().iter().map(|known| known.id()).collect();
    for (place, id) in devices.into_iter().enumerate() {
        if place % 2 == 0 {
            run(&mut record, |record| verifier.forget(&elevated, record, id, now));
        } else {
            run(&mut record, |record| verifier.forget_device(record, id, now));
        }
    }
    let ids: Vec<_> = record.authenticators().iter().map(|known| known.id()).collect();
    for id in ids {
        run(&mut record, |record| verifier.remove(&elevated, record, id, now));
    }
    run(&mut record, |record| verifier.revoke_sessions(record, now));
    run(&mut record, |record| verifier.reset(record, now));
}

fn answer(
    verifier: &Verifier,
    session: &Session,
    record: &mut Account,
    oob_code: &str,
    code: &BindingCode,
    now: time::OffsetDateTime,
) {
    let handle = verifier.open_oob_code(session, oob_code).expect("its own handle opens");
    run(record, |record| verifier.verify_oob(session, record, &handle, code, now, None));
}

/// One command: a step that writes leaves a record that loads.
fn run<T>(record: &mut Account, command: impl FnOnce(Account) -> countersign::Step<T>) -> Option<T> {
    let step = command(record.clone());
    let writes = step.writes();
    let outcome = store(record, step);
    if writes {
        round_trips(record);
    }
    outcome.into_parts().0.ok()
}

fn drive_proof(mut record: AddressProof) {
    let verifier = AddressVerifier::new(ring("fuzz"), ProofPolicy::default());
    let mut rng = rng(9);
    let code = BindingCode::parse("00000000000000000000").unwrap();
    for after in [0, 31, 400, 90_000] {
        let now = START + Duration::seconds(after);
        for purpose in [ProofPurpose::Confirm, ProofPurpose::Reset] {
            let step = verifier.ask(record.clone(), purpose, now, &crate::fixture::entropy(&mut rng));
            let (asked, effects) = store(&mut record, step).into_parts();
            round_trips(&record);
            let handle = asked.expect("an ask is never denied").oob_code;
            let handle = verifier.open_handle(record.subject(), purpose, handle.expose()).unwrap();
            let step = verifier.verify_code(record.clone(), &handle, &code, now);
            let _ = store(&mut record, step);
            for effect in effects {
                let Effect::Send(mail) = effect else { continue };
                let (token, _) = mail.content.link().expect("a link");
                let link = verifier.open_link(record.subject(), purpose, token.expose()).unwrap();
                let step = verifier.verify_link(record.clone(), &link, Some(&handle), now);
                let proven = store(&mut record, step).into_parts().0;
                assert!(proven.is_ok(), "what was sent proves the address, whatever the record says");
            }
            round_trips(&record);
        }
        let _ = record.is_idle(now);
        record = record.for_address(&address(u8::from(after == 31)));
        round_trips(&record);
    }
}
