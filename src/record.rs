//! What is stored. This room must never decide who may do what: that is for the commands.

#![allow(clippy::module_inception, reason = "the room has the name of its main type")]

pub(crate) mod account;
pub(crate) mod address_proof;
pub(crate) mod authenticator;
pub(crate) mod challenge;
pub(crate) mod device;
pub(crate) mod exchange;
pub(crate) mod ledger;
pub(crate) mod record;
pub(crate) mod recovery;
pub(crate) mod stale_keys;
#[cfg(feature = "serde")]
pub(crate) mod stored;
pub(crate) mod transaction;
#[cfg(feature = "serde")]
pub(crate) mod validate;

#[cfg(feature = "serde")]
pub use self::stored::StoredVersion;
pub use self::{
    authenticator::{Authenticator, AuthenticatorStatus, AuthenticatorView, Origin},
    challenge::Challenge,
    device::{Device, DeviceView},
    ledger::Ledger,
    record::Record,
    stale_keys::{KeyUse, StaleKeys},
};
pub use crate::value::lane::Lane;
