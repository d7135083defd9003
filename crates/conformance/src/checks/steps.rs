//! Whole steps: what a refusal charges, what a crash leaves, what the outbox holds. Nothing here may read an outcome
//! before its record is stored, except to drop it as a crash does.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering},
};

use countersign::{
    Account, BindingCode, ChallengeRequest, Denial, Revision, Step, Swap, Write, code::RecoveryCode,
    effect::Descriptor, record::Authenticator, step::Committed,
};

use crate::{
    checks::concurrency::panicked,
    executor::{Barrier, BoxFuture, Executor, lock, yield_now},
    fault::{Finding, Violation},
    fixtures::{
        account::{self, ATTEMPTS, AccountFixture, Preparation},
        messages,
    },
    report::Findings,
    request::Request,
    store::StoreUnderTest,
};

/// Stores what a step wrote; returns its result and the record that the store must now have.
pub(super) async fn commit<T>(
    store: &StoreUnderTest<'_>,
    step: Step<T>,
) -> Result<(Result<T, Denial>, Option<Account>), Finding> {
    let (write, sealed) = step.into_parts();
    let record = write.as_ref().map(|write| write.record.clone());
    if let Some(write) = write {
        store.put(write).await?;
    }
    match sealed.open(Swap::Stored) {
        Committed::Done(outcome) => Ok((outcome.into_parts().0, record)),
        Committed::Lost => Err(Finding::kit("a stored step was lost")),
    }
}

pub(crate) async fn denied_step(store: &StoreUnderTest<'_>, findings: &mut Findings) -> Result<(), Finding> {
    let (verifier, now) = (store.verifier(), store.now());
    let fixture = AccountFixture::prepare(store, "denied", Preparation::Challenged).await?;
    let (handle, right) = fixture.challenge()?;
    let wrong = account::wrong(right)?;
    for left in (0..ATTEMPTS).rev() {
        let account = store.reload(&fixture.subject).await?;
        let (result, record) =
            commit(store, verifier.verify_oob(&fixture.session, account, handle, &wrong, now, None)).await?;
        findings.expect(
            result == Err(Denial::InvalidBindingCode { attempts_left: left }),
            Violation::Vanished,
            || format!("a wrong code that should leave {left} attempts was answered {result:?}"),
        );
        if let Some(record) = record {
            store.expect_row(findings, &record, &[]).await?;
        }
    }
    let account = store.reload(&fixture.subject).await?;
    let (result, _) =
        commit(store, verifier.verify_oob(&fixture.session, account, handle, right, now, None)).await?;
    findings.expect(result == Err(Denial::AttemptsExhausted), Violation::LimitBroken, || {
        format!("after {ATTEMPTS} wrong codes the right one was answered {result:?}")
    });
    let never_issued = RecoveryCode::parse(&"2".repeat(24)).map_err(Finding::kit)?;
    for _ in 0..2 {
        let account = store.reload(&fixture.subject).await?;
        let (_, record) =
            commit(store, verifier.verify_recovery(&fixture.other, account, &never_issued, now)).await?;
        let record = record.ok_or_else(|| Finding::kit("a wrong recovery code was not counted"))?;
        store.expect_row(findings, &record, &[]).await?;
    }
    Ok(())
}

pub(crate) async fn denied_request(
    store: &StoreUnderTest<'_>,
    findings: &mut Findings,
) -> Result<(), Finding> {
    let fixture = AccountFixture::prepare(store, "request", Preparation::Challenged).await?;
    let (_, right) = fixture.challenge()?;
    let wrong = account::wrong(right)?;
    let ask = |code: &BindingCode| request(store, &fixture, code.clone());
    for spent in 1..3 {
        let answer = store.request(ask(&wrong)?).await?;
        let left = ATTEMPTS.saturating_sub(spent);
        findings.expect(
            answer == Err(Denial::InvalidBindingCode { attempts_left: left }),
            Violation::Vanished,
            || format!("the request with wrong code number {spent} was answered {answer:?}"),
        );
        let account = store.reload(&fixture.subject).await?;
        let failures = account.authenticators().first().map_or(0, Authenticator::failures);
        findings.expect(failures == spent, Violation::Vanished, || {
            format!("{spent} requests were refused for a wrong code, and the record counts {failures}")
        });
    }
    let answer = store.request(ask(right)?).await?;
    findings.expect(answer.is_ok(), Violation::NeverStored, || {
        format!("the request with the right code was answered {answer:?}")
    });
    let answer = store.request(ask(right)?).await?;
    findings.expect(answer == Err(Denial::OobCodeUsed), Violation::Vanished, || {
        format!("the request with a code that was used was answered {answer:?}")
    });
    Ok(())
}

/// Number of requests at once: the host's loop must bring each of them to an answer.
const REQUESTS: usize = 128;

