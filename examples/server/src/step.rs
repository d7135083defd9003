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
    sync::{OwnedSemaphorePermit, watch},
    time::{sleep, timeout},
};
use tracing::Instrument as _;

use crate::{
    app::{App, ServerError},
    locale::{self, Locale},
    random,
    store::Database,
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
        let turn = self.turn().await?;
        let entropy = Entropy::draw(&mut SysRng)?;
        let (asked, _asks) = watch::channel(());
        let records = AskedRecords {
            app: Arc::clone(self),
            locale: locale::of_request(),
            asked,
            present: Presence::default(),
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

    /// Waits for a turn, which bounds how many steps are taken at once, and no longer than a client would.
    pub(crate) async fn turn(&self) -> Result<OwnedSemaphorePermit, ServerError> {
        let turn = timeout(TURN_WAIT, Arc::clone(&self.steps).acquire_owned()).await;
        turn.map_err(|_| ServerError::Overloaded)?.map_err(|_| ServerError::Stopped)
    }
}

/// Takes a step where it is, for commands: nobody drops them. Its messages are in the outbox, for the server that runs.
pub(crate) async fn take<T>(
    database: &dyn Database,
    subject: &Subject,
    step: impl FnMut(Account) -> Step<T>,
) -> Result<Outcome<T>, ServerError> {
    let records = Records { database, present: Presence::default() };
    Ok(drive_with(&records, subject, step, pause).await?)
}

/// The records of a database.
struct Records<'a> {
    database: &'a dyn Database,
    present: Presence,
}

impl Store for Records<'_> {
    type Record = Account;
    type Error = ServerError;

    async fn load(&self, subject: &Subject) -> Result<Option<Account>, ServerError> {
        self.present.check(self.database.load(subject).await?)
    }

    async fn swap(&self, write: Write) -> Result<Swap, ServerError> {
        Ok(self.present.note(self.database.swap(write, None).await?))
    }
}

/// Whether a swap was lost, so that there was a record: the databases of this server lose one for no other reason.
#[derive(Default)]
struct Presence(AtomicBool);

impl Presence {
    fn note(&self, swap: Swap) -> Swap {
        self.0.fetch_or(swap == Swap::Lost, Ordering::Relaxed);
        swap
    }

    /// What was loaded; nothing where there was a record before is a user who was removed, and must not get another.
    fn check(&self, loaded: Option<Account>) -> Result<Option<Account>, ServerError> {
        if loaded.is_none() && self.0.load(Ordering::Relaxed) { Err(ServerError::Gone) } else { Ok(loaded) }
    }
}

/// The records, for as long as somebody waits for the answer.
struct AskedRecords {
    app: Arc<App>,
    /// That of the messages.
    locale: Option<Locale>,
    /// Closed when whoever asked has gone.
    asked: watch::Sender<()>,
    present: Presence,
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
        self.present.check(loaded)
    }

    async fn swap(&self, write: Write) -> Result<Swap, ServerError> {
        if self.asked.is_closed() {
            return Err(ServerError::Stopped);
        }
        let swap = self.app.database.swap(write, self.locale.as_ref()).await?;
        if swap == Swap::Lost {
            self.app.metrics.lost_swaps.inc();
        }
        Ok(self.present.note(swap))
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
pub(crate) fn pause(lost: u32) -> impl Future<Output = ()> {
    let bound_us = 1_000_u64 << lost.min(6);
    // Without randomness the next step says so.
    let random_us = random().map_or(bound_us, |bytes| u64::from_be_bytes(bytes) % bound_us);
    sleep(Duration::from_micros(random_us))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_that_was_removed_after_a_lost_swap_is_gone() {
        let subject = Subject::new("user").ok();
        let account = subject.as_ref().map(Account::new);
        let presence = Presence::default();
        assert!(matches!(presence.check(None), Ok(None)), "a user who has no record yet");
        assert_eq!(presence.note(Swap::Stored), Swap::Stored);
        assert!(matches!(presence.check(None), Ok(None)));
        assert_eq!(presence.note(Swap::Lost), Swap::Lost);
        assert!(matches!(presence.check(None), Err(ServerError::Gone)));
        assert!(matches!(presence.check(account.clone()), Ok(loaded) if loaded == account));
        assert_eq!(presence.note(Swap::Stored), Swap::Stored);
        assert!(matches!(presence.check(None), Err(ServerError::Gone)), "once lost, always");
    }
}
