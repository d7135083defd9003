//! The report, for the developer of the store.
//!
//! A check must never pass without an observation: one that made none counts as failed.

use std::fmt;

use countersign::Subject;

use crate::{
    check::{Check, Concurrency},
    fault::{Finding, Violation},
    run_id::RunId,
};

/// The result of a check.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Verdict {
    /// Every observation was as it must be.
    Passed {
        /// Number of observations.
        observations: u64,
    },
    /// The store violates its contract.
    Failed(Vec<Finding>),
    /// The host gave no hook for it.
    NotRun {
        /// The hook that is missing, and what stays unknown without it.
        why: &'static str,
    },
}

/// One check, with one kind of concurrency.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Checked {
    /// The check.
    pub check: Check,
    /// How it ran concurrently; `None` if it ran sequentially.
    pub concurrency: Option<Concurrency>,
    /// Its result.
    pub verdict: Verdict,
}

/// The findings of a check while it runs.
#[derive(Default)]
pub(crate) struct Findings {
    observations: u64,
    findings: Vec<Finding>,
}

impl Findings {
    /// Counts an observation, and adds a finding unless it holds.
    pub(crate) fn expect(&mut self, holds: bool, violation: Violation, observed: impl FnOnce() -> String) {
        self.observations = self.observations.saturating_add(1);
        if !holds {
            self.add(Finding::new(violation, observed()));
        }
    }

    /// Adds a finding; of one kind of violation at most three are kept.
    pub(crate) fn add(&mut self, finding: Finding) {
        let known = self.findings.iter().filter(|known| known.violation == finding.violation).count();
        if known < 3 && !self.findings.contains(&finding) {
            self.findings.push(finding);
        }
    }

    /// Counts an observation whose failure is reported elsewhere.
    pub(crate) const fn count(&mut self) {
        self.observations = self.observations.saturating_add(1);
    }

    pub(crate) const fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }

    /// Adds the observations and findings of another job.
    pub(crate) fn absorb(&mut self, other: Self) {
        self.observations = self.observations.saturating_add(other.observations);
        other.findings.into_iter().for_each(|finding| self.add(finding));
    }

    /// The verdict. A check that ended early has failed.
    pub(crate) fn conclude(mut self, ended: Result<(), Finding>) -> Verdict {
        if let Err(finding) = ended {
            self.add(finding);
        }
        match (self.findings.is_empty(), self.observations) {
            (true, 0) => {
                let observed = String::from("the check made no observation");
                Verdict::Failed(Vec::from([Finding::new(Violation::NothingSeen, observed)]))
            }
            (true, observations) => Verdict::Passed { observations },
            (false, _) => Verdict::Failed(self.findings),
        }
    }
}

/// The result of a run.
#[derive(Clone, PartialEq, Eq, Debug)]
#[must_use = "a report must be read"]
#[non_exhaustive]
pub struct Report {
    /// The id of the run.
    pub run: RunId,
    /// The checks.
    pub checks: Vec<Checked>,
    /// Number of loads.
    pub loads: u64,
    /// Number of swaps.
    pub swaps: u64,
    /// The subjects whose records were written and not deleted. All begin with [`RunId::prefix`].
    pub subjects: Vec<Subject>,
    /// The error of the last delete that failed.
    pub left_behind: Option<String>,
}

impl Report {
    pub(crate) const fn new(run: RunId) -> Self {
        Self { run, checks: Vec::new(), loads: 0, swaps: 0, subjects: Vec::new(), left_behind: None }
    }

    pub(crate) fn add(&mut self, check: Check, concurrency: Option<Concurrency>, verdict: Verdict) {
        self.checks.push(Checked { check, concurrency, verdict });
    }

    /// Whether no check failed. Checks that did [not run](Self::not_run) do not count.
    #[must_use]
    pub fn passed(&self) -> bool {
        let ran = self.checks.iter().any(|checked| matches!(checked.verdict, Verdict::Passed { .. }));
        ran && self.findings().next().is_none()
    }

    /// Whether every check ran and none failed.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.passed() && self.not_run().next().is_none()
    }

    /// The findings of all checks.
    pub fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.checks.iter().flat_map(|checked| match &checked.verdict {
            Verdict::Failed(findings) => findings.as_slice(),
            Verdict::Passed { .. } | Verdict::NotRun { .. } => &[],
        })
    }

    /// The checks that did not run.
    pub fn not_run(&self) -> impl Iterator<Item = &Checked> {
        self.checks.iter().filter(|checked| matches!(checked.verdict, Verdict::NotRun { .. }))
    }

    /// The results of one check, for each kind of concurrency.
    pub fn of(&self, check: Check) -> impl Iterator<Item = &Checked> {
        self.checks.iter().filter(move |checked| checked.check == check)
    }
}