pub(crate) async fn denied_requests_at_once<'a>(
    store: &StoreUnderTest<'a>,
    executor: &Executor<'a>,
    findings: &mut Findings,
    name: &str,
) -> Result<(), Finding> {
    let fixture = AccountFixture::prepare(store, name, Preparation::Challenged).await?;
    let (_, right) = fixture.challenge()?;
    let request = request(store, &fixture, account::wrong(right)?)?;
    let job = |barrier: Barrier| {
        let (store, request) = (store.clone(), request.clone());
        let job: BoxFuture<'a, _> = Box::pin(async move {
            barrier.wait().await;
            store.request(request).await
        });
        job
    };
    let jobs = Barrier::for_jobs(REQUESTS).into_iter().map(job).collect();
    let mut judged = 0_usize;
    for answer in executor.run(jobs).await {
        let answer = answer.ok_or_else(panicked)??;
        let wrong = matches!(answer, Err(Denial::InvalidBindingCode { .. }));
        judged = judged.saturating_add(usize::from(wrong));
        findings.expect(wrong || answer == Err(Denial::AttemptsExhausted), Violation::LimitBroken, || {
            format!("one of {REQUESTS} requests with a wrong code was answered {answer:?}")
        });
    }
    findings.expect(judged == usize::from(ATTEMPTS), Violation::LimitBroken, || {
        format!("{REQUESTS} requests revealed {judged} verdicts on wrong codes where there were {ATTEMPTS} attempts")
    });
    Ok(())
}

/// The request of a client that types this code.
fn request(
    store: &StoreUnderTest<'_>,
    fixture: &AccountFixture,
    code: BindingCode,
) -> Result<Request, Finding> {
    let (handle, _) = fixture.challenge()?;
    Ok(Request {
        verifier: store.verifier().clone(),
        session: fixture.session.clone(),
        handle: handle.clone(),
        code,
        now: store.now(),
    })
}

pub(crate) async fn crash(store: &StoreUnderTest<'_>, findings: &mut Findings) -> Result<(), Finding> {
    let (verifier, now) = (store.verifier(), store.now());
    let fixture = AccountFixture::prepare(store, "crash", Preparation::Enrolled).await?;
    // The process died before the message was sent: its descriptor yields the message again.
    let sent = challenge(store, &fixture, "crash", store.reload(&fixture.subject).await?)?;
    let outbox = sent.outbox.clone();
    let account = keep(store, findings, sent).await?;
    let code = messages::render(verifier, &account, outbox.first(), now).map_err(|problem| {
        let observed = format!("the message of a stored write cannot be derived from the record: {problem}");
        Finding::new(Violation::Vanished, observed)
    })?;
    findings.count();
    // The answer was lost, too: asking again within the cool-down returns the same handle, and sends and writes
    // nothing.
    let entropy = store.run().rng(&format!("{} again", fixture.subject)).entropy();
    let request = ChallengeRequest::default();
    let again = verifier.challenge(&fixture.session, account.clone(), &request, now, &entropy);
    let (result, _) = commit(store, again).await?;
    let challenged = result.map_err(Finding::kit)?;
    let handle = account::open(store, &fixture.session, &challenged)?;
    // The right code was stored and its answer was lost: the code is used, and no second token is issued.
    let step = verifier.verify_oob(&fixture.session, account, &handle, &code, now, None);
    let account = keep(store, findings, unseen(step)?).await?;
    let again = verifier.verify_oob(&fixture.session, account, &handle, &code, now, None);
    let (result, _) = commit(store, again).await?;
    findings.expect(result == Err(Denial::OobCodeUsed), Violation::Vanished, || {
        format!("a code that was used before the crash was answered {result:?} after it")
    });
    // A recovery code was stored and its answer was lost: the same code yields the same token again.
    let account = store.reload(&fixture.subject).await?;
    let step = verifier.verify_recovery(&fixture.other, account, &fixture.recovery, now);
    let account = keep(store, findings, unseen(step)?).await?;
    let again = verifier.verify_recovery(&fixture.other, account, &fixture.recovery, now);
    let (result, _) = commit(store, again).await?;
    let repeated = result.as_ref().is_ok_and(|recovered| recovered.repeated);
    findings.expect(repeated, Violation::Vanished, || {
        format!("a recovery code that was used before the crash was answered {result:?} after it")
    });
    Ok(())
}

/// The write of a step whose outcome is lost.
fn unseen<T>(step: Step<T>) -> Result<Write, Finding> {
    let (write, _) = step.into_parts();
    write.ok_or_else(|| Finding::kit("the right code was refused"))
}

/// Stores a write and returns the record of the second load after it: a record that only its writer could see is gone
/// by then.
async fn keep(store: &StoreUnderTest<'_>, findings: &mut Findings, write: Write) -> Result<Account, Finding> {
    let record = write.record.clone();
    store.put(write).await?;
    store.expect_row(findings, &record, &[]).await?;
    store.reload(record.subject()).await
}

/// The write of a challenge that sends a code.
fn challenge(
    store: &StoreUnderTest<'_>,
    fixture: &AccountFixture,
    label: &str,
    account: Account,
) -> Result<Write, Finding> {
    let session = match label {
        "crash" => fixture.session.clone(),
        _ => account::session_for(store, &account, label)?,
    };
    let entropy = store.run().rng(&format!("{} {label} {}", fixture.subject, account.revision())).entropy();
    let request = ChallengeRequest::default();
    let step = store.verifier().challenge(&session, account, &request, store.now(), &entropy);
    let (write, _) = step.into_parts();
    write.ok_or_else(|| Finding::kit("a challenge sends nothing"))
}

