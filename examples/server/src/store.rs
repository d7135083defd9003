//! What the server asks of its database. Two implementations follow: SQLite for one server, PostgreSQL for many.
//!
//! [`Store`] is all that `countersign` itself needs: load a record, and swap it if nobody else did. Its promise carries
//! every budget of the core, so no implementation may let the last write win, read from a replica that lags, or answer
//! [`Swap::Stored`] before the record is durable.

mod bookkeeping;
mod form;
mod postgres;
mod proofs;
mod sqlite;

use std::{
    future::Future,
    path::{Path, PathBuf},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign::{
    Account, Subject, Swap, Write,
    effect::{Descriptor, EndSessions},
    record::StoredVersion,
    session::{Epoch, TransactionId},
};
use time::OffsetDateTime;

use crate::{
    client::{self, Client, Origin},
    locale::Locale,
};

pub(crate) use bookkeeping::Bookkeeping;
pub(crate) use form::Form;
pub(crate) use proofs::Proofs;

/// The answer of a database, some time later.
pub(crate) type Later<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// The records.
pub(crate) trait Store: Send + Sync {
    /// The record of a user, if there is one.
    fn load<'a>(&'a self, subject: &'a Subject) -> Later<'a, Option<Account>>;

    /// Writes a record in place of the expected revision, and its messages into the outbox, in one transaction. They
    /// are to be in the locale, if one is known. A message with a code takes the place of any other of the same
    /// challenge that still waits: whoever has asked again is to get one message, with the code that is valid.
    fn swap<'a>(&'a self, write: Write, locale: Option<&'a Locale>) -> Later<'a, Swap>;
}

/// The messages that wait to be sent. What is due is a matter of the database's clock alone: servers whose own clocks
/// disagree must not take each other's claims for expired.
pub(crate) trait Outbox: Send + Sync {
    /// Takes at most so many messages that are due, and puts them off, so that no other server takes them, and so
    /// that they come back if this one dies.
    fn claim(&self, most: usize, hold: Duration) -> Later<'_, Vec<Queued>>;

    /// Puts a message off that could not be sent, unless somebody else has claimed it since.
    fn postpone<'a>(&'a self, message: &'a Queued, pause: Duration) -> Later<'a, ()>;

    /// Whether a claimed message is still there, and claimed by nobody else since. A message that has given way to a
    /// later one is not.
    fn is_held<'a>(&'a self, message: &'a Queued) -> Later<'a, bool>;

    /// Drops a message that was sent, or never will be.
    fn settle<'a>(&'a self, id: &'a str) -> Later<'a, ()>;

    /// How many wait.
    fn waiting(&self) -> Later<'_, i64>;
}

/// Which sets of parameters there are among the stored hashes of passwords, on both databases.
const PASSWORD_PARAMETERS: &str = "SELECT DISTINCT substr(password_hash, 1, length(password_hash) - $1) AS parameters \
    FROM users WHERE length(password_hash) > $1";
const END_EPOCH: &str = "UPDATE users SET epoch = $2, spared = $3 WHERE subject = $1 AND epoch < $2";
const REHASH_PASSWORD: &str = "UPDATE users SET password_hash = $3 WHERE subject = $1 AND password_hash = $2";

/// The first factor: who signs in, and through which client.
pub(crate) trait Directory: Send + Sync {
    fn user_by_email<'a>(&'a self, email: &'a str) -> Later<'a, Option<User>>;
    fn user<'a>(&'a self, subject: &'a Subject) -> Later<'a, Option<User>>;
    fn client<'a>(&'a self, client_id: &'a str) -> Later<'a, Option<Client>>;
    /// With which parameters the passwords were hashed, each set once. It looks at every user.
    fn password_parameters(&self) -> Later<'_, Vec<String>>;
    /// Writes a hash of the same password in the place of this one, unless the password was changed meanwhile.
    fn rehash_password<'a>(&'a self, subject: &'a Subject, old: &'a str, new: &'a str) -> Later<'a, ()>;
    /// Ends the sessions of a user as the core said: those of an earlier epoch, but for a transaction. What a later one
    /// ended stays ended.
    fn end_epoch<'a>(&'a self, end: &'a EndSessions) -> Later<'a, ()>;
    /// Adds a user; an address that is taken stays as it is, and the answer is `false`.
    fn add_user<'a>(&'a self, user: &'a User) -> Later<'a, bool>;
    /// Adds a client; a name that is taken stays as it is, and the answer is `false`.
    fn add_client<'a>(&'a self, client: &'a Client) -> Later<'a, bool>;
    /// Every client, by its name.
    fn clients(&self) -> Later<'_, Vec<Client>>;
    /// The origins of all clients.
    fn origins(&self) -> Later<'_, Vec<Origin>>;
    /// Writes what a client is registered for, and its secret, in place of what was there; `false` if there is none.
    fn replace_client<'a>(&'a self, client: &'a Client) -> Later<'a, bool>;
    /// Removes a client; `false` if there was none.
    fn remove_client<'a>(&'a self, client_id: &'a str) -> Later<'a, bool>;
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

/// What administrators ask, beside what the server asks: see [`crate::admin`].
pub(crate) trait Administration: Send + Sync {
    /// At most so many users behind an address, in its order, with this text in theirs, and their records.
    fn users<'a>(&'a self, after: &'a str, contains: &'a str, most: u16) -> Later<'a, Vec<Listed>>;

    /// Deletes a user, the record and the messages that wait, in one transaction; `false` if there is no such user.
    fn remove_user<'a>(&'a self, subject: &'a Subject) -> Later<'a, bool>;

    /// Writes a password's hash and ends the sessions, in one statement; `false` if there is no such user.
    fn set_password<'a>(
        &'a self,
        subject: &'a Subject,
        hash: &'a str,
        now: OffsetDateTime,
    ) -> Later<'a, bool>;

    /// Ends the sessions of a user, or of all: those that began until now. Tells of how many users.
    fn end_sessions<'a>(&'a self, subject: Option<&'a Subject>, now: OffsetDateTime) -> Later<'a, u64>;

    /// At most so many records behind a subject, in its order, those of nobody included.
    fn records<'a>(&'a self, after: &'a str, most: u16) -> Later<'a, Vec<Recorded>>;

    /// The ids of the durable keys that servers were started with: see [`crate::key_check`].
    fn durable_keys(&self) -> Later<'_, Vec<String>>;

    /// Adds the id of a durable key, if it is not there yet.
    fn add_durable_key<'a>(&'a self, id: &'a str) -> Later<'a, ()>;

    /// Forgets a durable key.
    fn forget_durable_key<'a>(&'a self, id: &'a str) -> Later<'a, ()>;

    /// Writes a copy of the database into an empty file; `false` if this kind of database has tools of its own for
    /// that.
    fn copy_into<'a>(&'a self, file: &'a Path) -> Later<'a, bool>;
}

