//! Whole steps, one after the other: what a refusal keeps, what a crash leaves, what the outbox holds.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering},
};

use countersign::{
    Account, Authenticator, ChallengeRequest, Committed, Denial, Descriptor, RecoveryCode, Revision, Step,
    Swap, Write,
};

use crate::{
    checks::concurrency::panicked,
    executor::{Later, Muster, gate, give_way, lock},
    fault::{Finding, Flaw},
    fixtures::{
        account::{self, ATTEMPTS, Setting, Stage},
        messages,
    },
    report::Notes,
    request::Request,
    store::Bench,
};

/// Stores what a step wrote and gives what it decided and the record that must now be there.
async fn commit<T>(
    bench: &Bench<'_>,
    step: Step<T>,
) -> Result<(Result<T, Denial>, Option<Account>), Finding> {
    let (write, sealed) = step.into_parts();
    let record = write.as_ref().map(|write| write.record.clone());
    if let Some(write) = write {
        bench.store(write).await?;
    }
    match sealed.open(Swap::Stored) {
        Committed::Done(outcome) => Ok((outcome.into_parts().0, record)),
        Committed::Lost => Err(Finding::kit("a stored step was lost")),
    }
}

pub(crate) async fn denied_step(bench: &Bench<'_>, notes: &mut Notes) -> Result<(), Finding> {
    let (verifier, now) = (bench.verifier(), bench.now());
    let stage = Stage::set(bench, "denied", Setting::Challenged).await?;
    let (handle, right) = stage.challenge()?;
    let wrong = account::wrong(right)?;
    for left in (0..ATTEMPTS).rev() {
        let account = bench.reload(&stage.subject).await?;
        let (result, record) =
            commit(bench, verifier.verify_oob(&stage.session, account, handle, &wrong, now)).await?;
        notes.expect(
            result == Err(Denial::InvalidBindingCode { attempts_left: left }),
            Flaw::Vanished,
            || format!("a wrong code that should leave {left} attempts was answered {result:?}"),
        );
        if let Some(record) = record {
            bench.expect_row(notes, &record, &[]).await?;
        }
    }
    let account = bench.reload(&stage.subject).await?;
    let (result, _) = commit(bench, verifier.verify_oob(&stage.session, account, handle, right, now)).await?;
    notes.expect(result == Err(Denial::AttemptsExhausted), Flaw::LimitBroken, || {
        format!("after {ATTEMPTS} wrong codes the right one was answered {result:?}")
    });
    let never_issued = RecoveryCode::parse(&"2".repeat(24)).map_err(Finding::kit)?;
    for _ in 0..2 {
        let account = bench.reload(&stage.subject).await?;
        let (_, record) =
            commit(bench, verifier.verify_recovery(&stage.other, account, &never_issued, now)).await?;
        let record = record.ok_or_else(|| Finding::kit("a wrong recovery code was not counted"))?;
        bench.expect_row(notes, &record, &[]).await?;
    }
    Ok(())
}

pub(crate) async fn denied_request(bench: &Bench<'_>, notes: &mut Notes) -> Result<(), Finding> {
    let stage = Stage::set(bench, "request", Setting::Challenged).await?;
    let (handle, right) = stage.challenge()?;
    let wrong = account::wrong(right)?;
    let request = |code| Request {
        verifier: bench.verifier().clone(),
        session: stage.session.clone(),
        handle: handle.clone(),
        code,
        now: bench.now(),
    };
    for spent in 1..3 {
        let answer = bench.request(request(wrong.clone())).await?;
        let left = ATTEMPTS.saturating_sub(spent);
        notes.expect(
            answer == Err(Denial::InvalidBindingCode { attempts_left: left }),
            Flaw::Vanished,
            || format!("the request with wrong code number {spent} was answered {answer:?}"),
        );
        let account = bench.reload(&stage.subject).await?;
        let failures = account.authenticators().first().map_or(0, Authenticator::failures);
        notes.expect(failures == spent, Flaw::Vanished, || {
            format!("{spent} requests were refused for a wrong code, and the record counts {failures}")
        });
    }
    let answer = bench.request(request(right.clone())).await?;
    notes.expect(answer.is_ok(), Flaw::NeverStored, || {
        format!("the request with the right code was answered {answer:?}")
    });
    let answer = bench.request(request(right.clone())).await?;
    notes.expect(answer == Err(Denial::OobCodeUsed), Flaw::Vanished, || {
        format!("the request with a code that was used was answered {answer:?}")
    });
    Ok(())
}

