//! The endpoints. Each reads a request, takes one step of the core, and writes a reply: nothing is decided here.

pub(crate) mod address;
pub(crate) mod demo;
pub(crate) mod devices;
pub(crate) mod mfa;
pub(crate) mod page;
pub(crate) mod public;
pub(crate) mod recovery_codes;
pub(crate) mod token;
