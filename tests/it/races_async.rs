//! Races under a real executor: a handler that is generic over an asynchronous store, spawned on a runtime of several
//! threads, which takes its future only if that is `Send`.

use std::{
    collections::BTreeMap,
    future::Future,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use countersign::{
    Account, BindingCode, Denial, Effect, Outcome, Session, Subject, Swap, Verified, Verifier, Write,
    session::OobHandle, step::Committed,
};
use countersign_testkit::{World, bucket, millis, policy, subject, wrong};
use time::OffsetDateTime;
use tokio::sync::Barrier;

/// A store as a host may have it: asynchronous, fallible, and of no known type.
trait Store: Send + Sync + 'static {
    type Error: std::error::Error + Send;

    fn load(&self, subject: &Subject) -> impl Future<Output = Result<Option<Account>, Self::Error>> + Send;

    fn swap(&self, write: Write) -> impl Future<Output = Result<Swap, Self::Error>> + Send;
}

/// One try at a code.
struct Attempt {
    session: Session,
    handle: OobHandle,
    code: BindingCode,
    now: OffsetDateTime,
}

async fn verify<S: Store>(
    verifier: Arc<Verifier>,
    store: Arc<S>,
    attempt: Arc<Attempt>,
) -> Result<Outcome<Verified>, S::Error> {
    let Attempt { session, handle, code, now } = &*attempt;
    loop {
        let account = store.load(session.subject()).await?.expect("the account is enrolled");
        let step = verifier.verify_oob(session, account, handle, code, *now, None);
        match step.commit_async(|write| store.swap(write)).await? {
            Committed::Lost => continue,
            Committed::Done(outcome) => return Ok(outcome),
        }
    }
}

/// Spawns the handler for each attempt, whatever the store is.
async fn spawn_all<S: Store>(
    verifier: &Verifier,
    store: &Arc<S>,
    attempts: Vec<Attempt>,
) -> Vec<Result<Outcome<Verified>, S::Error>> {
    let verifier = Arc::new(verifier.clone());
    let spawn = |attempt| tokio::spawn(verify(verifier.clone(), store.clone(), Arc::new(attempt)));
    let handlers: Vec<_> = attempts.into_iter().map(spawn).collect();
    let mut outcomes = Vec::new();
    for handler in handlers {
        outcomes.push(handler.await.expect("no handler panics"));
    }
    outcomes
}

/// When a swap fails, its caller learns nothing, and the record was written or not.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Failure {
    Never,
    BeforeWriting,
    AfterWriting,
}

#[derive(Debug)]
struct ConnectionLost;

impl std::fmt::Display for ConnectionLost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the connection was lost")
    }
}

impl std::error::Error for ConnectionLost {}

/// Rows under compare-and-swap. The first loads wait for each other, so that every handler begins with a copy from
/// before any swap; later ones yield, and so does each swap, so that the handlers interleave.
struct Rows {
    rows: Mutex<BTreeMap<String, Account>>,
    failure: Failure,
    first_loads: Barrier,
    loads: AtomicUsize,
    lost: AtomicUsize,
}

const HANDLERS: usize = 64;

impl Rows {
    fn new(account: Account, failure: Failure) -> Arc<Self> {
        let rows = BTreeMap::from([(account.subject().as_str().to_owned(), account)]);
        Arc::new(Self {
            rows: Mutex::new(rows),
            failure,
            first_loads: Barrier::new(HANDLERS),
            loads: AtomicUsize::new(0),
            lost: AtomicUsize::new(0),
        })
    }

    fn account(&self) -> Account {
        self.rows.lock().unwrap()[subject().as_str()].clone()
    }
}

impl Store for Rows {
    type Error = ConnectionLost;

    async fn load(&self, subject: &Subject) -> Result<Option<Account>, ConnectionLost> {
        let account = self.rows.lock().unwrap().get(subject.as_str()).cloned();
        if self.loads.fetch_add(1, Ordering::Relaxed) < HANDLERS {
            self.first_loads.wait().await;
        } else {
            tokio::task::yield_now().await;
        }
        Ok(account)
    }

    async fn swap(&self, write: Write) -> Result<Swap, ConnectionLost> {
        tokio::task::yield_now().await;
        if self.failure == Failure::BeforeWriting {
            return Err(ConnectionLost);
        }
        let mut rows = self.rows.lock().unwrap();
        let row = rows.get_mut(write.record.subject().as_str()).unwrap();
        if Some(row.revision()) != write.expected {
            self.lost.fetch_add(1, Ordering::Relaxed);
            return Ok(Swap::Lost);
        }
        *row = write.record;
        if self.failure == Failure::AfterWriting { Err(ConnectionLost) } else { Ok(Swap::Stored) }
    }
}

