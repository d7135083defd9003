//! The steps of accounts: the core's own loop, on this server's database. It must never leave a step half-way that was
//! begun to be stored, nor work on for a client that has gone before.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use countersign::{
    Account, Entropy, Outcome, Step, Store, Subject, Swap, Verifier, Write,
    store::{DriveError, drive_with},
};
use getrandom::SysRng;
use time::OffsetDateTime;
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};
use tracing::Instrument as _;

use crate::{
    app::{App, ServerError},
    locale::{self, Locale},
    random,
    store::{Database, StoreError},
};

/// How long a step may wait for its turn.
const TURN_WAIT: Duration = Duration::from_secs(10);

impl App {
    /// Takes one step of one account, and notes what came of it.
    ///
    /// The messages among the effects are in the outbox already, in the transaction that wrote the record; what is left
    /// to the caller is [`IssueToken`](countersign::Effect::IssueToken).
    ///
    /// The caller may be dropped at any time. Until the swap begins that ends the step; from there on the step goes
    /// to its end by itself, since what was charged must be stored and logged, and no transaction be left half-way.
    pub(crate) async fn step<T, F>(
        self: &Arc<Self>,
        subject: Subject,
        mut step: F,
    ) -> Result<Outcome<T>, ServerError>
    where
        F: FnMut(&Verifier, Account, OffsetDateTime, &Entropy) -> Step<T> + Send + 'static,
        T: Send + 'static,
    {
        let turn = timeout(TURN_WAIT, Arc::clone(&self.steps).acquire_owned()).await;
        let turn = turn.map_err(|_| ServerError::Overloaded)?.map_err(|_| ServerError::Stopped)?;
        let entropy = Entropy::draw(&mut SysRng)?;
        let (asked, _asks) = watch::channel(());
        let records = AskedRecords {
            app: Arc::clone(self),
            locale: locale::of_request(),
            asked,
            lost: AtomicBool::new(false),
        };
        let taken = async move {
            let app = Arc::clone(&records.app);
            let step = |account| {
                app.core.call(|verifier| step(verifier, account, OffsetDateTime::now_utc(), &entropy))
            };
            let outcome = drive_with(&records, &subject, step, pause).await?;
            app.conclude(&outcome);
            drop(turn);
            Ok(outcome)
        };
        tokio::spawn(taken.in_current_span()).await.map_err(|_| ServerError::Stopped)?
    }
}

/// Takes a step where it is, for commands: nobody drops them. Its messages are in the outbox, for the server that runs.
pub(crate) async fn take<T>(
    database: &dyn Database,
    subject: &Subject,
    step: impl FnMut(Account) -> Step<T>,
) -> Result<Outcome<T>, ServerError> {
    Ok(drive_with(&Records(database), subject, step, pause).await?)
}

/// The records of a database.
struct Records<'a>(&'a dyn Database);

impl Store for Records<'_> {
    type Record = Account;
    type Error = StoreError;

    async fn load(&self, subject: &Subject) -> Result<Option<Account>, StoreError> {
        self.0.load(subject).await
    }

    async fn swap(&self, write: Write) -> Result<Swap, StoreError> {
        self.0.swap(write, None).await
    }
}

/// The records, for as long as somebody waits for the answer.
struct AskedRecords {
    app: Arc<App>,
    /// That of the messages.
    locale: Option<Locale>,
    /// Closed when whoever asked has gone.
    asked: watch::Sender<()>,
    /// Whether a swap was lost, so that there was a record.
    lost: AtomicBool,
}

impl Store for AskedRecords {
    type Record = Account;
    type Error = ServerError;

    async fn load(&self, subject: &Subject) -> Result<Option<Account>, ServerError> {
        let loaded = tokio::select! {
            biased;
            () = self.asked.closed() => return Err(ServerError::Stopped),
            loaded = self.app.database.load(subject) => loaded?,
        };
        // Its user was removed, and must not get another.
        if loaded.is_none() && self.lost.load(Ordering::Relaxed) {
            return Err(ServerError::Gone);
        }
        Ok(loaded)
    }

    async fn swap(&self, write: Write) -> Result<Swap, ServerError> {
        if self.asked.is_closed() {
            return Err(ServerError::Stopped);
        }
        let swap = self.app.database.swap(write, self.locale.as_ref()).await?;
        if swap == Swap::Lost {
            self.app.metrics.lost_swaps.inc();
            self.lost.store(true, Ordering::Relaxed);
        }
        Ok(swap)
    }
}

impl<E: Into<Self>> From<DriveError<E>> for ServerError {
    fn from(error: DriveError<E>) -> Self {
        match error {
            DriveError::Store(error) => error.into(),
            DriveError::Busy => Self::Contended,
            DriveError::NoRecord => Self::Gone,
            _ => Self::Misuse("an end of the loop that this server does not know"),
        }
    }
}

/// Waits after a lost swap: at random, up to a bound that doubles from 2 ms to 64 ms.
fn pause(lost: u32) -> impl Future<Output = ()> {
    let bound_us = 1_000_u64 << lost.min(6);
    // Without randomness the next step says so.
    let random_us = random().map_or(bound_us, |bytes| u64::from_be_bytes(bytes) % bound_us);
    sleep(Duration::from_micros(random_us))
}
