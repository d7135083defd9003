//! The commands, a file each. A command must never read a clock, draw from anything but the entropy that it was
//! handed, or keep anything.

pub(crate) mod activate;
pub(crate) mod address_verifier;
pub(crate) mod admin;
pub(crate) mod associate;
pub(crate) mod authenticators;
pub(crate) mod begin;
pub(crate) mod challenge;
pub(crate) mod context;
pub(crate) mod decide;
pub(crate) mod devices;
pub(crate) mod gate;
pub(crate) mod guess;
pub(crate) mod preferences;
pub(crate) mod provision;
pub(crate) mod recovery_codes;
pub(crate) mod remove;
pub(crate) mod render;
pub(crate) mod report_delivery;
pub(crate) mod revoke_sessions;
pub(crate) mod send;
pub(crate) mod verifier;
pub(crate) mod verify_device;
pub(crate) mod verify_oob;
pub(crate) mod verify_otp;
pub(crate) mod verify_recovery;

pub use self::{
    challenge::ChallengeTypes, recovery_codes::Regenerated, verify_device::Remembered,
    verify_otp::OtpRequest, verify_recovery::Recovered,
};
pub use crate::value::{name::Label, purpose::Purpose};
