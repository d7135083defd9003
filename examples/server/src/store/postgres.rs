//! PostgreSQL: one database, many servers.
//!
//! Under `READ COMMITTED` an `UPDATE … WHERE revision = …` that waited for another writer looks at the row again and
//! finds another revision, so exactly one of any number of concurrent swaps wins. This module must never write a record
//! without naming the revision that it replaces.

use std::{future::Future, pin::Pin, time::Duration};

use countersign::{Account, Descriptor, Subject, Swap, Write};
use sqlx::{
    Connection as _, PgConnection, PgPool, Row as _,
    postgres::{PgPoolOptions, PgRow},
};

use super::{
    Client, Database, Directory, Form, Inspection, Later, Outbox, Queued, Store, StoreError, User, column,
    millis,
};

/// How long an idle connection is taken to be alive.
const TRUSTED_FOR: Duration = Duration::from_millis(500);

/// The database's clock, in milliseconds since 1970.
const NOW_MS: &str = "CAST(extract(epoch FROM now()) * 1000 AS BIGINT)";

pub(super) struct Postgres(PgPool, Form);

impl Postgres {
    pub(super) async fn open(url: &str, form: Form) -> Result<Self, StoreError> {
        // The pool would go on trying; a database that refuses the first connection is told of at once.
        let first = tokio::time::timeout(Duration::from_secs(10), PgConnection::connect(url));
        first.await.map_err(|_| StoreError::Silent)??.close().await?;
        let pool = PgPoolOptions::new()
            .max_connections(16)
            .acquire_timeout(Duration::from_secs(10))
            // Every connection was tried when it was given back. Another trial, which is a round trip before every
            // statement, is for those that have lain idle since.
            .test_before_acquire(false)
            .before_acquire(|connection, about| {
                Box::pin(async move { Ok(about.idle_for < TRUSTED_FOR || connection.ping().await.is_ok()) })
            })
            .connect(url)
            .await?;
        sqlx::migrate!("migrations/postgres").run(&pool).await?;
        Ok(Self(pool, form))
    }
}

impl Store for Postgres {
    fn load<'a>(&'a self, subject: &'a Subject) -> Later<'a, Option<Account>> {
        Box::pin(async move {
            let query = sqlx::query_scalar("SELECT record FROM accounts WHERE subject = $1");
            let record: Option<String> = query.bind(subject.as_str()).fetch_optional(&self.0).await?;
            record.map(|record| self.1.read(&record)).transpose()
        })
    }

    fn swap(&self, write: Write) -> Later<'_, Swap> {
        Box::pin(async move {
            let subject = write.record.subject().as_str();
            let revision = column(write.record.revision());
            let record = self.1.write(&write.record)?;
            let query = match write.expected {
                Some(expected) => {
                    let sql =
                        "UPDATE accounts SET revision = $2, record = $3 WHERE subject = $1 AND revision = $4";
                    sqlx::query(sql).bind(subject).bind(revision).bind(record).bind(column(expected))
                }
                None => {
                    let sql = "INSERT INTO accounts (subject, revision, record) VALUES ($1, $2, $3) \
                        ON CONFLICT DO NOTHING";
                    sqlx::query(sql).bind(subject).bind(revision).bind(record)
                }
            };
            if write.outbox.is_empty() {
                // One statement is a transaction by itself, and needs one round trip instead of three.
                let swapped = query.execute(&self.0).await?.rows_affected() == 1;
                return Ok(if swapped { Swap::Stored } else { Swap::Lost });
            }
            let mut transaction = self.0.begin().await?;
            if query.execute(&mut *transaction).await?.rows_affected() == 0 {
                transaction.rollback().await?;
                return Ok(Swap::Lost);
            }
            for descriptor in &write.outbox {
                let sql = "INSERT INTO outbox (id, subject, descriptor, due_ms, tries) VALUES ($1, $2, $3, 0, 0) \
                    ON CONFLICT DO NOTHING";
                let query = sqlx::query(sql).bind(descriptor.id().to_string()).bind(subject);
                query.bind(serde_json::to_string(descriptor)?).execute(&mut *transaction).await?;
            }
            transaction.commit().await?;
            Ok(Swap::Stored)
        })
    }
}

impl Outbox for Postgres {
    fn claim(&self, most: usize, hold: Duration) -> Later<'_, Vec<Queued>> {
        Box::pin(async move {
            // Materialized, so that the limit is drawn once.
            let sql = format!(
                "WITH due AS MATERIALIZED \
                    (SELECT id FROM outbox WHERE due_ms <= {NOW_MS} ORDER BY due_ms LIMIT $1 FOR UPDATE SKIP LOCKED) \
                UPDATE outbox SET due_ms = {NOW_MS} + $2, tries = tries + 1 \
                WHERE id IN (SELECT id FROM due) RETURNING id, descriptor, tries"
            );
            let query = sqlx::query(&sql).bind(i64::try_from(most).unwrap_or(i64::MAX)).bind(millis(hold));
            query.fetch_all(&self.0).await?.iter().map(queued).collect()
        })
    }

    fn postpone<'a>(&'a self, message: &'a Queued, pause: Duration) -> Later<'a, ()> {
        Box::pin(async move {
            let sql = format!("UPDATE outbox SET due_ms = {NOW_MS} + $3 WHERE id = $1 AND tries = $2");
            let query = sqlx::query(&sql).bind(&message.id).bind(message.tries).bind(millis(pause));
            query.execute(&self.0).await?;
            Ok(())
        })
    }

    fn settle<'a>(&'a self, id: &'a str) -> Later<'a, ()> {
        Box::pin(async move {
            sqlx::query("DELETE FROM outbox WHERE id = $1").bind(id).execute(&self.0).await?;
            Ok(())
        })
    }

    fn waiting(&self) -> Later<'_, i64> {
        Box::pin(
            async move { Ok(sqlx::query_scalar("SELECT count(*) FROM outbox").fetch_one(&self.0).await?) },
        )
    }
}

