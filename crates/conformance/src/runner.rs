//! The plan: which checks are made, in which ways, and why some are not.
//!
//! Every check has its place in each of the lists here, so that none can be forgotten.

use std::num::NonZeroU16;

use countersign::time::OffsetDateTime;

use crate::{
    check::{Check, Crowd},
    checks::{
        compare_and_swap, concurrency,
        scenarios::{self, Scene},
        steps,
    },
    executor::Muster,
    fault::Finding,
    fixtures::account,
    processes::{self, Share},
    report::{Notes, Report, Verdict},
    run_id::{Part, Run},
    store::{Bench, Hooks},
};

/// Plays one process's part of a run.
pub(crate) async fn play_part<'a>(
    hooks: Hooks<'a>,
    rounds: NonZeroU16,
    part: &Part,
    now: OffsetDateTime,
    muster: Muster<'a>,
) -> Share {
    match account::verifier(&part.run) {
        Ok(verifier) => {
            let bench =
                Bench::new(hooks, verifier, part.run.clone(), now, rounds.get(), (part.index, part.of));
            let share = processes::take_part(&bench, &muster, part).await;
            if part.index == 0 {
                bench.clean_up().await;
            }
            share
        }
        Err(finding) => Share::ended(part, finding),
    }
}

/// Why a check was not made.
const NO_SPAWNER: &str =
    "no spawner was given (AsyncKit::spawn), so what goes wrong only in parallel stays unknown";
const NO_DELETE: &str = "no way to delete was given (Kit::delete), so it stays unknown whether a copy from before a \
    deletion can come back";
const NO_OUTBOX: &str = "no look into the outbox was given (Kit::outbox). If messages are not stored with the record, a \
    crash loses them and a user asks again: effects happen at most once";
const NO_REQUEST: &str = "no request was given (Kit::request), so it stays unknown whether a handler's own transaction \
    takes a charge back when it answers with a refusal";

/// Makes every check in every way that there are means for.
pub(crate) async fn check_all<'a>(
    hooks: Hooks<'a>,
    rounds: NonZeroU16,
    run: &Run,
    now: OffsetDateTime,
    crowds: [(Crowd, Option<Muster<'a>>); 2],
) -> Report {
    let mut report = Report::new(run.clone());
    let verifier = match account::verifier(run) {
        Ok(verifier) => verifier,
        Err(finding) => {
            report.note(Check::Insert, None, Notes::default().conclude(Err(finding)));
            return report;
        }
    };
    let bench = Bench::new(hooks, verifier, run.clone(), now, rounds.get(), (0, 1));
    for check in Check::ALL {
        let needed = [
            (Check::DeletedRow, bench.has_delete(), NO_DELETE),
            (Check::DeniedRequest, bench.has_request(), NO_REQUEST),
            (Check::Outbox, bench.has_outbox(), NO_OUTBOX),
        ];
        if let Some(&(.., why)) = needed.iter().find(|(of, given, _)| *of == check && !given) {
            report.note(check, None, Verdict::NotRun { why });
            continue;
        }
        if let Some(verdict) = check_alone(&bench, check).await {
            report.note(check, None, verdict);
        }
        for (crowd, muster) in &crowds {
            let verdict = match muster {
                None if is_crowded(check) => Some(Verdict::NotRun { why: NO_SPAWNER }),
                None => None,
                Some(muster) => check_crowded(&bench, muster, check, *crowd).await,
            };
            if let Some(verdict) = verdict {
                report.note(check, Some(*crowd), verdict);
            }
        }
    }
    (report.loads, report.swaps) = (bench.loads(), bench.swaps());
    (report.subjects, report.left_behind) = bench.clean_up().await;
    report
}

/// Makes a check one thing after the other, if it can be.
async fn check_alone(bench: &Bench<'_>, check: Check) -> Option<Verdict> {
    let mut notes = Notes::default();
    let ended = match check {
        Check::Insert => compare_and_swap::insert_if_absent(bench, &mut notes).await,
        Check::StaleCopy => compare_and_swap::stale_copy(bench, &mut notes).await,
        Check::DeletedRow => compare_and_swap::deleted_row(bench, &mut notes).await,
        Check::Reads => concurrency::reads(bench, &mut notes).await,
        Check::Records => compare_and_swap::records(bench, &mut notes).await,
        Check::Subjects => compare_and_swap::subjects(bench, &mut notes).await,
        Check::DeniedStep => steps::denied_step(bench, &mut notes).await,
        Check::DeniedRequest => steps::denied_request(bench, &mut notes).await,
        Check::Crash => steps::crash(bench, &mut notes).await,
        Check::Outbox => steps::outbox(bench, &mut notes).await,
        Check::Swap | Check::Guesses | Check::Answers | Check::Recovery | Check::Resends => return None,
    };
    Some(notes.conclude(ended))
}

/// Whether a check is made with many at once.
const fn is_crowded(check: Check) -> bool {
    match check {
        Check::Insert | Check::Reads | Check::Outbox => true,
        Check::Swap | Check::Guesses | Check::Answers | Check::Recovery | Check::Resends => true,
        Check::StaleCopy | Check::DeletedRow | Check::Records | Check::Subjects => false,
        Check::DeniedStep | Check::DeniedRequest | Check::Crash => false,
    }
}

/// Makes a check with many at once, if it can be.
async fn check_crowded<'a>(
    bench: &Bench<'a>,
    muster: &Muster<'a>,
    check: Check,
    crowd: Crowd,
) -> Option<Verdict> {
    let name = format!("{check}-{crowd}");
    let mut notes = Notes::default();
    let ended = match check {
        Check::Insert => concurrency::inserts(bench, muster, &mut notes, &name).await,
        Check::Reads => concurrency::reads_beside_writes(bench, muster, &mut notes, &name).await,
        Check::Outbox => steps::outbox_in_sight(bench, muster, &mut notes, &name).await,
        Check::Swap => match concurrency::swaps(bench, muster, &mut notes, &format!("{name}-volley")).await {
            Ok(()) => play(bench, muster, Scene::Count, &name, &mut notes).await,
            ended @ Err(_) => ended,
        },
        Check::Guesses => play(bench, muster, Scene::Guesses, &name, &mut notes).await,
        Check::Answers => play(bench, muster, Scene::Answers, &name, &mut notes).await,
        Check::Recovery => play(bench, muster, Scene::Recovery, &name, &mut notes).await,
        Check::Resends => play(bench, muster, Scene::Resends, &name, &mut notes).await,
        Check::StaleCopy | Check::DeletedRow | Check::Records | Check::Subjects => return None,
        Check::DeniedStep | Check::DeniedRequest | Check::Crash => return None,
    };
    Some(notes.conclude(ended))
}

/// Plays a scene, and judges it alone.
async fn play<'a>(
    bench: &Bench<'a>,
    muster: &Muster<'a>,
    scene: Scene,
    name: &str,
    notes: &mut Notes,
) -> Result<(), Finding> {
    for round in 0..3_u8 {
        let stage = scenarios::set(bench, scene, &format!("{name}-{round}")).await?;
        let mut tally = scenarios::play(bench, muster, scene, &stage).await?;
        scenarios::end(bench, &stage, &mut tally).await?;
        scenarios::judge(scene, &[&tally], notes);
    }
    Ok(())
}
