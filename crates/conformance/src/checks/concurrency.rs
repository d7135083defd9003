//! Concurrent writes over one revision, and reads during writes. Nothing here may depend on which job runs first.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use countersign::{Subject, Swap, Write};

use crate::{
    executor::{Barrier, BoxFuture, Executor, yield_now},
    fault::{Finding, Violation},
    fixtures::writes,
    report::Findings,
    store::{StoreUnderTest, WORKERS},
};

/// The finding of a job that did not complete.
pub(crate) fn panicked() -> Finding {
    Finding::new(Violation::StoreFails, "the store panicked, or a task was dropped before its end".into())
}

/// Swaps all writes concurrently. They are over one revision, so exactly one may be stored.
async fn burst<'a>(
    store: &StoreUnderTest<'a>,
    executor: &Executor<'a>,
    findings: &mut Findings,
    what: &str,
    writes: Vec<Write>,
) -> Result<(), Finding> {
    let count = writes.len();
    let records: Vec<_> = writes.iter().map(|write| write.record.clone()).collect();
    let job = |(write, barrier): (Write, Barrier)| {
        let store = store.clone();
        let job: BoxFuture<'a, _> = Box::pin(async move {
            barrier.wait().await;
            store.swap(write).await
        });
        job
    };
    let answers = executor.run(writes.into_iter().zip(Barrier::for_jobs(count)).map(job).collect()).await;
    let (mut winners, mut losers) = (Vec::new(), Vec::new());
    for (record, answer) in records.iter().zip(answers) {
        match answer.ok_or_else(panicked)?? {
            Swap::Stored => winners.push(record),
            Swap::Lost => losers.push(record),
        }
    }
    findings.expect(winners.len() < 2, Violation::TwoWinners, || {
        format!("of {count} {what} at once {} were answered Stored", winners.len())
    });
    findings.expect(!winners.is_empty(), Violation::NeverStored, || {
        format!("of {count} {what} at once none was answered Stored")
    });
    match winners.as_slice() {
        [winner] => store.expect_row(findings, winner, &losers).await,
        _ => Ok(()),
    }
}

pub(crate) async fn inserts<'a>(
    store: &StoreUnderTest<'a>,
    executor: &Executor<'a>,
    findings: &mut Findings,
    name: &str,
) -> Result<(), Finding> {
    for round in 0..store.rounds() {
        let subject = store.subject(&format!("{name}-{round}"))?;
        let insert = |mark| store.insert(store.fresh(&subject, u64::from(mark))?);
        let writes = (0..WORKERS).map(insert).collect::<Result<_, _>>()?;
        burst(store, executor, findings, "inserts of one subject", writes).await?;
    }
    Ok(())
}

pub(crate) async fn swaps<'a>(
    store: &StoreUnderTest<'a>,
    executor: &Executor<'a>,
    findings: &mut Findings,
    name: &str,
) -> Result<(), Finding> {
    let subject = store.subject(name)?;
    store.put(store.insert(store.fresh(&subject, 0)?)?).await?;
    for _ in 0..store.rounds() {
        let account = store.reload(&subject).await?;
        let next = |mark| store.next(&account, u64::from(mark));
        let writes = (0..WORKERS).map(next).collect::<Result<_, _>>()?;
        burst(store, executor, findings, "writes over one revision", writes).await?;
    }
    Ok(())
}

/// Reads after each write, sequentially.
pub(crate) async fn reads(store: &StoreUnderTest<'_>, findings: &mut Findings) -> Result<(), Finding> {
    let subject = store.subject("reads")?;
    let mut write = store.insert(store.fresh(&subject, 0)?)?;
    for mark in 1..=u64::from(store.rounds()).saturating_mul(4) {
        let record = write.record.clone();
        store.put(write).await?;
        store.expect_row(findings, &record, &[]).await?;
        write = store.next(&record, mark)?;
    }
    Ok(())
}

/// One job writes and publishes each answer, the others load: never an older record than was published, or than the
/// same job loaded before.
pub(crate) async fn reads_during_writes<'a>(
    store: &StoreUnderTest<'a>,
    executor: &Executor<'a>,
    findings: &mut Findings,
    name: &str,
) -> Result<(), Finding> {
    let subject = store.subject(name)?;
    let first = store.insert(store.fresh(&subject, 0)?)?;
    let mut record = first.record.clone();
    store.put(first).await?;
    // The mark of the newest write that was answered Stored.
    let stored = Arc::new(AtomicU64::new(0));
    let rounds = store.rounds();
    let mut rounds_of_barriers: Vec<_> =
        (0..rounds.saturating_mul(2)).map(|_| Barrier::for_jobs(usize::from(WORKERS))).collect();
    let mut barriers = || rounds_of_barriers.iter_mut().filter_map(Vec::pop).collect::<Vec<_>>().into_iter();
    let mut jobs: Vec<BoxFuture<'a, Result<Findings, Finding>>> = Vec::new();
    for _ in 1..WORKERS {
        let (store, subject, stored, mut barriers) =
            (store.clone(), subject.clone(), Arc::clone(&stored), barriers());
        jobs.push(Box::pin(async move {
            let (mut findings, mut seen) = (Findings::default(), 0);
            for _ in 0..rounds {
                // Before the write, so that a cache has a copy of the older record.
                expect_current(&store, &subject, &stored, &mut seen, &mut findings).await?;
                wait(barriers.next()).await;
                // During the write.
                for _ in 0..3 {
                    expect_current(&store, &subject, &stored, &mut seen, &mut findings).await?;
                }
                wait(barriers.next()).await;
                // After the write.
                expect_current(&store, &subject, &stored, &mut seen, &mut findings).await?;
            }
            Ok(findings)
        }));
    }
    let (writer, mut barriers) = (store.clone(), barriers());
    jobs.push(Box::pin(async move {
        for mark in 1..=u64::from(rounds) {
            wait(barriers.next()).await;
            let write = writer.next(&record, mark)?;
            record = write.record.clone();
            writer.put(write).await?;
            stored.store(mark, Ordering::SeqCst);
            wait(barriers.next()).await;
        }
        Ok(Findings::default())
    }));
    for result in executor.run(jobs).await {
        findings.absorb(result.ok_or_else(panicked)??);
    }
    Ok(())
}

async fn wait(barrier: Option<Barrier>) {
    if let Some(barrier) = barrier {
        barrier.wait().await;
    }
}

async fn expect_current(
    store: &StoreUnderTest<'_>,
    subject: &Subject,
    stored: &AtomicU64,
    seen: &mut u64,
    findings: &mut Findings,
) -> Result<(), Finding> {
    let said = stored.load(Ordering::SeqCst);
    let found = writes::mark(&store.reload(subject).await?)?;
    findings.expect(found >= said, Violation::StaleRead, || {
        format!("write {said} was answered Stored, and a later load from elsewhere gave write {found}")
    });
    findings.expect(found >= *seen, Violation::StaleRead, || {
        format!("a load gave write {seen}, and a later one from the same place gave write {found}")
    });
    *seen = found.max(*seen);
    yield_now().await;
    Ok(())
}
