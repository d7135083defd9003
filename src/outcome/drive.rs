//! The loop of a host: load, step, swap, and again if another step came first.
//!
//! A command is a function of the record that it is given, so it can be taken again on a newer one. The loop must
//! never show an outcome whose write was lost, and never try without end.

use core::{fmt, future::ready};

use crate::{
    outcome::{
        step::{Committed, Outcome, Step, Write},
        store::{BlockingStore, LocalStore},
    },
    record::record::Record,
    value::name::Subject,
};

/// How often a step is taken on a fresh record before the store is called busy: more often than the guesses and
/// messages of a preset admit writes at one moment. Wrong recovery codes, which a preset may only report, can be
/// more; a random pause ([`drive_with`]) lets their writers take turns.
pub const MAX_TRIES: u32 = 64;

/// Why there is no outcome. Nothing that a client can read follows from it: whether a code was right is not known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum DriveError<E> {
    /// The store failed. Whether the record was written is unknown: load it again, and assume neither.
    Store(E),
    /// Another step came first [`MAX_TRIES`] times. Answer that the server is busy (HTTP 503).
    Busy,
    /// The record was deleted while the step was under way, and must not come back.
    NoRecord,
}

impl<E> From<E> for DriveError<E> {
    fn from(error: E) -> Self {
        Self::Store(error)
    }
}

impl<E: fmt::Display> fmt::Display for DriveError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(error) => write!(f, "the store failed: {error}"),
            Self::Busy => {
                write!(f, "the store is busy: other writes of the record came first {MAX_TRIES} times")
            }
            Self::NoRecord => f.write_str("the store has no such record"),
        }
    }
}

/// The store's error is in the text, and need not be an `Error` itself: a boxed one is not.
impl<E: fmt::Debug + fmt::Display> core::error::Error for DriveError<E> {}

/// Takes one step of the subject's record: loads it, hands it to `step`, and stores what comes of it by
/// compare-and-swap. If another write comes first, the step is taken again on the newer record, up to [`MAX_TRIES`]
/// times; read the clock in `step`, so that each try has its own time. A user without a record gets a new one, so
/// look a user up before a command of an administrator. A record that is deleted meanwhile does not come back.
///
/// The future is `Send` where the store's are and what `step` holds is.
///
/// ```
/// # use countersign::{Account, AuthenticatorId, BindingCode, Denial, Entropy, NewFactor, Store, Subject, Verifier, store::DriveError};
/// # use time::OffsetDateTime;
/// async fn provision<S: Store<Record = Account>>(
///     verifier: &Verifier, store: &S, subject: &Subject, address: &NewFactor, now: OffsetDateTime, entropy: &Entropy,
/// ) -> Result<Result<AuthenticatorId, Denial>, DriveError<S::Error>> {
///     let step = |account| verifier.provision(account, address, now, entropy);
///     let outcome = countersign::drive(store, subject, step).await?;
///     let (result, effects) = outcome.into_parts();
///     for effect in effects {
///         println!("carry out {effect:?}");
///     }
///     Ok(result)
/// }
/// ```
///
/// # Errors
/// [`DriveError::Store`], [`DriveError::Busy`], [`DriveError::NoRecord`].
pub async fn drive<S, T>(
    store: &S,
    subject: &Subject,
    step: impl FnMut(S::Record) -> Step<T, S::Record>,
) -> Result<Outcome<T>, DriveError<S::Error>>
where
    S: LocalStore + ?Sized,
{
    drive_with(store, subject, step, |_| ready(())).await
}

/// [`drive`] with a pause of the host's before each further try. `pause` gets the number of tries that were lost. A
/// random pause of some milliseconds lets many writers of one record take turns.
///
/// # Errors
/// As [`drive`].
pub async fn drive_with<S, T, P>(
    store: &S,
    subject: &Subject,
    mut step: impl FnMut(S::Record) -> Step<T, S::Record>,
    mut pause: impl FnMut(u32) -> P,
) -> Result<Outcome<T>, DriveError<S::Error>>
where
    S: LocalStore + ?Sized,
    P: Future<Output = ()>,
{
    let mut seen = false;
    for tries in 1..=MAX_TRIES {
        let record = present(store.load(subject).await?, subject, &mut seen)?;
        let swap = |write: Write<S::Record>| store.swap(write);
        if let Committed::Done(outcome) = step(record).commit_async(swap).await? {
            return Ok(outcome);
        }
        if tries < MAX_TRIES {
            pause(tries).await;
        }
    }
    Err(DriveError::Busy)
}

/// [`drive`] on a store that blocks.
///
/// # Errors
/// As [`drive`].
pub fn drive_blocking<S, T>(
    store: &S,
    subject: &Subject,
    mut step: impl FnMut(S::Record) -> Step<T, S::Record>,
) -> Result<Outcome<T>, DriveError<S::Error>>
where
    S: BlockingStore + ?Sized,
{
    let mut seen = false;
    for _ in 0..MAX_TRIES {
        let record = present(store.load(subject)?, subject, &mut seen)?;
        if let Committed::Done(outcome) = step(record).commit(|write| store.swap(write))? {
            return Ok(outcome);
        }
    }
    Err(DriveError::Busy)
}

/// The record that was loaded, or a new one if none was seen in an earlier try.
fn present<R: Record, E>(loaded: Option<R>, subject: &Subject, seen: &mut bool) -> Result<R, DriveError<E>> {
    let deleted = *seen && loaded.is_none();
    *seen |= loaded.is_some();
    let new = || (!deleted).then(|| R::absent(subject));
    loaded.or_else(new).ok_or(DriveError::NoRecord)
}
