//! Stores that change what they keep: texts, numbers, revisions and subjects.

use std::{collections::BTreeMap, convert::Infallible, sync::Mutex};

use countersign::{Account, Subject, Swap, Write};
use countersign_conformance::{Check, Kit, Violation};
use serde_json::Value;

use super::stores::{FEW, NOW, Rows, caught, run, violations};

/// A store of texts, each spoilt on its way in; what cannot be read any more is an error.
fn report_with_texts(spoil: impl Fn(String) -> String + Send + Sync) -> countersign_conformance::Report {
    let texts: Mutex<BTreeMap<Subject, (u64, String)>> = Mutex::default();
    let load = |subject: &Subject| {
        let texts = texts.lock().unwrap();
        texts.get(subject).map(|(_, text)| serde_json::from_str::<Account>(text)).transpose()
    };
    let swap = |write: Write| {
        let mut texts = texts.lock().unwrap();
        let present = texts.get(write.record.subject()).map(|(revision, _)| *revision);
        if present != write.expected.map(|revision| revision.get()) {
            return Ok::<_, Infallible>(Swap::Lost);
        }
        let text = spoil(serde_json::to_string(&write.record).unwrap());
        texts.insert(write.record.subject().clone(), (write.record.revision().get(), text));
        Ok(Swap::Stored)
    };
    Kit::new(load, swap).rounds(FEW).run(&run(), NOW)
}

fn edited(text: &str, edit: impl Fn(&mut Value)) -> String {
    let mut value: Value = serde_json::from_str(text).unwrap();
    edit(&mut value["v1"]);
    value.to_string()
}

#[test]
fn texts_that_are_kept_pass() {
    let report = report_with_texts(|text| text);
    assert!(report.passed(), "{report}");
}

/// What a reader without 64-bit integers makes of a number.
fn round(value: &mut Value) {
    match value {
        Value::Array(list) => list.iter_mut().for_each(round),
        Value::Object(fields) => fields.values_mut().for_each(round),
        Value::Number(number) => {
            #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            let rounded = (number.as_u64().unwrap() as f64) as u64;
            *value = rounded.into();
        }
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

#[test]
fn numbers_are_rounded_to_doubles() {
    let report = report_with_texts(|text| edited(&text, round));
    assert!(!violations(&report, Check::Records, None).is_empty(), "{report}");
    assert!(!report.passed());
    // The revision has its own column here, but the times are wrong.
    let report = report_with_texts(|text| {
        edited(&text, |record| {
            let revision = record["revision"].clone();
            round(record);
            record["revision"] = revision;
        })
    });
    let words = [
        "a record of extreme times: revision",
        "with other content than it was written with",
        "do not fit a double",
    ];
    caught(&report, Check::Records, None, Violation::Altered, &words);
}

/// What an app or a device adds to a record.
#[test]
fn what_an_app_adds_is_changed() {
    type Spoil = fn(&mut Value);
    let spoils: [(&str, Spoil); 3] = [
        ("otp-app", |totp| totp["last_step"] = Value::Null),
        ("otp-app", |totp| totp["secret"]["derived"]["seed"] = "A".repeat(22).into()),
        ("otp-device", |hotp| hotp["last_counter"] = Value::Null),
    ];
    for (name, spoil) in spoils {
        let spoilt = |record: &mut Value| {
            if record["subject"].as_str().unwrap().ends_with(name) {
                spoil(
                    record["authenticators"][0]["factor"]
                        .as_object_mut()
                        .unwrap()
                        .values_mut()
                        .next()
                        .unwrap(),
                );
            }
        };
        let report = report_with_texts(|text| edited(&text, spoilt));
        let words = [name, "came back with other content than it was written with"];
        caught(&report, Check::Otp, None, Violation::Altered, &words[1..]);
        assert_eq!(violations(&report, Check::Records, None), [], "{name}");
    }
}

#[test]
fn fields_and_texts_are_changed() {
    type Spoil = fn(String) -> String;
    let spoils: [(&str, Spoil); 5] = [
        ("a record of usual size", |text| edited(&text, |record| record["recovery"] = Value::Null)),
        ("a new record", |text| edited(&text, |record| record["updated"] = 0.into())),
        // A column that keeps the address in lower case.
        ("a record of usual size: revision", |text| text.replace('ö', "o")),
        // A column that is too small: the text is not even read any more.
        ("the largest record: a load failed", |text| text.chars().take(32_767).collect()),
        ("a record of extreme times", |text| {
            edited(&text, |record| {
                if record["not_before"].as_u64() > Some(u64::MAX >> 1) {
                    record["not_before"] = Value::Null;
                }
            })
        }),
    ];
    for (words, spoil) in spoils {
        let report = report_with_texts(spoil);
        let found = violations(&report, Check::Records, None);
        let expected = if words.contains("failed") { Violation::StoreFails } else { Violation::Altered };
        assert!(found.contains(&expected), "{words}: {found:?}\n{report}");
        assert!(report.to_string().contains(words), "{words}\n{report}");
    }
}

#[test]
fn revisions_are_compared_inexactly() {
    type Column = fn(u64) -> u64;
    #[allow(clippy::cast_precision_loss)]
    let columns: [Column; 2] =
        [|revision| (revision as f32).to_bits().into(), |revision| revision & 0xffff_ffff];
    for column in columns {
        let rows = Rows::default();
        let swap = |write: Write| {
            let mut rows = rows.rows.lock().unwrap();
            let present = rows.get(write.record.subject()).map(|known| column(known.revision().get()));
            if present != write.expected.map(|revision| column(revision.get())) {
                return Ok(Swap::Lost);
            }
            rows.insert(write.record.subject().clone(), write.record);
            Ok(Swap::Stored)
        };
        let report = rows.kit(swap).run(&run(), NOW);
        caught(
            &report,
            Check::Records,
            None,
            Violation::StaleCopyWins,
            &["was answered Stored when the row had"],
        );
    }
}

#[test]
fn subjects_are_compared_loosely() {
    type Column = fn(&str) -> String;
    let columns: [(&str, Column); 5] = [
        ("differ only in case", str::to_lowercase),
        ("differ only in a space at the end", |text| text.trim_end().to_owned()),
        ("differ only in an accent", |text| text.replace('é', "e")),
        ("differ only in Unicode normalization", |text| text.replace("e\u{301}", "\u{e9}")),
        ("differ only in a ligature or a sharp s", |text| text.replace('ß', "ss")),
    ];
    for (words, column) in columns {
        let rows: Mutex<BTreeMap<String, Account>> = Mutex::default();
        let load = |subject: &Subject| {
            Ok::<_, Infallible>(rows.lock().unwrap().get(&column(subject.as_str())).cloned())
        };
        let swap = |write: Write| {
            let mut rows = rows.lock().unwrap();
            let key = column(write.record.subject().as_str());
            if rows.get(&key).map(Account::revision) != write.expected {
                return Ok::<_, Infallible>(Swap::Lost);
            }
            rows.insert(key, write.record);
            Ok(Swap::Stored)
        };
        let report = Kit::new(load, swap).rounds(FEW).run(&run(), NOW);
        caught(&report, Check::Subjects, None, Violation::LooseSubject, &[words, "a binary collation"]);
        assert_eq!(report.findings().count(), 1, "{report}");
    }
}
