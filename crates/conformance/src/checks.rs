//! The checks. Each uses the store through [`StoreUnderTest`](crate::store::StoreUnderTest) alone, and must never call
//! a hook itself.

pub(crate) mod compare_and_swap;
pub(crate) mod concurrency;
pub(crate) mod otp;
pub(crate) mod scenarios;
pub(crate) mod steps;
