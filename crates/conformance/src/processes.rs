//! One run in several processes. They synchronize through the store, play the same scenarios on the same records, and
//! each writes a partial report. A partial report must never be judged alone: only all of them together can be.

use std::{fmt, str::FromStr, time::Duration};

use countersign::Swap;

use crate::{
    check::Concurrency,
    checks::scenarios::{self, Scenario, Tally},
    executor::{Executor, sleep},
    fault::{Finding, Violation},
    report::{Checked, Findings, Report},
    run_id::{Participant, RunId},
    store::StoreUnderTest,
};

/// Number of times that each scenario is played.
const ROUNDS: u8 = 3;

/// Number of waits of 10 ms for each of the other processes: a minute.
const MAX_WAITS: u16 = if cfg!(test) { 10 } else { 6_000 };

/// What one process of a run observed. It prints as text, from which another process can parse it.
#[must_use = "only the partial reports of all processes together can be judged"]
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PartialReport {
    run: RunId,
    index: u8,
    of: u8,
    rounds: u16,
    loads: u64,
    swaps: u64,
    tallies: Vec<(Scenario, Tally)>,
    /// The findings, with the scenario that they are about; `None` for all scenarios.
    findings: Vec<(Option<Scenario>, Finding)>,
}

impl PartialReport {
    /// Judges a run by the partial reports of all its processes.
    pub fn judge(partial_reports: &[Self]) -> Report {
        let run =
            partial_reports.first().map_or_else(RunId::none, |partial_report| partial_report.run.clone());
        let mut report = Report::new(run);
        report.loads =
            partial_reports.iter().map(|partial_report| partial_report.loads).fold(0, u64::saturating_add);
        report.swaps =
            partial_reports.iter().map(|partial_report| partial_report.swaps).fold(0, u64::saturating_add);
        let ended = Self::check_complete(partial_reports);
        for scenario in Scenario::ALL {
            let mut findings = Findings::default();
            for (of, finding) in partial_reports.iter().flat_map(|partial_report| &partial_report.findings) {
                if of.is_none_or(|of| of == scenario) {
                    findings.add(finding.clone());
                }
            }
            if ended.is_ok() && findings.is_clean() {
                for round in 0..usize::from(ROUNDS) {
                    let of_scenario =
                        |partial_report: &'_ Self| partial_report.tallies_of(scenario).nth(round).cloned();
                    let tallies: Vec<_> = partial_reports.iter().filter_map(of_scenario).collect();
                    let tallies: Vec<_> = tallies.iter().collect();
                    if tallies.len() == partial_reports.len() {
                        scenarios::judge(scenario, &tallies, &mut findings);
                    }
                    if scenario == Scenario::Count {
                        check_interleaved(&tallies, &mut findings);
                    }
                }
            }
            let verdict = findings.conclude(ended.clone());
            report.checks.push(Checked {
                check: scenario.check(),
                concurrency: Some(Concurrency::Processes),
                verdict,
            });
        }
        report
    }

    /// The partial report of a process that could not begin.
    pub(crate) fn ended(participant: &Participant, finding: Finding) -> Self {
        let Participant { run, index, of } = participant.clone();
        let findings = Vec::from([(None, finding)]);
        Self { run, index, of, rounds: 0, loads: 0, swaps: 0, tallies: Vec::new(), findings }
    }

    fn tallies_of(&self, scenario: Scenario) -> impl Iterator<Item = &Tally> {
        self.tallies.iter().filter(move |(of, _)| *of == scenario).map(|(_, tally)| tally)
    }

    /// Checks that these are the partial reports of all processes of one run.
    fn check_complete(partial_reports: &[Self]) -> Result<(), Finding> {
        let first = partial_reports.first();
        let same = |partial_report: &Self| {
            first.is_some_and(|first| {
                (&partial_report.run, partial_report.of, partial_report.rounds)
                    == (&first.run, first.of, first.rounds)
            })
        };
        let of = first.map_or(0, |partial_report| partial_report.of);
        let all = (0..of).all(|index| {
            partial_reports.iter().filter(|partial_report| partial_report.index == index).count() == 1
        });
        if of >= 2 && all && partial_reports.len() == usize::from(of) && partial_reports.iter().all(same) {
            return Ok(());
        }
        let indexes: Vec<_> = partial_reports
            .iter()
            .map(|partial_report| {
                format!("{}/{} of {}", partial_report.index, partial_report.of, partial_report.run)
            })
            .collect();
        Err(Finding::new(
            Violation::NotTogether,
            format!("these are not the partial reports of all processes of one run: {indexes:?}"),
        ))
    }
}

