//! What a host's store must do: load a record, and write it under a condition.
//!
//! There are three traits for three kinds of host: [`Store`] for servers whose handlers move between threads,
//! [`LocalStore`] for those on one thread, and [`BlockingStore`] for those without a future. A store must never write a
//! record without its condition, and never give an older record than the one that it stored last.

use crate::{
    outcome::step::{Swap, Write},
    record::record::Record,
    value::name::Subject,
};

/// A store whose futures are `Send`, so that a handler that is generic over it can be spawned on a pool of threads.
///
/// Every `Store` is a [`LocalStore`].
///
/// ```
/// use countersign::{Account, Store, Subject, Swap, Write};
/// # struct Row { record: String }
/// # #[derive(Clone)] struct Database;
/// # impl Database {
/// #     async fn select(&self, _: &str) -> std::io::Result<Option<Row>> { Ok(None) }
/// #     async fn execute(&self, _: &str, _: &str, _: Option<i64>, _: i64, _: &str) -> std::io::Result<u64> { Ok(1) }
/// # }
///
/// impl Store for Database {
///     type Record = Account;
///     type Error = std::io::Error;
///
///     async fn load(&self, subject: &Subject) -> Result<Option<Account>, Self::Error> {
///         let row = self.select(subject.as_str()).await?;
///         Ok(row.map(|row| serde_json::from_str(&row.record)).transpose()?)
///     }
///
///     async fn swap(&self, write: Write) -> Result<Swap, Self::Error> {
///         // INSERT … ON CONFLICT DO NOTHING where nothing is expected, and else
///         // UPDATE … SET record = $4, revision = $3 WHERE subject = $1 AND revision = $2.
///         let record = serde_json::to_string(&write.record)?;
///         let expected = write.expected.map(countersign::Revision::as_i64);
///         let revision = write.revision().as_i64();
///         let changed = self.execute("…", write.subject().as_str(), expected, revision, &record).await?;
///         Ok(if changed == 1 { Swap::Stored } else { Swap::Lost })
///     }
/// }
/// ```
pub trait Store: Send + Sync {
    /// What is stored.
    type Record: Record + Send;
    /// Why the store failed.
    type Error: Send;

    /// The stored record of a subject, if there is one: the one that was stored last, by whichever node.
    fn load(
        &self,
        subject: &Subject,
    ) -> impl Future<Output = Result<Option<Self::Record>, Self::Error>> + Send;

    /// Writes the record if the stored one still has the expected revision, or if there is none and none is expected.
    fn swap(&self, write: Write<Self::Record>) -> impl Future<Output = Result<Swap, Self::Error>> + Send;
}

/// A store whose futures stay on one thread.
#[allow(async_fn_in_trait, reason = "a host that needs `Send` futures implements `Store`")]
pub trait LocalStore {
    /// What is stored.
    type Record: Record;
    /// Why the store failed.
    type Error;

    /// As [`Store::load`].
    async fn load(&self, subject: &Subject) -> Result<Option<Self::Record>, Self::Error>;

    /// As [`Store::swap`].
    async fn swap(&self, write: Write<Self::Record>) -> Result<Swap, Self::Error>;
}

impl<S: Store + ?Sized> LocalStore for S {
    type Record = S::Record;
    type Error = S::Error;

    async fn load(&self, subject: &Subject) -> Result<Option<Self::Record>, Self::Error> {
        Store::load(self, subject).await
    }

    async fn swap(&self, write: Write<Self::Record>) -> Result<Swap, Self::Error> {
        Store::swap(self, write).await
    }
}

/// A store that blocks its thread.
pub trait BlockingStore {
    /// What is stored.
    type Record: Record;
    /// Why the store failed.
    type Error;

    /// As [`Store::load`].
    ///
    /// # Errors
    /// That of the store.
    fn load(&self, subject: &Subject) -> Result<Option<Self::Record>, Self::Error>;

    /// As [`Store::swap`].
    ///
    /// # Errors
    /// That of the store. Nobody knows then whether the record was written.
    fn swap(&self, write: Write<Self::Record>) -> Result<Swap, Self::Error>;
}
