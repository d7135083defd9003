//! The race scenarios: the concurrent requests of attackers and impatient users, through the host's store.
//!
//! One process or several play a scenario. Each counts what it observed in a [`Tally`], and the tallies of all
//! processes are judged together: what must hold of the sum does not depend on who played. A scenario must never judge
//! a tally alone.

use std::{cmp, sync::atomic::Ordering, time::Duration};

use countersign::{
    Account, ChallengeRequest, Denial, Effect, Step, Swap,
    record::Authenticator,
    step::{Committed, Effects},
};

use crate::{
    check::Check,
    checks::concurrency::panicked,
    executor::{Barrier, BoxFuture, Executor, sleep, yield_now},
    fault::{Finding, Violation},
    fixtures::{
        account::{self, ATTEMPTS, AccountFixture, CODES, Preparation},
        messages, writes,
    },
    report::Findings,
    store::{StoreUnderTest, WORKERS},
};

/// A race.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Scenario {
    /// Every job writes until it has stored once for each round.
    Count,
    /// Every job presents a wrong code.
    Guesses,
    /// Every job presents the right code.
    Answers,
    /// Every job presents the same recovery code, in two transactions.
    Recovery,
    /// Some jobs ask for the code again, the others guess.
    Resends,
    /// Every job presents the same code of a device, in two transactions.
    Otp,
}

impl Scenario {
    /// All scenarios, in the order of play.
    pub(crate) const ALL: [Self; 6] =
        [Self::Count, Self::Guesses, Self::Answers, Self::Recovery, Self::Resends, Self::Otp];

    pub(crate) const fn check(self) -> Check {
        match self {
            Self::Count => Check::Swap,
            Self::Guesses => Check::Guesses,
            Self::Answers => Check::Answers,
            Self::Recovery => Check::Recovery,
            Self::Resends => Check::Resends,
            Self::Otp => Check::Otp,
        }
    }

    const fn preparation(self) -> Preparation {
        match self {
            Self::Count | Self::Recovery => Preparation::Enrolled,
            Self::Guesses | Self::Answers => Preparation::Challenged,
            Self::Resends => Preparation::Guessed,
            Self::Otp => Preparation::Device,
        }
    }
}

/// What one process observed of a scenario.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Tally {
    /// The revisions of its stored writes.
    pub(crate) stored: Vec<u64>,
    pub(crate) lost: u64,
    /// The attempts left after each wrong code, as the refusals reported them.
    pub(crate) wrong: Vec<u64>,
    /// Number of right codes that were accepted.
    pub(crate) right: u64,
    /// The first eight bytes of the ids of the effects that issue a token.
    pub(crate) tokens: Vec<u64>,
    /// Number of messages to send.
    pub(crate) sent: u64,
    /// The record's revision before and after, then its wrong codes in a row and its recovery codes left.
    pub(crate) ends: [u64; 4],
}

impl Tally {
    fn take<T>(&mut self, result: &Result<T, Denial>, effects: &Effects) {
        if let Err(Denial::InvalidBindingCode { attempts_left }) = *result {
            self.wrong.push(u64::from(attempts_left));
        }
        for effect in effects {
            if let Effect::IssueToken(token) = effect {
                let id = token.id().as_bytes().first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
                self.tokens.push(id);
            }
        }
        self.sent = messages::sent(effects).fold(self.sent, |sent, _| sent.saturating_add(1));
    }

    fn absorb(&mut self, other: Self) {
        let Self { stored, lost, wrong, right, tokens, sent, ends: _ } = other;
        self.stored.extend(stored);
        self.lost = self.lost.saturating_add(lost);
        self.wrong.extend(wrong);
        self.right = self.right.saturating_add(right);
        self.tokens.extend(tokens);
        self.sent = self.sent.saturating_add(sent);
    }
}

/// Prepares the account of a scenario.
pub(crate) async fn prepare(
    store: &StoreUnderTest<'_>,
    scenario: Scenario,
    name: &str,
) -> Result<AccountFixture, Finding> {
    AccountFixture::prepare(store, name, scenario.preparation()).await
}

