//! Stores that fail only under concurrency or replica lag, each made to fail deterministically.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    convert::Infallible,
    sync::{
        Condvar, Mutex, TryLockError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use countersign::{Account, Subject, Swap, Write};
use countersign_conformance::{AsyncKit, Check, Concurrency, Kit, Violation};

use super::stores::{FEW, NOW, Rows, caught, run, violations};

/// Holds a caller until another one comes, for at most 20 milliseconds.
#[derive(Default)]
struct Doorway {
    inside: Mutex<u32>,
    came: Condvar,
}

impl Doorway {
    /// Lets those through at once who are after a record that no threads contend for.
    fn wait_for_company(&self, subject: &Subject) {
        if !subject.as_str().contains("-threads") {
            return;
        }
        let mut inside = self.inside.lock().unwrap();
        *inside += 1;
        self.came.notify_all();
        let alone = |inside: &mut u32| *inside < 2;
        let (mut inside, _) = self.came.wait_timeout_while(inside, Duration::from_millis(20), alone).unwrap();
        *inside -= 1;
    }
}

#[test]
fn the_check_comes_before_the_write_in_threads() {
    let (rows, doorway) = (Rows::default(), Doorway::default());
    let swap = |write: Write| {
        if !rows.expects(&write) {
            return Ok(Swap::Lost);
        }
        doorway.wait_for_company(write.record.subject());
        rows.put(write.record);
        Ok(Swap::Stored)
    };
    let report = rows.kit(swap).run(&run(), NOW);
    let words = [
        "writes over one revision at once",
        "Reading the revision first and writing afterwards leaves a gap",
    ];
    caught(&report, Check::Swap, Some(Concurrency::Threads), Violation::TwoWinners, &words);
    caught(&report, Check::Insert, Some(Concurrency::Threads), Violation::TwoWinners, &[]);
    // One after the other, nothing is wrong with it.
    for check in [Check::Insert, Check::StaleCopy, Check::Reads, Check::DeniedStep] {
        assert_eq!(violations(&report, check, None), [], "{check}");
    }
    assert_eq!(violations(&report, Check::Swap, Some(Concurrency::Tasks)), []);
}

#[tokio::test]
async fn the_check_comes_before_the_write_in_tasks() {
    let rows = Rows::default();
    let rows = &rows;
    let load = |subject: Subject| async move { rows.load(&subject) };
    let swap = |write: Write| async move {
        if !rows.expects(&write) {
            return Ok::<_, Infallible>(Swap::Lost);
        }
        tokio::task::yield_now().await;
        rows.put(write.record);
        Ok(Swap::Stored)
    };
    let report = AsyncKit::new(load, swap).rounds(FEW).run(&run(), NOW).await;
    let words = ["of 8 writes over one revision at once 8 were answered Stored"];
    caught(&report, Check::Swap, Some(Concurrency::Tasks), Violation::TwoWinners, &words);
    let revealed = [
        "8 verdicts on wrong codes were revealed where there were 5 attempts",
        "those left after each wrong code were [4, 4, 4, 4, 4, 4, 4, 4]",
        "the record counts 1 wrong codes where there were 5 attempts",
    ];
    caught(&report, Check::Guesses, Some(Concurrency::Tasks), Violation::LimitBroken, &revealed);
    caught(
        &report,
        Check::Guesses,
        Some(Concurrency::Tasks),
        Violation::TwoWinners,
        &["two writes over revision"],
    );
    caught(&report, Check::Answers, Some(Concurrency::Tasks), Violation::LimitBroken, &[]);
    let words = ["the right code was taken 8 times and issued 2 tokens"];
    caught(&report, Check::Otp, Some(Concurrency::Tasks), Violation::LimitBroken, &words);
    assert_eq!(violations(&report, Check::Otp, None), []);
    assert_eq!(violations(&report, Check::StaleCopy, None), []);
}

#[test]
fn a_replica_lags_one_write_behind() {
    let rows = Rows::default();
    let replica: Mutex<BTreeMap<Subject, Option<Account>>> = Mutex::default();
    let load =
        |subject: &Subject| Ok::<_, Infallible>(replica.lock().unwrap().get(subject).cloned().flatten());
    let swap = |write: Write| {
        let before = rows.load(write.record.subject())?;
        replica.lock().unwrap().insert(write.record.subject().clone(), before);
        rows.swap(write)
    };
    let report = Kit::new(load, swap).rounds(FEW).run(&run(), NOW);
    caught(
        &report,
        Check::Reads,
        None,
        Violation::Vanished,
        &["was answered Stored, and there is no record"],
    );
    assert!(!report.passed());
}

#[test]
fn a_replica_lags_behind_updates() {
    let rows = Rows::default();
    let replica: Mutex<BTreeMap<Subject, Account>> = Mutex::default();
    let load = |subject: &Subject| Ok::<_, Infallible>(replica.lock().unwrap().get(subject).cloned());
    let swap = |write: Write| {
        let (subject, record) = (write.record.subject().clone(), write.record.clone());
        let before = rows.load(&subject)?;
        let answer = rows.swap(write)?;
        if answer == Swap::Stored {
            replica.lock().unwrap().insert(subject, before.unwrap_or(record));
        }
        Ok::<_, Infallible>(answer)
    };
    let report = Kit::new(load, swap).rounds(FEW).run(&run(), NOW);
    let words = ["a load gave revision", "Load from the primary", "no read replica"];
    caught(&report, Check::Reads, None, Violation::StaleRead, &words);
    caught(
        &report,
        Check::Guesses,
        Some(Concurrency::Threads),
        Violation::NeverStored,
        &["a replica or a cache that lags"],
    );
    assert_eq!(violations(&report, Check::Insert, None), []);
}

#[tokio::test]
async fn loads_take_turns_between_the_primary_and_a_replica() {
    let (primary, replica) = (Rows::default(), Rows::default());
    let (primary, replica) = (&primary, &replica);
    let turn = &AtomicU32::new(0);
    let load = |subject: Subject| async move {
        let odd = turn.fetch_add(1, Ordering::Relaxed) % 2 == 1;
        if odd { replica.load(&subject) } else { primary.load(&subject) }
    };
    // A write is answered when the replica has it.
    let swap = |write: Write| async move {
        let record = write.record.clone();
        let answer = primary.swap(write)?;
        if answer == Swap::Stored {
            for _ in 0..8 {
                tokio::task::yield_now().await;
            }
            replica.put(record);
        }
        Ok::<_, Infallible>(answer)
    };
    let report = AsyncKit::new(load, swap).rounds(FEW).run(&run(), NOW).await;
    let words = ["and a later one from the same place gave write 0"];
    caught(&report, Check::Reads, Some(Concurrency::Tasks), Violation::StaleRead, &words);
    assert_eq!(violations(&report, Check::Reads, None), []);
}

#[test]
fn each_thread_has_a_cache() {
    thread_local! {
        static CACHE: RefCell<BTreeMap<Subject, Account>> = RefCell::default();
    }
    let rows = Rows::default();
    let load = |subject: &Subject| {
        if let Some(kept) = CACHE.with_borrow(|cache| cache.get(subject).cloned()) {
            return Ok(Some(kept));
        }
        let loaded = rows.load(subject)?;
        if let Some(account) = &loaded {
            CACHE.with_borrow_mut(|cache| cache.insert(subject.clone(), account.clone()));
        }
        Ok::<_, Infallible>(loaded)
    };
    // A thread's own writes go through its cache, and a lost one empties it.
    let swap = |write: Write| {
        let (subject, record) = (write.record.subject().clone(), write.record.clone());
        let answer = rows.swap(write)?;
        CACHE.with_borrow_mut(|cache| match answer {
            Swap::Stored => cache.insert(subject, record),
            Swap::Lost => cache.remove(&subject),
        });
        Ok::<_, Infallible>(answer)
    };
    let report = Kit::new(load, swap).rounds(FEW).run(&run(), NOW);
    let words = [
        "was answered Stored, and a later load from elsewhere gave write 0",
        "no cache (per process, per thread",
    ];
    caught(&report, Check::Reads, Some(Concurrency::Threads), Violation::StaleRead, &words);
    assert_eq!(violations(&report, Check::Reads, None), []);
    assert_eq!(violations(&report, Check::Reads, Some(Concurrency::Tasks)), []);
}

#[test]
fn the_store_gives_up_under_contention() {
    let rows = Rows::default();
    let (busy, doorway) = (Mutex::new(()), Doorway::default());
    let swap = |write: Write| match busy.try_lock() {
        Ok(_held) => {
            doorway.wait_for_company(write.record.subject());
            Ok(rows.swap(write).unwrap())
        }
        Err(TryLockError::WouldBlock) => {
            doorway.wait_for_company(write.record.subject());
            Err("the database is locked")
        }
        Err(TryLockError::Poisoned(_)) => Err("poisoned"),
    };
    let report = Kit::new(|subject| rows.load(subject), swap).rounds(FEW).run(&run(), NOW);
    let words = ["a swap failed: the database is locked", "Under contention a swap waits for its turn"];
    caught(&report, Check::Swap, Some(Concurrency::Threads), Violation::StoreFails, &words);
    assert_eq!(violations(&report, Check::StaleCopy, None), []);
}

#[test]
fn the_store_fails_or_panics() {
    let rows = Rows::default();
    let load = |_: &Subject| Err::<Option<Account>, _>("no connection");
    let report = Kit::new(load, |write| rows.swap(write)).rounds(FEW).run(&run(), NOW);
    caught(&report, Check::Insert, None, Violation::StoreFails, &["a load failed: no connection"]);
    assert!(
        report
            .of(Check::Crash)
            .all(|checked| !matches!(checked.verdict, countersign_conformance::Verdict::Passed { .. }))
    );

    // A thread that panics is reported, and releases the others.
    let rows = Rows::default();
    let home = std::thread::current().id();
    let load = |subject: &Subject| {
        assert_eq!(std::thread::current().id(), home, "only the main thread may load");
        rows.load(subject)
    };
    let report = Kit::new(load, |write| rows.swap(write)).rounds(FEW).run(&run(), NOW);
    caught(
        &report,
        Check::Guesses,
        Some(Concurrency::Threads),
        Violation::StoreFails,
        &["the store panicked"],
    );
    assert_eq!(violations(&report, Check::Guesses, Some(Concurrency::Tasks)), []);
}

#[tokio::test]
async fn a_task_that_is_dropped_is_reported() {
    let rows = Rows::default();
    let rows = &rows;
    let load = |subject: Subject| async move { rows.load(&subject) };
    let swap = |write| async move { rows.swap(write) };
    let report = AsyncKit::new(load, swap).rounds(FEW).spawn(drop).run(&run(), NOW).await;
    caught(
        &report,
        Check::Swap,
        Some(Concurrency::Threads),
        Violation::StoreFails,
        &["a task was dropped before its end"],
    );
    assert_eq!(violations(&report, Check::Swap, Some(Concurrency::Tasks)), []);
}