/// A user and the record, which may be one that this version cannot read.
pub(crate) struct Listed {
    pub(crate) user: User,
    pub(crate) record: Result<Option<Account>, StoreError>,
}

/// A record and whose it is.
pub(crate) struct Recorded {
    pub(crate) subject: String,
    pub(crate) record: Result<Account, StoreError>,
}

pub(crate) trait Database:
    Store + Proofs + Outbox + Directory + Inspection + Bookkeeping + Administration
{
    /// Whether the database answers.
    fn ping(&self) -> Later<'_, ()>;

    /// Waits for what is under way and lets go of the connections.
    fn close(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}

/// A message that was claimed.
#[derive(Debug)]
pub(crate) struct Queued {
    pub(crate) id: String,
    /// Nothing if this version of the server cannot read it.
    pub(crate) descriptor: Option<Descriptor>,
    /// The locale that was asked for when it was queued.
    pub(crate) locale: Option<String>,
    /// How often it was claimed, this time included, so that it also tells one claim from the next.
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
    /// Sessions that began until then are refused, in milliseconds since 1970.
    pub(crate) sessions_end_ms: Option<i64>,
    /// Sessions of an earlier epoch are refused.
    pub(crate) epoch: i64,
    /// But for those of this transaction.
    pub(crate) spared: Option<String>,
}

impl User {
    /// Whether an administrator ended the sessions that began at this instant.
    pub(crate) fn has_ended(&self, begun: OffsetDateTime) -> bool {
        self.sessions_end_ms.is_some_and(|end| instant(begun) <= end)
    }

    /// Whether the core ended the sessions of this epoch and transaction. An epoch that is later than what is known here
    /// is one whose message has not come yet.
    pub(crate) fn has_ended_epoch(&self, epoch: Epoch, transaction: TransactionId) -> bool {
        epoch.as_i64() < self.epoch && self.spared != Some(column(transaction))
    }

    /// When an administrator last did.
    pub(crate) fn sessions_ended(&self) -> Option<OffsetDateTime> {
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.sessions_end_ms?) * 1_000_000).ok()
    }
}