/// Plays a scenario with all jobs of this process.
pub(crate) async fn play<'a>(
    store: &StoreUnderTest<'a>,
    executor: &Executor<'a>,
    scenario: Scenario,
    fixture: &AccountFixture,
) -> Result<Tally, Finding> {
    let job = |(worker, barrier): (u8, Barrier)| {
        let (store, fixture) = (store.clone(), fixture.clone());
        let job: BoxFuture<'a, _> =
            Box::pin(async move { act(&store, scenario, &fixture, worker, barrier).await });
        job
    };
    let jobs = (0..WORKERS).zip(Barrier::for_jobs(usize::from(WORKERS))).map(job).collect();
    let mut sum = Tally::default();
    for tally in executor.run(jobs).await {
        sum.absorb(tally.ok_or_else(panicked)??);
    }
    sum.stored.sort_unstable();
    sum.wrong.sort_unstable();
    sum.tokens.sort_unstable();
    Ok(sum)
}

/// Reads the final record into the tally.
pub(crate) async fn end(
    store: &StoreUnderTest<'_>,
    fixture: &AccountFixture,
    tally: &mut Tally,
) -> Result<(), Finding> {
    let account = store.reload(&fixture.subject).await?;
    let failures = account.authenticators().first().map_or(0, Authenticator::failures);
    let codes = store.verifier().recovery_codes_left(&account);
    tally.ends = [fixture.base, account.revision().get(), u64::from(failures), u64::from(codes)];
    Ok(())
}

/// The requests of one job.
async fn act(
    store: &StoreUnderTest<'_>,
    scenario: Scenario,
    fixture: &AccountFixture,
    worker: u8,
    barrier: Barrier,
) -> Result<Tally, Finding> {
    let (verifier, now) = (store.verifier(), store.now());
    let mut tally = Tally::default();
    let even = worker.is_multiple_of(2);
    match scenario {
        Scenario::Guesses | Scenario::Answers => {
            let (handle, right) = fixture.challenge()?;
            let code = if scenario == Scenario::Answers { right.clone() } else { account::wrong(right)? };
            let verify = |account| verifier.verify_oob(&fixture.session, account, handle, &code, now, None);
            let result = step(store, fixture, &mut tally, barrier, verify).await?;
            tally.right = u64::from(result.is_ok());
        }
        Scenario::Recovery => {
            let session = if even { &fixture.session } else { &fixture.other };
            let recover = |account| verifier.verify_recovery(session, account, &fixture.recovery, now);
            let result = step(store, fixture, &mut tally, barrier, recover).await?;
            tally.right = u64::from(result.is_ok_and(|recovered| !recovered.repeated));
        }
        Scenario::Otp => {
            let session = if even { &fixture.session } else { &fixture.other };
            let request = fixture.otp()?.clone().into();
            let verify = |account| verifier.verify_otp(session, account, &request, now, None);
            let result = step(store, fixture, &mut tally, barrier, verify).await?;
            tally.right = u64::from(result.is_ok());
        }
        Scenario::Resends if even => {
            let entropy = store.run().rng(&format!("{} resend {worker}", fixture.subject)).entropy();
            let request = ChallengeRequest::default();
            let resend = |account| verifier.challenge(&fixture.session, account, &request, now, &entropy);
            drop(step(store, fixture, &mut tally, barrier, resend).await?);
        }
        Scenario::Resends => {
            let (handle, right) = fixture.challenge()?;
            let code = account::wrong(right)?;
            let verify = |account| verifier.verify_oob(&fixture.session, account, handle, &code, now, None);
            drop(step(store, fixture, &mut tally, barrier, verify).await?);
        }
        Scenario::Count => count_up(store, fixture, &mut tally, barrier).await?,
    }
    Ok(tally)
}

/// Number of times that a write may be lost in a row. Each loss means that another write was stored, and there are no
/// more of those.
fn retry_limit(store: &StoreUnderTest<'_>) -> u32 {
    let writes = u32::from(store.rounds()).saturating_add(4).saturating_mul(u32::from(WORKERS));
    // With other processes some jobs write beyond their rounds, and a slow job may lose to all of these writes.
    let processes = u32::from(store.processes());
    writes.saturating_mul(processes).saturating_mul(processes).saturating_add(16)
}

fn retries_exhausted(store: &StoreUnderTest<'_>) -> Finding {
    let observed = format!(
        "a write over the revision just loaded was answered Lost {} times in a row",
        retry_limit(store)
    );
    Finding::new(Violation::NeverStored, observed)
}

