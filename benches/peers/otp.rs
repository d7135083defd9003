//! The library's own sources of codes: what no host calls, since nothing is charged by them.

#[path = "../../src/otp/hotp.rs"]
pub(crate) mod hotp;
#[path = "../../src/otp/totp.rs"]
pub(crate) mod totp;