/// An account with a live challenge, and as many tries as handlers at it.
fn scene(right: bool) -> (World, Vec<Attempt>) {
    let mut world = World::new(policy(|settings| settings.attempts = 3));
    world.enroll("user@example.com");
    world.pass(60);
    let session = world.login();
    let challenged = world.challenge(&session).unwrap();
    let handle = world.verifier.open_oob_code(&session, challenged.oob_code.expose()).unwrap();
    let sent = world.mail().code;
    let code = if right { sent } else { wrong(&sent) };
    let attempt =
        || Attempt { session: session.clone(), handle: handle.clone(), code: code.clone(), now: world.now };
    let attempts = (0..HANDLERS).map(|_| attempt()).collect();
    (world, attempts)
}

fn tokens(outcomes: &[Outcome<Verified>]) -> usize {
    let effects = outcomes.iter().flat_map(|outcome| outcome.effects());
    effects.filter(|effect| matches!(effect, Effect::IssueToken(_))).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn parallel_wrong_codes_cost_what_they_cost_in_a_row() {
    let (mut world, attempts) = scene(false);
    let rows = Rows::new(world.account(), Failure::Never);
    let outcomes = spawn_all(&world.verifier, &rows, attempts).await;
    let denials: Vec<_> =
        outcomes.into_iter().map(|outcome| outcome.unwrap().into_parts().0.unwrap_err()).collect();
    let mut left: Vec<_> = denials
        .iter()
        .filter_map(|denial| match denial {
            Denial::InvalidBindingCode { attempts_left } => Some(*attempts_left),
            _ => None,
        })
        .collect();
    left.sort_unstable();
    assert_eq!(left, [0, 1, 2], "each attempt is told once");
    let exhausted = denials.iter().filter(|denial| **denial == Denial::AttemptsExhausted);
    assert_eq!(exhausted.count(), 61);
    assert_eq!(bucket(&rows.account(), "guess"), millis(world.now) + 3 * 360_000);
    let lost = rows.lost.load(Ordering::Relaxed);
    assert!(lost >= HANDLERS - 1, "all but one lost their first swap: {lost}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn parallel_right_codes_complete_once() {
    let (mut world, attempts) = scene(true);
    let rows = Rows::new(world.account(), Failure::Never);
    let outcomes = spawn_all(&world.verifier, &rows, attempts).await;
    let outcomes: Vec<_> = outcomes.into_iter().map(Result::unwrap).collect();
    assert_eq!(tokens(&outcomes), 1);
    let results: Vec<_> = outcomes.into_iter().map(|outcome| outcome.into_parts().0).collect();
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    let used = results.iter().filter(|result| **result == Err(Denial::OobCodeUsed));
    assert_eq!(used.count(), 63);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_error_of_the_store_reveals_nothing() {
    for right in [false, true] {
        for failure in [Failure::BeforeWriting, Failure::AfterWriting] {
            let (mut world, attempts) = scene(right);
            let before = world.account();
            let rows = Rows::new(before.clone(), failure);
            let outcomes = spawn_all(&world.verifier, &rows, attempts).await;
            let revealed: Vec<_> = outcomes.into_iter().filter_map(Result::ok).collect();
            assert_eq!(tokens(&revealed), 0, "{failure:?}");
            // Whoever comes after the last write reads a record that needs none, and is told only what that record
            // says.
            let settled = if right { Denial::OobCodeUsed } else { Denial::AttemptsExhausted };
            let failed = HANDLERS - revealed.len();
            let mut results = revealed.into_iter().map(|outcome| outcome.into_parts().0);
            assert!(results.all(|result| result == Err(settled)), "{failure:?}");
            let (failed, charged) = (failed, bucket(&rows.account(), "guess"));
            let expected = match (failure, right) {
                (Failure::BeforeWriting, _) => (HANDLERS, 0),
                (Failure::AfterWriting, true) => (1, 0),
                (Failure::AfterWriting, false) => (3, millis(world.now) + 3 * 360_000),
                (Failure::Never, _) => continue,
            };
            assert_eq!((failed, charged), expected, "{failure:?}, right: {right}");
            assert_eq!(rows.account() == before, failure == Failure::BeforeWriting);
        }
    }
}
