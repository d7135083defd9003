//! One run in several processes. Here each is a thread with its own handle to the shared rows: the handle holds what a
//! process would hold in memory.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{
        Condvar, Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    thread,
    time::Duration,
};

use countersign::{Account, Subject, Swap, Write};
use countersign_conformance::{
    AsyncKit, Check, Concurrency, Kit, PartialReport, Participant, Report, RunId, Violation,
};

use super::stores::{FEW, NOW, Rows, caught, run, violations};

/// Plays all parts of a run at once.
fn play(run: &RunId, of: u8, part: impl Fn(Participant) -> PartialReport + Sync) -> Vec<PartialReport> {
    thread::scope(|scope| {
        let part = &part;
        let parts: Vec<_> = (0..of).map(|index| run.participant(index, of).unwrap()).collect();
        let parts: Vec<_> = parts.into_iter().map(|taken| scope.spawn(move || part(taken))).collect();
        parts.into_iter().map(|part| part.join().unwrap()).collect()
    })
}

const PROCESSES: Option<Concurrency> = Some(Concurrency::Processes);

#[test]
fn a_correct_store_passes_in_two_and_in_three_processes() {
    for of in [2, 3] {
        let (rows, run) = (Rows::default(), run());
        let partial_reports = play(&run, of, |part| rows.kit(|write| rows.swap(write)).take_part(&part, NOW));
        let report = PartialReport::judge(&partial_reports);
        assert!(report.is_complete(), "{report}");
        assert!(report.swaps < 8_000, "it ends soon after the processes took turns: {report}");
        assert_eq!(report.run, run);
        let checks: Vec<_> = report.checks.iter().map(|checked| checked.check).collect();
        let races = [Check::Guesses, Check::Answers, Check::Recovery, Check::Resends, Check::Otp];
        assert_eq!(checks, [&[Check::Swap], &races[..]].concat());
        assert!(rows.rows.lock().unwrap().is_empty(), "the first process cleans up");
        // What travels as text is what was seen.
        for partial_report in &partial_reports {
            assert_eq!(partial_report.to_string().parse().as_ref(), Ok(partial_report));
        }
    }
}

#[test]
fn asynchronous_stores_and_clocks_that_differ_pass() {
    let (rows, run) = (Rows::default(), run());
    let rows = &rows;
    let partial_reports = play(&run, 2, |part| {
        let late = part == run.participant(1, 2).unwrap();
        let now = if late { NOW + time::Duration::seconds(50) } else { NOW };
        let load = |subject: Subject| async move { rows.load(&subject) };
        let kit = AsyncKit::new(load, |write| async move { rows.swap(write) }).rounds(FEW);
        let executor = tokio::runtime::Builder::new_current_thread().build().unwrap();
        executor.block_on(kit.take_part(&part, now))
    });
    let report = PartialReport::judge(&partial_reports);
    assert!(report.is_complete(), "{report}");
}

/// A report of two processes: each compares under a lock in its own memory, and writes under the common lock.
fn with_locks_of_their_own() -> Report {
    let (rows, run) = (Rows::default(), run());
    let partial_reports = play(&run, 2, |part| {
        let own = Mutex::new(());
        let swap = |write: Write| {
            let _held = own.lock().unwrap();
            if !rows.expects(&write) {
                return Ok(Swap::Lost);
            }
            // Long enough for the other process to come between.
            thread::sleep(Duration::from_millis(1));
            rows.put(write.record);
            Ok(Swap::Stored)
        };
        rows.kit(swap).take_part(&part, NOW)
    });
    PartialReport::judge(&partial_reports)
}

#[test]
fn a_lock_in_memory_holds_one_process_only() {
    let report = with_locks_of_their_own();
    let words = ["were both answered Stored", "Let the database compare and write in one statement"];
    caught(&report, Check::Swap, PROCESSES, Violation::TwoWinners, &words);
}

