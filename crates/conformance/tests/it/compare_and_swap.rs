//! Stores that fail with one caller: their writes to one row are wrong without any concurrency.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{
        Mutex,
        atomic::{AtomicU32, Ordering},
    },
};

use countersign::{Account, Subject, Swap, Write};
use countersign_conformance::{Check, Concurrency, Kit, Violation};
use serde_json::Value;

use super::stores::{FEW, NOW, Rows, caught, holds, run, violations};

#[test]
fn the_last_write_wins() {
    let rows = Rows::default();
    let swap = |write: Write| {
        let subject = write.record.subject().clone();
        rows.outbox
            .lock()
            .unwrap()
            .extend(write.outbox.into_iter().map(|message| (subject.clone(), message)));
        rows.put(write.record);
        Ok(Swap::Stored)
    };
    let report = rows.kit(swap).outbox(|subject| rows.messages(subject)).run(&run(), NOW);
    let words = ["a write over a revision that was gone was answered Stored"];
    caught(&report, Check::Outbox, None, Violation::StaleCopyWins, &words);
    caught(
        &report,
        Check::Outbox,
        None,
        Violation::Altered,
        &["a stored message cannot be derived from the record"],
    );
    caught(
        &report,
        Check::StaleCopy,
        None,
        Violation::UpdateInserts,
        &["a row that is not there was answered Stored"],
    );
    caught(&report, Check::Insert, None, Violation::InsertOverwrites, &["ON CONFLICT DO NOTHING"]);
    let words = ["one code of otp-app signed in twice", "one code of otp-device signed in twice"];
    caught(&report, Check::Otp, None, Violation::LimitBroken, &words);
    caught(&report, Check::Otp, None, Violation::StaleCopyWins, &[]);
    for concurrency in [Some(Concurrency::Threads), Some(Concurrency::Tasks)] {
        caught(
            &report,
            Check::Swap,
            concurrency,
            Violation::TwoWinners,
            &["of 8 writes over one revision at once 8 were"],
        );
        let words =
            ["were revealed where there were 5 attempts", "WHERE subject = ? AND revision = EXPECTED"];
        caught(&report, Check::Guesses, concurrency, Violation::LimitBroken, &words);
        caught(
            &report,
            Check::Answers,
            concurrency,
            Violation::LimitBroken,
            &["the right code was taken 8 times"],
        );
        caught(&report, Check::Recovery, concurrency, Violation::LimitBroken, &["a recovery code was taken"]);
        caught(&report, Check::Otp, concurrency, Violation::LimitBroken, &[]);
        let words = ["beside resends", "messages were sent within one cool-down"];
        caught(&report, Check::Resends, concurrency, Violation::LimitBroken, &words);
    }
}

#[test]
fn only_updates_are_unconditional() {
    let rows = Rows::default();
    let swap = |write: Write| {
        let there = rows.rows.lock().unwrap().contains_key(write.record.subject());
        if there != write.expected.is_some() {
            return Ok(Swap::Lost);
        }
        rows.put(write.record);
        Ok(Swap::Stored)
    };
    let report = rows.kit(swap).run(&run(), NOW);
    let words = ["was answered Stored when the row had", "The last write must not win"];
    caught(&report, Check::StaleCopy, None, Violation::StaleCopyWins, &words);
    caught(&report, Check::DeletedRow, None, Violation::StaleCopyWins, &[]);
    assert_eq!(violations(&report, Check::Insert, None), []);
}

#[test]
fn an_insert_overwrites() {
    let rows = Rows::default();
    let swap = |write: Write| {
        if write.expected.is_some() {
            return rows.swap(write);
        }
        rows.put(write.record);
        Ok(Swap::Stored)
    };
    let report = rows.kit(swap).run(&run(), NOW);
    caught(
        &report,
        Check::Insert,
        None,
        Violation::InsertOverwrites,
        &["a second insert", "never an upsert"],
    );
    caught(
        &report,
        Check::Insert,
        Some(Concurrency::Tasks),
        Violation::TwoWinners,
        &["of 8 inserts of one subject at once 8"],
    );
    assert_eq!(violations(&report, Check::StaleCopy, None), []);
}

