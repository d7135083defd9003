//! The race scenes: what attackers and impatient users do at once, through the host's store.
//!
//! A scene is played by one process or by several. Each counts what it saw in a [`Tally`], and the tallies of all are
//! judged together: what must be true of the sum shows whoever played.

use std::{cmp, sync::atomic::Ordering, time::Duration};

use countersign::{
    Account, Authenticator, ChallengeRequest, Committed, Denial, Effect, Step, Swap, step::Effects,
};

use crate::{
    check::Check,
    checks::concurrency::panicked,
    executor::{Later, Muster, Ticket, gate, give_way, pause},
    fault::{Finding, Flaw},
    fixtures::{
        account::{self, ATTEMPTS, CODES, Setting, Stage},
        messages, writes,
    },
    report::Notes,
    store::{Bench, WORKERS},
};

/// What is played.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Scene {
    /// Everybody writes until each has stored as many times as there are rounds.
    Count,
    /// Everybody presents a wrong code.
    Guesses,
    /// Everybody presents the right code.
    Answers,
    /// Everybody presents one recovery code, in two transactions.
    Recovery,
    /// Some ask for the code again, some guess.
    Resends,
}

impl Scene {
    /// In the order in which they are played.
    pub(crate) const ALL: [Self; 5] =
        [Self::Count, Self::Guesses, Self::Answers, Self::Recovery, Self::Resends];

    pub(crate) const fn check(self) -> Check {
        match self {
            Self::Count => Check::Swap,
            Self::Guesses => Check::Guesses,
            Self::Answers => Check::Answers,
            Self::Recovery => Check::Recovery,
            Self::Resends => Check::Resends,
        }
    }

    const fn setting(self) -> Setting {
        match self {
            Self::Count | Self::Recovery => Setting::Enrolled,
            Self::Guesses | Self::Answers => Setting::Challenged,
            Self::Resends => Setting::Guessed,
        }
    }
}

/// What one process saw of a scene.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Tally {
    /// The revisions that its stored writes had.
    pub(crate) stored: Vec<u64>,
    pub(crate) lost: u64,
    /// How many attempts were left after each wrong code that it was told of.
    pub(crate) wrong: Vec<u64>,
    /// How many right codes were taken.
    pub(crate) right: u64,
    /// The effects to issue a token, by the first eight bytes of their ids.
    pub(crate) tokens: Vec<u64>,
    /// How many messages were to be sent.
    pub(crate) sent: u64,
    /// The record's revision before and after, and what it then counted: wrong codes in a row, recovery codes left.
    pub(crate) ends: [u64; 4],
}

