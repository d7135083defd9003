//! PostgreSQL: one database, many servers.
//!
//! Under `READ COMMITTED` an `UPDATE … WHERE revision = …` that waited for another writer looks at the row again and
//! finds another revision, so exactly one of any number of concurrent swaps wins. This module must never write a record
//! without naming the revision that it replaces.

mod access;
mod administration;
mod bookkeeping;
mod migrations;
mod proofs;

use std::{future::Future, pin::Pin, time::Duration};

use countersign::{
    Account, Subject, Swap, Write,
    effect::{Descriptor, EndSessions},
};
use sqlx::{
    Connection as _, PgConnection, PgPool, Row as _, Transaction,
    pool::PoolConnection,
    postgres::{PgArguments, PgPoolOptions, PgRow},
    query::Query,
};

use self::access::{ACQUIRE_LIMIT, Access};
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

/// How long an idle connection is taken to be alive.
const TRUSTED_FOR: Duration = Duration::from_millis(500);

/// How long it may take to find out whether an idle connection is alive, and to do anything at all.
const PING_LIMIT: Duration = Duration::from_secs(2);
const LIMIT: Duration = Duration::from_secs(15);

/// The database's clock, in milliseconds since 1970.
const NOW_MS: &str = "CAST(extract(epoch FROM now()) * 1000 AS BIGINT)";

pub(super) struct Postgres {
    pool: PgPool,
    form: Form,
    access: Access,
}

impl Postgres {
    /// Opens the database. `statements` is how many prepared statements a connection keeps.
    pub(super) async fn open(url: &str, statements: Option<u16>, form: Form) -> Result<Self, StoreError> {
        // The pool would go on trying; a database that refuses the first connection is told of at once.
        let access = Access::find(url, statements).await?;
        let pool = PgPoolOptions::new()
            .max_connections(16)
            .acquire_timeout(ACQUIRE_LIMIT)
            // Every connection was tried when it was given back. Another trial, which is a round trip before every
            // statement, is for those that have lain idle since.
            .test_before_acquire(false)
            .before_acquire(|connection, about| {
                Box::pin(async move {
                    if about.idle_for < TRUSTED_FOR {
                        return Ok(true);
                    }
                    Ok(tokio::time::timeout(PING_LIMIT, connection.ping())
                        .await
                        .is_ok_and(|pong| pong.is_ok()))
                })
            })
            .connect_with(access.options.clone())
            .await?;
        let store = Self { pool, form, access };
        let mut held = store.hold().await?;
        migrations::run(held.connection()?).await?;
        held.give_back();
        Ok(store)
    }

    async fn hold(&self) -> Result<Held, StoreError> {
        Ok(Held(Some(self.pool.acquire().await?)))
    }

