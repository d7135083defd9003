//! The runner: which checks run, with which concurrency, and why some do not run.
//!
//! Every check has a place in each `match` here, so that none can be forgotten. The runner must never judge a result
//! itself.

use std::num::NonZeroU16;

use countersign::time::OffsetDateTime;

use crate::{
    check::{Check, Concurrency},
    checks::{
        compare_and_swap, concurrency, otp,
        scenarios::{self, Scenario},
        steps,
    },
    executor::Executor,
    fault::Finding,
    fixtures::account,
    processes::{self, PartialReport},
    report::{Findings, Report, Verdict},
    run_id::{Participant, RunId},
    store::{Hooks, StoreUnderTest},
};

/// Runs the scenarios as one process of several.
pub(crate) async fn take_part<'a>(
    hooks: Hooks<'a>,
    rounds: NonZeroU16,
    participant: &Participant,
    now: OffsetDateTime,
    executor: Executor<'a>,
) -> PartialReport {
    match account::verifier(&participant.run) {
        Ok(verifier) => {
            let store = StoreUnderTest::new(
                hooks,
                verifier,
                participant.run.clone(),
                now,
                rounds.get(),
                (participant.index, participant.of),
            );
            let partial_report = processes::take_part(&store, &executor, participant).await;
            if participant.index == 0 {
                store.clean_up().await;
            }
            partial_report
        }
        Err(finding) => PartialReport::ended(participant, finding),
    }
}

/// Why a check did not run.
const NO_SPAWNER: &str =
    "no spawner was given (AsyncKit::spawn): faults that show only in parallel stay unknown";
const NO_DELETE: &str = "no delete was given (Kit::delete): it stays unknown whether a copy from before a deletion \
    can come back";
const NO_OUTBOX: &str = "no outbox was given (Kit::outbox). If messages are not stored with the record, a crash \
    loses them and a user asks again: effects happen at most once";
const NO_REQUEST: &str = "no request was given (Kit::request): it stays unknown whether a handler's own transaction \
    reverts a charge when the handler answers with a refusal";