/// A line for each check, and below it what was observed and how to fix it.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let passed =
            self.checks.iter().filter(|known| matches!(known.verdict, Verdict::Passed { .. })).count();
        let not_run = self.not_run().count();
        let failed = self.checks.len().saturating_sub(passed).saturating_sub(not_run);
        write!(f, "run {}: {passed} checks passed, {failed} failed, {not_run} not run", self.run)?;
        writeln!(f, "; {} loads, {} swaps", self.loads, self.swaps)?;
        for Checked { check, concurrency, verdict } in &self.checks {
            let (word, count) = match verdict {
                Verdict::Passed { observations } => ("passed ", Some(observations)),
                Verdict::Failed(_) => ("FAILED ", None),
                Verdict::NotRun { .. } => ("not run", None),
            };
            write!(f, "{word} {check}")?;
            concurrency.map_or(Ok(()), |concurrency| write!(f, ", {concurrency}"))?;
            write!(f, ": {}", check.did())?;
            count.map_or(Ok(()), |count| write!(f, " ({count} observations)"))?;
            writeln!(f)?;
            match verdict {
                Verdict::Passed { .. } => {}
                Verdict::Failed(findings) => {
                    let mut reported: Vec<Violation> = Vec::new();
                    for Finding { violation, .. } in findings {
                        if reported.contains(violation) {
                            continue;
                        }
                        reported.push(*violation);
                        let same = findings.iter().filter(|other| other.violation == *violation);
                        same.map(|other| &other.observed)
                            .try_for_each(|observed| writeln!(f, "        observed: {observed}"))?;
                        writeln!(f, "        fix: {}", violation.fix())?;
                    }
                }
                Verdict::NotRun { why } => writeln!(f, "        why: {why}")?,
            }
        }
        if let Some(problem) = &self.left_behind {
            writeln!(f, "records could not be deleted: {problem}")?;
        }
        if !self.subjects.is_empty() {
            let prefix = self.run.prefix();
            writeln!(f, "{} records are left, whose subjects begin with {prefix}", self.subjects.len())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_without_observations_has_failed() {
        let Verdict::Failed(findings) = Findings::default().conclude(Ok(())) else { panic!("it passed") };
        assert_eq!(findings[0].violation, Violation::NothingSeen);
        let mut findings = Findings::default();
        findings.expect(true, Violation::Vanished, String::new);
        assert_eq!(findings.conclude(Ok(())), Verdict::Passed { observations: 1 });
    }

    #[test]
    fn a_finding_is_reported_once_and_its_kind_three_times() {
        let mut findings = Findings::default();
        for time in [1, 1, 2, 3, 4] {
            findings.expect(false, Violation::Vanished, || format!("time {time}"));
        }
        findings.expect(false, Violation::StaleRead, String::new);
        let Verdict::Failed(findings) = findings.conclude(Ok(())) else { panic!("it passed") };
        let reported: Vec<_> =
            findings.iter().map(|finding| (finding.violation, finding.observed.as_str())).collect();
        let vanished = ["time 1", "time 2", "time 3"].map(|observed| (Violation::Vanished, observed));
        assert_eq!(reported, [&vanished[..], &[(Violation::StaleRead, "")]].concat());
    }

    #[test]
    fn a_report_of_nothing_has_not_passed() {
        let run = "00".repeat(16).parse().unwrap();
        let mut report = Report::new(run);
        assert!(!report.passed());
        let verdict = Verdict::NotRun { why: "" };
        report.checks.push(Checked { check: Check::Insert, concurrency: None, verdict });
        assert!(!report.passed() && !report.is_complete());
        let verdict = Verdict::Passed { observations: 1 };
        report.checks.push(Checked { check: Check::Swap, concurrency: None, verdict });
        assert!(report.passed() && !report.is_complete());
    }

    #[test]
    fn names_are_distinct() {
        for (place, check) in Check::ALL.iter().enumerate() {
            assert!(
                Check::ALL[..place]
                    .iter()
                    .all(|other| other.name() != check.name() && other.did() != check.did())
            );
        }
        for (place, violation) in Violation::ALL.iter().enumerate() {
            assert!(
                Violation::ALL[..place]
                    .iter()
                    .all(|other| other.name() != violation.name() && other.fix() != violation.fix())
            );
        }
    }
}