    /// Begins a transaction of several statements, each made by [`statement`](Self::statement).
    async fn begin<'a>(&self, held: &'a mut Held) -> Result<Transaction<'a, sqlx::Postgres>, StoreError> {
        Ok(held.connection()?.begin_with(self.access.begin()).await?)
    }

    /// A statement of a transaction: behind a pooler it is not kept.
    fn statement<'q>(&self, sql: &'q str) -> Query<'q, sqlx::Postgres, PgArguments> {
        sqlx::query(sql).persistent(self.access.prepares)
    }

    /// How many rows a statement changed.
    async fn execute(&self, query: Query<'_, sqlx::Postgres, PgArguments>) -> Result<u64, StoreError> {
        let query = query.persistent(self.access.prepares);
        let mut held = self.hold().await?;
        let done = match self.access.begin_single() {
            None => query.execute(held.connection()?).await?,
            Some(begin) => {
                let mut transaction = held.connection()?.begin_with(begin).await?;
                let done = query.execute(&mut *transaction).await?;
                transaction.commit().await?;
                done
            }
        };
        held.give_back();
        Ok(done.rows_affected())
    }

    async fn rows(&self, query: Query<'_, sqlx::Postgres, PgArguments>) -> Result<Vec<PgRow>, StoreError> {
        let query = query.persistent(self.access.prepares);
        let mut held = self.hold().await?;
        let rows = match self.access.begin_single() {
            None => query.fetch_all(held.connection()?).await?,
            Some(begin) => {
                let mut transaction = held.connection()?.begin_with(begin).await?;
                let rows = query.fetch_all(&mut *transaction).await?;
                transaction.commit().await?;
                rows
            }
        };
        held.give_back();
        Ok(rows)
    }

    /// The only row, if there is one.
    async fn row(&self, query: Query<'_, sqlx::Postgres, PgArguments>) -> Result<Option<PgRow>, StoreError> {
        Ok(self.rows(query).await?.into_iter().next())
    }
    /// Writes a record by a statement that names the revision which it replaces, and puts its messages into the outbox, in
    /// one transaction.
    async fn swap_row(
        &self,
        query: Query<'_, sqlx::Postgres, PgArguments>,
        subject: &str,
        outbox: &[Descriptor],
        locale: Option<&Locale>,
    ) -> Result<Swap, StoreError> {
        if outbox.is_empty() {
            // One statement is a transaction by itself, and needs one round trip instead of three.
            let swapped = self.execute(query).await? == 1;
            return Ok(if swapped { Swap::Stored } else { Swap::Lost });
        }
        let mut held = self.hold().await?;
        let mut transaction = self.begin(&mut held).await?;
        if query.execute(&mut *transaction).await?.rows_affected() == 0 {
            transaction.rollback().await?;
            held.give_back();
            return Ok(Swap::Lost);
        }
        for descriptor in outbox {
            let challenge = challenge(descriptor);
            // Also one that is claimed: whoever is sending it looks again before handing it over, and what is under
            // way by then must not come back.
            if let Some(challenge) = &challenge {
                let sql = "DELETE FROM outbox WHERE subject = $1 AND challenge = $2";
                self.statement(sql).bind(subject).bind(challenge).execute(&mut *transaction).await?;
            }
            let sql = "INSERT INTO outbox (id, subject, descriptor, due_ms, tries, challenge, locale) \
                VALUES ($1, $2, $3, 0, 0, $4, $5) ON CONFLICT DO NOTHING";
            let query = self.statement(sql).bind(descriptor.id().to_string()).bind(subject);
            let query = query.bind(serde_json::to_string(descriptor)?).bind(challenge);
            query.bind(locale.map(Locale::as_str)).execute(&mut *transaction).await?;
        }
        transaction.commit().await?;
        held.give_back();
        Ok(Swap::Stored)
    }
}