/// Checks that the processes ran at the same time: each wrote between writes of the others.
fn check_interleaved(tallies: &[&Tally], findings: &mut Findings) {
    let base = tallies.first().map_or(0, |tally| tally.ends[0]);
    let revisions = |(process, tally): (usize, &&Tally)| {
        tally.stored.iter().map(|revision| (revision.wrapping_sub(base), process)).collect::<Vec<_>>()
    };
    let mut order: Vec<_> = tallies.iter().enumerate().flat_map(revisions).collect();
    order.sort_unstable();
    let turns =
        order.windows(2).filter(|pair| matches!(pair, [(_, one), (_, other)] if one != other)).count();
    findings.expect(turns >= tallies.len(), Violation::NotTogether, || {
        format!("the processes took turns {turns} times: each was done before the next began")
    });
}

/// Plays all scenarios as one process of several.
pub(crate) async fn take_part<'a>(
    store: &StoreUnderTest<'a>,
    executor: &Executor<'a>,
    participant: &Participant,
) -> PartialReport {
    let Participant { run, index, of } = participant.clone();
    let (tallies, findings) = (Vec::new(), Vec::new());
    let mut partial_report =
        PartialReport { run, index, of, rounds: store.rounds(), loads: 0, swaps: 0, tallies, findings };
    if let Err(finding) = play(store, executor, participant, &mut partial_report).await {
        partial_report.findings.push((None, finding));
    }
    (partial_report.loads, partial_report.swaps) = (store.loads(), store.swaps());
    partial_report
}

async fn play<'a>(
    store: &StoreUnderTest<'a>,
    executor: &Executor<'a>,
    participant: &Participant,
    partial_report: &mut PartialReport,
) -> Result<(), Finding> {
    let mut fixtures = Vec::new();
    for round in 0..ROUNDS {
        for scenario in Scenario::ALL {
            let fixture =
                scenarios::prepare(store, scenario, &format!("processes-{}-{round}", scenario.check()))
                    .await?;
            fixtures.push((scenario, fixture));
        }
    }
    for (place, (scenario, fixture)) in fixtures.iter().enumerate() {
        meet(store, participant, &format!("{place}")).await?;
        // A process that fails in a scenario continues, so that the others do not wait for it in vain.
        let tally = scenarios::play(store, executor, *scenario, fixture).await.unwrap_or_else(|finding| {
            partial_report.findings.push((Some(*scenario), finding));
            Tally::default()
        });
        partial_report.tallies.push((*scenario, tally));
    }
    meet(store, participant, "end").await?;
    for ((_, fixture), (_, tally)) in fixtures.iter().zip(&mut partial_report.tallies) {
        scenarios::end(store, fixture, tally).await?;
    }
    announce(store, participant, "done").await?;
    // The first process cleans up, so it ends last.
    if participant.index == 0 { wait(store, participant, "done").await } else { Ok(()) }
}

/// Waits until all processes have reached the same place.
async fn meet(store: &StoreUnderTest<'_>, participant: &Participant, place: &str) -> Result<(), Finding> {
    announce(store, participant, place).await?;
    wait(store, participant, place).await
}

/// Announces that this process has reached a place, by a record.
async fn announce(store: &StoreUnderTest<'_>, participant: &Participant, place: &str) -> Result<(), Finding> {
    let here = store.subject(&format!("meet-{place}-{}", participant.index))?;
    match store.swap(store.insert(store.fresh(&here, 0)?)?).await? {
        Swap::Stored => Ok(()),
        Swap::Lost => {
            let observed =
                format!("participant {} of run {} was taken before", participant.index, participant.run);
            Err(Finding::new(Violation::RunReused, observed))
        }
    }
}

async fn wait(store: &StoreUnderTest<'_>, participant: &Participant, place: &str) -> Result<(), Finding> {
    for index in (0..participant.of).filter(|index| *index != participant.index) {
        let there = store.subject(&format!("meet-{place}-{index}"))?;
        let mut tries = 0;
        while store.load(&there).await?.is_none() {
            tries = u16::saturating_add(tries, 1);
            if tries >= MAX_WAITS {
                let observed =
                    format!("participant {index} of {} did not arrive, or ended early", participant.of);
                return Err(Finding::new(Violation::NotTogether, observed));
            }
            sleep(Duration::from_millis(10)).await;
        }
    }
    Ok(())
}

