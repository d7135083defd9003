//! A correct store to break, and the assertion that a broken one was caught.

use std::{collections::BTreeMap, convert::Infallible, num::NonZeroU16, sync::Mutex};

use countersign::{Account, Subject, Swap, Write, effect::Descriptor};
use countersign_conformance::{Check, Checked, Concurrency, Kit, Report, RunId, Verdict, Violation};
use time::OffsetDateTime;

pub const NOW: OffsetDateTime = time::macros::datetime!(2026-01-01 12:00 UTC);

pub fn run() -> RunId {
    RunId::draw(&mut getrandom::SysRng).unwrap()
}

/// Few rounds: the broken stores fail deterministically.
pub const FEW: NonZeroU16 = NonZeroU16::new(3).unwrap();

/// Rows and an outbox in memory, with the access that the broken stores need.
#[derive(Default)]
pub struct Rows {
    pub rows: Mutex<BTreeMap<Subject, Account>>,
    pub outbox: Mutex<Vec<(Subject, Descriptor)>>,
}

impl Rows {
    pub fn load(&self, subject: &Subject) -> Result<Option<Account>, Infallible> {
        Ok(self.rows.lock().unwrap().get(subject).cloned())
    }

    pub fn swap(&self, write: Write) -> Result<Swap, Infallible> {
        let mut rows = self.rows.lock().unwrap();
        if !holds(&rows, &write) {
            return Ok(Swap::Lost);
        }
        let subject = write.record.subject().clone();
        let messages = write.outbox.into_iter().map(|message| (subject.clone(), message));
        self.outbox.lock().unwrap().extend(messages);
        rows.insert(subject, write.record);
        Ok(Swap::Stored)
    }

    /// Whether the row is what the write expects.
    pub fn expects(&self, write: &Write) -> bool {
        holds(&self.rows.lock().unwrap(), write)
    }

    /// Writes unconditionally.
    pub fn put(&self, record: Account) {
        self.rows.lock().unwrap().insert(record.subject().clone(), record);
    }

    pub fn delete(&self, subject: &Subject) -> Result<(), Infallible> {
        self.rows.lock().unwrap().remove(subject);
        self.outbox.lock().unwrap().retain(|(of, _)| of != subject);
        Ok(())
    }

    pub fn messages(&self, subject: &Subject) -> Result<Vec<Descriptor>, Infallible> {
        let outbox = self.outbox.lock().unwrap();
        Ok(outbox.iter().filter(|(of, _)| of == subject).map(|(_, message)| message.clone()).collect())
    }

    /// A kit with a correct load and delete, for a swap that may be broken.
    pub fn kit<'a>(&'a self, swap: impl Fn(Write) -> Result<Swap, Infallible> + Send + Sync + 'a) -> Kit<'a> {
        Kit::new(|subject| self.load(subject), swap).delete(|subject| self.delete(subject)).rounds(FEW)
    }
}

pub fn holds(rows: &BTreeMap<Subject, Account>, write: &Write) -> bool {
    rows.get(write.record.subject()).map(Account::revision) == write.expected
}

/// The violations that a check found, with one kind of concurrency.
pub fn violations(report: &Report, check: Check, concurrency: Option<Concurrency>) -> Vec<Violation> {
    let mut found = report.of(check).filter(|checked| checked.concurrency == concurrency);
    let Some(Checked { verdict: Verdict::Failed(findings), .. }) = found.next() else { return Vec::new() };
    findings.iter().map(|finding| finding.violation).collect()
}

/// Sees that a check failed by this violation, and that the report says what was seen and what to do.
#[track_caller]
pub fn caught(
    report: &Report,
    check: Check,
    concurrency: Option<Concurrency>,
    violation: Violation,
    words: &[&str],
) {
    let found = violations(report, check, concurrency);
    assert!(found.contains(&violation), "{check} found {found:?}\n{report}");
    assert!(!report.passed() && !report.is_complete());
    let text = report.to_string();
    assert!(text.contains(&format!("FAILED  {check}")) && text.contains(violation.fix()), "{text}");
    for word in words {
        assert!(text.contains(word), "{word:?} is not in\n{text}");
    }
}
