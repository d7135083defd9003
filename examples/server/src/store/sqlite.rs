//! SQLite: a file beside one server.
//!
//! The file is in WAL mode with `synchronous = FULL`, so that a charge that was answered is on the disk. Writers wait
//! in line for one connection, and each begins by taking the write lock, so no transaction fails half-way for the
//! lock. This module must never write a record without naming the revision that it replaces.

mod administration;
mod bookkeeping;
mod proofs;

use std::{
    fs::{self, File, OpenOptions},
    future::Future,
    io::{self, Read as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::Path,
    pin::Pin,
    time::Duration,
};

use countersign::{
    Account, Subject, Swap, Write,
    effect::{Descriptor, EndSessions},
};
use sqlx::{
    Connection as _, Row as _, SqliteConnection, SqlitePool,
    query::Query,
    sqlite::{
        SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow,
        SqliteSynchronous,
    },
};

use super::{
    ADD_CLIENT, Database, Directory, END_EPOCH, Form, Inspection, Later, Outbox, PASSWORD_PARAMETERS, Queued,
    REHASH_PASSWORD, REPLACE_CLIENT, Registration, Store, StoreError, User, all_origins, challenge, column,
    millis,
};
use crate::{
    client::{Client, Origin, to_column},
    locale::Locale,
    password_parameters::AFTER_PARAMETERS,
};

/// The database's clock, in milliseconds since 1970.
const NOW_MS: &str = "CAST(unixepoch('subsec') * 1000 AS INTEGER)";

/// What every SQLite file begins with (the "Database File Format" of its documentation, section 1.3).
const SQLITE: &[u8; 16] = b"SQLite format 3\0";

pub(super) struct Sqlite {
    readers: SqlitePool,
    writer: SqlitePool,
    form: Form,
}

impl Sqlite {
    pub(super) async fn open(path: &Path, form: Form) -> Result<Self, StoreError> {
        if path.exists() && !path.is_file() {
            return Err(StoreError::Irregular);
        }
        // The file holds addresses: its owner alone may read it. What SQLite puts beside it inherits that.
        if !is_ours(OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?)? {
            return Err(StoreError::Foreign);
        }
        Self::refuse_foreign(path).await?;
        for suffix in ["", "-wal", "-shm", "-journal"] {
            let mut file = path.as_os_str().to_owned();
            file.push(suffix);
            close_to_others(Path::new(&file))?;
        }
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(10));
        let pool = |connections| {
            SqlitePoolOptions::new()
                .max_connections(connections)
                .acquire_timeout(Duration::from_secs(10))
                // A file does not go away as a network does.
                .test_before_acquire(false)
                // A full disk makes SQLite roll back by itself. The connection's own rollback then fails, and it would
                // take itself to be in a transaction for ever: such a connection is closed, and the next is a new one.
                .after_release(|connection, _| Box::pin(async move { Ok(!connection.is_in_transaction()) }))
        };
        let writer = pool(1).connect_with(options.clone()).await?;
        sqlx::migrate!("migrations/sqlite").run(&writer).await?;
        let readers = pool(4).connect_with(options).await?;
        Ok(Self { readers, writer, form })
    }
}

impl Sqlite {
    /// Refuses the database of another application: it has tables, and not those that the first migration here makes.
    /// What cannot be read this way, such as a database that needs a rollback first, is left for SQLite to judge.
    async fn refuse_foreign(path: &Path) -> Result<(), StoreError> {
        let options = SqliteConnectOptions::new().filename(path).read_only(true);
        let Ok(mut connection) = SqliteConnection::connect_with(&options).await else { return Ok(()) };
        let sql = "SELECT name FROM sqlite_schema WHERE type = 'table'";
        let tables: Vec<String> =
            sqlx::query_scalar(sql).fetch_all(&mut connection).await.unwrap_or_default();
        connection.close().await?;
        let has = |name: &str| tables.iter().any(|table| table == name);
        let ours = has("accounts") && has("users") && has("_sqlx_migrations");
        let begun = tables.iter().all(|table| table == "_sqlx_migrations");
        if ours || begun { Ok(()) } else { Err(StoreError::Foreign) }
    }
}

