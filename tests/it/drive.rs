//! The host's loop: `drive` and its siblings, over stores that are raced, busy, failing or empty.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    convert::Infallible,
    sync::{Arc, Mutex},
};

use countersign::{
    Account, BindingCode, BlockingStore, ChallengeRequest, Denial, Entropy, LocalStore, Policy, Store,
    Subject, Swap, Verifier, Write,
    address_proof::{AddressProof, AddressVerifier, ProofPolicy, ProofPurpose},
    drive,
    store::{DriveError, MAX_TRIES, drive_blocking, drive_with},
};
use countersign_testkit::{World, edited, json, subject, wrong};
use time::OffsetDateTime;

/// Rows under one lock, with a turn for others between a load and its swap.
#[derive(Default)]
struct Rows(Mutex<BTreeMap<String, Account>>);

impl Rows {
    fn of(account: Account) -> Arc<Self> {
        let rows = Self::default();
        rows.0.lock().unwrap().insert(account.subject().as_str().to_owned(), account);
        Arc::new(rows)
    }

    fn row(&self) -> Account {
        self.0.lock().unwrap()[subject().as_str()].clone()
    }

    fn swap_now(&self, write: Write) -> Swap {
        let mut rows = self.0.lock().unwrap();
        if rows.get(write.subject().as_str()).map(Account::revision) != write.expected {
            return Swap::Lost;
        }
        rows.insert(write.subject().as_str().to_owned(), write.record);
        Swap::Stored
    }
}

impl Store for Rows {
    type Record = Account;
    type Error = Infallible;

    async fn load(&self, subject: &Subject) -> Result<Option<Account>, Infallible> {
        let loaded = self.0.lock().unwrap().get(subject.as_str()).cloned();
        tokio::task::yield_now().await;
        Ok(loaded)
    }

    async fn swap(&self, write: Write) -> Result<Swap, Infallible> {
        Ok(self.swap_now(write))
    }
}

impl BlockingStore for Rows {
    type Record = Account;
    type Error = Infallible;

    fn load(&self, subject: &Subject) -> Result<Option<Account>, Infallible> {
        let loaded = self.0.lock().unwrap().get(subject.as_str()).cloned();
        std::thread::yield_now();
        Ok(loaded)
    }

    fn swap(&self, write: Write) -> Result<Swap, Infallible> {
        Ok(self.swap_now(write))
    }
}

/// What came of a guess, and whether it was compared with the code.
type Guess<E> = tokio::task::JoinHandle<Result<(Result<(), Denial>, bool), DriveError<E>>>;

/// A handler that is generic over its store, on a pool of threads: it compiles only if the future of `drive` is `Send`.
fn guess<S: Store<Record = Account> + 'static>(
    verifier: &Arc<Verifier>,
    store: &Arc<S>,
    (session, handle): (&countersign::Session, &countersign::session::OobHandle),
    code: &BindingCode,
    now: OffsetDateTime,
) -> Guess<S::Error> {
    let (verifier, store) = (Arc::clone(verifier), Arc::clone(store));
    let (session, handle, code) = (session.clone(), handle.clone(), code.clone());
    tokio::spawn(async move {
        let step = |account| verifier.verify_oob(&session, account, &handle, &code, now, None);
        let outcome = drive(&*store, session.subject(), step).await?;
        let evaluated = outcome.audit().evaluated;
        Ok((outcome.into_parts().0.map(drop), evaluated))
    })
}

/// 128 guesses at once under the default policy: five are compared with the code, and no writer gives up.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_128_guesses_at_once_five_are_judged() {
    let mut world = World::new(Policy::default());
    world.enroll("user@example.com");
    world.pass(3_600);
    let session = world.login();
    let challenged = world.challenge(&session).unwrap();
    let handle = world.verifier.open_oob_code(&session, challenged.oob_code.expose()).unwrap();
    let bad = wrong(&world.mail().code);
    let (verifier, rows) = (Arc::new(world.verifier.clone()), Rows::of(world.account()));
    let guesses: Vec<_> =
        (0..128).map(|_| guess(&verifier, &rows, (&session, &handle), &bad, world.now)).collect();
    let mut judged = 0;
    for guess in guesses {
        let (result, evaluated) = guess.await.unwrap().expect("no writer is busy");
        assert!(result.is_err());
        judged += u32::from(evaluated);
    }
    assert_eq!(judged, 5);
    assert_eq!(rows.row().authenticators()[0].failures(), 5);
}

