//! One run in several processes: they meet in the store, play the same scenes on the same records, and each brings
//! home a share. Only all shares together can be judged.

use std::{fmt, str::FromStr, time::Duration};

use countersign::Swap;

use crate::{
    check::Crowd,
    checks::scenarios::{self, Scene, Tally},
    executor::{Muster, pause},
    fault::{Finding, Flaw},
    report::{Checked, Notes, Report},
    run_id::{Part, Run},
    store::Bench,
};

/// How often each scene is played.
const ROUNDS: u8 = 3;

/// How long a process waits for the others: a minute, in steps of 10 ms.
const PATIENCE: u16 = if cfg!(test) { 10 } else { 6_000 };

/// What one process of a run saw. It prints as text, from which another process can read it.
#[must_use = "only the shares of all processes together say anything"]
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Share {
    run: Run,
    index: u8,
    of: u8,
    rounds: u16,
    loads: u64,
    swaps: u64,
    tallies: Vec<(Scene, Tally)>,
    /// What went wrong in a scene, or in the whole of it.
    findings: Vec<(Option<Scene>, Finding)>,
}

impl Share {
    /// Judges what all processes of a run saw.
    pub fn judge(shares: &[Self]) -> Report {
        let run = shares.first().map_or_else(Run::none, |share| share.run.clone());
        let mut report = Report::new(run);
        report.loads = shares.iter().map(|share| share.loads).fold(0, u64::saturating_add);
        report.swaps = shares.iter().map(|share| share.swaps).fold(0, u64::saturating_add);
        let ended = Self::check_complete(shares);
        for scene in Scene::ALL {
            let mut notes = Notes::default();
            for (of, finding) in shares.iter().flat_map(|share| &share.findings) {
                if of.is_none_or(|of| of == scene) {
                    notes.add(finding.clone());
                }
            }
            if ended.is_ok() && notes.is_clean() {
                for round in 0..usize::from(ROUNDS) {
                    let of_scene = |share: &'_ Self| share.tallies_of(scene).nth(round).cloned();
                    let tallies: Vec<_> = shares.iter().filter_map(of_scene).collect();
                    let tallies: Vec<_> = tallies.iter().collect();
                    if tallies.len() == shares.len() {
                        scenarios::judge(scene, &tallies, &mut notes);
                    }
                    if scene == Scene::Count {
                        check_together(&tallies, &mut notes);
                    }
                }
            }
            let verdict = notes.conclude(ended.clone());
            report.checks.push(Checked { check: scene.check(), crowd: Some(Crowd::Processes), verdict });
        }
        report
    }

    /// The share of a process that could not begin.
    pub(crate) fn ended(part: &Part, finding: Finding) -> Self {
        let Part { run, index, of } = part.clone();
        let findings = Vec::from([(None, finding)]);
        Self { run, index, of, rounds: 0, loads: 0, swaps: 0, tallies: Vec::new(), findings }
    }

    fn tallies_of(&self, scene: Scene) -> impl Iterator<Item = &Tally> {
        self.tallies.iter().filter(move |(of, _)| *of == scene).map(|(_, tally)| tally)
    }

    /// Whether these are the shares of all processes of one run.
    fn check_complete(shares: &[Self]) -> Result<(), Finding> {
        let first = shares.first();
        let same = |share: &Self| {
            first.is_some_and(|first| {
                (&share.run, share.of, share.rounds) == (&first.run, first.of, first.rounds)
            })
        };
        let of = first.map_or(0, |share| share.of);
        let all = (0..of).all(|index| shares.iter().filter(|share| share.index == index).count() == 1);
        if of >= 2 && all && shares.len() == usize::from(of) && shares.iter().all(same) {
            return Ok(());
        }
        let parts: Vec<_> =
            shares.iter().map(|share| format!("{}/{} of {}", share.index, share.of, share.run)).collect();
        Err(Finding::new(
            Flaw::NotTogether,
            format!("these are not the shares of all processes of one run: {parts:?}"),
        ))
    }
}

