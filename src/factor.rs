//! The factors, a file each, and what all of them share: the enum, channels and destinations, and the answers of an
//! enrollment and of a challenge. This room must never decide whether a factor may be used: that is the policy and the
//! commands.
#![allow(clippy::module_inception, reason = "the room has the name of its main type")]

pub(crate) mod destination;
pub(crate) mod email;
pub(crate) mod factor;
pub(crate) mod hotp;
pub(crate) mod one_time;
pub(crate) mod setup;
pub(crate) mod spec;
pub(crate) mod totp;

pub use self::{
    email::EmailFactor,
    factor::Factor,
    hotp::HotpFactor,
    setup::{OtpSetup, Prompt, Sent, Setup},
    totp::TotpFactor,
};
pub use crate::value::{
    email_address::AddressError,
    id::{AuthenticatorKind, InvalidAuthenticatorId},
    name::AuthenticatorName,
};