/// The same on threads that block.
#[test]
fn of_128_guesses_on_threads_five_are_judged() {
    let mut world = World::new(Policy::default());
    world.enroll("user@example.com");
    world.pass(3_600);
    let session = world.login();
    let challenged = world.challenge(&session).unwrap();
    let handle = world.verifier.open_oob_code(&session, challenged.oob_code.expose()).unwrap();
    let bad = wrong(&world.mail().code);
    let rows = &*Rows::of(world.account());
    let (verifier, now) = (&world.verifier, world.now);
    let judged = std::thread::scope(|scope| {
        let guess = || {
            let step = |account| verifier.verify_oob(&session, account, &handle, &bad, now, None);
            u32::from(
                drive_blocking(rows, session.subject(), step).expect("no writer is busy").audit().evaluated,
            )
        };
        let guesses: Vec<_> = (0..128).map(|_| scope.spawn(guess)).collect();
        guesses.into_iter().map(|guess| guess.join().unwrap()).sum::<u32>()
    });
    assert_eq!(judged, 5);
}

/// A store whose every swap is lost, or fails, and which counts.
struct Stubborn {
    answer: Result<Swap, &'static str>,
    row: RefCell<Option<Account>>,
    loads: Cell<u32>,
    swaps: Cell<u32>,
}

impl Stubborn {
    fn new(answer: Result<Swap, &'static str>) -> Self {
        Self { answer, row: RefCell::default(), loads: Cell::default(), swaps: Cell::default() }
    }
}

impl LocalStore for Stubborn {
    type Record = Account;
    type Error = &'static str;

    async fn load(&self, _: &Subject) -> Result<Option<Account>, &'static str> {
        self.loads.set(self.loads.get() + 1);
        Ok(self.row.borrow().clone())
    }

    async fn swap(&self, write: Write) -> Result<Swap, &'static str> {
        self.swaps.set(self.swaps.get() + 1);
        if self.answer == Ok(Swap::Stored) {
            self.row.replace(Some(write.record));
        }
        self.answer
    }
}

#[tokio::test]
async fn a_store_that_always_loses_is_busy_after_so_many_tries() {
    let world = World::new(Policy::default());
    let entropy = Entropy::from_bytes([5; 32]);
    let store = Stubborn::new(Ok(Swap::Lost));
    let (mut steps, mut pauses) = (0, Vec::new());
    let step = |account| {
        steps += 1;
        world.verifier.provision(
            account,
            &countersign_testkit::email("user@example.com"),
            world.now,
            &entropy,
        )
    };
    let ended = drive_with(&store, &subject(), step, |tries| {
        pauses.push(tries);
        std::future::ready(())
    })
    .await;
    assert_eq!(ended.unwrap_err(), DriveError::Busy);
    assert_eq!((steps, store.loads.get(), store.swaps.get()), (MAX_TRIES, MAX_TRIES, MAX_TRIES));
    assert_eq!(pauses, (1..MAX_TRIES).collect::<Vec<_>>(), "nobody waits for nothing at the end");
    assert_eq!(
        DriveError::<Infallible>::Busy.to_string(),
        "the store is busy: other writes of the record came first 64 times"
    );
}

#[tokio::test]
async fn an_error_of_the_store_is_given_on_and_ends_the_loop() {
    let world = World::new(Policy::default());
    let entropy = Entropy::from_bytes([5; 32]);
    let store = Stubborn::new(Err("the disk is full"));
    let step = |account| {
        world.verifier.provision(
            account,
            &countersign_testkit::email("user@example.com"),
            world.now,
            &entropy,
        )
    };
    let error = drive(&store, &subject(), step).await.unwrap_err();
    assert_eq!(error, DriveError::Store("the disk is full"));
    assert_eq!(store.swaps.get(), 1);
    let shown = DriveError::from(std::io::Error::other("the disk is full"));
    assert_eq!(shown.to_string(), "the store failed: the disk is full");
    let boxed: Box<dyn std::error::Error + Send + Sync> = "the disk is full".into();
    let given_on: Box<dyn std::error::Error> = DriveError::Store(boxed).into();
    assert_eq!(given_on.to_string(), "the store failed: the disk is full");
}