/// The database failed. Whether a write took place is then unknown.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    #[error("{0}")]
    Database(#[from] sqlx::Error),
    #[error("it does not answer")]
    Silent,
    #[error(
        "{0} offers no TLS, without which the password would go to another machine in clear: turn TLS on there, or choose \
         another sslmode in the URL of --database"
    )]
    NoTls(String),
    #[error(
        "{0} cannot be trusted: {1}; if its certificate is of a private authority, give that authority's with \
         sslrootcert=FILE in the URL of --database"
    )]
    Untrusted(String, String),
    #[error("{0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
    #[error("{0}")]
    File(#[from] std::io::Error),
    #[error("{0} cannot be read: {1}")]
    Unreadable(String, std::io::Error),
    #[error("it is no regular file")]
    Irregular,
    #[error("it is not an SQLite database of this server")]
    Foreign,
    #[error("{0} can be read by others and belongs to another user: chmod 600 it")]
    Exposed(PathBuf),
    #[error("a stored record cannot be read: {}", place(.0))]
    Record(#[from] serde_json::Error),
    /// Nothing is wrong with it: another node, or the node before this one, runs a later release.
    #[error(
        "a stored record is of version {0}, which a later release wrote: this one reads up to {read}",
        read = StoredVersion::CURRENT
    )]
    Newer(StoredVersion),
    #[error("a stored name cannot be read: {0}")]
    Name(#[from] countersign::session::NameError),
    #[error("a stored client cannot be read: {0}")]
    Client(String),
}

/// What is wrong with a JSON text and where, and nothing of the text: what stands in the wrong place may be a secret.
pub(crate) fn place(error: &serde_json::Error) -> String {
    let what = match error.classify() {
        serde_json::error::Category::Io => "it cannot be read",
        serde_json::error::Category::Syntax => "it is no JSON",
        serde_json::error::Category::Data => "it is of another form",
        serde_json::error::Category::Eof => "it ends too early",
    };
    format!("{what}, at line {} and column {}", error.line(), error.column())
}

impl StoreError {
    /// Whether the store answered, and what it holds cannot be read: trying again does not help.
    pub(crate) const fn is_unreadable(&self) -> bool {
        match self {
            Self::Record(_) | Self::Newer(_) | Self::Name(_) | Self::Client(_) => true,
            Self::Database(error) => {
                matches!(error, sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_))
            }
            Self::Silent
            | Self::NoTls(_)
            | Self::Untrusted(..)
            | Self::Migration(_)
            | Self::File(_)
            | Self::Unreadable(..)
            | Self::Irregular
            | Self::Foreign
            | Self::Exposed(_) => false,
        }
    }
}

/// The registration of a client, from its columns.
struct Registration<'a> {
    client_id: String,
    secret_hash: Option<Vec<u8>>,
    grants: &'a str,
    audiences: &'a str,
    scopes: &'a str,
    origins: &'a str,
}

