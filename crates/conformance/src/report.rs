//! What the kit found, in the words of whoever has to mend it.
//!
//! A check passes only if it saw something: one that made no observation at all counts as failed.

use std::fmt;

use countersign::Subject;

use crate::{
    check::{Check, Crowd},
    fault::{Finding, Flaw},
    run_id::Run,
};

/// How a check came out.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Verdict {
    /// It saw what it was to see.
    Passed {
        /// How many observations it made.
        observations: u64,
    },
    /// The store is wrong.
    Failed(Vec<Finding>),
    /// The host gave no means to make it.
    NotRun {
        /// What was missing, and what stays unknown.
        why: &'static str,
    },
}

/// One check, made in one way.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Checked {
    /// What was checked.
    pub check: Check,
    /// How it did several things at once; absent if it did one after the other.
    pub crowd: Option<Crowd>,
    /// How it came out.
    pub verdict: Verdict,
}

/// What a check notes while it runs.
#[derive(Default)]
pub(crate) struct Notes {
    observations: u64,
    findings: Vec<Finding>,
}

impl Notes {
    /// Notes an observation, and what is wrong if it is not as it should be.
    pub(crate) fn expect(&mut self, holds: bool, flaw: Flaw, saw: impl FnOnce() -> String) {
        self.observations = self.observations.saturating_add(1);
        if !holds {
            self.add(Finding::new(flaw, saw()));
        }
    }

    /// Notes something wrong; the same kind is told a few times only.
    pub(crate) fn add(&mut self, finding: Finding) {
        let known = self.findings.iter().filter(|known| known.flaw == finding.flaw).count();
        if known < 3 && !self.findings.contains(&finding) {
            self.findings.push(finding);
        }
    }

    /// Notes an observation that is told otherwise.
    pub(crate) const fn count(&mut self) {
        self.observations = self.observations.saturating_add(1);
    }

    pub(crate) const fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }

    /// Takes over what another noted.
    pub(crate) fn absorb(&mut self, other: Self) {
        self.observations = self.observations.saturating_add(other.observations);
        other.findings.into_iter().for_each(|finding| self.add(finding));
    }

    /// The verdict. A check that ended early is failed by what ended it.
    pub(crate) fn conclude(mut self, ended: Result<(), Finding>) -> Verdict {
        if let Err(finding) = ended {
            self.add(finding);
        }
        match (self.findings.is_empty(), self.observations) {
            (true, 0) => {
                let saw = String::from("the check made no observation");
                Verdict::Failed(Vec::from([Finding::new(Flaw::NothingSeen, saw)]))
            }
            (true, observations) => Verdict::Passed { observations },
            (false, _) => Verdict::Failed(self.findings),
        }
    }
}

/// What the kit found.
#[derive(Clone, PartialEq, Eq, Debug)]
#[must_use = "a report that nobody reads finds nothing"]
#[non_exhaustive]
pub struct Report {
    /// The run.
    pub run: Run,
    /// Every check.
    pub checks: Vec<Checked>,
    /// How often a record was loaded.
    pub loads: u64,
    /// How often a record was handed to the swap.
    pub swaps: u64,
    /// Whose records were written and not deleted again. All begin with [`Run::prefix`].
    pub subjects: Vec<Subject>,
    /// What could not be deleted.
    pub left_behind: Option<String>,
}

impl Report {
    pub(crate) const fn new(run: Run) -> Self {
        Self { run, checks: Vec::new(), loads: 0, swaps: 0, subjects: Vec::new(), left_behind: None }
    }

    pub(crate) fn note(&mut self, check: Check, crowd: Option<Crowd>, verdict: Verdict) {
        self.checks.push(Checked { check, crowd, verdict });
    }

    /// Whether no check failed. Checks that were [not run](Self::not_run) say nothing either way.
    #[must_use]
    pub fn passed(&self) -> bool {
        let ran = self.checks.iter().any(|checked| matches!(checked.verdict, Verdict::Passed { .. }));
        ran && self.findings().next().is_none()
    }

