//! What is stored. This room must never decide who may do what: that is for the commands.

#![allow(clippy::module_inception, reason = "the room has the name of its main type")]

pub(crate) mod account;
pub(crate) mod authenticator;
pub(crate) mod challenge;
pub mod ledger;
pub(crate) mod record;
pub(crate) mod recovery;
pub mod standalone;
#[cfg(feature = "serde")]
pub(crate) mod stored;
pub(crate) mod transaction;
#[cfg(feature = "serde")]
pub(crate) mod validate;