/// Whatever is asked of the database has an end, although a connection can go silent without being closed.
fn bounded<'a, T: 'a>(work: impl Future<Output = Result<T, StoreError>> + Send + 'a) -> Later<'a, T> {
    Box::pin(async move { tokio::time::timeout(LIMIT, work).await.map_err(|_| StoreError::Silent)? })
}

/// A connection of the pool while it is used. One that nobody [gives back](Self::give_back), because its work failed
/// or was given up, has a moment to come to the end of it, as it does where a client has gone: a new connection costs
/// more than the rest of a statement. After that it is cut off: nobody knows what it is waiting for, and the pool
/// would wait with it.
struct Held(Option<PoolConnection<sqlx::Postgres>>);

impl Held {
    fn connection(&mut self) -> Result<&mut PgConnection, StoreError> {
        self.0.as_deref_mut().ok_or(StoreError::Silent)
    }

    fn give_back(mut self) {
        drop(self.0.take());
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let Some(mut connection) = self.0.take() else { return };
        tokio::spawn(async move {
            let pong = tokio::time::timeout(PING_LIMIT, connection.ping()).await;
            if pong.is_ok_and(|pong| pong.is_ok()) {
                drop(connection);
            } else {
                drop(connection.detach());
            }
        });
    }
}

impl Store for Postgres {
    fn load<'a>(&'a self, subject: &'a Subject) -> Later<'a, Option<Account>> {
        bounded(async move {
            let query = sqlx::query("SELECT record FROM accounts WHERE subject = $1").bind(subject.as_str());
            self.row(query).await?.map(|row| self.form.read(row.try_get("record")?)).transpose()
        })
    }

    fn swap<'a>(&'a self, write: Write, locale: Option<&'a Locale>) -> Later<'a, Swap> {
        bounded(async move {
            let subject = write.record.subject().as_str();
            let revision = write.revision().as_i64();
            let record = self.form.write(&write.record)?;
            let query = match write.expected {
                Some(expected) => {
                    let sql =
                        "UPDATE accounts SET revision = $2, record = $3 WHERE subject = $1 AND revision = $4";
                    self.statement(sql).bind(subject).bind(revision).bind(record).bind(expected.as_i64())
                }
                None => {
                    let sql = "INSERT INTO accounts (subject, revision, record) VALUES ($1, $2, $3) \
                        ON CONFLICT DO NOTHING";
                    self.statement(sql).bind(subject).bind(revision).bind(record)
                }
            };
            self.swap_row(query, subject, &write.outbox, locale).await
        })
    }
}

impl Outbox for Postgres {
    fn claim(&self, most: usize, hold: Duration) -> Later<'_, Vec<Queued>> {
        bounded(async move {
            // Materialized, so that the limit is drawn once.
            let sql = format!(
                "WITH due AS MATERIALIZED \
                    (SELECT id FROM outbox WHERE due_ms <= {NOW_MS} ORDER BY due_ms LIMIT $1 FOR UPDATE SKIP LOCKED) \
                UPDATE outbox SET due_ms = {NOW_MS} + $2, tries = tries + 1 \
                WHERE id IN (SELECT id FROM due) RETURNING id, descriptor, tries, locale"
            );
            let query = sqlx::query(&sql).bind(i64::try_from(most).unwrap_or(i64::MAX)).bind(millis(hold));
            self.rows(query).await?.iter().map(queued).collect()
        })
    }

    fn postpone<'a>(&'a self, message: &'a Queued, pause: Duration) -> Later<'a, ()> {
        bounded(async move {
            let sql = format!("UPDATE outbox SET due_ms = {NOW_MS} + $3 WHERE id = $1 AND tries = $2");
            let query = sqlx::query(&sql).bind(&message.id).bind(message.tries).bind(millis(pause));
            self.execute(query).await?;
            Ok(())
        })
    }

    fn is_held<'a>(&'a self, message: &'a Queued) -> Later<'a, bool> {
        bounded(async move {
            let sql = "SELECT EXISTS (SELECT 1 FROM outbox WHERE id = $1 AND tries = $2)";
            let row = self.row(sqlx::query(sql).bind(&message.id).bind(message.tries)).await?;
            Ok(row.ok_or(sqlx::Error::RowNotFound)?.try_get(0)?)
        })
    }

    fn settle<'a>(&'a self, id: &'a str) -> Later<'a, ()> {
        bounded(async move {
            self.execute(sqlx::query("DELETE FROM outbox WHERE id = $1").bind(id)).await?;
            Ok(())
        })
    }

    fn waiting(&self) -> Later<'_, i64> {
        bounded(async move {
            let row = self.row(sqlx::query("SELECT count(*) FROM outbox")).await?;
            Ok(row.ok_or(sqlx::Error::RowNotFound)?.try_get(0)?)
        })
    }
}

impl Directory for Postgres {
    fn user_by_email<'a>(&'a self, email: &'a str) -> Later<'a, Option<User>> {
        bounded(async move {
            let query = sqlx::query("SELECT * FROM users WHERE email = $1").bind(email);
            self.row(query).await?.as_ref().map(user).transpose()
        })
    }

    fn user<'a>(&'a self, subject: &'a Subject) -> Later<'a, Option<User>> {
        bounded(async move {
            let query = sqlx::query("SELECT * FROM users WHERE subject = $1").bind(subject.as_str());
            self.row(query).await?.as_ref().map(user).transpose()
        })
    }

    fn client<'a>(&'a self, client_id: &'a str) -> Later<'a, Option<Client>> {
        bounded(async move {
            let query = sqlx::query("SELECT * FROM clients WHERE client_id = $1").bind(client_id);
            self.row(query).await?.as_ref().map(client).transpose()
        })
    }