#[tokio::test]
async fn a_step_that_changes_nothing_does_not_reach_the_store() {
    let mut world = World::new(Policy::default());
    let session = world.login();
    let entropy = Entropy::from_bytes([5; 32]);
    let store = Stubborn::new(Ok(Swap::Lost));
    let request = ChallengeRequest::default();
    let step = |account| world.verifier.challenge(&session, account, &request, world.now, &entropy);
    let outcome = drive(&store, &subject(), step).await.unwrap();
    assert_eq!(outcome.into_parts().0.unwrap_err(), Denial::NotEnrolled);
    assert_eq!((store.loads.get(), store.swaps.get()), (1, 0));
}

/// A store from which the row is deleted while a step is under way.
struct Vanishing {
    row: RefCell<Option<Account>>,
    swaps: Cell<u32>,
}

impl LocalStore for Vanishing {
    type Record = Account;
    type Error = Infallible;

    async fn load(&self, _: &Subject) -> Result<Option<Account>, Infallible> {
        Ok(self.row.take())
    }

    async fn swap(&self, _: Write) -> Result<Swap, Infallible> {
        self.swaps.set(self.swaps.get() + 1);
        Ok(Swap::Lost)
    }
}

impl BlockingStore for Vanishing {
    type Record = Account;
    type Error = Infallible;

    fn load(&self, _: &Subject) -> Result<Option<Account>, Infallible> {
        Ok(self.row.take())
    }

    fn swap(&self, _: Write) -> Result<Swap, Infallible> {
        self.swaps.set(self.swaps.get() + 1);
        Ok(Swap::Lost)
    }
}

#[tokio::test]
async fn a_record_that_is_deleted_meanwhile_does_not_come_back() {
    let mut world = World::new(Policy::default());
    world.enroll("user@example.com");
    let account = world.account();
    let entropy = Entropy::from_bytes([5; 32]);
    let step = |account| {
        world.verifier.provision(
            account,
            &countersign_testkit::email("second@example.com"),
            world.now,
            &entropy,
        )
    };
    let store = Vanishing { row: RefCell::new(Some(account.clone())), swaps: Cell::default() };
    assert_eq!(drive(&store, &subject(), step).await.unwrap_err(), DriveError::NoRecord);
    store.row.replace(Some(account));
    let error = drive_blocking(&store, &subject(), step).unwrap_err();
    assert_eq!(error, DriveError::NoRecord);
    assert_eq!(error.to_string(), "the store has no such record");
    assert_eq!(store.swaps.get(), 2);
    // One that was never there is made in every try.
    assert_eq!(drive(&store, &subject(), step).await.unwrap_err(), DriveError::Busy);
}

/// A store without a row, which nothing may be written to.
struct Nothing;

impl BlockingStore for Nothing {
    type Record = AddressProof;
    type Error = Infallible;

    fn load(&self, _: &Subject) -> Result<Option<AddressProof>, Infallible> {
        Ok(None)
    }

    fn swap(&self, _: Write<AddressProof>) -> Result<Swap, Infallible> {
        panic!("there is nothing to write")
    }
}

/// The record that is made for a subject without one is that of an address that nobody has.
#[test]
fn an_ask_for_an_address_that_nobody_has_is_answered_and_writes_nothing() {
    let verifier = AddressVerifier::new(countersign_testkit::keys(), ProofPolicy::default());
    let entropy = Entropy::from_bytes([5; 32]);
    let now = countersign_testkit::START;
    let step = |proof| verifier.ask(proof, ProofPurpose::Reset, now, &entropy);
    let outcome = drive_blocking(&Nothing, &subject(), step).unwrap();
    assert_eq!(outcome.audit().subject, subject());
    let (asked, effects) = outcome.into_parts();
    assert!(asked.is_ok() && effects.is_empty());
}

