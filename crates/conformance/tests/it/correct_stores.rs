//! Correct stores of every kind: the kit finds nothing, and reports what it could not check.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    num::NonZeroU16,
    sync::{Arc, Mutex, RwLock},
};

use countersign::{Account, Subject, Swap, Write};
use countersign_conformance::{
    AsyncKit, Check, Concurrency, Kit, ParsePartialReportError, ParseRunIdError, PartialReport, RunId,
    Verdict, Violation,
};

use super::{
    steps::request,
    stores::{FEW, NOW, Rows, caught, holds, run},
};

#[test]
fn a_store_with_everything_passes_every_check_and_is_left_empty() {
    let rows = Rows::default();
    let run = run();
    let kit = rows.kit(|write| rows.swap(write)).outbox(|subject| rows.messages(subject));
    let report = kit.request(|asked| request(&rows, asked, |_| true)).run(&run, NOW);
    assert!(report.passed() && report.is_complete(), "{report}");
    assert_eq!(report.findings().count(), 0);
    // Each check ran in each way, and each made an observation.
    let ways: Vec<_> = report.checks.iter().map(|checked| (checked.check, checked.concurrency)).collect();
    let in_each_way = |check| {
        [None, Some(Concurrency::Threads), Some(Concurrency::Tasks)].map(|concurrency| (check, concurrency))
    };
    let expected = [
        &in_each_way(Check::Insert)[..],
        &in_each_way(Check::Swap)[1..],
        &[(Check::StaleCopy, None), (Check::DeletedRow, None)],
        &in_each_way(Check::Reads),
        &[(Check::Records, None), (Check::Subjects, None), (Check::DeniedStep, None)],
        &in_each_way(Check::DeniedRequest),
        &[(Check::Crash, None)],
        &in_each_way(Check::Outbox),
        &in_each_way(Check::Guesses)[1..],
        &in_each_way(Check::Answers)[1..],
        &in_each_way(Check::Recovery)[1..],
        &in_each_way(Check::Resends)[1..],
        &in_each_way(Check::Otp),
    ];
    assert_eq!(ways, expected.concat());
    for checked in &report.checks {
        assert!(matches!(checked.verdict, Verdict::Passed { observations: 1.. }), "{checked:?}");
    }
    assert!(report.loads > 500 && report.swaps > 300, "{report}");
    assert!(report.loads < 8_000 && report.swaps < 8_000, "nobody waits for other processes: {report}");
    assert!(report.subjects.is_empty() && report.left_behind.is_none());
    assert!(rows.rows.lock().unwrap().is_empty() && rows.outbox.lock().unwrap().is_empty());
}

#[test]
fn two_closures_are_enough_and_the_rest_is_reported() {
    let rows: RwLock<BTreeMap<Subject, Account>> = RwLock::default();
    let load = |subject: &Subject| Ok::<_, Infallible>(rows.read().unwrap().get(subject).cloned());
    let swap = |write: Write| {
        let mut rows = rows.write().unwrap();
        let stored = holds(&rows, &write);
        if stored {
            rows.insert(write.record.subject().clone(), write.record);
        }
        Ok::<_, Infallible>(if stored { Swap::Stored } else { Swap::Lost })
    };
    let run = run();
    let report = Kit::new(load, swap).rounds(FEW).run(&run, NOW);
    assert!(report.passed() && !report.is_complete(), "{report}");
    let not_run: Vec<_> = report.not_run().map(|checked| checked.check).collect();
    assert_eq!(not_run, [Check::DeletedRow, Check::DeniedRequest, Check::Outbox]);
    assert!(report.to_string().contains("effects happen at most once"));
    // The report lists all of them for a cleanup by hand.
    let written: Vec<_> = rows.read().unwrap().keys().cloned().collect();
    assert!(written.iter().all(|subject| report.subjects.contains(subject)));
    assert!(written.iter().all(|subject| subject.as_str().starts_with(&run.prefix())));
    assert!(report.to_string().contains(&run.prefix()));
    // The same run again would find what it left.
    let report = Kit::new(load, swap).rounds(FEW).run(&run, NOW);
    caught(&report, Check::Insert, None, Violation::RunReused, &["before the run began", "Draw a new id"]);
    caught(&report, Check::DeniedStep, None, Violation::RunReused, &[]);
}

#[test]
fn more_rounds_look_longer() {
    for rounds in [1, 13] {
        let (rows, run) = (Rows::default(), run());
        let stored: Mutex<BTreeMap<String, u64>> = Mutex::default();
        let swap = |write: Write| {
            let name = write.record.subject().as_str().strip_prefix(&run.prefix()).unwrap().to_owned();
            let answer = rows.swap(write)?;
            *stored.lock().unwrap().entry(name).or_default() += u64::from(answer == Swap::Stored);
            Ok(answer)
        };
        let kit = rows.kit(swap).outbox(|subject| rows.messages(subject));
        let report = kit.rounds(NonZeroU16::new(rounds).unwrap()).run(&run, NOW);
        assert!(report.passed(), "{report}");
        let stored = stored.into_inner().unwrap();
        let rounds = u64::from(rounds);
        // Beside the first insert.
        assert_eq!(stored["swap-is-atomic-threads-burst"], 1 + rounds, "one of eight");
        assert_eq!(stored["swap-is-atomic-tasks-0"], 1 + 8 * rounds, "each of eight");
        assert_eq!(stored["reads"], 4 * rounds);
        assert_eq!(stored["outbox-is-atomic-tasks"], 1 + rounds.min(12));
    }
}

