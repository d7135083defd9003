//! The store under test: the host's hooks, with every call counted and every answer checked.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use countersign::{
    Account, Denial, Subject, Swap, Verified, Verifier, Write, effect::Descriptor, time::OffsetDateTime,
};

use crate::{
    executor::{BoxFuture, lock},
    fault::{Finding, Violation},
    fixtures::writes,
    report::Findings,
    request::Request,
    run_id::RunId,
};

/// A hook of the host: it takes an input and returns its answer as a future.
pub(crate) type Hook<'a, I, T> = Box<dyn Fn(I) -> BoxFuture<'a, Result<T, String>> + Send + Sync + 'a>;

/// The hooks of the host.
pub(crate) struct Hooks<'a> {
    pub(crate) load: Hook<'a, Subject, Option<Account>>,
    pub(crate) swap: Hook<'a, Write, Swap>,
    pub(crate) outbox: Option<Hook<'a, Subject, Vec<Descriptor>>>,
    pub(crate) delete: Option<Hook<'a, Subject, ()>>,
    pub(crate) request: Option<Hook<'a, Request, Result<Verified, Denial>>>,
}

/// The store, the verifier and the run that a check works with. A clone is the same store.
#[derive(Clone)]
pub(crate) struct StoreUnderTest<'a>(Arc<Inner<'a>>);

struct Inner<'a> {
    hooks: Hooks<'a>,
    verifier: Verifier,
    run: RunId,
    now: OffsetDateTime,
    rounds: u16,
    process: u8,
    processes: u8,
    loads: AtomicU64,
    swaps: AtomicU64,
    subjects: Mutex<BTreeSet<Subject>>,
}

/// Number of threads or tasks of a concurrent check.
pub(crate) const WORKERS: u8 = 8;

impl<'a> StoreUnderTest<'a> {
    pub(crate) fn new(
        hooks: Hooks<'a>,
        verifier: Verifier,
        run: RunId,
        now: OffsetDateTime,
        rounds: u16,
        (process, processes): (u8, u8),
    ) -> Self {
        let (loads, swaps) = (AtomicU64::new(0), AtomicU64::new(0));
        let subjects = Mutex::new(BTreeSet::new());
        Self(Arc::new(Inner {
            hooks,
            verifier,
            run,
            now,
            rounds,
            process,
            processes,
            loads,
            swaps,
            subjects,
        }))
    }

    pub(crate) fn verifier(&self) -> &Verifier {
        &self.0.verifier
    }

    pub(crate) fn run(&self) -> &RunId {
        &self.0.run
    }

    pub(crate) fn now(&self) -> OffsetDateTime {
        self.0.now
    }

    pub(crate) fn rounds(&self) -> u16 {
        self.0.rounds
    }

    /// The index of this process in the run.
    pub(crate) fn process(&self) -> u8 {
        self.0.process
    }

    pub(crate) fn processes(&self) -> u8 {
        self.0.processes
    }

    pub(crate) fn loads(&self) -> u64 {
        self.0.loads.load(Ordering::Relaxed)
    }

    pub(crate) fn swaps(&self) -> u64 {
        self.0.swaps.load(Ordering::Relaxed)
    }

    /// A subject of this run, which is recorded so that its row can be deleted.
    pub(crate) fn subject(&self, name: &str) -> Result<Subject, Finding> {
        let subject = Subject::new(&format!("{}{name}", self.run().prefix())).map_err(Finding::kit)?;
        lock(&self.0.subjects).insert(subject.clone());
        Ok(subject)
    }

    pub(crate) async fn load(&self, subject: &Subject) -> Result<Option<Account>, Finding> {
        self.0.loads.fetch_add(1, Ordering::Relaxed);
        let loaded = (self.0.hooks.load)(subject.clone()).await;
        let loaded = loaded.map_err(|error| fails("a load", &error))?;
        if let Some(account) = loaded.as_ref().filter(|account| account.subject() != subject) {
            let observed = format!("a load of {subject:?} gave the record of {:?}", account.subject());
            return Err(Finding::new(Violation::LooseSubject, observed));
        }
        Ok(loaded)
    }

    /// A load of a record that must exist.
    pub(crate) async fn reload(&self, subject: &Subject) -> Result<Account, Finding> {
        let gone =
            || Finding::new(Violation::Vanished, format!("the stored record of {subject:?} was not found"));
        self.load(subject).await?.ok_or_else(gone)
    }

    pub(crate) async fn swap(&self, write: Write) -> Result<Swap, Finding> {
        self.0.swaps.fetch_add(1, Ordering::Relaxed);
        (self.0.hooks.swap)(write).await.map_err(|error| fails("a swap", &error))
    }

