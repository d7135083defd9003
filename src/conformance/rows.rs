//! One row, one caller: inserts, stale copies, deleted rows, contents and subjects.

use alloc::{format, vec::Vec};

use super::{
    bench::{Bench, insert, next},
    flaw::{Finding, Flaw},
    report::Notes,
    shapes,
};
use crate::{
    outcome::step::{Swap, Write},
    record::{
        account::Account,
        record::{Body as _, Internal as _},
    },
    value::revision::Revision,
};

/// A write as somebody would make it who loaded the record when it had an older revision.
fn stale(record: &Account, expected: Revision, mark: u64) -> Write {
    let mut copy = record.clone();
    copy.body_mut().store_at(expected);
    next(copy, mark)
}

pub(super) async fn insert_if_absent(bench: &Bench<'_>, notes: &mut Notes) -> Result<(), Finding> {
    let subject = bench.subject("insert")?;
    let found = bench.load(&subject).await?;
    if found.is_some() {
        let saw = format!("{subject:?} has a record before the run began");
        return Err(Finding::new(Flaw::RunReused, saw));
    }
    let (first, second) = (insert(bench.fresh(&subject, 1)), insert(bench.fresh(&subject, 2)));
    let (winner, loser) = (first.record.clone(), second.record.clone());
    bench.store(first).await?;
    bench.expect_row(notes, &winner, &[]).await?;
    let answer = bench.swap(second).await?;
    notes.expect(answer == Swap::Lost, Flaw::InsertOverwrites, || {
        format!("a second insert of {subject:?} was answered Stored")
    });
    if answer == Swap::Lost {
        bench.expect_row(notes, &winner, &[&loser]).await?;
    }
    Ok(())
}

pub(super) async fn stale_copy(bench: &Bench<'_>, notes: &mut Notes) -> Result<(), Finding> {
    let absent = bench.subject("absent")?;
    let mut ghost = bench.fresh(&absent, 1);
    let revision = ghost.revision();
    ghost.body_mut().store_at(revision);
    let answer = bench.swap(next(ghost, 2)).await?;
    let found = bench.load(&absent).await?.is_some();
    notes.expect(answer == Swap::Lost && !found, Flaw::UpdateInserts, || {
        let is = if found { "made one" } else { "made none" };
        format!("a write over a row that is not there was answered {answer:?} and {is}")
    });

    let subject = bench.subject("stale")?;
    let write = insert(bench.fresh(&subject, 1));
    let mut past = Vec::from([write.record.revision()]);
    let mut newest = write.record.clone();
    bench.store(write).await?;
    for mark in 2..6 {
        let write = next(newest, mark);
        newest = write.record.clone();
        bench.store(write).await?;
        for &revision in &past {
            replay(bench, notes, &newest, revision).await?;
        }
        past.push(newest.revision());
    }
    Ok(())
}

/// Writes over an older revision, which must change nothing.
async fn replay(
    bench: &Bench<'_>,
    notes: &mut Notes,
    newest: &Account,
    revision: Revision,
) -> Result<(), Finding> {
    let write = stale(newest, revision, u64::MAX);
    let loser = write.record.clone();
    let answer = bench.swap(write).await?;
    if answer == Swap::Stored {
        let saw = format!(
            "a write over revision {revision} was answered Stored when the row had {}",
            newest.revision()
        );
        return Err(Finding::new(Flaw::StaleCopyWins, saw));
    }
    bench.expect_row(notes, newest, &[&loser]).await
}

pub(super) async fn deleted_row(bench: &Bench<'_>, notes: &mut Notes) -> Result<(), Finding> {
    let subject = bench.subject("deleted")?;
    let write = insert(bench.fresh(&subject, 1));
    let first = write.record.clone();
    bench.store(write).await?;
    let write = next(first.clone(), 2);
    let second = write.record.clone();
    bench.store(write).await?;
    bench.delete(&subject).await?;
    let found = bench.load(&subject).await?.is_some();
    notes.expect(!found, Flaw::StaleRead, || format!("{subject:?} was deleted, and a load gave a record"));
    let answer = bench.swap(next(second.clone(), 3)).await?;
    let found = bench.load(&subject).await?.is_some();
    notes.expect(answer == Swap::Lost && !found, Flaw::UpdateInserts, || {
        format!("a copy of the deleted record of {subject:?} was answered {answer:?}")
    });
    if found {
        return Ok(());
    }
    let write = insert(bench.fresh(&subject, 4));
    let anew = write.record.clone();
    bench.store(write).await?;
    for revision in [first.revision(), second.revision()] {
        replay(bench, notes, &anew, revision).await?;
    }
    Ok(())
}

pub(super) async fn records(bench: &Bench<'_>, notes: &mut Notes) -> Result<(), Finding> {
    for (name, mut record) in shapes::all(bench)? {
        let what = |finding: Finding| Finding { saw: format!("{name}: {}", finding.saw), ..finding };
        for _ in 0..2 {
            let mark = record.body().updated.0;
            let write = next(record, mark);
            record = write.record.clone();
            bench.store(write).await.map_err(what)?;
            bench.expect_row(notes, &record, &[]).await.map_err(what)?;
        }
    }
    // Revisions that a double, a signed or a 32-bit integer would confuse.
    for (place, revision) in shapes::REVISIONS.into_iter().enumerate() {
        let subject = bench.subject(&format!("revision-{place}"))?;
        let mut record = bench.fresh(&subject, 1);
        record.body_mut().revision = revision;
        let mut newest = insert(record).record;
        bench.store(Write { expected: None, record: newest.clone(), outbox: Vec::new() }).await?;
        for near in [revision.0.wrapping_sub(1), revision.0.wrapping_add(1), revision.0 ^ (1 << 32)] {
            replay(bench, notes, &newest, Revision(near & Revision::MAX.0)).await?;
        }
        for mark in 2..4 {
            let write = next(newest, mark);
            newest = write.record.clone();
            bench.store(write).await?;
            bench.expect_row(notes, &newest, &[]).await?;
        }
    }
    Ok(())
}

pub(super) async fn subjects(bench: &Bench<'_>, notes: &mut Notes) -> Result<(), Finding> {
    for (what, names) in shapes::LOOK_ALIKES {
        let mut stored = Vec::new();
        for (mark, name) in (1..).zip(names) {
            let subject = bench.subject(name)?;
            let write = insert(bench.fresh(&subject, mark));
            let record = write.record.clone();
            if bench.swap(write).await? == Swap::Lost {
                let saw = format!("subjects that differ only in {what} share a row: {names:?}");
                return Err(Finding::new(Flaw::LooseSubject, saw));
            }
            stored.push(record);
        }
        for record in &stored {
            bench.expect_row(notes, record, &[]).await?;
        }
    }
    Ok(())
}