impl Directory for Postgres {
    fn user_by_email<'a>(&'a self, email: &'a str) -> Later<'a, Option<User>> {
        Box::pin(async move {
            let query = sqlx::query("SELECT * FROM users WHERE email = $1").bind(email);
            query.fetch_optional(&self.0).await?.as_ref().map(user).transpose()
        })
    }

    fn user<'a>(&'a self, subject: &'a Subject) -> Later<'a, Option<User>> {
        Box::pin(async move {
            let query = sqlx::query("SELECT * FROM users WHERE subject = $1").bind(subject.as_str());
            query.fetch_optional(&self.0).await?.as_ref().map(user).transpose()
        })
    }

    fn client<'a>(&'a self, client_id: &'a str) -> Later<'a, Option<Client>> {
        Box::pin(async move {
            let query = sqlx::query("SELECT * FROM clients WHERE client_id = $1").bind(client_id);
            query.fetch_optional(&self.0).await?.as_ref().map(client).transpose()
        })
    }

    fn add_user<'a>(&'a self, user: &'a User) -> Later<'a, bool> {
        Box::pin(async move {
            let sql = "INSERT INTO users (subject, email, email_verified, password_hash) \
                VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
            let query = sqlx::query(sql).bind(user.subject.as_str()).bind(&user.email);
            let query = query.bind(user.email_verified).bind(&user.password_hash);
            Ok(query.execute(&self.0).await?.rows_affected() == 1)
        })
    }

    fn add_client<'a>(&'a self, client: &'a Client) -> Later<'a, bool> {
        Box::pin(async move {
            let sql = "INSERT INTO clients (client_id, secret_hash) VALUES ($1, $2) ON CONFLICT DO NOTHING";
            let query = sqlx::query(sql).bind(&client.client_id).bind(&client.secret_hash);
            Ok(query.execute(&self.0).await?.rows_affected() == 1)
        })
    }

    fn is_empty(&self) -> Later<'_, bool> {
        Box::pin(async move {
            let sql = "SELECT NOT EXISTS (SELECT 1 FROM users) AND NOT EXISTS (SELECT 1 FROM clients)";
            Ok(sqlx::query_scalar(sql).fetch_one(&self.0).await?)
        })
    }
}

impl Inspection for Postgres {
    fn messages<'a>(&'a self, subject: &'a Subject) -> Later<'a, Vec<Descriptor>> {
        Box::pin(async move {
            let query = sqlx::query_scalar("SELECT descriptor FROM outbox WHERE subject = $1");
            let descriptors: Vec<String> = query.bind(subject.as_str()).fetch_all(&self.0).await?;
            Ok(descriptors.iter().map(|text| serde_json::from_str(text)).collect::<Result<_, _>>()?)
        })
    }

    fn delete<'a>(&'a self, subject: &'a Subject) -> Later<'a, ()> {
        Box::pin(async move {
            let mut transaction = self.0.begin().await?;
            for sql in ["DELETE FROM accounts WHERE subject = $1", "DELETE FROM outbox WHERE subject = $1"] {
                sqlx::query(sql).bind(subject.as_str()).execute(&mut *transaction).await?;
            }
            transaction.commit().await?;
            Ok(())
        })
    }
}

impl Database for Postgres {
    fn ping(&self) -> Later<'_, ()> {
        Box::pin(async move {
            sqlx::query("SELECT 1").execute(&self.0).await?;
            Ok(())
        })
    }

    fn close(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(self.0.close())
    }
}

fn queued(row: &PgRow) -> Result<Queued, StoreError> {
    let descriptor: String = row.try_get("descriptor")?;
    let descriptor: Option<Descriptor> = serde_json::from_str(&descriptor).ok();
    Ok(Queued { id: row.try_get("id")?, descriptor, tries: row.try_get("tries")? })
}

fn user(row: &PgRow) -> Result<User, StoreError> {
    Ok(User {
        subject: Subject::new(row.try_get("subject")?)?,
        email: row.try_get("email")?,
        email_verified: row.try_get("email_verified")?,
        password_hash: row.try_get("password_hash")?,
    })
}

fn client(row: &PgRow) -> Result<Client, StoreError> {
    Ok(Client { client_id: row.try_get("client_id")?, secret_hash: row.try_get("secret_hash")? })
}