pub(crate) async fn outbox(store: &StoreUnderTest<'_>, findings: &mut Findings) -> Result<(), Finding> {
    let fixture = AccountFixture::prepare(store, "outbox", Preparation::Enrolled).await?;
    let before = store.outbox(&fixture.subject).await?;
    findings.expect(before.is_empty(), Violation::MessageStray, || {
        format!("a write without messages has {} in the outbox", before.len())
    });
    for round in 0..3 {
        let account = store.reload(&fixture.subject).await?;
        let stored = challenge(store, &fixture, &format!("first {round}"), account.clone())?;
        let lost = challenge(store, &fixture, &format!("second {round}"), account)?;
        let (kept, dropped) = (stored.outbox.clone(), lost.outbox.clone());
        store.put(stored).await?;
        expect_messages(store, findings, &fixture, &kept).await?;
        let answer = store.swap(lost).await?;
        findings.expect(answer == Swap::Lost, Violation::StaleCopyWins, || {
            format!("a write over a revision that was gone was answered {answer:?}")
        });
        let found = store.outbox(&fixture.subject).await?;
        findings.expect(
            !dropped.iter().any(|message| found.contains(message)),
            Violation::MessageStray,
            || format!("the message of a write that was answered {answer:?} is in the outbox"),
        );
        let account = store.reload(&fixture.subject).await?;
        for message in &kept {
            let rendered = messages::render(store.verifier(), &account, Some(message), store.now());
            findings.expect(rendered.is_ok(), Violation::Altered, || {
                let problem = rendered.err().unwrap_or_default();
                format!("a stored message cannot be derived from the record: {problem}")
            });
        }
    }
    Ok(())
}

async fn expect_messages(
    store: &StoreUnderTest<'_>,
    findings: &mut Findings,
    fixture: &AccountFixture,
    messages: &[Descriptor],
) -> Result<(), Finding> {
    let found = store.outbox(&fixture.subject).await?;
    for message in messages {
        let same_id = found.iter().filter(|known| known.id() == message.id()).count();
        findings.expect(same_id > 0, Violation::MessageMissing, || {
            format!("the message {} of a stored record is not in the outbox", message.id())
        });
        findings.expect(same_id == 0 || found.contains(message), Violation::Altered, || {
            format!("the message {} came back with other content than it was written with", message.id())
        });
    }
    Ok(())
}

/// A caller that can see a record can see its messages, too: one job writes, the others read.
pub(crate) async fn outbox_during_writes<'a>(
    store: &StoreUnderTest<'a>,
    executor: &Executor<'a>,
    findings: &mut Findings,
    name: &str,
) -> Result<(), Finding> {
    const READERS: usize = 3;
    let fixture = AccountFixture::prepare(store, name, Preparation::Enrolled).await?;
    let rounds = store.rounds().min(12);
    let mut rounds_of_barriers: Vec<_> =
        (0..rounds).map(|_| Barrier::for_jobs(READERS.saturating_add(1))).collect();
    let mut barriers = || rounds_of_barriers.iter_mut().filter_map(Vec::pop).zip(1_u64..).collect::<Vec<_>>();
    let stored = Arc::new(AtomicU64::new(0));
    // The messages of each revision, recorded before it is stored.
    let written: Arc<Mutex<Written>> = Arc::default();
    let mut jobs: Vec<BoxFuture<'a, Result<Findings, Finding>>> = Vec::new();
    for _ in 0..READERS {
        let (barriers, stored, written) = (barriers(), Arc::clone(&stored), Arc::clone(&written));
        let (store, fixture) = (store.clone(), fixture.clone());
        jobs.push(Box::pin(async move {
            let mut findings = Findings::default();
            for (barrier, round) in barriers {
                barrier.wait().await;
                // Until the write of this round is answered, and once more.
                let mut over = false;
                while !over {
                    over = stored.load(Ordering::SeqCst) >= round;
                    let account = store.reload(&fixture.subject).await?;
                    let messages = messages_until(&lock(&written), account.revision());
                    expect_messages(&store, &mut findings, &fixture, &messages).await?;
                    yield_now().await;
                }
            }
            Ok(findings)
        }));
    }
    let (barriers, writer) = (barriers(), store.clone());
    let progress = Progress(stored);
    jobs.push(Box::pin(async move {
        for (barrier, round) in barriers {
            let account = writer.reload(&fixture.subject).await?;
            let write = challenge(&writer, &fixture, &format!("round {round}"), account)?;
            lock(&written).push((write.revision(), write.outbox.clone()));
            barrier.wait().await;
            writer.put(write).await?;
            progress.0.store(round, Ordering::SeqCst);
        }
        Ok(Findings::default())
    }));
    for result in executor.run(jobs).await {
        findings.absorb(result.ok_or_else(panicked)??);
    }
    Ok(())
}

/// The newest round whose write was answered. A writer that is gone releases the readers.
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
