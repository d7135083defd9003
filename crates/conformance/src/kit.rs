//! The two kits, [`Kit`] and [`AsyncKit`]. They collect the host's hooks and must never call one themselves.

use std::{fmt, future::Future, num::NonZeroU16, sync::Arc};

use countersign::{
    Account, Denial, Subject, Swap, Verified, Write, effect::Descriptor, time::OffsetDateTime,
};

use crate::{
    check::Concurrency,
    executor::{BoxFuture, Executor, Spawn, block_on},
    processes::PartialReport,
    report::Report,
    request::Request,
    run_id::{Participant, RunId},
    runner::{check_all, take_part},
    store::{Hook, Hooks},
};

/// The kit for a blocking store.
#[must_use = "a kit does nothing until it is run"]
pub struct Kit<'a> {
    hooks: Hooks<'a>,
    rounds: NonZeroU16,
}

/// The kit for an asynchronous store.
///
/// ```
/// # use std::{collections::BTreeMap, convert::Infallible, sync::Mutex};
/// use std::sync::Arc;
/// use countersign_conformance::{AsyncKit, RunId};
/// # use countersign::{Account, Subject, Swap, Write};
/// # #[derive(Default)]
/// # struct Store(Mutex<BTreeMap<Subject, Account>>);
/// # impl Store {
/// #     async fn load(&self, s: &Subject) -> Result<Option<Account>, Infallible> {
/// #         tokio::task::yield_now().await;
/// #         Ok(self.0.lock().unwrap().get(s).cloned())
/// #     }
/// #     async fn swap(&self, write: Write) -> Result<Swap, Infallible> {
/// #         tokio::task::yield_now().await;
/// #         let mut rows = self.0.lock().unwrap();
/// #         let key = write.record.subject().clone();
/// #         if rows.get(&key).map(Account::revision) != write.expected { return Ok(Swap::Lost) }
/// #         rows.insert(key, write.record);
/// #         Ok(Swap::Stored)
/// #     }
/// # }
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let now = countersign::time::OffsetDateTime::UNIX_EPOCH + countersign::time::Duration::days(20_000);
/// let store = Arc::new(Store::default());
/// let (loader, swapper) = (Arc::clone(&store), store);
/// let kit = AsyncKit::new(
///     move |subject| { let store = Arc::clone(&loader); async move { store.load(&subject).await } },
///     move |write| { let store = Arc::clone(&swapper); async move { store.swap(write).await } },
/// );
/// let run = RunId::draw(&mut getrandom::SysRng)?;
/// let report = kit.spawn(|task| { tokio::spawn(task); }).run(&run, now).await;
/// assert!(report.passed(), "{report}");
/// # Ok(()) }
/// ```
#[must_use = "a kit does nothing until it is run"]
pub struct AsyncKit<'a> {
    hooks: Hooks<'a>,
    rounds: NonZeroU16,
    spawn: Option<Spawn<'a>>,
}

/// The default number of rounds.
const ROUNDS: NonZeroU16 = NonZeroU16::MIN.saturating_add(7);

impl<'a> Kit<'a> {
    /// A kit for two closures: the load of a record, which returns `None` if there is none, and the conditional write.
    pub fn new<L, S, LE, SE>(load: L, swap: S) -> Self
    where
        L: Fn(&Subject) -> Result<Option<Account>, LE> + Send + Sync + 'a,
        S: Fn(Write) -> Result<Swap, SE> + Send + Sync + 'a,
        LE: fmt::Display,
        SE: fmt::Display,
    {
        let load = blocking(move |subject: Subject| load(&subject));
        let hooks = Hooks { load, swap: blocking(swap), outbox: None, delete: None, request: None };
        Self { hooks, rounds: ROUNDS }
    }

    /// Number of rounds for checks that depend on timing. Default: 8.
    pub fn rounds(mut self, rounds: NonZeroU16) -> Self {
        self.rounds = rounds;
        self
    }

    /// Deletes a record and everything else of its subject. With it the kit cleans up.
    pub fn delete<E: fmt::Display>(
        mut self,
        delete: impl Fn(&Subject) -> Result<(), E> + Send + Sync + 'a,
    ) -> Self {
        self.hooks.delete = Some(blocking(move |subject: Subject| delete(&subject)));
        self
    }

    /// Reads the outbox: the descriptors that wait for a subject.
    pub fn outbox<E: fmt::Display>(
        mut self,
        outbox: impl Fn(&Subject) -> Result<Vec<Descriptor>, E> + Send + Sync + 'a,
    ) -> Self {
        self.hooks.outbox = Some(blocking(move |subject: Subject| outbox(&subject)));
        self
    }

    /// Runs a whole request as a handler does, with its transaction and its loop: load the record of
    /// [`Request::subject`], take [`Request::step`], swap, end the transaction as the handler does for this result, and
    /// only then return the result.
    pub fn request<E: fmt::Display>(
        mut self,
        request: impl Fn(Request) -> Result<Result<Verified, Denial>, E> + Send + Sync + 'a,
    ) -> Self {
        self.hooks.request = Some(blocking(request));
        self
    }