/// Whether a file is empty or an SQLite database. Any other was named by mistake, and must be left as it is. The file
/// is closed here: closing it later would take away the locks that SQLite has on it by then.
fn is_ours(mut file: File) -> io::Result<bool> {
    let mut begin = [0; SQLITE.len()];
    Ok(file.metadata()?.len() == 0 || (file.read_exact(&mut begin).is_ok() && begin == *SQLITE))
}

/// Takes away the permissions of others on a file, if it is there. Whoever copied it there may have given them.
fn close_to_others(path: &Path) -> Result<(), StoreError> {
    let mut permissions = match fs::metadata(path) {
        Ok(metadata) => metadata.permissions(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let mode = permissions.mode() & 0o777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    permissions.set_mode(mode & 0o700);
    fs::set_permissions(path, permissions).map_err(|_| StoreError::Exposed(path.to_owned()))?;
    tracing::warn!(
        file = %path.display(),
        mode = format!("{mode:o}"),
        "the database file could be read by others, and now by its owner alone: its addresses and password hashes may be known"
    );
    Ok(())
}

impl Store for Sqlite {
    fn load<'a>(&'a self, subject: &'a Subject) -> Later<'a, Option<Account>> {
        Box::pin(async move {
            let query = sqlx::query_scalar("SELECT record FROM accounts WHERE subject = $1");
            let record: Option<String> = query.bind(subject.as_str()).fetch_optional(&self.readers).await?;
            record.map(|record| self.form.read(&record)).transpose()
        })
    }

    fn swap<'a>(&'a self, write: Write, locale: Option<&'a Locale>) -> Later<'a, Swap> {
        Box::pin(async move {
            let subject = write.record.subject().as_str();
            let revision = write.revision().as_i64();
            let record = self.form.write(&write.record)?;
            let query = match write.expected {
                Some(expected) => {
                    let sql =
                        "UPDATE accounts SET revision = $2, record = $3 WHERE subject = $1 AND revision = $4";
                    sqlx::query(sql).bind(subject).bind(revision).bind(record).bind(expected.as_i64())
                }
                None => {
                    let sql = "INSERT INTO accounts (subject, revision, record) VALUES ($1, $2, $3) \
                        ON CONFLICT DO NOTHING";
                    sqlx::query(sql).bind(subject).bind(revision).bind(record)
                }
            };
            self.swap_row(query, subject, &write.outbox, locale).await
        })
    }
}

impl Sqlite {
    /// Writes a record by a statement that names the revision which it replaces, and puts its messages into the outbox, in
    /// one transaction.
    async fn swap_row<'q>(
        &self,
        query: Query<'q, sqlx::Sqlite, SqliteArguments<'q>>,
        subject: &str,
        outbox: &[Descriptor],
        locale: Option<&Locale>,
    ) -> Result<Swap, StoreError> {
        let mut transaction = self.writer.begin_with("BEGIN IMMEDIATE").await?;
        if query.execute(&mut *transaction).await?.rows_affected() == 0 {
            transaction.rollback().await?;
            return Ok(Swap::Lost);
        }
        for descriptor in outbox {
            let challenge = challenge(descriptor);
            // Also one that is claimed: whoever is sending it looks again before handing it over, and what is under
            // way by then must not come back.
            if let Some(challenge) = &challenge {
                let sql = "DELETE FROM outbox WHERE subject = $1 AND challenge = $2";
                sqlx::query(sql).bind(subject).bind(challenge).execute(&mut *transaction).await?;
            }
            let sql = "INSERT INTO outbox (id, subject, descriptor, due_ms, tries, challenge, locale) \
                VALUES ($1, $2, $3, 0, 0, $4, $5) ON CONFLICT DO NOTHING";
            let query = sqlx::query(sql).bind(descriptor.id().to_string()).bind(subject);
            let query = query.bind(serde_json::to_string(descriptor)?).bind(challenge);
            query.bind(locale.map(Locale::as_str)).execute(&mut *transaction).await?;
        }
        transaction.commit().await?;
        Ok(Swap::Stored)
    }
}

impl Outbox for Sqlite {
    fn claim(&self, most: usize, hold: Duration) -> Later<'_, Vec<Queued>> {
        Box::pin(async move {
            // Materialized, so that the limit is drawn once.
            let sql = format!(
                "WITH due AS MATERIALIZED \
                    (SELECT id FROM outbox WHERE due_ms <= {NOW_MS} ORDER BY due_ms LIMIT $1) \
                UPDATE outbox SET due_ms = {NOW_MS} + $2, tries = tries + 1 \
                WHERE id IN (SELECT id FROM due) RETURNING id, descriptor, tries, locale"
            );
            let query = sqlx::query(&sql).bind(i64::try_from(most).unwrap_or(i64::MAX)).bind(millis(hold));
            query.fetch_all(&self.writer).await?.iter().map(queued).collect()
        })
    }

    fn postpone<'a>(&'a self, message: &'a Queued, pause: Duration) -> Later<'a, ()> {
        Box::pin(async move {
            let sql = format!("UPDATE outbox SET due_ms = {NOW_MS} + $3 WHERE id = $1 AND tries = $2");
            let query = sqlx::query(&sql).bind(&message.id).bind(message.tries).bind(millis(pause));
            query.execute(&self.writer).await?;
            Ok(())
        })
    }

    fn is_held<'a>(&'a self, message: &'a Queued) -> Later<'a, bool> {
        Box::pin(async move {
            let sql = "SELECT EXISTS (SELECT 1 FROM outbox WHERE id = $1 AND tries = $2)";
            Ok(sqlx::query_scalar(sql).bind(&message.id).bind(message.tries).fetch_one(&self.readers).await?)
        })
    }

    fn settle<'a>(&'a self, id: &'a str) -> Later<'a, ()> {
        Box::pin(async move {
            sqlx::query("DELETE FROM outbox WHERE id = $1").bind(id).execute(&self.writer).await?;
            Ok(())
        })
    }

    fn waiting(&self) -> Later<'_, i64> {
        Box::pin(async move {
            Ok(sqlx::query_scalar("SELECT count(*) FROM outbox").fetch_one(&self.readers).await?)
        })
    }
}

