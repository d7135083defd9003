//! A step: the next record, and a verdict that stays sealed until that record is stored. Nothing of a verdict may ever be
//! read before.

use alloc::vec::{self, Vec};
use core::{fmt, future::Future, ops::Deref, slice};

use crate::{
    outcome::{audit::AuditEvent, denial::Denial, effect::Effect, send::Descriptor},
    record::{account::Account, record::Record},
    value::{name::Subject, revision::Revision},
};

/// One step of one record: what to write, and what came of it. The verdict stays sealed until the record is stored.
///
/// **Load the account, take one step, store it by compare-and-swap, and only then look at what happened.** A wrong code
/// is charged in the very step that judges it. If the verdict could be read before the charge was stored, parallel
/// guesses would cost one attempt together; here a lost swap drops the verdict unseen. There are three ways on, and no
/// other: [`Step::commit`], [`Step::commit_async`] and [`Step::into_parts`].
///
/// The verdict cannot be read before:
///
/// ```compile_fail,E0616
/// fn peek<T>(step: countersign::Step<T>) -> countersign::Outcome<T> {
///     step.sealed.outcome // both are private
/// }
/// ```
///
/// nor through the parts, whose only way on is the store's own answer:
///
/// ```compile_fail,E0616
/// fn peek<T>(step: countersign::Step<T>) -> countersign::Outcome<T> {
///     let (_write, sealed) = step.into_parts();
///     sealed.outcome
/// }
/// ```
///
/// The same with the answer compiles:
///
/// ```
/// # use countersign::{Outcome, Step, Swap, step::Committed};
/// fn look<T>(step: Step<T>) -> Option<Outcome<T>> {
///     let (_write, sealed) = step.into_parts();
///     match sealed.open(Swap::Stored) {
///         Committed::Done(outcome) => Some(outcome),
///         Committed::Lost => None,
///     }
/// }
/// ```
///
/// The seal guards against accidents and not against a host that goes looking: the record itself is in the [`Write`].
#[must_use = "nothing has happened until the step is committed"]
pub struct Step<T, R = Account> {
    write: Option<Write<R>>,
    sealed: Sealed<T>,
}

/// The next record, for a conditional write.
#[derive(Debug)]
#[non_exhaustive]
pub struct Write<R = Account> {
    /// The revision that the stored record must have; `None` means that there must be no record yet.
    pub expected: Option<Revision>,
    /// The record to store in its place.
    pub record: R,
    /// The messages to send, without their codes. A host that wants them to survive a crash stores them in the same
    /// transaction and [renders](crate::Verifier::render) them later; it then leaves the same messages among the
    /// [effects](Outcome::effects) alone.
    pub outbox: Vec<Descriptor>,
}

impl<R: Record> Write<R> {
    /// Whose record it is: the key of its row.
    #[must_use]
    pub fn subject(&self) -> &Subject {
        self.record.subject()
    }

    /// The revision of the record to store, for a column beside it.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.record.revision()
    }
}

/// What the store answered to a conditional write.
///
/// An error of the store is neither: whether the record was written is then unknown, and the host must load it again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
#[allow(clippy::exhaustive_enums, reason = "there is no third answer")]
pub enum Swap {
    /// The record was written and will be read by every later load.
    Stored,
    /// Another write came first, and this one changed nothing.
    Lost,
}

/// What became of a step.
#[derive(Debug)]
#[must_use = "a lost step must be taken again from a fresh load"]
#[allow(clippy::exhaustive_enums, reason = "there is no third way")]
#[allow(clippy::large_enum_variant, reason = "it is opened where it is made, and seldom lost")]
pub enum Committed<T> {
    /// It is stored, or there was nothing to store: this is what happened.
    Done(Outcome<T>),
    /// Another step came first. Nothing happened: load again and take the step anew.
    Lost,
}

/// What happened, readable because it is stored.
#[derive(Debug)]
#[must_use = "an outcome holds what to answer and what to carry out"]
pub struct Outcome<T> {
    result: Result<T, Denial>,
    effects: Effects,
    audit: AuditEvent,
}