    /// Runs every check, in this thread and in threads that it starts.
    ///
    /// `now` is the time of the host. For the kit it stands still.
    pub fn run(self, run: &RunId, now: OffsetDateTime) -> Report {
        let concurrencies =
            [(Concurrency::Threads, Some(Executor::Threads)), (Concurrency::Tasks, Some(Executor::Tasks))];
        block_on(check_all(self.hooks, self.rounds, run, now, concurrencies))
    }

    /// Plays the scenarios as one process of several, and waits up to a minute for each of the others. Their times may
    /// differ by a minute.
    pub fn take_part(self, participant: &Participant, now: OffsetDateTime) -> PartialReport {
        block_on(take_part(self.hooks, self.rounds, participant, now, Executor::Threads))
    }
}

impl<'a> AsyncKit<'a> {
    /// A kit for two closures: the load of a record, which returns `None` if there is none, and the conditional write.
    pub fn new<L, S, LF, SF, LE, SE>(load: L, swap: S) -> Self
    where
        L: Fn(Subject) -> LF + Send + Sync + 'a,
        S: Fn(Write) -> SF + Send + Sync + 'a,
        LF: Future<Output = Result<Option<Account>, LE>> + Send + 'a,
        SF: Future<Output = Result<Swap, SE>> + Send + 'a,
        LE: fmt::Display,
        SE: fmt::Display,
    {
        let hooks = Hooks {
            load: asynchronous(load),
            swap: asynchronous(swap),
            outbox: None,
            delete: None,
            request: None,
        };
        Self { hooks, rounds: ROUNDS, spawn: None }
    }

    /// As [`Kit::rounds`].
    pub fn rounds(mut self, rounds: NonZeroU16) -> Self {
        self.rounds = rounds;
        self
    }

    /// As [`Kit::delete`].
    pub fn delete<F, E>(mut self, delete: impl Fn(Subject) -> F + Send + Sync + 'a) -> Self
    where
        F: Future<Output = Result<(), E>> + Send + 'a,
        E: fmt::Display,
    {
        self.hooks.delete = Some(asynchronous(delete));
        self
    }

    /// As [`Kit::outbox`].
    pub fn outbox<F, E>(mut self, outbox: impl Fn(Subject) -> F + Send + Sync + 'a) -> Self
    where
        F: Future<Output = Result<Vec<Descriptor>, E>> + Send + 'a,
        E: fmt::Display,
    {
        self.hooks.outbox = Some(asynchronous(outbox));
        self
    }

    /// As [`Kit::request`].
    pub fn request<F, E>(mut self, request: impl Fn(Request) -> F + Send + Sync + 'a) -> Self
    where
        F: Future<Output = Result<Result<Verified, Denial>, E>> + Send + 'a,
        E: fmt::Display,
    {
        self.hooks.request = Some(asynchronous(request));
        self
    }

    /// Starts a task on the runtime, which should have several threads: `|task| { tokio::spawn(task); }`. If the
    /// runtime requires `'static`, the closures must own what they use.
    pub fn spawn(mut self, spawn: impl Fn(BoxFuture<'a, ()>) + Send + Sync + 'a) -> Self {
        self.spawn = Some(Arc::new(spawn));
        self
    }

    /// Runs every check. `now` is the time of the host. For the kit it stands still.
    pub async fn run(self, run: &RunId, now: OffsetDateTime) -> Report {
        let concurrencies = [
            (Concurrency::Threads, self.spawn.map(Executor::Spawned)),
            (Concurrency::Tasks, Some(Executor::Tasks)),
        ];
        check_all(self.hooks, self.rounds, run, now, concurrencies).await
    }

    /// Plays the scenarios as one process of several, and waits up to a minute for each of the others. Their times may
    /// differ by a minute.
    pub async fn take_part(self, participant: &Participant, now: OffsetDateTime) -> PartialReport {
        let executor = self.spawn.map_or(Executor::Tasks, Executor::Spawned);
        take_part(self.hooks, self.rounds, participant, now, executor).await
    }
}

impl fmt::Debug for Kit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kit").field("rounds", &self.rounds).finish_non_exhaustive()
    }
}

impl fmt::Debug for AsyncKit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncKit").field("rounds", &self.rounds).finish_non_exhaustive()
    }
}

/// A hook of a closure that returns its answer.
fn blocking<'a, I, T, E>(hook: impl Fn(I) -> Result<T, E> + Send + Sync + 'a) -> Hook<'a, I, T>
where
    I: Send + 'a,
    T: Send + 'a,
    E: fmt::Display,
{
    let hook = Arc::new(hook);
    Box::new(move |input| {
        let hook = Arc::clone(&hook);
        Box::pin(async move { hook(input).map_err(|error| error.to_string()) })
    })
}

/// A hook of a closure that returns a future.
fn asynchronous<'a, I, T, E, F>(hook: impl Fn(I) -> F + Send + Sync + 'a) -> Hook<'a, I, T>
where
    I: Send + 'a,
    T: Send + 'a,
    E: fmt::Display,
    F: Future<Output = Result<T, E>> + Send + 'a,
{
    Box::new(move |input| {
        let answer = hook(input);
        Box::pin(async move { answer.await.map_err(|error| error.to_string()) })
    })
}