impl Registration<'_> {
    fn read(self) -> Result<Client, StoreError> {
        Ok(Client {
            client_id: self.client_id,
            secret_hash: self.secret_hash,
            grants: client::from_column(self.grants).map_err(StoreError::Client)?,
            audiences: client::from_column(self.audiences).map_err(StoreError::Client)?,
            scopes: client::from_column(self.scopes).map_err(StoreError::Client)?,
            origins: client::from_column(self.origins).map_err(StoreError::Client)?,
        })
    }
}

/// The origins that stand in this column of some clients.
fn all_origins<'a>(columns: impl IntoIterator<Item = &'a str>) -> Result<Vec<Origin>, StoreError> {
    let lists: Result<Vec<Vec<Origin>>, _> = columns.into_iter().map(client::from_column).collect();
    Ok(lists.map_err(StoreError::Client)?.concat())
}

/// Both databases write a client by these.
const ADD_CLIENT: &str = "INSERT INTO clients (client_id, secret_hash, grants, audiences, scopes, origins) \
    VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING";
const REPLACE_CLIENT: &str = "UPDATE clients SET secret_hash = $2, grants = $3, audiences = $4, scopes = $5, origins = $6 \
    WHERE client_id = $1";

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
        let url = text.strip_prefix("sqlite://").or_else(|| text.strip_prefix("sqlite:"));
        let path = url.unwrap_or(text);
        if path.is_empty() || path.contains("://") || path.starts_with("file:") {
            return Err("give postgres://USER:PASSWORD@HOST/NAME or the path of an SQLite file".to_owned());
        }
        if path == ":memory:" {
            return Err("a database in memory would forget every charge: give the path of a file".to_owned());
        }
        if url.is_some_and(|path| path.contains('?')) {
            return Err("SQLite takes no parameters here: give the path of a file alone".to_owned());
        }
        Ok(Self::Sqlite(PathBuf::from(path)))
    }
}

/// Opens the database and brings its schema up to date. `statements` is how many prepared statements a connection to
/// PostgreSQL keeps, if the operator says so.
pub(crate) async fn open(
    place: &Place,
    statements: Option<u16>,
    form: Form,
) -> Result<Arc<dyn Database>, StoreError> {
    Ok(match place {
        Place::Sqlite(path) => Arc::new(sqlite::Sqlite::open(path, form).await?),
        Place::Postgres(url) => Arc::new(postgres::Postgres::open(url, statements, form).await?),
    })
}

/// The end of a user's sessions, as SQL: it goes forward, unless a wrong clock set it more than a minute ahead of the
/// database's own. That would keep the user out until then.
fn sessions_end(clock_ms: &str, now: &str) -> String {
    format!(
        "CASE WHEN sessions_end_ms BETWEEN {now} AND {clock_ms} + 60000 THEN sessions_end_ms ELSE {now} END"
    )
}

/// An instant as a column holds it.
fn instant(at: OffsetDateTime) -> i64 {
    i64::try_from(at.unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX)
}

/// The challenge of a message with a code, as a column holds it.
fn challenge(descriptor: &Descriptor) -> Option<String> {
    match descriptor {
        Descriptor::Send(message) => Some(URL_SAFE_NO_PAD.encode(message.challenge.as_bytes())),
        // A link is good whatever is sent after it: no message takes the place of another.
        Descriptor::Link(_) | Descriptor::Notify(_) | Descriptor::EndSessions(_) | _ => None,
    }
}

/// A transaction, as a column holds it.
fn column(transaction: TransactionId) -> String {
    URL_SAFE_NO_PAD.encode(transaction.as_bytes())
}