#[test]
fn an_update_inserts() {
    let rows = Rows::default();
    let swap = |write: Write| {
        if write.expected.is_some() && !rows.rows.lock().unwrap().contains_key(write.record.subject()) {
            rows.put(write.record);
            return Ok(Swap::Stored);
        }
        rows.swap(write)
    };
    let report = rows.kit(swap).run(&run(), NOW);
    caught(&report, Check::StaleCopy, None, Violation::UpdateInserts, &["update and never insert"]);
    caught(&report, Check::DeletedRow, None, Violation::UpdateInserts, &["a copy of the deleted record"]);
    assert_eq!(violations(&report, Check::Insert, None), []);
}

#[test]
fn the_rows_of_an_update_are_not_counted() {
    // What an update of no row makes is nothing, and it is answered as if it were something.
    let rows = Rows::default();
    let swap = |write: Write| {
        let there = rows.rows.lock().unwrap().contains_key(write.record.subject());
        if there || write.expected.is_none() { rows.swap(write) } else { Ok(Swap::Stored) }
    };
    let report = rows.kit(swap).run(&run(), NOW);
    let words = ["a write over a row that is not there was answered Stored and made none"];
    caught(&report, Check::StaleCopy, None, Violation::UpdateInserts, &words);
    caught(&report, Check::DeletedRow, None, Violation::UpdateInserts, &[" was answered Stored"]);
}

#[test]
fn a_burst_has_two_winners_or_keeps_a_loser() {
    /// What a burst's later writes over the revision that the first one had are answered.
    fn report(of: impl Fn(u32) -> (bool, Swap) + Send + Sync) -> countersign_conformance::Report {
        let (rows, won) = (Rows::default(), Mutex::new((None, 0)));
        let swap = |write: Write| {
            if write.expected.is_none() || !write.record.subject().as_str().ends_with("-burst") {
                return rows.swap(write);
            }
            let mut won = won.lock().unwrap();
            if won.0 != write.expected {
                *won = (write.expected, 0);
                return rows.swap(write);
            }
            won.1 += 1;
            let (written, answer) = of(won.1);
            if written {
                rows.put(write.record);
            }
            Ok(answer)
        };
        rows.kit(swap).run(&run(), NOW)
    }
    for concurrency in [Some(Concurrency::Threads), Some(Concurrency::Tasks)] {
        let two = report(|later| if later == 1 { (true, Swap::Stored) } else { (false, Swap::Lost) });
        let words = ["of 8 writes over one revision at once 2 were answered Stored"];
        caught(&two, Check::Swap, concurrency, Violation::TwoWinners, &words);
        assert_eq!(
            two.findings().filter(|finding| finding.violation != Violation::TwoWinners).count(),
            0,
            "{two}"
        );
        let kept = report(|later| (later == 7, Swap::Lost));
        caught(&kept, Check::Swap, concurrency, Violation::LostButWritten, &["and is what a load gives"]);
    }
}

#[test]
fn a_deleted_row_is_still_read() {
    let rows = Rows::default();
    let kit = Kit::new(|subject| rows.load(subject), |write| rows.swap(write));
    let report = kit.delete(|_| Ok::<_, Infallible>(())).rounds(FEW).run(&run(), NOW);
    caught(
        &report,
        Check::DeletedRow,
        None,
        Violation::StaleRead,
        &["was deleted, and a load gave a record"],
    );
}

#[test]
fn a_delete_that_fails_is_reported_with_what_it_left() {
    let rows = Rows::default();
    let kit = Kit::new(|subject| rows.load(subject), |write| rows.swap(write));
    let report = kit.delete(|_| Err::<(), _>("no right to delete")).rounds(FEW).run(&run(), NOW);
    caught(&report, Check::DeletedRow, None, Violation::StoreFails, &["a delete failed: no right to delete"]);
    assert!(report.left_behind.is_some() && !report.subjects.is_empty());
}