/// Takes one step through the store, as a host does: again from a fresh load while it is lost. All jobs have loaded
/// before the first one swaps.
async fn step<T>(
    store: &StoreUnderTest<'_>,
    fixture: &AccountFixture,
    tally: &mut Tally,
    barrier: Barrier,
    mut take: impl FnMut(Account) -> Step<T>,
) -> Result<Result<T, Denial>, Finding> {
    let mut barrier = Some(barrier);
    for _ in 0..retry_limit(store) {
        let account = store.reload(&fixture.subject).await?;
        match barrier.take() {
            Some(barrier) => barrier.wait().await,
            None => yield_now().await,
        }
        let (write, sealed) = take(account).into_parts();
        let answer = match write {
            None => Swap::Stored,
            Some(write) => {
                let revision = write.record.revision().get();
                let answer = store.swap(write).await?;
                match answer {
                    Swap::Stored => tally.stored.push(revision),
                    Swap::Lost => tally.lost = tally.lost.saturating_add(1),
                }
                answer
            }
        };
        if let Committed::Done(outcome) = sealed.open(answer) {
            let (result, effects) = outcome.into_parts();
            tally.take(&result, &effects);
            return Ok(result);
        }
    }
    Err(retries_exhausted(store))
}

/// Number of writes of one job beyond its rounds, until another process has written in between.
const EXTRA: u16 = 1_000;

/// Writes once for each round, each time over what it loaded. With other processes it continues until a job of this
/// process has written over a write of another process.
async fn count_up(
    store: &StoreUnderTest<'_>,
    fixture: &AccountFixture,
    tally: &mut Tally,
    barrier: Barrier,
) -> Result<(), Finding> {
    let mine = u64::from(store.process());
    let theirs = |mark: u64| mark != mine && (0..u64::from(store.processes())).contains(&mark);
    let mut barrier = Some(barrier);
    let (mut written, mut extra, mut lost) = (0, 0..EXTRA, 0);
    let interleaved = || store.processes() == 1 || fixture.interleaved.load(Ordering::SeqCst);
    loop {
        if written >= store.rounds() {
            if interleaved() || extra.next().is_none() {
                return Ok(());
            }
            sleep(Duration::from_millis(1)).await;
        }
        let account = store.reload(&fixture.subject).await?;
        if let Some(barrier) = barrier.take() {
            barrier.wait().await;
        }
        let over_theirs = theirs(writes::mark(&account)?);
        let write = store.next(&account, mine)?;
        let revision = write.record.revision().get();
        match store.swap(write).await? {
            Swap::Stored => {
                tally.stored.push(revision);
                written = u16::saturating_add(written, 1);
                fixture.interleaved.fetch_or(over_theirs, Ordering::SeqCst);
                lost = 0;
            }
            Swap::Lost => {
                tally.lost = tally.lost.saturating_add(1);
                lost = u32::saturating_add(lost, 1);
                if lost >= retry_limit(store) {
                    return Err(retries_exhausted(store));
                }
                yield_now().await;
            }
        }
    }
}

