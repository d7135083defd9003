//! What the server asks of its database. Two implementations follow: SQLite for one server, PostgreSQL for many.
//!
//! [`Store`] is all that `countersign` itself needs: load a record, and swap it if nobody else did. Its promise carries
//! every budget of the core, so no implementation may let the last write win, read from a replica that lags, or answer
//! [`Swap::Stored`] before the record is durable.

mod postgres;
mod sqlite;

use std::{future::Future, path::PathBuf, pin::Pin, sync::Arc};

use countersign::{Account, Descriptor, Subject, Swap, Write};

use crate::telemetry::Stopwatch;

/// The answer of a database, some time later.
pub(crate) type Later<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// The records.
pub(crate) trait Store: Send + Sync {
    /// The record of a user, if there is one.
    fn load<'a>(&'a self, subject: &'a Subject) -> Later<'a, Option<Account>>;

    /// Writes a record in place of the expected revision, and its messages into the outbox, in one transaction.
    fn swap(&self, write: Write) -> Later<'_, Swap>;
}

/// The messages that wait to be sent.
pub(crate) trait Outbox: Send + Sync {
    /// Takes messages that are due and puts their time off to `until`, so that no other server takes them, and so that
    /// they come back if this one dies.
    fn claim(&self, now_ms: i64, until_ms: i64) -> Later<'_, Vec<Queued>>;

    /// Puts a message off that could not be sent.
    fn postpone<'a>(&'a self, id: &'a str, until_ms: i64) -> Later<'a, ()>;

    /// Drops a message that was sent, or never will be.
    fn settle<'a>(&'a self, id: &'a str) -> Later<'a, ()>;

    /// How many wait.
    fn waiting(&self) -> Later<'_, i64>;
}

/// The first factor: who signs in, and through which client.
pub(crate) trait Directory: Send + Sync {
    fn user_by_email<'a>(&'a self, email: &'a str) -> Later<'a, Option<User>>;
    fn user<'a>(&'a self, subject: &'a Subject) -> Later<'a, Option<User>>;
    fn client<'a>(&'a self, client_id: &'a str) -> Later<'a, Option<Client>>;
    /// Adds a user; an address that is taken stays as it is, and the answer is `false`.
    fn add_user<'a>(&'a self, user: &'a User) -> Later<'a, bool>;
    /// Adds a client; a name that is taken stays as it is, and the answer is `false`.
    fn add_client<'a>(&'a self, client: &'a Client) -> Later<'a, bool>;
    /// Whether there is neither a user nor a client.
    fn is_empty(&self) -> Later<'_, bool>;
}

/// What the conformance kit asks beside the records: see `countersign-server conformance`.
pub(crate) trait Inspection: Send + Sync {
    /// The messages of one user that wait to be sent.
    fn messages<'a>(&'a self, subject: &'a Subject) -> Later<'a, Vec<Descriptor>>;

    /// Deletes a user's record and the messages that wait.
    fn delete<'a>(&'a self, subject: &'a Subject) -> Later<'a, ()>;
}

pub(crate) trait Database: Store + Outbox + Directory + Inspection {
    /// Whether the database answers.
    fn ping(&self) -> Later<'_, ()>;

    /// Waits for what is under way and lets go of the connections.
    fn close(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}

/// A message in the outbox.
#[derive(Debug)]
pub(crate) struct Queued {
    pub(crate) id: String,
    /// Nothing if this version of the server cannot read it.
    pub(crate) descriptor: Option<Descriptor>,
    /// How often it was claimed, this time included.
    pub(crate) tries: i64,
}

#[derive(Clone, Debug)]
pub(crate) struct User {
    pub(crate) subject: Subject,
    /// In lower case: it is also the name to sign in with.
    pub(crate) email: String,
    pub(crate) email_verified: bool,
    /// A PHC string.
    pub(crate) password_hash: String,
}

#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub(crate) client_id: String,
    /// SHA-256 of the secret; nothing for a public client.
    pub(crate) secret_hash: Option<Vec<u8>>,
}

/// The database failed. Whether a write took place is then unknown.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    #[error("{0}")]
    Database(#[from] sqlx::Error),
    #[error("it does not answer")]
    Silent,
    #[error("{0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
    #[error("{0}")]
    File(#[from] std::io::Error),
    #[error("a stored record cannot be read: {0}")]
    Record(#[from] serde_json::Error),
    #[error("a stored name cannot be read: {0}")]
    Name(#[from] countersign::NameError),
}

/// The stored form of records, and how long it takes to read and to write it.
#[derive(Clone, Default)]
pub(crate) struct Form(Stopwatch);

impl Form {
    pub(crate) const fn new(stopwatch: Stopwatch) -> Self {
        Self(stopwatch)
    }

    fn read(&self, text: &str) -> Result<Account, StoreError> {
        Ok(self.0.time(|| serde_json::from_str(text))?)
    }

    fn write(&self, account: &Account) -> Result<String, StoreError> {
        Ok(self.0.time(|| serde_json::to_string(account))?)
    }
}

/// Where the database is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    Sqlite(PathBuf),
    Postgres(String),
}

impl Place {
    /// The text that [`parse`](Self::parse) reads.
    pub(crate) fn to_text(&self) -> std::ffi::OsString {
        match self {
            Self::Sqlite(path) => path.clone().into(),
            Self::Postgres(url) => url.into(),
        }
    }

    /// `postgres://…`, or the path of an SQLite file with or without `sqlite:` in front.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return Ok(Self::Postgres(text.to_owned()));
        }
        let path = text.strip_prefix("sqlite://").or_else(|| text.strip_prefix("sqlite:")).unwrap_or(text);
        if path.is_empty() || path.contains("://") {
            return Err("give postgres://USER:PASSWORD@HOST/NAME or the path of an SQLite file".to_owned());
        }
        Ok(Self::Sqlite(PathBuf::from(path)))
    }
}

/// Opens the database and brings its schema up to date.
pub(crate) async fn open(place: &Place, form: Form) -> Result<Arc<dyn Database>, StoreError> {
    Ok(match place {
        Place::Sqlite(path) => Arc::new(sqlite::Sqlite::open(path, form).await?),
        Place::Postgres(url) => Arc::new(postgres::Postgres::open(url, form).await?),
    })
}

/// A revision as a signed column holds it: it is below 2^63.
fn column(revision: countersign::Revision) -> i64 {
    i64::try_from(revision.get()).unwrap_or(i64::MAX)
}
