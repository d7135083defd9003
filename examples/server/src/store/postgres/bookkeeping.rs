//! See [`Bookkeeping`].

use sqlx::Row as _;

use super::{
    super::{
        Later,
        bookkeeping::{ACTS, Bookkeeping, CONTEXT, COUNT_ACT, POLICY, SET_POLICY, SETTLE_CONTEXT},
    },
    Postgres, bounded,
};
use crate::metrics::PoolSize;

impl Bookkeeping for Postgres {
    fn count_act<'a>(&'a self, act: &'a str, result: &'a str) -> Later<'a, ()> {
        bounded(async move {
            self.execute(sqlx::query(COUNT_ACT).bind(act).bind(result)).await?;
            Ok(())
        })
    }

    fn acts(&self) -> Later<'_, Vec<(String, String, i64)>> {
        bounded(async move {
            let rows = self.rows(sqlx::query(ACTS)).await?;
            let act = |row: &sqlx::postgres::PgRow| Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?));
            rows.iter().map(act).collect()
        })
    }

    fn set_policy<'a>(&'a self, policy: &'a str) -> Later<'a, ()> {
        bounded(async move {
            self.execute(sqlx::query(SET_POLICY).bind(policy)).await?;
            Ok(())
        })
    }

    fn policy(&self) -> Later<'_, Option<String>> {
        bounded(async move {
            let row = self.row(sqlx::query(POLICY)).await?;
            Ok(row.map(|row| row.try_get(0)).transpose()?)
        })
    }

    fn settle_context<'a>(&'a self, context: &'a str) -> Later<'a, String> {
        bounded(async move {
            self.execute(sqlx::query(SETTLE_CONTEXT).bind(context)).await?;
            let row = self.row(sqlx::query(CONTEXT)).await?;
            Ok(row.ok_or(sqlx::Error::RowNotFound)?.try_get(0)?)
        })
    }

    fn context(&self) -> Later<'_, Option<String>> {
        bounded(async move {
            let row = self.row(sqlx::query(CONTEXT)).await?;
            Ok(row.map(|row| row.try_get(0)).transpose()?)
        })
    }

    fn pool_size(&self) -> PoolSize {
        PoolSize::new(self.pool.size(), self.pool.num_idle(), self.pool.options().get_max_connections())
    }
}