    fn password_parameters(&self) -> Later<'_, Vec<String>> {
        bounded(async move {
            let length = i32::try_from(AFTER_PARAMETERS).unwrap_or(i32::MAX);
            let rows = self.rows(sqlx::query(PASSWORD_PARAMETERS).bind(length)).await?;
            rows.iter().map(|row| Ok(row.try_get("parameters")?)).collect()
        })
    }

    fn end_epoch<'a>(&'a self, end: &'a EndSessions) -> Later<'a, ()> {
        bounded(async move {
            let query = sqlx::query(END_EPOCH).bind(end.subject.as_str()).bind(end.epoch.as_i64());
            self.execute(query.bind(end.except.map(column))).await?;
            Ok(())
        })
    }

    fn rehash_password<'a>(&'a self, subject: &'a Subject, old: &'a str, new: &'a str) -> Later<'a, ()> {
        bounded(async move {
            let query = sqlx::query(REHASH_PASSWORD).bind(subject.as_str()).bind(old).bind(new);
            self.execute(query).await.map(drop)
        })
    }

    fn add_user<'a>(&'a self, user: &'a User) -> Later<'a, bool> {
        bounded(async move {
            let sql = "INSERT INTO users (subject, email, email_verified, password_hash) \
                VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
            let query = sqlx::query(sql).bind(user.subject.as_str()).bind(&user.email);
            let query = query.bind(user.email_verified).bind(&user.password_hash);
            Ok(self.execute(query).await? == 1)
        })
    }

    fn add_client<'a>(&'a self, client: &'a Client) -> Later<'a, bool> {
        bounded(async move { Ok(self.execute(bound(sqlx::query(ADD_CLIENT), client)).await? == 1) })
    }

    fn clients(&self) -> Later<'_, Vec<Client>> {
        bounded(async move {
            let query = sqlx::query("SELECT * FROM clients ORDER BY client_id");
            self.rows(query).await?.iter().map(client).collect()
        })
    }

    fn origins(&self) -> Later<'_, Vec<Origin>> {
        bounded(async move {
            let query = sqlx::query("SELECT DISTINCT origins FROM clients WHERE origins <> ''");
            let rows = self.rows(query).await?;
            let columns: Result<Vec<&str>, _> = rows.iter().map(|row| row.try_get("origins")).collect();
            all_origins(columns?)
        })
    }

    fn replace_client<'a>(&'a self, client: &'a Client) -> Later<'a, bool> {
        bounded(async move { Ok(self.execute(bound(sqlx::query(REPLACE_CLIENT), client)).await? == 1) })
    }

    fn remove_client<'a>(&'a self, client_id: &'a str) -> Later<'a, bool> {
        bounded(async move {
            let query = sqlx::query("DELETE FROM clients WHERE client_id = $1").bind(client_id);
            Ok(self.execute(query).await? == 1)
        })
    }

    fn is_empty(&self) -> Later<'_, bool> {
        bounded(async move {
            let sql = "SELECT NOT EXISTS (SELECT 1 FROM users) AND NOT EXISTS (SELECT 1 FROM clients)";
            Ok(self.row(sqlx::query(sql)).await?.ok_or(sqlx::Error::RowNotFound)?.try_get(0)?)
        })
    }
}

impl Inspection for Postgres {
    fn messages<'a>(&'a self, subject: &'a Subject) -> Later<'a, Vec<Descriptor>> {
        bounded(async move {
            let query =
                sqlx::query("SELECT descriptor FROM outbox WHERE subject = $1").bind(subject.as_str());
            let rows = self.rows(query).await?;
            rows.iter().map(|row| Ok(serde_json::from_str(row.try_get("descriptor")?)?)).collect()
        })
    }

    fn delete<'a>(&'a self, subject: &'a Subject) -> Later<'a, ()> {
        bounded(async move {
            let mut held = self.hold().await?;
            let mut transaction = self.begin(&mut held).await?;
            for sql in ["DELETE FROM accounts WHERE subject = $1", "DELETE FROM outbox WHERE subject = $1"] {
                self.statement(sql).bind(subject.as_str()).execute(&mut *transaction).await?;
            }
            transaction.commit().await?;
            held.give_back();
            Ok(())
        })
    }
}

impl Database for Postgres {
    fn ping(&self) -> Later<'_, ()> {
        bounded(async move {
            self.execute(sqlx::query("SELECT 1")).await?;
            Ok(())
        })
    }

    fn close(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        // Connections that are waiting for a silent database would be waited for.
        Box::pin(async move {
            let _ = tokio::time::timeout(ACQUIRE_LIMIT, self.pool.close()).await;
        })
    }
}

fn queued(row: &PgRow) -> Result<Queued, StoreError> {
    let descriptor: String = row.try_get("descriptor")?;
    let descriptor: Option<Descriptor> = serde_json::from_str(&descriptor).ok();
    Ok(Queued {
        id: row.try_get("id")?,
        descriptor,
        locale: row.try_get("locale")?,
        tries: row.try_get("tries")?,
    })
}

fn user(row: &PgRow) -> Result<User, StoreError> {
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

fn client(row: &PgRow) -> Result<Client, StoreError> {
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
    query: Query<'a, sqlx::Postgres, PgArguments>,
    client: &'a Client,
) -> Query<'a, sqlx::Postgres, PgArguments> {
    let query = query.bind(&client.client_id).bind(&client.secret_hash).bind(to_column(&client.grants));
    let query = query.bind(to_column(&client.audiences)).bind(to_column(&client.scopes));
    query.bind(to_column(&client.origins))
}
