//! Many at once: volleys over one revision, reads beside writes.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use countersign::{Subject, Swap, Write};

use crate::{
    executor::{Later, Muster, Ticket, gate, give_way},
    fault::{Finding, Flaw},
    fixtures::writes,
    report::Notes,
    store::{Bench, WORKERS},
};

/// A job that did not come to its end.
pub(crate) fn panicked() -> Finding {
    Finding::new(Flaw::StoreFails, "the store panicked, or a task was dropped before its end".into())
}

/// Hands all writes to the swap at once. They are over one revision, so exactly one may be stored.
async fn volley<'a>(
    bench: &Bench<'a>,
    muster: &Muster<'a>,
    notes: &mut Notes,
    what: &str,
    writes: Vec<Write>,
) -> Result<(), Finding> {
    let count = writes.len();
    let records: Vec<_> = writes.iter().map(|write| write.record.clone()).collect();
    let job = |(write, ticket): (Write, Ticket)| {
        let bench = bench.clone();
        let job: Later<'a, _> = Box::pin(async move {
            ticket.pass().await;
            bench.swap(write).await
        });
        job
    };
    let answers = muster.run(writes.into_iter().zip(gate(count)).map(job).collect()).await;
    let (mut winners, mut losers) = (Vec::new(), Vec::new());
    for (record, answer) in records.iter().zip(answers) {
        match answer.ok_or_else(panicked)?? {
            Swap::Stored => winners.push(record),
            Swap::Lost => losers.push(record),
        }
    }
    notes.expect(winners.len() < 2, Flaw::TwoWinners, || {
        format!("of {count} {what} at once {} were answered Stored", winners.len())
    });
    notes.expect(!winners.is_empty(), Flaw::NeverStored, || {
        format!("of {count} {what} at once none was answered Stored")
    });
    match winners.as_slice() {
        [winner] => bench.expect_row(notes, winner, &losers).await,
        _ => Ok(()),
    }
}

pub(crate) async fn inserts<'a>(
    bench: &Bench<'a>,
    muster: &Muster<'a>,
    notes: &mut Notes,
    name: &str,
) -> Result<(), Finding> {
    for round in 0..bench.rounds() {
        let subject = bench.subject(&format!("{name}-{round}"))?;
        let insert = |mark| bench.insert(bench.fresh(&subject, u64::from(mark))?);
        let writes = (0..WORKERS).map(insert).collect::<Result<_, _>>()?;
        volley(bench, muster, notes, "inserts of one subject", writes).await?;
    }
    Ok(())
}

pub(crate) async fn swaps<'a>(
    bench: &Bench<'a>,
    muster: &Muster<'a>,
    notes: &mut Notes,
    name: &str,
) -> Result<(), Finding> {
    let subject = bench.subject(name)?;
    bench.store(bench.insert(bench.fresh(&subject, 0)?)?).await?;
    for _ in 0..bench.rounds() {
        let account = bench.reload(&subject).await?;
        let next = |mark| bench.next(&account, u64::from(mark));
        let writes = (0..WORKERS).map(next).collect::<Result<_, _>>()?;
        volley(bench, muster, notes, "writes over one revision", writes).await?;
    }
    Ok(())
}

/// After each write, alone.
pub(crate) async fn reads(bench: &Bench<'_>, notes: &mut Notes) -> Result<(), Finding> {
    let subject = bench.subject("reads")?;
    let mut write = bench.insert(bench.fresh(&subject, 0)?)?;
    for mark in 1..=u64::from(bench.rounds()).saturating_mul(4) {
        let record = write.record.clone();
        bench.store(write).await?;
        bench.expect_row(notes, &record, &[]).await?;
        write = bench.next(&record, mark)?;
    }
    Ok(())
}

/// One writes and says so, the others load: never older than what was said, or than what they saw before.
pub(crate) async fn reads_beside_writes<'a>(
    bench: &Bench<'a>,
    muster: &Muster<'a>,
    notes: &mut Notes,
    name: &str,
) -> Result<(), Finding> {
    let subject = bench.subject(name)?;
    let first = bench.insert(bench.fresh(&subject, 0)?)?;
    let mut record = first.record.clone();
    bench.store(first).await?;
    // The mark of the newest write that was answered Stored.
    let stored = Arc::new(AtomicU64::new(0));
    let rounds = bench.rounds();
    let mut gates: Vec<_> = (0..rounds.saturating_mul(2)).map(|_| gate(usize::from(WORKERS))).collect();
    let mut tickets = || gates.iter_mut().filter_map(Vec::pop).collect::<Vec<_>>().into_iter();
    let mut jobs: Vec<Later<'a, Result<Notes, Finding>>> = Vec::new();
    for _ in 1..WORKERS {
        let (bench, subject, stored, mut tickets) =
            (bench.clone(), subject.clone(), Arc::clone(&stored), tickets());
        jobs.push(Box::pin(async move {
            let (mut notes, mut seen) = (Notes::default(), 0);
            for _ in 0..rounds {
                // Before the write: whatever keeps copies keeps this one.
                look(&bench, &subject, &stored, &mut seen, &mut notes).await?;
                pass(tickets.next()).await;
                // Beside the write.
                for _ in 0..3 {
                    look(&bench, &subject, &stored, &mut seen, &mut notes).await?;
                }
                pass(tickets.next()).await;
                // After it.
                look(&bench, &subject, &stored, &mut seen, &mut notes).await?;
            }
            Ok(notes)
        }));
    }
    let (writer, mut tickets) = (bench.clone(), tickets());
    jobs.push(Box::pin(async move {
        for mark in 1..=u64::from(rounds) {
            pass(tickets.next()).await;
            let write = writer.next(&record, mark)?;
            record = write.record.clone();
            writer.store(write).await?;
            stored.store(mark, Ordering::SeqCst);
            pass(tickets.next()).await;
        }
        Ok(Notes::default())
    }));
    for result in muster.run(jobs).await {
        notes.absorb(result.ok_or_else(panicked)??);
    }
    Ok(())
}

async fn pass(ticket: Option<Ticket>) {
    if let Some(ticket) = ticket {
        ticket.pass().await;
    }
}

async fn look(
    bench: &Bench<'_>,
    subject: &Subject,
    stored: &AtomicU64,
    seen: &mut u64,
    notes: &mut Notes,
) -> Result<(), Finding> {
    let said = stored.load(Ordering::SeqCst);
    let found = writes::mark(&bench.reload(subject).await?)?;
    notes.expect(found >= said, Flaw::StaleRead, || {
        format!("write {said} was answered Stored, and a later load from elsewhere gave write {found}")
    });
    notes.expect(found >= *seen, Flaw::StaleRead, || {
        format!("a load gave write {seen}, and a later one from the same place gave write {found}")
    });
    *seen = found.max(*seen);
    give_way().await;
    Ok(())
}
