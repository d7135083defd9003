//! The checks. Each sees the store through [`Bench`](crate::store::Bench) alone, and must never call a hook itself.

pub(crate) mod compare_and_swap;
pub(crate) mod concurrency;
pub(crate) mod scenarios;
pub(crate) mod steps;