pub(crate) async fn crash(bench: &Bench<'_>, notes: &mut Notes) -> Result<(), Finding> {
    let (verifier, now) = (bench.verifier(), bench.now());
    let stage = Stage::set(bench, "crash", Setting::Enrolled).await?;
    // The message was not sent when the process died: its descriptor gives it again.
    let sent = challenge(bench, &stage, "crash", bench.reload(&stage.subject).await?)?;
    let outbox = sent.outbox.clone();
    let account = keep(bench, notes, sent).await?;
    let code = messages::render(verifier, &account, outbox.first(), now).map_err(|problem| {
        let saw = format!("the message of a stored write cannot be derived from the record: {problem}");
        Finding::new(Flaw::Vanished, saw)
    })?;
    notes.count();
    // Nor was the answer: asking again within the cool-down gives the same handle, and sends and writes nothing.
    let entropy = bench.run().rng(&format!("{} again", stage.subject)).entropy();
    let request = ChallengeRequest::default();
    let again = verifier.challenge(&stage.session, account.clone(), &request, now, &entropy);
    let (result, _) = commit(bench, again).await?;
    let handle = account::open(bench, &stage.session, &result.map_err(Finding::kit)?.oob_code)?;
    // The right code was stored and the answer was not sent: the code is used, and no second token comes of it.
    let step = verifier.verify_oob(&stage.session, account, &handle, &code, now);
    let account = keep(bench, notes, unseen(step)?).await?;
    let again = verifier.verify_oob(&stage.session, account, &handle, &code, now);
    let (result, _) = commit(bench, again).await?;
    notes.expect(result == Err(Denial::OobCodeUsed), Flaw::Vanished, || {
        format!("a code that was used before the crash was answered {result:?} after it")
    });
    // A recovery code that was stored without an answer gives the same token again.
    let account = bench.reload(&stage.subject).await?;
    let step = verifier.verify_recovery(&stage.other, account, &stage.recovery, now);
    let account = keep(bench, notes, unseen(step)?).await?;
    let again = verifier.verify_recovery(&stage.other, account, &stage.recovery, now);
    let (result, _) = commit(bench, again).await?;
    let repeated = result.as_ref().is_ok_and(|recovered| recovered.repeated);
    notes.expect(repeated, Flaw::Vanished, || {
        format!("a recovery code that was used before the crash was answered {result:?} after it")
    });
    Ok(())
}

/// The write of a step whose outcome nobody will see.
fn unseen<T>(step: Step<T>) -> Result<Write, Finding> {
    let (write, _) = step.into_parts();
    write.ok_or_else(|| Finding::kit("the right code was refused"))
}

/// Stores a write and gives the record from a fresh load, which is the second: what only the writer saw is gone by
/// then.
async fn keep(bench: &Bench<'_>, notes: &mut Notes, write: Write) -> Result<Account, Finding> {
    let record = write.record.clone();
    bench.store(write).await?;
    bench.expect_row(notes, &record, &[]).await?;
    bench.reload(record.subject()).await
}

/// The write of a challenge that sends a code.
fn challenge(bench: &Bench<'_>, stage: &Stage, label: &str, account: Account) -> Result<Write, Finding> {
    let session = match label {
        "crash" => stage.session.clone(),
        _ => account::session_for(bench, &stage.subject, label)?,
    };
    let entropy = bench.run().rng(&format!("{} {label} {}", stage.subject, account.revision())).entropy();
    let request = ChallengeRequest::default();
    let step = bench.verifier().challenge(&session, account, &request, bench.now(), &entropy);
    let (write, _) = step.into_parts();
    write.ok_or_else(|| Finding::kit("a challenge sends nothing"))
}