/// A revision fits what databases and scripts hold exactly: it begins below 2^52 and is counted up.
#[tokio::test]
async fn revisions_are_exact_everywhere() {
    let world = World::new(Policy::default());
    let store = Stubborn::new(Ok(Swap::Stored));
    assert_eq!(Account::new(&subject()).revision().get(), 0);
    let mut last = None;
    for to in ["first@example.com", "second@example.com", "third@example.com"] {
        let entropy = Entropy::from_bytes([7; 32]);
        let step =
            |account| world.verifier.provision(account, &countersign_testkit::email(to), world.now, &entropy);
        let _ = drive(&store, &subject(), step).await.unwrap();
        let account = store.row.borrow().clone().unwrap();
        let revision = account.revision().get();
        assert!(last.map_or((1..1 << 52).contains(&revision), |last| revision == last + 1), "{revision}");
        assert_eq!(u64::try_from(account.revision().as_i64()), Ok(revision));
        let float = json(&account)["revision"].as_f64().unwrap();
        assert_eq!(format!("{float:.0}"), revision.to_string());
        last = Some(revision);
    }
    // A step that draws nothing numbers a new record, too.
    let fresh = Stubborn::new(Ok(Swap::Stored));
    let _ = drive(&fresh, &subject(), |account| world.verifier.reset(account, world.now)).await.unwrap();
    let revision = fresh.row.borrow().clone().unwrap().revision().get();
    assert!((1..1 << 52).contains(&revision), "{revision}");
}

/// Equal inputs give equal steps; a newer record or other entropy gives other values.
#[test]
fn what_is_drawn_follows_from_the_entropy_and_the_record() {
    let world = World::new(Policy::default());
    let provision = |account: Account, seed: u8| {
        let entropy = Entropy::from_bytes([seed; 32]);
        let step = world.verifier.provision(
            account,
            &countersign_testkit::email("user@example.com"),
            world.now,
            &entropy,
        );
        step.into_parts().0.unwrap().record
    };
    let first = provision(Account::new(&subject()), 1);
    assert_eq!(first, provision(Account::new(&subject()), 1));
    let other = provision(Account::new(&subject()), 2);
    assert_ne!(first.revision(), other.revision());
    let id = |account: &Account| account.authenticators()[0].id();
    assert_ne!(id(&first), id(&other));
    let ids: Vec<_> = [first, other]
        .into_iter()
        .map(|account| {
            let entropy = Entropy::from_bytes([3; 32]);
            let step = world.verifier.provision(
                account,
                &countersign_testkit::email("second@example.com"),
                world.now,
                &entropy,
            );
            id(&step.into_parts().0.unwrap().record)
        })
        .collect();
    assert_ne!(ids[0], ids[1], "the same entropy on another revision");
    let of = |name: &str| {
        let entropy = Entropy::from_bytes([1; 32]);
        let step = world.verifier.provision(
            Account::new(&Subject::new(name).unwrap()),
            &countersign_testkit::email("user@example.com"),
            world.now,
            &entropy,
        );
        id(&step.into_parts().0.unwrap().record)
    };
    assert_ne!(of("one"), of("two"), "the same entropy for another subject");
    assert_eq!(format!("{:?}", Entropy::from_bytes([1; 32])), "Entropy(..)");
}

/// A row that somebody gave the revision 0 goes on from there.
#[test]
fn a_stored_revision_of_zero_is_counted_up() {
    let mut world = World::new(Policy::default());
    world.enroll("user@example.com");
    let account = edited(&world.account(), |row| row["revision"] = 0.into()).unwrap();
    let entropy = Entropy::from_bytes([1; 32]);
    let reset = world.verifier.reset(account.clone(), world.now).into_parts().0.unwrap();
    let provision = world.verifier.provision(
        account,
        &countersign_testkit::email("second@example.com"),
        world.now,
        &entropy,
    );
    for write in [reset, provision.into_parts().0.unwrap()] {
        assert_eq!((write.expected.map(countersign::Revision::get), write.revision().get()), (Some(0), 1));
    }
}