/// Judges a scenario by the tallies of all processes that played it.
pub(crate) fn judge(scenario: Scenario, tallies: &[&Tally], findings: &mut Findings) {
    let mut sum = Tally::default();
    tallies.iter().for_each(|&tally| sum.absorb(tally.clone()));
    let [base, last, failures, codes] = tallies.first().map_or([0; 4], |tally| tally.ends);
    findings.expect(
        tallies.iter().all(|tally| tally.ends == [base, last, failures, codes]),
        Violation::StaleRead,
        || {
            let ends: Vec<_> = tallies.iter().map(|tally| tally.ends).collect();
            format!("when all were done, loads gave different records: {ends:?}")
        },
    );
    sum.stored.sort_unstable();
    let stored = u64::try_from(sum.stored.len()).unwrap_or(u64::MAX);
    let twice = sum.stored.windows(2).find_map(|pair| match pair {
        [one, other] if one == other => Some(*one),
        _ => None,
    });
    findings.expect(twice.is_none(), Violation::TwoWinners, || {
        let revision = twice.unwrap_or_default();
        format!("two writes over revision {} were both answered Stored", revision.wrapping_sub(1))
    });
    let written = last.wrapping_sub(base);
    let (violation, than) = match stored.cmp(&written) {
        cmp::Ordering::Less => (Violation::LostButWritten, "more"),
        cmp::Ordering::Equal | cmp::Ordering::Greater => (Violation::Vanished, "less"),
    };
    findings.expect(twice.is_some() || stored == written, violation, || {
        format!("{stored} writes were answered Stored, and the record went on by {written}, which is {than}")
    });
    let mut limit =
        |holds: bool, observed: &dyn Fn() -> String| findings.expect(holds, Violation::LimitBroken, observed);
    sum.wrong.sort_unstable();
    limit(sum.wrong.is_sorted_by(|one, other| one < other), &|| {
        format!(
            "one attempt was reported more than once: those left after each wrong code were {:?}",
            sum.wrong
        )
    });
    let wrong = sum.wrong.len();
    let mut tokens = sum.tokens.clone();
    tokens.sort_unstable();
    tokens.dedup();
    let tokens = tokens.len();
    match scenario {
        Scenario::Guesses => {
            limit(wrong == usize::from(ATTEMPTS), &|| {
                format!("{wrong} verdicts on wrong codes were revealed where there were {ATTEMPTS} attempts")
            });
            limit(failures == u64::from(ATTEMPTS), &|| {
                format!("the record counts {failures} wrong codes where there were {ATTEMPTS} attempts")
            });
        }
        Scenario::Answers | Scenario::Otp => limit(sum.right == 1 && tokens == 1, &|| {
            format!("the right code was taken {} times and issued {tokens} tokens", sum.right)
        }),
        Scenario::Recovery => {
            limit(sum.right == 1 && tokens == 1, &|| {
                format!("a recovery code was taken {} times and issued {tokens} tokens", sum.right)
            });
            let expected = u64::from(CODES.saturating_sub(1));
            limit(codes == expected, &|| {
                format!("one of {CODES} recovery codes was used, and {codes} are left")
            });
        }
        Scenario::Resends => {
            let left = usize::from(ATTEMPTS.saturating_sub(2));
            limit(wrong == left, &|| {
                format!("{wrong} verdicts were revealed where {left} attempts were left, beside resends")
            });
            limit(sum.sent <= 1, &|| format!("{} messages were sent within one cool-down", sum.sent));
        }
        // The scenario ends when every job has stored its rounds.
        Scenario::Count => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Verdict;

    /// The violations in the tally of one process.
    fn violations(scenario: Scenario, tally: &Tally) -> Vec<Violation> {
        let mut findings = Findings::default();
        judge(scenario, &[tally], &mut findings);
        let Verdict::Failed(findings) = findings.conclude(Ok(())) else { return Vec::new() };
        findings.iter().map(|finding| finding.violation).collect()
    }

    #[test]
    fn a_code_is_taken_once_and_issues_one_token() {
        for scenario in [Scenario::Answers, Scenario::Recovery, Scenario::Otp] {
            let right = Tally { right: 1, tokens: Vec::from([7, 7]), ends: [0, 0, 0, 2], ..Tally::default() };
            assert_eq!(violations(scenario, &right), [], "a repeated answer has the same token");
            for (taken, tokens) in [(0, 0), (1, 0), (2, 1), (1, 2), (2, 2)] {
                let tokens = (0..tokens).collect();
                let wrong = Tally { right: taken, tokens, ..right.clone() };
                assert_eq!(violations(scenario, &wrong), [Violation::LimitBroken], "{wrong:?}");
            }
        }
    }

    #[test]
    fn what_was_stored_is_what_the_record_went_on_by() {
        let tally = |stored: &[u64]| Tally { stored: stored.into(), ends: [5, 7, 0, 0], ..Tally::default() };
        assert_eq!(violations(Scenario::Count, &tally(&[7, 6])), []);
        assert_eq!(violations(Scenario::Count, &tally(&[6])), [Violation::LostButWritten]);
        assert_eq!(violations(Scenario::Count, &tally(&[6, 7, 8])), [Violation::Vanished]);
        assert_eq!(violations(Scenario::Count, &tally(&[6, 7, 7])), [Violation::TwoWinners]);
    }
}