#[test]
fn a_write_is_answered_lost_and_is_there() {
    let rows = Rows::default();
    let swap = |write: Write| {
        let stored = rows.expects(&write);
        rows.put(write.record);
        Ok(if stored { Swap::Stored } else { Swap::Lost })
    };
    let report = rows.kit(swap).run(&run(), NOW);
    let words = ["was answered Lost, and is what a load gives", "Answer Lost only when nothing was written"];
    caught(&report, Check::Insert, None, Violation::LostButWritten, &words);
    caught(&report, Check::StaleCopy, None, Violation::LostButWritten, &[]);
}

#[test]
fn a_write_is_there_and_is_answered_lost() {
    let rows = Rows::default();
    // As with a driver that counts a statement's rows only if it returns some.
    let swap = |write: Write| {
        let update = write.expected.is_some();
        rows.swap(write).map(|answer| if update { Swap::Lost } else { answer })
    };
    let report = rows.kit(swap).run(&run(), NOW);
    caught(
        &report,
        Check::StaleCopy,
        None,
        Violation::NeverStored,
        &["an uncontended write over the revision"],
    );
    caught(
        &report,
        Check::Guesses,
        Some(Concurrency::Threads),
        Violation::LostButWritten,
        &["which is more"],
    );
}

#[test]
fn nothing_is_ever_stored() {
    let rows = Rows::default();
    let report = rows.kit(|_| Ok(Swap::Lost)).run(&run(), NOW);
    caught(
        &report,
        Check::Insert,
        None,
        Violation::NeverStored,
        &["the first insert of", "was answered Lost"],
    );
    let report = rows.kit(|_| Ok(Swap::Stored)).run(&run(), NOW);
    caught(
        &report,
        Check::Insert,
        None,
        Violation::Vanished,
        &["was answered Stored, and there is no record"],
    );
}

#[test]
fn contended_writes_are_never_stored() {
    let rows = Rows::default();
    let swap = |write: Write| {
        let contended = write.expected.is_some() && write.record.subject().as_str().ends_with("-burst");
        if contended { Ok(Swap::Lost) } else { rows.swap(write) }
    };
    let report = rows.kit(swap).run(&run(), NOW);
    let words = ["of 8 writes over one revision at once none was answered Stored"];
    for concurrency in [Some(Concurrency::Threads), Some(Concurrency::Tasks)] {
        caught(&report, Check::Swap, concurrency, Violation::NeverStored, &words);
    }
}

/// A report on a store whose writes of some kind are seen once, in the transaction that made them, and never committed.
fn report_with_uncommitted(lost: impl Fn(&Value) -> bool + Send + Sync) -> countersign_conformance::Report {
    let rows = Rows::default();
    let pending: Mutex<BTreeMap<Subject, Account>> = Mutex::default();
    let load = |subject: &Subject| match pending.lock().unwrap().remove(subject) {
        Some(seen) => Ok(Some(seen)),
        None => rows.load(subject),
    };
    let swap = |write: Write| {
        if write.expected.is_none() || !lost(&body(&write.record)) {
            return rows.swap(write);
        }
        if !rows.expects(&write) {
            return Ok(Swap::Lost);
        }
        pending.lock().unwrap().insert(write.record.subject().clone(), write.record);
        Ok(Swap::Stored)
    };
    Kit::new(load, swap).rounds(FEW).run(&run(), NOW)
}

/// What is stored of a record, below the version.
fn body(record: &Account) -> Value {
    serde_json::to_value(record).unwrap()["v1"].take()
}

fn spent(record: &Value) -> bool {
    record["transactions"].as_array().unwrap().iter().any(|entry| !entry["spent"].is_null())
}

fn recovered(record: &Value) -> bool {
    !record["recovery"].is_null() && !record["recovery"]["spent"].as_array().unwrap().is_empty()
}

