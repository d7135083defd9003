//! What the checks store: an account in use, records of every shape, and the writes that carry them. Nothing here may
//! judge the store.

pub(crate) mod account;
pub(crate) mod device;
pub(crate) mod messages;
pub(crate) mod records;
pub(crate) mod writes;