    /// Whether no check failed and every one was made.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.passed() && self.not_run().next().is_none()
    }

    /// What is wrong.
    pub fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.checks.iter().flat_map(|checked| match &checked.verdict {
            Verdict::Failed(findings) => findings.as_slice(),
            Verdict::Passed { .. } | Verdict::NotRun { .. } => &[],
        })
    }

    /// What could not be checked.
    pub fn not_run(&self) -> impl Iterator<Item = &Checked> {
        self.checks.iter().filter(|checked| matches!(checked.verdict, Verdict::NotRun { .. }))
    }

    /// How one check came out, in every way in which it was made.
    pub fn of(&self, check: Check) -> impl Iterator<Item = &Checked> {
        self.checks.iter().filter(move |checked| checked.check == check)
    }
}

/// A line for each check, and below it what is wrong and how to mend it.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let passed =
            self.checks.iter().filter(|known| matches!(known.verdict, Verdict::Passed { .. })).count();
        let not_run = self.not_run().count();
        let failed = self.checks.len().saturating_sub(passed).saturating_sub(not_run);
        write!(f, "run {}: {passed} checks passed, {failed} failed, {not_run} not run", self.run)?;
        writeln!(f, "; {} loads, {} swaps", self.loads, self.swaps)?;
        for Checked { check, crowd, verdict } in &self.checks {
            let (word, count) = match verdict {
                Verdict::Passed { observations } => ("passed ", Some(observations)),
                Verdict::Failed(_) => ("FAILED ", None),
                Verdict::NotRun { .. } => ("not run", None),
            };
            write!(f, "{word} {check}")?;
            crowd.map_or(Ok(()), |crowd| write!(f, ", {crowd}"))?;
            write!(f, ": {}", check.did())?;
            count.map_or(Ok(()), |count| write!(f, " ({count} observations)"))?;
            writeln!(f)?;
            match verdict {
                Verdict::Passed { .. } => {}
                Verdict::Failed(findings) => {
                    let mut told: Vec<Flaw> = Vec::new();
                    for Finding { flaw, .. } in findings {
                        if told.contains(flaw) {
                            continue;
                        }
                        told.push(*flaw);
                        let same = findings.iter().filter(|other| other.flaw == *flaw);
                        same.map(|other| &other.saw).try_for_each(|saw| writeln!(f, "        saw: {saw}"))?;
                        writeln!(f, "        fix: {}", flaw.fix())?;
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
    fn a_check_that_saw_nothing_has_failed() {
        let Verdict::Failed(findings) = Notes::default().conclude(Ok(())) else { panic!("it passed") };
        assert_eq!(findings[0].flaw, Flaw::NothingSeen);
        let mut notes = Notes::default();
        notes.expect(true, Flaw::Vanished, String::new);
        assert_eq!(notes.conclude(Ok(())), Verdict::Passed { observations: 1 });
    }

    #[test]
    fn a_fault_is_told_once_and_its_kind_three_times() {
        let mut notes = Notes::default();
        for time in [1, 1, 2, 3, 4] {
            notes.expect(false, Flaw::Vanished, || format!("time {time}"));
        }
        notes.expect(false, Flaw::StaleRead, String::new);
        let Verdict::Failed(findings) = notes.conclude(Ok(())) else { panic!("it passed") };
        let told: Vec<_> = findings.iter().map(|finding| (finding.flaw, finding.saw.as_str())).collect();
        let vanished = ["time 1", "time 2", "time 3"].map(|saw| (Flaw::Vanished, saw));
        assert_eq!(told, [&vanished[..], &[(Flaw::StaleRead, "")]].concat());
    }

    #[test]
    fn a_report_of_nothing_has_not_passed() {
        let run = "00".repeat(16).parse().unwrap();
        let mut report = Report::new(run);
        assert!(!report.passed());
        let verdict = Verdict::NotRun { why: "" };
        report.checks.push(Checked { check: Check::Insert, crowd: None, verdict });
        assert!(!report.passed() && !report.is_complete());
        let verdict = Verdict::Passed { observations: 1 };
        report.checks.push(Checked { check: Check::Swap, crowd: None, verdict });
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
        for (place, flaw) in Flaw::ALL.iter().enumerate() {
            assert!(
                Flaw::ALL[..place]
                    .iter()
                    .all(|other| other.name() != flaw.name() && other.fix() != flaw.fix())
            );
        }
    }
}
