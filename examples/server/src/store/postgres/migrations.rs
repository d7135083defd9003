//! Brings the schema up to date, in one transaction. This module must never hold a lock longer than that transaction:
//! behind a pooler a lock of the session stays on a connection that others get. It keeps the driver's own table of
//! migrations, and looks before it creates, so that PostgreSQL has nothing to notice.

use std::collections::BTreeMap;

use sqlx::{
    Connection as _, Executor as _, PgConnection, Row as _,
    migrate::{MigrateError, Migrator},
};

use super::StoreError;

static MIGRATOR: Migrator = sqlx::migrate!("migrations/postgres");

/// A migration may take longer than a request.
const BEGIN: &str = "BEGIN; SET LOCAL statement_timeout = '10min'; SET LOCAL lock_timeout = '1min'; \
    SET LOCAL idle_in_transaction_session_timeout = '1min'";

/// Servers that start at the same time take turns. The number is any that nobody else uses.
const LOCK: i64 = 0x636f_756e_7465_7273;

/// The table that the driver's own migrations keep.
const TABLE: &str = "CREATE TABLE _sqlx_migrations (
    version BIGINT PRIMARY KEY,
    description TEXT NOT NULL,
    installed_on TIMESTAMPTZ NOT NULL DEFAULT now(),
    success BOOLEAN NOT NULL,
    checksum BYTEA NOT NULL,
    execution_time BIGINT NOT NULL
)";

pub(super) async fn run(connection: &mut PgConnection) -> Result<(), StoreError> {
    let mut transaction = connection.begin_with(BEGIN).await?;
    let lock = sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(LOCK).persistent(false);
    lock.execute(&mut *transaction).await?;
    let exists = sqlx::query("SELECT to_regclass('_sqlx_migrations') IS NOT NULL").persistent(false);
    if !exists.fetch_one(&mut *transaction).await?.try_get(0)? {
        transaction.execute(TABLE).await?;
    }
    let mut applied = BTreeMap::new();
    let query = sqlx::query("SELECT version, checksum, success FROM _sqlx_migrations").persistent(false);
    for row in query.fetch_all(&mut *transaction).await? {
        let version: i64 = row.try_get("version")?;
        if !row.try_get::<bool, _>("success")? {
            return Err(MigrateError::Dirty(version).into());
        }
        applied.insert(version, row.try_get::<Vec<u8>, _>("checksum")?);
    }
    for migration in MIGRATOR.iter() {
        match applied.remove(&migration.version) {
            Some(checksum) if checksum == *migration.checksum => continue,
            Some(_) => return Err(MigrateError::VersionMismatch(migration.version).into()),
            None => {}
        }
        let done = transaction.execute(&*migration.sql).await;
        done.map_err(|error| MigrateError::ExecuteMigration(error, migration.version))?;
        let sql = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
            VALUES ($1, $2, TRUE, $3, 0)";
        let query = sqlx::query(sql).bind(migration.version).bind(&*migration.description);
        query.bind(&*migration.checksum).persistent(false).execute(&mut *transaction).await?;
    }
    if let Some((version, _)) = applied.pop_last() {
        return Err(MigrateError::VersionMissing(version).into());
    }
    transaction.commit().await?;
    Ok(())
}
