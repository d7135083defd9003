//! The records that the kit tries: they hold everything that a store could lose.

use std::collections::{BTreeMap, BTreeSet};

use countersign::{Account, Subject};
use countersign_conformance::Kit;
use serde_json::Value;

use super::stores::{FEW, NOW, Rows, run};

/// The records that a run of the kit left in a right store, by the names that follow the run's prefix.
fn left() -> BTreeMap<String, Value> {
    let (rows, run) = (Rows::default(), run());
    let report = Kit::new(|subject| rows.load(subject), |write| rows.swap(write)).rounds(FEW).run(&run, NOW);
    assert!(report.passed(), "{report}");
    let prefix = run.prefix();
    let rows = rows.rows.into_inner().unwrap();
    let named = rows.iter().map(|(subject, record)| {
        let name = subject.as_str().strip_prefix(&prefix).unwrap();
        (name.to_owned(), serde_json::to_value(record).unwrap()["v1"].take())
    });
    named.collect()
}

fn list<'a>(record: &'a Value, name: &str) -> &'a [Value] {
    record[name].as_array().unwrap()
}

/// The names of the states that the elements of a list are in.
fn states(elements: &[Value], field: &str) -> BTreeSet<String> {
    let name = |state: &Value| match state {
        Value::Object(fields) => fields.keys().next().unwrap().clone(),
        name => name.as_str().unwrap().to_owned(),
    };
    elements.iter().map(|element| name(&element[field])).collect()
}

fn numbers(elements: &[Value], field: &str) -> BTreeSet<u64> {
    elements.iter().map(|element| element[field].as_u64().unwrap()).collect()
}

#[test]
fn authenticators_challenges_and_codes_of_every_kind_are_tried() {
    let left = left();
    let usual = &left["shape-usual"];
    let authenticators = list(usual, "authenticators");
    let enrollments = states(authenticators, "enrollment");
    assert!(enrollments.iter().eq(["active", "disabled", "unconfirmed"]), "{enrollments:?}");
    assert_eq!(states(authenticators, "origin").len(), 2);
    let addresses = authenticators.iter().map(|known| known["factor"]["email"]["address"].as_str().unwrap());
    assert!(addresses.clone().all(|address| address.len() > 200), "long, in bytes");
    assert!(addresses.clone().any(|address| address.contains('ö')));
    assert!(addresses.clone().any(|address| address.contains('\'')), "what SQL quotes with");
    let keys = list(&usual["recovery"], "live").iter().map(|code| code["key_id"].as_str().unwrap());
    assert_eq!(keys.collect::<BTreeSet<_>>().len(), 10, "a key for each");

    let (subject, largest) = left.iter().find(|(subject, _)| subject.starts_with("shape-widest")).unwrap();
    let whole = subject.len() + run().prefix().len();
    assert!((Subject::MAX_BYTES - 5..=Subject::MAX_BYTES).contains(&whole), "{whole} bytes");
    let challenges = states(list(largest, "challenges"), "state");
    assert!(
        challenges.iter().eq(["cancelled", "exhausted", "expired", "pending", "verified"]),
        "{challenges:?}"
    );
    let attempts = numbers(list(largest, "transactions"), "recovery_attempts");
    assert!(attempts.into_iter().eq(0..=5));
    for (kind, accepted) in [("totp", "last_step"), ("hotp", "last_counter")] {
        let of_kind = |known: &&Value| known["factor"].get(kind).is_some();
        let known: Vec<_> = list(largest, "authenticators").iter().filter(of_kind).cloned().collect();
        let states = states(&known, "enrollment");
        assert!(states.iter().eq(["active", "disabled", "unconfirmed"]), "{kind} {states:?}");
        let exact = known.iter().filter_map(|known| known["factor"][kind][accepted].as_u64());
        assert!(exact.clone().count() > 1 && exact.clone().all(|number| number > 1 << 53), "{kind}");
        assert!(known.iter().any(|known| known["factor"][kind][accepted].is_null()), "{kind}");
    }
}

/// Reads a record as a store does.
fn read(fields: Value) -> Result<Account, serde_json::Error> {
    serde_json::from_value(serde_json::json!({ "v1": fields }))
}

#[test]
fn the_largest_record_is_as_large_as_the_stored_form_allows() {
    let left = left();
    let (_, largest) = left.iter().find(|(subject, _)| subject.starts_with("shape-widest")).unwrap();
    assert!(read(largest.clone()).is_ok());
    for list in ["/authenticators", "/transactions", "/challenges", "/recovery/live"] {
        let mut larger = largest.clone();
        let elements = larger.pointer_mut(list).unwrap().as_array_mut().unwrap();
        elements.push(elements.last().unwrap().clone());
        let error = read(larger).unwrap_err().to_string();
        assert!(error.contains("a list has more than"), "{list}: {error}");
    }
    let edited = |path: &str, number: u64| {
        let mut edited = largest.clone();
        *edited.pointer_mut(path).unwrap() = number.into();
        read(edited)
    };
    for path in [
        "/authenticators/0/failures/unknown",
        "/authenticators/0/failures/known",
        "/transactions/0/pairs/0/attempts_left",
        "/transactions/5/recovery_attempts",
    ] {
        let most = largest.pointer(path).unwrap().as_u64().unwrap();
        assert!(edited(path, most).is_ok() && edited(path, most + 1).is_err(), "{path} {most}");
    }
}