    /// A swap without contention, which must be answered `Stored`.
    pub(crate) async fn put(&self, write: Write) -> Result<(), Finding> {
        let what = match write.expected {
            None => format!("the first insert of {:?}", write.record.subject()),
            Some(revision) => format!("an uncontended write over the revision {revision}, just loaded,"),
        };
        match self.swap(write).await? {
            Swap::Stored => Ok(()),
            Swap::Lost => Err(Finding::new(Violation::NeverStored, format!("{what} was answered Lost"))),
        }
    }

    /// Whether the host handed over its outbox.
    pub(crate) fn has_outbox(&self) -> bool {
        self.0.hooks.outbox.is_some()
    }

    pub(crate) fn has_request(&self) -> bool {
        self.0.hooks.request.is_some()
    }

    pub(crate) fn has_delete(&self) -> bool {
        self.0.hooks.delete.is_some()
    }

    pub(crate) async fn outbox(&self, subject: &Subject) -> Result<Vec<Descriptor>, Finding> {
        let hook = self.0.hooks.outbox.as_ref().ok_or_else(|| Finding::kit("there is no outbox"))?;
        hook(subject.clone()).await.map_err(|error| fails("a look into the outbox", &error))
    }

    pub(crate) async fn request(&self, request: Request) -> Result<Result<Verified, Denial>, Finding> {
        let hook = self.0.hooks.request.as_ref().ok_or_else(|| Finding::kit("there is no request"))?;
        hook(request).await.map_err(|error| fails("a request", &error))
    }

    pub(crate) async fn delete(&self, subject: &Subject) -> Result<(), Finding> {
        let hook = self.0.hooks.delete.as_ref().ok_or_else(|| Finding::kit("there is no delete"))?;
        hook(subject.clone()).await.map_err(|error| fails("a delete", &error))
    }

    /// Deletes what was written, if the host gave a `delete`; returns the subjects that are left, and the last error.
    pub(crate) async fn clean_up(&self) -> (Vec<Subject>, Option<String>) {
        let mut left: Vec<_> = lock(&self.0.subjects).iter().cloned().collect();
        let mut problem = None;
        if self.has_delete() {
            let subjects = std::mem::take(&mut left);
            for subject in subjects {
                if let Err(finding) = self.delete(&subject).await {
                    problem = Some(finding.observed);
                    left.push(subject);
                }
            }
        }
        (left, problem)
    }

    /// A record that is not stored, with a mark that identifies it.
    pub(crate) fn fresh(&self, subject: &Subject, mark: u64) -> Result<Account, Finding> {
        // As the core draws first revisions: below 2^52, and never 0.
        let revision = u64::from_be_bytes(self.run().rng(&format!("{subject} {mark}")).bytes()) >> 12;
        writes::first(self.verifier(), subject, revision.max(1), mark)
    }

    /// An insert of a record that is not stored.
    pub(crate) fn insert(&self, record: Account) -> Result<Write, Finding> {
        writes::insert(self.verifier(), record)
    }

    /// A write over this record, with a mark that identifies it and without messages.
    pub(crate) fn next(&self, record: &Account, mark: u64) -> Result<Write, Finding> {
        writes::next(self.verifier(), record, mark)
    }

    /// Checks that the row is `wanted`; the finding names what it is instead.
    pub(crate) async fn expect_row(
        &self,
        findings: &mut Findings,
        wanted: &Account,
        losers: &[&Account],
    ) -> Result<(), Finding> {
        let found = self.load(wanted.subject()).await?;
        if found.as_ref() == Some(wanted) {
            findings.count();
            return Ok(());
        }
        let stored = wanted.revision();
        let (violation, observed) = match found {
            None => (
                Violation::Vanished,
                format!("revision {stored} was answered Stored, and there is no record"),
            ),
            Some(found) if losers.contains(&&found) => {
                let revision = found.revision();
                (
                    Violation::LostButWritten,
                    format!("revision {revision} was answered Lost, and is what a load gives"),
                )
            }
            Some(found) if found.revision() == stored => (
                Violation::Altered,
                format!("revision {stored} came back with other content than it was written with"),
            ),
            Some(found) => return Err(self.explain_old(found, wanted).await?),
        };
        Err(Finding::new(violation, observed))
    }

    /// Distinguishes a stale read from a write that vanished: a write over the older record shows which one the store
    /// has.
    async fn explain_old(&self, old: Account, wanted: &Account) -> Result<Finding, Finding> {
        let (older, stored) = (old.revision(), wanted.revision());
        let observed = format!("after revision {stored} was answered Stored, a load gave revision {older}");
        Ok(match self.swap(self.next(&old, 0)?).await? {
            Swap::Lost => Finding::new(Violation::StaleRead, observed),
            Swap::Stored => {
                Finding::new(Violation::Vanished, format!("{observed}, and that is what the store has"))
            }
        })
    }
}

fn fails(what: &str, error: &str) -> Finding {
    Finding::new(Violation::StoreFails, format!("{what} failed: {error}"))
}
