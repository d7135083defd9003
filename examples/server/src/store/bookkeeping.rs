//! What the server and the administrators' commands keep beside the users' data: the running policy, the context of the
//! keys and the counts of acts.

use super::Later;
use crate::metrics::PoolSize;

pub(crate) trait Bookkeeping: Send + Sync {
    /// Counts an act of an administrator.
    fn count_act<'a>(&'a self, act: &'a str, result: &'a str) -> Later<'a, ()>;

    /// Every act that was counted: its name, its result and how often.
    fn acts(&self) -> Later<'_, Vec<(String, String, i64)>>;

    /// Notes the name of the policy that this server starts with.
    fn set_policy<'a>(&'a self, policy: &'a str) -> Later<'a, ()>;

    /// The name of the policy of the server that started last.
    fn policy(&self) -> Later<'_, Option<String>>;

    /// Notes the context of the keys, unless one is known. Gives the one that is known then.
    fn settle_context<'a>(&'a self, context: &'a str) -> Later<'a, String>;

    /// The context of the keys that the first server was started with.
    fn context(&self) -> Later<'_, Option<String>>;

    /// The connections to the database.
    fn pool_size(&self) -> PoolSize;
}

/// Counts one more.
pub(super) const COUNT_ACT: &str = "INSERT INTO administrator_acts (act, result, count) VALUES ($1, $2, 1) \
    ON CONFLICT (act, result) DO UPDATE SET count = administrator_acts.count + 1";
pub(super) const ACTS: &str = "SELECT act, result, count FROM administrator_acts";
pub(super) const SET_POLICY: &str = "INSERT INTO running_policy (one, policy) VALUES (1, $1) \
    ON CONFLICT (one) DO UPDATE SET policy = excluded.policy";
pub(super) const SETTLE_CONTEXT: &str =
    "INSERT INTO key_context (one, context) VALUES (1, $1) ON CONFLICT (one) DO NOTHING";
pub(super) const CONTEXT: &str = "SELECT context FROM key_context";
pub(super) const POLICY: &str = "SELECT policy FROM running_policy";