#[test]
fn a_write_is_seen_once_and_never_committed() {
    let report = report_with_uncommitted(|_| false);
    assert!(report.passed(), "{report}");

    let wrong = |record: &Value| record["authenticators"][0]["failures"]["unknown"].as_u64() > Some(0);
    let report = report_with_uncommitted(wrong);
    let words = [
        "a wrong code that should leave 3 attempts was answered Err(InvalidBindingCode { attempts_left: 4 })",
    ];
    caught(&report, Check::DeniedStep, None, Violation::Vanished, &words);
    let words = ["after 5 wrong codes the right one was answered Ok"];
    caught(&report, Check::DeniedStep, None, Violation::LimitBroken, &words);

    let report = report_with_uncommitted(|record| spent(record) && !recovered(record));
    let words = ["a code that was used before the crash was answered Ok"];
    caught(&report, Check::Crash, None, Violation::Vanished, &words);

    let report = report_with_uncommitted(recovered);
    let words = ["a recovery code that was used before the crash was answered Ok"];
    caught(&report, Check::Crash, None, Violation::Vanished, &words);

    let sent = |record: &Value| !record["challenges"].as_array().unwrap().is_empty();
    let report = report_with_uncommitted(sent);
    let words = ["the message of a stored write cannot be derived from the record"];
    caught(&report, Check::Crash, None, Violation::Vanished, &words);
}

#[test]
fn a_used_recovery_code_comes_back() {
    let rows = Rows::default();
    let swap = |write: Write| {
        let kept = write.expected.is_none() || !recovered(&body(&write.record));
        if kept || !rows.expects(&write) { rows.swap(write) } else { Ok(Swap::Stored) }
    };
    let report = rows.kit(swap).run(&run(), NOW);
    let words = [
        "a recovery code was taken 8 times and issued 2 tokens",
        "one of 3 recovery codes was used, and 3 are left",
    ];
    caught(&report, Check::Recovery, Some(Concurrency::Tasks), Violation::LimitBroken, &words);
}

#[test]
fn some_writes_vanish() {
    let rows = Rows::default();
    let count = AtomicU32::new(0);
    let swap = |write: Write| {
        let vanishes = count.fetch_add(1, Ordering::Relaxed) % 7 == 6;
        if vanishes && rows.expects(&write) { Ok(Swap::Stored) } else { rows.swap(write) }
    };
    let report = rows.kit(swap).run(&run(), NOW);
    let words = ["and that is what the store has", "Answer Stored after the commit"];
    caught(&report, Check::Reads, None, Violation::Vanished, &words);
}

#[test]
fn a_load_gives_another_users_record() {
    let rows = Rows::default();
    let load = |_: &Subject| Ok::<_, Infallible>(rows.rows.lock().unwrap().values().next().cloned());
    let report = Kit::new(load, |write| rows.swap(write)).rounds(FEW).run(&run(), NOW);
    caught(&report, Check::Reads, None, Violation::LooseSubject, &["gave the record of"]);
}

#[test]
fn a_rollback_hides_behind_the_answer() {
    // The record goes into the transaction of the request, and that is rolled back if a code was wrong.
    let rows = Rows::default();
    let failures = |account: &Account| account.authenticators().first().map_or(0, |known| known.failures());
    let swap = |write: Write| {
        let mut table = rows.rows.lock().unwrap();
        if !holds(&table, &write) {
            return Ok(Swap::Lost);
        }
        let before = table.get(write.record.subject()).map_or(u8::MAX, failures);
        if failures(&write.record) <= before {
            table.insert(write.record.subject().clone(), write.record);
        }
        Ok(Swap::Stored)
    };
    let report = rows.kit(swap).run(&run(), NOW);
    let words = ["and that is what the store has", "a refusal is a result to store"];
    caught(&report, Check::DeniedStep, None, Violation::Vanished, &words);
    let revealed = ["8 verdicts on wrong codes were revealed where there were 5 attempts"];
    caught(&report, Check::Guesses, Some(Concurrency::Tasks), Violation::LimitBroken, &revealed);
    for check in [Check::Insert, Check::StaleCopy, Check::Reads, Check::Crash] {
        assert_eq!(violations(&report, check, None), [], "{check}");
    }
}