impl Tally {
    fn take<T>(&mut self, result: &Result<T, Denial>, effects: &Effects) {
        if let Err(Denial::InvalidBindingCode { attempts_left }) = *result {
            self.wrong.push(u64::from(attempts_left));
        }
        for effect in effects {
            if let Effect::IssueToken(token) = effect {
                let id = token.id.as_bytes().first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
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

/// Sets the stage of a scene.
pub(crate) async fn set(bench: &Bench<'_>, scene: Scene, name: &str) -> Result<Stage, Finding> {
    Stage::set(bench, name, scene.setting()).await
}

/// Plays a scene with a crowd.
pub(crate) async fn play<'a>(
    bench: &Bench<'a>,
    muster: &Muster<'a>,
    scene: Scene,
    stage: &Stage,
) -> Result<Tally, Finding> {
    let job = |(worker, ticket): (u8, Ticket)| {
        let (bench, stage) = (bench.clone(), stage.clone());
        let job: Later<'a, _> = Box::pin(async move { act(&bench, scene, &stage, worker, ticket).await });
        job
    };
    let jobs = (0..WORKERS).zip(gate(usize::from(WORKERS))).map(job).collect();
    let mut sum = Tally::default();
    for tally in muster.run(jobs).await {
        sum.absorb(tally.ok_or_else(panicked)??);
    }
    sum.stored.sort_unstable();
    sum.wrong.sort_unstable();
    sum.tokens.sort_unstable();
    Ok(sum)
}

/// What the record says when everybody is done.
pub(crate) async fn end(bench: &Bench<'_>, stage: &Stage, tally: &mut Tally) -> Result<(), Finding> {
    let account = bench.reload(&stage.subject).await?;
    let failures = account.authenticators().first().map_or(0, Authenticator::failures);
    let codes = bench.verifier().recovery_codes_left(&account);
    tally.ends = [stage.base, account.revision().get(), u64::from(failures), u64::from(codes)];
    Ok(())
}

/// What one of the crowd does.
async fn act(
    bench: &Bench<'_>,
    scene: Scene,
    stage: &Stage,
    worker: u8,
    ticket: Ticket,
) -> Result<Tally, Finding> {
    let (verifier, now) = (bench.verifier(), bench.now());
    let mut tally = Tally::default();
    let even = worker.is_multiple_of(2);
    match scene {
        Scene::Guesses | Scene::Answers => {
            let (handle, right) = stage.challenge()?;
            let code = if scene == Scene::Answers { right.clone() } else { account::wrong(right)? };
            let verify = |account| verifier.verify_oob(&stage.session, account, handle, &code, now);
            let result = step(bench, stage, &mut tally, ticket, verify).await?;
            tally.right = u64::from(result.is_ok());
        }
        Scene::Recovery => {
            let session = if even { &stage.session } else { &stage.other };
            let recover = |account| verifier.verify_recovery(session, account, &stage.recovery, now);
            let result = step(bench, stage, &mut tally, ticket, recover).await?;
            tally.right = u64::from(result.is_ok_and(|recovered| !recovered.repeated));
        }
        Scene::Resends if even => {
            let entropy = bench.run().rng(&format!("{} resend {worker}", stage.subject)).entropy();
            let request = ChallengeRequest::default();
            let resend = |account| verifier.challenge(&stage.session, account, &request, now, &entropy);
            drop(step(bench, stage, &mut tally, ticket, resend).await?);
        }
        Scene::Resends => {
            let (handle, right) = stage.challenge()?;
            let code = account::wrong(right)?;
            let verify = |account| verifier.verify_oob(&stage.session, account, handle, &code, now);
            drop(step(bench, stage, &mut tally, ticket, verify).await?);
        }
        Scene::Count => count_up(bench, stage, &mut tally, ticket).await?,
    }
    Ok(tally)
}

/// How often a write may be lost in a row. Each loss is another's gain, and there are not more of those.
fn patience(bench: &Bench<'_>) -> u32 {
    let writes = u32::from(bench.rounds()).saturating_add(4).saturating_mul(u32::from(WORKERS));
    // Beside other processes some write beyond their rounds, and a slow one may lose to all of that.
    let processes = u32::from(bench.processes());
    writes.saturating_mul(processes).saturating_mul(processes).saturating_add(16)
}

fn out_of_patience(bench: &Bench<'_>) -> Finding {
    let saw =
        format!("a write over the revision just loaded was answered Lost {} times in a row", patience(bench));
    Finding::new(Flaw::NeverStored, saw)
}

/// Takes one step through the store, as a host does: again from a fresh load while it is lost. Everybody has loaded
/// before anybody swaps for the first time.
async fn step<T>(
    bench: &Bench<'_>,
    stage: &Stage,
    tally: &mut Tally,
    ticket: Ticket,
    mut take: impl FnMut(Account) -> Step<T>,
) -> Result<Result<T, Denial>, Finding> {
    let mut ticket = Some(ticket);
    for _ in 0..patience(bench) {
        let account = bench.reload(&stage.subject).await?;
        match ticket.take() {
            Some(ticket) => ticket.pass().await,
            None => give_way().await,
        }
        let (write, sealed) = take(account).into_parts();
        let answer = match write {
            None => Swap::Stored,
            Some(write) => {
                let revision = write.record.revision().get();
                let answer = bench.swap(write).await?;
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
    Err(out_of_patience(bench))
}

/// How often one of the crowd writes beyond its rounds, until another process takes its turn.
const EXTRA: u16 = 1_000;

/// Writes as often as there are rounds, each time over what it loaded. Beside other processes it goes on until one of
/// its own process has written over a write of another.
async fn count_up(
    bench: &Bench<'_>,
    stage: &Stage,
    tally: &mut Tally,
    ticket: Ticket,
) -> Result<(), Finding> {
    let mine = u64::from(bench.process());
    let theirs = |mark: u64| mark != mine && (0..u64::from(bench.processes())).contains(&mark);
    let mut ticket = Some(ticket);
    let (mut written, mut extra, mut lost) = (0, 0..EXTRA, 0);
    let took_turns = || bench.processes() == 1 || stage.took_turns.load(Ordering::SeqCst);
    loop {
        if written >= bench.rounds() {
            if took_turns() || extra.next().is_none() {
                return Ok(());
            }
            pause(Duration::from_millis(1)).await;
        }
        let account = bench.reload(&stage.subject).await?;
        if let Some(ticket) = ticket.take() {
            ticket.pass().await;
        }
        let over_theirs = theirs(writes::mark(&account)?);
        let write = bench.next(&account, mine)?;
        let revision = write.record.revision().get();
        match bench.swap(write).await? {
            Swap::Stored => {
                tally.stored.push(revision);
                written = u16::saturating_add(written, 1);
                stage.took_turns.fetch_or(over_theirs, Ordering::SeqCst);
                lost = 0;
            }
            Swap::Lost => {
                tally.lost = tally.lost.saturating_add(1);
                lost = u32::saturating_add(lost, 1);
                if lost >= patience(bench) {
                    return Err(out_of_patience(bench));
                }
                give_way().await;
            }
        }
    }
}

/// What must be true of a scene, whoever played it.
pub(crate) fn judge(scene: Scene, tallies: &[&Tally], notes: &mut Notes) {
    let mut sum = Tally::default();
    tallies.iter().for_each(|&tally| sum.absorb(tally.clone()));
    let [base, last, failures, codes] = tallies.first().map_or([0; 4], |tally| tally.ends);
    notes.expect(
        tallies.iter().all(|tally| tally.ends == [base, last, failures, codes]),
        Flaw::StaleRead,
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
    notes.expect(twice.is_none(), Flaw::TwoWinners, || {
        let revision = twice.unwrap_or_default();
        format!("two writes over revision {} were both answered Stored", revision.wrapping_sub(1))
    });
    let written = last.wrapping_sub(base);
    let (flaw, than) = match stored.cmp(&written) {
        cmp::Ordering::Less => (Flaw::LostButWritten, "more"),
        cmp::Ordering::Equal | cmp::Ordering::Greater => (Flaw::Vanished, "less"),
    };
    notes.expect(twice.is_some() || stored == written, flaw, || {
        format!("{stored} writes were answered Stored, and the record went on by {written}, which is {than}")
    });
    let mut limit = |holds: bool, saw: &dyn Fn() -> String| notes.expect(holds, Flaw::LimitBroken, saw);
    sum.wrong.sort_unstable();
    limit(sum.wrong.is_sorted_by(|one, other| one < other), &|| {
        format!("one attempt was told more than once: those left after each wrong code were {:?}", sum.wrong)
    });
    let wrong = sum.wrong.len();
    let mut tokens = sum.tokens.clone();
    tokens.sort_unstable();
    tokens.dedup();
    let tokens = tokens.len();
    match scene {
        Scene::Guesses => {
            limit(wrong == usize::from(ATTEMPTS), &|| {
                format!("{wrong} verdicts on wrong codes were revealed where there were {ATTEMPTS} attempts")
            });
            limit(failures == u64::from(ATTEMPTS), &|| {
                format!("the record counts {failures} wrong codes where there were {ATTEMPTS} attempts")
            });
        }
        Scene::Answers => limit(sum.right == 1 && tokens == 1, &|| {
            format!("the right code was taken {} times and issued {tokens} tokens", sum.right)
        }),
        Scene::Recovery => {
            limit(sum.right == 1 && tokens == 1, &|| {
                format!("a recovery code was taken {} times and issued {tokens} tokens", sum.right)
            });
            let expected = u64::from(CODES.saturating_sub(1));
            limit(codes == expected, &|| {
                format!("one of {CODES} recovery codes was used, and {codes} are left")
            });
        }
        Scene::Resends => {
            let left = usize::from(ATTEMPTS.saturating_sub(2));
            limit(wrong == left, &|| {
                format!("{wrong} verdicts were revealed where {left} attempts were left, beside resends")
            });
            limit(sum.sent <= 1, &|| format!("{} messages were sent within one cool-down", sum.sent));
        }
        // That each stored as often as there are rounds is what ended it.
        Scene::Count => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Verdict;

    /// What is wrong with what one process saw.
    fn judged(scene: Scene, tally: &Tally) -> Vec<Flaw> {
        let mut notes = Notes::default();
        judge(scene, &[tally], &mut notes);
        let Verdict::Failed(findings) = notes.conclude(Ok(())) else { return Vec::new() };
        findings.iter().map(|finding| finding.flaw).collect()
    }

    #[test]
    fn a_code_is_taken_once_and_issues_one_token() {
        for scene in [Scene::Answers, Scene::Recovery] {
            let right = Tally { right: 1, tokens: Vec::from([7, 7]), ends: [0, 0, 0, 2], ..Tally::default() };
            assert_eq!(judged(scene, &right), [], "a token that is given again is the same");
            for (taken, tokens) in [(0, 0), (1, 0), (2, 1), (1, 2), (2, 2)] {
                let tokens = (0..tokens).collect();
                let wrong = Tally { right: taken, tokens, ..right.clone() };
                assert_eq!(judged(scene, &wrong), [Flaw::LimitBroken], "{wrong:?}");
            }
        }
    }

    #[test]
    fn what_was_stored_is_what_the_record_went_on_by() {
        let tally = |stored: &[u64]| Tally { stored: stored.into(), ends: [5, 7, 0, 0], ..Tally::default() };
        assert_eq!(judged(Scene::Count, &tally(&[7, 6])), []);
        assert_eq!(judged(Scene::Count, &tally(&[6])), [Flaw::LostButWritten]);
        assert_eq!(judged(Scene::Count, &tally(&[6, 7, 8])), [Flaw::Vanished]);
        assert_eq!(judged(Scene::Count, &tally(&[6, 7, 7])), [Flaw::TwoWinners]);
    }
}