impl<T> Outcome<T> {
    /// What to answer the client, and what to carry out. A step that was denied can have effects, too.
    pub fn into_parts(self) -> (Result<T, Denial>, Effects) {
        (self.result, self.effects)
    }

    /// The effects, to look at: for logs and counters. A host that carries them out takes the parts.
    #[must_use]
    pub fn effects(&self) -> &[Effect] {
        &self.effects
    }

    /// What to log.
    #[must_use]
    pub const fn audit(&self) -> &AuditEvent {
        &self.audit
    }

    pub(crate) const fn new(result: Result<T, Denial>, effects: Vec<Effect>, audit: AuditEvent) -> Self {
        Self { result, effects: Effects(effects), audit }
    }
}

/// The effects of one step, in the order in which they came about. They are safe to carry out, because the step is
/// stored; a host that drops them sends no code and issues no token.
#[derive(Clone, Debug)]
#[must_use = "effects are what the host carries out"]
pub struct Effects(Vec<Effect>);

impl Deref for Effects {
    type Target = [Effect];

    fn deref(&self) -> &[Effect] {
        &self.0
    }
}

impl IntoIterator for Effects {
    type Item = Effect;
    type IntoIter = vec::IntoIter<Effect>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Effects {
    type Item = &'a Effect;
    type IntoIter = slice::Iter<'a, Effect>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

/// An outcome that opens with the store's answer.
#[must_use = "a sealed outcome says nothing until it is opened"]
pub struct Sealed<T> {
    outcome: Outcome<T>,
}

impl<T, R> Step<T, R> {
    /// Hands the write to `swap` and, if it was stored, opens the outcome. A step that changes nothing does not call
    /// `swap`.
    ///
    /// # Errors
    /// That of `swap`. Nobody knows then whether the record was written: load it again, and assume neither.
    #[inline]
    pub fn commit<E>(self, swap: impl FnOnce(Write<R>) -> Result<Swap, E>) -> Result<Committed<T>, E> {
        // The record is large: it is moved from where it is to where it goes.
        let answer = match self.write {
            Some(write) => swap(write)?,
            None => Swap::Stored,
        };
        Ok(self.sealed.open(answer))
    }

    /// [`commit`](Self::commit) with an asynchronous store. The future is `Send` where the store's is.
    ///
    /// # Errors
    /// As [`commit`](Self::commit).
    pub async fn commit_async<F, Fut, E>(self, swap: F) -> Result<Committed<T>, E>
    where
        F: FnOnce(Write<R>) -> Fut,
        Fut: Future<Output = Result<Swap, E>>,
    {
        let answer = match self.write {
            Some(write) => swap(write).await?,
            None => Swap::Stored,
        };
        Ok(self.sealed.open(answer))
    }

    /// The write, if there is something to write, and the sealed outcome, for a host whose store fits neither of the
    /// other two. A step without a write opens with [`Swap::Stored`].
    #[must_use = "the parts are the step"]
    #[inline]
    pub fn into_parts(self) -> (Option<Write<R>>, Sealed<T>) {
        (self.write, self.sealed)
    }

    /// Whether the step changes the record.
    #[must_use]
    pub const fn writes(&self) -> bool {
        self.write.is_some()
    }

    /// A step that changes nothing.
    pub(crate) const fn new(write: Option<Write<R>>, outcome: Outcome<T>) -> Self {
        Self { write, sealed: Sealed { outcome } }
    }
}

impl<T> Sealed<T> {
    /// Opens the outcome with the store's answer; a lost swap drops it unseen.
    #[inline]
    pub fn open(self, answer: Swap) -> Committed<T> {
        match answer {
            Swap::Stored => Committed::Done(self.outcome),
            Swap::Lost => Committed::Lost,
        }
    }
}

impl<T> Committed<T> {
    /// What happened, if the step was stored.
    #[inline]
    pub fn done(self) -> Option<Outcome<T>> {
        match self {
            Self::Done(outcome) => Some(outcome),
            Self::Lost => None,
        }
    }
}

impl<T, R> fmt::Debug for Step<T, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Step").field("writes", &self.writes()).finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Sealed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealed(..)")
    }
}