#[test]
fn what_the_kit_takes_and_gives_can_be_shown() {
    let rows = Rows::default();
    let kit = rows.kit(|write| rows.swap(write));
    assert_eq!(format!("{kit:?}"), "Kit { rounds: 3, .. }");
    assert_eq!(format!("{:?}", self::kit(&Arc::new(Rows::default()))), "AsyncKit { rounds: 3, .. }");
    assert_eq!("".parse::<RunId>().unwrap_err().to_string(), ParseRunIdError.to_string());
    assert_eq!(ParseRunIdError.to_string(), "the id of a run has 32 hexadecimal digits, in lower case");
    assert_eq!(
        ParsePartialReportError.to_string(),
        "the text is not the whole partial report of one process"
    );
    assert!("".parse::<PartialReport>().is_err());

    let report = rows.kit(|_| Ok(Swap::Lost)).run(&run(), NOW);
    let finding = report.findings().next().unwrap();
    assert_eq!(finding.to_string(), format!("{}. {}", finding.observed, finding.violation.fix()));
    let text = report.to_string();
    assert!(text.contains(&format!("observed: {}", finding.observed)), "{text}");
    // A fix is printed once for all findings that need it, and for no other.
    let insert = text.split("FAILED  ").nth(1).unwrap();
    assert_eq!(insert.matches("fix: ").count(), 1, "{insert}");
    assert!(!text.contains("records are left"), "{text}");
}

#[test]
fn a_run_id_is_parsed_as_it_is_printed_and_a_participant_is_one_of_several() {
    let run = run();
    assert_eq!(run.to_string().parse(), Ok(run.clone()));
    for bad in ["", "0", &"0".repeat(31), &"0".repeat(33), &"A".repeat(32), &"+".repeat(32)] {
        assert!(bad.parse::<RunId>().is_err(), "{bad:?}");
    }
    assert!(run.participant(0, 2).is_some() && run.participant(1, 2).is_some());
    assert!(
        run.participant(2, 2).is_none() && run.participant(0, 1).is_none() && run.participant(0, 0).is_none()
    );
}

/// A store that waits on each side of what it does.
async fn slow<T>(answer: impl FnOnce() -> T) -> T {
    tokio::task::yield_now().await;
    let answer = answer();
    tokio::task::yield_now().await;
    answer
}

fn kit(rows: &Arc<Rows>) -> AsyncKit<'static> {
    let owned = || Arc::clone(rows);
    let (load, swap, delete, outbox) = (owned(), owned(), owned(), owned());
    let kit = AsyncKit::new(
        move |subject| {
            let rows = Arc::clone(&load);
            async move { slow(|| rows.load(&subject)).await }
        },
        move |write| {
            let rows = Arc::clone(&swap);
            async move { slow(|| rows.swap(write)).await }
        },
    );
    kit.rounds(FEW)
        .delete(move |subject| {
            let rows = Arc::clone(&delete);
            async move { slow(|| rows.delete(&subject)).await }
        })
        .outbox(move |subject| {
            let rows = Arc::clone(&outbox);
            async move { slow(|| rows.messages(&subject)).await }
        })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_asynchronous_store_passes_on_an_executor_of_several_threads() {
    let rows = Arc::new(Rows::default());
    let request_rows = Arc::clone(&rows);
    let spawn = |task| {
        tokio::spawn(task);
    };
    let kit = kit(&rows).spawn(spawn).request(move |asked| {
        let rows = Arc::clone(&request_rows);
        async move { slow(|| request(&rows, asked, |_| true)).await }
    });
    let report = tokio::spawn(async move { kit.run(&run(), NOW).await }).await.unwrap();
    assert!(report.is_complete(), "{report}");
    assert!(rows.rows.lock().unwrap().is_empty());
}

#[tokio::test]
async fn an_executor_of_one_thread_and_no_spawner_are_enough_for_tasks() {
    let rows = Arc::new(Rows::default());
    let report = kit(&rows).run(&run(), NOW).await;
    assert!(report.passed() && !report.is_complete(), "{report}");
    let in_parallel =
        report.not_run().filter(|checked| checked.concurrency == Some(Concurrency::Threads)).count();
    assert_eq!(in_parallel, 9);
    assert!(report.to_string().contains("faults that show only in parallel stay unknown"));
}

#[tokio::test]
async fn an_asynchronous_store_may_be_borrowed() {
    let rows = Rows::default();
    let rows = &rows;
    let load = |subject: Subject| async move { rows.load(&subject) };
    let swap = |write| async move { rows.swap(write) };
    let report = AsyncKit::new(load, swap).rounds(FEW).run(&run(), NOW).await;
    assert!(report.passed(), "{report}");
}