/// Runs every check with every concurrency that the hooks allow.
pub(crate) async fn check_all<'a>(
    hooks: Hooks<'a>,
    rounds: NonZeroU16,
    run: &RunId,
    now: OffsetDateTime,
    concurrencies: [(Concurrency, Option<Executor<'a>>); 2],
) -> Report {
    let mut report = Report::new(run.clone());
    let verifier = match account::verifier(run) {
        Ok(verifier) => verifier,
        Err(finding) => {
            report.add(Check::Insert, None, Findings::default().conclude(Err(finding)));
            return report;
        }
    };
    let store = StoreUnderTest::new(hooks, verifier, run.clone(), now, rounds.get(), (0, 1));
    for check in Check::ALL {
        let needed = [
            (Check::DeletedRow, store.has_delete(), NO_DELETE),
            (Check::DeniedRequest, store.has_request(), NO_REQUEST),
            (Check::Outbox, store.has_outbox(), NO_OUTBOX),
        ];
        if let Some(&(.., why)) = needed.iter().find(|(of, given, _)| *of == check && !given) {
            report.add(check, None, Verdict::NotRun { why });
            continue;
        }
        if let Some(verdict) = check_sequentially(&store, check).await {
            report.add(check, None, verdict);
        }
        for (concurrency, executor) in &concurrencies {
            let verdict = match executor {
                None if is_concurrent(check) => Some(Verdict::NotRun { why: NO_SPAWNER }),
                None => None,
                Some(executor) => check_concurrently(&store, executor, check, *concurrency).await,
            };
            if let Some(verdict) = verdict {
                report.add(check, Some(*concurrency), verdict);
            }
        }
    }
    (report.loads, report.swaps) = (store.loads(), store.swaps());
    (report.subjects, report.left_behind) = store.clean_up().await;
    report
}

/// Runs the sequential part of a check, if it has one.
async fn check_sequentially(store: &StoreUnderTest<'_>, check: Check) -> Option<Verdict> {
    let mut findings = Findings::default();
    let ended = match check {
        Check::Insert => compare_and_swap::insert_if_absent(store, &mut findings).await,
        Check::StaleCopy => compare_and_swap::stale_copy(store, &mut findings).await,
        Check::DeletedRow => compare_and_swap::deleted_row(store, &mut findings).await,
        Check::Reads => concurrency::reads(store, &mut findings).await,
        Check::Records => compare_and_swap::records(store, &mut findings).await,
        Check::Subjects => compare_and_swap::subjects(store, &mut findings).await,
        Check::DeniedStep => steps::denied_step(store, &mut findings).await,
        Check::DeniedRequest => steps::denied_request(store, &mut findings).await,
        Check::Crash => steps::crash(store, &mut findings).await,
        Check::Outbox => steps::outbox(store, &mut findings).await,
        Check::Otp => otp::enrolled(store, &mut findings).await,
        Check::Swap | Check::Guesses | Check::Answers | Check::Recovery | Check::Resends => return None,
    };
    Some(findings.conclude(ended))
}

/// Whether a check has a concurrent participant.
const fn is_concurrent(check: Check) -> bool {
    match check {
        Check::Insert | Check::Reads | Check::Outbox | Check::Otp => true,
        Check::Swap | Check::Guesses | Check::Answers | Check::Recovery | Check::Resends => true,
        Check::StaleCopy | Check::DeletedRow | Check::Records | Check::Subjects => false,
        Check::DeniedRequest => true,
        Check::DeniedStep | Check::Crash => false,
    }
}

/// Runs the concurrent part of a check, if it has one.
async fn check_concurrently<'a>(
    store: &StoreUnderTest<'a>,
    executor: &Executor<'a>,
    check: Check,
    concurrency: Concurrency,
) -> Option<Verdict> {
    let name = format!("{check}-{concurrency}");
    let mut findings = Findings::default();
    let ended = match check {
        Check::Insert => concurrency::inserts(store, executor, &mut findings, &name).await,
        Check::Reads => concurrency::reads_during_writes(store, executor, &mut findings, &name).await,
        Check::Outbox => steps::outbox_during_writes(store, executor, &mut findings, &name).await,
        Check::Swap => {
            match concurrency::swaps(store, executor, &mut findings, &format!("{name}-burst")).await {
                Ok(()) => play(store, executor, Scenario::Count, &name, &mut findings).await,
                ended @ Err(_) => ended,
            }
        }
        Check::Guesses => play(store, executor, Scenario::Guesses, &name, &mut findings).await,
        Check::Answers => play(store, executor, Scenario::Answers, &name, &mut findings).await,
        Check::Recovery => play(store, executor, Scenario::Recovery, &name, &mut findings).await,
        Check::Resends => play(store, executor, Scenario::Resends, &name, &mut findings).await,
        Check::Otp => play(store, executor, Scenario::Otp, &name, &mut findings).await,
        Check::StaleCopy | Check::DeletedRow | Check::Records | Check::Subjects => return None,
        Check::DeniedRequest => steps::denied_requests_at_once(store, executor, &mut findings, &name).await,
        Check::DeniedStep | Check::Crash => return None,
    };
    Some(findings.conclude(ended))
}

/// Plays a scenario in this process alone, and judges it.
async fn play<'a>(
    store: &StoreUnderTest<'a>,
    executor: &Executor<'a>,
    scenario: Scenario,
    name: &str,
    findings: &mut Findings,
) -> Result<(), Finding> {
    for round in 0..3_u8 {
        let fixture = scenarios::prepare(store, scenario, &format!("{name}-{round}")).await?;
        let mut tally = scenarios::play(store, executor, scenario, &fixture).await?;
        scenarios::end(store, &fixture, &mut tally).await?;
        scenarios::judge(scenario, &[&tally], findings);
    }
    Ok(())
}
