//! One-time passwords by the book: RFC 4226 (HOTP), RFC 6238 (TOTP), and the URI that hands a secret to an
//! app. This room must never read a policy, a record or a clock, or keep a secret.

pub(crate) mod hotp;
pub(crate) mod key_uri;
pub(crate) mod totp;

pub use self::key_uri::{InvalidKeyLabel, KeyLabel};
pub use crate::value::one_time_password::OtpAlgorithm;