pub(crate) async fn outbox(bench: &Bench<'_>, notes: &mut Notes) -> Result<(), Finding> {
    let stage = Stage::set(bench, "outbox", Setting::Enrolled).await?;
    let before = bench.outbox(&stage.subject).await?;
    notes.expect(before.is_empty(), Flaw::MessageStray, || {
        format!("a write without messages has {} in the outbox", before.len())
    });
    for round in 0..3 {
        let account = bench.reload(&stage.subject).await?;
        let stored = challenge(bench, &stage, &format!("first {round}"), account.clone())?;
        let lost = challenge(bench, &stage, &format!("second {round}"), account)?;
        let (kept, dropped) = (stored.outbox.clone(), lost.outbox.clone());
        bench.store(stored).await?;
        expect_messages(bench, notes, &stage, &kept).await?;
        let answer = bench.swap(lost).await?;
        notes.expect(answer == Swap::Lost, Flaw::StaleCopyWins, || {
            format!("a write over a revision that was gone was answered {answer:?}")
        });
        let found = bench.outbox(&stage.subject).await?;
        notes.expect(!dropped.iter().any(|message| found.contains(message)), Flaw::MessageStray, || {
            format!("the message of a write that was answered {answer:?} is in the outbox")
        });
        let account = bench.reload(&stage.subject).await?;
        for message in &kept {
            let rendered = messages::render(bench.verifier(), &account, Some(message), bench.now());
            notes.expect(rendered.is_ok(), Flaw::Altered, || {
                let problem = rendered.err().unwrap_or_default();
                format!("a stored message cannot be derived from the record: {problem}")
            });
        }
    }
    Ok(())
}

async fn expect_messages(
    bench: &Bench<'_>,
    notes: &mut Notes,
    stage: &Stage,
    messages: &[Descriptor],
) -> Result<(), Finding> {
    let found = bench.outbox(&stage.subject).await?;
    for message in messages {
        let same_id = found.iter().filter(|known| known.id() == message.id()).count();
        notes.expect(same_id > 0, Flaw::MessageMissing, || {
            format!("the message {} of a stored record is not in the outbox", message.id())
        });
        notes.expect(same_id == 0 || found.contains(message), Flaw::Altered, || {
            format!("the message {} came back with other content than it was written with", message.id())
        });
    }
    Ok(())
}

/// Whoever sees a record sees its messages, too: one writes, the others look.
pub(crate) async fn outbox_in_sight<'a>(
    bench: &Bench<'a>,
    muster: &Muster<'a>,
    notes: &mut Notes,
    name: &str,
) -> Result<(), Finding> {
    const LOOKERS: usize = 3;
    let stage = Stage::set(bench, name, Setting::Enrolled).await?;
    let rounds = bench.rounds().min(12);
    let mut gates: Vec<_> = (0..rounds).map(|_| gate(LOOKERS.saturating_add(1))).collect();
    let mut tickets = || gates.iter_mut().filter_map(Vec::pop).zip(1_u64..).collect::<Vec<_>>();
    let stored = Arc::new(AtomicU64::new(0));
    // The messages of each revision, noted before it is stored.
    let written: Arc<Mutex<Written>> = Arc::default();
    let mut jobs: Vec<Later<'a, Result<Notes, Finding>>> = Vec::new();
    for _ in 0..LOOKERS {
        let (tickets, stored, written) = (tickets(), Arc::clone(&stored), Arc::clone(&written));
        let (bench, stage) = (bench.clone(), stage.clone());
        jobs.push(Box::pin(async move {
            let mut notes = Notes::default();
            for (ticket, round) in tickets {
                ticket.pass().await;
                // Until the round's write was answered, and once more.
                let mut over = false;
                while !over {
                    over = stored.load(Ordering::SeqCst) >= round;
                    let account = bench.reload(&stage.subject).await?;
                    let messages = messages_until(&lock(&written), account.revision());
                    expect_messages(&bench, &mut notes, &stage, &messages).await?;
                    give_way().await;
                }
            }
            Ok(notes)
        }));
    }
    let (tickets, writer) = (tickets(), bench.clone());
    let progress = Progress(stored);
    jobs.push(Box::pin(async move {
        for (ticket, round) in tickets {
            let account = writer.reload(&stage.subject).await?;
            let write = challenge(&writer, &stage, &format!("round {round}"), account)?;
            lock(&written).push((write.revision(), write.outbox.clone()));
            ticket.pass().await;
            writer.store(write).await?;
            progress.0.store(round, Ordering::SeqCst);
        }
        Ok(Notes::default())
    }));
    for result in muster.run(jobs).await {
        notes.absorb(result.ok_or_else(panicked)??);
    }
    Ok(())
}

/// The newest round whose write was answered. A writer that is gone keeps nobody looking.
struct Progress(Arc<AtomicU64>);

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.store(u64::MAX, Ordering::SeqCst);
    }
}

/// Revisions and the messages of their writes.
type Written = Vec<(Revision, Vec<Descriptor>)>;

/// The messages of a revision and of those before it.
fn messages_until(written: &Written, revision: Revision) -> Vec<Descriptor> {
    let seen = written.iter().filter(|(of, _)| *of <= revision);
    seen.flat_map(|(_, messages)| messages).cloned().collect()
}
