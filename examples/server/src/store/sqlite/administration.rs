//! What administrators ask of SQLite.

use std::path::Path;

use countersign::Subject;
use sqlx::{Row as _, sqlite::SqliteRow as Row};
use time::OffsetDateTime;

use super::{
    super::{Administration, Later, Listed, Recorded, instant, sessions_end},
    NOW_MS, Sqlite, user,
};

impl Administration for Sqlite {
    fn users<'a>(&'a self, after: &'a str, contains: &'a str, most: u16) -> Later<'a, Vec<Listed>> {
        Box::pin(async move {
            let sql = "SELECT users.*, accounts.record FROM users LEFT JOIN accounts ON accounts.subject = users.subject \
                WHERE users.email > $1 AND ($2 = '' OR instr(users.email, $2) > 0) ORDER BY users.email LIMIT $3";
            let query = sqlx::query(sql).bind(after).bind(contains).bind(i64::from(most));
            let rows = query.fetch_all(&self.readers).await?;
            let listed = |row: &Row| {
                let record: Option<String> = row.try_get("record")?;
                let record = record.map(|record| self.form.read(&record)).transpose();
                Ok(Listed { user: user(row)?, record })
            };
            rows.iter().map(listed).collect()
        })
    }

    fn remove_user<'a>(&'a self, subject: &'a Subject) -> Later<'a, bool> {
        Box::pin(async move {
            let mut transaction = self.writer.begin_with("BEGIN IMMEDIATE").await?;
            let mut removed = 0;
            for sql in [
                "DELETE FROM accounts WHERE subject = $1",
                "DELETE FROM outbox WHERE subject = $1",
                "DELETE FROM users WHERE subject = $1",
            ] {
                let query = sqlx::query(sql).bind(subject.as_str());
                removed = query.execute(&mut *transaction).await?.rows_affected();
            }
            transaction.commit().await?;
            Ok(removed == 1)
        })
    }

    fn set_password<'a>(
        &'a self,
        subject: &'a Subject,
        hash: &'a str,
        now: OffsetDateTime,
    ) -> Later<'a, bool> {
        Box::pin(async move {
            let end = sessions_end(NOW_MS, "$3");
            let sql =
                format!("UPDATE users SET password_hash = $2, sessions_end_ms = {end} WHERE subject = $1");
            let query = sqlx::query(&sql).bind(subject.as_str()).bind(hash).bind(instant(now));
            Ok(query.execute(&self.writer).await?.rows_affected() == 1)
        })
    }

    fn end_sessions<'a>(&'a self, subject: Option<&'a Subject>, now: OffsetDateTime) -> Later<'a, u64> {
        Box::pin(async move {
            let end = sessions_end(NOW_MS, "$2");
            let sql = format!("UPDATE users SET sessions_end_ms = {end} WHERE $1 IS NULL OR subject = $1");
            let query = sqlx::query(&sql).bind(subject.map(Subject::as_str)).bind(instant(now));
            Ok(query.execute(&self.writer).await?.rows_affected())
        })
    }

    fn records<'a>(&'a self, after: &'a str, most: u16) -> Later<'a, Vec<Recorded>> {
        Box::pin(async move {
            let sql = "SELECT subject, record FROM accounts WHERE subject > $1 ORDER BY subject LIMIT $2";
            let query = sqlx::query(sql).bind(after).bind(i64::from(most));
            let rows = query.fetch_all(&self.readers).await?;
            let recorded = |row: &Row| {
                let record: String = row.try_get("record")?;
                Ok(Recorded { subject: row.try_get("subject")?, record: self.form.read(&record) })
            };
            rows.iter().map(recorded).collect()
        })
    }

    fn durable_keys(&self) -> Later<'_, Vec<String>> {
        Box::pin(async move {
            let query = sqlx::query("SELECT key_id FROM durable_keys ORDER BY key_id");
            let rows = query.fetch_all(&self.readers).await?;
            rows.iter().map(|row| Ok(row.try_get("key_id")?)).collect()
        })
    }

    fn add_durable_key<'a>(&'a self, id: &'a str) -> Later<'a, ()> {
        Box::pin(async move {
            let sql = "INSERT INTO durable_keys (key_id) VALUES ($1) ON CONFLICT DO NOTHING";
            let query = sqlx::query(sql).bind(id);
            query.execute(&self.writer).await?.rows_affected();
            Ok(())
        })
    }

    fn forget_durable_key<'a>(&'a self, id: &'a str) -> Later<'a, ()> {
        Box::pin(async move {
            let query = sqlx::query("DELETE FROM durable_keys WHERE key_id = $1").bind(id);
            query.execute(&self.writer).await?.rows_affected();
            Ok(())
        })
    }

    fn copy_into<'a>(&'a self, file: &'a Path) -> Later<'a, bool> {
        Box::pin(async move {
            // One read transaction: what other connections write meanwhile is in it whole or not at all, and none of
            // them waits.
            let file = file.to_str().ok_or_else(|| std::io::Error::other("the path is not in UTF-8"))?;
            sqlx::query("VACUUM INTO $1").bind(file).execute(&self.readers).await?;
            Ok(true)
        })
    }
}
