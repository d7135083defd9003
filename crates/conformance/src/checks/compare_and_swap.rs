//! One row, one caller: inserts, stale copies, deleted rows, contents and subjects.

use countersign::{Account, Swap, Write};

use crate::{
    fault::{Finding, Flaw},
    fixtures::{
        records,
        writes::{at_revision, mark},
    },
    report::Notes,
    store::Bench,
};

/// A write as somebody would make it who loaded the record when it had an older revision.
fn stale(bench: &Bench<'_>, record: &Account, expected: u64, mark: u64) -> Result<Write, Finding> {
    bench.next(&at_revision(record, expected)?, mark)
}

pub(crate) async fn insert_if_absent(bench: &Bench<'_>, notes: &mut Notes) -> Result<(), Finding> {
    let subject = bench.subject("insert")?;
    let found = bench.load(&subject).await?;
    if found.is_some() {
        let saw = format!("{subject:?} has a record before the run began");
        return Err(Finding::new(Flaw::RunReused, saw));
    }
    let (first, second) =
        (bench.insert(bench.fresh(&subject, 1)?)?, bench.insert(bench.fresh(&subject, 2)?)?);
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

pub(crate) async fn stale_copy(bench: &Bench<'_>, notes: &mut Notes) -> Result<(), Finding> {
    let absent = bench.subject("absent")?;
    let ghost = bench.fresh(&absent, 1)?;
    let answer = bench.swap(bench.next(&ghost, 2)?).await?;
    let found = bench.load(&absent).await?.is_some();
    notes.expect(answer == Swap::Lost && !found, Flaw::UpdateInserts, || {
        let is = if found { "made one" } else { "made none" };
        format!("a write over a row that is not there was answered {answer:?} and {is}")
    });

    let subject = bench.subject("stale")?;
    let write = bench.insert(bench.fresh(&subject, 1)?)?;
    let mut past = Vec::from([write.record.revision().get()]);
    let mut newest = write.record.clone();
    bench.store(write).await?;
    for mark in 2..6 {
        let write = bench.next(&newest, mark)?;
        newest = write.record.clone();
        bench.store(write).await?;
        for &revision in &past {
            replay(bench, notes, &newest, revision).await?;
        }
        past.push(newest.revision().get());
    }
    Ok(())
}

/// Writes over an older revision, which must change nothing.
async fn replay(
    bench: &Bench<'_>,
    notes: &mut Notes,
    newest: &Account,
    revision: u64,
) -> Result<(), Finding> {
    let write = stale(bench, newest, revision, u64::MAX)?;
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

pub(crate) async fn deleted_row(bench: &Bench<'_>, notes: &mut Notes) -> Result<(), Finding> {
    let subject = bench.subject("deleted")?;
    let write = bench.insert(bench.fresh(&subject, 1)?)?;
    let first = write.record.clone();
    bench.store(write).await?;
    let write = bench.next(&first, 2)?;
    let second = write.record.clone();
    bench.store(write).await?;
    bench.delete(&subject).await?;
    let found = bench.load(&subject).await?.is_some();
    notes.expect(!found, Flaw::StaleRead, || format!("{subject:?} was deleted, and a load gave a record"));
    let answer = bench.swap(bench.next(&second, 3)?).await?;
    let found = bench.load(&subject).await?.is_some();
    notes.expect(answer == Swap::Lost && !found, Flaw::UpdateInserts, || {
        format!("a copy of the deleted record of {subject:?} was answered {answer:?}")
    });
    if found {
        return Ok(());
    }
    let write = bench.insert(bench.fresh(&subject, 4)?)?;
    let anew = write.record.clone();
    bench.store(write).await?;
    for revision in [first.revision().get(), second.revision().get()] {
        replay(bench, notes, &anew, revision).await?;
    }
    Ok(())
}

pub(crate) async fn records(bench: &Bench<'_>, notes: &mut Notes) -> Result<(), Finding> {
    for (name, mut record) in records::all(bench)? {
        let what = |finding: Finding| Finding { saw: format!("{name}: {}", finding.saw), ..finding };
        for stored in [false, true] {
            let write = if stored { bench.next(&record, mark(&record)?)? } else { bench.insert(record)? };
            record = write.record.clone();
            bench.store(write).await.map_err(what)?;
            bench.expect_row(notes, &record, &[]).await.map_err(what)?;
        }
    }
    // Revisions that a double, a signed or a 32-bit integer would confuse.
    for (place, revision) in records::REVISIONS.into_iter().enumerate() {
        let subject = bench.subject(&format!("revision-{place}"))?;
        let write = bench.insert(at_revision(&bench.fresh(&subject, 1)?, revision)?)?;
        let mut newest = write.record.clone();
        bench.store(write).await?;
        for near in [revision.wrapping_sub(1), revision.wrapping_add(1), revision ^ (1 << 32)] {
            replay(bench, notes, &newest, near & records::MAX_REVISION).await?;
        }
        for mark in 2..4 {
            let write = bench.next(&newest, mark)?;
            newest = write.record.clone();
            bench.store(write).await?;
            bench.expect_row(notes, &newest, &[]).await?;
        }
    }
    Ok(())
}

pub(crate) async fn subjects(bench: &Bench<'_>, notes: &mut Notes) -> Result<(), Finding> {
    for (what, names) in records::LOOK_ALIKES {
        let mut stored = Vec::new();
        for (mark, name) in (1..).zip(names) {
            let subject = bench.subject(name)?;
            let write = bench.insert(bench.fresh(&subject, mark)?)?;
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