impl Directory for Sqlite {
    fn user_by_email<'a>(&'a self, email: &'a str) -> Later<'a, Option<User>> {
        Box::pin(async move {
            let query = sqlx::query("SELECT * FROM users WHERE email = $1").bind(email);
            query.fetch_optional(&self.readers).await?.as_ref().map(user).transpose()
        })
    }

    fn user<'a>(&'a self, subject: &'a Subject) -> Later<'a, Option<User>> {
        Box::pin(async move {
            let query = sqlx::query("SELECT * FROM users WHERE subject = $1").bind(subject.as_str());
            query.fetch_optional(&self.readers).await?.as_ref().map(user).transpose()
        })
    }

    fn client<'a>(&'a self, client_id: &'a str) -> Later<'a, Option<Client>> {
        Box::pin(async move {
            let query = sqlx::query("SELECT * FROM clients WHERE client_id = $1").bind(client_id);
            query.fetch_optional(&self.readers).await?.as_ref().map(client).transpose()
        })
    }

    fn password_parameters(&self) -> Later<'_, Vec<String>> {
        Box::pin(async move {
            let query = sqlx::query_scalar(PASSWORD_PARAMETERS).bind(AFTER_PARAMETERS);
            Ok(query.fetch_all(&self.readers).await?)
        })
    }

    fn end_epoch<'a>(&'a self, end: &'a EndSessions) -> Later<'a, ()> {
        Box::pin(async move {
            let query = sqlx::query(END_EPOCH).bind(end.subject.as_str()).bind(end.epoch.as_i64());
            query.bind(end.except.map(column)).execute(&self.writer).await?;
            Ok(())
        })
    }

    fn rehash_password<'a>(&'a self, subject: &'a Subject, old: &'a str, new: &'a str) -> Later<'a, ()> {
        Box::pin(async move {
            let query = sqlx::query(REHASH_PASSWORD).bind(subject.as_str()).bind(old).bind(new);
            query.execute(&self.writer).await?;
            Ok(())
        })
    }

    fn add_user<'a>(&'a self, user: &'a User) -> Later<'a, bool> {
        Box::pin(async move {
            let sql = "INSERT INTO users (subject, email, email_verified, password_hash) \
                VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
            let query = sqlx::query(sql).bind(user.subject.as_str()).bind(&user.email);
            let query = query.bind(user.email_verified).bind(&user.password_hash);
            Ok(query.execute(&self.writer).await?.rows_affected() == 1)
        })
    }

    fn add_client<'a>(&'a self, client: &'a Client) -> Later<'a, bool> {
        Box::pin(async move {
            Ok(bound(sqlx::query(ADD_CLIENT), client).execute(&self.writer).await?.rows_affected() == 1)
        })
    }

    fn clients(&self) -> Later<'_, Vec<Client>> {
        Box::pin(async move {
            let query = sqlx::query("SELECT * FROM clients ORDER BY client_id");
            query.fetch_all(&self.readers).await?.iter().map(client).collect()
        })
    }

    fn origins(&self) -> Later<'_, Vec<Origin>> {
        Box::pin(async move {
            let query = sqlx::query("SELECT DISTINCT origins FROM clients WHERE origins <> ''");
            let rows = query.fetch_all(&self.readers).await?;
            let columns: Result<Vec<&str>, _> = rows.iter().map(|row| row.try_get("origins")).collect();
            all_origins(columns?)
        })
    }

    fn replace_client<'a>(&'a self, client: &'a Client) -> Later<'a, bool> {
        Box::pin(async move {
            Ok(bound(sqlx::query(REPLACE_CLIENT), client).execute(&self.writer).await?.rows_affected() == 1)
        })
    }

    fn remove_client<'a>(&'a self, client_id: &'a str) -> Later<'a, bool> {
        Box::pin(async move {
            let query = sqlx::query("DELETE FROM clients WHERE client_id = $1").bind(client_id);
            Ok(query.execute(&self.writer).await?.rows_affected() == 1)
        })
    }

    fn is_empty(&self) -> Later<'_, bool> {
        Box::pin(async move {
            let sql = "SELECT NOT EXISTS (SELECT 1 FROM users) AND NOT EXISTS (SELECT 1 FROM clients)";
            Ok(sqlx::query_scalar(sql).fetch_one(&self.readers).await?)
        })
    }
}