/// Whether the processes took turns, or each was done before the next began.
fn check_together(tallies: &[&Tally], notes: &mut Notes) {
    let base = tallies.first().map_or(0, |tally| tally.ends[0]);
    let revisions = |(process, tally): (usize, &&Tally)| {
        tally.stored.iter().map(|revision| (revision.wrapping_sub(base), process)).collect::<Vec<_>>()
    };
    let mut order: Vec<_> = tallies.iter().enumerate().flat_map(revisions).collect();
    order.sort_unstable();
    let turns =
        order.windows(2).filter(|pair| matches!(pair, [(_, one), (_, other)] if one != other)).count();
    notes.expect(turns >= tallies.len(), Flaw::NotTogether, || {
        format!("the processes took turns {turns} times: each was done before the next began")
    });
}

/// Plays one part.
pub(crate) async fn take_part<'a>(bench: &Bench<'a>, muster: &Muster<'a>, part: &Part) -> Share {
    let Part { run, index, of } = part.clone();
    let (tallies, findings) = (Vec::new(), Vec::new());
    let mut share = Share { run, index, of, rounds: bench.rounds(), loads: 0, swaps: 0, tallies, findings };
    if let Err(finding) = play(bench, muster, part, &mut share).await {
        share.findings.push((None, finding));
    }
    (share.loads, share.swaps) = (bench.loads(), bench.swaps());
    share
}

async fn play<'a>(
    bench: &Bench<'a>,
    muster: &Muster<'a>,
    part: &Part,
    share: &mut Share,
) -> Result<(), Finding> {
    let mut stages = Vec::new();
    for round in 0..ROUNDS {
        for scene in Scene::ALL {
            let stage = scenarios::set(bench, scene, &format!("together-{}-{round}", scene.check())).await?;
            stages.push((scene, stage));
        }
    }
    for (place, (scene, stage)) in stages.iter().enumerate() {
        meet(bench, part, &format!("{place}")).await?;
        // Whoever fails in a scene goes on: nobody waits for it in vain.
        let tally = scenarios::play(bench, muster, *scene, stage).await.unwrap_or_else(|finding| {
            share.findings.push((Some(*scene), finding));
            Tally::default()
        });
        share.tallies.push((*scene, tally));
    }
    meet(bench, part, "end").await?;
    for ((_, stage), (_, tally)) in stages.iter().zip(&mut share.tallies) {
        scenarios::end(bench, stage, tally).await?;
    }
    announce(bench, part, "done").await?;
    // The first cleans up, so it goes last.
    if part.index == 0 { wait(bench, part, "done").await } else { Ok(()) }
}

/// Waits until all processes have come to the same place.
async fn meet(bench: &Bench<'_>, part: &Part, place: &str) -> Result<(), Finding> {
    announce(bench, part, place).await?;
    wait(bench, part, place).await
}

/// Says that this process is here, by a record.
async fn announce(bench: &Bench<'_>, part: &Part, place: &str) -> Result<(), Finding> {
    let here = bench.subject(&format!("meet-{place}-{}", part.index))?;
    match bench.swap(bench.insert(bench.fresh(&here, 0)?)?).await? {
        Swap::Stored => Ok(()),
        Swap::Lost => {
            let saw = format!("part {} of run {} was taken before", part.index, part.run);
            Err(Finding::new(Flaw::RunReused, saw))
        }
    }
}

async fn wait(bench: &Bench<'_>, part: &Part, place: &str) -> Result<(), Finding> {
    for index in (0..part.of).filter(|index| *index != part.index) {
        let there = bench.subject(&format!("meet-{place}-{index}"))?;
        let mut tries = 0;
        while bench.load(&there).await?.is_none() {
            tries = u16::saturating_add(tries, 1);
            if tries >= PATIENCE {
                let saw = format!("part {index} of {} did not come, or ended early", part.of);
                return Err(Finding::new(Flaw::NotTogether, saw));
            }
            pause(Duration::from_millis(10)).await;
        }
    }
    Ok(())
}

const HEAD: &str = "countersign-conformance-share 1";

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { run, index, of, rounds, loads, swaps, tallies, findings } = self;
        writeln!(f, "{HEAD} {run} {index} {of} {rounds} {loads} {swaps}")?;
        for (scene, tally) in tallies {
            let Tally { stored, lost, wrong, right, tokens, sent, ends } = tally;
            write!(f, "scene {} {lost} {right} {sent}", scene.check())?;
            for list in [stored, wrong, tokens, &ends.to_vec()] {
                write!(f, " {}", list.len())?;
                list.iter().try_for_each(|number| write!(f, " {number}"))?;
            }
            writeln!(f)?;
        }
        for (scene, Finding { flaw, saw }) in findings {
            let scene = scene.map_or("all", |scene| scene.check().name());
            let one_line: String = saw.split(char::is_control).collect();
            writeln!(f, "finding {scene} {} {one_line}", flaw.name())?;
        }
        writeln!(f, "end")
    }
}

