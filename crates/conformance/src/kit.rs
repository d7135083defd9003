//! The two kits, which take the hooks of a host: [`Kit`] and [`AsyncKit`].

use std::{fmt, future::Future, num::NonZeroU16, sync::Arc};

use countersign::{Account, Denial, Descriptor, Subject, Swap, Verification, Write, time::OffsetDateTime};

use crate::{
    check::Crowd,
    executor::{Later, Muster, Spawn, block_on},
    processes::Share,
    report::Report,
    request::Request,
    run_id::{Part, Run},
    runner::{check_all, play_part},
    store::{Hook, Hooks},
};

/// The kit for a store that answers at once.
#[must_use = "a kit does nothing until it is run"]
pub struct Kit<'a> {
    hooks: Hooks<'a>,
    rounds: NonZeroU16,
}

/// The kit for a store that answers later.
///
/// ```
/// # use std::{collections::BTreeMap, convert::Infallible, sync::Mutex};
/// use std::sync::Arc;
/// use countersign_conformance::{AsyncKit, Run};
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
/// let run = Run::draw(&mut getrandom::SysRng)?;
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

/// How often things are done that go wrong only sometimes.
const ROUNDS: NonZeroU16 = NonZeroU16::MIN.saturating_add(7);

impl<'a> Kit<'a> {
    /// A kit for these two closures: the load of a record, `None` where there is none, and the conditional write.
    pub fn new<L, S, LE, SE>(load: L, swap: S) -> Self
    where
        L: Fn(&Subject) -> Result<Option<Account>, LE> + Send + Sync + 'a,
        S: Fn(Write) -> Result<Swap, SE> + Send + Sync + 'a,
        LE: fmt::Display,
        SE: fmt::Display,
    {
        let load = at_once(move |subject: Subject| load(&subject));
        let hooks = Hooks { load, swap: at_once(swap), outbox: None, delete: None, request: None };
        Self { hooks, rounds: ROUNDS }
    }

    /// How often things are done that go wrong only sometimes; eight times, if nothing else is said.
    pub fn rounds(mut self, rounds: NonZeroU16) -> Self {
        self.rounds = rounds;
        self
    }

    /// A way to delete a record, and what else belongs to its subject. With it the kit cleans up.
    pub fn delete<E: fmt::Display>(
        mut self,
        delete: impl Fn(&Subject) -> Result<(), E> + Send + Sync + 'a,
    ) -> Self {
        self.hooks.delete = Some(at_once(move |subject: Subject| delete(&subject)));
        self
    }

    /// A look into the outbox: the descriptors that wait for a subject.
    pub fn outbox<E: fmt::Display>(
        mut self,
        outbox: impl Fn(&Subject) -> Result<Vec<Descriptor>, E> + Send + Sync + 'a,
    ) -> Self {
        self.hooks.outbox = Some(at_once(move |subject: Subject| outbox(&subject)));
        self
    }

    /// A whole request as a handler runs it, its transaction and its loop included: load the record of
    /// [`Request::subject`], take [`Request::step`], swap, end the request in the way that fits its result, and only
    /// then give that result.
    pub fn request<E: fmt::Display>(
        mut self,
        request: impl Fn(Request) -> Result<Result<Verification, Denial>, E> + Send + Sync + 'a,
    ) -> Self {
        self.hooks.request = Some(at_once(request));
        self
    }

    /// Makes every check, in this thread and in threads of its own.
    ///
    /// `now` is the host's time. It stands still for the kit.
    pub fn run(self, run: &Run, now: OffsetDateTime) -> Report {
        let crowds = [(Crowd::Threads, Some(Muster::Threads)), (Crowd::Tasks, Some(Muster::Tasks))];
        block_on(check_all(self.hooks, self.rounds, run, now, crowds))
    }

    /// Plays the scenes together with other processes, and waits up to a minute for each of them. Their times may
    /// differ by a minute.
    pub fn take_part(self, part: &Part, now: OffsetDateTime) -> Share {
        block_on(play_part(self.hooks, self.rounds, part, now, Muster::Threads))
    }
}

impl<'a> AsyncKit<'a> {
    /// A kit for these two closures: the load of a record, `None` where there is none, and the conditional write.
    pub fn new<L, S, LF, SF, LE, SE>(load: L, swap: S) -> Self
    where
        L: Fn(Subject) -> LF + Send + Sync + 'a,
        S: Fn(Write) -> SF + Send + Sync + 'a,
        LF: Future<Output = Result<Option<Account>, LE>> + Send + 'a,
        SF: Future<Output = Result<Swap, SE>> + Send + 'a,
        LE: fmt::Display,
        SE: fmt::Display,
    {
        let hooks = Hooks { load: later(load), swap: later(swap), outbox: None, delete: None, request: None };
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
        self.hooks.delete = Some(later(delete));
        self
    }

    /// As [`Kit::outbox`].
    pub fn outbox<F, E>(mut self, outbox: impl Fn(Subject) -> F + Send + Sync + 'a) -> Self
    where
        F: Future<Output = Result<Vec<Descriptor>, E>> + Send + 'a,
        E: fmt::Display,
    {
        self.hooks.outbox = Some(later(outbox));
        self
    }

    /// As [`Kit::request`].
    pub fn request<F, E>(mut self, request: impl Fn(Request) -> F + Send + Sync + 'a) -> Self
    where
        F: Future<Output = Result<Result<Verification, Denial>, E>> + Send + 'a,
        E: fmt::Display,
    {
        self.hooks.request = Some(later(request));
        self
    }

    /// The executor's way of starting a task, which should have several threads: `|task| { tokio::spawn(task); }`.
    /// With a spawner that needs `'static`, the closures must own what they use.
    pub fn spawn(mut self, spawn: impl Fn(Later<'a, ()>) + Send + Sync + 'a) -> Self {
        self.spawn = Some(Arc::new(spawn));
        self
    }

    /// Makes every check. `now` is the host's time. It stands still for the kit.
    pub async fn run(self, run: &Run, now: OffsetDateTime) -> Report {
        let crowds = [(Crowd::Threads, self.spawn.map(Muster::Spawned)), (Crowd::Tasks, Some(Muster::Tasks))];
        check_all(self.hooks, self.rounds, run, now, crowds).await
    }

    /// Plays the scenes together with other processes, and waits up to a minute for each of them. Their times may
    /// differ by a minute.
    pub async fn take_part(self, part: &Part, now: OffsetDateTime) -> Share {
        let muster = self.spawn.map_or(Muster::Tasks, Muster::Spawned);
        play_part(self.hooks, self.rounds, part, now, muster).await
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

/// A hook of a closure that answers at once.
fn at_once<'a, I, T, E>(hook: impl Fn(I) -> Result<T, E> + Send + Sync + 'a) -> Hook<'a, I, T>
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

/// A hook of a closure that answers later.
fn later<'a, I, T, E, F>(hook: impl Fn(I) -> F + Send + Sync + 'a) -> Hook<'a, I, T>
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