impl Inspection for Sqlite {
    fn messages<'a>(&'a self, subject: &'a Subject) -> Later<'a, Vec<Descriptor>> {
        Box::pin(async move {
            let query = sqlx::query_scalar("SELECT descriptor FROM outbox WHERE subject = $1");
            let descriptors: Vec<String> = query.bind(subject.as_str()).fetch_all(&self.readers).await?;
            Ok(descriptors.iter().map(|text| serde_json::from_str(text)).collect::<Result<_, _>>()?)
        })
    }

    fn delete<'a>(&'a self, subject: &'a Subject) -> Later<'a, ()> {
        Box::pin(async move {
            let mut transaction = self.writer.begin_with("BEGIN IMMEDIATE").await?;
            for sql in ["DELETE FROM accounts WHERE subject = $1", "DELETE FROM outbox WHERE subject = $1"] {
                sqlx::query(sql).bind(subject.as_str()).execute(&mut *transaction).await?;
            }
            transaction.commit().await?;
            Ok(())
        })
    }
}

impl Database for Sqlite {
    fn ping(&self) -> Later<'_, ()> {
        Box::pin(async move {
            sqlx::query("SELECT 1").execute(&self.writer).await?;
            Ok(())
        })
    }

    fn close(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async {
            self.readers.close().await;
            self.writer.close().await;
        })
    }
}