const HEAD: &str = "countersign-conformance-partial-report 1";

impl fmt::Display for PartialReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { run, index, of, rounds, loads, swaps, tallies, findings } = self;
        writeln!(f, "{HEAD} {run} {index} {of} {rounds} {loads} {swaps}")?;
        for (scenario, tally) in tallies {
            let Tally { stored, lost, wrong, right, tokens, sent, ends } = tally;
            write!(f, "scenario {} {lost} {right} {sent}", scenario.check())?;
            for list in [stored, wrong, tokens, &ends.to_vec()] {
                write!(f, " {}", list.len())?;
                list.iter().try_for_each(|number| write!(f, " {number}"))?;
            }
            writeln!(f)?;
        }
        for (scenario, Finding { violation, observed }) in findings {
            let scenario = scenario.map_or("all", |scenario| scenario.check().name());
            let one_line: String = observed.split(char::is_control).collect();
            writeln!(f, "finding {scenario} {} {one_line}", violation.name())?;
        }
        writeln!(f, "end")
    }
}

/// A text is not the partial report of a process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ParsePartialReportError;

impl fmt::Display for ParsePartialReportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the text is not the whole partial report of one process")
    }
}

impl std::error::Error for ParsePartialReportError {}

impl FromStr for PartialReport {
    type Err = ParsePartialReportError;

    fn from_str(text: &str) -> Result<Self, ParsePartialReportError> {
        let mut lines = text.lines();
        let head = lines.next().and_then(|line| line.strip_prefix(HEAD)).ok_or(ParsePartialReportError)?;
        let mut words = head.split_whitespace();
        let run = words.next().and_then(|word| word.parse().ok()).ok_or(ParsePartialReportError)?;
        let mut partial_report = Self {
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
                Some(("scenario", rest)) => partial_report.tallies.push(scenario(rest)?),
                Some(("finding", rest)) => {
                    let (of, rest) = rest.split_once(' ').ok_or(ParsePartialReportError)?;
                    let (violation, observed) = rest.split_once(' ').ok_or(ParsePartialReportError)?;
                    let of = if of == "all" { None } else { Some(scenario_named(of)?) };
                    let violation = Violation::ALL
                        .into_iter()
                        .find(|known| known.name() == violation)
                        .ok_or(ParsePartialReportError)?;
                    partial_report.findings.push((of, Finding::new(violation, String::from(observed))));
                }
                None if line == "end" => return Ok(partial_report),
                _ => return Err(ParsePartialReportError),
            }
        }
        Err(ParsePartialReportError)
    }
}

fn scenario(text: &str) -> Result<(Scenario, Tally), ParsePartialReportError> {
    let mut words = text.split_whitespace();
    let scenario = scenario_named(words.next().ok_or(ParsePartialReportError)?)?;
    let (lost, right, sent) = (number(&mut words)?, number(&mut words)?, number(&mut words)?);
    let mut list = || -> Result<Vec<u64>, ParsePartialReportError> {
        let count: u32 = number(&mut words)?;
        (0..count).map(|_| number(&mut words)).collect()
    };
    let (stored, wrong, tokens, ends) = (list()?, list()?, list()?, list()?);
    let ends = ends.try_into().map_err(|_| ParsePartialReportError)?;
    Ok((scenario, Tally { stored, lost, wrong, right, tokens, sent, ends }))
}

fn scenario_named(name: &str) -> Result<Scenario, ParsePartialReportError> {
    Scenario::ALL.into_iter().find(|scenario| scenario.check().name() == name).ok_or(ParsePartialReportError)
}

fn number<'a, N: FromStr>(words: &mut impl Iterator<Item = &'a str>) -> Result<N, ParsePartialReportError> {
    words.next().and_then(|word| word.parse().ok()).ok_or(ParsePartialReportError)
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
    fn a_process_without_the_others_reports_it() {
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
        let run: RunId = "0123456789abcdef0123456789abcdef".parse().unwrap();
        let now = OffsetDateTime::UNIX_EPOCH + Duration::days(20_000);
        let partial_report = Kit::new(load, swap).take_part(&run.participant(1, 2).unwrap(), now);
        let [(None, finding)] = partial_report.findings.as_slice() else { panic!("{partial_report}") };
        assert_eq!(finding.violation, Violation::NotTogether);
        assert!(finding.observed.contains("participant 0 of 2 did not arrive"));
        assert_eq!(partial_report.to_string().parse(), Ok(partial_report));
    }
}