/// A time as the databases add it to their own.
fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    //! Claims, on both databases: what is taken, for how long, and by whom it may be put off.

    use countersign::{
        Elevation, EmailAddress, Entropy, Step,
        address_proof::{AddressProof, AddressVerifier, Asked, ProofPolicy, ProofPurpose},
    };
    use sqlx::{Connection as _, Executor as _, PgConnection, SqliteConnection};

    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);
    /// Five messages: what they say is no matter here.
    const FIVE: &str = "INSERT INTO outbox (id, subject, descriptor, due_ms, tries) VALUES ('0', 'usr_1', '{}', 0, 0), ('1', 'usr_1', '{}', 0, 0), \
        ('2', 'usr_1', '{}', 0, 0), ('3', 'usr_1', '{}', 0, 0), ('4', 'usr_1', '{}', 0, 0)";

    #[tokio::test]
    async fn claims_hold_on_sqlite() -> Result<(), StoreError> {
        let directory = std::env::temp_dir().join(format!("countersign-claims-{}", std::process::id()));
        std::fs::create_dir_all(&directory)?;
        let path = directory.join("claims.db");
        let place = Place::Sqlite(path.clone());
        let (one, other) =
            (open(&place, None, Form::default()).await?, open(&place, None, Form::default()).await?);
        SqliteConnection::connect(&path.display().to_string()).await?.execute(FIVE).await?;
        let held = claims_hold(&*one, &*other).await;
        one.close().await;
        other.close().await;
        std::fs::remove_dir_all(&directory)?;
        held
    }

    #[tokio::test]
    #[ignore = "needs PostgreSQL: run ci/postgres.sh"]
    async fn claims_hold_on_postgres() -> Result<(), StoreError> {
        let url = std::env::var("COUNTERSIGN_TEST_POSTGRES").map_err(std::io::Error::other)?;
        let place = Place::Postgres(url.clone());
        let (one, other) =
            (open(&place, None, Form::default()).await?, open(&place, None, Form::default()).await?);
        PgConnection::connect(&url).await?.execute(FIVE).await?;
        claims_hold(&*one, &*other).await
    }

    async fn claims_hold(one: &dyn Database, other: &dyn Database) -> Result<(), StoreError> {
        let ids =
            |claimed: &[Queued]| -> Vec<_> { claimed.iter().map(|message| message.id.clone()).collect() };
        let tries = |claimed: &[Queued]| -> Vec<_> { claimed.iter().map(|message| message.tries).collect() };

        // No more than asked for, and none twice, at the same time or later.
        let (some, others) = tokio::join!(one.claim(2, HOUR), other.claim(2, HOUR));
        let (some, others) = (some?, others?);
        let rest = other.claim(16, HOUR).await?;
        assert_eq!([some.len(), others.len(), rest.len()], [2, 2, 1]);
        let mut all = [ids(&some), ids(&others), ids(&rest)].concat();
        all.sort();
        assert_eq!(all, ["0", "1", "2", "3", "4"]);
        assert!(one.claim(16, HOUR).await?.is_empty());

        // What is put off comes back in its time.
        let [first, second] = &*some else { return Err(StoreError::Silent) };
        one.postpone(first, Duration::ZERO).await?;
        one.postpone(second, HOUR).await?;
        let again = other.claim(16, Duration::ZERO).await?;
        assert_eq!((ids(&again), tries(&again)), (vec![first.id.clone()], vec![2]));

        // A claim that ran out is for anybody, and whoever held it has no say any more.
        let taken = one.claim(16, HOUR).await?;
        assert_eq!((ids(&taken), tries(&taken)), (ids(&again), vec![3]));
        for late in again.iter().chain([first]) {
            other.postpone(late, Duration::ZERO).await?;
        }
        assert!(other.claim(16, HOUR).await?.is_empty());

        for id in all {
            one.settle(&id).await?;
        }
        assert_eq!(other.waiting().await?, 0);
        Ok(())
    }

    #[tokio::test]
    async fn proofs_of_addresses_are_kept_on_sqlite() -> Result<(), StoreError> {
        let directory = std::env::temp_dir().join(format!("countersign-proofs-{}", std::process::id()));
        std::fs::create_dir_all(&directory)?;
        let path = directory.join("proofs.db");
        let database = open(&Place::Sqlite(path.clone()), None, Form::default()).await?;
        let mut beside = SqliteConnection::connect(&path.display().to_string()).await?;
        let kept = proofs_are_kept(&*database, async |sql| beside.execute(sql).await.map(|_| ())).await;
        database.close().await;
        std::fs::remove_dir_all(&directory)?;
        kept
    }

    #[tokio::test]
    #[ignore = "needs PostgreSQL: run ci/postgres.sh"]
    async fn proofs_of_addresses_are_kept_on_postgres() -> Result<(), StoreError> {
        let url = std::env::var("COUNTERSIGN_TEST_POSTGRES").map_err(std::io::Error::other)?;
        let database = open(&Place::Postgres(url.clone()), None, Form::default()).await?;
        let mut beside = PgConnection::connect(&url).await?;
        proofs_are_kept(&*database, async |sql| beside.execute(sql).await.map(|_| ())).await
    }

    /// A record is swapped by its revision, with its messages, and found once nobody has written it for a day.
    async fn proofs_are_kept(
        database: &dyn Database,
        mut execute: impl AsyncFnMut(&'static str) -> Result<(), sqlx::Error>,
    ) -> Result<(), StoreError> {
        let key = |byte| countersign::Key::new(&[byte; 32]).map_err(std::io::Error::other);
        let keys = countersign::KeyRing::new("proofs", key(1)?, key(2)?).map_err(std::io::Error::other)?;
        let verifier = AddressVerifier::new(keys, ProofPolicy::default());
        let subject = Subject::new("addr_of_a_test")?;
        let address = EmailAddress::parse("user@proofs.example").map_err(std::io::Error::other)?;
        let ask = |proof: AddressProof, byte| {
            let (now, entropy) = (OffsetDateTime::now_utc(), Entropy::from_bytes([byte; 32]));
            verifier.ask(proof, ProofPurpose::Reset, now, &entropy)
        };
        let swap = async |step: Step<Asked, AddressProof>| -> Result<bool, StoreError> {
            let committed = step.commit_async(|write| database.swap_proof(write, None)).await?;
            Ok(committed.done().is_some())
        };
        assert!(database.load_proof(&subject).await?.is_none());
        let fresh = AddressProof::new(&subject, address);
        assert!(swap(ask(fresh.clone(), 1)).await?);
        assert!(!swap(ask(fresh, 2)).await?, "another one was first");
        let first = database.load_proof(&subject).await?.ok_or(StoreError::Silent)?;
        assert!(swap(ask(first.clone(), 3)).await?);
        assert!(!swap(ask(first.clone(), 4)).await?, "another one was first");
        let second = database.load_proof(&subject).await?.ok_or(StoreError::Silent)?;
        assert_ne!(first.revision(), second.revision());
        let messages = database.messages(&subject).await?;
        assert_eq!(messages.len(), 2, "no message takes the place of another");
        assert!(messages.iter().all(|message| matches!(message, Descriptor::Link(_))));

        assert!(database.old_proofs(9).await?.is_empty());
        execute("UPDATE address_proofs SET written_ms = written_ms - 86400001").await?;
        assert!(database.old_proofs(0).await?.is_empty());
        assert_eq!(database.old_proofs(9).await?, std::slice::from_ref(&second));
        // One that was written since stays.
        database.forget_proof(&first).await?;
        assert_eq!(database.load_proof(&subject).await?, Some(second.clone()));
        assert!(swap(ask(second.clone(), 5)).await?);
        assert!(database.old_proofs(9).await?.is_empty());
        let third = database.load_proof(&subject).await?.ok_or(StoreError::Silent)?;
        database.forget_proof(&third).await?;
        assert!(database.load_proof(&subject).await?.is_none());
        database.delete(&subject).await?;
        assert!(database.messages(&subject).await?.is_empty());
        Ok(())
    }

    #[tokio::test]
    async fn what_administrators_ask_is_answered_on_sqlite() -> Result<(), StoreError> {
        let directory =
            std::env::temp_dir().join(format!("countersign-administration-{}", std::process::id()));
        std::fs::create_dir_all(&directory)?;
        let place = Place::Sqlite(directory.join("administration.db"));
        let database = open(&place, None, Form::default()).await?;
        let answered = administration_answers(&*database).await;
        let copy = directory.join("copy.db");
        assert!(database.copy_into(&copy).await?);
        assert!(std::fs::metadata(&copy)?.len() > 0);
        database.close().await;
        std::fs::remove_dir_all(&directory)?;
        answered
    }

    #[tokio::test]
    #[ignore = "needs PostgreSQL: run ci/postgres.sh"]
    async fn what_administrators_ask_is_answered_on_postgres() -> Result<(), StoreError> {
        let url = std::env::var("COUNTERSIGN_TEST_POSTGRES").map_err(std::io::Error::other)?;
        let database = open(&Place::Postgres(url), None, Form::default()).await?;
        administration_answers(&*database).await?;
        assert!(!database.copy_into(Path::new("copy.db")).await?, "pg_dump does that");
        Ok(())
    }

    async fn administration_answers(database: &dyn Database) -> Result<(), StoreError> {
        let user = |name: &str| -> Result<User, StoreError> {
            Ok(User {
                subject: Subject::new(&format!("usr_administration_{name}"))?,
                email: format!("{name}@administration.example"),
                email_verified: true,
                password_hash: "hash".to_owned(),
                sessions_end_ms: None,
                epoch: 0,
                spared: None,
            })
        };
        let (one, other) = (user("a")?, user("b%_c")?);
        for user in [&one, &other] {
            assert!(database.add_user(user).await?);
        }
        let account = Account::new(&one.subject);
        let policy = countersign::Policy::new(countersign::policy::Settings::default())
            .map_err(std::io::Error::other)?;
        let verifier = crate::key_use::keyless(policy).map_err(std::io::Error::other)?;
        let step = verifier.unlock(account, OffsetDateTime::now_utc());
        let committed = step.commit_async(|write| database.swap(write, None)).await?;
        assert!(matches!(committed, countersign::step::Committed::Done(_)));
        assert_eq!(database.messages(&one.subject).await?.len(), 1);

        // Pages, a text that is no pattern, and records beside those that have none.
        let emails =
            |listed: &[Listed]| -> Vec<_> { listed.iter().map(|one| one.user.email.clone()).collect() };
        let all = database.users("", "@administration.example", 10).await?;
        assert_eq!(emails(&all), [one.email.clone(), other.email.clone()]);
        let has: Vec<_> = all.iter().map(|one| one.record.as_ref().is_ok_and(Option::is_some)).collect();
        assert_eq!(has, [true, false]);
        assert_eq!(emails(&database.users("", "@administration.example", 1).await?), [one.email.as_str()]);
        assert_eq!(
            emails(&database.users(&one.email, "@administration.example", 9).await?),
            [other.email.as_str()]
        );
        assert_eq!(emails(&database.users("", "%_c@adm", 9).await?), [other.email.as_str()]);
        assert!(database.users("", "_@administration", 9).await?.is_empty());
        let records = database.records("usr_administration", 10).await?;
        assert!(records.iter().any(|known| known.subject == one.subject.as_str() && known.record.is_ok()));

        // The end of sessions goes forward, for one and for all, with a password and without. An instant that is more
        // than a minute ahead of the database's clock was set by a wrong one.
        let at = |seconds| OffsetDateTime::UNIX_EPOCH + time::Duration::seconds(seconds);
        let ends = async |user: &User| -> Result<_, StoreError> {
            Ok(database.user(&user.subject).await?.and_then(|user| user.sessions_end_ms))
        };
        assert_eq!(database.end_sessions(Some(&one.subject), at(20)).await?, 1);
        assert_eq!(database.end_sessions(Some(&one.subject), at(10)).await?, 1);
        assert_eq!((ends(&one).await?, ends(&other).await?), (Some(20_000), None));
        assert!(database.end_sessions(None, at(15)).await? >= 2);
        assert_eq!((ends(&one).await?, ends(&other).await?), (Some(20_000), Some(15_000)));
        assert!(database.set_password(&other.subject, "another", at(30)).await?);
        let changed = database.user(&other.subject).await?.ok_or(StoreError::Silent)?;
        assert_eq!((changed.password_hash.as_str(), changed.sessions_end_ms), ("another", Some(30_000)));
        assert!(changed.has_ended(at(30)) && !changed.has_ended(at(30) + Duration::from_millis(1)));

        let tomorrow = OffsetDateTime::now_utc() + time::Duration::DAY;
        assert_eq!(database.end_sessions(Some(&one.subject), tomorrow).await?, 1);
        assert_eq!(database.end_sessions(Some(&one.subject), at(40)).await?, 1);
        assert!(database.set_password(&other.subject, "another", tomorrow).await?);
        assert!(database.set_password(&other.subject, "another", at(50)).await?);
        assert_eq!((ends(&one).await?, ends(&other).await?), (Some(40_000), Some(50_000)));

        // The end that the core told of goes forward, whatever order its messages come in.
        let (kept, thief) = (elevation(1)?, elevation(2)?);
        for (epoch, spared, stands) in [(20, &kept, 20), (10, &thief, 20), (20, &thief, 20), (30, &thief, 30)]
        {
            database.end_epoch(&end(&one.subject, epoch, spared)?).await?;
            let user = database.user(&one.subject).await?.ok_or(StoreError::Silent)?;
            assert_eq!(user.epoch, stands, "{epoch}");
            let ended = |epoch, of: &Elevation| {
                Ok::<_, StoreError>(user.has_ended_epoch(epoch_of(epoch)?, of.transaction()))
            };
            let other = if stands == 20 { &thief } else { &kept };
            let survivor = if stands == 20 { &kept } else { &thief };
            assert!(ended(19, other)? && !ended(19, survivor)?);
            assert!(!ended(30, other)? && !ended(30, survivor)?);
        }
        assert_eq!(
            database.user(&other.subject).await?.map(|user| (user.epoch, user.spared)),
            Some((0, None))
        );

        // A key is known once, until it is forgotten.
        let times = |known: Vec<String>| known.iter().filter(|id| *id == "-_test").count();
        for _ in 0..2 {
            database.add_durable_key("-_test").await?;
            assert_eq!(times(database.durable_keys().await?), 1);
        }
        database.forget_durable_key("-_test").await?;
        assert_eq!(times(database.durable_keys().await?), 0);

        for user in [&one, &other] {
            assert!(database.remove_user(&user.subject).await?);
            assert!(!database.remove_user(&user.subject).await?);
            assert!(!database.set_password(&user.subject, "hash", at(40)).await?);
            assert!(database.load(&user.subject).await?.is_none());
            assert!(database.messages(&user.subject).await?.is_empty());
        }
        Ok(())
    }

    fn epoch_of(epoch: i64) -> Result<Epoch, StoreError> {
        Ok(serde_json::from_value(epoch.into())?)
    }

    fn elevation(transaction: u8) -> Result<Elevation, StoreError> {
        let evidence = serde_json::json!({ "method": "oob", "authenticator": null, "channel": null, "at": 0, "remembered_since": null });
        let transaction = [transaction; 16];
        Ok(serde_json::from_value(serde_json::json!({
            "subject": "usr_1", "client": null, "transaction": transaction, "epoch": 0, "evidence": evidence,
        }))?)
    }

    fn end(subject: &Subject, epoch: i64, spared: &Elevation) -> Result<EndSessions, StoreError> {
        let id = URL_SAFE_NO_PAD.encode([0; 16]);
        Ok(serde_json::from_value(serde_json::json!({
            "id": id, "subject": subject, "epoch": epoch, "except": spared.transaction(), "reason": "removed",
        }))?)
    }
}
