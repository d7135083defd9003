//! What the checks store: an account that was used, records of every shape, and the writes that carry them.

pub(crate) mod account;
pub(crate) mod messages;
pub(crate) mod records;
pub(crate) mod writes;