#[test]
fn a_cache_in_memory_knows_one_process_only() {
    let (rows, run) = (Rows::default(), run());
    let partial_reports = play(&run, 2, |part| {
        let cache: Mutex<BTreeMap<Subject, Account>> = Mutex::default();
        let load = |subject: &Subject| {
            let mut cache = cache.lock().unwrap();
            if !cache.contains_key(subject) {
                let Some(loaded) = rows.load(subject)? else { return Ok(None) };
                cache.insert(subject.clone(), loaded);
            }
            Ok::<_, Infallible>(cache.get(subject).cloned())
        };
        let swap = |write: Write| {
            let mut cache = cache.lock().unwrap();
            let (subject, record) = (write.record.subject().clone(), write.record.clone());
            let answer = rows.swap(write)?;
            if answer == Swap::Stored {
                cache.insert(subject, record);
            }
            Ok::<_, Infallible>(answer)
        };
        Kit::new(load, swap).rounds(FEW).take_part(&part, NOW)
    });
    let report = PartialReport::judge(&partial_reports);
    caught(
        &report,
        Check::Swap,
        PROCESSES,
        Violation::NeverStored,
        &["Lost", "a cache that lags gives revisions that are gone"],
    );
}

#[test]
fn one_process_reads_a_replica_when_all_are_done() {
    let (rows, run) = (Rows::default(), run());
    let partial_reports = play(&run, 2, |part| {
        let lags = part == run.participant(1, 2).unwrap();
        let first: Mutex<BTreeMap<Subject, Account>> = Mutex::default();
        let load = |subject: &Subject| {
            let loaded = rows.load(subject)?;
            let end = Subject::new(&format!("{}meet-end-1", run.prefix())).unwrap();
            let over = rows.load(&end)?.is_some();
            let mut first = first.lock().unwrap();
            Ok::<_, Infallible>(match loaded {
                Some(account) if lags && subject.as_str().contains("-processes-") => {
                    let kept = first.entry(subject.clone()).or_insert_with(|| account.clone()).clone();
                    Some(if over { kept } else { account })
                }
                loaded => loaded,
            })
        };
        Kit::new(load, |write| rows.swap(write)).rounds(FEW).take_part(&part, NOW)
    });
    let report = PartialReport::judge(&partial_reports);
    let words = ["when all were done, loads gave different records"];
    caught(&report, Check::Guesses, PROCESSES, Violation::StaleRead, &words);
}

#[test]
fn the_last_write_of_any_process_wins() {
    let (rows, run) = (Rows::default(), run());
    let partial_reports = play(&run, 2, |part| {
        let swap = |write: Write| {
            rows.put(write.record);
            Ok(Swap::Stored)
        };
        rows.kit(swap).take_part(&part, NOW)
    });
    let report = PartialReport::judge(&partial_reports);
    caught(
        &report,
        Check::Guesses,
        PROCESSES,
        Violation::LimitBroken,
        &["verdicts on wrong codes were revealed"],
    );
    caught(&report, Check::Answers, PROCESSES, Violation::TwoWinners, &[]);
}

#[test]
fn partial_reports_of_different_runs_are_refused() {
    let (rows, one) = (Rows::default(), run());
    let partial_reports = play(&one, 2, |part| rows.kit(|write| rows.swap(write)).take_part(&part, NOW));
    let two = run();
    let others = play(&two, 2, |part| rows.kit(|write| rows.swap(write)).take_part(&part, NOW));
    let mixed = [partial_reports[0].clone(), others[1].clone()];
    let twice = [partial_reports[0].clone(), partial_reports[0].clone()];
    for wrong in [&[][..], &partial_reports[..1], &mixed, &twice] {
        let report = PartialReport::judge(wrong);
        assert!(!report.passed());
        assert_eq!(violations(&report, Check::Guesses, PROCESSES), [Violation::NotTogether]);
    }
}

#[test]
fn processes_that_run_one_after_the_other_are_reported() {
    // Each finds that the other has been everywhere: neither waits, and their writes do not interleave.
    let (rows, run) = (Rows::default(), run());
    let counted = format!("{}processes-swap-is-atomic-0", run.prefix());
    let stored = AtomicU32::new(0);
    let swap = |write: Write| {
        let counts = write.expected.is_some() && write.record.subject().as_str() == counted;
        let answer = rows.swap(write)?;
        stored.fetch_add(u32::from(counts && answer == Swap::Stored), Ordering::Relaxed);
        Ok::<_, Infallible>(answer)
    };
    let mut writes = Vec::new();
    let load = |subject: &Subject| {
        let name = subject.as_str();
        let flag = ["-0", "-1"].iter().any(|end| name.ends_with(end)) && name.contains("-meet-");
        if flag { Ok::<_, Infallible>(Some(Account::new(subject))) } else { Ok(rows.load(subject).unwrap()) }
    };
    let partial_reports: Vec<_> = (0..2)
        .map(|index| {
            let partial_report =
                Kit::new(load, swap).rounds(FEW).take_part(&run.participant(index, 2).unwrap(), NOW);
            writes.push(stored.swap(0, Ordering::Relaxed));
            partial_report
        })
        .collect();
    // Each of eight writes three rounds; in the first process up to a thousand times more, for another to come between.
    assert!((1_000..=8 * 1_003).contains(&writes[0]) && writes[1] == 8 * 3, "{writes:?}");
    let report = PartialReport::judge(&partial_reports);
    caught(&report, Check::Swap, PROCESSES, Violation::NotTogether, &["each was done before the next began"]);
}

