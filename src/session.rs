//! Who asks, and on what grant; and the sealed texts that carry it between requests. Nothing unsealed may ever be
//! believed.

#![allow(clippy::module_inception, reason = "the room has the name of its main type")]

pub(crate) mod device_token;
pub(crate) mod elevation;
pub(crate) mod evidence;
pub(crate) mod mfa_token;
pub(crate) mod oob_code;
pub(crate) mod proof_handle;
pub(crate) mod session;

pub use self::{oob_code::OobHandle, session::ElevatedScopes};
pub use crate::value::{
    epoch::Epoch,
    id::{DeviceId, InvalidDeviceId, TransactionId},
    name::{Audience, ClientId, NameError, NameErrorKind, Scope},
};
