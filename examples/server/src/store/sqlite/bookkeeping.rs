//! See [`Bookkeeping`].

use sqlx::Row as _;

use super::{
    super::{
        Later,
        bookkeeping::{ACTS, Bookkeeping, CONTEXT, COUNT_ACT, POLICY, SET_POLICY, SETTLE_CONTEXT},
    },
    Sqlite,
};
use crate::metrics::PoolSize;

impl Bookkeeping for Sqlite {
    fn count_act<'a>(&'a self, act: &'a str, result: &'a str) -> Later<'a, ()> {
        Box::pin(async move {
            sqlx::query(COUNT_ACT).bind(act).bind(result).execute(&self.writer).await?;
            Ok(())
        })
    }

    fn acts(&self) -> Later<'_, Vec<(String, String, i64)>> {
        Box::pin(async move {
            let rows = sqlx::query(ACTS).fetch_all(&self.readers).await?;
            let act = |row: &sqlx::sqlite::SqliteRow| Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?));
            rows.iter().map(act).collect()
        })
    }

    fn set_policy<'a>(&'a self, policy: &'a str) -> Later<'a, ()> {
        Box::pin(async move {
            sqlx::query(SET_POLICY).bind(policy).execute(&self.writer).await?;
            Ok(())
        })
    }

    fn policy(&self) -> Later<'_, Option<String>> {
        Box::pin(async move { Ok(sqlx::query_scalar(POLICY).fetch_optional(&self.readers).await?) })
    }

    fn settle_context<'a>(&'a self, context: &'a str) -> Later<'a, String> {
        Box::pin(async move {
            sqlx::query(SETTLE_CONTEXT).bind(context).execute(&self.writer).await?;
            Ok(sqlx::query_scalar(CONTEXT).fetch_one(&self.writer).await?)
        })
    }

    fn context(&self) -> Later<'_, Option<String>> {
        Box::pin(async move { Ok(sqlx::query_scalar(CONTEXT).fetch_optional(&self.readers).await?) })
    }

    fn pool_size(&self) -> PoolSize {
        let most = self.readers.options().get_max_connections() + self.writer.options().get_max_connections();
        let open = self.readers.size().saturating_add(self.writer.size());
        PoolSize::new(open, self.readers.num_idle().saturating_add(self.writer.num_idle()), most)
    }
}