fn queued(row: &SqliteRow) -> Result<Queued, StoreError> {
    let descriptor: String = row.try_get("descriptor")?;
    let descriptor: Option<Descriptor> = serde_json::from_str(&descriptor).ok();
    Ok(Queued {
        id: row.try_get("id")?,
        descriptor,
        locale: row.try_get("locale")?,
        tries: row.try_get("tries")?,
    })
}

fn user(row: &SqliteRow) -> Result<User, StoreError> {
    Ok(User {
        subject: Subject::new(row.try_get("subject")?)?,
        email: row.try_get("email")?,
        email_verified: row.try_get("email_verified")?,
        password_hash: row.try_get("password_hash")?,
        sessions_end_ms: row.try_get("sessions_end_ms")?,
        epoch: row.try_get("epoch")?,
        spared: row.try_get("spared")?,
    })
}

fn client(row: &SqliteRow) -> Result<Client, StoreError> {
    let registration = Registration {
        client_id: row.try_get("client_id")?,
        secret_hash: row.try_get("secret_hash")?,
        grants: row.try_get("grants")?,
        audiences: row.try_get("audiences")?,
        scopes: row.try_get("scopes")?,
        origins: row.try_get("origins")?,
    };
    registration.read()
}

/// The columns of a client, in the order of the statements that write one.
fn bound<'a>(
    query: Query<'a, sqlx::Sqlite, SqliteArguments<'a>>,
    client: &'a Client,
) -> Query<'a, sqlx::Sqlite, SqliteArguments<'a>> {
    let query = query.bind(&client.client_id).bind(&client.secret_hash).bind(to_column(&client.grants));
    let query = query.bind(to_column(&client.audiences)).bind(to_column(&client.scopes));
    query.bind(to_column(&client.origins))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Grant;

    /// H1: a client from before registrations keeps what the server itself offers.
    #[tokio::test]
    async fn a_client_from_before_registrations_reaches_no_api() -> Result<(), StoreError> {
        let path = std::env::temp_dir().join(format!("countersign-before-{}.db", std::process::id()));
        let mut before = sqlx::migrate!("migrations/sqlite");
        before.migrations.to_mut().truncate(1);
        let options = SqliteConnectOptions::new().filename(&path).create_if_missing(true);
        let pool = SqlitePool::connect_with(options).await?;
        before.run(&pool).await?;
        sqlx::query("INSERT INTO clients VALUES ('shop', NULL)").execute(&pool).await?;
        pool.close().await;
        let store = Sqlite::open(&path, Form::default()).await?;
        let expected = Client {
            client_id: "shop".to_owned(),
            secret_hash: None,
            // What a server had then.
            grants: vec![Grant::Password, Grant::MfaOob, Grant::MfaOtp, Grant::MfaRecoveryCode],
            audiences: Vec::new(),
            scopes: crate::client::ScopeWord::own(),
            origins: Vec::new(),
        };
        assert_eq!(store.client("shop").await?, Some(expected));
        store.close().await;
        for suffix in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{suffix}", path.display()));
        }
        Ok(())
    }

    #[tokio::test]
    async fn the_writer_survives_a_full_disk() -> Result<(), StoreError> {
        let path = std::env::temp_dir().join(format!("countersign-full-{}.db", std::process::id()));
        let store = Sqlite::open(&path, Form::default()).await?;
        sqlx::query("PRAGMA max_page_count = 40").execute(&store.writer).await?;
        let mut transaction = store.writer.begin_with("BEGIN IMMEDIATE").await?;
        let sql = "INSERT INTO users (subject, email, email_verified, password_hash) \
            VALUES ('usr_1', 'a@example.com', 1, zeroblob(1000000))";
        let refused = sqlx::query(sql).execute(&mut *transaction).await;
        drop(transaction);
        assert!(refused.is_err_and(|error| error.to_string().contains("full")));
        let transaction = store.writer.begin_with("BEGIN IMMEDIATE").await;
        assert!(transaction.is_ok(), "{transaction:?}");
        drop(transaction);
        store.close().await;
        for suffix in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{suffix}", path.display()));
        }
        Ok(())
    }
}