/// A text is not the share of a process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotAShare;

impl fmt::Display for NotAShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the text is not the whole share of one process")
    }
}

impl std::error::Error for NotAShare {}

impl FromStr for Share {
    type Err = NotAShare;

    fn from_str(text: &str) -> Result<Self, NotAShare> {
        let mut lines = text.lines();
        let head = lines.next().and_then(|line| line.strip_prefix(HEAD)).ok_or(NotAShare)?;
        let mut words = head.split_whitespace();
        let run = words.next().and_then(|word| word.parse().ok()).ok_or(NotAShare)?;
        let mut share = Self {
            run,
            index: number(&mut words)?,
            of: number(&mut words)?,
            rounds: number(&mut words)?,
            loads: number(&mut words)?,
            swaps: number(&mut words)?,
            tallies: Vec::new(),
            findings: Vec::new(),
        };
        for line in lines {
            match line.split_once(' ') {
                Some(("scene", rest)) => share.tallies.push(scene(rest)?),
                Some(("finding", rest)) => {
                    let (of, rest) = rest.split_once(' ').ok_or(NotAShare)?;
                    let (flaw, saw) = rest.split_once(' ').ok_or(NotAShare)?;
                    let of = if of == "all" { None } else { Some(scene_named(of)?) };
                    let flaw = Flaw::ALL.into_iter().find(|known| known.name() == flaw).ok_or(NotAShare)?;
                    share.findings.push((of, Finding::new(flaw, String::from(saw))));
                }
                None if line == "end" => return Ok(share),
                _ => return Err(NotAShare),
            }
        }
        Err(NotAShare)
    }
}

fn scene(text: &str) -> Result<(Scene, Tally), NotAShare> {
    let mut words = text.split_whitespace();
    let scene = scene_named(words.next().ok_or(NotAShare)?)?;
    let (lost, right, sent) = (number(&mut words)?, number(&mut words)?, number(&mut words)?);
    let mut list = || -> Result<Vec<u64>, NotAShare> {
        let count: u32 = number(&mut words)?;
        (0..count).map(|_| number(&mut words)).collect()
    };
    let (stored, wrong, tokens, ends) = (list()?, list()?, list()?, list()?);
    let ends = ends.try_into().map_err(|_| NotAShare)?;
    Ok((scene, Tally { stored, lost, wrong, right, tokens, sent, ends }))
}

fn scene_named(name: &str) -> Result<Scene, NotAShare> {
    Scene::ALL.into_iter().find(|scene| scene.check().name() == name).ok_or(NotAShare)
}

fn number<'a, N: FromStr>(words: &mut impl Iterator<Item = &'a str>) -> Result<N, NotAShare> {
    words.next().and_then(|word| word.parse().ok()).ok_or(NotAShare)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kit;
    use countersign::{
        Account, Subject, Write,
        time::{Duration, OffsetDateTime},
    };
    use std::{collections::BTreeMap, convert::Infallible, sync::Mutex};

    #[test]
    fn a_process_that_nobody_joins_says_so() {
        let rows = Mutex::new(BTreeMap::new());
        let load = |subject: &Subject| Ok::<_, Infallible>(rows.lock().unwrap().get(subject).cloned());
        let swap = |write: Write| {
            let mut rows = rows.lock().unwrap();
            let subject = write.record.subject().clone();
            if rows.get(&subject).map(Account::revision) != write.expected {
                return Ok::<_, Infallible>(Swap::Lost);
            }
            rows.insert(subject, write.record);
            Ok(Swap::Stored)
        };
        let run: Run = "0123456789abcdef0123456789abcdef".parse().unwrap();
        let now = OffsetDateTime::UNIX_EPOCH + Duration::days(20_000);
        let share = Kit::new(load, swap).take_part(&run.part(1, 2).unwrap(), now);
        let [(None, finding)] = share.findings.as_slice() else { panic!("{share}") };
        assert_eq!(finding.flaw, Flaw::NotTogether);
        assert!(finding.saw.contains("part 0 of 2 did not come"));
        assert_eq!(share.to_string().parse(), Ok(share));
    }
}