#[test]
fn a_process_continues_until_a_late_one_has_written() {
    let (rows, run) = (Rows::default(), run());
    let (counts, grew) = (Mutex::new(BTreeMap::<Subject, u32>::new()), Condvar::new());
    let gave_up = AtomicBool::new(false);
    let partial_reports = play(&run, 2, |part| {
        let late = part == run.participant(1, 2).unwrap();
        let (rows, counts, grew, gave_up) = (&rows, &counts, &grew, &gave_up);
        let swap = move |write: Write| {
            let subject = write.record.subject().clone();
            if write.expected.is_none() || !subject.as_str().contains("-processes-swap-is-atomic-") {
                return rows.swap(write);
            }
            if late && !gave_up.load(Ordering::Relaxed) {
                // Until the other has more than its rounds.
                let few =
                    |counts: &mut BTreeMap<_, u32>| counts.get(&subject).is_none_or(|count| *count <= 8 * 3);
                let counts = counts.lock().unwrap();
                let waited = grew.wait_timeout_while(counts, Duration::from_secs(20), few).unwrap();
                gave_up.fetch_or(waited.1.timed_out(), Ordering::Relaxed);
            }
            let answer = rows.swap(write)?;
            if !late && answer == Swap::Stored {
                *counts.lock().unwrap().entry(subject).or_default() += 1;
                grew.notify_all();
            }
            Ok(answer)
        };
        rows.kit(swap).take_part(&part, NOW)
    });
    assert!(!gave_up.into_inner());
    let report = PartialReport::judge(&partial_reports);
    assert!(report.is_complete(), "{report}");
    assert!(report.swaps < 16_000, "{report}");
}

#[test]
fn a_scenario_that_failed_is_not_judged_by_what_is_missing_of_it() {
    let (rows, run) = (Rows::default(), run());
    let partial_reports = play(&run, 2, |part| {
        let fails = part == run.participant(1, 2).unwrap();
        let swap = |write: Write| {
            let counts = write.record.subject().as_str().ends_with("-processes-swap-is-atomic-0");
            if fails && counts && write.expected.is_some() {
                return Err("disk full");
            }
            Ok(rows.swap(write).unwrap())
        };
        Kit::new(|subject| rows.load(subject), swap).rounds(FEW).take_part(&part, NOW)
    });
    let report = PartialReport::judge(&partial_reports);
    caught(&report, Check::Swap, PROCESSES, Violation::StoreFails, &["a swap failed: disk full"]);
    assert_eq!(report.findings().count(), 1, "{report}");
}

#[test]
fn a_participant_takes_part_once() {
    let (rows, run) = (Rows::default(), run());
    let kit = || Kit::new(|subject| rows.load(subject), |write| rows.swap(write)).rounds(FEW);
    let partial_reports = play(&run, 2, |part| kit().take_part(&part, NOW));
    assert!(PartialReport::judge(&partial_reports).passed());
    let again = play(&run, 2, |part| kit().take_part(&part, NOW));
    let report = PartialReport::judge(&again);
    caught(&report, Check::Swap, PROCESSES, Violation::RunReused, &["was taken before", "Draw a new id"]);
}

#[test]
fn a_text_that_is_cut_or_changed_is_no_partial_report() {
    let (rows, run) = (Rows::default(), run());
    let partial_reports = play(&run, 2, |part| rows.kit(|write| rows.swap(write)).take_part(&part, NOW));
    let text = partial_reports[0].to_string();
    let lines: Vec<_> = text.lines().collect();
    for count in 0..lines.len() {
        assert!(lines[..count].join("\n").parse::<PartialReport>().is_err(), "{count} lines");
    }
    for (from, to) in [
        ("partial-report 1 ", "partial-report 2 "),
        ("scenario swap", "scenario swop"),
        ("scenario ", "stage "),
        ("\nend\n", "\nende\n"),
    ] {
        assert!(text.contains(from) && text.replace(from, to).parse::<PartialReport>().is_err(), "{to}");
    }
}
