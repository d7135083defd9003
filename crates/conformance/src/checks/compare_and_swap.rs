//! Compare-and-swap by one caller: inserts, stale copies, deleted rows, contents and subjects. Nothing here may depend
//! on timing.

use countersign::{Account, Swap, Write};

use crate::{
    fault::{Finding, Violation},
    fixtures::{
        records,
        writes::{at_revision, mark},
    },
    report::Findings,
    store::StoreUnderTest,
};

/// The write of a caller that loaded the record when it had an older revision.
fn stale(store: &StoreUnderTest<'_>, record: &Account, expected: u64, mark: u64) -> Result<Write, Finding> {
    store.next(&at_revision(record, expected)?, mark)
}

pub(crate) async fn insert_if_absent(
    store: &StoreUnderTest<'_>,
    findings: &mut Findings,
) -> Result<(), Finding> {
    let subject = store.subject("insert")?;
    let found = store.load(&subject).await?;
    if found.is_some() {
        let observed = format!("{subject:?} has a record before the run began");
        return Err(Finding::new(Violation::RunReused, observed));
    }
    let (first, second) =
        (store.insert(store.fresh(&subject, 1)?)?, store.insert(store.fresh(&subject, 2)?)?);
    let (winner, loser) = (first.record.clone(), second.record.clone());
    store.put(first).await?;
    store.expect_row(findings, &winner, &[]).await?;
    let answer = store.swap(second).await?;
    findings.expect(answer == Swap::Lost, Violation::InsertOverwrites, || {
        format!("a second insert of {subject:?} was answered Stored")
    });
    if answer == Swap::Lost {
        store.expect_row(findings, &winner, &[&loser]).await?;
    }
    Ok(())
}

pub(crate) async fn stale_copy(store: &StoreUnderTest<'_>, findings: &mut Findings) -> Result<(), Finding> {
    let absent = store.subject("absent")?;
    let ghost = store.fresh(&absent, 1)?;
    let answer = store.swap(store.next(&ghost, 2)?).await?;
    let found = store.load(&absent).await?.is_some();
    findings.expect(answer == Swap::Lost && !found, Violation::UpdateInserts, || {
        let is = if found { "made one" } else { "made none" };
        format!("a write over a row that is not there was answered {answer:?} and {is}")
    });

    let subject = store.subject("stale")?;
    let write = store.insert(store.fresh(&subject, 1)?)?;
    let mut past = Vec::from([write.record.revision().get()]);
    let mut newest = write.record.clone();
    store.put(write).await?;
    for mark in 2..6 {
        let write = store.next(&newest, mark)?;
        newest = write.record.clone();
        store.put(write).await?;
        for &revision in &past {
            replay(store, findings, &newest, revision).await?;
        }
        past.push(newest.revision().get());
    }
    Ok(())
}

/// Writes over an older revision, which must change nothing.
async fn replay(
    store: &StoreUnderTest<'_>,
    findings: &mut Findings,
    newest: &Account,
    revision: u64,
) -> Result<(), Finding> {
    let write = stale(store, newest, revision, u64::MAX)?;
    let loser = write.record.clone();
    let answer = store.swap(write).await?;
    if answer == Swap::Stored {
        let observed = format!(
            "a write over revision {revision} was answered Stored when the row had {}",
            newest.revision()
        );
        return Err(Finding::new(Violation::StaleCopyWins, observed));
    }
    store.expect_row(findings, newest, &[&loser]).await
}

pub(crate) async fn deleted_row(store: &StoreUnderTest<'_>, findings: &mut Findings) -> Result<(), Finding> {
    let subject = store.subject("deleted")?;
    let write = store.insert(store.fresh(&subject, 1)?)?;
    let first = write.record.clone();
    store.put(write).await?;
    let write = store.next(&first, 2)?;
    let second = write.record.clone();
    store.put(write).await?;
    store.delete(&subject).await?;
    let found = store.load(&subject).await?.is_some();
    findings.expect(!found, Violation::StaleRead, || {
        format!("{subject:?} was deleted, and a load gave a record")
    });
    let answer = store.swap(store.next(&second, 3)?).await?;
    let found = store.load(&subject).await?.is_some();
    findings.expect(answer == Swap::Lost && !found, Violation::UpdateInserts, || {
        format!("a copy of the deleted record of {subject:?} was answered {answer:?}")
    });
    if found {
        return Ok(());
    }
    let write = store.insert(store.fresh(&subject, 4)?)?;
    let anew = write.record.clone();
    store.put(write).await?;
    for revision in [first.revision().get(), second.revision().get()] {
        replay(store, findings, &anew, revision).await?;
    }
    Ok(())
}

pub(crate) async fn records(store: &StoreUnderTest<'_>, findings: &mut Findings) -> Result<(), Finding> {
    for (name, mut record) in records::all(store)? {
        let what =
            |finding: Finding| Finding { observed: format!("{name}: {}", finding.observed), ..finding };
        for stored in [false, true] {
            let write = if stored { store.next(&record, mark(&record)?)? } else { store.insert(record)? };
            record = write.record.clone();
            store.put(write).await.map_err(what)?;
            store.expect_row(findings, &record, &[]).await.map_err(what)?;
        }
    }
    // Revisions that a double, a signed or a 32-bit integer would confuse.
    for (place, revision) in records::REVISIONS.into_iter().enumerate() {
        let subject = store.subject(&format!("revision-{place}"))?;
        let write = store.insert(at_revision(&store.fresh(&subject, 1)?, revision)?)?;
        let mut newest = write.record.clone();
        store.put(write).await?;
        for near in [revision.wrapping_sub(1), revision.wrapping_add(1), revision ^ (1 << 32)] {
            replay(store, findings, &newest, near & records::MAX_REVISION).await?;
        }
        for mark in 2..4 {
            let write = store.next(&newest, mark)?;
            newest = write.record.clone();
            store.put(write).await?;
            store.expect_row(findings, &newest, &[]).await?;
        }
    }
    Ok(())
}

pub(crate) async fn subjects(store: &StoreUnderTest<'_>, findings: &mut Findings) -> Result<(), Finding> {
    for (what, names) in records::LOOK_ALIKES {
        let mut stored = Vec::new();
        for (mark, name) in (1..).zip(names) {
            let subject = store.subject(name)?;
            let write = store.insert(store.fresh(&subject, mark)?)?;
            let record = write.record.clone();
            if store.swap(write).await? == Swap::Lost {
                let observed = format!("subjects that differ only in {what} share a row: {names:?}");
                return Err(Finding::new(Violation::LooseSubject, observed));
            }
            stored.push(record);
        }
        for record in &stored {
            store.expect_row(findings, record, &[]).await?;
        }
    }
    Ok(())
}
